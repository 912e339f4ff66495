"""Images with the points that training starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from tusklite.arguments import require_indices
from tusklite.data.base import ImageAlone, ImageSource, images_sha256
from tusklite.methods.mallis.pseudo_truth import PointSets, require_sets

TOGETHER = 256  # images that are asked for at once
MOST_HELD = 2**31  # bytes


@runtime_checkable
class SourceWithPoints(ImageSource, Protocol):
    """An image source that knows generic keypoints of its images."""

    def starting_points(self) -> PointSets:
        """The starting points of all its images, on the CPU."""
        ...


class StartingImages:
    """The images of a source, held in memory where they fit, with points to start from.

    Images that are drawn, or decoded, are asked for once: training sees each a hundred times.

    Args:
        source: of images whose values are whole 255ths.
        points: starting points of all of them, in order.
        about: how the points were found: it is part of the identity, as are the points themselves.

    Raises:
        TypeError, ValueError: no points of so many images.

    Example:
        >>> from tusklite.data import Puppets
        >>> none = PointSets(torch.zeros(4, 1, 2), torch.zeros(4, 1, dtype=torch.bool))
        >>> images = StartingImages(Puppets("train", size=4), none, {"detector": "nothing"})
        >>> len(images), images.scenes([2, 0]).image.shape
        (4, torch.Size([2, 3, 64, 64]))
    """

    def __init__(self, source: ImageSource, points: PointSets, about: Mapping[str, object]) -> None:
        require_sets("points", points)
        if len(points.xy) != len(source):
            raise ValueError(f"points: those of {len(points.xy)} images were given; allowed are those of {len(source)}")
        self.source, self.about = source, dict(about)
        self._points = PointSets(points.xy.cpu(), points.found.cpu())
        self._held: Tensor | None = None
        fits = source.scenes([0]).image.numel() * len(source) <= MOST_HELD
        if fits:
            parts = [source.scenes(rows).image for rows in torch.arange(len(source)).split(TOGETHER)]
            self._held = torch.cat([(part * 255).round().to(torch.uint8) for part in parts])

    @property
    def reads_files(self) -> bool:
        """Whether images are still decoded when they are asked for."""
        return self.source.reads_files and self._held is None

    def __len__(self) -> int:
        return len(self.source)

    def scenes(self, indices: Sequence[int] | Tensor) -> ImageAlone:
        """The images `indices`, float32 (B, C, H, W) in [0, 1], without a truth."""
        if self._held is None:
            return ImageAlone(self.source.scenes(indices).image)
        rows = require_indices("indices", indices, len(self)).to(self._held.device)
        image = self._held[rows].to(torch.float32)
        return ImageAlone(image / image.new_full((), 255))

    def starting_points(self) -> PointSets:
        """The points that were given, on the CPU."""
        return self._points

    def describe(self) -> dict[str, str | int]:
        """What the source says of itself."""
        return self.source.describe()

    def identity(self) -> dict[str, object]:
        """That of the source, and how its points were found."""
        # Places are told to a thousandth of a pixel of 1,000: the last bits of a corner differ from machine to machine.
        places = torch.where(self._points.found[..., None], self._points.xy, 9).double()
        digest = images_sha256((places * 1e5).round().to(torch.int32))
        return self.source.identity() | {"starting_points": self.about | {"sha256": digest}}
