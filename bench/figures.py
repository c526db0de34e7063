# SPDX-License-Identifier: GPL-2.0-or-later
"""What the programs of bench/ share: candidates that take turns, and tables of what they took."""

import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PRIVEXEC = os.environ.get("PRIVEXEC", str(ROOT / "build/privexec"))
LIMIT = 60 * float(os.environ.get("PRIVEXEC_TESTS_SLOWNESS", "1"))  # seconds for one command


def describe(*programs):
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    others = "".join(f"{name} {version(program)}; " for name, program in programs)
    print(f"machine: {os.cpu_count()} x {model}; Linux {platform.release()}; {others}"
          f"as uid {os.getuid()}")


def version(program):
    if not shutil.which(program):
        return "not installed"
    words = subprocess.run([program, "--version"], capture_output=True, text=True, check=False,
                           timeout=LIMIT).stdout.replace(";", " ").split()
    return next((word for word in words if word[0].isdigit()), "of unknown version")


def once(argv):
    """Milliseconds from before the start of @argv to after its end."""
    begin = time.perf_counter()
    child = os.posix_spawnp(argv[0], argv, os.environ, file_actions=[
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
    status = os.waitpid(child, 0)[1]
    elapsed = (time.perf_counter() - begin) * 1000
    if status != 0:
        sys.exit(f"{' '.join(argv)} failed with status {os.waitstatus_to_exitcode(status)}")
    return elapsed


OVERLAY = """
    mount -t tmpfs -o mode=700 tmpfs "$1"
    mkdir "$1/upper" "$1/work" "$1/all"
    mount -t overlay -o \\
        lowerdir=/,upperdir="$1/upper",workdir="$1/work",xino=on,index=on,redirect_dir=on,volatile \\
        overlay "$1/all"
    for each in proc dev sys; do mount --rbind "/$each" "$1/all/$each"; done
    all=$1/all
    shift
    exec chroot "$all" "$@"
"""


def overlay_on(directory):
    """What begins a command that is to run on a plain overlay over everything, in a tmpfs on @directory:
    the mount that a session has, without privexec. As root."""
    return ["unshare", "-m", "sh", "-ec", OVERLAY, "sh", str(directory)]


def interleaved(candidates, rounds):
    """{name: sorted milliseconds}; two rounds of warming up are not counted."""
    times = {name: [] for name in candidates}
    for number in range(rounds + 2):
        for name, argv in candidates.items():
            elapsed = once(argv)
            if number >= 2:
                times[name].append(elapsed)
            time.sleep(0.02)
    return {name: sorted(values) for name, values in times.items()}


def table(title, times, base):
    print(f"\n{title} (milliseconds; ratio of medians to {base})")
    print(f"  {'':34}{'median':>9}{'minimum':>9}{'ratio':>8}")
    for name, values in times.items():
        ratio = statistics.median(values) / statistics.median(times[base])
        print(f"  {name:34}{statistics.median(values):9.2f}{values[0]:9.2f}{ratio:8.2f}")
