# SPDX-License-Identifier: GPL-2.0-or-later
"""Private networks. The front runs on a host in a network namespace of the test's, with another one
for what is outside of it: nothing of the real machine's network takes part."""

import sys
from pathlib import Path

import pytest

sys.path[1:1] = [str(Path(__file__).resolve().parent.parent / name)
                 for name in ("session", "attack")]

# pylint: disable=wrong-import-position
import lan
from workers import _root, _user, _worker  # pylint: disable=unused-import


@pytest.fixture(scope="module")
def net(alice):  # pylint: disable=unused-argument  # the host copies /etc, where she has to be
    """The host and what is outside: lan.Lan."""
    with lan.Lan() as made:
        yield made
