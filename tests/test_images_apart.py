"""Large images in a process of their own: the same pixels, in time or not at all."""

import contextlib
import struct
import sys
import threading
import time

import numpy as np
import psutil
import pytest
from image_files import PICTURE, encode
from PIL import Image

from core.errors import Cancelled, ImageTooLarge, UnreadableImage
from core.images import apart, limits
from core.images.apart import open_copy_in_time
from core.images.limits import MAX_PIXELS
from core.images.opening import open_copy

READY = "import os, resource, sys, time; print('ready', flush=True); sys.stdin.buffer.read(8); "
PICTURE_FILE = encode(PICTURE, "PNG")
NARROW = """
import resource, sys
from core.images import apart
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20),) * 2)
apart._main(sys.stdin.buffer, sys.stdout.buffer)
"""
"""Decodes as always, with 64 MB to spare."""


def large(format: str, **options: object) -> bytes:
    return encode(Image.fromarray(PICTURE).resize((6000, 4000), Image.Resampling.BICUBIC), format, **options)


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


@pytest.mark.parametrize(("format", "options"), [("TIFF", {"compression": "jpeg"}), ("JPEG", {"quality": 50})])
def test_what_comes_from_the_other_process_is_what_would_come_from_this_one(
    format: str, options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "SECONDS", 60)  # a busy machine is not what this is about
    data = large(format, **options)
    assert apart.work(data) == 24_000_000
    here, there = open_copy(data), open_copy_in_time(data)
    assert here == there
    np.testing.assert_array_equal(here.rgb, there.rgb)
    assert (here.notes, here.size, there.rgb.flags.writeable) == (there.notes, there.size, False)


def test_a_jpeg_packed_tiff_of_the_most_pixels_opens_or_is_refused_in_time() -> None:
    data = encode(Image.fromarray(PICTURE).resize((8000, 5000)), "TIFF", compression="jpeg", quality=90)
    began = time.monotonic()
    with contextlib.suppress(ImageTooLarge):  # on a machine that is too busy
        assert open_copy_in_time(data).size == (8000, 5000)
    assert time.monotonic() - began < apart.SECONDS + 1


def test_damage_is_said_as_it_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "SECONDS", 60)
    data = large("TIFF", compression="tiff_lzw")
    cut = data[: len(data) // 2]
    with pytest.raises(UnreadableImage) as there:
        open_copy_in_time(cut)
    with pytest.raises(UnreadableImage) as here:
        open_copy(cut)
    assert str(there.value) == str(here.value)


def acting(act: str, monkeypatch: pytest.MonkeyPatch) -> apart.Decoders:
    """Processes that take a picture and then do something else than decode it."""
    monkeypatch.setattr(apart, "SECONDS", 0.3)
    return apart.Decoders([sys.executable, "-c", READY + act])


def test_a_decoder_that_breaks_takes_its_own_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnreadableImage, match="damaged, or needs more memory"):
        acting("os.abort()", monkeypatch).decode(PICTURE_FILE)


def test_what_takes_too_long_is_refused_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    before = children()
    with pytest.raises(ImageTooLarge, match="longer than 5 seconds"):
        acting("time.sleep(60)", monkeypatch).decode(PICTURE_FILE)
    assert children() == before


def test_decoding_ends_with_the_session_that_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = children()
    with pytest.raises(Cancelled):
        acting("time.sleep(60)", monkeypatch).decode(PICTURE_FILE, lambda: True)
    assert children() == before


@pytest.mark.parametrize("side", [1, 32])
def test_pictures_of_every_size_are_decoded_where_they_can_be_stopped(
    side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "DECODERS", acting("time.sleep(60)", monkeypatch))
    with pytest.raises(ImageTooLarge, match="longer than 5 seconds"):
        open_copy_in_time(encode(PICTURE[:side, :side], "PNG"))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold a process to its addresses")
def test_what_takes_more_memory_than_there_is_for_it_is_refused_and_the_next_picture_opens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(apart, "SECONDS", 60)
    data = large("PNG", compress_level=1)
    decoders = apart.Decoders([sys.executable, "-c", NARROW])
    with pytest.raises(ImageTooLarge, match="takes more memory"):
        decoders.decode(data)
    first = children()
    assert decoders.decode(PICTURE_FILE) == open_copy(PICTURE_FILE)
    assert children() == first, "one process decodes one picture after another"
    decoders.close()


def test_one_that_ended_while_it_waited_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "SECONDS", 60)
    decoders = apart.Decoders()
    decoders.decode(PICTURE_FILE)
    (process,) = decoders._idle
    process.kill()
    process.wait()
    assert decoders.decode(PICTURE_FILE) == open_copy(PICTURE_FILE)
    decoders.close()


def test_who_left_leaves_the_queue_too() -> None:
    left, outcome = threading.Event(), []

    def visitor() -> None:
        try:
            open_copy_in_time(data, left.is_set)
        except Cancelled:
            outcome.append("cancelled")

    data = large("JPEG", quality=20)
    with limits.DECODING.turn(MAX_PIXELS):
        waiting = threading.Thread(target=visitor)
        waiting.start()
        left.set()
        waiting.join(5)
    assert outcome == ["cancelled"]
    with limits.DECODING.turn(MAX_PIXELS):
        pass  # nothing is left in the way


def test_tiles_that_are_larger_than_the_image_count_as_work() -> None:
    def entry(tag: int, value: int) -> bytes:
        return struct.pack("<HHII", tag, 4, 1, value)

    tags = ((256, 16_000), (257, 1), (322, 2_000), (323, 16_000))
    data = b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(entry(*tag) for tag in tags) + b"\0" * 4
    assert apart.work(data) == 8 * 2_000 * 16_000


def test_scans_count_as_work() -> None:
    data = encode(PICTURE, "JPEG", progressive=True)
    assert apart.work(data) == 48 * 32 * limits.scans(data) > 48 * 32
