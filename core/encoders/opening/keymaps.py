"""Published names of tensors, turned into the names that timm's networks use.

A key map sees the names after the catalog's prefix was cut, and gives every tensor back under its new name; a name it
does not know stays as it is, so that strict loading reports it. What the publisher's network keeps beside its weights
and timm computes by itself (index tables, masks) is left out by name.
"""

import re
from collections.abc import Callable

import torch

from core.encoders.opening import keymaps_torchvision as torchvision
from core.encoders.opening.renaming import Tensors, renamed
from core.errors import UnknownName


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


def numbered(*children: str) -> Callable[[Tensors], Tensors]:
    """Of a network cut into `nn.Sequential(*children)`, as tutorials do: its children by number."""
    rules = tuple((rf"{number}\.(.+)", rf"{name}.\1") for number, name in enumerate(children))
    return lambda tensors: renamed(tensors, rules)


def inside(child: str) -> Callable[[Tensors], Tensors]:
    """Of the one child of a network that has all its weights, taken for a backbone: `features` of a DenseNet."""
    return lambda tensors: {f"{child}.{name}": value for name, value in tensors.items()}


def chunked_vit(tensors: Tensors) -> Tensors:
    """Of a ViT whose blocks stand in chunks, as DINOv2's training has them: `blocks.1.7.` is the seventh block."""
    return renamed(tensors, ((r"blocks\.\d+\.(\d+)\.(.+)", r"blocks.\1.\2"),))


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


def transformers_resnet(tensors: Tensors) -> Tensors:
    """Of Hugging Face's ResNet models: stages, layers and the parts of a block by number."""
    kinds = {"convolution": "conv", "normalization": "bn"}

    def block(match: re.Match[str]) -> str:
        return f"layer{int(match[1]) + 1}.{match[2]}"

    place = r"encoder\.stages\.(\d)\.layers\.(\d+)\."
    return renamed(
        tensors,
        (
            (r"embedder\.embedder\.convolution\.(\w+)", r"conv1.\1"),
            (r"embedder\.embedder\.normalization\.(\w+)", r"bn1.\1"),
            (
                place + r"layer\.(\d)\.(convolution|normalization)\.(\w+)",
                lambda match: f"{block(match)}.{kinds[match[4]]}{int(match[3]) + 1}.{match[5]}",
            ),
            (place + r"shortcut\.convolution\.(\w+)", lambda match: f"{block(match)}.downsample.0.{match[3]}"),
            (place + r"shortcut\.normalization\.(\w+)", lambda match: f"{block(match)}.downsample.1.{match[3]}"),
            (r"classifier\.1\.(weight|bias)", r"fc.\1"),
        ),
    )


KEYMAPS: dict[str, Callable[[Tensors], Tensors]] = {
    "torchvision-vit": torchvision.vit,
    "torchvision-convnext": torchvision.convnext,
    "torchvision-swin": torchvision.swin,
    "torchvision-efficientnet": torchvision.efficientnet,
    "torchvision-deep-efficientnet": torchvision.deep_efficientnet,
    "torchvision-mobilenet-v2": torchvision.mobilenet_v2,
    "torchvision-mobilenet-v3": torchvision.mobilenet_v3,
    "torchvision-regnet": torchvision.regnet,
    "torchvision-vgg": torchvision.vgg,
    "facebook-convnext": facebook_convnext,
    "ibot-swin": original_swin,
    "mmpretrain-vit": mmpretrain_vit,
    "numbered-resnet": numbered("conv1", "bn1", "act1", "maxpool", "layer1", "layer2", "layer3", "layer4"),
    "chunked-vit": chunked_vit,
    "transformers-vit": transformers_vit,
    "transformers-resnet": transformers_resnet,
}

OF_CHILDREN: dict[str, Callable[..., Callable[[Tensors], Tensors]]] = {"numbered": numbered, "inside": inside}
"""Key maps that are made of the names of a network's children, which stand behind theirs: `inside features`."""


def keymap(keys: str) -> Callable[[Tensors], Tensors]:
    """The key map that an entry names.

    Raises:
        UnknownName: there is none.
    """
    kind, *children = keys.split(" ")
    if children and kind in OF_CHILDREN:
        return OF_CHILDREN[kind](*children)
    if keys not in KEYMAPS:
        raise UnknownName("key map", keys, KEYMAPS)
    return KEYMAPS[keys]


BUILT: dict[str, tuple[tuple[str, float], ...]] = {
    "torchvision-deep-efficientnet": (("bn_eps", 0.001),),
    "torchvision-mobilenet-v3": (("bn_eps", 0.001),),
}
"""How timm's network has to be built to compute as the publisher's does, where no tensor shows it."""
