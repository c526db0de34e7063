# SPDX-License-Identifier: GPL-2.0-or-later
"""What attackers need: programs, a room of mounts of their own, a session to attack, a weakened
build, and running probe.py anywhere."""

import hashlib
import json
import os
import shutil
import stat
import subprocess
import time
from pathlib import Path

import machine

HERE = Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"


class Bench:
    """A directory that everybody can enter, with the attacking programs, and a canary of root's."""

    def __init__(self, directory):
        self.path = Path(directory)
        self.path.chmod(0o755)
        self.probe = self.path / "probe.py"
        shutil.copy(HERE / "probe.py", self.probe)
        self.served = self._compile("served", "fuse3")
        self.privileged = self._compile("privileged")
        self.calls = self._compile("calls", flags=["-pthread"])
        self.setuid = self._privileged_copy("setuid-root")
        self.setuid.chmod(0o4755)
        self.capable = self._privileged_copy("capable")
        machine.run(["setcap", "cap_sys_admin,cap_dac_override=ep", self.capable], check=True)

    def _compile(self, name, *packages, flags=(), target=None):
        target = self.path / (target or name)
        libraries = machine.run(["pkg-config", "--cflags", "--libs", *packages],
                                check=True).stdout.split() if packages else []
        machine.run(["gcc", "-Wall", "-Wextra", "-Werror", "-O1", "-o", target,
                     HERE / "programs" / f"{name}.c", *libraries, *flags], check=True)
        return target

    def calls_of_i386(self):
        """calls.c as a program of 32 bits."""
        target = self.path / "calls-i386"
        return target if target.exists() else self._compile(
            "calls", flags=["-m32", "-static", "-pthread"], target=target.name)

    def _privileged_copy(self, name):
        target = self.path / name
        shutil.copy(self.privileged, target)
        return target

    def attack(self, *attacks):
        """The argument list that runs @attacks."""
        return [PYTHON, self.probe, *attacks]


def outcome(done):
    """What probe.py said in the finished process @done."""
    lines = [line for line in done.stdout.split("\n") if line.startswith("{")]
    assert lines, f"the attack did not run: {done.stdout!r} {done.stderr!r}"
    return json.loads(lines[-1])


def succeeded(results):
    return {name for name, result in results.items() if result == "done"}


def stopped(results):
    return {name for name, result in results.items() if result != "done"}


class Room:
    """A mount namespace for what would disturb others on the machine: as the host for those in it."""

    def __init__(self):
        self._holder = subprocess.Popen(["unshare", "-m", "sleep", "600"])
        own = os.readlink("/proc/self/ns/mnt")
        assert machine.wait_until(lambda: os.readlink(f"/proc/{self._holder.pid}/ns/mnt") != own)
        assert machine.wait_until(
            lambda: Path(f"/proc/{self._holder.pid}/comm").read_text().strip() == "sleep")
        self._servers = []

    def inside(self, argv, user=None):
        """The argument list that runs @argv in here, as @user or as root."""
        return ["nsenter", "-t", str(self._holder.pid), "-m", "--",
                *(user.command(argv) if user else [str(a) for a in argv])]

    def run(self, argv, user=None, **options):
        return machine.run(self.inside(argv, user), cwd="/", **options)

    def sh(self, script, **options):
        done = self.run(["sh", "-ec", script], **options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def serve(self, bench, kind, mountpoint, *, user=None, device=(7, 0), only=0, options=()):
        """Serves the hostile file system at @mountpoint, as @user or as root."""
        log = bench.path / f"{Path(mountpoint).name}.log"
        log.touch()
        log.chmod(0o666)
        if not self._servers:
            self._open_fuse_to_all(bench)
        argv = [bench.served, kind, bench.privileged, *device, only, log, "-f",
                "-o", "attr_timeout=0,entry_timeout=0", *options, mountpoint]
        self._servers.append(subprocess.Popen(self.inside([str(a) for a in argv], user),
                                              stderr=subprocess.DEVNULL, cwd="/"))
        assert machine.wait_until(lambda: str(mountpoint) in self.mountinfo()), "not served"
        return log

    def _open_fuse_to_all(self, bench):
        """As udev does; without it the node is root's."""
        node = bench.path / "fuse"
        if not node.exists():
            os.mknod(node, stat.S_IFCHR, os.stat("/dev/fuse").st_rdev)
            node.chmod(0o666)
        self.sh(f"mount --bind {node} /dev/fuse")

    def mountinfo(self):
        return Path(f"/proc/{self._holder.pid}/mountinfo").read_text()

    def close(self):
        for server in self._servers:
            server.kill()
            server.wait()
        self._holder.kill()
        self._holder.wait()


class Session:
    """A session that waits, and the processes it is made of."""

    def __init__(self, front, user=None, room=None, command=("sleep", "1000"), options=()):
        argv = [front, "-q", "--net=none", *options, "--", *command]
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL,
                   "stderr": subprocess.PIPE}
        if room:
            self.process = subprocess.Popen(room.inside(argv, user), cwd="/", **streams)
        elif user:
            self.process = user.popen(argv, **streams)
        else:
            self.process = subprocess.Popen([str(a) for a in argv], **streams)
        self.uid = user.uid if user else 0
        found = machine.wait_until(self._look)
        assert found, f"no session: {self.process.stderr.read() if self.process.poll() else ''}"
        self.directory, self.front, self.keeper, self.init, self.sweeper, self.command = found
        self.pids = {"front": self.front, "keeper": self.keeper, "sweeper": self.sweeper,
                     "init": self.init, "command": self.command}

    def _look(self):
        table = machine.process_table()
        below = machine.descendants(self.process.pid, table) | {self.process.pid}
        for directory in (machine.STATE / str(self.uid)).glob("*"):
            try:
                pids = json.loads((directory / "state.json").read_text())["pids"]
            except (OSError, ValueError, KeyError):
                continue
            if pids["front"] not in below:
                continue
            sweepers = [p for p, e in table.items()
                        if e[0] == pids["keeper"] and e[2] == "privexec-sweep"]
            commands = [p for p, e in table.items()
                        if e[0] == pids["init"] and e[2] != "privexec-init"]
            if sweepers and commands:
                return (directory, pids["front"], pids["keeper"], pids["init"], sweepers[0],
                        commands[0])
        return None

    def alive(self):
        return {name for name, pid in self.pids.items() if os.path.exists(f"/proc/{pid}")
                and machine.process_table().get(pid, (0, "Z", ""))[1] != "Z"}

    def gone(self, timeout=10):
        return machine.wait_until(lambda: not self.alive() and not self.directory.exists(),
                                  timeout)

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()
        # where keeper and sweeper were killed, the directory stays until the next start
        self.gone(2)


def weakened(directory, replacements):
    """Builds a copy of the sources in which each (file, text, other text) was replaced, and returns
    the path of its front. A text that is not there exactly once is an error: then the sources have
    changed and the control must be thought over."""
    source, build = Path(directory) / "source", Path(directory) / "build"
    source.mkdir()
    for name in ("meson.build", "meson_options.txt", "bpf", "src"):
        origin = machine.ROOT / name
        if origin.is_dir():
            shutil.copytree(origin, source / name)
        else:
            shutil.copy(origin, source / name)
    (source / "tools").mkdir()
    for name in ("make-templates", "make-calls.c", "make-guard.c"):
        shutil.copy(machine.ROOT / "tools" / name, source / "tools")
    top = source / "meson.build"
    top.write_text("\n".join(line for line in top.read_text().split("\n")
                             if line not in [f"subdir('{name}')" for name in
                                              ("tests", "bench", "man", "tools")]))
    for name, text, other in replacements:
        file = source / name
        content = file.read_text()
        assert content.count(text) == 1, f"{name} has {content.count(text)} times: {text}"
        file.write_text(content.replace(text, other))
    for argv in (["setup", "-Dwerror=false", "-Dbuildtype=debug", build, source],
                 ["compile", "-C", build]):
        done = machine.run(["meson", *argv], timeout=120, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout
    return str(build / "privexec")


def checksum(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def seconds(function):
    """Calls @function and returns (what it returned, how long it took)."""
    start = time.monotonic()
    value = function()
    return value, time.monotonic() - start
