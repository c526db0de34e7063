#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Work in a session that takes minutes, compared with the same work outside of one, as root.

    tests/session/soak.d/heavy_work.py [NAME...]      $PRIVEXEC or build/privexec; names of WORK

The last line is `N passed, N failed`. For other programs: each of WORK is a function of the path of a
front; it raises AssertionError when the session's work differs or anything of it stays."""

import os
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

# pylint: disable=wrong-import-position
import machine  # noqa: E402
import trees  # noqa: E402
from work import Worker, history, same_work, unpack_source  # noqa: E402

LARGE = ("--net=none", "--size=4G")


def autoconf(front):
    """GNU hello, whose configure script makes thousands of small files, and its test suite."""
    worker = Worker(front)
    with worker.place() as place:
        unpack_source("hello", place, worker)
        printed = same_work(worker, place, r"""
            cd hello-*/
            ./configure -q >/dev/null 2>../configure.log
            make -j2 >../make.log 2>&1
            make check 2>&1 | grep -E '^# |^PASS|^FAIL'
            ./hello""", options=LARGE, timeout=600)
        assert "# FAIL:  0" in printed, printed


def long_history(front):
    """A repository of some hundred thousand objects, cloned, repacked, checked."""
    worker = Worker(front)
    with worker.place() as place:
        history(worker, place, commits=20000)
        same_work(worker, place, r"""
            export GIT_CONFIG_GLOBAL=/dev/null
            git clone -q base.git one 2>&1
            git -C one -c pack.threads=2 repack -adfq --depth=50
            git -C one fsck --full
            git clone -q one two 2>&1
            git -C two checkout -q HEAD~10000
            git -C two rev-list --all --objects | sort | sha256sum
            git -C two grep -c line | sha256sum
            rm -r one""", options=LARGE, timeout=900)


def whole_archive(front):
    """tar of all of /usr/lib and /usr/share, with hard links, lists and attributes."""
    worker = Worker(front)
    with worker.place() as place:
        same_work(worker, place, """tar --sort=name --acls --xattrs -cf - /etc /usr/lib /usr/share |
                  sha256sum""", options=LARGE, timeout=900, attempts=3)


def large_sort(front):
    """A gigabyte through temporary files."""
    worker = Worker(front)
    with worker.place() as place:
        same_work(worker, place, r"""
            awk 'BEGIN { for (i = 0; i < 8000000; i++)
                printf "%09d %0108d\n", (i * 7919) % 8000009, i }' |
                LC_ALL=C sort -S 64M --parallel=2 -T . | sha256sum""", options=LARGE, timeout=900)


def everything_removed(front):
    """rm -rf of all that there is: nothing outside changes."""
    worker = Worker(front)
    before = trees.host()
    done = worker.session(["bash", "-c", "rm -rf --no-preserve-root / 2>/dev/null; echo /etc/* /usr/*"],
                          *LARGE, timeout=900, cwd="/")
    assert done.stdout == "/etc/* /usr/*\n", done
    assert not trees.differences(before, trees.host())


WORK = [autoconf, long_history, whole_archive, large_sort, everything_removed]


def main():
    front = os.environ.get("PRIVEXEC", str(machine.ROOT / "build/privexec"))
    wanted = [work for work in WORK if not sys.argv[1:] or work.__name__ in sys.argv[1:]]
    failed = 0
    for work in wanted:
        start = time.monotonic()
        try:
            work(front)
            words = "passed"
        except Exception as problem:  # pylint: disable=broad-exception-caught
            words = f"FAILED: {problem}"
            failed += 1
        print(f"{work.__name__}: {time.monotonic() - start:.1f} s: {words}", flush=True)
    print(f"{len(wanted) - failed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
