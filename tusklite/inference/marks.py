"""Numbered marks on pictures, in colours and shapes that readers who are colour-blind can tell apart."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from tusklite.palette import PALETTE

SHAPES = ("circle", "square", "triangle", "diamond")  # each ten numbers more take the next one
FINER = 4  # marks are drawn so many times larger, and brought to size without jagged edges


class Stamp(NamedTuple):
    """A mark with its number.

    Attributes:
        image: `PIL.Image.Image`, RGBA.
        anchor: the pixel of it that lies on the keypoint.
    """

    image: Any
    anchor: tuple[int, int]


def mark_picture(picture: Any, points: np.ndarray, numbers: Iterable[int]) -> None:
    """Draw marks on a picture: a ring with a dot at the point, and its number beside it.

    Args:
        picture: `PIL.Image.Image` in RGB; it is changed.
        points: (N, 2) in its pixels, from 0 at the centre of the first one. What lies outside is not drawn.
        numbers: N numbers from 1; each has a colour, and each ten of them a shape.

    Example:
        >>> from PIL import Image
        >>> picture = Image.new("RGB", (64, 64), "gray")
        >>> mark_picture(picture, np.array([[20.0, 40.0]]), [1])
        >>> picture.getpixel((20, 40)) == (128, 128, 128), picture.getpixel((60, 5))
        (False, (128, 128, 128))
    """
    radius = max(5, round(max(picture.size) / 120))
    for (x, y), number in zip(points.tolist(), numbers, strict=True):
        column, row = round(x), round(y)
        if not (0 <= column < picture.width and 0 <= row < picture.height):
            continue
        stamp = _stamp(number, radius, column > 0.94 * picture.width, row < 0.06 * picture.height)
        picture.paste(stamp.image, (column - stamp.anchor[0], row - stamp.anchor[1]), stamp.image)


@lru_cache(maxsize=4096)
def _stamp(number: int, radius: int, at_right: bool, at_top: bool) -> Stamp:
    """A mark; its number is to the upper right, but at the right or the upper edge, where it would be cut off."""
    from PIL import Image, ImageDraw, ImageFont

    r, text = radius * FINER, str(number)
    font = ImageFont.load_default(size=round(2.6 * r))
    halo = max(1, round(0.25 * r))
    left, top, right, bottom = font.getbbox(text, stroke_width=halo)
    wide, high = round(right - left), round(bottom - top)
    reach = r + 2 * halo
    width, height = 2 * (reach + wide), 2 * (reach + high)
    x, y = width // 2 // FINER * FINER + FINER // 2, height // 2 // FINER * FINER + FINER // 2
    image = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    colour = PALETTE[(number - 1) % len(PALETTE)]
    outline = _outline(SHAPES[(number - 1) // len(PALETTE) % len(SHAPES)], x, y, r)
    for ink, pen in (("black", 4 * halo), ("white", round(2.8 * halo)), (colour, round(2.2 * halo))):
        draw.line([*outline, outline[0], outline[1]], fill=ink, width=pen, joint="curve")
    for ink, size in (("black", 2 * halo), ("white", round(1.2 * halo))):
        draw.ellipse((x - size, y - size, x + size, y + size), fill=ink)
    at = (
        x - round(0.8 * r) - wide if at_right else x + round(0.8 * r),
        y + round(0.8 * r) if at_top else y - round(0.8 * r) - high,
    )
    draw.text((at[0] - left, at[1] - top), text, font=font, fill="white", stroke_width=halo, stroke_fill="black")
    smaller = image.resize((-(-width // FINER), -(-height // FINER)), Image.Resampling.BOX)
    return Stamp(smaller, (x // FINER, y // FINER))


def _outline(shape: str, x: float, y: float, r: float) -> list[tuple[float, float]]:
    """Corners of a mark."""
    corners, first, size = {
        "circle": (36, 0.0, 1.0), "square": (4, 0.25, 1.2), "triangle": (3, -0.5, 1.3), "diamond": (4, 0.0, 1.3)
    }[shape]  # fmt: skip
    angles = np.pi * (first + 2 * np.arange(corners) / corners)
    return [(x + size * r * float(np.cos(a)), y + size * r * float(np.sin(a))) for a in angles]
