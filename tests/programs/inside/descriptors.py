# SPDX-License-Identifier: GPL-2.0-or-later
"""A server that forks for each client and passes it an open descriptor (SCM_RIGHTS): a file that has no
name any more, the end of a pipe, a sealed memory file. At last a descriptor is taken out of a process by
pidfd_getfd(2), as the parent of it may."""

import ctypes
import fcntl
import os
import signal
import socket
import time

SERVER = "server.sock"


def descriptor(kind):
    if kind == b"file":
        made = os.open("file", os.O_RDWR | os.O_CREAT, 0o600)
        os.unlink("file")
        os.write(made, b"contents")
        os.lseek(made, 0, os.SEEK_SET)
    elif kind == b"pipe":
        made, other = os.pipe()
        os.write(other, b"through a pipe")
    else:
        made = os.memfd_create("memory", os.MFD_ALLOW_SEALING)
        os.write(made, b"sealed memory")
        os.lseek(made, 0, os.SEEK_SET)
        fcntl.fcntl(made, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    return made


def serve(server):
    while True:
        client = server.accept()[0]
        if os.fork() == 0:
            kind = client.recv(16)
            socket.send_fds(client, [b"here"], [descriptor(kind)])
            os._exit(0)
        client.close()
        os.wait()


def ask(kind):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(SERVER)
        client.sendall(kind.encode())
        _, descriptors, _, _ = socket.recv_fds(client, 16, 1)
    print(f"{kind}: {os.read(descriptors[0], 64).decode()}", flush=True)


def take():
    """Descriptor 50 of a child."""
    child = os.fork()
    if child == 0:
        os.dup2(descriptor(b"file"), 50)
        signal.pause()
    taken = -1
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(child)
    for _ in range(400):
        taken = libc.syscall(438, pidfd, 50, 0)
        if taken >= 0:
            break
        time.sleep(0.02)
    print(f"taken: {os.read(taken, 64).decode()}")
    os.kill(child, signal.SIGKILL)
    os.wait()


def main():
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(SERVER)
        server.listen()
        pid = os.fork()
        if pid == 0:
            serve(server)
    for kind in ("file", "pipe", "memory"):
        ask(kind)
    os.kill(pid, signal.SIGKILL)
    os.wait()
    take()


if __name__ == "__main__":
    main()
