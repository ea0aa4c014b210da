"""Every published entry's layout loads strictly and fails loudly, without one file."""

import logging
from dataclasses import replace

import pytest
import timm

from core.encoders.registry import encoder_spec, encoders, untagged
from core.encoders.spec import EncoderSpec
from core.verification import offline, synthetic


def _one_of_each_layout() -> dict[str, EncoderSpec]:
    """The first entry of each layout: what decides about the others is the same."""
    found: dict[tuple[object, ...], EncoderSpec] = {}
    for spec in encoders().values():
        if not spec.weights.packaged:
            found.setdefault(offline.layout_key(spec), spec)
    return {spec.id: spec for spec in found.values()}


def _one_of_each_loader() -> set[str]:
    """The first layout of each way to be loaded: what a loader refuses does not hang on how large a network is."""
    found: dict[tuple[object, ...], str] = {}
    for id, spec in LAYOUTS.items():
        by_timm = spec.weights.reader == "timm"
        code = timm.models.model_entrypoint(untagged(spec.architecture)).__module__ if by_timm else spec.architecture
        found.setdefault((code, *offline.layout_key(spec)[1:]), id)
    return set(found.values())


LAYOUTS = _one_of_each_layout()
LOADERS = _one_of_each_loader()


@pytest.fixture(autouse=True)
def quiet() -> None:
    # timm warns of each name that it did not expect, which is what is provoked here.
    logging.getLogger("timm").setLevel(logging.ERROR)


@pytest.mark.parametrize("id", LAYOUTS)
def test_published_layout_loads_strictly_and_a_faulty_one_is_refused(id: str) -> None:
    faults = offline.FAULTS if id in LOADERS else ()
    checks = offline.offline(LAYOUTS[id], faults)
    assert [check.name for check in checks] == ["facts", "feature", "loads", *(f"refuses {fault}" for fault in faults)]
    assert not [check for check in checks if not check.ok]


def test_every_published_entry_has_one_of_the_checked_layouts() -> None:
    known = {offline.layout_key(spec) for spec in LAYOUTS.values()}
    published = [spec for spec in encoders().values() if not spec.weights.packaged]
    assert len(published) > 300
    assert len(LOADERS) > 50
    assert all(offline.layout_key(spec) in known for spec in published)


def failed(spec: EncoderSpec) -> set[str]:
    return {check.name for check in offline.offline(spec) if not check.ok}


def test_a_wrong_entry_fails() -> None:
    spec = encoder_spec("resnet50-moco-v2-800")
    assert failed(spec) == set()
    assert failed(replace(spec, feature_dim=512)) == {"feature"}
    assert "builds" in failed(replace(spec, architecture="resnet50_of_tomorrow"))
    assert "builds" in failed(replace(spec, target_layer="layer5"))
    assert failed(replace(spec, weights=replace(spec.weights, url=""))) == {"facts"}
    assert failed(replace(spec, preprocessing=replace(spec.preprocessing, size=300))) == {"facts"}


def test_a_head_map_that_gives_a_map_of_one_cell_fails() -> None:
    spec = encoder_spec("resnet50-moco-v2-800")
    assert failed(replace(spec, preprocessing=replace(spec.preprocessing, size=32))) == {"feature"}


def test_a_reader_that_ignored_the_containers_would_be_found() -> None:
    spec = encoder_spec("resnet50-moco-v2-800")
    made = synthetic.checkpoint(spec, synthetic.on_meta(spec).state_dict())
    bare = replace(spec, weights=replace(spec.weights, container=()))
    (check,) = [c for c in offline.offline(bare) if c.name == "loads"]
    assert check.ok  # it is consistent with itself …
    assert set(made.content) == {"state_dict", "epoch", "arch"}  # … and not with what MoCo publishes


def test_values_in_wrong_places_are_found() -> None:
    spec = encoder_spec("resnet50-moco-v2-800")
    wanted = synthetic.on_meta(spec).state_dict()
    made = synthetic.checkpoint(spec, wanted)
    first, second = "module.encoder_q.layer1.0.bn1.weight", "module.encoder_q.layer1.0.bn1.bias"
    swapped = made.named | {first: made.named[second], second: made.named[first]}
    bad = replace(made, content=synthetic.nested(swapped, spec.weights))
    check = offline._loads(spec, bad, wanted)
    assert not check.ok
    assert "2 in wrong places" in check.detail


def test_entries_of_one_layout_share_a_check_and_keep_their_own_facts() -> None:
    specs = [encoder_spec("resnet50-moco-v2-200"), encoder_spec("resnet50-moco-v2-800")]
    second = replace(specs[1], weights=replace(specs[1].weights, url=""))
    results = dict(zip(("first", "second"), (c for _, c in offline.offline_all([specs[0], second])), strict=True))
    assert all(check.ok for check in results["first"])
    assert [check.name for check in results["second"] if not check.ok] == ["facts"]
    assert results["second"][1:] == results["first"][1:]


def test_a_fault_that_nobody_knows_is_an_error() -> None:
    spec = encoder_spec("resnet50-vicreg")
    made = synthetic.checkpoint(spec, synthetic.on_meta(spec).state_dict())
    with pytest.raises(ValueError, match="bent"):
        synthetic.broken(made, spec.weights, "bent")
