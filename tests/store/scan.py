# SPDX-License-Identifier: GPL-2.0-or-later
"""Looking for bytes in whatever holds blocks: a file system's image, a backing file, a block device."""

import os

PIECE = 4 << 20
PREFIX = 12
ZEROS = bytes(PIECE)


def _segments(descriptor):
    """(start, end) of what is not a hole."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    at = 0
    while at < end:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
            stop = os.lseek(descriptor, start, os.SEEK_HOLE)
        except OSError:  # a device, of which all is data; or no data any more
            start, stop = (at, end) if at == 0 and not _has_holes(descriptor) else (end, end)
        if start < stop:
            yield start, stop
        at = max(stop, at + 1)


def _has_holes(descriptor):
    try:
        os.lseek(descriptor, 0, os.SEEK_HOLE)
        return True
    except OSError:
        return False


def _count_in(piece, patterns, found):
    seen = {}
    for name, pattern in patterns.items():
        # most have their beginning in common, and most pieces have none of them
        start = pattern[:PREFIX]
        if start not in seen:
            seen[start] = start in piece
        if seen[start]:
            found[name] += piece.count(pattern)


def count(target, patterns):
    """{name: how often its bytes are found, at least} and the bytes looked at that are not zero.
    @target: a path or a descriptor; @patterns: {name: bytes}. What cannot be read has no hits."""
    descriptor = os.open(target, os.O_RDONLY) if not isinstance(target, int) else target
    overlap = max(map(len, patterns.values())) - 1
    found, looked_at = dict.fromkeys(patterns, 0), 0
    try:
        for start, stop in _segments(descriptor):
            tail = b""
            for at in range(start, stop, PIECE):
                try:
                    piece = os.pread(descriptor, min(PIECE, stop - at), at)
                except OSError:
                    tail = b""
                    continue
                if piece == ZEROS[:len(piece)]:
                    tail = b""
                    continue
                looked_at += len(piece)
                _count_in(tail + piece, patterns, found)
                tail = piece[-overlap:]
    finally:
        if descriptor is not target:
            os.close(descriptor)
    return found, looked_at


def _what_can_be_read(descriptor, at):
    """A piece; of a device that fails, those of its pages that memory holds yet."""
    try:
        piece = os.pread(descriptor, PIECE, at)
        if len(piece) == PIECE:
            return piece
    except OSError:
        piece = b""
    pages = []
    for page in range(at, at + PIECE, 4096):
        try:
            pages.append(os.pread(descriptor, 4096, page))
        except OSError:
            pass
    return b"".join(pages)


def ends(target, patterns, *, until_all=False, most=1 << 50):
    """As count(), of a device from both its ends at once, where our file systems have their metadata
    and their free blocks. @until_all: no further than until each was found; @most: bytes at either."""
    descriptor = os.open(target, os.O_RDONLY) if not isinstance(target, int) else target
    found, looked_at = dict.fromkeys(patterns, 0), 0
    try:
        last = max(os.lseek(descriptor, 0, os.SEEK_END) - 1, 0) // PIECE
        for number in range(min(last // 2, most // PIECE) + 1):
            for at in {number, last - number}:
                piece = _what_can_be_read(descriptor, at * PIECE)
                looked_at += len(piece)
                _count_in(piece, patterns, found)
            if until_all and all(found.values()):
                break
    finally:
        if descriptor is not target:
            os.close(descriptor)
    return found, looked_at


def within(device, pattern):
    """How far from the nearer end of @device @pattern is found, in bytes; it is there."""
    found, looked_at = ends(device, {"it": pattern}, until_all=True)
    assert found["it"], f"not on {device}"
    return looked_at // 2


def missing(device, patterns):
    """Those of @patterns that are not on @device."""
    found, _ = ends(device, patterns, until_all=True)
    return [name for name, hits in found.items() if not hits]
