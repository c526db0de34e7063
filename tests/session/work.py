# SPDX-License-Identifier: GPL-2.0-or-later
"""Work that is done twice, in a session and outside of one, by somebody who has a place for it."""

import contextlib
import difflib
import os
import shutil
import tempfile
from pathlib import Path

import machine
import trees


class Worker:
    """Somebody who works: root with what was built, or an ordinary user with what is installed."""

    def __init__(self, front, user=None):
        self.front, self.user = front, user
        self.name = user.name if user else "root"
        self.home = user.home if user else Path("/root")

    def run(self, argv, *, more=None, **options):
        """As machine.run(), as this worker, with a login's environment and @more."""
        environment = {"HOME": str(self.home), "USER": self.name, "LOGNAME": self.name,
                       "SHELL": "/bin/bash", "LANG": "C.UTF-8", "TERM": "xterm",
                       "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                       **(more or {})}
        options = {"env": environment, "cwd": self.home, **options}
        return self.user.run(argv, **options) if self.user else machine.run(argv, **options)

    def session(self, argv, *options, **more):
        """The same in a session of its own, with @options of privexec."""
        return self.run([self.front, "-q", *options, "--", *argv], **more)

    @contextlib.contextmanager
    def place(self):
        """A directory of the worker's, that goes afterwards."""
        place = Path(tempfile.mkdtemp(prefix="privexec-work-", dir=self.home))
        try:
            if self.user:
                os.chown(place, self.user.uid, self.user.gid)
            yield place
        finally:
            shutil.rmtree(place)


def _lines(done):
    return [f"status {done.returncode}", *done.stdout.splitlines(), *done.stderr.splitlines()]


def same_work(worker, place, script, *, options=("--net=none", "--size=1G"), timeout=60, more=None):
    """Runs the bash @script with set -e in @place, first in a session, then outside. Both succeed and
    print the same; @place is after the session what it was before it, to the last ctime, so that the
    second run finds what the first one found. Returns what was printed."""
    argv = ["bash", "-e", "-u", "-o", "pipefail", "-c", script]
    before = trees.snapshot(place)
    inside = worker.session(argv, *options, cwd=place, timeout=timeout, more=more)
    left = trees.differences(before, trees.snapshot(place))
    assert left == [], "the session's work reached the host"
    outside = worker.run(argv, cwd=place, timeout=timeout, more=more)
    assert outside.returncode == 0, f"the work fails outside of a session too: {outside.stderr}"
    different = "\n".join(difflib.unified_diff(_lines(outside), _lines(inside), "outside", "inside",
                                               lineterm="", n=1))
    assert not different, different
    return inside.stdout
