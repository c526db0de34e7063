# SPDX-License-Identifier: GPL-2.0-or-later
"""The matrix, made once: sessions of an ordinary user's and of root's in each mode of the network, and
public programs, on a host in a network namespace of the test's. $PRIVEXEC_LEAK_RESULTS: a file that
gets what was found, as JSON, for tests/leak/table."""

import json
import os
import sys
from pathlib import Path

import pytest

sys.path[1:1] = [str(Path(__file__).resolve().parent.parent / name) for name in ("network", "session")]

# pylint: disable=wrong-import-position
import lan
import machine
import matrix
from workers import _root, _user  # pylint: disable=unused-import


@pytest.fixture(scope="module", autouse=True)
def machine_unchanged():
    """The machine is compared once, since rows share the sessions that are made for them."""
    before = machine.snapshot()
    yield
    difference = machine.difference(before)
    if difference:
        pytest.fail(f"the machine is not as it was\n{difference}", pytrace=False)


@pytest.fixture(name="all_of_it", scope="module")
def _all_of_it(machine_unchanged, user, root, bob, installation):  # pylint: disable=unused-argument
    # bob too: the host's list of users is that of now
    configuration = installation.configuration / "sys_mounts.conf"
    before = configuration.read_text() if configuration.exists() else None
    with lan.Lan() as net:
        made = matrix.Matrix(net, {"user": user, "root": root}, installation.keeper,
                             [installation.configuration, "/etc/privexec"])
        try:
            yield made
        finally:
            made.close()
            if before is None:
                configuration.unlink()
            else:
                configuration.write_text(before)
            if os.environ.get("PRIVEXEC_LEAK_RESULTS"):
                Path(os.environ["PRIVEXEC_LEAK_RESULTS"]).write_text(
                    json.dumps(made.results(), indent=1), encoding="utf-8")
