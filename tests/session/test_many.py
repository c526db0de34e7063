# SPDX-License-Identifier: GPL-2.0-or-later
"""Many sessions at once: they do not see or touch each other, the memory they are promised is there,
those on disk start and end, and the limits on their number hold.

Where memory is promised, sessions run in a mount namespace with a /run/privexec of its own, so that
they compete with nobody else's sessions, and (with cgroup v1) in a memory control group of 6 GiB, which
is what they then find available: the kernel enforces it, so a promise that cannot be kept would show
as a process killed for want of memory.
"""

import concurrent.futures
import json
import os
import re
import select
import subprocess
import time
from pathlib import Path

import pytest

import killing
import machine
import stores
from livesession import Session, alive
from room import OWN_SHM, Room, show

GROUP_BYTES = 6 << 30
MIB = 1 << 20

# What each of twenty sessions does: leaves its token everywhere, starts a process that is named by it,
# says so, and when told looks around and tells what it sees.
INSIDE = r"""
import json, os, subprocess, sys
token = sys.argv[1]
home = os.environ["HOME"]
places = [home, "/tmp", "/var/tmp", "/dev/shm"]
for place in places:
    with open(f"{place}/token", "w") as file:
        file.write(token)
    open(f"{place}/only-{token}", "w").close()
with open(f"{home}/public", "a") as file:
    file.write(token)
process = subprocess.Popen(["sleep", f"1000.{token}"])
print("ready", flush=True)
sys.stdin.readline()
seen = {"contents": [open(f"{place}/token").read() for place in places],
        "files": sorted(name for place in places for name in os.listdir(place)
                        if name.startswith("only-")),
        "public": open(f"{home}/public").read(),
        "processes": sorted(open(f"/proc/{pid}/cmdline").read().split("\0")[1]
                            for pid in os.listdir("/proc") if pid.isdigit()
                            and open(f"/proc/{pid}/comm").read() == "sleep\n"),
        "alive": process.poll() is None,
        "sessions": os.listdir("/run/privexec") if os.path.isdir("/run/privexec") else []}
print(json.dumps(seen), flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def twenty(installed, alice, bob):
    """Ten sessions each of alice and bob, which have said that they are ready."""
    sessions = []
    for user in (alice, bob):
        (user.home / "public").write_text("public")
        os.chown(user.home / "public", user.uid, user.gid)
    # by threads, so that they start at once
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        started = [pool.submit(Session, installed, ["python3", "-c", INSIDE, str(100 + number)],
                               "--size=32M", user=user, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
                   for number in range(10) for user in (alice, bob)]
        for number, future in enumerate(started):
            session = future.result()
            session.token, session.user = str(100 + number // 2), (alice, bob)[number % 2]
            sessions.append(session)
    for session in sessions:
        assert session.process.stdout.readline() == "ready\n"
    yield sessions
    everybody = [pid for session in sessions for pid in session.everybody()]
    for session in sessions:
        session.end()
    machine.wait_until(lambda: not alive(everybody), timeout=5)
    killing.reap(everybody)
    for user in (alice, bob):
        (user.home / "public").unlink()


def ask(session):
    session.process.stdin.write("look\n")
    session.process.stdin.flush()
    return json.loads(session.process.stdout.readline())


def sees_only_itself(session):
    seen, token = ask(session), session.token
    assert seen["contents"] == 4 * [token]
    assert seen["files"] == 4 * [f"only-{token}"]
    assert seen["public"] == "public" + token
    assert seen["processes"] == [f"1000.{token}"]
    assert seen["alive"]
    assert seen["sessions"] == []


def test_twenty_sessions_of_two_users_see_only_their_own_files_and_processes(twenty, alice, bob):
    for session in twenty:
        sees_only_itself(session)
    for user in (alice, bob):
        assert (user.home / "public").read_text() == "public"
        assert not (user.home / "token").exists()
    for place in ("/tmp", "/var/tmp", "/dev/shm"):
        assert not Path(place, "token").exists()


def test_what_a_session_does_to_all_processes_it_can_reach_reaches_no_other(
        twenty, installed, alice):
    public = alice.popen(["sleep", "1000"])
    try:
        for words in ("kill -KILL -1", "rm -rf ~ /tmp/* /var/tmp/* 2>/dev/null; kill -TERM -1"):
            alice.run([installed, "-q", "--net=none", "--size=32M", "--", "bash", "-c", words])
        assert public.poll() is None
    finally:
        public.kill()
        public.wait()
    for session in twenty:
        sees_only_itself(session)
    assert (alice.home / "public").read_text() == "public"


def test_when_some_of_twenty_are_killed_the_others_go_on(twenty):
    for number, session in enumerate(twenty):
        if number % 2:
            session.kill(("front", "keeper", "init", "command")[number // 2 % 4])
    dead = [pid for session in twenty[1::2] for pid in (session.init, session.command)]
    machine.wait_until(lambda: not alive(dead), timeout=3)
    assert not alive(dead)
    for session in twenty[::2]:
        sees_only_itself(session)


def test_nobody_gets_into_the_state_directory_of_another_user(twenty, alice, bob):
    look = ("for path in {0} {0}/*; do ls $path; cat $path/state.json; done 2>/dev/null; "
            "cd {0} && echo in; exit 0")
    for session in twenty:
        directory = session.state.parent
        assert directory == machine.STATE / str(session.user.uid)
        other = bob if session.user is alice else alice
        assert other.run(["bash", "-c", look.format(directory)]).stdout == ""
        exact = other.run(["python3", "-c", "import socket, sys\n"
                           "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
                           "s.connect(sys.argv[1])", session.state / "keeper"])
        assert "PermissionError" in exact.stderr
    own = alice.run(["bash", "-c", look.format(machine.STATE / str(alice.uid))]).stdout
    assert "in\n" in own and all(session.id in own for session in twenty[::2])
    assert alice.run(["ls", machine.STATE]).returncode != 0


# --- memory -----------------------------------------------------------------------------------

class Memory:
    """A machine of GROUP_BYTES on which nobody else has sessions."""

    def __init__(self):
        self.group = Path("/sys/fs/cgroup/memory/privexec-test-many")
        if not (self.group.parent / "memory.limit_in_bytes").exists():
            self.group = None
            kilobytes = GROUP_BYTES >> 10
            setup = OWN_SHM + "\n" + show(f"MemAvailable: {kilobytes} kB\n", "/proc/meminfo")
        else:
            self.group.mkdir()
            (self.group / "memory.limit_in_bytes").write_text(str(GROUP_BYTES))
            setup = f"echo $$ >{self.group}/cgroup.procs"
        try:
            self.room = Room("mount -t tmpfs -o mode=755 tmpfs /run\n" + setup)
        except AssertionError:
            self.group and self.group.rmdir()
            raise
        self.killed_before = self._killed()

    def prefix(self):
        prefix = self.room.prefix()
        if self.group:
            prefix = ["sh", "-c", f'echo $$ >{self.group}/cgroup.procs; exec "$@"', "sh", *prefix]
        return prefix

    def promises(self):
        found = []
        for path in Path(self.room.path("/run/privexec")).glob("*/*/promise"):
            try:
                found.append(int(path.read_text()))
            except (OSError, ValueError):
                pass  # being made, or just gone
        return found

    def _killed(self):
        text = Path("/proc/vmstat").read_text(encoding="ascii")
        killed = int(re.search(r"^oom_kill (\d+)", text, re.M).group(1))
        if self.group:
            control = (self.group / "memory.oom_control").read_text(encoding="ascii")
            killed += int((re.search(r"^oom_kill (\d+)", control, re.M) or [0, 0])[1])
        return killed

    def killed(self):
        """How many processes were killed for want of memory since."""
        return self._killed() - self.killed_before

    def close(self):
        self.room.close()
        if self.group:
            machine.wait_until(lambda: not (self.group / "cgroup.procs").read_text(), timeout=5)
            machine.wait_until(self._remove, timeout=5)

    def _remove(self):
        try:
            self.group.rmdir()
        except OSError:
            return False
        return True


@pytest.fixture
def memory():
    available = int(re.search(r"MemAvailable:\s+(\d+)",
                              Path("/proc/meminfo").read_text(encoding="ascii")).group(1)) << 10
    if available < 2 * GROUP_BYTES:
        pytest.skip(f"needs {2 * GROUP_BYTES >> 30} GiB of memory that is available")
    made = Memory()
    yield made
    made.close()


FILL = ("cat /dev/zero >/tmp/fill 2>/dev/null; stat -c %s /tmp/fill; read line; "
        "cmp /tmp/fill /dev/zero 2>&1 | grep -c EOF")


def as_user(memory, user, words):
    """@words as a user whom root makes in the room."""
    return [*memory.prefix(), *user.command(words)]


def fill(memory, front, user, size):
    """Starts a session that fills its store."""
    size = [f"--size={size}"] if size else []
    return subprocess.Popen(
        as_user(memory, user, [front, "-q", "--net=none", "--store=memory", *size, "--", "sh", "-c",
                               FILL]),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("size, least", [("48M", 20), ("400M", 3), (None, 8)])
def test_twenty_sessions_that_fill_their_stores_at_once_keep_within_the_promised_half(
        installed, alice, bob, memory, size, least):
    started = [fill(memory, installed, (alice, bob)[number % 2], size) for number in range(20)]
    most, filled, refused = 0, [], []
    try:
        for process in started:
            while not select.select([process.stdout], [], [], 0.05)[0]:
                most = max(most, sum(memory.promises()))
            if line := process.stdout.readline():
                filled.append((process, int(line)))
            else:
                refused.append(process.stderr.read())
        most = max(most, sum(memory.promises()))
        promises = memory.promises()
        assert len(filled) >= least, refused
        assert most <= GROUP_BYTES // 2
        # what was promised was had: a store is full only when its promise is used up, but for what
        # the view itself takes
        assert sum(size for _, size in filled) <= sum(promises)
        assert sum(size for _, size in filled) >= sum(promises) - len(filled) * MIB
        for process, _ in filled:
            process.stdin.write("go\n")
            process.stdin.flush()
        for process, _ in filled:
            # nothing of it was lost meanwhile
            output, said = process.communicate(timeout=30 * machine.SLOWNESS)
            assert output == "1\n"
            assert not said or said.startswith("privexec: the store holds "), said
            assert process.returncode == 0
        assert memory.killed() == 0
        for line in refused:
            assert line.startswith("privexec: not enough memory") and line.count("\n") == 1
        assert memory.promises() == []
    finally:
        for process in started:
            process.kill()
            process.communicate()
        machine.wait_until(lambda: not memory.promises(), timeout=5)


def test_a_session_that_gets_less_than_it_asked_for_says_so(installed, alice, memory):
    done = machine.run(as_user(memory, alice, [installed, "--net=none", "--store=memory", "--size=64G",
                                               "--", "true"]))
    assert done.returncode == 0
    found = re.search(r"memory (\S+) GiB[^·]*", done.stderr)
    assert float(found.group(1)) <= GROUP_BYTES / 2 / (1 << 30)
    assert re.search("less|asked|not enough", done.stderr), done.stderr


# --- the disk ---------------------------------------------------------------------------------

def disk_free():
    status = os.statvfs(machine.STORES)
    return status.f_bfree * status.f_frsize


def test_twenty_sessions_on_disk_start_write_and_end_at_once(installed, alice, bob, privexec):
    """Each reads back what it wrote; then none of their block devices is left, and the disk has back
    what they took."""
    store, free = stores.option("disk", privexec), disk_free()
    script = ("head -c 8000000 /dev/urandom >/tmp/x; sync /tmp/x; a=$(cksum </tmp/x); echo ready; "
              'read -r go; [ "$a" = "$(cksum </tmp/x)" ] && echo the same')
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        started = [pool.submit(Session, installed, ["bash", "-c", script], store, "--size=400M",
                               user=user, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                   for _ in range(10) for user in (alice, bob)]
        sessions = [future.result() for future in started]
    everybody = [pid for session in sessions for pid in session.everybody()]
    try:
        assert [session.process.stdout.readline() for session in sessions] == 20 * ["ready\n"]
        devices = {device for session in sessions for device in session.devices}
        assert len(devices) >= 20
        took = free - disk_free()
        assert took > 20 * 8000000
        for session in sessions:
            session.process.stdin.write("go\n")
            session.process.stdin.flush()
        said = [session.process.communicate(timeout=20) for session in sessions]
        assert said == 20 * [("the same\n", "")]
        assert [session.process.returncode for session in sessions] == 20 * [0]
        machine.wait_until(lambda: not any(session.devices_left() for session in sessions), timeout=3)
        assert [left for session in sessions for left in session.devices_left()] == []
        # others use the disk too
        assert machine.wait_until(lambda: disk_free() > free - took / 2, timeout=5)
    finally:
        for session in sessions:
            session.end()
        machine.wait_until(lambda: not alive(everybody), timeout=5)
        killing.reap(everybody)


# --- how many ---------------------------------------------------------------------------------

@pytest.fixture
def three_at_most(installation):
    path = installation.configuration / "privexec.conf"
    kept = path.read_text()
    path.write_text("[limits]\nsessions_per_user = 3\n")
    room = Room("mount -t tmpfs -o mode=755 tmpfs /run")
    yield room
    room.close()
    path.write_text(kept)


def test_a_user_has_no_more_sessions_at_once_than_the_configuration_allows(
        installed, alice, bob, three_at_most):
    def start(user):
        words = user.command([installed, "-q", "--net=none", "--size=16M", "--", "sh", "-c",
                              "echo ready; read line"])
        return subprocess.Popen([*three_at_most.prefix(), *words], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    running = [start(alice) for _ in range(3)]
    try:
        assert [process.stdout.readline() for process in running] == 3 * ["ready\n"]
        fourth = start(alice)
        assert fourth.communicate(timeout=10 * machine.SLOWNESS)[1] == (
            "privexec: 3 sessions are running, the most this user may have (`sessions_per_user` in "
            "privexec.conf); end one of them first\n")
        assert fourth.returncode == 125
        others = start(bob)
        running.append(others)
        assert others.stdout.readline() == "ready\n"
        assert running[0].communicate("end\n", timeout=10 * machine.SLOWNESS)[1] == ""
        running.append(start(alice))
        assert running[-1].stdout.readline() == "ready\n"
    finally:
        for process in running:
            if process.returncode is None:
                process.communicate("end\n", timeout=10 * machine.SLOWNESS)
    assert all(process.returncode in (0, 1) for process in running)


def test_a_race_for_the_last_places_is_won_by_no_more_than_there_are(
        installed, alice, three_at_most):
    words = alice.command([installed, "-q", "--net=none", "--size=16M", "--", "sh", "-c",
                           "echo ready; read line"])
    racing = [subprocess.Popen([*three_at_most.prefix(), *words], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
              for _ in range(12)]
    lines = [process.stdout.readline() for process in racing]
    for process in racing:
        process.communicate("end\n", timeout=10 * machine.SLOWNESS)
    assert lines.count("ready\n") == 3
    assert sorted(process.returncode for process in racing).count(125) == 9


def test_a_hundred_sessions_at_once_all_run(privexec):
    words = [privexec, "-q", "--net=none", "--size=16M", "--", "sh", "-c", "echo $1 >/tmp/x; cat "
             "/tmp/x", "sh"]
    began = time.monotonic()
    running = [subprocess.Popen([*words, str(number)], stdin=subprocess.DEVNULL, cwd="/",
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
               for number in range(100)]
    done = [process.communicate(timeout=60 * machine.SLOWNESS) for process in running]
    assert done == [(f"{number}\n", "") for number in range(100)]
    assert all(process.returncode == 0 for process in running)
    assert time.monotonic() - began < 30 * machine.SLOWNESS
