# SPDX-License-Identifier: GPL-2.0-or-later
"""Root's session on a machine whose root file system cannot be idmapped: an overlay, as in a
container. Its uid 0 is the host's, so what uid 0 alone can write in /proc is sealed."""

import subprocess

import pytest

import machine

# In a mount namespace of its own, makes an overlay of / the root and runs the rest there.
ON_OVERLAY = r"""
set -e
mount --make-rprivate /
mount -t tmpfs none /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay none -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
cd /mnt/root
for part in proc sys dev; do mount --rbind /$part $part; done
mkdir -p tmp/old-root
pivot_root . tmp/old-root
cd /
umount -l /tmp/old-root
exec "$@"
"""


def on_overlay(*argv):
    return machine.run(["unshare", "-m", "sh", "-c", ON_OVERLAY, "sh", *argv])


def test_control_outside_a_session_root_on_an_overlay_can_write_proc():
    done = on_overlay("sh", "-c", ": > /proc/sys/kernel/domainname")
    assert done.returncode == 0, done.stderr


def test_root_cannot_write_proc_sys_though_its_uid_is_the_hosts(privexec):
    done = on_overlay(privexec, "-q", "sh", "-c",
                      "cat /proc/self/uid_map; : > /proc/sys/kernel/domainname")
    assert done.stdout.split() == ["0", "0", "4294967295"]
    assert "Read-only file system" in done.stderr


@pytest.mark.parametrize("part", ["sys", "irq", "bus", "fs", "tty", "driver"])
def test_each_sealed_part_is_read_only(privexec, part):
    done = on_overlay(privexec, "-q", "sh", "-c",
                      f"[ ! -e /proc/{part} ] || grep ' /proc/{part} ' /proc/self/mountinfo")
    assert done.returncode == 0
    assert not done.stdout or "ro" in done.stdout.split(" ")[5].split(",")


def test_files_can_be_made_and_are_gone_afterwards(privexec):
    done = on_overlay("sh", "-c", f"{privexec} -q sh -c 'echo text > /etc/sealed; cat /etc/sealed'; "
                                  "test ! -e /etc/sealed")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "text\n"


def test_a_session_inside_is_refused_in_one_line(privexec):
    done = machine.run([privexec, "-q", privexec, "true"], stdout=subprocess.DEVNULL)
    assert done.returncode == 125
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("privexec: ")
