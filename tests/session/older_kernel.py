# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a command on a kernel that refuses some system calls, as an older one would: by a seccomp
filter, which is inherited by all that the command starts, and which takes away no privilege.

    older_kernel.py CALL[:ARGUMENT=VALUE]:ERRNO... -- COMMAND...

CALL is one of the names below; ARGUMENT counts from 0. Needs root."""

import ctypes
import errno
import os
import struct
import sys

# the same on all architectures that Linux 5 still supports
CALLS = {"move_mount": 429, "fsconfig": 431, "clone3": 435, "close_range": 436, "openat2": 437,
         "mount_setattr": 442, "memfd_secret": 447}
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7fff0000, 0x00050000


def instruction(code, k, when_true=0, when_false=0):
    return struct.pack("=HBBI", code, when_true, when_false, k)


def program(rules):
    low = 0 if sys.byteorder == "little" else 4
    text = []
    for call, argument, value, error in rules:
        text += [instruction(LOAD, 0),
                 instruction(EQUAL, CALLS[call], 0, 3 if argument is not None else 1)]
        if argument is not None:
            text += [instruction(LOAD, 16 + 8 * argument + low), instruction(EQUAL, value, 0, 1)]
        text += [instruction(RETURN, ERRNO | error)]
    return text + [instruction(RETURN, ALLOW)]


def parse(word):
    call, *where, error = word.split(":")
    argument, value = map(int, where[0].split("=")) if where else (None, None)
    return call, argument, value, getattr(errno, error)


def main():
    split = sys.argv.index("--")
    text = program([parse(word) for word in sys.argv[1:split]])
    code = ctypes.create_string_buffer(b"".join(text))
    head = ctypes.create_string_buffer(struct.pack("@HP", len(text), ctypes.addressof(code)))
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, head, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_SECCOMP)")
    os.execvp(sys.argv[split + 1], sys.argv[split + 1:])


main()
