# SPDX-License-Identifier: GPL-2.0-or-later
"""What a tree of files is, to be compared with what it becomes.

Of every file: type, mode, owner, group, device, inode, number of links, size, mtime, ctime, extended
attributes (access control lists with them), where a symbolic link leads, and of regular files that
are not too large a checksum. Left out are access times, which reading changes, and the blocks a file
takes, which the file system may decide late. The checksum is not what a change of contents is found
by: no program can write to a file, or change anything else of it, without a new ctime, and none can
set one. It is there for the case that a session could."""

import hashlib
import os
import stat

HASHED = 64 << 10  # bytes: larger files are judged by their times

# What no session of a test may touch, and nobody else is likely to while a test runs. Left out:
# /proc, /sys, /dev, /run, /var/log and the like, which the running machine changes by itself; /tmp
# and /var/tmp, where everybody's files come and go, so that tests look for their own names there;
# below /usr/local/lib the installations of test runs; hidden directories of /root, in which tools
# keep caches.
HOST = ("/etc", "/usr", "/opt", "/boot", "/srv", "/root", "/var/lib/dpkg")


def _left_out(path):
    return path == "/usr/local/lib" or (path.startswith("/root/.") and os.path.isdir(path))


def _checksum(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def describe(path, hashed=HASHED):
    """All that is known of the one file @path."""
    status = os.lstat(path)
    attributes = tuple((name, os.getxattr(path, name, follow_symlinks=False))
                       for name in sorted(os.listxattr(path, follow_symlinks=False)))
    content = None
    if stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(status.st_mode) and status.st_size <= hashed:
        content = _checksum(path)
    return (stat.filemode(status.st_mode), status.st_uid, status.st_gid, status.st_rdev,
            status.st_dev, status.st_ino, status.st_nlink, status.st_size, status.st_mtime_ns,
            status.st_ctime_ns, attributes, content)


FIELDS = ("mode", "owner", "group", "node", "device", "inode", "links", "size", "mtime", "ctime",
          "attributes", "content")


def snapshot(*roots, hashed=HASHED):
    """{path: describe(path)} of all files at and below @roots, on the same file systems."""
    found = {}
    for root in roots:
        if not os.path.lexists(root):
            continue
        device = os.lstat(root).st_dev
        queue = [str(root)]
        while queue:
            path = queue.pop()
            try:
                found[path] = what = describe(path, hashed)
                if what[0][0] == "d" and what[4] == device:
                    queue.extend(entry.path for entry in os.scandir(path)
                                 if not _left_out(entry.path))
            except FileNotFoundError:
                found.pop(path, None)
    return found


def host(*more):
    """snapshot() of what no session may change, and of @more. Contents only of /etc, the package
    database and @more: the rest is large."""
    return {**snapshot(*(tree for tree in HOST if tree not in ("/etc", "/var/lib/dpkg")), hashed=-1),
            **snapshot("/etc", "/var/lib/dpkg", *more)}


def differences(before, after, most=20):
    """What became different, as lines for a person: none when nothing did."""
    lines = [f"gone: {path}" for path in sorted(before.keys() - after.keys())]
    lines += [f"new: {path}" for path in sorted(after.keys() - before.keys())]
    for path in sorted(before.keys() & after.keys()):
        if before[path] != after[path]:
            lines.append(f"changed: {path}: " + ", ".join(
                f"{name} {old!r} to {new!r}"
                for name, old, new in zip(FIELDS, before[path], after[path]) if old != new))
    return lines[:most] + ([f"and {len(lines) - most} more"] if len(lines) > most else [])
