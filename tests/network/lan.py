# SPDX-License-Identifier: GPL-2.0-or-later
"""A host with one network interface, and another machine at the other end: two network namespaces
and a cable (veth). The host has a mount namespace too, with a resolv.conf of its own, and a
/dev/net/tun that users may open, as where udev runs. All of it goes with its processes."""

import contextlib
import json
import os
import select
import subprocess
import tempfile
import time
from pathlib import Path

import machine

HERE = Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"
SOURCES = {name: (HERE / f"{name}.py").read_text(encoding="utf-8") for name in ("peer", "client", "ways")}

HOST, OUTSIDE = "10.77.0.2", "10.77.0.1"
HOST6, OUTSIDE6 = "fd77::2", "fd77::1"
# what the host has besides, in some tests, and what it gets later
SECOND, SECOND6 = "10.78.0.5", "fd78::5"
LATER, LATER6 = "10.79.0.5", "fd79::5"

# what the answers of the name servers tell: who answered
LAN_ANSWER, LOCAL_ANSWER = "198.51.100.1", "198.51.100.2"

ARRANGE = """
mount --bind "$1" /mnt
mknod -m 666 /mnt/tun c 10 200
[ -e /dev/net/tun ] || { mkdir -p /dev/net && mknod -m 600 /dev/net/tun c 10 200; }
mount --bind /mnt/tun /dev/net/tun
cp -a /etc /mnt/etc && mount --bind /mnt/etc /etc
rm -f /etc/resolv.conf && echo nameserver 10.77.0.1 >/etc/resolv.conf
ip link set lo up
# as systemd sets it
echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range
echo ready
exec sleep infinity
"""


class Process:
    """One that lives for a while, prints lines, and is waited for by what it says."""

    def __init__(self, argv, **options):
        self.process = subprocess.Popen([str(word) for word in argv], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
        self.output, self.taken = b"", 0

    def expect(self, text, seconds=15):
        """Waits until @text is printed after what was expected last; returns what came before it."""
        deadline = time.monotonic() + seconds * machine.SLOWNESS
        while self.output.find(text.encode(), self.taken) < 0:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise AssertionError(f"not within {seconds} s: {text!r}: {self.output!r}")
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                raise AssertionError(f"ended without {text!r}: {self.output!r}")
            self.output += piece
        found = self.output.find(text.encode(), self.taken)
        before = self.output[self.taken:found].decode(errors="replace")
        self.taken = found + len(text.encode())
        return before

    def drain(self, seconds=0.3):
        """Everything that is printed until nothing more comes for @seconds."""
        while select.select([self.process.stdout], [], [], seconds)[0]:
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                break
            self.output += piece
        return self.output.decode(errors="replace")

    def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Lan:
    def __init__(self, connected=True):
        self._stack = contextlib.ExitStack()
        # no tmpfs: before Linux 6.3 its ids cannot be mapped, and root's sessions see nothing of it
        place = self._stack.enter_context(
            tempfile.TemporaryDirectory(prefix="privexec-tests-lan-", dir="/var/tmp"))
        os.chmod(place, 0o755)
        self.host = self._space(["--mount", "--propagation", "private"], ARRANGE, place)
        self.outside = self._space([], "ip link set lo up; echo ready; exec sleep infinity")
        if connected:
            self.plug()
            self.address(f"{HOST}/24", f"{HOST6}/64")
            self.route()
            self._stack.enter_context(self.peer("outside", "lan"))

    def _space(self, options, script, *words):
        process = self._stack.enter_context(Process(
            ["unshare", "--net", *options, "bash", "-euc", script, "-", *words]))
        process.expect("ready")
        return process.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    # --- the cable

    def plug(self):
        """A cable between the two, with the outside's addresses at its end."""
        self.at("host", f"""ip link add eth0 type veth peer name eth0 netns {self.outside}
            echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad""")
        self.at("outside", f"""echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad
            ip addr add {OUTSIDE}/24 dev eth0; ip addr add {OUTSIDE6}/64 dev eth0
            ip link set eth0 up""")
        self.at("host", "ip link set eth0 up")

    def address(self, *addresses, device="eth0", verb="add"):
        for address in addresses:
            more = "nodad" if ":" in address and verb == "add" else ""
            self.at("host", f"ip addr {verb} {address} dev {device} {more}")

    def route(self, verb="add"):
        self.at("host", f"ip route {verb} default via {OUTSIDE}; "
                        f"ip -6 route {verb} default via {OUTSIDE6}")

    @contextlib.contextmanager
    def more_addresses(self, name, *addresses):
        """The host has @addresses too, on an interface of their own."""
        self.at("host", f"ip link add {name}0 type veth peer name {name}1; ip link set {name}0 up; "
                        f"ip link set {name}1 up")
        try:
            self.address(*addresses, device=f"{name}0")
            yield
        finally:
            self.at("host", f"ip link del {name}0")

    def link_local(self):
        """The host's own link-local address."""
        text = self.at("host", "ip -6 -o addr show dev eth0 scope link").stdout
        return text.split()[3].split("/")[0]

    # --- running things

    def enter(self, where):
        """The argument list by which root runs something there."""
        pid = self.host if where == "host" else self.outside
        return ["nsenter", "--target", str(pid), "--net", "--mount", "--wd=/", "--"]

    def at(self, where, script, **options):
        done = machine.run([*self.enter(where), "bash", "-euc", script], **options)
        assert done.returncode == 0, f"{script}: {done.stderr}"
        return done

    def run(self, worker, argv, **options):
        """Runs @argv as @worker on the host."""
        return machine.run([*self.enter("host"), *worker.command(argv)], **options)

    def session(self, worker, argv, *options, network="private", **more):
        """Runs @argv in a session of @worker's, on the host."""
        return self.run(worker, [worker.front, "-q", "--store=memory", f"--net={network}", *options,
                                 "--", *argv], **more)

    def start(self, worker, argv, *options, network="private"):
        """A session that goes on: a Process."""
        return Process([*self.enter("host"), *worker.command(
            [worker.front, "--store=memory", f"--net={network}", *options, "--", *argv])])

    def peer(self, where, *words):
        """A server there (see peer.py), once it listens."""
        process = Process([*self.enter(where), PYTHON, "-c", SOURCES["peer"], *words])
        process.expect("ready")
        return process

    @contextlib.contextmanager
    def resolver(self, text):
        """The host's resolv.conf is @text."""
        self.at("host", 'printf %s "$TEXT" >/etc/resolv.conf', env={**os.environ, "TEXT": text})
        try:
            yield
        finally:
            self.at("host", f"echo nameserver {OUTSIDE} >/etc/resolv.conf")


def client(*words):
    """The argument list of client.py."""
    return [PYTHON, "-c", SOURCES["client"], *[str(word) for word in words]]


def said(done):
    """What client.py found out."""
    assert done.returncode == 0, f"the client failed: {done.stdout!r} {done.stderr!r}"
    return json.loads(done.stdout.splitlines()[-1])
