# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that end with a core dump, on a machine that hands dumps to a program."""

import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest

import machine

SYS_RESOURCE = 24
PATTERN = Path("/proc/sys/kernel/core_pattern")

# A program that wants its memory to get out: what it can do for that, by name, and then its end.
CRASH = """
import os, resource, sys
secret = sys.stdin.read()
if "filter" in sys.argv:
    open("/proc/self/coredump_filter", "w").write("0x7f")
if "lowered" in sys.argv:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
if "raised" in sys.argv:
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
os.abort()
"""
WAYS = {"as it is": [], "by its filter": ["filter"], "with the limit lowered": ["filter", "lowered"],
        "with the limit raised": ["filter", "raised"]}


class Handler:
    """The program that kernel.core_pattern names; it keeps what it gets."""

    def __init__(self, directory):
        self.directory = directory
        program = directory / "keep"
        program.write_text(f"#!/bin/sh\ncd {directory} && cat >$1.part && mv $1.part $1.core\n")
        program.chmod(0o755)
        self.pattern = f"|{program} %P"

    def got(self, wanted=None):
        """The dumps that have come, at once when they are @wanted; else those of half a second."""
        end = time.monotonic() + (10 if wanted else 0.5) * machine.SLOWNESS
        while ((time.monotonic() < end or list(self.directory.glob("*.part")))
               and len(list(self.directory.glob("*.core"))) != wanted):
            time.sleep(0.02)
        found = [path.read_bytes() for path in self.directory.glob("*.core")]
        for path in self.directory.glob("*.core"):
            path.unlink()
        return found


@pytest.fixture(name="handler")
def _handler():
    directory = Path(tempfile.mkdtemp(prefix="privexec-tests-core-", dir="/var/tmp"))
    before = PATTERN.read_text(encoding="ascii")
    made = Handler(directory)
    try:
        PATTERN.write_text(made.pattern, encoding="ascii")
        yield made
    finally:
        PATTERN.write_text(before, encoding="ascii")
        shutil.rmtree(directory)


@pytest.mark.alone  # the pattern is the machine's
@pytest.mark.parametrize("prefix", [[], ["unshare", "-Ur"]], ids=["plain", "nested"])
@pytest.mark.parametrize("who", ["alice", "root"])
def test_a_program_that_gets_core_dumps_gets_none_of_a_session(handler, privexec, installed, alice, who,
                                                               prefix):
    front = {"alice": installed, "root": privexec}[who]
    run = alice.run if who == "alice" else machine.run
    for way, words in WAYS.items():
        secret = f"canary {os.urandom(8).hex()}"
        crash = [*prefix, "/usr/bin/python3", "-c", CRASH, *words]
        done = run([front, "-q", "--net=none", "--store=memory", "--size=64M", "--", *crash], input=secret)
        assert done.returncode == 134, (way, done)
        assert handler.got() == [], way
        # the control
        done = run(crash, input=secret)
        assert done.returncode in (-6, 134), (way, done)
        dumps = handler.got(wanted=1)
        assert len(dumps) == 1 and secret.encode() in dumps[0], way


@pytest.mark.alone
def test_where_another_program_of_the_user_could_have_it_dumped_that_is_an_exit(handler, installed, alice):
    """Whose limits and signals are his own from outside too: named, and no closed session."""
    assert handler.pattern.startswith("|")
    done = alice.run([installed, "--dry-run", "--net=none", "true"])
    assert "core dumps: another program of this user" in done.stdout
    done = alice.run([installed, "--require=closed", "--net=none", "true"])
    assert done.returncode == 125 and "sysctl kernel.core_pattern=core" in done.stderr
    PATTERN.write_text("core", encoding="ascii")
    assert "core dumps" not in alice.run([installed, "--dry-run", "--net=none", "true"]).stdout
    assert alice.run([installed, "-q", "--require=closed", "--net=none", "true"]).returncode == 0


@pytest.mark.alone
@pytest.mark.parametrize("who", ["alice", "root"])
def test_a_caller_who_forbade_core_dumps_opens_none(handler, privexec, installed, alice, who):
    """His hard limit of 0 would have the kernel start the program all the same. Where nobody may raise it,
    as in some containers, there is no session."""
    front = {"alice": installed, "root": privexec}[who]
    run = alice.run if who == "alice" else machine.run
    crash = ["/usr/bin/python3", "-c", CRASH, "filter"]
    done = run(["prlimit", "--core=0:0", front, "-q", "--net=none", "--store=memory", "--size=64M", "--",
                *crash], input="canary")
    if machine.may(SYS_RESOURCE):
        assert (done.returncode, handler.got()) == (134, [])
    else:
        assert (done.returncode, handler.got()) == (125, [])
        assert "the hard limit on core dumps is 0" in done.stderr and done.stderr.count("\n") == 1
    run(["prlimit", "--core=0:0", *crash], input="canary")
    assert len(handler.got(wanted=1)) == 1, "the control"
