# SPDX-License-Identifier: GPL-2.0-or-later
"""What is not reached from a private network, nor from outside into it, nor from the host's own network
where that is guarded (test_guard.py goes on): anything of the host's. Outside of a session the same
attempts do reach."""

import contextlib
import os

import pytest

import machine
from lan import HOST, HOST6, LATER, LATER6, SECOND, SECOND6, Process, client, said

GROUP, GROUP6, ALL6 = "239.255.77.1", "ff05::77:1", "ff02::1"
NAME = f"privexec-tests-reach-{os.getpid()}"

LISTENERS = ["tcp:127.0.0.1:8001", "tcp:::1:8001", "tcp:0.0.0.0:8002", "tcp::::8002",
             "udp:127.0.0.1:8003", "udp:::1:8003", "udp:0.0.0.0:8004", "udp::::8004",
             f"group:{GROUP}:eth0:8005", f"group:{GROUP6}:eth0:8006", f"unix:{NAME}"]

SCOPES = 6  # the version of Landlock that keeps abstract sockets of others out of reach

WAYS = ("plain", "device", "source", "index")


def attempts_at(link_local):
    """Everything that the host can be called, by every way to send."""
    hosts = ["127.0.0.1", "::1", "127.0.0.53"]
    own = [HOST, HOST6, SECOND, SECOND6]
    scoped = f"{link_local}%eth0"
    return [f"unix:{NAME}", *[f"plain={address}" for address in (
        *[f"tcp:{host}:8001" for host in hosts[:2]], *[f"udp:{host}:8003" for host in hosts[:2]],
        "tcp:0.0.0.0:8002", "tcp::::8002", "udp:0.0.0.0:8004", "tcp:127.0.0.53:8002",
        f"tcp:::ffff:{SECOND}:8002")],
        *[f"{how}={kind}:{host}:{port}" for how in WAYS for host in (*own, scoped)
          for kind, port in (("tcp", 8002), ("udp", 8004))],
        *[f"{how}=udp:{group}:8005" for how in WAYS for group in (GROUP,)],
        *[f"{how}=udp:{group}:{port}" for how in WAYS
          for group, port in ((GROUP6, 8006), (f"{GROUP6}%eth0", 8006), (f"{ALL6}%eth0", 8004))],
        *[f"{how}=udp:{everybody}:8004" for how in WAYS
          for everybody in ("255.255.255.255", "10.77.0.255")]]


def tries(attempts):
    return [attempt if "=" in attempt else f"plain={attempt}" for attempt in attempts]


def said_to(server):
    """What the listeners were told. A connection that pasta began when its address was nobody's may
    still be made when the host gets that address, as the kernel tries again; it carries nothing."""
    lines = [line.split(" ", 2) for line in server.drain().replace("\r", "").split("\n")]
    return {words[2] for words in lines if words[0] == "heard" and words[2:] and words[2]}


@pytest.fixture(name="crowded", scope="module")
def _crowded(net):
    """The host with two more addresses, and listeners on everything."""
    with net.more_addresses("more", f"{SECOND}/24", f"{SECOND6}/64"), net.peer(
            "host", "listen", *LISTENERS) as server:
        yield net, server


def heard(server, attempts):
    """Which of @attempts, each of which sends its own name, were heard on the host."""
    text = server.drain()
    return {attempt for attempt in attempts if f" {attempt}\n" in text.replace("\r", "")}


@pytest.mark.parametrize("network", ["private", "host"])
def test_nothing_of_the_host_is_reached(crowded, worker, network):
    net, server = crowded
    attempts = tries(attempts_at(net.link_local()))
    if network == "host":  # abstract sockets are not the guard's: test_guard.py
        attempts.remove(f"plain=unix:{NAME}")
    results = said(net.session(worker, client("reach", *attempts), network=network, timeout=120))
    assert heard(server, attempts) == set()
    assert set(results.values()) & {"yes"} == set()


def test_outside_of_a_session_the_same_attempts_reach_it(crowded, user):
    """The control, and what each attempt is there for."""
    net, server = crowded
    attempts = tries(attempts_at(net.link_local()))
    said(net.run(user, client("reach", *attempts), timeout=80))
    reached = heard(server, attempts)
    # an interface, or a source address, that the kernel does not take for a target is no way to it
    for target in ("tcp:127.0.0.1:8001", "udp:::1:8003", f"unix:{NAME}", f"tcp:{SECOND}:8002",
                   f"udp:{SECOND6}:8004", f"tcp:{net.link_local()}%eth0:8002", f"udp:{GROUP}:8005",
                   f"udp:{ALL6}%eth0:8004", "tcp:0.0.0.0:8002"):
        assert f"plain={target}" in reached, f"the control does not reach {target}"
    for attempt in (f"source=udp:{GROUP}:8005", f"index=udp:{GROUP6}:8006",
                    f"device=udp:{GROUP}:8005", f"source=tcp:{HOST}:8002"):
        assert attempt in reached, f"the control does not reach {attempt}"


@pytest.mark.parametrize("network", ["private", "host"])
def test_an_address_that_the_host_gets_later_is_not_reached_either(net, user, network):
    """Within a second: it takes the holder of a private network some milliseconds."""
    targets = [f"{how}={kind}:{host}:{port}" for how in ("plain", "device")
               for host in (LATER, LATER6) for kind, port in (("tcp", 8012), ("udp", 8014))]
    listeners = ["tcp:0.0.0.0:8012", "tcp::::8012", "udp:0.0.0.0:8014", "udp::::8014"]
    with net.peer("host", "listen", *listeners) as server:
        with net.start(user, client("hold", "reach", *targets), network=network) as session:
            session.say("")  # the addresses are nobody's yet
            session.expect("}", 60)
            for _ in range(3):
                with net.more_addresses("later", f"{LATER}/24", f"{LATER6}/64"):
                    machine.wait_until(lambda: False, 1)
                    session.say("")
                    assert "yes" not in session.expect("}", 60)
            assert said_to(server) == set()
            with net.more_addresses("later", f"{LATER}/24", f"{LATER6}/64"):
                said(net.run(user, client("reach", *targets)))
                assert server.drain().count("heard") >= 4, "a control"
            session.process.stdin.close()
            session.process.wait(30)


@pytest.mark.parametrize("address", [LATER, LATER6])
def test_nor_by_a_connection_that_was_begun_before(net, user, address):
    with net.peer("host", "listen", "tcp:0.0.0.0:8012", "tcp::::8012") as server:
        with net.start(user, client("patient", address, 8012, "begun before")) as session:
            session.expect("begun", 60)
            with net.more_addresses("later", f"{LATER}/24", f"{LATER6}/64"):
                machine.wait_until(lambda: False, 1)
                session.say("")
                session.process.wait(60)
                assert '"yes"' not in session.drain()
                assert said_to(server) == set()
                said(net.run(user, client("reach", f"plain=tcp:{LATER}:8012")))
                assert said_to(server) == {f"plain=tcp:{LATER}:8012"}, "a control"


def test_an_address_that_was_the_host_s_can_be_reached_when_it_is_another_machine_s(net, user):
    with net.start(user, client("hold", "tcp", "10.77.0.8", 7001, "hello")) as session:
        net.address("10.77.0.8/32")
        machine.wait_until(lambda: False, 0.5)
        net.address("10.77.0.8/32", verb="del")
        net.at("outside", "ip addr add 10.77.0.8/32 dev eth0")
        try:
            machine.wait_until(lambda: False, 0.5)
            session.say("")
            session.expect('"hello"')
        finally:
            net.at("outside", "ip addr del 10.77.0.8/32 dev eth0")
            session.process.stdin.close()
            session.process.wait(30)


SERVE = """
import socket, sys
tcp = socket.create_server(("0.0.0.0", 8021))
six = socket.create_server(("::", 8021), family=socket.AF_INET6)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", 8023))
unix = socket.socket(socket.AF_UNIX)
unix.bind("\\0" + sys.argv[1])
unix.listen(1)
print("serving", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def serving(net, worker, network):
    """What @worker serves in a session with @network, or (None) outside of one."""
    name = f"{NAME}-{network}"
    argv = ["/usr/bin/python3", "-c", SERVE, name]
    with (net.start(worker, argv, network=network) if network else
          Process([*net.enter("host"), *worker.command(argv)])) as session:
        session.expect("serving")
        yield [f"tcp:{host}:8021" for host in ("127.0.0.1", "::1", HOST, HOST6)], f"unix:{name}"
        session.process.stdin.close()
        session.process.wait(30)


# connects, and does not wait for an answer, which none of these gives
KNOCK = """
import socket, sys, json
reached = []
for address in sys.argv[1:]:
    kind, _, rest = address.partition(":")
    try:
        if kind == "unix":
            socket.socket(socket.AF_UNIX).connect("\\0" + rest)
        else:
            socket.create_connection(rest.rsplit(":", 1), 3).close()
        reached.append(address)
    except OSError:
        pass
print(json.dumps(reached))
"""


def test_nobody_on_the_host_reaches_what_the_session_listens_on(net, user):
    def knock(network):
        with serving(net, user, network) as (targets, name):
            return said(net.run(user, ["/usr/bin/python3", "-c", KNOCK, *targets, name])), [
                *targets, name]
    reached, all_targets = knock(None)
    assert reached == all_targets, "the control"
    assert knock("private")[0] == []
    # abstract names are one set for all that have the host's network
    assert [target for target in knock("host")[0] if not target.startswith("unix:")] == []


@pytest.mark.parametrize("network", ["private", "host"])
def test_two_sessions_do_not_reach_each_other(net, user, network):
    with serving(net, user, network) as (targets, name):
        names = [name] if network == "private" or machine.landlock_version() >= SCOPES else []
        assert said(net.session(user, ["/usr/bin/python3", "-c", KNOCK, *targets, *names],
                                network=network)) == []


def test_other_machines_do_not_reach_what_the_session_listens_on(net, user):
    def knock(network):
        with serving(net, user, network) as (targets, _):
            done = machine.run([*net.enter("outside"), "/usr/bin/python3", "-c", KNOCK,
                                *targets[2:]])
            return said(done), targets[2:]
    reached, all_targets = knock("host")
    assert reached == all_targets, "the control"
    assert knock("private")[0] == []


def test_the_session_cannot_change_its_network(net, worker):
    """What keeps the host out of reach is not the session's to take away."""
    script = f"""
        for command in "ip route del unreachable {HOST}" "ip -6 rule del pref 100" \\
                "ip route add {SECOND} dev eth0" "ip addr add 10.99.0.1/24 dev eth0" \\
                "ip link set eth0 down" "ip xfrm policy flush"; do
            $command 2>/dev/null && echo "$command"
        done; true"""
    done = net.session(worker, ["bash", "-c", script])
    assert (done.returncode, done.stdout) == (0, "")
    # a control: the same commands work where the network is one's own
    own = machine.run(["unshare", "--net", "bash", "-c", "ip link set lo up && "
                       "ip route add unreachable 10.0.0.1 && ip route del unreachable 10.0.0.1 && "
                       "ip xfrm policy flush"])
    assert own.returncode == 0
