# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures: those who work in sessions, an ordinary user and root, one by one or each in turn; and each
of them with each kind of store."""

import pytest

import stores
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


@pytest.fixture(name="whoever", params=[(who, kind) for who in ("user", "root")
                                        for kind in stores.KINDS], ids="-".join)
def _whoever(request, privexec):
    """A worker whose sessions have a store of one kind."""
    who, kind = request.param
    worker = request.getfixturevalue(who)
    return Worker(worker.front, worker.user, stores.option(kind, privexec))
