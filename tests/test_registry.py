"""What every catalog entry, packaged file and task promises."""

import re
import subprocess
import sys
import tomllib
import unicodedata
from dataclasses import replace
from typing import get_args

import pytest
import torch
from toys import CPU

from core.encoders import architectures, encoder
from core.encoders.files import weights
from core.encoders.layouts import LAYOUTS
from core.encoders.registry import card, encoder_spec, encoders, parse
from core.encoders.spec import REGIMES, EncoderSpec, Regime
from core.errors import InvalidRequest, UnknownName
from core.heads import store
from core.paths import ASSETS, ROOT
from core.tasks import class_index, distinct_names, task, tasks
from core.text import spoken

ID = re.compile(r"[a-z0-9]+([-_.][a-z0-9]+)*")
POOLINGS = {
    "map": {"avg", "gem3", "head"},
    "tokens": {"token", "cls4", "cls-mean", "cls-mean-interleaved", "cls4-mean"},
    "pooled-tokens": {"head"},
    "class-attention": {"token"},
}
PACKAGED = {id: spec for id, spec in encoders().items() if spec.weights.packaged}
every_encoder = pytest.mark.parametrize("spec", encoders().values(), ids=encoders().keys())
every_packaged = pytest.mark.parametrize("spec", PACKAGED.values(), ids=PACKAGED.keys())


def test_something_is_packaged_and_comes_first() -> None:
    assert PACKAGED
    assert list(encoders())[: len(PACKAGED)] == list(PACKAGED)
    order = [spec.family for spec in PACKAGED.values()]
    assert order == sorted(order, key=["SL", "SSL", "random", "other"].index)


def test_the_catalog_is_read_without_torch_and_timm() -> None:
    """Commands that compute nothing list hundreds of entries, and start at once."""
    code = "import sys; from core.encoders import page, partners, registry, timm_rules; assert registry.encoders(); "
    heavy = "print(*{'torch', 'timm', 'numpy', 'pandas', 'streamlit'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code + heavy], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@every_encoder
def test_entry_is_complete_and_consistent(spec: EncoderSpec) -> None:
    assert ID.fullmatch(spec.id), "ids stand in links and file names"
    assert encoder_spec(spec.id) is spec
    assert spec.regime in REGIMES == get_args(Regime)
    for fact in (spec.label, spec.method, spec.target_layer, spec.licence, spec.paper, spec.source):
        assert fact.strip()
    assert spec.layout in LAYOUTS
    assert spec.pooling in POOLINGS[spec.layout]
    assert spec.preprocessing.interpolation in {"bilinear", "bicubic"}
    assert 0 < spec.preprocessing.size <= spec.preprocessing.resize
    assert spec.pretraining.data
    assert spec.pretraining.epochs is None or spec.pretraining.epochs >= 0
    assert not spec.note or spec.note.endswith(".")
    for head in spec.heads:
        assert head.task in tasks()
        assert head.pooling in POOLINGS[spec.layout]


@every_packaged
def test_architecture_is_as_wide_as_stated(spec: EncoderSpec) -> None:
    """Of the published ones test_verification_offline builds every layout."""
    with torch.device("meta"):
        assert architectures.build(spec.architecture, spec.options).num_features == spec.feature_dim


@every_encoder
def test_weight_files_are_described(spec: EncoderSpec) -> None:
    for file in {spec.weights, *(head.weights for head in spec.heads)}:
        assert re.fullmatch(r"([0-9a-f]{8,64})?", file.sha256)
        assert file.megabytes >= 0
        if file.packaged:
            assert len(file.sha256) == 64
            assert file.file == f"models/{spec.id}/weights.safetensors"
        else:
            assert file.url.startswith("https://")
            assert "/" not in file.file
            # One encoder with another head has the file of the first.
            assert file.file.startswith(spec.id) or file.file.startswith(
                spec.id.removesuffix("-cls").removesuffix("-4l")
            )


@every_packaged
def test_packaged_files_are_what_the_card_says(spec: EncoderSpec) -> None:
    assert weights.verify(spec.weights) == spec.weights.sha256
    assert weights.path_of(spec.weights).stat().st_size / 1e6 == pytest.approx(spec.weights.megabytes, abs=0.01)
    loaded = encoder.load(spec.id, CPU)
    assert loaded.network.num_features == spec.feature_dim
    assert all(value.isfinite().all() for value in loaded.network.state_dict().values())
    assert 1 < loaded.megabytes < 100


@every_packaged
def test_packaged_heads_fit_their_encoder_and_task(spec: EncoderSpec) -> None:
    found = store.tasks_of(spec)
    assert found
    assert {path.stem for path in (ASSETS / "heads" / spec.id).glob("*.safetensors")} == set(found)
    for id in found:
        head = store.load(encoder.load(spec.id, CPU), id)
        assert head.task == id
        assert head.protocol == "linear"
        assert head.calibrated
        assert head.weight.shape == (len(task(id).classes), spec.feature_dim)
        assert head.weight.isfinite().all()
        assert head.temperature > 0
        measured = card(spec.id)["measured"][id]
        assert measured == {key: head.facts[key] for key in measured}
        assert spec.id in store.encoders_for(id)


def test_one_encoder_at_least_can_answer() -> None:
    assert any(store.tasks_of(spec) for spec in PACKAGED.values())


def test_every_packaged_head_has_an_encoder() -> None:
    assert {path.name for path in (ASSETS / "heads").iterdir() if path.is_dir()} <= set(PACKAGED)


@pytest.mark.parametrize("path", sorted(ASSETS.glob("tasks/*.toml")), ids=lambda path: path.stem)
def test_task_is_complete(path) -> None:
    found = task(path.stem)
    assert ID.fullmatch(found.id)
    assert found.domain in {"source", "similar", "different"}
    assert found.label
    assert found.source
    assert found.licence
    assert len(found.classes) >= 2
    assert len({name.casefold() for name in found.classes}) == len(found.classes)
    assert all(name.strip() == name and name for name in found.classes)
    assert spoken(tomllib.loads(path.read_text())["classes"]) == found.classes


def test_names_of_folders_are_said_in_words_and_names_that_people_wrote_are_kept() -> None:
    assert spoken(["BareLand", "Port", "no_entry", "notumor"]) == ("Bare land", "Port", "no entry", "no tumour")
    assert spoken(["EntleBucher", "great white shark"]) == ("EntleBucher", "great white shark")
    assert spoken(["covid 19", "normal"]) == ("COVID-19", "normal")
    assert "no tumour" in task("brain_mri").classes
    assert "Bare land" in task("aid").classes


def test_imagenet_is_the_last_task_and_its_names_are_those_of_timm() -> None:
    from timm.data import ImageNetInfo

    info = ImageNetInfo("imagenet-1k")
    described = [info.index_to_description(index) for index in range(info.num_classes())]
    assert list(tasks())[-1] == "imagenet-1k"
    assert task("imagenet-1k").classes == distinct_names(described)


def test_class_by_a_name_with_accents(monkeypatch: pytest.MonkeyPatch) -> None:
    fish = replace(task("cifar10"), classes=("cat", "Évêque"))
    monkeypatch.setattr("core.tasks.tasks", lambda: {"fish": fish})
    for form in ("NFC", "NFD"):
        assert class_index("fish", unicodedata.normalize(form, "évêque")) == 1


def test_class_by_name() -> None:
    assert class_index("imagenet-1k", "Tench") == 0
    assert class_index("tiny-imagenet", "GOLDFISH") == task("tiny-imagenet").classes.index("goldfish")
    with pytest.raises(InvalidRequest, match=r"no class 'goldfsh'. Did you mean goldfish"):
        class_index("tiny-imagenet", "goldfsh")
    with pytest.raises(InvalidRequest, match=r"It has goldfish, .* and 195 more\."):
        class_index("tiny-imagenet", "0000")
    with pytest.raises(UnknownName, match=r"no task called 'cifar'.*tiny-imagenet"):
        class_index("cifar", "cat")


def test_hint_for_a_task_of_few_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    from core import tasks as module

    two = module.Task("xray", "X-ray", "different", ("normal", "pneumonia"), "somewhere", "unknown")
    monkeypatch.setattr(module, "tasks", lambda: {"xray": two})
    with pytest.raises(InvalidRequest, match=r"It has normal, pneumonia\.$"):
        class_index("xray", "0000")


def test_unknown_field_in_an_entry_is_refused() -> None:
    table = card(next(iter(PACKAGED)))["encoder"]
    with pytest.raises(TypeError, match="colour"):
        parse("x", table | {"colour": "red"})
    with pytest.raises(KeyError):
        parse("x", {key: value for key, value in table.items() if key != "weights"})


def test_card_of_a_published_encoder_is_empty() -> None:
    assert card("resnet50-dino") == {}
