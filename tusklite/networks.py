"""The networks: a U-Net (Jin et al. 2022, section 3.1) and the landmark detector of Thewlis et al. 2017."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tusklite.arguments import require_choice, require_integer, require_tensor

PADDINGS = ("zeros", "replicate")
LANDMARK_PADDINGS = ("zeros", "replicate", "reflect")


def _double_convolution(in_channels: int, out_channels: int, groups: int, padding: str) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        layers += [
            nn.Conv2d(channels, out_channels, kernel_size=3, padding=1, padding_mode=padding, bias=False),
            nn.GroupNorm(groups, out_channels),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """A U-Net: double convolutions going down by max-pooling and up by bilinear steps, with skips (Ronneberger 2015).

    Level l has `width · 2^l` channels. Group normalisation does not care how many images are in the batch.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        width: channels of the first level; a multiple of `groups`.
        levels: how many resolutions, at least 1; each level below the first halves the map.
        groups: groups of each GroupNorm.
        padding: what convolutions see beyond the border: "zeros", or "replicate" for more of the same. A network that
            sees zeros there can tell where in the image it is.

    Raises:
        TypeError, ValueError: sizes that are no positive integers, a width that is no multiple of `groups`, or another
            padding.

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
        padding: str = "zeros",
    ) -> None:
        super().__init__()
        sizes = {"in_channels": in_channels, "out_channels": out_channels, "width": width, "levels": levels}
        for name, value in (sizes | {"groups": groups}).items():
            require_integer(name, value, low=1)
        require_choice("padding", padding, PADDINGS)
        if width % groups:
            raise ValueError(f"width: {width} was given; allowed is a multiple of groups = {groups}")
        widths = [width * 2**level for level in range(levels)]
        self.down = nn.ModuleList(
            _double_convolution(before, after, groups, padding)
            for before, after in zip([in_channels, *widths], widths, strict=False)
        )
        self.up = nn.ModuleList(
            _double_convolution(wide + narrow, narrow, groups, padding)
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
            x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear", align_corners=False)
            x = block(torch.cat([skip, x], dim=1))
        return self.out(x)


class HeatmapHead(nn.Module):
    """Reads one heatmap in (0, 1) off a feature map, by the layers of the authors' code.

    The last normalisation has one group: each heatmap has mean 0 and variance 1 before its scale, shift and sigmoid, so
    a heatmap cannot vanish, but its background stays high unless a loss asks otherwise.

    Args:
        channels: channels of the feature map.
        groups: groups of the first GroupNorm; must divide `channels`.
        padding: as for `UNet`.

    Raises:
        TypeError, ValueError: sizes that are no positive integers or do not divide, or another padding.

    Example:
        >>> HeatmapHead(8, groups=8)(torch.randn(2, 8, 5, 7)).shape
        torch.Size([2, 1, 5, 7])
    """

    def __init__(self, channels: int, groups: int = 32, padding: str = "zeros") -> None:
        super().__init__()
        require_integer("channels", channels, low=1)
        require_integer("groups", groups, low=1)
        require_choice("padding", padding, PADDINGS)
        if channels % groups:
            raise ValueError(f"channels: {channels} was given; allowed is a multiple of groups = {groups}")
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, kernel_size=3, padding=1, padding_mode=padding, bias=False),
            nn.GroupNorm(groups, channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, 1, kernel_size=3, padding=1, padding_mode=padding, bias=False),
            nn.GroupNorm(1, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map `(B, C, H, W)` features to a `(B, 1, H, W)` heatmap in (0, 1)."""
        return self.layers(features).sigmoid()


class LandmarkNet(nn.Module):
    """Six convolutions that give one score map a landmark, at half the image's size (Thewlis et al. 2017, section 4.1).

    Batch normalisation and ReLU follow each convolution, a 2 x 2 maximum the first. The paper states the channels, not
    the kernels. Here kernels are small and two are dilated, so that a score sees 42 pixels of the image.

    Args:
        landmarks: K.
        in_channels: channels of the images.
        widths: channels of the first five convolutions.
        kernels: odd sides of the six kernels.
        dilations: of the six kernels.
        padding: what convolutions see beyond the border: "zeros", "replicate" or "reflect". With zeros the network can
            tell where in the image it is, and landmarks may stay there.
        final_relu: whether a ReLU follows the last normalisation too, as in the paper.

    Raises:
        TypeError, ValueError: sizes that are no positive integers, even kernels, another number of layers than six, or
            another padding.

    Example:
        >>> LandmarkNet(7, in_channels=1)(torch.zeros(2, 1, 48, 40)).shape
        torch.Size([2, 7, 24, 20])
    """

    def __init__(
        self,
        landmarks: int,
        in_channels: int = 3,
        widths: Sequence[int] = (20, 48, 64, 80, 256),
        kernels: Sequence[int] = (5, 3, 3, 3, 3, 1),
        dilations: Sequence[int] = (1, 1, 2, 4, 2, 1),
        padding: str = "zeros",
        final_relu: bool = True,
    ) -> None:
        super().__init__()
        channels = [require_integer("in_channels", in_channels, low=1)]
        channels += [require_integer("widths", width, low=1) for width in widths]
        channels += [require_integer("landmarks", landmarks, low=1)]
        require_choice("padding", padding, LANDMARK_PADDINGS)
        for name, values, count in (("widths", widths, 5), ("kernels", kernels, 6), ("dilations", dilations, 6)):
            if len(values) != count:
                raise ValueError(f"{name}: {len(values)} values were given; allowed are {count}")
        layers: list[nn.Module] = []
        smallest = 2
        for number, (before, after) in enumerate(itertools.pairwise(channels)):
            kernel = require_integer("kernels", kernels[number], low=1, odd=True)
            dilation = require_integer("dilations", dilations[number], low=1)
            reach = dilation * (kernel // 2)
            mode = padding if reach else "zeros"
            if mode == "reflect":  # which needs more pixels than it adds
                smallest = max(smallest, 2 * (reach + 1) if number else reach + 1)
            layers.append(
                nn.Conv2d(before, after, kernel, padding=reach, dilation=dilation, padding_mode=mode, bias=False)
            )
            layers.append(nn.BatchNorm2d(after))
            if number < 5 or final_relu:
                layers.append(nn.ReLU(inplace=True))
            if number == 0:
                layers.append(nn.MaxPool2d(2))
        # Channels beside each other in memory make these convolutions a third faster on a CPU.
        self.layers = nn.Sequential(*layers).to(memory_format=torch.channels_last)
        self.in_channels, self.smallest = in_channels, smallest

    def forward(self, images: Tensor) -> Tensor:
        """Map `(B, in_channels, H, W)` to `(B, K, H / 2, W / 2)`; H and W even, so that no pixel is left over."""
        require_tensor("images", images, ("B", self.in_channels, "H", "W"), finite=False)
        if images.shape[2] % 2 or images.shape[3] % 2:
            raise ValueError(f"images: size {tuple(images.shape[2:])} was given; allowed are even heights and widths")
        if min(images.shape[2:]) < self.smallest:
            raise ValueError(
                f"images: size {tuple(images.shape[2:])} was given; allowed with padding 'reflect' are "
                f"heights and widths of at least {self.smallest}"
            )
        return self.layers(images.contiguous(memory_format=torch.channels_last))
