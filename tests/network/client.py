# SPDX-License-Identifier: GPL-2.0-or-later
"""What a session does with a network:  client.py VERB WORDS...  prints what came of it as JSON."""

import contextlib
import hashlib
import json
import os
import random
import select
import socket
import struct
import sys
import threading
import time

SEED, PIECE, PATIENCE = 7, 1 << 16, 20


def connect(host, port, kind=socket.SOCK_STREAM, patience=PATIENCE):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, kind)
    made.settimeout(patience)
    made.connect(socket.getaddrinfo(host, int(port), family, kind)[0][4])
    return made


def echo(kind, host, port, text):
    """What comes back of @text."""
    with connect(host, port, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as server:
        server.sendall(text.encode())
        return server.recv(PIECE).decode()


def ping(host):
    """The type of the answer to an echo request, without any privilege."""
    six = ":" in host
    family, protocol = ((socket.AF_INET6, socket.IPPROTO_ICMPV6) if six
                        else (socket.AF_INET, socket.IPPROTO_ICMP))
    with socket.socket(family, socket.SOCK_DGRAM, protocol) as asker:
        asker.settimeout(PATIENCE)
        asker.connect((host, 0))
        asker.send(struct.pack(">BBHHH", 128 if six else 8, 0, 0, 1, 1) + b"privexec")
        return asker.recv(100)[0]


def names(name):
    begin = time.monotonic()
    try:
        found = sorted({entry[4][0] for entry in
                        socket.getaddrinfo(name, 80, socket.AF_INET, socket.SOCK_STREAM)})
    except socket.gaierror as error:
        found = [error.args[1]]
    return {"found": found, "seconds": time.monotonic() - begin}


def download(host, port, mebibytes):
    checksum, size = hashlib.sha256(), 0
    with connect(host, port) as server:
        server.sendall(mebibytes.encode())
        while data := server.recv(PIECE):
            checksum.update(data)
            size += len(data)
    return {"size": size, "checksum": checksum.hexdigest()}


def upload(host, port, mebibytes):
    """The checksum that the server answers, of what the source would send."""
    made = random.Random(SEED).randbytes(1 << 20)
    with connect(host, port) as server:
        server.sendall(mebibytes.zfill(16).encode())
        for _ in range(int(mebibytes)):
            server.sendall(made)
        return server.recv(100).decode()


def many(host, port, count):
    """How many of @count connections that are open at once answer with what each was sent."""
    servers = [connect(host, port) for _ in range(int(count))]
    for number, server in enumerate(servers):
        server.sendall(f"number {number}".encode())
    right = sum(server.recv(100) == f"number {number}".encode()
                for number, server in enumerate(servers))
    for server in servers:
        server.close()
    return right


@contextlib.contextmanager
def both_ends(host):
    """Of a connection of the program's to itself at @host."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.bind((host, 0))
        listener.listen(1)
        with connect(host, listener.getsockname()[1]) as one, listener.accept()[0] as other:
            yield one, other


def itself(host):
    """A program that talks to itself by TCP at @host."""
    with both_ends(host) as (one, other):
        one.sendall(b"hello")
        return other.recv(100).decode()


def much_of_itself(host):
    """The seconds that it takes a program to send itself 64 MiB by TCP at @host."""
    with both_ends(host) as (one, other):
        begin, left = time.monotonic(), 64 << 20
        sender = threading.Thread(target=one.sendall, args=(bytes(left),))
        sender.start()
        while left > 0:
            left -= len(other.recv(1 << 20))
        sender.join()
        return time.monotonic() - begin


def abstract(name):
    """The same by an abstract Unix socket."""
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as one:
        listener.bind("\0" + name)
        listener.listen(1)
        one.connect("\0" + name)
        with listener.accept()[0] as other:
            one.sendall(b"hello")
            return other.recv(100).decode()


# --- reaching what must not be reached: sent in every way that a program has

def bound_to(made, how, host):
    """Goes round the routes, as far as a program may."""
    if how == "device":
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    elif how == "source":
        six = made.family == socket.AF_INET6
        made.bind(("fd77::2" if six else "10.77.0.2", 0))
        if not six and made.type == socket.SOCK_DGRAM:
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.77.0.2"))
    elif how == "index" and made.type == socket.SOCK_DGRAM:
        index = socket.if_nametoindex("eth0")
        if made.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        else:
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                            struct.pack("@4s4si", b"\0\0\0\0", b"\0\0\0\0", index))
    if host == "255.255.255.255" or host.endswith(".255"):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)


def reach_one(address, how, text):
    kind, _, rest = address.partition(":")
    if kind == "unix":
        with socket.socket(socket.AF_UNIX) as one:
            one.settimeout(3)
            one.connect("\0" + rest)
            one.sendall(text.encode())
            return one.recv(100).decode(errors="replace")
    host, port = rest.rsplit(":", 1)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    stream = kind == "tcp"
    with socket.socket(family, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM) as one:
        one.settimeout(3 if stream else 0.3)
        bound_to(one, how, host)
        target = socket.getaddrinfo(host, int(port), family, one.type)[0][4]
        if stream:
            one.connect(target)
            one.sendall(text.encode())
        else:
            one.sendto(text.encode(), target)
        return one.recv(100).decode(errors="replace")


def reach(*attempts):
    """{attempt: answer or the error}; an attempt is HOW=ADDRESS, as peer.py takes ADDRESS."""
    results = {}
    for attempt in attempts:
        how, _, address = attempt.partition("=")
        try:
            results[attempt] = reach_one(address, how, attempt)
        except OSError as error:
            results[attempt] = type(error).__name__
    return results


def patient(host, port, text):
    """A connection that is begun, and goes on when a line comes."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as one:
        one.setblocking(False)
        one.connect_ex((host, int(port)))
        print("begun", flush=True)
        sys.stdin.readline()
        one.settimeout(8)
        try:
            if not select.select([], [one], [], 8)[1]:
                return "no connection"
            one.sendall(text.encode())
            return one.recv(100).decode()
        except OSError as error:
            return type(error).__name__


def hold(*verb):
    """Does @verb once for each line of standard input."""
    for _ in sys.stdin:
        say(VERBS[verb[0]](*verb[1:]))
    return "over"


def say(result):
    print(json.dumps(result), flush=True)


def wait_for(host, port, seconds):
    """Until a connection is answered; how often it was not."""
    failed = 0
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        try:
            with connect(host, port, patience=1) as server:
                server.sendall(b"there?")
                if server.recv(10):
                    return failed
        except OSError:
            time.sleep(0.05)
        failed += 1
    return None


def devices():
    return sorted(os.listdir("/sys/class/net"))


VERBS = {"tcp": lambda *words: echo("tcp", *words), "udp": lambda *words: echo("udp", *words),
         "ping": ping, "names": names, "download": download, "upload": upload, "many": many,
         "itself": itself, "much_of_itself": much_of_itself, "abstract": abstract, "reach": reach,
         "hold": hold, "patient": patient, "wait_for": wait_for, "devices": devices}

say(VERBS[sys.argv[1]](*sys.argv[2:]))
