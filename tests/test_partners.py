"""Who is compared with whom, and what the comparison does not control."""

from dataclasses import replace

import pytest

from core.encoders.architectures import build
from core.encoders.partners import COMPARISONS, POOLINGS, TAUGHT_BY, closest, differences, network, order
from core.encoders.registry import encoder_spec, encoders
from core.encoders.spec import REGIMES, Pretraining
from core.heads import store


@pytest.mark.parametrize("pair", COMPARISONS, ids=lambda pair: "-".join(pair.ids))
def test_a_default_pair_is_one_network_on_both_sides(pair) -> None:
    first, second = (encoder_spec(id) for id in pair.ids[:2])
    assert (first.family, second.family) == ("SL", "SSL")
    assert len({network(encoder_spec(id)) for id in pair.ids}) == 1
    assert pair.why.endswith(".")
    told = " ".join(differences(first, second))
    assert "architecture" not in told
    assert "attention heads" not in told


def test_deit_and_plain_transformers_are_one_network() -> None:
    """What `network` claims by name is true of the shapes."""
    shapes = [
        {key: tuple(value.shape) for key, value in build(name).state_dict().items()}
        for name in ("deit_tiny_patch16_224", "vit_tiny_patch16_224")
    ]
    assert shapes[0] == shapes[1]
    spec = encoder_spec("deit_base_patch16_224.fb_in1k")
    assert network(spec) == network(encoder_spec("vit_base_patch16_224.mae")) == "vit_base_patch16_224"


def test_differences_are_named_in_words() -> None:
    told = differences(encoder_spec("resnet50-supervised"), encoder_spec("resnet50-dino"))
    assert told == [
        "epochs (90 against 800)",
        "training augmentation (random resized crop, flip against "
        "multi-crop, flip, colour jitter, greyscale, blur, solarise)",
        "optimisation settings (each recipe its own)",
        "input preprocessing (bilinear against bicubic)",
        "head (trained together with the encoder against a probe on the frozen encoder)",
    ]


def test_attention_heads_are_a_difference() -> None:
    """MoCo v3's small transformer has twelve where timm's of the same name has six, and the shapes agree."""
    twelve = next(spec for spec in encoders().values() if ("num_heads", 12) in spec.options)
    assert "attention heads (the network's usual against 12)" in differences(encoder_spec("deit-s"), twelve)
    assert closest(encoder_spec("deit-s"))[0].spec != twelve


def test_head_recipes_are_a_difference() -> None:
    told = differences(encoder_spec("deit-s"), encoder_spec("vits16-dino"))
    assert "what the head reads (class token against class tokens of the last four blocks)" in told
    bare = differences(encoder_spec("deit-s"), encoder_spec("resnet50-barlow-twins"))
    assert "head (trained together with the encoder against none published)" in bare


def test_every_way_to_pool_tokens_is_told_apart() -> None:
    four, one = encoder_spec("vits14-dinov2-4l"), encoder_spec("vits14-dinov2")
    told = [text for text in differences(one, four) if text.startswith("what the head reads")]
    assert told == [
        "what the head reads (class token and mean of the patches against "
        "class tokens of the last four blocks and mean of the patches)"
    ]
    read = {head.pooling for spec in encoders().values() if spec.layout == "tokens" for head in spec.heads}
    assert read <= POOLINGS.keys()


def test_what_is_unknown_is_named() -> None:
    spec = encoder_spec("resnet50-supervised")
    unknown = replace(spec, pretraining=Pretraining("ImageNet-1k"))
    assert "epochs (90 against unknown)" in differences(spec, unknown)
    assert "epochs (unknown for both)" in differences(unknown, unknown)
    assert "training augmentation (unknown for both)" in differences(unknown, unknown)


def test_labels_seen_are_named_where_a_regime_hides_them() -> None:
    spec = encoder_spec("resnet50-dino")
    assert set(TAUGHT_BY) == set(REGIMES)
    assert not [text for text in differences(spec, encoder_spec("resnet50-supervised")) if "labels" in text]
    tuned = replace(spec, regime="self-supervised-fine-tuned")
    assert "labels seen (no labels against no labels, then class labels)" in differences(spec, tuned)


def test_the_packaged_family_stays_among_itself() -> None:
    assert [partner.spec.id for partner in closest(encoder_spec("simclr"))] == ["supervised", "supervised-1"]
    assert [partner.spec.id for partner in closest(encoder_spec("supervised"))] == ["simclr", "simclr-1"]
    assert closest(encoder_spec("random")) == []


def test_partners_stand_across_the_divide_and_the_same_network_comes_first() -> None:
    for spec in encoders().values():
        found = closest(spec)
        across = {"SSL": {"SL"}, "SL": {"SSL"}, "other": {"SL", "SSL"}}.get(spec.family, set())
        assert {partner.spec.family for partner in found} <= across
        assert spec.id not in [partner.spec.id for partner in found]
        same = [network(partner.spec) == network(spec) and partner.spec.options == spec.options for partner in found]
        assert same == sorted(same, reverse=True), spec.id
        if spec.line == "resnet50" and spec.family == "SSL" and spec.architecture == "resnet50":
            assert all(same)


def test_closest_is_the_one_with_the_fewest_differences_on_the_same_images() -> None:
    found = closest(encoder_spec("resnet50-byol"), 20)
    lightly = closest(encoder_spec("resnet50-lightly-byol"), 20)
    counts = [len(partner.differences) for partner in lightly if partner.spec.pretraining.data == "ImageNet-1k"]
    assert counts == sorted(counts)
    assert found == closest(encoder_spec("resnet50-byol"), 20)
    assert all(
        partner.differences == tuple(differences(encoder_spec("resnet50-byol"), partner.spec)) for partner in found
    )


def test_pickers_show_the_family_then_the_pairs_then_the_lines() -> None:
    ids = order(encoders())
    assert sorted(ids) == sorted(encoders())
    packaged = [id for id, spec in encoders().items() if spec.weights.packaged]
    paired = list(dict.fromkeys(id for pair in COMPARISONS for id in pair.ids))
    assert ids[: len(packaged) + len(paired)] == packaged + paired
    lines = [encoders()[id].line for id in ids[len(packaged) + len(paired) :]]
    assert lines == sorted(lines, key=["small", "resnet50", "vit", "convnext", "other"].index)
    assert order(["vits16-dino", "no such encoder", "simclr"]) == ["simclr", "vits16-dino"]
    assert store.encoders_for("imagenet-1k")[:2] == ["resnet50-supervised", "resnet50-dino"]
