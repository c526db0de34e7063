# SPDX-License-Identifier: GPL-2.0-or-later
"""What is pinned from outside, planted beneath, or moved about while sessions start."""

import ctypes
import os
import subprocess
import time
from pathlib import Path

import pytest

import attacker
import machine

CANARY = "canary-of-a-session-that-is-over"


# --- pins --------------------------------------------------------------------------------------

def hold(user, path):
    """@user holds @path open until the returned process ends."""
    process = user.popen(["sh", "-c", f"exec 7< {path} && echo held && exec sleep 1000"],
                         stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n", f"{path} cannot be held"
    return process


def read_in(namespace, paths):
    """What each of @paths says in the mount namespace behind the descriptor @namespace."""
    reader = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader[0])
        status = 1
        if ctypes.CDLL(None, use_errno=True).setns(namespace, 0x20000) == 0:
            status = 0
            for path in paths:
                try:
                    os.write(reader[1], Path(path).read_bytes() + b"\n")
                except OSError as error:
                    os.write(reader[1], f"{error.strerror}\n".encode())
        os._exit(status)
    os.close(reader[1])
    with os.fdopen(reader[0]) as output:
        text = output.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "cannot enter the namespace"
    return text


def test_who_pins_the_mounts_of_a_dead_session_has_nothing(installed, alice, bob):
    mark, depth = alice.home / "pinned", alice.home / "d" / "d" / "d"
    paths = [mark, "/dev/shm/pinned", depth / "pinned", "/tmp/pinned"]
    script = f"mkdir -p {depth}; " + "".join(f"echo {CANARY} > {path}; " for path in paths)
    session = attacker.Session(installed, alice,
                               command=["sh", "-c", script + "sleep 1000 & wait"])
    namespace, pin = -1, None
    try:
        namespace = os.open(f"/proc/{session.init}/ns/mnt", os.O_RDONLY)
        assert machine.wait_until(lambda: read_in(namespace, paths).count(CANARY) == 4)
        pin = hold(bob, f"/proc/{session.init}/mounts")
        session.close()
        assert CANARY not in read_in(namespace, paths)
    finally:
        session.close()
        if pin:
            pin.kill()
            pin.wait()
            pin.stdout.close()
        if namespace >= 0:
            os.close(namespace)


def test_a_plain_overlay_that_is_pinned_still_reads(bench, bob):
    """The control: the same in a session as `unshare` makes it."""
    place = bench.path / "pinned-overlay"
    place.mkdir()
    script = (f"mount -t tmpfs t {place} && mkdir {place}/u {place}/w {place}/m && "
              f"mount -t overlay o {place}/m -o lowerdir=/etc,upperdir={place}/u,workdir={place}/w"
              f" && echo {CANARY} > {place}/m/pinned && exec sleep 1000")
    process = subprocess.Popen(["unshare", "-mpf", "--kill-child", "--mount-proc", "sh", "-c",
                                script], stderr=subprocess.DEVNULL)
    sleeper = machine.wait_until(lambda: [pid for pid in machine.descendants(process.pid)
                                          if machine.process_table().get(pid, "   ")[2] == "sleep"])
    namespace = os.open(f"/proc/{sleeper[0]}/ns/mnt", os.O_RDONLY)
    pin = hold(bob, f"/proc/{sleeper[0]}/mounts")
    try:
        process.kill()
        process.wait()
        assert machine.wait_until(
            lambda: machine.process_table().get(sleeper[0], (0, "Z", ""))[1] == "Z")
        assert CANARY in read_in(namespace, [place / "m" / "pinned"])
    finally:
        pin.kill()
        pin.wait()
        pin.stdout.close()
        os.close(namespace)


# --- planted attributes ------------------------------------------------------------------------

def plant(bait, target):
    bait.write_text("")
    os.truncate(bait, target.stat().st_size)
    bait.chmod(0o644)
    os.setxattr(bait, "trusted.overlay.metacopy", b"")
    os.setxattr(bait, "trusted.overlay.redirect", f"/{target.name}".encode())


def test_attributes_of_an_overlay_planted_in_a_lower_layer_lead_nowhere(room, bench, canaries,
                                                                       installed, alice):
    secret = next(path for path in canaries if path.name == "root-only")
    layer, other = bench.path / "layer", bench.path / "other"
    layer.mkdir()
    other.mkdir()
    plant(layer / "bait", secret)
    (layer / "opaque").mkdir()
    (layer / "opaque" / "file").write_text("seen\n")
    os.setxattr(layer / "opaque", "trusted.overlay.opaque", b"y")
    # the control: where a second layer lies beneath, the bait shows it to everybody
    (other / secret.name).write_text(secret.read_text())
    (other / secret.name).chmod(0o600)
    merged = bench.path / "merged"
    merged.mkdir()
    room.sh(f"mount -t overlay o {merged} -o lowerdir={layer}:{other},metacopy=on,redirect_dir=on")
    assert room.run(["cat", merged / "bait"], alice).stdout == secret.read_text()
    room.sh(f"umount {merged}")
    # in a session, with the bait on the file system of / and with it on a mount of its own
    for top in ("true", f"mount --bind {layer} {layer}"):
        room.sh(top)
        done = room.run([installed, "-q", "--", "sh", "-c",
                         f"cat {layer}/bait; cat {layer}/opaque/file"], alice)
        assert "canary" not in done.stdout
        assert done.stdout.endswith("seen\n")
    room.sh(f"umount {layer}")


def test_a_user_plants_no_such_attribute(bench, installed, alice):
    file = alice.home / "planted"
    script = (f"import os; open('{file}', 'w').close()\n"
              "for name in ('trusted.overlay.opaque', 'trusted.overlay.redirect'):\n"
              f"    try: os.setxattr('{file}', name, b'y'); print('planted')\n"
              "    except PermissionError: print('refused')\n")
    try:
        machine.run(["touch", file])
        os.setxattr(file, "trusted.overlay.opaque", b"y")  # the control: root can
        file.unlink()
        assert alice.run([attacker.PYTHON, "-c", script]).stdout == "refused\n" * 2
        inside = alice.run([installed, "-q", "--", attacker.PYTHON, "-c", script])
        assert inside.stdout == "refused\n" * 2
    finally:
        file.unlink(missing_ok=True)


# --- races -------------------------------------------------------------------------------------

SHUFFLE = """
import os, sys
top, target = sys.argv[1:]
os.chdir(top)
while True:
    os.rename("a", "b")
    os.symlink(target, "a")
    os.unlink("a")
    os.mkdir("a")
    os.mkdir("a/m")
    os.rmdir("a/m")
    os.rmdir("a")
    os.rename("b", "a")
"""


@pytest.mark.parametrize("owner", ["alice", "root"])
def test_paths_that_move_while_sessions_start_lead_nothing_out(owner, room, bench, installed,
                                                              privexec, alice):
    """A user shuffles what lies above a mount point: a link to elsewhere, an empty directory."""
    top, target = bench.path / f"race-{owner}", bench.path / f"target-{owner}"
    (target / "m").mkdir(parents=True)
    (top / "a" / "m").mkdir(parents=True)
    (target / "m" / "host").write_text("the host's\n")
    target.chmod(0o777)
    (target / "m").chmod(0o777)
    machine.run(["chown", "-R", str(alice.uid), top], check=True)
    room.sh(f"mount -t tmpfs -o mode=777 race {top}/a/m && echo mounted > {top}/a/m/word")
    # the control: who goes by the path attaches to wherever it leads
    (top / "link").symlink_to(target)
    room.sh(f"mount -t tmpfs followed {top}/link/m")
    assert f" {target}/m " in room.mountinfo()
    room.sh(f"umount {target}/m; rm {top}/link")
    before = room.mountinfo()
    shuffler = subprocess.Popen(room.inside([attacker.PYTHON, "-c", SHUFFLE, top, target], alice),
                                cwd="/")
    script = (f"for p in {top}/a/m {top}/b/m {target}/m; do echo attacked > $p/attacked; done "
              "2>/dev/null; exit 0")
    front, user = (installed, alice) if owner == "alice" else (privexec, None)
    statuses = []
    try:
        time.sleep(0.1)
        for _ in range(40):
            done = room.run([front, "-q", "--net=none", "--", "sh", "-c", script], user,
                            timeout=20)
            statuses.append(done.returncode)
    finally:
        shuffler.kill()
        shuffler.wait()
    assert set(statuses) <= {0, 125} and 0 in statuses
    assert not list(bench.path.glob("**/attacked"))
    # whichever of the names the shuffler left: nothing but what was there
    names = room.run(["sh", "-c", f"cd {top} && find . ! -type d"]).stdout.split()
    assert set(names) <= {"./a", "./b", "./a/m/word", "./b/m/word"}, names
    after = room.mountinfo()
    assert len(after.split("\n")) == len(before.split("\n"))
    assert f" {target}" not in after
    room.sh(f"umount -l {top}/a/m 2>/dev/null || umount -l {top}/b/m")
