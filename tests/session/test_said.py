# SPDX-License-Identifier: GPL-2.0-or-later
"""What privexec says to people and to scripts about a session, and when."""

import json
import os
import subprocess

import pytest

import machine
import stores


@pytest.fixture
def events(privexec):
    """privexec WORDS... -> what it printed on standard error, and its events."""
    def run(*words):
        reader, writer = os.pipe()
        try:
            done = subprocess.run([privexec, f"--status-fd={writer}", *words], pass_fds=[writer],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=30 * machine.SLOWNESS, check=False)
        finally:
            os.close(writer)
            with open(reader, encoding="utf-8") as lines:
                said = {event["event"]: event for event in map(json.loads, lines)}
        return done, said
    return run


@pytest.mark.parametrize("kind, why", [("memory", "no more memory may be promised"),
                                       ("disk", "no more room on the disk")])
def test_a_store_smaller_than_asked_is_said_whatever_else_is_not(events, privexec, kind, why):
    store = stores.option(kind, privexec)
    done, said = events("-q", "--net=none", store, "--size=1000T", "--", "true")
    assert done.returncode == 0, done.stderr
    assert "not the 1000 TiB asked for" in done.stderr
    assert why in done.stderr
    assert said["started"]["less"] is True
    done, said = events("-q", "--net=none", store, "--size=16M", "--", "true")
    assert (done.stderr, said["started"]["less"]) == ("", False)


@pytest.mark.parametrize("command, status", [("/dev/null", 126), ("no-such-command", 127)])
def test_a_command_that_cannot_be_executed_is_told_from_one_with_that_status(events, command, status):
    done, said = events("-q", "--net=none", "--", command)
    assert done.returncode == said["ended"]["status"] == status
    assert said["ended"]["executed"] is False
    done, said = events("-q", "--net=none", "--", "sh", "-c", f"exit {status}")
    assert done.returncode == said["ended"]["status"] == status
    assert said["ended"]["executed"] is True
    assert said["ended"]["cause"] == ""


def test_a_refusal_has_no_event(events):
    done, said = events("--store=memory", "--require=kernel-key", "--", "true")
    assert (done.returncode, said) == (125, {})


def test_what_is_ended_is_named_to_those_who_want_no_first_line(privexec):
    done = machine.run([privexec, "-q", "--net=none", "--report", "--", "sh", "-c",
                        "sleep 100 >/dev/null 2>&1 &"])
    assert "ended 1 process that was still running: " in done.stderr
    assert "privexec: ended 1 process, killed 0\n" in done.stderr


def test_the_amount_is_said_once(privexec):
    done = machine.run([privexec, "-v", "--net=none", "--report", "--", "true"])
    assert done.stderr.count("discarded") == 1


def test_debug_in_the_configuration_is_debug_on_the_command_line(installation):
    def steps(*words):
        done = machine.run([installation.front, "-q", "--net=none", *words, "--", "true"])
        assert done.returncode == 0, done.stderr
        return [line.split(":")[1] for line in done.stderr.splitlines()]
    path = installation.configuration / "privexec.conf"
    before = path.read_text()
    assert steps() == []
    expected = steps("--debug")
    assert len(expected) >= 3
    try:
        path.write_text("[session]\ndebug = yes\n")
        assert steps() == expected
    finally:
        path.write_text(before)
