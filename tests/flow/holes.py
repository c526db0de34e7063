#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Planted holes: copies of privexec from each of which one protection was taken (tests/flow/holes/*.patch)
and in whose sessions the search for flows must find what then gets out.

    tests/flow/holes.py [--seed N] [--seconds 60] [NAME...]       the last line is `N passed, N failed`

A patch begins with a few lines: Without: which protection. Options: of the session. Finds: the kinds of
arrivals that count. As root; the sessions are an ordinary user's."""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import namedtuple
from pathlib import Path

import stage
import machine

HOLES = Path(__file__).resolve().parent / "holes"
BUILD_SECONDS = 300

Hole = namedtuple("Hole", "name patch without options finds")


class Failed(Exception):
    """A hole that was not found, with the line that says why."""


def read(patch):
    head = dict(line.split(": ", 1) for line in patch.read_text().split("\n\n")[0].splitlines())
    return Hole(patch.stem, patch, head["Without"], head["Options"].split(),
                set(head["Finds"].split()))


def all_holes():
    return [read(patch) for patch in sorted(HOLES.glob("*.patch"))]


class Copy:
    """A copy of the sources, with a build and an installation of its own, where holes are made. What a
    patch does not touch is not compiled again."""

    def __init__(self):
        self._place = Path(tempfile.mkdtemp(prefix="privexec-tests-holes-", dir="/var/tmp"))
        # privexec trusts no configuration in a directory that others can write to
        self.prefix = Path(tempfile.mkdtemp(prefix=f"privexec-test-{os.getpid()}-",
                                            dir="/usr/local/lib"))
        self.prefix.chmod(0o755)
        self.tree, self.build = self._place / "tree", self._place / "build"
        shutil.copytree(machine.ROOT, self.tree, symlinks=True,
                        ignore=shutil.ignore_patterns("build*", ".git", "__pycache__"))
        self.front = self.prefix / "bin/privexec"
        self._call("meson", "setup", "--prefix", self.prefix, "--sysconfdir", self.prefix / "etc",
                   "-Doptimization=0", "-Dwerror=false", self.build, self.tree)
        self._compile()

    def _call(self, *argv):
        done = machine.run(argv, timeout=BUILD_SECONDS, cwd=self.tree, stderr=subprocess.STDOUT,
                           env={**os.environ, "DESTDIR": ""})
        if done.returncode != 0:
            raise Failed(f"{argv[0]}:\n{done.stdout}")

    def _compile(self):
        self._call("ninja", "--quiet", "-C", self.build, "privexec", "privexec-keeper")

    def _patch(self, hole, *options):
        self._call("patch", "--strip=1", "--fuzz=0", "--batch", "--input", hole.patch, *options)

    def make(self, hole):
        try:
            self._patch(hole, "--dry-run", "--silent")
        except Failed as problem:
            raise Failed(f"{hole.patch.name} no longer applies: make it anew against the sources\n"
                         f"{problem}") from problem
        self._patch(hole)
        self._compile()
        self._call("meson", "install", "--no-rebuild", "-C", self.build, "--tags",
                   "runtime,configuration")

    def mend(self, hole):
        self._patch(hole, "--reverse")

    def close(self):
        shutil.rmtree(self._place, ignore_errors=True)
        shutil.rmtree(self.prefix, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def find(copy, hole, flow, user, seed, seconds):
    """Makes @hole and searches. Returns the arrival and after how many seconds it came."""
    copy.make(hole)
    try:
        player = stage.Player(copy.front, user)
        exits = stage.named_exits(player, hole.options)
        # this is what the hole is about: it must not be left out as an exit
        if hole.finds <= exits:
            raise Failed(f"{hole.name}: --dry-run names all that it could be found by as exits")
        began = time.monotonic()
        found = stage.play(flow, player, seed, seconds, options=hole.options, without=exits,
                           until_arrival=True)
        took = time.monotonic() - began
    finally:
        copy.mend(hole)
    if found.failures:
        raise Failed(f"{hole.name}: the search failed: {found.failures[:5]}")
    if not found.arrivals:
        raise Failed(f"{hole.name}: not found in {seconds} seconds, seed {seed}, steps {found.steps}")
    if found.arrivals[0].kind not in hole.finds:
        raise Failed(f"{hole.name}: what arrived is none of {sorted(hole.finds)}: "
                     f"{found.arrivals[0]}")
    return found.arrivals[0], took


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--privexec", default=os.environ.get("PRIVEXEC",
                                                             str(machine.ROOT / "build/privexec")))
    options = parser.parse_args()
    holes = [hole for hole in all_holes() if not options.names or hole.name in options.names]
    users, passed, failed = machine.Users(), 0, 0
    print(f"seed {options.seed}\n{'hole':17} {'arrival by':14} {'seconds':>7}  protection left out", flush=True)
    try:
        flow, user = stage.program(options.privexec), users.get("privexec-alice")
        with Copy() as copy:
            for hole in holes:
                try:
                    arrival, took = find(copy, hole, flow, user, options.seed, options.seconds)
                    print(f"{hole.name:17} {arrival.kind:14} {took:7.1f}  {hole.without}", flush=True)
                    passed += 1
                except Failed as problem:
                    print(f"FAILED {problem}", flush=True)
                    failed += 1
    finally:
        users.close()
    print(f"{passed} passed, {failed} failed")
    return int(failed > 0 or not passed)


if __name__ == "__main__":
    sys.exit(main())
