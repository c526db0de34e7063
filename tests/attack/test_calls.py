# SPDX-License-Identifier: GPL-2.0-or-later
"""System calls that would carry something out of a session, by every way into the kernel, beside what
they do outside; and programs that need much of the kernel and get it."""

import json
import os
import platform
import socket
from pathlib import Path

import pytest

import attacker
import machine

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64",
                                reason="the programs know the ways into x86-64 only")

# What a session is told. Those that only a capability of the machine's could do have root as control.
REFUSED = {
    "add_key": "ENOSYS", "request_key": "ENOSYS", "keyctl": "ENOSYS",
    "io_uring_setup": "ENOSYS", "io_uring_enter": "ENOSYS", "io_uring_register": "ENOSYS",
    "bpf": "EPERM", "perf_event_open": "EPERM", "userfaultfd": "EPERM",
    "kexec_load": "EPERM", "kexec_file_load": "EPERM",
    "init_module": "EPERM", "finit_module": "EPERM", "delete_module": "EPERM",
    "open_by_handle_at": "EPERM",
    "swapon": "EPERM", "swapoff": "EPERM", "acct": "EPERM",
    "quotactl": "EPERM", "quotactl_fd": "EPERM",
    "tiocsti": "EIO", "tiocsti_high": "EIO", "tioclinux": "ENOTTY", "tioclinux_high": "ENOTTY",
    "core:raised": "EALREADY", "core64:raised": "EALREADY",
    "core:lowered": "EALREADY", "core64:lowered": "EALREADY",
    "hidden:1": "EAFNOSUPPORT", "hidden:2": "EAFNOSUPPORT",
}
UNIX, INET, INET6, NETLINK, PACKET, VSOCK = 1, 2, 10, 16, 17, 40
USERSOCK, UEVENT, GENERIC = 2, 15, 16
LEFT = {f"family:{family}" for family in (UNIX, INET, INET6, NETLINK)} | {
    f"pair:{family}" for family in (UNIX, INET, INET6)} | {
        "netlink:0", "another_ioctl"}
# How calls.c is run for each way.
WAYS = ("native", "int80", "x32", "i386")


def expected_of(name):
    kind, _, number = name.partition(":")
    if name in LEFT or kind == "shed":
        return None
    if kind in ("family", "pair"):
        return "EAFNOSUPPORT"
    # a pair of netlink is refused by the kernel for a reason of its own
    return "EPROTONOSUPPORT" if kind == "netlink" and number != "0" else REFUSED.get(name)


class Tries:
    """What calls.c says, by way and by who runs it where; each is run once."""

    def __init__(self, bench, privexec, installed, alice):
        self._bench, self._alice = bench, alice
        self._fronts = {"root": privexec, "alice": installed}
        self._known = {}

    def argv(self, way):
        return [self._bench.calls_of_i386(), "native"] if way == "i386" else [self._bench.calls, way]

    def run(self, argv, who):
        return self._alice.run(argv) if who == "alice" else machine.run(argv)

    def said(self, way, who, front=None):
        """Outside, or in a session made by @front."""
        key = way, who, front
        if key not in self._known:
            # the machine's network: what is refused is refused by nothing but the filter
            session = [front, "-q", "--net=host", "--"] if front else []
            done = self.run([*session, *self.argv(way)], who)
            assert done.returncode == 0 or done.returncode in (-11, 139), done
            self._known[key] = json.loads(done.stdout or "{}")
        return self._known[key]

    def outside(self, way, who):
        said = self.said(way, who)
        if not said:
            pytest.skip(f"this kernel cannot be called by {way}")
        return said

    def inside(self, way, who):
        return self.said(way, who, self._fronts[who])


@pytest.fixture(scope="module")
def tries(bench, privexec, installed, alice):
    return Tries(bench, privexec, installed, alice)


@pytest.mark.parametrize("who", ["alice", "root"])
@pytest.mark.parametrize("way", WAYS)
def test_what_reaches_out_of_a_session_is_refused(way, who, tries):
    outside, inside = [tries.outside(way, one) for one in (who, "root")], tries.inside(way, who)
    assert set(inside) == set(outside[0])
    wrong = {name: said for name, said in inside.items()
             if expected_of(name) and said != expected_of(name)
             and name != f"pair:{NETLINK}"}
    assert not wrong
    # the control: to somebody else, or by another kernel's configuration, it says another thing
    same = {name for name in inside if expected_of(name)
            and all(said[name] == expected_of(name) for said in outside)}
    there = {name for name in same if name.partition(":")[0] not in ("family", "pair", "netlink")}
    assert not there, "no difference to be seen"
    # families that this kernel has none of are left out, but these all have
    assert f"family:{PACKET}" not in same
    assert not same & {f"netlink:{number}" for number in (USERSOCK, UEVENT, GENERIC)}


@pytest.mark.parametrize("who", ["alice", "root"])
def test_a_socket_to_virtual_machines_is_refused(who, tries):
    name = f"family:{VSOCK}"
    if tries.outside("native", who)[name] != "done":
        pytest.skip("this kernel has no vsock")
    assert tries.inside("native", who)[name] == "EAFNOSUPPORT"


@pytest.mark.parametrize("who", ["alice", "root"])
@pytest.mark.parametrize("way", WAYS)
def test_what_programs_need_says_the_same_in_a_session(way, who, tries):
    outside, inside = tries.outside(way, who), tries.inside(way, who)
    assert {name: inside[name] for name in LEFT} == {name: outside[name] for name in LEFT}
    assert outside[f"family:{UNIX}"] == outside["netlink:0"] == "done"


@pytest.mark.parametrize("who", ["alice", "root"])
@pytest.mark.parametrize("way", ["native", "i386"])
def test_nothing_sheds_the_filter(way, who, tries):
    """Not exec, a thread, a user namespace, a filter of one's own, nor a tracer that turns one call into
    another or asks for filters to be left out."""
    outside = {name: said for name, said in tries.outside(way, who).items()
               if name.startswith("shed:")}
    assert set(outside.values()) == {"done"} and len(outside) == (6 if way == "native" else 4)
    inside = tries.inside(way, who)
    assert {name: inside[name] for name in outside} == dict.fromkeys(outside, "ENOSYS")


def test_without_the_filter_the_session_does_what_is_done_outside(tmp_path, tries):
    """What else closes a session leaves these open."""
    front = attacker.weakened(tmp_path, [
        ("src/keeper/assemble.c", "error = calls_confine(problem);", "error = 0;")])
    inside, outside = tries.said("native", "root", front), tries.outside("native", "root")
    open_then = ["add_key", "keyctl", "io_uring_setup", "tiocsti", "tiocsti_high",
                 f"netlink:{USERSOCK}", f"netlink:{UEVENT}", f"netlink:{GENERIC}", "userfaultfd",
                 f"family:{VSOCK}"]
    assert {name: inside[name] for name in open_then} == {
        name: outside[name] for name in open_then}


# --- every process ------------------------------------------------------------------------------

def filters_of(pid):
    """The mode of system call filtering, and how many filters."""
    status = dict(line.split(":\t", 1) for line in
                  Path(f"/proc/{pid}/status").read_text().splitlines())
    return status["Seccomp"].strip(), int(status["Seccomp_filters"])


@pytest.mark.parametrize("who", ["alice", "root"])
def test_every_process_of_a_session_has_the_filter(who, privexec, installed, alice):
    script = "sleep 1000 & (exec setsid sleep 1000) & unshare -Ur sleep 1000 & wait"
    session = attacker.Session(*((installed, alice) if who == "alice" else (privexec,)),
                               command=("sh", "-c", script))
    try:
        def names():
            table = machine.process_table()
            return sorted(table[pid][2] for pid in machine.descendants(session.init, table))
        # the shell, which waits for the three
        assert machine.wait_until(lambda: names() == ["sh"] + ["sleep"] * 3), names()
        mode, more = filters_of(os.getpid())
        assert filters_of(session.front) == (mode, more)
        for pid in (session.init, *machine.descendants(session.init)):
            assert filters_of(pid) == ("2", more + 1), pid
    finally:
        session.close()


# --- programs -----------------------------------------------------------------------------------

BWRAP = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc",
         "--tmpfs", "/tmp"]
OWN_FILTER = """
import ctypes, os, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
code = [(0x20, 0, 0, 0), (0x15, 0, 1, 39), (6, 0, 0, 0x50000 + 7), (6, 0, 0, 0x7fff0000)]
program = b"".join(struct.pack("HBBI", *one) for one in code)
buffer = ctypes.create_string_buffer(program)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Program(4, ctypes.addressof(buffer))), 0, 0) == 0
print(libc.syscall(39), ctypes.get_errno())
"""
PROGRAMS = {
    "bubblewrap": [*BWRAP, "sh", "-c", "id -u; ls /proc | grep -c '^[0-9]'; touch /tmp/x && echo ok"],
    "bubblewrap in bubblewrap": [*BWRAP, "bwrap", "--unshare-user", "--unshare-net", "--bind", "/", "/",
                                 "echo", "nested"],
    "a user namespace": ["unshare", "-Urmpf", "--mount-proc", "sh", "-c", "id -u; echo $$"],
    "chroot in one": ["unshare", "-Ur", "chroot", "/", "echo", "rooted"],
    "strace": ["sh", "-c", "strace -f -o /tmp/privexec-trace sh -c 'exit 3'; echo $?; "
                           "grep -c 'exited with 3' /tmp/privexec-trace; rm /tmp/privexec-trace"],
    "strace that tampers": ["sh", "-c", "strace -qq -e inject=getppid:error=EIO -o /dev/null "
                                        "/usr/bin/python3 -c 'import os; print(os.getppid())'"],
    "gdb": ["sh", "-c", "gdb -q -nx -batch -ex 'break exit' -ex run -ex bt -ex kill "
                        "/bin/true 2>/dev/null | grep -c '^#0'"],
    "a filter of one's own": [attacker.PYTHON, "-c", OWN_FILTER],
}


@pytest.mark.parametrize("who", ["alice", "root"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_sandboxes_and_tracers_work_inside(program, who, privexec, installed, alice):
    argv = PROGRAMS[program]
    front = installed if who == "alice" else privexec
    outside = alice.run(argv) if who == "alice" else machine.run(argv)
    session = [front, "-q", "--net=none", "--", *argv]
    inside = alice.run(session) if who == "alice" else machine.run(session)
    assert outside.returncode == 0 and outside.stdout, outside
    assert (inside.returncode, inside.stdout) == (0, outside.stdout), inside.stderr


ABSTRACT = """
import socket, sys
name = "\\0" + sys.argv[1]
with socket.socket(socket.AF_UNIX) as server:
    server.bind(name); server.listen(1)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(name)
        print("reached")
"""


@pytest.mark.parametrize("network", ["host", "none"])
def test_abstract_sockets_of_a_session_reach_each_other(network, installed, alice):
    done = alice.run([installed, "-q", f"--net={network}", "--", attacker.PYTHON, "-c", ABSTRACT,
                      f"privexec-tests-{os.getpid()}"])
    assert done.stdout == "reached\n", done.stderr


SEND = """
import socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
    sender.sendto(b"canary", "\\0" + sys.argv[1])
"""


def test_a_datagram_to_an_abstract_socket_of_the_hosts_does_not_arrive(installed, alice):
    if machine.landlock_version() < 6:
        pytest.skip("this kernel has no scope for abstract sockets (6.12)")
    name = f"privexec-tests-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as receiver:
        receiver.bind("\0" + name)
        send = [attacker.PYTHON, "-c", SEND, name]
        assert alice.run(send).returncode == 0 and receiver.recv(16) == b"canary"
        done = alice.run([installed, "-q", "--net=host", "--", *send])
        assert "PermissionError" in done.stderr
        with pytest.raises(BlockingIOError):
            receiver.recv(16)

