# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine that is not as it should be: commands in a mount namespace of their own, in which things
are mounted over what programs look at. The machine itself is left alone, and all of it goes with the
last process."""

import subprocess

from livesession import read_line


def inside(setup, argv):
    """The words that run the shell lines @setup in a mount namespace of its own, as root, and then
    @argv in it."""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec",
            f'{setup}\ncd /\nexec "$@"', "sh", *argv]


def show(content, path):
    """A line of setup: @content in place of the file @path."""
    return f"printf '%s' '{content}' >/dev/shm/shown\nmount --bind /dev/shm/shown {path}"


# So that show() leaves no file on the machine.
OWN_SHM = "mount -t tmpfs tmpfs /dev/shm"


_NO_USER_NAMESPACES = """
import ctypes, os, sys
class Compare(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_uint), ("operation", ctypes.c_int),
                ("mask", ctypes.c_uint64), ("value", ctypes.c_uint64)]
seccomp, new_user = ctypes.CDLL("libseccomp.so.2"), 0x10000000
seccomp.seccomp_init.restype = ctypes.c_void_p
context = ctypes.c_void_p(seccomp.seccomp_init(0x7fff0000))    # allow
assert seccomp.seccomp_attr_set(context, 3, 0) == 0             # without no_new_privs
for name in (b"unshare", b"clone"):
    masked_equal = Compare(0, 7, new_user, new_user)
    number = seccomp.seccomp_syscall_resolve_name(name)
    assert seccomp.seccomp_rule_add_array(context, 0x00050000 | 28, number, 1,
                                          ctypes.byref(masked_equal)) == 0   # ENOSPC
assert seccomp.seccomp_load(context) == 0
os.execvp(sys.argv[1], sys.argv[1:])
"""


def without_user_namespaces(argv):
    """The words that run @argv, as root, where a user namespace is refused as by a machine whose
    user.max_user_namespaces is 0."""
    return ["/usr/bin/python3", "-c", _NO_USER_NAMESPACES, *argv]


class Room:
    """Such a namespace that stays until close(), for several commands."""

    def __init__(self, setup):
        self._holder = subprocess.Popen(
            inside(setup, ["sh", "-c", "echo ready; exec sleep 1000"]),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        ready = read_line(self._holder.stdout.fileno(), 10)
        assert ready == "ready\n", f"cannot set the room up: {setup}"

    def prefix(self):
        """Words that run a command in it."""
        return ["nsenter", "--mount", "--target", str(self._holder.pid), "--"]

    def path(self, path):
        """@path in it, as seen from outside."""
        return f"/proc/{self._holder.pid}/root{path}"

    def close(self):
        self._holder.kill()
        self._holder.stdout.close()
        self._holder.wait()
