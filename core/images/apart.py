"""Large images decoded in a process of their own, which can be stopped: for whoever waits on a page.

A decoder is one call into C, which no thread can interrupt. What is decoded is the same as in this process; files that
a command names are decoded here, without a limit on time, so that what a study holds never depends on how busy a
machine is.
"""

import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import BinaryIO

import numpy as np

from core.errors import Cancelled, ImageTooLarge, InvariscopeError, UnreadableImage
from core.images import formats, limits, opening
from core.images.image import SafeImage
from core.paths import ROOT

LARGE = 16_000_000
"""Pixels times scans that are decoded where they are: about a second of one core in the slowest format."""

SECONDS = 5.0
"""That decoding may take, from its turn on."""

STEP = 0.1  # seconds between two looks at whether somebody still waits

TOO_LONG = (
    f"The image took longer than {SECONDS:.0f} seconds to decode: scale it down or save it as an ordinary JPEG or PNG, "
    "and try again."
)


def open_copy_in_time(data: bytes, gone: Callable[[], bool] = lambda: False) -> SafeImage:
    """The working copy of the image in `data`, as `open_copy` gives it, unless it takes too long.

    Args:
        data: a whole file.
        gone: whether nobody waits any more; asked about ten times a second while a large image waits or is decoded.

    Raises:
        UnreadableImage, ImageTooLarge, InvalidRequest: as `open_copy`.
        ImageTooLarge: it took longer than `SECONDS`.
        Cancelled: nobody waits any more.
    """
    limits.check_bytes(data)
    if work(data) <= LARGE:
        return opening.open_copy(data)
    with limits.DECODING.turn(limits.MAX_PIXELS, gone):
        return _answer(*_run([sys.executable, "-m", "core.images.apart"], data, gone))


def work(data: bytes) -> int:
    """Pixels times passes over them that decoding takes, by the headers; 0 for what they refuse."""
    kind = formats.kind_of(data)
    if kind == formats.DICOM:
        return limits.MAX_PIXELS
    if kind == formats.TIFF:
        tags = formats.tiff_tags(data)
        if not tags:
            return limits.MAX_PIXELS
        width, height = int(tags.get(formats.WIDTH, 0)), int(tags.get(formats.HEIGHT, 0))
        across, down = int(tags.get(formats.TILE_WIDTH, 1)) or 1, int(tags.get(formats.TILE_HEIGHT, 1)) or 1
        return math.ceil(width / across) * across * math.ceil(height / down) * down
    try:
        image, _ = opening.header(data, str(kind))
    # Decoders answer hostile bytes with any exception at all; opening the file says what is wrong with it.
    except Exception:  # noqa: BLE001
        return 0
    return image.width * image.height * (limits.scans(data) if kind == formats.JPEG else 1)


def _run(command: list[str], data: bytes, gone: Callable[[], bool]) -> tuple[int, bytes]:
    """Exit status and output of a command that is given `data`, and ended when it is late or nobody waits."""
    refusal: list[InvariscopeError] = []
    done, end = threading.Event(), time.monotonic() + SECONDS

    def watch() -> None:
        while not (refusal or done.wait(STEP)):
            if gone():
                refusal.append(Cancelled("Nobody waits for the image any more."))
            elif time.monotonic() > end:
                refusal.append(ImageTooLarge(TOO_LONG))
        if refusal:
            process.kill()

    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            output, _ = process.communicate(data)
        finally:
            done.set()
            watcher.join()
    if refusal:
        raise refusal[0]
    return process.returncode, output


def _answer(status: int, output: bytes) -> SafeImage:
    """The image in what the process wrote: a line of JSON, then the pixels.

    Raises:
        ImageError, InvalidRequest: what the process says of the file, or that the decoder broke.
    """
    line, _, pixels = output.partition(b"\n")
    if status or not line:
        raise UnreadableImage(
            f"The image is damaged, or needs more memory than there is: export it again as {formats.SUPPORTED}."
        )
    said = json.loads(line)
    if "error" in said:
        kinds = {kind.__name__: kind for kind in (UnreadableImage, ImageTooLarge)}
        raise kinds.get(said["error"], UnreadableImage)(said["message"])
    rgb = np.frombuffer(pixels, np.uint8).reshape(said["height"], said["width"], 3)
    original = tuple(said["original"]) if said["original"] else None
    return SafeImage(rgb, said["digest"], said["width"], said["height"], tuple(said["notes"]), original)


def _main(source: BinaryIO, out: BinaryIO) -> None:
    """Decode what is on `source`, and write it, or why not, to `out`."""
    try:
        found = opening.open_copy(source.read())
    except InvariscopeError as error:
        out.write(json.dumps({"error": type(error).__name__, "message": str(error)}).encode() + b"\n")
        return
    facts = {name: getattr(found, name) for name in ("digest", "width", "height", "notes", "original")}
    out.write(json.dumps(facts).encode() + b"\n")
    out.write(found.rgb.tobytes())


if __name__ == "__main__":
    _main(sys.stdin.buffer, sys.stdout.buffer)
