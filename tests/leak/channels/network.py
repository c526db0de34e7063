# SPDX-License-Identifier: GPL-2.0-or-later
"""The network: this machine's loopback and addresses, both directions; groups; families of sockets;
other machines; the name service."""

import select
import socket
import struct

from .base import MODES, USERS, Row, arrives, channel, digits_of, in_thread, patience, setting

# the machine's own and another's: tests/network/lan.py
HOST, HOST6, OUTSIDE, OUTSIDE6 = "10.77.0.2", "fd77::2", "10.77.0.1", "fd77::1"
DEVICE, GROUP, GROUP6 = "eth0", "239.255.77.9", "ff05::77:9"
THIS_MACHINE = (("network", "unguarded"),)
OTHERS = (("network", ""),)
TCP, UDP = (socket.SOCK_STREAM, 0), (socket.SOCK_DGRAM, 0)
UDPLITE, SCTP, MPTCP = (socket.SOCK_DGRAM, 136), (socket.SOCK_STREAM, 132), (socket.SOCK_STREAM, 262)
ALL_PROTOCOLS = 3  # of packet sockets
SEQUENCED = (socket.SOCK_SEQPACKET, 132)


def family_of(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def socket_of(host, kind):
    made = socket.socket(family_of(host), *kind)
    if kind[1] != 132:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.settimeout(patience())
    return made


def join(one, host):
    index = socket.if_nametoindex(DEVICE)
    if ":" in host:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                       socket.inet_pton(socket.AF_INET6, GROUP6) + struct.pack("@I", index))
    else:
        one.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                       socket.inet_aton(GROUP) + struct.pack("@4si", b"\0\0\0\0", index))


def heard(one, kind):
    """What the first who calls says."""
    try:
        if kind[0] == socket.SOCK_DGRAM:
            return one.recv(4096).decode(errors="replace")
        with one.accept()[0] as peer:
            peer.settimeout(patience())
            return peer.recv(4096).decode(errors="replace")
    except OSError:
        return ""


def on_port(host, kind=TCP, group=False, prepare=lambda one: None):
    """A receiver at @host, told by its port."""
    def receive():
        with socket_of(host, kind) as one:
            prepare(one)
            one.bind((host, 0))
            if group:
                join(one, host)
            if kind[0] != socket.SOCK_DGRAM:
                one.listen(4)
            yield one.getsockname()[1]
            yield heard(one, kind)
    return receive


def to(host, kind=TCP, prepare=lambda one: None):
    def send(canary, port):
        with socket_of(host, kind) as one:
            prepare(one)
            target = socket.getaddrinfo(host, port, family_of(host), socket.SOCK_DGRAM)[0][4]
            if kind[0] == socket.SOCK_DGRAM:
                one.sendto(canary.encode(), target)
            else:
                one.connect(target)
                one.send(canary.encode())
    return send


def fast_open(host):
    """With the data in the very first packet, where the kernel lets it."""
    def send(canary, port):
        with socket_of(host, TCP) as one:
            try:
                one.sendto(canary.encode(), socket.MSG_FASTOPEN, (host, port))
            except BlockingIOError:  # begun, but with no data yet
                select.select([], [one], [], patience())
                one.send(canary.encode())
    return send


def to_neighbour(host, beside, kind=TCP):
    """To a port on which the sender listens too, at the address @beside."""
    def send(canary, port):
        with socket_of(beside, kind) as own:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            own.bind((beside, port))
            if kind == TCP:
                own.listen(4)
            to(host, kind)(canary, port)
            yield None
    return send


def to_itself(canary, _):
    with socket_of("127.0.0.1", UDP) as own:
        own.bind(("127.0.0.1", 0))
        own.sendto(canary.encode(), own.getsockname())
        yield None


def to_shared(canary, port):
    """To the machine's address, where the sender has the port as well."""
    with socket_of(HOST, UDP) as own:
        own.bind(("0.0.0.0", port))
        to(HOST, UDP)(canary, port)


def broadcast(one):
    one.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)


def by_device(one):
    index = socket.if_nametoindex(DEVICE)
    if one.family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    else:
        one.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                       struct.pack("@4s4si", b"\0\0\0\0", b"\0\0\0\0", index))


def bound_to_device(one):
    one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, DEVICE.encode())


def bound_to_loopback(one):
    one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")


# --- the sender listens

def answer(host, kind=TCP):
    def send(canary, _):
        with socket_of(host, kind) as one:
            one.settimeout(None)
            one.bind((host, 0))
            if kind == TCP:
                one.listen(4)
            in_thread(tell, one, kind, canary)
            yield one.getsockname()[1]
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
    return send


def tell(one, kind, canary):
    try:
        while True:
            if kind == TCP:
                with one.accept()[0] as peer:
                    peer.sendall(canary.encode())
            else:
                _, sender = one.recvfrom(100)
                if not sender:
                    return  # shut down
                one.sendto(canary.encode(), sender)
    except OSError:
        pass


def ask(host, kind=TCP):
    def receive():
        told = yield None
        with socket_of(host, kind) as one:
            try:
                one.connect((host, told["said"]))
                one.send(b"?")
                yield one.recv(100).decode(errors="replace")
            except OSError as error:
                yield str(error)
    return receive


# --- below and beside TCP and UDP

def watched(family, protocol):
    """What root sees of a protocol of IP's, or of what goes through loopback."""
    def receive():
        packets = family == socket.AF_PACKET
        with socket.socket(family, socket.SOCK_RAW, socket.htons(protocol) if packets else protocol) as one:
            if packets:
                one.bind(("lo", protocol))
            yield None
            yield "".join(all_of(one))
    return receive


def all_of(one):
    one.settimeout(patience())
    try:
        while True:
            yield one.recv(65536).decode(errors="replace")
            one.settimeout(0.02)
    except OSError:
        return


def ping(host):
    def send(canary, _):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as one:
            one.sendto(struct.pack(">BBHHH", 8, 0, 0, 1, 1) + canary.encode(), (host, 0))
    return send


def send_raw(canary, _):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, 253) as one:
        one.sendto(canary.encode(), ("127.0.0.1", 0))


def send_packet(canary, _):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b5)) as one:
        one.bind(("lo", 0x88b5))
        one.send(b"\0" * 12 + b"\x88\xb5" + canary.encode() + b"\0" * 40)


def netlink(protocol):
    def receive():
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as one:
            one.bind((0, 0))
            yield one.getsockname()[0]
            yield arrives(one.fileno())
    return receive


def to_netlink(protocol):
    def send(canary, port):
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as one:
            one.sendto(struct.pack("=IHHII", 28, 0, 0, 0, 0) + canary.encode(), (port, 0))
    return send


def vsock():
    with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as one:
        one.bind((socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY))
        one.listen(4)
        one.settimeout(patience())
        yield one.getsockname()[1]
        yield heard(one, TCP)


def to_vsock(canary, port):
    with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as one:
        one.settimeout(patience())
        one.connect((1, port))
        one.send(canary.encode())


def address_of(canary):
    return "127." + ".".join(str(int(canary[at:at + 2], 16)) for at in (0, 2, 4))


def addresses():
    """127.0.0.0/8 addresses that somebody gave the machine, from those that routes name."""
    yield None
    with open("/proc/net/fib_trie", encoding="ascii") as file:
        numbers = {line.split()[-1] for line in file if "127." in line}
    yield " ".join("".join(f"{int(part):02x}" for part in number.split("/")[0].split(".")[1:])
                   for number in numbers if number.count(".") == 3)


def add_address(canary, _):
    """An address on lo, by netlink."""
    number = socket.inet_aton(address_of(canary))
    index = socket.if_nametoindex("lo")

    def ask_kernel(kind, flags):
        body = struct.pack("=BBBBI", 2, 32, 0, 254, index) + struct.pack("=HH", 8, 2) + number
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as one:
            one.settimeout(2)
            one.send(struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body)
            error = -struct.unpack_from("=i", one.recv(4096), 16)[0]
        if error:
            raise OSError(error, "netlink")
    ask_kernel(20, 0x605)
    yield None
    ask_kernel(21, 5)


def set_settings(canary, path):
    with open(path, "w", encoding="ascii") as file:
        file.write(str(int(canary[:4], 16)))


# --- ports that are taken

def ports_taken():
    """By trying to take them."""
    own = [socket_of("127.0.0.1", TCP) for _ in range(16)]
    numbers = []
    for one in own:
        one.bind(("127.0.0.1", 0))
        numbers.append(one.getsockname()[1])
    for one in own:
        one.close()
    yield numbers
    taken = []
    for bit, number in enumerate(numbers):
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", number))
            except OSError:
                taken.append(bit)
    yield digits_of(taken)


def take_ports(canary, numbers):
    held = []
    for bit, number in enumerate(numbers):
        if int(canary[:4], 16) >> bit & 1:
            held.append(socket.create_server(("127.0.0.1", number)))
    yield None
    for one in held:
        one.close()


# --- other machines

def name_server():
    """One on this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(patience())
        one.bind(("127.0.0.53", 53))
        yield None
        try:
            yield one.recv(512).decode(errors="replace")
        except OSError:
            yield ""


def ask_name(canary, _):
    """As the C library does, without waiting for the answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b"\x12\x34\1\0\0\1\0\0\0\0\0\0\x0c" + canary.encode() + b"\3lan\0\0\1\0\1",
                   ("127.0.0.53", 53))


PINGS = watched(socket.AF_INET, socket.IPPROTO_ICMP)


def _here(name, send, receive, **more):
    return Row(name, send, receive, modes=MODES, exits=THIS_MACHINE, **more)


def _both(name, send, receive, **more):
    return _here(name, send, receive, inwards=USERS, **more)


ROWS = [
    *channel(
        "loopback and every address of the machine, to public listeners",
        _both("TCP to 127.0.0.1", to("127.0.0.1"), on_port("0.0.0.0")),
        _both("TCP to ::1", to("::1"), on_port("::")),
        _both("TCP to 127.0.0.1 by its IPv6 name", to("::ffff:127.0.0.1"), on_port("0.0.0.0")),
        _both("TCP to 0.0.0.0", to("0.0.0.0"), on_port("0.0.0.0")),
        _both("TCP to ::", to("::"), on_port("::")),
        _both("TCP to the machine's address", to(HOST), on_port("0.0.0.0")),
        _both("TCP to the machine's IPv6 address", to(HOST6), on_port("::")),
        _both("TCP to 127.0.0.1, bound to lo", to("127.0.0.1", TCP, bound_to_loopback),
              on_port("0.0.0.0")),
        _here("TCP with data in its first packet", fast_open("127.0.0.1"), on_port("0.0.0.0")),
        _here("TCP to a port on which the session listens at another address",
              to_neighbour("127.0.0.1", "127.0.0.2"), on_port("127.0.0.1")),
        _here("TCP to a port on which the session listens at another family",
              to_neighbour("127.0.0.1", "::1"), on_port("127.0.0.1")),
        _here("TCP to an address of the machine, a port on which the session listens at loopback",
              to_neighbour(HOST, "127.0.0.1"), on_port(HOST)),
        _both("UDP to 127.0.0.1", to("127.0.0.1", UDP), on_port("0.0.0.0", UDP)),
        _both("UDP to ::1", to("::1", UDP), on_port("::", UDP)),
        _both("UDP to 0.0.0.0", to("0.0.0.0", UDP), on_port("0.0.0.0", UDP)),
        _both("UDP to the machine's address", to(HOST, UDP), on_port("0.0.0.0", UDP)),
        _both("UDP to the machine's IPv6 address", to(HOST6, UDP), on_port("::", UDP)),
        _here("UDP to the machine's address, bound to the interface",
              to(HOST, UDP, bound_to_device), on_port("0.0.0.0", UDP),
              may_lack="kernels do not deliver it at all"),
        _here("UDP to a port to which the session is bound at another address",
              to_neighbour("127.0.0.1", "127.0.0.2", UDP), on_port("127.0.0.1", UDP)),
        _both("UDP-Lite to 127.0.0.1", to("127.0.0.1", UDPLITE), on_port("0.0.0.0", UDPLITE),
              may_lack="a kernel without UDP-Lite"),
        _both("MPTCP to 127.0.0.1", to("127.0.0.1", MPTCP), on_port("0.0.0.0", MPTCP),
              may_lack="a kernel without MPTCP"),
        _both("SCTP to 127.0.0.1", to("127.0.0.1", SCTP), on_port("0.0.0.0", SCTP),
              may_lack="a kernel without SCTP, or without its module"),
        _here("ping to 127.0.0.1", ping("127.0.0.1"), PINGS, receiver="root"),
        Row("ping to all hosts, 224.0.0.1", ping("224.0.0.1"), PINGS, receiver="root", modes=MODES,
            exits=(("watched packets", "CAP_NET_RAW"),)),
        Row("UDP to itself, watched by root", to_itself, watched(socket.AF_PACKET, ALL_PROTOCOLS),
            receiver="root", modes=MODES, exits=(("watched packets", "CAP_NET_RAW"),)),
        Row("UDP to the machine's address, a port that both have by SO_REUSEADDR", to_shared,
            on_port("0.0.0.0", UDP, prepare=bound_to_device), modes=MODES,
            exits=(*THIS_MACHINE, ("shared ports", "SO_REUSEADDR"))),
        _here("packets of IP of one's own", send_raw, watched(socket.AF_INET, 253), users=("root",)),
    ),
    *channel(
        "back in, to the session's own listeners",
        *(_here(f"{title}, listening inside", answer(bound, kind), ask(host, kind), reaches_in=True)
          for title, bound, host, kind in (
              ("TCP on 127.0.0.1", "127.0.0.1", "127.0.0.1", TCP),
              ("TCP on ::1", "::1", "::1", TCP),
              ("TCP on the machine's address", "0.0.0.0", HOST, TCP),
              ("UDP on 127.0.0.1", "127.0.0.1", "127.0.0.1", UDP),
              ("UDP on the machine's address", "0.0.0.0", HOST, UDP))),
    ),
    *channel(
        "multicast, broadcast, mDNS",
        _both("a multicast group", to(GROUP, UDP, by_device), on_port("0.0.0.0", UDP, group=True)),
        _both("an IPv6 multicast group", to(GROUP6, UDP, by_device), on_port("::", UDP, group=True)),
        _both("all hosts, 224.0.0.1", to("224.0.0.1", UDP, by_device), on_port("0.0.0.0", UDP)),
        _here("broadcast", to("10.77.0.255", UDP, broadcast), on_port("0.0.0.0", UDP)),
        _here("limited broadcast", to("255.255.255.255", UDP, broadcast), on_port("0.0.0.0", UDP)),
    ),
    *channel(
        "netlink, packet and vsock sockets",
        Row("netlink between users", to_netlink(2), netlink(2), modes=MODES, inwards=USERS),
        Row("generic netlink", to_netlink(16), netlink(16), modes=MODES, users=("root",),
            may_lack="kernels where programs cannot send to each other by it"),
        Row("netlink for routes", to_netlink(0), netlink(0), modes=MODES, users=("root",)),
        Row("packet sockets", send_packet, watched(socket.AF_PACKET, 0x88b5), modes=MODES, users=("root",)),
        Row("vsock", to_vsock, vsock, modes=MODES, inwards=USERS,
            may_lack="a kernel without vsock to itself (vsock_loopback)"),
    ),
    *channel(
        "the network's settings",
        Row("addresses of lo", add_address, addresses, users=("root",), digits=6, modes=MODES),
        Row("/proc/sys/net", set_settings, setting("/proc/sys/net/ipv4/ip_local_reserved_ports", 4),
            users=("root",), digits=4, modes=MODES),
    ),
    *channel(
        "name collisions",
        Row("ports that are taken", take_ports, ports_taken, digits=4, modes=MODES,
            exits=(("/proc/PID/net", ""),)),
    ),
    *channel(
        "other machines",
        Row("TCP to another machine", to(OUTSIDE), on_port("0.0.0.0"), receiver="outside",
            modes=MODES, exits=OTHERS),
        Row("TCP to another machine by IPv6", to(OUTSIDE6), on_port("::"), receiver="outside",
            modes=MODES, exits=OTHERS),
        Row("UDP to another machine", to(OUTSIDE, UDP), on_port("0.0.0.0", UDP),
            receiver="outside", modes=MODES, exits=OTHERS),
    ),
    *channel(
        "name service",
        Row("a name server on this machine", ask_name, name_server, receiver="root", modes=MODES,
            exits=(("name service", ""), ("network", ""))),
    ),
]
