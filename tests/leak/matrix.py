# SPDX-License-Identifier: GPL-2.0-or-later
"""The matrix of channels: sessions and public programs on one host (tests/network/lan.py), each with an
agent that plays a side of any row, and what comes of it."""

import contextlib
import fcntl
import json
import os
import pty
import secrets
import select
import shutil
import subprocess
import tempfile
import termios
import threading
import time
from collections import namedtuple
from pathlib import Path

import machine
from channels import ROWS
from channels.files import PASSED, PROVEN, SHARED
from channels.machine_wide import TRACING

HERE = Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"

# From where to where a canary goes: out of a session, into another one, or in from outside.
OUT, ACROSS, IN = "session to public", "session to session", "public to session"

# How many seconds a receiver waits: where something should come, and it waits no longer than that takes;
# and where nothing should.
LONG, SHORT = 1.0, 0.04

# arrived: False or True; exit: the name of the exit by which it may; said: the sender's error, if any
Outcome = namedtuple("Outcome", "arrived exit said")


class Broken(Exception):
    """A row that does not do what it is to do. of_receiver: as the kernel refused the receiver
    something."""

    def __init__(self, text, of_receiver=False):
        super().__init__(text)
        self.of_receiver = of_receiver


class Agent:
    """A process that plays sides of rows. Its streams: see channels/streams.py."""

    def __init__(self, matrix, prefix, user_place, *words):
        number = len(matrix.agents)
        self.input = matrix.path / f"input-{number}"
        os.mkfifo(self.input)
        self.input.chmod(0o666)
        self._input = os.open(self.input, os.O_RDWR | os.O_CLOEXEC)
        self._master, slave = pty.openpty()
        self.terminal, self.screen = os.ttyname(slave), matrix.path / f"screen-{number}"
        self._slave = slave
        self.screen.touch(mode=0o644)
        reading = os.open(self.input, os.O_RDONLY | os.O_CLOEXEC)
        self.process = subprocess.Popen(
            [str(word) for word in (*prefix, PYTHON, matrix.agent, user_place, machine.SLOWNESS,
                                    *words)],
            stdin=reading, stdout=subprocess.PIPE, stderr=slave, pass_fds=matrix.inherited, cwd="/",
            preexec_fn=lambda: _own_terminal(slave))
        os.close(reading)
        self._screen = threading.Thread(target=self._record, daemon=True)
        self._screen.start()
        self.pid = None

    def ready(self):
        assert self._hear(20) == {"said": "ready"}
        self.pid = min(pid for pid in machine.descendants(self.process.pid) | {self.process.pid}
                       if self._is_agent(pid))
        return self

    @staticmethod
    def _is_agent(pid):
        try:
            return b"agent.py" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1][-8:]
        except (OSError, IndexError):
            return False

    def _record(self):
        with open(self.screen, "ab", buffering=0) as file:
            while True:
                try:
                    piece = os.read(self._master, 65536)
                except OSError:
                    return
                file.write(piece)

    def shown(self):
        return self.screen.stat().st_size

    def _hear(self, seconds):
        text, deadline = b"", time.monotonic() + seconds * machine.SLOWNESS
        descriptor = self.process.stdout.fileno()
        while not text.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                raise Broken(f"no answer: {text!r} {self.screen.read_text(errors='replace')[-2000:]}")
            piece = os.read(descriptor, 65536)
            if not piece:
                self.process.wait(10)
                raise Broken(f"it ended: {self.process.returncode} {text!r} "
                             f"{self.screen.read_text(errors='replace')[-2000:]}")
            text += piece
        return json.loads(text)

    def do(self, what, **more):
        """What its side says, and what the kernel said if it was stopped."""
        os.write(self._input, json.dumps({"do": what, **more}).encode() + b"\n")
        try:
            answer = self._hear(10)
        except Broken:
            self.process.kill()  # what it may yet say would be taken for another answer
            raise
        if "fault" in answer:
            raise Broken(answer["fault"])
        return answer.get("said"), answer.get("error")

    def close(self):
        # the end of its input, by which it ends itself
        os.close(self._input)
        try:
            self.process.wait(5 * machine.SLOWNESS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        os.close(self._slave)
        self._screen.join(2)
        os.close(self._master)


def _own_terminal(slave):
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)


class Matrix:
    """@net: a lan.Lan; @workers: {"user": ..., "root": ...}."""

    def __init__(self, net, workers, keeper, configurations):
        self._stack = contextlib.ExitStack()
        self.net, self.workers = net, workers
        self.path = Path(tempfile.mkdtemp(prefix="privexec-tests-leak-", dir="/var/tmp"))
        self._stack.callback(shutil.rmtree, self.path)
        self.path.chmod(0o755)
        for name in ("agent.py", "channels"):
            copy = shutil.copytree if (HERE / name).is_dir() else shutil.copy
            copy(HERE / name, self.path / name)
        self.agent = self.path / "agent.py"
        self.agents, self._named, self._outcomes, self._exits = [], {}, {}, {}
        self._arrange(keeper, configurations)
        self.inherited = self._inherited()

    def _arrange(self, keeper, configurations):
        """What rows find on the host: see channels/files.py, channels/machine_wide.py."""
        self.net.at("host", f"""
            mkdir -p {PASSED} {PROVEN} {SHARED} {TRACING}
            mount -t tmpfs -o mode=1777 passed {PASSED}
            mount -t tmpfs -o mode=755 proven {PROVEN}
            mount -t tmpfs -o mode=755 shared {SHARED}
            for number in $(seq 0 15); do echo text | tee {PROVEN}/$number >{SHARED}/$number; done
            mkfifo -m 666 {SHARED}/fifo
            mount -t tracefs tracing {TRACING} 2>/dev/null || true
            sysctl -qw net.ipv4.tcp_fastopen=1027 || true
            losetup --find >/dev/null || true  # so that there is one
            echo nameserver 127.0.0.53 >/etc/resolv.conf""")
        proofs = machine.STATE / "proofs"
        kept = set(proofs.glob("*"))
        self._stack.callback(lambda: [record.unlink() for record in set(proofs.glob("*")) - kept])
        done = machine.run([*self.net.enter("host"), keeper, "--prove", PROVEN])
        assert done.returncode == 0, done.stderr
        for directory in configurations:
            self.net.at("host", f"""mkdir -p {directory}
                printf 'auto\\n{PASSED}\\n' >{directory}/sys_mounts.conf""")

    def _inherited(self):
        """Descriptors that fronts and public senders are started with."""
        os.mkfifo(self.path / "inherited")
        (self.path / "open").mkdir()
        for name in ("inherited", "open"):
            (self.path / name).chmod(0o777)
        found = [os.open(self.path / "inherited", os.O_RDWR), os.open(self.path / "open", os.O_RDONLY)]
        for descriptor in found:
            self._stack.callback(os.close, descriptor)
        return found

    def close(self):
        for agent in reversed(self.agents):
            agent.close()
        self._stack.close()

    # --- who takes part

    def _place(self, who):
        path = self.path / who
        if not path.exists():
            path.mkdir()
            path.chmod(0o777)
            if self.workers[who].user:
                os.chown(path, self.workers[who].user.uid, self.workers[who].user.gid)
        return path

    def _front(self, who, mode, *options):
        worker = self.workers[who]
        return [*self.net.enter("host"), *worker.command(
            [worker.front, "-q", "--store=memory", "--size=32M", f"--net={mode}", *options, "--"])]

    def prefix(self, who, where, *options):
        """By which @who starts something @where: "public", "outside" or a mode of the network."""
        if where == "outside":
            return self.net.enter("outside")
        if where == "public":
            return [*self.net.enter("host"), *self.workers[who].command([])]
        return self._front(who, where, *options)

    def someone(self, who, where, number=0):
        """The agent of @who's, one of two, @where."""
        key = who, where, number
        if key not in self._named or self._named[key].process.poll() is not None:
            agent = Agent(self, self.prefix(who, where), self._place(who))
            if self.workers[who].user:
                os.chown(agent.terminal, self.workers[who].user.uid, -1)
            self.agents.append(agent)
            self._named[key] = agent.ready()
        return self._named[key]

    def exits(self, who, mode):
        """{name: reason} of the exits that such a session has by --dry-run."""
        if (who, mode) not in self._exits:
            said, words = (self._plan(who, mode, *options) for options in (["--json"], []))
            found = {one["name"]: one["reason"] for one in json.loads(said)["exits"]}
            lacking = [name for name in found if name not in words]
            assert not lacking, f"the words do not name {lacking}"
            self._exits[who, mode] = found
        return self._exits[who, mode]

    def _plan(self, who, mode, *options):
        """With the streams that agents have."""
        agent = self.someone(who, "public")
        terminal = os.open(agent.terminal, os.O_RDWR | os.O_NOCTTY)
        reading = os.open(agent.input, os.O_RDWR)
        try:
            done = machine.run([*self._front(who, mode, "--dry-run", *options)[:-1], "--", "true"],
                               stdin=reading, stderr=terminal)
        finally:
            os.close(terminal)
            os.close(reading)
        assert done.returncode == 0, agent.screen.read_text(errors="replace")
        return done.stdout

    # --- one transfer

    def _transfer(self, row, who, sender, receiver, patience):
        """(whether the canary arrives, what the sender was told if it was stopped); @sender and
        @receiver: places to stand, as someone() takes them."""
        number = ROWS.index(row)
        canary = secrets.choice("89abcdef") + secrets.token_hex(6)[1:]
        hears = self.someone(*receiver)
        told, error = hears.do("receive", row=number, patience=patience)
        went_on, problem = False, None
        if error:
            raise Broken(f"the receiver cannot receive: {error}", of_receiver=True)
        try:
            if row.alone:
                heard = self._alone(number, who, sender[1], canary)
                error = None
            else:
                speaks = self.someone(*sender)
                if row.told_pid and sender[1] == "public":
                    # as it is called where the sender is
                    told = [hears.pid, *told[1:]] if isinstance(told, list) else hears.pid
                known = {"pid": speaks.pid, "screen": str(speaks.screen), "shown": speaks.shown(),
                         "terminal": speaks.terminal, "input": str(speaks.input)}
                said, error = speaks.do("send", row=number, canary=canary, told=told,
                                         patience=patience)
                heard = {"said": said, **known}
            text = ""
            if not (error and row.reaches_in):
                text, problem = hears.do("go on", told=heard)
                went_on = not problem
            if not row.alone:
                speaks.do("end", finished=True)
        finally:
            hears.do("end", finished=went_on)
        if problem:
            raise Broken(f"the receiver fails: {problem}", of_receiver=True)
        return canary[:row.digits] in (text or ""), error

    def _alone(self, number, who, where, canary):
        done = machine.run([*self.prefix(who, where), PYTHON, self.agent, self._place(who),
                            machine.SLOWNESS, "alone", number, canary])
        return {"said": done.returncode}

    def _receiver(self, row, who):
        if row.receiver == "outside":
            return "root", "outside", 0
        return ("root" if row.receiver == "root" else who), "public", 1

    def _once(self, key, function):
        if key not in self._outcomes:
            self._outcomes[key] = function()
        return self._outcomes[key]

    def control(self, row, who):
        """Why the pair does not work without privexec, or "" when it does."""
        def run():
            try:
                arrived, error = self._transfer(row, who, (who, "public", 0),
                                                self._receiver(row, who), LONG)
            except Broken as problem:
                if not problem.of_receiver:
                    raise
                return str(problem)
            return "" if arrived else error or "nothing arrives"
        return self._once((row, who), run)

    @staticmethod
    def directions(row, who):
        found = [OUT]
        if row.receiver == "same" and not row.alone:
            found.append(ACROSS)
        if who in row.inwards:
            found.append(IN)
        return found

    def outcome(self, row, who, mode, direction):
        def run():
            exit_ = self._exit_of(row, who, mode, direction)
            inside, other = (who, mode, 0), (who, mode, 1)
            sender, receiver = {OUT: (inside, self._receiver(row, who)), ACROSS: (inside, other),
                                IN: ((who, "public", 0), inside)}[direction]
            try:
                arrived, error = self._transfer(row, who, sender, receiver, LONG if exit_ and
                                                direction == OUT else SHORT)
            except Broken as problem:
                # a session has not all that the other end is made of
                if receiver[1] in ("public", "outside") or not problem.of_receiver:
                    raise
                arrived, error = False, str(problem)
            return Outcome(arrived, exit_, error)
        return self._once((row, who, mode, direction), run)

    def _exit_of(self, row, who, mode, direction):
        """The exit by which the row may be open, by what the session itself says."""
        named = self.exits(who, mode)
        allowed = row.exits
        if direction == IN and row.exits_inwards is not None:
            allowed = row.exits_inwards
        return next((name for name, words in allowed if name in named and words in named[name]),
                    None)

    # --- all of it

    def open_exits(self, who, mode):
        """The names of exits by which something arrived; of rows to which the network is nothing, in
        another mode."""
        found, named = set(), set(self.exits(who, mode))
        for row in ROWS:
            exits = {name for name, _ in (*row.exits, *(row.exits_inwards or ()))} & named
            if exits - found and who in row.users and not self.control(row, who):
                its = mode if mode in row.modes else row.modes[0]
                outcomes = [self.outcome(row, who, its, one) for one in self.directions(row, who)]
                found |= {outcome.exit for outcome in outcomes if outcome.arrived}
        return found

    def results(self):
        """What is known, for machines."""
        found = []
        for key, outcome in self._outcomes.items():
            if len(key) == 2:
                row, who = key
                found += [{"channel": row.channel, "row": row.name, "user": who, "control": outcome}]
            else:
                row, who, mode, direction = key
                found += [{"channel": row.channel, "row": row.name, "user": who, "mode": mode,
                           "direction": direction, "arrived": outcome.arrived,
                           "exit": outcome.exit, "documented": bool(row.documented),
                           "said": outcome.said}]
        return {"v": 1, "kernel": os.uname().release, "machine": os.uname().machine,
                "exits": [{"user": who, "mode": mode, "named": sorted(named)}
                          for (who, mode), named in self._exits.items()], "results": found}
