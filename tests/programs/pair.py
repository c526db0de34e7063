# SPDX-License-Identifier: GPL-2.0-or-later
"""One program at work twice: in a session, and outside of one as a control that the script itself is
right; and the list of such programs, which docs/programs.md shows."""

import contextlib
import re
import shutil
from pathlib import Path

import pytest

import machine
import trees

INSIDE = Path(__file__).resolve().parent / "inside"

WORKS, REFUSED = "works", "refused in words"

# Every script begins with this, in a home that is empty but for what it asked for.
PRELUDE = r"""
cd
# what is started in the background, and ends with the script
trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
wait_for() {
    for _ in $(seq 400); do
        "$@" >wait.log 2>&1 && return
        sleep 0.05
    done
    echo "waited in vain: $*: $(cat wait.log)" >&2
    return 1
}
"""


def program(name, *needs, networks=("none",), workers=("user",), result=WORKS):
    """Decorates a test of the program @name, which its docstring's first sentence says what it looks at.
    It is skipped, with the reason, where one of @needs (commands, or paths with wildcards) is not there;
    and is run with each of @networks, as each of @workers."""
    def decorate(test):
        for mark in (pytest.mark.program(name, needs, networks, workers, result),
                     pytest.mark.parametrize("worker", workers, indirect=True),
                     pytest.mark.parametrize("network", networks)):
            test = mark(test)
        return test
    return decorate


def missing(needs):
    """The first of @needs that is not installed."""
    for need in needs:
        found = list(Path("/").glob(need.lstrip("/"))) if "/" in need else shutil.which(need)
        if not found:
            return need
    return None


def table(items):
    """The list of programs as docs/programs.md has it, of the tests @items."""
    rows = {}
    for item in items:
        mark = item.get_closest_marker("program")
        if mark:
            name, _, networks, workers, result = mark.args
            looked_at = re.sub(r"\s+", " ", item.function.__doc__.strip().split(".\n")[0].rstrip("."))
            who = {("user",): "user", ("root",): "root"}.get(workers, "user, root")
            rows[item.function] = (f"| {name} | {looked_at} | {who} | {', '.join(networks)} | {result} | "
                                   f"`{item.location[0].split('/')[-1]}` `{item.function.__name__}` |")
    return sorted(rows.values())


def said(done):
    return f": status {done.returncode}\n{done.stdout}\n{done.stderr}"


class Pair:
    """@worker's work on the host of @net: in sessions with @network, and outside."""

    def __init__(self, net, worker, network, controls):
        self.net, self.worker, self.network, self._controls = net, worker, network, controls

    @contextlib.contextmanager
    def place(self, files=()):
        """A home, with those of @files from inside/."""
        with self.worker.place() as place:
            (place / "tmp").mkdir()
            for name in files:
                shutil.copy(INSIDE / name, place)
            machine.run(["chown", "-R", f"--reference={place}", place], check=True)
            yield place

    def run(self, place, argv, *, timeout=30, **more):
        """@argv outside of any session, with @place as home and @more in the environment."""
        environment = {"HOME": place, "TMPDIR": place / "tmp", **more}
        return machine.run([*self.net.enter("host"), *self.worker.command(argv, **environment)],
                           timeout=timeout)

    def session(self, place, argv, *options, leaves="", **more):
        """The same in a session of its own, that leaves nothing on the host, and at its end no process
        but those named @leaves, which the end of the session ends."""
        before = trees.snapshot(place)
        done = self.run(place, [self.worker.front, "-q", self.worker.store, f"--net={self.network}",
                                *options, "--", *argv], **more)
        left = trees.differences(before, trees.snapshot(place))
        assert left == [], f"the work reached the host: {left}"
        ours = [line for line in done.stderr.splitlines() if line.startswith("privexec:")]
        ended = re.compile(rf"privexec: ended \d+ process.*: {leaves} \(--end=last.*")
        assert all(leaves and ended.fullmatch(line) for line in ours), done
        return done

    def same(self, script, *, expect=(), files=(), options=(), leaves="", **more):
        """Runs the bash @script in a session and outside. Both succeed and print the same, in which each
        of @expect, patterns of whole lines, is found. Returns what was printed."""
        argv = ["bash", "-euo", "pipefail", "-c", PRELUDE + script]
        with self.place(files) as place:
            inside = self.session(place, argv, *options, leaves=leaves, **more)
        key = (self.worker.name, script)
        outside = self._controls.get(key)
        if not outside:
            with self.place(files) as place:
                outside = self.run(place, argv, **more)
            if outside.returncode != 0:
                pytest.fail(f"the work fails outside of a session too{said(outside)}", pytrace=False)
            self._controls[key] = outside
        if inside.returncode != 0 or inside.stdout != outside.stdout:
            pytest.fail(f"in a session{said(inside)}\n\noutside{said(outside)}", pytrace=False)
        for pattern in expect:
            if not re.search(rf"^{pattern}$", inside.stdout, re.M):
                pytest.fail(f"no line {pattern!r} here or outside{said(inside)}", pytrace=False)
        return inside.stdout
