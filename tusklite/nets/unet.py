"""The U-Net of encoder and decoder (Jin et al. 2022, section 3.1)."""

from __future__ import annotations

from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tusklite.arguments import require_choice, require_integer
from tusklite.nets.upsampling import upsample

PADDING_MODES = ("zeros", "replicate")
MOST_LEVELS = 8  # the last of which is 128 times smaller than the first
MOST_CHANNELS = 4096  # a convolution between two such maps has 151 million weights


def require_unet_shape(width: object, levels: object, groups: object) -> tuple[int, int, int]:
    """Return width, levels and groups of a U-Net as plain integers, if there is one of this shape.

    Raises:
        TypeError: not integers.
        ValueError: below 1, more levels or channels than a machine can have, or a width that is no multiple of
            `groups`.

    Example:
        >>> require_unet_shape(32, 4, 32)
        (32, 4, 32)
        >>> require_unet_shape(32, 20, 32)
        Traceback (most recent call last):
        ...
        ValueError: levels: 20 was given; allowed is an integer from 1 to 8
    """
    width = require_integer("width", width, low=1, high=MOST_CHANNELS)
    levels = require_integer("levels", levels, low=1, high=MOST_LEVELS)
    groups = require_integer("groups", groups, low=1, high=MOST_CHANNELS)
    if width % groups:
        raise ValueError(f"width: {width} was given; allowed is a multiple of groups = {groups}")
    deepest = width * 2 ** (levels - 1)
    if deepest > MOST_CHANNELS:
        raise ValueError(
            f"levels: {levels} was given, of width {width}: the last has {deepest} channels; "
            f"allowed are {MOST_CHANNELS} at most"
        )
    return width, levels, groups


def as_literal(padding_mode: str) -> Literal["zeros", "reflect", "replicate", "circular"]:
    """A padding mode that was checked, as torch's types want it."""
    return cast(Literal["zeros", "reflect", "replicate", "circular"], padding_mode)


def _double_convolution(in_channels: int, out_channels: int, groups: int, padding_mode: str) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        layers += [
            nn.Conv2d(
                channels, out_channels, kernel_size=3, padding=1, padding_mode=as_literal(padding_mode), bias=False
            ),
            nn.GroupNorm(groups, out_channels),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """A U-Net: double convolutions, down by max-pooling and up by bilinear steps, with skips (Ronneberger et al. 2015).

    Level l has `width · 2^l` channels. Group normalisation does not care how many images are in the batch.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        width: channels of the first level; a multiple of `groups`.
        levels: how many resolutions, 1 to 8; each level below the first halves the map.
        groups: groups of each GroupNorm.
        padding_mode: what convolutions see beyond the border: "zeros", or "replicate" for more of the same. A network
            that sees zeros there can tell where in the image it is.

    Raises:
        TypeError, ValueError: sizes that are no positive integers, a width that is no multiple of `groups`, more than
            8 levels or 4096 channels, or another padding mode.

    Example:
        >>> UNet(3, 8, width=8, levels=3, groups=8)(torch.zeros(2, 3, 21, 34)).shape
        torch.Size([2, 8, 21, 34])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int = 32,
        levels: int = 4,
        groups: int = 32,
        padding_mode: str = "zeros",
    ) -> None:
        super().__init__()
        in_channels = require_integer("in_channels", in_channels, low=1, high=MOST_CHANNELS)
        out_channels = require_integer("out_channels", out_channels, low=1, high=MOST_CHANNELS)
        width, levels, groups = require_unet_shape(width, levels, groups)
        require_choice("padding_mode", padding_mode, PADDING_MODES)
        widths = [width * 2**level for level in range(levels)]
        self.down = nn.ModuleList(
            _double_convolution(before, after, groups, padding_mode)
            for before, after in zip([in_channels, *widths], widths, strict=False)
        )
        self.up = nn.ModuleList(
            _double_convolution(wide + narrow, narrow, groups, padding_mode)
            for narrow, wide in zip(widths[-2::-1], widths[:0:-1], strict=True)
        )
        self.out = nn.Conv2d(width, out_channels, kernel_size=1)
        self.reduction = 2 ** (levels - 1)

    def forward(self, images: Tensor) -> Tensor:
        """Map `(B, in_channels, H, W)` to `(B, out_channels, H, W)`; H and W at least `2^(levels - 1)`."""
        if min(images.shape[-2:]) < self.reduction:
            raise ValueError(
                f"images: height and width {tuple(images.shape[-2:])} were given; allowed are at least {self.reduction}"
            )
        x, skips = images, []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else F.max_pool2d(x, 2))
            skips.append(x)
        for block, skip in zip(self.up, skips[-2::-1], strict=True):
            x = upsample(x, (skip.shape[2], skip.shape[3]))
            x = block(torch.cat([skip, x], dim=1))
        return self.out(x)
