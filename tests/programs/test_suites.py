# SPDX-License-Identifier: GPL-2.0-or-later
"""Test suites that listen on 127.0.0.1 and ::1, on many ports and sockets, fork, signal and wait."""

import re

import pytest

from pair import program

# of Python's own suite, what talks to itself and is done within some seconds; the others: soak
PARTS = ("test_socketserver", "test_select", "test_selectors", "test_poll", "test_epoll", "test_mmap",
         "test_posix", "test_os", "test_pty", "test_fcntl", "test_httplib", "test_xmlrpc", "test_ftplib")


def suite(pair, parts, timeout):
    """Runs @parts of Python's own test suite in a session and outside: the same number of tests fails,
    none."""
    return pair.same(f"""
        export PYTHONPATH=${{PRIVEXEC_TESTS_PYTHON_SUITE:-}} PYTHONDONTWRITEBYTECODE=1
        for part in {' '.join(parts)}; do
            python3 -W ignore -m unittest -q test.$part >log 2>&1 || {{ echo "$part:"; tail -n 60 log; }}
            sed -n "s/^Ran \\([0-9]* tests\\) in .*/$part: \\1/p" log
        done""", timeout=timeout)
