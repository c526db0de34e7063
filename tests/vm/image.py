# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest finds on its disks: a root file system, made of this machine's packages, and the project.

The root has to be an ext4 of its own: sessions of root map the identities of what they mount, which a
shared directory (9p) and an overlay do not allow. It holds the installed packages that the tests
need, with all that those depend on, and the machine's /etc; it is made once for a set of package
versions. Guests only read it: what each writes lies in a temporary file of its own."""

import contextlib
import fcntl
import functools
import hashlib
import os
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import kernel as kernels

ROOT, BUILD = kernels.ROOT, kernels.BUILD
INFO = Path("/var/lib/dpkg/info")
# The prefix of the installed privexec in guests; the configuration that is tested is below it.
INSTALLED_PREFIX = "/usr/local/lib/privexec-test-vm"
TREE_BUILD, INSTALLED_BUILD = BUILD / "tree", BUILD / "installed"

SECTIONS = ("build", "run", "check", "vm")
# Of these sections, what runs on this machine only.
NOT_INSIDE = {"clang", "libclang-rt-14-dev", "libcmocka-dev", "qemu-system-x86", "cpio", "mandoc"}
# What only a machine of iron needs, or documents: never copied, though packages hold it.
LEFT_OUT = re.compile(r"/(boot|lib/modules|usr/lib/modules|lib/firmware|usr/lib/firmware|"
                      r"usr/share/(doc|info|locale|man|lintian|bug|icons|fonts))(/|$)")
NOT_OF_ETC = {"privexec", "ssh", "fstab", "mtab", "crypttab"}
ROOM = 16 << 30  # bytes free in a new root, for many stores at once; the file is sparse
EMPTY = {"boot": 0o755, "dev": 0o755, "home": 0o755, "media": 0o755, "mnt": 0o755, "opt": 0o755,
         "proc": 0o555, "root": 0o700, "run": 0o755, "srv": 0o755, "sys": 0o555, "tmp": 0o1777,
         "usr/local/bin": 0o755, "usr/local/lib": 0o755, "usr/local/sbin": 0o755,
         "usr/local/share": 0o755, "var/cache": 0o755, "var/lib": 0o755, "var/log": 0o755,
         "var/mail": 0o755, "var/spool": 0o755, "var/tmp": 0o1777}


class Failed(Exception):
    """Something could not be made; the text says what."""


def call(argv, limit=300, **options):
    done = subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          timeout=limit, **options)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, argv))}:\n{done.stdout.strip()}")
    return done.stdout


@contextlib.contextmanager
def locked():
    """One run at a time makes things below build-vm/."""
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# --- packages ---------------------------------------------------------------------------------

def _sections():
    wanted, section = set(), None
    for line in (ROOT / "tools/dependencies.txt").read_text(encoding="utf-8").splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#") and section in SECTIONS:
            wanted.add(line)
    return wanted - NOT_INSIDE


def _names(field):
    """[[alternatives]] of a field of dependencies."""
    return [[re.split(r"[\s:(\[]", name.strip(), maxsplit=1)[0] for name in group.split("|")]
            for group in field.split(",") if group.strip()]


def packages():
    """{package as dpkg names its files: version} of what guests get."""
    text = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Abbrev}\t${binary:Package}\t${Package}\t${Version}\t"
         "${Essential}\t${Depends}\t${Pre-Depends}\t${Provides}\n"],
        stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout
    installed, provided, queue = {}, {}, []
    for line in text.splitlines():
        status, binary, name, version, essential, *fields = line.split("\t")
        if not status.startswith("ii"):
            continue
        installed[name] = (binary, version, _names(fields[0]) + _names(fields[1]))
        for group in _names(fields[2]):
            provided.setdefault(group[0], []).append(name)
        if essential == "yes":
            queue.append(name)
    wanted = _sections()
    missing = sorted(name for name in wanted if name not in installed)
    if missing:
        raise Failed(f"not installed: {' '.join(missing)}; run: tools/install-dependencies "
                     f"{' '.join(SECTIONS)}")
    queue += wanted
    found = {}
    while queue:
        name = queue.pop()
        if name in found or name not in installed:
            continue
        binary, version, groups = installed[name]
        found[name] = (binary, version)
        for group in groups:
            for alternative in group:
                queue += [alternative] if alternative in installed else provided.get(
                    alternative, [])
    return dict(found.values())


def _files(names):
    """Paths of what @names hold, where they really are, with what was made of them when they were
    installed: links to alternatives, compiled Python, the loader's cache."""
    real = functools.lru_cache(None)(os.path.realpath)
    found = set()
    for name in names:
        for line in (INFO / f"{name}.list").read_text(encoding="utf-8").splitlines():
            if line in ("/.", "") or LEFT_OUT.match(line):
                continue
            directory, _, last = line.rpartition("/")
            found.add(f"{real(directory or '/').rstrip('/')}/{last}")
    for path in sorted(found):
        if os.path.isdir(path) and not os.path.islink(path):
            for entry in os.scandir(path):
                if entry.path in found:
                    continue
                if entry.name == "__pycache__":
                    found.add(entry.path)
                    found.update(inner.path for inner in os.scandir(entry.path))
                elif entry.is_symlink() and (os.readlink(entry.path).startswith("/etc/alternatives/")
                                             and os.path.realpath(entry.path) in found):
                    found.add(entry.path)
    for directory, names_inside, files in os.walk("/etc"):
        if directory == "/etc":
            names_inside[:] = [name for name in names_inside if name not in NOT_OF_ETC]
            files = [name for name in files if name not in NOT_OF_ETC]
        found.add(directory)
        found.update(f"{directory}/{name}" for name in names_inside + files)
    for path in ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/var/lock", "/var/run",
                 "/etc/mtab", "/usr/lib/locale/C.utf8"):
        if os.path.lexists(path):
            found.add(path)
    found.update(str(path) for path in Path("/var/lib/dpkg").glob("**/*"))
    for path in list(found):  # directories above, with the modes they have here
        while path != "/":
            path = os.path.dirname(path)
            found.add(path)
    kinds = (stat.S_ISREG, stat.S_ISDIR, stat.S_ISLNK)
    found = {path for path in found if path != "/" and os.path.lexists(path)
             and any(kind(os.lstat(path).st_mode) for kind in kinds)}
    return sorted(found)


# --- the root ---------------------------------------------------------------------------------

def _copy(paths, tree):
    """Copies @paths below @tree with everything that can be said of a file."""
    with tempfile.NamedTemporaryFile() as names:
        names.write(b"".join(os.fsencode(path[1:]) + b"\0" for path in paths))
        names.flush()
        with subprocess.Popen(["tar", "-c", "-C", "/", "--format=posix", "--xattrs",
                               "--xattrs-include=*", "--warning=no-file-changed", "--no-recursion", "--null", "-T", names.name],
                              stdout=subprocess.PIPE) as source:
            subprocess.run(["tar", "-x", "-C", tree, "-p", "--xattrs", "--xattrs-include=*",
                            "--numeric-owner"], stdin=source.stdout, check=True, timeout=300)
        if source.returncode not in (0, 1):  # 1: a directory changed meanwhile
            raise Failed("the machine's files could not be copied")


def _forget_users_of_tests(table):
    """Tests may be running here; in a guest their users would have no homes."""
    if table.exists():
        lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
        table.write_text("".join(line for line in lines if not line.startswith("privexec-")),
                         encoding="utf-8")


def root(kernel_list):
    """Path of the root of guests that boot one of @kernel_list, made if there is none."""
    names = packages()
    text = repr((sorted(names.items()), [str(kernel.place) for kernel in kernel_list]))
    key = hashlib.sha256(text.encode() + Path(__file__).read_bytes()).hexdigest()[:12]
    series = "+".join(kernel.version for kernel in kernel_list)
    target = BUILD / f"root-{series}-{key}.ext4"
    if target.exists():
        return target
    print(f"vm: making the guests' root file system of {len(names)} packages", flush=True)
    for stale in BUILD.glob(f"root-{series}-*.ext4"):  # running guests keep what they have open
        stale.unlink()
    place = Path(tempfile.mkdtemp(prefix=".root-", dir=BUILD))
    try:
        tree = place / "tree"
        tree.mkdir(mode=0o755)
        _copy(_files(names), tree)
        for directory, mode in EMPTY.items():
            (tree / directory).mkdir(parents=True, exist_ok=True)
            (tree / directory).chmod(mode)
        for name in ("passwd", "shadow", "group", "gshadow", "subuid", "subgid"):
            _forget_users_of_tests(tree / "etc" / name)
        (tree / "etc/mtab").unlink(missing_ok=True)
        (tree / "etc/mtab").symlink_to("../proc/self/mounts")
        (tree / "etc/fstab").write_text("/dev/vda / ext4 defaults 0 1\n", encoding="ascii")
        for kernel in kernel_list:
            shutil.copytree(kernel.modules, tree / "usr/lib/modules" / kernel.version, symlinks=True)
        used = int(call(["du", "-s", "--block-size=1", tree]).split()[0])
        made = place / "root.ext4"
        made.touch(mode=0o600)
        os.truncate(made, (used * 11 // 10 + ROOM) >> 20 << 20)
        call(["mke2fs", "-q", "-t", "ext4", "-m", "0", "-L", "guest", "-d", tree, made])
        made.rename(target)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return target


# --- the project ------------------------------------------------------------------------------

def _build(directory, *options):
    if not (directory / "build.ninja").exists():
        call(["meson", "setup", *options, directory], cwd=ROOT,
             env={**os.environ, "CC": os.environ.get("CC", "gcc")})
    call(["ninja", "--quiet", "-C", directory], cwd=ROOT)


def build():
    """Builds privexec for guests: for use from the tree, and to be installed there."""
    _build(TREE_BUILD)
    _build(INSTALLED_BUILD, "--prefix", INSTALLED_PREFIX, "--sysconfdir", f"{INSTALLED_PREFIX}/etc")


def pack_tree(target, more=()):
    """Writes a tar archive of the project, as it is now, to @target: sources, tests, what build() made.
    It unpacks in / to where it is here, because a build directory knows its place."""
    if re.search(r"\s", str(ROOT)):
        raise Failed(f"the path of the tree has a space in it: {ROOT}")
    inside = ROOT.relative_to("/")
    keep = [BUILD / name for name in ("tree", "installed")]
    left_out = [f"--exclude={inside}/{path.name}" for path in ROOT.glob("build*")]
    left_out += [f"--exclude={inside}/.git", "--exclude=__pycache__"]
    call(["tar", "-c", "-C", "/", "--format=posix", "--anchored", "--wildcards", "-f", target,
          *left_out, "--no-anchored", "--exclude=__pycache__", inside])
    call(["tar", "-r", "-C", "/", "--format=posix", "-f", target,
          *(path.relative_to("/") for path in (*keep, *more))])
