# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk that is full: a session hears of it by the call that writes, or by a refusal at its start, and
never by bytes that are other than what it wrote.

The rounds are a random sample; PRIVEXEC_SEED=N repeats one. Many more: tests/store/soak."""

import os
import random
import subprocess
import time

import pytest

import filling
import house as houses
import machine

SEED = int(os.environ.get("PRIVEXEC_SEED", random.SystemRandom().randrange(1 << 32)))
ROUNDS = int(os.environ.get("PRIVEXEC_ROUNDS", 1))  # of each kind


@pytest.fixture(scope="module", params=["ext4", "xfs"])
def small(request, installation, tmp_path_factory):
    missing = houses.missing_for(request.param)
    if missing:
        pytest.skip(missing)
    # XFS wants 300 MiB
    with houses.built(installation, tmp_path_factory.mktemp("house"), request.param,
                      200 if request.param == "ext4" else 320) as made:
        made.kind = request.param
        yield made


def fill(house):
    """Takes every block there is; returns the files that do."""
    made = []
    for size in (64 << 20, 1 << 20, 4 << 10):
        path = house.inside / f"filler{size}"
        with open(path, "wb", buffering=0) as file:
            made.append(path)
            try:
                while True:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), size)
            except OSError:
                pass
    return made


# --- a volatile, sparse store, as one would make it: the control --------------------------------

def test_a_sparse_store_lies_when_the_disk_is_full(small):
    """The control."""
    directory = small.directory
    small.sh('cd "$1"; mkdir s m; truncate -s 2G sparse; mkfs.ext4 -q -F -E nodiscard sparse; '
             'mount -o loop sparse s; mkdir s/u s/w l; '
             'mount -t overlay o m -o lowerdir=l,upperdir=s/u,workdir=s/w,volatile', directory)
    process = subprocess.Popen(
        [*small.prefix(), *filling.arguments(f"{directory}/m", SEED)], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True)
    writer = filling.Writer(process)
    try:
        # more than there is, since nobody says that it is too much
        writer.ask("write 60 300")
        small.run(["sync", "-f", f"{directory}/s"], timeout=60)
        filling.settle(small)
        _, count, _, *bad = writer.ask("verify")
    finally:
        writer.close()
        small.sh('cd "$1"; umount m; umount s; rm -r sparse s m l', directory)
    assert bad, f"all of {count} files were kept"


def rounds_in(house, front, user, store, kind, rng):
    """The sums of what ROUNDS of filling.round_of() return."""
    sums = (0, 0, 0)
    for _ in range(ROUNDS):
        try:
            figures = filling.round_of(house, front, user, store, kind, rng)
        except AssertionError as problem:
            raise AssertionError(f"PRIVEXEC_SEED={SEED}: {problem}") from None
        sums = tuple(map(sum, zip(sums, figures)))
    return sums


# --- sessions -----------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", [filling.NOBODY, filling.ANOTHER])
def test_what_was_written_is_there_when_the_disk_is_full(small, kind, installed, alice, store):
    rng = random.Random(f"{SEED} {small.kind} {kind}")
    kept, refused, full = rounds_in(small, installed, alice, store, kind, rng)
    print(f"{small.kind}, {store}, {kind}: {kept} files kept and found good, {refused} writes refused, "
          f"{full} times full for others")
    assert refused or kind == filling.ANOTHER, "the disk was never full"


def test_a_session_can_write_most_of_what_a_small_disk_has(small, installed, alice, store):
    """Not at once: it gets more as it writes."""
    before = small.free_blocks()
    had = small.free_bytes()
    done = small.run([installed, "-q", "--net=none", f"--store={store}", "--size=2G", "--", "sh",
                      "-c", "for n in $(seq 12); do dd if=/dev/zero bs=1M >>/tmp/x; sleep 0.3; done "
                      "2>/dev/null; stat -c %s /tmp/x"], alice)
    assert done.returncode == 0, done.stderr
    assert small.given_back(before)
    # the file systems of a store take some 64 MiB themselves
    assert int(done.stdout) > (had - (64 << 20)) * 0.6, f"{int(done.stdout) >> 20} of {had >> 20} MiB"


def test_a_session_at_rest_leaves_others_most_of_the_disk(house, installed, alice, store):
    had = house.free_bytes()
    session = houses.session_in(house, installed, ["sleep", "60"], f"--store={store}", "--size=2G",
                                user=alice)
    try:
        time.sleep(1)  # several looks of the keeper's
        left = house.free_bytes()
    finally:
        session.end()
    assert left > had / 4, f"of {had >> 20} MiB {left >> 20} are left"


def test_no_session_starts_on_a_full_disk_and_auto_takes_memory(small, installed, alice, store):
    made = fill(small)
    try:
        done = small.run([installed, "-q", "--net=none", f"--store={store}", "--", "true"], alice)
        assert done.returncode == 125
        assert done.stderr.startswith("privexec: ") and done.stderr.count("\n") == 1, done.stderr
        assert "--store=memory" in done.stderr, done.stderr
        done = small.run([installed, "--net=none", "--size=64M", "--", "true"], alice)
        assert done.returncode == 0 and "memory" in done.stderr, done.stderr
    finally:
        for path in made:
            path.unlink()


def test_btrfs_is_refused_by_its_name_and_auto_takes_memory(installation, tmp_path_factory, alice,
                                                            store):
    missing = houses.missing_for("btrfs")
    if missing:
        pytest.skip(missing)
    with houses.built(installation, tmp_path_factory.mktemp("house"), "btrfs") as house:
        done = house.run([installation.front, "-q", "--net=none", f"--store={store}", "--", "true"],
                         alice)
        assert done.returncode == 125 and "btrfs" in done.stderr, done.stderr
        done = house.run([installation.front, "--net=none", "--size=64M", "--", "true"], alice)
        assert done.returncode == 0 and "memory" in done.stderr, done.stderr


# --- a user's quota -----------------------------------------------------------------------------

ALLOWED = 140 << 20


@pytest.fixture(scope="module", params=["ext4", "xfs"])
def limited(request, installation, tmp_path_factory, alice):
    """A host with more room than alice may use."""
    missing = houses.missing_for(request.param) or houses.missing_quota()
    if missing:
        pytest.skip(missing)
    with houses.built(installation, tmp_path_factory.mktemp("house"), request.param, 480,
                      quota=True) as made:
        made.kind = request.param
        made.limit(alice, ALLOWED)
        yield made


def test_a_quota_holds_a_user_outside_of_sessions(limited, alice):
    """The control: what is over it is refused, and it is counted where it is asked for."""
    place = limited.inside / "outside"
    place.mkdir()
    os.chown(place, alice.uid, alice.gid)
    done = limited.run(["dd", "if=/dev/zero", f"of={limited.directory}/outside/x", "bs=1M",
                        "count=300"], alice)
    used = limited.used_by(alice)
    limited.sh('rm -r "$1"', f"{limited.directory}/outside")
    assert done.returncode == 1 and "quota exceeded" in done.stderr, done.stderr
    assert ALLOWED - (4 << 20) <= used <= ALLOWED


def test_a_session_takes_no_more_than_its_user_s_quota(limited, installed, alice, store):
    rng = random.Random(f"{SEED} quota {limited.kind}")
    before = limited.used_by(alice)
    kept, refused, _ = rounds_in(limited, installed, alice, store, filling.NOBODY, rng)
    print(f"{limited.kind}, {store}, quota: {kept} files kept and found good, {refused} writes refused")
    assert kept and refused
    assert machine.wait_until(lambda: limited.used_by(alice) <= before)


def test_the_blocks_of_a_session_are_counted_for_its_user(limited, installed, alice, store):
    before = limited.used_by(alice)
    session = houses.session_in(limited, installed, ["sh", "-c", "dd if=/dev/urandom of=/tmp/x bs=1M "
                                "count=40 2>/dev/null; sync -f /tmp; echo written; cat"],
                                f"--store={store}", "--size=2G", user=alice, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE)
    try:
        assert houses.read_line(session.process.stdout.fileno(), 60) == "written\n"
        used = limited.used_by(alice)
    finally:
        session.end()
    assert before + (40 << 20) <= used <= ALLOWED


def test_with_no_quota_left_a_session_is_refused_in_words(limited, installed, alice, store):
    limited.limit(alice, 1 << 20)
    try:
        done = limited.run([installed, "-q", "--net=none", f"--store={store}", "--", "true"], alice)
    finally:
        limited.limit(alice, ALLOWED)
    assert done.returncode == 125
    assert done.stderr.startswith("privexec: ") and done.stderr.count("\n") == 1, done.stderr
    assert "quota" in done.stderr and "--store=memory" in done.stderr, done.stderr


# --- the limit that was asked for ---------------------------------------------------------------

def test_at_its_limit_a_write_fails_and_the_session_goes_on(privexec, store):
    script = ("dd if=/dev/zero of=/tmp/big bs=1M count=200 2>&1 | grep -o 'No space left'; "
              "stat -c %s /tmp/big; rm /tmp/big; echo again > /tmp/small && cat /tmp/small; "
              "df --output=avail -B1M /tmp | tail -1")
    done = machine.run([privexec, "-q", "--net=none", f"--store={store}", "--size=64M", "--", "sh",
                        "-c", script], cwd="/")
    assert done.returncode == 0, done.stderr
    words = done.stdout.split("\n")
    assert words[0] == "No space left" and words[2] == "again", done.stdout
    assert 60 << 20 <= int(words[1]) <= 66 << 20, done.stdout
    assert 58 <= int(words[3]) <= 66, done.stdout


def room_for(size):
    status = os.statvfs(machine.STORES if machine.STORES.exists() else "/var/lib")
    free = status.f_bavail * status.f_frsize
    if free < size:
        pytest.skip(f"the store directory has {free >> 20} MiB free, less than {size >> 20}")


def test_a_gigabyte_can_be_had_at_once(privexec, store):
    room_for(4 << 30)
    done = machine.run([privexec, "-q", "--net=none", f"--store={store}", "--size=2G", "--", "sh", "-c",
                        "fallocate -l 1G /tmp/x && stat -c %s /tmp/x"], cwd="/")
    assert (done.returncode, done.stdout) == (0, f"{1 << 30}\n"), done.stderr


STREAM = """
import os, sys, time
file = os.open("/tmp/x", os.O_CREAT | os.O_WRONLY)
block, longest = os.urandom(1 << 20), 0
for _ in range(int(sys.argv[1])):
    before = time.monotonic()
    assert os.write(file, block) == len(block)
    longest = max(longest, time.monotonic() - before)
print(os.fstat(file).st_size >> 20, f"{longest:.3f}")
"""


def test_more_than_was_promised_at_first_is_written_in_one_go(privexec, store):
    """The store grows ahead of what is written."""
    mebibytes = int(os.environ.get("PRIVEXEC_STREAM", 1600))
    room_for((mebibytes << 20) * 3)
    done = machine.run([privexec, "-q", "--net=none", f"--store={store}", "--size=4G", "--",
                        "/usr/bin/python3", "-c", STREAM, str(mebibytes)], timeout=80, cwd="/")
    assert done.returncode == 0, done.stderr
    written, longest = done.stdout.split()
    assert int(written) == mebibytes
    # a disk that is slow holds writers up for moments; a store that does not grow would for good
    assert float(longest) < 10 * machine.SLOWNESS
