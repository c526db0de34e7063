# SPDX-License-Identifier: GPL-2.0-or-later
"""One of two programs, which know nothing of each other but a name:  talk.py ask|answer KIND

The one says hello, the other answers it in capitals."""

import ctypes
import os
import signal
import socket
import sys
import time
from multiprocessing import resource_tracker, shared_memory

NAME, KEY, SIZE = "privexec-talk", 0x70726976, 64
IPC_CREAT, IPC_RMID = 0o1000, 0

libc = ctypes.CDLL(None, use_errno=True)
libc.sem_open.restype = libc.shmat.restype = ctypes.c_void_p


def check(value):
    if value in (-1, None) or value == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return value


def soon(attempt):
    """What @attempt returns once it does not raise, since the other may not be so far yet."""
    for _ in range(400):
        try:
            return attempt()
        except (OSError, ValueError):
            time.sleep(0.02)
    return attempt()


# --- for each kind: ask(text) returns the answer; answer(function) answers one question

class Abstract:
    @staticmethod
    def ask(text):
        with socket.socket(socket.AF_UNIX) as client:
            soon(lambda: client.connect("\0" + NAME))
            client.sendall(text)
            return client.recv(SIZE)

    @staticmethod
    def answer(function):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("\0" + NAME)
            server.listen()
            client = server.accept()[0]
            with client:
                client.sendall(function(client.recv(SIZE)))


class Fifo:
    @staticmethod
    def ask(text):
        soon(lambda: os.stat("fifo-back"))
        with open("fifo", "wb") as there:
            there.write(text)
        with open("fifo-back", "rb") as back:
            return back.read()

    @staticmethod
    def answer(function):
        for name in ("fifo", "fifo-back"):
            os.mkfifo(name)
        with open("fifo", "rb") as there:
            text = there.read()
        with open("fifo-back", "wb") as back:
            back.write(function(text))


class MessageQueue:
    """One for each direction, each for one small message: what a user's queues hold together is
    limited."""

    @staticmethod
    def _open(name):
        attributes = (ctypes.c_long * 8)(0, 1, SIZE)
        return check(libc.mq_open(f"/{NAME}{name}".encode(), os.O_RDWR | os.O_CREAT, 0o600, attributes))

    @staticmethod
    def _receive(queue):
        buffer = ctypes.create_string_buffer(SIZE)
        length = check(libc.mq_receive(queue, buffer, len(buffer), None))
        return buffer.raw[:length]

    @classmethod
    def ask(cls, text):
        there, back = cls._open("there"), cls._open("back")
        check(libc.mq_send(there, text, len(text), 0))
        answer = cls._receive(back)
        for name in ("there", "back"):
            check(libc.mq_unlink(f"/{NAME}{name}".encode()))
        return answer

    @classmethod
    def answer(cls, function):
        there, back = cls._open("there"), cls._open("back")
        answer = function(cls._receive(there))
        check(libc.mq_send(back, answer, len(answer), 0))


class PosixShm:
    @staticmethod
    def _semaphore(name):
        return ctypes.c_void_p(check(libc.sem_open(f"/{NAME}{name}".encode(), os.O_CREAT, 0o600, 0)))

    @classmethod
    def ask(cls, text):
        there, back = cls._semaphore("there"), cls._semaphore("back")
        memory = soon(lambda: shared_memory.SharedMemory(NAME))
        resource_tracker.unregister("/" + NAME, "shared_memory")  # it is the other's
        memory.buf[:len(text)] = text
        check(libc.sem_post(there))
        check(libc.sem_wait(back))
        answer = bytes(memory.buf).rstrip(b"\0")
        memory.close()
        for name in ("there", "back"):
            check(libc.sem_unlink(f"/{NAME}{name}".encode()))
        return answer

    @classmethod
    def answer(cls, function):
        there, back = cls._semaphore("there"), cls._semaphore("back")
        memory = shared_memory.SharedMemory(NAME, create=True, size=4096)
        check(libc.sem_wait(there))
        answer = function(bytes(memory.buf).rstrip(b"\0"))
        memory.buf[:len(answer)] = answer
        check(libc.sem_post(back))
        memory.close()
        memory.unlink()


class SystemVMessages:
    class Message(ctypes.Structure):
        _fields_ = [("kind", ctypes.c_long), ("text", ctypes.c_char * SIZE)]

    @classmethod
    def _receive(cls, queue, kind):
        message = cls.Message()
        check(libc.msgrcv(queue, ctypes.byref(message), SIZE, ctypes.c_long(kind), 0))
        return message.text

    @classmethod
    def _send(cls, queue, kind, text):
        check(libc.msgsnd(queue, ctypes.byref(cls.Message(kind, text)), SIZE, 0))

    @classmethod
    def ask(cls, text):
        queue = check(libc.msgget(KEY, IPC_CREAT | 0o600))
        cls._send(queue, 1, text)
        answer = cls._receive(queue, 2)
        check(libc.msgctl(queue, IPC_RMID, None))
        return answer

    @classmethod
    def answer(cls, function):
        queue = check(libc.msgget(KEY, IPC_CREAT | 0o600))
        cls._send(queue, 2, function(cls._receive(queue, 1)))


class SystemVShm:
    class Operation(ctypes.Structure):
        _fields_ = [("number", ctypes.c_ushort), ("change", ctypes.c_short), ("flags", ctypes.c_short)]

    @classmethod
    def _open(cls):
        segment = check(libc.shmget(KEY, 4096, IPC_CREAT | 0o600))
        address = check(libc.shmat(segment, None, 0))
        semaphores = check(libc.semget(KEY, 2, IPC_CREAT | 0o600))

        def change(number, by):
            check(libc.semop(semaphores, ctypes.byref(cls.Operation(number, by, 0)), 1))
        return segment, semaphores, (ctypes.c_char * SIZE).from_address(address), change

    @classmethod
    def ask(cls, text):
        segment, semaphores, memory, change = cls._open()
        memory.value = text
        change(0, 1)
        change(1, -1)
        answer = memory.value
        check(libc.shmctl(segment, IPC_RMID, None))
        check(libc.semctl(semaphores, 0, IPC_RMID))
        return answer

    @classmethod
    def answer(cls, function):
        _, _, memory, change = cls._open()
        change(0, -1)
        memory.value = function(memory.value)
        change(1, 1)


class Signal:
    """Each byte is the number that a queued signal carries."""

    @classmethod
    def _receive(cls):
        class Info(ctypes.Structure):
            _fields_ = [("head", ctypes.c_int * 4), ("pid", ctypes.c_int), ("uid", ctypes.c_int),
                        ("value", ctypes.c_int), ("rest", ctypes.c_char * 100)]
        wanted, info, text = (ctypes.c_ulong * 16)(), Info(), b""
        wanted[0] = 1 << (signal.SIGRTMIN - 1)
        while not text.endswith(b"\n"):
            if libc.sigwaitinfo(wanted, ctypes.byref(info)) > 0:
                text += bytes([info.value & 0xff])
        return text[:-1]

    @staticmethod
    def _send(pid, text):
        for byte in text + b"\n":
            check(libc.sigqueue(pid, int(signal.SIGRTMIN), ctypes.c_void_p(byte)))

    @staticmethod
    def _pids(mine, other):
        """Says who this is, and learns who the other is."""
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
        with open(mine + "-new", "w", encoding="ascii") as file:
            file.write(str(os.getpid()))
        os.rename(mine + "-new", mine)

        def read():
            with open(other, encoding="ascii") as file:
                return int(file.read())
        return soon(read)

    @classmethod
    def ask(cls, text):
        other = cls._pids("asks", "answers")
        cls._send(other, text)
        return cls._receive()

    @classmethod
    def answer(cls, function):
        other = cls._pids("answers", "asks")
        cls._send(other, function(cls._receive()))


KINDS = {"abstract": Abstract, "fifo": Fifo, "mqueue": MessageQueue, "posix-shm": PosixShm,
         "sysv-msg": SystemVMessages, "sysv-shm": SystemVShm, "signal": Signal}

if __name__ == "__main__":
    what, kind = sys.argv[1:]
    if what == "ask":
        print(f"{kind}: {KINDS[kind].ask(b'hello').decode()}")
    else:
        KINDS[kind].answer(bytes.upper)
