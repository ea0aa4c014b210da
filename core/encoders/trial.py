"""A first forward pass of an encoder from a file that nobody has tried."""

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from core.encoders.encoder import Encoder
from core.errors import InvalidRequest, WeightsInvalid

IMAGES = 10


def require_features(encoder: Encoder) -> None:
    """Refuse an encoder that gives no features, the same for every image, or others than its network's own.

    Args:
        encoder: on the CPU.

    Raises:
        WeightsInvalid: with the reason.
        InvalidRequest: no layout cuts this kind of network.
    """
    name, spec = encoder.spec.weights.file, encoder.spec
    for layer, module in encoder.network.named_modules():
        if isinstance(module, _BatchNorm) and module.running_var is not None and bool((module.running_var < 0).any()):
            raise WeightsInvalid(
                f"{name} has a negative variance in '{layer}', so it is damaged: nothing can have one."
            )
    generator = torch.Generator().manual_seed(0)
    side = spec.preprocessing.size
    # Soft blobs, so that networks that shrink their input early see a difference.
    coarse = torch.randn(IMAGES, 3, 7, 7, generator=generator)
    images = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear", align_corners=False)
    uncut = f"{spec.architecture} is a kind of network that cannot be cut into a map and a feature here yet."
    with torch.inference_mode():
        try:
            found = encoder.pool(encoder.trunk(images)).float()
        except (TypeError, AttributeError, RuntimeError, IndexError, ValueError) as error:
            raise InvalidRequest(uncut) from error
        if not bool(found.isfinite().all()):
            raise WeightsInvalid(f"{name} gives features that are not finite, so it is damaged or its training failed.")
        if torch.equal(found, found[:1].expand_as(found)):
            raise WeightsInvalid(
                f"{name} gives every image the same feature: its weights are zero, or cancel each other."
            )
        whole = encoder.network(images).float()
    if whole.shape != found.shape or (whole - found).abs().max() > 1e-4 * whole.abs().max().clamp(min=1e-6):
        raise InvalidRequest(uncut)
