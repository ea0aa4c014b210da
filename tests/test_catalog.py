"""The catalog as a whole: complete against the survey of checkpoints, and free of the traps that are facts."""

import csv
import re
import tomllib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import timm

from core.encoders import architectures, page, timm_catalog, timm_rules
from core.encoders.registry import CATALOG, architecture_facts, encoder_spec, encoders, parse, tables
from core.encoders.spec import LINES, NativeHead, Preprocessing, WeightFile

with (Path(__file__).parent / "survey.csv").open(newline="") as file:
    SURVEY = {row["id"]: row for row in csv.DictReader(file)}
LEFT_OUT = tomllib.loads((CATALOG / "left_out.toml").read_text(encoding="utf-8"))
EXCLUDED = {name: group["reason"] for group in LEFT_OUT["survey"] for name in group["names"]}
COVERED = Counter(name for spec in encoders().values() for name in spec.covers)
PUBLISHED = {id: spec for id, spec in encoders().items() if not spec.weights.packaged}
TIMM = {id: spec for id, spec in PUBLISHED.items() if f"timm:{id}" in spec.covers}


def test_every_surveyed_checkpoint_is_offered_or_left_out_for_a_reason() -> None:
    assert len(SURVEY) == 420
    wanted = {id for id, row in SURVEY.items() if row["evidence"] in "AB"}
    of_timm = {id for id in SURVEY if id.startswith("timm:") and timm_rules.reason(id.removeprefix("timm:"))}
    assert wanted <= COVERED.keys() | EXCLUDED.keys() | of_timm
    assert not COVERED.keys() & (EXCLUDED.keys() | of_timm)
    assert EXCLUDED.keys() <= SURVEY.keys()
    reasons = [*EXCLUDED.values(), *LEFT_OUT["timm"].values()]
    assert [reason for reason in reasons if not re.fullmatch(r"\S.{20,}\.", reason)] == []
    assert [name for name, count in COVERED.items() if count > 1] == []


def test_labels_tell_encoders_apart() -> None:
    assert [label for label, n in Counter(spec.label for spec in encoders().values()).items() if n > 1] == []


def test_lines_are_known_and_all_used() -> None:
    assert {spec.line for spec in encoders().values()} == set(LINES)


REGIMES = {
    "supervised": {"supervised"},
    "semi-supervised": {"semi-supervised"},
    "semi-weakly-supervised": {"semi-weakly-supervised"},
    "weakly-supervised": {"weakly-supervised"},
    "vision-language": {"vision-language"},
    "ssl+supervised-ft": {"self-supervised-fine-tuned"},
    "ssl(MIM, CLIP teacher)+supervised-ft": {"self-supervised-fine-tuned"},
    "ssl (MIM, CLIP teacher)": {"vision-language"},
}


def test_regimes_are_those_of_the_survey() -> None:
    for id, spec in PUBLISHED.items():
        for name in spec.covers:
            if name in SURVEY:
                family = SURVEY[name]["family"]
                assert spec.regime in REGIMES.get(family, {"self-supervised"}), f"{id}: {family}"


def test_sides_are_not_mixed() -> None:
    """Only what saw no label, no caption and no labelled teacher stands on the self-supervised side."""
    for spec in encoders().values():
        assert (spec.family == "SSL") == (spec.regime == "self-supervised")
        assert (spec.family == "SL") == (spec.regime == "supervised")


@pytest.mark.parametrize(
    ("name", "regime", "word"),
    [
        ("resnet50.fb_ssl_yfcc100m_ft_in1k", "semi-supervised", "semi-supervised"),
        ("resnet50.fb_swsl_ig1b_ft_in1k", "semi-weakly-supervised", "not self-supervised"),
        ("vit_base_patch16_224.sam_in1k", "supervised", "optimiser"),
        ("convnextv2_tiny.fcmae_ft_in1k", "self-supervised-fine-tuned", "fine-tuned with them"),
        ("hiera_base_224.mae_in1k_ft_in1k", "self-supervised-fine-tuned", "fine-tuned with them"),
        ("beit_base_patch16_224.in22k_ft_in22k", "self-supervised-fine-tuned", "fine-tuned with them"),
        ("beitv2_base_patch16_224.in1k_ft_in1k", "self-supervised-fine-tuned", "CLIP"),
        ("eva02_base_patch14_224.mim_in22k", "vision-language", "CLIP"),
        ("convnext_tiny.eupe_lvd1689m", "distilled", "several teachers"),
        ("vit_small_patch16_dinov3.lvd1689m", "self-supervised", "distilled from the 7B"),
    ],
)
def test_trap_1_2_a_name_that_misleads_says_so(name: str, regime: str, word: str) -> None:
    spec = encoder_spec(name)
    assert spec.regime == regime
    assert word in spec.note


def test_trap_9_2_barlow_twins_is_the_file_of_the_readme_and_says_so() -> None:
    spec = encoder_spec("resnet50-barlow-twins")
    assert spec.weights.url.endswith("/barlowtwins/ljng/resnet50.pth")
    assert "hub" in spec.note


def test_trap_9_6_no_two_files_share_a_name() -> None:
    addresses: dict[str, set[str]] = {}
    for spec in PUBLISHED.values():
        for file in spec.files:
            addresses.setdefault(file.file, set()).add(file.url)
    assert [file for file, urls in addresses.items() if len(urls) > 1] == []
    names = Counter(url.rpartition("/")[2] for urls in addresses.values() for url in urls)
    assert names["resnet50.pth"] == 2  # Barlow Twins and VICReg: what a cache by base name confuses
    assert encoder_spec("resnet50-barlow-twins").weights.file != encoder_spec("resnet50-vicreg").weights.file


def test_trap_9_8_suspicious_third_party_weights_are_left_out() -> None:
    for name in ("simclr_v2_r50_pt_gdrive_paulgavrikov", "simclr_v2_r50_1x_sk0_tf"):
        assert name in EXCLUDED
    assert not any("paulgavrikov" in spec.weights.url for spec in PUBLISHED.values())


def test_trap_9_10_other_data_than_imagenet_is_named() -> None:
    for id, spec in PUBLISHED.items():
        if re.search(r"dinov[23]|seer|clip|siglip|swag|lingbot|eva02.*m38m", id) and "ft_in1k" not in id:
            assert spec.pretraining.data != "ImageNet-1k", id
        if re.search(r"\.dino$|-dino$|moco|swav|simsiam|barlow|vicreg|\.mae$", id):
            assert spec.pretraining.data == "ImageNet-1k", id


def test_trap_9_11_dino_is_cropped_as_its_authors_did_not_as_timm_does() -> None:
    for id in ("vits16-dino", "vits8-dino", "vitb16-dino", "vitb8-dino", "resnet50-dino"):
        recipe = encoder_spec(id).preprocessing
        assert (recipe.size, recipe.resize, recipe.interpolation) == (224, 256, "bicubic")
    assert timm.get_pretrained_cfg("vit_small_patch16_224.dino").crop_pct == 0.9


def test_trap_9_7_dinov3_asks_for_its_licence_and_is_never_the_gated_address() -> None:
    found = [spec for id, spec in PUBLISHED.items() if "dinov3" in id and "eupe" not in id]
    assert len(found) > 10
    for spec in found:
        assert spec.weights.terms == "dinov3"
        assert spec.weights.url.startswith("https://huggingface.co/timm/")


def test_trap_9_3_no_address_is_looked_up_at_run_time() -> None:
    for spec in PUBLISHED.values():
        for file in spec.files:
            assert re.match(r"https://[^/]+/.+", file.url)
            assert "raw.githubusercontent" not in file.url


def test_timms_tables_are_those_of_the_installed_rules() -> None:
    by_hand = {name[5:] for id, spec in PUBLISHED.items() for name in spec.covers if name != f"timm:{id}"}
    names = set(timm.list_pretrained())
    wanted = {name for name in names if timm_rules.rule_of(name)} - by_hand
    assert names & TIMM.keys() == wanted & TIMM.keys()
    unknown = [n for n in names if re.search(timm_rules.SUSPECT, n) and not timm_rules.rule_of(n)]
    assert [n for n in unknown if not timm_rules.reason(n)] == []


@pytest.mark.parametrize("name", sorted(TIMM)[::24])
def test_timms_tables_are_what_refresh_writes(name: str) -> None:
    rule = timm_rules.rule_of(name)
    assert rule is not None
    (path,) = (path for path in CATALOG.glob("timm/*.toml") if name in tables(path))
    written = tomllib.loads(path.read_text(encoding="utf-8"))
    assert path.stem == encoder_spec(name).line
    assert written["defaults"] == timm_catalog.DEFAULTS
    made = timm_catalog.entry(name, rule)
    assert made["label"].split(" (")[0] == written[name]["label"].split(" (")[0]
    assert {**made, "label": ""} == {**written[name], "label": ""}


@pytest.mark.parametrize("name", sorted(architecture_facts())[::12])
def test_what_follows_from_an_architecture_is_what_refresh_writes(name: str) -> None:
    assert architecture_facts()[name] == timm_catalog.facts_of(name)


def test_every_architecture_has_its_facts_once() -> None:
    used = {spec.architecture.partition(".")[0] for spec in encoders().values()}
    assert used <= architecture_facts().keys()
    assert architecture_facts().keys() - used <= architectures.OWN.keys()


def test_refresh_names_what_it_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timm, "list_pretrained", lambda: ["vit_new_patch16_224.moco_v9", "vit_7b_patch16_dinov3.x"])
    assert timm_catalog.refresh() == ({}, ["vit_new_patch16_224.moco_v9"])


def test_refresh_writes_what_can_be_read_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Names, quotes and numbers survive, and each line of architectures has its file."""
    monkeypatch.setattr(timm_catalog, "TIMM", tmp_path)
    monkeypatch.setattr(timm_catalog, "FACTS", tmp_path / "architectures.toml")
    monkeypatch.setattr(timm_catalog, "_by_hand", list)
    entry = {"label": 'a "quoted" \\ name · é', "weights": {"megabytes": 0.5}, "heads": [{"task": "imagenet-1k"}]}
    timm_catalog.write({"resnet18.a_b": entry, "resnet50.c-d": {"published": {"linear": 70, "on": True}}})
    assert tables(tmp_path / "other.toml")["resnet18.a_b"]["label"] == entry["label"]
    other, resnet50 = (tomllib.loads((tmp_path / f"{n}.toml").read_text()) for n in ("other", "resnet50"))
    assert other == {"defaults": timm_catalog.DEFAULTS, "resnet18.a_b": entry}
    assert resnet50["resnet50.c-d"] == {"published": {"linear": 70, "on": True}}
    written = tomllib.loads((tmp_path / "architectures.toml").read_text(encoding="utf-8"))
    assert written.keys() == {"resnet18", "resnet50", *architectures.OWN}


def test_the_page_is_what_refresh_writes() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert text == page.written(), "run 'invariscope models refresh'"
    listed = re.findall(r"^\| `(\S+)` \|", text, re.MULTILINE)
    assert listed == [id for id, spec in encoders().items() if spec.weights.packaged or spec.weights.url]


def test_the_page_marks_what_forbids_commercial_use() -> None:
    rows = dict(re.findall(r"^\| `(\S+)` \|.*\| ([^|]*) \|$", page.written(), re.MULTILINE))
    assert rows["resnet50-moco-v3-1000"] == "CC-BY-NC-4.0 **NC**"
    assert rows["resnet50-dino"] == "Apache-2.0"
    assert {id for id, cell in rows.items() if "**NC**" in cell} == {
        id for id, spec in encoders().items() if spec.non_commercial
    }


def test_an_entry_is_laid_over_its_file_and_its_architecture(tmp_path: Path) -> None:
    path = tmp_path / "publisher.toml"
    path.write_text("""
[defaults]
regime = "self-supervised"
licence = "MIT"
covers = ["survey:{id}"]
preprocessing = { size = 224, resize = 256 }
pretraining = { data = "ImageNet-1k" }
weights = { file = "{id}.pth", prefix = "module." }
head = { task = "imagenet-1k", weight = "fc.weight", weights = { file = "{id}-head.pth" } }

[first]
architecture = "resnet50.some_tag"
preprocessing = { resize = 224 }
weights = { url = "https://x.org/1" }
heads = [{ bias = "fc.bias", weights = { url = "https://x.org/2" } }]

[second]
architecture = "resnet50"
pooling = "gem3"
licence = "BSD-3-Clause"
""")
    usual = {"label": "x", "method": "x", "paper": "x", "source": "x"}
    first, second = (parse(id, table | usual) for id, table in tables(path).items())
    assert (first.layout, first.pooling, first.feature_dim, first.line) == ("map", "avg", 2048, "resnet50")
    assert (second.pooling, first.licence, second.licence) == ("gem3", "MIT", "BSD-3-Clause")
    assert first.preprocessing == Preprocessing(size=224, resize=224)
    assert first.weights == WeightFile("first.pth", url="https://x.org/1", prefix="module.")
    file = WeightFile("first-head.pth", url="https://x.org/2")
    assert first.heads == (NativeHead("imagenet-1k", file, "fc.weight", "fc.bias", "avg"),)
    assert (second.covers, second.heads) == (("survey:second",), ())


def test_a_head_in_the_encoders_file_is_read_as_it_says() -> None:
    spec = encoder_spec("resnet50-lightly-byol")
    (head,) = spec.heads
    assert head.weights == replace(spec.weights, prefix="")
    (head,) = encoder_spec("resnet50-moco-v3-300").heads
    assert head.weights == encoder_spec("resnet50-moco-v3-300").weights
