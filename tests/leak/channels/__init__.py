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
    "directories and block devices as standard streams": (
        "tests/session/test_streams.py::test_a_stream_that_would_open_the_host_is_refused"),
    "files given as streams, opened again": (
        "tests/attack/test_streams.py::test_what_was_in_a_file_appended_to"),
    "sockets given as streams": (
        "tests/session/test_streams.py::test_no_socket_of_the_caller_is_in_the_session"),
    "answers of the terminal that are left unread at the end": (
        "tests/session/test_terminal.py::test_nothing_typed_at_the_session_is_left_for_the_shell"),
    "io_uring, modules, kexec, userfaultfd, TIOCLINUX; every call by i386 and x32": (
        "tests/attack/test_calls.py::test_what_reaches_out_of_a_session_is_refused"),
    "mounts taken away, chroot, fresh file systems in nested user namespaces": (
        "tests/attack/test_inside.py::test_fresh_file_systems_of_a_nested_user_namespace"),
    "looking into the keeper, process 1 and the sweeper": (
        "tests/attack/test_inwards.py::test_the_same_user_sees_nothing_of"),
    "looking into the network's helpers": (
        "tests/network/test_helpers.py::test_the_same_user_looks_into_none_of_them"),
    "the machine's addresses by every way to send, and those that it gets later": (
        "tests/network/test_reach.py::test_nothing_of_the_host_is_reached"),
    "datagrams to a session in the name of one of its own sockets": (
        "tests/network/test_guard.py::test_nobody_speaks_in_the_name_of_a_session_s_socket"),
    "a dead session that somebody pins": (
        "tests/store/test_ending.py::test_who_holds_a_directory_of_a_dead_session"),
    "what a session wrote, on the disk": (
        "tests/store/test_canary.py::test_no_canary_of_a_session_is_in_the_blocks_of_the_host"),
    "swap": "tests/session/test_keeper_kept.py::test_real_swap_ends_the_session",
    "hibernation": (
        "tests/store/test_ending.py::test_a_session_keeps_the_machine_from_hibernating"),
    "core dumps of every process": (
        "tests/session/test_keeper_kept.py::test_no_process_can_leave_a_core_dump"),
    "the front's command line": (
        "tests/session/test_streams.py::test_the_arguments_are_not_in_the_process_table"),
}
