# SPDX-License-Identifier: GPL-2.0-or-later
"""A small host for stores: a file system in a file, mounted where only those in a mount namespace of
its own see it, so that a test can fill it and read every block of it. And what a live session's store
is made of, as root finds it."""

import ctypes
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import machine
from livesession import Session, read_line

MAKE = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096", "-E",
             "lazy_itable_init=0,lazy_journal_init=0"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
}
# how a file system holds users to their quotas: words for its maker, and for mount(8)
QUOTA = {"ext4": (["-O", "quota"], "usrquota"), "xfs": ([], "uquota")}
_libc = ctypes.CDLL(None, use_errno=True)


def syncfs(descriptor):
    if _libc.syncfs(descriptor) != 0:
        raise OSError(ctypes.get_errno(), "syncfs")


def drop_caches():
    Path("/proc/sys/vm/drop_caches").write_text("3", encoding="ascii")


def missing_for(kind):
    """Why this machine can have no house of @kind, or None."""
    machine.run(["modprobe", "-q", kind])
    known = Path("/proc/filesystems").read_text(encoding="ascii").split()
    if kind not in known:
        return f"the kernel has no {kind}"
    if machine.run(["sh", "-c", f"command -v {MAKE[kind][0]}"]).returncode != 0:
        return f"no {MAKE[kind][0]}"
    return None


def missing_quota():
    """Why no file system here can hold users to quotas, or None."""
    # the format of both file systems; ext4 and XFS have it loaded themselves
    machine.run(["modprobe", "-q", "quota_v2"])
    if not Path("/proc/sys/fs/quota").exists():
        return "the kernel has no quotas"
    if not Path("/sys/module/quota_v2").exists():
        return "the kernel has no quota_v2"
    if machine.run(["sh", "-c", "command -v setquota"]).returncode != 0:
        return "no setquota"
    return None


class House:
    """@image, a file of @megabytes with a file system of @kind, mounted on @directory. Sessions that
    start in it have their stores there: it has a privexec.conf of its own over @configuration. @quota:
    it keeps users to what limit() allows them."""

    def __init__(self, image, kind, megabytes, directory, configuration, quota=False):
        self.image, self.directory = Path(image), Path(directory)
        with open(self.image, "wb") as file:
            file.truncate(megabytes << 20)
        words, option = QUOTA[kind] if quota else ([], "defaults")
        machine.run([*MAKE[kind], *words, self.image], check=True)
        self.directory.mkdir(mode=0o755, exist_ok=True)
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-ec",
             'mount -o "loop,$4" "$1" "$2"; chmod 755 "$2"; mkdir -m 700 "$2/stores"; '
             'printf "[store]\\ndirectory = %s/stores\\n" "$2" >"$2/privexec.conf"; '
             'mount --bind "$2/privexec.conf" "$3"; echo ready; read -r _', "sh",
             self.image, self.directory, configuration, option],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert read_line(self._holder.stdout.fileno(), 20) == "ready\n", f"cannot mount {image}"
        # what is in it, as seen from outside
        self.inside = Path(f"/proc/{self._holder.pid}/root{self.directory}")

    def prefix(self, user=None):
        """Words that run a command in its namespace, as @user or as root."""
        return ["nsenter", "--mount", "--target", str(self._holder.pid), "--wd=/", "--",
                *(user.command([]) if user else [])]

    def run(self, argv, user=None, **options):
        return machine.run([*self.prefix(user), *argv], **options)

    def sh(self, script, *arguments):
        done = self.run(["sh", "-ec", script, "sh", *arguments])
        assert done.returncode == 0, done.stderr
        return done.stdout

    def limit(self, user, size):
        """Allows @user @size bytes (None: any number)."""
        done = self.run(["setquota", "-u", str(user.uid), "0", str((size or 0) >> 10), "0", "0",
                         self.directory])
        assert done.returncode == 0, done.stderr

    def used_by(self, user):
        """Bytes of @user's, as the file system counts them for his quota."""
        done = self.run(["quota", "-u", "-p", "-w", "--show-mntpoint", "--hide-device",
                         str(user.uid)])
        line = next((line.split() for line in done.stdout.splitlines()
                     if line.split()[:1] == [str(self.directory)]), ["", "0"])
        return int(line[1].rstrip("*")) << 10

    def free_blocks(self):
        return os.statvfs(self.inside).f_bfree

    def free_bytes(self):
        return self.free_blocks() * os.statvfs(self.inside).f_frsize

    def given_back(self, blocks):
        """Are as many blocks free again as there were? What a store took comes back when the last
        device is let go of, a moment after the session."""
        return machine.wait_until(lambda: self.free_blocks() >= blocks)

    def flush(self):
        directory = os.open(self.inside, os.O_RDONLY)
        try:
            syncfs(directory)
        finally:
            os.close(directory)

    def close(self):
        self._holder.kill()
        self._holder.stdin.close()
        self._holder.stdout.close()
        self._holder.wait()
        # the mount goes with the namespace, and with it the loop device
        machine.wait_until(lambda: str(self.image) not in "".join(machine.snapshot()["loop device"]))
        self.image.unlink(missing_ok=True)
        self.directory.rmdir()


@contextmanager
def built(installation, place, kind="ext4", megabytes=320, quota=False):
    """A House for the sessions of @installation."""
    house = House(place / "image", kind, megabytes, installation.prefix / place.name,
                  installation.configuration / "privexec.conf", quota)
    try:
        yield house
    finally:
        house.close()


# --- a live session's store ---------------------------------------------------------------------

class Levels:
    """What lies under a session, the innermost first: `mounts`, open root directories of the file
    systems; `devices`, the paths of the block devices those are on; `backing`, the backing file,
    opened by root through the keeper."""

    def __init__(self, session):
        self.mounts, self.devices, self.backing = [], [], None
        for pid in (session.keeper, session.sweeper):
            for entry in sorted(os.listdir(f"/proc/{pid}/fd"), key=int):
                self._look(f"/proc/{pid}/fd/{entry}")

    def _look(self, path):
        try:
            status = os.stat(path)
            name = os.readlink(path)
        except OSError:
            return
        major, minor = os.major(status.st_dev), os.minor(status.st_dev)
        device = Path(f"/sys/dev/block/{major}:{minor}")
        if name == "/" and os.path.isdir(path) and device.exists():
            node = f"/dev/{device.resolve().name}"
            if node not in self.devices:
                self.devices.append(node)
                self.mounts.append(os.open(path, os.O_RDONLY))
        elif "/stores/" in name or name.startswith(f"{machine.STORES}/"):
            if os.path.isfile(path) and self.backing is None:
                self.backing = os.open(path, os.O_RDONLY)

    def sync(self):
        for mount in self.mounts:
            syncfs(mount)
        os.fsync(self.backing)

    def close(self):
        for descriptor in (*self.mounts, self.backing):
            if descriptor is not None:
                os.close(descriptor)
        self.mounts, self.backing = [], None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def session_in(house, front, command, *options, user=None, **more):
    """A live session whose store is in @house."""
    return Session(front, command, *options, prefix=house.prefix(user), **more)


def finish(session, patience=20):
    """Waits until it ends by itself; returns the exit status."""
    status = session.process.wait(patience * machine.SLOWNESS)
    session.end()
    return status


def sweep(house, front, user=None):
    """A start, which sweeps what a killed session left."""
    done = house.run([front, "-q", "--net=none", "--store=memory", "--size=16M", "--", "true"], user)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def devices():
    """Loop and device-mapper devices that are in use."""
    now = machine.snapshot()
    return now["loop device"] | now["device-mapper device"]


def own_devices(house):
    """As devices(), but of the loop devices only those whose backing file is in @house, or in a file
    system that is in no mount table, as the inner ones of fscrypt stores."""
    return {device for device in devices()
            if not device.startswith("/dev/loop") or str(house.directory) in device}


def mapped(session):
    """The kernel's name of the device-mapper device of the session with the id @session, or None."""
    for device in Path("/sys/block").glob("dm-*"):
        try:
            if (device / "dm/name").read_text(encoding="ascii").strip() == f"privexec-{session}":
                return device.name
        except OSError:
            pass
    return None


def finish_reading(session):
    """Ends a session whose command reads to the end of its input."""
    session.process.stdin.close()
    assert session.process.wait(20 * machine.SLOWNESS) == 0
