# SPDX-License-Identifier: GPL-2.0-or-later
"""Nobody looks in: not the same user's other programs, not other users."""

import signal
import subprocess

import pytest

import attacker
import machine

NAMESPACES = ("user", "mnt", "net", "ipc", "uts", "pid", "cgroup")
LOOKS = ("environ", "maps", "mem", "auxv", "pagemap", "syscall", "io", "root", "cwd", "exe", "fd",
         "map_files", "seize", "vm_readv", "getfd")
ENTRIES = ("user", "mnt", "net", "ipc", "uts", "pid", "user+mnt", "user+net", "user+pid")


def looks_at(pid):
    return ([f"{look}:{pid}" for look in LOOKS] + [f"ns:{pid},{name}" for name in NAMESPACES]
            + [f"setns:{pid},{names}" for names in ENTRIES])


@pytest.fixture(scope="module")
def session(installed, alice):
    made = attacker.Session(installed, alice)
    yield made
    made.close()


@pytest.fixture(scope="module")
def open_process(alice):
    """The same command in a session that alice made herself, which closes nothing."""
    holder = alice.popen(["unshare", "-Urmpfinu", "--mount-proc", "sleep", "1000"])
    sleeper = machine.wait_until(lambda: [
        pid for pid in machine.descendants(holder.pid)
        if machine.process_table().get(pid, ("", "", ""))[2] == "sleep"])
    yield sleeper[0]
    subprocess.run(["kill", "-KILL", str(sleeper[0])], check=False)
    holder.wait()


def test_without_privexec_the_same_user_sees_and_enters_everything(bench, alice, open_process):
    attacks = [attack for attack in looks_at(open_process)
               # refused where the mount namespace alone is entered, as it belongs to another one
               if attack.split(",")[-1] not in ("mnt", "net", "ipc", "uts", "pid", "cgroup")
               or attack.startswith("ns:")]
    results = attacker.outcome(alice.run(bench.attack(*attacks)))
    assert attacker.stopped(results) == set()


@pytest.mark.parametrize("target", ["keeper", "sweeper", "init", "command"])
def test_the_same_user_sees_nothing_of(target, bench, alice, session):
    results = attacker.outcome(alice.run(bench.attack(*looks_at(session.pids[target]))))
    assert attacker.succeeded(results) == set()


@pytest.mark.parametrize("target", ["front", "keeper", "sweeper", "init", "command"])
def test_another_user_sees_nothing_of(target, bench, bob, session):
    results = attacker.outcome(bob.run(bench.attack(*looks_at(session.pids[target]))))
    assert attacker.succeeded(results) == set()


def test_the_same_user_can_neither_stop_nor_end_keeper_and_sweeper(bench, alice, session):
    signals = [signal.SIGSTOP, signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGCONT, 0]
    attacks = [f"kill:{pid},{int(number)}" for pid in (session.keeper, session.sweeper)
               for number in signals] + [f"prlimit:{session.keeper}", f"prlimit:{session.sweeper}"]
    plain = alice.popen(["sleep", "1000"])
    try:
        control = attacker.outcome(alice.run(bench.attack(
            f"kill:{plain.pid},{int(signal.SIGSTOP)}", f"prlimit:{plain.pid}",
            f"kill:{session.command},0", f"kill:{session.init},0")))
        assert attacker.stopped(control) == set()
    finally:
        plain.kill()
        plain.wait()
    results = attacker.outcome(alice.run(bench.attack(*attacks)))
    assert set(results.values()) == {"EPERM"}


def test_only_its_user_can_read_what_is_known_of_a_session(bench, alice, bob, session):
    attacks = [f"listdir:{session.directory}", f"listdir:{session.directory.parent}",
               f"read:{session.directory}/state.json", f"write:{session.directory}/state.json",
               f"connect:{session.directory}/keeper"]
    of_alice = attacker.outcome(alice.run(bench.attack(*attacks)))
    assert attacker.succeeded(of_alice) == set(attacks[:3])
    of_bob = attacker.outcome(bob.run(bench.attack("listdir:/run/privexec", *attacks)))
    assert set(of_bob.values()) == {"EACCES"}


def test_a_session_sees_no_other_session(bench, alice, installed, session):
    attacks = ["listdir:/run/privexec/" + str(alice.uid), f"kill:{session.command},0",
               f"kill:{session.init},0", f"read:/proc/{session.command}/stat"]
    outside = attacker.outcome(alice.run(bench.attack(*attacks)))
    assert attacker.stopped(outside) == set()
    inside = attacker.outcome(alice.run([installed, "-q", "--", *bench.attack(*attacks)]))
    assert attacker.succeeded(inside) == set()
