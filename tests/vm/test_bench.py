# SPDX-License-Identifier: GPL-2.0-or-later
"""The bench can see what it is to look for: a canary that lies in the clear is found from outside, on a
disk and in memory. Tests that find nothing prove something only because of these."""

import secrets
import subprocess
import time

import pytest

from guest import Disk, Failed, Guest, find

HOLD = """
import sys, time
held = bytes.fromhex(sys.argv[1])
print("held", flush=True)
time.sleep(1000)
"""


def canary():
    """(bytes, how they are written without having them in any command line)"""
    made = secrets.token_bytes(24)
    return made, made.hex()


@pytest.fixture(scope="module")
def guest():
    """One for all tests but those that end it; a disk of the host's is mounted at /mnt."""
    with Guest(disks=[Disk("spare", 64 << 20)]) as made:
        made.run(["mkfs.ext4", "-q", made.disks["spare"].inside], check=True)
        made.run(["mount", made.disks["spare"].inside, "/mnt"], check=True)
        yield made


def write(guest, path, text):
    """Writes a canary to a file of the guest, and to the disk."""
    guest.run(["python3", "-c", "import os, sys\nwith open(sys.argv[1], 'wb') as f:\n"
               "    f.write(bytes.fromhex(sys.argv[2]) * 100)\n    f.flush()\n"
               "    os.fsync(f.fileno())", path, text], check=True)


def test_a_paused_guest_does_nothing_and_then_goes_on(guest):
    job = guest.start(["sh", "-c", "while sleep 0.1; do echo tick; done"])
    job.wait_for("tick")
    guest.pause()
    time.sleep(0.5)
    before = len(job.stdout)
    time.sleep(1.5)
    assert len(job.stdout) == before
    guest.resume()
    job.wait_for("tick\n" * (before // 5 + 2))
    job.kill()
    assert job.wait() == -9


def test_what_a_process_holds_is_found_in_a_dump_of_the_guest_s_memory(guest, tmp_path):
    made, text = canary()
    other, _ = canary()
    job = guest.start(["python3", "-c", HOLD, text])
    job.wait_for("held")
    dump = tmp_path / "memory"
    guest.dump_memory(dump)
    assert dump.stat().st_size > guest.memory << 20
    found = find(dump, made, other)
    dump.unlink()
    assert made in found and other not in found
    assert guest.run(["true"]).returncode == 0


def test_a_command_that_does_not_end_is_ended(guest):
    with pytest.raises(subprocess.TimeoutExpired):
        guest.run(["sleep", "1000"], timeout=1)
    with pytest.raises(Failed):
        guest.run(["/there/is/no/such/program"])


def test_what_a_guest_wrote_is_found_on_its_disk_paused_copied_and_after_the_plug_is_pulled(
        guest, tmp_path):
    made, text = canary()
    disk = guest.disks["spare"]
    assert not find(disk.path, made)
    write(guest, "/mnt/file", text)
    guest.pause()
    assert find(disk.path, made)
    guest.copy_disk("spare", tmp_path / "copy")
    assert find(tmp_path / "copy", made)
    guest.resume()
    assert guest.run(["true"]).returncode == 0
    guest.pull_the_plug()  # the last test of this guest
    assert guest.process.poll() is not None
    assert find(disk.path, made)
    with pytest.raises(Failed):
        guest.run(["true"])


def test_a_guest_has_the_command_line_and_the_root_it_was_given_and_switches_itself_off():
    made, text = canary()
    with Guest("6.12", append=["init_on_free=1"], own_root=True) as guest:
        assert guest.kernel_version.startswith("6.12.")
        assert "init_on_free=1" in guest.run(["cat", "/proc/cmdline"]).stdout.split()
        assert not find(guest.root, made)
        write(guest, "/var/tmp/file", text)
        guest.pause()
        assert find(guest.root, made)
        guest.resume()
        guest.power_off()
        assert guest.process.returncode == 0
        assert find(guest.root, made)
