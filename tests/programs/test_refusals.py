# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs whose work is done by somebody outside of the session: they say that they do not reach him.

Each is shown to reach him where it runs outside."""

import contextlib
import re

import lan
from pair import REFUSED, program

LISTEN = """
import http.server, socketserver, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        text = b'{"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Version": "24.0.0", "Os": "linux"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Api-Version", "1.41")
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)
    do_GET = do_HEAD = answer
    def address_string(self):
        return "somebody"
    def log_message(self, *words):
        pass
print("ready", flush=True)
socketserver.ThreadingUnixStreamServer(sys.argv[1], Handler).serve_forever()
"""


@contextlib.contextmanager
def daemon(pair, argv, socket):
    """@argv of the worker's, outside of all sessions, once @socket is there."""
    with lan.Process([*pair.net.enter("host"), *pair.worker.command(argv)]) as process:
        assert lan.machine.wait_until(socket.is_socket), process.drain()
        yield


def refused(done, words):
    assert done.returncode != 0 and re.search(words, done.stderr), done


@program("docker", "docker", result=REFUSED)
def test_docker_says_that_it_cannot_connect(pair):
    """A client of a daemon that listens on a socket in the file system"""
    with pair.place() as place:
        socket = place / "docker.sock"
        command = ["docker", "-H", f"unix://{socket}", "version", "--format", "server {{.Server.Version}}"]
        with daemon(pair, [lan.PYTHON, "-c", LISTEN, socket], socket):
            assert pair.run(place, command).stdout == "server 24.0.0\n", "a control"
            refused(pair.session(place, command), "Cannot connect to the Docker daemon")


@program("curl --unix-socket", "curl", result=REFUSED)
def test_a_client_of_a_socket_outside_is_told_that_nobody_listens(pair):
    """A client of a server outside that listens on a socket in the file system"""
    with pair.place() as place:
        socket = place / "server.sock"
        command = ["curl", "-sS", "--unix-socket", socket, "http://localhost/version"]
        with daemon(pair, [lan.PYTHON, "-c", LISTEN, socket], socket):
            assert "24.0.0" in pair.run(place, command).stdout, "a control"
            refused(pair.session(place, command), "Couldn't connect|Failed to connect")


@program("systemd-run, systemctl, busctl", "systemd-run", "systemctl", "busctl", "dbus-daemon", result=REFUSED)
def test_what_asks_the_users_bus_says_that_it_cannot_connect(pair):
    """Clients of the user's message bus, by which programs are started outside"""
    with pair.place() as place:
        bus = place / "bus"
        environment = {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={bus}", "XDG_RUNTIME_DIR": str(place)}
        ask = ["busctl", "--user", "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId"]
        with daemon(pair, ["dbus-daemon", "--session", "--nofork", f"--address=unix:path={bus}"], bus):
            assert pair.run(place, ask, **environment).stdout.startswith("s "), "a control"
            # there, but nobody on it who starts anything
            refused(pair.run(place, ["systemd-run", "--user", "true"], **environment), "org.freedesktop.systemd1")
            for command in (ask, ["systemd-run", "--user", "true"], ["systemctl", "--user", "list-units"]):
                refused(pair.session(place, command, **environment), "Failed to connect to bus: Connection refused")
