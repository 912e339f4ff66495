"""A generated film: one figure that waves and sways, with joints whose places are known in every frame."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tusklite.arguments import require_integer
from tusklite.data.counter_random import random_bits
from tusklite.data.figures import BACKGROUND, BOUNDS, FIRST_FIGURE
from tusklite.data.puppets import UNIT, figure_joints, figure_numbers, paint_figure, pixel_grain, smooth_background

PERIOD = 32  # frames from a pose back to the same pose
WAVES = {  # of what each number does in a period: how far it goes to either side, and where it begins, in periods
    "centre_x": (4.0, 0.0),
    "centre_y": (1.2, 0.4),
    "left_arm_raised": (0.7, 0.1),
    "right_arm_raised": (0.7, 0.6),
    "left_elbow_bent": (0.3, 0.3),
    "right_elbow_bent": (0.3, 0.8),
}


def waving_figure(frames: int, size: int = 120, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Draw a film of one figure of those of `tusklite.data.Figures`, before a background that stands still.

    Build, colours and background are drawn once; arms, and where the figure stands, go to and fro with time. Each frame
    has a camera's noise of its own, as single pictures have.

    Args:
        frames: T, 3 or more.
        size: height and width in pixels, 32 to 512.
        seed: of the figure, its background and the noise.

    Returns:
        Images float32 (T, 3, S, S) in [0, 1], and joints float32 (T, 14, 2) in [-1, 1].

    Example:
        >>> images, joints = waving_figure(4, size=40)
        >>> images.shape, joints.shape, bool((joints.abs() < 1).all())
        (torch.Size([4, 3, 40, 40]), torch.Size([4, 14, 2]), True)
    """
    frames = require_integer("frames", frames, low=3, high=100_000)
    size = require_integer("size", size, low=32, high=512)
    key = random_bits(random_bits(int(seed), FIRST_FIGURE), torch.zeros(1, dtype=torch.int64))
    figure = figure_numbers(key, BOUNDS)
    time = torch.arange(frames, dtype=torch.float64) / PERIOD
    moving = {name: value.expand(frames).clone() for name, value in figure.items()}
    for name, (reach, start) in WAVES.items():
        low, high = BOUNDS[name]
        middle = figure[name].clamp(low + min(reach, (high - low) / 2), high - min(reach, (high - low) / 2))
        moving[name] = middle + reach * torch.sin(2 * math.pi * (time + start))
    joints = figure_joints(moving)
    canvas = smooth_background(key, size, [BACKGROUND]).expand(frames, -1, -1, -1).clone()
    paint_figure(canvas, moving, joints, UNIT)
    noise = torch.cat([pixel_grain(random_bits(key, 1 + frame), size) for frame in range(frames)])
    images = ((canvas + noise).clamp(0, 1) * 255).round() / 255
    return images.float(), (joints * (2 / UNIT) - 1).float()
