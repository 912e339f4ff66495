"""One heatmap: maps with their numbers, maxima with their windows, the weights of a soft-argmax and their slopes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from torch import Tensor

from tusklite.course.figures import PALETTE, RIGHT, LessonFigure, panel_grid, styled, to_array
from tusklite.course.figures.words import counted, listed, number
from tusklite.ops.keypoints import detect_keypoints

FRAME, HALO = PALETTE[5], [withStroke(linewidth=4, foreground="white")]


@styled
def numbered_maps(maps: Sequence[Tensor], titles: Sequence[str], marked: Sequence[Tensor]) -> LessonFigure:
    """Show small maps with the number in each cell; marked cells are framed.

    Args:
        maps: (H, W) each.
        titles: as many words, one above each map.
        marked: as many bool (H, W).

    Returns:
        The figure, one panel a map, in cells.

    Example:
        >>> import torch
        >>> figure = numbered_maps([torch.eye(3)], ["three ones"], [torch.eye(3) > 0])
        >>> len(figure.axes[0].patches)
        3
    """
    rows, across = maps[0].shape
    figure = panel_grid(len(maps), 4, 0.31 * across + 0.2, 0.31 * rows + 0.4)
    for panel, values, word, mask in zip(figure.axes, map(to_array, maps), titles, marked, strict=True):
        (rows, across), low, reach = values.shape, values.min(), np.ptp(values) or 1.0
        panel.imshow(values, cmap="Blues", vmin=low, vmax=low + 1.3 * reach, extent=(0, across, rows, 0))
        for (row, column), value in np.ndenumerate(values):
            ink = "white" if (value - low) / reach > 0.75 else "black"
            place = {"ha": "center", "va": "center", "fontsize": 8}
            panel.text(column + 0.5, row + 0.5, _short(value), color=ink, **place)
        for row, column in mask.nonzero().tolist():
            panel.add_patch(Rectangle((column, row), 1, 1, fill=False, edgecolor=FRAME, linewidth=2.2, zorder=3))
        panel.set(xticks=[], yticks=[], xlim=(0, across), ylim=(rows, 0), frame_on=False)
        panel.set_title(word, pad=4)
        kept = [f"{number(values[row, column])} (row {row + 1}, column {column + 1})" for row, column in mask.nonzero()]
        figure.tell(f"“{word}”, {rows} x {across} cells with numbers; framed: {listed(kept) or 'none'}.")
    return figure


@styled
def soft_window(
    image: Tensor, heatmap: Tensor, window: int, temperature: float, k: int = 9, chosen: int = 0
) -> LessonFigure:
    """Show the maxima of a heatmap with their windows, and one of these windows from near: scores and weights.

    Args:
        image: (C, H, W) with 1 or 3 channels in [0, 1].
        heatmap: (1, h, w) of any size, in [0, 1].
        window: odd side of the suppression and of the soft-argmax, in pixels of the heatmap.
        temperature: of the soft-argmax.
        k: the most keypoints.
        chosen: which of them is shown from near, from 0 for the strongest.

    Returns:
        The figure: the image with its windows, the scores of the chosen window, their weights. The ring is the maximum,
        the cross the refined point.

    Example:
        >>> import torch
        >>> peaks = torch.zeros(1, 8, 8)
        >>> peaks[0, 2, 2], peaks[0, 6, 6] = 1.0, 0.8
        >>> len(soft_window(torch.zeros(1, 16, 16), peaks, window=3, temperature=0.2, chosen=1).axes)
        3
    """
    _, height, width = heatmap.shape
    points, values = detect_keypoints(heatmap.detach()[None], k, window, temperature), to_array(heatmap[0])
    found = int(points.found.sum())
    index, xy = points.index[0, :found].cpu(), points.xy[0, :found]
    maxima = np.stack([index % width, index // width], axis=1) + 0.5  # pixels of the heatmap
    figure = panel_grid(3, width=2.9, height=3.1)
    scene, scores, weights = figure.axes

    scene.show(image)
    scene.images[0].set_extent((0, width, height, 0))  # in pixels of the heatmap, as the windows are
    look = {"cmap": "inferno", "vmin": 0, "vmax": 1, "extent": (0, width, height, 0)}
    scene.imshow(values, alpha=0.7 * values.clip(0, 1), **look)
    for at, place in enumerate(maxima):
        edge, wide = (FRAME, 2.0) if at == chosen else (RIGHT[0], 0.9)
        scene.add_patch(Rectangle(place - window / 2, window, window, fill=False, edgecolor=edge, linewidth=wide))
    scene.mark(xy, marker="+", s=30, color=RIGHT[0], linewidths=1.3)
    scene.set_title(f"{found} maxima, windows of {window} x {window}")

    column, row = maxima[chosen]
    left, top = (max(int(place) - window // 2, 0) for place in (column, row))
    near = values[top : int(row) + window // 2 + 1, left : int(column) + window // 2 + 1]
    share = np.exp((near - near.max()) / temperature)
    share /= share.sum()
    look = {"vmin": 0, "extent": (left, left + near.shape[1], top + near.shape[0], top)}
    scores.imshow(near, cmap="inferno", vmax=1, **look)
    scores.set_title(f"scores around maximum {chosen + 1}")
    weights.imshow(share, cmap="Blues", vmax=max(share.max(), 0.05), **look)
    weights.set_title(f"weights at temperature {temperature:.2g}:\nthe maximum has {100 * share.max():.0f}%")
    for panel in (scores, weights):
        panel.scatter(column, row, s=90, facecolors="none", edgecolors=FRAME, linewidths=2)
        panel.scatter(*scene.place(xy[chosen]), marker="+", s=90, color="black", linewidths=2, path_effects=HALO)
        # What lies outside the map stays white.
        panel.set(xlim=(column - window / 2, column + window / 2), ylim=(row + window / 2, row - window / 2))
        panel.set(xticks=[], yticks=[], frame_on=False)
    moved = np.linalg.norm(scene.place(xy[chosen]) - maxima[chosen])
    figure.tell(
        f"A scene with the maxima, {found}, of a heatmap of {width} x {height} in windows of {window} x {window}. "
        f"Maximum {chosen + 1} from near: its scores, at most {number(near.max())}, and their weights at temperature "
        f"{temperature:.2g}, of which the maximum has {100 * share.max():.0f}%; the refined point, a cross, is "
        f"{moved:.2f} pixels from the maximum, a ring."
    )
    return figure


@styled
def weights_and_slopes(weights: Tensor, slopes: Tensor, titles: Sequence[str]) -> LessonFigure:
    """Show windows of weights, and below each how the refined x answers to the score of each of its pixels.

    Args:
        weights: (T, w, w), at least 0.
        slopes: (T, w, w), the derivative of x by the score of each pixel; red pulls right, blue pulls left.
        titles: T words.

    Returns:
        The figure: a row of weights, a row of slopes; colours reach as far as the largest value of each panel.

    Example:
        >>> import torch
        >>> len(weights_and_slopes(torch.full((2, 3, 3), 1 / 9), torch.zeros(2, 3, 3), ["cold", "hot"]).axes)
        4
    """
    count = len(weights)
    figure = panel_grid(2 * count, count, 2.1, 2.35)
    for panel in figure.axes:
        panel.set(xticks=[], yticks=[], frame_on=False)
    for at, (above, below) in enumerate(zip(figure.axes[:count], figure.axes[count:], strict=True)):
        weight, slope = to_array(weights[at]), to_array(slopes[at])
        above.imshow(weight, cmap="Blues", vmin=0, vmax=weight.max())
        above.set_title(f"{titles[at]}\nlargest weight {weight.max():.2f}")
        reach = abs(slope).max()
        below.imshow(slope, cmap="RdBu_r", vmin=-(reach or 1), vmax=reach or 1)
        below.set_title(f"largest slope {reach:.1g}")
    figure.axes[0].set_ylabel("weights")
    figure.axes[count].set_ylabel("slopes of x")
    said = [
        f"“{title}” largest weight {float(weight.max()):.2f}, largest slope {float(slope.abs().max()):.1g}"
        for title, weight, slope in zip(titles, weights, slopes, strict=True)
    ]
    size = f"{weights.shape[2]} x {weights.shape[1]}"
    figure.tell(f"{counted(count, 'window')} of weights, {size}, and below each the slopes of x: {'; '.join(said)}.")
    return figure


def _short(value: float) -> str:
    """A number of two digits, without a zero before its point."""
    word = f"{value:.2g}" if abs(value) < 99.5 else f"{value:.0f}"
    return word.replace("0.", ".", 1) if abs(value) < 1 else word
