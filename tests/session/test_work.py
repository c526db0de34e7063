# SPDX-License-Identifier: GPL-2.0-or-later
"""Real work in a session comes out as it does outside of one, and nothing of it stays.

What runs for minutes rather than seconds is in soak.d/heavy_work.py."""

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest

import machine
import trees
from work import history, same_work, unpack_source
from workers import _root, _user, _whoever, _worker  # pylint: disable=unused-import

HERE = Path(__file__).resolve().parent
GAMES = 60  # a group of every Debian system that no worker is in


@pytest.fixture(name="place")
def _place(worker):
    with worker.place() as place:
        yield place


@pytest.fixture(name="at_work")
def _at_work(whoever):
    """A worker with one kind of store, and the place."""
    with whoever.place() as place:
        yield whoever, place


@pytest.fixture(name="users_place")
def _users_place(user):
    with user.place() as place:
        yield place


@pytest.fixture(name="package_lock")
def _package_lock():
    """Nobody else installs anything meanwhile."""
    with open("/var/lib/dpkg/lock-frontend", "r+b") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        yield


# --- files ------------------------------------------------------------------------------------

def test_every_way_of_changing_files_gives_the_same_in_a_session(at_work):
    worker, place = at_work
    shutil.copy(HERE / "files.py", place)
    theirs = place / "theirs"
    theirs.mkdir()
    os.chown(theirs, 0, GAMES)
    theirs.chmod(0o2777)
    worker.run(["/usr/bin/python3", "files.py", "prepare"], cwd=place, check=True)
    printed = same_work(worker, place, "/usr/bin/python3 files.py work")
    assert printed.count("\n") > 90


def test_listings_of_the_machines_files_agree(worker, place, package_lock):
    """Of /etc, the package database and most of /usr: types, modes, owners, sizes, times and targets
    of all, link counts of all but directories (an overlay gives 1 for some); checksums of every 200th
    file of moderate size."""
    printed = same_work(worker, place, attempts=3, script=r"""
        list() {
            find /etc /usr/bin /usr/sbin /usr/lib /usr/include /usr/games /var/lib/dpkg "$@" 2>unreadable
        }
        { list ! -type d -printf '%p %y %m %U %G %n %s %T@ %l\n'
          list -type d -printf '%p %y %m %U %G %T@\n'; } | LC_ALL=C sort >list || true
        wc -l <list
        sha256sum <list
        sed s/.*find:// unreadable | sort
        awk '$2 == "f" && $7 > 0 && $7 < 1000000 && $1 !~ /\\/' list |
            awk 'NR % 200 == 1 {print $1}' >sample
        xargs -a sample sha256sum 2>&1 | sha256sum
        wc -l <sample""")
    assert int(printed.split()[0]) > 10000


def test_archives_made_inside_are_those_made_outside(worker, place, package_lock):
    """tar finds hard links by inode numbers and link counts, and stores owners, modes and times."""
    printed = same_work(worker, place, attempts=3, script=r"""
        rm -rf out some.tar
        tar --sort=name --acls --xattrs -cf - /etc /usr/include /usr/lib/git-core 2>errors |
            sha256sum || true
        sort errors
        tar --sort=name -cf some.tar -C /usr/share perl
        mkdir out
        tar -xpf some.tar -C out
        find out ! -type d -printf '%p %y %m %U %G %n %s %T@ %l\n' | LC_ALL=C sort | sha256sum
        tar -df some.tar -C out | grep -v -e 'Uid differs' -e 'Gid differs' || echo the same
        tar --sort=name --owner=root:0 --group=root:0 -cf - -C out perl | cmp - some.tar
        echo equal""")
    assert "the same\nequal\n" in printed


def test_rsync_copies_the_same(worker, place, package_lock):
    same_work(worker, place, attempts=3, script=r"""
        rm -rf copy first second
        rsync -aHAX --numeric-ids /etc/ copy/ >log 2>&1 || echo $?
        { find copy ! -type d -printf '%p %y %m %U %G %n %s %T@ %l\n'
          find copy -type d -printf '%p %m %U %G\n'; } | LC_ALL=C sort | sha256sum
        rsync -aHAXcn --delete --itemize-changes --exclude=/*/ /etc/ copy/ 2>&1 | grep -v denied || true
        rsync -a /usr/lib/git-core/ first/
        cp -a first second
        rsync -aH --delete --itemize-changes first/ second/
        echo changed >second/git
        rm second/git-add
        rsync -ac --itemize-changes first/ second/""")


def test_sorting_200_megabytes_needs_temporary_files_and_gets_them(user, users_place):
    """Each number below a limit once, in no order, so that what comes out is known."""
    lines = 1_700_000
    done = user.session(["bash", "-euo", "pipefail", "-c", f"""
        export LC_ALL=C
        awk 'BEGIN {{ for (i = 0; i < {lines}; i++)
            printf "%09d %0108d\\n", (i * 7919) % {lines}, i }}' |
            sort -S 24M --parallel=2 -T . >sorted
        stat -c %s sorted
        sort -c sorted
        cut -c 1-9 sorted | awk '$1 != NR - 1 {{ exit 1 }} END {{ print NR }}'"""],
        "--net=none", "--size=1200M", cwd=users_place, timeout=80)
    assert (done.returncode, done.stderr) == (0, ""), done
    size, count = map(int, done.stdout.split())
    assert size >= 200e6 and count == lines
    assert os.listdir(users_place) == []


# --- programs ---------------------------------------------------------------------------------

@pytest.mark.parametrize("whoever", [("user", "disk"), ("user", "memory"), ("root", "disk")],
                         indirect=True, ids="-".join)
def test_git_clones_commits_packs_and_checks_as_outside(at_work):
    worker, place = at_work
    history(worker, place, commits=350)
    printed = same_work(worker, place, r"""
        export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'
        export GIT_AUTHOR_NAME=a GIT_COMMITTER_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_EMAIL=a@b
        export GIT_CONFIG_GLOBAL=/dev/null
        git clone -q base.git one 2>&1
        git clone -q one two 2>&1
        git clone -q two three 2>&1
        for name in base.git one/.git two/.git three/.git
        do find $name/objects -type f -printf '%n\n' | sort | uniq -c
        done
        cd three
        git status --porcelain
        for i in $(seq 20)
        do echo $i >file$i; git add file$i; git commit -qm $i
        done
        git checkout -qb side HEAD~5
        echo side >side; git add side; git commit -qm side
        git merge -q --no-edit master || git merge -q --no-edit main
        git push -q origin side
        git gc -q --prune=now
        git fsck --full --strict
        git count-objects -v | grep -v size
        git log --format=%H | sha256sum
        git rev-parse HEAD HEAD^{tree}
        git worktree add -q ../tree side~3
        git -C ../tree status --porcelain
        git -C ../two fsck --full
        git -C ../base.git fsck --full
        git stash list; git grep -c line | sha256sum
        cd ..; git clone -q --mirror three mirror; git -C mirror repack -adq
        git -C mirror rev-list --all --objects | sort | sha256sum
        rm -r one three""", timeout=80)
    assert "in-pack" in printed


def test_a_debian_source_package_builds_and_passes_its_own_tests(user, users_place):
    unpack_source("ed", users_place, user)
    printed = same_work(user, users_place, r"""
        cd ed-*/
        ./configure CFLAGS=-O1 >/dev/null
        make -j2 >../log 2>&1
        make check 2>&1 | grep -v directory
        echo '1,2p' | ./ed -s README
        sha256sum ed""")
    assert "tests completed successfully" in printed


def test_parallel_gcc_makes_the_same_program(at_work):
    worker, place = at_work
    for number in range(24):
        (place / f"part{number}.c").write_text(
            f"#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <math.h>\n"
            f"int part{number}(int x) {{ char s[64]; snprintf(s, sizeof(s), \"%d\", x * {number}); "
            f"return (int)strlen(s) + abs(x); }}\n", encoding="ascii")
    calls = " + ".join(f"part{number}(n)" for number in range(24))
    declarations = "\n".join(f"int part{number}(int);" for number in range(24))
    (place / "main.c").write_text(f"#include <stdio.h>\n{declarations}\nint main(int n, char **v) "
                                  f"{{ (void)v; printf(\"%d\\n\", {calls}); return 0; }}\n",
                                  encoding="ascii")
    (place / "Makefile").write_text(
        "program: $(patsubst %.c,%.o,$(wildcard *.c))\n\tgcc -o $@ $(sort $^)\n"
        "%.o: %.c\n\tgcc -O2 -g -pipe -c -o $@ $<\n", encoding="ascii")
    same_work(worker, place, "make -sj2; ./program; sha256sum program; rm main.o; make -sj2; make -sq")


SQL = r"""
.bail on
pragma journal_mode=WAL;
create table record(id integer primary key, name text not null, number real, data blob);
with recursive counter(i) as (select 1 union all select i + 1 from counter where i < 10000)
  insert into record select i, printf('%s-%05d', char(97 + i % 26), i * 7919 % 10007), i / 7.0,
    zeroblob(i % 300) from counter;
create index by_name on record(name);
create unique index by_number on record(number, id);
begin; update record set name = upper(name) where id % 3 = 0; commit;
begin; delete from record where id % 7 = 0; rollback;
delete from record where id % 11 = 0;
create table copy as select * from record;
pragma wal_checkpoint(truncate);
pragma integrity_check;
select count(*), sum(number), group_concat(distinct substr(name, 1, 1)) from record;
select count(*) from record r join copy c using(name) where r.number > 500;
pragma journal_mode=delete;
vacuum;
pragma integrity_check;
"""


def test_sqlite_keeps_ten_thousand_rows_in_order(at_work):
    """Also by two programs at the same time, which share memory in WAL mode."""
    worker, place = at_work
    (place / "work.sql").write_text(SQL, encoding="ascii")
    printed = same_work(worker, place, r"""
        sqlite3 base.db <work.sql
        sqlite3 base.db .dump | sha256sum
        sqlite3 base.db 'pragma journal_mode=WAL; create table written(who, n)'
        for who in a b
        do (for n in $(seq 40)
            do sqlite3 -cmd '.timeout 20000' base.db "insert into written values('$who', $n)"
            done) &
        done
        wait
        sqlite3 base.db 'select who, count(*) from written group by who; pragma integrity_check'
        ls""")
    assert printed.count("ok\n") == 3 and "a|40\nb|40\n" in printed


def test_a_python_environment_can_be_made_and_used(user, users_place):
    done = user.session(["bash", "-euo", "pipefail", "-c", r"""
        /usr/bin/python3 -m venv environment
        . environment/bin/activate
        python -c 'import sys, sqlite3, ssl, json; print(sys.prefix != sys.base_prefix)'
        pip --disable-pip-version-check --no-input list --format=freeze
        mkdir package
        printf 'def answer():\n    return 42\n' >package/__init__.py
        python -c 'import package; print(package.answer())'
        ls package/__pycache__ | wc -l
        python -m zipfile -c package.zip package/
        cd /; PYTHONPATH=$OLDPWD/package.zip python -c 'import package; print(package.__file__)'"""],
        "--net=none", cwd=users_place, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done
    pip = user.run(["/usr/bin/python3", "-m", "ensurepip", "--version"], check=True).stdout.split()[1]
    lines = done.stdout.splitlines()
    assert lines[0] == "True" and f"pip=={pip}" in lines
    assert lines[-3:] == ["42", "1", f"{users_place}/package.zip/package/__init__.py"]
    assert os.listdir(users_place) == []


def test_images_are_converted_to_the_same_pixels(user, users_place):
    """/usr/bin/convert, whatever else the PATH has. Pictures from a program, not from a generator whose
    seed could differ."""
    printed = same_work(user, users_place, r"""
        convert() { /usr/bin/convert -limit thread 2 "$@"; }
        awk 'BEGIN { print "P3 320 240 255"; for (i = 0; i < 76800; i++)
            printf "%d %d %d\n", i % 256, (i * 7) % 256, (i * i) % 256 }' >a.ppm
        convert a.ppm -resize 640x480 -rotate 30 b.png
        convert b.png -quality 85 c.jpg
        convert c.jpg -colorspace Gray -blur 0x2 d.tiff
        convert a.ppm b.png c.jpg -append e.gif
        for picture in a.ppm b.png c.jpg d.tiff e.gif
        do /usr/bin/identify -format '%f %wx%h %#\n' $picture
        done""")
    assert len(set(re.findall(r"[0-9a-f]{64}", printed))) == 5


# --- root -------------------------------------------------------------------------------------

def smallest_not_installed():
    """A small package that no machine needs and this one does not have."""
    for name in ("hello", "sl", "cowsay", "figlet", "toilet", "rolldice"):
        if machine.run(["dpkg-query", "-W", "-f", "${Status}", name]).stdout != "install ok installed":
            return name
    raise AssertionError("all of the small packages are installed")


def test_root_installs_a_package_that_is_gone_afterwards(root):
    """From the network, or what the machine has of it in apt's cache."""
    package = smallest_not_installed()
    before = trees.snapshot("/var/lib/dpkg", "/var/lib/apt", "/var/cache/apt", "/usr/games",
                            "/usr/bin", "/usr/share/doc", hashed=-1)
    done = root.session(["bash", "-ec", f"""
        export DEBIAN_FRONTEND=noninteractive
        rm -f /var/lib/man-db/auto-update  # the index of manual pages takes ten seconds
        install() {{ apt-get install -y -q --no-install-recommends -o Dpkg::Use-Pty=0 {package}; }}
        {{ install || {{ apt-get update -q && install; }}; }} >/tmp/log 2>&1 ||
            {{ cat /tmp/log; exit 1; }}
        dpkg-query -W -f '${{Status}}\\n' {package}
        dpkg -V {package} && echo verified
        dpkg -L {package} | while read -r path; do ls -d "$path"; done | wc -l
        dpkg --audit
        apt-get -y -q remove {package} >/tmp/log 2>&1
        dpkg-query -W -f '${{Status}}\\n' {package} 2>&1 || true"""], timeout=80, cwd="/")
    assert done.returncode == 0, done
    lines = done.stdout.splitlines()
    assert lines[:2] == ["install ok installed", "verified"] and int(lines[2]) > 5, done
    assert len(lines) == 4 and not lines[3].endswith(" installed"), done
    status = machine.run(["dpkg-query", "-W", "-f", "${Status}", package])
    assert status.stdout != "install ok installed"
    assert trees.differences(before, trees.snapshot(
        "/var/lib/dpkg", "/var/lib/apt", "/var/cache/apt", "/usr/games", "/usr/bin",
        "/usr/share/doc", hashed=-1)) == []


def test_root_makes_users_who_log_in_and_are_gone_afterwards(root):
    done = root.session(["bash", "-ec", r"""
        useradd --create-home --shell /bin/bash --groups games privexec-inner
        echo privexec-inner:verysecret | chpasswd
        getent shadow privexec-inner | cut -d: -f2 | cut -c1
        su privexec-inner -c 'id -un; id -Gn; pwd; cd; echo mine >file; stat -c "%U %G %a" file'
        su - privexec-inner -c 'echo $HOME; cat file; touch /root/x 2>/dev/null || echo refused'
        usermod -aG audio privexec-inner; id -Gn privexec-inner | tr ' ' '\n' | sort | xargs
        passwd -S privexec-inner | cut -d' ' -f2
        userdel -r privexec-inner 2>/dev/null; id privexec-inner 2>/dev/null || echo none"""],
        cwd="/", more={"LC_ALL": "C.UTF-8"})
    assert done.returncode == 0, done
    assert done.stdout.splitlines() == [
        "$", "privexec-inner", "privexec-inner games", "/", "privexec-inner privexec-inner 644",
        "/home/privexec-inner", "mine", "refused", "audio games privexec-inner", "P", "none"], done
    assert "privexec-inner" not in Path("/etc/passwd").read_text(encoding="utf-8")
    assert not Path("/home/privexec-inner").exists()


# --- the host ---------------------------------------------------------------------------------

# every kind of change, as far as the worker may; the last one takes the ground from under the shell
RUIN = r"""
    cd /
    find /etc /srv "$1" -type f -exec chmod 0 {} +
    find /etc /usr/games "$1" -exec touch -d @0 {} +
    find /etc /boot /var/lib/dpkg "$1" -exec chown 1234:1234 {} +
    for file in /etc/passwd /etc/hostname /usr/bin/env "$1"/file /var/lib/dpkg/status
    do setfattr -n user.ruined -v 1 $file; setfacl -m u:1:rwx $file; echo ruined >>$file
       ln $file $file.link; mv $file $file.moved; mkfifo $file
    done
    mkdir /usr/new /etc/new "$1"/new
    mv /usr/games /usr/lib/games
    chmod 700 / /usr /etc "$1"
    rm -rf /etc /usr/include /usr/share/doc /opt /srv /boot /var/lib/dpkg "$1" /home
    ls -A "$1" /etc 2>/dev/null | wc -l
"""


def test_a_session_that_ruins_everything_leaves_the_host_as_it_was(worker, place, package_lock):
    """Names, contents, modes, owners, inodes, times with ctime, attributes: by root, of /etc, /usr,
    /opt, /boot, /srv, /root and the package database; by a user, of the home, /etc, /opt and /srv.
    What is left out, and why: trees.py. What another program changed meanwhile does not count: it is
    not there in three runs out of three."""
    (place / "file").write_text("here", encoding="ascii")
    home = worker.home if worker.user else place  # root's may be as large as it likes
    look = (lambda: trees.snapshot(worker.home, "/etc", "/opt", "/srv")) if worker.user else trees.host
    after, differences = look(), ["not run"]
    assert str(place / "file") in after
    for _ in range(3):
        before = after
        done = worker.session(["bash", "-c", RUIN, "-", home], "--net=none", "--size=1G", timeout=60,
                              cwd="/")
        assert worker.user or done.stdout == "0\n", done
        after = look()
        differences = trees.differences(before, after)
        if not differences:
            break
    assert differences == []


def test_names_made_in_shared_directories_are_not_on_the_host(worker):
    places = ["/tmp", "/var/tmp", "/dev/shm", "/run/lock"]
    if not worker.user:
        places += ["/", "/var", "/var/log", "/var/spool", "/run", "/mnt"]
    with tempfile.NamedTemporaryFile(prefix="privexec-tests-", dir="/tmp") as name:
        unique = "unique-" + hashlib.sha256(name.name.encode()).hexdigest()[:16]
    done = worker.session(["bash", "-ec", 'name=$1; shift; for place; do echo x >$place/$name; '
                           'mkdir $place/$name.d; ls -d $place/$name; done', "-", unique, *places],
                          "--net=none")
    assert (done.returncode, done.stdout.split()) == (0, [f"{place}/{unique}" for place in places])
    assert [place for place in places if os.path.lexists(f"{place}/{unique}")] == []
    found = machine.run(["find", "/", "-xdev", "-name", unique + "*"], timeout=60).stdout
    assert found == ""
