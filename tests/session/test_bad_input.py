# SPDX-License-Identifier: GPL-2.0-or-later
"""Wrong invocations, wrong configurations and machines that lack something: each is refused with exit
status 125 and one line that names what is wrong and what would mend it, and nothing is left."""

import os
import re
import shutil
import stat
from pathlib import Path

import pytest

import machine
import stores
from room import OWN_SHM, inside, show, without_user_namespaces

HERE = Path(__file__).resolve().parent


class World:
    """What a case is set up in: an installed privexec with its configuration, and a user."""

    def __init__(self, installation, user, directory):
        self.installation, self.user, self.directory = installation, user, directory
        self.front, self.keeper = installation.front, installation.keeper
        self.configuration = installation.configuration

    def run(self, argv, setup=None, user="alice", **options):
        """As alice, or as root; after the shell lines @setup in a mount namespace of its own."""
        words = self.user.command(argv) if user == "alice" else [str(word) for word in argv]
        return machine.run(inside(setup, words) if setup else words, cwd="/", **options)


@pytest.fixture
def world(installation, alice, tmp_path):
    """The configuration is as it was again afterwards."""
    kept = tmp_path / "configuration"
    shutil.copytree(installation.configuration, kept)
    yield World(installation, alice, tmp_path)
    if installation.configuration.is_symlink():
        installation.configuration.unlink()
    shutil.rmtree(installation.configuration, ignore_errors=True)
    shutil.copytree(kept, installation.configuration)


# --- how a case is set up: each returns a function of the world that runs it ------------------------

def options(*words, **how):
    """privexec WORDS... -- true"""
    return lambda world: world.run([world.front, *words, "--", "true"], **how)


def with_descriptor(number, flags, *words):
    def run(world):
        opened = os.open("/dev/null", flags)
        os.dup2(opened, number)
        try:
            return world.run([world.front, *words, "--", "true"], pass_fds=(number,))
        finally:
            os.close(number)
            os.close(opened)
    return run


def file(name, text, *words, user="alice"):
    """A configuration file of this text."""
    def run(world):
        (world.configuration / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return world.run([world.front, *words, "--", "true"], user=user)
    return run


def changed(change, *words):
    """A change to the configuration directory that is more than a text."""
    def run(world):
        change(world.configuration, world)
        return world.run([world.front, *words, "--", "true"])
    return run


def on(setup, *words, **how):
    """A machine on which the shell lines @setup were run; {keeper} &c. are filled in."""
    def run(world):
        lines = setup.replace("{keeper}", world.keeper).replace("{uid}", str(world.user.uid))
        lines = lines.replace("{front}", world.front)
        return world.run([world.front, *words, "--", "true"], setup=f"{OWN_SHM}\n{lines}", **how)
    return run


def without_namespaces(*words):
    """Where user namespaces are switched off."""
    return lambda world: machine.run(without_user_namespaces(
        world.user.command([world.front, *words, "--", "true"])), cwd="/")


def configured(text, run):
    """@run with this text in privexec.conf."""
    def both(world):
        (world.configuration / "privexec.conf").write_text(text, encoding="ascii")
        return run(world)
    return both


def without_secret_memory(*words):
    """On a kernel without memfd_secret(2), or where it is off."""
    return lambda world: machine.run(
        ["/usr/bin/python3", HERE / "older_kernel.py", "memfd_secret:ENOSYS", "--",
         *world.user.command([world.front, *words, "--", "true"])], cwd="/")


def limited(*limits):
    return lambda world: world.run(["prlimit", *limits, "--", world.front, "--net=none", "--",
                                    "true"])


def with_processes(most, user="alice"):
    """In a control group that allows @most processes, of which privexec itself is one."""
    def run(world):
        top = Path("/sys/fs/cgroup/pids")
        if not (top / "cgroup.procs").exists():
            pytest.skip("no pids controller of cgroup v1")
        group = top / "privexec-test-pids"
        group.mkdir()
        try:
            (group / "pids.max").write_text(str(most))
            return world.run([world.front, "-q", "--net=none", "--", "true"], user=user,
                             setup=f"echo $$ >{group}/cgroup.procs")
        finally:
            machine.wait_until(lambda: (group / "cgroup.procs").read_text() == "", timeout=3)
            group.rmdir()
    return run


def nested(world):
    """Inside of a session."""
    return world.run([world.front, "-q", "--net=none", "--", world.front, "--net=none", "--",
                      "true"])


def nested_root(world):
    return world.run([world.front, "-q", "--net=none", "--", world.front, "--net=none", "--",
                      "true"], user="root")


def put(name, kind):
    """Something else in the place of a configuration file."""
    def change(configuration, world):
        path = configuration / name
        path.unlink(missing_ok=True)
        if kind == "symbolic link":
            target = world.directory / "target"
            target.write_text("")
            path.symlink_to(target)
        elif kind == "directory":
            path.mkdir()
        elif kind == "FIFO":
            os.mkfifo(path, 0o644)
        elif kind == "socket":
            os.mknod(path, stat.S_IFSOCK | 0o644)
    return change


def owned(name):
    return lambda configuration, world: os.chown(configuration / name, world.user.uid, -1)


def mode(name, bits):
    return lambda configuration, world: os.chmod(configuration / name, bits)


def linked(configuration, world):
    shutil.move(configuration, world.directory / "moved")
    configuration.symlink_to(world.directory / "moved")


# A machine that can have no store of a kind. Its device files are the host's: they are hidden.
NO_MAPPER = "[ ! -d /dev/mapper ] || mount -t tmpfs tmpfs /dev/mapper"
NO_FSCRYPT = "mount -t tmpfs tmpfs /sys/fs/ext4"
NO_TUN = "[ ! -d /dev/net ] || mount -t tmpfs tmpfs /dev/net"
NO_DISK = "mount -t tmpfs -o mode=700 tmpfs /var/lib/privexec"
QUIET, SCRUBBING = (show(f"quiet {more}\n", "/proc/cmdline") for more in ("", "init_on_free=1"))
NO_MEMORY = show("MemTotal: 8000000 kB\nMemAvailable: 30000 kB\n", "/proc/meminfo")
SWAP = show("Filename Type Size Used Priority\n/dev/x partition 100 0 -2\n", "/proc/swaps")
MANY = "too many processes|ulimit -u"
CLOSED = ("--net=none", "--require=closed")

INVOCATIONS = [
    ("an unknown option", options("--frobnicate"), "no option '--frobnicate'", "--help"),
    ("an unknown letter", options("-x"), "no option '-x'", "--help"),
    ("an option cut short in two ways", options("--re=x"), "no option '--re=x'", "--help"),
    ("a value where none belongs", options("--dry-run=yes"), "--dry-run takes no value", "--help"),
    ("a value that is missing", lambda world: world.run([world.front, "--size"]),
     "--size needs a value", "--help"),
    ("size 0", options("--size=0"), "--size cannot be '0'", "--size=2G"),
    ("a negative size", options("--size=-1"), "--size cannot be '-1'", "--size=2G"),
    ("a huge size", options("--size=9999999T"), "--size cannot be '9999999T'", "--size=2G"),
    ("a size beyond 64 bits", options("--size=18446744073709551617"), "--size cannot be",
     "--size=2G"),
    ("a size in words", options("--size=lots"), "--size cannot be 'lots'", "--size=2G"),
    ("a fraction", options("--size=1.5G"), "--size cannot be '1.5G'", "--size=2G"),
    ("a unit that is not taken", options("--size=5KiB"), "--size cannot be '5KiB'", "--size=2G"),
    ("an empty size", options("--size="), "--size cannot be ''", "--size=2G"),
    ("a size with a blank", options("--size= 5M"), "--size cannot be ' 5M'", "--size=2G"),
    ("an unknown store", options("--store=disk"), "no choice 'disk'", "auto, .*memory"),
    ("an empty store", options("--store="), "no choice ''", "auto, .*memory"),
    ("an unknown network", options("--net=vpn"), "no choice 'vpn'", "auto, private, host"),
    ("an unknown end", options("--end=never"), "no choice 'never'", "command, last"),
    ("an unknown requirement", options("--require=magic"), "no word 'magic'", "no-swap"),
    ("one unknown among requirements", options("--require=no-swap,magic"), "no word 'magic'",
     "no-swap"),
    ("none among requirements", options("--require=none,no-swap"), "no word 'none'", "no-swap"),
    ("an empty word among requirements", options("--require=no-swap,,closed"), "no word ''",
     "no-swap"),
    ("kernel-key with a store that has none", options("--require=kernel-key", "--store=memory"),
     "--require=kernel-key cannot be met", "--store=dm-crypt or leave it out"),
    ("kernel-key with another", options("--require=kernel-key", "--store=fscrypt"),
     "--require=kernel-key cannot be met", "leave it out|CONFIG_DM_CRYPT"),
    ("a small store on disk", options("--size=15M", "--store=fscrypt"),
     "a store on disk cannot be made in 15728640 bytes", "--size=16M or more|--store=memory"),
    ("encrypted-swap", options("--require=encrypted-swap"),
     "--require=encrypted-swap cannot be met", "no-swap instead"),
    ("private-network with the host's", options("--require=private-network", "--net=host"),
     "--require=private-network cannot be met", "--net=private"),
    ("labels", options("--require=labels"), "--require=labels cannot be met", "leave it out"),
    ("no-accounting", options("--require=no-accounting"),
     "--require=no-accounting cannot be met", "accton off"),
    ("closed with the host's network", options("--require=closed", "--net=host"),
     "--require=closed cannot be met", "--net=none"),
    ("an unknown relaxation", options("--relax=clipboard"), "no word 'clipboard'", "x11"),
    ("a relaxation that is not there yet", options("--relax=x11"), "no display or sound",
     "leave --relax out"),
    ("quiet and verbose", options("-q", "-v"), "-q and -v contradict", "leave one out"),
    ("--json of nothing", options("--json"), "--json says how", "add one of them"),
    ("a report of a dry run", options("--dry-run", "--report"), "--dry-run starts nothing",
     "leave one out"),
    ("events of a dry run", with_descriptor(200, os.O_WRONLY, "--dry-run", "--status-fd=200"),
     "--dry-run starts nothing", "leave one out"),
    ("--keep", options("--keep=/tmp/x"), "--keep is not in this version", "sys_mounts.conf"),
    ("--review", options("--review"), "--review is not in this version", "sys_mounts.conf"),
    ("events to standard error", options("--status-fd=2"), "--status-fd cannot be '2'", "above 2"),
    ("events to a word", options("--status-fd=log"), "--status-fd cannot be 'log'", "above 2"),
    ("events to -1", options("--status-fd=-1"), "--status-fd cannot be '-1'", "above 2"),
    ("events to a closed descriptor", options("--status-fd=99"), "descriptor 99 is not open",
     "99>FILE"),
    ("events to a descriptor for reading", with_descriptor(200, os.O_RDONLY, "--status-fd=200"),
     "descriptor 200 is not open for writing", "200>FILE"),
    ("a report nowhere", options("--report=/nowhere/report"),
     "cannot write the report to '/nowhere/report'", "No such file or directory"),
    ("a report where the user may not write", options("--report=/etc/privexec-report"),
     "cannot write the report to '/etc/privexec-report'", "Permission denied"),
    ("a report to a directory", options("--report=/"), "cannot write the report to '/'",
     "Is a directory"),
    ("a report to no name", options("--report="), "--report= names no file", "leave out the '='"),
    ("a name with a blank", options("--name=a b"), "--name cannot be 'a b'", "letters, digits"),
    ("a name that is a path", options("--name=../x"), "--name cannot be '../x'", "letters, digits"),
    ("a name that looks like an option", options("--name=-x"), "--name cannot be '-x'",
     "letter or digit first"),
    ("a name that would act on a terminal", options("--name=a\x1b]0;x\x07"),
     r"--name cannot be 'a\?\]0;x\?'", "letters, digits"),
    ("a name of two lines", options("--name=a\nb"), r"--name cannot be 'a\?b'", "letters, digits"),
    ("a name beyond ASCII", options("--name=\xfc"), "--name cannot be", "letters, digits"),
    ("a name of 33 letters", options("--name=" + 33 * "n"), "--name cannot be 'n*'", "1 to 32"),
    ("an empty name", options("--name="), "--name cannot be ''", "1 to 32"),
    ("a directory as standard input", lambda world: world.run(
        ["sh", "-c", f"exec {world.front} --net=none -- true </tmp"]),
     "standard input is a directory", "redirect it"),
]


def conf(text, *words):
    return file("privexec.conf", text, *words)


def usr(text):
    return file("usr_mounts.conf", text)


def system(text):
    return file("sys_mounts.conf", text)


CONFIGURATIONS = [
    ("an unknown key", conf("[session]\nkeyy = 1\n"), "privexec.conf:2: there is no key 'keyy'",
     r"privexec.conf\(5\)"),
    ("a key in the wrong section", conf("[store]\nnet = none\n"), r"no key 'net' in section \[store",
     r"privexec.conf\(5\)"),
    ("a key before any section", conf("net = none\n"), "privexec.conf:1: there is no key 'net'",
     r"privexec.conf\(5\)"),
    ("an unknown section", conf("[sessions]\n"), r"privexec.conf:1: there is no section \[sessions",
     r"\[session\], \[store\]"),
    ("a section not closed", conf("[session\nnet = none\n"), "privexec.conf:1:", r"\[name\]"),
    ("a line that is neither", conf("[session]\nnonsense\n"), "privexec.conf:2: this is neither",
     "KEY = VALUE"),
    ("a key twice", conf("[session]\nnet = none\nnet = host\n"), "privexec.conf:3: 'net' is there "
     "twice", "remove one"),
    ("a bad store", conf("[session]\nstore = disk\n"), "2: 'disk' is no value for 'store'", "memory"),
    ("a bad size", conf("[session]\nsize = 12 monkeys\n"), "'12 monkeys' is no value for 'size'",
     "512M"),
    ("a bad network", conf("[session]\nnet = vpn\n"), "'vpn' is no value for 'net'", "host, none"),
    ("a bad end", conf("[session]\nend = never\n"), "'never' is no value for 'end'", "last"),
    ("a bad relaxation", conf("[session]\nrelax = all\n"), "'all' is no value for 'relax'", "x11"),
    ("a bad requirement", conf("[session]\nrequire = all\n"), "'all' is no value for 'require'",
     "no-swap"),
    ("a requirement that cannot be met", conf("[session]\nrequire = labels\n"),
     "'require = labels' of privexec.conf cannot be met", "leave it out"),
    ("a bad suspend", conf("[session]\nsuspend = ask\n"), "'ask' is no value for 'suspend'", "keep"),
    ("a bad yes", conf("[session]\ndebug = true\n"), "'true' is no value for 'debug'", "yes or no"),
    ("a relative store directory", conf("[store]\ndirectory = var\n"),
     "'var' is no value for 'directory'", "an absolute path"),
    ("no sessions at all", conf("[limits]\nsessions_per_user = 0\n"),
     "'0' is no value for 'sessions_per_user'", "1 to 10000"),
    ("too many sessions", conf("[limits]\nsessions_per_user = 10001\n"),
     "'10001' is no value for 'sessions_per_user'", "1 to 10000"),
    ("a bad size_max", conf("[limits]\nsize_max = all\n"), "'all' is no value for 'size_max'", "8G"),
    ("a star among users", conf("[limits]\nusers = root, *\n"),
     r"'root, \*' is no value for 'users'", "@groups"),
    ("users without this one", conf("[limits]\nusers = root, @root\n"),
     "this user may not run privexec", "an administrator"),
    ("users that do not exist", conf("[limits]\nusers = nobody-at-all\n"),
     "this user may not run privexec", "an administrator"),
    ("more than size_max", conf("[limits]\nsize_max = 32M\n", "--size=64M"),
     "more than size_max", r"at most 33554432 \(32 MiB\)"),
    ("a NUL", conf("[session]\nnet = \0none\n"), "privexec.conf:2: there is a NUL", "must be text"),
    ("an endless line", conf("[session]\n#" + 5000 * "x"), "privexec.conf:2: .*longer", "shorten"),
    ("a file larger than a MiB", conf("\n" * ((1 << 20) + 1)), "privexec.conf is larger", "shorten"),
    ("a relative mount point", usr("auto\nhome\n"), "usr_mounts.conf:2: 'home' is neither",
     "begins with /"),
    ("a slash at the end", usr("/home/\n"), "usr_mounts.conf:1: write /home/ without",
     "a slash at its end"),
    ("a way back", usr("/home/../etc\n"), "usr_mounts.conf:1: write /home/../etc without", r"'\.\.'"),
    ("a mount point twice", usr("/\n/proc\n/proc\n"), "3: /proc is listed before, in line 2",
     "remove one"),
    ("auto twice", usr("auto\nauto\n"), "usr_mounts.conf:2: 'auto' is there twice", "remove one"),
    ("an order that cannot be", usr("/\n/proc/sys\n/proc\n"), "3: unordered: /proc comes after",
     "put it first"),
    ("nothing mounted there", usr("/\n/nowhere\n"), "usr_mounts.conf:2: nothing is mounted on "
     "/nowhere", "mount it or remove the line"),
    ("nothing mounted to pass through", system("/nowhere\n"), "sys_mounts.conf:1: nothing is mounted",
     "mount it or remove the line"),
    ("the root passed through", system("/\n"), "/ cannot be passed through|/ is in .*usr_mounts",
     "remove"),
    ("usr_mount.conf", file("usr_mount.conf", "auto\n"), "usr_mount.conf is not read under this name",
     "rename it to usr_mounts.conf"),
    ("sys_mount.conf", file("sys_mount.conf", "auto\n"), "sys_mount.conf is not read under this name",
     "rename it to sys_mounts.conf"),
    ("a file that is the user's", changed(owned("privexec.conf")), "privexec.conf belongs to user",
     "run: chown root"),
    ("a list that is the user's", changed(owned("sys_mounts.conf")), "sys_mounts.conf belongs to",
     "run: chown root"),
    ("a directory that is the user's", changed(owned(".")), "privexec/?.? belongs to user",
     "run: chown root"),
    ("a file that all can write", changed(mode("privexec.conf", 0o666)),
     "privexec.conf can be written by others", "run: chmod go-w"),
    ("a file that a group can write", changed(mode("usr_mounts.conf", 0o664)),
     "usr_mounts.conf can be written by others", "run: chmod go-w"),
    ("a directory that all can write", changed(mode(".", 0o777)), "can be written by others",
     "run: chmod go-w"),
    ("a symbolic link", changed(put("privexec.conf", "symbolic link")),
     "privexec.conf is a symbolic link", "put the file itself"),
    ("a directory that is a symbolic link", changed(linked), "symbolic link",
     "put the directory itself"),
    ("a directory in place of a file", changed(put("usr_mounts.conf", "directory")),
     "usr_mounts.conf is not a regular file", "replace it"),
    ("a FIFO in place of a file", changed(put("privexec.conf", "FIFO")),
     "privexec.conf is not a regular file", "replace it"),
    ("a socket in place of a file", changed(put("privexec.conf", "socket")),
     "privexec.conf", "no regular file; put one"),
]

MACHINES = [
    ("no memory left to promise", on(NO_MEMORY, "--net=none", "--store=memory"), "not enough memory",
     "end a session, or ask for less with --size"),
    ("no /proc/meminfo", on("mount --bind /dev/null /proc/meminfo", "--net=none", "--store=memory"),
     "/proc/meminfo", "is /proc mounted"),
    ("no private network", on(NO_TUN, "--net=private"), "no private network can be had",
     "apt install passt|modprobe tun"),
    ("no private network for what requires one", on(NO_TUN, "--require=private-network"),
     "--require=private-network cannot be met", "apt install passt|modprobe tun"),
    ("no device-mapper", on(NO_MAPPER, "--store=dm-crypt"),
     "no dm-crypt store can be had: device-mapper", "CONFIG_DM_CRYPT.*--store=memory"),
    ("no device-mapper for the configuration's store", configured(
        "[session]\nstore = dm-crypt\n", on(NO_MAPPER)), "no dm-crypt store", "--store=memory"),
    ("no device-mapper for a kernel key", on(NO_MAPPER, "--require=kernel-key"),
     "--require=kernel-key cannot be met: device-mapper", "CONFIG_DM_CRYPT"),
    ("no encryption in ext4", on(NO_FSCRYPT, "--store=fscrypt"),
     "no fscrypt store can be had: ext4 has no encryption", "CONFIG_FS_ENCRYPTION.*--store=memory"),
    ("a store directory in memory", on(NO_DISK, "--store=fscrypt"),
     "no fscrypt store can be had: .*/var/lib/privexec is on a tmpfs", "`directory` in privexec.conf"),
    ("a store directory that all can write", on(f"{NO_DISK}; chmod 777 /var/lib/privexec",
     "--store=fscrypt"), "cannot use the store directory /var/lib/privexec", "not writable by others"),
    ("no secret memory", without_secret_memory("--require=no-hibernation"),
     "--require=no-hibernation cannot be met", "secretmem.enable=1, or mask hibernate.target"),
    ("memory that is not cleared", on(QUIET, "--require=ram-scrub"),
     "--require=ram-scrub cannot be met", "init_on_free=1"),
    ("swap that is not encrypted", on(SWAP, "--net=none"), "swap is active", "swapoff -a"),
    ("no /proc", on("umount -l /proc", "--net=none"), "/proc", "is /proc mounted"),
    ("an empty /proc", on("mount -t tmpfs tmpfs /proc", "--net=none"), "/proc", "is /proc mounted"),
    ("/proc/self/mountinfo empty", on("mount --bind /dev/null /proc/self/mountinfo; mount -t tmpfs "
     "tmpfs /mnt; mkdir /mnt/self; : >/mnt/self/mountinfo; mount --bind /mnt /proc", "--net=none"),
     "/proc/self/mountinfo|no mount on /|/proc", "/proc|chroot"),
    ("a read-only /proc", on("mount --bind /proc /proc; mount -o remount,bind,ro /proc", "--net=none"),
     "Read-only file system", "/proc"),
    ("user namespaces switched off", without_namespaces(*CLOSED),
     "user namespaces are switched off", "max_user_namespaces"),
    ("a read-only /run", on("mount --bind /run /run; mount -o remount,bind,ro /run", "--net=none"),
     "cannot use /run/privexec: Read-only file system", "writable file system"),
    ("a full /run", on("mount -t tmpfs -o nr_inodes=3 tmpfs /run", "--net=none"), "/run/privexec",
     "is that file system full|writable file system"),
    ("a state directory of the user's", on("mount -t tmpfs tmpfs /run; mkdir /run/privexec; chown "
     "{uid} /run/privexec", "--net=none"), "cannot use /run/privexec", "owned by root"),
    ("a state directory that all can write", on("mount -t tmpfs tmpfs /run; mkdir -m 777 "
     "/run/privexec", "--net=none"), "cannot use /run/privexec", "not writable by others"),
    ("a state directory that is a symbolic link", on("mount -t tmpfs tmpfs /run; ln -s /tmp "
     "/run/privexec", "--net=none"), "cannot use /run/privexec", "must be a directory"),
    ("a file in place of the state directory", on("mount -t tmpfs tmpfs /run; : >/run/privexec",
     "--net=none"), "cannot use /run/privexec", "must be a directory"),
    ("a user's directory that is the user's", on("mount -t tmpfs tmpfs /run; mkdir -p -m 711 "
     "/run/privexec; mkdir /run/privexec/{uid}; chown {uid} /run/privexec/{uid}", "--net=none"),
     "cannot use /run/privexec", "owned by root"),
    ("no keeper", on("mount -t tmpfs tmpfs $(dirname {keeper})", "--net=none"), "there is no keeper",
     "make install"),
    ("a keeper that may not be executed", on("cp {keeper} /dev/shm/keeper; chmod 644 "
     "/dev/shm/keeper; mount --bind /dev/shm/keeper {keeper}", "--net=none"),
     "may not be executed", "mode and mount options"),
    ("a keeper on a noexec mount", on("mount --bind {keeper} {keeper}; mount -o remount,bind,noexec "
     "{keeper}", "--net=none"), "may not be executed", "mode and mount options"),
    ("a keeper without capabilities", on("cp {keeper} /dev/shm/keeper; mount --bind /dev/shm/keeper "
     "{keeper}", "--net=none"), "no privilege", "make install"),
    ("a keeper with some of its capabilities", on("cp {keeper} /dev/shm/keeper; setcap "
     "cap_sys_admin,cap_setuid,cap_setgid=ep /dev/shm/keeper; mount --bind /dev/shm/keeper {keeper}",
     "--net=none"), "cap_chown is missing", "make install"),
    ("a keeper on a nosuid mount", on("mount --bind {keeper} {keeper}; mount -o remount,bind,nosuid "
     "{keeper}", "--net=none"), "nosuid", "mount|install"),
    ("a keeper that is no program", on("echo nonsense >/dev/shm/keeper; chmod 755 /dev/shm/keeper; "
     "mount --bind /dev/shm/keeper {keeper}", "--net=none"), "Exec format", "install"),
    ("a keeper that dies at once", on("cp /bin/false /dev/shm/keeper; mount --bind /dev/shm/keeper "
     "{keeper}", "--net=none"), "the keeper is gone without a word", "install"),
    ("no new privileges", lambda world: world.run(["setpriv", "--no-new-privs", world.front,
                                                   "--net=none", "--", "true"]),
     "no_new_privs", "from outside"),
    ("a session inside a session", nested, "in a session or another sandbox", "from outside"),
    ("a session inside a session of root's", nested_root, "already inside|no privilege|sandbox",
     "outside"),
    ("one process", with_processes(1), "cannot start the keeper", MANY),
    ("two processes", with_processes(2), "cannot start", MANY),
    ("three processes", with_processes(3), "cannot start", MANY),
    ("four processes", with_processes(4), "cannot start", MANY),
    ("a process limit of 1", limited("--nproc=1:1"), "cannot start the keeper", MANY),
    ("twenty descriptors", limited("--nofile=20:20"), "open files is too small", "ulimit -Hn"),
    ("four descriptors", limited("--nofile=4:4"), "Too many open files", "ulimit"),
    ("small files", limited("--fsize=1000:1000"), "file size is too small", "ulimit -Hf"),
    ("little address space", limited("--as=33554432:33554432"), "address space is too small",
     "ulimit -Hv"),
    ("little data", limited("--data=8388608:8388608"), "data size is too small", "ulimit -Hd"),
    ("a small stack", limited("--stack=196608:196608"), "stack size is too small", "ulimit -Hs"),
]


def ids(cases):
    return [case[0] for case in cases]


def check(done, cause, cure):
    lines = done.stderr.splitlines()
    assert done.returncode == 125, done
    assert done.stdout == ""
    assert len(lines) == 1, done.stderr
    line = lines[0]
    assert line.startswith("privexec: ") and line.isprintable()
    assert re.search(cause, line), f"the cause, {cause}, is not named: {line}"
    assert re.search(cure, line), f"a cure, {cure}, is not named: {line}"


@pytest.mark.parametrize("what, how, cause, cure", INVOCATIONS, ids=ids(INVOCATIONS))
def test_a_wrong_invocation_is_refused_in_one_line(world, what, how, cause, cure):
    check(how(world), cause, cure)


@pytest.mark.parametrize("what, how, cause, cure", CONFIGURATIONS, ids=ids(CONFIGURATIONS))
def test_a_wrong_configuration_is_refused_in_one_line(world, what, how, cause, cure):
    check(how(world), cause, cure)


@pytest.mark.parametrize("what, how, cause, cure", MACHINES, ids=ids(MACHINES))
def test_a_machine_that_lacks_something_is_refused_in_one_line(world, what, how, cause, cure):
    check(how(world), cause, cure)


# --- what is no error of privexec, or none at all ---------------------------------------------------

@pytest.mark.parametrize("command, status", [("no such command", 127), ("/nowhere/a b", 127),
                                             ("", 127), ("/etc/passwd", 126), ("/etc", 126)])
def test_a_command_that_cannot_run_is_named_in_one_line(world, command, status):
    done = world.run([world.front, "-q", "--net=none", "--", command])
    assert done.returncode == status, done
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("privexec: ") and command in done.stderr


def test_what_the_machine_has_can_be_required(world):
    done = on(SCRUBBING, "-q", "--net=none", "--require=ram-scrub")(world)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("lacks, reason", [
    (f"{NO_MAPPER}\n{NO_FSCRYPT}", "ext4 has no encryption"), (NO_DISK, "is on a tmpfs")])
def test_a_machine_that_can_have_no_store_on_disk_has_one_in_memory_and_a_plan_says_why(
        world, privexec, lacks, reason):
    stores.on_disk(privexec)  # a control: without the lack it has
    done = on(lacks, "--net=none")(world)
    assert done.returncode == 0 and re.match(r"privexec: .*store memory", done.stderr), done
    planned = on(lacks, "--net=none", "--dry-run")(world)
    assert re.search(r"^store +memory, .*\n +since .*" + reason, planned.stdout, re.M), planned


def test_a_store_on_disk_needs_no_memory_that_can_be_promised(world, privexec):
    store = stores.option("disk", privexec)
    done = on(NO_MEMORY, "-q", "--net=none", store)(world)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("network", ["none", "host"])
def test_a_session_that_is_not_closed_says_so_in_its_first_line(world, network):
    done = without_namespaces(f"--net={network}")(world)
    assert done.returncode == 0, done
    assert re.search("open|other processes", done.stderr) and "user namespaces" in done.stderr


@pytest.mark.parametrize("hide", ["mount -t tmpfs tmpfs /proc/sys", "mount --bind /dev/null "
                                  "/proc/sys/user/max_user_namespaces"])
def test_a_machine_that_hides_proc_sys_has_closed_sessions(world, hide):
    done = on(hide, "-q", "--net=none", "--require=closed")(world)
    assert (done.returncode, done.stderr) == (0, "")


def test_root_may_whatever_the_list_of_users_says(world):
    done = file("privexec.conf", "[limits]\nusers = nobody-at-all\n", "-q", user="root")(world)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("limit", ["--nofile=64:64", "--stack=8388608:8388608",
                                   "--as=268435456:268435456", "--core=unlimited",
                                   "--fsize=65536:65536", "--memlock=0:0", "--sigpending=0:0",
                                   "--msgqueue=0:0", "--rss=0:0", "--locks=0:0", "--nice=0:0"])
def test_limits_that_leave_room_do_not_matter(world, limit):
    done = world.run(["prlimit", limit, "--", world.front, "-q", "--net=none", "--", "sh", "-c",
                      "echo works"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "works\n", "")


STALE = """
mount -t tmpfs tmpfs /run
mkdir -m 711 /run/privexec; mkdir -m 700 /run/privexec/{uid}
cd /run/privexec/{uid}
mkdir empty whole junk group
echo 1000000 >whole/promise; echo '{}' >whole/state.json; : >whole/keeper
echo 99999999999999999999 >junk/promise; mkdir junk/directory; : >'junk/a file'
echo ../../../tmp/privexec-x >group/cgroup
ln -s /etc link; : >file; mkfifo fifo
"""


def test_whatever_lies_in_the_state_directory_a_session_starts_and_sweeps_what_is_stale(world):
    setup = STALE.replace("{uid}", str(world.user.uid))
    words = world.user.command([world.front, "-q", "--net=none", "--", "true"])
    done = machine.run(inside(setup, ["sh", "-c", '"$@"; status=$?; ls /run/privexec/*; '
                                      'ls /etc/passwd; exit $status', "sh", *words]))
    assert (done.returncode, done.stderr) == (0, ""), done
    left = done.stdout.split()
    assert "/etc/passwd" in left
    assert not {"empty", "whole", "group"} & set(left), left


def test_a_stale_directory_leads_to_no_control_group_but_those_of_privexec(world):
    top = next((place for place in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")
                if os.path.exists(f"{place}/cgroup.controllers")), None)
    if top is None:
        pytest.skip("no cgroup2")
    others = [Path(top, "privexec-test-other"), Path(top, "privexec", "test-other")]
    ours = Path(top, "privexec", "privexec-0badcafe")
    ours.parent.mkdir(exist_ok=True)
    for group in (*others, ours):
        group.mkdir()
    try:
        setup = "mount -t tmpfs tmpfs /run; mkdir -p -m 711 /run/privexec; cd /run/privexec"
        for number, path in enumerate(["privexec-test-other", "privexec/test-other",
                                       "privexec/../privexec-test-other",
                                       "privexec/privexec-0badcafe"]):
            setup += f"; mkdir -p 0/{number}; printf %s {path} >0/{number}/cgroup"
        done = machine.run(inside(setup, [world.front, "-q", "--net=none", "--", "true"]))
        assert (done.returncode, done.stderr) == (0, "")
        assert all(group.exists() for group in others)
        assert not ours.exists()
    finally:
        for group in (*others, ours):
            if group.exists():
                group.rmdir()
