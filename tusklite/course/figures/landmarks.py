"""Landmarks: probability maps side by side, landmarks on rows of images, and how a cost grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import NullLocator
from torch import Tensor

from tusklite.arguments import require_integer, require_tensor
from tusklite.course.figures.canvas import PALETTE, QUIET, panel_grid, require_words, styled, to_array
from tusklite.course.figures.scenes import image_grid

MARKERS = ("o", "s", "^", "D", "v")
OUTLINE = [withStroke(linewidth=3.5, foreground="black")]


@styled
def probability_maps(
    maps: Tensor,
    xy: Tensor | None = None,
    titles: Sequence[str] | None = None,
    columns: int = 4,
    aims: Tensor | None = None,
    width: float = 2.2,
) -> Figure:
    """Show maps side by side, each by its own scale; a cross marks a point of each, a ring where it should be.

    Maps of at least 0 go from black to bright. Where one of the maps has negative values, as gradients have, all are
    shown in two colours instead: blue below 0, white at 0, red above.

    Args:
        maps: (N, H, W).
        xy: (N, 2) a point (x, y) in [-1, 1] for each map, for example its soft-argmax.
        titles: N words, one above each map.
        columns: the most maps in a row, at least 1.
        aims: (N, 2) where the point should be.
        width: inches a map.

    Returns:
        The figure, one axes a map.

    Raises:
        TypeError, ValueError: another type, shape or number of titles.

    Example:
        >>> figure = probability_maps(torch.rand(3, 8, 8), torch.zeros(3, 2), ["one", "two", "three"])
        >>> len(figure.axes)
        3
    """
    count, rows, across = require_tensor("maps", maps, ("N", "H", "W")).shape
    words = require_words("titles", [""] * count if titles is None else titles, count)
    height = width * rows / across + 0.19 * max(word.count("\n") + 1 if word else 0 for word in words)
    figure, panels = panel_grid(count, columns, width, height)
    signed = bool((maps < 0).any())
    for panel, values, word in zip(panels, to_array(maps), words, strict=True):
        top = float(np.abs(values).max()) or 1.0  # a map of zeros has no scale of its own
        look = {"cmap": "RdBu_r", "vmin": -top} if signed else {"cmap": "inferno", "vmin": 0}
        panel.imshow(values, vmax=top, extent=(-1, 1, 1, -1), aspect=rows / across, interpolation="nearest", **look)
        panel.set_title(word, pad=4)
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set(visible=signed, color=QUIET)
    if aims is not None:
        for panel, (x, y) in zip(panels, to_array(require_tensor("aims", aims, (count, 2))), strict=True):
            ring = {"facecolors": "none", "linewidths": 1.8, "path_effects": OUTLINE}
            panel.scatter(x, y, s=150, edgecolors=PALETTE[1], **ring)
    if xy is not None:
        for panel, (x, y) in zip(panels, to_array(require_tensor("xy", xy, (count, 2))), strict=True):
            panel.scatter(x, y, marker="+", s=80, color=PALETTE[4], linewidths=1.8, path_effects=OUTLINE)
    return figure


@styled
def landmark_rows(rows: Mapping[str, tuple[Tensor, Tensor]], width: float = 1.35) -> Figure:
    """Show one row of images a name, with the landmarks that a detector finds in them; a colour is a landmark.

    Args:
        rows: for each name the images (B, C, H, W) with 1 or 3 channels in [0, 1], and their landmarks (B, K, 2) in
            [-1, 1], K at most ten. All rows have the same shapes.
        width: inches an image.

    Returns:
        The figure, one axes an image.

    Raises:
        TypeError, ValueError: no rows, another type, rows of different shapes, or more than ten landmarks.

    Example:
        >>> images, landmarks = torch.zeros(4, 1, 8, 8), torch.zeros(4, 7, 2)
        >>> len(landmark_rows({"before": (images, landmarks), "after": (images, landmarks)}).axes)
        8
    """
    if not rows:
        raise ValueError(f"rows: {rows!r} was given; allowed is at least one row of images and landmarks")
    names, strips = list(rows), [images for images, _ in rows.values()]
    count, (_, _, high, across) = len(strips[0]), strips[0].shape
    landmarks = [require_tensor(name, xy, (count, "K", 2)) for name, (_, xy) in rows.items()]
    for name, strip, xy in zip(names, strips, landmarks, strict=True):
        require_tensor(name, strip, tuple(strips[0].shape))
        require_tensor(name, xy, tuple(landmarks[0].shape))
    require_integer("landmarks", landmarks[0].shape[1], low=1, high=len(PALETTE))
    # A little darker than they are, so that every colour stands out on bright images as well.
    figure, panels = image_grid(0.75 * torch.cat(strips), count, width)
    figure.set_figwidth(figure.get_figwidth() + 0.085 * max(len(line) for name in names for line in name.split("\n")))
    points = (to_array(torch.cat(landmarks)) + 1) / 2 * (across, high)
    for panel, places in zip(panels, points, strict=True):
        panel.scatter(*places.T, s=30, c=PALETTE[: len(places)], edgecolors="white", linewidths=0.8, zorder=3)
        panel.set(xlim=(0, across), ylim=(high, 0))  # a landmark outside the image must not shrink it
    for name, panel in zip(names, panels[::count], strict=True):
        panel.text(-0.06, 0.5, name, transform=panel.transAxes, ha="right", va="center", fontsize=9)
    return figure


@styled
def growth(
    across: Sequence[float], panels: Mapping[str, Mapping[str, Sequence[float]]], label: str, slopes: Sequence[int] = ()
) -> Figure:
    """Plot how costs grow, on logarithmic axes, where a power is a straight line.

    Args:
        across: what grows, above 0, for example numbers of pixels.
        panels: for each panel's title, named curves of as many values, above 0.
        label: what `across` is.
        slopes: powers to draw as thin dotted lines, for comparison: 1 for linear, 2 for quadratic growth. Each starts
            where the first curve of the panel starts.

    Returns:
        The figure, one axes a panel.

    Raises:
        ValueError: no panels, no curves, another number of values than in `across`, or one that is not above 0.

    Example:
        >>> figure = growth([10, 100], {"seconds": {"loop": [0.1, 9.0], "sum": [0.1, 1.0]}}, "pixels", slopes=(1, 2))
        >>> len(figure.axes[0].lines)
        4
    """
    if not panels or not all(panels.values()):
        raise ValueError(f"panels: {panels!r} was given; allowed is at least one, each of at least one curve")
    for name, values in [("across", across), *(pair for curves in panels.values() for pair in curves.items())]:
        if len(values) != len(across) or not all(value > 0 for value in values):
            raise ValueError(f"{name}: {list(values)} was given; allowed are {len(across)} numbers above 0")
    figure, axes = panel_grid(len(panels), columns=3, width=3.7, height=2.9)
    x = np.asarray(across, dtype=float)
    for panel, (title, curves) in zip(axes, panels.items(), strict=True):
        start = next(iter(curves.values()))[0]
        for power in slopes:
            panel.plot(x, start * (x / x[0]) ** power, color=QUIET, linewidth=0.9, linestyle=":", zorder=1)
        for (name, values), color, marker in zip(curves.items(), cycle(PALETTE), cycle(MARKERS), strict=False):
            panel.plot(x, values, color=color, marker=marker, markersize=4.5, linewidth=1.6, label=name)
        panel.set(xscale="log", yscale="log", xlabel=label)
        panel.set_xticks(x, [f"{value:,.0f}" if value >= 1 else f"{value:g}" for value in x])
        panel.xaxis.set_minor_locator(NullLocator())
        panel.set_title(title, loc="left")
        handles = panel.get_legend_handles_labels()[0]
        if slopes:
            powers = ", ".join(str(power) for power in slopes)
            dotted = f"slope {powers}" if len(slopes) == 1 else f"slopes {powers}"
            handles.append(Line2D([], [], color=QUIET, linewidth=0.9, linestyle=":", label=dotted))
        panel.legend(handles=handles)
    return figure
