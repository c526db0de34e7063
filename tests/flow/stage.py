# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the search for flows (flow.c and its parts) on a machine of its own: processes, mounts, IPC,
host name and network are not the real machine's, so that nothing of it is reached even where a
protection is missing. What is found is in a Found."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import namedtuple
from pathlib import Path

sys.path[1:1] = [str(Path(__file__).resolve().parent.parent / name) for name in ("", "session")]

# pylint: disable=wrong-import-position
import machine

# The addresses are in sockets.c too. Users may open /dev/net/tun, as where udev runs.
ARRANGE = """
exec 3>&-
mount -t tmpfs -o mode=755 run /run
mkdir -m 755 /run/lock /run/user
mkdir -m 700 "/run/user/$FLOW_UID"; chown "$FLOW_UID" "/run/user/$FLOW_UID"
mount -t tmpfs -o mode=1777,size=16m shm /dev/shm
mkdir -p /dev/mqueue; mount -t mqueue mqueue /dev/mqueue; chmod 1777 /dev/mqueue
mknod -m 666 /run/tun c 10 200
[ -e /dev/net/tun ] || { mkdir -p /dev/net && mknod -m 600 /dev/net/tun c 10 200; }
mount --bind /run/tun /dev/net/tun
ip link set lo up
ip link add eth0 type veth peer name eth1
for interface in eth0 eth1; do
    echo 0 >/proc/sys/net/ipv6/conf/$interface/accept_dad
    ip link set $interface up
done
for address in 10.77.0.2/24 10.78.0.5/24 fd77::2/64 fd78::5/64; do
    case $address in *:*) ip addr add $address dev eth0 nodad;; *) ip addr add $address dev eth0;; esac
done
ip route add default via 10.77.0.1; ip -6 route add default via fd77::1
echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range
exec "$@"
"""
ENTER = ["unshare", "--mount", "--net", "--ipc", "--uts", "--pid", "--fork", "--kill-child",
         "--mount-proc", "--propagation", "private", "--", "bash", "-euc", ARRANGE, "flow"]
SESSION = ["-q", "--store=memory", "--size=64M"]

# What a kind of arrival is when `--dry-run` names an exit so.
EXITS = {
    "/proc/PID/net": {"bound-name"},
    "/proc/PID": {"process-name"},
}
LOOPBACK = {"tcp", "udp", "group"}

Arrival = namedtuple("Arrival", "kind source where seed step call object")
# seconds: until the first arrival, or all of it; calls: {role: {name: (made, succeeded)}}
Found = namedtuple("Found", "arrivals failures steps calls output")
ARRIVAL = re.compile(r"arrival (\S+) from (.) at (\S+) seed (\d+) step (\d+) depth \d+ call (.*) "
                     r"object (.*)")


def program(privexec):
    """The search itself, as it was built beside @privexec."""
    path = Path(os.environ.get("PRIVEXEC_FLOW", Path(privexec).parent / "tests/flow/flow"))
    if not os.access(path, os.X_OK):
        raise FileNotFoundError(f"{path} is not there: run `make` first")
    return path


def kinds(flow):
    return machine.run([flow, "kinds"], check=True).stdout.split()


def named_exits(worker, options):
    """The kinds of arrivals that a session's `--dry-run` names as exits."""
    argv = [*ENTER, *worker.command([worker.front, *options, "--dry-run", "--json", "--", "true"])]
    done = machine.run(argv, env={**os.environ, "FLOW_UID": str(worker.uid)})
    assert done.returncode == 0, done.stderr
    found = set()
    for way in json.loads(done.stdout)["exits"]:
        found |= EXITS.get(way["name"], set())
        if way["name"] == "network" and "unguarded" in way["reason"]:
            found |= LOOPBACK
        if way["name"] in ("network", "abstract sockets"):
            if "whoever connects to" in way["reason"]:
                found |= {"abstract-inward"}
            elif "abstract sockets of this one" in way["reason"] or "not part it" in way["reason"]:
                found |= {"abstract", "abstract-inward"}
    return found


class Player:
    """Who plays all roles: an ordinary user (machine.User) with an installed front, or root."""

    def __init__(self, front, user=None):
        self.front, self.user = str(front), user
        self.uid = user.uid if user else 0

    def command(self, argv):
        return self.user.command(argv) if self.user else [str(word) for word in argv]


def parse(text):
    arrivals, failures, steps, calls = [], [], {}, {}
    for line in text.splitlines():
        match = ARRIVAL.fullmatch(line)
        if match:
            arrivals.append(Arrival(*match.groups()))
        elif line.startswith("did "):
            _, role, _, count = line.split()
            steps[role] = int(count)
        elif line.startswith("call "):
            _, role, made, succeeded, name = line.split(" ", 4)
            calls.setdefault(role, {})[name] = (int(made), int(succeeded))
        elif not line.startswith("privexec: ended "):  # what is said of sessions that are stopped early
            failures.append(line)
    return Found(arrivals, failures, steps, calls, text)


def remove_names(player, seed):
    """What a stage leaves that is killed before it could remove its names itself (scene.c)."""
    home = player.user.home if player.user else Path("/root")
    for place in (home, Path("/tmp"), Path("/var/tmp")):
        for path in place.glob(f"flow-{seed & 0xffffffff:08x}*"):
            try:
                if path.is_dir() and not path.is_symlink():
                    path.rmdir()
                else:
                    path.unlink()
            except OSError:
                pass


def _empty_groups(before):
    found = set()
    for group in machine.session_groups() - before:
        try:
            if (group / "cgroup.procs").read_text(encoding="ascii") == "":
                found.add(group)
        except OSError:
            pass
    return found


def remove_groups(before):
    """Those of the stage's sessions, if its end overtook theirs: it takes their sweepers with it. One that
    is empty for longer is nobody's, who could be making a session elsewhere."""
    left = _empty_groups(before)
    if left:
        time.sleep(machine.SLOWNESS)
    for group in left & _empty_groups(before):
        try:
            group.rmdir()
        except OSError:
            pass


def play(flow, player, seed, seconds, *, options=None, without=(), until_arrival=False, workers=2):
    """One search: in sessions made with @options, or without privexec when there are none."""
    directory = Path(tempfile.mkdtemp(prefix="privexec-tests-flow-", dir="/var/tmp"))
    public, groups = directory / "public", machine.session_groups()
    try:
        directory.chmod(0o755)
        public.mkdir()
        shutil.copy(flow, directory / "flow")
        if player.user:
            os.chown(public, player.user.uid, player.user.gid)
        words = [directory / "flow", "stage", "--seed", seed, "--seconds", seconds, "--workers",
                 workers, "--directory", public, "--without", ",".join(sorted(without)),
                 *(["--until-arrival"] if until_arrival else []), "--"]
        if options is not None:
            words += [player.front, *SESSION, *options, "--"]
        with subprocess.Popen([*ENTER, *player.command(words)], cwd="/", stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={**os.environ, "FLOW_UID": str(player.uid)},
                              start_new_session=True) as process:
            try:
                output, _ = process.communicate(timeout=(seconds + 90) * machine.SLOWNESS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                output, _ = process.communicate()
                output += b"failed: it did not end\n"
        text = output.decode(errors="replace")
        if process.returncode != 0 and "failed:" not in text:
            text += f"failed: status {process.returncode}\n"
        return parse(text)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        remove_names(player, seed)
        remove_groups(groups)
