# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the attacks."""

import os
import shutil
import tempfile

import pytest

import attacker


@pytest.fixture(scope="session")
def bench():
    if os.geteuid() != 0:
        pytest.skip("needs root, to set traps and to act as other users")
    directory = tempfile.mkdtemp(prefix="attack-", dir="/var/tmp")
    yield attacker.Bench(directory)
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def room():
    made = attacker.Room()
    yield made
    made.close()


@pytest.fixture(scope="session")
def canaries(bench):
    """Files that no attack may change: {path: checksum}."""
    found = {}
    for name, mode in (("root-only", 0o600), ("readable", 0o644), ("writable", 0o666)):
        path = bench.path / name
        path.write_text(f"canary {name}\n")
        path.chmod(mode)
        found[path] = attacker.checksum(path)
    return found


@pytest.fixture(autouse=True)
def canaries_unchanged(canaries):
    yield
    changed = [str(path) for path, known in canaries.items() if attacker.checksum(path) != known]
    assert not changed, f"the host's files changed: {changed}"
