# SPDX-License-Identifier: GPL-2.0-or-later
"""Stores on disk. A test with the argument `store` runs once for each kind that this machine has:
fscrypt on most, dm-crypt where there is device-mapper, as in the guests of tests/vm."""

import functools
import os
import sys
from pathlib import Path

import pytest

import machine

# sessions that live, and killing parts of them, as the other suite has it
sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "session"))

# pylint: disable=wrong-import-position
import house as houses

KINDS = ("dm-crypt", "fscrypt")


@functools.cache
def available():
    front = os.path.abspath(os.environ.get("PRIVEXEC", machine.ROOT / "build" / "privexec"))
    if os.geteuid() != 0 or not os.access(front, os.X_OK):
        return ()
    return tuple(kind for kind in KINDS if machine.run(
        [front, "--dry-run", f"--store={kind}", "true"]).returncode == 0)


def pytest_generate_tests(metafunc):
    if "store" in metafunc.fixturenames:
        metafunc.parametrize("store", available() or [pytest.param(None, marks=pytest.mark.skip(
            reason="no store on disk can be had here"))])


@pytest.fixture(scope="session")
def stores():
    """The kinds of store on disk that this machine has."""
    return available()


@pytest.fixture(scope="module")
def house(installation, tmp_path_factory):
    """A small host of ext4, whose sessions are those of `installed`."""
    with houses.built(installation, tmp_path_factory.mktemp("house")) as made:
        yield made
