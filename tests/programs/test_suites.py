# SPDX-License-Identifier: GPL-2.0-or-later
"""Test suites that listen on 127.0.0.1 and ::1, on many ports and sockets, fork, wait and send signals."""

import os

import pytest

from pair import program

DAILY = ("socketserver", "asyncore", "asynchat", "epoll", "fcntl", "pty", "posix", "telnetlib", "smtpd")
# what takes minutes: tests/programs/soak
LONG = ("socket", "selectors", "select", "poll", "mmap", "os", "httpservers", "xmlrpc", "ftplib", "signal",
        "asyncio.test_events", "asyncio.test_streams", "asyncio.test_unix_events", "asyncio.test_subprocess",
        "asyncio.test_server", "multiprocessing_forkserver", "concurrent_futures", "threading", "wait4")

# Of each part: how many tests there are, which fail, and which are left out and why. Families of sockets
# that sessions are refused, as by many kernels, are left out.
RUN = r"""
    export PYTHONDONTWRITEBYTECODE=1
    run() {
        mkdir "$1" && cd "$1"
        python3 -W ignore -m unittest -v "test.test_$1" >log 2>&1 || true
        sed -n -e "s/^Ran \([0-9]* tests*\) in .*/$1: \1/p" -e '/^FAIL: \|^ERROR: /p' -e "/\.\.\. skipped '/p" log |
            grep -v -e CAN -e VSOCK -e QIPCRTR -e AF_ALG -e luetooth -e RDS -e UDPLITE || true
        grep -q "^Ran [1-9]" log || tail -n 20 log
    }
    export -f run
    printf '%s\n' PARTS | xargs -P 2 -I{} bash -c 'run {} >{}.out'
    sort ./*.out
"""


def same_results(pair, parts, timeout):
    printed = pair.same(RUN.replace("PARTS", " ".join(parts)), timeout=timeout)
    for part in parts:
        assert f"{part}: " in printed
    return printed


NEEDS = ("/usr/lib/python3*/test/test_socketserver.py",)


@program("Python's own test suite", *NEEDS, networks=("none", "private"))
def test_parts_of_pythons_test_suite_pass(pair):
    """Servers and clients on 127.0.0.1, ::1 and Unix sockets, event loops, terminals, locks, system calls:
    all pass (in make soak more of them, which end as outside)"""
    assert "FAIL" not in same_results(pair, DAILY, 60).replace("ERROR", "FAIL")


if os.environ.get("PRIVEXEC_TESTS_LONG"):
    @pytest.mark.parametrize("part", LONG)
    @program("Python's own test suite", *NEEDS, networks=("none", "private", "host"))
    def test_a_part_of_pythons_test_suite_ends_as_outside(pair, part):
        """Its longer parts, one by one"""
        same_results(pair, [part], 300)
