"""Warps: a checkerboard that shows bending, marked points and their twins, bent grids, a sheet of metal, strips."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from tusklite.arguments import require_integer, require_tensor
from tusklite.course.figures.canvas import PALETTE, QUIET, LessonFigure, panel_grid, require_words, styled, to_array
from tusklite.course.figures.scenes import image_grid, in_pixels, keep_to_image
from tusklite.geometry import fit_tps, identity_grid, warp_images

INK = "#222222"


def on_checkerboard(images: Tensor, squares: int = 10) -> Tensor:
    """Lay images over a dim checkerboard, on which a warp shows wherever it bends.

    Args:
        images: (B, 1, H, W) in [0, 1], bright on black.
        squares: how many squares a side.

    Returns:
        (B, 1, H, W): the brighter of image and checkerboard.

    Raises:
        TypeError, ValueError: another type or shape, or `squares` below 1.

    Example:
        >>> on_checkerboard(torch.zeros(1, 1, 2, 4), squares=2)
        tensor([[[[0.1500, 0.1500, 0.4000, 0.4000],
                  [0.4000, 0.4000, 0.1500, 0.1500]]]])
    """
    _, _, height, width = require_tensor("images", images, ("B", 1, "H", "W")).shape
    require_integer("squares", squares, low=1)
    square = ((identity_grid(height, width, images.device, images.dtype) + 1) / 2 * squares).floor()
    return torch.maximum(images, 0.15 + 0.25 * (square.sum(dim=-1) % 2))


@styled
def bent_grids(
    maps: Sequence[Callable[[Tensor], Tensor]],
    titles: Sequence[str] | None = None,
    source: Tensor | None = None,
    target: Tensor | None = None,
    columns: int = 4,
) -> Figure:
    """Draw where each map takes a square grid of lines, with a line from each source to its target.

    Args:
        maps: `(1, P, 2) -> (1, P, 2)` each, splines for example.
        titles: as many words, one above each panel.
        source, target: (P, 2) points that the maps were fitted to; given together or not at all.
        columns: the most panels in a row, at least 1.

    Returns:
        The figure, one axes a map, y downwards as in images.

    Raises:
        TypeError, ValueError: no maps, another type, shape or number of titles, or a source without target.

    Example:
        >>> figure = bent_grids([lambda points: points, lambda points: 0.5 * points], ["same", "half"])
        >>> figure.axes[1].get_title()
        'half'
    """
    if not maps:
        raise ValueError(f"maps: {maps!r} was given; allowed is at least one map")
    if (source is None) != (target is None):
        raise ValueError("source, target: one was given without the other; allowed are both or none")
    if source is not None:
        require_tensor("source", source, ("P", 2))
        require_tensor("target", target, tuple(source.shape))
    words = require_words("titles", [""] * len(maps) if titles is None else titles, len(maps))
    x, y = torch.linspace(-1, 1, 61), torch.linspace(-1, 1, 13)
    along = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)  # (13, 61, 2)
    lines = torch.cat([along, along.flip(-1)])
    figure, panels = panel_grid(len(maps), columns, 2.4, 2.6 if any(words) else 2.4)
    for panel, warp, word in zip(panels, maps, words, strict=True):
        for curve in to_array(warp(lines.view(1, -1, 2))).reshape(-1, 61, 2):
            panel.plot(*curve.T, color=PALETTE[4], linewidth=0.8)
        if source is not None:
            _paths(panel, to_array(source), to_array(target))
        panel.set_title(word, pad=4)
        panel.set_aspect("equal")
        panel.set(xlim=(-1.45, 1.45), ylim=(1.45, -1.45), xticks=[-1, 0, 1], yticks=[-1, 0, 1])
    return figure


@styled
def bent_sheet(pins: Tensor, heights: Tensor) -> Figure:
    """Draw the radial function U, and the sheet of thin metal that rests on pins of given heights.

    Args:
        pins: (N, 2) where the pins stand, in [-1, 1].
        heights: (N,) how high each of them holds the sheet.

    Returns:
        The figure: U(r) on the left, the sheet on the right.

    Raises:
        TypeError, ValueError: another type or shape, or pins that `fit_tps` refuses.

    Example:
        >>> pins = torch.tensor([[-1.0, -1], [1, -1], [-1, 1], [1, 1], [0, 0]])
        >>> len(bent_sheet(pins, torch.tensor([0.0, 0, 0, 0, 1])).axes)
        2
    """
    require_tensor("pins", pins, ("N", 2))
    require_tensor("heights", heights, (len(pins),))
    flat = identity_grid(41, 41, pins.device, pins.dtype) * (41 / 40)
    lifted = torch.stack([heights, torch.zeros_like(heights)], dim=-1)
    surface = fit_tps(pins[None], lifted[None])(flat.view(1, -1, 2))[0, :, 0].view(41, 41)

    figure = LessonFigure(figsize=(8.2, 3.4), layout="constrained")
    places = figure.add_gridspec(1, 2, width_ratios=(1, 1.25))
    curve = figure.add_subplot(places[0])
    sheet = figure.add_subplot(places[1], projection="3d", computed_zorder=False)
    radius = torch.linspace(0, 1.5, 200, dtype=torch.float64)[1:]
    curve.axhline(0, color=QUIET, linewidth=0.6)
    curve.plot(to_array(radius), to_array(radius.square() * radius.square().log()), color=PALETTE[0])
    curve.set(xlabel="distance r from a control point", ylabel="U(r)")
    curve.set_title("what one control point adds: U(r) = r² log r²")
    curve.tick_params(labelsize=8, color=QUIET)
    x, y = to_array(flat).transpose(2, 0, 1)
    z = to_array(surface)
    sheet.plot_surface(x, y, z, cmap="Blues_r", edgecolor="white", linewidth=0.2, rstride=2, cstride=2, alpha=0.85)
    floor = float(min(z.min(), 0))
    for (pin_x, pin_y), height in zip(to_array(pins), to_array(heights), strict=True):
        sheet.plot([pin_x] * 2, [pin_y] * 2, [floor, height], color=PALETTE[5], linewidth=1.5)
        sheet.scatter(pin_x, pin_y, height, color=PALETTE[5], s=22, edgecolors="white", depthshade=False, zorder=4)
    sheet.set_title("a thin sheet of metal over pins")
    sheet.set(xlabel="x", ylabel="y", xticks=[-1, 0, 1], yticks=[-1, 0, 1], zticks=[0, 1])
    sheet.tick_params(labelsize=8, pad=-2)
    sheet.set_box_aspect((1, 1, 0.5), zoom=1.05)
    sheet.view_init(elev=30, azim=-68)
    return figure


@styled
def moved_control_points(image: Tensor, home: Tensor, moved: Tensor, chosen: int | None = None) -> Figure:
    """Show an image with control points at home, and the image that follows them when they move.

    The warp is fitted from where the points are now to where they were, since `warped(v) = image(g(v))`.

    Args:
        image: (C, H, W) with 1 or 3 channels in [0, 1].
        home: (N, 2) control points of the image, in [-1, 1].
        moved: (N, 2) where they are moved to.
        chosen: which of them to ring, from 0 to N - 1.

    Returns:
        The figure: the image on the left, the warped one, continued by its border, on the right.

    Raises:
        TypeError, ValueError: another type, shape or range, or points that `fit_tps` refuses.

    Example:
        >>> home = torch.tensor([[-1.0, -1], [1, -1], [-1, 1], [1, 1], [0, 0]])
        >>> len(moved_control_points(torch.zeros(1, 8, 8), home, 0.9 * home).axes)
        2
    """
    _, height, width = require_tensor("image", image, ("C", "H", "W")).shape
    require_tensor("home", home, ("N", 2))
    require_tensor("moved", moved, tuple(home.shape))
    grid = fit_tps(moved[None], home[None]).grid(height, width)
    both = torch.cat([image[None], warp_images(image[None], grid, padding_mode="border")])
    figure, (left, right) = image_grid(both, columns=2, width=3.0, titles=["control points at home", "moved"])
    start, end = (in_pixels(points, both) for points in (home, moved))
    left.scatter(*start.T, s=30, c=PALETTE[4], edgecolors=INK, linewidths=0.8)
    _paths(right, start, end)
    for panel, points in ((left, start), (right, end)):
        if chosen is not None:
            ring = points[require_integer("chosen", chosen, low=0, high=len(home) - 1)]
            panel.scatter(*ring, s=130, facecolors="none", edgecolors=PALETTE[5], linewidths=2)
        keep_to_image(panel, both)
    return figure


def _paths(panel: Axes, start: np.ndarray, end: np.ndarray) -> None:
    """Lines from hollow starts to filled ends, both (P, 2)."""
    for tail, head in zip(start, end, strict=True):
        panel.plot(*zip(tail, head, strict=True), color=PALETTE[1], linewidth=1.5)
    panel.scatter(*start.T, s=22, facecolors="white", edgecolors=INK, linewidths=0.8, zorder=3)
    panel.scatter(*end.T, s=28, c=PALETTE[1], edgecolors=INK, linewidths=0.8, zorder=4)
