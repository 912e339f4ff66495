"""Capsules: the round-ended strokes that puppets are made of, painted onto pictures."""

from __future__ import annotations

import math

import torch
from torch import Tensor

SHADE = 0.24  # how much darker a capsule is at its edge than along its middle


def paint_capsules(
    canvas: Tensor, start: Tensor, end: Tensor, radii: Tensor, colour: Tensor, reach: float, unit: int
) -> None:
    """Paint one capsule onto each picture, in place: darker towards its edge, which is smooth over one pixel.

    A pixel is covered by r - d + 1/2, between 0 and 1, where d is how far its centre is from the segment and r the
    radius where it is nearest, both in pixels. Every step is one sum, product, quotient or root a number, which all
    machines round alike: so pictures are the same on all of them.

    Args:
        canvas: float32 (B, 3, S, S), square pictures.
        start: float64 (B, 2), where the capsule begins: (x, y) in units of which `unit` are a side, from the corner.
        end: float64 (B, 2), where it ends; the same place for a disc.
        radii: float64 (B, 2), at the start and at the end, in these units.
        colour: float64 (B, 3) in [0, 1].
        reach: no capsule is longer than this along an axis, in these units: only a square of this side is painted.
        unit: how many units a side of the picture is.

    Example:
        >>> canvas = torch.zeros(1, 3, 8, 8)
        >>> middle, radii = torch.full((1, 2), 4.0).double(), torch.full((1, 2), 2.0).double()
        >>> paint_capsules(canvas, middle, middle, radii, torch.ones(1, 3).double(), reach=6, unit=8)
        >>> (canvas[0, 0] > 0).sum(1).tolist()
        [0, 0, 4, 4, 4, 4, 0, 0]
    """
    batch, channels, size, _ = canvas.shape
    pixels = size / unit
    side = min(size, math.ceil(reach * pixels) + 3)
    a, b = start * pixels, end * pixels
    corner = ((a + b) / 2 - side / 2).floor().clamp(0, size - side)  # (B, 2) of the square
    place = corner.long()[:, :, None] + torch.arange(side, device=canvas.device)  # (B, 2, n), columns and rows
    index = (place[:, 1, :, None] * size + place[:, 0, None, :]).view(batch, 1, -1).expand(-1, channels, -1)

    narrow = torch.float32
    along = b - a  # (B, 2)
    squared = along.square().sum(1)  # two numbers: no order of adding to differ by
    offset = (place + 0.5 - a[:, :, None]).to(narrow)  # (B, 2, n) from the start to each pixel's centre
    x, y = offset[:, 0, None, :], offset[:, 1, :, None]
    step = (along / squared.clamp(min=1e-12)[:, None]).to(narrow)[:, :, None, None]  # of a disc: 0
    nearest = (x * step[:, 0] + y * step[:, 1]).clamp(0, 1)  # (B, n, n), from 0 at the start to 1 at the end
    along = along.to(narrow)[:, :, None, None]
    across_x, across_y = x - nearest * along[:, 0], y - nearest * along[:, 1]
    distance = (across_x * across_x + across_y * across_y).sqrt()
    first, second = (radii * pixels).to(narrow)[:, :, None, None].unbind(1)
    radius = first + nearest * (second - first)
    cover = (radius - distance + 0.5).clamp(0, 1).view(batch, 1, -1)
    light = (1 - SHADE * (distance / radius).clamp(max=1)).view(batch, 1, -1)

    flat = canvas.view(batch, channels, -1)
    under = flat.gather(2, index)
    flat.scatter_(2, index, under + cover * (colour.to(narrow)[:, :, None] * light - under))
