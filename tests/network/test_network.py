# SPDX-License-Identifier: GPL-2.0-or-later
"""What works in a private network: everything towards other machines, and towards itself."""

import hashlib
import json
import random
import re

import pytest

import lan
import machine
from lan import HOST, HOST6, LAN_ANSWER, LOCAL_ANSWER, OUTSIDE, OUTSIDE6, client, said

CONNECTIONS = 1000
MEBIBYTES = 64

ADDRESSES = pytest.mark.parametrize("address", [OUTSIDE, OUTSIDE6], ids=["ipv4", "ipv6"])


def checksum(mebibytes):
    made, total = random.Random(7).randbytes(1 << 20), hashlib.sha256()
    for _ in range(mebibytes):
        total.update(made)
    return total.hexdigest()


# --- towards other machines

@ADDRESSES
@pytest.mark.parametrize("kind, port", [("tcp", 7001), ("udp", 7004)])
def test_other_machines_are_reached(net, worker, kind, port, address):
    assert said(net.session(worker, client(kind, address, port, "hello"))) == "hello"


@ADDRESSES
def test_other_machines_can_be_pinged(net, worker, address):
    assert said(net.session(worker, client("ping", address))) == (0 if address == OUTSIDE else 129)


@ADDRESSES
def test_a_large_download_and_a_large_upload_arrive_whole(net, user, address):
    got = said(net.session(user, client("download", address, 7002, MEBIBYTES)))
    assert got == {"size": MEBIBYTES << 20, "checksum": checksum(MEBIBYTES)}
    assert said(net.session(user, client("upload", address, 7003, MEBIBYTES))) == checksum(MEBIBYTES)


def test_an_upload_has_no_more_on_its_way_than_pasta_takes(net, worker):
    """Of more it drops what the host's socket has no room for, and uploads nearly stand still."""
    def most(network):
        limits = net.session(worker, ["cat", "/proc/sys/net/ipv4/tcp_wmem"], network=network)
        assert limits.returncode == 0, limits.stderr
        return int(limits.stdout.split()[2])
    assert most("private") == min(most("host"), 1 << 20)


def test_many_connections_at_once(net, user):
    assert said(net.session(user, client("many", OUTSIDE, 7001, CONNECTIONS),
                            timeout=60)) == CONNECTIONS


def test_twenty_sessions_at_once_have_networks_of_their_own(net, user):
    # so small that all are promised their memory
    sessions = [net.start(user, client("tcp", OUTSIDE, 7001, f"number {number}"), "--size=64M")
                for number in range(20)]
    try:
        for number, session in enumerate(sessions):
            session.expect(f'"number {number}"', 30)
    finally:
        for session in sessions:
            session.process.wait(30)
            session.close()


def test_the_session_sees_interfaces_of_its_own(net, worker):
    net.at("host", "ip link add other0 type veth peer name other1")
    try:
        assert said(net.session(worker, client("devices"), network="host")) == [
            "eth0", "lo", "other0", "other1"]
        assert said(net.session(worker, client("devices"))) == ["eth0", "lo"]
    finally:
        net.at("host", "ip link del other0")


# --- towards itself

@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0", HOST, HOST6])
def test_programs_talk_to_themselves(net, worker, address):
    assert said(net.session(worker, client("itself", address))) == "hello"


def test_programs_talk_to_themselves_by_abstract_sockets(net, worker):
    assert said(net.session(worker, client("abstract", "privexec-tests"))) == "hello"


def test_root_may_listen_on_every_port_and_users_as_outside(net, root, user):
    listen = ["/usr/bin/python3", "-c", "import socket; socket.create_server(('', 80))"]
    assert net.session(root, listen).returncode == 0
    assert net.session(user, listen).returncode != 0 != net.run(user, listen).returncode


# --- names

# resolv.conf; where the server listens on the host: nowhere: on the other machine
RESOLVERS = {
    "a server of the LAN": (f"nameserver {OUTSIDE}\n", None, LAN_ANSWER),
    "a server of the LAN, by IPv6": (f"nameserver {OUTSIDE6}\n", None, LAN_ANSWER),
    "systemd-resolved": ("nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n", "127.0.0.53",
                         LOCAL_ANSWER),
    "a server on loopback": ("# mine\nnameserver\t127.0.0.1\n", "127.0.0.1", LOCAL_ANSWER),
    "a server on IPv6's loopback": ("nameserver ::1\n", "::1", LOCAL_ANSWER),
    "a server on the host's own address": (f"nameserver {HOST}\n", HOST, LOCAL_ANSWER),
    "none": ("search example.org\n", "127.0.0.1", LOCAL_ANSWER),
    "one that is not there, then one that is": (
        f"nameserver 127.0.0.9\nnameserver {OUTSIDE}\n", None, LAN_ANSWER),
}


@pytest.mark.parametrize("by", ["datagrams", "streams"])
@pytest.mark.parametrize("kind", RESOLVERS)
def test_names_are_found_with(net, user, kind, by):
    text, where, answer = RESOLVERS[kind]
    server = net.peer("host", "names", where) if where else None
    try:
        with net.resolver(text + ("options use-vc\n" if by == "streams" else "")):
            outside = said(net.run(user, client("names", "printer.example.org")))
            assert outside["found"] == [answer], "a control: they are not found on the host"
            found = said(net.session(user, client("names", "printer.example.org")))
            assert found["found"] == [answer]
            assert found["seconds"] < 4 * machine.SLOWNESS, "a server was waited for"
    finally:
        if server:
            server.close()


def test_without_a_name_server_a_look_up_fails_as_soon_as_outside(net, user):
    for text in ("", "nameserver 127.0.0.53\n"):
        with net.resolver(text):
            for run in (net.run, net.session):
                found = said(run(user, client("names", "printer.example.org")))
                assert found["found"] != [LAN_ANSWER] and found["seconds"] < 4 * machine.SLOWNESS


def test_the_relay_reaches_no_name_server_that_resolv_conf_does_not_name(net, user):
    ask = client("reach", "plain=udp:127.0.0.7:53", "plain=tcp:127.0.0.7:53")
    with net.peer("host", "listen", "udp:127.0.0.7:53", "tcp:127.0.0.7:53") as server:
        with net.resolver("nameserver 127.0.0.7\n"):
            said(net.session(user, ask))
            assert server.drain().count("heard") == 2, "a control: it reaches one that is named"
        said(net.session(user, ask))
        assert server.drain().count("heard") == 2


def test_a_name_server_that_changes_is_asked_in_the_session_too(net, user):
    with net.peer("host", "names", "127.0.0.53"):
        with net.start(user, client("hold", "names", "printer.example.org")) as session:
            session.say("")
            assert LAN_ANSWER in session.expect("}")
            # the front watches the file from two seconds after the start on
            with net.resolver("nameserver 127.0.0.53\n"):
                def answered_here():
                    session.say("")
                    return LOCAL_ANSWER in session.expect("}")
                assert machine.wait_until(answered_here, 10, 0.2)
            session.process.stdin.close()
            session.process.wait(20)


# --- a network that comes and goes

def test_a_host_without_a_network_has_sessions_that_get_one_when_it_does(user):
    with lan.Lan(connected=False) as net:
        with net.start(user, client("wait_for", OUTSIDE, 7001, 30)) as session:
            assert "network private (this machine has none now)" in session.expect("\n")
            net.plug()
            net.address(f"{HOST}/24", f"{HOST6}/64")
            with net.peer("outside", "lan"):
                net.route()
                assert re.fullmatch(r"\s*\d+\s*", session.expect("\n", 40))
                assert session.process.wait(20) == 0
        assert said(net.session(user, client("itself", "127.0.0.1"))) == "hello"


def test_a_host_that_moves_to_another_network_takes_its_sessions_along(net, user):
    with net.start(user, client("hold", "tcp", OUTSIDE, 7001, "hello")) as session:
        session.say("")
        session.expect('"hello"')
        net.address(f"{HOST}/24", verb="del")  # and the default route with it
        net.address("10.77.0.9/24")
        net.at("host", f"ip route add default via {OUTSIDE}")
        try:
            session.say("")
            session.expect('"hello"')
        finally:
            net.address("10.77.0.9/24", verb="del")
            net.address(f"{HOST}/24")
            net.at("host", f"ip route add default via {OUTSIDE}")
        session.process.stdin.close()
        session.process.wait(20)


def test_a_default_route_without_a_gateway_as_that_of_a_tunnel_will_do(net, user):
    far, far6 = "10.88.0.1", "fd88::1"
    net.at("outside", f"ip addr add {far}/32 dev eth0; ip addr add {far6}/128 dev eth0 nodad")
    net.route("del")
    net.at("host", "ip route add default dev eth0; ip -6 route add default dev eth0")
    try:
        for address in (far, far6):
            assert said(net.run(user, client("tcp", address, 7001, "hello"))) == "hello", "a control"
            assert said(net.session(user, client("tcp", address, 7001, "hello"))) == "hello"
    finally:
        net.at("host", "ip route del default dev eth0; ip -6 route del default dev eth0")
        net.route()
        net.at("outside", f"ip addr del {far}/32 dev eth0; ip addr del {far6}/128 dev eth0")


# --- what is said

def first_line(done):
    return re.search(r"network (.*?) (?:·|-) labels", done.stderr).group(1)


def test_auto_is_private_and_says_so_everywhere(net, worker):
    command = [worker.front, "--store=memory", "--require=private-network,closed", "--", "sh", "-c",
               "sleep 1"]
    assert first_line(net.run(worker, command)) == "private"
    plan = json.loads(net.run(worker, [worker.front, "--dry-run", "--json", "true"]).stdout)
    assert plan["network"] == "private" and "network_reason" not in plan
    exits = {entry["name"]: entry["reason"] for entry in plan["exits"]}
    assert "pasta" in exits["network"] and "resolv.conf" in exits["name service"]
    words = net.run(worker, [worker.front, "--dry-run", "true"]).stdout
    assert re.search(r"^network +private$", words, re.M)


def test_state_json_says_private(net, root):
    with net.start(root, ["sleep", "100"]) as session:
        session.expect("network private")
        states = machine.wait_until(lambda: list(machine.STATE.glob("0/*/state.json")))
        assert json.loads(states[-1].read_text())["net"] == "private"


# a reason why there can be no private network, how it comes about, what would mend it
LACKS = {
    "pasta is not installed": ("""mkdir /mnt/bin /mnt/work && mknod /mnt/bin/pasta c 0 0
        mount -t overlay -o lowerdir=/usr/bin,upperdir=/mnt/bin,workdir=/mnt/work o /usr/bin""",
                               "apt install passt"),
    "pasta cannot be trusted": ("""mkdir /mnt/bin /mnt/work
        mount -t overlay -o lowerdir=/usr/bin,upperdir=/mnt/bin,workdir=/mnt/work o /usr/bin
        cp --remove-destination /usr/bin/true /usr/bin/pasta; chmod 775 /usr/bin/pasta""",
                                "writable by nobody else"),
    "users may not open /dev/net/tun": ("chmod 660 /dev/net/tun", "chmod 666 /dev/net/tun"),
    "there is no /dev/net/tun": ("mount --bind /dev/null /dev/net/tun", "modprobe tun"),
}


@pytest.mark.parametrize("reason", LACKS)
def test_a_machine_that_can_have_none_says_why(net, user, reason):
    lack, cure = LACKS[reason]

    def run(*words):
        return machine.run([*net.enter("host"), "unshare", "--mount", "bash", "-euc",
                            "mount -t tmpfs -o mode=755 more /srv; cp -a /mnt/tun /srv/tun; "
                            "mount --bind /srv/tun /dev/net/tun; mount --move /srv /mnt 2>/dev/null "
                            f"|| mount --bind /srv /mnt; {lack}\nexec \"$@\"", "-",
                            *user.command([user.front, "--store=memory", *words])])
    auto = run("true")
    assert (auto.returncode, first_line(auto)) == (0, f"host (guarded: {reason})")
    assert re.search(rf"^network .*\n +since {reason}; .*{cure}", run("--dry-run", "true").stdout,
                     re.M)
    for options in (["--net=private"], ["--require=private-network"]):
        refused = run(*options, "true")
        assert refused.returncode == 125 and refused.stdout == ""
        assert reason in refused.stderr and cure in refused.stderr
    closed = run("--require=closed", "true")
    assert closed.returncode == 125 and "abstract Unix sockets" in closed.stderr
    assert run("-q", "--net=none", "--require=closed,private-network", "true").returncode == 0
