from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from study_images import draw_folder, show
from study_rows import invent

from core.errors import DataUnavailable
from core.results.info import StudyInfo
from core.results.store import study
from core.study import gallery


@pytest.fixture
def shown(tmp_path: Path) -> tuple[StudyInfo, Path]:
    folder = draw_folder(tmp_path / "scans")
    show(invent(tmp_path / "results", samples=20, seeds=1, protocols=("linear",)), folder)
    return study("invented", [str(tmp_path / "results")]), folder


def images_of(info: StudyInfo) -> gallery.Gallery:
    about = info.datasets["scans"]
    return gallery.open_gallery(about["address"], about["fingerprint"])


def test_a_sample_is_the_file_it_was(shown) -> None:
    info, folder = shown
    image = images_of(info).image("test/bone/03.png")
    assert image is not None
    np.testing.assert_array_equal(image.rgb, np.asarray(Image.open(folder / "test/bone/03.png")))
    assert not image.rgb.flags.writeable
    assert (image.width, image.height) == (28, 24)
    other = images_of(info).image("test/bone/04.png")
    assert other is not None
    assert other.digest != image.digest
    assert images_of(info).image("test/bone/03.png") == image


def test_no_such_sample_and_a_broken_file_give_nothing(shown) -> None:
    info, folder = shown
    assert images_of(info).image("test/bone/99.png") is None
    opened = images_of(info)
    (folder / "test/bone/03.png").write_bytes(b"no image")
    assert opened.image("test/bone/03.png") is None
    assert opened.image("test/bone/02.png") is not None


def test_a_set_that_changed_says_so_and_still_gives_samples_by_id(shown) -> None:
    info, folder = shown
    assert not images_of(info).changed
    Image.new("RGB", (24, 24), "red").save(folder / "test/bone/77.png")
    opened = images_of(info)
    assert opened.changed
    assert opened.image("test/bone/03.png") is not None


def test_an_absent_set_says_where_it_is_looked_for_and_what_to_do(shown, tmp_path, monkeypatch) -> None:
    info, _ = shown
    monkeypatch.setenv("INVARISCOPE_DATA", str(tmp_path / "elsewhere"))
    about = info.datasets["birds"]
    with pytest.raises(DataUnavailable) as error:
        gallery.open_gallery(about["address"], about["fingerprint"])
    line, said = gallery.absent(info, "birds", str(error.value))
    assert line == "The images of Birds are not at hand: rows hold the recorded answers."
    assert "folder:/nowhere/birds" in said
    assert str(tmp_path / "elsewhere") in said
    assert "INVARISCOPE_DATA" in said
