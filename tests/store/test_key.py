# SPDX-License-Identifier: GPL-2.0-or-later
"""Root looks for the key of a live store and finds none: among the kernel's keys, in device-mapper's
tables, in the memory of the session's processes."""

import ctypes
import json
import os
import re
import secrets
import subprocess
import time
from pathlib import Path

import pytest

import house as houses
import machine
import rewrap
import scan
from livesession import Session, name as name_of

PYTHON = "/usr/bin/python3"
REWRAP = Path(rewrap.__file__)


# --- the kernel's keys --------------------------------------------------------------------------

class Attacker:
    """rewrap.py, running."""

    def __init__(self, *arguments, **options):
        self._process = subprocess.Popen([PYTHON, REWRAP, *arguments], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True, **options)
        assert self._process.stdout.readline() == "ready\n"

    def end(self):
        self._process.stdin.close()
        answer = json.loads(self._process.stdout.readline())
        self._process.stdout.close()
        self._process.wait(10)
        return answer


def has_encrypted_keys():
    machine.run(["modprobe", "-q", "encrypted-keys"])
    child = os.fork()
    if child == 0:
        rewrap.keyctl(rewrap.JOIN_SESSION, None, 0, 0, 0)
        rewrap.add(b"user", b"wrap:1", bytes(32))
        os._exit(int(rewrap.add(b"encrypted", b"probe:1", b"new default user:wrap:1 64") < 0))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_careless_key_is_wrapped_again_and_read():
    """The control: the attacks do work on a key that its maker left in a shared keyring."""
    if not has_encrypted_keys():
        pytest.skip("the kernel has no keys of type encrypted")
    script = (f"import sys; sys.path[:0] = [{str(REWRAP.parent)!r}]\n"
              "import rewrap, os, subprocess\n"
              "rewrap.keyctl(rewrap.JOIN_SESSION, None, 0, 0, 0)\n"
              "rewrap.add(b'user', b'wrap:1', os.urandom(32))\n"
              "assert rewrap.add(b'encrypted', b'careless:1', b'new default user:wrap:1 64') > 0\n"
              "attacker = subprocess.Popen([sys.executable, rewrap.__file__, 'shared'],\n"
              "    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)\n"
              "attacker.stdout.readline()\n"
              "import time; time.sleep(0.5)\n"
              "print(attacker.communicate()[0])\n")
    done = machine.run([PYTHON, "-B", "-c", script])
    answer = json.loads(done.stdout)
    assert {"update", "read"} <= set(answer["done"]["encrypted careless"]), (answer, done.stderr)


def attack_starts(privexec, store, sessions, *prefix):
    """What was seen and done while @sessions sessions started, lived and ended, each under @prefix."""
    attacker = Attacker()
    try:
        for _ in range(sessions):
            done = machine.run([*prefix, privexec, "-q", "--net=none", f"--store={store}",
                                "--size=64M", "--", "true"], cwd="/", timeout=60)
            assert done.returncode == 0, done.stderr
    finally:
        answer = attacker.end()
    return answer


def test_whoever_tries_all_keys_while_sessions_start_gets_none(privexec, store):
    answer = attack_starts(privexec, store, 15)
    assert not answer["done"], answer
    assert answer["rounds"] > 50, answer


def test_a_start_that_dwells_at_each_of_its_calls_for_keys_gives_none(privexec, store):
    """Every moment between two of the calls that make, lock and hand over a key lasts long enough for
    the attacker to try everything several times."""
    calls = "add_key,keyctl,ioctl"
    answer = attack_starts(
        privexec, store, 2, "strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}",
        "-e", f"inject={calls}:delay_exit=30000")
    assert not answer["done"], answer
    names = {name.split()[1] for name in answer["seen"]}
    if store == "dm-crypt":  # he saw them come
        assert {"privexec", "privexec-wrap"} <= names, answer
    assert answer["rounds"] > 50, answer


def test_no_key_of_a_live_session_is_among_those_of_the_kernel(privexec, store):
    before = set(rewrap.visible())
    session = Session(privexec, ["sleep", "60"], f"--store={store}")
    try:
        new = {key: name for key, name in rewrap.visible().items() if key not in before}
        # fscrypt notes whose key it is, in a keyring of its own, under a name without contents
        assert all(name.startswith(".fscrypt ") for name in new.values()), new
        assert not any(rewrap.attempt(key) for key in new)
        keyrings = [line for line in Path("/proc/keys").read_text(encoding="ascii").splitlines()
                    if session.id in line]
        assert not keyrings
    finally:
        session.end()


# --- device-mapper ------------------------------------------------------------------------------

def dm_crypt_only(store):
    if store != "dm-crypt":
        pytest.skip("of the dm-crypt store")


def test_the_table_of_device_mapper_names_the_key_and_does_not_hold_it(privexec, store, tmp_path):
    dm_crypt_only(store)
    key = secrets.token_hex(64)
    image = tmp_path / "image"
    image.write_bytes(b"")
    os.truncate(image, 4 << 20)
    # the control: a device whose key was given in its table
    loop = machine.run(["losetup", "--find", "--show", image], check=True).stdout.strip()
    try:
        machine.run(["dmsetup", "create", "privexec-control", "--table",
                     f"0 8192 crypt aes-xts-plain64 {key} 0 {loop} 0"], check=True)
        try:
            shown = machine.run(["dmsetup", "table", "--showkeys", "privexec-control"]).stdout
            assert key in shown
        finally:
            machine.run(["dmsetup", "remove", "--retry", "privexec-control"], check=True)
    finally:
        machine.run(["losetup", "-d", loop], check=True)
    session = Session(privexec, ["sleep", "60"], "--store=dm-crypt")
    try:
        shown = machine.run(["dmsetup", "table", "--showkeys", f"privexec-{session.id}"],
                            check=True).stdout
        assert re.search(r" crypt aes-xts-plain64 :64:encrypted:privexec:[0-9a-f]{8} ", shown), shown
        assert not re.search(r"[0-9a-f]{32}", shown), shown
    finally:
        session.end()


# --- memory -------------------------------------------------------------------------------------

def has_secret_memory():
    descriptor = ctypes.CDLL(None).syscall(447, 0)
    if descriptor >= 0:
        os.close(descriptor)
    return descriptor >= 0


def memory_holds(pid, pattern):
    """Is @pattern anywhere in the memory of @pid? What cannot be read holds nothing."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, \
            open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            start, end = (int(part, 16) for part in line.split()[0].split("-"))
            try:
                memory.seek(start)
                if pattern in memory.read(end - start):
                    return True
            except (OSError, ValueError, OverflowError):
                continue
    return False


def test_the_key_is_in_no_process_of_the_session(privexec, store, tmp_path):
    """Whoever follows the start sees the random bytes that become fscrypt's key, where the kernel has
    no secret memory to hide them in (here it says that it has none). Afterwards they are nowhere."""
    if store != "fscrypt":
        pytest.skip("dm-crypt's key is never in a process")
    log = tmp_path / "calls"
    session = Session(privexec, ["sleep", "60"], "--store=fscrypt", prefix=[
        "strace", "-f", "-qq", "-xx", "-s", "128", "-o", log,
        "-e", "trace=getrandom,memfd_secret", "-e", "inject=memfd_secret:error=ENOSYS"])
    try:
        found = [match.group(1) for match in re.finditer(
            r'getrandom\("((?:\\x[0-9a-f]{2}){64})", 64', log.read_text(encoding="ascii"))]
        assert len(found) == 1, log.read_text(encoding="ascii")
        key = bytes.fromhex(found[0].replace("\\x", ""))
        # strace is what was started; the front is below it
        everybody = [pid for pid in session.everybody() if pid != session.front]
        names = {pid: name_of(pid) for pid in everybody}
        assert {"privexec-keeper", "privexec-sweep", "privexec-init"} <= set(names.values()), names
        # the control: what the keeper does hold is found so
        assert memory_holds(session.keeper, session.id.encode())
        for pid, name in names.items():
            for at in range(0, 64, 16):
                assert not memory_holds(pid, key[at:at + 16]), name
        with houses.Levels(session) as levels:
            levels.sync()
            found, _ = scan.count(levels.backing, {at: key[at:at + 16] for at in range(0, 64, 16)})
            assert not any(found.values()), found
    finally:
        session.kill("keeper")
        session.end()


def test_whoever_follows_the_start_cannot_read_the_key_in_secret_memory(privexec, store, tmp_path):
    if store != "fscrypt":
        pytest.skip("dm-crypt's key is never in a process")
    if not has_secret_memory():
        pytest.skip("the kernel has no memfd_secret")
    log = tmp_path / "calls"
    done = machine.run(["strace", "-f", "-qq", "-xx", "-s", "128", "-o", log, "-e",
                        "trace=getrandom", privexec, "-q", "--net=none", "--store=fscrypt",
                        "--size=64M", "true"], cwd="/")
    assert done.returncode == 0, done.stderr
    calls = [line for line in log.read_text(encoding="ascii").splitlines() if ", 64, 0" in line]
    assert calls and all(re.search(r"getrandom\(0x[0-9a-f]+, 64", line) for line in calls), calls


# --- somebody who opens every device ------------------------------------------------------------

PROBER = """
import os, select, time
held = []
known = set()
print("ready", flush=True)
opened = 0
while not select.select([0], [], [], 0)[0]:
    now = time.monotonic()
    for until, file in [pair for pair in held if pair[0] < now]:
        os.close(file)
        held.remove((until, file))
    for name in os.listdir("/sys/block"):
        try:
            with open(f"/sys/block/{name}/diskseq") as file:
                use = name, file.read(), os.path.exists(f"/sys/block/{name}/loop/backing_file")
        except OSError:
            continue
        if name.startswith(("loop", "dm-")) and use not in known and (use[2] or name[0] == "d"):
            known.add(use)
            try:
                file = os.open(f"/dev/{name}", os.O_RDONLY)
            except OSError:
                continue
            try:
                os.pread(file, 4096, 0)
            except OSError:
                pass
            opened += 1
            held.append((now + 0.05, file))
for _, file in held:
    os.close(file)
print(opened)
"""


class Prober:
    """A process that opens each device that appears, reads its beginning, and lets go later."""

    def __init__(self):
        self._process = subprocess.Popen([PYTHON, "-c", PROBER], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True)
        assert self._process.stdout.readline() == "ready\n"

    def end(self):
        """How many it opened."""
        self._process.stdin.close()
        opened = self._process.stdout.readline()
        self._process.stdout.close()
        self._process.wait(10)
        return int(opened)


def test_a_prober_of_new_devices_makes_none_of_them_stay(privexec, store):
    """As udev and its helpers do."""
    before, prober = houses.devices(), Prober()
    try:
        for number in range(12):
            session = Session(privexec, ["sleep", f"{number / 100}"], f"--store={store}")
            if number % 3 == 2:
                session.kill("keeper", "sweeper")
            session.end()
        time.sleep(0.1)
    finally:
        opened = prober.end()
    assert opened >= 6, opened
    machine.run([privexec, "-q", "--net=none", "--store=memory", "--", "true"], cwd="/")
    assert machine.wait_until(lambda: not houses.devices() - before), houses.devices() - before


def test_a_prober_that_reads_devices_while_they_are_made_changes_nothing(privexec, store):
    """What it has read, the kernel remembers; a file system is not to be mounted by that."""
    prober = Prober()
    try:
        for call in ("ioctl", "pwritev", "fsconfig"):
            done = machine.run(
                ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                 f"inject={call}:delay_enter=20000", privexec, "-q", "--net=none",
                 f"--store={store}", "--size=64M", "--", "sh", "-c",
                 "seq 100000 >/tmp/x && md5sum </tmp/x"], cwd="/", timeout=60)
            assert (done.returncode, done.stdout[:8]) == (0, "dea9193b"), (call, done.stderr)
    finally:
        opened = prober.end()
    assert opened
