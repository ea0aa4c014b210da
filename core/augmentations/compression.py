"""JPEG compression: the one augmentation that runs on the CPU, image by image, as its codec does."""

import io

import torch
from PIL import Image
from torch import Tensor

from core.augmentations.spec import Augmentation

UNCOMPRESSED = 100.0


def compress(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images after a round trip through JPEG of quality `strengths`, to the nearest whole one.

    Pixels are rounded to 8 bits first, as in a file. Chroma is halved along both axes (4:2:0), the usual default.
    A quality of exactly 100 stands for "not compressed", although JPEG would still round there.
    """
    pixels = (images.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu()
    for image, quality in zip(pixels, strengths.tolist(), strict=True):
        if quality == UNCOMPRESSED:
            continue
        buffer = io.BytesIO()
        encoded = Image.fromarray(image.numpy())
        encoded.save(buffer, "JPEG", quality=max(1, round(quality)), subsampling="4:2:0")
        # Decoded straight into the batch, which is this function's own copy.
        with Image.open(buffer) as decoded:
            image.copy_(torch.frombuffer(bytearray(decoded.tobytes()), dtype=torch.uint8).view_as(image))
    return pixels.to(images.device).permute(0, 3, 1, 2).float() / 255


JPEG = Augmentation(
    id="jpeg",
    label="JPEG compression",
    family="degradation",
    unit="JPEG quality",
    description="Compresses to a JPEG of this quality and back; 100 stands for no compression, no seed is used.",
    strengths=(100, 90, 80, 65, 50, 35, 25, 15, 10, 5),
    seeded=False,
    transform=compress,
)
