"""Factorized spatial embeddings (Thewlis et al. 2017): a detector whose landmarks follow every warp of an object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from tusklite.arguments import require_choice, require_integer, require_number, require_tensor
from tusklite.geometry import identity_grid, warp_images
from tusklite.methods.weights import FoundKeypoints, KeypointModel, refuse_k
from tusklite.nets.landmark_net import LANDMARK_PADDING_MODES, LandmarkNet, require_layers
from tusklite.ops.keypoints import soft_argmax, spatial_softmax


@dataclass(frozen=True)
class ThewlisConfig:
    """The shape of a landmark detector. The defaults are the paper's on faces.

    Attributes:
        landmarks: K.
        image_channels: 1 for grey, 3 for colour.
        image_size: side of the square that the network sees, in pixels; even.
        widths: channels of the first five convolutions.
        kernels: sides of the six kernels; the paper does not state them.
        dilations: of the six kernels.
        padding_mode: what convolutions see beyond the border: "zeros", or beyond the paper "replicate" or "reflect".
        final_relu: whether score maps are cut off at zero, as in the paper. Beyond it, False: the soft-max then gets
            far below the average too, and background loses its share sooner.
        zoom: half-width of the square that the network sees, as a fraction of the image's, when landmarks are asked for
            in whole images: 0.8 as the paper crops 80 pixels of 100.
    """

    landmarks: int = 10
    image_channels: int = 3
    image_size: int = 80
    widths: tuple[int, ...] = (20, 48, 64, 80, 256)
    kernels: tuple[int, ...] = (5, 3, 3, 3, 3, 1)
    dilations: tuple[int, ...] = (1, 1, 2, 4, 2, 1)
    padding_mode: str = "zeros"
    final_relu: bool = True
    zoom: float = 0.8

    def __post_init__(self) -> None:
        """Refuse values that no detector can have; lists, as JSON gives them, become tuples."""
        plain: dict[str, object] = {
            name: require_integer(name, getattr(self, name), low=1, high=high)
            for name, high in (("landmarks", 1000), ("image_channels", 16), ("image_size", 1024))
        }
        if self.image_size % 2:
            raise ValueError(f"image_size: {self.image_size} was given; allowed is an even number")
        layers = require_layers(self.widths, self.kernels, self.dilations)
        plain |= zip(("widths", "kernels", "dilations"), layers, strict=True)
        require_choice("padding_mode", self.padding_mode, LANDMARK_PADDING_MODES)
        plain["zoom"] = require_number("zoom", self.zoom, open_low=True, high=1.0)
        for name, value in plain.items():
            object.__setattr__(self, name, value)


class Landmarks(NamedTuple):
    """What a detector says of a batch of images.

    Attributes:
        xy: `(B, K, 2)` landmarks in [-1, 1] of what was looked at.
        probs: `(B, K, h, w)` probability maps; each sums to 1.
    """

    xy: Tensor
    probs: Tensor


def frame_images(images: Tensor, size: int, zoom: Tensor | float, shift: Tensor | float = 0.0) -> Tensor:
    """Cut a square out of each image and bring it to a size: a point v of the square is `zoom v + shift` of the image.

    Args:
        images: `(B, C, H, W)`.
        size: side of the result in pixels.
        zoom: half-width of the square, a number or `(B, 1, 1)`; below 1 it shows a part of the image, larger.
        shift: its centre, a number or `(B, 1, 2)`.

    Returns:
        `(B, C, size, size)`; what lies beyond the image is its reflection.

    Raises:
        TypeError, ValueError: not images, or another size.

    Example:
        >>> import torch
        >>> ramp = torch.arange(4.0).expand(1, 1, 4, 4)
        >>> frame_images(ramp, 2, zoom=0.5)[0, 0, 0]
        tensor([1., 2.])
    """
    require_tensor("images", images, ("B", "C", "H", "W"), finite=False)
    require_integer("size", size, low=1)
    square = identity_grid(size, size, images.device, images.dtype).view(1, -1, 2) * zoom + shift  # (1 or B, S S, 2)
    grid = square.expand(len(images), -1, -1).view(-1, size, size, 2)
    return warp_images(images, grid, padding_mode="reflection")


class FactorizedLandmarks(KeypointModel):
    """K landmarks of an image, each the mean of its own probability map (Thewlis et al. 2017, eq. 4).

    Args:
        config: the shape of the detector.

    Example:
        >>> import torch
        >>> model = FactorizedLandmarks(ThewlisConfig(landmarks=4, image_size=32)).eval()
        >>> found = model(torch.rand(2, 3, 32, 32))
        >>> found.xy.shape, found.probs.shape
        (torch.Size([2, 4, 2]), torch.Size([2, 4, 16, 16]))
    """

    KIND = "tusklite-thewlis"
    FORMER_KINDS = ("tusklite-landmarks",)
    CONFIG = ThewlisConfig

    def __init__(self, config: ThewlisConfig) -> None:
        super().__init__()
        self.config = config
        shape = {"widths": config.widths, "kernels": config.kernels, "dilations": config.dilations}
        self.network = LandmarkNet(
            config.landmarks,
            config.image_channels,
            **shape,
            padding_mode=config.padding_mode,
            final_relu=config.final_relu,
        )

    def forward(self, images: Tensor) -> Landmarks:
        """Landmarks of images `(B, channels, H, W)` in [0, 1], H and W even, as they are.

        Raises:
            TypeError, ValueError: another shape or dtype.
        """
        probs = spatial_softmax(self.network(images).float())
        return Landmarks(soft_argmax(probs), probs)

    def find(self, images: Tensor) -> Tensor:
        """Landmarks `(B, K, 2)` of whole images `(B, channels, H, W)` of any size, in [-1, 1] of the image.

        The network looks at the middle square that the configuration's zoom and image size say.

        Raises:
            TypeError, ValueError: another shape or dtype.
        """
        return self.find_keypoints(images).xy

    def find_keypoints(self, images: Tensor, k: int | None = None) -> FoundKeypoints:
        """Landmarks of whole images, as `find` gives them; the score is the peak of a landmark's probability map.

        Raises:
            TypeError, ValueError: another shape or dtype, or a `k`: a detector has as many landmarks as it has maps.
        """
        refuse_k(k, self.config.landmarks)
        seen = self(frame_images(images, self.config.image_size, self.config.zoom))
        score = seen.probs.amax(dim=(2, 3))
        return FoundKeypoints(seen.xy * self.config.zoom, score, None, torch.ones_like(score, dtype=torch.bool))
