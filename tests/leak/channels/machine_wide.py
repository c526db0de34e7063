# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices, the kernel's own file systems, and what the kernel does for one program that others see."""

import ctypes
import os
import re
import resource
import select
import shutil
import stat
import subprocess

from .base import (LIBC, NEWNET, Row, arrives, call, channel, check, end_child, first_that_works,
                   mount, nested, number_of, patience, place, setting)
from .files import directory

TRACING = "/mnt/tracing"


# --- devices

def terminal():
    """Another terminal of the user's."""
    ours, theirs = os.openpty()
    path = os.ttyname(theirs)
    yield path
    yield arrives(ours)
    os.close(ours)
    os.close(theirs)


def write_terminal(canary, path):
    descriptor = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    os.write(descriptor, canary.encode())
    os.close(descriptor)


def disk():
    """A loop device over a file, whose node anybody may write to."""
    top = place("disk")
    os.mkdir(top)
    os.chmod(top, 0o777)
    with open(f"{top}/file", "wb") as file:
        file.truncate(1 << 20)
    device = subprocess.run(["losetup", "--find", "--show", f"{top}/file"], check=True,
                            stdout=subprocess.PIPE, text=True).stdout.strip()
    try:
        number = os.stat(device).st_rdev
        os.mknod(f"{top}/node", stat.S_IFBLK, number)
        os.chmod(f"{top}/node", 0o666)
        yield [device, f"{top}/node", number]
        with open(f"{top}/file", "rb") as file:
            yield file.read(12).decode(errors="replace")
    finally:
        subprocess.run(["losetup", "--detach", device], check=False)
        shutil.rmtree(top)


def write_disk(canary, told):
    """By each node that there is, or that can be made."""
    def write(path):
        descriptor = os.open(path, os.O_WRONLY)
        os.pwrite(descriptor, canary.encode().ljust(512), 0)
        os.fsync(descriptor)
        os.close(descriptor)

    def make():
        path = place("node")
        os.mknod(path, stat.S_IFBLK | 0o600, told[2])
        write(path)
    first_that_works(make, lambda: write(told[0]), lambda: write(told[1]))


def kernel_log():
    """From now on."""
    descriptor = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    os.lseek(descriptor, 0, os.SEEK_END)
    yield None
    text = []
    while len(text) < 1000 and select.select([descriptor], [], [], 0.02 if text else patience())[0]:
        try:
            text.append(os.read(descriptor, 8192).decode(errors="replace"))
        except BrokenPipeError:
            pass  # some were overwritten
    yield "".join(text)
    os.close(descriptor)


def write_log(canary, _):
    def write(path):
        descriptor = os.open(path, os.O_WRONLY)
        os.write(descriptor, f"<7>privexec leak test {canary}\n".encode())
        os.close(descriptor)

    def make():
        path = place("kmsg")
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 11))
        write(path)
    first_that_works(make, lambda: write("/dev/kmsg"))


# --- the kernel's file systems

def set_number(width, kind, unit=1):
    """As it is, or in a fresh instance of the file system in a namespace of the sender's."""
    def send(canary, path):
        def write(name):
            with open(name, "w", encoding="ascii") as file:
                file.write(str(int(canary[:width], 16) * unit))

        def fresh():
            def inside():
                if kind == "sysfs":
                    check(LIBC.unshare(NEWNET))  # whose owner alone may mount it
                mount(kind, "/mnt", kind)
                write("/mnt" + path[path.index("/", 1):])
            end_child(nested(inside))
        first_that_works(lambda: write(path), fresh)
    return send


def groups():
    """The names of all control groups."""
    yield None
    names = []
    for _, directories, _ in os.walk("/sys/fs/cgroup"):
        names += directories
    yield "\n".join(names)


def make_group(canary, _):
    """In every hierarchy that there is, or in a fresh one; also below the sender's own."""
    made = []

    def below(top):
        for here, directories, files in os.walk(top):
            if "cgroup.procs" in files:
                path = f"{here}/privexec-leak-{canary}"
                try:
                    os.mkdir(path)
                    made.append(path)
                    return
                except OSError:
                    pass
            del directories[20:]
        raise PermissionError(13, "no group")

    def fresh(kind):
        def inside():
            check(LIBC.unshare(0x2000000))
            mount(kind, "/mnt", kind)
            below("/mnt")
        return lambda: end_child(nested(inside))
    first_that_works(lambda: below("/sys/fs/cgroup"), fresh("cgroup2"))
    yield None
    for path in made:
        os.rmdir(path)


def trace_marks():
    with open(f"{TRACING}/trace", "w", encoding="ascii"):
        yield None
    with open(f"{TRACING}/trace", encoding="ascii", errors="replace") as file:
        yield file.read(1 << 20)
    with open(f"{TRACING}/trace", "w", encoding="ascii"):
        pass


def mark(canary, _):
    def write(path):
        with open(path, "w", encoding="ascii") as file:
            file.write(canary)

    def fresh():
        def inside():
            mount("tracefs", "/mnt", "tracefs")
            write("/mnt/trace_marker")
        end_child(nested(inside))
    first_that_works(*[lambda path=path: write(f"{path}/trace_marker") for path in (
        TRACING, "/sys/kernel/tracing", "/sys/kernel/debug/tracing")], fresh)


# --- mounts and handles

def mount_over(canary, top):
    """A file system mounted on the receiver's directory, with a name in it."""
    def inside():
        mount("leak", top, "tmpfs")
        with open(f"{top}/{canary}", "w", encoding="ascii"):
            pass

    def taken_away():
        check(LIBC.umount2(top.encode(), 2))
    try:
        inside()
    except OSError:
        child = nested(inside)
        yield None
        end_child(child)
        return
    yield None
    taken_away()


class Handle(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint), ("kind", ctypes.c_int), ("bytes", ctypes.c_ubyte * 128)]


def file_with_handle():
    receiver = directory()
    top = next(receiver)
    handle, mount_number = Handle(size=128), ctypes.c_int()
    check(LIBC.name_to_handle_at(-100, f"{top}/file".encode(), ctypes.byref(handle),
                                 ctypes.byref(mount_number), 0))
    yield [top, handle.kind, bytes(handle.bytes[:handle.size]).hex()]
    yield receiver.send(None)
    receiver.close()


def open_by_handle(canary, told):
    data = bytes.fromhex(told[2])
    handle = Handle(size=len(data), kind=told[1])
    handle.bytes[:len(data)] = data

    def write(at):
        descriptor = check(LIBC.open_by_handle_at(at, ctypes.byref(handle), os.O_WRONLY))
        os.pwrite(descriptor, canary.encode(), 0)
        os.close(descriptor)
    first_that_works(lambda: write(os.open(os.path.dirname(told[0]), os.O_RDONLY)),
                     lambda: write(os.open("/", os.O_RDONLY)))


# --- programs in the kernel

class Attributes(ctypes.Structure):
    _fields_ = [("words", ctypes.c_uint * 7), ("name", ctypes.c_char * 16), ("more", ctypes.c_uint * 20)]


def maps():
    yield None
    text, number = [], 0
    while len(text) < 4096:
        attributes = (ctypes.c_uint * 8)(number)
        try:
            call(number_of("bpf"), 12, ctypes.byref(attributes), ctypes.sizeof(attributes))
            number = attributes[1]
            descriptor = call(number_of("bpf"), 14, ctypes.byref((ctypes.c_uint * 8)(number)), 32)
        except OSError:
            break
        information = ctypes.create_string_buffer(128)
        request = (ctypes.c_uint * 4)(descriptor, 128)
        ctypes.c_ulong.from_buffer(request, 8).value = ctypes.addressof(information)
        call(number_of("bpf"), 15, ctypes.byref(request), 16)
        text.append(information.raw[24:40].decode(errors="replace"))
        os.close(descriptor)
    yield "\n".join(text)


def make_map(canary, _):
    attributes = Attributes()
    attributes.words[:4] = (2, 4, 4, 1)
    attributes.name = canary.encode()
    descriptor = call(number_of("bpf"), 0, ctypes.byref(attributes), 48)
    yield None
    os.close(descriptor)


# --- crashes

def crash(program):
    """@program(canary) is executed in a child that dumps as much core as it may, and dies."""
    def send(canary, top):
        def limits():
            hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
            resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
        path = place("program")
        os.mkdir(path)
        code = f"import ctypes; secret = '%s:%s' % ('secret', '{canary}'); ctypes.string_at(8)"
        os.symlink("/usr/bin/python3", f"{path}/{program(canary)}")
        subprocess.run([f"{path}/{program(canary)}", "-S", "-c", code], preexec_fn=limits, check=False,
                       cwd=top or "/", stderr=subprocess.DEVNULL)
        shutil.rmtree(path)
    return send


def core_files():
    """In the directory in which the program runs."""
    if not core_pattern().startswith("core"):
        raise NotImplementedError(f"cores go to {core_pattern()} here")
    top = place("cores")
    os.mkdir(top)
    os.chmod(top, 0o777)
    try:
        yield top
        found = b""
        for name in os.listdir(top):
            with open(f"{top}/{name}", "rb") as file:
                found += b" ".join(re.findall(rb"secret:[0-9a-f]{12}", file.read(1 << 28)))
        yield found.decode()
    finally:
        shutil.rmtree(top)


def core_pattern():
    with open("/proc/sys/kernel/core_pattern", encoding="ascii") as file:
        return file.read().strip()


ROWS = [
    *channel(
        "terminals of others",
        Row("another terminal of the user's", write_terminal, terminal),
    ),
    *channel(
        "block devices, /dev/kmsg and other devices",
        Row("a block device", write_disk, disk, receiver="root"),
        Row("the kernel's log", write_log, kernel_log, users=("root",)),
    ),
    *channel(
        "/sys, /proc/sys, control groups, tracing",
        Row("/sys", set_number(3, "sysfs", 64),
            setting("/sys/block/loop0/queue/read_ahead_kb", 3, 64), users=("root",), digits=3),
        Row("/proc/sys", set_number(4, "proc"),
            setting("/proc/sys/fs/lease-break-time", 4), users=("root",), digits=4),
        Row("names of control groups", make_group, groups, users=("root",)),
        Row("marks in the kernel's trace", mark, trace_marks, users=("root",),
            may_lack="a kernel without tracing"),
    ),
    *channel(
        "mounts, handles",
        Row("a mount on a public directory", mount_over, directory, users=("root",)),
        Row("a file opened by its handle", open_by_handle, file_with_handle, users=("root",)),
    ),
    *channel(
        "bpf",
        Row("a map of bpf", make_map, maps, users=("root",), may_lack="a kernel without bpf"),
    ),
    *channel(
        "core dumps",
        Row("a core file", crash(lambda canary: "program"), core_files,
            may_lack="a machine where core dumps go to a program"),
    ),
    *channel(
        "the kernel's log: crashes",
        Row("the name of a program that crashes", crash(lambda canary: canary), kernel_log,
            receiver="root", documented="the name of a program that crashed",
            may_lack="a machine whose kernel logs no crashes"),
    ),
]
