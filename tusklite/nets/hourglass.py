"""The hourglass (Newell et al. 2016), made of hierarchical residual blocks (Bulat and Tzimiropoulos 2017)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tusklite.arguments import require_choice, require_integer, require_tensor
from tusklite.nets.unet import MOST_CHANNELS, PADDING_MODES, as_literal
from tusklite.nets.upsampling import upsample

MOST_DEPTH = 8


def require_hourglass_shape(width: object, stem: object, depth: object, groups: object) -> tuple[int, int, int, int]:
    """Return width, stem, depth and groups of an hourglass as plain integers, if there is one of this shape.

    Raises:
        TypeError: not integers.
        ValueError: out of range, or a width that is no multiple of 4 (its blocks halve it twice).

    Example:
        >>> require_hourglass_shape(32, 16, 3, 4)
        (32, 16, 3, 4)
        >>> require_hourglass_shape(30, 16, 3, 4)
        Traceback (most recent call last):
        ...
        ValueError: width: 30 was given; allowed is a multiple of 4
    """
    width = require_integer("width", width, low=4, high=MOST_CHANNELS)
    stem = require_integer("stem", stem, low=1, high=MOST_CHANNELS)
    depth = require_integer("depth", depth, low=1, high=MOST_DEPTH)
    groups = require_integer("groups", groups, low=1, high=MOST_CHANNELS)
    if width % 4:
        raise ValueError(f"width: {width} was given; allowed is a multiple of 4")
    return width, stem, depth, groups


def require_reduction(reduction: object) -> int:
    """Return how many times smaller than the image the maps are, if it is 2 or 4.

    Raises:
        TypeError, ValueError: another value.

    Example:
        >>> require_reduction(3)
        Traceback (most recent call last):
        ...
        ValueError: reduction: 3 was given; allowed are 2 and 4
    """
    number = require_integer("reduction", reduction, low=2, high=4)
    if number == 3:
        raise ValueError("reduction: 3 was given; allowed are 2 and 4")
    return number


def _normalization(channels: int, groups: int) -> nn.GroupNorm:
    """As many groups as asked for, or as many as divide the channels."""
    return nn.GroupNorm(math.gcd(channels, groups), channels)


class HierarchicalBlock(nn.Module):
    """Three convolutions in a row, whose outputs side by side are added to the input (Bulat and Tzimiropoulos 2017).

    Half of the channels have seen one convolution, a quarter two, a quarter three. Normalisation and ReLU come before
    each. The authors' code keeps the names of batch normalisation, and normalises groups.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output, a multiple of 4.
        groups: groups of the normalisations; where they do not divide the channels, their largest common divisor.
        padding_mode: what convolutions see beyond the border.

    Example:
        >>> HierarchicalBlock(3, 8, groups=4)(torch.zeros(1, 3, 6, 5)).shape
        torch.Size([1, 8, 6, 5])
    """

    def __init__(self, in_channels: int, out_channels: int, groups: int = 32, padding_mode: str = "zeros") -> None:
        super().__init__()
        before = in_channels
        layers = []
        for channels in (out_channels // 2, out_channels // 4, out_channels // 4):
            convolution = nn.Conv2d(before, channels, 3, padding=1, bias=False, padding_mode=as_literal(padding_mode))
            layers.append(nn.Sequential(_normalization(before, groups), nn.ReLU(), convolution))
            before = channels
        self.layers = nn.ModuleList(layers)
        self.skip = (
            nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1, bias=False)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Map `(B, in_channels, H, W)` to `(B, out_channels, H, W)`."""
        x, outputs = maps, []
        for layer in self.layers:
            x = layer(x)
            outputs.append(x)
        return torch.cat(outputs, 1) + self.skip(maps)


class _Glass(nn.Module):
    """One resolution of an hourglass, and all below it."""

    def __init__(self, width: int, depth: int, groups: int, padding_mode: str) -> None:
        super().__init__()

        def block() -> HierarchicalBlock:
            return HierarchicalBlock(width, width, groups, padding_mode)

        self.beside, self.down, self.up = block(), block(), block()
        self.below = _Glass(width, depth - 1, groups, padding_mode) if depth > 1 else block()

    def forward(self, maps: Tensor) -> Tensor:
        low = self.up(self.below(self.down(F.max_pool2d(maps, 2))))
        return self.beside(maps) + upsample(low, (maps.shape[2], maps.shape[3]))


class Hourglass(nn.Module):
    """Features of an image at a half or a quarter of its size: a stem, then one hourglass (Newell et al. 2016).

    The paper uses it with the block of Bulat and Tzimiropoulos (Mallis et al. 2020, section 4, Network architecture);
    its channels and its one hourglass are the authors' code.

    Args:
        in_channels: channels of the images.
        width: channels of the features, a multiple of 4.
        stem: channels of the first convolution.
        kernel: odd side of the first convolution, which halves the image.
        reduction: 2, or 4: averages over 2 x 2 behind the stem as well.
        depth: how often the hourglass halves the map.
        groups: groups of the normalisations.
        padding_mode: what convolutions see beyond the border, "zeros" or "replicate".

    Raises:
        TypeError, ValueError: sizes out of range, or another padding mode.

    Example:
        >>> net = Hourglass(3, width=16, stem=8, kernel=5, reduction=2, depth=2, groups=4)
        >>> net(torch.zeros(2, 3, 32, 24)).shape
        torch.Size([2, 16, 16, 12])
    """

    def __init__(
        self,
        in_channels: int = 3,
        width: int = 256,
        stem: int = 64,
        kernel: int = 7,
        reduction: int = 4,
        depth: int = 4,
        groups: int = 32,
        padding_mode: str = "zeros",
    ) -> None:
        super().__init__()
        self.in_channels = require_integer("in_channels", in_channels, low=1, high=MOST_CHANNELS)
        width, stem, depth, groups = require_hourglass_shape(width, stem, depth, groups)
        kernel = require_integer("kernel", kernel, low=1, high=31, odd=True)
        reduction = require_reduction(reduction)
        require_choice("padding_mode", padding_mode, PADDING_MODES)
        first = nn.Conv2d(in_channels, stem, kernel, 2, kernel // 2, bias=False, padding_mode=as_literal(padding_mode))
        layers: list[nn.Module] = [first, _normalization(stem, groups), nn.ReLU()]
        if reduction == 4:
            middle = 4 * math.ceil(width / 8)
            layers.append(HierarchicalBlock(stem, middle, groups, padding_mode))
            layers += [nn.AvgPool2d(2), HierarchicalBlock(middle, middle, groups, padding_mode)]
            layers.append(HierarchicalBlock(middle, width, groups, padding_mode))
        else:
            layers.append(HierarchicalBlock(stem, width, groups, padding_mode))
        self.stem = nn.Sequential(*layers)
        self.glass = _Glass(width, depth, groups, padding_mode)
        self.multiple = reduction * 2**depth
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """Map `(B, in_channels, H, W)` in [0, 1] to features `(B, width, H / reduction, W / reduction)`.

        Raises:
            TypeError, ValueError: other channels, or H and W that the network cannot halve so often.
        """
        require_tensor("images", images, ("B", self.in_channels, "H", "W"), finite=False)
        if images.shape[2] % self.multiple or images.shape[3] % self.multiple:
            raise ValueError(
                f"images: size {tuple(images.shape[2:])} was given; allowed are multiples of {self.multiple}"
            )
        return self.glass(self.stem((2 * images - 1).contiguous(memory_format=torch.channels_last)))


class MapHead(nn.Sequential):
    """Reads maps off features: a block, a 1 x 1 convolution with normalisation and ReLU, and one that gives the maps.

    Args:
        width: channels of the features, a multiple of 4.
        out_channels: how many maps.
        groups: groups of the normalisations.
        padding_mode: as for `Hourglass`.

    Example:
        >>> MapHead(16, 5, groups=4)(torch.zeros(1, 16, 8, 8)).shape
        torch.Size([1, 5, 8, 8])
    """

    def __init__(self, width: int, out_channels: int, groups: int = 32, padding_mode: str = "zeros") -> None:
        super().__init__(
            HierarchicalBlock(width, width, groups, padding_mode),
            nn.Conv2d(width, width, 1, bias=False),
            _normalization(width, groups),
            nn.ReLU(),
            nn.Conv2d(width, out_channels, 1),
        )
        self.to(memory_format=torch.channels_last)

    @property
    def last(self) -> nn.Conv2d:
        """The convolution that gives the maps: each of its rows is a detector (Mallis et al. 2020, section 3.3)."""
        last = self[-1]
        assert isinstance(last, nn.Conv2d)
        return last

    def take_all_but_last(self, other: MapHead) -> None:
        """Take over another head's weights, except those of the convolution that gives its maps."""
        for own, layer in zip(list(self)[:-1], list(other)[:-1], strict=True):
            own.load_state_dict(layer.state_dict())
