"""People's own files: good ones are shown, bad ones are named and do no harm."""

from hashlib import sha256

import pytest
from photos import BROKEN, encoded, photo
from PIL import Image

from core.images import apart
from core.samples import samples
from pages.ui import inputs, uploads

SAMPLE = samples()[inputs.DEFAULT_IMAGE].title


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(photo(), "JPEG", exif=exif)


GOOD = {
    "photo.png": (encoded(photo(), "PNG"), "96 × 64"),
    "cmyk.jpg": (encoded(photo().convert("CMYK"), "JPEG"), "96 × 64"),
    "deep.png": (encoded(photo().convert("L").convert("I;16"), "PNG"), "96 × 64"),
    "moving.gif": (encoded(photo(1), "GIF", save_all=True, append_images=[photo(2), photo(3)]), "96 × 64"),
    "upright.jpg": (rotated(), "64 × 96"),
    "tiny.png": (encoded(photo(width=1, height=1), "PNG"), "1 × 1"),
    "long.webp": (encoded(photo(width=900, height=6), "WEBP"), "900 × 6"),
}


def shown(at) -> list[str]:
    return [part.alt for image in at.image for part in image.proto.imgs]


@pytest.mark.parametrize("name", GOOD)
def test_a_good_file_is_shown(name, open_page, use_upload):
    data, size = GOOD[name]
    at = use_upload(open_page("compare.py"))
    at.file_uploader(key="uploads").upload(name, data).run()
    assert not at.exception
    assert not at.error
    assert f"The image that is compared: {name}." in shown(at)
    assert any(note.value.startswith(name) and f"{size} px" in note.value for note in at.caption)
    assert any("not part of the page's address" in note.value for note in at.caption)


@pytest.mark.parametrize("page", ["overview.py", "attribution.py", "invariance.py"])
def test_other_pages_take_an_upload(page, open_page, use_upload):
    at = use_upload(open_page(page))
    at.file_uploader(key="uploads").upload("moving.gif", GOOD["moving.gif"][0]).run()
    assert not at.exception
    assert not at.error
    assert at.image


@pytest.mark.parametrize("name", BROKEN)
def test_a_bad_file_is_named_and_the_sample_stays(name, open_page, use_upload):
    at = use_upload(open_page("compare.py"))
    at.file_uploader(key="uploads").upload(name, BROKEN[name]).run()
    assert not at.exception
    (error,) = at.error
    assert error.value.startswith(f"{name}: ")
    assert f"The image that is compared: {SAMPLE}." in shown(at)


def test_a_bad_file_after_a_good_one_leaves_the_good_one(open_page, use_upload):
    at = use_upload(open_page("compare.py"))
    at.file_uploader(key="uploads").upload("photo.png", GOOD["photo.png"][0]).run()
    for name, data in BROKEN.items():
        at.file_uploader(key="uploads").set_value(
            [("photo.png", GOOD["photo.png"][0], "image/png"), (name, data, "image/png")]
        ).run()
        assert not at.exception
        (error,) = at.error
        assert error.value.startswith(f"{name}: ")
        assert "The image that is compared: photo.png." in shown(at)


def test_the_chosen_sample_stays_until_a_file_is_there(open_page, use_upload):
    at = use_upload(open_page("compare.py", image="coffee"))
    expected = f"The image that is compared: {samples()['coffee'].title}."
    assert expected in shown(at)
    at.run()
    assert expected in shown(at)
    at.file_uploader(key="uploads").upload("empty.png", b"").run()
    assert expected in shown(at)
    at.button_group(key="image_source").set_value(inputs.FROM_SAMPLES).run()
    assert expected in shown(at)


def test_several_uploads_become_a_table(open_page, use_upload, photos):
    at = use_upload(open_page("compare.py"))
    files = [(f"{i}.png", data, "image/png") for i, data in enumerate(photos)]
    at.file_uploader(key="uploads").set_value(files).run()
    assert not at.exception
    (batch,) = [table.value for table in at.dataframe if "size" in table.value]
    assert list(batch["image"]) == [name for name, _, _ in files]
    assert f"All {len(files)} uploads" in [heading.value for heading in at.header]
    at.selectbox(key="upload_shown").set_value(3).run()
    assert not at.exception
    assert "The image that is compared: 3.png." in shown(at)


def test_two_files_of_one_name_are_two_images(open_page, use_upload, photos):
    at = use_upload(open_page("compare.py"))
    files = [("same.png", data, "image/png") for data in photos[:2]]
    at.file_uploader(key="uploads").set_value(files).run()
    assert not at.exception
    (batch,) = [table.value for table in at.dataframe if "size" in table.value]
    assert list(batch["image"]) == ["same.png", "same.png"]


def test_fewer_uploads_than_the_one_shown(open_page, use_upload, photos):
    at = use_upload(open_page("compare.py"))
    files = [(f"{i}.png", data, "image/png") for i, data in enumerate(photos)]
    at.file_uploader(key="uploads").set_value(files).run()
    at.selectbox(key="upload_shown").set_value(5).run()
    at.file_uploader(key="uploads").set_value(files[:2]).run()
    assert not at.exception
    assert "The image that is compared: 0.png." in shown(at)


def test_several_uploads_wait_for_the_button_of_a_sweep(open_page, use_upload, photos):
    at = use_upload(open_page("invariance.py", augmentation="hue"))
    at.file_uploader(key="uploads").set_value([(f"{i}.png", d, "image/png") for i, d in enumerate(photos)]).run()
    assert not at.exception
    assert any("from the last run" in note.value for note in at.warning)
    at.button(key="run_sweep").click().run()
    assert not at.exception
    assert not at.warning
    (table,) = [found.value for found in at.dataframe if "measure" in found.value]
    assert set(table["images"]) == {len(photos)}


def test_a_camera_photo_is_shown(open_page):
    at = open_page("compare.py")
    at.button_group(key="image_source").set_value(inputs.FROM_CAMERA).run()
    at.camera_input(key="camera").upload("shot.jpg", encoded(photo(), "JPEG")).run()
    assert not at.exception
    assert "The image that is compared: Camera photo." in shown(at)


def test_an_oblong_image_is_told_and_shown_whole_when_asked(open_page, use_upload) -> None:
    at = use_upload(open_page("attribution.py", view="whole"))
    at.file_uploader(key="uploads").upload("wide.png", encoded(photo(3).crop((0, 0, 96, 30)), "PNG")).run()
    assert not at.exception
    told = " ".join(caption.value for caption in at.sidebar.caption)
    assert "69% of this image, left and right, lies outside" in told
    for fit in ("pad", "squash", "crop"):
        at.button_group(key="fit").set_value(fit).run()
        assert not at.exception
        assert "lies outside" in " ".join(c.value for c in at.sidebar.caption), "the choice stays where it was made"


def test_what_was_done_to_show_an_image_is_said(open_page, use_upload) -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    at = use_upload(open_page("compare.py"))
    at.file_uploader(key="uploads").upload("two.gif", data).run()
    assert not at.exception
    assert any("Frame 1 of 2 is shown." in caption.value for caption in at.sidebar.caption)


def test_an_upload_that_comes_later_is_the_one_that_is_shown(open_page, use_upload, photos):
    at = use_upload(open_page("compare.py"))
    files = [(f"{i}.png", data, "image/png") for i, data in enumerate(photos)]
    at.file_uploader(key="uploads").set_value(files[:2]).run()
    assert "The image that is compared: 0.png." in shown(at)
    at.file_uploader(key="uploads").set_value(files[:3]).run()
    assert "The image that is compared: 2.png." in shown(at)


def test_labelled_uploads_are_a_small_study(open_page, use_upload, photos):
    at = use_upload(open_page("compare.py", encoders=["supervised", "simclr"]))
    files = [(f"{i}.png", data, "image/png") for i, data in enumerate(photos[:4])]
    at.file_uploader(key="uploads").set_value(files).run()
    (batch,) = [table.value for table in at.dataframe if "size" in table.value]
    labels = {sha256(data).hexdigest(): label for (_, data, _), label in zip(files, batch["supervised"], strict=True)}
    at.session_state[uploads.KEPT] = labels
    at.run()
    assert not at.exception
    (scores,) = [table.value for table in at.dataframe if "right" in table.value]
    assert list(scores["right"]) == [4, int((batch["simclr"] == batch["supervised"]).sum())]
    assert any(text.value.startswith("**Right: ") for text in at.markdown)


def test_answers_to_a_sample_are_marked(open_page):
    at = open_page("compare.py", image="cat", task="cifar10", encoders=["supervised", "simclr", "random"])
    (facts,) = [table.value for table in at.dataframe if "contender" in table.value]
    marks = [
        text.value
        for text in at.markdown
        if "-badge[" in text.value and ("right" in text.value or "wrong" in text.value)
    ]
    assert ["right" in mark for mark in marks] == [answer == "cat" for answer in facts["answer"]]
    at = open_page("compare.py", image="moon", task="cifar10")
    assert not [text for text in at.markdown if "-badge[" in text.value and "wrong" in text.value]


def test_a_refused_file_is_not_decoded_again_until_it_is_uploaded_again(open_page, use_upload, monkeypatch):
    decode, asked = apart.open_copy_in_time, []
    monkeypatch.setattr(apart, "open_copy_in_time", lambda data, gone: (asked.append(data), decode(data, gone))[1])
    at = use_upload(open_page("compare.py"))
    name, data = next(iter(BROKEN.items()))
    for _ in range(2):
        at.file_uploader(key="uploads").upload(name, data).run()
        at.run()
        assert len([error for error in at.error if name in error.value]) == 1
    assert asked == [data, data]
