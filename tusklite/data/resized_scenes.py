"""Scenes of objects whose images are enlarged or reduced, while the truth stays at its own size."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from tusklite.arguments import require_integer
from tusklite.data.object_scenes import ObjectScenes, ObjectSource


class ResizedScenes:
    """Another source's scenes with images of another size; masks are judged at the size of the other's.

    Args:
        source: of square images.
        image_size: height and width of the images that are given, in pixels.

    Raises:
        TypeError, ValueError: a size out of range.

    Example:
        >>> from tusklite.data import Tetrominoes
        >>> batch = ResizedScenes(Tetrominoes("test", 10), 70).scenes([3], with_truth=True)
        >>> batch.image.shape, batch.segments.shape
        (torch.Size([1, 3, 70, 70]), torch.Size([1, 35, 35]))
    """

    def __init__(self, source: ObjectSource, image_size: int) -> None:
        self.source = source
        self.image_size = require_integer("image_size", image_size, low=8, high=4096)
        self.properties, self.most_objects = source.properties, source.most_objects
        self.reads_files = source.reads_files

    def __len__(self) -> int:
        return len(self.source)

    def describe(self) -> dict[str, str | int]:
        """What a run records about its data: that of the source, and the size of the images."""
        return {**self.source.describe(), "image_size": self.image_size}

    def identity(self) -> dict[str, object]:
        """All that decides what image i is."""
        return {"kind": "resized", "image_size": self.image_size, "of": self.source.identity()}

    def scenes(self, indices: Sequence[int] | Tensor, with_truth: bool = False) -> ObjectScenes:
        """A batch of scenes, as the source gives it, with images `(B, 3, image_size, image_size)`."""
        batch = self.source.scenes(indices, with_truth)
        size = (self.image_size, self.image_size)
        if self.source.image_size % self.image_size == 0:  # whole blocks of pixels
            image = F.adaptive_avg_pool2d(batch.image, size)
        else:
            image = F.interpolate(batch.image, size, mode="bilinear", align_corners=False, antialias=True).clamp(0, 1)
        return batch._replace(image=image)


def at_size(source: ObjectSource, image_size: int) -> ObjectSource:
    """A source whose images have a size: itself where they have it.

    Example:
        >>> from tusklite.data import Tetrominoes
        >>> scenes = Tetrominoes("test", 10)
        >>> at_size(scenes, 35) is scenes, at_size(scenes, 70).image_size
        (True, 70)
    """
    return source if source.image_size == image_size else ResizedScenes(source, image_size)
