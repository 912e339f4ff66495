"""Landmarks on images: dots that keep their colour and their number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from torch import Tensor

from tusklite.course.figures.canvas import PALETTE, LessonFigure, styled, to_array
from tusklite.course.figures.scenes import image_grid
from tusklite.course.figures.words import counted, number


def landmark_colors(xy: Tensor) -> np.ndarray:
    """A colour for each landmark: the palette's for up to ten; of more, neighbours get colours that are alike.

    Args:
        xy: (B, K, 2) landmarks in [-1, 1]; with more than ten, their mean places choose: blue to red from left to
            right, paler towards the top.

    Returns:
        (K, 3) red, green and blue in [0, 1].

    Example:
        >>> import torch
        >>> landmark_colors(torch.zeros(2, 7, 2)).shape, landmark_colors(torch.rand(2, 50, 2)).shape
        ((7, 3), (50, 3))
    """
    count = xy.shape[1]
    if count <= len(PALETTE):
        return np.array([to_rgb(color) for color in PALETTE[:count]])
    ranks = to_array(xy.mean(dim=0)).argsort(axis=0).argsort(axis=0) / (count - 1)  # (K, 2)
    hues = colormaps["turbo"](0.08 + 0.84 * ranks[:, 0])[:, :3]  # blue to red from left to right
    return hues + (1 - hues) * 0.55 * (1 - ranks[:, 1:])  # paler towards the top


@styled
def landmark_gallery(
    images: Tensor,
    xy: Tensor,
    titles: Sequence[str] | None = None,
    aims: Tensor | None = None,
    columns: int = 6,
    size: float = 18.0,
    width: float = 1.5,
    color: object = None,
) -> LessonFigure:
    """Show images with their landmarks; the same colour and the same number are the same landmark in all of them.

    Fifty colours cannot be told apart, by some readers not even ten: it is the number that names a landmark.

    Args:
        images: (B, C, H, W) with 1 or 3 channels in [0, 1].
        xy: (B, K, 2) landmarks in [-1, 1].
        titles: B words, one above each image.
        aims: (B, K, 2) where the landmarks should be: rings, each joined to its landmark; NaN draws none.
        columns: the most images in a row.
        size: of a dot, in square points.
        width: inches an image.
        color: one for all, without numbers; None: those of `landmark_colors`.

    Returns:
        The figure, one panel an image.

    Example:
        >>> import torch
        >>> len(landmark_gallery(torch.zeros(4, 3, 8, 8), torch.zeros(4, 50, 2)).axes)
        4
    """
    figure = image_grid(images, titles, columns, width)
    colors = landmark_colors(xy) if color is None else [color] * xy.shape[1]
    for panel, dots, rings in zip(figure.axes, xy, [None] * len(xy) if aims is None else aims, strict=True):
        if rings is not None:
            panel.join(rings, dots, colors, linewidth=1.2)
            panel.mark(rings, s=2.6 * size, facecolors="none", edgecolors=colors, linewidths=1.2)
        panel.mark(dots, s=size, c=colors, edgecolors="white", linewidths=0.6, zorder=3)
        if color is None:
            panel.number(dots, size=6.5 if xy.shape[1] <= len(PALETTE) else 5.5)
    kind = "landmark" if color is not None else "numbered landmark"
    figure.tell(f"On each {counted(xy.shape[1], kind)}, the same colour for the same one everywhere.")
    if aims is not None:
        half = np.array([images.shape[3], images.shape[2]]) / 2
        away = np.linalg.norm((to_array(xy) - to_array(aims)) * half, axis=2)
        mean, most = np.nanmean(away), np.nanmax(away)
        figure.tell(
            f"{counted(int(np.isfinite(away).sum()), 'ring')} show where landmarks should be, each joined to its own: "
            f"{number(mean)} pixels away on average, {number(most)} at most."
        )
    return figure
