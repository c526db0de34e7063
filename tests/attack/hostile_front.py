#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A front that does as it likes. It starts the keeper as the real one does and prints what comes
back, one line for each message:

    hostile_front.py KEEPER REQUEST [OPTION...]

REQUEST is sent as it is, "|" standing for NUL; OPTION: fds=N  that many descriptors come with it
and are what they should be; resolver=TEXT  sends init TEXT as the host's new resolv.conf;
large=BYTES  pads the request; wait=SECONDS."""

import array
import fcntl
import os
import socket
import sys
import time

F_ADD_SEALS, ALL_SEALS = 1033, 15


def memory(content):
    descriptor = os.memfd_create("request", os.MFD_ALLOW_SEALING)
    os.write(descriptor, content)
    fcntl.fcntl(descriptor, F_ADD_SEALS, ALL_SEALS)
    return descriptor


def start(keeper, end):
    if os.fork() == 0:
        null = os.open("/dev/null", os.O_RDWR)
        for number in range(3):
            os.dup2(null, number)
        os.dup2(end.fileno(), 3)
        os.execve(keeper, ["privexec-keeper"], {})


def send(channel, packet, descriptors):
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
    channel.sendmsg([packet], rights if descriptors else [])


def listen(channel, name):
    channel.settimeout(3)
    try:
        packet = channel.recv(65536)
        print(f"{name}: {chr(packet[0])}{packet[1:].split(bytes(1))[0].decode()}" if packet
              else f"{name}: closed", flush=True)
    except OSError as error:
        print(f"{name}: {error}", flush=True)


def main():
    options = dict(word.split("=", 1) for word in sys.argv[3:])
    channel, keepers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    inner, inits = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (keepers, inits):
        end.set_inheritable(False)
    start(sys.argv[1], keepers)
    keepers.close()
    descriptors = [memory(b"sleep\0002\0"), memory(b"PATH=/usr/bin:/bin\0"), memory(b"/"),
                   inits.fileno()]
    descriptors += [os.open("/dev/null", os.O_RDWR) for _ in range(16)]
    packet = sys.argv[2].replace("|", "\0").encode() + b"x" * int(options.get("large", 0))
    try:
        send(channel, packet, descriptors[:int(options.get("fds", 4))])
    except OSError as error:
        print(f"send: {error}", flush=True)
    inits.close()
    listen(channel, "keeper")
    if "resolver" in options:
        listen(inner, "init")
        send(inner, b"n", [memory(options["resolver"].encode() + b"\n")])
    time.sleep(float(options.get("wait", 0)))


main()
