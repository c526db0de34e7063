# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's hands in a guest: runs what the host asks for over a virtio-serial port.

A message is a line of JSON. From the host:
    {"run": ID, "argv": [...], "environment": {...}, "directory": PATH, "input": base64 or null}
    {"kill": ID, "signal": NUMBER}
    {"end": true}                     the guest's file systems are synced and it is switched off
To the host:
    {"hello": kernel's version}, {"started": ID, "pid": PID}, {"output": ID, "stream": 1 or 2,
    "data": base64}, {"ended": ID, "status": as subprocess.Popen.returncode}, {"failed": ID,
    "error": text} when there was no such program.
"""

import base64
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

NAME = "org.privexec.agent"
PATIENCE = 5  # seconds for output to end after the command has: something else may hold it


def port():
    """The port's descriptor. Without udev there is no link by its name."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for entry in Path("/sys/class/virtio-ports").glob("*/name"):
            if entry.read_text(encoding="ascii").strip() == NAME:
                return os.open(f"/dev/{entry.parent.name}", os.O_RDWR | os.O_CLOEXEC)
        time.sleep(0.05)
    sys.exit("agent: there is no port of the host")


class Agent:
    def __init__(self):
        self.port = port()
        self.lock = threading.Lock()
        self.processes = {}

    def say(self, **message):
        data = json.dumps(message).encode() + b"\n"
        with self.lock:
            while data:
                data = data[os.write(self.port, data):]

    def forward(self, number, stream, source):
        while True:
            data = os.read(source.fileno(), 32768)
            if not data:
                return
            self.say(output=number, stream=stream, data=base64.b64encode(data).decode())

    def feed(self, process, data):
        try:
            process.stdin.write(data)
            process.stdin.close()
        except BrokenPipeError:
            pass

    def run(self, number, order):
        data = base64.b64decode(order["input"]) if order["input"] is not None else None
        try:
            process = subprocess.Popen(
                order["argv"], cwd=order["directory"], stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, start_new_session=True,
                stdin=subprocess.DEVNULL if data is None else subprocess.PIPE,
                env={**os.environ, **order["environment"]})
        except OSError as problem:
            self.say(failed=number, error=str(problem))
            return
        self.processes[number] = process
        self.say(started=number, pid=process.pid)
        threads = [threading.Thread(target=self.forward, args=(number, stream, source), daemon=True)
                   for stream, source in ((1, process.stdout), (2, process.stderr))]
        if data is not None:
            threads.append(threading.Thread(target=self.feed, args=(process, data), daemon=True))
        for thread in threads:
            thread.start()
        status = process.wait()
        deadline = time.monotonic() + PATIENCE
        for thread in threads:
            thread.join(max(0, deadline - time.monotonic()))
        self.processes.pop(number, None)
        self.say(ended=number, status=status)

    def kill(self, order):
        process = self.processes.get(order["kill"])
        if process is not None and process.poll() is None:
            os.kill(process.pid, order["signal"])

    def serve(self):
        self.say(hello=os.uname().release)
        text = b""
        while True:
            part = os.read(self.port, 65536)
            if not part:  # the host's end is closed
                time.sleep(0.1)
                continue
            *lines, text = (text + part).split(b"\n")
            for line in lines:
                order = json.loads(line)
                if "run" in order:
                    threading.Thread(target=self.run, args=(order["run"], order),
                                     daemon=True).start()
                elif "kill" in order:
                    self.kill(order)
                elif "end" in order:
                    return


Agent().serve()
