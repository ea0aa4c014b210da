"""What is safe to decode, decided from headers alone, and how much of it at once."""

import re
import struct
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Condition
from typing import Any

from PIL import ExifTags

from core.errors import Cancelled, ImageTooLarge, UnreadableImage

MAX_BYTES = 50 * 1024 * 1024
MAX_PIXELS = 40_000_000
"""Of what is decoded: a larger JPEG is decoded at a reduced scale, which costs no more than these."""

MAX_HEIC = 50_000_000
"""Of HEIC, which has no reduced scale, and in which phones store their 48 megapixels."""

MAX_SIDE = 16_384
MAX_JPEG = 250_000_000
"""Pixels that a JPEG may have before it is scaled: every one is read, if not kept."""

MAX_COEFFICIENTS = 100_000_000
"""Pixels of a progressive JPEG before it is scaled: its coefficients are all kept until the last scan is read."""

MAX_SCANS = 100
MAX_WORK = 1_000_000_000
"""Pixels times scans: each scan of a progressive JPEG passes over the whole image."""

MAX_FRAMES = 10_000
LIMITS = f"at most {MAX_PIXELS // 10**6} megapixels and {MAX_SIDE:,} pixels a side can be opened"


def check_bytes(data: bytes) -> None:
    """Nothing, when there are bytes, and not too many.

    Raises:
        UnreadableImage: there are none.
        ImageTooLarge: there are more than `MAX_BYTES`.
    """
    if not data:
        raise UnreadableImage("The file is empty: choose another one or export it again.")
    if len(data) > MAX_BYTES:
        raise ImageTooLarge(
            f"The file has {len(data) / 2**20:.0f} MB and at most {MAX_BYTES // 2**20} MB can be opened: "
            "save it smaller, for example as JPEG, and try again."
        )


def check_size(width: int, height: int, most: int = MAX_PIXELS) -> None:
    """Nothing, when so many pixels may be decoded.

    Raises:
        ImageTooLarge: they may not.
    """
    if width * height > most or max(width, height) > MAX_SIDE:
        raise ImageTooLarge(f"The image has {width:,} × {height:,} pixels; {LIMITS}: scale it down and try again.")


def check_tile(tags: Mapping[int, Any]) -> None:
    """Nothing, when the tiles of a TIFF may be decoded: each is decoded whole, however little of it the image shows.

    Raises:
        ImageTooLarge: they may not.
    """
    check_size(int(tags.get(ExifTags.Base.TileWidth, 1)), int(tags.get(ExifTags.Base.TileLength, 1)))


def jpeg_reduction(data: bytes, width: int, height: int) -> int:
    """By how much the sides of a JPEG are divided when it is decoded, 1, 2, 4 or 8, to stay within the limits.

    Raises:
        ImageTooLarge: no scale is enough, or its scans would take too long.
    """
    passes = scans(data)
    if passes > MAX_SCANS or passes * width * height > MAX_WORK:
        raise ImageTooLarge(
            f"The JPEG has {passes:,} scans over {width:,} × {height:,} pixels, which would take too long: save it "
            "again as an ordinary (baseline) JPEG."
        )
    most = MAX_COEFFICIENTS if passes > 1 else MAX_JPEG
    for reduction in (1, 2, 4, 8):
        if width * height <= min(MAX_PIXELS * reduction**2, most) and max(width, height) <= MAX_SIDE * reduction:
            return reduction
    raise ImageTooLarge(f"The image has {width:,} × {height:,} pixels; {LIMITS}: scale it down and try again.")


def scans(data: bytes) -> int:
    """Scans of the first image in a JPEG file, counted by its markers; stops soon after `MAX_SCANS`."""
    # In a scan, FF is followed by 00 or by a restart mark; anything else ends it.
    marker = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])", re.DOTALL)
    position = count = 0
    while count <= MAX_SCANS and (found := marker.search(data, position)):
        kind, position = found[1][0], found.end()
        if kind == 0xD9:
            break
        if kind == 0xDA:
            count += 1
        if kind not in (0x01, 0xD8):
            length = data[position : position + 2]
            position += struct.unpack(">H", length)[0] if len(length) == 2 else 0
    return count


def gif_frames(data: bytes) -> int:
    """Frames of a GIF, counted by its blocks and without decoding; at most `MAX_FRAMES` + 1."""
    position = 13 + (3 << (data[10] & 7) + 1 if len(data) > 10 and data[10] & 0x80 else 0)
    frames = 0
    while frames <= MAX_FRAMES and position < len(data):
        kind = data[position]
        if kind == 0x2C and position + 10 <= len(data):
            frames += 1
            flags = data[position + 9]
            position += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        elif kind == 0x21:
            position += 2
        else:
            break
        while position < len(data) and data[position]:
            position += data[position] + 1
        position += 1
    return frames


def tiff_frames(data: bytes) -> int:
    """Directories of a TIFF or BigTIFF, counted by their links; at most `MAX_FRAMES` + 1."""
    order = "<" if data[:2] == b"II" else ">"
    big = b"+" in data[:4]
    first, entry, link, count = (8, 20, "Q", "Q") if big else (4, 12, "I", "H")

    def number(form: str, at: int) -> int:
        whole = 0 <= at <= len(data) - struct.calcsize(order + form)
        return int(struct.unpack_from(order + form, data, at)[0]) if whole else 0

    seen: set[int] = set()
    position = number(link, first)
    while 0 < position < len(data) and position not in seen and len(seen) <= MAX_FRAMES:
        seen.add(position)
        position = number(link, position + struct.calcsize(order + count) + entry * number(count, position))
    return len(seen)


LOOK = 0.2  # seconds between two looks at whether whoever waits in a queue is still there


class Queue:
    """Lets work through in the order in which it came, as much at once as has room together."""

    def __init__(self, room: int) -> None:
        self._room = self._free = room
        self._changed = Condition()
        self._waiting: deque[object] = deque()

    @contextmanager
    def turn(self, size: int, gone: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Wait for room for work of a size; work that is larger than all the room has it alone.

        Raises:
            Cancelled: `gone`, which is asked while waiting, says that nobody waits any more.
        """
        size, ticket = min(max(size, 0), self._room), object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                while not (self._waiting[0] is ticket and self._free >= size):
                    self._changed.wait(LOOK)
                    if gone():
                        raise Cancelled("Nobody waits for the image any more.")
                self._free -= size
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += size
                self._changed.notify_all()


DECODING = Queue(MAX_PIXELS)
"""All decoding of the process, by pixels: small images side by side, one of the largest at a time."""
