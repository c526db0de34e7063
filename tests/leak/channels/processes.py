# SPDX-License-Identifier: GPL-2.0-or-later
"""Other processes: signals, tracing, their memory, files and namespaces, outwards and inwards; and what
/proc tells about a session's own."""

import ctypes
import fcntl
import os
import resource
import select
import socket
import struct
import subprocess
import tempfile

from .base import (LIBC, MODES, NEWNS, NEWUSER, Row, call, channel, check, each_read, end_child,
                   family, in_child, mount, nested, patience, place)
from .files import LOCK, directory
from .ipc import LOOKING, traceable

LIBC.ptrace.restype = ctypes.c_long
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
PEEK, POKE, ATTACH, DETACH = 2, 5, 16, 17
TOLD_BY_PROC = (("/proc/PID", ""),)
VALUED = 40  # a signal that agent.py blocks
LIMIT = 10  # that on file locks, which the kernel knows no more


# --- signals and what else is sent to a process

def signal_with_value():
    mask = (ctypes.c_ulong * 16)(1 << VALUED - 1)
    descriptor = check(LIBC.signalfd(-1, ctypes.byref(mask), 0o2000000))
    yield os.getpid()
    text = os.read(descriptor, 128) if select.select([descriptor], [], [], patience())[0] else b""
    yield f"{struct.unpack_from('i', text, 44)[0]:07x}" if text else ""
    os.close(descriptor)


def queue_signal(canary, pid):
    check(LIBC.sigqueue(pid, VALUED, ctypes.c_void_p(int(canary[:7], 16))))


def limit():
    yield os.getpid()
    yield f"{resource.getrlimit(LIMIT)[0]:012x}"
    resource.setrlimit(LIMIT, (resource.getrlimit(LIMIT)[1],) * 2)


def set_limit(canary, pid):
    resource.prlimit(pid, LIMIT, (int(canary, 16), resource.prlimit(pid, LIMIT)[1]))


# --- tracing

def buffer_of_mine():
    buffer = ctypes.create_string_buffer(16)
    yield [os.getpid(), ctypes.addressof(buffer)]
    yield buffer.raw.decode(errors="replace")


def write_memory(canary, told):
    descriptor = os.open(f"/proc/{told[0]}/mem", os.O_WRONLY)
    os.pwrite(descriptor, canary.encode(), told[1])
    os.close(descriptor)


class Part(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def vm_writev(canary, told):
    data = ctypes.create_string_buffer(canary.encode(), 12)
    here, there = Part(ctypes.addressof(data), 12), Part(told[1], 12)
    check(LIBC.process_vm_writev(told[0], ctypes.byref(here), 1, ctypes.byref(there), 1, 0))


def trace(pid, request, address, data=0):
    """One request to a process that is stopped for it."""
    check(LIBC.ptrace(ATTACH, pid, 0, 0))
    try:
        os.waitpid(pid, 0x40000000)
        ctypes.set_errno(0)
        said = LIBC.ptrace(request, pid, address, data)
        if ctypes.get_errno():
            raise OSError(ctypes.get_errno(), "ptrace")
        return said
    finally:
        LIBC.ptrace(DETACH, pid, 0, 0)


def poke(canary, told):
    trace(told[0], POKE, told[1], int.from_bytes(canary[:8].encode(), "little"))


def by_root_of(part):
    def send(canary, told):
        with open(f"/proc/{told[0]}/{part}{told[1]}/{canary}", "w", encoding="ascii"):
            pass
    return send


def directory_of_mine():
    receiver = directory()
    yield [os.getpid(), next(receiver)]
    yield receiver.send(None)
    receiver.close()


def enter(canary, told):
    """The mount namespace of the receiver."""
    def write():
        process = call(434, told[0], 0)
        check(LIBC.setns(process, NEWNS))
        with open(f"{told[1]}/{canary}", "w", encoding="ascii"):
            pass
    end_child(in_child(write))


# --- the same inwards: the receiver looks

def hold(canary, _):
    """The canary is in the environment of a child, in memory, in a file, behind a descriptor."""
    LIBC.prctl(0x59616d61, ctypes.c_ulong(-1 & (1 << 64) - 1), 0, 0, 0)
    buffer = ctypes.create_string_buffer(canary.encode())
    descriptor = os.memfd_create("held")
    os.write(descriptor, canary.encode())
    path = place("held")
    with open(path, "w", encoding="ascii") as file:
        file.write(canary)
    with subprocess.Popen(["sleep", "60"], env={"CANARY": canary}) as child:
        yield {"address": ctypes.addressof(buffer), "descriptor": descriptor, "path": path}
        child.kill()
    os.close(descriptor)
    os.unlink(path)


def hold_nested(canary, _):
    """The same in a user namespace that the session's user made, and so owns."""
    def inside():
        LIBC.prctl(0x59616d61, ctypes.c_ulong(-1 & (1 << 64) - 1), 0, 0, 0)
        mount("leak", "/mnt", "tmpfs")
        with open("/mnt/held", "w", encoding="ascii") as file:
            file.write(canary)
    child = nested(inside)
    yield {"path": "/mnt/held"}
    end_child(child)


def look(function):
    """A receiver that tries @function(pid, what was said) on the sender and all below it."""
    def receive():
        told = yield None
        text = []
        for pid in reversed(family(told["pid"])):
            try:
                text.append(function(pid, told["said"]))
            except OSError as error:
                text.append(str(error))
        yield "\n".join(text)
    return receive


def read_file(path):
    with open(path, "rb") as file:
        return file.read(1 << 16).decode(errors="replace")


def read_mem(pid, said):
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        file.seek(said["address"])
        return file.read(12).decode(errors="replace")


def vm_readv(pid, said):
    data = ctypes.create_string_buffer(12)
    here, there = Part(ctypes.addressof(data), 12), Part(said["address"], 12)
    check(LIBC.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0))
    return data.raw.decode(errors="replace")


def peek(pid, said):
    return trace(pid, PEEK, said["address"]).to_bytes(8, "little", signed=True).decode(errors="replace")


def take(pid, said):
    descriptor = call(438, call(434, pid, 0), said["descriptor"], 0)
    try:
        return os.pread(descriptor, 100, 0).decode()
    finally:
        os.close(descriptor)


def enter_and_read(pid, said):
    """The namespaces that somebody made who had no privilege."""
    with tempfile.TemporaryFile() as found:
        def read():
            check(LIBC.setns(call(434, pid, 0), NEWUSER | NEWNS))
            os.write(found.fileno(), read_file(said["path"]).encode())
        end_child(in_child(read))
        return os.pread(found.fileno(), 100, 0).decode()


# --- what /proc tells everybody

def argument(canary, _):
    with subprocess.Popen(["sh", "-c", "sleep 60; true", canary]) as child:
        yield None
        child.kill()


def name(canary, _):
    def inside():
        check(LIBC.prctl(15, canary.encode(), 0, 0, 0))
    child = in_child(inside)
    yield None
    end_child(child)


def limit_of_mine(canary, _):
    def inside():
        resource.setrlimit(LIMIT, (int(canary, 16), resource.getrlimit(LIMIT)[1]))
    child = in_child(inside)
    yield None
    end_child(child)


def mount_something(canary, _):
    child = nested(lambda: mount(canary, "/mnt", "tmpfs"))
    yield None
    end_child(child)


def map_ids(canary, _):
    child = nested(lambda: None, inner=int(canary[:7], 16))
    yield None
    end_child(child)


def lock_own_file(canary, _):
    path = place("own")
    with open(path, "wb") as file:
        fcntl.fcntl(file, fcntl.F_SETLK, struct.pack(LOCK, fcntl.F_WRLCK, 0, int(canary, 16), 1, 0))
        yield None
    os.unlink(path)


def proc_of(*names):
    """What is written in those files of the sender's processes."""
    return look(lambda pid, _: each_read(f"/proc/{pid}/{name}" for name in names))


def in_hexadecimal(receive, width):
    """The numbers of what @receive says, in hexadecimal too."""
    def more():
        generator = receive()
        told = yield next(generator)
        text = generator.send(told)
        yield text + " ".join(f"{int(word):0{width}x}" for word in text.split() if word.isdigit())
    return more


def locks_of_machine():
    yield None
    yield " ".join(read_file("/proc/locks").split())


def bind_name(canary, _):
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("\0" + canary)
        yield None


ROWS = [
    *channel(
        "signals, and what else is sent to a process",
        Row("a signal with a value", queue_signal, signal_with_value, digits=7, told_pid=True),
        Row("another process's limit", set_limit, limit, told_pid=True),
    ),
    *channel(
        "ptrace, process_vm_*, /proc/PID outwards",
        Row("/proc/PID/mem", write_memory, traceable(buffer_of_mine), inwards=LOOKING, told_pid=True),
        Row("process_vm_writev", vm_writev, traceable(buffer_of_mine), inwards=LOOKING, told_pid=True),
        Row("ptrace", poke, traceable(buffer_of_mine), digits=8, inwards=LOOKING, told_pid=True),
        Row("/proc/PID/root", by_root_of("root"), directory_of_mine, inwards=LOOKING, told_pid=True),
        Row("/proc/PID/cwd", by_root_of("cwd/../../../../../../"), directory_of_mine,
            inwards=LOOKING, told_pid=True),
    ),
    *channel(
        "entering namespaces outwards",
        Row("the receiver's mount namespace", enter, directory_of_mine, users=("root",),
            told_pid=True),
    ),
    *channel(
        "the same inwards, by another process of the same user",
        *(Row(title, hold, look(function), users=("user",), reaches_in=True, digits=digits)
          for title, function, digits in (
              ("/proc/PID/environ, looked at", lambda pid, _: read_file(f"/proc/{pid}/environ"), 12),
              ("/proc/PID/mem, looked at", read_mem, 12),
              ("process_vm_readv", vm_readv, 12),
              ("ptrace, looked at", peek, 8),
              ("/proc/PID/root, looked at",
               lambda pid, said: read_file(f"/proc/{pid}/root{said['path']}"), 12),
              ("/proc/PID/cwd, looked at",
               lambda pid, said: read_file(f"/proc/{pid}/cwd/../../../../../..{said['path']}"), 12),
              ("/proc/PID/fd, looked at",
               lambda pid, said: read_file(f"/proc/{pid}/fd/{said['descriptor']}"), 12),
              ("pidfd_getfd, looked at", take, 12))),
        Row("/proc/PID/root of a user namespace of the user's", hold_nested,
            look(lambda pid, said: read_file(f"/proc/{pid}/root{said['path']}")), users=("user",),
            reaches_in=True, may_lack="a machine where users may make no user namespaces"),
    ),
    *channel(
        "entering the session's namespaces",
        Row("the namespaces that the session's user made", hold_nested, look(enter_and_read),
            users=("user",), reaches_in=True,
            may_lack="a machine where users may make no user namespaces"),
    ),
    *channel(
        "what /proc tells everybody of a session",
        Row("arguments", argument, proc_of("cmdline"), reaches_in=True, exits=TOLD_BY_PROC),
        Row("names of processes", name, proc_of("comm"), reaches_in=True, exits=TOLD_BY_PROC),
        Row("limits", limit_of_mine, in_hexadecimal(proc_of("limits"), 12), reaches_in=True,
            exits=TOLD_BY_PROC),
        Row("mounts", mount_something, proc_of("mountinfo"), reaches_in=True, exits=TOLD_BY_PROC,
            may_lack="a machine where users may make no user namespaces"),
        Row("maps of ids", map_ids, in_hexadecimal(proc_of("uid_map"), 7), reaches_in=True,
            digits=7, exits=TOLD_BY_PROC,
            may_lack="a machine where users may make no user namespaces"),
        Row("locks on the session's own files", lock_own_file,
            in_hexadecimal(locks_of_machine, 12), reaches_in=True,
            exits=(("file locks", "/proc/locks"),)),
    ),
    *channel(
        "/proc/PID/net of a session",
        Row("names of sockets", bind_name, proc_of("net/unix"), reaches_in=True, modes=MODES,
            exits=(("/proc/PID/net", ""),)),
    ),
]
