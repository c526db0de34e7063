# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory, queues and semaphores that processes share by name or number; keys."""

import ctypes
import os

from .base import LIBC, USERS, Row, arrives, call, channel, check, number_of

# Root may look into every session, so that inwards only users are tried.
LOOKING = ("user",)
CREATE, REMOVE = 0o1000 | 0o666, 0
LIBC.shmat.restype = ctypes.c_void_p


def key_of():
    """A System V key that nobody else has."""
    return 0x50580000 + os.getpid() % 0x10000


# --- System V

def shared_memory():
    number = check(LIBC.shmget(key_of(), 4096, CREATE))
    try:
        yield [key_of(), number]
        address = LIBC.shmat(number, None, 0)
        yield ctypes.string_at(address, 12).decode(errors="replace")
        LIBC.shmdt(ctypes.c_void_p(address))
    finally:
        LIBC.shmctl(number, REMOVE, None)


def write_memory(canary, told):
    """By the key, and by the number without it."""
    number = LIBC.shmget(told[0], 0, 0)
    address = LIBC.shmat(number if number >= 0 else told[1], None, 0)
    if address in (None, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), "shmat")
    ctypes.memmove(address, canary.encode(), 12)
    LIBC.shmdt(ctypes.c_void_p(address))


def semaphores():
    number = check(LIBC.semget(key_of(), 4, CREATE))
    try:
        yield [key_of(), number]
        yield "".join(f"{LIBC.semctl(number, one, 12):03x}" for one in range(4))
    finally:
        LIBC.semctl(number, 0, REMOVE)


def set_semaphores(canary, told):
    number = LIBC.semget(told[0], 0, 0)
    for one in range(4):
        check(LIBC.semctl(number if number >= 0 else told[1], one, 16,
                          int(canary[3 * one:3 * one + 3], 16)))


class Message(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_long), ("text", ctypes.c_char * 12)]


def queue():
    number = check(LIBC.msgget(key_of(), CREATE))
    try:
        yield [key_of(), number]
        message = Message()
        length = LIBC.msgrcv(number, ctypes.byref(message), 12, 0, 0o4000)
        yield message.text.decode() if length > 0 else ""
    finally:
        LIBC.msgctl(number, REMOVE, None)


def send_message(canary, told):
    number = LIBC.msgget(told[0], 0)
    message = Message(1, canary.encode())
    check(LIBC.msgsnd(number if number >= 0 else told[1], ctypes.byref(message), 12, 0o4000))


# --- POSIX

def posix_queue():
    name = f"/privexec-leak-{os.getpid()}"
    number = check(LIBC.mq_open(name.encode(), os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o666,
                               ctypes.byref((ctypes.c_long * 8)(0, 1, 16))))
    try:
        yield name
        buffer = ctypes.create_string_buffer(16)
        length = LIBC.mq_receive(number, buffer, len(buffer), None)
        yield buffer.raw[:max(length, 0)].decode()
    finally:
        os.close(number)
        LIBC.mq_unlink(name.encode())


def send_posix_message(canary, name):
    number = check(LIBC.mq_open(name.encode(), os.O_WRONLY | os.O_NONBLOCK))
    check(LIBC.mq_send(number, canary.encode(), 12, 0))
    os.close(number)


def posix_memory():
    path = f"/dev/shm/privexec-leak-{os.getpid()}"
    with open(path, "w", encoding="ascii"):
        os.chmod(path, 0o666)
    try:
        yield path
        with open(path, encoding="ascii") as file:
            yield file.read()
    finally:
        os.unlink(path)


def write_posix_memory(canary, path):
    # what is there, and nothing new
    descriptor = os.open(path, os.O_WRONLY)
    os.write(descriptor, canary.encode())
    os.close(descriptor)


# --- what has no name but its number in a process

def memory_file():
    descriptor = os.memfd_create("privexec-leak")
    yield [os.getpid(), descriptor]
    yield os.pread(descriptor, 100, 0).decode()
    os.close(descriptor)


def open_of_process(canary, told):
    descriptor = os.open(f"/proc/{told[0]}/fd/{told[1]}", os.O_WRONLY | os.O_NONBLOCK)
    os.write(descriptor, canary.encode())
    os.close(descriptor)


def pipe():
    ours, theirs = os.pipe()
    yield [os.getpid(), theirs]
    yield arrives(ours)
    os.close(ours)
    os.close(theirs)


def take_descriptor(canary, told):
    """pidfd_open(2), pidfd_getfd(2)."""
    process = call(434, told[0], 0)
    descriptor = call(438, process, told[1], 0)
    os.write(descriptor, canary.encode())
    os.close(descriptor)
    os.close(process)


def traceable(receive):
    """@receive for those who may look at this process only because it lets them."""
    def anybody():
        LIBC.prctl(0x59616d61, ctypes.c_ulong(-1 & (1 << 64) - 1), 0, 0, 0)
        yield from receive()
    return anybody


# --- keys

USER_KEYRING, USER_SESSION_KEYRING = -4, -5
SEARCH, READ, SETPERM, UNLINK = 10, 11, 5, 9


def keyring(which):
    def receive():
        name = f"privexec-leak-{os.getpid()}".encode()
        yield name.decode()
        try:
            key = call(number_of("keyctl"), SEARCH, which, b"user", name, 0)
        except OSError:
            yield ""
            return
        buffer = ctypes.create_string_buffer(100)
        length = call(number_of("keyctl"), READ, key, buffer, 100)
        yield buffer.raw[:length].decode()
    return receive


def add_key(which):
    def send(canary, name):
        key = call(number_of("add_key"), b"user", name.encode(), canary.encode(), 12, which)
        call(number_of("keyctl"), SETPERM, key, 0x3f3f0000)
        yield None
        call(number_of("keyctl"), UNLINK, key, which)
    return send


ROWS = [
    *channel(
        "System V shared memory, semaphores and messages; POSIX message queues",
        Row("System V shared memory", write_memory, shared_memory, inwards=USERS),
        Row("System V semaphores", set_semaphores, semaphores, inwards=USERS),
        Row("System V messages", send_message, queue, inwards=USERS),
        Row("POSIX messages", send_posix_message, posix_queue, inwards=USERS),
    ),
    *channel(
        "POSIX shared memory, memory files by /proc",
        Row("POSIX shared memory", write_posix_memory, posix_memory, inwards=USERS),
        Row("a memory file by /proc/PID/fd", open_of_process, memory_file, inwards=LOOKING,
            told_pid=True),
        Row("a pipe by /proc/PID/fd", open_of_process, pipe, inwards=LOOKING,
            told_pid=True),
    ),
    *channel(
        "descriptors taken (pidfd_getfd)",
        Row("a pipe by pidfd_getfd", take_descriptor, traceable(pipe), inwards=LOOKING,
            told_pid=True),
    ),
    *channel(
        "kernel keyrings",
        Row("a key in the user's keyring", add_key(USER_KEYRING), keyring(USER_KEYRING),
            inwards=USERS),
        Row("a key in the user's session keyring", add_key(USER_SESSION_KEYRING),
            keyring(USER_SESSION_KEYRING), inwards=USERS),
    ),
]
