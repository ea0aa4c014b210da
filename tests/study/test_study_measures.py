"""Measures of a study: closed-form encoders, independent formulas, and the tables they leave."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from study_material import part_of, pictures_material
from study_runs import FEW, tables, toy_folders, toy_setup
from study_runs import MEASURES as ALL
from torch import Tensor, nn
from toys import CPU, spec

from core import devices
from core.attribution import faithfulness
from core.augmentations import AUGMENTATIONS
from core.encoders.encoder import Encoder, freeze
from core.errors import InvalidRequest, UnknownName
from core.results import store
from core.study import run as running
from core.study.engines.base import Setup
from core.study.measures import MEASURES
from core.study.measures.base import Found, contender
from core.study.measures.invariance import Space, draw_of, strengths_of
from core.study.plan import Plan
from core.study.protocols.base import Material


@pytest.fixture
def in_full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Held against arithmetic in float32 and finer: bfloat16, where a processor has it, rounds toy numbers apart."""
    monkeypatch.setattr(devices, "has_fast_bf16", lambda device: False)


SIDE = 16
BELOW = (
    ("invariance", "samples", 9),
    ("invariance", "strengths", 1),
    ("invariance", "augmentations", [["hue"]]),
    ("attribution", "samples", 9),
    ("geometry", "samples", 19),
    ("geometry", "bank", 19),
    ("few-shot", "ways", 1),
    ("fine-tune", "batch", 1),
)
"""Options that are too small, or no options at all."""


class Shares(nn.Module):
    """A map that is the image itself, so that its mean does not move when the image is shifted in a circle."""

    num_features = 3
    feature_info = ({"num_chs": 3, "reduction": 1, "module": "keep"},)

    def __init__(self, grey: bool = False) -> None:
        super().__init__()
        self.grey = grey
        self.keep = nn.Conv2d(3, 3, 1, bias=False)
        with torch.no_grad():
            self.keep.weight.copy_(torch.eye(3)[:, :, None, None])

    def forward_features(self, x: Tensor) -> Tensor:
        if self.grey:
            # What a turn of the hue keeps: the largest and the smallest channel, and a constant.
            x = torch.stack((x.amax(1), x.amin(1), torch.ones_like(x[:, 0])), 1)
        return nn.functional.avg_pool2d(self.keep(x), 4)


def toy_encoder(network: nn.Module) -> Encoder:
    return freeze(spec("toy", dim=3, size=SIDE), network, CPU, "0" * 64)


def toy_material(network: nn.Module, **options: object) -> Material:
    """Thirty training and twenty test pictures of three colours, with noise."""
    rng = np.random.default_rng(0)
    base = np.array([[200, 60, 40], [50, 190, 70], [60, 80, 210]])

    def pictures(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(count) % 3
        noise = rng.normal(0, 40, (count, SIDE, SIDE, 3))
        return np.clip(base[labels][:, None, None] + noise, 0, 255).astype(np.uint8), labels.astype(np.int64)

    parts = {name: part_of(name, *pictures(count)) for name, count in (("train", 30), ("test", 20))}
    return pictures_material(toy_encoder(network), parts, 3, Path("/nowhere"), 0, **options)


def measured(id: str, material: Material) -> Found:
    return MEASURES[id].run(replace(material, options=FEW[id] | material.options))


def test_a_circular_shift_leaves_a_translation_invariant_network_unmoved(monkeypatch: pytest.MonkeyPatch) -> None:
    def shift(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
        rolls = (strengths * SIDE).round().long()
        return torch.stack([torch.roll(image, int(by), 2) for image, by in zip(images, rolls, strict=True)])

    like = AUGMENTATIONS["translation"]
    circular = replace(
        like, id="circular", transform=shift, inverse_warp=None, strengths=(0.0, 0.25, 0.5), seeded=False
    )
    monkeypatch.setitem(AUGMENTATIONS, "circular", circular)
    found = measured("invariance", toy_material(Shares(), augmentations=["circular"]))
    rows = found.tables["invariance"].to_pandas()
    assert len(rows) == 20
    for column in ("cosine", "centred", "whitened", "rank"):
        np.testing.assert_allclose(rows[column], 1, atol=2e-3)
    assert not rows["flipped"].any()
    assert found.tables["critical"].to_pandas()["censored"].all()


def test_a_network_that_ignores_colour_is_unmoved_by_hue() -> None:
    blind = measured("invariance", toy_material(Shares(grey=True), augmentations=["hue"]))
    np.testing.assert_allclose(blind.tables["invariance"].to_pandas()["cosine"], 1, atol=2e-3)
    seeing = measured("invariance", toy_material(Shares(), augmentations=["hue"])).tables["invariance"].to_pandas()
    assert seeing.query("strength == 180")["flipped"].mean() > 0.5


@pytest.mark.usefixtures("in_full_precision")
def test_whitened_similarity_is_that_of_ericssons_definition() -> None:
    """w(x) = (f(x) − μ) L with L Lᵀ = Σ⁻¹ of the training features: Mahalanobis products, written from the paper."""
    material = toy_material(Shares(), augmentations=["hue"], shrinkage=0.0, strengths=2)
    rows = measured("invariance", material).tables["invariance"].to_pandas()
    train = np.asarray(material.train.values, np.float64)
    mean, precision = train.mean(0), np.linalg.inv(np.cov(train.T, bias=True))
    by_id = {id: i for i, id in enumerate(material.test.ids)}
    network = Shares()
    for row in rows.to_dict("records"):
        unit = torch.from_numpy(material.images.parts["test"].read(by_id[row["sample_id"]])).permute(2, 0, 1) / 255
        seeds = torch.tensor([draw_of(row["sample_id"], 0)])
        view = AUGMENTATIONS["hue"].apply(unit[None], torch.tensor([row["strength"]]), seeds)
        with torch.no_grad():
            one, two = (network.forward_features(x).mean((2, 3))[0].double().numpy() - mean for x in (unit[None], view))
        expected = one @ precision @ two / np.sqrt((one @ precision @ one) * (two @ precision @ two))
        assert row["whitened"] == pytest.approx(expected, abs=2e-3)  # half precision in the table


@pytest.mark.usefixtures("in_full_precision")
def test_the_search_brackets_the_flip() -> None:
    material = toy_material(Shares(), augmentations=["hue"], samples=20)
    found = measured("invariance", material)
    tipping = found.tables["critical"].to_pandas()
    flipped = tipping[~tipping["censored"]]
    assert len(flipped) > 5
    who = contender(material)
    head_weight, bias = who.head.weight, who.head.bias
    by_id = {id: i for i, id in enumerate(material.test.ids)}

    def answer(sample: str, strength: float) -> int:
        unit = torch.from_numpy(material.images.parts["test"].read(by_id[sample])).permute(2, 0, 1) / 255
        view = AUGMENTATIONS["hue"].apply(unit[None], torch.tensor([strength]), torch.tensor([draw_of(sample, 0)]))
        return int((Shares().forward_features(view).mean((2, 3)) @ head_weight.T + bias).argmax())

    gap = np.diff([0, *strengths_of(AUGMENTATIONS["hue"], 2)]).max()
    for row in flipped.to_dict("records"):
        assert 0 < row["strength"] - row["withstood"] <= gap / 16 + 1e-4
        assert answer(row["sample_id"], row["withstood"]) == answer(row["sample_id"], 0)
        assert answer(row["sample_id"], row["strength"]) != answer(row["sample_id"], 0)


def test_a_random_projection_scores_its_floor_between_images() -> None:
    """Features without any relation to the image are as alike as two of different images."""
    found = measured("invariance", toy_material(Shares()))
    rng = np.random.default_rng(1)
    bank, clean, other = (rng.normal(size=(400, 8)) for _ in range(3))
    space = Space(bank, clean.astype(np.float32), 0.0)
    drawn = space.compare(other.astype(np.float32), np.arange(400))
    assert drawn["whitened"].mean() == pytest.approx(space.floors["whitened"], abs=0.05)
    assert drawn["rank"].mean() == pytest.approx(0.5, abs=0.05)
    assert {"floor_cosine", "floor_centred", "floor_whitened"} <= found.facts.keys()


def test_maps_of_a_linear_network_by_hand() -> None:
    material = toy_material(Shares())
    rows = measured("attribution", material).tables["attribution"].to_pandas()
    weight = contender(material).head.weight.numpy()
    by_id = {id: i for i, id in enumerate(material.test.ids)}
    for row in rows.to_dict("records"):
        unit = material.images.parts["test"].read(by_id[row["sample_id"]]).astype(np.float64) / 255
        cells = unit.reshape(4, 4, 4, 4, 3).mean((1, 3))
        expected = cells @ weight[row["class"]] / 16
        np.testing.assert_allclose(np.reshape(row["map"], (4, 4)), expected, atol=5e-3)
        positive = np.maximum(expected, 0)
        assert row["evidence"] == pytest.approx(positive.sum(), rel=1e-3, abs=1e-4)
        if positive.sum() > 0:
            shares = positive.ravel() / positive.sum()
            assert row["effective"] == pytest.approx(np.exp(stats.entropy(shares)) / 16, rel=1e-3)
            pairs = np.abs(shares[:, None] - shares[None]).sum() / (2 * 16 * shares.sum())
            assert row["gini"] == pytest.approx(pairs, abs=1e-4)
    paths = rows[rows["role"] == "predicted"].dropna(subset=["deletion"])
    assert len(paths) == 4
    assert rows[rows["role"] == "true"]["deletion"].isna().all()


def test_both_ends_of_a_path_are_the_empty_and_the_whole_image() -> None:
    reached = faithfulness.masks(faithfulness.centre_first(4, 4), 4, 4)
    assert not reached[0].any()
    assert reached[-1].all()
    assert (np.diff(reached.sum((1, 2))) == 2).all()
    assert reached[2, 1:3, 1:3].all(), "the centre comes first"


def test_options_are_checked() -> None:
    with pytest.raises(UnknownName, match="augmentation"):
        measured("invariance", toy_material(Shares(), augmentations=["nonsense"]))
    with pytest.raises(InvalidRequest, match="strengths"):
        measured("invariance", toy_material(Shares(), strengths=1))
    for id, option, value in BELOW:
        with pytest.raises(InvalidRequest, match=option):
            Plan("p", ("random",), ("folder:x",), options={id: {option: value}}).check().check_options()
    with pytest.raises(UnknownName, match="measure"):
        Plan("p", ("random",), ("folder:x",), measures=("answers", "wonder")).check()
    with pytest.raises(InvalidRequest, match=r"measure invariance has no option shots"):
        Plan("p", ("random",), ("folder:x",), options={"invariance": {"shots": 1}}).check()


@pytest.fixture
def setup(tmp_path: Path) -> Callable[..., Setup]:
    toy_folders(tmp_path)
    options = {id: dict(each) for id, each in FEW.items()}
    return lambda **changed: toy_setup(tmp_path, **({"measures": ALL, "options": options, "seeds": 1} | changed))


def test_a_study_grows_by_measures_and_keeps_its_answers(setup) -> None:
    list(running.study(setup(measures=("answers",))))
    answers = {name: data for name, data in tables(setup().out).items() if name.startswith("cells/")}
    events = list(running.study(setup()))
    assert {e.what for e in events if e.kind == "cell"} == {
        f"{dataset}.{measure}.random.0" for dataset in ("near", "far") for measure in ALL[1:]
    }
    assert not [e.reason for e in events if e.kind == "failed"]
    found = tables(setup().out)
    assert {name.partition("/")[0] for name in found} == {
        *("cells", "logits", "invariance", "critical", "attribution", "geometry", "features", "distances.parquet")
    }
    for name, before in answers.items():
        pd.testing.assert_frame_equal(found[name], before)
    info = store.study("toy", [str(Path(setup().out).parent)])
    assert len(info.done("linear")) == 2, "measures are no answers"
    assert info.done(measure="geometry") == ["near.geometry.random.0", "far.geometry.random.0"]
    assert not [e for e in running.study(setup()) if e.kind == "cell"], "what is done stays done"
    changed = {id: dict(each) for id, each in FEW.items()} | {"geometry": {"samples": 21, "bank": 20}}
    again = [e.what for e in running.study(setup(options=changed)) if e.kind == "cell"]
    assert again == ["near.geometry.random.0", "far.geometry.random.0"]
