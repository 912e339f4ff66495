"""The head that makes one heatmap of a feature map (Jin et al. 2022, section 3.1)."""

from __future__ import annotations

import math

from torch import Tensor, nn

from tusklite.arguments import require_choice, require_integer, require_number
from tusklite.nets.unet import MOST_CHANNELS, PADDING_MODES, as_literal


class HeatmapHead(nn.Module):
    """Reads one heatmap in (0, 1) off a feature map, by the layers of the authors' code.

    The last normalisation has one group: each heatmap has mean 0 and variance 1 before its scale, shift and sigmoid, so
    a heatmap cannot vanish, but its background stays high unless a loss asks otherwise.

    Args:
        channels: channels of the feature map.
        groups: groups of the first GroupNorm; must divide `channels`.
        padding_mode: as for `UNet`.
        scale, shift: where the last normalisation starts. At 1 and 0 the background begins at one half, and an
            optimiser that moves a number by a thousandth a step takes long to darken it.

    Raises:
        TypeError, ValueError: sizes that are no positive integers or do not divide, or another padding mode.

    Example:
        >>> import torch
        >>> HeatmapHead(8, groups=8)(torch.randn(2, 8, 5, 7)).shape
        torch.Size([2, 1, 5, 7])
    """

    def __init__(
        self,
        channels: int,
        groups: int = 32,
        padding_mode: str = "zeros",
        scale: float = 1.0,
        shift: float = 0.0,
    ) -> None:
        super().__init__()
        channels = require_integer("channels", channels, low=1, high=MOST_CHANNELS)
        groups = require_integer("groups", groups, low=1, high=MOST_CHANNELS)
        require_choice("padding_mode", padding_mode, PADDING_MODES)
        if channels % groups:
            raise ValueError(f"channels: {channels} was given; allowed is a multiple of groups = {groups}")
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, kernel_size=3, padding=1, padding_mode=as_literal(padding_mode), bias=False),
            nn.GroupNorm(groups, channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, 1, kernel_size=3, padding=1, padding_mode=as_literal(padding_mode), bias=False),
            last := nn.GroupNorm(1, 1),
        )
        nn.init.constant_(last.weight, require_number("scale", scale, open_low=True))
        nn.init.constant_(last.bias, require_number("shift", shift, low=-math.inf))

    def forward(self, features: Tensor) -> Tensor:
        """Map `(B, C, H, W)` features to a `(B, 1, H, W)` heatmap in (0, 1)."""
        return self.layers(features).sigmoid()
