"""Any plain network of timm from a person's file: cut as timm computes it, fed as timm feeds it."""

from pathlib import Path

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from timm.data import create_transform, resolve_model_data_config

from core import samples
from core.encoders import encoder, own, preprocess
from core.encoders.own import Said
from core.errors import InvalidRequest

CPU = torch.device("cpu")
SMALL = {"size": 64, "resize": 64}
FAMILIES = (
    *("resnet18", "resnetv2_50x1_bit", "skresnet18", "efficientnet_b0", "mobilenetv3_small_050", "mobilenetv2_050"),
    *("mnasnet_small", "ghostnet_050", "regnetx_002", "densenet121", "convnext_atto", "convnextv2_atto", "repvgg_a0"),
    *("mobileone_s0", "poolformer_s12", "lcnet_050", "hardcorenas_a", "tinynet_e", "dla34", "rexnet_100", "dpn48b"),
    *("fbnetc_100", "edgenext_xx_small", "mobilevit_xxs", "semnasnet_075", "fastvit_t8"),
)
OF_ONE_SIZE = ("vit_tiny_patch16_224", "mixer_s32_224", "resmlp_12_224", "xcit_nano_12_p16_224", "levit_128s")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path


def saved(name: str, folder: Path) -> tuple[torch.nn.Module, Path]:
    """A network of timm with random weights and its file."""
    torch.manual_seed(0)
    network = timm.create_model(name, pretrained=False, num_classes=0).eval()
    file = folder / "weights.safetensors"
    save_file({key: value.clone().contiguous() for key, value in network.state_dict().items()}, file)
    return network, file


@pytest.mark.parametrize("name", [*FAMILIES, *OF_ONE_SIZE])
def test_a_network_of_timm_is_added_and_gives_timms_features(name: str, folder: Path) -> None:
    network, file = saved(name, folder)
    size = {} if name in OF_ONE_SIZE else SMALL
    spec = own.add(file, "mine", Said(name, preprocessing=size))
    images = torch.randn(2, 3, spec.preprocessing.size, spec.preprocessing.size)
    loaded = encoder.load("mine", CPU)
    state = loaded.trunk(images)
    assert state.feature_map.ndim == 4
    with torch.inference_mode():
        theirs = network(images)
    assert spec.feature_dim == theirs.shape[1]
    assert (loaded.pool(state) - theirs).abs().max() <= 1e-5 * theirs.abs().max()


@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "tf_efficientnet_lite0", "swin_tiny_patch4_window7_224"])
def test_a_picture_is_read_as_timm_reads_it(name: str, folder: Path) -> None:
    """timm's own transform and forward pass, from the file of the picture on: pixels to the bit, features to 1e-5."""
    network, file = saved(name, folder)
    own.add(file, "mine", Said(name))
    photo = samples.image("coffee").rgb
    pixels = create_transform(**resolve_model_data_config(network))(Image.fromarray(photo))[None]
    loaded = encoder.load("mine", CPU)
    recipe = loaded.spec.preprocessing
    inputs = preprocess.normalise(preprocess.to_unit(preprocess.model_crops([photo], recipe)), recipe)
    torch.testing.assert_close(inputs, pixels, rtol=0, atol=1e-6)
    with torch.inference_mode():
        ours, theirs = loaded.pool(loaded.trunk(inputs)), network(pixels)
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


@pytest.mark.parametrize("name", ["pit_ti_224", "cait_xxs24_224"])
def test_what_no_layout_cuts_is_said(name: str, folder: Path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be cut into a map and a feature here yet"):
        own.add(saved(name, folder)[1], "mine", Said(name))


def as_transformers_names(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A ViT of timm under the names of Hugging Face's `ViTModel`, as its `modeling_vit.py` has them."""
    whole = {
        "cls_token": "embeddings.cls_token",
        "pos_embed": "embeddings.position_embeddings",
        "patch_embed.proj": "embeddings.patch_embeddings.projection",
        "norm": "layernorm",
    }
    inside = {
        "norm1": "layernorm_before",
        "norm2": "layernorm_after",
        "attn.proj": "attention.output.dense",
        "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense",
    }
    found = {}
    for key, value in tensors.items():
        stem, _, kind = key.rpartition(".")
        if key in whole:
            found[whole[key]] = value
        elif stem in whole:
            found[f"{whole[stem]}.{kind}"] = value
        else:
            _, number, part = stem.split(".", 2)
            layer = f"encoder.layer.{number}"
            if part == "attn.qkv":
                for name, piece in zip(("query", "key", "value"), value.chunk(3), strict=True):
                    found[f"{layer}.attention.attention.{name}.{kind}"] = piece
            else:
                found[f"{layer}.{inside[part]}.{kind}"] = value
    return found | {"pooler.dense.weight": torch.ones(2, 2), "pooler.dense.bias": torch.ones(2)}


@pytest.mark.parametrize("prefix", ["", "vit."])
def test_names_of_transformers_are_read(prefix: str, folder: Path) -> None:
    network, _ = saved("vit_tiny_patch16_224", folder)
    named = {prefix + key: value.contiguous() for key, value in as_transformers_names(network.state_dict()).items()}
    save_file(named, folder / "model.safetensors")
    spec = own.add(folder / "model.safetensors", "mine", Said("vit_tiny_patch16_224"))
    assert "names of 'transformers-vit' changed" in spec.note
    found = encoder.load("mine", CPU).network.state_dict()
    assert all(torch.equal(found[key], value) for key, value in network.state_dict().items())
