"""The packaged images: complete, credited, small, and readable by the app itself."""

import re
from dataclasses import fields
from io import BytesIO

import pytest
from PIL import Image

from core.errors import UnknownName
from core.images.opening import open_image
from core.paths import ASSETS
from core.samples import Sample, read, samples

FOLDER = ASSETS / "samples"
every_sample = pytest.mark.parametrize("sample", samples().values(), ids=lambda sample: sample.id)


def test_everyday_images_come_first_and_both_domains_are_there() -> None:
    domains = [sample.domain for sample in samples().values()]
    assert set(domains) == {"everyday", "far"}
    assert domains == sorted(domains)


def test_table_is_read_once() -> None:
    assert samples() is samples()


@every_sample
def test_every_fact_is_stated(sample: Sample) -> None:
    assert samples()[sample.id] is sample
    assert all(getattr(sample, field.name).strip() for field in fields(sample) if field.name != "right")
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", sample.id), "ids appear in addresses"
    assert sample.file.split(".")[0] == sample.id


@every_sample
def test_story_is_one_sentence(sample: Sample) -> None:
    assert re.fullmatch(r"[A-Z][^.!?]+[.?]", sample.story)


@every_sample
def test_file_opens_and_is_small(sample: Sample) -> None:
    image = open_image(read(sample.id))
    assert max(image.width, image.height) <= 640
    assert min(image.width, image.height) >= 180
    assert image.rgb.std() > 5, "an empty picture shows nothing"


@every_sample
def test_file_is_stored_upright(sample: Sample) -> None:
    with Image.open(BytesIO(read(sample.id))) as image:
        assert image.getexif().get(274, 1) == 1
        assert {"JPEG": "jpg", "PNG": "png"}[image.format or ""] == sample.file.split(".")[1]


def test_folder_holds_the_samples_and_nothing_else() -> None:
    listed = {sample.file for sample in samples().values()}
    assert {path.name for path in FOLDER.iterdir()} == listed | {"samples.toml"}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 2.5e6


def test_unknown_id_names_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"no sample called 'dog'.*astronaut"):
        read("dog")


@pytest.mark.parametrize("name", ["../samples/cat", "cat.jpg", "samples.toml", "", "/etc/passwd"])
def test_id_is_never_a_path(name: str) -> None:
    with pytest.raises(UnknownName):
        read(name)
