# SPDX-License-Identifier: GPL-2.0-or-later
"""A terminal to run privexec in: a pseudo-terminal whose screen can be looked at, with a shell in it
or privexec alone."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

import pyte

import machine

PROMPT = "outer$ "


class Screen(pyte.Screen):
    """pyte's, which fails on private modes of a sequence that vim uses."""

    def select_graphic_rendition(self, *attributes, **private):
        if not private:
            super().select_graphic_rendition(*attributes)


class Terminal:
    """Runs @argv as the leader of a new session whose controlling terminal this is."""

    def __init__(self, argv, rows=24, columns=80, environment=None, cwd=None):
        self.screen = Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.output = b""
        self.drawing = True  # the emulation is slow: large outputs do without
        environment = {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", "HISTFILE": "",
                       **(environment or {})}
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
                for number in range(3):
                    os.dup2(slave, number)
                os.closerange(3, 256)
                if cwd:
                    os.chdir(cwd)
                for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGTSTP,
                               signal.SIGTTIN, signal.SIGTTOU, signal.SIGHUP):
                    signal.signal(number, signal.SIG_DFL)
                os.execvpe(argv[0], argv, environment)
            finally:
                os._exit(127)
        self.slave = slave  # kept, so that its modes can be read when nobody else has it open
        self.status = None

    # --- reading and typing

    def read(self, seconds=0.05):
        """Reads what comes within @seconds, or at once what is there; returns the bytes."""
        got = b""
        while select.select([self.master], [], [], 0 if got else seconds)[0]:
            try:
                piece = os.read(self.master, 65536)
            except OSError:
                break
            if not piece:
                break
            got += piece
        if got:
            self.output += got
            if self.drawing:
                self.stream.feed(got)
        return got

    def type(self, text):
        data = text.encode() if isinstance(text, str) else text
        while data:
            data = data[os.write(self.master, data):]

    def wait(self, condition, what, seconds=10):
        """Reads until @condition() is true."""
        deadline = time.monotonic() + seconds * machine.SLOWNESS
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s: {what}\n--- screen:\n{self.text()}")
            self.read()

    def expect(self, pattern, seconds=10):
        """Waits for @pattern (bytes or text, a regular expression) in what was printed since the
        last time; returns the match."""
        if isinstance(pattern, str):
            pattern = pattern.encode()
        self.wait(lambda: re.search(pattern, self.output, re.S), pattern, seconds)
        match = re.search(pattern, self.output, re.S)
        self.output = self.output[match.end():]
        return match

    def run(self, line, seconds=10):
        """Types @line at the outer shell's prompt; returns what is printed before the next."""
        self.type(line + "\n")
        self.expect(re.escape(line).replace(r"\ ", " ") + "\r\n")
        self.wait(lambda: PROMPT.encode() in self.output, "the prompt", seconds)
        printed, self.output = self.output.split(PROMPT.encode(), 1)
        return printed.decode()

    # --- looking

    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    def text(self):
        return "\n".join(self.lines())

    def shows(self, text, seconds=10):
        """Waits until @text is on the screen."""
        self.wait(lambda: text in self.text(), f"{text!r} on the screen", seconds)

    def settle(self, seconds=0.3):
        """Reads until nothing has come for @seconds."""
        while self.read(seconds):
            pass

    # --- the terminal itself

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen.resize(rows, columns)

    def modes(self):
        return termios.tcgetattr(self.slave)

    def is_raw(self):
        return not self.modes()[3] & termios.ICANON

    # --- the end

    def exited(self, seconds=10):
        """Waits for the process to end; returns its exit status."""
        def ended():
            if self.status is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.status = os.waitstatus_to_exitcode(status)
            return self.status is not None
        self.wait(ended, "the process in the terminal has ended", seconds)
        self.read(0)
        return self.status

    def close(self):
        if self.status is None:
            for number in (signal.SIGHUP, signal.SIGCONT, signal.SIGKILL):
                try:
                    os.kill(self.pid, number)
                except ProcessLookupError:
                    break
                deadline = time.monotonic() + 1 * machine.SLOWNESS
                while self.status is None and time.monotonic() < deadline:
                    pid, status = os.waitpid(self.pid, os.WNOHANG)
                    self.status = os.waitstatus_to_exitcode(status) if pid else None
                    self.read(0.02)
                if self.status is not None:
                    break
        for descriptor in (self.master, self.slave):
            try:
                os.close(descriptor)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Shell(Terminal):
    """An outer bash with job control, root's or @user's; $P is privexec. The terminal is root's: a
    user has it open, but cannot open it again, as after su."""

    def __init__(self, privexec, user=None, **options):
        environment = {"PS1": PROMPT, "P": privexec, "PS0": "", "PROMPT_COMMAND": "",
                       "LC_ALL": "C.UTF-8", "HISTFILE": "", **options.pop("environment", {})}
        argv = ["bash", "--norc", "--noprofile", "--noediting", "-i"]
        if user:
            argv = user.command(argv, **environment)
        super().__init__(argv, environment=environment, **options)
        self.expect(re.escape(PROMPT))


def children(pid):
    """{pid: name} of the live descendants of @pid."""
    import machine
    table = machine.process_table()
    return {child: table[child][2] for child in machine.descendants(pid, table)
            if table[child][1] != "Z"}
