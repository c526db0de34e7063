# SPDX-License-Identifier: GPL-2.0-or-later
"""Servers for the tests of networks, one process:  peer.py KIND...

lan         echoes and transfers on every address, IPv4 and IPv6, and a name server that answers
            198.51.100.1
names ADDRESS...  a name server on these addresses alone that answers 198.51.100.2
listen ADDRESS...  prints `heard ADDRESS TEXT` for what comes there: ADDRESS is tcp:HOST:PORT,
            udp:HOST:PORT, lite:HOST:PORT (UDP-Lite), group:GROUP:INTERFACE:PORT, unix:NAME
            (abstract) or icmp:HOST:0 (all echo requests, for root); answers "yes"

Prints `ready` when all listen."""

import hashlib
import os
import random
import socket
import struct
import sys
import threading

SEED, PIECE = 7, 1 << 16


def open_socket(kind, host, port, protocol=0):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    made.bind(socket.getaddrinfo(host, port, family, kind)[0][4])
    if kind == socket.SOCK_STREAM:
        made.listen(1024)
    return made


def in_thread(function, *arguments):
    threading.Thread(target=function, args=arguments, daemon=True).start()


def serve_streams(listener, function):
    while True:
        connection, _ = listener.accept()
        in_thread(function, connection)


def serve_datagrams(server, function):
    while True:
        data, sender = server.recvfrom(65535)
        answer = function(data)
        if answer:
            server.sendto(answer, sender)


# --- echoes and transfers

def echo(connection):
    with connection:
        while data := connection.recv(PIECE):
            connection.sendall(data)


def source(connection):
    """Sends as many MiB as it is asked for, of bytes that everybody can make again."""
    with connection:
        wanted = int(connection.recv(16)) << 20
        made = random.Random(SEED).randbytes(1 << 20)
        for _ in range(wanted >> 20):
            connection.sendall(made)


def sink(connection):
    """Takes as many MiB as it is told and answers with their checksum. (Debian 12's pasta repeats what
    comes after one side has closed its half of a connection, so that cannot say where the end is.)"""
    checksum = hashlib.sha256()
    with connection:
        left = int(connection.recv(16, socket.MSG_WAITALL)) << 20
        while left and (data := connection.recv(PIECE)):
            checksum.update(data)
            left -= len(data)
        connection.sendall(checksum.hexdigest().encode())


# --- names

def answer_question(question, address):
    """Every name has this IPv4 address, and no other."""
    end = 12
    while question[end]:
        end += 1 + question[end]
    end += 5
    wants_ipv4 = question[end - 4:end - 2] == b"\0\1"
    found = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton(address)
    return (question[:2] + b"\x81\x80\0\1" + (b"\0\1" if wants_ipv4 else b"\0\0") + b"\0\0\0\0"
            + question[12:end] + (found if wants_ipv4 else b""))


def answer_streams(address):
    def answer(connection):
        with connection:
            while head := connection.recv(2, socket.MSG_WAITALL):
                question = connection.recv(struct.unpack(">H", head)[0], socket.MSG_WAITALL)
                reply = answer_question(question, address)
                connection.sendall(struct.pack(">H", len(reply)) + reply)
    return answer


def serve_names(host, address):
    in_thread(serve_datagrams, open_socket(socket.SOCK_DGRAM, host, 53),
              lambda question: answer_question(question, address))
    in_thread(serve_streams, open_socket(socket.SOCK_STREAM, host, 53), answer_streams(address))


# --- what must not be reached

def hear(address, data):
    """One write, as others hear at the same time; and not what is there to make it large."""
    os.write(1, f"heard {address} {data.rstrip().decode(errors='replace')}\n".encode())
    return b"yes"


def hear_pings(address):
    """What comes as an echo request, without its header (over IPv4 after that of the packet)."""
    six = ":" in address.partition(":")[2].rsplit(":", 1)[0]
    listener = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW,
                             socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
    while True:
        packet = listener.recv(65535)[0 if six else 20:]
        if packet[0] == (128 if six else 8):
            hear(address, packet[8:])


def listen(address):
    kind, _, rest = address.partition(":")
    if kind == "icmp":
        in_thread(hear_pings, address)
        return
    if kind == "unix":
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("\0" + rest)
        listener.listen(16)
    elif kind == "group":
        group, interface, port = rest.rsplit(":", 2)
        host = "::" if ":" in group else "0.0.0.0"
        listener = open_socket(socket.SOCK_DGRAM, host, int(port))
        index = socket.if_nametoindex(interface)
        if ":" in group:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                                socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", index))
        else:
            listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                                socket.inet_aton(group) + struct.pack("@4si", b"\0\0\0\0", index))
    else:
        host, port = rest.rsplit(":", 1)
        listener = open_socket(socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM, host,
                               int(port), 136 if kind == "lite" else 0)
    if kind in ("udp", "lite", "group"):
        in_thread(serve_datagrams, listener, lambda data: hear(address, data))
        return

    def hear_stream(connection):
        with connection:
            connection.sendall(hear(address, connection.recv(100)))
    in_thread(serve_streams, listener, hear_stream)


def main():
    kind, *words = sys.argv[1:]
    if kind == "lan":
        for host in ("0.0.0.0", "::"):
            for port, function in ((7001, echo), (7002, source), (7003, sink)):
                in_thread(serve_streams, open_socket(socket.SOCK_STREAM, host, port), function)
            in_thread(serve_datagrams, open_socket(socket.SOCK_DGRAM, host, 7004), lambda data: data)
            serve_names(host, "198.51.100.1")
    elif kind == "names":
        for host in words:
            serve_names(host, "198.51.100.2")
    else:
        for address in words:
            listen(address)
    print("ready", flush=True)
    sys.stdin.read()


main()
