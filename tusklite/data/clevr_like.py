"""CLEVR-like: scenes of three to six spheres, cubes and cylinders, placed as CLEVR places them, drawn by casting rays.

Nothing needs to be downloaded: scene i is a function of the seed, the split and i. What is drawn here is no CLEVR, and
is called CLEVR-like wherever a number stands.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from tusklite.arguments import require_choice, require_indices, require_integer
from tusklite.data.base import ImageAlone
from tusklite.data.clevr_layout import MOST, PROPERTIES, Layout, cropped, draw_layouts
from tusklite.data.counter_random import random_bits
from tusklite.data.digits import SPLITS
from tusklite.data.object_scenes import ObjectScenes
from tusklite.data.ray_casting import cast_images, cast_segments
from tusklite.data.scene_cache import SceneCache

RENDERER = 1  # counts up whenever a scene's picture, masks or properties become others
JUDGED_AT = 112  # the image size at which an object must show enough of itself
LEAST_PIXELS = 12
TOGETHER = {"cpu": 16, "cuda": 128}  # scenes that are drawn at once


class DrawnScenes(NamedTuple):
    """B scenes as they are kept.

    Attributes:
        image: uint8 (B, 3, H, W).
        segments: uint8 (B, H, W).
        attempt: int64 (B,), how many layouts were thrown away before.
    """

    image: Tensor
    segments: Tensor
    attempt: Tensor


class ClevrLike:
    """`size` CLEVR-like scenes: the middle square of the camera's picture, as the object-discovery literature crops it.

    A layout in which an object does not fit, or in which one whose middle is inside the square shows fewer than 12 of
    112 x 112 pixels, is thrown away, and the scene's next attempt drawn. Layouts, masks and properties are the same on
    every machine and device; colours may differ by one of 255 steps in a few pixels, since floats are rounded
    differently. Objects whose middles are outside the square may reach into it: they are seen, and `present`.

    Args:
        split: "train", "validation" or "test"; each has its own scenes.
        size: number of scenes, 1 or more. Scene i does not depend on it.
        seed: 0 or more; another seed gives other scenes.
        image_size: height and width in pixels, 16 to 512. Layouts do not depend on it.
        cache: a folder in which drawn scenes are kept (see `tusklite.places.cache_folder`): all that are missing are
            drawn at once, in pieces, so that a start that is cut off goes on where it was; several processes may share
            it. None: every scene is drawn when it is asked for.
        device: where scenes are drawn and stay.
        progress: whether a bar shows how far the cache is.

    Raises:
        ValueError: an argument out of its range, or a cache that cannot be written or is damaged.
        TypeError: an argument of another type.

    Example:
        >>> scenes = ClevrLike("test", size=1000, image_size=32)
        >>> batch = scenes.scenes([7, 999], with_truth=True)
        >>> batch.image.shape, batch.segments.shape, batch.present.sum(1)
        (torch.Size([2, 3, 32, 32]), torch.Size([2, 32, 32]), tensor([2, 4]))
        >>> [scenes.properties["colour"][value] for value in batch.properties["colour"][0] if value >= 0]
        ['blue', 'yellow']
    """

    reads_files = False  # scenes are drawn, or copied from memory-mapped files
    properties = PROPERTIES
    most_objects = MOST

    def __init__(
        self,
        split: str,
        size: int = 60_000,
        seed: int = 0,
        image_size: int = 112,
        cache: str | os.PathLike[str] | None = None,
        device: torch.device | str = "cpu",
        progress: bool = True,
    ) -> None:
        self.split = require_choice("split", split, SPLITS)
        self.size = require_integer("size", size, low=1, high=2**31)
        self.seed = require_integer("seed", seed, low=0, high=2**63 - 1)
        self.image_size = require_integer("image_size", image_size, low=16, high=512)
        self.device = torch.device(device)
        self._stream = int(random_bits(int(random_bits(self.seed, SPLITS.index(split))), RENDERER))
        self._cache = None
        if cache is not None:
            self._cache = SceneCache(Path(cache), self._picture_identity(), self.size, self.image_size)
            self._cache.fill(self.draw, progress)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> ObjectScenes | ImageAlone:
        """Scene `index`, without a batch dimension; of the split "train" its image alone."""
        if self.split == "train":
            return ImageAlone(self.scenes([index]).image[0])
        batch = self.scenes([index], with_truth=True)
        segments, present, xy = (None if part is None else part[0] for part in batch[1:4])
        properties = {name: values[0] for name, values in (batch.properties or {}).items()}
        return ObjectScenes(batch.image[0], segments, present, xy, properties)

    def describe(self) -> dict[str, str | int]:
        """What a run records about its data."""
        return {
            "source": "CLEVR-like",
            "renderer": RENDERER,
            "seed": self.seed,
            "split": self.split,
            "scenes": self.size,
        }

    def identity(self) -> dict[str, object]:
        """All that decides what scene i is (see `ImageSource`).

        Example:
            >>> ClevrLike("test", 100).identity() == ClevrLike("test", 100, device="cpu").identity()
            True
        """
        return {**self._picture_identity(), "scenes": self.size}

    def _picture_identity(self) -> dict[str, object]:
        return {
            "kind": "clevr-like",
            "renderer": RENDERER,
            "split": self.split,
            "seed": self.seed,
            "image_size": self.image_size,
        }

    def scenes(self, indices: Sequence[int] | Tensor, with_truth: bool = False) -> ObjectScenes:
        """A batch of scenes, in any order, repeats allowed.

        Args:
            indices: B whole numbers from 0 to `len(self) - 1`.
            with_truth: also give segments, places and properties.

        Returns:
            `ObjectScenes` on `self.device`, with 6 places. `xy` are the middles of the solids as the camera sees them;
            of an object whose middle is outside the picture they are beyond [-1, 1].

        Raises:
            ValueError: an empty batch, more than one dimension, or the truth of training scenes.
            TypeError: indices that are not whole numbers.
            IndexError: an index out of range.
        """
        if with_truth and self.split == "train":
            raise ValueError("with_truth: True was given for split 'train'; allowed are 'validation', 'test'")
        rows = require_indices("indices", indices, len(self))
        drawn = self.draw(rows) if self._cache is None else DrawnScenes(*self._cache.read(rows))
        image, segments, attempt = (part.to(self.device) for part in drawn)
        image = image.to(torch.float32)
        image = image / image.new_full((), 255)  # by a tensor: a GPU multiplies by 1 / 255 where it is a plain number
        if not with_truth:
            return ObjectScenes(image)
        layout, _ = draw_layouts(self._keys(rows), attempt)
        number = torch.arange(1, MOST + 1, device=self.device)
        present = (segments.flatten(1)[:, None] == number[:, None]).any(2)
        xy = layout.centres(cropped(self.image_size)).to(torch.float32)
        values = {name: getattr(layout, name).where(present, -1) for name in PROPERTIES}
        return ObjectScenes(image, segments, present, xy.where(present[..., None], 0), values)

    def draw(self, indices: Tensor) -> DrawnScenes:
        """Scenes as they are kept, drawn anew: indices int64 (B,)."""
        together = TOGETHER.get(self.device.type, TOGETHER["cuda"])
        pieces = indices.split(together)
        parts = (
            on_all_cores(self._draw_together, pieces) if self.device.type == "cpu" else map(self._draw_together, pieces)
        )
        return DrawnScenes(*(torch.cat(part) for part in zip(*parts, strict=True)))

    def layouts(self, indices: Tensor) -> tuple[Layout, Tensor]:
        """Where things stand in scenes (B,), and the attempt (B,) that each of them is."""
        keys = self._keys(indices)
        attempt = torch.zeros_like(keys)
        layout, good = draw_layouts(keys, attempt)
        good &= enough_is_seen(layout)
        while not good.all():
            bad = (~good).nonzero()[:, 0]
            attempt[bad] += 1
            fresh, complete = draw_layouts(keys[bad], attempt[bad])
            for part, new in zip(layout, fresh, strict=True):
                part[bad] = new
            good[bad] = complete & enough_is_seen(fresh)
        return layout, attempt

    def _keys(self, indices: Tensor) -> Tensor:
        return random_bits(self._stream, indices.to(self.device))

    def _draw_together(self, indices: Tensor) -> DrawnScenes:
        layout, attempt = self.layouts(indices)
        view = cropped(self.image_size)
        image = (cast_images(layout, view) * 255).round().to(torch.uint8)
        return DrawnScenes(image, cast_segments(layout, view), attempt)


def on_all_cores(draw: Callable[[Tensor], DrawnScenes], pieces: Sequence[Tensor]) -> list[DrawnScenes]:
    """Draw pieces side by side in as many threads as torch has, each of which works alone.

    Threads of torch that share the work on one tensor wait for each other thousands of times a piece: on cores that
    are free that gains less, and on cores that are not, the waiting takes ten times as long as the work.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(min(threads, len(pieces))) as pool:
            return list(pool.map(draw, pieces))
    finally:
        torch.set_num_threads(threads)


def enough_is_seen(layout: Layout) -> Tensor:
    """Whether each object whose middle is inside the square shows at least 12 of 112 x 112 pixels: bool (B,)."""
    view = cropped(JUDGED_AT)
    segments = cast_segments(layout, view).flatten(1)
    number = torch.arange(1, layout.present.shape[1] + 1, device=segments.device)
    pixels = torch.stack([(segments == n).sum(1) for n in number], 1)
    inside = (layout.centres(view).abs() < 1).all(-1) & layout.present
    return ((pixels >= LEAST_PIXELS) | ~inside).all(1)
