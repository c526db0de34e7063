# SPDX-License-Identifier: GPL-2.0-or-later
"""Whoever of a session is killed, and whenever: nothing is left and the person is told in one line.

The rounds are a random sample; PRIVEXEC_SEED=N repeats one (a failure names it). All of them, and
every system call: tests/session/soak.
"""

import contextlib
import errno
import os
import pty
import random
import signal
import subprocess
import termios
import time
from pathlib import Path

import pytest

import killing
import machine
import stores
from livesession import Session, alive, name

SEED = int(os.environ.get("PRIVEXEC_SEED", random.SystemRandom().randrange(1 << 32)))
STORM_ROUNDS = 28  # for each kind of store
CALL_SECONDS = 5  # for each kind of store of root's and an ordinary user's sessions


@pytest.fixture(params=stores.KINDS)
def store(request, privexec):
    return stores.option(request.param, privexec)


def rounds():
    """Every storm at rest and under load, then some of them again, in random order."""
    rng = random.Random(SEED)
    everything = [(storm, loaded) for storm in killing.STORMS for loaded in (False, True)]
    chosen = everything + [rng.choice(everything) for _ in range(STORM_ROUNDS - len(everything))]
    rng.shuffle(chosen)
    return chosen


@pytest.mark.alone  # whose keeper is dead, is swept by anybody's start
def test_killed_in_any_combination_nothing_of_a_session_is_left(installed, alice, store):
    rng, failures = random.Random(SEED), []
    for storm, loaded in rounds():
        try:
            killing.storm(installed, storm, loaded, rng, alice, store)
        except AssertionError as problem:
            failures.append(f"{killing.storm_name(storm, loaded)}: {problem}")
    assert not failures, f"PRIVEXEC_SEED={SEED}\n" + "\n".join(failures)


def sample_of_calls(front, user, store):
    """Kills at random calls until time is up; always at the first and last of each process, and just
    after the keeper made each of the others."""
    rng = random.Random(SEED)
    calls, births = killing.count_calls(front, user, store)
    tries = [(role, rng.randint(1, calls[role])) for role in killing.ROLES for _ in range(40)]
    rng.shuffle(tries)
    tries = ([(role, at) for role in killing.ROLES for at in (1, calls[role] - 1)]
             + [("keeper", births[role] + 1) for role in births if role not in ("keeper", "command")]
             + tries)
    until, failures, done = time.monotonic() + CALL_SECONDS, [], 0
    for role, at in tries:
        if time.monotonic() > until and done >= 8:
            break
        done += 1
        try:
            killing.kill_at_call(front, role, at, user, store)
        except AssertionError as problem:
            failures.append(f"{role}, system call {at} of {calls[role]}: {problem}")
    report = "\n".join(failures)
    assert not failures, f"PRIVEXEC_SEED={SEED}, {done} tries, {len(failures)} failed\n{report}"
    assert done >= 8


def test_killed_at_any_system_call_nothing_of_a_users_session_is_left(installed, alice, store):
    sample_of_calls(installed, alice, store)


def test_killed_at_any_system_call_nothing_of_a_session_of_root_is_left(privexec, store):
    sample_of_calls(privexec, None, store)


# --- what the store took -----------------------------------------------------------------------

FILL = ('dd if=/dev/zero of=/tmp/fill bs=1M count=300 2>/dev/null; sync -f /tmp; '
        'echo full; sleep 300')


def memory_taken():
    """MiB of the whole machine that are in tmpfs file systems and other shared memory."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("Shmem:"):
            return int(line.split()[1]) >> 10
    return 0


@pytest.fixture
def filled(installed, alice, store):
    session = Session(installed, ["sh", "-c", FILL], "--size=400M", store, user=alice,
                      stdout=subprocess.PIPE)
    assert bool(session.devices) == ("memory" not in store)
    assert session.process.stdout.readline() == "full\n"
    yield session
    session.end()
    killing.reap(session.everybody())


def assert_freed(session, before):
    if session.devices:
        # what others write meanwhile hides a store's blocks: tests/store counts them on a disk of their
        # own; here nothing is left that could hold any
        assert machine.wait_until(lambda: not session.devices_left(), timeout=4)
        return
    # others use memory too: most of the 300 MiB must have come back
    machine.wait_until(lambda: memory_taken() < before - 200, timeout=1)
    assert memory_taken() < before - 200


def test_what_a_session_took_is_free_at_once_when_keeper_and_sweeper_are_killed(filled):
    everybody, before = filled.everybody(), memory_taken()
    filled.kill("keeper", "sweeper")
    machine.wait_until(lambda: not alive(everybody), timeout=1)
    assert not alive(everybody)
    assert_freed(filled, before)
    assert not filled.devices_left()


@pytest.mark.alone  # another's start would sweep it
def test_the_next_start_sweeps_what_a_session_without_keeper_and_sweeper_left(
        filled, installed, alice):
    everybody = filled.everybody()
    filled.kill_together("keeper", "sweeper")
    machine.wait_until(lambda: not alive(everybody), timeout=1)
    assert filled.named_remains()
    killing.sweep(installed, alice)
    assert not filled.named_remains()
    assert not filled.devices_left()


@pytest.mark.parametrize("store", ["memory"], indirect=True)
@pytest.mark.parametrize("victim", ["front", "keeper", "init", "command"])
def test_memory_is_free_although_somebody_holds_the_mounts_of_the_dead_session(filled, victim):
    everybody, before = filled.everybody(), memory_taken()
    with open(f"/proc/{filled.init}/mounts", encoding="utf-8") as pin:
        assert "overlay" in pin.readline()
        filled.kill(victim)
        machine.wait_until(lambda: not alive(everybody), timeout=3)
        assert not alive(everybody)
        assert_freed(filled, before)


@contextlib.contextmanager
def held_open(session):
    """A file of the session, which root opens from outside and holds."""
    with open(f"/proc/{session.init}/root/tmp/fill", "rb", buffering=0) as file:
        assert len(file.read(4096)) == 4096
        file.seek(0)
        yield file


def reads_nothing(file):
    try:
        return file.read(4096) == b""
    except OSError as problem:
        return problem.errno == errno.EIO


@pytest.mark.parametrize("victim", ["front", "keeper", "init", "command"])
def test_nothing_is_read_from_a_file_that_somebody_holds_open_of_the_dead_session(filled, victim):
    """On disk its blocks come back when it is closed."""
    everybody, before = filled.everybody(), memory_taken()
    with held_open(filled) as file:
        filled.kill(victim)
        inside = [pid for pid in everybody if pid not in (filled.sweeper, filled.keeper)]
        machine.wait_until(lambda: not alive(inside), timeout=3)
        assert not alive(inside)
        assert machine.wait_until(lambda: reads_nothing(file), timeout=3)
    assert_freed(filled, before)
    machine.wait_until(lambda: not filled.devices_left() and not alive(everybody), timeout=2)
    assert not filled.devices_left() and not alive(everybody)
    assert not filled.named_remains()


@pytest.mark.parametrize("store", ["disk"], indirect=True)
def test_a_dead_session_whose_store_somebody_holds_is_named_until_it_is_let_go(
        filled, store, installed, alice):
    """At the user's next start, which counts it among the living no more."""
    if "fscrypt" not in store:
        pytest.skip("its key is wiped, whoever holds what")
    start = [installed, "-q", "--net=none", "--", "true"]
    with held_open(filled):
        filled.kill("front")
        assert machine.wait_until(lambda: (filled.state / "held").exists(), timeout=10)
        assert not alive([filled.keeper, filled.init, filled.command])
        assert os.listdir(filled.state) == ["held"]
        done = alice.run(start)
        assert done.returncode == 0
        assert done.stderr.startswith(f"privexec: session {filled.id} has ended, but ")
        assert done.stderr.count("\n") == 1
    assert machine.wait_until(lambda: not filled.state.exists(), timeout=5)
    assert alice.run(start).stderr == ""


def test_a_session_whose_keeper_is_stopped_ends_with_its_front(installed, alice):
    session = Session(installed, ["sh", "-c", killing.REST], user=alice)
    inside = [session.init, *machine.descendants(session.init)]
    try:
        session.kill("keeper", number=signal.SIGSTOP)
        session.kill("front")
        machine.wait_until(lambda: not alive(inside), timeout=3)
        assert not alive(inside)
    finally:
        session.kill("keeper", number=signal.SIGCONT)
        session.end()
    machine.wait_until(lambda: not alive([session.keeper, session.sweeper]), timeout=1)
    assert not session.named_remains()


def test_its_user_can_neither_stop_nor_kill_keeper_and_sweeper(installed, alice):
    session = Session(installed, ["sleep", "300"], user=alice)
    try:
        for pid in (session.keeper, session.sweeper):
            for number in ("KILL", "STOP", "TERM", "CONT"):
                done = alice.run(["bash", "-c", f"kill -{number} {pid}"])
                assert done.returncode != 0 and "not permitted" in done.stderr
        assert alive([session.keeper, session.sweeper, session.command])
    finally:
        session.end()


# --- terminal ---------------------------------------------------------------------------------

def terminal_session(front, user):
    outer, inner = pty.openpty()
    before = termios.tcgetattr(inner)

    def take_terminal():
        os.setsid()
        import fcntl
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    words = user.command([front, "-q", "--net=none", "--size=64M", "--", "sh", "-c",
                          "echo ready; sleep 300"])
    process = subprocess.Popen(words, stdin=inner, stdout=inner, stderr=inner, cwd="/",
                               preexec_fn=take_terminal)
    return process, outer, inner, before


def read_until(outer, word, seconds):
    import select
    text, deadline = b"", time.monotonic() + seconds * machine.SLOWNESS
    while word not in text and time.monotonic() < deadline:
        if select.select([outer], [], [], 0.05)[0]:
            try:
                text += os.read(outer, 4096)
            except OSError:
                break
    return text.decode()


@pytest.mark.parametrize("victim, status, reason", [
    ("privexec-keeper", 125, "keeper"), ("privexec-init", 125, "its first process was killed by SIGKILL"),
    ("privexec-sweep", 125, "its sweeper was killed"), ("sh", 137, "")])
def test_a_terminal_is_given_back_as_it_was_when_a_part_of_the_session_is_killed(
        installed, alice, victim, status, reason):
    process, outer, inner, before = terminal_session(installed, alice)
    try:
        assert "ready" in read_until(outer, b"ready", 10)
        machine.wait_until(lambda: termios.tcgetattr(inner) != before, timeout=2)
        # what "sh" leaves behind is there, under its own name
        assert machine.wait_until(lambda: "sleep" in map(name, machine.descendants(process.pid)))
        everybody = machine.descendants(process.pid) | {process.pid}
        assert len(everybody) >= 4
        target = next(pid for pid in everybody if name(pid) == victim)
        began = time.monotonic()
        os.kill(target, signal.SIGKILL)
        assert process.wait(3 * machine.SLOWNESS) == status
        assert time.monotonic() - began < 2 * machine.SLOWNESS
        assert termios.tcgetattr(inner) == before
        said = [line for line in read_until(outer, b"nothing", 0.3).splitlines() if line.strip()]
        assert len(said) == 1 and reason in said[0], said
        assert all(line.startswith("privexec: ") for line in said)
        machine.wait_until(lambda: not alive(everybody), timeout=1)
        assert not alive(everybody)
    finally:
        process.kill()
        process.wait()
        os.close(outer)
        os.close(inner)
