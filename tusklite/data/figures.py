"""Figures of one look: one, two or more in a picture, with 14 joints each whose places are exact. They are generated.

The limbs and the drawing are those of puppets. Other than these, all figures are dressed alike, as animals of a breed
are, and stand before smooth noise without clutter: pose, build and place are left to tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor

from tusklite.arguments import require_choice, require_indices, require_integer
from tusklite.data.base import ImageAlone
from tusklite.data.counter_random import random_bits
from tusklite.data.digits import SPLITS
from tusklite.data.puppets import (
    FIGURE,
    JOINTS,
    TOGETHER,
    UNIT,
    figure_joints,
    figure_numbers,
    paint_figure,
    pixel_grain,
    smooth_background,
)

RENDERER = 1  # counts up whenever a scene's picture or joints become others
OWN_STREAM = 1_000_003  # sets these scenes apart from the puppets of the same seed
FIRST_FIGURE = 50_000  # number of a scene's stream where the keys of its figures begin
MOST_FIGURES = 4
BACKGROUND = (4, 0.45)  # coloured noise: cells a side of a figure's square, and how far it goes from dark to light
COLOURS: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "skin": (0.88, 0.68, 0.52),
        "shirt": (0.78, 0.22, 0.20),
        "trousers": (0.16, 0.24, 0.60),
        "shoe": (0.92, 0.86, 0.25),
        "hair": (0.14, 0.10, 0.08),
    }
)
STRAY = 0.06  # how far a colour is from that at most, in each channel

# What is drawn for each figure, uniformly between two bounds, in the order of the puppets' `FIGURE`.
BOUNDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        **FIGURE,
        "scale": (0.85, 1.05),
        "lean": (-0.3, 0.3),
        "centre_x": (27, 37),
        "centre_y": (27, 34),
        **{
            f"{side}_{angle}": bounds
            for side in ("left", "right")
            for angle, bounds in {
                "arm_raised": (0.1, 2.3),
                "elbow_bent": (-0.3, 1.2),
                "leg_raised": (-0.05, 0.7),
                "knee_bent": (-0.6, 0.2),
            }.items()
        },
        **{
            f"{part}_{channel}": (value - STRAY, value + STRAY)
            for part, colour in COLOURS.items()
            for channel, value in zip(("red", "green", "blue"), colour, strict=True)
        },
    }
)


class BodyBatch(NamedTuple):
    """A batch of pictures with bodies; the points are the ground truth, and None where they were not asked for.

    Attributes:
        image: float32 (B, 3, H, W) in [0, 1].
        xy: float32 (B, F, P, 2), the points of F bodies in [-1, 1] of the picture; one that lies outside is beyond, and
            one that is not known is NaN.
    """

    image: Tensor
    xy: Tensor | None = None


class Figures:
    """`size` pictures of one drawn figure each, or of several side by side, all dressed alike.

    Every figure has a pose, a build and a place of its own, and colours that stray by 0.06 at most. One stands in about
    the middle of its square; squares lie side by side, and a hand may reach into the next one. Nothing is stored: scene
    i is a function of seed, split, number of figures and i, the same bytes on every machine and device.

    Args:
        split: "train", "validation" or "test"; each has its own scenes.
        size: number of scenes, 1 or more. Scene i does not depend on it.
        seed: 0 or more; another seed gives other scenes.
        image_size: S, height in pixels, 32 to 512 and even. Joints do not depend on it.
        figures: F, how many stand in a picture, 1 to 4: it is F S wide.
        device: where the scenes are made and stay.

    Attributes:
        point_names: the names of the joints, `tusklite.data.puppets.JOINTS`.

    Raises:
        ValueError: an argument out of its range.
        TypeError: an argument of another type.

    Example:
        >>> batch = Figures("test", size=100, figures=2).scenes([5, 17], with_truth=True)
        >>> batch.image.shape, batch.xy.shape
        (torch.Size([2, 3, 80, 160]), torch.Size([2, 2, 14, 2]))
        >>> necks = batch.xy[:, :, JOINTS.index("neck"), 0]
        >>> bool((necks[:, 0] < 0).all()), bool((necks[:, 1] > 0).all())
        (True, True)
    """

    reads_files = False  # a scene is drawn
    point_names = JOINTS

    def __init__(
        self,
        split: str,
        size: int = 10_000,
        seed: int = 0,
        image_size: int = 80,
        figures: int = 1,
        device: torch.device | str = "cpu",
    ) -> None:
        self.split = require_choice("split", split, SPLITS)
        self.size = require_integer("size", size, low=1, high=2**31)
        self.seed = require_integer("seed", seed, low=0, high=2**63 - 1)
        self.image_size = require_integer("image_size", image_size, low=32, high=512)
        if self.image_size % 2:
            raise ValueError(f"image_size: {image_size} was given; allowed are even numbers")
        self.figures = require_integer("figures", figures, low=1, high=MOST_FIGURES)
        self.device = torch.device(device)
        stream = random_bits(int(random_bits(self.seed, SPLITS.index(split))), OWN_STREAM + RENDERER)
        self._stream = int(random_bits(int(stream), self.figures))

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> BodyBatch | ImageAlone:
        """Scene `index` without a batch dimension; of the split "train" its image alone."""
        if self.split == "train":
            return ImageAlone(self.scenes([index]).image[0])
        batch = self.scenes([index], with_truth=True)
        assert batch.xy is not None
        return BodyBatch(batch.image[0], batch.xy[0])

    def describe(self) -> dict[str, str | int]:
        """What a run records about its data: what was drawn, and sizes."""
        return {
            "source": "figures",
            "renderer": RENDERER,
            "figures": self.figures,
            "seed": self.seed,
            "split": self.split,
            f"{self.split}_scenes": self.size,
            "image_size": self.image_size,
        }

    def identity(self) -> dict[str, object]:
        """All that decides what scene i is (see `ImageSource`)."""
        return {
            "kind": "figures",
            "renderer": RENDERER,
            "split": self.split,
            "scenes": self.size,
            "seed": self.seed,
            "image_size": self.image_size,
            "figures": self.figures,
        }

    def scenes(self, indices: Sequence[int] | Tensor, with_truth: bool = False) -> BodyBatch:
        """A batch of scenes, in any order, repeats allowed.

        Args:
            indices: B whole numbers from 0 to `len(self) - 1`.
            with_truth: also give the joints, (B, F, 14, 2).

        Returns:
            `BodyBatch` on `self.device`.

        Raises:
            ValueError: an empty batch, more than one dimension, or the truth of training scenes.
            TypeError: indices that are not whole numbers.
            IndexError: an index out of range.
        """
        if with_truth and self.split == "train":
            raise ValueError("with_truth: True was given for split 'train'; allowed are 'validation', 'test'")
        rows = require_indices("indices", indices, len(self)).to(self.device)
        parts = [self._draw(part) for part in rows.split(TOGETHER)]
        image, joints = (torch.cat(part) for part in zip(*parts, strict=True))
        image = image.to(torch.float32)
        image = image / image.new_full((), 255)  # by a tensor: a GPU multiplies by 1 / 255 where it is a plain number
        if not with_truth:
            return BodyBatch(image)
        half = joints.new_tensor([self.figures * UNIT / 2, UNIT / 2])
        return BodyBatch(image, (joints / half - 1).to(torch.float32))

    def _draw(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Images uint8 (B, 3, S, F S), and joints float64 (B, F, 14, 2) in 64ths of the height."""
        keys, many = random_bits(self._stream, indices), self.figures
        side = many * self.image_size  # of a square, of which the middle rows are shown
        canvas = smooth_background(keys, side, [(many * BACKGROUND[0], BACKGROUND[1])])
        above = (many - 1) * UNIT / 2
        joints = []
        for number in range(many):
            figure = figure_numbers(random_bits(keys, FIRST_FIGURE + number), BOUNDS)
            figure["centre_x"] = figure["centre_x"] + number * UNIT
            figure["centre_y"] = figure["centre_y"] + above
            place = figure_joints(figure)
            paint_figure(canvas, figure, place, many * UNIT)
            joints.append(place - place.new_tensor([0, above]))
        first = (many - 1) * self.image_size // 2
        shown = canvas + pixel_grain(keys, side)
        shown = shown[:, :, first : first + self.image_size]
        return (shown.clamp(0, 1) * 255).round().to(torch.uint8), torch.stack(joints, 1)
