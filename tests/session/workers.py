# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures: those who work in sessions, an ordinary user and root, one by one or each in turn."""

import pytest

from work import Worker


@pytest.fixture(name="user", scope="module")
def _user(installed, alice):
    return Worker(installed, alice)


@pytest.fixture(name="root", scope="module")
def _root(privexec):
    return Worker(privexec)


@pytest.fixture(name="worker", params=["user", "root"])
def _worker(request):
    return request.getfixturevalue(request.param)
