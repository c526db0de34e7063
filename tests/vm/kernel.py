# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's own kernels, unmodified: found by apt, unpacked below build-vm/, never installed.

A kernel is named by its series, "6.1" or "6.12": the newest of that series that the machine's own
package lists have. "SUITE/SERIES", as "trixie-backports/6.18", looks in another suite of the mirror
that the machine uses, by an apt state of its own, so that the machine's lists stay as they are."""

import functools
import hashlib
import json
import lzma
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build-vm"
HERE = Path(__file__).resolve().parent
DEFAULT = ("6.1", "6.12")

# Of a kernel's modules only these: a guest has no other devices.
WANTED = ["arch", "crypto", "fs", "lib", "mm", "security", "drivers/block", "drivers/char",
          "drivers/crypto", "drivers/dax", "drivers/md", "drivers/nvdimm", "drivers/virtio",
          "drivers/scsi", "drivers/net/dummy.ko*", "drivers/net/tun.ko*", "drivers/net/veth.ko*",
          "drivers/net/virtio_net.ko*", "net/9p", "net/core", "net/ipv4", "net/ipv6",
          "net/netfilter", "net/packet", "net/sctp", "net/unix", "net/vmw_vsock", "net/xfrm"]
# What the first process needs to reach the root and what the host says to the guest.
AT_BOOT = ["virtio_pci", "virtio_blk", "virtio_console", "virtio_rng", "crc32c_generic", "ext4"]
NOT_EVERYWHERE = {"crc32c_generic"}  # 6.14 has it in the kernel itself


class NoKernel(Exception):
    """No such kernel can be had; the text says why."""


def _call(argv, **options):
    done = subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                          timeout=600, **options)
    if done.returncode != 0:
        raise NoKernel(f"{' '.join(map(str, argv))}:\n{done.stderr.strip()}")
    return done.stdout


# --- packages ---------------------------------------------------------------------------------

def _machine_sources():
    """[(address, suites, components, signed-by)] of the machine's own lists of packages."""
    found = []
    for path in sorted(Path("/etc/apt/sources.list.d").glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")):
            fields = dict(re.findall(r"(?m)^([A-Za-z-]+):[ \t]*(.*)$", stanza))
            if "deb" in fields.get("Types", "").split():
                for address in fields.get("URIs", "").split():
                    found.append((address, fields.get("Suites", "").split(),
                                  fields.get("Components", ""), fields.get("Signed-By", "")))
    for path in (Path("/etc/apt/sources.list"),
                 *sorted(Path("/etc/apt/sources.list.d").glob("*.list"))):
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            match = re.match(r"deb\s+(?:\[(.*?)\]\s+)?(\S+)\s+(\S+)\s+(.+)", line)
            if match:
                signed = re.search(r"signed-by=(\S+)", match.group(1) or "")
                found.append((match.group(2), [match.group(3)], match.group(4),
                              signed.group(1) if signed else ""))
    return found


def _codename():
    text = Path("/etc/os-release").read_text(encoding="utf-8")
    match = re.search(r"(?m)^VERSION_CODENAME=(\w+)", text)
    if not match:
        raise NoKernel("/etc/os-release names no release of Debian")
    return match.group(1)


def _private_apt(suite):
    """Options by which apt knows only @suite of the machine's own mirror; its lists are updated."""
    codename = _codename()
    suite = suite or codename
    place = BUILD / "apt" / suite
    for directory in ("lists/partial", "cache/archives/partial"):
        (place / directory).mkdir(parents=True, exist_ok=True)
    lines = []
    for address, suites, components, signed in _machine_sources():
        if codename not in suites and f"{codename}-security" not in suites:
            continue
        wanted = suite
        if codename not in suites:  # the mirror of security updates names its suites otherwise
            if "-" in suite:
                continue
            wanted = f"{suite}-security"
            if suite in ("sid", "unstable", "experimental"):
                continue
        option = f"[signed-by={signed}] " if signed else ""
        lines.append(f"deb {option}{address} {wanted} {components or 'main'}")
    if not lines:
        raise NoKernel("the machine's lists of packages name no mirror of Debian")
    (place / "sources.list").write_text("\n".join(lines) + "\n", encoding="utf-8")
    options = ["-o", f"Dir::State::lists={place}/lists", "-o", f"Dir::Cache={place}/cache",
               "-o", f"Dir::Etc::sourcelist={place}/sources.list",
               "-o", "Dir::Etc::sourceparts=/dev/null", "-o", "APT::Sandbox::User=root"]
    _call(["apt-get", *options, "update", "-o", "APT::Update::Error-Mode=any"])
    return options


def _newest(series, options):
    """(package, version) of the newest kernel of @series that apt knows, or None."""
    names = _call(["apt-cache", *options, "pkgnames", f"linux-image-{series}"]).split()
    names = [name for name in names if
             re.fullmatch(r"linux-image-" + re.escape(series) + r"[.-][0-9][^-]*(-\d+)?-amd64", name)
             or re.fullmatch(r"linux-image-" + re.escape(series) + r"\.[0-9][\w.+~]*-amd64", name)]
    best = None
    shown = _call(["apt-cache", *options, "show", "--no-all-versions", *names]) if names else ""
    for stanza in shown.split("\n\n"):
        fields = dict(re.findall(r"(?m)^(Package|Version): (.*)$", stanza))
        if fields and (best is None or subprocess.run(
                ["dpkg", "--compare-versions", fields["Version"], "gt", best[1]],
                check=False).returncode == 0):
            best = (fields["Package"], fields["Version"])
    return best


def _unpack(package, options, target):
    """Puts vmlinuz and those modules of the kernel that guests need below @target."""
    place = Path(tempfile.mkdtemp(prefix=".unpack-", dir=BUILD))
    try:
        _call(["apt-get", *options, "-o", "APT::Sandbox::User=root", "download", package], cwd=place)
        archive = next(place.glob("*.deb"))
        tree = place / "tree"
        tree.mkdir()
        patterns = [f"./{top}lib/modules/*/kernel/{wanted}" for wanted in WANTED
                    for top in ("", "usr/")]
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive],
                              stdout=subprocess.PIPE) as source:
            # tar fails for patterns that nothing matches: what is needed is looked for below
            subprocess.run(["tar", "-x", "-C", tree, "--wildcards", "--no-anchored", "./boot/*",
                            "*lib/modules/*/modules.*", *patterns], stdin=source.stdout,
                           stderr=subprocess.DEVNULL, check=False, timeout=300)
        modules = next(iter([*tree.glob("lib/modules/*"), *tree.glob("usr/lib/modules/*")]), None)
        image = next(iter(tree.glob("boot/vmlinuz-*")), None)
        if not modules or not image:
            raise NoKernel(f"{package} holds no kernel where one was expected")
        finished = place / "finished"
        (finished / "lib/modules").mkdir(parents=True)
        shutil.move(image, finished / "vmlinuz")
        shutil.move(modules, finished / "lib/modules" / modules.name)
        # An emulated processor takes long to decompress, this one does not.
        for path in (finished / "lib/modules").glob("**/*.ko.xz"):
            path.with_suffix("").write_bytes(lzma.decompress(path.read_bytes()))
            path.unlink()
        _call(["depmod", "-b", finished, modules.name])
        shutil.rmtree(target, ignore_errors=True)
        finished.rename(target)
    finally:
        shutil.rmtree(place, ignore_errors=True)


class Kernel:
    """A kernel that is there: .version, .image, .modules (its directory below lib/modules)."""

    def __init__(self, place):
        self.place = place
        self.image = place / "vmlinuz"
        self.modules = next((place / "lib/modules").iterdir())
        self.version = self.modules.name

    def initrd(self):
        """The initial root file system, made if there is none: busybox, the modules that are needed to
        reach the root, inside/init."""
        script = HERE / "inside/init"
        busybox = next((path for path in map(Path, ("/bin/busybox", "/usr/bin/busybox"))
                        if path.exists()), None)
        if busybox is None:
            raise NoKernel("busybox is not there: tools/install-dependencies vm")
        key = hashlib.sha256(script.read_bytes() + busybox.read_bytes()
                             + " ".join(AT_BOOT).encode()).hexdigest()[:12]
        target = self.place / f"initrd-{key}"
        if target.exists():
            return target
        with tempfile.TemporaryDirectory(prefix=".initrd-", dir=self.place) as name:
            tree = Path(name) / "tree"
            for directory in ("bin", "dev", "proc", "sys", "root", "modules"):
                (tree / directory).mkdir(parents=True)
            shutil.copy(busybox, tree / "bin/busybox")
            shutil.copy(script, tree / "init")
            (tree / "init").chmod(0o755)
            order = []
            for module in AT_BOOT:
                try:
                    shown = _call(["modprobe", "-S", self.version, "-d", self.place,
                                   "--show-depends", module])
                except NoKernel:
                    if module not in NOT_EVERYWHERE:
                        raise
                    continue
                for path in re.findall(r"(?m)^insmod (\S+)", shown):
                    if path not in order:
                        order.append(path)
            for path in order:
                shutil.copy(path, tree / "modules")
            (tree / "modules/order").write_text(
                "".join(f"{Path(path).name}\n" for path in order), encoding="ascii")
            made = Path(name) / "initrd"
            with open(made, "wb") as output:
                subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=tree,
                               input=b"\n".join(os.fsencode(path.relative_to(tree))
                                                for path in [tree, *tree.glob("**/*")]),
                               stdout=output, check=True, timeout=60)
            made.rename(target)
        return target


@functools.lru_cache(None)
def get(name):
    """The newest Kernel of series @name, unpacked below build-vm/ if it is not yet. Call it with
    the lock of image.locked() held."""
    suite, _, series = name.rpartition("/")
    if not re.fullmatch(r"\d+\.\d+", series) or not re.fullmatch(r"[\w-]*", suite):
        raise NoKernel(f"{name} names no series of kernels: 6.1, or trixie-backports/6.18")
    if os.uname().machine != "x86_64":
        raise NoKernel("the guests are x86_64 and need such a machine")
    places = BUILD / "kernels"
    places.mkdir(parents=True, exist_ok=True)
    note = places / f"{name.replace('/', '_')}.json"
    known = json.loads(note.read_text(encoding="ascii")) if note.exists() else None
    if known and not (places / known["package"] / "vmlinuz").exists():
        known = None
    # A suite's own lists are read once; the machine's are looked at again when they have changed.
    lists = Path("/var/lib/apt/lists")
    seen = lists.stat().st_mtime_ns if lists.exists() else 0
    if known and (suite or known.get("lists") == seen):
        return Kernel(places / known["package"])
    options = _private_apt(suite) if suite else []
    found = _newest(series, options)
    if not found and not suite and not known:
        options = _private_apt("")
        found = _newest(series, options)
    if not found and not known:
        raise NoKernel(f"apt knows no kernel of the series {name}")
    if found:
        try:
            if not known or known["version"] != found[1]:
                _fetch(found, options, suite, places)
            known = {"package": found[0], "version": found[1], "lists": seen}
            note.write_text(json.dumps(known), encoding="ascii")
        except NoKernel as problem:
            if not known:
                raise
            print(f"vm: {found[0]} cannot be had, so the older {known['package']} is used: {problem}")
    return Kernel(places / known["package"])


def _fetch(found, options, suite, places):
    try:
        _unpack(found[0], options, places / found[0])
    except NoKernel:
        if suite or options:
            raise
        # The machine's lists may be older than what the mirror still has.
        options = _private_apt("")
        _unpack(found[0], options, places / found[0])
