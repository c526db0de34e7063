# SPDX-License-Identifier: GPL-2.0-or-later
"""What a row of the matrix is, and what senders and receivers have in common.

A canary is twelve hexadecimal digits. The two sides of a row never meet but by the channel:

    receive()               a generator: makes its end ready, yields what the sender is told, is sent
                            what the sender said ({"said": ..., "pid": its pid on the machine}), yields
                            the text that has arrived
    send(canary, told)      a function, or a generator that yields what it says when the canary is on
                            its way and cleans up when it is closed

What fits into few bits is sent as the canary's first digits (Row.digits)."""

import ctypes
import os
import select
import threading
import time
from dataclasses import dataclass
from typing import Callable

USERS = ("user", "root")
MODES = ("host", "none", "private")

LIBC = ctypes.CDLL(None, use_errno=True)
NEWNS, NEWUSER, NEWNET = 0x20000, 0x10000000, 0x40000000


@dataclass(frozen=True)
class Row:
    """exits: pairs of an exit's name and words of its reason: where --dry-run lists such a one the
    channel may be open, else it must be closed. documented: words of privexec(7) that say that it is
    open on any machine. inwards: for whom what comes from public programs is tried too, with
    exits_inwards (else exits). told_pid: the receiver tells its pid, alone or first, by which another
    process finds it. receiver: "same" user
    as the sender, "root", or another machine ("outside"). reaches_in: nothing arrives by itself, the
    receiver takes it. may_lack: why the pair may not work on some machine even without privexec."""

    name: str
    send: Callable
    receive: Callable
    channel: str = ""
    exits: tuple = ()
    exits_inwards: tuple = None
    documented: str = ""
    inwards: tuple = ()
    users: tuple = USERS
    modes: tuple = ("host",)
    receiver: str = "same"
    reaches_in: bool = False
    told_pid: bool = False
    alone: bool = False    # the sender is a session's only program, and said is its status
    digits: int = 12
    may_lack: str = ""


class Here:
    """Of the process that runs one side; set by agent.py."""
    place = "/nonexistent"     # a directory of the user's
    slowness = 1.0
    patience = 1.0
    count = 0


def channel(title, *rows):
    """@rows as rows of the channel @title."""
    return [Row(**{**row.__dict__, "channel": title}) for row in rows]


# --- calls

def check(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def call(number, *arguments):
    return check(LIBC.syscall(ctypes.c_long(number), *[
        ctypes.c_char_p(a) if isinstance(a, bytes) else ctypes.c_long(a) if isinstance(a, int) else a
        for a in arguments]))


def number_of(name):
    """The number of a system call that Python has no name for; those that are the same everywhere are
    written where they are used."""
    machine = os.uname().machine
    return {"x86_64": {"ioprio_set": 251, "ioprio_get": 252, "add_key": 248, "keyctl": 250,
                       "bpf": 321},
            "aarch64": {"ioprio_set": 30, "ioprio_get": 31, "add_key": 217, "keyctl": 219,
                        "bpf": 280}}[machine][name]


def mount(source, target, kind, flags=0):
    check(LIBC.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), None))


# --- numbers

def bits(canary, count=16):
    """Which of @count things a sender acts on."""
    value = int(canary[:count // 4], 16)
    return [number for number in range(count) if value >> number & 1]


def digits_of(found, count=16):
    """What bits() was made of, from the numbers @found."""
    return f"{sum(1 << number for number in set(found)):0{count // 4}x}"


# --- places and waiting

def place(name):
    """A path that was not there before, in the user's directory."""
    Here.count += 1
    return os.path.join(Here.place, f"{name}-{os.getpid()}-{Here.count}")


def patience():
    """How long a receiver waits, at most, for what is on its way."""
    return Here.patience * Here.slowness


def arrives(descriptor, size=4096):
    """What comes by a descriptor within patience(), as text."""
    if not select.select([descriptor], [], [], patience())[0]:
        return ""
    return os.read(descriptor, size).decode(errors="replace")


def within_patience(look):
    """The first thing that @look() finds that is not empty."""
    deadline = time.monotonic() + patience()
    while True:
        found = look()
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.01)


def in_thread(function, *arguments):
    threading.Thread(target=function, args=arguments, daemon=True).start()


def family(pid):
    """@pid and the processes below it."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            text = each_read([f"/proc/{entry}/stat"])
            if text:
                parents.setdefault(int(text[text.rindex(")") + 2:].split()[1]), []).append(int(entry))
    found = [pid]
    for one in found:
        found += parents.get(one, ())
    return found


def each_read(paths):
    """The contents of those of @paths that can be read."""
    text = []
    for path in paths:
        try:
            with open(path, "rb") as file:
                text.append(file.read(1 << 18).decode(errors="replace"))
        except OSError:
            pass
    return "\n".join(text)


def first_that_works(*ways):
    """Calls each of @ways until one raises no error; the last one's error is that of all."""
    for way in ways[:-1]:
        try:
            return way()
        except OSError:
            pass
    return ways[-1]()


def in_child(function):
    """A process that runs @function and then waits for the end of this one or a signal; its pid, once
    the function has ended without an error."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 0
        try:
            function()
        except OSError as error:
            status = error.errno or 255
        os.write(theirs, bytes([status]))
        if status:
            os._exit(1)
        LIBC.prctl(1, 9, 0, 0, 0)
        time.sleep(60 * Here.slowness)
        os._exit(0)
    os.close(theirs)
    said = os.read(ours, 1)
    os.close(ours)
    if said != b"\0":
        os.waitpid(pid, 0)
        raise OSError(said[0] if said else 5, "in a child")
    return pid


def end_child(pid):
    os.kill(pid, 9)
    os.waitpid(pid, 0)


def nested(function, inner=0):
    """In a child with a user and a mount namespace of its own, in which its user is @inner."""
    uid, gid = os.geteuid(), os.getegid()

    def inside():
        check(LIBC.unshare(NEWUSER | NEWNS))
        for name, text in (("setgroups", "deny"), ("uid_map", f"{inner} {uid} 1"),
                           ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
        function()
    return in_child(inside)


def setting(path, width, unit=1):
    """A receiver of a number of @unit's in a file of the kernel's, none being 0; set back afterwards."""
    def receive():
        with open(path, encoding="ascii") as file:
            before = file.read()
        yield path
        with open(path, encoding="ascii") as file:
            yield f"{int(file.read().strip() or 0) // unit:0{width}x}"
        with open(path, "w", encoding="ascii") as file:
            file.write(before)
    return receive
