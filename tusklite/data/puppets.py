"""Puppets: drawn figures with 14 joints whose places are exact, before a background with clutter.

Nothing is stored: scene i is a function of the seed, the split and i, the same bytes on every machine and device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor

from tusklite.arguments import require_choice, require_indices, require_integer
from tusklite.data.base import ImageAlone
from tusklite.data.capsules import paint_capsules
from tusklite.data.counter_random import random_bits, unit_interval
from tusklite.data.digits import SPLITS

RENDERER = 1  # counts up whenever a scene's picture or joints become others
TOGETHER = 64  # scenes that are drawn at once: what they take stays in a processor's cache
UNIT = 64  # lengths below are in 64ths of the picture's side
CLUTTER = ("none", "discs", "sticks")
JOINTS = (
    *("head", "neck"),
    *("left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist"),
    *("left_hip", "left_knee", "left_ankle", "right_hip", "right_knee", "right_ankle"),
)
SIDES = {"left": -1, "right": 1}  # of the picture, where the figure stands upright and faces it

# What is drawn for each figure, uniformly between two bounds and in this order. Angles are in radians.
FIGURE: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "scale": (0.7, 1.1),
        "lean": (-0.7, 0.7),
        "centre_x": (25, 39),
        "centre_y": (25, 37),
        "torso": (13, 17),
        "shoulder": (5.5, 8),  # from the spine to a shoulder
        "hip": (3, 4.5),
        "head": (6, 7.5),  # from the neck to the head's centre
        "upper_arm": (7.5, 9.5),
        "forearm": (7, 9),
        "thigh": (8.5, 10.5),
        "shin": (8, 10),
        "head_radius": (3.6, 5),
        "arm_radius": (1.5, 2.3),
        "leg_radius": (1.8, 2.7),
        "waist_radius": (3.6, 4.6),
        "chest_radius": (4.4, 6),
        **{
            f"{side}_{angle}": bounds
            for side in SIDES
            for angle, bounds in {
                "arm_raised": (0.15, 2.3),  # from hanging straight down, away from the body
                "elbow_bent": (-0.3, 1.7),
                "leg_raised": (-0.1, 0.85),
                "knee_bent": (-1.0, 0.3),
            }.items()
        },
        **{
            f"{part}_{channel}": (0.05, 0.95)
            for part in ("skin", "shirt", "trousers", "shoe", "hair")
            for channel in ("red", "green", "blue")
        },
        "brightness": (0.8, 1.2),
    }
)
# What is drawn for each piece of clutter: where it begins, where it ends from there, its two radii, its colour.
PIECES: Mapping[str, tuple[tuple[float, float], ...]] = MappingProxyType(
    {
        "none": (),
        "discs": (*[(0.0, 64.0)] * 2, *[(-4.0, 4.0)] * 2, *[(5.0, 10.0)] * 2, *[(0.32, 0.68)] * 3),
        "sticks": (*[(0.0, 64.0)] * 2, *[(-13.0, 13.0)] * 2, *[(0.8, 3.2)] * 2, *[(0.05, 0.95)] * 3),
    }
)
BACKGROUND = ((4, 0.3), (10, 0.2))  # coloured noise: cells a side, and how far brightness goes from dark to light
DARKEST = 0.25  # of the background before noise
GRAIN = 0.035  # half the width of each pixel's own noise, which is uniform
FIRST_PIECE, FIRST_CELL, FIRST_GRAIN = 1_000, 10_000, 20_000  # numbers of a scene's stream where these begin


class PuppetBatch(NamedTuple):
    """A batch of figures; the joints are the ground truth, and None where they were not asked for.

    Attributes:
        image: float32 (B, 3, S, S) in [0, 1].
        xy: float32 (B, 14, 2), the joints in the order of `JOINTS`; one outside the picture is beyond [-1, 1].
    """

    image: Tensor
    xy: Tensor | None = None


class Puppets:
    """`size` drawn figures, each of another pose, build, place and colours, before clutter.

    A figure is made of capsules that meet in its joints: so the joints are known exactly. Sides are the picture's: the
    left shoulder is left of the neck where the figure stands upright. A hand or a foot may lie outside the picture.

    Clutter lies behind the figure. Large discs are unlike limbs; sticks are much like them, and their ends like joints:
    they are what breaks a method that learns what recurs.

    Args:
        split: "train", "validation" or "test"; each has its own scenes.
        size: number of scenes, 1 or more. Scene i does not depend on it.
        seed: 0 or more; another seed gives other scenes.
        image_size: S, height and width in pixels, 32 to 512. Joints do not depend on it.
        clutter: "none", "discs" or "sticks".
        pieces: how many pieces of clutter, 0 to 100.
        device: where the scenes are made and stay.

    Attributes:
        point_names: the names of the joints, `JOINTS`.

    Raises:
        ValueError: an argument out of its range.
        TypeError: an argument of another type.

    Example:
        >>> scenes = Puppets("test", size=100)
        >>> batch = scenes.scenes([5, 17], with_truth=True)
        >>> batch.image.shape, batch.xy.shape
        (torch.Size([2, 3, 64, 64]), torch.Size([2, 14, 2]))
        >>> neck = scenes.point_names.index("neck")
        >>> bool((batch.xy[:, neck].abs() < 1).all())
        True
    """

    reads_files = False  # a scene is drawn
    point_names = JOINTS

    def __init__(
        self,
        split: str,
        size: int = 10_000,
        seed: int = 0,
        image_size: int = 64,
        clutter: str = "discs",
        pieces: int = 6,
        device: torch.device | str = "cpu",
    ) -> None:
        self.split = require_choice("split", split, SPLITS)
        self.size = require_integer("size", size, low=1, high=2**31)
        self.seed = require_integer("seed", seed, low=0, high=2**63 - 1)
        self.image_size = require_integer("image_size", image_size, low=32, high=512)
        self.clutter = require_choice("clutter", clutter, CLUTTER)
        self.pieces = require_integer("pieces", pieces, low=0, high=100)
        self.device = torch.device(device)
        self._stream = int(random_bits(int(random_bits(self.seed, SPLITS.index(split))), RENDERER))

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> PuppetBatch | ImageAlone:
        """Scene `index` without a batch dimension; of the split "train" its image alone."""
        if self.split == "train":
            return ImageAlone(self.scenes([index]).image[0])
        batch = self.scenes([index], with_truth=True)
        assert batch.xy is not None
        return PuppetBatch(batch.image[0], batch.xy[0])

    def describe(self) -> dict[str, str | int]:
        """What a run records about its data: what was drawn, and sizes."""
        return {
            "source": "puppets",
            "renderer": RENDERER,
            "clutter": self.clutter,
            "pieces": self.pieces,
            "seed": self.seed,
            "split": self.split,
            f"{self.split}_scenes": self.size,
            "image_size": self.image_size,
        }

    def identity(self) -> dict[str, object]:
        """All that decides what scene i is (see `ImageSource`)."""
        return {
            "kind": "puppets",
            "renderer": RENDERER,
            "split": self.split,
            "scenes": self.size,
            "seed": self.seed,
            "image_size": self.image_size,
            "clutter": self.clutter,
            "pieces": self.pieces,
        }

    def scenes(self, indices: Sequence[int] | Tensor, with_truth: bool = False) -> PuppetBatch:
        """A batch of scenes, in any order, repeats allowed.

        Args:
            indices: B whole numbers from 0 to `len(self) - 1`.
            with_truth: also give the joints.

        Returns:
            `PuppetBatch` on `self.device`.

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
        return PuppetBatch(image, (joints * (2 / UNIT) - 1).to(torch.float32) if with_truth else None)

    def joints(self, indices: Tensor) -> Tensor:
        """The joints of scenes (B,), of any split, for what starts from true points on purpose (see `mix_points`).

        Returns:
            float32 (B, 14, 2) in [-1, 1] and beyond.
        """
        keys = random_bits(self._stream, indices.to(self.device))
        return (figure_joints(figure_numbers(keys)) * (2 / UNIT) - 1).to(torch.float32)

    def _draw(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Images uint8 (B, 3, S, S), and joints float64 (B, 14, 2) in 64ths of the side."""
        keys = random_bits(self._stream, indices)
        figure = figure_numbers(keys)
        joints = figure_joints(figure)
        canvas = smooth_background(keys, self.image_size)
        self._paint_clutter(canvas, keys)
        paint_figure(canvas, figure, joints)
        canvas *= figure["brightness"].to(torch.float32)[:, None, None, None]
        return ((canvas + pixel_grain(keys, self.image_size)).clamp(0, 1) * 255).round().to(torch.uint8), joints

    def _paint_clutter(self, canvas: Tensor, keys: Tensor) -> None:
        bounds = keys.new_tensor(PIECES[self.clutter], dtype=torch.float64)  # (9, 2)
        for piece in range(self.pieces if len(bounds) else 0):
            number = FIRST_PIECE + piece * len(bounds) + torch.arange(len(bounds), device=keys.device)
            drawn = _uniform(keys, number, bounds)  # (B, 9)
            start, along, radii, colour = drawn.split([2, 2, 2, 3], dim=1)
            # The longest piece is as long as its bounds allow along both axes, and a radius wider at both ends.
            reach = float(bounds[2:4, 1].max() + 2 * bounds[4:6, 1].max())
            paint_capsules(canvas, start, start + along, radii, colour, reach, UNIT)


def _uniform(keys: Tensor, numbers: Tensor, bounds: Tensor) -> Tensor:
    """Numbers (B, N) of the streams (B,), each uniform between its bounds (N, 2)."""
    low, high = bounds.unbind(1)
    return low + (high - low) * unit_interval(random_bits(keys[:, None], numbers))


def figure_numbers(keys: Tensor, bounds: Mapping[str, tuple[float, float]] = FIGURE) -> dict[str, Tensor]:
    """All that is drawn for the figures of streams (B,): float64 (B,) by name, in the order of the bounds.

    Example:
        >>> numbers = figure_numbers(torch.tensor([7]), {"scale": (0.5, 1.5), "torso": (13, 17)})
        >>> {name: round(float(value), 3) for name, value in numbers.items()}
        {'scale': 0.89, 'torso': 13.067}
    """
    spans = keys.new_tensor(list(bounds.values()), dtype=torch.float64)
    drawn = _uniform(keys, torch.arange(len(spans), device=keys.device), spans)
    return dict(zip(bounds, drawn.unbind(1), strict=True))


def _direction(angle: Tensor) -> Tensor:
    """Where an arrow that hung straight down points once it is turned by an angle to the picture's right: (B, 2).

    Rounded to 30 binary places: the last bits of a sine differ from machine to machine.
    """
    exact = torch.stack((torch.sin(angle), torch.cos(angle)), 1)  # y grows downwards
    return (exact * 2**30).round() / 2**30


def figure_joints(figure: Mapping[str, Tensor]) -> Tensor:
    """The joints of figures whose numbers are as in `FIGURE`: float64 (B, 14, 2) in 64ths of the side."""

    def long(part: str) -> Tensor:
        return (figure[part] * figure["scale"])[:, None]

    lean = figure["lean"]
    down = _direction(-lean)  # leaning to the right brings the feet to the left
    across = torch.stack((down[:, 1], -down[:, 0]), 1)  # to the picture's right
    centre = torch.stack((figure["centre_x"], figure["centre_y"]), 1)
    neck, pelvis = centre - 0.62 * long("torso") * down, centre + 0.38 * long("torso") * down
    place = {"neck": neck, "head": neck - long("head") * down}
    for side, sign in SIDES.items():
        shoulder = neck + sign * long("shoulder") * across + 1.2 * figure["scale"][:, None] * down
        arm = figure[f"{side}_arm_raised"]
        elbow = shoulder + long("upper_arm") * _direction(sign * arm - lean)
        wrist = elbow + long("forearm") * _direction(sign * (arm + figure[f"{side}_elbow_bent"]) - lean)
        hip = pelvis + sign * long("hip") * across
        leg = figure[f"{side}_leg_raised"]
        knee = hip + long("thigh") * _direction(sign * leg - lean)
        ankle = knee + long("shin") * _direction(sign * (leg + figure[f"{side}_knee_bent"]) - lean)
        limbs = {"shoulder": shoulder, "elbow": elbow, "wrist": wrist, "hip": hip, "knee": knee, "ankle": ankle}
        place |= {f"{side}_{name}": point for name, point in limbs.items()}
    return torch.stack([place[name] for name in JOINTS], 1)


def paint_figure(canvas: Tensor, figure: Mapping[str, Tensor], joints: Tensor, unit: int = UNIT) -> None:
    """Paint figures onto canvases (B, 3, S, S), of which `unit` lengths are a side: legs first, arms last."""
    place = dict(zip(JOINTS, joints.unbind(1), strict=True))
    colours = {
        part: torch.stack([figure[f"{part}_{channel}"] for channel in ("red", "green", "blue")], 1)
        for part in ("skin", "shirt", "trousers", "shoe", "hair")
    }
    scale = figure["scale"]
    arm, leg, skull = scale * figure["arm_radius"], scale * figure["leg_radius"], scale * figure["head_radius"]

    def paint(start: Tensor, end: Tensor, first: Tensor, second: Tensor, part: str, reach: float) -> None:
        paint_capsules(canvas, start, end, torch.stack((first, second), 1), colours[part], reach, unit)

    for side in SIDES:
        hip, knee, ankle = (place[f"{side}_{name}"] for name in ("hip", "knee", "ankle"))
        paint(knee, ankle, 0.85 * leg, 0.7 * leg, "skin", 17)
        paint(hip, knee, 1.15 * leg, 0.95 * leg, "trousers", 19)
        paint(ankle, ankle, 1.15 * leg, 1.15 * leg, "shoe", 7)
    up = place["head"] - place["neck"]
    up = up / (scale * figure["head"])[:, None]  # of length 1
    pelvis = (place["left_hip"] + place["right_hip"]) / 2
    neck, head = place["neck"], place["head"]
    waist, chest = scale * figure["waist_radius"], scale * figure["chest_radius"]
    paint(pelvis, neck - 3 * scale[:, None] * up, waist, chest, "shirt", 31)
    paint(place["left_shoulder"], place["right_shoulder"], 1.1 * arm, 1.1 * arm, "shirt", 24)
    paint(neck, head, arm, arm, "skin", 14)
    paint(head + 1.3 * scale[:, None] * up, head, skull, skull, "hair", 13)
    paint(head - scale[:, None] * up, head, 0.82 * skull, 0.82 * skull, "skin", 11)
    for side in SIDES:
        shoulder, elbow, wrist = (place[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist"))
        paint(elbow, wrist, 0.9 * arm, 0.75 * arm, "skin", 15)
        paint(shoulder, elbow, 1.1 * arm, arm, "shirt", 17)
        paint(wrist, wrist, 1.15 * arm, 1.15 * arm, "skin", 6)


def smooth_background(keys: Tensor, size: int, grains: Sequence[tuple[int, float]] = BACKGROUND) -> Tensor:
    """Smooth coloured noise, float32 (B, 3, S, S): the sum of grains of so many cells a side, and so high."""
    canvas = torch.full((len(keys), 3, size, size), DARKEST, device=keys.device)
    first = FIRST_CELL
    for cells, height in grains:
        number = first + torch.arange(3 * cells * cells, device=keys.device)
        noise = unit_interval(random_bits(keys[:, None], number)).to(torch.float32)
        canvas += height * _stretched(noise.view(-1, 3, cells, cells), size)
        first += 3 * cells * cells
    return canvas


def _stretched(cells: Tensor, size: int) -> Tensor:
    """Cells (B, 3, n, n) stretched to (B, 3, S, S) by a smooth step between centres.

    By sums and products of single numbers, which every machine rounds alike; `interpolate` adds in an order of its own.
    """
    count = cells.shape[-1]
    place = ((torch.arange(size, device=cells.device, dtype=torch.float64) + 0.5) * count / size - 0.5).clamp(0)
    lower = place.floor().long().clamp(max=count - 1)
    upper = (lower + 1).clamp(max=count - 1)
    along = place - lower
    step = (along * along * (3 - 2 * along)).to(cells.dtype)
    wide = cells[..., lower] + step * (cells[..., upper] - cells[..., lower])  # (B, 3, n, S)
    rise = wide.diff(dim=2, append=wide[:, :, -1:])  # from each row of cells to the next
    return wide[:, :, lower] + step[:, None] * rise[:, :, lower]


def pixel_grain(keys: Tensor, size: int) -> Tensor:
    """Each pixel's own noise, float32 (B, 3, S, S): one of 256 levels, eight out of each 64 bits."""
    words = -(-3 * size * size // 8)
    bits = random_bits(keys[:, None], FIRST_GRAIN + torch.arange(words, device=keys.device))
    shifts = 8 * torch.arange(8, device=keys.device)
    levels = (bits[..., None] >> shifts) & 255  # (B, words, 8)
    levels = levels.flatten(1)[:, : 3 * size * size].view(-1, 3, size, size)
    return (levels.to(torch.float32) - 127.5) * (GRAIN / 127.5)
