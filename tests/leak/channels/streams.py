# SPDX-License-Identifier: GPL-2.0-or-later
"""What a session is given at its start: the terminal, standard streams, other descriptors; and what it
gives back at its end. The streams of agent.py: standard input is the FIFO Here.input, standard output
leads to who speaks with it, standard error is a terminal whose other end is recorded in Here.screen."""

import base64
import ctypes
import os
import termios

from .base import LIBC, Here, Row, arrives, channel, check, within_patience

TERMINAL = (("terminal", ""),)


def say(canary, _):
    return canary


def hear():
    told = yield None
    yield str(told["said"])


def write_input(canary, _):
    """Into the pipe that it is to read from."""
    descriptor = os.open("/proc/self/fd/0", os.O_WRONLY | os.O_NONBLOCK)
    os.write(descriptor, canary.encode() + b"\n")
    os.close(descriptor)


def splice_input(canary, _):
    """By pages of its memory."""
    descriptor = os.open("/proc/self/fd/0", os.O_WRONLY | os.O_NONBLOCK)

    class Part(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
    data = ctypes.create_string_buffer(canary.encode() + b"\n")
    check(LIBC.vmsplice(descriptor, ctypes.byref(Part(ctypes.addressof(data), 13)), ctypes.c_ulong(1),
                        0))
    os.close(descriptor)


def from_input():
    told = yield None
    descriptor = os.open(told["input"], os.O_RDONLY | os.O_NONBLOCK)
    yield arrives(descriptor)
    os.close(descriptor)


def on_screen(look):
    """What @look finds in what the sender's terminal has been written."""
    def receive():
        told = yield None
        with open(told["screen"], "rb") as file:
            def read():
                file.seek(told["shown"])
                return look(file.read())
            yield within_patience(read)
    return receive


def print_error(canary, _):
    os.write(2, canary.encode())


def print_terminal(canary, _):
    descriptor = os.open("/dev/tty", os.O_WRONLY)
    os.write(descriptor, canary.encode())
    os.close(descriptor)


def print_clipboard(canary, _):
    """OSC 52, ended by BEL and by ST, by 8 bits and by 7."""
    text = base64.b64encode(canary.encode())
    for start, stop in ((b"\x1b]52;c;", b"\a"), (b"\x1b]52;c;", b"\x1b\\"), (b"\x1b]52;;", b"\a"),
                        (b"\x1b]52;p;", b"\a"), (b"\x1bPtmux;\x1b\x1b]52;c;", b"\a\x1b\\"),
                        (b"\xc2\x9d52;c;", b"\xc2\x9c")):
        for piece in (start + text + stop, b"\r\n"):
            os.write(2, piece)


def clipboard(data):
    """What a terminal would put there."""
    found = []
    for start in (b"\x1b]52;", b"\xc2\x9d52;", b"\x9d52;"):
        for part in data.split(start)[1:]:
            _, _, text = part.partition(b";")
            for stop in (b"\a", b"\x1b", b"\xc2\x9c", b"\x9c"):
                text = text.split(stop)[0]
            try:
                found.append(base64.b64decode(text).decode(errors="replace"))
            except ValueError:
                pass
    return "\n".join(found)


def type_into(canary, _):
    """TIOCSTI, with something in the upper half of the request's number too."""
    for character in canary + "\n":
        data = ctypes.create_string_buffer(character.encode())
        if LIBC.ioctl(2, ctypes.c_ulong(termios.TIOCSTI), data) < 0:
            check(LIBC.ioctl(2, ctypes.c_ulong(termios.TIOCSTI | 1 << 32), data))


def typed():
    """What the shell would read at the sender's terminal."""
    told = yield None
    descriptor = os.open(told["terminal"], os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    yield arrives(descriptor)
    os.close(descriptor)


def inherited():
    """A FIFO whose writing end all senders were started with, if they were let have it."""
    path = f"{os.path.dirname(Here.place)}/inherited"
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    arrives(descriptor)
    yield None
    yield arrives(descriptor)
    os.close(descriptor)


def write_inherited(canary, _):
    """To all descriptors that there are."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:
                os.write(int(name), canary.encode())
            except OSError:
                pass


def names_in_inherited():
    yield None
    yield "\n".join(os.listdir(f"{os.path.dirname(Here.place)}/open"))


def make_in_inherited(canary, _):
    made = []
    for name in os.listdir("/proc/self/fd"):
        try:
            os.mkdir(canary, dir_fd=int(name))
            made.append(int(name))
        except OSError:
            pass
    yield None
    for one in made:
        os.rmdir(canary, dir_fd=one)


def end_with(canary, _):
    os._exit(int(canary[0], 16))


def ended():
    told = yield None
    yield f"{told['said']:x}"


ROWS = [
    *channel(
        "descriptors inherited at the start",
        Row("a pipe", write_inherited, inherited),
        Row("a directory", make_in_inherited, names_in_inherited),
    ),
    *channel(
        "standard streams",
        Row("standard output", say, hear, reaches_in=True, exits=(("standard output", ""),)),
        Row("standard input, written to", write_input, from_input,
            exits=(("standard input", ""),)),
        Row("standard input, by vmsplice", splice_input, from_input,
            exits=(("standard input", ""),)),
    ),
    *channel(
        "the terminal",
        Row("standard error", print_error, on_screen(lambda data: data.decode(errors="replace")),
            exits=TERMINAL),
        Row("/dev/tty", print_terminal, on_screen(lambda data: data.decode(errors="replace")),
            exits=TERMINAL),
        Row("the terminal's clipboard (OSC 52)", print_clipboard, on_screen(clipboard)),
        Row("typing into the terminal (TIOCSTI)", type_into, typed,
            may_lack="a kernel where it is switched off (dev.tty.legacy_tiocsti)"),
    ),
    *channel(
        "the end",
        Row("the exit status", end_with, ended, alone=True, digits=1, reaches_in=True,
            exits=(("exit status", ""),)),
    ),
]
