# SPDX-License-Identifier: GPL-2.0-or-later
"""Work that is done twice, in a session and outside of one, by somebody who has a place for it."""

import contextlib
import difflib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import machine
import trees


class Worker:
    """Somebody who works: root with what was built, or an ordinary user with what is installed. @store:
    an option for all sessions."""

    def __init__(self, front, user=None, store="--store=auto"):
        self.front, self.user, self.store = front, user, store
        self.name = user.name if user else "root"
        self.home = user.home if user else Path("/root")

    def environment(self, **more):
        """What a login would set, and @more."""
        return {"HOME": str(self.home), "USER": self.name, "LOGNAME": self.name,
                "SHELL": "/bin/bash", "LANG": "C.UTF-8", "TERM": "xterm",
                "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **more}

    def command(self, argv, **more):
        """The argument list by which root runs @argv as this worker, with @more in the environment."""
        if self.user:
            return self.user.command(argv, **self.environment(**more))
        settings = [f"{key}={value}" for key, value in self.environment(**more).items()]
        return ["env", "-i", *settings, *[str(word) for word in argv]]

    def run(self, argv, *, more=None, **options):
        """As machine.run(), as this worker, with a login's environment and @more."""
        options = {"env": self.environment(**(more or {})), "cwd": self.home, **options}
        return self.user.run(argv, **options) if self.user else machine.run(argv, **options)

    def popen(self, argv, **options):
        """As subprocess.Popen(), likewise."""
        options = {"env": self.environment(), "cwd": self.home, "text": True, **options}
        if self.user:
            return self.user.popen(argv, **options)
        return subprocess.Popen([str(word) for word in argv], **options)

    def session(self, argv, *options, **more):
        """The same in a session of its own, with @options of privexec."""
        return self.run([self.front, "-q", self.store, *options, "--", *argv], **more)

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


def same_work(worker, place, script, *, options=("--net=none", "--size=640M"), timeout=60, attempts=1):
    """Runs the bash @script with set -e in @place, first in a session, then outside. Both succeed and
    print the same; @place is after the session what it was before it, to the last ctime, so that the
    second run finds what the first one found. Returns what was printed. With @attempts, scripts that
    look at what other programs may change meanwhile are run again."""
    argv = ["bash", "-euo", "pipefail", "-c", script]
    before = trees.snapshot(place)
    inside = worker.session(argv, *options, cwd=place, timeout=timeout)
    left = trees.differences(before, trees.snapshot(place))
    assert left == [], "the session's work reached the host"
    outside = worker.run(argv, cwd=place, timeout=timeout)
    assert outside.returncode == 0, f"the work fails outside of a session too: {outside.stderr}"
    different = "\n".join(difflib.unified_diff(_lines(outside), _lines(inside), "outside", "inside",
                                               lineterm="", n=1))
    if different and attempts > 1:
        return same_work(worker, place, script, options=options, timeout=timeout,
                         attempts=attempts - 1)
    assert not different, different
    return inside.stdout


# --- material ---------------------------------------------------------------------------------

def history(worker, place, commits):
    """Makes @place/base.git: the project's own history, where the checkout has one, with @commits more
    on the branch master, each with a file of its own and a change to one of ten others."""
    environment = {"GIT_CONFIG_GLOBAL": "/dev/null"}
    base = place / "base.git"
    if (machine.ROOT / ".git").exists():
        machine.run(["git", "-c", f"safe.directory={machine.ROOT}", "clone", "-q", "--bare",
                     "--no-hardlinks", machine.ROOT, base], check=True)
        machine.run(["chown", "-R", f"--reference={place}", base], check=True)
    else:
        worker.run(["git", "init", "-q", "--bare", base], more=environment, check=True)
    stream = ["reset refs/heads/master\n"]
    for number in range(commits):
        text = f"line {number}\n" * 20
        stream.append(f"commit refs/heads/master\ncommitter a <a@b> {1600000000 + number} +0000\n"
                      f"data 6\nchange\nM 644 inline set{number % 50}/file{number}\n"
                      f"data {len(text)}\n{text}M 644 inline common{number % 10}\n"
                      f"data {len(text)}\n{text}")
    worker.run(["git", "-C", base, "-c", "fastimport.unpackLimit=100000", "fast-import", "--quiet",
                "--force"], input="".join(stream), more=environment, check=True)
    worker.run(["git", "-C", base, "symbolic-ref", "HEAD", "refs/heads/master"], more=environment,
               check=True)


def _source_lists():
    """What the machine's own lists of packages say, for source packages: deb822 text."""
    text = []
    for path in sorted(Path("/etc/apt/sources.list.d").glob("*.sources")):
        text.append(re.sub(r"(?m)^Types:.*", "Types: deb-src", path.read_text(encoding="utf-8")))
    for path in [Path("/etc/apt/sources.list"),
                 *sorted(Path("/etc/apt/sources.list.d").glob("*.list"))]:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        for line in lines:
            match = re.match(r"deb\s+(?:\[(.*?)\]\s+)?(\S+)\s+(\S+)(.*)", line)
            if not match:
                continue
            options, address, suite, components = match.groups()
            signed = re.search(r"signed-by=(\S+)", options or "")
            text.append(f"Types: deb-src\nURIs: {address}\nSuites: {suite}\n"
                        + (f"Components: {components.strip()}\n" if components.strip() else "")
                        + (f"Signed-By: {signed.group(1)}\n" if signed else ""))
    return "\n\n".join(text)


def unpack_source(package, place, worker):
    """Fetches the source package @package by apt, with lists and a cache of its own that go again, and
    unpacks it in @place as @worker. Fails where there is no network."""
    with tempfile.TemporaryDirectory(prefix="privexec-tests-apt-") as directory:
        apt = Path(directory)
        for name in ("lists/partial", "cache/archives/partial", "parts", "source"):
            (apt / name).mkdir(parents=True)
        (apt / "parts/source.sources").write_text(_source_lists(), encoding="utf-8")
        options = [part for option in (
            "Dir::Etc::sourcelist=/dev/null", f"Dir::Etc::sourceparts={apt}/parts",
            f"Dir::State::lists={apt}/lists", f"Dir::Cache={apt}/cache",
            "APT::Sandbox::User=root", "Acquire::Languages=none", "Acquire::http::Timeout=20",
            "Acquire::Retries=1") for part in ("-o", option)]
        for command in (["update", "-qq"], ["source", "-qq", "--download-only", package]):
            done = machine.run(["apt-get", *options, *command], cwd=apt / "source", timeout=60)
            assert done.returncode == 0, "the package mirror does not answer; the test needs it"
        description = next((apt / "source").glob("*.dsc"))
        for file in (apt / "source").iterdir():
            shutil.copy(file, place)
    machine.run(["chown", "-R", f"--reference={place}", place], check=True)
    worker.run(["dpkg-source", "--no-check", "-x", description.name], cwd=place, check=True)
