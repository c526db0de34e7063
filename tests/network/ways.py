# SPDX-License-Identifier: GPL-2.0-or-later
"""Every way by which a program can send to an address:  ways.py send WAY=HOST:PORT...  sends each its
own text there and prints what came of it as JSON: {attempt: [answer or error, seconds]}.

ways.py claim KIND OPTION HOST PORT  binds a socket with that option and prints what came of it."""

import concurrent.futures
import ctypes
import errno
import json
import os
import socket
import struct
import sys
import time

PATIENCE, ELSEWHERE = 1.0, ("10.77.0.1", 7009)
ELSEWHERE6 = ("fd77::1", 7009)
MPTCP, UDPLITE, UDP_SEGMENT, IP_PKTINFO = 262, 136, 103, 8


def made(host, kind, protocol=0):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    one = socket.socket(family, kind, protocol)
    one.settimeout(PATIENCE)
    return one


def udp(host):
    return made(host, socket.SOCK_DGRAM)


def tcp(host):
    return made(host, socket.SOCK_STREAM)


def elsewhere(host):
    return ELSEWHERE6 if ":" in host else ELSEWHERE


def disconnect(one):
    """connect(2) to nothing, which Python has no name for."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.connect(one.fileno(), struct.pack("@H14x", socket.AF_UNSPEC), 16) != 0:
        raise OSError(ctypes.get_errno(), "disconnect")


def send_to(host, port, text):
    one = udp(host)
    one.sendto(text, (host, port))
    return one


def send_connected(host, port, text):
    one = udp(host)
    one.connect((host, port))
    one.send(text)
    return one


def send_past(host, port, text):
    """One that is connected to another machine."""
    one = udp(host)
    one.connect(elsewhere(host))
    one.sendto(text, (host, port))
    return one


def send_again(host, port, text):
    one = udp(host)
    one.connect(elsewhere(host))
    disconnect(one)
    one.sendto(text, (host, port))
    return one


def send_corked(host, port, text):
    one = udp(host)
    one.sendto(text[:3], socket.MSG_MORE, (host, port))
    one.sendto(text[3:], (host, port))
    return one


def send_large(host, port, text):
    """So much that it comes in pieces (over IPv6; this device takes all of it over IPv4)."""
    one = udp(host)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    one.sendto(text.ljust(65500 if ":" in host else 60000), (host, port))
    return one


def send_segments(host, port, text):
    """Cut by the kernel: the first piece has the text."""
    one = udp(host)
    one.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 100)
    one.sendto(text.ljust(200), (host, port))
    return one


def send_by_interface(host, port, text):
    one = udp(host)
    index = socket.if_nametoindex("eth0")
    if ":" in host:
        ancillary = [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, struct.pack("@16sI", b"", index))]
    else:
        ancillary = [(socket.IPPROTO_IP, IP_PKTINFO, struct.pack("@i4s4s", index, b"", b""))]
    one.sendmsg([text], ancillary, 0, (host, port))
    return one


def send_from_everywhere(host, port, text):
    """From a socket that was bound to no address, but a port."""
    one = udp(host)
    one.bind(("::" if ":" in host else "0.0.0.0", 0))
    one.sendto(text, (host, port))
    return one


def send_mapped(host, port, text):
    one = udp("::")
    one.sendto(text, (f"::ffff:{host}", port))
    return one


def send_lite(host, port, text):
    one = made(host, socket.SOCK_DGRAM, UDPLITE)
    one.connect((host, port))
    one.send(text)
    return one


def send_raw(host, port, text):
    """A datagram that is put together here; for root."""
    one = made(host, socket.SOCK_RAW, socket.IPPROTO_UDP)
    one.sendto(struct.pack(">HHHH", 9, port, 8 + len(text), 0) + text, (host, 0))
    return one


def ping(host, _, text):
    six = ":" in host
    one = made(host, socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
    one.sendto(struct.pack(">BBHHH", 128 if six else 8, 0, 0, 1, 1) + text, (host, 0))
    return one


def open_stream(one, host, port, text):
    one.connect((host, port))
    one.sendall(text)
    return one


def connect(host, port, text):
    return open_stream(tcp(host), host, port, text)


def connect_again(host, port, text):
    """After a connection to another machine that came to nothing."""
    one = tcp(host)
    try:
        one.connect(elsewhere(host))
    except OSError:
        pass
    disconnect(one)
    return open_stream(one, host, port, text)


def connect_fast(host, port, text):
    """TCP Fast Open: no connect(2)."""
    one = tcp(host)
    try:
        one.sendto(text, socket.MSG_FASTOPEN, (host, port))
    except BlockingIOError:  # it went out with the first packet
        pass
    return one


def connect_mapped(host, port, text):
    return open_stream(tcp("::"), f"::ffff:{host}", port, text)


def connect_multipath(host, port, text):
    return open_stream(made(host, socket.SOCK_STREAM, MPTCP), host, port, text)


def connect_by_device(host, port, text):
    one = tcp(host)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    return open_stream(one, host, port, text)


WAYS = {function.__name__: function for function in (
    send_to, send_connected, send_past, send_again, send_corked, send_large, send_segments,
    send_by_interface, send_from_everywhere, send_mapped, send_lite, send_raw, ping, connect,
    connect_again, connect_fast, connect_mapped, connect_multipath, connect_by_device)}


def send_one(attempt):
    way, _, target = attempt.partition("=")
    host, port = target.rsplit(":", 1)
    begin = time.monotonic()
    try:
        with WAYS[way](host, int(port), attempt.encode()) as one:
            result = one.recv(100).decode(errors="replace")
    except OSError as error:
        result = errno.errorcode.get(error.errno, type(error).__name__)
    return [result, time.monotonic() - begin]


def send(*attempts):
    """Some at a time: most that come to nothing wait."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return dict(zip(attempts, pool.map(send_one, attempts)))


def claim(kind, option, host, port):
    with (tcp if kind == "tcp" else udp)(host) as one:
        try:
            one.setsockopt(socket.SOL_SOCKET, getattr(socket, option), 1)
        except OSError as error:
            return f"option: {errno.errorcode[error.errno]}"
        try:
            one.bind((host, int(port)))
        except OSError as error:
            return f"bind: {errno.errorcode[error.errno]}"
        return "claimed"


def itself(*words):
    """Listens, as peer.py does, and sends to that from another process: {attempt: result}."""
    peer, count, *words = words
    listeners, attempts = words[:int(count)], words[int(count):]
    there, here = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(here, 1)
        os.dup2(os.open("/dev/tty" if os.isatty(0) else "/dev/null", os.O_RDONLY), 0)
        os.execv(sys.executable, [sys.executable, "-c", peer.replace("sys.stdin.read()",
                 "import time; time.sleep(60)"), "listen", *listeners])
    while b"ready" not in os.read(there, 100):
        pass
    results = send(*attempts)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return results


if __name__ == "__main__":
    print(json.dumps({"send": send, "claim": claim, "itself": itself}[sys.argv[1]](*sys.argv[2:])),
          flush=True)
