# SPDX-License-Identifier: GPL-2.0-or-later
"""What a command is given and gives back in a session is what it would be in a direct run: standard
streams, arguments, environment, directory, limits, signals, exit status. Each line of the tables is
run twice, with and without privexec, and compared."""

import concurrent.futures
import hashlib
import itertools
import json
import os
import re
import resource
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

import machine

MEGABYTES = 100 << 20


@pytest.fixture
def both(privexec, tmp_path):
    """both(script): runs the bash script directly and with $RUN as privexec, at the same time, each
    in a fresh directory with the same few files; returns both results."""
    numbers = itertools.count()

    def one(private, script, number):
        directory = tmp_path / (f"inside_{number}" if private else f"outside{number}")
        directory.mkdir()
        (directory / "lines").write_text("one\ntwo\nthree\n")
        (directory / "script").write_text("echo a script without an interpreter: ${0##*/} $*\n")
        (directory / "script").chmod(0o755)
        (directory / "text").write_text("text\n")
        (directory / "sub").mkdir()
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": "/root",
                       "RUN": f"{privexec} -q --" if private else ""}
        done = subprocess.run(["bash", "-c", script], cwd=directory, env=environment, timeout=60 * machine.SLOWNESS,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False)
        files = {str(path.relative_to(directory)): path.read_bytes()
                 for path in sorted(directory.rglob("*")) if path.is_file()}
        return done.returncode, done.stdout, done.stderr, files

    def run(script):
        number = next(numbers)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda private: one(private, script, number), (False, True)))

    return run


def same(both, script):
    direct, private = both(script)
    assert private == direct
    return direct


# --- exit status

@pytest.mark.parametrize("script", [
    "$RUN true", "$RUN false", "$RUN sh -c 'exit 255'", "$RUN sh -c 'kill -TERM $$'",
    "$RUN sh -c 'kill -KILL $$'", "$RUN sh -c 'kill -SEGV $$'; echo $?",
    "$RUN sh -c 'kill -PIPE $$'; echo $?", "$RUN sh -c 'kill -34 $$'; echo $?",
    "$RUN ./script a 'b c'", "$RUN script a", 
    "$RUN sh -c 'exec sh -c \"exit 9\"'", "$RUN env -i /bin/sh -c 'exit 8'"])
def test_the_exit_status_is_that_of_a_direct_run(both, script):
    (status, printed, _, _), (private, printed_private, _, _) = both(script)
    # bash says "Terminated" for a child that a signal ended; privexec exits with 128+n instead
    assert private == status or private == 128 - status
    assert printed_private == printed


@pytest.mark.parametrize("script, status, said", [
    ("$RUN no-such", 127, "'no-such': command not found"),
    ("$RUN ./no-such", 127, "cannot execute './no-such': No such file or directory"),
    ("$RUN ./text", 126, "cannot execute './text': Permission denied"),
    ("$RUN ./sub", 126, "cannot execute './sub': Permission denied"),
    ("$RUN ''", 127, "'': command not found"),
    ("$RUN ./text/x", 126, "cannot execute './text/x': Not a directory")])
def test_a_command_that_cannot_run_is_named_with_the_reason(both, script, status, said):
    direct, private = both(script)
    assert direct[0] == status
    assert private[0] == status
    assert private[2].decode() == f"privexec: {said}\n"


# --- standard streams

# prints what 0, 1 and 2 are, on the first of 1, 2 that is open
KINDS = r"""python3 -c '
import os, stat
said = []
for n in (0, 1, 2):
    try:
        mode = os.fstat(n).st_mode
        said.append("%d %s" % (n, "fifo" if stat.S_ISFIFO(mode) else "file" if stat.S_ISREG(mode)
                    else "device %x" % os.fstat(n).st_rdev if stat.S_ISCHR(mode) else "other"))
    except OSError as error:
        said.append("%d %s" % (n, error.strerror))
for n in (1, 2):
    try:
        os.write(n, ("\n".join(said) + "\n").encode())
        break
    except OSError:
        pass
'"""


@pytest.mark.parametrize("redirection", [
    "", "<&-", ">&-", "2>&-", "<&- 2>&-", "<&- >&-", ">&- 2>&-", "</dev/null", ">out", "2>out",
    ">/dev/null", "</dev/zero", "<lines", "<lines >out 2>err", ">out 2>&1", "< <(cat lines)",
    "2> >(cat >err)"])
def test_the_three_streams_are_of_the_same_kind(both, redirection):
    same(both, f"$RUN {KINDS} {redirection}; wait")


def test_nothing_above_the_three_is_inherited(privexec):
    done = subprocess.run(["bash", "-c", f"{privexec} -q ls /proc/self/fd 5</dev/null 9</etc/passwd"],
                          stdout=subprocess.PIPE, check=True)
    assert done.stdout.split() == [b"0", b"1", b"2", b"3"]  # 3 is the directory being listed


@pytest.mark.parametrize("script", [
    "$RUN cat <lines", "$RUN cat <lines >out", "$RUN tail -n1 <lines", "$RUN cat - text <lines",
    "(read x; $RUN cat) <lines", "$RUN sh -c 'head -c4; echo; cat' <lines",
    "python3 -c 'import os; os.lseek(0, 4, 0); os.execvp(\"sh\", [\"sh\", \"-c\", \"$RUN cat\"])' "
    "<lines",
    "$RUN python3 -c 'import os; print(os.lseek(0, -6, 2), os.read(0, 3))' <lines",
    "$RUN python3 -c 'import os; print(os.stat(0).st_size)' <lines",
    "$RUN python3 -c 'import mmap; print(mmap.mmap(0, 0, prot=mmap.PROT_READ)[:])' <lines",
    "$RUN sh -c 'echo a; echo b >&2; echo c' >out 2>&1", "$RUN echo short >lines",
    "$RUN sh -c 'echo a; echo b >&2; echo c' >>lines 2>&1", "$RUN echo more >>lines",
    "$RUN sh -c 'echo a; echo b >&2' >>lines 2>>text",
    "(echo 1; $RUN echo 2; echo 3) >out", "(echo 1; $RUN echo 2; echo 3) >>lines",
    "(echo 1; $RUN echo 2 >&2; echo 3) 2>out",
    "$RUN sh -c 'for i in 1 2 3 4 5 6 7 8; do echo out $i; echo err $i >&2; done' >>lines 2>&1",
    "$RUN python3 -c 'import os; os.ftruncate(1, 2)' >out; $RUN python3 -c 'import os; "
    "os.pwrite(1, b\"x\", 5)' >out",
    "$RUN cat <<< 'here'", "head -c 200000 /dev/zero | tr '\\0' x >big; $RUN wc -c <<< \"$(cat big)\"",
    "$RUN cat <<end\na\nb\nend\n", "echo x | $RUN cat | $RUN tr x y", "$RUN cat </dev/null",
    "$RUN /bin/echo x >/dev/full; echo $?", "$RUN sh -c 'echo a >&2' 2>&1 | cat",
    "mkfifo f; (cat f >got &); $RUN echo through >f; sleep 0.2; rm f",
    "mkfifo f; (echo through >f &); $RUN cat <f; rm f",
    "exec 3<>lines; $RUN sh -c 'read x <&0; echo got $x' <&3",
    "yes | $RUN head -n1", "$RUN yes | head -n1", "$RUN seq 100000 | md5sum",
    "$RUN sh -c 'exec <&-; sleep 0.3' < <(yes 2>yes.err; echo ended >yes.status); sleep 0.1; "
    "cat yes.status",
    "$RUN sh -c 'exec >&-; sleep 1; echo late >&2' | (cat; echo end of file >&2)",
    "$RUN sh -c 'cat; echo done' <<< '' >out", "printf 'no newline' | $RUN cat",
    "$RUN cat <lines >&2", "$RUN dd bs=1 count=3 status=none <lines"])
def test_streams_carry_what_they_would(both, script):
    same(both, script)


@pytest.mark.parametrize("redirection, said", [
    ("<.", "standard input is a directory"), ("</tmp 2>err", "standard input is a directory"),
    ("2<.", ""), (">/dev/loop0", "standard output is a block device")])
def test_a_stream_that_would_open_the_host_is_refused(both, redirection, said):
    if "loop0" in redirection and not os.path.exists("/dev/loop0"):
        pytest.skip("no block device")
    script = f"$RUN true {redirection.replace('>/dev/loop0', '1<>/dev/loop0')}"
    _, (status, _, error, files) = both(script)
    assert status == 125
    assert said in (error + files.get("err", b"")).decode()
    assert b"\n" not in error.strip()


def test_a_file_read_cannot_be_written_and_one_appended_to_not_truncated(privexec, tmp_path):
    (tmp_path / "read").write_text("kept\n")
    (tmp_path / "appended").write_text("kept\n")
    tried = "exec 4>/proc/self/fd/0 && echo bad >&4; : >/proc/self/fd/1; echo more"
    subprocess.run(["bash", "-c", f"{privexec} -q bash -c '{tried}' <read >>appended 2>/dev/null"],
                   cwd=tmp_path, check=False)
    assert (tmp_path / "read").read_text() == "kept\n"
    assert (tmp_path / "appended").read_text().startswith("kept\n")


class Started(subprocess.Popen):
    """Ended when a test fails, which else would wait for it for ever."""

    def __exit__(self, kind, value, traceback):
        if kind is not None:
            self.kill()
        super().__exit__(kind, value, traceback)


def start(privexec, *command, **options):
    return Started([privexec, "-q", "--", *command], **options)


def test_sockets_are_relayed_both_ways(privexec):
    ours, theirs = socket.socketpair()
    with theirs, start(privexec, "sh", "-c", "while read x; do echo \"<$x>\"; echo bad >&2; done; "
                       "echo end", stdin=theirs, stdout=theirs,
                       stderr=subprocess.DEVNULL) as process:
        theirs.close()
        with ours:
            ours.sendall(b"one\n")
            assert ours.recv(100) == b"<one>\n"
            ours.sendall(b"two\n")
            assert ours.recv(100) == b"<two>\n"
            ours.shutdown(socket.SHUT_WR)
            assert ours.makefile().read() == "end\n"
        assert process.wait(10) == 0


def test_no_socket_of_the_caller_is_in_the_session(privexec):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        done = subprocess.run([privexec, "-q", "ls", "-l", "/proc/self/fd"], stdin=theirs,
                              stdout=subprocess.PIPE, check=True)
    assert b"socket" not in done.stdout


def test_a_socket_closed_by_its_reader_ends_the_writer(privexec):
    ours, theirs = socket.socketpair()
    with theirs, start(privexec, "yes", stdout=theirs, stdin=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL) as process:
        theirs.close()
        assert ours.recv(2) == b"y\n"
        ours.close()
        assert process.wait(10) == 128 + signal.SIGPIPE


@pytest.mark.parametrize("way", ["pipe", "socket", "file", "append"])
def test_a_hundred_megabytes_pass_in_and_out_unchanged(privexec, tmp_path, way):
    block = os.urandom(1 << 20)
    expected = hashlib.sha256(block * (MEGABYTES >> 20)).hexdigest()
    if way in ("file", "append"):
        with open(tmp_path / "in", "wb") as source:
            for _ in range(MEGABYTES >> 20):
                source.write(block)
        mode = "ab" if way == "append" else "wb"
        with open(tmp_path / "in", "rb") as source, open(tmp_path / "out", mode) as target:
            assert start(privexec, "cat", stdin=source, stdout=target).wait(60) == 0
        with open(tmp_path / "out", "rb") as target:
            assert hashlib.sha256(target.read()).hexdigest() == expected
        (tmp_path / "in").unlink()
        (tmp_path / "out").unlink()
        return
    if way == "socket":
        ours, theirs = socket.socketpair()
        process = start(privexec, "cat", stdin=theirs, stdout=theirs)
        theirs.close()
        source, sink = ours.makefile("wb"), ours.makefile("rb")
    else:
        process = start(privexec, "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        ours, source, sink = None, process.stdin, process.stdout

    def feed():
        for _ in range(MEGABYTES >> 20):
            source.write(block)
        source.flush()
        if ours:
            ours.shutdown(socket.SHUT_WR)
        else:
            source.close()

    feeder = threading.Thread(target=feed)
    feeder.start()
    got = hashlib.sha256()
    while piece := sink.read(1 << 20):
        got.update(piece)
    feeder.join()
    assert process.wait(10) == 0
    assert got.hexdigest() == expected
    for stream in (source, sink, ours):
        if stream:
            stream.close()


# --- arguments, environment, directory

def test_arguments_arrive_byte_by_byte(privexec):
    words = ["", "-q", "--", "--help", "two words", "tab\tnewline\n", "$HOME", "*", "\u00e9",
             b"\xff\xfe", "x" * 100000]
    done = subprocess.run([privexec, "-q", "--", "python3", "-c",
                           "import sys, os; os.write(1, b'\\0'.join(map(os.fsencode, sys.argv[1:])))",
                           *words], stdout=subprocess.PIPE, check=True)
    assert done.stdout.split(b"\0") == [os.fsencode(word) for word in words]


def test_two_megabytes_of_arguments_arrive(privexec):
    words = [f"{i:0100000d}" for i in range(19)]
    done = subprocess.run([privexec, "-q", "--", "python3", "-c",
                           "import sys; print(len(sys.argv), sum(map(len, sys.argv[1:])))", *words],
                          env={"PATH": os.environ["PATH"]}, stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"20 1900000\n"


def test_the_arguments_are_not_in_the_process_table(privexec):
    with start(privexec, "sh", "-c", "read x; exit 0; secret-word", "another-secret",
               stdin=subprocess.PIPE) as process:
        shown = lambda: Path(f"/proc/{process.pid}/cmdline").read_bytes()
        machine.wait_until(lambda: shown().startswith(os.fsencode(privexec))
                           and b"secret" not in shown())
        line = shown()
        process.stdin.close()
    assert b"secret" not in line
    assert line.startswith(os.fsencode(privexec) + b"\0")


@pytest.mark.parametrize("environment", [
    {}, {"A": "1"}, {"EMPTY": "", "SPACES": " a  b ", "LINES_": "a\nb", "EQUALS": "a=b=c"},
    {"LD_LIBRARY_PATH": "/nonexistent", "TMPDIR": "/nonexistent", "MALLOC_CHECK_": "1",
     "LOCPATH": "/nonexistent", "GCONV_PATH": "/nonexistent", "LD_DEBUG_OUTPUT": "/tmp/x"},
    {f"V{i}": "x" * 100 for i in range(5000)}], ids=["none", "one", "odd", "loader's", "large"])
def test_the_environment_is_exactly_the_callers(privexec, environment):
    show = ["/usr/bin/env", "-0"]
    direct = subprocess.run(show, env=environment, stdout=subprocess.PIPE, check=True).stdout
    private = subprocess.run([privexec, "-q", *show], env=environment, stdout=subprocess.PIPE,
                             check=True).stdout
    assert private == direct


def test_the_command_is_looked_for_in_the_path_given(both):
    same(both, "mkdir bin; cp script bin/mine; PATH=$PWD/bin:$PATH $RUN mine one two")
    same(both, "/usr/bin/env -u PATH $RUN ls lines")


@pytest.mark.parametrize("script", [
    "cd sub; $RUN pwd -P; $RUN sh -c 'echo $PWD'", "ln -s sub link; cd link; $RUN sh -c 'pwd; pwd -P'",
    "cd /; $RUN pwd", "cd /proc; $RUN pwd", "mkdir 'a b\tc'; cd a*; $RUN pwd",
    "mkdir -p $(printf 'd%.0s' {1..200}){/,/1/,/1/2/}; cd d*/1/2; $RUN sh -c 'pwd | wc -c'"])
def test_the_working_directory_is_the_callers(both, script, tmp_path):
    direct, private = both(script)
    base = os.fsencode(tmp_path)
    assert private[1].replace(base + b"/inside_0", b"") == direct[1].replace(base + b"/outside0", b"")
    assert (private[0], private[2]) == (direct[0], direct[2])


def test_a_deleted_directory_is_replaced_by_the_root_with_a_warning(both):
    _, private = both("mkdir gone; cd gone; rmdir ../gone; $RUN sh -c 'pwd -P'")
    assert private[:3] == (0, b"/\n", b"privexec: the working directory no longer exists: the command "
                           b"starts in /\n")


def test_a_directory_that_cannot_be_entered_again_is_replaced_by_the_root(installed, alice):
    # as after su: a process may be in a directory that it could not enter
    script = "mkdir -p ~/closed; cd ~/closed; chmod 0 .; \"$1\" -q sh -c 'pwd -P'; chmod 700 ~/closed"
    done = alice.run(["bash", "-c", script, "bash", installed])
    assert done.stdout == "/\n"
    assert re.fullmatch(r"privexec: the session cannot enter the working directory "
                        r"\(Permission denied\): the command starts in /\n", done.stderr)


# --- what a process inherits besides

@pytest.mark.parametrize("script", [
    "umask 027; $RUN sh -c 'umask; touch x; stat -c %a x; rm x'", "umask 0; $RUN sh -c umask",
    "nice -n 7 $RUN nice", "ionice -c 3 $RUN ionice", "taskset -c 0 $RUN nproc", "chrt -b 0 $RUN sh -c 'chrt -p $$ | sed s/[0-9]*.s//'",
    "echo 500 >/proc/self/oom_score_adj; $RUN cat /proc/self/oom_score_adj",
    "ulimit -S -n 50; ulimit -s 4000; ulimit -f 10000; ulimit -c 0; $RUN sh -c 'ulimit -a'",
    "ulimit -S -n 77; ulimit -c 0; $RUN sh -c 'ulimit -n; ulimit -Hn'",
    "ulimit -v 100000; $RUN sh -c 'ulimit -v'",
    "(ulimit -f 100; $RUN dd if=/dev/zero bs=1024 count=101 status=none >out; echo $?) 2>err; rm err",
    "(ulimit -S -t 1; $RUN sh -c 'while :; do :; done'; echo $?) 2>/dev/null"])
def test_what_is_inherited_is_the_same(both, script):
    same(both, script)


def test_the_core_limit_alone_is_zero(privexec):
    done = subprocess.run(["bash", "-c", f"{privexec} -q bash -c 'ulimit -c; ulimit -Hc'"],
                          stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"0\n0\n"


SIGNALS_SHOWN = "$RUN grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status"


@pytest.mark.parametrize("script", [
    SIGNALS_SHOWN, "trap '' INT TERM USR1; " + SIGNALS_SHOWN, "trap '' HUP; " + SIGNALS_SHOWN,
    "trap '' PIPE CHLD TSTP TTIN TTOU; " + SIGNALS_SHOWN, "trap '' RTMIN RTMAX; " + SIGNALS_SHOWN,
    "nohup " + SIGNALS_SHOWN + " 2>/dev/null"])
def test_ignored_signals_stay_ignored_and_no_others(both, script):
    same(both, script)


@pytest.mark.parametrize("blocked", [[], [signal.SIGINT, signal.SIGUSR2], [signal.SIGTERM,
                                     signal.SIGCHLD, signal.SIGTTIN, signal.SIGRTMIN + 3]])
def test_blocked_signals_stay_blocked(privexec, blocked):
    show = ["grep", "SigBlk", "/proc/self/status"]
    options = {"stdout": subprocess.PIPE, "check": True,
               "preexec_fn": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, blocked)}
    assert subprocess.run([privexec, "-q", *show], **options).stdout == \
        subprocess.run(show, **options).stdout


def test_an_alarm_set_before_reaches_the_command(both):
    direct, private = both("perl -e 'alarm 1; exec @ARGV' $RUN sleep 9")
    assert 128 + signal.SIGALRM in (private[0], 128 - direct[0])
    assert private[0] in (direct[0], 128 - direct[0])


# --- signals

READY = "echo ready; while :; do sleep 0.05; done"


def ready(process):
    assert process.stdout.readline() == b"ready\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT,
                                    signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGABRT,
                                    signal.SIGPIPE, signal.SIGPOLL, signal.SIGXCPU,
                                    signal.SIGRTMIN, signal.SIGRTMAX], ids=int)
def test_a_signal_to_the_front_reaches_the_command(privexec, number):
    name = signal.Signals(number).name[3:] if number < signal.SIGRTMIN else str(int(number))
    with start(privexec, "bash", "-c", f"trap 'echo caught; exit 17' {name}; {READY}",
               stdout=subprocess.PIPE) as process:
        ready(process)
        process.send_signal(number)
        assert process.stdout.read() == b"caught\n"
        assert process.wait(10) == 17
    # dash, since bash waits for its child and then thinks better of SIGINT
    with start(privexec, "sh", "-c", READY, stdout=subprocess.PIPE) as process:
        ready(process)
        process.send_signal(number)
        assert process.wait(10) == 128 + number


def test_a_signal_that_the_command_ignores_ends_nothing(privexec):
    with start(privexec, "bash", "-c", f"trap '' TERM; trap 'echo last; exit' USR1; {READY}",
               stdout=subprocess.PIPE) as process:
        ready(process)
        process.terminate()
        time.sleep(0.2)
        assert process.poll() is None
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.read() == b"last\n"


def test_many_signals_are_all_delivered_in_order(privexec):
    count = 200
    program = ("import signal, sys; got = []\n"
               "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN, signal.SIGRTMIN + 1])\n"
               "print('ready', flush=True)\n"
               f"for i in range({count}): got.append(signal.sigwait([signal.SIGRTMIN]))\n"
               "print(len(got))")
    with start(privexec, "python3", "-c", program, stdout=subprocess.PIPE) as process:
        ready(process)
        for _ in range(count):
            process.send_signal(signal.SIGRTMIN)
        assert process.stdout.read() == b"%d\n" % count


def test_a_stopped_command_stops_the_front_and_cont_continues_both(privexec):
    # in a group of its own: the kernel stops none that has no parent in its session
    with start(privexec, "bash", "-c", READY, stdout=subprocess.PIPE, process_group=0) as process:
        ready(process)
        process.send_signal(signal.SIGTSTP)
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status) and os.WSTOPSIG(status) == signal.SIGTSTP
        process.send_signal(signal.SIGCONT)
        _, status = os.waitpid(process.pid, os.WCONTINUED)
        assert os.WIFCONTINUED(status)
        process.terminate()
        assert process.wait(10) == 128 + signal.SIGTERM


def test_timeout_ends_a_session(both):
    (direct, *_), (private, *_) = both("timeout 0.5 $RUN sleep 30")
    assert private == direct == 124
    (direct, *_), (private, *_) = both("timeout -k 0.3 0.3 $RUN sh -c "
                                       "'trap \"\" TERM; sleep 3; sleep 3'; echo $?")
    assert direct == private


# --- children that stay behind

def test_what_the_command_leaves_running_is_ended_with_it(privexec):
    began = time.monotonic()
    done = subprocess.run([privexec, "sh", "-c", "sleep 60 & sleep 0.1; echo over"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
    assert time.monotonic() - began < 3 * machine.SLOWNESS
    assert done.stdout == b"over\n"
    assert b"ended 1 process that was still running: sleep (" in done.stderr


def test_a_process_that_ignores_term_is_killed_after_five_seconds(privexec):
    began = time.monotonic()
    done = subprocess.run([privexec, "bash", "-c",
                           "(trap '' TERM; exec sleep 60) & sleep 0.1; exit 3"],
                          stderr=subprocess.PIPE, check=False)
    assert 4.9 < time.monotonic() - began < 8 * machine.SLOWNESS
    assert done.returncode == 3
    assert b"(1 by force): sleep" in done.stderr


def test_a_stopped_process_is_ended_like_any_other(privexec):
    began = time.monotonic()
    subprocess.run([privexec, "-q", "sh", "-c", "sleep 60 & kill -STOP $!; sleep 0.1"], check=True)
    assert time.monotonic() - began < 3 * machine.SLOWNESS


def test_with_end_last_the_session_waits_for_its_last_process(privexec):
    done = subprocess.run([privexec, "-q", "--end=last", "sh", "-c",
                           "(sleep 0.4; echo later) & echo now; exit 6"],
                          stdout=subprocess.PIPE, check=False)
    assert (done.returncode, done.stdout) == (6, b"now\nlater\n")


# --- what machines read

def test_status_events_are_json_lines(privexec):
    reader, writer = os.pipe()
    with start(privexec, "sh", "-c", "exit 5", pass_fds=[writer], stdin=subprocess.DEVNULL):
        pass
    os.close(writer)
    os.close(reader)
    reader, writer = os.pipe()
    done = subprocess.run([privexec, "-q", f"--status-fd={writer}", "--name=mine", "sh", "-c",
                           "ls /proc/self/fd >&2; exit 5"], pass_fds=[writer],
                          stderr=subprocess.PIPE, check=False)
    os.close(writer)
    with os.fdopen(reader) as lines:
        events = [json.loads(line) for line in lines]
    assert done.returncode == 5
    assert str(writer) not in done.stderr.decode().split() or writer == 3
    assert [(event["v"], event["event"]) for event in events] == [(1, "started"), (1, "ended")]
    assert events[0]["name"] == "mine" and re.fullmatch("[0-9a-f]{8}", events[0]["session"])
    assert events[1]["status"] == 5


def test_the_report_counts_what_was_discarded(privexec, tmp_path):
    report = tmp_path / "report"
    report.write_text("something longer than the report could ever be " * 100)
    subprocess.run([privexec, "-q", f"--report={report}", "--json", "sh", "-c",
                    "cd /tmp; mkdir kept; head -c 1000000 /dev/zero >kept/a; echo >kept/b"], check=True)
    said = json.loads(report.read_text())
    assert said["v"] == 1 and said["status"] == 0
    assert said["files"] >= 3 and 1000000 <= said["bytes"] < 1200000
    done = subprocess.run([privexec, "-q", "--report", "true"], stderr=subprocess.PIPE, check=True)
    assert b"discarded" in done.stderr


def test_a_report_that_cannot_be_written_is_an_error_before_anything_runs(privexec, tmp_path):
    done = subprocess.run([privexec, f"--report={tmp_path}/none/report", "echo", "ran"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 125 and done.stdout == b""
    assert b"cannot write the report" in done.stderr


def test_a_front_without_descriptors_or_memory_fails_in_one_line(privexec):
    for limit, value in ((resource.RLIMIT_NOFILE, 5), (resource.RLIMIT_FSIZE, 0)):
        done = subprocess.run([privexec, "true"], stderr=subprocess.PIPE, check=False,
                              preexec_fn=lambda: resource.setrlimit(limit, (value, value)))
        assert done.returncode in (0, 125)
        assert len(done.stderr.splitlines()) == 1


# --- what changes while a session runs

def test_a_new_resolv_conf_of_the_host_reaches_the_session(privexec, tmp_path):
    # in a mount namespace whose /etc is a copy, which can be changed without harm
    script = """
        cp -a /etc "$1/etc" && mount --bind "$1/etc" /etc
        echo nameserver 192.0.2.1 >/etc/resolv.conf
        "$2" -q --net=host sh -c 'cat /etc/resolv.conf; exec 3</etc/resolv.conf
            for i in $(seq 60); do sleep 0.1; grep -q 192.0.2.2 /etc/resolv.conf && break; done
            cat /etc/resolv.conf; cat <&3' &
        sleep 0.5; echo nameserver 192.0.2.2 >/etc/resolv.new; mv /etc/resolv.new /etc/resolv.conf
        wait"""
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", str(tmp_path), privexec],
                          stdout=subprocess.PIPE, timeout=30 * machine.SLOWNESS, check=True)
    # a program that has the file open sees the new one as well
    assert done.stdout.decode() == "nameserver 192.0.2.1\n" + 2 * "nameserver 192.0.2.2\n"
