"""Warps: bent grids, a sheet of metal, control points that take the image with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from tusklite.course.figures import PALETTE, QUIET, LessonFigure, Panel, image_grid, panel_grid, styled, to_array
from tusklite.course.figures.words import counted, number, span
from tusklite.geometry import fit_tps, identity_grid, warp_images

INK = "#222222"


@styled
def bent_grids(
    maps: Sequence[Callable[[Tensor], Tensor]], titles: Sequence[str], source: Tensor, target: Tensor
) -> LessonFigure:
    """Draw where each map takes a square grid of lines, with a line from each source to its target.

    Args:
        maps: `(1, P, 2) -> (1, P, 2)` each, splines for example.
        titles: as many words, one above each panel.
        source, target: (P, 2) points that the maps were fitted to.

    Returns:
        The figure, one panel a map, y downwards as in images.

    Example:
        >>> points = torch.zeros(1, 2)
        >>> figure = bent_grids([lambda xy: xy, lambda xy: 0.5 * xy], ["same", "half"], points, points)
        >>> figure.axes[1].get_title()
        'half'
    """
    x, y = torch.linspace(-1, 1, 61), torch.linspace(-1, 1, 13)
    along = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)  # (13, 61, 2)
    lines = torch.cat([along, along.flip(-1)])
    figure = panel_grid(len(maps), width=2.4, height=2.6)
    for panel, warp, word in zip(figure.axes, maps, titles, strict=True):
        panel.plot(
            *to_array(warp(lines.view(1, -1, 2))).reshape(-1, 61, 2).transpose(2, 1, 0), color=PALETTE[4], linewidth=0.8
        )
        _paths(panel, to_array(source), to_array(target))
        panel.set_title(word, pad=4)
        panel.set(xlim=(-1.45, 1.45), ylim=(1.45, -1.45), xticks=[-1, 0, 1], yticks=[-1, 0, 1], aspect="equal")
        moved = (warp(lines.view(1, -1, 2)) - lines.view(1, -1, 2)).norm(dim=-1)
        missed = (warp(source[None]) - target[None]).norm(dim=-1).mean()
        figure.tell(
            f"“{word}”: a square grid of lines from -1 to 1, moved by {number(moved.mean())} on average and "
            f"{number(moved.max())} at most, and {counted(len(source), 'point')} joined to their targets, which the "
            f"map misses by {number(missed)} on average."
        )
    return figure


@styled
def bent_sheet(pins: Tensor, heights: Tensor) -> LessonFigure:
    """Draw the radial function U, and the sheet of thin metal that rests on pins of given heights.

    Args:
        pins: (N, 2) where the pins stand, in [-1, 1].
        heights: (N,) how high each of them holds the sheet.

    Returns:
        The figure: U(r) on the left, the sheet on the right.

    Example:
        >>> pins = torch.tensor([[-1.0, -1], [1, -1], [-1, 1], [1, 1], [0, 0]])
        >>> len(bent_sheet(pins, torch.tensor([0.0, 0, 0, 0, 1])).axes)
        2
    """
    flat = identity_grid(41, 41, pins.device, pins.dtype) * (41 / 40)
    lifted = torch.stack([heights, torch.zeros_like(heights)], dim=-1)
    surface = fit_tps(pins[None], lifted[None])(flat.view(1, -1, 2))[0, :, 0].view(41, 41)

    figure = LessonFigure(figsize=(8.2, 3.4), layout="constrained")
    places = figure.add_gridspec(1, 2, width_ratios=(1, 1.25))
    curve = figure.add_subplot(places[0])
    sheet = figure.add_subplot(places[1], projection="3d", computed_zorder=False)
    radius = np.linspace(0, 1.5, 200)[1:]
    curve.axhline(0, color=QUIET, linewidth=0.6)
    curve.plot(radius, radius**2 * np.log(radius**2), color=PALETTE[0])
    curve.set(xlabel="distance r from a control point", ylabel="U(r)")
    curve.set_title("what one control point adds: U(r) = r² log r²")
    curve.tick_params(labelsize=8, color=QUIET)
    x, y = to_array(flat).transpose(2, 0, 1)
    z = to_array(surface)
    sheet.plot_surface(x, y, z, cmap="Blues_r", edgecolor="white", linewidth=0.2, rstride=2, cstride=2, alpha=0.85)
    for (pin_x, pin_y), height in zip(to_array(pins), to_array(heights), strict=True):
        sheet.plot([pin_x] * 2, [pin_y] * 2, [min(z.min(), 0), height], color=PALETTE[5], linewidth=1.5)
        sheet.scatter(pin_x, pin_y, height, color=PALETTE[5], s=22, edgecolors="white", depthshade=False, zorder=4)
    sheet.set_title("a thin sheet of metal over pins")
    sheet.set(xlabel="x", ylabel="y", xticks=[-1, 0, 1], yticks=[-1, 0, 1], zticks=[0, 1])
    sheet.tick_params(labelsize=8, pad=-2)
    sheet.set_box_aspect((1, 1, 0.5), zoom=1.05)
    sheet.view_init(elev=30, azim=-68)
    figure.tell(
        "Left: the curve of r squared times the log of r squared, which is 0 at r = 0 and r = 1, below 0 between and "
        f"rises steeply after. Right: a thin sheet over {counted(len(pins), 'pin')} of heights "
        f"{span(heights.min(), heights.max())}, itself {span(z.min(), z.max())}."
    )
    return figure


@styled
def moved_control_points(image: Tensor, home: Tensor, moved: Tensor, chosen: int | None = None) -> LessonFigure:
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
        ValueError: points that `fit_tps` refuses.

    Example:
        >>> home = torch.tensor([[-1.0, -1], [1, -1], [-1, 1], [1, 1], [0, 0]])
        >>> len(moved_control_points(torch.zeros(1, 8, 8), home, 0.9 * home).axes)
        2
    """
    grid = fit_tps(moved[None], home[None]).grid(*image.shape[1:])
    both = torch.cat([image[None], warp_images(image[None], grid, padding_mode="border")])
    figure = image_grid(both, ["control points at home", "moved"], width=3.0)
    left, right = figure.axes
    left.mark(home, s=30, c=PALETTE[4], edgecolors=INK, linewidths=0.8)
    _paths(right, right.place(home), right.place(moved))
    for panel, points in ((left, home), (right, moved)):
        ringed = [] if chosen is None else [chosen]
        panel.mark(points[ringed], s=130, facecolors="none", edgecolors=PALETTE[5], linewidths=2)
    away = np.linalg.norm(right.place(moved) - right.place(home), axis=1)
    figure.tell(
        f"{counted(len(home), 'control point')}, {int((away > 1e-4).sum())} of them moved, by {number(away.max())} "
        "pixels at most, and the image follows: lines join where they were to where they are."
    )
    if chosen is not None:
        figure.tell(f"Control point {chosen + 1} is ringed.")
    return figure


def _paths(panel: Panel, start: np.ndarray, end: np.ndarray) -> None:
    """Lines from hollow starts to filled ends, both (P, 2)."""
    panel.plot(*np.stack([start, end]).transpose(2, 0, 1), color=PALETTE[1], linewidth=1.5)
    panel.scatter(*start.T, s=22, facecolors="white", edgecolors=INK, linewidths=0.8, zorder=3)
    panel.scatter(*end.T, s=28, c=PALETTE[1], edgecolors=INK, linewidths=0.8, zorder=4)
