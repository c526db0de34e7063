# SPDX-License-Identifier: GPL-2.0-or-later
"""The helpers of a private network: nobody looks into them, they end with the session, and without
them the session goes on."""

import contextlib
import os
import signal
from pathlib import Path

import pytest

import attacker
import machine
from lan import HOST, OUTSIDE, SECOND, client, said

NAMES = {"privexec-net": "holder", "pasta": "pasta", "passt.avx2": "pasta", "pasta.avx2": "pasta",
         "privexec-names": "relay", "privexec-init": "init", "privexec-keeper": "keeper",
         "privexec-sweep": "sweeper", "privexec": "front"}
HELPERS = ("holder", "pasta", "relay")


class Live:
    """A session that lives, with the pids of its processes by what they are."""

    def __init__(self, net, worker, verb=("hold", "tcp", OUTSIDE, 7001, "hello")):
        self.session = net.start(worker, client(*verb))
        self.session.expect("network private")
        self.session.expect("\n")
        # the relay begins when it is first asked; nothing listens there
        machine.wait_until(self._ask_the_relay, 10, 0.1)
        self.pids = machine.wait_until(self._find, 10)
        assert self.pids, "not all of its processes were found"

    def _ask_the_relay(self):
        init = [pid for pid in machine.descendants(self.session.process.pid)
                if machine.process_table().get(pid, ("", "", ""))[2] == "privexec-init"]
        return init and machine.run(
            ["nsenter", "--target", str(init[0]), "--net", "/usr/bin/python3", "-c",
             "import socket; socket.socket(2, 2).sendto(b'?' * 20, ('127.0.0.1', 53))"]
        ).returncode == 0

    def _find(self):
        table = machine.process_table()
        below = machine.descendants(self.session.process.pid, table) | {self.session.process.pid}
        found = {NAMES[table[pid][2]]: pid for pid in below if table[pid][2] in NAMES}
        return found if set(found) >= {*HELPERS, "front", "keeper", "sweeper", "init"} else None

    def asks(self):
        self.session.say("")
        self.session.expect('"hello"')

    def gone(self):
        return machine.wait_until(lambda: not set(self.pids.values()) & {
            pid for pid, entry in machine.process_table().items() if entry[1] != "Z"}, 10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.session.close()


def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


LOOKS = ("environ", "maps", "mem", "auxv", "root", "cwd", "exe", "map_files", "seize", "vm_readv",
         "getfd")
ENTRIES = ("user", "mnt", "net", "pid", "user+mnt", "user+net")


def looks_at(pid):
    return ([f"{look}:{pid}" for look in LOOKS]
            + [f"ns:{pid},{name}" for name in ("user", "mnt", "net", "pid")]
            + [f"setns:{pid},{names}" for names in ENTRIES])


@pytest.fixture(name="bench", scope="module")
def _bench(tmp_path_factory):
    directory = tmp_path_factory.mktemp("bench")
    for parent in (directory.parent, directory.parent.parent):
        parent.chmod(0o755)
    return attacker.Bench(directory)


def test_the_same_user_looks_into_none_of_them(net, user, alice, bench):
    with Live(net, user) as live:
        live.asks()
        for helper in HELPERS:
            status = Path(f"/proc/{live.pids[helper]}/status").read_text()
            uids = status.split("Uid:")[1].split()[:4]
            assert set(uids) == {str(alice.uid)}, "a control: they are the same user's"
            results = attacker.outcome(alice.run(bench.attack(*looks_at(live.pids[helper]))))
            assert attacker.succeeded(results) == set(), helper


def test_a_network_that_a_user_makes_himself_can_be_looked_into(alice, bench):
    """The control: the same by hand, in a namespace that is the user's own."""
    with alice.popen(["unshare", "--user", "--map-root-user", "--net", "sleep", "100"]) as process:
        assert machine.wait_until(lambda: Path(f"/proc/{process.pid}/comm").read_text() == "sleep\n")
        results = attacker.outcome(alice.run(bench.attack(
            f"environ:{process.pid}", f"mem:{process.pid}", f"root:{process.pid}",
            f"ns:{process.pid},net", f"setns:{process.pid},user+net")))
        process.kill()
    assert attacker.stopped(results) == set()


def test_in_root_s_sessions_they_are_nobody_s(net, root):
    with Live(net, root) as live:
        live.asks()
        for helper in HELPERS:
            status = Path(f"/proc/{live.pids[helper]}/status").read_text()
            assert set(status.split("Uid:")[1].split()[:4]) == {"4294901760"}
            assert set(status.split("Gid:")[1].split()[:4]) == {"2147418112"}


def test_pasta_has_an_empty_environment_and_the_descriptors_it_needs(net, root):
    with Live(net, root) as live:
        live.asks()
        process = Path(f"/proc/{live.pids['pasta']}")
        assert (process / "environ").read_bytes() == b""
        opened = set()
        for entry in (process / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile, as connections are
                opened.add(os.readlink(entry))
        # its own sockets, timers and pipes besides the namespace, /dev/null and the tun device
        strange = {target for target in opened if not target.startswith(
            ("socket:", "pipe:", "anon_inode:", "net:", "/dev/null", "/dev/net/tun", "/mnt/tun",
             "/tun"))}
        assert opened and strange == set()
        assert (process / "cmdline").read_bytes().split(b"\0")[0] == b"pasta"


def test_they_are_in_the_control_group_of_the_session(net, root):
    with Live(net, root) as live:
        groups = {Path(f"/proc/{live.pids[name]}/cgroup").read_text()
                  for name in (*HELPERS, "init")}
        assert len(groups) == 1 and "privexec-" in groups.pop()


def test_they_end_with_the_session(net, worker):
    with Live(net, worker) as live:
        live.asks()
        live.session.process.stdin.close()
        assert live.session.process.wait(20) == 0
        assert live.gone()


@pytest.mark.parametrize("victims", [["front"], ["keeper"], ["sweeper"], ["init"],
                                     ["front", "keeper", "sweeper"]], ids="-".join)
def test_they_end_when_others_are_killed(net, worker, victims):
    with Live(net, worker) as live:
        live.asks()
        for victim in victims:
            kill(live.pids[victim])
        assert live.gone(), victims


@pytest.mark.parametrize("moment", [0, 2, 4, 6, 8, 10, 14, 20])
def test_nothing_is_left_of_a_session_that_is_killed_while_its_network_is_made(net, user, moment):
    session = net.start(user, ["sleep", "100"])
    machine.wait_until(lambda: False, moment / 1000 / machine.SLOWNESS)
    session.close()  # the fixtures look at the machine


@pytest.mark.parametrize("victim, words", [
    ("pasta", "privexec: the private network has no way out any more: pasta ended"),
    ("holder", "privexec: the private network has no way out any more: its first process"),
    ("relay", "privexec: the relay of the name service ended")])
def test_one_that_dies_is_announced_once_and_the_session_goes_on(net, user, victim, words):
    with Live(net, user, ("hold", "itself", "127.0.0.1")) as live:
        live.asks()
        kill(live.pids[victim])
        live.session.expect(words)
        live.asks()
        live.session.process.stdin.close()
        assert live.session.process.wait(20) == 0
        assert live.session.drain().count("privexec: the ") == 1


def test_without_the_holder_there_is_no_way_to_the_host_either(net, user):
    attempts = [f"plain=tcp:{HOST}:8002", f"plain=tcp:{SECOND}:8002"]
    with net.more_addresses("more", f"{SECOND}/24"), net.peer(
            "host", "listen", "tcp:0.0.0.0:8002") as server:
        with Live(net, user, ("hold", "reach", *attempts)) as live:
            kill(live.pids["holder"])
            live.session.expect("no way out any more")
            live.session.say("")
            assert "yes" not in live.session.expect("}", 30)
            live.session.process.stdin.close()
            live.session.process.wait(20)
        assert "heard" not in server.drain()
        said(net.run(user, client("reach", *attempts)))
        assert server.drain().count("heard") == 2, "a control"
