"""A layer behind what the keypoints draw. Beyond the paper, in which some keypoint has to paint the background."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tusklite.nets.upsampling import upsample
from tusklite.ops.surfaces import robust_surface

BACKGROUNDS = ("none", "black", "surface", "learned")
COARSE = 8  # rows and columns of the learned picture
HIDDEN = 64


class LearnedBackground(nn.Module):
    """A coarse picture from the mean of an image's features, which do not say what is where.

    Args:
        channels: C, of the features.
        image_channels: of the picture.

    Example:
        >>> LearnedBackground(16, 3)(torch.zeros(2, 16, 10, 10), (20, 24)).shape
        torch.Size([2, 3, 20, 24])
    """

    def __init__(self, channels: int, image_channels: int) -> None:
        super().__init__()
        self.picture = nn.Sequential(
            nn.Linear(channels, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, image_channels * COARSE**2),
            nn.Unflatten(1, (image_channels, COARSE, COARSE)),
        )

    def forward(self, features: Tensor, size: tuple[int, int]) -> Tensor:
        """Pictures `(B, image_channels, H, W)` in (0, 1) from features `(B, C, h, w)`."""
        coarse = self.picture(features.mean(dim=(2, 3)))
        return upsample(coarse, size).sigmoid()


class BackgroundLayer(nn.Module):
    """The layer behind the keypoints', of one of four kinds.

    Args:
        kind: "none"; "black"; "surface", a robust cubic one through the image's own pixels; or "learned".
        channels: C, of the features.
        image_channels: of the images.

    Example:
        >>> layer = BackgroundLayer("black", 16, 3)
        >>> layer(torch.rand(1, 3, 8, 8), torch.zeros(1, 16, 4, 4)).abs().sum()
        tensor(0.)
        >>> BackgroundLayer("none", 16, 3)(torch.rand(1, 3, 8, 8), torch.zeros(1, 16, 4, 4)) is None
        True
    """

    def __init__(self, kind: str, channels: int, image_channels: int) -> None:
        super().__init__()
        self.kind = kind
        self.learned = LearnedBackground(channels, image_channels) if kind == "learned" else None

    def forward(self, images: Tensor, features: Tensor) -> Tensor | None:
        """The layer `(B, channels, H, W)`, of alpha's logit 0; None where there is none."""
        if self.kind == "none":
            return None
        if self.learned is not None:
            return self.learned(features.float(), (images.shape[2], images.shape[3]))
        if self.kind == "black":
            return torch.zeros_like(images)
        with torch.autocast(images.device.type, enabled=False):  # a least-squares fit wants all its digits
            return robust_surface(images)
