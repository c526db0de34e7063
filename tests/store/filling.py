# SPDX-License-Identifier: GPL-2.0-or-later
"""Rounds of filling a small host under a session that writes. What the session was told is kept must
be read back after it has left every cache."""

import os
import subprocess
import threading
from pathlib import Path

import house as houses
import machine

WRITER = Path(__file__).with_name("writer.py")
NOBODY = "nobody"     # only the session writes
ANOTHER = "another"   # another program fills the host in mid-write, and lets go of some again


class Writer:
    """writer.py, in a session or wherever @start begins it."""

    def __init__(self, process):
        self.process = process

    def ask(self, line, seconds=60):
        """The words of the answer to @line."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = houses.read_line(self.process.stdout.fileno(), seconds)
        assert answer.endswith("\n"), (
            f"{line}: no answer, status {self.process.poll()}: {self._errors()}")
        return answer.split()

    def _errors(self):
        """What it wrote to standard error, where it is over."""
        if not self.process.stderr or not machine.wait_until(
                lambda: self.process.poll() is not None, 2):
            return ""
        return self.process.stderr.read()

    def close(self, seconds=20):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            return self.process.wait(seconds * machine.SLOWNESS)
        finally:
            self.process.kill()
            self.process.stdout.close()


def arguments(directory, seed):
    return ["/usr/bin/python3", "-c", WRITER.read_text(encoding="utf-8"), str(directory), str(seed)]


class Filler(threading.Thread):
    """Somebody else on the host: fills it up at random moments, removes a part, fills it again."""

    def __init__(self, house, rng):
        super().__init__()
        self._path, self._rng, self._over = house.inside / "filler", rng, threading.Event()
        self.times_full = 0

    def run(self):
        with open(self._path, "wb", buffering=0) as file:
            while not self._over.wait(self._rng.random() * 0.15):
                try:
                    while not self._over.is_set():
                        # what is allocated counts, and what is written one after the other
                        if self._rng.random() < 0.3:
                            file.write(bytes(256 << 10))
                            os.fsync(file.fileno())
                        else:
                            end = file.seek(0, os.SEEK_END)
                            os.posix_fallocate(file.fileno(), end, self._rng.choice(
                                (4 << 10, 1 << 20, 16 << 20)))
                except OSError:
                    self.times_full += 1
                    if self._rng.random() < 0.7:
                        size = os.fstat(file.fileno()).st_size
                        file.truncate(max(0, size - self._rng.randrange(1 << 20, 24 << 20)))

    def end(self):
        self._over.set()
        self.join(30)
        self._path.unlink(missing_ok=True)


def settle(house, session=None):
    """Everything goes to the disk as far as it can, and out of memory."""
    if session:
        with houses.Levels(session) as levels:
            for mount in levels.mounts:
                try:
                    houses.syncfs(mount)
                except OSError:
                    pass  # what comes of it is seen when the files are read
    try:
        house.flush()
    except OSError:
        pass
    houses.drop_caches()


def round_of(house, front, user, store, kind, rng):
    """One round, of the @kind NOBODY or ANOTHER. Returns (files kept, writes refused, times that the
    host was full for others); raises AssertionError when a file that was kept is not what it was."""
    seed, before = rng.randrange(1 << 30), house.free_blocks()
    session = houses.session_in(house, front, arguments("/tmp/", seed), f"--store={store}",
                                "--size=2G", user=user, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE)
    writer, filler = Writer(session.process), None
    try:
        if kind == ANOTHER:
            filler = Filler(house, rng)
            filler.start()
        seconds = 60 if kind == NOBODY else 1 + rng.random()
        _, kept, _, failed, *errors = writer.ask(f"write {seconds:.2f} 900", 120)
        settle(house, session)
        answers = [writer.ask("verify")]
        # what became free within the session is written again, in pieces
        writer.ask("thin")
        _, again, _, refused, *more = writer.ask(f"write {min(seconds, 5):.2f} 900", 120)
        settle(house, session)
        answers.append(writer.ask("verify"))
    finally:
        if filler:
            filler.end()
        status = writer.close()
        session.end()
    for _, count, _, *bad in answers:
        assert not bad, f"seed {seed}: of {count} files {len(bad)} are bad: {' '.join(bad[:9])}"
    assert status == 0
    assert {*errors, *more} <= {"ENOSPC", "EDQUOT"}, f"seed {seed}: writes failed with {errors, more}"
    assert house.given_back(before), "blocks of the host are missing"
    return (int(kept) + int(again), int(failed) + int(refused), filler.times_full if filler else 0)
