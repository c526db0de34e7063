# SPDX-License-Identifier: GPL-2.0-or-later
"""Hostile callers: environment, descriptors, signals, limits, requests of their own."""

import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

import attacker
import machine

REQUEST = "v=1|streams=ccc|umask=022|"

OPEN_STREAMS = """
import os, sys
seen = 0
for number in range(3):
    try:
        os.fstat(number)
        seen |= 1 << number
    except OSError:
        pass
sys.exit(100 + seen)
"""

CONSTRUCTOR = """
// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
__attribute__((constructor)) static void loaded(void)
{
	char name[128] = "", line[160];
	int mark = open("MARK", O_WRONLY | O_APPEND | O_CREAT, 0666), self = open("/proc/self/comm", 0);
	if (read(self, name, sizeof(name) - 1) < 0 || mark < 0)
		return;
	snprintf(line, sizeof(line), "%s", name);
	if (write(mark, line, strlen(line)) < 0)
		return;
}
"""


@pytest.fixture(scope="module")
def front_of_mine(bench):
    target = bench.path / "hostile_front.py"
    target.write_text((attacker.HERE / "hostile_front.py").read_text())
    return [attacker.PYTHON, target]


def hostile(alice, front_of_mine, installation, *arguments, request=REQUEST, **options):
    done = alice.run([*front_of_mine, installation.keeper, request, *arguments], **options)
    return done.stdout + done.stderr


# --- environment -------------------------------------------------------------------------------

def test_the_environment_reaches_the_command_and_never_the_keeper(bench, installed, alice):
    directory = bench.path / "preload"
    directory.mkdir()
    directory.chmod(0o777)
    mark, library = directory / "mark", directory / "evil.so"
    (directory / "evil.c").write_text(CONSTRUCTOR.replace("MARK", str(mark)))
    machine.run(["gcc", "-shared", "-fPIC", "-o", library, directory / "evil.c"], check=True)
    environment = alice.environment(
        LD_PRELOAD=str(library), LD_LIBRARY_PATH=str(directory), LD_AUDIT="", LD_DEBUG="",
        GCONV_PATH=str(directory), LOCPATH=str(directory), NLSPATH=str(directory),
        MALLOC_PERTURB_="7", MALLOC_CHECK_="3", TMPDIR=str(directory), TZDIR=str(directory),
        GLIBC_TUNABLES="glibc.malloc.check=1", BASH_ENV="/nowhere", IFS="x", LD_BIND_NOW="1",
        PRIVEXEC="hostile", XDG_CONFIG_HOME=str(directory), XDG_RUNTIME_DIR=str(directory))
    done = alice.run([installed, "-q", "--net=none", "--", "env", "-0"], env=environment)
    assert done.returncode == 0, done.stderr
    given = dict(word.split("=", 1) for word in done.stdout.split("\0") if word)
    assert given == environment
    loaded = mark.read_text().split()
    # the control: it does load into the front. In the session it marks the session's own copy.
    assert loaded == ["privexec"]
    assert "privexec-keeper" not in loaded


# --- descriptors -------------------------------------------------------------------------------

@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (0, 1, 2)])
def test_closed_standard_streams_stay_closed_and_open_nothing_else(closed, bench, installed, alice):
    """Else what the keeper opens first would be the command's standard output."""
    names = " ".join(f"{number}{'<' if number == 0 else '>'}&-" for number in closed)
    look = f"{attacker.PYTHON} -I {bench.path}/open-streams.py {names}"
    (bench.path / "open-streams.py").write_text(OPEN_STREAMS)
    control = alice.run(["sh", "-c", look])
    done = alice.run(["sh", "-c", f"{installed} -q --net=none -- {look}"])
    assert control.returncode == done.returncode == 100 + sum(
        1 << number for number in range(3) if number not in closed)


def test_no_other_descriptor_goes_in(installed, alice, canaries):
    root_only = next(path for path in canaries if path.name == "root-only")
    resource.setrlimit(resource.RLIMIT_NOFILE,
                       (4096, max(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    inherited = [os.open(root_only, os.O_RDWR) for _ in range(1000)]
    inherited.append(os.open("/", os.O_RDONLY))
    listing = ["sh", "-c", "ls /proc/self/fd | wc -l"]
    try:
        control = alice.run(listing, pass_fds=inherited)
        done = alice.run([installed, "-q", "--net=none", "--", *listing], pass_fds=inherited)
    finally:
        for descriptor in inherited:
            os.close(descriptor)
    assert int(control.stdout) > 1000
    assert int(done.stdout) == 4, done.stderr  # three and ls's own


def test_descriptor_three_may_be_anything(installed, alice):
    for what in ("</", "</dev/zero", "<>/dev/ptmx", "</proc/self/mem"):
        done = alice.run(["sh", "-c", f"exec 3{what}; {installed} -q --net=none -- echo ran"])
        assert done.stdout == "ran\n", (what, done.stderr)


# --- signals and limits ------------------------------------------------------------------------

def test_blocked_and_ignored_signals_hinder_no_end(bench, installed, alice):
    def block_all():
        for number in range(1, 65):
            if number not in (9, 19, 32, 33):
                signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))

    look = ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]
    control = alice.run(look, preexec_fn=block_all)
    done, took = attacker.seconds(lambda: alice.run(
        [installed, "-q", "--net=none", "--", *look], preexec_fn=block_all))
    assert done.stdout == control.stdout and "SigBlk:\tfffffffe" in done.stdout
    assert took < 5 * machine.SLOWNESS
    process = alice.popen([installed, "-q", "--net=none", "--", "sleep", "1000"],
                          preexec_fn=block_all)
    assert machine.wait_until(lambda: len(machine.descendants(process.pid)) >= 4)
    process.kill()
    process.wait()


LIMITS = [("NOFILE", 3), ("NOFILE", 20), ("NOFILE", 70), ("FSIZE", 0), ("FSIZE", 100),
          ("AS", 1 << 20), ("AS", 80 << 20), ("DATA", 1 << 16), ("STACK", 1 << 16), ("CPU", 1),
          ("NPROC", 0), ("NPROC", 3), ("MEMLOCK", 0), ("CORE", resource.RLIM_INFINITY),
          ("SIGPENDING", 0), ("MSGQUEUE", 0), ("NICE", 0), ("RTPRIO", 0)]
NUMBERS = {"SIGPENDING": 11, "MSGQUEUE": 12, "NICE": 13, "RTPRIO": 14}


@pytest.mark.parametrize("name, value", LIMITS)
def test_a_limit_is_kept_or_refused_and_breaks_nothing(name, value, installed, alice):
    """Either the session starts with the limit as it was, or one line says why not."""
    number = NUMBERS.get(name) or getattr(resource, f"RLIMIT_{name}")
    look = ["python3", "-c", f"import resource; print(resource.getrlimit({number})[1])"]
    argv = [installed, "-q", "--net=none", "--", *look]
    if name in ("AS", "DATA", "STACK", "NOFILE", "NPROC"):
        argv = argv[:4] + ["true"]  # Python itself would not start
    done = alice.run(argv, preexec_fn=lambda: resource.setrlimit(number, (value, value)),
                     timeout=20)
    if done.returncode == 0 and name == "CORE":
        assert done.stdout == "1\n", "no core dump, whatever the caller's limit"
    elif done.returncode == 0 and argv[-1] != "true":
        assert done.stdout == f"{value}\n"
    else:
        assert done.returncode in (0, 125, 126, 127, 128 + signal.SIGKILL), done
        assert done.returncode == 0 or len(done.stderr.strip().split("\n")) == 1, done.stderr


# --- the keeper by hand ------------------------------------------------------------------------

def keeper_by_hand(alice, keeper, channel, **options):
    """Starts the keeper with @channel as descriptor 3 and returns its status."""
    def place():
        os.dup2(channel, 3)
    return alice.run([keeper], preexec_fn=place, pass_fds=[3], timeout=20, **options).returncode


@pytest.mark.parametrize("what", ["/dev/null", "/dev/zero", "/", "/etc/passwd", "/dev/ptmx"])
def test_the_keeper_takes_no_request_from(what, alice, installation):
    descriptor = os.open(what, os.O_RDONLY)
    try:
        assert keeper_by_hand(alice, installation.keeper, descriptor) == 125
    finally:
        os.close(descriptor)


def test_the_keeper_takes_no_request_without_a_descriptor(alice, installation):
    assert alice.run([installation.keeper], timeout=20).returncode == 125


def test_the_keeper_takes_no_request_of_a_process_that_is_gone(alice, installation):
    code = ("import fcntl, os, socket, time\n"
            "def gone():\n"
            "    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
            "    a, b = (fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (a, b))\n"
            "    if os.fork(): os._exit(0)\n"
            "    time.sleep(.2)\n"
            "    os.dup2(b, 3)\n"
            f"    s = os.spawnv(os.P_WAIT, '{installation.keeper}', ['privexec-keeper'])\n"
            "    print(s, os.read(a, 500)[:1].decode(), flush=True)\n"
            "    os._exit(0)\n"
            "child = os.fork()\n"
            "if child == 0: gone()\n"
            "os.waitpid(child, 0)\n"
            "time.sleep(.6)\n")
    done = alice.run([attacker.PYTHON, "-c", code])
    assert done.stdout == "125 E\n", (done.stdout, done.stderr)


@pytest.mark.parametrize("request_text, arguments, answer", [
    (REQUEST, [], "keeper: S"),
    ("garbage", [], "keeper: E"),
    ("v=1", [], "keeper: E"),
    (REQUEST + "v=1|", [], "keeper: E"),
    (REQUEST, ["large=70000"], "keeper: E"),
    (REQUEST, ["fds=0"], "keeper: E"),
    (REQUEST, ["fds=3"], "keeper: E"),
    (REQUEST, ["fds=16"], "keeper: E"),
    ("v=1|streams=ppp|umask=022|", ["fds=4"], "keeper: E"),
    ("v=1|streams=ccc|umask=022|name=../../etc|", [], "keeper: E"),
    ("v=1|streams=ccc|umask=022|size=0|", [], "keeper: E"),
    ("v=1|streams=ccc|umask=7777777|", [], "keeper: E"),
])
def test_a_malformed_request_is_refused_in_a_line(request_text, arguments, answer, alice,
                                                  front_of_mine, installation):
    said = hostile(alice, front_of_mine, installation, *arguments, request=request_text)
    assert answer in said
    # the front is gone, which ends the session it may have begun


def test_an_enormous_request_is_not_waited_for(alice, front_of_mine, installation):
    said, took = attacker.seconds(lambda: hostile(
        alice, front_of_mine, installation, "large=150000"))
    assert "keeper: E" in said and took < 5 * machine.SLOWNESS


def test_the_keeper_needs_a_proc(room, privexec):
    done = room.run(["unshare", "-m", "sh", "-c",
                     f"umount -l /proc; exec {privexec} -q --net=none -- true"])
    assert done.returncode == 125 and len(done.stderr.strip().split("\n")) == 1, done.stderr


# --- what a front may have init do -------------------------------------------------------------

def test_a_front_writes_no_file_of_the_host_through_init(room, bench, alice, front_of_mine,
                                                         installation):
    """init keeps /etc/resolv.conf open for writing: it must be the session's, also where the mount
    it lies on is one that sys_mounts.conf passes through."""
    copy = bench.path / "etc-copy"
    copy.mkdir()
    room.sh(f"mount -t tmpfs -o mode=755 etc {copy} && cp -a /etc/. {copy} && "
            f"echo nameserver 192.0.2.1 > {copy}/resolv.conf && mount --bind {copy} /etc")
    passed = installation.configuration / "sys_mounts.conf"
    before = passed.read_text()
    argv = [*front_of_mine, installation.keeper, REQUEST, "resolver=attacked", "wait=0.3"]
    try:
        private = room.run(argv, alice)
        assert "init: r" in private.stdout, private.stdout + private.stderr
        assert room.sh("cat /etc/resolv.conf") == "nameserver 192.0.2.1\n"
        passed.write_text("/proc\n/sys\n/dev\n/dev/pts\n/dev/shm\n/dev/mqueue\n/etc\n")
        through = room.run(argv, alice)
        assert "init: r" in through.stdout, through.stdout + through.stderr
        assert room.sh("cat /etc/resolv.conf") == "nameserver 192.0.2.1\n"
    finally:
        passed.write_text(before)
        room.sh(f"umount -l /etc; umount -l {copy}")


# --- killing, stopping, tracing ----------------------------------------------------------------

@pytest.mark.parametrize("victims", [("front",), ("init",), ("command",), ("keeper",), ("sweeper",),
                                     ("keeper", "sweeper"),
                                     ("front", "keeper", "sweeper", "init", "command")])
def test_whoever_is_killed_the_session_ends_and_leaves_nothing(victims, installed, alice):
    """Front, init and command by their user; keeper and sweeper by root, who alone can."""
    session = attacker.Session(installed, alice)
    try:
        for victim in victims:
            try:
                os.kill(session.pids[victim], signal.SIGKILL)
            except ProcessLookupError:
                assert victim != victims[0]
        assert machine.wait_until(lambda: not session.alive() - {"front"}, 12)
    finally:
        session.close()


@pytest.mark.parametrize("victim", ["front", "init", "command"])
def test_whoever_is_stopped_the_front_s_end_ends_the_session(victim, bench, installed, alice):
    session = attacker.Session(installed, alice)
    try:
        stop = f"kill:{session.pids[victim]},{int(signal.SIGSTOP)}"
        assert attacker.outcome(alice.run(bench.attack(stop))) == {stop: "done"}
        os.kill(session.front, signal.SIGKILL)
        assert machine.wait_until(lambda: not session.alive(), 12)
    finally:
        session.close()


def test_killed_at_any_moment_of_its_making_a_session_leaves_nothing(installed, alice):
    """The machine is compared after the test, as after every one."""
    for step in range(24):
        process = alice.popen([installed, "-q", "--net=none", "--", "sleep", "1000"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.0015 * step)
        process.kill()
        process.wait()
    assert machine.wait_until(lambda: not list((machine.STATE / str(alice.uid)).glob("*")), 10)


def test_a_traced_front_gets_a_keeper_without_privilege(installed, alice):
    """Who traces a program while it executes another one has it executed without privilege."""
    code = ("import ctypes, os, signal, sys\n"
            "libc = ctypes.CDLL(None)\n"
            "child = os.fork()\n"
            "if child == 0:\n"
            "    libc.ptrace(0, 0, 0, 0)\n"
            "    os.execv(sys.argv[1], sys.argv[1:])\n"
            "os.waitpid(child, 0)\n"
            "libc.ptrace(0x4200, child, 0, 0x02 | 0x04 | 0x08)\n"  # follow forks too
            "libc.ptrace(7, child, 0, 0)\n"
            "while True:\n"
            "    try: pid, status = os.waitpid(-1, 0x40000000)\n"
            "    except ChildProcessError: break\n"
            "    if os.WIFEXITED(status) and pid == child: print(os.WEXITSTATUS(status))\n"
            "    if os.WIFSTOPPED(status):\n"
            "        number = os.WSTOPSIG(status)\n"
            "        libc.ptrace(7, pid, 0, 0 if number in (5, 19) else number)\n")
    done = alice.run([attacker.PYTHON, "-c", code, installed, "-q", "--", "true"], timeout=20)
    assert done.stdout.strip() == "125" and "privilege" in done.stderr, (done.stdout, done.stderr)


def remove(group):
    def gone():
        try:
            group.rmdir()
        except OSError:
            return False
        return True
    assert machine.wait_until(gone)


def cgroup2():
    mounts = [line.split()[1] for line in machine.run(["cat", "/proc/mounts"]).stdout.split("\n")
              if " cgroup2 " in line]
    if not mounts:
        pytest.skip("no cgroup2 is mounted here")
    return Path(mounts[0])


@pytest.fixture
def delegated(alice):
    """A control group that was given to alice, as systemd gives each user one."""
    group = cgroup2() / "attack-delegated"
    group.mkdir()
    for name in ("", "cgroup.procs", "cgroup.freeze", "cgroup.kill"):
        os.chown(group / name, alice.uid, alice.gid)
    yield group
    remove(group)


def test_a_delegated_control_group_stops_neither_keeper_nor_sweeper(delegated, installed, alice):
    """Freezing asks for no right over the frozen. A keeper that is frozen may hold the lock that all
    users' starts need."""
    process = subprocess.Popen(
        ["sh", "-c", f"echo $$ > {delegated}/cgroup.procs && exec \"$@\"", "sh",
         *alice.command([installed, "-q", "--net=none", "--", "sleep", "1000"])], cwd="/")
    try:
        assert machine.wait_until(lambda: list((machine.STATE / str(alice.uid)).glob("*/keeper")))
        names = {}
        machine.wait_until(lambda: names.update(
            {entry[2]: pid for pid, entry in machine.process_table().items()
             if pid in machine.descendants(process.pid) | {process.pid}}) or len(names) >= 4)
        members = {int(pid) for pid in (delegated / "cgroup.procs").read_text().split()}
        assert names["privexec"] in members, "the control: what is alice's can be frozen"
        assert not {names["privexec-keeper"], names["privexec-sweep"]} & members
    finally:
        process.kill()
        process.wait()


def test_what_a_control_group_keeps_does_not_rest_on_one_of_the_user_s(delegated, installed, alice):
    """Whoever owns a control group moves processes about in it: a session there would be without the
    guard of the machine's network, which is its group's, at the word of any other program of the user."""
    begin = ["sh", "-c", f"echo $$ > {delegated}/cgroup.procs && exec \"$@\"", "sh"]
    done = machine.run([*begin, *alice.command([installed, "-q", "--net=host", "true"])], cwd="/")
    assert done.returncode == 125 and "is not root's" in done.stderr
    session = alice.command([installed, "-q", "--net=none", "--", "sleep", "1000"])
    process = subprocess.Popen([*begin, *session], cwd="/")
    try:
        below = machine.wait_until(lambda: [
            directory for directory in delegated.glob("privexec-*")
            if len((directory / "cgroup.procs").read_text().split()) >= 2])
        pid = (below[0] / "cgroup.procs").read_text().split()[-1]
        moved = machine.run([*begin, *alice.command([
            "sh", "-c", f"mkdir {delegated}/other && echo {pid} >{delegated}/other/cgroup.procs"])], cwd="/")
        assert moved.returncode == 0, "the control: it can be moved"
    finally:
        process.kill()
        process.wait()
        assert machine.wait_until(lambda: not (delegated / "other/cgroup.procs").read_text())
        (delegated / "other").rmdir()


def test_a_session_stays_under_the_limits_of_who_starts_it(installed, alice):
    """A service's or a batch job's control group holds for what it starts."""
    group = cgroup2() / "attack-limited"
    group.mkdir()
    try:
        done = subprocess.Popen(
            ["sh", "-c", f"echo $$ > {group}/cgroup.procs && exec \"$@\"", "sh",
             *alice.command([installed, "-q", "--net=none", "--", "sleep", "2"])], cwd="/")
        below = machine.wait_until(lambda: [
            directory for directory in group.iterdir()
            if directory.is_dir() and len((directory / "cgroup.procs").read_text().split()) >= 2])
        assert below and below[0].name.startswith("privexec-")
        assert done.wait(20) == 0
    finally:
        remove(group)


# A front that lets the keeper's messages pile up: it fills the keeper's way out, and never reads.
DEAF = """
import os, socket, sys, time
ours, keepers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
kept = os.dup(keepers.fileno())
if os.fork() == 0:
    os.dup2(keepers.fileno(), 3)
    os.execve(sys.argv[1], ["privexec-keeper"], {})
socket.socket(fileno=os.dup(kept)).setblocking(False)
other = socket.socket(fileno=kept)
try:
    while True: other.send(b"x" * 1000)
except BlockingIOError: pass
other.setblocking(True)
ours.send(b"nonsense")
print("sent", flush=True)
time.sleep(30)
"""


def test_a_front_that_does_not_read_holds_nobody_up_for_long(installation, alice):
    """The keeper tells it why it is refused, for five seconds at most."""
    front = alice.popen([attacker.PYTHON, "-c", DEAF, installation.keeper], stdout=subprocess.PIPE)
    try:
        assert front.stdout.readline() == b"sent\n"
        keeper = machine.wait_until(lambda: [pid for pid in machine.descendants(front.pid)])
        assert keeper
        assert machine.wait_until(
            lambda: all(machine.process_table().get(pid, (0, "Z"))[1] == "Z" for pid in keeper), 9)
    finally:
        front.kill()
        front.wait()


# The keeper's words go out as root's: to a datagram socket they could be sent anywhere.
DATAGRAMS = """
import os, socket, sys
ours, keepers = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
if (child := os.fork()) == 0:
    os.dup2(keepers.fileno(), 3)
    os.execve(sys.argv[1], ["privexec-keeper"], {})
ours.send(b"nonsense")
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
ours.settimeout(0.2)
try: print("heard", ours.recv(100))
except TimeoutError: print("heard nothing")
"""


def test_the_keeper_speaks_to_nothing_that_could_be_pointed_elsewhere(installation, alice):
    done = alice.run([attacker.PYTHON, "-c", DATAGRAMS, installation.keeper])
    assert done.stdout.split("\n")[:2] == ["125", "heard nothing"], done.stdout
