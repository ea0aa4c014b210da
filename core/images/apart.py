"""Uploads decoded in processes of their own, which can be stopped: for whoever waits on a page.

A decoder is one call into C, which no thread can interrupt, and which takes whatever memory it asks for. What is
decoded is the same as in this process; files that a command names are decoded here, without a limit on time, so that
what a study holds never depends on how busy a machine is.
"""

import atexit
import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import BinaryIO

import numpy as np

from core.errors import Cancelled, ImageTooLarge, InvariscopeError, UnreadableImage
from core.images import formats, limits, opening
from core.images.image import SafeImage
from core.paths import ROOT

SECONDS = 5.0
"""That decoding may take, from its turn on."""

START = 60.0
"""Seconds that a process may take to be ready, which one of a busy machine needs."""

MEMORY = 3 << 30
"""Bytes of addresses that a process may have: ordinary pictures of the most pixels take less than 1.5 GB."""

ABREAST = 2
"""Processes that decode at once, and wait for the next picture."""

STEP = 0.1  # seconds between two looks at whether somebody still waits

TOO_LONG = (
    f"The image took longer than {SECONDS:.0f} seconds to decode: scale it down or save it as an ordinary JPEG or PNG, "
    "and try again."
)
COMMAND = (sys.executable, "-m", "core.images.apart")


def open_copy_in_time(data: bytes, gone: Callable[[], bool] = lambda: False) -> SafeImage:
    """The working copy of the image in `data`, as `open_copy` gives it, unless it takes too long.

    Args:
        data: a whole file.
        gone: whether nobody waits any more; asked about ten times a second while the image waits or is decoded.

    Raises:
        UnreadableImage, ImageTooLarge, InvalidRequest: as `open_copy`.
        ImageTooLarge: it took longer than `SECONDS`, or more than `MEMORY`.
        Cancelled: nobody waits any more.
    """
    limits.check_bytes(data)
    with limits.DECODING.turn(max(work(data), limits.MAX_PIXELS // ABREAST), gone):
        return DECODERS.decode(data, gone)


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


class Decoders:
    """Processes that decode one picture after another; one that is late, or broke, is ended and replaced."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = list(command)
        self._idle: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()
        atexit.register(self.close)

    def decode(self, data: bytes, gone: Callable[[], bool] = lambda: False) -> SafeImage:
        """The picture in `data`, decoded by one of the processes.

        Raises:
            UnreadableImage, ImageTooLarge, InvalidRequest, Cancelled: as `open_copy_in_time`.
        """
        with self._lock:
            process = self._idle.pop() if self._idle else None
        # One that was ended while it waited, as for want of memory, is no fault of this picture.
        if process is not None and process.poll() is not None:
            process.communicate()
            process = None
        if process is None:
            process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        try:
            header, pixels = _asked(process, data, gone)
        # Whatever ended it, Ctrl-C too: a decoder that may hang on half an answer is not asked again.
        except BaseException:
            process.kill()
            process.communicate()
            raise
        with self._lock:
            self._idle.append(process)
        return _answer(header, pixels)

    def close(self) -> None:
        """End those that wait."""
        with self._lock:
            ended, self._idle = self._idle, []
        for process in ended:
            process.communicate()


DECODERS = Decoders()


def _asked(process: subprocess.Popen[bytes], data: bytes, gone: Callable[[], bool]) -> tuple[bytes, bytes]:
    """What a process answers to `data`: a line of JSON and the pixels.

    Raises:
        UnreadableImage: it broke.
        ImageTooLarge, Cancelled: it was late, or nobody waits any more.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    refusal: list[InvariscopeError] = []
    ready, done = threading.Event(), threading.Event()

    def watch() -> None:
        end, begun = time.monotonic() + START, False
        while not (refusal or done.wait(STEP)):
            if ready.is_set() and not begun:
                end, begun = time.monotonic() + SECONDS, True
            if gone():
                refusal.append(Cancelled("Nobody waits for the image any more."))
            elif time.monotonic() > end:
                refusal.append(ImageTooLarge(TOO_LONG))
        if refusal:
            process.kill()

    watcher = threading.Thread(target=watch)
    watcher.start()
    header = pixels = b""
    try:
        # It says that it is ready for each picture, so that its start is not counted.
        if process.stdout.readline():
            ready.set()
            process.stdin.write(len(data).to_bytes(8))
            process.stdin.write(data)
            process.stdin.flush()
            header = process.stdout.readline()
            size = json.loads(header).get("size", 0) if header else 0
            pixels = process.stdout.read(size)
    except BrokenPipeError:
        header = b""  # it broke before it had read everything
    finally:
        done.set()
        watcher.join()
    if refusal:
        raise refusal[0]
    if not header or len(pixels) != size:
        raise UnreadableImage(
            f"The image is damaged, or needs more memory than there is: export it again as {formats.SUPPORTED}."
        )
    return header, pixels


def _answer(line: bytes, pixels: bytes) -> SafeImage:
    """The image in what a process wrote.

    Raises:
        ImageError, InvalidRequest: what the process says of the file.
    """
    said = json.loads(line)
    if "error" in said:
        kinds = {kind.__name__: kind for kind in (UnreadableImage, ImageTooLarge)}
        raise kinds.get(said["error"], UnreadableImage)(said["message"])
    rgb = np.frombuffer(pixels, np.uint8).reshape(said["height"], said["width"], 3)
    original = tuple(said["original"]) if said["original"] else None
    return SafeImage(rgb, said["digest"], said["width"], said["height"], tuple(said["notes"]), original)


def _main(source: BinaryIO, out: BinaryIO) -> None:
    """Decode what comes on `source`, and write it, or why not, to `out`, until there is no more."""
    while True:
        out.write(b"ready\n")
        out.flush()
        length = source.read(8)
        if len(length) < 8:
            return
        data = source.read(int.from_bytes(length))
        try:
            found = opening.open_copy(data)
        except InvariscopeError as error:
            out.write(json.dumps({"error": type(error).__name__, "message": str(error)}).encode() + b"\n")
            continue
        facts = {name: getattr(found, name) for name in ("digest", "width", "height", "notes", "original")}
        out.write(json.dumps(facts | {"size": found.rgb.nbytes}).encode() + b"\n")
        out.write(found.rgb.data)
        del data, found


if __name__ == "__main__":
    if os.name == "posix":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    # What a decoder prints of its own must not be taken for a picture.
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _main(sys.stdin.buffer, channel)
