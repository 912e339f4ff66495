"""Landmarks on faces and digits: dots that keep their colour, what a regressor makes of them, errors by labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from tusklite.arguments import require_number, require_tensor
from tusklite.course.figures.canvas import PALETTE, QUIET, panel_grid, styled, to_array
from tusklite.course.figures.scenes import image_grid


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
    count = require_tensor("xy", xy, ("B", "K", 2)).shape[1]
    if count <= len(PALETTE):
        return np.array([[int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)] for color in PALETTE[:count]])
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
) -> Figure:
    """Show images with their landmarks; the same colour is the same landmark in all of them.

    Args:
        images: (B, C, H, W) with 1 or 3 channels in [0, 1].
        xy: (B, K, 2) landmarks in [-1, 1].
        titles: B words, one above each image.
        aims: (B, K, 2) where the landmarks should be: rings, each joined to its landmark; NaN draws none.
        columns: the most images in a row, at least 1.
        size: of a dot, in square points.
        width: inches an image.

    Returns:
        The figure, one axes an image.

    Raises:
        TypeError, ValueError: others than these shapes, or another number of titles.

    Example:
        >>> import torch
        >>> len(landmark_gallery(torch.zeros(4, 3, 8, 8), torch.zeros(4, 50, 2)).axes)
        4
    """
    figure, panels = image_grid(images, columns, width, titles=titles)
    _dots(panels, images, require_tensor("xy", xy, (len(images), "K", 2)), landmark_colors(xy), size, aims)
    return figure


@styled
def regressed_faces(
    images: Tensor, predicted: Tensor, truth: Tensor, titles: Sequence[str] | None = None, columns: int = 6
) -> Figure:
    """Show annotated points as rings, and predicted ones as dots joined to them.

    Args:
        images: (B, C, H, W) with 1 or 3 channels in [0, 1].
        predicted: (B, P, 2) points in [-1, 1].
        truth: (B, P, 2) the annotated points.
        titles: B words, one above each image.
        columns: the most images in a row, at least 1.

    Returns:
        The figure, one axes an image.

    Raises:
        TypeError, ValueError: others than these shapes, or another number of titles.

    Example:
        >>> import torch
        >>> len(regressed_faces(torch.zeros(2, 3, 8, 8), torch.zeros(2, 5, 2), torch.zeros(2, 5, 2)).axes)
        2
    """
    figure, panels = image_grid(images, columns, width=1.5, titles=titles)
    require_tensor("predicted", predicted, (len(images), "P", 2))
    require_tensor("truth", truth, tuple(predicted.shape))
    colors = np.tile([[0.94, 0.89, 0.26]], (predicted.shape[1], 1))
    _dots(panels, images, predicted, colors, 14.0, truth)
    return figure


@styled
def landmark_shares(
    images: Tensor, xy: Tensor, points: Tensor, shares: Tensor, titles: Sequence[str] | None = None, columns: int = 3
) -> Figure:
    """Show which landmarks a regressor reads each point off (Thewlis et al. 2017, figure 7): the thicker, the more.

    Landmarks that no line leaves are small and pale.

    Args:
        images: (B, C, H, W) with 1 or 3 channels in [0, 1].
        xy: (B, K, 2) landmarks in [-1, 1].
        points: (B, P, 2) the points that are read off them.
        shares: (P, K) as `LandmarkRegressor.landmark_shares` gives them; 0 draws no line.
        titles: B words, one above each image.
        columns: the most images in a row, at least 1.

    Returns:
        The figure, one axes an image.

    Raises:
        TypeError, ValueError: others than these shapes, or another number of titles.

    Example:
        >>> import torch
        >>> shares = torch.tensor([[0.7, 0.3, 0.0]])
        >>> figure = landmark_shares(torch.zeros(1, 1, 8, 8), torch.zeros(1, 3, 2), torch.zeros(1, 1, 2), shares)
        >>> len(figure.axes[0].lines)
        2
    """
    figure, panels = image_grid(images, columns, width=2.6, titles=titles)
    require_tensor("xy", xy, (len(images), "K", 2))
    require_tensor("points", points, (len(images), "P", 2))
    require_tensor("shares", shares, (points.shape[1], xy.shape[1]))
    strength, colors = to_array(shares), landmark_colors(xy)
    used = strength.any(axis=0)
    for panel, landmarks, aims in zip(panels, _pixels(xy, images), _pixels(points, images), strict=True):
        for point, landmark in np.argwhere(strength):
            line = np.stack([landmarks[landmark], aims[point]]).T
            panel.plot(*line, color=colors[landmark], linewidth=8 * strength[point, landmark], solid_capstyle="round")
        panel.scatter(*landmarks[~used].T, s=8, c="white", alpha=0.5, linewidths=0)
        panel.scatter(
            *landmarks[used].T, s=60, marker="X", c=colors[used], edgecolors="black", linewidths=0.8, zorder=3
        )
        panel.scatter(*aims.T, s=55, facecolors="none", edgecolors="black", linewidths=3.2, zorder=4)
        panel.scatter(*aims.T, s=55, facecolors="none", edgecolors="white", linewidths=1.6, zorder=4)
        _keep_to_image(panel, images)
    return figure


@styled
def error_bars(errors: Mapping[str, float], ours: Sequence[str] = ()) -> Figure:
    """Compare errors in percent, a bar a method, the largest above.

    Args:
        errors: percent by name, each at least 0.
        ours: names of the bars that stand out.

    Returns:
        The figure, one axes.

    Raises:
        TypeError, ValueError: no errors, a negative one, or an `ours` that is not among the names.

    Example:
        >>> len(error_bars({"mean shape": 31.7, "ours": 17.0}, ours=["ours"]).axes)
        1
    """
    if not errors:
        raise ValueError(f"errors: {errors!r} was given; allowed is at least one name with its error")
    for name in ours:
        if name not in errors:
            raise ValueError(f"ours: {name!r} was given; allowed are {', '.join(errors)}")
    names = sorted(errors, key=errors.__getitem__, reverse=True)
    values = [require_number(name, errors[name]) for name in names]
    figure, (panel,) = panel_grid(1, columns=1, width=6.0, height=0.28 * len(names) + 0.4)
    colors = [PALETTE[0] if name in ours else "#BBBBBB" for name in names]
    bars = panel.barh(range(len(names)), values, height=0.7, color=colors)
    panel.bar_label(bars, [f"{value:.1f}%" for value in values], padding=3, fontsize=8)
    panel.set(xlim=(0, 1.12 * max(values)), xticks=[])
    panel.set_yticks(range(len(names)), names)
    panel.invert_yaxis()
    panel.tick_params(length=0)
    panel.spines[["left", "bottom"]].set_visible(False)
    panel.set_title("error in % of the distance between the eyes; less is better", loc="left")
    return figure


@styled
def errors_by_labels(
    lines: Mapping[str, Mapping[int, float]], level: float | None = None, level_name: str = ""
) -> Figure:
    """Plot error against the number of labelled images, a line a method; the axis is logarithmic.

    Args:
        lines: for each method the error in percent by number of labelled images, each number at least 1.
        level: an error that needs no line, as that of the mean shape.
        level_name: the word for it.

    Returns:
        The figure, one axes.

    Raises:
        TypeError, ValueError: no lines, a number of images below 1, or a negative error.

    Example:
        >>> len(errors_by_labels({"ours": {1: 30.0, 20: 20.0}}, 31.7, "mean shape").axes[0].lines)
        2
    """
    if not lines or not all(lines.values()):
        raise ValueError(f"lines: {lines!r} was given; allowed is at least one method with at least one error")
    figure, (panel,) = panel_grid(1, columns=1, width=5.2, height=3.0)
    panel.set_xscale("log")
    for (name, errors), color, marker in zip(lines.items(), PALETTE, "osD^v<>phX", strict=False):
        counts = sorted(errors)
        if counts[0] < 1:
            raise ValueError(f"lines: {counts[0]} labelled images were given; allowed are at least 1")
        values = [require_number(name, errors[count]) for count in counts]
        panel.plot(counts, values, color=color, marker=marker, markersize=5, linewidth=1.6, label=name)
    if level is not None:
        panel.axhline(require_number("level", level), color=QUIET, linewidth=1, linestyle=":", label=level_name)
    shown = sorted({count for errors in lines.values() for count in errors})
    labels = [f"{count:,}" for count in shown]
    for place in range(len(shown) - 1):
        if shown[place + 1] < 1.6 * shown[place]:
            labels[place] = ""  # too near to the next one
    panel.set_xticks(shown, labels)
    panel.minorticks_off()
    panel.set_ylim(bottom=0)
    panel.set(xlabel="labelled images that the regressor has seen", ylabel="error in % of eye distance")
    panel.legend(loc="upper right", bbox_to_anchor=(1.0, 0.9))
    return figure


def _dots(
    panels: Sequence[Axes], images: Tensor, xy: Tensor, colors: np.ndarray, size: float, aims: Tensor | None = None
) -> None:
    """Landmarks (B, K, 2) on the panels of their images, and rings where they should be."""
    rings = None if aims is None else _pixels(require_tensor("aims", aims, tuple(xy.shape), finite=False), images)
    for image, (panel, dots) in enumerate(zip(panels, _pixels(xy, images), strict=True)):
        if rings is not None:
            for start, end, color in zip(rings[image], dots, colors, strict=True):
                panel.plot(*zip(start, end, strict=True), color=color, linewidth=1.2)
            panel.scatter(*rings[image].T, s=2.6 * size, facecolors="none", edgecolors=colors, linewidths=1.2)
        panel.scatter(*dots.T, s=size, c=colors, edgecolors="white", linewidths=0.6, zorder=3)
        _keep_to_image(panel, images)


def _pixels(points: Tensor, images: Tensor) -> np.ndarray:
    """Points in [-1, 1] as an array in the pixels of images (B, C, H, W)."""
    height, width = images.shape[-2:]
    return (to_array(points) + 1) / 2 * (width, height)


def _keep_to_image(panel: Axes, images: Tensor) -> None:
    # A point outside the image must not shrink it.
    panel.set(xlim=(0, images.shape[-1]), ylim=(images.shape[-2], 0))
