# SPDX-License-Identifier: GPL-2.0-or-later
"""Read-only binds: only of trees that root has proven, and only while the proof holds."""

import json
import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest

import machine

PROOFS = Path("/run/privexec/proofs")


@pytest.fixture
def tree():
    """A tree that qualifies: root's, writable by nobody else, files, directories and a link."""
    root = Path(tempfile.mkdtemp(prefix="proof", dir="/opt"))
    root.chmod(0o755)
    (root / "below").mkdir()
    (root / "below/file").write_text("text\n")
    (root / "below/link").symlink_to("file")
    kept = set(PROOFS.glob("*")) if PROOFS.exists() else set()
    yield root
    shutil.rmtree(root)
    for record in set(PROOFS.glob("*")) - kept:
        record.unlink()


def prove(installation, *paths):
    return machine.run([installation.keeper, "--prove", *paths])


def kind(user, installed, path):
    plan = json.loads(user.run([installed, "-q", "--dry-run", "--json", "true"]).stdout)
    return {node["path"]: node["kind"] for node in plan["nodes"]}.get(str(path))


def test_an_unproven_tree_is_overlaid(installed, alice, tree):
    assert kind(alice, installed, tree) is None


def test_a_proven_tree_is_bound_read_only_for_users(installation, installed, alice, tree):
    done = prove(installation, tree)
    assert done.returncode == 0, done.stderr
    assert kind(alice, installed, tree) == "bind-ro"
    done = alice.run([installed, "-q", "sh", "-c",
                      f"cat {tree}/below/link; touch {tree}/new; grep ' {tree} ' /proc/self/mountinfo"])
    assert done.stdout.splitlines()[0] == "text"
    assert "Read-only file system" in done.stderr
    options = done.stdout.splitlines()[1].split(" ")[5].split(",")
    assert {"ro", "nosuid", "nodev"} <= set(options)


def test_root_gets_an_overlay_all_the_same(installation, privexec, tree):
    assert prove(installation, tree).returncode == 0
    done = machine.run([privexec, "-q", "sh", "-c", f"touch {tree}/new && ls {tree}"])
    assert done.stdout.split() == ["below", "new"]
    assert not (tree / "new").exists()


def socket_in(tree):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tree / "below/socket"))
    listener.close()


@pytest.mark.parametrize("spoil, named", [
    (socket_in, "below/socket is neither"),
    (lambda tree: os.mkfifo(tree / "below/fifo"), "below/fifo is neither"),
    (lambda tree: os.mknod(tree / "below/null", 0o600 | 0o020000, os.makedev(1, 3)),
     "below/null is neither"),
    (lambda tree: (tree / "below").chmod(0o777), "below can be written by others"),
    (lambda tree: (tree / "below/file").chmod(0o664), "below/file can be written by others"),
    (lambda tree: os.chown(tree / "below/file", 65534, 0), "below/file is not owned by root"),
    (lambda tree: machine.run(["setfacl", "-m", "u:65534:rw", tree / "below/file"], check=True),
     "below/file can be written by others"),
], ids=["socket", "FIFO", "device", "directory", "group", "owner", "ACL"])
def test_a_tree_that_could_carry_data_out_is_not_proven(installation, installed, alice, tree, spoil,
                                                        named):
    spoil(tree)
    done = prove(installation, tree)
    assert done.returncode == 1
    assert named in done.stderr
    assert kind(alice, installed, tree) is None


def test_a_proof_is_void_once_the_tree_was_changed_at_its_top(installation, installed, alice, tree):
    assert prove(installation, tree).returncode == 0
    (tree / "another").mkdir()
    assert kind(alice, installed, tree) is None


def test_a_proof_is_void_after_a_package_manager_was_at_work(installation, installed, alice, tree):
    assert prove(installation, tree).returncode == 0
    assert kind(alice, installed, tree) == "bind-ro"
    witness = Path("/var/lib/dpkg/info")
    before = witness.stat()
    os.utime(witness, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    try:
        assert kind(alice, installed, tree) is None
    finally:
        os.utime(witness, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_users_cannot_prove_anything(installation, installed, alice, tree):
    done = alice.run([installation.keeper, "--prove", tree])
    assert done.returncode == 125
    assert "only root" in done.stderr
    assert kind(alice, installed, tree) is None


def test_users_cannot_plant_a_proof(alice):
    PROOFS.mkdir(parents=True, exist_ok=True)
    done = alice.run(["sh", "-c", f"echo /etc > {PROOFS}/x || mkdir {PROOFS}/y"])
    assert done.returncode != 0
