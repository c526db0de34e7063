# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing gets out of a session, or in where that is closed, but by an exit that `privexec --dry-run`
names; and what it names is one. Every row of channels/ is tried with a canary outside of any session
first, then in one."""

import re

import pytest

import machine
from channels import ELSEWHERE, MODES, ROWS, USERS
from channels.base import family

MANUAL = (machine.ROOT / "man/privexec.7.scd").read_text(encoding="utf-8")
CELLS = [(row, who, mode) for who in USERS for mode in MODES for row in ROWS
         if who in row.users and mode in row.modes]

# Exits that on some kernels nothing leaves by.
AT_TIMES = {
    "names of public files read": "an overlay of an older kernel opens files unseen",
}


def name_of(cell):
    row, who, mode = cell
    return f"{row.name}-{who}-{mode}".replace("::", "IPv6")


@pytest.mark.parametrize("row, who, mode", CELLS, ids=[name_of(cell) for cell in CELLS])
def test_nothing_passes_but_by_a_named_exit(row, who, mode, all_of_it):
    lacking = all_of_it.control(row, who)
    if lacking and row.may_lack:
        pytest.skip(f"control not had: {row.name}, {who}: {lacking} ({row.may_lack})")
    assert not lacking, f"without privexec nothing arrives either: {lacking}"
    leaks = []
    for direction in all_of_it.directions(row, who):
        outcome = all_of_it.outcome(row, who, mode, direction)
        if outcome.arrived and not outcome.exit and not row.documented:
            leaks.append(direction)
    assert not leaks, f"a canary passed by {row.name}: {', '.join(leaks)}"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("who", USERS)
def test_every_exit_that_is_named_is_one(who, mode, all_of_it):
    """Something left by it."""
    unused = set(all_of_it.exits(who, mode)) - all_of_it.open_exits(who, mode) - set(AT_TIMES)
    assert not unused, f"nothing leaves by {sorted(unused)}"


def test_what_is_open_on_any_machine_is_in_the_manual():
    text = re.sub(r"\s+", " ", MANUAL.replace("*", "").replace("_", ""))
    missing = [row.documented for row in ROWS if row.documented and row.documented not in text]
    assert not missing


def test_what_is_shown_elsewhere_is_there():
    for what, where in ELSEWHERE.items():
        path, _, name = where.partition("::")
        text = (machine.ROOT / path).read_text(encoding="utf-8")
        assert f"def {name}" in text, f"{what}: no {where}"


def test_rows_have_names_of_their_own():
    assert len({(row.channel, row.name) for row in ROWS}) == len(ROWS)
    assert all(row.channel for row in ROWS)


def test_the_table_in_the_documents_has_every_row():
    """And was made of a run in which nothing passed unnamed."""
    text = (machine.ROOT / "docs/leak-matrix.md").read_text(encoding="utf-8")
    missing = [row.name for row in ROWS if f"\n| {row.name} | " not in text]
    assert not missing, f"make it again (tests/leak/table): {missing}"
    assert "| **OPEN** |" not in text and "not run" not in text


# --- what an administrator can do about what stays open: privexec(7) -----------------------------

def where_proc(all_of_it, hides, argv):
    """Runs @argv on the host, in a mount namespace where /proc is mounted with hidepid or not."""
    script = f'mount -t proc -o hidepid={"invisible" if hides else "off"} proc /proc || exit 99; exec "$@"'
    done = machine.run([*all_of_it.net.enter("host"), "unshare", "--mount", "--propagation", "private",
                        "sh", "-c", script, "-", *argv])
    assert done.returncode in (0, 1), done.stderr  # 1: cat could not read all
    return done


def test_where_proc_hides_processes_it_tells_nothing_of_a_session(all_of_it, installed, alice, bob):
    """Neither to others nor to the same user, who has no right over the session."""
    number = next(number for number, row in enumerate(ROWS) if row.name == "arguments")
    agent = all_of_it.someone("user", "none")
    assert agent.do("send", row=number, canary="a1b2c3d4e5f6", told=None) == (None, None)
    try:
        files = [f"/proc/{pid}/{name}" for pid in family(agent.pid)
                 for name in ("cmdline", "comm", "limits", "mountinfo", "net/unix", "uid_map")]
        for user in (alice, bob):
            seen = where_proc(all_of_it, False, user.command(["cat", *files]))
            assert "a1b2c3d4e5f6" in seen.stdout and "Max open files" in seen.stdout, \
                f"the control, of {files}: {seen.stderr}"
            assert where_proc(all_of_it, True, user.command(["cat", *files])).stdout == ""
    finally:
        agent.do("end", finished=True)
    # and sessions start there
    done = where_proc(all_of_it, True, alice.command([installed, "-q", "--net=none", "echo", "in"]))
    assert done.stdout == "in\n", done.stderr
