# SPDX-License-Identifier: GPL-2.0-or-later
"""A virtual machine for tests: boots one of Debian's kernels, runs commands in it, and lets the host look
at it from outside, where nothing in the guest can have a say.

    with Guest("6.1", disks=[Disk("store", 64 << 20)]) as guest:
        guest.run(["mkfs.ext4", "-q", guest.disks["store"].inside], check=True)
        job = guest.start(["sleep", "1000"])
        guest.pause()
        find(guest.disks["store"].path, b"canary")

A disk's file holds what the guest has written, at once: there is no cache in between but the host's
own. All waits end. A guest ends with its `with`, and with the process that made it.
"""

import base64
import json
import mmap
import os
import queue
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import image
import kernel as kernels

BOOT = 120      # seconds until the agent must have spoken; a quiet machine takes 6
TRIAL = 8       # seconds in which a kernel must have come up under KVM


class Failed(Exception):
    """The guest is not, or no longer, what it should be; the text says why."""


class Disk:
    """A disk of a guest. .path: its file here; .inside: its device there. @content is a file that it
    is a copy of; else it is empty and has @size bytes."""

    def __init__(self, name, size=64 << 20, content=None):
        self.name, self.size, self.content = name, size, content
        self.path = None
        self.inside = f"/dev/disk/by-id/virtio-{name}"

    def make(self, directory):
        self.path = directory / f"{self.name}.disk"
        if self.content:
            copy(self.content, self.path)
        else:
            with open(self.path, "wb") as made:
                made.truncate(self.size)


def copy(source, target):
    """Copies a file, which may have holes."""
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", source, target], check=True,
                   timeout=300)


def find(path, *needles):
    """{needle: [offsets, the first 100]} of those byte strings that are in the file @path."""
    found = {}
    if os.path.getsize(path) == 0:
        return found
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for needle in needles:
            at = content.find(needle)
            while at >= 0 and len(found.get(needle, ())) < 100:
                found.setdefault(needle, []).append(at)
                at = content.find(needle, at + 1)
    return found


# --- how fast ---------------------------------------------------------------------------------

def _qemu():
    program = shutil.which("qemu-system-x86_64")
    if not program:
        raise Failed("qemu-system-x86_64 is not there: tools/install-dependencies vm")
    # It ends with whatever started it.
    return ["setpriv", "--pdeathsig", "KILL", "--", program]


def accelerator(kernel):
    """QEMU's options for processors. KVM is taken when @kernel has been seen to come up under it: that
    /dev/kvm can be opened says little inside a virtual machine. What was seen holds until the
    machine is started again."""
    note = image.BUILD / "kvm"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    try:
        known = json.loads(note.read_text(encoding="ascii"))
        works = known["works"] if known["boot"] == boot else None
    except (OSError, ValueError, KeyError):
        works = None
    if works is None:
        works = os.access("/dev/kvm", os.R_OK | os.W_OK) and _comes_up_under_kvm(kernel)
        note.write_text(json.dumps({"boot": boot, "works": works}), encoding="ascii")
    return (["-accel", "kvm", "-cpu", "host"] if works
            else ["-accel", "tcg,thread=multi", "-cpu", "max"])


def _comes_up_under_kvm(kernel):
    """Without disks the initial root file system says so and switches off."""
    with subprocess.Popen(
            [*_qemu(), "-accel", "kvm", "-cpu", "host", "-m", "512", "-nodefaults", "-nographic",
             "-no-reboot", "-net", "none", "-serial", "stdio", "-kernel", kernel.image, "-initrd",
             kernel.initrd(), "-append", "console=ttyS0 quiet panic=-1 vm.mode=trial"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as trial:
        try:
            return b"vm: here" in trial.communicate(timeout=TRIAL)[0]
        except subprocess.TimeoutExpired:
            return False
        finally:
            trial.kill()


def slowness():
    """By how much limits of time have to grow in guests: an emulated processor is slow."""
    try:
        works = json.loads((image.BUILD / "kvm").read_text(encoding="ascii"))["works"]
    except (OSError, ValueError, KeyError):
        works = False
    return 1 if works else 6


# --- channels ---------------------------------------------------------------------------------

class Monitor:
    """QEMU's own view of the machine: QMP."""

    def __init__(self, connection):
        self._connection, self._text = connection, b""
        self._lock = threading.Lock()
        self._line(30)
        self.command("qmp_capabilities")

    def _line(self, timeout):
        deadline = time.monotonic() + timeout
        while b"\n" not in self._text:
            self._connection.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                part = self._connection.recv(65536)
            except TimeoutError as problem:
                raise Failed("qemu does not answer") from problem
            if not part:
                raise Failed("qemu has gone")
            self._text += part
        line, self._text = self._text.split(b"\n", 1)
        return json.loads(line)

    def command(self, name, timeout=30, **arguments):
        with self._lock:
            try:
                self._connection.sendall(json.dumps(
                    {"execute": name, "arguments": arguments}).encode() + b"\n")
            except OSError as problem:
                raise Failed("qemu has gone") from problem
            while True:
                answer = self._line(timeout)
                if "error" in answer:
                    raise Failed(f"qemu: {name}: {answer['error']['desc']}")
                if "return" in answer:
                    return answer["return"]


class Job:
    """A command that runs in the guest. .pid is its there; .stdout and .stderr grow."""

    def __init__(self, guest, number, argv, each=None):
        self._guest, self._number, self.argv = guest, number, argv
        self._each = each  # called with (stream, bytes) as they come
        self._began, self._ended = threading.Event(), threading.Event()
        self.pid = self.returncode = self._error = None
        self._output = {1: b"", 2: b""}
        self._changed = threading.Condition()

    def told(self, message):
        if "started" in message:
            self.pid = message["pid"]
            self._began.set()
        elif "output" in message:
            data = base64.b64decode(message["data"])
            with self._changed:
                self._output[message["stream"]] += data
                self._changed.notify_all()
            if self._each:
                self._each(message["stream"], data)
        else:
            self.returncode = message.get("status")
            self._error = message.get("error")
            self._began.set()
            self._ended.set()
            with self._changed:
                self._changed.notify_all()

    def lost(self):
        """The guest is gone."""
        if not self._ended.is_set():
            self.told({"error": "the guest has gone"})

    @property
    def stdout(self):
        return self._output[1].decode("utf-8", "replace")

    @property
    def stderr(self):
        return self._output[2].decode("utf-8", "replace")

    def began(self, timeout=60):
        if not self._began.wait(timeout):
            raise Failed(f"{self.argv[0]} was not started within {timeout} seconds")
        if self._error:
            raise Failed(f"{self.argv[0]}: {self._error}")

    def wait(self, timeout=60):
        """Its exit status; subprocess.TimeoutExpired after @timeout seconds, when it still runs."""
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(self.argv, timeout, self.stdout, self.stderr)
        if self._error:
            raise Failed(f"{self.argv[0]}: {self._error}")
        return self.returncode

    def wait_for(self, text, timeout=60):
        """Waits until its standard output has @text in it."""
        with self._changed:
            self._changed.wait_for(lambda: text in self.stdout or self._ended.is_set(), timeout)
        if text not in self.stdout:
            raise Failed(f"{self.argv[0]} did not say {text!r}: {self.stdout!r} {self.stderr!r}")

    def kill(self, number=signal.SIGKILL):
        self._guest.tell(kill=self._number, signal=int(number))


# --- the machine ------------------------------------------------------------------------------

def prepare(names=kernels.DEFAULT, build=True):
    """Makes what guests of the kernels @names need and is not there yet: kernels, root, privexec."""
    with image.locked():
        if build:
            image.build()
        for name in names:
            _parts(name)


def _parts(name):
    """(Kernel, path of the root). The usual kernels share one root."""
    together = kernels.DEFAULT if name in kernels.DEFAULT else (name,)
    found = [kernels.get(other) for other in together]
    return kernels.get(name), image.root(found)


class Guest:
    """A guest, once `with` has entered it. @append: words for the kernel's command line. @own_root: its
    root is a file of its own, .root, that can be looked at, not hidden in QEMU. @console: the guest's
    console is this terminal and runs a shell instead of the agent."""

    def __init__(self, kernel=kernels.DEFAULT[0], *, disks=(), append=(), memory=1536, processors=2,
                 own_root=False, console=False, more_of_the_tree=()):
        self.name, self.memory, self.processors = kernel, memory, processors
        self.disks = {disk.name: disk for disk in disks}
        self.append, self.own_root, self.console = list(append), own_root, console
        self._more = more_of_the_tree
        self.root = self.process = self._qmp = self._directory = None
        self._jobs, self._numbers = {}, 0
        self._lock, self._hello = threading.Lock(), queue.Queue()
        self._agent, self._ends = None, ()
        self.kernel_version = None

    def __enter__(self):
        # A name by which tests of the machine know that it is theirs.
        for stale in Path("/var/tmp").glob("privexec-tests-vm-*-*"):  # of runs that were killed
            if not Path("/proc", stale.name.split("-")[3]).exists():
                shutil.rmtree(stale, ignore_errors=True)
        self._directory = Path(tempfile.mkdtemp(prefix=f"privexec-tests-vm-{os.getpid()}-",
                                                dir="/var/tmp"))
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def _drives(self, root, tree):
        yield root, "", "snapshot=off" if self.own_root else "snapshot=on"
        yield tree, "", "readonly=on"
        for disk in self.disks.values():
            yield disk.path, disk.name, "snapshot=off"

    def _start(self):
        with image.locked():
            kernel, root = _parts(self.name)
            if not image.TREE_BUILD.exists():
                image.build()
            processors = accelerator(kernel)
            initrd = kernel.initrd()
        tree = self._directory / "tree.tar"
        image.pack_tree(tree, self._more)
        if self.own_root:
            self.root = self._directory / "root.disk"
            copy(root, self.root)
        for disk in self.disks.values():
            disk.make(self._directory)
        words = ["console=ttyS0", "quiet", "panic=-1", "mitigations=off", "no_timer_check",
                 "random.trust_cpu=on", f"vm.tree={image.ROOT}", *self.append]
        if self.console:
            size = os.get_terminal_size() if os.isatty(0) else (80, 24)
            words += ["vm.mode=shell", f"vm.size={size[1]}x{size[0]}",
                      f"vm.term={os.environ.get('TERM', 'linux')}"]
        argv = [*_qemu(), *processors, "-smp", str(self.processors), "-m", str(self.memory),
                "-nodefaults", "-nographic", "-no-reboot", "-net", "none", "-kernel", kernel.image,
                "-initrd", initrd, "-append", " ".join(words), "-device", "virtio-rng-pci",
                "-device", "virtio-serial-pci"]
        # A full disk here is an error there; QEMU would otherwise stop the guest, and say nothing.
        for number, (path, serial, option) in enumerate(self._drives(self.root or root, tree)):
            path = str(path).replace(",", ",,")
            argv += ["-drive", f"file={path},if=none,id=disk{number},format=raw,cache=unsafe,"
                     f"discard=unmap,werror=report,rerror=report,{option}", "-device",
                     f"virtio-blk-pci,drive=disk{number}" + (f",serial={serial}" if serial else "")]
        ours, theirs = zip(*(socket.socketpair() for _ in range(2)))
        for name, end in zip(("monitor", "agent"), theirs):
            argv += ["-chardev", f"socket,id={name},fd={end.fileno()}"]
        argv += ["-mon", "chardev=monitor,mode=control",
                 "-device", "virtserialport,chardev=agent,name=org.privexec.agent"]
        argv += (["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]
                 if self.console else ["-serial", f"file:{self._directory / 'console'}"])
        with open(self._directory / "qemu", "wb") as errors:
            self.process = subprocess.Popen(
                [str(word) for word in argv], pass_fds=[end.fileno() for end in theirs],
                stdin=None if self.console else subprocess.DEVNULL,
                stdout=None if self.console else errors, stderr=errors,
                env={**os.environ, "TMPDIR": str(self._directory)})
        for end in theirs:
            end.close()
        if self.console:
            for end in ours:
                end.close()
            return
        self._agent, self._ends = ours[1], ours
        self._qmp = Monitor(ours[0])
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            self.kernel_version = self._hello.get(timeout=BOOT)
        except queue.Empty:
            self.kernel_version = None
        if self.kernel_version is None:
            raise Failed(f"the guest did not come up:\n{self.last_words()}")

    def last_words(self):
        """The end of what the guest wrote to its console, and QEMU itself."""
        text = b"".join((self._directory / name).read_bytes()[-3000:] for name in ("qemu", "console")
                        if (self._directory / name).exists())
        return text.decode("utf-8", "replace")

    # --- commands in it

    def _listen(self):
        text = b""
        while True:
            try:
                part = self._agent.recv(1 << 20)
            except OSError:
                part = b""
            if not part:
                break
            *lines, text = (text + part).split(b"\n")
            for line in lines:
                message = json.loads(line)
                if "hello" in message:
                    self._hello.put(message["hello"])
                    continue
                number = next(message[key] for key in ("started", "output", "ended", "failed")
                              if key in message)
                self._jobs[number].told(message)
        self._hello.put(None)
        for job in list(self._jobs.values()):
            job.lost()

    def tell(self, **message):
        with self._lock:
            try:
                self._agent.sendall(json.dumps(message).encode() + b"\n")
            except OSError as problem:
                raise Failed("the guest has gone") from problem

    def start(self, argv, *, input=None, environment=None, directory=None, each=None):
        """Starts @argv as root in the project's tree and returns a Job. @each is called with (stream,
        bytes) of what it writes."""
        argv = [str(word) for word in argv]
        with self._lock:
            self._numbers += 1
            job = self._jobs[self._numbers] = Job(self, self._numbers, argv, each)
            number = self._numbers
        data = input.encode() if isinstance(input, str) else input
        self.tell(run=number, argv=argv, environment=environment or {},
                  directory=str(directory or image.ROOT),
                  input=None if data is None else base64.b64encode(data).decode())
        job.began()
        return job

    def run(self, argv, *, timeout=60, check=False, **options):
        """Runs @argv to its end, as subprocess.run() does with text."""
        job = self.start(argv, **options)
        try:
            job.wait(timeout)
        except subprocess.TimeoutExpired:
            job.kill()
            raise
        done = subprocess.CompletedProcess(job.argv, job.returncode, job.stdout, job.stderr)
        if check and done.returncode != 0:
            raise Failed(f"{' '.join(job.argv)}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    # --- from outside

    def pause(self):
        """Stops its processors; what it has written is in the files of its disks."""
        self._qmp.command("stop")

    def resume(self):
        self._qmp.command("cont")

    def copy_disk(self, name, target):
        """A copy of a disk as it is at one moment."""
        running = self._qmp.command("query-status")["running"]
        if running:
            self.pause()
        try:
            copy(self.disks[name].path, target)
        finally:
            if running:
                self.resume()

    def dump_memory(self, target, timeout=300):
        """All of its memory, as an ELF core file. It stands still meanwhile."""
        Path(target).touch(mode=0o600)
        self._qmp.command("dump-guest-memory", timeout, paging=False, protocol=f"file:{target}")

    def pull_the_plug(self):
        """Ends it as a power failure would. No harm when it has ended."""
        self.process.kill()
        self.process.wait(30)

    def power_off(self, timeout=60):
        """Lets it sync its file systems and switch itself off."""
        self.tell(end=True)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired as problem:
            raise Failed(f"the guest does not switch off:\n{self.last_words()}") from problem

    def wait(self):
        """Until it ends, for a person at its console."""
        return self.process.wait()

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.pull_the_plug()
        for end in self._ends:
            end.close()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None
