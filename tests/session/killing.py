# SPDX-License-Identifier: GPL-2.0-or-later
"""Rounds of killing parts of a session. Each raises AssertionError when something is left, takes too
long or is said wrongly; what it returns is for a table."""

import os
import signal
import time
from collections import namedtuple
from pathlib import Path

import machine
from livesession import Session, alive, name, unified_cgroup
from tracing import Followed

REST = "sleep 300 & sleep 301 & wait"
LOAD = ("while :; do dd if=/dev/zero of=/tmp/y bs=1M count=40 conv=notrunc; done 2>/dev/null & "
        "dd if=/dev/zero bs=1M of=/dev/null 2>/dev/null & wait")

# Who is killed at once; `stopped`: the keeper is stopped by root before.
Storm = namedtuple("Storm", "victims stopped")
STORMS = [Storm(victims, False) for victims in [
    ("front",), ("keeper",), ("sweeper",), ("init",), ("command",),
    ("front", "keeper"), ("front", "sweeper"), ("front", "init"), ("keeper", "sweeper"),
    ("keeper", "init"), ("sweeper", "init"), ("front", "keeper", "sweeper", "init", "command"),
]] + [Storm(("front",), True)]

LIMIT_AT_REST, LIMIT_UNDER_LOAD = 1.0, 3.0
ROLES = ("front", "keeper", "sweeper", "init")


def storm_name(storm, loaded):
    victims = "all" if len(storm.victims) == 5 else "+".join(storm.victims)
    return (f"{victims}{', keeper stopped' if storm.stopped else ''} "
            f"{'under load' if loaded else 'at rest'}")


def locked_inodes():
    found = set()
    for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
        fields = line.split()
        if "FLOCK" in fields:
            found.add(int(fields[fields.index("FLOCK") + 4].split(":")[2]))
    return found


def is_stale(directory):
    """Does no live session hold this state directory? Looking takes no lock, which would be in the
    way of a start."""
    return directory.exists() and directory.stat().st_ino not in locked_inodes()


def remains(ids):
    """State directories and control groups of the sessions @ids."""
    top, found = unified_cgroup(), []
    for one in ids:
        found += machine.STATE.glob(f"*/{one}")
        for pattern in ("privexec", "user.slice/user-*.slice") if top else ():
            found += top.glob(f"{pattern}/privexec-{one}")
    return [str(path) for path in found]


def _mounts():
    return set(Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines())


def sweep(front, user=None):
    """A start, by which what is stale is swept."""
    run = user.run if user else machine.run
    done = run([front, "-q", "--net=none", "--size=16M", "--", "true"], cwd="/")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def reap(pids):
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            pass


def _check_words(status, text, expected):
    # init names what outlived the command, whatever ended that
    lines = [line for line in text.splitlines() if not line.startswith("privexec: ended ")]
    assert status in expected, f"status {status}, expected {expected}: {text}"
    # one that was about to be killed itself may just have had the time to say it
    most = int(status == 125 or len(expected) > 1)
    least = int(status == 125)
    assert least <= len(lines) <= most, f"status {status} with {len(lines)} lines: {text}"
    assert all(line.startswith("privexec: ") for line in lines), text


def _expected(storm):
    if "front" in storm.victims:
        if len(storm.victims) == 1:
            return (-signal.SIGKILL,)
        # a command that is killed first may have been reported before the front is
        also = (137,) if "command" in storm.victims else ()
        return (-signal.SIGKILL, 125, *also)
    return (137,) if storm.victims == ("command",) else (125,)


def storm(front, chosen, loaded, rng, user=None, store="--store=auto"):
    """One round. Returns the seconds until its processes, and until all of it, were gone."""
    limit = LIMIT_UNDER_LOAD if loaded else LIMIT_AT_REST
    mounts = _mounts()
    session = Session(front, ["sh", "-c", LOAD if loaded else REST], store, user=user)
    try:
        return _storm(session, front, chosen, limit, rng, user, mounts)
    finally:
        session.kill("keeper", number=signal.SIGCONT)
        session.end()


def _storm(session, front, chosen, limit, rng, user, mounts):
    time.sleep(0.02 + rng.random() * (0.3 if limit > LIMIT_AT_REST else 0.03))
    everybody = session.everybody()
    waited_for = set(everybody)
    if chosen.stopped:
        session.kill("keeper", number=signal.SIGSTOP)
        waited_for -= {session.keeper, session.sweeper}
    victims = list(chosen.victims)
    rng.shuffle(victims)
    began = time.monotonic()
    session.kill(*victims)
    machine.wait_until(lambda: not alive(waited_for), timeout=limit, step=0.002)
    left = alive(waited_for)
    assert not left, f"alive after {limit} s: " + ", ".join(f"{pid} {name(pid)}" for pid in left)
    gone = time.monotonic() - began
    session.kill("keeper", number=signal.SIGCONT)
    machine.wait_until(lambda: not alive(everybody) and not session.named_remains(), step=0.002,
                       timeout=0.3 if "sweeper" in chosen.victims else limit)
    cleared = time.monotonic() - began
    left = [f"{pid} {name(pid)}" for pid in alive(everybody)]
    if session.named_remains() and "sweeper" in chosen.victims:
        _check_empty(session)
        sweep(front, user)
    left += session.named_remains()
    left += machine.wait_until(lambda: not _mounts() - mounts, timeout=limit) and [] or [
        f"mount {line}" for line in _mounts() - mounts]
    left += machine.wait_until(lambda: not session.devices_left(), step=0.002, timeout=limit) and [
    ] or session.devices_left()
    assert not left, f"left after {limit} s: {left}"
    status = session.process.wait(limit * machine.SLOWNESS)
    _check_words(status, session.process.stderr.read(), _expected(chosen))
    reap(everybody)
    return gone, cleared


def _check_empty(session):
    """Nobody is left who could remove them: they may stay, but empty."""
    if session.cgroup and session.cgroup.exists():
        assert (session.cgroup / "cgroup.procs").read_text(encoding="ascii") == ""
    assert not session.state.exists() or is_stale(session.state)


def count_calls(front, user=None, store="--store=auto"):
    """Of a session that nobody kills, two dictionaries: {role: number of its system calls} and {role:
    the number of its parent's system call that made it}."""
    followed = Followed(_argv(front, store), user=user)
    left, text = followed.run(20), followed.output()
    followed.release()
    assert not left and followed.status == 0 and text == "", (left, followed.status, text)
    return followed.calls, followed.births


def _argv(front, store):
    return [front, "-q", "--net=none", "--size=16M", store, "--", "/bin/true"]


def kill_at_call(front, role, at, user=None, store="--store=auto"):
    """Kills @role at its system call number @at. Returns the seconds until all processes of the
    session were gone, or None when it made fewer calls."""
    followed = Followed(_argv(front, store), user=user, role=role, at=at)
    left = followed.run(LIMIT_AT_REST)
    gone, text = time.monotonic() - (followed.killed or 0), followed.output()
    followed.release()
    assert not left, f"{LIMIT_AT_REST} s after the kill these live: {left}"
    machine.wait_until(lambda: not remains(followed.ids), step=0.002,
                       timeout=0.05 if role == "sweeper" else LIMIT_AT_REST)
    if role == "sweeper" and remains(followed.ids):
        sweep(front, user)
    assert not remains(followed.ids), f"left: {remains(followed.ids)}"
    if not followed.killed:
        assert followed.status == 0 and text == "", (followed.status, text)
        return None
    _check_words(followed.status, text, (137,) if role == "front" else (0, 125))
    assert followed.status != 0 or text == "", text
    return gone
