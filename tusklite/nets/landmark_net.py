"""The six-layer landmark detector (Thewlis et al. 2017, section 4.1)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tusklite.arguments import require_choice, require_integer, require_tensor
from tusklite.nets.unet import MOST_CHANNELS, as_literal

LANDMARK_PADDING_MODES = ("zeros", "replicate", "reflect")
LARGEST_KERNEL, LARGEST_DILATION = 31, 64


def require_layers(
    widths: object, kernels: object, dilations: object
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return the shape of six convolutions as tuples of plain integers, if a landmark net can have it.

    Raises:
        TypeError: no sequences of integers.
        ValueError: other counts than 5, 6 and 6, values out of range, or even kernels.

    Example:
        >>> require_layers([20, 48, 64, 80, 256], [5, 3, 3, 3, 3, 1], [1, 1, 2, 4, 2, 1])[1]
        (5, 3, 3, 3, 3, 1)
    """
    layers: tuple[tuple[str, object, int, dict[str, Any]], ...] = (
        ("widths", widths, 5, {"high": MOST_CHANNELS}),
        ("kernels", kernels, 6, {"high": LARGEST_KERNEL, "odd": True}),
        ("dilations", dilations, 6, {"high": LARGEST_DILATION}),
    )
    plain = []
    for name, values, count, limits in layers:
        if not isinstance(values, tuple | list):
            raise TypeError(f"{name}: {values!r} was given; allowed are {count} values")
        if len(values) != count:
            raise ValueError(f"{name}: {len(values)} values were given; allowed are {count}")
        plain.append(tuple(require_integer(name, value, low=1, **limits) for value in values))
    return plain[0], plain[1], plain[2]


class LandmarkNet(nn.Module):
    """Six convolutions that give one score map a landmark, at half the image's size (Thewlis et al. 2017, section 4.1).

    Batch normalisation and ReLU follow each convolution, a 2 x 2 maximum the first. The paper states the channels, not
    the kernels. Here kernels are small and two are dilated, so that a score sees 42 pixels of the image.

    Args:
        landmarks: K.
        in_channels: channels of the images.
        widths: channels of the first five convolutions.
        kernels: odd sides of the six kernels, up to 31.
        dilations: of the six kernels, up to 64.
        padding_mode: what convolutions see beyond the border: "zeros", "replicate" or "reflect". With zeros the network
            can tell where in the image it is, and landmarks may stay there.
        final_relu: whether a ReLU follows the last normalisation too, as in the paper.

    Raises:
        TypeError, ValueError: sizes that are no positive integers or out of range, even kernels, another number of
            layers than six, or another padding mode.

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
        padding_mode: str = "zeros",
        final_relu: bool = True,
    ) -> None:
        super().__init__()
        in_channels = require_integer("in_channels", in_channels, low=1, high=MOST_CHANNELS)
        landmarks = require_integer("landmarks", landmarks, low=1, high=MOST_CHANNELS)
        widths, kernels, dilations = require_layers(widths, kernels, dilations)
        channels = [in_channels, *widths, landmarks]
        require_choice("padding_mode", padding_mode, LANDMARK_PADDING_MODES)
        layers: list[nn.Module] = []
        smallest = 2
        for number, (before, after) in enumerate(itertools.pairwise(channels)):
            kernel, dilation = kernels[number], dilations[number]
            reach = dilation * (kernel // 2)
            mode = as_literal(padding_mode if reach else "zeros")
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
                f"images: size {tuple(images.shape[2:])} was given; allowed with padding_mode 'reflect' are "
                f"heights and widths of at least {self.smallest}"
            )
        return self.layers(images.contiguous(memory_format=torch.channels_last))
