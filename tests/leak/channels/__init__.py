# SPDX-License-Identifier: GPL-2.0-or-later
"""Every channel by which a session's data could reach somebody else, as rows of a matrix. To add one:
a sender, a receiver and a Row in the file of its kind (base.py says what they are)."""

from . import files, ipc, machine_wide, network, processes, sockets, streams
from .base import MODES, USERS, Row

ROWS = [*files.ROWS, *sockets.ROWS, *ipc.ROWS, *processes.ROWS, *network.ROWS, *machine_wide.ROWS,
        *streams.ROWS]

# What cannot be shown by a canary from one process to another, and the tests that show it: the file, and
# the beginning of their names.
ELSEWHERE = {
    "directories and block devices as standard streams; >> and sockets given as streams": (
        "tests/attack/test_streams.py::test_"),
    "answers of the terminal that are left unread at the end": (
        "tests/session/test_terminal.py::test_"),
    "io_uring, i386 and x32 ways into the kernel, modules, kexec, userfaultfd": (
        "tests/attack/test_calls.py::test_what_reaches_out_of_a_session_is_refused"),
    "mounts taken away, chroot, nested user namespaces, fresh file systems": (
        "tests/attack/test_inside.py::test_"),
    "looking into the keeper, process 1 and the sweeper": (
        "tests/attack/test_inwards.py::test_the_same_user_sees_nothing_of"),
    "looking into the network's helpers": "tests/network/test_helpers.py::test_",
    "the machine's addresses by every way to send, and those that it gets later": (
        "tests/network/test_reach.py::test_"),
    "pinning a dead session; what is left on disk, of keys, of loop and dm devices": (
        "tests/store/test_ending.py::test_"),
    "what the session writes, found on the disk": "tests/store/test_canary.py::test_",
    "the front's command line": "tests/session/test_streams.py::test_",
}
