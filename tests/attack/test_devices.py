# SPDX-License-Identifier: GPL-2.0-or-later
"""Device nodes: what a session's /dev has can be opened in its control group, and nothing else, whoever
tries and by whatever node."""

import os
import re
from pathlib import Path

import pytest

import machine

# as the session's /dev has them
OWN = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9),
       "ptmx": (5, 2)}
# of which every machine has some that root can open
OTHERS = {"kmsg": ("c", 1, 11), "loop-control": ("c", 10, 237), "mapper/control": ("c", 10, 236),
          "fuse": ("c", 10, 229), "loop0": ("b", 7, 0), "vda": ("b", 254, 0), "net/tun": ("c", 10, 200),
          "console": ("c", 5, 1), "mem": ("c", 1, 1)}

TRY = """
import errno, os, stat, sys
if len(sys.argv) > 2:
    with open(sys.argv[2] + "/cgroup.procs", "w") as procs:
        procs.write("0")
for name in sorted(os.listdir(sys.argv[1])):
    try:
        os.close(os.open(sys.argv[1] + "/" + name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY))
        print(name, "opened")
    except OSError as error:
        print(name, errno.errorcode[error.errno])
    try:
        status = os.stat(sys.argv[1] + "/" + name)
        os.mknod(sys.argv[1] + "/new", status.st_mode, status.st_rdev)
        os.unlink(sys.argv[1] + "/new")
        print(name, "made")
    except OSError as error:
        print(name, "not made")
"""


@pytest.fixture(name="nodes")
def _nodes(tmp_path):
    for name, (major, minor) in OWN.items():
        os.mknod(tmp_path / name, 0o20666, os.makedev(major, minor))
    for name, (kind, major, minor) in OTHERS.items():
        os.mknod(tmp_path / name.replace("/", "-"), 0o20600 if kind == "c" else 0o60600,
                 os.makedev(major, minor))
    return tmp_path


def tries(nodes, *words):
    done = machine.run(["/usr/bin/python3", "-c", TRY, nodes, *words])
    assert done.returncode == 0, done.stderr
    return {tuple(line.split(" ", 1)) for line in done.stdout.splitlines()}


@pytest.mark.parametrize("network", ["host", "none"])
def test_a_session_s_control_group_opens_no_node_but_those_of_its_dev(nodes, privexec, network):
    """Root tries it in there: a program of the session has no such node in the first place."""
    outside = tries(nodes)
    could = {name for name, what in outside if what == "opened"} - set(OWN)
    assert could, "a control: root outside can open some"
    session = machine.subprocess.Popen(
        [privexec, "--debug", "--store=memory", f"--net={network}", "sleep", "60"],
        stdin=machine.subprocess.DEVNULL, stderr=machine.subprocess.PIPE, text=True)
    try:
        said = ""
        while "labels" not in said:
            line = session.stderr.readline()
            assert line, said
            said += line
        path = re.search(r"control group: (\S+)", said).group(1)
        top = next(line.split()[4] for line in
                   Path("/proc/self/mountinfo").read_text("utf-8").split("\n")
                   if " - cgroup2 " in line)
        inside = tries(nodes, f"{top}/{path}")
    finally:
        session.terminate()
        session.wait(20)
        session.stderr.close()
    own = {(name, what) for name, what in outside if name in OWN}
    assert {("null", "opened"), ("null", "made"), ("urandom", "opened"), ("ptmx", "made")} <= own
    assert {(name, what) for name, what in inside if name in OWN} == own
    others = {name for name, _ in outside} - set(OWN)
    assert {(name, what) for name, what in inside if name in others} == {
        (name, what) for name in others for what in ("EPERM", "not made")}
