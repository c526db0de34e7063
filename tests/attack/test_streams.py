# SPDX-License-Identifier: GPL-2.0-or-later
"""What a session can do to the three standard streams beyond reading and writing them."""

import os
import subprocess
from pathlib import Path

import pexpect
import pytest

import attacker
import machine


@pytest.fixture
def files(bench, alice, tmp_path):
    """A directory of alice's with a file of hers."""
    directory = bench.path / "streams"
    directory.mkdir()
    machine.run(["chown", f"{alice.uid}", directory], check=True)
    file = directory / "file"
    file.write_text("what was there before\n")
    machine.run(["chown", f"{alice.uid}", file], check=True)
    yield file
    machine.run(["rm", "-rf", directory])


def with_streams(alice, argv, **streams):
    """Runs @argv as alice; probe.py says how it went on standard error."""
    done = alice.run(argv, **{"stdout": subprocess.DEVNULL, **streams}, stderr=subprocess.PIPE)
    return done


def said(done):
    done.stdout = done.stderr
    return attacker.outcome(done)


def test_a_directory_as_standard_input_is_refused(files, installed, alice):
    planted = files.parent / "planted"
    attack = "echo attacked > /proc/self/fd/0/planted"
    alice.run(["sh", "-c", f"sh -c '{attack}' < {files.parent}"])
    assert planted.read_text() == "attacked\n"
    planted.unlink()
    done = alice.run(["sh", "-c", f"{installed} -q -- sh -c '{attack}' < {files.parent}"])
    assert done.returncode == 125 and "directory" in done.stderr
    assert not planted.exists()


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_block_device_is_refused(number, bench, privexec):
    with open("/dev/loop0", "rb+", buffering=0) as device:
        streams = {name: subprocess.DEVNULL for name in ("stdin", "stdout", "stderr")}
        streams[("stdin", "stdout", "stderr")[number]] = device
        done = machine.run([privexec, "-q", "--net=none", "--", "sh", "-c", ": > /tmp/ran"],
                           **streams)
    assert done.returncode == 125


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_bare_path_is_refused(number, files, installed, alice):
    path = os.open(files.parent, os.O_PATH)
    try:
        streams = {name: subprocess.DEVNULL for name in ("stdin", "stdout", "stderr")}
        streams[("stdin", "stdout", "stderr")[number]] = path
        assert alice.run([installed, "-q", "--", "true"], **streams).returncode == 125
    finally:
        os.close(path)


def test_a_file_to_be_read_cannot_be_written(files, bench, installed, alice):
    attack = bench.attack("--to=2", "reopen_input")
    before = files.read_text()
    with open(files, encoding="ascii") as stream:
        assert attacker.stopped(said(with_streams(alice, attack, stdin=stream))) == set()
        assert files.read_text().startswith("attacked")
        files.write_text(before)
        done = with_streams(alice, [installed, "-q", "--", *attack], stdin=stream)
    assert said(done) == {"reopen_input": "EROFS"}
    assert files.read_text() == before
    with open(files, encoding="ascii") as stream:
        done = alice.run([installed, "-q", "--", "cat"], stdin=stream)
    assert done.stdout == before


def test_what_was_in_a_file_appended_to_can_be_neither_read_nor_truncated(files, bench, installed,
                                                                         alice):
    attack = bench.attack("--to=2", "read_output", "truncate_output")
    before = files.read_text()
    with open(files, "a", encoding="ascii") as stream:
        assert attacker.stopped(said(with_streams(alice, attack, stdout=stream))) == set()
        assert files.read_text() == ""
        files.write_text(before)
        done = with_streams(alice, [installed, "-q", "--", *attack], stdout=stream)
    assert attacker.succeeded(said(done)) <= {"truncate_output"}  # of a pipe: nothing happens
    assert files.read_text() == before
    with open(files, "a", encoding="ascii") as stream:
        alice.run([installed, "-q", "--", "echo", "more"], stdout=stream)
    assert files.read_text() == before + "more\n"


PRIVILEGED_PAGES = """
import ctypes, mmap, os, struct, subprocess, sys
page = mmap.mmap(-1, 4096)
page[0] = 1
at = ctypes.addressof(ctypes.c_char.from_buffer(page)) // 4096 * 8
table = os.open("/proc/self/pagemap", os.O_RDONLY)
reader = "import os, struct; print(struct.unpack('Q', os.pread(0, 8, %d))[0] & (1 << 55) - 1)" % at
sys.exit(subprocess.run([*sys.argv[1:], sys.executable, "-c", reader], stdin=table).returncode)
"""


def test_a_stream_that_is_opened_again_is_opened_with_no_more_rights(installed, alice):
    """The kernel shows where pages lie to who was privileged when /proc/PID/pagemap was opened."""
    program = [attacker.PYTHON, "-c", PRIVILEGED_PAGES]
    assert int(machine.run(program).stdout) > 0, "the control: root is shown"
    assert int(alice.run(program).stdout) == 0, "the control: the user is not"
    done = alice.run([*program, installed, "-q", "--net=none", "--"])
    assert done.stdout.strip() in ("", "0"), f"a physical page number: {done.stdout}"


def test_hardware_registers_are_no_wider_through_a_session(installed, alice):
    wide = [path for path in Path("/sys/bus/pci/devices").glob("*/config")
            if len(path.read_bytes()) > 64]
    if not wide:
        pytest.skip("no PCI device with more than 64 bytes of configuration here")
    direct = alice.run(["sh", "-c", f"cat < {wide[0]} | wc -c"])
    done = alice.run(["sh", "-c", f"{installed} -q --net=none -- cat < {wide[0]} | wc -c"])
    assert int(direct.stdout) == 64
    assert int(done.stdout) <= 64


def on_a_terminal(alice, argv, script):
    """Runs @script in a shell on a terminal of its own, in which $SESSION stands for @argv."""
    argv = alice.command(["sh", "-c", script], SESSION=" ".join(map(str, argv)))
    child = pexpect.spawn(argv[0], argv[1:], timeout=20 * machine.SLOWNESS, encoding="utf-8")
    child.expect(pexpect.EOF)
    child.close()
    return child.before


def test_the_outer_terminal_cannot_be_opened_by_its_name(bench, installed, alice):
    """With all three streams redirected, only /dev/tty would lead there."""
    attack = " ".join(map(str, bench.attack("terminal")))
    script = f"$SESSION {attack} < /dev/null 2>/dev/null | cat"
    assert "attacked" in on_a_terminal(alice, ["env"], script)
    shown = on_a_terminal(alice, [installed, "-q", "--net=none", "--"], script)
    assert "attacked" not in shown and '"terminal": "ENXIO"' in shown


@pytest.fixture
def typing_allowed():
    """From 6.2 on the kernel itself may refuse TIOCSTI to everybody: then a test of it shows nothing."""
    switch = Path("/proc/sys/dev/tty/legacy_tiocsti")
    before = switch.read_text(encoding="ascii") if switch.exists() else None
    if before:
        switch.write_text("1", encoding="ascii")
    yield
    if before:
        switch.write_text(before, encoding="ascii")


@pytest.mark.usefixtures("typing_allowed")
def test_nothing_can_be_typed_into_the_outer_terminal(bench, installed, alice):
    """TIOCSTI: what is typed would be read by the shell when the session has ended."""
    attack = " ".join(map(str, bench.attack("type_into:/dev/tty", "type_into:-")))
    script = ("stty -echo -icanon min 0 time 5; $SESSION " + attack
              + "; printf 'rest:'; head -c 1; echo :end")
    assert "rest:!" in on_a_terminal(alice, ["env"], script)
    shown = on_a_terminal(alice, [installed, "-q", "--net=none", "--"], script)
    assert "rest::end" in shown, shown
