"""Loading without first values: the same network bit for bit, read and hashed once, and its own memory."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from toys import CPU, spec

from core.encoders import architectures, encoder, skeletons, timm_files
from core.encoders.architectures import Network
from core.encoders.files import hashes
from core.encoders.layouts import LAYOUTS
from core.encoders.opening import reading
from core.encoders.spec import EncoderSpec, NativeHead, Preprocessing, WeightFile
from core.heads import store

SMALL_VIT = {"depth": 4, "embed_dim": 48, "num_heads": 2}
NETWORKS = {
    "map": ("resnet18", "avg", {}, False),
    "tokens": ("vit_tiny_patch16_224", "token", SMALL_VIT, False),
    "tokens, rotary positions": ("vit_small_patch16_dinov3", "token", SMALL_VIT, True),
    "pooled-tokens": (
        "swin_tiny_patch4_window7_224",
        "head",
        {"depths": (2, 2), "embed_dim": 24, "num_heads": (2, 4)},
        True,
    ),
    "class-attention": ("xcit_nano_12_p16_224", "token", {"depth": 2, "embed_dim": 32}, False),
}
"""A network of each layout, how it is made small, and whether it computes tensors that no file holds."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path))
    return tmp_path


def entry(architecture: str, layout: str, pooling: str, file: WeightFile, **changed) -> EncoderSpec:
    recipe = Preprocessing(224, 224)
    return spec("made", layout, pooling, architecture=architecture, weights=file, preprocessing=recipe, **changed)


def published(made: EncoderSpec, folder: Path, seed: int = 0) -> Network:
    """A network with random weights and statistics, and the file it was saved to; what BatchNorm counts is left out."""
    torch.manual_seed(seed)
    network = architectures.build(made.architecture, made.options)
    for value in network.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) * 0.1)
    tensors = {key: value for key, value in network.state_dict().items() if not key.endswith(skeletons.COUNTER)}
    save = save_file if made.weights.file.endswith(".safetensors") else torch.save
    save(tensors, folder / made.weights.file)
    return network


def everything(network: Network) -> dict[str, torch.Tensor]:
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def test_every_layout_is_tried() -> None:
    assert {name.partition(",")[0] for name in NETWORKS} == set(LAYOUTS)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("layout", NETWORKS)
def test_the_result_is_that_of_the_plain_way_bit_for_bit(
    layout: str, suffix: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    architecture, pooling, options, has_more = NETWORKS[layout]
    file = WeightFile(f"made.{suffix}")
    made = entry(architecture, layout.partition(",")[0], pooling, file, options=tuple(options.items()))
    plain = encoder.freeze(made, published(made, folder), CPU, "")
    monkeypatch.setattr(encoder, "encoder_spec", lambda id: made)
    assert any(tensor.is_meta for tensor in skeletons.tensors_of(skeletons.build(made))) is not has_more
    quick = encoder.load("made", CPU)
    expected, found = everything(plain.network), everything(quick.network)
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        assert torch.equal(found[key], value), key
        assert found[key].dtype == value.dtype
        assert found[key].stride() == value.stride(), key
        assert not found[key].requires_grad
    inputs = torch.rand(1, 3, 224, 224)
    with torch.inference_mode():
        assert torch.equal(quick.pool(quick.trunk(inputs)), plain.pool(plain.trunk(inputs)))


def test_what_the_file_lacks_by_its_entry_keeps_a_first_value(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = entry("resnet18", "map", "avg", WeightFile("made.pth", absent=("layer4.1.bn2.",)))
    network = published(made, folder)
    tensors = {key: value for key, value in network.state_dict().items() if not key.startswith("layer4.1.bn2.")}
    torch.save(tensors, folder / "made.pth")
    monkeypatch.setattr(encoder, "encoder_spec", lambda id: made)
    found = encoder.load("made", CPU).network.layer4[1].bn2
    assert torch.equal(found.running_var, torch.ones(512))
    assert torch.equal(found.bias, torch.zeros(512))


def test_a_network_that_keeps_tensors_aside_is_built_for_real() -> None:
    layer = torch.nn.Linear(2, 2)
    assert skeletons.complete(layer)
    layer.tables = {"sizes": [torch.ones(2)]}
    assert not skeletons.complete(layer)
    layer.tables = {"sizes": [2]}
    layer.register_buffer("table", torch.ones(2), persistent=False)
    assert not skeletons.complete(layer)


def test_a_network_that_computes_as_it_is_built_is_built_for_real(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counted(torch.nn.Linear):
        def __init__(self) -> None:
            super().__init__(2, int(torch.ones(3).sum().item()))

    monkeypatch.setitem(architectures.OWN, "counted", Counted)
    assert skeletons.build(spec(architecture="counted")).weight.shape == (3, 2)


def test_encoder_and_head_of_one_file_hash_and_read_it_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = WeightFile("made.pth", drop=("fc.",))
    head = NativeHead("imagenet-1k", file, "fc.weight", "fc.bias", "avg")
    made = entry("resnet18", "map", "avg", file, heads=(head,))
    network = published(made, folder)
    weight, bias = torch.rand(1000, 512), torch.rand(1000)
    torch.save({**network.state_dict(), "fc.weight": weight, "fc.bias": bias}, folder / "made.pth")
    monkeypatch.setattr(encoder, "encoder_spec", lambda id: made)
    hashed, opened = [], []
    digests, unpickled = hashes.digests_of, reading.opened
    monkeypatch.setattr(hashes, "digests_of", lambda path, md5: (hashed.append(path), digests(path, md5))[1])
    monkeypatch.setattr(reading, "opened", lambda path, reader: (opened.append(path), unpickled(path, reader))[1])
    loaded = encoder.load("made", CPU)
    found = store.load(loaded, "imagenet-1k")
    assert torch.equal(found.weight, weight)
    assert torch.equal(found.bias, bias)
    assert hashed == opened == [folder / "made.pth"]


def test_the_route_by_way_of_timm_reads_once_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = (("depth", 2), ("embed_dim", 32))
    file = WeightFile("made.pth", reader="timm")
    made = entry("xcit_nano_12_p16_224", "class-attention", "token", file, options=small)
    whole = timm_files.build(made)
    torch.save(whole.state_dict(), folder / "made.pth")
    monkeypatch.setattr(encoder, "encoder_spec", lambda id: made)
    hashed = []
    digests = hashes.digests_of
    monkeypatch.setattr(hashes, "digests_of", lambda path, md5: (hashed.append(path), digests(path, md5))[1])
    loaded = encoder.load("made", CPU)
    assert torch.equal(loaded.classifier[0], whole.head.weight)
    timm_files.split(whole)
    for key, value in everything(whole).items():
        assert torch.equal(everything(loaded.network)[key], value), key
    assert len(hashed) == 1


def test_a_file_that_changes_later_changes_no_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = entry("resnet18", "map", "avg", WeightFile("made.safetensors"))
    published(made, folder)
    monkeypatch.setattr(encoder, "encoder_spec", lambda id: made)
    network = encoder.load("made", CPU).network
    before = {key: value.clone() for key, value in everything(network).items()}
    path = folder / "made.safetensors"
    with path.open("r+b") as file:
        file.seek(100_000)
        file.write(bytes(path.stat().st_size - 100_000))
    for key, value in everything(network).items():
        assert torch.equal(value, before[key]), key
