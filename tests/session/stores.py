# SPDX-License-Identifier: GPL-2.0-or-later
"""The kinds of store that a claim is tried with: in memory, and the one on disk that a session has here
if it asks for none."""

import functools
import json

import pytest

import machine

KINDS = ("memory", "disk")


@functools.lru_cache
def plan(front):
    """What root's session would be here."""
    done = machine.run([front, "--net=none", "--dry-run", "--json", "--", "true"], cwd="/")
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def on_disk(front):
    """The kind of store on disk that this machine has. Skips the test where it has none."""
    found = plan(front)
    if found["store"] == "memory":
        pytest.skip(f"no store on disk: {found['store_reason']}")
    return found["store"]


def option(kind, front):
    """The option of privexec for one of KINDS."""
    return f"--store={on_disk(front) if kind == 'disk' else kind}"
