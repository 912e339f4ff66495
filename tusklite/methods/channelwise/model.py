"""The rival that TUSK was made against: an autoencoder with one heatmap a channel, each with one keypoint.

The paper calls it "Ch.-wise" (Jin et al. 2022, table 1): the autoencoder of a single-heatmap method whose heatmap is
replaced by K separately predicted ones. It is here to be understood, not to be used: on images with repeated things it
fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tusklite.arguments import require_choice, require_integer, require_number, require_tensor
from tusklite.methods.tusk.config import TUSKConfig
from tusklite.methods.weights import FoundKeypoints, KeypointModel, refuse_k
from tusklite.nets.unet import MOST_CHANNELS, PADDING_MODES, UNet, require_unet_shape
from tusklite.ops.aggregation import score_weighted_sum
from tusklite.ops.keypoints import sample_descriptors, soft_argmax, spatial_softmax


@dataclass(frozen=True)
class ChannelwiseConfig:
    """The shape of a channel-wise detector.

    Attributes:
        channels: K, one keypoint each.
        image_channels: 1 for grey, 3 for colour.
        descriptor_channels: C.
        width: channels of the U-Nets' first level.
        levels: resolutions of the U-Nets.
        groups: groups of the normalisations.
        splat_sigma: standard deviation of the decoder's Gaussians, in pixels of the map.
        stem: the networks work on maps that are so many times smaller than the image.
        padding_mode: what convolutions see beyond the border.
    """

    channels: int = 9
    image_channels: int = 1
    descriptor_channels: int = 32
    width: int = 32
    levels: int = 4
    groups: int = 32
    splat_sigma: float = 0.05**0.5
    stem: int = 1
    padding_mode: str = "zeros"

    def __post_init__(self) -> None:
        """Refuse values that no network can have."""
        plain: dict[str, object] = {
            name: require_integer(name, getattr(self, name), low=1, high=high)
            for name, high in (
                ("channels", 1000),
                ("image_channels", 16),
                ("descriptor_channels", MOST_CHANNELS),
                ("stem", 16),
            )
        }
        shape = require_unet_shape(self.width, self.levels, self.groups)
        plain |= zip(("width", "levels", "groups"), shape, strict=True)
        plain["splat_sigma"] = require_number("splat_sigma", self.splat_sigma, open_low=True)
        for name, value in plain.items():
            object.__setattr__(self, name, value)
        require_choice("padding_mode", self.padding_mode, PADDING_MODES)

    @classmethod
    def like(cls, config: TUSKConfig) -> ChannelwiseConfig:
        """The same autoencoder as TUSK's, with a channel for each of its keypoints.

        Example:
            >>> ChannelwiseConfig.like(TUSKConfig(keypoints=5, stem=2)).channels
            5
        """
        same = (
            "image_channels",
            "descriptor_channels",
            "width",
            "levels",
            "groups",
            "splat_sigma",
            "stem",
            "padding_mode",
        )
        return cls(channels=config.keypoints, **{name: getattr(config, name) for name in same})


class ChannelwisePoints(NamedTuple):
    """What a channel-wise detector reads off its maps.

    Attributes:
        probs: `(B, K, h, w)` one probability map a channel, each summing to 1.
        xy: `(B, K, 2)` their means, in [-1, 1].
        descriptors: `(B, K, C)` of unit length, read at the points.
        canvas: `(B, C, h, w)` the descriptors, each spread by a Gaussian around its point: what is decoded.
    """

    probs: Tensor
    xy: Tensor
    descriptors: Tensor
    canvas: Tensor


class ChannelwiseOutput(NamedTuple):
    """What a channel-wise detector says of a batch of images.

    Attributes:
        probs: `(B, K, h, w)` one probability map a channel, each summing to 1.
        xy: `(B, K, 2)` their means, in [-1, 1].
        descriptors: `(B, K, C)` of unit length, read at the points.
        decoded: `(B, channels, H, W)` the reconstruction before its sigmoid.
    """

    probs: Tensor
    xy: Tensor
    descriptors: Tensor
    decoded: Tensor


class ChannelwiseDetector(KeypointModel):
    """An autoencoder through K points, each the mean of a probability map of its own (Jin et al. 2022, table 1).

    Args:
        config: the shape of the network.

    Example:
        >>> model = ChannelwiseDetector(ChannelwiseConfig(channels=3, width=8, levels=2, groups=8, stem=2)).eval()
        >>> output = model(torch.rand(2, 1, 20, 24))
        >>> output.probs.shape, output.xy.shape, output.decoded.shape
        (torch.Size([2, 3, 10, 12]), torch.Size([2, 3, 2]), torch.Size([2, 1, 20, 24]))
    """

    KIND = "tusklite-channelwise"
    CONFIG = ChannelwiseConfig

    def __init__(self, config: ChannelwiseConfig) -> None:
        super().__init__()
        self.config = config
        channels, image = config.descriptor_channels, config.image_channels * config.stem**2
        unet: dict[str, Any] = {
            "width": config.width,
            "levels": config.levels,
            "groups": config.groups,
            "padding_mode": config.padding_mode,
        }
        self.encoder = UNet(image, config.channels + channels, **unet)
        self.decoder = UNet(channels, image, **unet)
        self.standardization = nn.BatchNorm1d(channels, affine=False)

    def forward(self, images: Tensor) -> ChannelwiseOutput:
        """Find one point a channel, and redraw the image from the points alone.

        Args:
            images: `(B, channels, H, W)` in [0, 1]; H and W multiples of the stem.

        Returns:
            A `ChannelwiseOutput`.

        Raises:
            TypeError, ValueError: another shape or dtype, or NaN.
        """
        require_tensor("images", images, ("B", self.config.image_channels, "H", "W"))
        if images.shape[2] % self.config.stem or images.shape[3] % self.config.stem:
            raise ValueError(
                f"images: size {tuple(images.shape[2:])} was given; allowed are multiples of {self.config.stem}"
            )
        points = self.read_points(*self.encode(images))
        return ChannelwiseOutput(points.probs, points.xy, points.descriptors, self.decode(points.canvas))

    def find_keypoints(self, images: Tensor, k: int | None = None) -> FoundKeypoints:
        """One point a channel; its score is the peak of the channel's probability map.

        Raises:
            TypeError, ValueError: another shape or dtype, or a `k`.
        """
        refuse_k(k, self.config.channels)
        require_tensor("images", images, ("B", self.config.image_channels, "H", "W"))
        points = self.read_points(*self.encode(images))
        score = points.probs.amax(dim=(2, 3))
        return FoundKeypoints(points.xy, score, None, torch.ones_like(score, dtype=torch.bool))

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images `(B, channels, H, W)` to score maps `(B, K, h, w)` and features `(B, C, h, w)`."""
        maps = self.encoder(F.pixel_unshuffle(images, self.config.stem)).float()
        scores, features = maps.split([self.config.channels, self.config.descriptor_channels], dim=1)
        return scores, features

    def read_points(self, scores: Tensor, features: Tensor) -> ChannelwisePoints:
        """What score maps `(B, K, h, w)` and features `(B, C, h, w)` say: points, descriptors, and a canvas of both."""
        probs = spatial_softmax(scores)
        xy = soft_argmax(probs)
        sampled = sample_descriptors(features, xy.detach())
        descriptors = F.normalize(self.standardization(sampled.flatten(0, 1)), dim=-1).view_as(sampled)
        height, width = scores.shape[2:]
        canvas = score_weighted_sum(
            xy, torch.ones_like(xy[..., 0]), descriptors, height, width, self.config.splat_sigma
        )
        return ChannelwisePoints(probs, xy, descriptors, canvas)

    def decode(self, canvas: Tensor) -> Tensor:
        """A canvas `(B, C, h, w)` to an image `(B, channels, H, W)` before its sigmoid."""
        return F.pixel_shuffle(self.decoder(canvas), self.config.stem)
