"""What the decoder gets beside the places of keypoints. Beyond the paper: a code for each kind, and an appearance."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tusklite.ops.prototypes import Prototypes

INPUTS = ("descriptor", "code")


class PrototypeCodes(nn.Module):
    """A learnt vector for each prototype, which the decoder gets in place of a keypoint's own descriptor.

    A free descriptor can say anything of the image; a code says of which kind its keypoint is, and nothing else. It
    is mixed by a soft assignment, whose gradient reaches the descriptors and the prototypes.

    Args:
        prototypes: M.
        channels: C, of a code.
        inverse_temperature: multiplies the cosine before the softmax of that assignment.

    Example:
        >>> codes, prototypes = PrototypeCodes(2, 3, inverse_temperature=1e4), Prototypes(2, 3)
        >>> prototypes.restart(torch.eye(3)[:2])
        >>> mixed = codes(prototypes, torch.eye(3)[:2].unsqueeze(0))
        >>> torch.allclose(mixed[0], F.normalize(codes.codes, dim=1))
        True
    """

    def __init__(self, prototypes: int, channels: int, inverse_temperature: float) -> None:
        super().__init__()
        self.inverse_temperature = inverse_temperature
        self.codes = nn.Parameter(torch.randn(prototypes, channels))

    def forward(self, prototypes: Prototypes, clustered: Tensor) -> Tensor:
        """Codes `(B, K, C)` of keypoints whose descriptors in clustering space are `(B, K, C)`."""
        chances = prototypes.soft_assign(clustered, self.inverse_temperature, moves_prototypes=True)
        return chances @ F.normalize(self.codes, dim=1)


def coarse_copy(images: Tensor, cells: int) -> Tensor:
    """Images averaged to a few cells and enlarged again: colour and light, which need not go through keypoints.

    Args:
        images: `(B, channels, H, W)`.
        cells: rows and columns that are left.

    Returns:
        `(B, channels, H, W)`.

    Example:
        >>> halves = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(1, 1, 4, 4)
        >>> coarse_copy(halves, 1)[0, 0, 0], coarse_copy(halves, 2)[0, 0, 0]
        (tensor([0.5000, 0.5000, 0.5000, 0.5000]), tensor([0.0000, 0.2500, 0.7500, 1.0000]))
    """
    # The same as torch's adaptive pooling, which not every device can do where the cells do not divide the image.
    coarse = F.interpolate(images, (cells, cells), mode="area")
    return F.interpolate(coarse, (images.shape[2], images.shape[3]), mode="bilinear", align_corners=False)


def peak_scale(sigma: float) -> float:
    """What a Gaussian that sums to 1 is multiplied by to have a peak of about 1; never below 1.

    Example:
        >>> round(peak_scale(1.0), 3), peak_scale(0.1)
        (6.283, 1.0)
    """
    return max(1.0, 2 * math.pi * sigma**2)
