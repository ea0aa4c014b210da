"""How much is decoded, at what scale, and how much at once."""

import io
import threading

import numpy as np
import pytest
import torch
from image_files import PICTURE, encode
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from core import samples
from core.encoders import preprocess
from core.errors import ImageTooLarge
from core.images import limits
from core.images.image import SafeImage, crop_told, framed, seen_of, working_copy
from core.images.limits import MAX_PIXELS
from core.images.opening import glimpse, open_copy, open_image
from core.readout import shared_contender

SMALL = Image.fromarray(PICTURE)


def test_a_phone_photo_of_48_megapixels_is_its_small_twin() -> None:
    large = open_image(encode(SMALL.resize((8064, 6048), Image.Resampling.BICUBIC), "JPEG", quality=60))
    assert (large.width, large.height, large.size) == (4032, 3024, (8064, 6048))
    assert large.notes == ("decoded at 1/2 of its 8,064 × 6,048 pixels",)
    small = SMALL.resize((256, 192), Image.Resampling.BICUBIC)
    again = np.asarray(Image.fromarray(large.rgb).resize((256, 192), Image.Resampling.LANCZOS))
    assert np.abs(again.astype(int) - np.asarray(small)).mean() < 2


@pytest.mark.parametrize("id", ["cat", "coffee", "temple"])
def test_answers_of_a_phone_photo_are_those_of_all_its_pixels(id: str) -> None:
    """Decoded at a half, and whole as Pillow does without our limit: within .01 for every class of both encoders."""
    photo = Image.fromarray(samples.image(id).rgb).resize((8064, 6048), Image.Resampling.BICUBIC)
    file = encode(photo, "JPEG", quality=60)
    reduced, whole = open_copy(file).rgb, np.asarray(JpegImageFile(io.BytesIO(file)))
    for encoder in ("supervised", "simclr"):
        contender = shared_contender(encoder, "tiny-imagenet", torch.device("cpu"))
        recipe = contender.encoder.spec.preprocessing
        units = preprocess.to_unit(preprocess.model_crops([reduced, whole], recipe))
        with torch.inference_mode():
            ours, theirs = contender.logits(preprocess.normalise(units, recipe)).softmax(dim=1)
        assert (ours - theirs).abs().max() <= 0.01


def test_a_reduced_photo_is_upright_and_remembers_its_size() -> None:
    exif = Image.Exif()
    exif[274] = 6
    tall = open_copy(encode(SMALL.resize((8064, 6048)), "JPEG", quality=30, exif=exif))
    assert tall.size == (6048, 8064)
    assert tall.width < tall.height


def test_a_jpeg_beyond_every_scale_is_refused() -> None:
    with pytest.raises(ImageTooLarge, match="40 megapixels"):
        open_image(encode(Image.new("L", (65_000, 4_000)), "JPEG"))


def test_a_phones_48_megapixels_may_be_heic_and_no_more() -> None:
    limits.check_size(8064, 6048, limits.MAX_HEIC)
    with pytest.raises(ImageTooLarge):
        limits.check_size(8064, 6048)
    with pytest.raises(ImageTooLarge):
        limits.check_size(8700, 6048, limits.MAX_HEIC)


def scans(count: int, side: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    data = encode(SMALL.resize((side, side)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


@pytest.mark.parametrize(("count", "side"), [(100, 32), (60_000, 32), (30, 6000)])
def test_scans_are_counted_before_they_are_decoded(count: int, side: int) -> None:
    with pytest.raises(ImageTooLarge, match="scans"):
        open_image(scans(count, side))


def test_an_ordinary_progressive_jpeg_opens_and_scans_are_counted_right() -> None:
    data = encode(PICTURE, "JPEG", progressive=True)
    assert limits.scans(data) == data.count(b"\xff\xda")
    assert open_image(data).notes == ()
    thumbnail = encode(SMALL, "JPEG", exif=b"Exif\0\0" + b"\xff\xda" * 200)
    assert limits.scans(thumbnail) == 1, "what metadata holds is no scan"


@pytest.mark.parametrize("size", [(1024, 16_384), (16_384, 1024), (5000, 900)])
def test_a_working_copy_bounds_pixels(size: tuple[int, int]) -> None:
    whole = open_image(encode(Image.new("L", size, 99), "PNG"))
    small = working_copy(whole)
    assert small.width * small.height <= 2.63e6
    assert small.size == size
    assert small.width / small.height == pytest.approx(size[0] / size[1], rel=0.01)
    copied = open_copy(encode(Image.new("L", size, 99), "PNG"))
    np.testing.assert_array_equal(copied.rgb, small.rgb)
    assert copied == small


def test_a_glimpse_is_the_same_for_every_size_of_a_picture() -> None:
    (large,) = glimpse(encode(SMALL.resize((4800, 3200), Image.Resampling.BICUBIC), "JPEG", quality=90), 32)
    (small,) = glimpse(encode(PICTURE, "PNG"), 32)
    assert large.shape == (32, 32, 3)
    assert np.abs(large.astype(int) - small).mean() < 4


def test_decoding_takes_turns_in_order_and_never_more_than_fits() -> None:
    queue, running, most, order = limits.Queue(10), 0, 0, []
    lock, gate = threading.Lock(), threading.Event()

    def work(name: int, size: int) -> None:
        nonlocal running, most
        with queue.turn(size):
            with lock:
                running += min(size, 10)
                most = max(most, running)
                order.append(name)
            gate.wait(5)
            with lock:
                running -= min(size, 10)

    threads = [threading.Thread(target=work, args=(i, size)) for i, size in enumerate((4, 4, 99, 1, 1, 1))]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(5)
    assert most <= 10
    assert sorted(order) == list(range(6))
    with pytest.raises(ZeroDivisionError), queue.turn(10):
        _ = 1 / 0
    with queue.turn(10):
        pass  # what failed gave its room back


def test_large_images_are_decoded_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    turn = limits.Queue.turn
    monkeypatch.setattr(
        limits.Queue, "turn", lambda self, size, *gone: (taken.append(size), turn(self, size, *gone))[1]
    )
    open_image(encode(PICTURE, "PNG"))
    assert taken == [48 * 32]
    assert limits.DECODING._room == MAX_PIXELS


# What a square input sees


def blank(width: int, height: int) -> SafeImage:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2] = 200
    return SafeImage(pixels, "0" * 64, width, height)


def test_the_box_is_in_pixels_of_the_file() -> None:
    wide = blank(320, 96)
    assert seen_of(wide, 1.0) == (112, 0, 208, 96)
    assert seen_of(wide, 0.5) == (136, 24, 184, 72)
    assert seen_of(framed(wide, "pad"), 1.0) == (0, 0, 320, 96)
    assert seen_of(framed(wide, "squash"), 0.5) == (80, 24, 240, 72)
    reduced = SafeImage(wide.rgb, "0" * 64, 320, 96, original=(3200, 960))
    assert seen_of(reduced, 1.0) == (1120, 0, 2080, 960)


def test_all_of_an_image_is_in_its_square() -> None:
    wide = blank(320, 96)
    squashed, padded = framed(wide, "squash"), framed(wide, "pad")
    assert (squashed.width, squashed.height, padded.width, padded.height) == (96, 96, 320, 320)
    assert (squashed.rgb[:, 0] == 200).all()
    assert (padded.rgb[112:208] == wide.rgb).all()
    assert len({wide.digest, squashed.digest, padded.digest}) == 3, "caches tell them apart"
    assert framed(wide, "crop") is wide


@pytest.mark.parametrize(
    ("size", "told"), [((300, 300), False), ((400, 300), False), ((450, 300), False), ((460, 300), True)]
)
def test_more_than_a_third_left_out_is_told(size: tuple[int, int], told: bool) -> None:
    image = blank(*size)
    assert bool(crop_told(image)) is told
    assert not crop_told(framed(image, "pad"))
