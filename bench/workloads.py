# SPDX-License-Identifier: GPL-2.0-or-later
"""The work that bench/stores measures.

    workloads.py GROUP DIRECTORY MATERIAL SIZES

does one group of it in DIRECTORY, which is empty, and prints {row: seconds} as JSON. Time is taken here,
so that the start of a session is not in it. What it reads was made by prepare() from a seed: the same
bytes on every machine."""

import concurrent.futures
import io
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MIB = 1 << 20
SEED = 20130519
DATE = 1700000000
NEEDLE = "a needle in a haystack"
# What a session is started with matters to nothing here but git, which asks who owns a repository.
ENVIRONMENT = {**os.environ, "LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
               "GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
               "GIT_CONFIG_KEY_1": "gc.auto", "GIT_CONFIG_VALUE_1": "0",
               **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in
                  (("NAME", "nobody"), ("EMAIL", "nobody"), ("DATE", f"{DATE} +0000"))}}

SIZES = {
    "full": {"tree": 8000, "files": 10000, "appends": 1000, "transactions": 500, "data": 512,
             "more data": 1024, "repository": 5000, "sources": 100, "dirty": 300},
    # for emulated processors
    "small": {"tree": 1500, "files": 2000, "appends": 200, "transactions": 100, "data": 64,
              "more data": 128, "repository": 800, "sources": 4, "dirty": 48},
}


# --- what is worked on ------------------------------------------------------------------------

def small_files(count):
    """(path, bytes) of @count small files, as they are in a tree of sources."""
    rng = random.Random(SEED)
    words = ["".join(rng.choices("etaoinshrdlu", k=rng.randint(2, 9))) for _ in range(4000)]
    text = " ".join(rng.choices(words, k=300000)).replace(" the ", "\n").encode()
    for number in range(count):
        size = min(int(rng.lognormvariate(7.8, 1.1)), 200000)
        at = rng.randrange(len(text) - size)
        data = text[at:at + size]
        if number == count // 2:
            data += f"\n{NEEDLE}\n".encode()
        yield f"part{number % 7}/section{number // 20 % 57}/file{number}.txt", data


def run(*argv, directory=None):
    done = subprocess.run([str(word) for word in argv], cwd=directory, env=ENVIRONMENT, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, argv))}: status {done.returncode}\n{done.stdout}")


def prepare(material, sizes):
    """Makes what the groups need in the directory @material."""
    sizes = SIZES[sizes]
    with tarfile.open(material / "tree.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
        for path, data in small_files(sizes["tree"]):
            entry = tarfile.TarInfo(f"tree/{path}")
            entry.size, entry.mtime = len(data), DATE
            archive.addfile(entry, io.BytesIO(data))
    repository = material / "repository"
    for path, data in small_files(sizes["repository"]):
        (repository / path).parent.mkdir(parents=True, exist_ok=True)
        (repository / path).write_bytes(data)
    run("git", "init", "-q", "-b", "main", repository)
    run("git", "add", ".", directory=repository)
    run("git", "commit", "-q", "-m", "everything", directory=repository)
    shutil.copytree(ROOT / "src", material / "src")


# --- work -------------------------------------------------------------------------------------

class Work:
    """A method for each group; they note what took how long."""

    def __init__(self, directory, material, sizes):
        self.directory, self.material, self.sizes = directory, material, SIZES[sizes]
        self.times = {}

    def timed(self, row, work, *arguments, **options):
        begin = time.perf_counter()
        work(*arguments, **options)
        self.times[row] = time.perf_counter() - begin

    def tree(self):
        self.timed("untar", run, "tar", "-xf", self.material / "tree.tar", "--no-same-owner",
                   directory=self.directory)
        for row in ("grep -r, first", "grep -r, second"):
            self.timed(row, run, "grep", "-rF", NEEDLE, self.directory)

    def files(self):
        def create():
            for number in range(self.sizes["files"]):
                if number % 500 == 0:
                    place = self.directory / f"d{number // 500}"
                    place.mkdir()
                file = os.open(f"{place}/f{number}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
                os.write(file, b"0123456789" * 10)
                os.close(file)
        self.timed("create files", create)
        self.timed("delete files", run, "rm", "-r", *self.directory.iterdir())

    def sync(self):
        def append():
            file = os.open(self.directory / "log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
            for _ in range(self.sizes["appends"]):
                os.write(file, bytes(4096))
                os.fsync(file)
            os.close(file)

        def transactions():
            base = sqlite3.connect(self.directory / "base", isolation_level=None)
            base.execute("create table words (number integer primary key, word text)")
            for number in range(self.sizes["transactions"]):
                base.execute("begin")
                base.execute("insert into words values (?, ?)", (number, f"word {number}" * 10))
                base.execute("commit")
            base.close()
        self.timed("append 4 KiB, fsync", append)
        self.timed("sqlite, transactions", transactions)

    def write(self, mebibytes):
        block = random.Random(SEED).randbytes(MIB)
        with open(self.directory / "data", "wb", buffering=0) as file:
            for _ in range(mebibytes):
                file.write(block)

    def read(self):
        block = bytearray(MIB)
        with open(self.directory / "data", "rb", buffering=0) as file:
            while file.readinto(block):
                pass

    def data(self):
        self.timed("write data", self.write, self.sizes["data"])
        self.read()
        self.timed("read it, cached", self.read)

    def more(self):
        self.timed("write twice that", self.write, self.sizes["more data"])

    def git(self):
        source = self.material / "repository"
        # hard links where source and target are one file system, else copies; --local would fail
        self.timed("git clone PATH", run, "git", "clone", "-q", source, self.directory / "local")
        self.timed("git clone file://", run, "git", "clone", "-q", f"file://{source}",
                   self.directory / "remote")

    def compile(self):
        # only what needs no header that is not the project's or the C library's
        sources = sorted(path for room in ("base", "control", "store")
                         for path in (self.material / "src" / room).glob("*.c"))
        def one(path):
            run("gcc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-I", self.material / "src", "-c", path,
                "-o", self.directory / f"{path.parent.name}-{path.stem}.o")
        def everything():
            with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
                list(pool.map(one, sources[:self.sizes["sources"]]))
        self.timed("compile", everything)

    def end(self):
        """Says when it ends, and leaves much that is not yet on a disk."""
        self.write(self.sizes["dirty"])
        self.times["at"] = time.monotonic()


def main():
    group, directory, material, sizes = sys.argv[1:]
    work = Work(Path(directory), Path(material), sizes)
    getattr(work, group)()
    os.write(1, json.dumps(work.times).encode())
    os._exit(0)


if __name__ == "__main__":
    main()
