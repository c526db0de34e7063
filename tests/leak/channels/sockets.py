# SPDX-License-Identifier: GPL-2.0-or-later
"""Unix sockets, by path and by abstract name."""

import array
import os
import socket

from .base import MODES, USERS, Row, channel, in_thread, patience, place

NAME = "privexec-leak"
# by the words of src/plan/exits.c; into others only where the kernel has no scopes
OUT = (("network", "abstract sockets of this one"), ("abstract sockets", "does not part"))
IN = (("network", "abstract sockets of"), ("abstract sockets", ""))


def unix_at(kind, name=None):
    """A Unix socket that waits, by path or, with @name, by an abstract name."""
    def receive():
        path = "\0" + name + str(os.getpid()) if name else place("socket")
        with socket.socket(socket.AF_UNIX, kind) as one:
            one.bind(path)
            if kind != socket.SOCK_DGRAM:
                one.listen(4)
            if not name:
                os.chmod(path, 0o666)
            try:
                yield path
                yield what_comes(one, kind)
            finally:
                if not name:
                    os.unlink(path)
    return receive


def what_comes(one, kind):
    """By a socket that is bound: what the first who talks to it says."""
    one.settimeout(patience())
    try:
        if kind == socket.SOCK_DGRAM:
            return one.recv(4096).decode(errors="replace")
        with one.accept()[0] as peer:
            peer.settimeout(patience())
            data, descriptors, _, _ = socket.recv_fds(peer, 4096, 1)
            for descriptor in descriptors:
                data += os.pread(descriptor, 4096, 0)
                os.close(descriptor)
            return data.decode(errors="replace")
    except OSError:
        return ""


def unix_send(kind):
    def send(canary, path):
        with socket.socket(socket.AF_UNIX, kind) as one:
            one.settimeout(2)
            one.connect(path)
            one.send(canary.encode())
    return send


def unix_pass(canary, path):
    """A descriptor of a file in memory."""
    memory = os.memfd_create("passed")
    os.write(memory, canary.encode())
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(2)
        one.connect(path)
        one.sendmsg([b"-"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [memory]))])
    os.close(memory)


def unix_answer(name=None):
    """A sender that listens, and tells whoever connects."""
    def send(canary, _):
        path = "\0" + name + str(os.getpid()) if name else place("answer")
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path)
            one.listen(4)
            if not name:
                os.chmod(path, 0o666)
            in_thread(tell_all, one, canary)
            yield path
            one.shutdown(socket.SHUT_RDWR)
        if not name:
            os.unlink(path)
    return send


def tell_all(one, canary):
    try:
        while True:
            with one.accept()[0] as peer:
                peer.sendall(canary.encode())
    except OSError:
        pass


def unix_ask():
    told = yield None
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(2)
        try:
            one.connect(told["said"])
            yield one.recv(100).decode(errors="replace")
        except OSError as error:
            yield f"{error}"


def _abstract(name, send, receive, **more):
    return Row(name, send, receive, modes=MODES, inwards=USERS, exits=OUT, exits_inwards=IN, **more)


ROWS = [
    *channel(
        "Unix sockets by path (D-Bus, /dev/log, docker, X)",
        Row("a stream by path", unix_send(socket.SOCK_STREAM), unix_at(socket.SOCK_STREAM),
            inwards=USERS),
        Row("a datagram by path", unix_send(socket.SOCK_DGRAM), unix_at(socket.SOCK_DGRAM),
            inwards=USERS),
        Row("packets in sequence by path", unix_send(socket.SOCK_SEQPACKET),
            unix_at(socket.SOCK_SEQPACKET), inwards=USERS),
        Row("a path that is listened on inside", unix_answer(), unix_ask, reaches_in=True),
    ),
    *channel(
        "Unix sockets by abstract name (X11, old D-Bus), both directions",
        _abstract("an abstract stream", unix_send(socket.SOCK_STREAM),
                  unix_at(socket.SOCK_STREAM, NAME)),
        _abstract("an abstract datagram", unix_send(socket.SOCK_DGRAM),
                  unix_at(socket.SOCK_DGRAM, NAME)),
        _abstract("abstract packets in sequence", unix_send(socket.SOCK_SEQPACKET),
                  unix_at(socket.SOCK_SEQPACKET, NAME)),
        Row("an abstract name that is listened on inside", unix_answer(NAME + "-inside"), unix_ask,
            reaches_in=True, modes=MODES, exits=IN),
    ),
    *channel(
        "descriptors passed (SCM_RIGHTS)",
        Row("a descriptor by path", unix_pass, unix_at(socket.SOCK_STREAM), inwards=USERS),
        _abstract("a descriptor by abstract name", unix_pass, unix_at(socket.SOCK_STREAM, NAME)),
    ),
]
