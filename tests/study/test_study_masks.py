"""Masks beside a set: found, cropped as the picture, and what a map is worth against them, by hand."""

import shutil
from dataclasses import replace
from pathlib import Path

import dataset_files
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import study_manifests
from masked_images import HIGH, WIDE, draw, photographed
from scipy import stats
from study_runs import FEW, toy_setup
from test_study_measures import Shares, measured, toy_material
from toys import spec

from core.datasets.address import open_address
from core.encoders.preprocess import model_crop
from core.errors import DataUnavailable
from core.metrics import attribution as metrics
from core.plots import study_attribution as charts
from core.results import attribution, store
from core.study import run as running
from core.study.measures import objects
from core.study.measures.base import contender


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVARISCOPE_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("pictures", ["", "images/"])
@pytest.mark.parametrize("packed", [False, True])
def test_masks_beside_a_set_are_found_and_are_no_class(pictures: str, packed: bool, root: Path) -> None:
    made = photographed(root / "own", pictures)
    if packed:
        shutil.make_archive(str(root / "packed"), "zip", root, "own")
    found = open_address("folder:packed.zip" if packed else "folder:own")
    assert found.classes == ("cat", "dog")
    assert "8 images have a mask of their object in 'masks'" in found.spec.note
    part = found.parts["test"]
    assert found.parts["train"].mask is None
    assert part.mask is not None
    for i, id in enumerate(part.ids):
        mask = part.mask(i)
        assert (mask is None) == (id not in made)
        if mask is not None:
            np.testing.assert_array_equal(mask, made[id])


def test_another_mask_is_another_set(root: Path) -> None:
    photographed(root / "own", "")
    before = open_address("folder:own").fingerprint
    draw(root / "own/masks/test/cat/1.png", np.ones((HIGH, WIDE)))
    assert open_address("folder:own").fingerprint != before


def test_a_class_called_masks_stays_a_class(root: Path) -> None:
    for name in ("faces", "masks"):
        for i in range(6):
            draw(root / f"own/{name}/{name}{i}.png", np.full((20, 20, 3), 40 * i))
    found = open_address("folder:own")
    assert found.classes == ("faces", "masks")
    assert found.parts["test"].mask is None


def test_trimaps_of_pets_mark_the_animal_and_its_outline(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pets = dataset_files.miniature("oxford-pets", root, monkeypatch)
    trimap = np.array([[1, 1, 2, 2], [1, 3, 2, 2], [3, 2, 2, 2], [2, 2, 2, 2]])
    draw(root / "oxford-iiit-pet/annotations/trimaps/breed_00_test.png", trimap)
    part = pets.open(root).parts["test"]
    assert part.mask is not None
    at = next(i for i, id in enumerate(part.ids) if "breed_00" in id)
    np.testing.assert_array_equal(part.mask(at), trimap != 2)
    assert part.mask((at + 1) % len(part)) is None


def test_a_mask_is_cropped_as_its_picture(root: Path) -> None:
    """Cell by cell the crop of the mask is that of a picture that shows nothing but the mask."""
    made = photographed(root / "own", "")
    part = open_address("folder:own").parts["test"]
    recipe = replace(spec("toy", dim=3, size=24).preprocessing, resize=27, interpolation="bilinear")
    for i, id in enumerate(part.ids):
        cover = objects.cover(part, i, recipe, (4, 4))
        assert (cover is None) == (id not in made)
        if cover is not None:
            crop = model_crop(np.repeat(made[id][:, :, None] * np.uint8(255), 3, 2), recipe)[:, :, 0] / 255
            np.testing.assert_allclose(cover, crop.reshape(4, 6, 4, 6).mean((1, 3)))


def test_a_mask_of_another_shape_or_no_image_is_told_of(root: Path) -> None:
    photographed(root / "own", "")
    draw(root / "own/masks/test/cat/1.png", np.ones((WIDE, HIGH)))
    (root / "own/masks/test/cat/2.png").write_bytes(b"no image")
    part = open_address("folder:own").parts["test"]
    recipe = spec("toy", dim=3, size=24).preprocessing
    with pytest.raises(DataUnavailable, match=r"mask of test/cat/1.jpg has 36 × 60 pixels and its picture 60 × 36"):
        objects.cover(part, 1, recipe, (4, 4))
    with pytest.raises(DataUnavailable, match=r"mask of test/cat/2.jpg cannot be read"):
        objects.cover(part, 2, recipe, (4, 4))


def test_a_map_that_is_the_mask_scores_one_and_a_flat_one_the_area_of_the_mask() -> None:
    """On the toy network, whose map is the picture: what it sees as class 0 is the mask, then everything."""
    material = toy_material(Shares())
    rows = measured("attribution", material).tables["attribution"].to_pandas()
    assert rows[["in_mask", "pointing", "mask_area", "mask_centre"]].isna().all(axis=None), "a set without masks"
    part = material.images.parts["test"]
    weight = contender(material).head.weight.numpy()
    by_id = {id: i for i, id in enumerate(part.ids)}

    def evidence(i: int, label: int) -> np.ndarray:
        cells = (part.read(i).astype(np.float64) / 255).reshape(4, 4, 4, 4, 3).mean((1, 3))
        return np.maximum(cells @ weight[label], 0)

    def upright(cells: np.ndarray) -> np.ndarray:
        return cells.repeat(4, 0).repeat(4, 1)

    labels = {row["sample_id"]: row["class"] for row in rows[rows["role"] == "true"].to_dict("records")}
    positive = {id: evidence(by_id[id], label) > 0 for id, label in labels.items()}
    masked = replace(part, mask=lambda i: upright(positive[part.ids[i]]) if part.ids[i] in positive else None)
    own = replace(material, images=replace(material.images, parts={**material.images.parts, "test": masked}))
    found = measured("attribution", own)
    rows = found.tables["attribution"].to_pandas()
    rows = rows[(rows["role"] == "true") & rows["mask_area"].notna()]
    assert found.facts["masks"] == len(rows) == sum(each.any() for each in positive.values()) > 5
    np.testing.assert_allclose(rows["in_mask"], 1, atol=1e-6)
    np.testing.assert_allclose(rows["pointing"], 1)
    np.testing.assert_allclose(rows["mask_area"], [positive[id].mean() for id in rows["sample_id"]], atol=1e-6)
    half = np.zeros((4, 4))
    half[:, :1] = 1
    assert metrics.energy_in_mask(np.ones((4, 4)), half) == half.mean()
    assert metrics.pointing_hit(np.ones((4, 4)), half) == half.mean()
    assert metrics.energy_in_mask(metrics.centred_gaussian(4, 4), half) < half.mean()


def test_a_study_with_masks_says_where_the_evidence_lies(root: Path) -> None:
    photographed(root / "data/near", "")
    photographed(root / "data/far", "")
    shutil.rmtree(root / "data/far/masks")
    options = {"attribution": FEW["attribution"] | {"samples": 10}}
    setup = toy_setup(root, measures=("answers", "attribution"), options=options, seeds=1)
    events = list(running.study(setup))
    assert not [event.reason for event in events if event.kind == "failed"]
    info = store.study("toy", [str(Path(setup.out).parent)])
    assert attribution.on_objects(info, ("random",), "far").empty
    table = attribution.on_objects(info, ("random",), "near").set_index("figure")
    rows = attribution.images(info, ("random",), ("near",))
    assert len(rows) == 10
    kept = pd.read_parquet(next(Path(setup.out).glob("attribution/near.*.parquet")))
    kept = kept[(kept["role"] == "predicted") & kept["mask_area"].notna() & kept["in_mask"].notna()]
    assert 5 < len(kept) <= 8
    for figure in attribution.OBJECTS:
        gain = (kept[figure] - kept["mask_area"]).astype(float)
        assert table.loc[figure, "mean"] == pytest.approx(kept[figure].mean())
        assert table.loc[figure, "gain"] == pytest.approx(gain.mean(), abs=1e-6)
        low, high = stats.t.interval(0.95, len(gain) - 1, gain.mean(), stats.sem(gain))
        assert table.loc[figure, ["low", "high"]].tolist() == pytest.approx([low, high], abs=1e-6)
    folder = Path(setup.out)  # a cell of a time before masks, which had fewer columns
    (old,) = folder.glob("attribution/far.*.parquet")
    pq.write_table(pq.read_table(old).drop_columns(["in_mask", "pointing", "mask_area", "mask_centre"]), old)
    study_manifests.write(folder, study_manifests.read(folder))
    info = store.study("toy", [str(folder.parent)])
    assert len(attribution.images(info, ("random",), ("far", "near"))) == 20
    said = charts.objects_finding(table.reset_index(), {"random": "Untrained"})
    assert f"Untrained has {kept['in_mask'].mean():.0%} of its evidence on the object" in said
    assert f"{kept['mask_area'].mean():.0%}, its share of the picture" in said
