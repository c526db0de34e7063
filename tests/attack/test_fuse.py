# SPDX-License-Identifier: GPL-2.0-or-later
"""File systems that users serve themselves: hostile ones, hanging ones, other people's."""

import ctypes
import os
import signal
import struct
import subprocess
import time
from pathlib import Path

import pytest

import attacker
import machine

OPEN_TO_ALL = ("-o", "allow_other")
BOUNDED = 12


@pytest.fixture(scope="module")
def places(bench):
    def make(name, owner=None):
        path = bench.path / name
        path.mkdir()
        path.chmod(0o755)
        if owner:
            machine.run(["chown", f"{owner.uid}:{owner.gid}", path], check=True)
        return path
    return make


@pytest.fixture
def room():
    """One for each test: whoever else on the machine touched a server that hangs would hang, too."""
    made = attacker.Room()
    yield made
    made.close()


@pytest.fixture(scope="module")
def disk(bench):
    """A block device that only root may open, and the file behind it."""
    backing = bench.path / "disk.img"
    backing.write_bytes(b"canary of the disk\n".ljust(1 << 16, b"\0"))
    backing.chmod(0o600)
    done = machine.run(["losetup", "--find", "--show", backing])
    assert done.returncode == 0, done.stderr
    device = done.stdout.strip()
    yield device, backing, (7, int(device.removeprefix("/dev/loop")))
    machine.run(["losetup", "-d", device])


def start(room, front, user, command, timeout=60):
    """Runs a session's @command and returns (output, seconds), where output ends by itself."""
    began = time.monotonic()
    done = room.run([front, "-q", "--net=none", "--", *command], user, timeout=timeout)
    return done, time.monotonic() - began


def plan(room, front, user, path):
    done = room.run([front, "--dry-run", "--", "true"], user)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.split("\n")]
    return next(line[0] for line in lines if len(line) > 1 and line[1] == str(path))


def test_device_nodes_and_set_user_id_files_that_a_user_serves_are_dead(
        room, bench, places, disk, installed, alice):
    device, backing, number = disk
    place = places("served-nodes")
    room.serve(bench, "e", place, device=number, options=OPEN_TO_ALL)
    attacks = [f"read:{place}/disk", f"overwrite:{place}/disk", f"read:{place}/null",
               f"run_as_root:{place}/sh"]
    # the control: the same file system beneath an overlay that has no flags of its own
    bare = bench.path / "bare"
    bare.mkdir()
    room.sh(f"mount -t tmpfs t {bare} && mkdir {bare}/u {bare}/w {bare}/m && chmod 777 {bare}/u && "
            f"mount -t overlay o {bare}/m -o lowerdir={place},upperdir={bare}/u,workdir={bare}/w")
    control = attacker.outcome(room.run(bench.attack(
        *[attack.replace(f"{place}/", f"{bare}/m/") for attack in attacks]), alice))
    assert attacker.stopped(control) == set()
    room.sh(f"umount {bare}/m {bare}; sync {backing}")
    assert b"attacked" in backing.read_bytes()
    machine.run(["dd", "if=/dev/zero", f"of={device}", "bs=64k", "count=1", "conv=fsync"],
                check=True)
    before = attacker.checksum(backing)
    # also after the session has made a copy of its own of it ("copy-up")
    script = (f"chmod 4755 {place}/sh; cp {place}/word {place}/word2; "
              + " ".join(map(str, bench.attack(*attacks))))
    done, _ = start(room, installed, alice, ["sh", "-c", script])
    assert attacker.succeeded(attacker.outcome(done)) == set()
    assert attacker.checksum(backing) == before


def test_copying_up_makes_no_program_set_user_id(room, bench, installed, alice):
    """root's set-user-id program, in a directory of the user's, changed in place."""
    target = alice.home / "copied-up"
    machine.run(["cp", bench.privileged, target], check=True)
    target.chmod(0o4777)
    try:
        assert attacker.outcome(alice.run(bench.attack(f"run_as_root:{target}"))) == {
            f"run_as_root:{target}": "done"}
        script = (f"touch -c {target}; mv {target} {target}.2; ln {target}.2 {target}; "
                  + " ".join(map(str, bench.attack(f"run_as_root:{target}"))))
        done, _ = start(room, installed, alice, ["sh", "-c", script])
        assert attacker.succeeded(attacker.outcome(done)) == set()
    finally:
        target.unlink()


def test_the_user_s_own_server_serves_the_session(room, bench, places, installed, alice):
    place = places("own", alice)
    room.serve(bench, "e", place, user=alice)
    assert room.run(["cat", place / "word"]).returncode != 0, "root is asked, too"
    done, _ = start(room, installed, alice, ["cat", place / "word"])
    assert done.stdout == "word\n" and plan(room, installed, alice, place) == "overlay"


def test_another_user_s_server_is_covered_and_never_asked(room, bench, places, installed, alice,
                                                          bob):
    place = places("bobs", bob)
    log = room.serve(bench, "h", place, user=bob)
    log.write_text("")
    assert plan(room, installed, alice, place) == "cover"
    done, took = start(room, installed, alice, ["ls", place])
    assert (done.returncode, done.stdout) == (0, "") and took < 5 * machine.SLOWNESS, done.stderr
    assert log.read_text() == ""


def test_layers_are_asked_for_as_the_user(room, bench, places, installed, alice):
    """A server that answers nobody else, root least of all: as NFS with root_squash."""
    place = places("squashed")
    log = room.serve(bench, "c", place, only=alice.uid, options=OPEN_TO_ALL)
    log.write_text("")
    assert room.run(["cat", place / "word"]).returncode != 0
    assert set(log.read_text().split()) == {"0"}
    log.write_text("")
    done, _ = start(room, installed, alice, ["cat", place / "word"])
    assert done.stdout == "word\n" and plan(room, installed, alice, place) == "overlay"
    assert set(log.read_text().split()) == {str(alice.uid)}


@pytest.mark.parametrize("kind, count", [("h", 1), ("h", 3)])
def test_a_server_that_hangs_delays_the_start_and_no_more(kind, count, room, bench, places,
                                                          installed, alice):
    """The session starts, the mount is covered, and who reads the session's output sees its end."""
    below = [places(f"hangs-{kind}{count}-{number}") for number in range(count)]
    for place in below:
        room.serve(bench, kind, place, options=OPEN_TO_ALL)
    # the control: whoever looks there without privexec never comes back
    with pytest.raises(subprocess.TimeoutExpired):
        room.run(["timeout", "-s", "KILL", "30", "stat", below[0]], alice, timeout=1)
    done, took = start(room, installed, alice, ["sh", "-c", "echo started"], timeout=20)
    assert (done.returncode, done.stdout) == (0, "started\n"), done.stderr
    assert took < BOUNDED * machine.SLOWNESS


def test_a_server_of_root_s_that_hangs_later_ends_the_start_in_one_line(room, bench, places,
                                                                        installed, alice):
    """It answers while mounts are looked at, and hangs when its layer is made. No user can do so to
    another (their servers are never asked); who reads the output sees its end all the same."""
    room.serve(bench, "l", places("later"), options=OPEN_TO_ALL)
    done, took = start(room, installed, alice, ["sh", "-c", "echo started"], timeout=40)
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.count("\n") == 1 and "file system hang" in done.stderr
    assert took < 35 * machine.SLOWNESS
    # the process that hangs goes with the server, and its control group with the next start


CLONE3 = 435


def start_as(pid):
    """A process of root's that sleeps, with that number."""
    wanted = ctypes.c_int(pid)
    fields = struct.pack("=11Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(wanted), 1, 0)
    child = ctypes.CDLL(None, use_errno=True).syscall(CLONE3, fields, len(fields))
    if child == 0:
        os.execv("/bin/sleep", ["sleep", "30"])
    return child


def test_a_number_that_is_used_again_is_not_killed_for_a_child_that_hung(
        room, bench, places, installation, alice):
    """The keeper kills, as root, the children that look at mounts and hang. Its starter ignores SIGCHLD,
    so that the kernel reaps those that have ended, and gives their numbers to others."""
    place = places("answers-first", alice), places("hangs-second", alice)
    room.serve(bench, "e", place[0], options=OPEN_TO_ALL)
    room.serve(bench, "h", place[1], options=OPEN_TO_ALL)
    front = bench.path / "hostile_front_of_fuse.py"
    front.write_text((attacker.HERE / "hostile_front.py").read_text())
    process = subprocess.Popen(
        room.inside(["env", "--ignore-signal=CHLD", attacker.PYTHON, front, installation.keeper,
                     "v=1|streams=ccc|umask=022|net=none|", "wait=4"], alice),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
    victim = 0

    def looking():
        """The child that hangs: another one, whose number is the one before, has ended."""
        table = machine.process_table()
        keepers = {pid for pid in machine.descendants(process.pid, table)
                   if table[pid][2] == "privexec-keeper"}
        return [pid for pid in keepers if table[pid][0] in keepers]

    try:
        hung = machine.wait_until(lambda: (lambda found: found and time.sleep(0.3) is None
                                           and looking())(looking()))
        assert hung
        victim = start_as(max(hung) - 1)
        if victim < 0:  # not ended, or not reaped: its number is not to be had
            return
        assert victim == max(hung) - 1
        assert not machine.wait_until(lambda: os.waitpid(victim, os.WNOHANG)[0], timeout=4), (
            "a process of root's was killed")
    finally:
        if victim > 0 and Path(f"/proc/{victim}").exists():
            os.kill(victim, signal.SIGKILL)
            os.waitpid(victim, 0)
        process.wait(20)
