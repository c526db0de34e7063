# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that talk to themselves, at work in sessions. All of it happens on a host in a network
namespace of the tests' (tests/network/lan.py), so that nothing meets what the machine itself runs.

    pytest tests/programs --collect-only -q --programs      prints the table of docs/programs.md"""

import sys
from pathlib import Path

import pytest

sys.path[1:1] = [str(Path(__file__).resolve().parent.parent / name) for name in ("session", "network")]

# pylint: disable=wrong-import-position
import lan
import pair as pairs
from workers import _root, _user, _worker  # pylint: disable=unused-import


def pytest_addoption(parser):
    parser.addoption("--programs", action="store_true", help="print the list of programs")


def pytest_configure(config):
    config.addinivalue_line("markers", "program(name, needs, networks, workers, result): of pair.program()")


def pytest_collection_finish(session):
    if session.config.getoption("--programs"):
        print("\n".join(pairs.table(session.items)))


@pytest.fixture(scope="session")
def net(alice):  # pylint: disable=unused-argument  # the host copies /etc, where she has to be
    """The host: lan.Lan."""
    with lan.Lan() as made:
        yield made


@pytest.fixture(scope="session")
def controls():
    """What scripts did outside of a session, by who ran them and which: the same with every network."""
    return {}


@pytest.fixture
def pair(request, net, worker, network, controls):
    needs = request.node.get_closest_marker("program").args[1]
    lacks = pairs.missing(needs)
    if lacks:
        pytest.skip(f"{lacks} is not installed")
    return pairs.Pair(net, worker, network, controls)
