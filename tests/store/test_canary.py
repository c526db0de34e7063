# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing of what a session writes, and of how it is arranged, is found in the blocks of the host: a
canary of every kind that a file system can hold. The control is the same program over a plain ext4."""

import secrets
import shutil
import struct
import subprocess

import pytest

import house as houses
import machine
import scan

# As alice, in a directory of hers; the words that are looked for come as arguments.
MAKE = """
import os, sys
top, mark, size, peculiar = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
os.chdir(top)
def word(kind):
    return f"{mark}-{kind}-"
with open("contents", "w") as file:
    file.write(word("contents") * 4000)
with open(word("name") + "x" * 60, "w"):
    pass
os.symlink(word("target"), "short-link")
os.symlink("/nowhere/" + word("target") * 8, "long-link")
with open("attributed", "w"):
    pass
os.setxattr("attributed", "user.note", word("attribute").encode() * 3)
os.setxattr("attributed", "user." + word("attribute-name"), b"x")
with open("sized", "w") as file:
    file.truncate(size)
os.chmod("sized", 0o642)
os.utime("sized", (peculiar, 1))
with open("timed", "w"):
    pass
os.utime("timed", (1, peculiar + 1))
os.mkdir("shaped")
for number in range(37):
    os.mkdir(f"shaped/{number}")
os.utime("shaped", (1, peculiar + 2))
with open("linked", "w"):
    pass
for number in range(6):
    os.link("linked", word("link") + str(number))
os.utime("linked", (1, peculiar + 3))
os.rename(word("directory"), "renamed")
with open("of-the-host", "a") as file:
    file.write("x")
print("made", flush=True)
sys.stdin.read()
"""


class Canary:
    """Words and numbers of their own, the files of the host's beneath, and what ext4 makes of them."""

    def __init__(self, place, user):
        self.user, self.top = user, place
        self.mark = secrets.token_hex(12)
        self.size = (1 << 32) + secrets.randbelow(1 << 31)
        self.peculiar = 0x40000000 + secrets.randbelow(1 << 24)
        self.top.mkdir(mode=0o755)
        (self.top / self._word("directory")).mkdir()
        (self.top / "of-the-host").write_text(self._word("host-file") * 4000)
        machine.run(["chown", "-R", f"{user.uid}:{user.gid}", self.top], check=True)

    def _word(self, kind):
        return f"{self.mark}-{kind}-"

    def command(self, top=None):
        return ["/usr/bin/python3", "-c", MAKE, str(top or self.top), self.mark, str(self.size),
                str(self.peculiar)]

    def patterns(self):
        kinds = ("contents", "name", "target", "attribute", "attribute-name", "link", "directory",
                 "host-file")
        found = {kind: self._word(kind).encode() for kind in kinds}
        # struct ext4_inode begins: mode, uid, size, atime, ctime, mtime, dtime, gid, links
        found["size"] = struct.pack("<HHII", 0o100642, self.user.uid & 0xffff,
                                    self.size & 0xffffffff, self.peculiar)

        def links(time, count):
            return struct.pack("<IIHH", time, 0, self.user.gid & 0xffff, count)

        found["time"] = links(self.peculiar + 1, 1)
        found["shape"] = links(self.peculiar + 2, 2 + 37)
        found["hard links"] = links(self.peculiar + 3, 7)
        return found

    def remove(self):
        shutil.rmtree(self.top)


@pytest.fixture
def canary(alice, tmp_path):
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:2]:
        parent.chmod(0o755)
    made = Canary(tmp_path / "canary", alice)
    yield made
    made.remove()


def made(process):
    line = houses.read_line(process.stdout.fileno(), 20)
    assert line == "made\n", line


def test_a_plain_overlay_shows_every_canary(house, canary):
    """The control."""
    place = house.directory / "plain"
    house.sh('mkdir "$1" "$1/u" "$1/w"; chown "$3" "$1/u"; mount -t overlay o "$2" '
             '-o "lowerdir=$2,upperdir=$1/u,workdir=$1/w,redirect_dir=on,index=on"',
             str(place), str(canary.top), str(canary.user.uid))
    try:
        done = house.run(canary.command(), canary.user, input="")
        assert done.stdout == "made\n", done.stderr
        house.flush()
        found, _ = scan.count(house.image, canary.patterns())
        assert not [kind for kind, count in found.items() if not count], found
    finally:
        house.sh('umount "$1"; rm -r "$2"', str(canary.top), str(place))


def test_no_canary_of_a_session_is_in_the_blocks_of_the_host(house, installed, canary, store):
    patterns = canary.patterns()
    session = houses.session_in(house, installed, canary.command(), f"--store={store}",
                                "--size=64M", user=canary.user, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE)
    try:
        made(session.process)
        with houses.Levels(session) as levels:
            levels.sync()
            house.flush()
            # the canaries are there: above the encryption root reads them while the session lives
            assert not scan.missing(levels.devices[0], patterns)
            beneath, size = scan.count(levels.backing, patterns)
            assert size > 256 << 10 and not any(beneath.values()), (size, beneath)
        living, size = scan.count(house.image, patterns)
        assert size > 256 << 10 and not any(living.values()), living
    finally:
        session.process.stdin.close()
        status = houses.finish(session)
    assert status == 0
    house.flush()
    after, _ = scan.count(house.image, patterns)
    assert not any(after.values()), after


def test_a_session_that_is_killed_leaves_no_canary(house, installed, canary, store):
    before = house.free_blocks()
    session = houses.session_in(house, installed, canary.command(), f"--store={store}",
                                "--size=64M", user=canary.user, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE)
    try:
        made(session.process)
        with houses.Levels(session) as levels:
            levels.sync()
        session.kill("sweeper", "keeper", "front")
    finally:
        session.end()
    houses.sweep(house, installed, canary.user)
    assert house.given_back(before), "blocks of the host are missing"
    house.flush()
    after, _ = scan.count(house.image, canary.patterns())
    assert not any(after.values()), after
