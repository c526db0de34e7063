#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Attacks, each a function, run by name in whatever surroundings this is started in:

    probe.py ATTACK[:ARGUMENT]...      prints {"ATTACK[:ARGUMENT]": "done" or what stopped it}

"done" says that the attack worked. Nothing here knows privexec: what succeeds outside of it and
fails inside shows what it is worth."""

import ctypes
import errno
import fcntl
import json
import mmap
import os
import signal
import socket
import stat
import subprocess
import sys
import termios

LIBC = ctypes.CDLL(None, use_errno=True)
PIDFD_OPEN, PIDFD_GETFD, OPEN_TREE, MOVE_MOUNT = 434, 438, 428, 429
NAMESPACES = {"user": 0x10000000, "mnt": 0x20000, "net": 0x40000000, "ipc": 0x8000000,
              "uts": 0x4000000, "pid": 0x20000000, "cgroup": 0x2000000}
MS_REMOUNT, MS_BIND, MS_REC, MS_SHARED, MS_MOVE = 32, 4096, 16384, 1 << 20, 8192
MNT_DETACH = 2


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def call(*arguments):
    return check(LIBC.syscall(*[a if not isinstance(a, bytes) else ctypes.c_char_p(a)
                                for a in arguments]))


def mount(source, target, kind=None, flags=0, options=None):
    text = [None if a is None else a.encode() for a in (source, target, kind, options)]
    check(LIBC.mount(text[0], text[1], text[2], ctypes.c_ulong(flags), text[3]))


def in_child(function):
    """Runs @function in a child, whose mounts, namespaces and ids are its own affair."""
    pid = os.fork()
    if pid == 0:
        status = 0
        try:
            function()
        except OSError as error:
            status = error.errno or 255
        except subprocess.CalledProcessError:
            status = 254
        os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        raise OSError(status if status > 0 else errno.EINTR, "")


# --- another process, from outside or inside ---------------------------------------------------

def read_of(pid, name):
    with open(f"/proc/{pid}/{name}", "rb") as file:
        if name != "mem" and not file.read(16):
            raise OSError(errno.ENODATA, "")


def environ(pid):
    read_of(pid, "environ")


def maps(pid):
    read_of(pid, "maps")


def mem(pid):
    read_of(pid, "mem")


def auxv(pid):
    read_of(pid, "auxv")


def pagemap(pid):
    os.close(os.open(f"/proc/{pid}/pagemap", os.O_RDONLY))


def syscall(pid):
    read_of(pid, "syscall")


def io(pid):
    read_of(pid, "io")


def root(pid):
    os.listdir(f"/proc/{pid}/root/")


def cwd(pid):
    os.listdir(f"/proc/{pid}/cwd/")


def exe(pid):
    os.readlink(f"/proc/{pid}/exe")


def fd(pid):
    os.readlink(f"/proc/{pid}/fd/1")


def map_files(pid):
    os.listdir(f"/proc/{pid}/map_files")


def ns(argument):
    pid, name = argument.split(",")
    os.close(os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY))


def seize(pid):
    check(LIBC.ptrace(0x4206, int(pid), 0, 0))
    LIBC.ptrace(17, int(pid), 0, 0)


def vm_readv(pid):
    class Part(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]

    buffer = ctypes.create_string_buffer(8)
    here, there = Part(ctypes.addressof(buffer), 8), Part(0x1000, 8)
    if LIBC.process_vm_readv(int(pid), ctypes.byref(here), 1, ctypes.byref(there), 1, 0) < 0:
        # an address that is not there is found out after the right to look
        if ctypes.get_errno() != errno.EFAULT:
            raise OSError(ctypes.get_errno(), "")


def getfd(pid):
    pidfd = call(PIDFD_OPEN, int(pid), 0)
    os.close(call(PIDFD_GETFD, pidfd, 1, 0))


def setns(argument):
    """Enters the namespaces of a process: PID,user or PID,user+mnt and so on."""
    pid, names = argument.split(",")

    def enter():
        flags = sum(NAMESPACES[name] for name in names.split("+"))
        check(LIBC.setns(call(PIDFD_OPEN, int(pid), 0), flags))
    in_child(enter)


def kill(argument):
    """Sends a signal: PID,NUMBER."""
    pid, number = argument.split(",")
    os.kill(int(pid), int(number))


def kill_all(uid):
    """Is there anybody of user @uid to be killed whom the caller does not see as a child?"""
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) > 1 and os.stat(f"/proc/{entry}").st_uid == int(uid):
            os.kill(int(entry), 0)
            return
    raise OSError(errno.ESRCH, "")


def prlimit(pid):
    class Limit(ctypes.Structure):
        _fields_ = [("soft", ctypes.c_ulong), ("hard", ctypes.c_ulong)]

    check(LIBC.prlimit(int(pid), 7, ctypes.byref(Limit(0, 0)), None))


def read(path):
    with open(path, "rb") as file:
        file.read(1)


def write(path):
    """Opens for writing what is there; writes nothing."""
    os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY))


def append(path):
    with open(path, "ab") as file:
        file.write(b"attacked\n")


def overwrite(path):
    descriptor = os.open(path, os.O_WRONLY)
    os.pwrite(descriptor, b"attacked\n", 0)
    os.close(descriptor)


def listdir(path):
    os.listdir(path)


def connect(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.connect(path)


# --- privilege ---------------------------------------------------------------------------------

def run_as_root(path):
    """Starts a program whose mode or capabilities should give it privilege; it says 0 if it has it."""
    done = subprocess.run([path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if done.returncode != 0 or done.stdout.strip() != b"privileged":
        raise OSError(errno.EPERM, "")


def mknod(path):
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.close(os.open(path, os.O_RDONLY))


def mknod_open(argument):
    """Makes a block device node: PATH,MAJOR,MINOR; reads it."""
    path, major, minor = argument.split(",")
    os.mknod(path, stat.S_IFBLK | 0o666, os.makedev(int(major), int(minor)))
    read(path)


def setuid_file(path):
    """Leaves a copy of a program that is set-user-id root."""
    with open("/bin/true", "rb") as source, open(path, "wb") as target:
        target.write(source.read())
    os.chown(path, 0, 0)
    os.chmod(path, 0o4755)


def setuid_zero(_=None):
    os.setuid(0)
    if os.geteuid() != 0 or not int(capability_line("CapEff"), 16) & 1 << 21:
        raise OSError(errno.EPERM, "")


def capability_line(name):
    with open("/proc/self/status", encoding="ascii") as status:
        return next(line.split()[1] for line in status if line.startswith(name + ":"))


def sys_admin(_=None):
    if not int(capability_line("CapEff"), 16) & 1 << 21:
        raise OSError(errno.EPERM, "")


def no_new_privileges_off(_=None):
    if capability_line("NoNewPrivs") != "0":
        raise OSError(errno.EPERM, "")


def chroot_escape(marker):
    """The classic: a directory open outside of a new root. @marker is on the host alone."""
    def escape():
        outside = os.open("/", os.O_RDONLY)
        os.makedirs("/tmp/escape-root", exist_ok=True)
        os.chroot("/tmp/escape-root")
        os.fchdir(outside)
        for _ in range(32):
            os.chdir("..")
        os.chroot(".")
        read(marker)
    in_child(escape)


class Handle(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint), ("kind", ctypes.c_int), ("bytes", ctypes.c_ubyte * 128)]


def by_handle(argument):
    """Opens a file by its handle: MOUNT,PATH; or MOUNT,hex:KIND:BYTES known from elsewhere."""
    place, path = argument.split(",")
    handle, mount_id = Handle(size=128), ctypes.c_int()
    if path.startswith("hex:"):
        kind, text = path[4:].split(":")
        data = bytes.fromhex(text)
        handle.size, handle.kind = len(data), int(kind)
        handle.bytes[:len(data)] = data
    else:
        check(LIBC.name_to_handle_at(-100, path.encode(), ctypes.byref(handle),
                                     ctypes.byref(mount_id), 0))
    at = os.open(place, os.O_RDONLY)
    os.close(check(LIBC.open_by_handle_at(at, ctypes.byref(handle), os.O_RDONLY)))


def handle_of(path):
    """Not an attack: prints nothing, returns KIND:BYTES."""
    handle, mount_id = Handle(size=128), ctypes.c_int()
    check(LIBC.name_to_handle_at(-100, path.encode(), ctypes.byref(handle),
                                 ctypes.byref(mount_id), 0))
    return f"hex:{handle.kind}:{bytes(handle.bytes[:handle.size]).hex()}"


# --- mounts ------------------------------------------------------------------------------------

def propagate(target):
    """Mounts where the host could see it; the caller looks there for what is inside."""
    mount("attack", target, "tmpfs")
    with open(f"{target}/arrived", "w", encoding="ascii") as file:
        file.write("x")


def nested(function, as_root=True):
    """@function with all capabilities in a user and mount namespace of its own; as root of it, or as
    whoever it is, so that a program that it starts has none of them."""
    uid, gid = os.geteuid(), os.getegid()
    root, group = (0, 0) if as_root else (uid, gid)

    def inside():
        check(LIBC.unshare(NAMESPACES["user"] | NAMESPACES["mnt"]))
        for name, text in (("setgroups", "deny"), ("uid_map", f"{root} {uid} 1"),
                           ("gid_map", f"{group} {gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
        function()
    in_child(inside)


def bare(function):
    """As nested(), but without namespaces of its own: for those who have the privilege."""
    in_child(function)


def _remount(path, flags=0):
    mount(None, path, None, MS_REMOUNT | MS_BIND | flags)


def nested_remount(path):
    """Takes nosuid, nodev and read-only from a mount."""
    nested(lambda: _remount(path))


def remount(path):
    bare(lambda: _remount(path))


def nested_umount(path):
    def take_away():
        check(LIBC.umount2(path.encode(), MNT_DETACH))
    nested(take_away)


def umount(path):
    def take_away():
        check(LIBC.umount2(path.encode(), MNT_DETACH))
    bare(take_away)


def nested_reveal(argument):
    """Binds the file system that a mount covers elsewhere: ROOT,COVERED/FILE must be readable."""
    place, hidden = argument.split(",")

    def look():
        mount(place, "/mnt", None, MS_BIND)
        read(f"/mnt/{hidden}")
    nested(look)


def reveal(argument):
    place, hidden = argument.split(",")

    def look():
        check(LIBC.unshare(NAMESPACES["mnt"]))
        mount(None, "/", None, MS_REC | 1 << 18)
        mount(place, "/mnt", None, MS_BIND)
        read(f"/mnt/{hidden}")
    bare(look)


def nested_sysfs(path):
    """A fresh sysfs that can be written to."""
    def fresh():
        check(LIBC.unshare(NAMESPACES["net"]))
        mount("sysfs", "/mnt", "sysfs")
        write("/mnt/" + path)
    nested(fresh)


def nested_cgroup2(_=None):
    """A fresh cgroup2 and a group in it."""
    def fresh():
        check(LIBC.unshare(NAMESPACES["cgroup"]))
        mount("cgroup2", "/mnt", "cgroup2")
        os.mkdir("/mnt/attack")
        os.rmdir("/mnt/attack")
    nested(fresh)


def cgroup_mkdir(path):
    os.mkdir(path)
    os.rmdir(path)


def nested_proc(path):
    """A fresh /proc and a file in it that is the host's to write."""
    def fresh():
        check(LIBC.unshare(NAMESPACES["pid"]))
        pid = os.fork()
        if pid == 0:
            try:
                mount("proc", "/proc", "proc")
                write(path)
                os._exit(0)
            except OSError as error:
                os._exit(error.errno)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status:
            raise OSError(status, "")
    nested(fresh)


def nested_overlay(argument):
    """An overlay over DIRECTORY,FILE: is FILE, root's and set-user-id, good for privilege in it?"""
    directory, name = argument.split(",")

    def stack():
        mount("attack", "/mnt", "tmpfs")
        for part in ("u", "w", "m"):
            os.mkdir(f"/mnt/{part}")
        mount("overlay", "/mnt/m", "overlay", 0,
              f"lowerdir={directory},upperdir=/mnt/u,workdir=/mnt/w,userxattr")
        if os.stat(f"/mnt/m/{name}").st_uid == 0:
            raise OSError(errno.EEXIST, "")
        run_as_root(f"/mnt/m/{name}")
    nested(stack, as_root=False)


def nested_ids(_=None):
    """Maps uid 0 of the host into a user namespace of its own."""
    def inside():
        check(LIBC.unshare(NAMESPACES["user"]))
        with open("/proc/self/uid_map", "w", encoding="ascii") as file:
            file.write("0 0 1")
    in_child(inside)


def nested_read_device(path):
    nested(lambda: read(path))


def map_file_open(_=None):
    """By /proc/self/map_files: the file beneath an overlay rather than the overlay's."""
    with open(sys.executable, "rb") as file:
        with mmap.mmap(file.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ):
            for name in os.listdir("/proc/self/map_files"):
                os.close(os.open(f"/proc/self/map_files/{name}", os.O_RDONLY))
                return


# --- standard streams --------------------------------------------------------------------------

def reopen_input(_=None):
    """Writes to what standard input was opened from for reading."""
    descriptor = os.open("/proc/self/fd/0", os.O_WRONLY)
    os.write(descriptor, b"attacked")


def truncate_output(_=None):
    os.close(os.open("/proc/self/fd/1", os.O_WRONLY | os.O_TRUNC))


def read_output(_=None):
    """Reads back what was in the file before."""
    descriptor = os.open("/proc/self/fd/1", os.O_RDONLY | os.O_NONBLOCK)
    if not os.read(descriptor, 16):
        raise OSError(errno.ENODATA, "")


def write_below_input(name):
    with open(f"/proc/self/fd/0/{name}", "w", encoding="ascii") as file:
        file.write("attacked")


def terminal(_=None):
    """Writes to the controlling terminal."""
    descriptor = os.open("/dev/tty", os.O_RDWR)
    os.write(descriptor, b"attacked\n")


def type_into(path):
    """Types a letter into a terminal as if its user had."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY) if path != "-" else 2
    fcntl.ioctl(descriptor, termios.TIOCSTI, b"!")


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    results = {}
    output = 1
    for word in sys.argv[1:]:
        if word.startswith("--to="):
            output = int(word[5:])
            continue
        name, _, argument = word.partition(":")
        try:
            globals()[name](argument)
            results[word] = "done"
        except OSError as error:
            results[word] = errno.errorcode.get(error.errno, str(error.errno))
        except subprocess.CalledProcessError as error:
            results[word] = f"status {error.returncode}"
    os.write(output, (json.dumps(results) + "\n").encode())


if __name__ == "__main__":
    main()
