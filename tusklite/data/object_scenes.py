"""Scenes of objects: the picture, and as ground truth which pixel is which object's, where it is, what it is like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

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


class ObjectSource(Protocol):
    """An image source of scenes of objects, such as `Tetrominoes`.

    Attributes:
        properties: the names of each property's values.
        image_size: height and width of the images, in pixels.
        most_objects: T, how many objects a scene has at most.
    """

    @property
    def reads_files(self) -> bool:
        """Whether images are decoded when they are asked for."""
        ...

    @property
    def properties(self) -> Mapping[str, tuple[str, ...]]:
        """The names of each property's values."""
        ...

    @property
    def image_size(self) -> int:
        """Height and width of the images."""
        ...

    @property
    def most_objects(self) -> int:
        """How many objects a scene has at most."""
        ...

    def __len__(self) -> int: ...

    def scenes(self, indices: Sequence[int] | Tensor, with_truth: bool = False) -> ObjectScenes:
        """A batch of scenes."""
        ...

    def describe(self) -> dict[str, str | int]:
        """What a run records about its data."""
        ...

    def identity(self) -> dict[str, object]:
        """All that decides what scene i is."""
        ...
