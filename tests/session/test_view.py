# SPDX-License-Identifier: GPL-2.0-or-later
"""What a session sees of the machine, and what it has of its own."""

import base64
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import zlib
from pathlib import Path

import pytest

import machine
import world
from work import Worker
from workers import _root, _user, _whoever, _worker  # pylint: disable=unused-import

HERE = Path(__file__).resolve().parent


@pytest.fixture(name="directory")
def _directory():
    """On the disk, for everybody, with a name that tells nothing."""
    path = Path(tempfile.mkdtemp(prefix="privexec-tests-view-", dir="/var/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def shifts(worker, since):
    """Can this kernel shift the owners in a file system for which it learned that in version @since? For a
    session of root's it has to: else the session is shown an empty directory."""
    release = tuple(int(word) for word in re.findall(r"\d+", os.uname().release)[:2])
    return worker.user is not None or release >= since


def looks_into_tmpfs(worker):
    if not shifts(worker, (6, 3)):
        pytest.skip("on kernels before 6.3 a session of root's sees every tmpfs empty")


def said(worker, script, *options, **more):
    """What the bash @script prints in a session; it has to succeed and to complain of nothing."""
    done = worker.session(["bash", "-euc", script], *(options or ("--net=none",)), **more)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


# --- the session's own instances ----------------------------------------------------------------

def test_proc_shows_the_sessions_processes_only(worker):
    printed = said(worker, "cd /proc; for i in [0-9]*; do echo $i $(cat $i/comm); done 2>/dev/null; "
                   f"kill -0 {os.getpid()} 2>&1 || true; echo self $(readlink self) $$")
    *processes, refusal, own = printed.splitlines()
    names = dict(line.split(" ", 1) for line in processes if " " in line)
    assert names["1"] == "privexec-init"
    assert set(names.values()) <= {"privexec-init", "bash", "cat"} and len(names) <= 4
    assert "No such process" in refusal
    assert len(set(own.split()[1:])) <= 2


def test_dev_holds_the_named_nodes_and_nothing_else(worker):
    printed = said(worker, "find /dev -mindepth 1 -printf '%P %y %m %l\\n'; stat -c '%n %t:%T' "
                   "/dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty")
    lines = sorted(line.strip() for line in printed.splitlines())
    assert lines == sorted([
        "null c 666", "zero c 666", "full c 666", "random c 666", "urandom c 666", "tty c 666",
        "ptmx l 777 pts/ptmx", "fd l 777 /proc/self/fd", "stdin l 777 /proc/self/fd/0",
        "stdout l 777 /proc/self/fd/1", "stderr l 777 /proc/self/fd/2", "pts d 755", "pts/ptmx c 666",
        "shm d 1777", "mqueue d 1777", "/dev/null 1:3", "/dev/zero 1:5", "/dev/full 1:7",
        "/dev/random 1:8", "/dev/urandom 1:9", "/dev/tty 5:0"])


def test_the_nodes_of_dev_do_their_work(worker):
    assert said(worker, "head -c 3 /dev/zero | od -An -tx1; echo x >/dev/null; cat /dev/null; "
                "{ echo x 2>/dev/null >/dev/full; } 2>/dev/null || echo full; "
                "head -c 16 /dev/urandom | wc -c; echo in | cat /dev/stdin; echo out | tee /dev/stderr "
                "2>&1 | cat; script -qec tty /dev/null </dev/null").split() == [
                    "00", "00", "00", "full", "16", "in", "out", "out", "/dev/pts/0"]


def test_pipes_that_are_standard_streams_can_be_opened_by_their_names(worker):
    """As in `tool 2>&1 | less` and `tool -o /dev/stdout`."""
    script = "cat /dev/stdin; echo out >/dev/stdout; echo error >/dev/stderr; echo 2 >/proc/self/fd/2"
    for front in ([], [worker.front, "-q", "--net=none", "--"]):
        done = worker.run(["bash", "-c", 'echo in | "$@" 2>&1 | cat', "-", *front, "bash", "-c",
                           script])
        assert done.stdout.split() == ["in", "out", "error", "2"], done


def test_no_other_node_can_be_made_or_used(worker):
    assert said(worker, 'cd "$(mktemp -d)"; for node in "b 254 0" "b 7 0" "c 1 1" "c 10 229"; do '
                "mknod node $node 2>/dev/null && cat node; rm -f node; done; echo none; "
                "mknod fifo p; mknod node c 0 0 2>/dev/null || true").split() == ["none"]


def test_sys_is_read_only(worker):
    printed = said(worker, "grep ' /sys' /proc/self/mountinfo; "
                   "for f in $(find /sys/kernel /sys/module -maxdepth 3 -type f -perm -u+w | "
                   "head -40); do (: >$f) 2>&1 | grep -v -e Read-only -e 'Permission denied' || true; "
                   "done; mkdir /sys/fs/x 2>&1 || true")
    mounts, rest = printed.split("\n", 1)
    assert "ro," in mounts and mounts.count("sysfs") == 1
    assert re.fullmatch(r"mkdir: .*(Read-only|Permission denied).*\n", rest), rest


def test_shared_memory_and_queues_of_the_host_are_not_there(worker):
    """Nor the other way round."""
    shown = "ls -A /dev/shm /dev/mqueue; ipcs -mq | grep ^0x || true"
    with tempfile.NamedTemporaryFile(prefix="privexec-tests-", dir="/dev/shm") as file:
        made = machine.run(["ipcmk", "-M", "4096", "-p", "0666"], check=True).stdout.split()[-1]
        try:
            assert Path(file.name).name in os.listdir("/dev/shm")
            assert said(worker, shown).split() == ["/dev/mqueue:", "/dev/shm:"]
            assert said(worker, "echo x >/dev/shm/inner; ipcmk -Q >/dev/null; ipcmk -M 4096 >/dev/null;"
                        "ls /dev/shm; ipcs -mq | grep -c ^0x").split() == ["inner", "2"]
            assert not Path("/dev/shm/inner").exists()
            listed = machine.run(["ipcs", "-mq"]).stdout
            assert made in listed
        finally:
            machine.run(["ipcrm", "-m", made])


def test_the_sessions_on_this_machine_are_hidden(worker):
    """Covered, or not there at all where /run is empty (root, on a kernel that cannot idmap a tmpfs)."""
    look = "find /run/privexec 2>/dev/null | wc -l"
    printed = said(worker, f"{look}; touch /run/privexec/x 2>&1 || true")
    number = printed.split()[0]
    assert (number, "Read-only" in printed) in (("1", True), ("0", False)), printed
    assert number == "1" or (worker.user is None and "No such file" in printed), printed
    with worker.popen([worker.front, "-q", "--net=none", "--", "sleep", "30"],
                      stdin=subprocess.DEVNULL) as other:
        try:
            uid = worker.user.uid if worker.user else 0
            assert machine.wait_until(lambda: list(machine.STATE.glob(f"{uid}/*/state.json")))
            assert said(worker, look) == f"{number}\n"
        finally:
            other.send_signal(signal.SIGTERM)


def test_runtime_directories_are_empty_or_covered(user, bob):
    """On a machine as systemd makes it."""
    uid = user.user.uid
    done = world.in_world(user, f"""
        mount -t tmpfs -o mode=755 tmpfs /run
        mkdir -p /run/user/{uid} /run/user/{bob.uid}
        for uid in {uid} {bob.uid}
        do mount -t tmpfs -o mode=700,uid=$uid tmpfs /run/user/$uid
           touch /run/user/$uid/secret; chmod 755 /run/user/$uid
        done""", [user.front, "-q", "--net=none", "--", "bash", "-c", f"""
        ls -A /run/user/{uid}; ls -A /run/user/{bob.uid}; stat -c '%a %u' /run/user/{uid}
        touch /run/user/{uid}/mine && echo mine; touch /run/user/{bob.uid}/theirs || echo refused"""])
    assert done.stdout.split() == ["700", str(uid), "mine", "refused"], done


def test_host_name_and_machine_id_are_the_hosts(worker):
    script = "uname -n; cat /etc/hostname /etc/machine-id"
    assert said(worker, script) == machine.run(["bash", "-c", script]).stdout


# --- the caller's ---------------------------------------------------------------------------------

AS_IT_IS = r"""
    id -u; id -g; id -G; pwd; umask; nice
    ulimit -Sa | grep -v -e 'core file' -e pending; ulimit -Ha | grep -v -e 'core file' -e pending
    tr '\0' '\n' </proc/self/environ | sort; echo "$0" "$@"
    cat /proc/self/oom_score_adj; chrt -p $$ | sed s/.*:/:/; ionice -p $$; taskset -cp $$ | sed s/.*:/:/
"""


def test_environment_groups_limits_and_the_like_are_the_callers(worker, directory):
    """LD_LIBRARY_PATH and TMPDIR too, which the loader takes from privileged programs."""
    os.chmod(directory, 0o777)
    environment = worker.environment(
        LD_LIBRARY_PATH="/opt/lib", TMPDIR="/var/tmp", LOCPATH="/nowhere", EMPTY="",
        MULTILINE="a\nb", LD_DEBUG_OUTPUT="/dev/null", GCONV_PATH="/x", MALLOC_CHECK_="0",
        UNICODE="ä€\U0001f600")
    environment["odd name"] = "="
    command = ["bash", "-c", AS_IT_IS, "argument 0", "", "two words", "new\nline", "ä"]
    arrange = ["setpriv", "--groups=60,100,4242", "--",
               "bash", "-c", "umask 0137; ulimit -n 333 -s 4096 -t 600 -S -f 12345678; ulimit -Hu 4000; "
               "echo 123 >/proc/self/oom_score_adj; cd \"$0\"; exec nice -n 7 taskset -c 0 "
               'ionice -c 3 chrt -b 0 "$@"', str(directory)]
    if worker.user:
        arrange[1:2] = [f"--reuid={worker.user.uid}", f"--regid={worker.user.gid}", arrange[1]]
    outside = machine.run([*arrange, *command], env=environment)
    inside = machine.run([*arrange, worker.front, "-q", "--net=none", "--", *command],
                         env=environment)
    assert outside.returncode == 0 and "4242" in outside.stdout, outside
    assert "0137\n7\n" in outside.stdout, outside
    assert inside.stdout.splitlines() == outside.stdout.splitlines()
    assert inside.stderr == outside.stderr


def test_ignored_and_blocked_signals_are_the_callers(worker):
    """All sixty-four of them."""
    command = ["grep", "-e", "SigIgn", "-e", "SigBlk", "/proc/self/status"]
    start = ["/usr/bin/python3", "-c", "import os, signal, sys; signal.signal(signal.SIGUSR1, "
             "signal.SIG_IGN); signal.signal(signal.SIGRTMIN + 5, signal.SIG_IGN); "
             "signal.signal(signal.SIGPIPE, signal.SIG_DFL); "
             "signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGUSR2, signal.SIGALRM]); "
             "os.execvp(sys.argv[1], sys.argv[1:])"]
    outside = worker.run([*start, *command])
    assert "a00\n" in outside.stdout or "800\n" in outside.stdout, outside
    inside = worker.run([*start, worker.front, "-q", "--net=none", "--", *command])
    assert inside.stdout.splitlines() == outside.stdout.splitlines()


def test_home_is_there_and_changes_to_it_are_private(worker):
    name = ".privexec-tests-view"
    assert said(worker, f'cd; pwd; echo x >{name}; ls {name}; cat "$HOME/{name}"').split() == [
        str(worker.home), name, "x"]
    assert not (worker.home / name).exists()


# --- space ----------------------------------------------------------------------------------------

def test_a_full_store_is_an_error_at_write_and_the_session_goes_on(whoever):
    """Files in the home, in /tmp and in /dev/shm count together; what is removed can be used again; and
    no more is said to be free than can be written."""
    printed = said(whoever, r"""
        df --output=avail -B1M /tmp | tail -1
        fill() { dd if=/dev/zero of="$1" bs=64k count="$2" 2>&1 | grep -o 'No space left' || true; }
        fill /tmp/a 160; fill /dev/shm/b 160; fill ~/c 160; fill /tmp/d 160
        stat -c %s /tmp/a /dev/shm/b
        echo $(($(cat /tmp/a /dev/shm/b ~/c /tmp/d | wc -c) >> 20)) MiB
        echo x >/tmp/e 2>/dev/null || echo nothing more
        rm /tmp/a
        fill /tmp/f 144
        echo x >/tmp/e; cat /tmp/e
        df --output=avail -B1M /tmp | tail -1; df --output=size -B1M /tmp | tail -1""",
                   "--net=none", "--size=32M")
    free, *lines = printed.split("\n")
    assert 30 <= int(free) <= 32, free
    assert lines[0] == "No space left" and lines[1] in ("No space left", "10485760"), lines
    sizes = [line for line in lines if line.endswith(" MiB")]
    assert sizes[0] in ("30 MiB", "31 MiB", "32 MiB"), lines
    assert lines[-4] == "x" and int(lines[-3]) <= 2, lines
    # on disk the balloon is there too, in use
    assert int(lines[-2]) == 32 or "memory" not in whoever.store, lines
    assert printed.count("No space left") <= 2, lines


def test_a_full_store_loses_nothing_that_it_took(whoever):
    """Every file that was written, synced and closed without an error reads back whole."""
    assert said(whoever, r"""
        cd /tmp; mkdir f; n=0
        while head -c 300000 /dev/zero | tr '\0' "\\$(printf %03o $((n % 90 + 33)))" >f/$n 2>/dev/null &&
              sync f/$n
        do n=$((n + 1)); done
        rm f/$n
        for ((i = 0; i < n; i++))
        do c=$(tr -d "\\$(printf %03o $((i % 90 + 33)))" <f/$i | wc -c)
           [ $c = 0 ] && [ $(stat -c %s f/$i) = 300000 ] || echo bad $i
        done
        [ $n -gt 40 ] && echo good""", "--net=none", "--size=16M") == "good\n"


# --- mounts ---------------------------------------------------------------------------------------

ODD_NAMES = ["two words", "new\nline", "back\\slash", "co:lon", "com,ma", "tab\tstop",
             "ünïcödé-€-\U0001f600", "quo'te\"s", "hash#", "\\040", "star*[x]", "=equals", " leading", "trailing "]
CONTROLS = "controls\x01\x7f\x9b"  # a terminal acts on all three, the last one takes two bytes


def shell(text):
    return "'" + str(text).replace("'", "'\\''") + "'"


def rich_world(base):
    """A script that mounts what machines have mounted, below the directory @base."""
    odd = "\n".join(f"mkdir -p -- {shell(base / 'odd' / name)}\n"
                    f"mount -t tmpfs odd {shell(base / 'odd' / name)}\n"
                    f"echo here >{shell(base / 'odd' / name)}/file" for name in ODD_NAMES)
    return f"""
        cd {base}
        mkdir -p noexec ro super-ro nosymfollow over file-dir bind tree chain odd lower/inner
        echo hidden >lower/inner/hidden
        mount -t tmpfs -o noexec tmpfs noexec
        printf '#!/bin/sh\\necho ran\\n' >noexec/script; chmod 755 noexec/script
        mount -t tmpfs tmpfs super-ro
        echo file >super-ro/file
        mount -o remount,ro super-ro
        echo file >tree/file
        mount --bind tree ro; mount -o remount,bind,ro ro
        mount -t tmpfs -o nosymfollow tmpfs nosymfollow 2>/dev/null || mount -t tmpfs tmpfs nosymfollow
        ln -s /etc/hostname nosymfollow/link
        mount -t tmpfs first over; echo first >over/file
        mkdir over/below; mount -t tmpfs below over/below; echo below >over/below/file
        mount -t tmpfs second over; echo second >over/file
        mount -t tmpfs tmpfs lower/inner; echo shown >lower/inner/shown
        touch file-dir/roots file-dir/open; echo mounted >tree/mounted; chmod 666 tree/file
        mount --bind tree/mounted file-dir/roots
        mount --bind tree/file file-dir/open
        mount --rbind lower bind
        path=chain
        for i in $(seq 30)
        do mount -t tmpfs chain$i $path; echo $i >$path/number; path=$path/m; mkdir $path
        done
        {odd}
        chmod 666 over/file lower/inner/shown lower/inner/hidden 2>/dev/null || true
        cd /"""


def show(worker, script="true"):
    """Prints a plan as JSON, a plan in words, and what the session has then mounted."""
    privexec = f"{worker.front} {worker.store} --net=none"
    return ["bash", "-euc", f"""
        {privexec} --dry-run --json -- true; echo =====
        {privexec} --dry-run -- true; echo =====
        {privexec} -q -- bash -c 'cat /proc/self/mountinfo; echo =====; {script}'"""]


def shown(done):
    """The plan, its lines in words, the mounts as {path: Mount}, and the rest."""
    assert done.returncode == 0, done
    plan, words, table, rest = done.stdout.split("=====\n")
    lines = words[words.index("view\n") + 5:words.index("exits\n")].splitlines()
    return json.loads(plan), lines, world.on_path(table), rest


# None: a directory of the store
FRESH_TYPES = {"proc": "proc", "sysfs": "sysfs", "dev": "tmpfs", "devpts": "devpts", "shm": None,
               "mqueue": "mqueue", "runtime": None, "empty": None}


def check_node(plan, node, mount):
    """The mount is what the plan's node says."""
    kind = node["kind"]
    store = "tmpfs" if plan["store"] == "memory" else "ext4"
    expected = {"overlay": "overlay", "overlay-ro": "overlay", "cover": store,
                "fresh": FRESH_TYPES.get(node.get("fresh")) or store}.get(kind, node.get("type"))
    assert mount.type == expected, (node, mount)
    for flag in node["inherit"]:
        assert flag in mount.options, (node, mount)
    if kind in ("overlay-ro", "bind-ro", "cover") or node.get("fresh") == "sysfs":
        assert "ro" in mount.options, (node, mount)
    if kind == "overlay":
        assert "rw" in mount.options, (node, mount)
    if kind == "cover":
        assert mount.root == ("/cover" if node["directory"] else "/cover-file"), (node, mount)


def escaped(path):
    """As --dry-run writes a path."""
    out = []
    for character in path:
        if character < " " or character == "\\" or "\x7f" <= character < "\xa0":
            out += [f"\\{byte:03o}" for byte in character.encode()]
        else:
            out.append(character)
    return "".join(out)


def test_the_plan_says_what_the_session_then_has(whoever, directory):
    """In JSON and in words, on a machine with mounts of many kinds; no mount more, none less."""
    plan, lines, mounts, _ = shown(world.in_world(whoever, rich_world(directory), show(whoever)))
    nodes = plan["nodes"]
    assert whoever.store == f"--store={plan['store']}" and "store_reason" not in plan
    assert len(nodes) > (60 if shifts(whoever, (6, 3)) else 30)
    assert sorted(node["path"] for node in nodes) == sorted(mounts)
    for node in nodes:
        check_node(plan, node, mounts[node["path"]])
    assert len(lines) == len(nodes)
    for node, line in zip(nodes, lines):
        assert line.startswith(f"  {node['kind']:10}  {escaped(node['path'])}"), (node, line)
        assert node["reason"] in line


def test_control_characters_in_names_spoil_no_plan(worker, directory):
    """They are in the JSON as they are on the machine, and in words as they are in mountinfo."""
    arrange = f"""mkdir {shell(directory / CONTROLS)}; mount -t tmpfs x {shell(directory / CONTROLS)}"""
    plan, lines, mounts, _ = shown(world.in_world(worker, arrange, show(worker)))
    assert str(directory / CONTROLS) in mounts
    assert [line for line in lines if escaped(str(directory / CONTROLS)) in line]
    assert sorted(node["path"] for node in plan["nodes"]) == sorted(mounts)


def test_every_mount_is_nosuid_and_nodev_but_dev_itself(worker, directory):
    _, _, mounts, _ = shown(world.in_world(worker, rich_world(directory) + """
        mount -t tmpfs -o suid,dev tmpfs """ + str(directory / "lower"), show(worker)))
    assert str(directory / "lower") in mounts and str(directory / "ro") in mounts
    assert [path for path, mount in mounts.items() if "nosuid" not in mount.options] == []
    assert sorted(path for path, mount in mounts.items() if "nodev" not in mount.options) == [
        "/dev", "/dev/pts"]


def test_what_a_mount_forbids_on_the_host_it_forbids_in_the_session(worker, directory):
    looks_into_tmpfs(worker)
    done = world.in_world(worker, rich_world(directory), [worker.front, "-q", "--net=none", "--", "bash",
                                                          "-c", f"""
        cd {directory}
        noexec/script 2>&1; cp noexec/script /tmp/script; /tmp/script
        echo x >ro/file; echo x >super-ro/file; echo x >ro/new
        cat nosymfollow/link >/dev/null; readlink nosymfollow/link; exit 0"""])
    assert re.search(r"noexec/script: Permission denied\nran\n/etc/hostname\n$", done.stdout), done
    assert done.stderr.count("Read-only file system") == 3, done
    if "nosymfollow" in machine.run(["unshare", "-m", "bash", "-c", "mount -t tmpfs -o nosymfollow x "
                                     "/mnt; grep ' /mnt ' /proc/self/mountinfo"]).stdout:
        assert "Too many levels of symbolic links" in done.stderr, done


def test_mounts_over_mounts_show_what_the_host_shows(worker, directory):
    """The topmost of two, a mount within a mount, a chain of thirty, and nothing that is hidden."""
    looks_into_tmpfs(worker)
    script = f"""
        cd {directory}; cat over/file; ls over; ls lower/inner bind/inner; cat lower/inner/shown
        find chain -name number | wc -l; cat chain{'/m' * 29}/number
        echo new >over/file; echo new >lower/inner/shown
        cat over/file lower/inner/shown bind/inner/shown
        echo deep >chain{'/m' * 29}/new; cat chain{'/m' * 29}/new"""
    done = world.in_world(worker, rich_world(directory),
                          [worker.front, "-q", "--net=none", "--", "bash", "-euc", script])
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout.split() == [
        "second", "file", "bind/inner:", "shown", "lower/inner:", "shown", "shown", "30", "30",
        "new", "new", "shown", "deep"], done


def test_files_that_are_mounted_are_shown_read_only_or_covered(worker, directory):
    done = world.in_world(worker, rich_world(directory), [worker.front, "-q", "--net=none", "--", "bash",
                                                          "-c", f"""
        cd {directory}/file-dir; cat roots; wc -c <open; echo x >roots; echo x >open; exit 0"""])
    assert done.stdout.split() == ["mounted", "0"], done
    assert done.stderr.count("Read-only file system") + done.stderr.count("Permission denied") == 2, done


def test_mount_points_with_odd_names_are_private_and_keep_their_names(worker, directory):
    looks_into_tmpfs(worker)
    odd = directory / "odd"
    done = world.in_world(worker, rich_world(directory), [
        worker.front, "-q", "--net=none", "--", "/usr/bin/python3", "-c", f"""
import os
for name in sorted(os.listdir({str(odd)!r})):
    path = os.path.join({str(odd)!r}, name)
    assert os.path.ismount(path) and open(path + "/file").read() == "here\\n", path
    print(ascii(name))
"""])
    assert done.returncode == 0, done
    assert done.stdout.splitlines() == [ascii(name) for name in sorted(ODD_NAMES)]


# 4 KiB, compressed: a squashfs with the file `hello` that says "from a squashfs image"
SQUASHFS = (
    "c-qS-E-Yqd0D_OfsSFHE42(b~BZDBr0VYNU79iV!0Rn^>Av8CX{tpFZQ2A9*`Z1LL3#HSF@^cju6^aW>6N@v_iWM"
    "?*6Vp?<j2J3zC8t!JKEc2w-yE#S!^Wnjkk*!@)}~resm2zfz;>j^<JZiEj})TBJ0cq-7&dFL-"
    "&6(bX<%@(ID2ryq{u0=VkX6htYmm%WVpc~Wy!NAPna2eFR{r8G$cT+7GnVWhT$TVF90$ip@D%_<1NEdMivQ%#Me+"
    "6mIe^X3iaA37zLwX6pVsVFbYP&C>RB!U=)mkQ84TP09#=~iU")


def kinds_of_kernel():
    """The types of file system that this kernel has."""
    return Path("/proc/filesystems").read_text(encoding="ascii").split()


def test_images_of_file_systems_are_layers_too(worker, directory):
    """ext4, written and read-only, and squashfs, by loop devices, where the machine allows those."""
    (directory / "c").write_bytes(zlib.decompress(base64.b85decode(SQUASHFS)))
    if machine.run(["unshare", "-m", "bash", "-ec", f"truncate -s 1M {directory}/x; "
                    f"mke2fs -qF {directory}/x; mount {directory}/x /mnt"]).returncode != 0:
        pytest.skip("no loop devices")
    done = world.in_world(worker, f"""
        cd {directory}; truncate -s 8M a b; mke2fs -qF -t ext4 a; mke2fs -qF -t ext4 b
        mkdir ext4 read-only; mount a ext4; mount -o ro b read-only
        mkdir squashfs; mount -t squashfs c squashfs || mount -t tmpfs -o ro none squashfs
        echo lower >ext4/file; chmod 777 ext4; mkdir ext4/directory
        mknod ext4/null c 1 3; chmod 666 ext4/null
        cd /""", show(worker, f"""
        cd {directory}; cat ext4/file; echo new >ext4/new; cat ext4/new; ls ext4 read-only
        cat ext4/null;
        cat squashfs/hello;
        touch read-only/x; mv ext4/new ext4/newer; rm -f ext4/file; ls ext4"""))
    plan, _, mounts, rest = shown(done)
    kinds = {node["path"]: node["kind"] for node in plan["nodes"]}
    assert kinds[f"{directory}/ext4"] == "overlay" and kinds[f"{directory}/read-only"] == "overlay-ro"
    assert mounts[f"{directory}/ext4"].type == mounts[f"{directory}/read-only"].type == "overlay"
    assert rest.split()[:2] == ["lower", "new"] and "newer" in rest, done
    assert ("from a squashfs image" in rest) == (
        "squashfs" in kinds_of_kernel() and shifts(worker, (6, 2))), done
    assert "ext4/null: Permission denied" in done.stderr, "a device of an image can be used"
    assert "Read-only file system" in done.stderr, done


# --- the resolver ---------------------------------------------------------------------------------

def test_a_new_resolv_conf_of_the_host_is_seen_in_the_session(user, directory):
    """At once after the start and later, replaced by rename, rewritten, and removed for a moment: an
    overlay shows only the second. On a copy of /etc."""
    done = world.in_world(user, f"""
        cp -a /etc {directory}/etc; mount --bind {directory}/etc /etc
        cd /etc; rm -f resolv.conf; echo nameserver 192.0.2.1 >resolv.conf
        touch {directory}/out; chmod 666 {directory}/out
        shown() {{
            for i in $(seq 100); do ! grep -qx $1 {directory}/out || break; sleep 0.05; done
            echo nameserver 192.0.2.$(($1 + 1)) >next
        }}
        (shown 1; mv next resolv.conf; shown 2; mv next resolv.conf; shown 3; cat next >resolv.conf
         shown 4; rm resolv.conf; sleep 0.1; cp next resolv.conf) &
        cd /""", ["bash", "-c", f"""exec {user.front} -q --net=host -- bash -euc '
        for n in 1 2 3 4 5
        do for i in $(seq 100); do ! grep -q "2.$n" /etc/resolv.conf || break; sleep 0.05; done
           cat /etc/resolv.conf; echo $n
        done' >{directory}/out"""])
    assert done.returncode == 0, done
    assert (directory / "out").read_text(encoding="ascii").splitlines() == [
        line for n in range(1, 6) for line in (f"nameserver 192.0.2.{n}", str(n))]


# --- the network ----------------------------------------------------------------------------------

TALK = r"""
import socket, sys, threading
def serve(server):
    peer, _ = server.accept(); peer.sendall(peer.recv(100).upper()); peer.close()
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"),
                        (socket.AF_UNIX, "\0inner")):
    try: server = socket.socket(family)
    except OSError: continue
    try: server.bind(address if family == socket.AF_UNIX else (address, 0))
    except OSError:
        if family == socket.AF_INET6: print("TCP ok"); continue
        raise
    server.listen(); threading.Thread(target=serve, args=(server,)).start()
    client = socket.socket(family); client.connect(server.getsockname()); client.sendall(b"tcp")
    print(client.recv(100).decode(), "ok")
a, b = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in "ab")
a.bind(("127.0.0.1", 0)); b.sendto(b"udp", a.getsockname()); print(a.recv(10).decode(), "ok")
"""


def test_without_a_network_programs_of_the_session_talk_to_each_other(worker):
    assert said(worker, f"python3 -c {shell(TALK)}; cat /proc/net/dev | tail -n +3 | cut -d: -f1; "
                "cat /sys/class/net/lo/operstate >/dev/null 2>&1 || true").split() == [
                    "TCP", "ok", "TCP", "ok", "TCP", "ok", "udp", "ok", "lo"]


REACH = r"""
import socket, sys
port, name, path = int(sys.argv[1]), sys.argv[2], sys.argv[3]
for kind, family, address in (("tcp", socket.AF_INET, ("127.0.0.1", port)),
                              ("abstract", socket.AF_UNIX, "\0" + name), ("path", socket.AF_UNIX, path)):
    client = socket.socket(family); client.settimeout(3)
    try: client.connect(address); print(kind, "reached")
    except OSError as problem: print(kind, "refused")
"""


@pytest.fixture(name="listening")
def _listening(directory):
    """Servers of the host on loopback, on an abstract name and on a path."""
    name, path = f"privexec-tests-{os.getpid()}", str(directory / "socket")
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(socket.socket(family)) for family in
                   (socket.AF_INET, socket.AF_UNIX, socket.AF_UNIX)]
        for server, address in zip(servers, (("127.0.0.1", 0), "\0" + name, path)):
            server.bind(address)
            server.listen(100)
        os.chmod(path, 0o777)
        yield [str(servers[0].getsockname()[1]), name, path]


def test_nothing_of_the_host_is_reached_without_a_network(worker, listening):
    """With the host's network, guarded, one in the file system is not reached either, nor, where the kernel
    has scopes, an abstract one: the control shows them."""
    command = ["/usr/bin/python3", "-c", REACH, *listening]
    abstract = "refused" if machine.landlock_version() >= 6 else "reached"

    def said_of(tcp, abstract, path):
        return [f"tcp {tcp}", f"abstract {abstract}", f"path {path}"]
    assert worker.run(command).stdout.splitlines() == said_of("reached", "reached", "reached")
    assert worker.session(command, "--net=host").stdout.splitlines() == said_of(
        "refused", abstract, "refused")
    assert worker.session(command, "--net=none").stdout.splitlines() == said_of(
        "refused", "refused", "refused")


def test_the_hosts_network_is_announced_as_guarded(worker):
    for option, words in (("--net=host", "network host (guarded)"), ("--net=none", "network none")):
        done = worker.run([worker.front, option, "--", "true"])
        assert done.returncode == 0 and f" · {words} · " in done.stderr, done
        assert done.stderr.count("\n") == 1


# --- older kernels ----------------------------------------------------------------------------------

WORKS = r"""
    cd "$(mktemp -d)"; echo x >file; mkdir -p a/b; mv a c; ln file link; stat -c %h file
    sed -i s/root/ROOT/ /etc/passwd 2>/dev/null || true
    touch ~/.privexec-tests-view; ls ~/.privexec-tests-view
    (sleep 0.01; echo child) & wait; cut -d' ' -f5,6 /proc/self/mountinfo | grep -v nosuid || true
"""


def works(worker, done):
    home = f"{worker.home}/.privexec-tests-view"
    assert done.returncode == 0, done
    assert done.stdout.splitlines() == ["2", home, "child"], done
    assert not Path(home).exists()


def session_argv(worker, *options):
    return [worker.front, "--debug", "--net=none", *options, "--", "bash", "-euc", WORKS]


def test_sessions_start_where_layers_cannot_be_given_by_descriptor(worker, directory):
    """Before Linux 6.13: FSCONFIG_SET_FD is refused for them. For root, whose lower mounts are clones
    that belong to no namespace, too, and on paths that an option string could not hold."""
    looks_into_tmpfs(worker)
    done = world.in_world(worker, rich_world(directory), session_argv(worker),
                          refuse=["fsconfig:1=5:EINVAL"])
    works(worker, done)
    plan, _, mounts, rest = shown(world.in_world(
        worker, rich_world(directory), show(worker, f"cat {directory}/over/file; cat "
                                            f"{directory}/odd/co:lon/file"),
        refuse=["fsconfig:1=5:EINVAL"]))
    assert rest == "second\nhere\n"
    layers = [option for mount in mounts.values() for option in mount.more
              if option.startswith("lowerdir")]
    assert len(layers) > 50 and not any(option.startswith("lowerdir+") for option in layers)
    assert sorted(node["path"] for node in plan["nodes"]) == sorted(mounts)
    for node in plan["nodes"]:
        check_node(plan, node, mounts[node["path"]])


def traced_keeper(privexec, directory, strace):
    """A front whose keeper runs under strace with the options @strace, alone: without -f, so that what
    it starts is not traced. With -D the keeper keeps its place among the processes."""
    directory = Path(tempfile.mkdtemp(dir=directory))
    shutil.copy(privexec, directory / "privexec")
    keeper = directory / "privexec-keeper"
    real = Path(privexec).resolve().with_name("privexec-keeper")
    keeper.write_text(f"#!/bin/sh\nexec strace -DD -qq {strace} {real} \"$@\"\n", encoding="ascii")
    keeper.chmod(0o755)
    return directory / "privexec"


def refused_once(privexec, directory, call, marker, error, *options):
    """A session of root's in whose keeper the one system call @call with @marker among its arguments
    fails with @error."""
    log = directory / "log"
    front = traced_keeper(privexec, directory, f"-o {log} -e trace={call}")
    assert machine.run([front, "-q", "--net=none", *options, "--", "true"], cwd="/").returncode == 0
    lines = log.read_text(encoding="utf-8").splitlines()
    calls = [line for line in lines if line.startswith(call + "(")]
    number = next(i for i, line in enumerate(calls, 1) if marker in line)
    front = traced_keeper(privexec, directory, f"-o {log} -e trace={call} -e "
                          f"inject={call}:error={error}:when={number}")
    worker = Worker(front)
    done = machine.run(worker.command(session_argv(worker, *options)), cwd="/")
    assert any(marker in line and "INJECTED" in line
               for line in log.read_text(encoding="utf-8").splitlines())
    return worker, done


def test_sessions_start_where_tmpfs_knows_no_noswap(root, directory):
    """Before Linux 6.4."""
    worker, done = refused_once(root.front, directory, "fsconfig", '"noswap"', "EINVAL",
                                "--store=memory")
    works(worker, done)


@pytest.mark.parametrize("error", ["EINVAL", "EBUSY", "EOPNOTSUPP"])
def test_sessions_start_where_nothing_can_be_born_in_a_control_group(root, directory, error):
    worker, done = refused_once(root.front, directory, "clone3", "CLONE_INTO_CGROUP", error)
    works(worker, done)
    assert "cannot start in the session's cgroup" in done.stderr


def test_sessions_start_without_cgroup2(worker):
    done = world.in_world(worker, "grep ' - cgroup2 ' /proc/self/mountinfo | cut -d' ' -f5 | "
                          "while read -r path; do umount -l $path; done; "
                          "! grep -q ' - cgroup2 ' /proc/self/mountinfo", session_argv(worker))
    works(worker, done)
