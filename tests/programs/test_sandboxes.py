# SPDX-License-Identifier: GPL-2.0-or-later
"""Sandboxes within the session."""

import pytest

from pair import REFUSED, program

BOTH = ("user", "root")


@program("bubblewrap", "bwrap", "curl", workers=BOTH, networks=("none", "private", "host"))
def test_bubblewrap_makes_its_sandboxes(pair):
    """All namespaces unshared, with its own /proc, /dev and /tmp; another root user; a network of its own
    in which a server answers; a sandbox in the sandbox"""
    pair.same(r"""
        seq 100000 >page
        bwrap --unshare-all --die-with-parent --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp --chdir / bash -c '
            processes=(/proc/[0-9]*); echo ${#processes[@]}; echo content >/tmp/x; cat /tmp/x; ls /tmp
            touch /x 2>/dev/null || echo read-only; echo >/dev/null && echo $$'
        bwrap --unshare-user --uid 0 --gid 0 --bind / / sh -c 'id -u; touch made; chown 0:0 made; stat -c "%u %g" made'
        stat -c %U made | sed "s/$(id -un)/mine/"
        bwrap --unshare-user --unshare-net --bind / / --dev /dev bash -c '
            trap "kill \$!" EXIT
            python3 -m http.server --bind :: 8000 2>/dev/null &
            for _ in $(seq 200); do curl -s -o /dev/null http://127.0.0.1:8000/ && break; sleep 0.05; done
            curl -gs http://127.0.0.1:8000/page http://[::1]:8000/page | sha256sum'
        bwrap --unshare-all --bind / / --proc /proc bwrap --unshare-all --bind / / sh -c 'echo inner $$'
        bwrap --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib64 /lib64 --symlink usr/lib /lib \
            --new-session --as-pid-1 --unshare-user --unshare-pid sh -c 'echo $$; ls /'""",
              expect=["content", "x", "read-only", "0 0", "mine", "inner 2", "bin"])


@program("unshare", "unshare", "ip", workers=BOTH)
def test_user_namespaces_can_be_made_and_used(pair):
    """Root of a namespace that mounts a tmpfs, a /proc, a read-only sysfs, an overlay over the session's
    files; a new host name; a network; a chroot; a pid namespace; three namespaces deep"""
    pair.same(r"""
        mkdir up all low; echo low >low/file
        unshare -Ur id -u
        unshare -Urmpf --mount-proc bash -c 'echo $$ /proc/[0-9]*'
        unshare -Urm sh -c 'mount -t tmpfs t up && echo content >up/file && cat up/file; ls up; umount up; ls up | wc -l'
        unshare -Uru sh -c 'hostname inner && hostname'
        unshare -Urn sh -c "ip link set lo up && python3 -c '
import socket
with socket.create_server((\"127.0.0.1\", 0)) as server, socket.create_connection(server.getsockname()):
    print(\"connected\")'"
        unshare -Urmn sh -c 'mount -t sysfs -o ro,nosuid,nodev,noexec s up && ls up/class/net'
        unshare -Urm sh -c 'mount --rbind / all && chroot all sh -c "echo chrooted; ls /etc/passwd"'
        unshare -Urm sh -c 'mount -t tmpfs t up && mkdir up/up up/work &&
            mount -t overlay -o lowerdir=$PWD/low,upperdir=$PWD/up/up,workdir=$PWD/up/work,userxattr o all &&
            cat all/file && echo high >all/file && cat all/file up/up/file'
        cat low/file
        unshare -Ur unshare -Ur unshare -Urpf --mount-proc sh -c 'echo $$'""",
              expect=["0", "1 /proc/1", "content", "inner", "connected", "lo", "chrooted", "high"])


REFUSES = "bwrap: Creating new namespace failed: Operation not permitted\n"


@program("bubblewrap", "bwrap", workers=("root",), result="works with --unshare-user")
def test_bubblewrap_as_root_needs_a_user_namespace(pair):
    """Run by root it makes none of its own accord, and says that it is refused the others"""
    argv = ["--unshare-net", "--bind", "/", "/", "echo", "made"]
    with pair.place() as place:
        assert pair.run(place, ["bwrap", *argv]).stdout == "made\n"
        done = pair.session(place, ["bwrap", *argv])
        assert (done.returncode, done.stderr) == (1, REFUSES)
        assert pair.session(place, ["bwrap", "--unshare-user", *argv]).stdout == "made\n"


OVERLAY = """cd; mkdir low own all; echo low >low/file; exec unshare -Urm sh -c '
    %s mkdir own/up own/work &&
        mount -t overlay -o lowerdir=low,upperdir=own/up,workdir=own/work,userxattr o all && cat all/file'"""


@program("overlays of the session's own", "unshare", workers=BOTH, result="works with its upper layer in a tmpfs")
def test_an_overlay_cannot_write_to_the_sessions_own(pair):
    """The kernel takes no overlay, which the session's files are, as another's upper layer"""
    def session(script):
        with pair.place() as place:
            return pair.session(place, ["bash", "-c", script])
    with pair.place() as place:
        assert pair.run(place, ["bash", "-c", OVERLAY % ""]).stdout == "low\n", "a control"
    done = session(OVERLAY % "")
    assert done.returncode == 32 and "wrong fs type" in done.stderr, done
    done = session(OVERLAY % "mount -t tmpfs t own &&")
    assert done.stdout == "low\n", done


@program("podman, rootless", "podman", "newuidmap", result=REFUSED)
def test_podman_says_that_it_cannot_map_ids(pair):
    """It needs newuidmap, a program with privilege of its own"""
    with pair.place() as place:
        done = pair.run(place, ["podman", "unshare", "id", "-u"])
        if "no subuid ranges" in done.stderr:
            pytest.skip("the user has no ids to map")
        assert done.stdout == "0\n", "a control"
        pair.run(place, ["podman", "system", "migrate"])  # ends the process that keeps its namespace
        done = pair.session(place, ["podman", "unshare", "id", "-u"])
        assert done.returncode != 0 and "newuidmap: write to uid_map failed" in done.stderr, done
