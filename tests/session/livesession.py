# SPDX-License-Identifier: GPL-2.0-or-later
"""A live session and everything of it that can be named from outside: its processes, its state
directory, its control group, the block devices of its store. For tests that look at one, kill parts of
it and see what is left."""

import json
import os
import select
import signal
import subprocess
import time
from pathlib import Path

import machine


def alive(pids):
    """Those of @pids that still run (a zombie does not)."""
    found = []
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            continue
        if text[text.rindex(b")") + 2:][:1] not in (b"Z", b"X"):
            found.append(pid)
    return found


def name(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return "?"


def children(pid):
    try:
        return [int(child) for child in
                Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except OSError:
        return []


def pidfd_of(pid):
    """A descriptor for the process @pid, or -1."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return -1


def unified_cgroup():
    """Where the cgroup2 file system is mounted, or None."""
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        left, right = line.split(" - ", 1)
        if right.split(" ")[0] == "cgroup2":
            return Path(left.split(" ")[4])
    return None


def read_line(descriptor, seconds):
    """One line from @descriptor, or what there is after @seconds or at its end."""
    deadline, text = time.monotonic() + seconds * machine.SLOWNESS, b""
    while not text.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            break
        part = os.read(descriptor, 1)
        if not part:
            break
        text += part
    return text.decode()


def _number_of_use(device):
    """Tells one use of a block device from the next; None where nothing uses it."""
    try:
        if device.name.startswith("7:") and not (device / "loop/backing_file").exists():
            return None
        return (device / "diskseq").read_text(encoding="ascii")
    except OSError:
        return None


def store_devices(keeper):
    """{directory in /sys: number of its use} of the block devices of the store that @keeper keeps."""
    found = {}
    for entry in os.listdir(f"/proc/{keeper}/fd"):
        try:
            number = os.stat(f"/proc/{keeper}/fd/{entry}").st_dev
        except OSError:
            continue  # closed meanwhile
        device = Path("/sys/dev/block", f"{os.major(number)}:{os.minor(number)}")
        for part in (device, *(device / "slaves").glob("*")):
            path = Path("/sys/dev/block", (part / "dev").read_text().strip()) if (
                part / "dev").exists() else part
            if path.exists() and path.resolve().name.startswith(("loop", "dm-")):
                found[path] = _number_of_use(path)
    return found


class Session:
    """Starts `privexec -q OPTIONS -- COMMAND` and waits until the command runs. @user: whose session
    (a machine.User), else root's. @prefix: words before privexec, by which it is started."""

    def __init__(self, front, command, *options, user=None, prefix=(), **popen):
        ours, theirs = os.pipe()
        for stream in ("stdin", "stdout"):
            popen.setdefault(stream, subprocess.DEVNULL)
        popen.setdefault("stderr", subprocess.PIPE)
        popen.setdefault("text", True)
        start = user.popen if user else subprocess.Popen
        popen.setdefault("cwd", "/")
        self.process = start([*prefix, front, "-q", "--net=none", "--size=64M",
                              f"--status-fd={theirs}", *options, "--", *command],
                             pass_fds=(theirs, *popen.pop("pass_fds", ())), **popen)
        os.close(theirs)
        line = read_line(ours, 15)
        os.close(ours)
        if not line:
            self.process.kill()
            raise AssertionError(f"no session: {self.process.communicate()[1]}")
        self.started = json.loads(line)
        self.id = self.started["session"]
        self.front = self.process.pid
        self.keeper, self.init = self.started["keeper"], self.started["init"]
        # the kernel's list of children may lack some while others of them end
        self.sweeper = machine.wait_until(
            lambda: next((pid for pid in children(self.keeper) if name(pid) == "privexec-sweep"), 0),
            timeout=2, step=0.002)
        found = machine.wait_until(lambda: [pid for pid in children(self.init)
                                            if name(pid) != "privexec-init"], step=0.002)
        self.command = found[0] if found else 0
        # numbers are used again, perhaps by another suite's session, before a dead one is ended by hand
        self._pidfds = {pid: pidfd_of(pid)
                        for pid in (self.front, self.keeper, self.init, self.sweeper)}
        self.state = next(iter(machine.STATE.glob(f"*/{self.id}")), None)
        self.devices = store_devices(self.keeper)
        self.cgroup = None
        try:
            self.cgroup = unified_cgroup() / (self.state / "cgroup").read_text(encoding="ascii")
        except (TypeError, FileNotFoundError):
            pass  # it has none, or is over already

    def everybody(self):
        return sorted({self.front, self.keeper, self.init, self.sweeper}
                      | machine.descendants(self.front) | machine.descendants(self.keeper))

    def kill(self, *victims, number=signal.SIGKILL):
        """@victims: names of attributes that hold pids, or pids. One after the other, at once."""
        for victim in victims:
            pid = getattr(self, victim) if isinstance(victim, str) else victim
            assert pid > 0, f"{victim} was not found"  # 0 would be everybody of this test run
            try:
                if pid not in self._pidfds:
                    os.kill(pid, number)
                elif self._pidfds[pid] >= 0:
                    signal.pidfd_send_signal(self._pidfds[pid], number)
            except ProcessLookupError:
                pass

    def kill_together(self, *victims):
        """So that none sees another's end."""
        self.kill(*victims, number=signal.SIGSTOP)
        self.kill(*victims)

    def named_remains(self):
        """What is left that has a name and no process."""
        left = []
        if self.state and self.state.exists():
            left.append(f"state directory {self.state}")
        if self.cgroup and self.cgroup.exists():
            left.append(f"control group {self.cgroup}")
        return left

    def devices_left(self):
        """Block devices of its store that are there yet."""
        return [f"block device {device}" for device, use in self.devices.items()
                if use is not None and _number_of_use(device) == use]

    def end(self):
        """Ends it by hand, for the end of a test, and collects it."""
        self.kill("front", "keeper", "init")
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()
        self.process.wait(10)
        for pid, pidfd in self._pidfds.items():
            if pidfd >= 0:
                os.close(pidfd)
            self._pidfds[pid] = -1  # for those who end it once more
