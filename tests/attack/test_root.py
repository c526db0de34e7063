# SPDX-License-Identifier: GPL-2.0-or-later
"""Sessions of root: uid 0 alone opens nothing of the host's."""

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

import attacker
import machine

# What stays open in /proc for a session of root's: the kernel lets everybody write there.
EVERYBODYS = {"/proc/pressure/cpu", "/proc/pressure/io", "/proc/pressure/memory",
              "/proc/sys/kernel/ns_last_pid"}

# Only ever opened, never written to.
MACHINE = ["/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
           "/proc/sys/vm/drop_caches", "/proc/irq/default_smp_affinity", "/proc/1/oom_score_adj",
           "/sys/kernel/profiling", "/sys/power/state", "/dev/kmsg", "/dev/loop0",
           "/dev/loop-control", "/dev/mem", "/dev/vda", "/dev/sda", "/dev/nvme0n1"]

WRITABLE = """
import json, os, stat, sys
found = []
def walk(top):
    for directory, names, files in os.walk(top):
        if directory == "/proc":
            names[:] = [n for n in names if not n.isdigit() and n not in ("self", "thread-self")]
        for name in files:
            path = os.path.join(directory, name)
            try:
                if not stat.S_ISREG(os.lstat(path).st_mode):
                    continue
                # the control, outside, must not open what acts on being opened for writing
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
                found.append(path)
            except OSError:
                pass
for top in sys.argv[1:]:
    walk(top)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def session(privexec):
    made = attacker.Session(privexec)
    yield made
    made.close()


def root_inside(privexec, argv, **options):
    return machine.run([privexec, "-q", "--net=none", "--", *argv], **options)


def writable(done):
    return set(json.loads(done.stdout.strip().split("\n")[-1]))


def test_uid_0_alone_opens_next_to_nothing_for_writing(privexec):
    program = [attacker.PYTHON, "-c", WRITABLE]
    # the control: uid 0 without a single capability, in namespaces of its own but for the user one
    bare = ["unshare", "-mpf", "--mount-proc", "setpriv", "--bounding-set=-all", "--inh-caps=-all",
            "--no-new-privs", *program, "/proc"]
    control = writable(machine.run(bare))
    assert len(control) > 100 and "/proc/sys/kernel/core_pattern" in control
    inside = writable(root_inside(privexec, [*program, "/proc", "/sys"]))
    print(f"{len(control)} files of /proc without a closing namespace, {len(inside)} with it")
    assert inside <= EVERYBODYS, inside - EVERYBODYS


def test_what_root_opens_of_the_machine_for_writing_it_does_not_open_inside(privexec, bench):
    there = [path for path in MACHINE if os.path.exists(path)]
    assert len(there) > 6
    attacks = [f"write:{path}" for path in there]
    control = attacker.outcome(machine.run(bench.attack(*attacks)))
    assert attacker.succeeded(control) >= {"write:/proc/sys/kernel/core_pattern",
                                           "write:/dev/kmsg", "write:/sys/kernel/profiling"}
    inside = attacker.outcome(root_inside(privexec, bench.attack(*attacks)))
    assert attacker.succeeded(inside) == set()


def test_root_has_lost_what_reaches_beyond_its_session(privexec, bench, room, canaries):
    place = bench.path / "roots"
    place.mkdir(exist_ok=True)
    handle = machine.run([attacker.PYTHON, "-c", f"import sys; sys.path.insert(0, '{bench.path}');"
                          "import probe; print(probe.handle_of('/etc/passwd'))"]).stdout.strip()
    attacks = [f"mknod:{place}/null", f"mknod_open:{place}/loop,7,0", "remount:/", "map_file_open",
               f"by_handle:/,{handle}", "remount:/proc", "sys_admin"]
    control = attacker.outcome(room.run(bench.attack(*attacks[:1], *attacks[2:])))
    machine.run(["rm", "-f", place / "null", place / "loop"])
    assert attacker.stopped(control) == set()
    inside = attacker.outcome(root_inside(privexec, bench.attack(*attacks)))
    assert attacker.succeeded(inside) == set()
    assert list(place.iterdir()) == []


def test_root_in_a_session_ends_no_process_of_the_host(privexec, bench, session):
    sleeper = subprocess.Popen(["sleep", "1000"])
    attacks = [f"kill:{sleeper.pid},0", f"kill:{session.command},0", f"environ:{sleeper.pid}",
               f"root:{sleeper.pid}", f"seize:{session.command}"]
    try:
        assert attacker.stopped(attacker.outcome(machine.run(bench.attack(*attacks)))) == set()
        inside = attacker.outcome(root_inside(privexec, bench.attack(*attacks)))
        assert attacker.succeeded(inside) == set()
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


def test_root_s_sockets_and_files_are_not_reached(privexec, bench, canaries):
    path = bench.path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        attack = f"connect:{path}"
        assert attacker.outcome(machine.run(bench.attack(attack))) == {attack: "done"}
        inside = attacker.outcome(root_inside(privexec, bench.attack(attack)))
        assert attacker.succeeded(inside) == set()
    path.unlink()
    root_only = next(path for path in canaries if path.name == "root-only")
    done = root_inside(privexec, bench.attack(f"append:{root_only}", f"setuid_file:{root_only}"))
    assert attacker.stopped(attacker.outcome(done)) == set(), "it is the session's own copy"
    assert root_only.stat().st_mode & 0o7777 == 0o600


def test_process_one_is_closed_to_root_in_the_session(privexec, bench):
    attacks = ["environ:1", "mem:1", "root:1", "cwd:1", "exe:1", "fd:1", "seize:1", "vm_readv:1",
               "getfd:1", "setns:1,mnt", "setns:1,user"]
    assert attacker.succeeded(attacker.outcome(root_inside(privexec, bench.attack(*attacks)))) == set()


def test_nested_namespaces_give_root_in_a_session_nothing(privexec, bench):
    attacks = ["nested_remount:/", "nested_remount:/proc", "nested_umount:/run/privexec",
               "nested_sysfs:kernel/profiling", "nested_cgroup2",
               "nested_proc:/proc/sys/kernel/core_pattern"]
    control = attacker.outcome(machine.run(["unshare", "-m", *bench.attack(
        "nested_sysfs:kernel/profiling", "nested_cgroup2",
        "nested_proc:/proc/sys/kernel/core_pattern")]))
    assert attacker.stopped(control) == set()
    assert attacker.succeeded(attacker.outcome(root_inside(privexec, bench.attack(*attacks)))) == set()


def test_set_user_id_programs_of_other_users_give_root_in_a_session_nothing_of_the_host(
        privexec, bench, alice):
    """With identity maps for all ids but 0, root inside may become alice: of the session alone."""
    mark = alice.home / "mark"
    script = (f"setpriv --reuid {alice.uid} --regid {alice.gid} --clear-groups "
              f"sh -c 'id -u; echo inside > {mark}; cat {mark}'")
    done = root_inside(privexec, ["sh", "-c", script])
    assert done.stdout == f"{alice.uid}\ninside\n", done.stderr
    assert not mark.exists()


def test_what_keeps_a_session_of_root_is_closed_to_uid_0_without_capabilities(bench, session):
    """Its command is not: uid 0 owns the namespace that closes the session."""
    bare = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
    looks = ["environ", "mem", "root", "cwd", "exe", "seize", "vm_readv", "getfd"]
    plain = subprocess.Popen([*bare, "sleep", "1000"])
    try:
        machine.wait_until(lambda: Path(f"/proc/{plain.pid}/comm").read_text() == "sleep\n")
        control = attacker.outcome(machine.run([*bare, *bench.attack(
            *(f"{look}:{plain.pid}" for look in looks))]))
        assert attacker.stopped(control) == set()
    finally:
        plain.kill()
        plain.wait()
    for name in ("keeper", "sweeper", "init"):
        results = attacker.outcome(machine.run([*bare, *bench.attack(
            *(f"{look}:{session.pids[name]}" for look in looks))]))
        assert attacker.succeeded(results) == set(), name
