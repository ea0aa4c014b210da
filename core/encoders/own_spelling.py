"""What other code calls networks that timm has too: torchvision's names, and those of training scripts."""

import re
from collections.abc import Mapping

from torch import Tensor

from core.errors import InvalidRequest

SIZES = {"t": "tiny", "s": "small", "b": "base", "l": "large", "h": "huge"}
VIT = re.compile(r"(?:\w+?_)?(?:vit|deit)_(tiny|small|base|large|huge|[tsblh])(?:_(?:patch)?(\d+))?(?:_\w+)?")
SWIN = re.compile(r"swin_(tiny|small|base|[tsb])")
MOBILENET = re.compile(r"mobilenet_(v2|v3_large|v3_small)")
REGNET = re.compile(r"regnet_([xy])_(?:(\d+)mf|(\d+)(?:_(\d))?gf)")
PATCHES = ("patch_embed.proj.weight", "patch_embeddings.projection.weight", "conv_proj.weight")
"""Ends of the names of a vision transformer's first weight, in timm and DINO, transformers and torchvision."""


def usual_name(name: str, tensors: Mapping[str, Tensor]) -> str:
    """The name that timm has for a network; the name itself where it is not one of those known here.

    Args:
        name: as `vit_b_16`, `vit_small`, `mae_vit_base_patch16`.
        tensors: of the file, which say how large patches are where the name does not.

    Raises:
        InvalidRequest: it is MoCo v3's ViT-S, which no tensor tells from timm's.
    """
    plain = name.lower().replace("-", "_").replace("/", "_")
    if match := SWIN.fullmatch(plain):
        return f"swin_{SIZES.get(match[1], match[1])}_patch4_window7_224"
    if match := MOBILENET.fullmatch(plain):
        return f"mobilenet{match[1]}_100"
    if match := REGNET.fullmatch(plain):
        # timm counts in hundreds of millions of multiplications.
        hundreds = int(match[2]) // 100 if match[2] else 10 * int(match[3]) + int(match[4] or 0)
        # Of one the two libraries have different widths, and timm both.
        return f"regnet{match[1]}_{hundreds:03d}" + ("_tv" if (match[1], hundreds) == ("x", 4) else "")
    if not (match := VIT.fullmatch(plain)):
        return name
    size = SIZES.get(match[1], match[1])
    if size == "small" and any("momentum_encoder." in key or "base_encoder." in key for key in tensors):
        raise InvalidRequest(
            "MoCo v3's ViT-S has 12 heads where timm's has 6, which no tensor shows: say --like vits16-moco-v3."
        )
    patch = patch_of(tensors) or int(match[2] or 16)
    if not any(key.endswith("ls1.gamma") for key in tensors):
        return f"vit_{size}_patch{patch}_224"
    registers = "_reg4" if any(key.endswith("register_tokens") for key in tensors) else ""
    return f"vit_{size}_patch{patch}{registers}_dinov2"


def patch_of(tensors: Mapping[str, Tensor]) -> int:
    """Side of the patches that a file's vision transformer reads; 0 where there is none."""
    sides = {value.shape[-1] for key, value in tensors.items() if key.endswith(PATCHES) and value.ndim == 4}
    return sides.pop() if len(sides) == 1 else 0


def with_patches(architecture: str, patch: int) -> str:
    """A network's name with patches of another side."""
    return re.sub(r"(?<=patch)\d+", str(patch), architecture)
