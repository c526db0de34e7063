# SPDX-License-Identifier: GPL-2.0-or-later
"""What the processes of a live session may do: privileges, descriptors, limits; and that a keeper
that would do more dies, and the session with it."""

import json
import os
import platform
import re
import signal
import struct
import subprocess
from collections import Counter
from pathlib import Path

import pytest

import killing
import machine
import stores
import tracing
from livesession import Session, alive

ALL = ("keeper", "sweeper", "init", "command")
# What root keeps in its session, where it counts in the session's own user namespace alone.
ROOT_KEEPS = sum(1 << bit for bit in (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 18, 31))
POLLPRI, POLLERR = 2, 8


@pytest.fixture(scope="module", params=[(who, store) for who in ("alice", "root")
                                        for store in stores.KINDS], ids="-".join)
def live(request):
    """A session; whose it is: a machine.User, or None for root; and the kind of its store."""
    who, store = request.param
    option = stores.option(store, request.getfixturevalue("privexec"))
    if who == "alice":
        user = request.getfixturevalue("alice")
        session = Session(request.getfixturevalue("installed"), ["sleep", "300"], option, user=user)
    else:
        user = None
        session = Session(request.getfixturevalue("privexec"), ["sleep", "300"], option)
    assert session.sweeper and session.command
    session.user, session.store = user, option.split("=")[1]
    assert session.started["store"].split()[0] == session.store
    yield session
    everybody = session.everybody()
    session.end()
    machine.wait_until(lambda: not alive(everybody) and not session.named_remains(), timeout=3)
    killing.reap(everybody)


def status(pid):
    """/proc/PID/status as {key: list of words}."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return {key: value.split() for key, value in (line.split(":", 1) for line in lines)}


def mask(pid, kind):
    return int(status(pid)[kind][0], 16)


def kind(pid, number):
    """What a descriptor is, in one word or two."""
    target = os.readlink(f"/proc/{pid}/fd/{number}")
    for pattern, word in [(r"socket:", "socket"), (r"pipe:", "pipe"), (r"/dev/null$", "null"),
                          (r"anon_inode:\[(\w+)\]", None), (r".*/(cgroup\.\w+)$", None),
                          (r"/proc/swaps$", "swaps"), (r"/run/privexec/\d+/[0-9a-f]{8}$", "state"),
                          (r"/run/privexec/\d+$", "user's state"),
                          (r".*/(privexec|user-\d+\.slice|session-\d+\.scope)$", "cgroup parent"),
                          (r"/$", "store"),
                          (rf"{machine.STORES}/#\d+ \(deleted\)$", "backing file"),
                          (r"/\.balloon \(deleted\)$", "balloon"),
                          (r"/privexec/#\d+ \(deleted\)$", "encrypted file"),
                          (r"/sys/devices/virtual/block/loop\d+$", "loop device"),
                          (r"/dev/mapper/control$", "device-mapper"),
                          (r"/dev/(loop|dm-)\d+$", "block device"),
                          (r"/secretmem \(deleted\)$", "secret memory")]:
        match = re.match(pattern, target)
        if match:
            return word or match.group(1)
    return target


def kinds(pid):
    return Counter(kind(pid, number) for number in os.listdir(f"/proc/{pid}/fd"))


def store_devices(session):
    """The numbers of the file systems of which the store is made."""
    found = {os.stat(f"/proc/{session.keeper}/fd/{number}").st_dev
             for number in os.listdir(f"/proc/{session.keeper}/fd")
             if kind(session.keeper, number) in ("store", "balloon", "encrypted file")}
    assert len(found) == {"memory": 1, "dm-crypt": 1, "fscrypt": 2}[session.store]
    return found


# --- privilege --------------------------------------------------------------------------------

def test_the_keeper_has_no_capability(live):
    for which in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
        assert mask(live.keeper, which) == 0


def test_the_sweeper_has_the_capabilities_that_ending_the_store_takes_and_no_other(live):
    """Removing files in memory: dac_override, dac_read_search, fowner; shutting down a file system on
    disk: sys_admin, with ioctls that its filter names (tests/unit/test_filter.c). dac_override for a
    control group in one that is the user's."""
    expected = 1 << 1 | 1 << 2 | 1 << 3 if live.store == "memory" else 1 << 1 | 1 << 21
    for which in ("CapPrm", "CapEff"):
        assert mask(live.sweeper, which) == expected
    for which in ("CapInh", "CapAmb"):
        assert mask(live.sweeper, which) == 0


@pytest.mark.parametrize("who", ["keeper", "sweeper"])
def test_the_keepers_processes_are_filtered_and_cannot_gain_privilege(live, who):
    entry = status(getattr(live, who))
    assert entry["NoNewPrivs"] == ["1"]
    assert entry["Seccomp"] == ["2"]


def test_the_keeper_is_roots_to_whoever_would_signal_it_and_the_users_to_files(live):
    uid = live.user.uid if live.user else 0
    # what a store of root's takes is not what the file system keeps back for root
    files = uid or 4294901760
    assert list(map(int, status(live.keeper)["Uid"])) == [0, uid, 0, files]


def test_the_sweeper_is_roots(live):
    assert list(map(int, status(live.sweeper)["Uid"])) == [0, 0, 0, 0]


@pytest.mark.parametrize("who", ["init", "command"])
def test_nothing_inside_has_a_capability_that_counts_outside(live, who):
    entry = status(getattr(live, who))
    assert entry["NoNewPrivs"] == ["1"]
    inside = os.readlink(f"/proc/{getattr(live, who)}/ns/user")
    assert inside != os.readlink("/proc/self/ns/user")
    for which in ("CapPrm", "CapEff", "CapBnd"):
        allowed = 0 if live.user else ROOT_KEEPS
        assert mask(getattr(live, who), which) & ~allowed == 0, which
    for which in ("CapInh", "CapAmb"):
        assert mask(getattr(live, who), which) == 0


@pytest.mark.parametrize("who", ["init", "command"])
def test_all_ids_inside_are_the_users_or_those_that_stand_for_root(live, who):
    entry = status(getattr(live, who))
    uids, gids = set(map(int, entry["Uid"])), set(map(int, entry["Gid"]))
    if live.user:
        assert (uids, gids) == ({live.user.uid}, {live.user.gid})
    else:
        assert len(uids) == len(gids) == 1 and uids == gids
        assert uids in ({0}, {4294901760})


@pytest.mark.parametrize("who", ["keeper", "sweeper", "init"])
def test_processes_that_hold_the_session_together_are_not_dumpable(live, who):
    if live.user is None and who != "init":
        pytest.skip("root's processes in /proc look the same, dumpable or not")
    assert os.stat(f"/proc/{getattr(live, who)}/fd").st_uid == 0


@pytest.mark.parametrize("who", ALL)
def test_no_process_can_leave_a_core_dump(live, who):
    pid = getattr(live, who)
    limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines()
    assert next(line.split()[4:6] for line in limits if "core" in line) == ["1", "1"]
    path = Path(f"/proc/{pid}/coredump_filter")
    assert int(path.read_text(encoding="ascii"), 16) == 0


def test_the_same_user_cannot_look_into_any_process_of_the_session(live):
    if not live.user:
        pytest.skip("for root there is nothing that root may not see")
    paths = [f"/proc/{getattr(live, who)}/{entry}" for who in ALL
             for entry in ("environ", "maps", "mem", "root/etc", "cwd/", "fd/0", "ns/mnt")]
    done = live.user.run(["python3", "-c", "import os, sys\nfor path in sys.argv[1:]:\n"
                          "    try:\n        os.close(os.open(path, os.O_RDONLY)); print(path)\n"
                          "    except OSError: pass", *paths])
    assert (done.returncode, done.stdout) == (0, "")


# --- descriptors ------------------------------------------------------------------------------

TO_GROW = {"memory": {}, "dm-crypt": {"backing file": 1, "balloon": 1},
           "fscrypt": {"backing file": 1, "encrypted file": 1, "balloon": 2}}
TO_END = {"memory": {"store": 1}, "dm-crypt": {"store": 1, "block device": 1, "device-mapper": 1},
          "fscrypt": {"store": 2, "block device": 1, "backing file": 1, "balloon": 1,
                      "loop device": 1}}


def test_the_keeper_holds_exactly_the_descriptors_it_needs(live):
    found = kinds(live.keeper)
    assert found.pop("swaps", 0) <= 1  # not where the control group keeps the session from swap
    assert found.pop("secret memory", 0) <= 1  # not where the kernel has none
    assert found == {"null": 3, "socket": 4, "pidfd": 3, "store": 1, "cgroup.kill": 1,
                     "cgroup.events": 1, **TO_GROW[live.store]}


def test_the_sweeper_holds_exactly_the_descriptors_it_needs(live):
    assert kinds(live.sweeper) == {
        "null": 3, "socket": 1, "pidfd": 1, "state": 1, "user's state": 1, "cgroup parent": 1,
        "cgroup.kill": 1, "cgroup.events": 1, **TO_END[live.store]}


def test_init_holds_two_channels_and_a_signalfd(live):
    found = kinds(live.init)
    assert found.pop("/etc/resolv.conf", 0) <= 1
    assert found == {"null": 3, "socket": 2, "signalfd": 1}


def test_the_command_holds_its_three_streams_and_nothing_else(live):
    assert kinds(live.command) == {"null": 2, "pipe": 1}
    assert sorted(os.listdir(f"/proc/{live.command}/fd")) == ["0", "1", "2"]


@pytest.mark.parametrize("who", ["init", "command"])
def test_nothing_inside_holds_a_descriptor_of_the_store(live, who):
    pid, devices = getattr(live, who), store_devices(live)
    for number in os.listdir(f"/proc/{pid}/fd"):
        assert os.stat(f"/proc/{pid}/fd/{number}").st_dev not in devices


def test_a_keeper_that_keeps_the_machine_from_hibernating_holds_secret_memory(installed, alice):
    session = Session(installed, ["sleep", "300"], "--require=no-hibernation", user=alice)
    try:
        assert kinds(session.keeper)["secret memory"] == 1
    finally:
        session.end()
        killing.reap([session.keeper, session.init, session.sweeper])


def test_descriptors_that_the_caller_left_open_reach_nobody(installed, alice):
    read, write = os.pipe()
    stray = os.open("/etc/passwd", os.O_RDONLY)
    os.set_inheritable(stray, True)
    os.set_inheritable(write, True)
    session = Session(installed, ["sleep", "300"], user=alice, pass_fds=(stray, write))
    try:
        pipe = os.readlink(f"/proc/self/fd/{write}")
        for who in ALL:
            pid = getattr(session, who)
            held = {os.readlink(f"/proc/{pid}/fd/{number}")
                    for number in os.listdir(f"/proc/{pid}/fd")}
            assert not held & {pipe, "/etc/passwd"}, who
    finally:
        for descriptor in (read, write, stray):
            os.close(descriptor)
        session.end()
        killing.reap([session.keeper, session.init, session.sweeper])


# --- a keeper that does what it must not --------------------------------------------------------

x86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="registers of x86-64")


@pytest.fixture
def session(installed, alice):
    made = Session(installed, ["sleep", "300"], user=alice)
    yield made
    everybody = made.everybody()
    made.end()
    killing.reap(everybody)


def make_call(pid, number):
    """Makes the process do system call @number, with arguments that do no harm. Returns the signal
    that it died of, or None."""
    tracing.stop(pid)
    values = tracing.registers(pid)
    values[tracing.RAX] = number
    values[tracing.ORIG_RAX] = (1 << 64) - 1  # what it was in is not restarted
    values[tracing.RIP] -= 2                  # at the `syscall` instruction again
    values[tracing.RDI] = values[tracing.RSI] = (1 << 64) - 1
    tracing.set_registers(pid, values)
    tracing.ptrace(tracing.PTRACE_CONT, pid)
    ended = machine.wait_until(lambda: os.waitpid(pid, tracing.WALL | os.WNOHANG)[1], timeout=3)
    return os.WTERMSIG(ended) if ended and os.WIFSIGNALED(ended) else None


@x86_64
@pytest.mark.parametrize("call, number", [("openat", 257), ("execve", 59), ("setresuid", 117),
                                          ("ptrace", 101), ("socket", 41), ("getpid", 39)])
def test_a_keeper_that_is_made_to_do_another_system_call_dies_and_the_session_with_it(
        session, call, number):
    everybody = session.everybody()
    assert make_call(session.keeper, number) == signal.SIGSYS, call
    assert session.process.wait(2) == 125
    # its parent learns how it died only after the tracer, if it does not wait
    assert session.process.stderr.read() in (
        "privexec: the keeper was killed (Bad system call), and the session with it\n",
        "privexec: the keeper is gone without a word, and the session with it\n")
    machine.wait_until(lambda: not alive(everybody) and not session.named_remains(), timeout=1)
    assert not alive(everybody) and not session.named_remains()


@x86_64
@pytest.mark.parametrize("call, number", [("socket", 41), ("execve", 59), ("mount", 165)])
def test_a_sweeper_that_is_made_to_do_another_system_call_dies_and_the_session_with_it(
        session, installed, alice, call, number):
    everybody = session.everybody()
    assert make_call(session.sweeper, number) == signal.SIGSYS, call
    assert session.process.wait(2) == 125
    assert session.process.stderr.read() == ("privexec: the session was ended: its sweeper was "
                                             "killed\n")
    machine.wait_until(lambda: not alive(everybody), timeout=1)
    assert not alive(everybody)
    killing.sweep(installed, alice)
    assert not session.named_remains()


# --- swap that is switched on -------------------------------------------------------------------

SWAP_LINE = ("privexec: the session was ended: swap was switched on, and nothing could keep the "
             "session from it\n")
SWAPS = (b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
         b"/nowhere                                partition\t1048572\t\t0\t\t-2\n")


def swap_descriptor(session):
    """The keeper's descriptor of /proc/swaps, or None where it needs none."""
    return next((int(number) for number in os.listdir(f"/proc/{session.keeper}/fd")
                 if kind(session.keeper, number) == "swaps"), None)


def show_swap(pid, watch):
    """Lets poll() tell the keeper of a change in /proc/swaps, and read() of a swap device there."""
    tracing.stop(pid)
    values = tracing.registers(pid)
    array = values[tracing.RDI]
    for slot in range(16):
        number, events, _ = struct.unpack("ihh", tracing.read_memory(pid, array + 8 * slot, 8))
        if number == watch:
            break
    else:
        raise AssertionError("the keeper does not wait for it")
    tracing.write_memory(pid, array + 8 * slot,
                         struct.pack("ihh", watch, events, POLLPRI | POLLERR))
    values[tracing.RAX], values[tracing.ORIG_RAX] = 1, (1 << 64) - 1
    tracing.set_registers(pid, values)
    for _ in range(100):
        tracing.ptrace(tracing.PTRACE_SYSCALL, pid)
        _, stopped = os.waitpid(pid, tracing.WALL)
        assert os.WIFSTOPPED(stopped)
        way, number, first, _ = tracing.call(pid)
        if way == tracing.ENTRY and (number, first) == (17, watch):  # pread64
            break
    tracing.ptrace(tracing.PTRACE_SYSCALL, pid)
    os.waitpid(pid, tracing.WALL)
    values = tracing.registers(pid)
    tracing.write_memory(pid, values[tracing.RSI], SWAPS)
    values[tracing.RAX] = len(SWAPS)
    tracing.set_registers(pid, values)
    tracing.ptrace(tracing.PTRACE_DETACH, pid)


@x86_64
def test_a_keeper_that_sees_swap_appear_ends_the_session_in_one_line(session):
    watch = swap_descriptor(session)
    if watch is None:
        pytest.skip("the control group keeps sessions from swap here: nothing is watched")
    everybody = session.everybody()
    show_swap(session.keeper, watch)
    assert session.process.wait(2) == 125
    assert session.process.stderr.read() == SWAP_LINE
    machine.wait_until(lambda: not alive(everybody) and not session.named_remains(), timeout=1)
    assert not alive(everybody) and not session.named_remains()


def others_run():
    """Are there sessions of somebody else, which real swap would end?"""
    own, locked = machine.descendants(os.getpid()), killing.locked_inodes()
    for directory in machine.STATE.glob("[0-9]*/*"):
        try:
            keeper = json.loads((directory / "state.json").read_text())["pids"]["keeper"]
            if directory.stat().st_ino in locked and keeper not in own:
                return True
        except (OSError, ValueError):
            pass
    return False


@pytest.fixture
def swap_file(tmp_path):
    path = Path("/var/tmp/privexec-swap")
    path.write_bytes(bytes(1 << 20))
    path.chmod(0o600)
    done = machine.run(["mkswap", path])
    assert done.returncode == 0, done.stderr
    yield path
    machine.run(["swapoff", path])
    path.unlink()


@pytest.mark.alone
def test_real_swap_ends_the_session_unless_its_control_group_keeps_it_from_swap(
        session, swap_file):
    if not machine.wait_until(lambda: not others_run(), timeout=5):
        pytest.skip("other sessions are running, which swap would end")
    watched = swap_descriptor(session) is not None
    everybody = session.everybody()
    done = machine.run(["swapon", swap_file])
    machine.run(["swapoff", swap_file])
    if done.returncode != 0:
        pytest.skip(f"no swap can be had here: {done.stderr.strip()}")
    if not watched:
        with pytest.raises(subprocess.TimeoutExpired):
            session.process.wait(0.3)
        return
    assert session.process.wait(2) == 125
    assert session.process.stderr.read() == SWAP_LINE
    machine.wait_until(lambda: not alive(everybody), timeout=1)
    assert not alive(everybody)
