# SPDX-License-Identifier: GPL-2.0-or-later
"""Real work in a session comes out as it does outside of one, and nothing of it stays.

What runs for minutes rather than seconds is in soak.d/heavy_work.py."""

import shutil
import subprocess
from pathlib import Path

import pytest

import machine
import trees
from work import Worker, same_work

HERE = Path(__file__).resolve().parent


@pytest.fixture(name="user")
def _user(installed, alice):
    return Worker(installed, alice)


@pytest.fixture(name="root")
def _root(privexec):
    return Worker(privexec)


@pytest.fixture(name="worker", params=["user", "root"])
def _worker(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(name="place")
def _place(worker):
    with worker.place() as place:
        yield place


@pytest.fixture(name="users_place")
def _users_place(user):
    with user.place() as place:
        yield place


# --- files ------------------------------------------------------------------------------------

FILES = (HERE / "files.py").read_text(encoding="utf-8")


def test_every_way_of_changing_files_gives_the_same_in_a_session(worker, place):
    (place / "files.py").write_text(FILES, encoding="utf-8")
    worker.run(["/usr/bin/python3", place / "files.py", "prepare"], cwd=place, check=True)
    printed = same_work(worker, place, "/usr/bin/python3 files.py work")
    assert printed.count("\n") > 30
