# SPDX-License-Identifier: GPL-2.0-or-later
"""Two programs of a session that talk by means of the kernel's, without a network."""

import pytest

from pair import program

EVERY = ("none", "private", "host")

# Python's resource tracker ends a moment after the program that it is for.
PYTHON = "python3"


@pytest.mark.parametrize("kind", ["abstract", "fifo", "mqueue", "posix-shm", "signal", "sysv-msg", "sysv-shm"])
@program("two Python programs", networks=EVERY, workers=("user", "root"))
def test_two_programs_talk_by(pair, kind):
    """Abstract sockets, message queues, shared memory and semaphores (POSIX, System V), pipes, signals"""
    pair.same(f"python3 talk.py answer {kind} & python3 talk.py ask {kind}; wait", files=["talk.py"],
              expect=[f"{kind}: HELLO"], leaves=PYTHON)


@program("fork server, SCM_RIGHTS", networks=EVERY)
def test_a_fork_server_passes_descriptors(pair):
    """A server that forks for each client passes an open file, a pipe and a memory file; pidfd_getfd"""
    pair.same("python3 descriptors.py", files=["descriptors.py"],
              expect=["file: contents", "pipe: through a pipe", "memory: sealed memory", "taken: contents"])


@program("Python multiprocessing")
def test_python_processes_share_their_work(pair):
    """A pool of a fork server's, a manager, a queue, shared memory, a lock"""
    pair.same("python3 processes.py", files=["processes.py"], leaves=PYTHON,
              expect=["pool: 328350", "manager: 40", "shared: 7", "queue: 10"])


@program("SQLite in WAL mode")
def test_two_programs_share_a_database_in_wal_mode(pair):
    """A reader keeps its snapshot while another program writes, by shared memory; neither waits"""
    pair.same("python3 database.py", files=["database.py"],
              expect=["reader: 100", "writer: 150", "reader still: 100", "reader then: 150", "ok"])
