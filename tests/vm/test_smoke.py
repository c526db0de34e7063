# SPDX-License-Identifier: GPL-2.0-or-later
"""Does the bench work at all: one guest with a kernel of Debian's, and a session in it."""

import pytest

import image
from guest import Guest

PRIVEXEC = str(image.TREE_BUILD / "privexec")


@pytest.fixture(scope="module")
def guest():
    with Guest() as made:
        yield made


def test_the_guest_runs_a_kernel_of_debian_s(guest):
    assert guest.kernel_version == guest.run(["uname", "-r"]).stdout.strip()
    assert "Debian" in guest.run(["uname", "-v"]).stdout


def test_the_status_and_both_outputs_of_a_command_come_back(guest):
    done = guest.run(["sh", "-c", "cat; echo said >&2; exit 3"], input="given\n")
    assert (done.returncode, done.stdout, done.stderr) == (3, "given\n", "said\n")


def test_a_session_of_root_s_writes_nothing_to_the_guest(guest):
    written = "/root/written"
    assert guest.run(["sh", "-c", f"echo outside >{written}"]).returncode == 0
    done = guest.run([PRIVEXEC, "-q", "--net=none", "--", "sh", "-c",
                      f"echo inside >{written}; cat {written}"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "inside\n", "")
    assert guest.run(["cat", written]).stdout == "outside\n"
