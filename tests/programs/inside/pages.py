# SPDX-License-Identifier: GPL-2.0-or-later
"""A web server with a page that asks it for more. While a browser waits for that, the server looks at
the process of the browser's that shows the page, and tells how it is shut in, compared with the browser."""

import http.server
import os
import re
import socket

# the page is not complete before the script has come and run
PAGE = """<!DOCTYPE html><body style="background: #0000ff"><p id="sum">none</p><script src="more.js"></script>"""
MORE = """const numbers = {numbers};
document.getElementById("sum").textContent = "sum " + numbers.reduce((a, b) => a + b) + ", {kept}";
"""


def status(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return dict(re.findall(r"^(\w+):\s*(.*)$", file.read(), re.M))


def kept():
    """How the process that shows pages is kept: in process namespaces of its own, by filters of its own."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
                words = file.read().replace("\0", " ")
            if not re.search(r"--type=renderer|-contentproc .*\btab\b", words):
                continue
            page, server = status(pid), status("self")
            return (f"process namespaces: {len(page['NSpid'].split()) - len(server['NSpid'].split())} more, "
                    f"filters: {int(page['Seccomp_filters']) > int(server['Seccomp_filters'])}")
        except OSError:
            continue
    return "no such process"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        kind, text = "text/html", PAGE
        if self.path == "/more.js":
            kind, text = "text/javascript", MORE.format(numbers=list(range(1000)), kept=kept())
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6  # and IPv4, by the wildcard


if __name__ == "__main__":
    Server(("::", 8000), Handler).serve_forever()
