# SPDX-License-Identifier: GPL-2.0-or-later
"""Following programs system call by system call, by ptrace(2): to kill a process of a session at any
of them, or to make one do what it never would. Linux on x86-64."""

import ctypes
import os
import re
import signal
import struct
import time

import machine

PTRACE_CONT, PTRACE_GETREGS, PTRACE_SETREGS, PTRACE_DETACH, PTRACE_SYSCALL = 7, 12, 13, 17, 24
PTRACE_GETEVENTMSG, PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4201, 0x4206, 0x4207
PTRACE_GET_SYSCALL_INFO = 0x420E
OPTION_SYSGOOD, OPTION_FORK, OPTION_VFORK, OPTION_CLONE = 1, 2, 4, 8
OPTION_EXEC, OPTION_EXITKILL = 0x10, 0x100000
FOLLOW = OPTION_SYSGOOD | OPTION_FORK | OPTION_VFORK | OPTION_CLONE | OPTION_EXEC | OPTION_EXITKILL
EVENT_FORK, EVENT_VFORK, EVENT_CLONE, EVENT_STOP = 1, 2, 3, 128
WALL = 0x40000000
ENTRY, EXIT = 1, 2
SYS_MKDIRAT, SYS_CLONE3 = 258, 435
CLONE_NEWUSER, CLONE_NEWPID = 0x10000000, 0x20000000

# indices into struct user_regs_struct
REGISTERS, RAX, RSI, RDI, ORIG_RAX, RIP = 27, 10, 13, 14, 15, 16

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def ptrace(request, pid, address=0, data=0):
    result = _libc.ptrace(request, pid, address, data)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"ptrace({request:#x}, {pid})")
    return result


def registers(pid):
    values = (ctypes.c_ulonglong * REGISTERS)()
    ptrace(PTRACE_GETREGS, pid, 0, ctypes.addressof(values))
    return values


def set_registers(pid, values):
    ptrace(PTRACE_SETREGS, pid, 0, ctypes.addressof(values))


def read_memory(pid, address, size):
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        return memory.read(size)


def write_memory(pid, address, data):
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        memory.seek(address)
        memory.write(data)


_information = (ctypes.c_ubyte * 88)()


def call(pid):
    """At a system call stop: (ENTRY or EXIT, number of the call, first and second argument)."""
    ptrace(PTRACE_GET_SYSCALL_INFO, pid, len(_information), ctypes.addressof(_information))
    return (_information[0], *struct.unpack_from("QQQ", bytes(_information), 24))


def stop(pid):
    """Takes hold of a running process of one thread and stops it."""
    ptrace(PTRACE_SEIZE, pid, 0, OPTION_SYSGOOD)
    ptrace(PTRACE_INTERRUPT, pid)
    os.waitpid(pid, WALL)


class Followed:
    """A session that is followed from its first system call to its last. @role and @at: SIGKILL for
    that process (front, keeper, sweeper, init or namespace, root's helper) when it enters its system
    call number @at, which is not done then."""

    def __init__(self, argv, *, user=None, role=None, at=None):
        self.calls = {}     # by role: how many system calls it entered
        self.births = {}    # by role: the parent's system call that made it
        self.ids = set()    # ids of sessions for which the keeper made directories
        self.killed = None  # when, by time.monotonic()
        self.status = None  # the front's, as a shell gives it
        self._role, self._at = role, at
        self._roles, self._flags, self._early = {}, {}, set()
        self._output, theirs = os.pipe()
        gate, opener = os.pipe()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        self._mask = mask
        self.front = os.fork()
        if self.front == 0:
            self._become(argv, user, gate, theirs, mask)
        os.close(gate)
        os.close(theirs)
        self._roles[self.front] = "front"
        self._living = {self.front}
        ptrace(PTRACE_SEIZE, self.front, 0, FOLLOW)
        os.write(opener, b"x")
        os.close(opener)

    @staticmethod
    def _become(argv, user, gate, output, mask):
        try:
            null = os.open("/dev/null", os.O_RDWR)
            os.dup2(null, 0)
            os.dup2(null, 1)
            os.dup2(output, 2)
            environment = dict(os.environ)
            if user:
                os.initgroups(user.name, user.gid)
                os.setgid(user.gid)
                os.setuid(user.uid)
                environment = user.environment()
            os.chdir("/")
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            os.read(gate, 1)
            os.closerange(3, 256)
            os.execve(argv[0], [str(word) for word in argv], environment)
        finally:
            os._exit(99)

    def run(self, patience):
        """Lets it run until nobody of it lives, at most @patience seconds after the kill (or, without
        one, from now), times SLOWNESS. Returns {pid: role} of those that then still live; they are let go."""
        patience *= machine.SLOWNESS
        deadline = time.monotonic() + max(patience, 20 * machine.SLOWNESS)
        try:
            while self._living:
                pid, status = os.waitpid(-1, WALL | os.WNOHANG)
                if pid:
                    self._take(pid, status)
                    continue
                if self.killed:
                    deadline = self.killed + patience
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                signal.sigtimedwait([signal.SIGCHLD], left)
        except ChildProcessError:
            self._living.clear()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        return {pid: self._roles.get(pid, "?") for pid in self._living}

    def output(self):
        """What was written to standard error."""
        text = b""
        os.set_blocking(self._output, False)
        try:
            while part := os.read(self._output, 65536):
                text += part
        except BlockingIOError:
            pass
        os.close(self._output)
        return text.decode()

    def release(self):
        """Kills whoever is left."""
        for pid in self._living:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def _take(self, pid, status):
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            self._living.discard(pid)
            if pid == self.front and self.status is None:
                self.status = (os.WEXITSTATUS(status) if os.WIFEXITED(status)
                               else 128 + os.WTERMSIG(status))
            return
        if not os.WIFSTOPPED(status):
            return
        number, event = os.WSTOPSIG(status), status >> 16
        deliver = 0
        if pid not in self._roles:
            self._early.add(pid)  # its parent's stop, which names it, is yet to come
            self._living.add(pid)
            return
        try:
            if number == signal.SIGTRAP | 0x80:
                if self._at_call(pid):
                    return
            elif event in (EVENT_FORK, EVENT_VFORK, EVENT_CLONE):
                self._born(pid)
            elif event == 0:
                deliver = number
            self._go_on(pid, deliver)
        except ProcessLookupError:
            pass  # killed meanwhile

    def _go_on(self, pid, deliver=0):
        ptrace(PTRACE_CONT if self.killed else PTRACE_SYSCALL, pid, 0, deliver)

    def _at_call(self, pid):
        """Returns true when the process was killed here."""
        kind, number, first, second = call(pid)
        if kind != ENTRY:
            return False
        role = self._roles[pid]
        self.calls[role] = self.calls.get(role, 0) + 1
        if role == self._role and self.calls[role] == self._at and not self.killed:
            self.killed = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            return True
        self._flags[pid] = 0
        if role == "keeper" and number == SYS_MKDIRAT:
            name = read_memory(pid, second, 32).split(b"\0")[0].decode(errors="replace")
            if re.fullmatch(r"(privexec-)?[0-9a-f]{8}", name):
                self.ids.add(name[-8:])
        if number == SYS_CLONE3:
            self._flags[pid] = struct.unpack("Q", read_memory(pid, first, 8))[0]
        return False

    def _born(self, parent):
        message = ctypes.c_ulong()
        ptrace(PTRACE_GETEVENTMSG, parent, 0, ctypes.addressof(message))
        child, flags = message.value, self._flags.get(parent, 0)
        role = "command"
        if self._roles[parent] == "front":
            role = "keeper"
        elif self._roles[parent] == "keeper":
            role = ("init" if flags & CLONE_NEWPID else "namespace" if flags & CLONE_NEWUSER
                    else "sweeper" if flags else "survey")
        self._roles[child] = role
        self.births[role] = self.calls.get(self._roles[parent], 0)
        self._living.add(child)
        if child in self._early:
            self._early.discard(child)
            self._go_on(child)
