"""Scenes of objects: the picture, and as ground truth which pixel is which object's, where it is, what it is like."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class ObjectScenes(NamedTuple):
    """A batch of scenes of objects; all but the images is the ground truth, and None where it was not asked for.

    Attributes:
        image: float32 (B, 3, H, W) in [0, 1].
        segments: uint8 (B, H, W): 0 where the background is seen, n where object n - 1 is.
        present: bool (B, T): which of the T places hold an object (that is seen in the picture).
        xy: float32 (B, T, 2), centres in [-1, 1]; 0 where none is.
        properties: by name, int64 (B, T): a value's number in the source's `properties`; -1 where no object is.
    """

    image: Tensor
    segments: Tensor | None = None
    present: Tensor | None = None
    xy: Tensor | None = None
    properties: dict[str, Tensor] | None = None
