# SPDX-License-Identifier: GPL-2.0-or-later
"""The control groups that a session is started from: somebody else's, limited, frozen or killed."""

import os
import subprocess
from pathlib import Path

import pytest

import machine


def remove(group):
    def gone():
        try:
            group.rmdir()
        except OSError:
            return False
        return True
    assert machine.wait_until(gone)


def cgroup2():
    mounts = [line.split()[1] for line in machine.run(["cat", "/proc/mounts"]).stdout.split("\n")
              if " cgroup2 " in line]
    if not mounts:
        pytest.skip("no cgroup2 is mounted here")
    return Path(mounts[0])


def within(group, argv):
    """The command line that runs @argv in @group."""
    return ["sh", "-c", f"echo $$ > {group}/cgroup.procs && exec \"$@\"", "sh", *argv]


def members(group):
    return (group / "cgroup.procs").read_text().split()


def session_below(group):
    """The control group of a session that lives below @group."""
    found = machine.wait_until(lambda: [directory for directory in group.glob("privexec-*")
                                        if len(members(directory)) >= 2])
    assert found
    return found[0]


@pytest.fixture
def delegated(alice):
    """A control group that was given to alice, as systemd gives each user one."""
    group = cgroup2() / "attack-delegated"
    group.mkdir()
    for name in ("", "cgroup.procs", "cgroup.freeze", "cgroup.kill"):
        os.chown(group / name, alice.uid, alice.gid)
    yield group
    remove(group)


def test_a_delegated_control_group_stops_neither_keeper_nor_sweeper(delegated, installed, alice):
    """Freezing asks for no right over the frozen. A keeper that is frozen may hold the lock that all
    users' starts need."""
    process = subprocess.Popen(
        within(delegated, alice.command([installed, "-q", "--net=none", "--", "sleep", "1000"])), cwd="/")
    try:
        assert machine.wait_until(lambda: list((machine.STATE / str(alice.uid)).glob("*/keeper")))
        names = {}
        machine.wait_until(lambda: names.update(
            {entry[2]: pid for pid, entry in machine.process_table().items()
             if pid in machine.descendants(process.pid) | {process.pid}}) or len(names) >= 4)
        inside = {int(pid) for pid in members(delegated)}
        assert names["privexec"] in inside, "the control: what is alice's can be frozen"
        assert not {names["privexec-keeper"], names["privexec-sweep"]} & inside
    finally:
        process.kill()
        process.wait()


def test_a_session_stays_under_the_limits_of_who_starts_it(installed, alice):
    """A service's or a batch job's control group holds for what it starts."""
    group = cgroup2() / "attack-limited"
    group.mkdir()
    try:
        done = subprocess.Popen(
            within(group, alice.command([installed, "-q", "--net=none", "--", "sleep", "2"])), cwd="/")
        assert session_below(group)
        assert done.wait(20) == 0
    finally:
        remove(group)


def test_what_a_control_group_of_the_users_holds_is_not_taken_for_kept(delegated, installed, alice):
    """Whoever may write to the group above moves processes out of the session's: what depends on that is
    not promised. The control: it can be done."""
    process = subprocess.Popen(
        within(delegated, alice.command([installed, "-q", "--net=none", "--", "sleep", "1000"])), cwd="/")
    elsewhere = delegated / "elsewhere"
    try:
        alice.run(["mkdir", elsewhere], check=True)
        pid = members(session_below(delegated))[-1]
        alice.run(["sh", "-c", f"echo {pid} > {elsewhere}/cgroup.procs"], check=True)
        assert pid in members(elsewhere)
        guarded = machine.run(
            within(delegated, alice.command([installed, "-q", "--net=host", "--", "echo", "ran"])), cwd="/")
        assert guarded.returncode == 125 and "control group" in guarded.stderr, guarded
    finally:
        process.terminate()
        process.wait(20)
        if elsewhere.exists():
            remove(elsewhere)


# Clones a child into the control group of the descriptor named, and says which signal ended it.
INTO = """
import ctypes, os, struct, sys
group = int(sys.argv[1])
arguments = ctypes.create_string_buffer(struct.pack("<11Q", 0x200000000, 0, 0, 0, 17, 0, 0, 0, 0, 0, group))
child = ctypes.CDLL(None, use_errno=True).syscall(435, arguments, 88)
if child == 0:
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if child > 0 else ctypes.get_errno())
"""


def test_a_session_starts_from_a_control_group_that_was_killed_before(installed, alice):
    """From there newer kernels kill whatever is cloned into another group: the session's first process,
    before its first instruction."""
    killed, fresh = cgroup2() / "attack-killed", cgroup2() / "attack-fresh"
    for group in (killed, fresh):
        group.mkdir()
    try:
        (killed / "cgroup.kill").write_text("1")
        into = os.open(fresh, os.O_RDONLY)
        try:
            control = machine.run(within(killed, ["/usr/bin/python3", "-c", INTO, str(into)]), pass_fds=[into])
        finally:
            os.close(into)
        for prefix in ([], alice.command([])):
            done = machine.run(within(killed, [*prefix, installed, "--debug", "--net=none", "--", "echo",
                                               "ran"]), cwd="/")
            assert done.returncode == 0 and done.stdout == "ran\n", done.stderr
            # where the limits of its caller hold for it
            assert "control group: attack-killed/privexec-" in done.stderr
    finally:
        remove(killed)
        remove(fresh)
    assert control.stdout.strip() in ("0", "-9"), control
    if control.stdout.strip() == "0":
        pytest.skip("this kernel kills none of them")
