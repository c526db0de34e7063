# SPDX-License-Identifier: GPL-2.0-or-later
"""At a terminal, a session is used like a direct run: keys, job control, size, full-screen programs;
and whatever ends it, the terminal is left as it was found."""

import os
import re
import signal
import subprocess
import termios

import pytest

import machine
from outer import PROMPT, Shell, Terminal, children

INNER = "PS1='inner> ' $P -q bash --norc --noprofile"


@pytest.fixture
def shell(privexec, tmp_path):
    with Shell(privexec, cwd=tmp_path) as terminal:
        yield terminal


@pytest.fixture
def inner(shell):
    """An interactive shell in a session, at its prompt."""
    shell.type(INNER + "\n")
    shell.expect(r"--noprofile\r\n")
    shell.expect(r"inner> $")
    yield shell


def find(shell, name):
    """The pid of the one process of that name below the shell."""
    found = machine.wait_until(
        lambda: [pid for pid, called in children(shell.pid).items() if called == name])
    assert len(found) == 1, f"{name}: {found} of {children(shell.pid)}"
    return found[0]


def at_prompt(shell, before):
    """The outer shell is at its prompt, in its modes, and works."""
    shell.expect(re.escape(PROMPT))
    assert shell.run("echo all is $((1+1))") == "all is 2\r\n"
    assert shell.modes() == before


# --- what the command sees

@pytest.mark.parametrize("command", [
    "tty", "test -t 0 && test -t 1 && test -t 2 && echo all", "stty -a", "stty size",
    "ls -l /proc/self/fd/0 | sed 's/.*-> //'", "echo one; echo two >&2; printf 'a\\tb\\rc\\n'",
    "seq 3000", "python3 -c 'import os; print(os.ttyname(0), os.isatty(2))'", "sh -c 'exit 7'",
    "test $(ps -o tpgid= -p $$) = $(ps -o pgid= -p $$) && echo foreground",
    "printf '\\033[1mbold\\033[0m \\303\\251\\n'"])
def test_a_command_sees_the_same_and_prints_the_same_as_directly(shell, command):
    with open(f"/proc/{shell.pid}/cwd/script", "w", encoding="utf-8") as script:
        script.write(command + "\n")
    direct = shell.run("sh script; echo status $?")
    private = shell.run("$P -q sh script; echo status $?")
    numbered = re.compile(r"/dev/pts/\d+")
    assert numbered.sub("TTY", private) == numbered.sub("TTY", direct)


def test_the_terminal_is_found_by_its_name_in_the_session(shell):
    name = shell.run("$P -q tty").strip()
    assert re.fullmatch(r"/dev/pts/\d+", name)
    assert shell.run(f"$P -q sh -c 'echo written > {name}; echo too > /dev/tty'") == \
        "written\r\ntoo\r\n"


def test_the_first_line_is_printed_once_and_not_with_q(shell):
    said = shell.run("$P true")
    assert re.fullmatch(r"privexec: session [0-9a-f]{8} · store .* · swap .* · network .*"
                        r" · labels \w+( · open: .*)?\r\n", said)
    assert " - store" in shell.run("LC_ALL=C $P true")
    assert shell.run("$P -q true") == ""


def test_the_modes_after_a_session_are_those_before(shell):
    before = shell.modes()
    shell.run("$P -q stty raw -echo")
    assert shell.modes() == before


# --- keys

def test_a_line_can_be_edited_in_a_shell_inside(inner):
    inner.type("echo wrogn\x7f\x7fng\x01\x1b[C\x05!\n")  # Backspace, ^A, right, ^E
    inner.expect(r"wrong!\r\n.*inner> $")
    inner.type("\x1b[A\n")  # up: the line before
    inner.expect(r"wrong!\r\n.*wrong!\r\n.*inner> $")
    inner.type("\x04")
    inner.expect(re.escape(PROMPT))


def test_control_c_interrupts_the_command_and_not_the_session(inner):
    inner.type("sleep 60\n")
    find(inner, "sleep")
    inner.type("\x03")
    inner.expect(r"\^C.*inner> $")
    inner.type("echo $?; exit\n")
    inner.expect(r"130\r\n")
    inner.expect(re.escape(PROMPT))


def test_control_c_on_a_lone_command_gives_130(shell):
    before = shell.modes()
    shell.type("$P -q sleep 60\n")
    find(shell, "sleep")
    shell.type("\x03")
    at_prompt(shell, before)
    shell.type("$P -q sleep 60\n")
    find(shell, "sleep")
    shell.type("\x1c")
    shell.expect(re.escape(PROMPT))
    assert shell.run("echo $?") == "131\r\n"


def test_control_z_stops_a_command_of_the_inner_shell_only(inner):
    inner.type("sleep 60\n")
    find(inner, "sleep")
    inner.type("\x1a")
    inner.expect(r"\[1\]\+  Stopped  .*inner> $")
    inner.type("bg; jobs; kill %1; wait; exit\n")
    inner.expect(r"\[1\]\+  Running")
    inner.expect(re.escape(PROMPT))


def test_control_z_stops_the_session_and_fg_continues_it(shell):
    before = shell.modes()
    shell.type("$P -q sh -c 'while read line; do echo \"read $line\"; done'\n")
    find(shell, "sh")
    shell.type("first\n")
    shell.expect("read first")
    assert shell.modes() != before
    for _ in range(2):
        shell.type("\x1a")
        shell.expect(r"\[1\]\+  Stopped")
        at_prompt(shell, before)
        shell.type("fg\n")
        shell.expect(r"fg\r\n.*?\r\n")
        shell.type("again\n")
        shell.expect("again\r\nread again")
    shell.type("\x04")
    at_prompt(shell, before)


def test_control_z_stops_a_script_around_the_session_too(shell):
    shell.type("sh -c '$P -q sleep 60; echo script went on'\n")
    find(shell, "sleep")
    shell.type("\x1a")
    shell.expect(r"\[1\]\+  Stopped")
    shell.expect(re.escape(PROMPT))
    shell.type("fg\n")
    shell.settle()
    shell.type("\x03")
    shell.expect(re.escape(PROMPT))


def test_a_stopped_session_in_the_background_runs_on_and_prints(shell):
    shell.type("$P -q sh -c 'sleep 60; echo woken'\n")
    sleep = find(shell, "sleep")
    shell.type("\x1a")
    shell.expect("Stopped")
    shell.expect(re.escape(PROMPT))
    shell.run("bg")
    os.kill(sleep, signal.SIGTERM)
    shell.expect("woken")
    assert machine.wait_until(lambda: "Running" not in shell.run("jobs"), step=0.1)


def test_a_session_that_reads_in_the_background_is_stopped_until_it_has_the_terminal(shell):
    before = shell.modes()
    shell.run("$P -q sh -c 'echo begun; read x; echo \"got $x\"' &")
    machine.wait_until(lambda: "Stopped" in shell.run("jobs"), 5, 0.2)
    assert "Stopped" in shell.run("jobs")
    assert shell.modes() == before
    shell.type("fg\n")
    shell.expect(r"fg\r\n")
    shell.type("this\n")
    shell.expect("got this")
    at_prompt(shell, before)


def test_a_session_started_in_the_background_leaves_the_terminal_alone(shell):
    before = shell.modes()
    shell.run("$P -q sh -c 'sleep 60; echo over' &")
    sleep = find(shell, "sleep")
    assert shell.modes() == before
    assert shell.run("echo typed") == "typed\r\n"
    os.kill(sleep, signal.SIGTERM)
    shell.expect("over\r\n")


def test_a_session_moved_to_the_foreground_while_it_runs_can_be_typed_at(shell):
    shell.run("$P -q sh -c 'sleep 60; read x; echo \"got $x\"' &")
    sleep = find(shell, "sleep")
    shell.type("fg\n")
    shell.expect(r"fg\r\n.*?\r\n")
    os.kill(sleep, signal.SIGTERM)
    shell.settle()
    shell.type("late\n")
    shell.expect("got late")


def test_an_alone_session_without_a_shell_around_it_is_not_lost_by_control_z(privexec):
    # nobody could continue it: the kernel does not stop such a process either
    with Terminal([privexec, "-q", "sh", "-c", "echo begun; read x; echo \"got $x\""]) as terminal:
        terminal.expect("begun")
        terminal.type("\x1a")
        terminal.settle()
        terminal.type("that\n")
        terminal.expect("got that")
        assert terminal.exited() == 0


# --- size and full-screen programs

def test_a_new_size_reaches_the_session(inner):
    inner.type("trap 'echo \"now $(stty size)\"' WINCH\n")
    inner.expect(r"inner> $")
    inner.resize(30, 100)
    inner.type("\n")
    inner.expect(r"now 30 100")


def test_vim_draws_its_screen_writes_and_leaves_it_clean(shell, tmp_path):
    before = shell.modes()
    shell.type("$P -q sh -c 'vim -u NONE -N note; cat note'\n")
    shell.shows("[New")
    shell.settle(0.1)
    assert shell.lines()[1].startswith("~")
    shell.type("iSome words.\x1b:set ruler\n")
    shell.shows("Some words.")
    shell.resize(20, 70)
    shell.settle()
    assert shell.lines()[18].startswith("~")
    shell.type(":wq\n")
    shell.expect(r"Some words\.\r\n" + re.escape(PROMPT))
    assert shell.modes() == before
    assert not (tmp_path / "note").exists()


def test_vim_is_stopped_and_drawn_again(shell):
    shell.type("$P -q vim -u NONE -N -c 'normal 5iabc'\n")
    shell.shows("abcabcabcabcabc")
    shell.settle(0.1)
    shell.type("\x1a")
    shell.expect("Stopped")
    shell.run("clear")
    shell.type("fg\n")
    shell.shows("abcabcabcabcabc")
    shell.type(":q!\n")
    shell.expect(re.escape(PROMPT))


def test_less_pages_a_file_and_a_pipe(shell, tmp_path):
    (tmp_path / "lines").write_text("".join(f"line {i}\n" for i in range(1000)))
    for command in ("$P -q less lines", "$P -q cat lines | less", "cat lines | $P -q less",
                    "$P -q sh -c 'cat lines | less'"):
        shell.type(command + "\n")
        shell.shows("line 22")
        shell.type("G")
        shell.shows("line 999")
        shell.type("/line 5..\n")
        shell.type("g/line 55\n")
        shell.shows("line 55")
        shell.type("q")
        shell.settle()
        assert shell.run("clear; echo done").endswith("done\r\n")


def test_top_shows_the_session_only(shell):
    shell.type("$P -q top -d 0.3\n")
    shell.shows("privexe")
    listed = [line for line in shell.lines()[7:] if line]
    assert len(listed) == 2
    shell.type("q")
    shell.expect(re.escape(PROMPT))


@pytest.mark.skipif(not machine.shutil.which("tmux"), reason="tmux is not installed")
def test_tmux_runs_inside(shell):
    shell.type("$P -q tmux -f /dev/null new 'sh -c \"echo with\\in; cat\"'\n")
    shell.shows("within")
    shell.shows("[0]")
    shell.type("typed\n")
    shell.shows("typed\ntyped")
    shell.type("\x04")
    shell.expect(re.escape(PROMPT))
    shell.type("clear\n")
    shell.settle()


@pytest.mark.skipif(not machine.shutil.which("tmux"), reason="tmux is not installed")
def test_a_session_runs_inside_of_tmux(shell):
    shell.type("tmux -L privexec-test -f /dev/null new \"$P -q sh -c 'tty; cat'\"\n")
    shell.shows("/dev/pts/")
    shell.type("typed\n")
    shell.shows("typed\ntyped")
    shell.type("\x04")
    shell.expect(re.escape(PROMPT))


# --- beside other programs

def test_what_is_typed_ahead_goes_to_the_shell_when_the_command_does_not_read_it(shell):
    # with a pipe as its input the session must not take the terminal's
    shell.type("sleep 0.3 | $P -q cat\n")
    shell.type("echo typed ahead\n")
    shell.expect(re.escape(PROMPT) + "typed ahead\r\n")


def test_a_command_with_a_terminal_in_and_a_file_out_reads_the_terminal(shell, tmp_path):
    before = shell.modes()
    shell.type("$P -q cat > copy\n")
    assert machine.wait_until(lambda: shell.modes() != before)
    shell.type("to the file\n\x04")
    at_prompt(shell, before)
    assert (tmp_path / "copy").read_text() == "to the file\n"


def test_a_password_is_asked_at_the_terminal_while_input_is_a_pipe(shell):
    before = shell.modes()
    shell.type("echo data | $P -q bash -c 'read -sp \"Word: \" x </dev/tty; read y; echo; "
               "echo \"$x and $y\"'\n")
    shell.expect("Word: $")
    shell.type("secret\n")
    assert b"secret" not in shell.expect(r".*secret and data").group()[:-len(b"secret and data")]
    at_prompt(shell, before)


def test_output_to_a_terminal_that_is_not_raw_is_not_returned_twice(shell):
    assert shell.run("$P -q sh -c 'echo one; echo two' </dev/null") == "one\r\ntwo\r\n"
    assert shell.run("$P -q sh -c 'echo one >&2; echo two >&2' </dev/null >/dev/null") == \
        "one\r\ntwo\r\n"


def test_two_sessions_in_one_pipeline_share_the_terminal(shell):
    before = shell.modes()
    shell.type("$P -q cat | $P -q sed 's/^/> /;s/$/\\n./'\n")
    assert machine.wait_until(lambda: shell.modes() != before)
    shell.type("one\ntwo\n\x04")
    shell.expect("> one\r\n\\.\r\n> two\r\n\\.\r\n")
    at_prompt(shell, before)


def test_a_front_stopped_by_force_is_continued_by_fg_and_bg(shell):
    before = shell.modes()
    shell.type("$P -q sh -c 'while read x; do echo \"got $x\"; done'\n")
    find(shell, "sh")
    for _ in range(2):
        os.kill(find(shell, "privexec"), signal.SIGSTOP)
        shell.expect("Stopped")
        shell.expect(re.escape(PROMPT))
        shell.run("bg; sleep 0.1")
        shell.type("fg\n")
        shell.expect(r"fg\r\n.*?\r\n")
        assert machine.wait_until(shell.is_raw)
        shell.type("this\n")
        shell.expect("got this")
    shell.type("\x04")
    at_prompt(shell, before)


def test_nothing_typed_at_the_session_is_left_for_the_shell(shell):
    # answers of the terminal, asked for by the session, would be typed into the shell
    shell.type("$P -q sh -c 'stty -echo; echo begun; sleep 0.5'\n")
    shell.expect("begun\r\n")
    shell.type("echo injected\n")
    shell.expect(re.escape(PROMPT))
    shell.settle()
    assert b"injected" not in shell.output


def test_the_clipboard_of_the_terminal_is_not_written(shell):
    printed = shell.run(r"$P -q printf 'a\033]52;c;aGVsbG8=\007b\n'")
    assert printed == "a\x1b]52\x18b\r\n"
    assert shell.run(r"$P -q printf 'a\033]0;title\007b\n'") == "a\x1b]0;title\x07b\r\n"


def test_the_last_byte_is_printed(shell):
    shell.drawing = False
    for count in (1, 1000, 200000):
        assert shell.run(f"$P -q sh -c 'seq {count}; printf end'").endswith(f"{count}\r\nend")


def test_a_pasted_text_arrives_whole(shell):
    lines = "".join(f"line {i} of a text that is pasted\n" for i in range(2000))
    shell.type("$P -q sh -c 'stty -echo; echo ready; md5sum'\n")
    shell.expect("ready\r\n")
    for at in range(0, len(lines), 1000):
        shell.type(lines[at:at + 1000])
        shell.read(0)
    shell.type("\x04")
    summed = subprocess.run(["md5sum"], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    shell.expect(summed.stdout.split()[0])


# --- whatever ends it

@pytest.mark.parametrize("victim, status", [("privexec-keeper", 125), ("privexec-init", 125),
                                            ("cat", 137)])
def test_the_modes_are_restored_when_a_process_is_killed(shell, victim, status):
    before = shell.modes()
    shell.type("$P -q cat\n")
    assert machine.wait_until(lambda: shell.modes() != before)
    find(shell, "cat")
    pids = [pid for pid, name in children(shell.pid).items() if name == victim]
    if victim == "privexec-keeper":
        # its sweeper has the same name and is its child
        table = machine.process_table()
        pids = [pid for pid in pids if table[table[pid][0]][2] != victim]
    assert len(pids) == 1
    os.kill(pids[0], signal.SIGKILL)
    shell.expect(re.escape(PROMPT))
    assert shell.run("echo $?") == f"{status}\r\n"
    assert shell.modes() == before
    machine.wait_until(lambda: not children(shell.pid))
    assert not children(shell.pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT,
                                    signal.SIGUSR1, signal.SIGALRM, signal.SIGSEGV, signal.SIGABRT])
def test_the_modes_are_restored_when_the_front_is_sent_a_signal(shell, number):
    before = shell.modes()
    shell.type("$P -q cat\n")
    assert machine.wait_until(lambda: shell.modes() != before)
    find(shell, "cat")
    os.kill(find(shell, "privexec"), number)
    shell.expect(re.escape(PROMPT))
    assert shell.run("echo $?") == f"{128 + number}\r\n"
    assert shell.modes() == before


def test_a_terminal_that_is_closed_ends_the_session(privexec):
    terminal = Terminal([privexec, "-q", "cat"])
    try:
        machine.wait_until(terminal.is_raw)
        processes = set(children(terminal.pid))
        assert processes
        os.close(terminal.slave)
        os.close(terminal.master)
        assert machine.wait_until(lambda: os.waitpid(terminal.pid, os.WNOHANG)[0], 5)
        terminal.status = 0
        assert machine.wait_until(
            lambda: not processes & {p for p, e in machine.process_table().items() if e[1] != "Z"})
    finally:
        terminal.close()


def test_processes_left_behind_by_the_command_are_ended_and_named(shell):
    said = shell.run("$P sh -c 'sleep 60 & sleep 61 & sleep 0.2; exit 4'; echo status $?")
    assert "ended 2 processes that were still running: sleep (" in said
    assert said.endswith("status 4\r\n")


def test_control_c_ends_what_a_session_with_end_last_waits_for(shell):
    before = shell.modes()
    shell.type("$P -q --end=last sh -c 'sleep 60 & echo left; exit 3'\n")
    shell.expect("left\r\n")
    assert machine.wait_until(lambda: shell.modes() == before)
    find(shell, "sleep")
    shell.type("\x03")
    shell.expect(re.escape(PROMPT))
    assert shell.run("echo $?") == "3\r\n"


def test_an_error_is_one_line_and_the_terminal_untouched(shell):
    before = shell.modes()
    assert re.fullmatch(r"privexec: 'no-such-command': command not found\r\n",
                        shell.run("$P -q no-such-command"))
    assert re.fullmatch(r"privexec: --net has no choice 'moon': .*\r\n", shell.run("$P --net=moon ls"))
    assert shell.modes() == before


def test_no_command_is_an_interactive_shell(shell):
    shell.type("SHELL=/bin/bash PS1='inner> ' $P -q\n")
    shell.settle()
    shell.type("echo level $SHLVL; exit 5\n")
    shell.expect(r"level \d\r\n")
    shell.expect(re.escape(PROMPT))
    assert shell.run("echo $?") == "5\r\n"


def test_terminal_modes_of_the_session_are_its_own(inner):
    inner.type("stty -icanon -echo; exit\n")
    inner.expect(re.escape(PROMPT))
    assert inner.modes()[3] & termios.ECHO


# --- an ordinary user, at a terminal that is someone else's

@pytest.fixture
def users_shell(installed, alice):
    with Shell(installed, user=alice, cwd=alice.home) as terminal:
        yield terminal


def test_a_terminal_that_cannot_be_opened_again_is_used_as_it_is(users_shell):
    shell = users_shell
    assert "Permission denied" in shell.run("echo >$(tty)")
    before = shell.modes()
    assert re.fullmatch(r"/dev/pts/\d+\r\n", shell.run("$P -q tty"))
    shell.type("$P -q sh -c 'while read line; do echo \"read $line\"; done'\n")
    find(shell, "sh")
    shell.type("first\n")
    shell.expect("read first")
    shell.type("\x1a")
    shell.expect("Stopped")
    at_prompt(shell, before)
    shell.type("fg\n")
    shell.expect(r"fg\r\n.*?\r\n")
    shell.type("again\n")
    shell.expect("again\r\nread again")
    shell.type("\x03")
    at_prompt(shell, before)
    shell.drawing = False
    assert shell.run("$P -q sh -c 'seq 20000; printf end'").endswith("20000\r\nend")


@pytest.mark.parametrize("victim", ["privexec-init", "cat"])
def test_a_users_terminal_is_restored_when_a_process_is_killed(users_shell, victim):
    before = users_shell.modes()
    users_shell.type("$P -q cat\n")
    assert machine.wait_until(lambda: users_shell.modes() != before)
    find(users_shell, "cat")
    os.kill(find(users_shell, victim), signal.SIGKILL)
    at_prompt(users_shell, before)


def test_control_z_during_the_start_is_not_lost(shell):
    # wherever it meets the session: before the keeper's start, before the command's, after it (and
    # not in a shell, whose vfork() can be stopped halfway for good, directly as well)
    shell.run("echo warm; $P -q true")
    for delay in range(0, 24, 3):
        shell.type("$P -q sleep 60\n")
        shell.expect(r"sleep 60\r\n")
        machine.wait_until(lambda: "privexec" in children(shell.pid).values(), step=0.001)
        shell.read(delay / 1000)
        shell.type("\x1a")
        shell.expect("Stopped")
        shell.expect(re.escape(PROMPT))
        shell.type("fg\n")
        shell.expect(r"fg\r\n.*?\r\n")
        find(shell, "sleep")
        # in the moment of being continued a session may lose a key (privexec(7), KNOWN ISSUES); what
        # is claimed here is that control-Z is not
        shell.type("\x03")
        try:
            shell.expect(re.escape(PROMPT), 3)
        except AssertionError:
            shell.type("\x03")
            shell.expect(re.escape(PROMPT))
        assert shell.run("echo $?") == "130\r\n"
