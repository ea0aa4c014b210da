"""Where two images resemble each other for an encoder; works without any head."""

from torch import Tensor
from torch.nn import functional as F

from core.attribution.cam import along
from core.encoders.encoder import Encoder
from core.encoders.layouts.base import TrunkOutput


def similarity_map(encoder: Encoder, state: TrunkOutput, pooled: Tensor, reference: Tensor) -> Tensor:
    """How much each place of an image adds to the cosine with a reference image's feature.

    With average pooling the cells sum exactly to the cosine: cos(f, g) = Σ_ij <A_ij, g> / (h·w·|f|·|g|).

    Args:
        encoder: whose readout it is.
        state: of B images.
        pooled: (B, D) their features.
        reference: (D,) or (B, D) feature of the other image.

    Returns:
        (B, h, w) float32, signed.
    """
    direction = F.normalize(reference.expand_as(pooled), dim=1) / pooled.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return along(encoder, state, encoder.spec.pooling, direction)
