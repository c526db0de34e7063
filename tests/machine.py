# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine the tests run on: what is there before a test and must be there, and no more, after
it; running commands with a time limit; ordinary users for the time of a test run."""

import ctypes
import fcntl
import json
import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = Path("/run/privexec")
STORES = Path("/var/lib/privexec")
USERS_LOCK = Path("/run/lock/privexec-tests-users")
USER_COMMENT = "for the tests of privexec"
# By how much all limits of time are longer than on a machine of iron (tests/vm: emulated processors).
# What a test claims about time in relation to something else stays what it is.
SLOWNESS = float(os.environ.get("PRIVEXEC_TESTS_SLOWNESS", "1"))
# Where suites that run at the same time have their files (tests/run), and where this one has.
ALL_FILES = os.environ.get("PRIVEXEC_TESTS_FILES", "/nowhere")
OWN_FILES = os.environ.get("TMPDIR", "/tmp")
# attacker.Bench has its own on a disk
OTHERS_IMAGES = "/nowhere" if ALL_FILES == "/nowhere" or "/attack-" in OWN_FILES else "/var/tmp/attack-"


# --- commands ---------------------------------------------------------------------------------

def run(argv, *, timeout=30, input=None, **options):
    """Runs @argv to its end and returns a CompletedProcess with text in stdout and stderr. Standard
    input is empty unless @input is given. After @timeout seconds (times SLOWNESS, here as everywhere)
    the command is killed and subprocess.TimeoutExpired raised."""
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    options.setdefault("text", True)
    if input is None:
        options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([str(a) for a in argv], timeout=timeout * SLOWNESS, input=input, **options)


def wait_until(condition, timeout=10, step=0.02):
    """Calls @condition until it returns something true, which is returned; after @timeout seconds
    returns what it returned last."""
    deadline = time.monotonic() + timeout * SLOWNESS
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(step)


def landlock_version():
    """That of the kernel's Landlock, 0 where it has none or has it switched off."""
    libc = ctypes.CDLL(None, use_errno=True)
    CREATE_RULESET, VERSION = 444, 1
    return max(0, libc.syscall(CREATE_RULESET, None, 0, VERSION))


# --- processes --------------------------------------------------------------------------------

def may(capability):
    """Is the capability with this number to be had on the machine?"""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    bounding = next(line for line in status.split("\n") if line.startswith("CapBnd:"))
    return bool(int(bounding.split()[1], 16) >> capability & 1)


def become_subreaper():
    """Makes orphans of commands that this process started its own children, so that nothing a test
    leaves running can hide behind process 1."""
    libc = ctypes.CDLL(None, use_errno=True)
    PR_SET_CHILD_SUBREAPER = 36
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def hear_signals():
    """Undoes what nohup(1), or a shell for its background jobs, has ignored: commands would inherit it,
    and never end by the signals that tests send them."""
    for number, action in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGQUIT, signal.SIG_DFL),
                           (signal.SIGINT, signal.default_int_handler)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, action)


def process_table():
    """{pid: (parent's pid, state, name)} of every process that can be seen."""
    table = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as stat:
                text = stat.read()
        except OSError:
            continue
        name, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
        table[int(entry)] = (int(rest[1]), rest[0], name)
    return table


def _start(pid):
    """When it began, in ticks since the machine did: with its number it is no other process, whatever it
    calls itself by now."""
    text = _read(f"/proc/{pid}/stat") or ""
    return text[text.rfind(")") + 2:].split()[19] if text else "?"


def descendants(pid, table=None):
    """The pids of all processes below @pid."""
    table = process_table() if table is None else table
    children = {}
    for child, (parent, _, _) in table.items():
        children.setdefault(parent, []).append(child)
    found, queue = set(), [pid]
    while queue:
        for child in children.get(queue.pop(), ()):
            if child not in found:
                found.add(child)
                queue.append(child)
    return found


# --- what is there ----------------------------------------------------------------------------

def _mounts():
    found = set()
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as table:
        for line in table:
            left, right = line.rstrip("\n").split(" - ", 1)
            fields = left.split(" ")
            kind, source = right.split(" ")[:2]
            found.add(f"{fields[4]} ({kind}, {source}, root {fields[3]}, {fields[5]})")
    return found


def _cgroup_mounts():
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as table:
        for line in table:
            left, right = line.split(" - ", 1)
            if right.split(" ")[0] in ("cgroup", "cgroup2"):
                yield left.split(" ")[4]


def _live_sessions():
    """The ids of sessions that are being made or live: their directories are locked."""
    with open("/proc/locks", encoding="ascii") as locks:
        locked = {line.split(" -> ")[-1].split()[5].rsplit(":", 1)[-1] for line in locks
                  if " FLOCK " in line}
    found = set()
    for directory in STATE.glob("[0-9]*/*"):
        try:
            if str(directory.stat().st_ino) in locked:
                found.add(directory.name)
        except OSError:
            pass
    return found


def session_groups():
    """The control groups of sessions, live or not."""
    return {Path(directory) for mount in _cgroup_mounts() for directory, _, _ in os.walk(mount)
            if os.path.basename(directory).startswith("privexec-")}


def _cgroups(own):
    """Control groups, but those in which only processes that are not ours live, those of sessions that
    are being made, whose processes tell whose they are, and those in which privexec makes its own, which
    stay."""
    found, live = set(), {f"privexec-{session}" for session in _live_sessions()}
    for mount in _cgroup_mounts():
        for directory, _, _ in os.walk(mount):
            try:
                with open(f"{directory}/cgroup.procs", encoding="ascii") as processes:
                    members = {int(pid) for pid in processes.read().split()}
            except (OSError, ValueError):
                members = set()
            if members & own or not members and os.path.basename(directory) not in live and directory \
                    not in (f"{mount}/privexec", f"{mount}/privexec/keepers"):
                found.add(directory)
    return found


def _read(path):
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _held_by_others(own, table):
    """What the descriptors of others' keepers and sweepers lead to, as the kernel names it."""
    found = set()
    for pid, (_, _, name) in table.items():
        if name in ("privexec-keeper", "privexec-sweep") and pid not in own:
            for link in Path(f"/proc/{pid}/fd").glob("*"):
                try:
                    found.add(os.readlink(link))
                except OSError:
                    pass
    return found


def _loops(own, table):
    """Loop devices, but those of others' sessions and, when suites run at the same time, those on files
    in other suites' directories."""
    found = set()
    for device in Path("/sys/block").glob("loop*"):
        backing = _read(device / "loop/backing_file")
        if backing is not None:
            found.add((f"/dev/{device.name}", backing))
    held = _held_by_others(own, table) if found else ()
    # in every store that is one file on a file system of its own, that file has the same name
    return {f"{name} on {backing}" for name, backing in found
            if name not in held and (backing not in held or backing.startswith("/privexec/"))
            and (OWN_FILES in backing or not backing.startswith((f"{ALL_FILES}/", OTHERS_IMAGES)))}


def _device_mapper():
    return {f"/dev/{device.name} ({_read(device / 'dm/name')})"
            for device in Path("/sys/block").glob("dm-*")}


def _sessions(own):
    """Session directories, but those whose keeper is alive and not ours."""
    found = set()
    for directory in STATE.glob("[0-9]*/*"):
        try:
            keeper = json.loads((directory / "state.json").read_text())["pids"]["keeper"]
        except (OSError, ValueError, KeyError, TypeError):
            keeper = None
        if keeper is None or keeper in own or not Path(f"/proc/{keeper}").exists():
            found.add(str(directory))
    return found


def _files():
    """Files in places where privexec could leave any."""
    found = {str(path) for path in STORES.glob("**/*")}
    for place in ("/tmp", "/var/tmp", "/dev/shm", "/run", "/dev/mapper"):
        found |= {str(path) for path in Path(place).glob("privexec*")
                  if path != STATE and not path.name.startswith("privexec-tests")}
    return found


def _ipc():
    """System V objects and POSIX message queues."""
    found = set()
    for kind in ("shm", "sem", "msg"):
        text = _read(f"/proc/sysvipc/{kind}") or ""
        found |= {f"System V {kind} " + " ".join(line.split()[:2]) for line in text.split("\n")[1:]}
    return found | {str(path) for path in Path("/dev/mqueue").glob("*")}


def _keys():
    """Keys (not keyrings) that this process can see, by type and description."""
    found = set()
    for line in (_read("/proc/keys") or "").split("\n"):
        fields = line.split()
        if len(fields) > 8 and fields[7] in ("user", "logon", "encrypted", "trusted"):
            found.add(" ".join(fields[7:9]))
    return found


def snapshot():
    """What is there now, as {kind: set of descriptions}. Other people's sessions on the same
    machine are left out where they can be told apart."""
    table = process_table()
    own = descendants(os.getpid(), table)
    return {
        "process": {f"{pid} since {_start(pid)}" for pid in own if table[pid][1] != "Z"},
        "mount": _mounts(),
        "loop device": _loops(own, table),
        "device-mapper device": _device_mapper(),
        "control group": _cgroups(own | {os.getpid()}),
        "session directory": _sessions(own),
        "file": _files(),
        "IPC object": _ipc(),
        "key": _keys(),
        "swap": set((_read("/proc/swaps") or "").split("\n")),
    }


def _new(before):
    now = snapshot()
    return {(kind, item) for kind in now for item in now[kind] - before[kind]}


def reap_orphans(known):
    """Collects dead processes that came to this one as a subreaper, but for the pids in @known."""
    for pid, (parent, state, _) in process_table().items():
        if parent == os.getpid() and state == "Z" and pid not in known:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass


PATIENCE = 5.0  # seconds for what goes by itself


def _left(before, patience=PATIENCE, sweep=None):
    """The (kind, item) that leftovers() puts in words."""
    left = _new(before)
    deadline = time.monotonic() + patience * SLOWNESS
    while left and time.monotonic() < deadline:
        if sweep and {kind for kind, _ in left} <= {"control group", "session directory"}:
            sweep()
            sweep = None
        time.sleep(0.05)
        left &= _new(before)
    return left


def _worded(left):
    """With what processes are called by now."""
    return sorted(f"{kind}: {item}" + (f" ({_read(f'/proc/{item.split()[0]}/comm') or '?'})"
                                       if kind == "process" else "") for kind, item in left)


def leftovers(before, *, patience=PATIENCE, sweep=None):
    """What is there now, was not @before, and does not go within @patience seconds: a sorted list of
    "kind: description". What a killed keeper leaves (an empty control group, a stale directory) is
    swept by the next start, so @sweep, a callable, is called once if only such things are left."""
    return _worded(_left(before, patience, sweep))


def _kill(left):
    """Ends those processes among what is @left that still are."""
    for item in {item for kind, item in left if kind == "process"} & snapshot()["process"]:
        try:
            os.kill(int(item.split()[0]), signal.SIGKILL)
        except ProcessLookupError:
            pass


def missing(before):
    """What was there @before and is no longer: mounts, swap. Sorted "kind: description"."""
    now = snapshot()
    return sorted(f"{kind}: {item}" for kind in ("mount", "swap")
                  for item in before[kind] - now[kind])


def difference(before, zombies=(), sweep=None):
    """In words, what is not as it was @before; "" where all is. Kills what still runs, and reaps
    orphans but @zombies."""
    left = _left(before, sweep=sweep)
    lines = _worded(left)
    reap_orphans(zombies)
    gone = missing(before)
    _kill(left)
    return "".join([f"  left behind: {line}\n" for line in lines]
                   + [f"  gone: {line}\n" for line in gone])


# --- ordinary users ---------------------------------------------------------------------------

class User:
    """An ordinary user of the machine, without any privilege."""

    def __init__(self, name):
        entry = pwd.getpwnam(name)
        self.name, self.uid, self.gid = name, entry.pw_uid, entry.pw_gid
        self.home = Path(entry.pw_dir)

    def environment(self, **more):
        """What a login would set, and @more."""
        return {"HOME": str(self.home), "USER": self.name, "LOGNAME": self.name,
                "SHELL": "/bin/bash", "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
                "LANG": "C.UTF-8", "TERM": "xterm", **more}

    def _options(self, options):
        return {"user": self.uid, "group": self.gid,
                "extra_groups": os.getgrouplist(self.name, self.gid),
                "env": self.environment(), "cwd": self.home, **options}

    def run(self, argv, **options):
        """As machine.run(), as this user in the home directory."""
        return run(argv, **self._options(options))

    def popen(self, argv, **options):
        """As subprocess.Popen(), as this user in the home directory."""
        return subprocess.Popen([str(a) for a in argv], **self._options(options))

    def command(self, argv, **more):
        """The argument list by which root runs @argv as this user (for programs that start it
        themselves, such as pexpect); @more is added to the environment."""
        environment = [f"{key}={value}" for key, value in self.environment(**more).items()]
        return ["setpriv", "--reuid", str(self.uid), "--regid", str(self.gid), "--init-groups",
                "--", "env", "-i", *environment, *[str(a) for a in argv]]


class Users:
    """Makes users that are missing and removes them when the last test run that shares them ends."""

    def __init__(self):
        self._lock = None
        self._names = []

    def _open(self):
        # The lock file may be removed by a run that ends while we wait for it: then try again.
        while True:
            lock = os.open(USERS_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(lock, fcntl.LOCK_SH)
            try:
                if os.stat(USERS_LOCK).st_ino == os.fstat(lock).st_ino:
                    return lock
            except FileNotFoundError:
                pass
            os.close(lock)

    def get(self, name):
        """The User @name, made with a home directory if there is none."""
        # Shared: other test runs may use the same users at the same time.
        if self._lock is None:
            self._lock = self._open()
        # Another run may be making the same user.
        making = os.open(USERS_LOCK.parent, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(making, fcntl.LOCK_EX)
        try:
            pwd.getpwnam(name)
        except KeyError:
            run(["useradd", "--create-home", "--user-group", "--shell", "/bin/bash",
                 "--comment", USER_COMMENT, name], check=True)
        finally:
            os.close(making)
        if name not in self._names:
            self._names.append(name)
        return User(name)

    def close(self):
        if self._lock is None:
            return
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = None
            return
        for name in self._names:
            entry = pwd.getpwnam(name)
            if entry.pw_gecos.split(",")[0] != USER_COMMENT:
                continue
            end_processes_of(entry.pw_uid)
            run(["userdel", "--remove", name])
            shutil.rmtree(entry.pw_dir, ignore_errors=True)
            shutil.rmtree(STATE / str(entry.pw_uid), ignore_errors=True)
        USERS_LOCK.unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = None


def end_processes_of(uid):
    """Kills what still runs with the real or effective uid @uid, so that the user can be removed."""
    for pid in process_table():
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        uids = next(line for line in status.split("\n") if line.startswith("Uid:")).split()[1:3]
        if str(uid) in uids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
