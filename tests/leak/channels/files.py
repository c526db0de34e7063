# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of the machine: their contents, names, attributes, times and locks; FIFOs."""

import ctypes
import fcntl
import mmap
import os
import select
import shutil
import signal
import struct
import subprocess

from .base import (LIBC, USERS, Here, Row, arrives, bits, channel, check, digits_of, patience,
                   place)

SEEN_READ = (("names of public files read", ""),)
MET = (("file locks", "bound read-only"),)
F_SETLEASE, F_GETLEASE, F_OFD_GETLK, F_OFD_SETLK = 1024, 1025, 36, 37
GET_FLAGS, SET_FLAGS, NO_DUMP = 0x80086601, 0x40086602, 0x40
OPENED, OF_CHILDREN = 0x20, 0x08000000
# mounts of the host: matrix.py
PROVEN, SHARED = "/mnt/proven", "/mnt/shared"
# not on the tmpfs that the test's host has for /mnt, which is covered for root where tmpfs maps no ids (6.1)
PASSED = "/media"


# --- one receiver for all that can be done to a directory

def directory():
    """Everything that can be read in a directory to which anybody may write."""
    top = place("directory")
    os.mkdir(top)
    os.chmod(top, 0o777)
    with open(f"{top}/file", "w", encoding="ascii") as file:
        file.write("nothing\n" * 600)
    os.chmod(f"{top}/file", 0o666)
    try:
        yield top
        yield "\n".join(everything_below(top))
    finally:
        shutil.rmtree(top, ignore_errors=True)


def everything_below(top):
    for here, directories, files in os.walk(top):
        yield from directories + files
        for name in directories + files:
            path = os.path.join(here, name)
            if os.path.islink(path):
                yield os.readlink(path)
                continue
            for attribute in os.listxattr(path):
                yield f"{attribute} {os.getxattr(path, attribute)!r}"
            yield f"{os.stat(path).st_mtime_ns:012x} {os.stat(path).st_size:012x}"
            if os.path.isfile(path):
                with open(path, errors="replace", encoding="utf-8") as file:
                    yield file.read(1 << 14)


def overwrite(canary, top):
    with open(f"{top}/file", "r+", encoding="ascii") as file:
        file.write(canary)


def append(canary, top):
    descriptor = os.open(f"{top}/file", os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, canary.encode())
    os.fsync(descriptor)
    os.close(descriptor)


def map_shared(canary, top):
    with open(f"{top}/file", "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[:12] = canary.encode()
        memory.flush()


def reopen(canary, top):
    """By the descriptor that it was opened with for reading, which on an overlay is a file of both."""
    reading = os.open(f"{top}/file", os.O_RDONLY)
    writing = os.open(f"/proc/self/fd/{reading}", os.O_RDWR)
    os.pwrite(writing, canary.encode(), 0)
    os.close(writing)
    os.close(reading)


def copy_range(canary, top):
    source = os.memfd_create("source")
    os.write(source, canary.encode())
    target = os.open(f"{top}/file", os.O_WRONLY)
    os.sendfile(target, source, 0, 12)
    os.close(source)
    os.close(target)


def replace(canary, top):
    with open(f"{top}/new", "w", encoding="ascii") as file:
        file.write(canary)
    os.rename(f"{top}/new", f"{top}/file")


def new_file(canary, top):
    with open(f"{top}/{canary}", "w", encoding="ascii") as file:
        file.write(canary)
    os.sync()


def nameless_file(canary, top):
    descriptor = os.open(top, os.O_TMPFILE | os.O_RDWR, 0o666)
    os.write(descriptor, canary.encode())
    check(LIBC.linkat(-100, f"/proc/self/fd/{descriptor}".encode(), -100, f"{top}/linked".encode(),
                      0x400))
    os.close(descriptor)


def new_directory(canary, top):
    os.mkdir(f"{top}/{canary}")


def symbolic_link(canary, top):
    os.symlink(canary, f"{top}/link")


def hard_link(canary, top):
    os.link(f"{top}/file", f"{top}/{canary}")


def attribute(canary, top):
    os.setxattr(f"{top}/file", "user.canary", canary.encode())


def times(canary, top):
    os.utime(f"{top}/file", ns=(0, int(canary, 16)))


def size(canary, top):
    os.truncate(f"{top}/file", int(canary[:6], 16))


# --- one bit a file

def sixteen(prepare=lambda path: None, look=None, content=b"x"):
    """A receiver of files whose state says each a bit: @prepare makes it say 0."""
    def receive():
        top = place("sixteen")
        os.mkdir(top)
        os.chmod(top, 0o777)
        paths = [f"{top}/{number}" for number in range(16)]
        kept = []
        try:
            for path in paths:
                with open(path, "wb") as file:
                    file.write(content)
                os.chmod(path, 0o777)
                kept.append(prepare(path))
            yield top
            yield digits_of(number for number in range(16) if look(paths[number], kept[number]))
        finally:
            for one in kept:
                if isinstance(one, int):
                    os.close(one)
            shutil.rmtree(top, ignore_errors=True)
    return receive


def on_sixteen(act):
    """A sender that acts on those of the files that are to say 1, and holds on to what it gets."""
    def send(canary, top):
        held = [act(f"{top}/{number}") for number in bits(canary)]
        yield None
        for one in held:
            if isinstance(one, int):
                os.close(one)
    return send


def flag(path):
    """No dumping: an attribute that chattr(1) sets."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        before = struct.unpack("@l", fcntl.ioctl(descriptor, GET_FLAGS, bytes(8)))[0]
        fcntl.ioctl(descriptor, SET_FLAGS, struct.pack("@l", before | NO_DUMP))
    finally:
        os.close(descriptor)


def flagged(path, _):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return struct.unpack("@l", fcntl.ioctl(descriptor, GET_FLAGS, bytes(8)))[0] & NO_DUMP
    finally:
        os.close(descriptor)


def flock(path):
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def flocked(path, _):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)


def lease(path):
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.fcntl(descriptor, F_SETLEASE, fcntl.F_WRLCK)
    return descriptor


def lease_broken(_, descriptor):
    return fcntl.fcntl(descriptor, F_GETLEASE) != fcntl.F_WRLCK


def open_at_once(path):
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except BlockingIOError:
        return None


def never_read(path):
    os.utime(path, (1, 2000))


def read_once(path):
    with open(path, "rb") as file:
        file.read()


# --- locks on ranges

LOCK = "@hhqqi4x"


def ranges(path=None):
    """A file of the user's, or that at @path: where in it somebody else holds a lock."""
    def receive():
        name = path or place("ranges")
        if not path:
            with open(name, "wb"):
                os.chmod(name, 0o666)
        descriptor = os.open(name, os.O_RDONLY)
        try:
            yield name
            asked = struct.pack(LOCK, fcntl.F_WRLCK, 0, 0, 0, 0)
            kind, _, start, _, _ = struct.unpack(LOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
            yield "" if kind == fcntl.F_UNLCK else f"{start:012x}"
        finally:
            os.close(descriptor)
            if not path:
                os.unlink(name)
    return receive


def lock_range(command):
    def send(canary, name):
        descriptor = os.open(name, os.O_RDONLY)
        fcntl.fcntl(descriptor, command, struct.pack(LOCK, fcntl.F_RDLCK, 0, int(canary, 16), 1, 0))
        yield None
        os.close(descriptor)
    return send


def lock_sixteen(top):
    """Locks for the owner alone on files that were there before any session, and can be read."""
    send = on_sixteen(flock)
    return lambda canary, _: send(canary, top)


def sixteen_locked(top):
    def receive():
        yield None
        yield digits_of(number for number in range(16) if flocked(f"{top}/{number}", None))
    return receive


# --- watching

def watched(begin, watch, names):
    """A receiver that is told which of sixteen files are opened: @begin() makes a descriptor for it,
    @watch(descriptor, directory) tells it of what, and @names(bytes) are those in what it has read."""
    def receive():
        notes = check(begin())
        receiver = sixteen(look=lambda *_: False)()
        try:
            top = next(receiver)
            check(watch(notes, top.encode()))
            yield top
            come = select.select([notes], [], [], patience())[0]
            yield digits_of(int(name) for name in names(os.read(notes, 1 << 16) if come else b"")
                            if name.isdigit())
        finally:
            os.close(notes)
            receiver.close()
    return receive


def names_in_inotify(text):
    while text:
        length = struct.unpack("iIII", text[:16])[3]
        yield text[16:16 + length].rstrip(b"\0").decode()
        text = text[16 + length:]


def names_in_fanotify(text):
    """Which has descriptors of the files themselves."""
    while text:
        length, _, _, _, _, descriptor, _ = struct.unpack("IBBHQii", text[:24])
        yield os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))
        os.close(descriptor)
        text = text[length:]


by_inotify = watched(lambda: LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC),
                     lambda notes, top: LIBC.inotify_add_watch(notes, top, OPENED), names_in_inotify)
by_fanotify = watched(lambda: LIBC.fanotify_init(3, os.O_RDONLY),
                      lambda notes, top: LIBC.fanotify_mark(
                          notes, 1, ctypes.c_ulonglong(OPENED | OF_CHILDREN), -100, top),
                      names_in_fanotify)


def crowd_of_programs():
    """Files that are programs: is one of them being run?"""
    with open("/bin/sleep", "rb") as program:
        return sixteen(look=busy, content=program.read())()


def busy(path, _):
    try:
        os.close(os.open(path, os.O_WRONLY))
        return False
    except OSError:
        return True


def run_programs(canary, top):
    running = [subprocess.Popen([f"{top}/{number}", "60"]) for number in bits(canary)]
    yield None
    for one in running:
        one.kill()
        one.wait()


# --- FIFOs

def fifo():
    path = place("fifo")
    os.mkfifo(path)
    os.chmod(path, 0o666)
    try:
        yield from fifo_at(path)()
    finally:
        os.unlink(path)


def fifo_at(path):
    def receive():
        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        try:
            yield path
            yield arrives(descriptor)
        finally:
            os.close(descriptor)
    return receive


def write_fifo(canary, path):
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    os.write(descriptor, canary.encode())
    os.close(descriptor)


# --- places that are passed through

def passed():
    path = f"{PASSED}/{os.getpid()}-{Here.count}"
    try:
        yield path
        with open(path, encoding="ascii") as file:
            yield file.read()
    except OSError:
        yield ""
    finally:
        if os.path.exists(path):
            os.unlink(path)


def write_passed(canary, path):
    with open(path, "w", encoding="ascii") as file:
        file.write(canary)
    os.chmod(path, 0o666)


ROWS = [
    *channel(
        "regular files, directories, links, attributes, times on public files",
        Row("a file overwritten", overwrite, directory),
        Row("a file appended to", append, directory),
        Row("a file written by a shared mapping", map_shared, directory),
        Row("a file opened again by its descriptor", reopen, directory),
        Row("a file written by sendfile", copy_range, directory),
        Row("a file replaced", replace, directory),
        Row("a new file", new_file, directory),
        Row("a file without a name that gets one", nameless_file, directory),
        Row("a new directory", new_directory, directory),
        Row("a symbolic link", symbolic_link, directory),
        Row("a hard link", hard_link, directory),
        Row("an extended attribute", attribute, directory),
        Row("times set", times, directory),
        Row("a file's length", size, directory, digits=6),
        Row("files removed", on_sixteen(os.unlink), sixteen(
            look=lambda path, _: not os.path.exists(path)), digits=4),
        Row("modes", on_sixteen(lambda path: os.chmod(path, 0o700)), sixteen(
            look=lambda path, _: not os.stat(path).st_mode & 0o077), digits=4),
        Row("attributes of chattr", on_sixteen(flag), sixteen(look=flagged), digits=4,
            may_lack="a file system without such attributes"),
    ),
    *channel(
        "locks on public files",
        Row("flock", on_sixteen(flock), sixteen(look=flocked), digits=4),
        Row("locks on ranges", lock_range(fcntl.F_SETLK), ranges()),
        Row("locks on ranges that a descriptor owns", lock_range(F_OFD_SETLK), ranges()),
        Row("flock on files that were there before", lock_sixteen(SHARED), sixteen_locked(SHARED),
            digits=4),
        Row("locks on ranges of a file that was there before", lock_range(fcntl.F_SETLK),
            ranges(f"{SHARED}/0")),
        Row("flock in a tree that is bound read-only", lock_sixteen(PROVEN),
            sixteen_locked(PROVEN), digits=4, users=("user",), exits=MET),
        Row("locks on ranges in a tree that is bound read-only", lock_range(fcntl.F_SETLK),
            ranges(f"{PROVEN}/0"), users=("user",), exits=MET),
        Row("programs being run", run_programs, crowd_of_programs, digits=4,
            may_lack="some kernels let programs that are run be written to (6.11, 6.12)"),
    ),
    *channel(
        "names of public files that are read",
        Row("inotify", on_sixteen(read_once), by_inotify, digits=4, exits=SEEN_READ),
        Row("fanotify", on_sixteen(read_once), by_fanotify, digits=4, receiver="root",
            exits=SEEN_READ, may_lack="a kernel without fanotify"),
        Row("leases broken", on_sixteen(open_at_once), sixteen(lease, lease_broken), digits=4,
            exits=SEEN_READ),
    ),
    *channel(
        "atime of public files that are read",
        Row("times of reading", on_sixteen(read_once), sixteen(
            never_read, lambda path, _: os.stat(path).st_atime != 1), digits=4,
            may_lack="a file system that keeps no times of reading (noatime)"),
    ),
    *channel(
        "FIFOs on the machine's disk",
        Row("a FIFO", write_fifo, fifo, inwards=USERS),
        Row("a FIFO that was there before", write_fifo, fifo_at(f"{SHARED}/fifo"), inwards=USERS),
    ),
    *channel(
        "what sys_mounts.conf passes through",
        Row("a file on a mount that is passed through", write_passed, passed,
            exits=((PASSED, ""),)),
    ),
]
