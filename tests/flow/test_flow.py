# SPDX-License-Identifier: GPL-2.0-or-later
"""Random system calls in two sessions and the public: nobody gets another's canary. For how long:
$PRIVEXEC_FLOW_SECONDS, $PRIVEXEC_FLOW_SEED repeats what another run did."""

import collections
import os
import random

import pytest

import holes
import machine
import stage

SECONDS = float(os.environ.get("PRIVEXEC_FLOW_SECONDS", "20"))
SEED = int(os.environ.get("PRIVEXEC_FLOW_SEED") or random.SystemRandom().randrange(1 << 32))
# without privexec: so long each, at most so often, until there is nothing that did not tell
CONTROL_SECONDS, CONTROLS = 5, 8
NETWORKS = ("none", "private", "host")

# Kinds by which not every machine tells: what it needs, as a question.
NEEDED = {
    "key": lambda: os.path.exists("/proc/keys"),
    "queue": lambda: os.path.exists("/proc/sys/fs/mqueue"),
}
# no call of this kind brings anything by itself
NEVER = {"space"}


@pytest.fixture(name="flow", scope="module")
def _flow(privexec):
    return stage.program(privexec)


@pytest.fixture(name="player", params=["user", "root"])
def _player(request):
    if request.param == "root":
        return stage.Player(request.getfixturevalue("privexec"))
    return stage.Player(request.getfixturevalue("installed"), request.getfixturevalue("alice"))


def check_played(found, steps):
    """The roles have done what they were there for."""
    assert not found.failures, f"seed {SEED}: {found.failures}"
    for role in "ABC":
        assert found.steps.get(role, 0) >= steps, found.steps
        idle = [name for name, (made, _) in found.calls[role].items() if made == 0]
        if found.steps[role] > 3000:
            assert len(idle) < len(found.calls[role]) / 4, f"never made by {role}: {idle}"


@pytest.mark.timeout(180)
def test_without_privexec_a_canary_arrives_by_every_kind_of_object(flow, player):
    left = {kind for kind in stage.kinds(flow)
            if kind not in NEVER and NEEDED.get(kind, lambda: True)()}
    made, succeeded = collections.Counter(), collections.Counter()
    for number in range(CONTROLS):
        found = stage.play(flow, player, SEED + number, CONTROL_SECONDS)
        check_played(found, 100)
        left -= {arrival.kind for arrival in found.arrivals}
        for calls in found.calls.values():
            for name, (times, successes) in calls.items():
                made[name] += times
                succeeded[name] += successes
        vain = [name for name in made if made[name] > 50 and not succeeded[name]]
        if not left and not vain:
            break
    assert not left, f"seed {SEED}: {sorted(left)} told nothing"
    assert not vain, f"seed {SEED}: calls that never succeed: {vain}"


def seconds_each():
    """All networks share the time."""
    return max(2, int(SECONDS / len(NETWORKS) / 2))


@pytest.mark.parametrize("network", NETWORKS)
def test_no_canary_leaves_a_session_but_by_a_named_exit(flow, player, network):
    options = [f"--net={network}"]
    exits = stage.named_exits(player, options)
    # else nothing would be looked for
    assert {"file", "memory", "signal", "shared-memory", "unix", "descriptor"}.isdisjoint(exits)
    found = stage.play(flow, player, SEED, seconds_each(), options=options, without=exits)
    check_played(found, 100)
    assert not found.arrivals, f"seed {SEED}: {found.arrivals}"


@pytest.mark.timeout(300)  # it builds privexec three times, the second and third in part
def test_holes_are_found(flow, alice):
    """Two of those that `make soak` makes all of (holes.py), one that needs a look at files and one at
    processes."""
    with holes.Copy() as copy:
        for hole in holes.all_holes():
            if hole.name in ("shm", "user-namespace"):
                holes.find(copy, hole, flow, alice, SEED, 60)


@pytest.mark.parametrize("patch", [hole.patch for hole in holes.all_holes()], ids=lambda path: path.stem)
def test_a_hole_is_a_change_of_the_sources_as_they_are(patch):
    done = machine.run(["patch", "--strip=1", "--fuzz=0", "--batch", "--dry-run", "--input", patch],
                       cwd=machine.ROOT)
    assert done.returncode == 0, f"to be made anew: {done.stdout}"
