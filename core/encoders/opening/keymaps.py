"""Published names of tensors, turned into the names that timm's networks use.

A key map sees the names after the catalog's prefix was cut, and gives every tensor back under its new name; a name it
does not know stays as it is, so that strict loading reports it. What the publisher's network keeps beside its weights
and timm computes by itself (index tables, masks) is left out by name.
"""

import re
from collections.abc import Callable

import torch
from torch import Tensor

from core.errors import WeightsInvalid

Tensors = dict[str, Tensor]
Rule = tuple[str, str | Callable[[re.Match[str]], str]]
"""A pattern that a whole name must match, and what becomes of it."""


def renamed(tensors: Tensors, rules: tuple[Rule, ...]) -> Tensors:
    """The tensors under new names, by the first rule whose pattern matches the whole name.

    Raises:
        WeightsInvalid: two tensors would get one name.
    """
    found: Tensors = {}
    origin: dict[str, str] = {}
    for old, tensor in tensors.items():
        new = old
        for pattern, replacement in rules:
            if match := re.fullmatch(pattern, old):
                new = replacement(match) if callable(replacement) else match.expand(replacement)
                break
        if new in found:
            raise WeightsInvalid(f"'{old}' and '{origin[new]}' both mean the network's '{new}'")
        found[new], origin[new] = tensor, old
    return found


def torchvision_vit(tensors: Tensors) -> Tensors:
    """Of torchvision's VisionTransformer; the names of the MLP's layers before and after torchvision 0.12 alike."""
    block = r"encoder\.layers\.encoder_layer_(\d+)\."
    return renamed(
        tensors,
        (
            (r"class_token", "cls_token"),
            (r"encoder\.pos_embedding", "pos_embed"),
            (r"conv_proj\.(weight|bias)", r"patch_embed.proj.\1"),
            (block + r"ln_([12])\.(weight|bias)", r"blocks.\1.norm\2.\3"),
            (block + r"self_attention\.in_proj_(weight|bias)", r"blocks.\1.attn.qkv.\2"),
            (block + r"self_attention\.out_proj\.(weight|bias)", r"blocks.\1.attn.proj.\2"),
            (block + r"mlp\.(?:0|linear_1)\.(weight|bias)", r"blocks.\1.mlp.fc1.\2"),
            (block + r"mlp\.(?:3|linear_2)\.(weight|bias)", r"blocks.\1.mlp.fc2.\2"),
            (r"encoder\.ln\.(weight|bias)", r"norm.\1"),
            (r"heads\.head\.(weight|bias)", r"head.\1"),
        ),
    )


def _stage(kind: str) -> Callable[[re.Match[str]], str]:
    """Of `features.N`: odd ones are stages, even ones from 2 on the reduction before the next stage."""
    return lambda match: f"stages.{int(match[1]) // 2}.{kind}.{match[2]}"


def torchvision_convnext(tensors: Tensors) -> Tensors:
    """Of torchvision's ConvNeXt: blocks by position, and a layer scale of (C, 1, 1) that becomes (C,)."""
    block = r"features\.([1357])\.(\d+)\."
    parts = {"0": "conv_dw", "2": "norm", "3": "mlp.fc1", "5": "mlp.fc2"}
    found = renamed(
        tensors,
        (
            (r"features\.0\.([01])\.(weight|bias)", r"stem.\1.\2"),
            (
                block + r"block\.([0235])\.(weight|bias)",
                lambda match: f"{_stage('blocks')(match)}.{parts[match[3]]}.{match[4]}",
            ),
            (block + r"layer_scale", lambda match: f"{_stage('blocks')(match)}.gamma"),
            (
                r"features\.([246])\.([01])\.(weight|bias)",
                lambda match: f"{_stage('downsample')(match)}.{match[3]}",
            ),
            (r"classifier\.0\.(weight|bias)", r"head.norm.\1"),
            (r"classifier\.2\.(weight|bias)", r"head.fc.\1"),
        ),
    )
    return {key: value.flatten() if key.endswith(".gamma") else value for key, value in found.items()}


def torchvision_swin(tensors: Tensors) -> Tensors:
    """Of torchvision's SwinTransformer: stages at odd positions, the reduction before the next one at even ones."""
    kept = {key: value for key, value in tensors.items() if not key.endswith("relative_position_index")}

    def inside(part: str, more: str = "") -> Callable[[re.Match[str]], str]:
        return lambda match: f"layers.{int(match[1]) // 2}.{part}{match[2]}{more}.{match[3]}"

    return renamed(
        kept,
        (
            (r"features\.0\.0\.(.+)", r"patch_embed.proj.\1"),
            (r"features\.0\.2\.(.+)", r"patch_embed.norm.\1"),
            (r"features\.([1357])\.(\d+\.(?:norm|attn).*)\.(.+)", inside("blocks.")),
            (r"features\.([1357])\.(\d+\.mlp)\.0\.(.+)", inside("blocks.", ".fc1")),
            (r"features\.([1357])\.(\d+\.mlp)\.3\.(.+)", inside("blocks.", ".fc2")),
            (r"features\.([246])\.(reduction|norm)\.(.+)", inside("downsample.")),
            (r"head\.(.+)", r"head.fc.\1"),
        ),
    )


def torchvision_efficientnet(tensors: Tensors) -> Tensors:
    """Of torchvision's EfficientNet B0 to B4: stages by position, the parts of a block too.

    Raises:
        WeightsInvalid: of B5 and larger ones, whose BatchNorm adds another epsilon than timm's of these names.
    """
    if "features.1.2.block.0.0.weight" in tensors:
        raise WeightsInvalid("torchvision's EfficientNet B5 and larger compute otherwise than timm's")
    block = r"features\.([1-7])\.(\d+)\.block\."
    parts = {"00": "conv_pw", "01": "bn1", "10": "conv_dw", "11": "bn2", "30": "conv_pwl", "31": "bn3"}
    # Blocks of the first stage widen nothing: each of their parts comes one place earlier.
    first = {"00": "conv_dw", "01": "bn1", "20": "conv_pw", "21": "bn2"}
    squeezed = {"fc1": "conv_reduce", "fc2": "conv_expand"}

    def place(match: re.Match[str]) -> str:
        return f"blocks.{int(match[1]) - 1}.{match[2]}"

    def part(match: re.Match[str]) -> str:
        names = first if match[1] == "1" else parts
        return f"{place(match)}.{names[match[3] + match[4]]}.{match[5]}"

    return renamed(
        tensors,
        (
            (r"features\.0\.0\.(.+)", r"conv_stem.\1"),
            (r"features\.0\.1\.(.+)", r"bn1.\1"),
            (r"features\.8\.0\.(.+)", r"conv_head.\1"),
            (r"features\.8\.1\.(.+)", r"bn2.\1"),
            (block + r"[12]\.(fc[12])\.(.+)", lambda match: f"{place(match)}.se.{squeezed[match[3]]}.{match[4]}"),
            (block + r"(\d)\.([01])\.(.+)", part),
            (r"classifier\.1\.(.+)", r"classifier.\1"),
        ),
    )


def facebook_convnext(tensors: Tensors) -> Tensors:
    """Of the ConvNeXt authors' network, which VICRegL and others keep."""
    block = r"stages\.(\d+)\.(\d+)\."
    return renamed(
        tensors,
        (
            (r"downsample_layers\.0\.([01])\.(weight|bias)", r"stem.\1.\2"),
            (r"downsample_layers\.([123])\.([01])\.(weight|bias)", r"stages.\1.downsample.\2.\3"),
            (block + r"dwconv\.(weight|bias)", r"stages.\1.blocks.\2.conv_dw.\3"),
            (block + r"norm\.(weight|bias)", r"stages.\1.blocks.\2.norm.\3"),
            (block + r"pwconv([12])\.(weight|bias)", r"stages.\1.blocks.\2.mlp.fc\3.\4"),
            (block + r"gamma", r"stages.\1.blocks.\2.gamma"),
            (r"norm\.(weight|bias)", r"head.norm.\1"),
            (r"head\.(weight|bias)", r"head.fc.\1"),
        ),
    )


def original_swin(tensors: Tensors) -> Tensors:
    """Of the Swin authors' network, which iBOT keeps.

    There a stage ends with the reduction that timm puts at the beginning of the next one; the tables of relative
    positions and the masks of shifted windows are computed, not learned.
    """
    kept = {key: value for key, value in tensors.items() if not key.endswith(("relative_position_index", "attn_mask"))}
    return renamed(
        kept,
        (
            (
                r"layers\.(\d+)\.downsample\.(.+)",
                lambda match: f"layers.{int(match[1]) + 1}.downsample.{match[2]}",
            ),
            (r"head\.(weight|bias)", r"head.fc.\1"),
        ),
    )


def mmpretrain_vit(tensors: Tensors) -> Tensors:
    """Of mmpretrain's VisionTransformer and of the classifier beside it (`head.layers.head`)."""
    block = r"layers\.(\d+)\."
    return renamed(
        tensors,
        (
            (r"patch_embed\.projection\.(weight|bias)", r"patch_embed.proj.\1"),
            (block + r"ln([12])\.(weight|bias)", r"blocks.\1.norm\2.\3"),
            (block + r"attn\.(qkv|proj)\.(weight|bias)", r"blocks.\1.attn.\2.\3"),
            (block + r"ffn\.layers\.0\.0\.(weight|bias)", r"blocks.\1.mlp.fc1.\2"),
            (block + r"ffn\.layers\.1\.(weight|bias)", r"blocks.\1.mlp.fc2.\2"),
            (r"ln1\.(weight|bias)", r"norm.\1"),
            # Only of networks that average the patches: what timm calls the norm before the classifier.
            (r"ln2\.(weight|bias)", r"fc_norm.\1"),
            (r"head\.layers\.head\.(weight|bias)", r"head.\1"),
        ),
    )


def numbered_resnet(tensors: Tensors) -> Tensors:
    """Of a ResNet cut into `nn.Sequential(*children)`, as tutorials do: children by number."""
    names = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
    return renamed(tensors, tuple((rf"{number}\.(.+)", rf"{name}.\1") for number, name in names.items()))


def transformers_vit(tensors: Tensors) -> Tensors:
    """Of Hugging Face's ViT and DINOv2 models: query, key and value apart, and the names of BERT."""
    layer = r"encoder\.layer\.(\d+)\."
    found = renamed(
        {key: value for key, value in tensors.items() if not key.startswith(("pooler.", "embeddings.mask_token"))},
        (
            (r"embeddings\.cls_token", "cls_token"),
            (r"embeddings\.register_tokens", "reg_token"),
            (r"embeddings\.position_embeddings", "pos_embed"),
            (r"embeddings\.patch_embeddings\.projection\.(weight|bias)", r"patch_embed.proj.\1"),
            (layer + r"attention\.attention\.(query|key|value)\.(weight|bias)", r"blocks.\1.attn.\2.\3"),
            (layer + r"attention\.output\.dense\.(weight|bias)", r"blocks.\1.attn.proj.\2"),
            (layer + r"intermediate\.dense\.(weight|bias)", r"blocks.\1.mlp.fc1.\2"),
            (layer + r"output\.dense\.(weight|bias)", r"blocks.\1.mlp.fc2.\2"),
            (layer + r"mlp\.fc([12])\.(weight|bias)", r"blocks.\1.mlp.fc\2.\3"),
            (layer + r"layernorm_before\.(weight|bias)", r"blocks.\1.norm1.\2"),
            (layer + r"layernorm_after\.(weight|bias)", r"blocks.\1.norm2.\2"),
            (layer + r"norm([12])\.(weight|bias)", r"blocks.\1.norm\2.\3"),
            (layer + r"layer_scale([12])\.lambda1", r"blocks.\1.ls\2.gamma"),
            (r"layernorm\.(weight|bias)", r"norm.\1"),
            (r"classifier\.(weight|bias)", r"head.\1"),
        ),
    )
    for key in [key for key in found if ".attn.query." in key]:
        parts = [found.pop(key.replace(".query.", f".{part}.")) for part in ("query", "key", "value")]
        found[key.replace(".attn.query.", ".attn.qkv.")] = torch.cat(parts)
    return found


KEYMAPS: dict[str, Callable[[Tensors], Tensors]] = {
    "torchvision-vit": torchvision_vit,
    "torchvision-convnext": torchvision_convnext,
    "torchvision-swin": torchvision_swin,
    "torchvision-efficientnet": torchvision_efficientnet,
    "facebook-convnext": facebook_convnext,
    "ibot-swin": original_swin,
    "mmpretrain-vit": mmpretrain_vit,
    "numbered-resnet": numbered_resnet,
    "transformers-vit": transformers_vit,
}
