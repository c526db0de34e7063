#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Plays one side of the matrix's rows, in a session or outside of any: agent.py PLACE SLOWNESS. Reads
one JSON object a line and answers each with one:

    {"do": "send", "row": N, "canary": TEXT, "told": ..., "patience": SECONDS}    begins to send
    {"do": "receive", "row": N, "patience": SECONDS}         makes ready to receive
    {"do": "go on", "told": ...}                             lets that side go on
    {"do": "end", "finished": TRUE OR FALSE}                 lets it clean up

The answers: {"said": ...}, {"error": what the kernel said} or {"fault": a traceback}.
With `alone N CANARY` after the others it sends once, and its status is all that is heard of it."""

import fcntl
import inspect
import json
import os
import signal
import struct
import sys
import termios
import time
import traceback

from channels import ROWS
from channels.base import Here
from channels.processes import VALUED


class Side:
    """The generator at work, if there is one."""

    def __init__(self):
        self.generator = None

    def begin(self, made):
        if not inspect.isgenerator(made):
            return made
        self.generator = made
        return next(made)

    def go_on(self, told):
        return self.generator.send(told) if self.generator else None

    def end(self, finished):
        """Lets it clean up: behind its last yield, where it has come so far."""
        generator, self.generator = self.generator, None
        if generator:
            if finished:
                next(generator, None)
            generator.close()


def do(side, order):
    if order["do"] == "send":
        return side.begin(ROWS[order["row"]].send(order["canary"], order["told"]))
    if order["do"] == "receive":
        return side.begin(ROWS[order["row"]].receive())
    if order["do"] == "go on":
        return side.go_on(order["told"])
    side.end(order["finished"])
    return None


def answer(side, order):
    try:
        Here.patience = order.get("patience", Here.patience)
        signal.setitimer(signal.ITIMER_REAL, 5 * Here.slowness)
        return {"said": do(side, order)}
    except (OSError, NotImplementedError, StopIteration) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    except Exception:  # pylint: disable=broad-except  # the other side must not wait for an answer
        return {"fault": traceback.format_exc()}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def orders():
    """One at a time: nobody sends the next before he has the answer."""
    text = b""
    while piece := os.read(0, 1 << 16):
        *lines, text = (text + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"{"):  # else a sender wrote it into its own input
                yield json.loads(line)


def waiting():
    """Bytes in standard input that nobody has read."""
    return struct.unpack("i", fcntl.ioctl(0, termios.FIONREAD, b"\0\0\0\0"))[0]


def too_late(*_):
    raise TimeoutError("takes too long")


def main():
    Here.place, Here.slowness = sys.argv[1], float(sys.argv[2])
    if sys.argv[3:]:
        ROWS[int(sys.argv[4])].send(sys.argv[5], None)
        return
    signal.signal(signal.SIGALRM, too_late)
    # in all threads: a receiver waits for it
    signal.pthread_sigmask(signal.SIG_BLOCK, {VALUED})
    side = Side()
    print(json.dumps({"said": "ready"}), flush=True)
    for order in orders():
        said = json.dumps(answer(side, order))
        of_sender = waiting()
        print(said, flush=True)
        if of_sender:  # for somebody else to take, but not for long
            deadline = time.monotonic() + 0.25 * Here.slowness
            while waiting() and time.monotonic() < deadline:
                time.sleep(0.005)


main()
