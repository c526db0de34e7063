# SPDX-License-Identifier: GPL-2.0-or-later
"""The end of a store: at once, whoever is killed and whatever is held, and nothing of it stays."""

import os
import random
import secrets
import statistics
import subprocess
import time
from pathlib import Path

import pytest

import house as houses
import machine
import scan
from livesession import Session, alive, children, name as name_of

SEED = int(os.environ.get("PRIVEXEC_SEED", random.SystemRandom().randrange(1 << 32)))
STORM_SECONDS = float(os.environ.get("PRIVEXEC_STORM_SECONDS", 8))
ENDING_SECONDS = 0.2


# For so long after its end an inner file system of fscrypt's may say its last words, which root can read
# by its device; the sweeper's OUTER_GRACE_MILLISECONDS, and time for the machine to be slow.
GRACE = 0.5 * machine.SLOWNESS


def writes(mark, then="sleep 60"):
    """A command that writes @mark into /tmp and goes on."""
    return ["sh", "-c", f"mkdir /tmp/held && for n in $(seq 2000); do echo {mark}; done "
            f">/tmp/held/{mark}; echo written; {then}"]


def start(front, store, command, *options, house=None, user=None):
    """A session whose command has written a line."""
    prefix = house.prefix(user) if house else user.command([]) if user else ()
    session = Session(front, command, f"--store={store}", *options, prefix=prefix,
                      stdout=subprocess.PIPE)
    line = houses.read_line(session.process.stdout.fileno(), 30)
    assert line == "written\n", line
    return session


# --- what is held of it -------------------------------------------------------------------------

def outcome(action):
    """What @action returns, or the name of its error."""
    try:
        return action()
    except OSError as error:
        return os.strerror(error.errno)


def everything_below(directory):
    """Names and contents that can be read below the open @directory."""
    seen = []
    for name in outcome(lambda: os.listdir(directory)) or ():
        seen.append(name)
        file = -1
        try:
            file = os.open(name, os.O_RDONLY, dir_fd=directory)
            seen.append(os.read(file, 1 << 16).decode("utf-8", "replace"))
        except OSError as error:
            seen.append(os.strerror(error.errno))
        finally:
            if file >= 0:
                os.close(file)
    return "\n".join(seen)


def test_who_holds_a_directory_of_a_dead_session_reads_no_file(privexec, store):
    mark = secrets.token_hex(16)
    session = start(privexec, store, writes(mark))
    place = f"/proc/{session.init}/root/tmp/held"
    directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    file = os.open(f"{place}/{mark}", os.O_RDONLY)
    mounts = open(f"/proc/{session.init}/mounts", encoding="utf-8")
    try:
        assert mark in everything_below(directory)  # the control: it lives
        assert mark.encode() in os.pread(file, 4096, 0)
        session.kill("front")
        assert machine.wait_until(lambda: not session.named_remains())
        said = outcome(lambda: os.pread(file, 4096, 0))
        assert said == "Input/output error", said
        # at most names: what the kernel's memory has of the directory yet, which is root's to read anyway
        said = everything_below(directory).replace(mark, "", 1)
        assert mark not in said, said
    finally:
        os.close(file)
        os.close(directory)
        mounts.close()
        session.end()


def test_the_devices_of_a_dead_session_that_are_held_show_nothing(privexec, store):
    """Held since it lived, and read only afterwards."""
    mark = secrets.token_hex(16)
    session = start(privexec, store, writes(mark))
    held = []
    try:
        with houses.Levels(session) as levels:
            levels.sync()
            distance = scan.within(levels.devices[0], mark.encode())  # the control: it lives
            held = [os.open(device, os.O_RDONLY) for device in levels.devices]
        for descriptor in held:  # of what was read here nothing is to be read again
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        session.kill("front")
        assert machine.wait_until(lambda: not session.named_remains())
        time.sleep(GRACE)
        for descriptor in held:
            found, _ = scan.ends(descriptor, {"mark": mark.encode()}, most=distance)
            assert not any(found.values()), found
        if store == "dm-crypt":
            shown = machine.run(["dmsetup", "table", f"privexec-{session.id}"]).stdout
            assert " crypt " not in shown, shown
    finally:
        for descriptor in held:
            os.close(descriptor)
        session.end()


def test_the_devices_of_a_dead_session_whose_mounts_are_pinned_show_nothing(installed, alice, bob,
                                                                            store):
    """Anybody can keep a dead session's file systems mounted; root then opens the device beneath, in
    whose cache the kernel has names, targets and attributes as ext4 wrote them."""
    mark = secrets.token_hex(16)
    session = start(installed, store, writes(mark), user=alice)
    pin = bob.popen(["sh", "-c", f"exec 7< /proc/{session.init}/mounts && echo held && exec sleep 60"],
                    stdout=subprocess.PIPE, text=True)
    pattern = {"mark": mark.encode()}
    try:
        assert pin.stdout.readline() == "held\n"
        with houses.Levels(session) as levels:
            device, = levels.devices[:1]
            use = Path(f"/sys/block/{device[5:]}/diskseq").read_text(encoding="ascii")
        # the control is the test before, and that the device is there at all
        session.kill("front")
        assert machine.wait_until(lambda: not session.named_remains())
        time.sleep(GRACE)
        assert Path(f"/sys/block/{device[5:]}/diskseq").read_text(encoding="ascii") == use
        found, _ = scan.ends(device, pattern, most=64 << 20)
        assert not any(found.values()), found
    finally:
        pin.kill()
        pin.wait()
        pin.stdout.close()
        session.end()


def test_after_the_end_the_host_has_its_blocks_and_devices_again(house, installed, alice, store):
    blocks, devices = house.free_blocks(), houses.devices()
    for _ in range(3):
        mark = secrets.token_hex(16)
        session = start(installed, store, writes(mark, "true"), "--size=64M", house=house, user=alice)
        assert houses.finish(session) == 0
        assert house.given_back(blocks) and house.free_blocks() == blocks
        assert machine.wait_until(lambda: not houses.devices() - devices)


# --- how long it takes --------------------------------------------------------------------------

DIRTY = """
import os, time
file = os.open("/tmp/dirty", os.O_CREAT | os.O_WRONLY)
block = os.urandom(1 << 20)
for _ in range(300):
    os.write(file, block)
print("written", time.monotonic(), flush=True)
os._exit(0)
"""


def test_the_end_waits_for_nothing_that_was_written(privexec, store):
    """300 MB that have just been written are not written back by it."""
    times = []
    for _ in range(5):
        process = subprocess.Popen(
            [privexec, "-q", "--net=none", f"--store={store}", "--size=1G", "--", "/usr/bin/python3",
             "-c", DIRTY], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, cwd="/")
        try:
            text = process.stdout.read()
            process.wait(30 * machine.SLOWNESS)
            times.append(time.monotonic() - float(text.split()[1]))
        finally:
            process.kill()
            process.stdout.close()
            process.wait()
    figures = ", ".join(f"{seconds * 1000:.0f}" for seconds in times)
    print(f"ending with 300 MB dirty, {store}: {figures} ms")
    assert statistics.median(times) < ENDING_SECONDS * machine.SLOWNESS, figures


# --- nobody is left to end it -------------------------------------------------------------------

def test_when_keeper_and_sweeper_are_killed_the_kernel_ends_it(house, installed, alice, store):
    blocks, devices = house.free_blocks(), houses.devices()
    mark = secrets.token_hex(16)
    session = start(installed, store, writes(mark), "--size=64M", house=house, user=alice)
    everybody = session.everybody()
    try:
        with houses.Levels(session) as levels:
            levels.sync()
        session.kill("sweeper", "keeper")
        assert machine.wait_until(lambda: not alive(everybody)), "processes live"
    finally:
        session.end()
    houses.sweep(house, installed, alice)
    assert machine.wait_until(lambda: not houses.devices() - devices), houses.devices() - devices
    assert house.given_back(blocks)
    house.flush()
    found, _ = scan.count(house.image, {"mark": mark.encode()})
    assert not any(found.values()), found


def test_a_device_that_was_left_is_swept_by_the_next_start(privexec, store):
    """What holds it is gone only after all of the session's processes."""
    if store != "dm-crypt":
        pytest.skip("of the dm-crypt store")
    session = start(privexec, store, writes("x"))
    device = Path(f"/dev/{houses.mapped(session.id)}")
    held = os.open(f"/proc/{session.init}/root/tmp", os.O_RDONLY)
    everybody = session.everybody()
    try:
        session.kill("sweeper", "keeper", "front", "init")
        assert machine.wait_until(lambda: not alive(everybody))
        assert houses.mapped(session.id), "the control: it stays as long as somebody holds it"
        machine.run([privexec, "-q", "--net=none", "--store=memory", "--", "true"], cwd="/")
        shown = machine.run(["dmsetup", "table", f"privexec-{session.id}"]).stdout
        assert " crypt " not in shown, shown
    finally:
        os.close(held)
        session.end()
    assert machine.wait_until(lambda: not device.exists())


ROLES = ("front", "keeper", "sweeper", "init", "command")


def roles_of(front):
    """{role: pid} of a session that is being made or lives below the process @front."""
    found = {"front": front}
    table = machine.process_table()
    for pid in machine.descendants(front, table):
        called = name_of(pid)
        if called.startswith("privexec-keep") and table[pid][0] == front:
            found["keeper"] = pid  # it has short-lived children of the same name
        elif called == "privexec-sweep":
            found["sweeper"] = pid
        elif called == "privexec-init":
            found["init"] = pid
            below = children(pid)
            if below:
                found["command"] = below[0]
    return found


def killed_at_random(house, front, store, user, rng):
    """One session, some of whose processes are killed at some moment. Returns what was done."""
    load = "dd if=/dev/zero of=/tmp/x bs=1M count=30 2>/dev/null; sync; sleep 60"
    process = subprocess.Popen(
        [*house.prefix(user), front, "-q", "--net=none", f"--store={store}", "--size=64M", "--", "sh",
         "-c", load], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    moment = rng.random() * (0.06 if rng.random() < 0.7 else 0.5) * machine.SLOWNESS
    time.sleep(moment)
    found = roles_of(process.pid)
    chosen = rng.sample(ROLES, rng.randint(1, 4))
    victims = [role for role in chosen if role in found]
    for role in victims or ["front"]:
        try:
            os.kill(found[role], 9)
        except ProcessLookupError:
            pass
    try:
        process.wait(10 * machine.SLOWNESS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"{victims} killed after {moment * 1000:.0f} ms: it lives") from None
    return f"{'+'.join(victims or ['front'])} after {moment * 1000:.0f} ms"


def storm(house, front, store, user, rng):
    """One round. Raises AssertionError when something is left; returns what was done."""
    blocks, devices = house.free_blocks(), houses.devices()
    done = killed_at_random(house, front, store, user, rng)
    houses.sweep(house, front, user)

    assert machine.wait_until(lambda: not houses.own_devices(house) - devices, 5), (
        f"{done}: {houses.own_devices(house) - devices}")
    assert machine.wait_until(lambda: house.free_blocks() >= blocks, 5), (
        f"{done}: {blocks - house.free_blocks()} blocks are missing")
    return done


def test_killed_at_any_moment_nothing_of_a_store_is_left(house, installed, alice, store):
    rng, until, failures, rounds = random.Random(SEED), time.monotonic() + STORM_SECONDS, [], 0
    while time.monotonic() < until and len(failures) < 3:
        rounds += 1
        try:
            storm(house, installed, store, alice, rng)
        except AssertionError as problem:
            failures.append(str(problem))
    print(f"{rounds} sessions of {store} killed")
    assert not failures, f"PRIVEXEC_SEED={SEED}, round {rounds}\n" + "\n".join(failures)


# --- beside each other, and large ---------------------------------------------------------------

def test_two_stores_at_once_do_not_disturb_each_other(house, installed, alice, bob, store, stores):
    other = next((kind for kind in stores if kind != store), store)
    script = ("import os, sys, random; mark = sys.argv[1]\n"
              "data = random.Random(mark).randbytes(8 << 20)\n"
              "open('/tmp/x', 'wb').write(data); print('written', flush=True)\n"
              "for line in sys.stdin: print(open('/tmp/x', 'rb').read() == data, flush=True)\n")
    running = []
    try:
        for number, (kind, user) in enumerate(((store, alice), (other, bob), (store, bob))):
            session = Session(installed, ["/usr/bin/python3", "-c", script, str(number)],
                              f"--store={kind}", "--size=16M", prefix=house.prefix(user),
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            running.append(session)
            assert houses.read_line(session.process.stdout.fileno(), 30) == "written\n"
        houses.finish_reading(running[1])
        house.flush()
        houses.drop_caches()
        for session in (running[0], running[2]):
            session.process.stdin.write("\n")
            session.process.stdin.flush()
            assert houses.read_line(session.process.stdout.fileno(), 30) == "True\n"
    finally:
        for session in running:
            session.end()


LARGE = """
import os
file = os.open("/tmp/large", os.O_CREAT | os.O_RDWR)
places = 0, (4 << 30) - 3, (5 << 30) + 1, (9 << 30) - 8
os.ftruncate(file, 9 << 30)
for place in places:
    os.pwrite(file, b"here %d" % (place % 7), place)
os.fsync(file)
for place in places:
    assert os.pread(file, 6, place) == b"here %d" % (place % 7)
print(os.fstat(file).st_size, os.pread(file, 4, 1 << 30))
"""


def test_a_file_may_be_larger_than_four_gigabytes(privexec, store):
    done = machine.run([privexec, "-q", "--net=none", f"--store={store}", "--size=1G", "--",
                        "/usr/bin/python3", "-c", LARGE], cwd="/")
    assert (done.returncode, done.stdout) == (0, f"{9 << 30} {bytes(4)!r}\n"), done.stderr


# --- hibernation --------------------------------------------------------------------------------

def test_a_session_keeps_the_machine_from_hibernating_where_it_is_asked_to(privexec, store):
    session, disk = None, Path("/sys/power/disk")
    done = machine.run([privexec, "--dry-run", "--require=no-hibernation", f"--store={store}",
                        "true"])
    if done.returncode != 0:
        assert "memfd_secret" in done.stderr
        pytest.skip("the kernel has no memfd_secret")
    before = disk.read_text(encoding="ascii") if disk.exists() else ""
    session = Session(privexec, ["sleep", "60"], f"--store={store}", "--require=no-hibernation")
    try:
        if disk.exists():
            assert disk.read_text(encoding="ascii").strip() == "[disabled]"
    finally:
        session.end()
    assert machine.wait_until(lambda: not disk.exists() or disk.read_text(encoding="ascii") == before)
