# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines other than this one, for a session to start on: with other mounts, in a mount namespace
that goes with the command; and reading what a session has mounted."""

import re
from collections import namedtuple
from pathlib import Path

import machine

HERE = Path(__file__).resolve().parent

# options: of the mount; more: of the file system
Mount = namedtuple("Mount", "root path options type source more")


def unescape(text):
    """The bytes that mountinfo or --dry-run writes as @text."""
    raw = text.encode("utf-8", "surrogateescape")
    return re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), raw).decode(
        "utf-8", "surrogateescape")


def mounts(text):
    """The mounts in the text of a mountinfo, in its order."""
    found = []
    for line in text.split("\n"):
        if not line:
            continue
        left, right = line.split(" - ", 1)
        fields, (kind, source, more) = left.split(" "), right.split(" ", 2)
        found.append(Mount(unescape(fields[3]), unescape(fields[4]), set(fields[5].split(",")), kind,
                           source, set(more.split(","))))
    return found


def on_path(text):
    """{path: Mount}, of each path the topmost."""
    return {mount.path: mount for mount in mounts(text)}


def in_world(worker, arrange, argv, *, refuse=(), more=None, **options):
    """Runs @argv as @worker after the bash script @arrange, which root runs in a mount namespace of
    its own, on a kernel that refuses the system calls @refuse (see older_kernel.py)."""
    command = worker.command(argv, **(more or {}))
    if refuse:
        command = ["/usr/bin/python3", HERE / "older_kernel.py", *refuse, "--", *command]
    return machine.run(["unshare", "--mount", "--propagation", "private", "bash", "-euc",
                        arrange + '\nexec "$@"', "-", *command],
                       **{"cwd": "/", "errors": "surrogateescape", **options})
