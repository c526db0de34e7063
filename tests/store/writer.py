# SPDX-License-Identifier: GPL-2.0-or-later
"""What runs in a session, and in the control without one: writes files of known content and says of
each that fsync(2) kept whether it did; later reads them all again. Lines come on standard input:

    write SECONDS FILES  goes on writing, also when a write fails, until 15 did; then "wrote N failed M
                         ERROR..."
    thin                 removes every second of the files that were kept
    verify               reads what was kept; "verified N bad NUMBER..." with those that differ
"""

import errno
import os
import random
import sys
import time

directory, seed = sys.argv[1], int(sys.argv[2])
rng = random.Random(seed)
kept, gone, sizes, number = [], [], {}, 0


def content(of):
    return random.Random(seed * 1000003 + of).randbytes(sizes[of])


def write(of):
    path = os.path.join(directory, str(of))
    file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        left = memoryview(content(of))
        while left:
            left = left[os.write(file, left):]
        os.fsync(file)
    except OSError:
        gone.append(path)
        raise
    finally:
        os.close(file)
        while gone:
            os.unlink(gone.pop())


def is_good(of):
    try:
        with open(os.path.join(directory, str(of)), "rb") as file:
            return file.read() == content(of)
    except OSError:
        return False


for line in sys.stdin:
    word, *rest = line.split()
    if word == "write":
        until, good, failed, errors = time.monotonic() + float(rest[0]), 0, 0, set()
        while time.monotonic() < until and failed < 15 and good < int(rest[1]):
            number += 1
            sizes[number] = 1 << 20 if rng.random() < 0.8 else rng.randrange(1, 64 << 10)
            try:
                write(number)
                kept.append(number)
                good += 1
            except OSError as error:
                errors.add(errno.errorcode[error.errno])
                failed += 1
                time.sleep(0.02)
        print(f"wrote {good} failed {failed} {' '.join(errors)}", flush=True)
    elif word == "thin":
        for thinned in kept[::2]:
            os.unlink(os.path.join(directory, str(thinned)))
        kept = kept[1::2]
        print("thinned", flush=True)
    elif word == "verify":
        bad = [str(of) for of in kept if not is_good(of)]
        print(f"verified {len(kept)} bad {' '.join(bad)}", flush=True)
