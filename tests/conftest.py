# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures that every suite has.

privexec    path of the front under test: $PRIVEXEC, else build/privexec
installed   path of a front that is installed with its privileges, for ordinary users
installation  the same, with .front, .keeper, .prefix and .configuration (its own privexec.conf &c.)
alice, bob  machine.User: two ordinary users with homes; alice.run([installed, "true"])

After each test the machine must be as it was before it: no process, mount, loop device, control
group, session directory, file, IPC object or key more (see machine.snapshot). A test whose point is
to leave something marks itself with @pytest.mark.leaves_something.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
import zlib
from collections import namedtuple
from pathlib import Path

import pytest

import machine

Installation = namedtuple("Installation", "front keeper prefix configuration")


def pytest_addoption(parser):
    parser.addoption("--part", metavar="I/N", help="of N parts of the tests only this one, from 0")
    parser.addoption("--part-seed", metavar="SEED", default="0", help="which parts there are")
    parser.addoption("--whole", metavar="NAME", action="append", default=[],
                     help="a test, or the beginning of several's names, that is in every part")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--part"):
        return
    part, parts = map(int, config.getoption("--part").split("/"))
    seed, whole = config.getoption("--part-seed"), tuple(config.getoption("--whole"))

    def is_in(item):
        name = item.nodeid
        return name.startswith(whole) or zlib.crc32(f"{seed} {name}".encode()) % parts == part

    config.hook.pytest_deselected(items=[item for item in items if not is_in(item)])
    items[:] = [item for item in items if is_in(item)]


def pytest_configure(config):
    config.addinivalue_line("markers", "leaves_something: the machine is not compared afterwards")
    config.addinivalue_line("markers", "alone: while no other session runs on the machine")
    machine.become_subreaper()
    machine.hear_signals()


def _front():
    return os.path.abspath(os.environ.get("PRIVEXEC", machine.ROOT / "build" / "privexec"))


def _sweep():
    """A start sweeps what sessions that were killed left behind."""
    if os.access(_front(), os.X_OK):
        try:
            machine.run([_front(), "-q", "--net=none", "--", "true"], timeout=10)
        except subprocess.TimeoutExpired:
            pass


@pytest.fixture(scope="session")
def privexec():
    if not os.access(_front(), os.X_OK):
        pytest.fail(f"{_front()} is not there: run `make` first")
    return _front()


@pytest.fixture(autouse=True)
def machine_unchanged(request):
    """The machine after a test is as it was before."""
    before = machine.snapshot()
    zombies = {pid for pid, entry in machine.process_table().items() if entry[1] == "Z"}
    yield
    if request.node.get_closest_marker("leaves_something"):
        return
    difference = machine.difference(before, zombies, _sweep)
    if difference:
        pytest.fail(f"the machine is not as it was\n{difference}", pytrace=False)


@pytest.fixture(scope="session")
def users():
    if os.geteuid() != 0:
        pytest.skip("needs root, to make ordinary users")
    made = machine.Users()
    yield made
    made.close()


@pytest.fixture(scope="session")
def alice(users):
    return users.get("privexec-alice")


@pytest.fixture(scope="session")
def bob(users):
    return users.get("privexec-bob")


def _meson(*arguments):
    done = machine.run(["meson", *arguments], timeout=300, cwd=machine.ROOT,
                       stderr=subprocess.STDOUT, env={**os.environ, "DESTDIR": ""})
    if done.returncode != 0:
        pytest.fail(f"meson {' '.join(map(str, arguments))}:\n{done.stdout}", pytrace=False)


@pytest.fixture(scope="session")
def installation():
    """privexec built and installed below a directory of its own, with a configuration of its own."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to install")
    for stale in Path("/usr/local/lib").glob("privexec-test-*-*"):  # of runs that were killed
        if not Path("/proc", stale.name.split("-")[2]).exists():
            shutil.rmtree(stale, ignore_errors=True)
    ready = os.environ.get("PRIVEXEC_INSTALLED_BUILD")  # DIRECTORY:PREFIX, built elsewhere (tests/vm)
    if ready:
        build, _, prefix = ready.partition(":")
        prefix = Path(prefix)
        prefix.mkdir(mode=0o755)
    else:
        prefix = Path(tempfile.mkdtemp(prefix=f"privexec-test-{os.getpid()}-", dir="/usr/local/lib"))
        prefix.chmod(0o755)
        build = machine.ROOT / "build-installed"
    try:
        with open(machine.ROOT / "tests" / "conftest.py", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one build directory, perhaps several test runs
            if not ready:
                again = ["--reconfigure"] if (build / "build.ninja").exists() else []
                _meson("setup", *again, "--prefix", prefix, "--sysconfdir", prefix / "etc",
                       "-Dwerror=false", build)
                _meson("compile", "-C", build, "privexec", "privexec-keeper")
            _meson("install", "--no-rebuild", "-C", build, "--tags", "runtime,configuration")
        yield Installation(str(prefix / "bin/privexec"),
                           str(prefix / "libexec/privexec/privexec-keeper"),
                           prefix, prefix / "etc/privexec")
    finally:
        shutil.rmtree(prefix, ignore_errors=True)


@pytest.fixture(scope="session")
def installed(installation):
    return installation.front
