"""torchvision's names of tensors, turned into those of timm's networks; see `keymaps`."""

import re
from collections.abc import Callable

from core.encoders.opening.renaming import Tensors, renamed
from core.errors import WeightsInvalid

DEEP = "features.1.2.block.0.0.weight"
"""A tensor that EfficientNet has from B5 on: a third block in the first stage."""


def vit(tensors: Tensors) -> Tensors:
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


def _of_features(tensors: Tensors) -> Tensors:
    """The tensors of a whole network; what is numbered from the start are its `features` alone, as a backbone."""
    return {f"features.{name}" if name[:1].isdigit() else name: value for name, value in tensors.items()}


def _stage(kind: str) -> Callable[[re.Match[str]], str]:
    """Of `features.N`: odd ones are stages, even ones from 2 on the reduction before the next stage."""
    return lambda match: f"stages.{int(match[1]) // 2}.{kind}.{match[2]}"


def convnext(tensors: Tensors) -> Tensors:
    """Of torchvision's ConvNeXt: blocks by position, and a layer scale of (C, 1, 1) that becomes (C,)."""
    block = r"features\.([1357])\.(\d+)\."
    parts = {"0": "conv_dw", "2": "norm", "3": "mlp.fc1", "5": "mlp.fc2"}
    found = renamed(
        _of_features(tensors),
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


def swin(tensors: Tensors) -> Tensors:
    """Of torchvision's SwinTransformer: stages at odd positions, the reduction before the next one at even ones."""
    kept = {key: value for key, value in _of_features(tensors).items() if not key.endswith("relative_position_index")}

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


def efficientnet(tensors: Tensors) -> Tensors:
    """Of torchvision's EfficientNet B0 to B4: stages by position, the parts of a block too.

    Raises:
        WeightsInvalid: it is B5 or larger.
    """
    tensors = _of_features(tensors)
    if DEEP in tensors:
        raise WeightsInvalid("EfficientNet B5 and larger are built with another epsilon of BatchNorm")
    return _efficientnet(tensors)


def deep_efficientnet(tensors: Tensors) -> Tensors:
    """Of torchvision's EfficientNet B5 and larger: as B0 to B4, but built as `BUILT` says.

    Raises:
        WeightsInvalid: it is B4 or smaller.
    """
    tensors = _of_features(tensors)
    if DEEP not in tensors and "features.1.0.block.0.0.weight" in tensors:
        raise WeightsInvalid("EfficientNet B4 and smaller are built as timm's")
    return _efficientnet(tensors)


def _efficientnet(tensors: Tensors) -> Tensors:
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


def mobilenet_v2(tensors: Tensors) -> Tensors:
    """Of torchvision's MobileNetV2: blocks numbered through, which timm counts by stages."""
    place = _counted((1, 2, 3, 4, 3, 3, 1))
    parts = {"0.0": "conv_pw", "0.1": "bn1", "1.0": "conv_dw", "1.1": "bn2", "2": "conv_pwl", "3": "bn3"}
    # The first block widens nothing: each of its parts comes one place earlier.
    first = {"0.0": "conv_dw", "0.1": "bn1", "1": "conv_pw", "2": "bn2"}

    def part(match: re.Match[str]) -> str:
        names = first if match[1] == "1" else parts
        return f"{place(match)}.{names[match[2]]}.{match[3]}"

    return renamed(
        _of_features(tensors),
        (
            (r"features\.0\.0\.(.+)", r"conv_stem.\1"),
            (r"features\.0\.1\.(.+)", r"bn1.\1"),
            (r"features\.18\.0\.(.+)", r"conv_head.\1"),
            (r"features\.18\.1\.(.+)", r"bn2.\1"),
            (r"features\.(\d+)\.conv\.([01]\.[01]|[123])\.(\w+)", part),
            (r"classifier\.1\.(.+)", r"classifier.\1"),
        ),
    )


def regnet(tensors: Tensors) -> Tensors:
    """Of torchvision's RegNet: stages and blocks by name, the parts of a block by letter."""
    parts = {"f.a.": "conv1", "f.b.": "conv2", "f.c.": "conv3", "proj.": "downsample"}
    block, layers = r"trunk_output\.block(\d)\.block\d-(\d+)\.", ("conv", "bn")

    def place(match: re.Match[str]) -> str:
        return f"s{match[1]}.b{int(match[2]) + 1}"

    return renamed(
        tensors,
        (
            (r"stem\.([01])\.(.+)", lambda match: f"stem.{layers[int(match[1])]}.{match[2]}"),
            (block + r"f\.(se\.fc[12]\..+)", lambda match: f"{place(match)}.{match[3]}"),
            (
                block + r"(f\.[abc]\.|proj\.)([01])\.(.+)",
                lambda match: f"{place(match)}.{parts[match[3]]}.{layers[int(match[4])]}.{match[5]}",
            ),
            (r"fc\.(.+)", r"head.fc.\1"),
        ),
    )


def vgg(tensors: Tensors) -> Tensors:
    """Of torchvision's VGG: the first two linear layers are convolutions in timm, of 7×7 and of one pixel."""
    found = renamed(
        tensors,
        (
            (r"classifier\.0\.(.+)", r"pre_logits.fc1.\1"),
            (r"classifier\.3\.(.+)", r"pre_logits.fc2.\1"),
            (r"classifier\.6\.(.+)", r"head.fc.\1"),
        ),
    )
    for name, side in (("pre_logits.fc1.weight", 7), ("pre_logits.fc2.weight", 1)):
        if name in found and found[name].ndim == 2:
            found[name] = found[name].reshape(len(found[name]), -1, side, side)
    return found


def mobilenet_v3(tensors: Tensors) -> Tensors:
    """Of torchvision's MobileNetV3, large or small, built as `BUILT` says: blocks numbered through, parts by position.

    What torchvision has as a linear layer behind the pooling is a convolution of one pixel in timm.
    """
    large = "features.16.0.weight" in tensors
    stages = (1, 2, 3, 4, 2, 3) if large else (1, 2, 3, 2, 3)
    place, last = _counted(stages), sum(stages) + 1
    squeezed = {"fc1": "conv_reduce", "fc2": "conv_expand"}

    def part(match: re.Match[str]) -> str:
        number, at, layer = match[1], int(match[2]), match[3]
        # The first block widens nothing, and not every block squeezes: parts are told by what is before them.
        order = ["conv_dw", "conv_pw"] if number == "1" else ["conv_pw", "conv_dw", "conv_pwl"]
        squeezes = [i for i in range(1, 3) if f"features.{number}.block.{i}.fc1.weight" in tensors]
        index = at - sum(i < at for i in squeezes)
        return f"{place(match)}.{order[index] if layer == '0' else f'bn{index + 1}'}.{match[4]}"

    found = renamed(
        tensors,
        (
            (r"features\.0\.0\.(.+)", r"conv_stem.\1"),
            (r"features\.0\.1\.(.+)", r"bn1.\1"),
            (rf"features\.{last}\.0\.(.+)", rf"blocks.{len(stages)}.0.conv.\1"),
            (rf"features\.{last}\.1\.(.+)", rf"blocks.{len(stages)}.0.bn1.\1"),
            (
                r"features\.(\d+)\.block\.[12]\.(fc[12])\.(.+)",
                lambda match: f"{place(match)}.se.{squeezed[match[2]]}.{match[3]}",
            ),
            (r"features\.(\d+)\.block\.([0-3])\.([01])\.(.+)", part),
            (r"classifier\.0\.(weight|bias)", r"conv_head.\1"),
            (r"classifier\.3\.(weight|bias)", r"classifier.\1"),
        ),
    )
    head = found.get("conv_head.weight")
    return found if head is None else found | {"conv_head.weight": head[:, :, None, None]}


def _counted(stages: tuple[int, ...]) -> Callable[[re.Match[str]], str]:
    """From a block's number, counted from 1 over all stages of so many blocks, to its place in timm's network."""
    places = [f"blocks.{stage}.{block}" for stage, count in enumerate(stages) for block in range(count)]
    return lambda match: places[int(match[1]) - 1]
