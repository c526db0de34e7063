# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's network, guarded: a session with it reaches other machines and itself, and on this machine
nobody else, who does not reach it either. Each attempt is also made outside of a session, and then
arrives."""

import contextlib
import ctypes
import json
import os
import re
import signal
import struct
from pathlib import Path

import pytest

import machine
from livesession import unified_cgroup
from lan import (HOST, HOST6, LOCAL_ANSWER, OUTSIDE, OUTSIDE6, PYTHON, SOURCES, Process, client,
                 said)

LISTENERS = ["tcp:0.0.0.0:9001", "tcp::::9001", "udp:0.0.0.0:9003", "udp::::9003"]
MORE_LISTENERS = ["icmp:0.0.0.0:0", "icmp::::0"]
LITE_LISTENERS = ["lite:0.0.0.0:9005", "lite::::9005"]

HOSTS = ["127.0.0.1", HOST, "0.0.0.0", "::1", HOST6, "::"]
DATAGRAMS = ["send_to", "send_connected", "send_past", "send_again", "send_corked", "send_large",
             "send_segments", "send_by_interface", "send_from_everywhere"]
STREAMS = ["connect", "connect_again", "connect_fast", "connect_multipath"]


def has_lite():
    """Linux may be built without UDP-Lite, and will lose it."""
    return machine.run([PYTHON, "-c", "import socket; socket.socket(2, 2, 136)"]).returncode == 0


def common_attempts():
    """What every worker can do, and a program that talks to itself may do too."""
    one_device = [f"{way}={host}:{port}" for host in (HOST, HOST6)
                  for way, port in (("send_by_interface", 9003), ("connect_by_device", 9001))]
    return [*[f"{way}={host}:9003" for way in DATAGRAMS for host in HOSTS
              if way != "send_by_interface"],
            *[f"{way}={host}:9001" for way in STREAMS for host in HOSTS], *one_device,
            *[f"{way}={host}:{port}" for host in ("127.0.0.1", HOST)
              for way, port in (("send_mapped", 9003), ("connect_mapped", 9001))]]


def all_attempts(worker):
    return [*common_attempts(), *[f"ping={host}:0" for host in HOSTS if host != "::"],
            *([f"send_lite={host}:9005" for host in HOSTS] if has_lite() else []),
            *([] if worker.user else [f"send_raw={host}:9003" for host in ("127.0.0.1", HOST)])]


def ways(*words):
    return [PYTHON, "-c", SOURCES["ways"], *[str(word) for word in words]]


def listen(*listeners):
    return [PYTHON, "-c", SOURCES["peer"], "listen", *listeners]


def heard(server):
    """The attempts that arrived."""
    return {line.split(" ", 2)[2].rstrip(" \0\r") for line in server.drain().split("\n")
            if line.startswith("heard ") and line.count(" ") >= 2}


@pytest.fixture(autouse=True)
def _fast(net):
    """Data in the first packet of a connection, to everybody who listens, without a cookie."""
    net.at("host", "echo $((0x607)) >/proc/sys/net/ipv4/tcp_fastopen")


@pytest.fixture(name="server")
def _server(net):
    """Somebody of the host's who listens to everything."""
    more = LITE_LISTENERS if has_lite() else []
    with net.peer("host", "listen", *LISTENERS, *MORE_LISTENERS, *more) as server:
        yield server


@contextlib.contextmanager
def serving(net, worker, network, *listeners):
    """The same in a session, or (None) outside of one."""
    argv = listen(*listeners)
    with (net.start(worker, argv, network=network) if network else
          Process([*net.enter("host"), *worker.command(argv)])) as session:
        session.expect("ready")
        yield session
        session.process.stdin.close()
        session.process.wait(30)


# --- outwards

def test_nothing_is_sent_to_anybody_on_this_machine(net, worker, server):
    attempts = all_attempts(worker)
    results = said(net.session(worker, ways("send", *attempts), network="host", timeout=200))
    assert heard(server) == set()
    assert not [attempt for attempt in attempts if results[attempt][0] == "yes"]


def test_outside_of_a_session_everything_of_that_arrives(net, worker, server):
    """The control."""
    attempts = all_attempts(worker)
    said(net.run(worker, ways("send", *attempts), timeout=100))
    assert sorted(set(attempts) - heard(server)) == []


def test_an_attempt_fails_at_once(net, user, server):  # pylint: disable=unused-argument
    """Where the address was the host's when the session started; and always for datagrams."""
    hosts = ["127.0.0.1", "0.0.0.0", HOST, "::1", "::", HOST6]
    attempts = [*[f"connect={host}:9001" for host in hosts], "connect_mapped=127.0.0.1:9001",
                *[f"{way}={host}:9003" for host in hosts for way in ("send_to", "send_connected")],
                # where nobody listens, as outside
                *[f"connect={host}:9002" for host in hosts]]
    results = said(net.session(user, ways("send", *attempts), network="host", timeout=60))
    assert {attempt: results[attempt][0] for attempt in attempts} == {
        attempt: "EPERM" if attempt.startswith("send") else "ECONNREFUSED" for attempt in attempts}
    assert max(seconds for _, seconds in results.values()) < 0.5 * machine.SLOWNESS


def test_protocols_that_cannot_be_looked_into_are_not_there(net, worker):
    script = """
import errno, socket
for kind, protocol in ((2, 136), (1, 262), (1, 132), (3, 17), (3, 255)):
    try:
        socket.socket(socket.AF_INET, kind, protocol)
        print("made", kind, protocol)
    except OSError as error:
        print(errno.errorcode[error.errno], kind, protocol)
"""
    lines = net.session(worker, [PYTHON, "-c", script], network="host").stdout.split("\n")
    assert "EPROTONOSUPPORT 1 262" in lines and not [line for line in lines if "made" in line]
    assert "made 1 262" in net.run(worker, [PYTHON, "-c", script]).stdout, "a control"


PING_GROUP = """
import socket, struct
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
try:
    one.sendto(struct.pack(">BBHHH", 8, 0, 0, 1, 1) + b"to a group", ("224.0.0.1", 0))
except PermissionError:
    print("refused")
"""


def test_who_watches_packets_gets_pings_to_groups_and_that_is_said(net, user, server):
    """An exit, since nothing closes it; that of other programs it is none is shown by LISTENERS."""
    done = net.session(user, [PYTHON, "-c", PING_GROUP], network="host")
    assert done.stdout == "refused\n"  # the packet that leaves the machine is
    assert {line.split(" ")[1] for line in server.drain().splitlines() if "to a group" in line} <= {
        "icmp:0.0.0.0:0"}
    plan = net.run(user, [user.front, "--net=host", "--dry-run", "true"]).stdout
    assert re.search(r"^  watched packets: ", plan, re.M)


# --- inwards

def test_nobody_on_this_machine_reaches_a_session(net, worker):
    attempts = [attempt for attempt in common_attempts() if "multipath" not in attempt]
    raw = [f"send_raw={host}:9003" for host in ("127.0.0.1", HOST)]
    with serving(net, worker, "host", *LISTENERS) as session:
        machine.run([*net.enter("host"), *ways("send", *attempts, *raw)], timeout=200)
        assert heard(session) == set()
    with serving(net, worker, None, *LISTENERS) as control:
        machine.run([*net.enter("host"), *ways("send", *attempts, *raw)], timeout=100)
        assert sorted({*attempts, *raw} - heard(control)) == []


def test_what_is_sent_to_groups_on_this_machine_stays_out(net, user):
    groups = ["group:239.255.77.1:eth0:9011", "group:ff05::77:1:eth0:9012", "udp:0.0.0.0:9013"]
    attempts = ["plain=udp:239.255.77.1:9011", "index=udp:ff05::77:1:9012",
                "plain=udp:10.77.0.255:9013", "plain=udp:255.255.255.255:9013"]
    with serving(net, user, "host", *groups) as session:
        said(net.run(user, client("reach", *attempts)))
        assert heard(session) == set()
    with serving(net, user, None, *groups) as control:
        said(net.run(user, client("reach", *attempts)))
        assert heard(control) == set(attempts)


def test_a_session_reaches_no_other(net, user, root):
    attempts = common_attempts()
    for one, other in ((user, root), (root, user), (user, user)):
        with serving(net, one, "host", *LISTENERS) as session:
            said(net.session(other, ways("send", *attempts), network="host", timeout=200))
            assert heard(session) == set()


# It answers nothing: that would be heard, and answered, by itself.
SILENT = """
import socket, sys, threading
def hear(host, port):
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((host, port))
    return threading.Thread(target=lambda: [print(made.recv(9).decode(), flush=True) for _ in range(9)],
                            daemon=True)
for thread in (hear("127.0.0.1", 9031), hear("::1", 9032)):
    thread.start()
print("ready", flush=True)
sys.stdin.read()
"""

# From an address of its own, but the same port, as if from the other's.
IN_ITS_NAME = """
import socket
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("127.0.0.2", 9031))
source = bytes(4) + socket.inet_pton(socket.AF_INET, "127.0.0.1") + bytes(4)
one.sendmsg([b"as if 4"], [(socket.IPPROTO_IP, 8, source)], 0, ("127.0.0.1", 9031))
six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
six.bind(("fd77::2", 9032))
source = socket.inet_pton(socket.AF_INET6, "::1") + bytes(4)
six.sendmsg([b"as if 6"], [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, source)], 0, ("::1", 9032))
"""


def test_nobody_speaks_in_the_name_of_a_session_s_socket(net, worker):
    """The kernel lets everybody choose a source among the machine's addresses."""
    with net.start(worker, [PYTHON, "-c", SILENT], network="host") as session:
        session.expect("ready")
        assert net.run(worker, [PYTHON, "-c", IN_ITS_NAME]).returncode == 0
        assert "as if" not in session.drain()
        session.process.stdin.close()
        session.process.wait(30)
    with Process([*net.enter("host"), *worker.command([PYTHON, "-c", SILENT])]) as control:
        control.expect("ready")
        net.run(worker, [PYTHON, "-c", IN_ITS_NAME])
        assert {line for line in control.drain().splitlines() if "as if" in line} == {"as if 4", "as if 6"}


BOUND = """
import socket, sys, threading
device, *words = sys.argv[1:]
def bound(family, kind, port):
    made = socket.socket(family, kind)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    made.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
    return made
def hear(made):
    while True:
        print("heard", made.recv(100).decode(), flush=True)
both = (socket.AF_INET, socket.AF_INET6)
there = [bound(family, socket.SOCK_DGRAM, 9033) for family in both]
if words[:1] == ["listen"]:
    for made in there:
        threading.Thread(target=hear, args=(made,), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
for host, by in (("10.77.0.2", "eth0"), ("fd77::2", "eth0"), ("fd77::2", "")):
    one = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        if by:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, by.encode())
        one.sendto(f"{host} by {by}".encode(), (host, 9033))
    except OSError:
        pass
"""


def test_a_port_that_two_share_by_devices_is_not_the_session_s(net, worker):
    """A session's socket that is bound to loopback, a public one with the same port on the cable: the
    kernel gives the latter what is for the cable's address, though it goes by loopback."""
    with Process([*net.enter("host"), *worker.command([PYTHON, "-c", BOUND, "eth0", "listen"])]) as public:
        public.expect("ready")
        net.session(worker, [PYTHON, "-c", BOUND, "lo"], network="host")
        assert "heard" not in public.drain()
        net.run(worker, [PYTHON, "-c", BOUND, "lo"])
        assert public.drain().count("heard") == 3, "the control"


# --- what must go on

def test_a_session_reaches_itself_by_every_address(net, worker):
    """But by a socket that is bound to a device, or connected to somebody else: nobody can be asked
    whose that is."""
    argv = ways("itself", SOURCES["peer"], len(LISTENERS), *LISTENERS, *[
        attempt for attempt in common_attempts()
        if not re.match("connect_multipath|connect_by_device|send_past", attempt)])

    def answered(done):
        return {attempt for attempt, (result, _) in said(done).items() if result == "yes"}
    control = answered(net.run(worker, argv, timeout=100))
    assert len(control) > 50
    inside = net.session(worker, argv, network="host", timeout=100)
    assert sorted(control - answered(inside)) == [], inside.stdout


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_session_sends_itself_much_at_once(net, user, host):
    """Over IPv6 by packets larger than 64 KiB, with a header between."""
    assert said(net.session(user, client("much_of_itself", host), network="host")) < 3 * machine.SLOWNESS


def test_a_session_reaches_what_runs_in_a_cgroup_below_its_own(net, root):
    """Systemd and container tools make such; here the test does it for the session."""
    with net.start(root, listen(*LISTENERS), "--debug", network="host") as session:
        inner = cgroup_of(session) / "inner"
        session.expect("ready")
        inner.mkdir()
        try:
            script = f"""echo $$ >{inner}/cgroup.procs; exec "$@" """
            done = machine.run([*net.enter("host"), "sh", "-c", script, "-",
                                *ways("send", "connect=127.0.0.1:9001", "send_to=::1:9003")])
            assert {result for result, _ in said(done).values()} == {"yes"}
            done = machine.run([*net.enter("host"), *ways("send", "connect=127.0.0.1:9001",
                                                          "send_to=::1:9003")])
            assert "yes" not in {result for result, _ in said(done).values()}, "a control"
        finally:
            machine.wait_until(lambda: not (inner / "cgroup.procs").read_text())
            inner.rmdir()
        session.process.stdin.close()
        session.process.wait(30)


@pytest.mark.parametrize("host", [OUTSIDE, OUTSIDE6])
def test_other_machines_are_reached(net, worker, host):
    assert said(net.session(worker, client("tcp", host, 7001, "hello"), network="host")) == "hello"
    assert said(net.session(worker, client("udp", host, 7004, "hello"), network="host")) == "hello"
    if worker.user:  # root's group in a session is none of those that may ping
        assert said(net.session(worker, client("ping", host), network="host")) in (0, 129)


def test_other_machines_reach_a_session(net, worker):
    attempts = [f"{way}={host}:{port}" for host in (HOST, HOST6)
                for way, port in (("send_to", 9003), ("connect", 9001), ("send_large", 9003))]
    with serving(net, worker, "host", *LISTENERS) as session:
        done = machine.run([*net.enter("outside"), *ways("send", *attempts)])
        assert {result for result, _ in said(done).values()} == {"yes"}
        assert heard(session) == set(attempts)


def test_a_transfer_to_itself_is_whole(net, user):
    """Large, by one connection that is closed at once by whoever has sent all of it."""
    script = """
import hashlib, socket, threading
listener = socket.create_server(("127.0.0.1", 0))
data = bytes(range(256)) * 40960
def serve():
    connection = listener.accept()[0]
    connection.sendall(data)
    connection.close()
threading.Thread(target=serve).start()
one = socket.create_connection(listener.getsockname())
got = b"".join(iter(lambda: one.recv(65536), b""))
print(got == data)
"""
    assert net.session(user, [PYTHON, "-c", script], network="host").stdout == "True\n"


# two network namespaces, in which the session's user is root, and a cable between them
OWN_SPACES = """
ip link set lo up
unshare -n sh -c 'echo ready; exec sleep 30' >/tmp/own & inner=$!
until grep -q ready /tmp/own; do sleep 0.05; done
ip link add one0 type veth peer name two0 netns $inner
ip link set one0 up; ip addr add 10.1.1.1/24 dev one0; ip addr add fd01::1/64 dev one0 nodad
in_inner() { nsenter -t $inner -n -- "$@"; }
in_inner ip link set lo up; in_inner ip link set two0 up
in_inner ip addr add 10.1.1.2/24 dev two0
in_inner ip addr add fd01::2/64 dev two0 nodad
in_inner sh -c 'sleep 30 | exec "$@"' - $PYTHON -c "$PEER" listen tcp:0.0.0.0:9001 tcp::::9001 \\
    udp:0.0.0.0:9003 >/tmp/peer & peer=$!
until grep -q ready /tmp/peer; do sleep 0.05; done
$PYTHON -c "$WAYS" send connect=10.1.1.2:9001 connect=fd01::2:9001 send_to=10.1.1.2:9003 >&3
$PYTHON -c "$CLIENT" itself 127.0.0.1 >&3
"""


def test_namespaces_of_the_session_s_own_work(net, user):
    variables = [f"{name.upper()}={text}" for name, text in SOURCES.items()]
    done = net.session(user, ["env", f"PYTHON={PYTHON}", f"OWN_SPACES={OWN_SPACES}", *variables,
                              "sh", "-c", "exec 3>&1 >/dev/null; unshare -Urn sh -euc \"$OWN_SPACES\""],
                       network="host", timeout=40)
    lines = done.stdout.split("\n")
    assert len(lines) == 3, done
    assert {result for result, _ in json.loads(lines[0]).values()} == {"yes"}
    assert json.loads(lines[1]) == "hello"


@pytest.mark.parametrize("server", ["127.0.0.53", "::1", HOST])
@pytest.mark.parametrize("options", ["", "options use-vc\n"], ids=["udp", "tcp"])
def test_a_name_server_on_this_machine_is_asked(net, worker, server, options):
    """And nothing but its port 53, nor that of one that resolv.conf does not name."""
    text = f"nameserver {server}\n{options}"
    others = [f"connect={server}:9001", f"send_to={server}:9003", "connect=127.0.0.54:53",
              "send_to=127.0.0.54:53"]
    with net.resolver(text), net.peer("host", "names", server), net.peer(
            "host", "listen", "tcp:127.0.0.54:53", "udp:127.0.0.54:53", *LISTENERS) as other:
        answer = said(net.session(worker, client("names", "some.name.test"), network="host"))
        assert answer["found"] == [LOCAL_ANSWER]
        said(net.session(worker, ways("send", *others), network="host"))
        assert heard(other) == set()
        said(net.run(worker, ways("send", *others)))
        assert heard(other) == set(others), "the control"


# --- ports of others

SHARE = """
import socket, sys
for kind, option, port in ((1, "SO_REUSEPORT", 9021), (2, "SO_REUSEPORT", 9022),
                           (2, "SO_REUSEADDR", 9023)):
    for host in ("0.0.0.0", "::"):
        made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
        made.setsockopt(socket.SOL_SOCKET, getattr(socket, option), 1)
        if ":" in host:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((host, port))
        if kind == 1:
            made.listen()
        made.detach()
print("shared", flush=True)
sys.stdin.read()
"""


def test_a_session_takes_no_part_in_ports_of_others(net, user):
    """What comes to a public program would come to the session, or the other way round."""
    claims = [("tcp", "SO_REUSEPORT", 9021), ("udp", "SO_REUSEPORT", 9022),
              ("udp", "SO_REUSEADDR", 9023)]
    with Process([*net.enter("host"), *user.command([PYTHON, "-c", SHARE])]) as public:
        public.expect("shared")
        for kind, option, port in claims:
            for host in ("0.0.0.0", "127.0.0.1", "::1"):
                claim = ways("claim", kind, option, host, port)
                if option == "SO_REUSEPORT" and host != "0.0.0.0":
                    continue  # that is a port of one's own, as far as the kernel is concerned
                assert said(net.run(user, claim)) == "claimed", "a control"
                assert said(net.session(user, claim, network="host")) == (
                    "option: ENOPROTOOPT" if option == "SO_REUSEPORT" else "bind: EADDRINUSE")


def test_a_session_says_nothing_to_everybody(net, user):
    claim = ways("claim", "udp", "SO_BROADCAST", "0.0.0.0", 0)
    assert said(net.run(user, claim)) == "claimed", "a control"
    assert said(net.session(user, claim, network="host")) == "option: EPERM"


# --- for how long it holds

def bpf(command, attributes):
    """bpf(2): its result, and the attributes as it left them."""
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(attributes.ljust(128, b"\0"), 128)
    result = libc.syscall({"x86_64": 321, "aarch64": 280}[os.uname().machine], command, buffer, 128)
    return result, buffer.raw


def guards():
    """How many programs of the guard's the kernel has."""
    PROG_GET_NEXT_ID, PROG_GET_FD_BY_ID, GET_INFO = 11, 13, 15
    number, found = 0, 0
    while True:
        result, answer = bpf(PROG_GET_NEXT_ID, struct.pack("@II", number, 0))
        if result != 0:
            return found
        number = struct.unpack_from("@I", answer, 4)[0]
        program, _ = bpf(PROG_GET_FD_BY_ID, struct.pack("@I", number))
        if program < 0:
            continue
        info = ctypes.create_string_buffer(256)
        bpf(GET_INFO, struct.pack("@IIQ", program, 256, ctypes.addressof(info)))
        os.close(program)
        found += info.raw[64:80].startswith(b"privexec_")


@pytest.mark.alone  # it counts programs of the whole kernel
def test_the_guard_goes_with_the_session(net, user):
    before = guards()
    with serving(net, user, "host", *LISTENERS):
        assert guards() >= before + 10
    assert machine.wait_until(lambda: guards() <= before, 10)


def attached(cgroup, kind):
    """How many programs of the kind are attached to @cgroup itself."""
    PROG_QUERY, numbers = 16, ctypes.create_string_buffer(64)
    directory = os.open(cgroup, os.O_RDONLY)
    try:
        result, answer = bpf(PROG_QUERY, struct.pack("@IIIIQI", directory, kind, 0, 0,
                                                     ctypes.addressof(numbers), 16))
    finally:
        os.close(directory)
    assert result == 0
    return struct.unpack_from("@I", answer, 24)[0]


def cgroup_of(session):
    """The directory of its cgroup, of what it says with --debug."""
    path = re.search(r"control group: (\S+)", session.expect("host (guarded)")).group(1)
    return next(Path(line.split()[4]) / path for line in
                Path("/proc/self/mountinfo").read_text("utf-8").split("\n")
                if " - cgroup2 " in line)


def test_the_guard_stays_when_the_keeper_is_killed(net, root):
    """As long as there is a cgroup: whoever removes that is stopped meanwhile."""
    INET_INGRESS, INET_EGRESS, DEVICE = 0, 1, 6
    with net.start(root, ["sleep", "60"], "--debug", network="host") as session:
        cgroup = cgroup_of(session)
        number = cgroup.name.rsplit("-", 1)[1]
        keeper = json.loads((machine.STATE / "0" / number / "state.json").read_text())["pids"]["keeper"]
        sweepers = [pid for pid, (parent, _, name) in machine.process_table().items()
                    if parent == keeper and name == "privexec-sweep"]
        assert sweepers
        try:
            for pid in sweepers:
                os.kill(pid, signal.SIGSTOP)
            os.kill(keeper, signal.SIGKILL)
            machine.wait_until(lambda: not Path(f"/proc/{keeper}").exists())
            for kind in (INET_INGRESS, INET_EGRESS, DEVICE):
                assert attached(cgroup, kind) == 1
        finally:
            for pid in sweepers:
                os.kill(pid, signal.SIGCONT)
        assert machine.wait_until(lambda: not cgroup.exists())


# --- what is said

def test_what_is_open_is_said(net, worker):
    plan = net.run(worker, [worker.front, "--net=host", "--dry-run", "true"]).stdout
    assert re.search(r"^network +host \(guarded\)$", plan, re.M)
    for line in (r"network: the host's, guarded", r"name service: port 53", r"abstract sockets: ",
                 r"shared ports: ", r"watched packets: "):
        assert re.search(rf"^  {line}", plan, re.M), plan
    refused = net.run(worker, [worker.front, "--net=host", "--require=closed", "true"])
    assert refused.returncode == 125 and "abstract Unix sockets" in refused.stderr


def test_a_machine_that_cannot_guard_says_why(net, root):
    """Here: in a container, whose cgroups are a part of the machine's. With a /run of its own, as such
    have: what it takes for gone of other sessions is not."""
    done = machine.run([*net.enter("host"), "unshare", "--mount", "sh", "-c",
                        "top=$(awk '/ - cgroup2 / { print $5; exit }' /proc/self/mountinfo); "
                        "mkdir -p $top/privexec/keepers /run/privexec; "
                        "mount -t tmpfs -o mode=755 run /run/privexec; mount --bind $top/privexec $top; exec \"$@\"",
                        "-", root.front, "--store=memory", "--net=host", "true"])
    # what it made of its own below the machine's
    made = unified_cgroup() / "privexec/privexec"
    if made.exists():
        made.rmdir()
    assert "network host (unguarded: this is a container" in done.stderr, done.stderr
