# SPDX-License-Identifier: GPL-2.0-or-later
"""A program inside gets no privilege by being there, and no way out."""

import os
from pathlib import Path

import pytest

import attacker
import machine


@pytest.fixture(scope="module")
def trap(bench, canaries):
    """A directory in which root's tmpfs covers a secret, and a loop device's worth of another."""
    hidden = bench.path / "covered"
    hidden.mkdir()
    (hidden / "secret").write_text("canary beneath a mount\n")
    (hidden / "secret").chmod(0o644)
    return hidden


@pytest.fixture(scope="module")
def covered(room, trap):
    room.sh(f"mount -t tmpfs -o mode=755 cover {trap}")
    return trap


def inside(room, installed, alice, bench, *attacks, options=()):
    done = room.run([installed, "-q", *options, "--", *bench.attack(*attacks)], alice)
    return attacker.outcome(done)


def test_set_user_id_and_file_capabilities_give_nothing(room, installed, alice, bench):
    attacks = [f"run_as_root:{bench.setuid}", f"run_as_root:{bench.capable}", "setuid_zero",
               "sys_admin", "no_new_privileges_off"]
    control = attacker.outcome(room.run(bench.attack(*attacks), alice))
    assert attacker.succeeded(control) == {attacks[0], attacks[1], "no_new_privileges_off"}
    as_root = attacker.outcome(room.run(bench.attack("setuid_zero", "sys_admin")))
    assert attacker.stopped(as_root) == set()
    assert attacker.succeeded(inside(room, installed, alice, bench, *attacks)) == set()


@pytest.mark.parametrize("program", [["su", "-c", "id -u"], ["mount", "-t", "tmpfs", "x", "/mnt"],
                                     ["passwd", "-S", "root"], ["chsh", "root"]])
def test_the_machine_s_own_set_user_id_programs_do_not_become_root(program, room, installed, alice):
    done = room.run([installed, "-q", "--", *program], alice)
    assert done.returncode != 0
    assert done.stdout.strip() != "0"


def test_what_root_may_do_the_user_may_not_do_inside(room, installed, alice, bench, canaries):
    place = bench.path / "for-all"
    place.mkdir(exist_ok=True)
    place.chmod(0o777)
    handle = machine.run([attacker.PYTHON, "-c", f"import sys; sys.path.insert(0, '{bench.path}');"
                          "import probe; print(probe.handle_of('/etc/passwd'))"]).stdout.strip()
    root_only = next(path for path in canaries if path.name == "root-only")
    attacks = [f"mknod:{place}/null", f"chroot_escape:{root_only}", f"by_handle:/,{handle}",
               "remount:/", "map_file_open", f"read:{root_only}", f"write:{root_only}",
               f"setuid_file:{place}/setuid"]
    control = attacker.outcome(room.run(bench.attack(*attacks)))
    machine.run(["rm", "-rf", place / "null", place / "setuid", "/tmp/escape-root"])
    assert attacker.stopped(control) == set()
    assert attacker.succeeded(inside(room, installed, alice, bench, *attacks)) == set()
    assert not (place / "null").exists() and not (place / "setuid").exists()


def test_process_one_is_closed_to_the_session(room, installed, alice, bench):
    attacks = ["environ:1", "maps:1", "mem:1", "root:1", "cwd:1", "exe:1", "fd:1", "seize:1",
               "vm_readv:1", "getfd:1", "map_files:1", "ns:1,mnt", "ns:1,user", "setns:1,mnt",
               "setns:1,user"]
    assert attacker.succeeded(inside(room, installed, alice, bench, *attacks)) == set()


def test_process_one_would_be_open_if_it_were_dumpable(tmp_path, bench):
    """The control of the one before: the same program, but for one word."""
    front = attacker.weakened(tmp_path, [
        ("src/confine/confine.c", "prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)",
         "prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)")])
    attacks = ["environ:1", "maps:1", "root:1", "cwd:1", "exe:1", "fd:1", "vm_readv:1"]
    done = machine.run([front, "-q", "--net=none", "--", *bench.attack(*attacks)])
    assert attacker.succeeded(attacker.outcome(done)) >= {"root:1", "exe:1", "fd:1"}


def test_mounts_stay_inside(room, installed, alice, bench):
    """Controls: in the room itself a mount is seen; bind mounts of a shared tree spread."""
    place = bench.path / "spread"
    place.mkdir(exist_ok=True)
    place.chmod(0o777)
    room.sh(f"mount -t tmpfs shared {place} && mount --make-shared {place} && mkdir -m 777 {place}/d")
    try:
        control = attacker.outcome(room.run(["unshare", "-m", "--propagation", "unchanged",
                                             *bench.attack(f"propagate:{place}/d")]))
        assert attacker.stopped(control) == set()
        assert room.sh(f"ls {place}/d") == "arrived\n"
        room.sh(f"umount {place}/d")
        script = (f"import sys; sys.path.insert(0, '{bench.path}'); import probe;"
                  f"probe.nested(lambda: probe.propagate('{place}/d')); print('mounted')")
        done = room.run([installed, "-q", "--", attacker.PYTHON, "-c", script], alice)
        assert done.stdout == "mounted\n", done.stderr
        assert room.sh(f"ls {place}/d") == ""
    finally:
        room.sh(f"umount -l {place}")


def test_a_nested_user_namespace_takes_off_no_cover_and_no_flag(room, installed, alice, bench,
                                                                covered):
    hidden = f"{covered.name}/secret"
    control = attacker.outcome(room.run(bench.attack(
        "remount:/proc", f"reveal:{covered.parent},{hidden}")))
    assert attacker.stopped(control) == set()
    attacks = ["nested_remount:/", f"nested_remount:{covered}", "nested_remount:/proc",
               "nested_remount:/sys", "nested_remount:/run/privexec",
               f"nested_umount:{covered}", "nested_umount:/run/privexec", "nested_umount:/proc",
               "nested_umount:/dev", f"nested_reveal:{covered.parent},{hidden}",
               "nested_reveal:/run,privexec/.lock", "nested_ids", "remount:/", "umount:/proc"]
    results = inside(room, installed, alice, bench, *attacks)
    assert attacker.succeeded(results) == set()
    # nested sandboxes do work: the attacks were stopped each for itself
    assert inside(room, installed, alice, bench, "nested_read_device:/dev/zero") == {
        "nested_read_device:/dev/zero": "done"}


def test_fresh_file_systems_of_a_nested_user_namespace_are_no_way_out(room, installed, alice, bench):
    hostname = "/proc/sys/kernel/hostname"
    unified = next((path for path in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")
                    if Path(path, "cgroup.procs").exists()), None)
    assert unified, "no cgroup2 is mounted here"
    control = attacker.outcome(room.run(bench.attack(
        "nested_sysfs:kernel/profiling", "nested_cgroup2", f"nested_proc:{hostname}",
        f"cgroup_mkdir:{unified}/privexec-attack")))
    assert attacker.stopped(control) == set()
    attacks = ["nested_sysfs:kernel/profiling", "nested_cgroup2", f"nested_proc:{hostname}",
               "nested_sysfs:block/loop0/loop/backing_file",
               f"cgroup_mkdir:{unified}/privexec-attack",
               f"nested_overlay:{bench.path},setuid-root"]
    assert attacker.succeeded(inside(room, installed, alice, bench, *attacks)) == set()


def test_the_host_s_devices_are_not_there(room, installed, alice, bench):
    devices = ["/dev/loop0", "/dev/loop-control", "/dev/mem", "/dev/kmsg", "/dev/fuse", "/dev/vda",
               "/dev/sda", "/dev/nvme0n1", "/dev/port", "/dev/dm-0", "/dev/mapper/control",
               "/dev/uinput", "/dev/snapshot", "/dev/hpet"]
    there = [device for device in devices if os.path.exists(device)]
    assert "/dev/loop0" in there and "/dev/kmsg" in there
    attacks = [f"write:{device}" for device in there]
    control = attacker.outcome(room.run(bench.attack(*attacks)))
    assert attacker.succeeded(control) >= {"write:/dev/loop0", "write:/dev/kmsg"}
    results = inside(room, installed, alice, bench, *attacks)
    assert set(results.values()) == {"ENOENT"}


def test_a_canary_for_all_to_write_keeps_what_it_says(room, installed, alice, bench, canaries):
    writable = next(path for path in canaries if path.name == "writable")
    copy = bench.path / "control-writable"
    copy.write_text("before\n")
    copy.chmod(0o666)
    assert attacker.outcome(room.run(bench.attack(f"append:{copy}"), alice)) == {
        f"append:{copy}": "done"}
    assert copy.read_text() == "before\nattacked\n"
    assert inside(room, installed, alice, bench, f"append:{writable}") == {
        f"append:{writable}": "done"}
    assert "attacked" not in writable.read_text()
