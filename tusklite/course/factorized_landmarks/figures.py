"""Landmarks on faces and digits: dots that keep their colour, what a regressor makes of them, errors by labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from torch import Tensor

from tusklite.course.figures import PALETTE, QUIET, LessonFigure, image_grid, panel_grid, styled, to_array


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
    """Show images with their landmarks; the same colour is the same landmark in all of them.

    Args:
        images: (B, C, H, W) with 1 or 3 channels in [0, 1].
        xy: (B, K, 2) landmarks in [-1, 1].
        titles: B words, one above each image.
        aims: (B, K, 2) where the landmarks should be: rings, each joined to its landmark; NaN draws none.
        columns: the most images in a row.
        size: of a dot, in square points.
        width: inches an image.
        color: one for all; None: those of `landmark_colors`.

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
    return figure


@styled
def landmark_shares(images: Tensor, xy: Tensor, points: Tensor, shares: Tensor) -> LessonFigure:
    """Show which landmarks a regressor reads each point off, by thick lines (Thewlis et al. 2017, figure 7).

    Landmarks that no line leaves are small and pale.

    Args:
        images: (B, C, H, W) with 1 or 3 channels in [0, 1].
        xy: (B, K, 2) landmarks in [-1, 1].
        points: (B, P, 2) the points that are read off them.
        shares: (P, K) as `LandmarkRegressor.landmark_shares` gives them; 0 draws no line.

    Returns:
        The figure, one panel an image.

    Example:
        >>> import torch
        >>> shares = torch.tensor([[0.7, 0.3, 0.0]])
        >>> figure = landmark_shares(torch.zeros(1, 1, 8, 8), torch.zeros(1, 3, 2), torch.zeros(1, 1, 2), shares)
        >>> len(figure.axes[0].lines)
        2
    """
    figure, colors = image_grid(images, columns=3, width=2.6), landmark_colors(xy)
    used = shares.any(dim=0)
    for panel, landmarks, aims in zip(figure.axes, xy, points, strict=True):
        for point, landmark in shares.nonzero().tolist():
            thick = {"linewidth": 8 * float(shares[point, landmark]), "solid_capstyle": "round"}
            panel.join(landmarks[landmark, None], aims[point, None], colors[landmark, None], **thick)
        panel.mark(landmarks[~used], s=8, c="white", alpha=0.5, linewidths=0)
        look = {"marker": "X", "c": colors[used.numpy()], "edgecolors": "black"}
        panel.mark(landmarks[used], s=60, linewidths=0.8, zorder=3, **look)
        for edge, wide in (("black", 3.2), ("white", 1.6)):
            panel.mark(aims, s=55, facecolors="none", edgecolors=edge, linewidths=wide, zorder=4)
    return figure


@styled
def errors_by_labels(lines: Mapping[str, Mapping[int, float]], level: float) -> LessonFigure:
    """Plot error against the number of labelled images, a line a method; the axis is logarithmic.

    Args:
        lines: for each method the error in percent by number of labelled images, each number at least 1.
        level: the error of the mean shape, which needs no label.

    Returns:
        The figure, one panel.

    Example:
        >>> len(errors_by_labels({"ours": {1: 30.0, 20: 20.0}}, 31.7).axes[0].lines)
        2
    """
    figure = panel_grid(1, width=5.2, height=3.0)
    (panel,) = figure.axes
    panel.set_xscale("log")
    for (name, errors), color, marker in zip(lines.items(), cycle(PALETTE), cycle("osD^v<>phX"), strict=False):
        places = zip(*sorted(errors.items()), strict=True)
        panel.plot(*places, color=color, marker=marker, markersize=5, linewidth=1.6, label=name)
    panel.axhline(level, color=QUIET, linewidth=1, linestyle=":", label="the mean shape")
    shown = sorted({count for errors in lines.values() for count in errors})
    near = [after < 1.6 * count for count, after in zip(shown, [*shown[1:], float("inf")], strict=True)]
    panel.set_xticks(shown, ["" if close else f"{count:,}" for count, close in zip(shown, near, strict=True)])
    panel.minorticks_off()
    panel.set_ylim(bottom=0)
    panel.set(xlabel="labelled images that the regressor has seen", ylabel="error in % of eye distance")
    panel.legend(loc="upper right", bbox_to_anchor=(1.0, 0.9))
    return figure
