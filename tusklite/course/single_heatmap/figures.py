"""One heatmap: maps with their numbers, maxima with their windows, the weights of a soft-argmax and their slopes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from torch import Tensor

from tusklite.arguments import require_integer, require_tensor
from tusklite.course.figures.canvas import (
    PALETTE,
    RIGHT,
    panel_grid,
    require_words,
    styled,
    to_array,
)
from tusklite.ops.keypoints import detect_keypoints

LARGEST = 16
FRAME = PALETTE[5]


@styled
def numbered_maps(
    maps: Sequence[Tensor],
    titles: Sequence[str] | None = None,
    marked: Sequence[Tensor] | None = None,
    columns: int = 4,
) -> Figure:
    """Show small maps with the number in each cell; marked cells are framed.

    Args:
        maps: (H, W) each, at most 16 cells a side.
        titles: as many words, one above each map.
        marked: as many bool (H, W).
        columns: the most maps in a row, at least 1.

    Returns:
        The figure, one axes a map, in cells.

    Raises:
        TypeError, ValueError: no maps, another type, shape or number of titles or marks, or more cells a side.

    Example:
        >>> figure = numbered_maps([torch.eye(3)], ["three ones"], [torch.eye(3) > 0])
        >>> len(figure.axes[0].patches)
        3
    """
    if not maps:
        raise ValueError(f"maps: {maps!r} was given; allowed is at least one map")
    for map_ in maps:
        if max(require_tensor("maps", map_, ("H", "W")).shape) > LARGEST:
            raise ValueError(f"maps: shape {tuple(map_.shape)} was given; allowed are at most {LARGEST} cells a side")
    if marked is not None and [tuple(mask.shape) for mask in marked] != [tuple(map_.shape) for map_ in maps]:
        shapes = [tuple(mask.shape) for mask in marked]
        raise ValueError(f"marked: shapes {shapes} were given; allowed are those of the maps")
    words = require_words("titles", [""] * len(maps) if titles is None else titles, len(maps))
    rows, across = maps[0].shape
    figure, panels = panel_grid(len(maps), columns, 0.31 * across + 0.2, 0.31 * rows + (0.4 if any(words) else 0.1))
    for number, (panel, map_, word) in enumerate(zip(panels, maps, words, strict=True)):
        _numbers(panel, to_array(map_))
        panel.set_title(word, pad=4)
        if marked is not None:
            for row, column in marked[number].nonzero().tolist():
                panel.add_patch(Rectangle((column, row), 1, 1, fill=False, edgecolor=FRAME, linewidth=2.2, zorder=3))
    return figure


@styled
def soft_window(image: Tensor, heatmap: Tensor, window: int, temperature: float, k: int = 9, chosen: int = 0) -> Figure:
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

    Raises:
        TypeError, ValueError: another type, shape or range, or fewer maxima than `chosen` asks for.

    Example:
        >>> peaks = torch.zeros(1, 8, 8)
        >>> peaks[0, 2, 2], peaks[0, 6, 6] = 1.0, 0.8
        >>> len(soft_window(torch.zeros(1, 16, 16), peaks, window=3, temperature=0.2, chosen=1).axes)
        3
    """
    channels = require_tensor("image", image, ("C", "H", "W")).shape[0]
    if channels not in (1, 3):
        raise ValueError(f"image: {channels} channels were given; allowed are 1 and 3")
    _, height, width = require_tensor("heatmap", heatmap, (1, "h", "w")).shape
    points = detect_keypoints(heatmap.detach()[None], k, window, temperature)
    found = int(points.found.sum())
    require_integer("chosen", chosen, low=0, high=found - 1)
    figure, (scene, scores, weights) = panel_grid(3, 3, 2.9, 3.1)
    size = torch.tensor([width, height])
    xy = to_array((points.xy[0, :found].cpu() + 1) / 2 * size)  # pixels of the heatmap
    index = points.index[0, :found].cpu()
    maxima = np.stack([index % width, index // width], axis=1) + 0.5

    picture = to_array(image.clamp(0, 1)).transpose(1, 2, 0).squeeze()
    scene.imshow(picture, cmap="gray", vmin=0, vmax=1, extent=(0, width, height, 0))
    values = to_array(heatmap[0])
    scene.imshow(values, cmap="inferno", vmin=0, vmax=1, alpha=0.7 * values.clip(0, 1), extent=(0, width, height, 0))
    for number, (column, row) in enumerate(maxima):
        look = (FRAME, 2.0) if number == chosen else (RIGHT[0], 0.9)
        corner = (column - window / 2, row - window / 2)
        scene.add_patch(Rectangle(corner, window, window, fill=False, edgecolor=look[0], linewidth=look[1]))
    scene.scatter(*xy.T, marker="+", s=30, color=RIGHT[0], linewidths=1.3)
    scene.set(xlim=(0, width), ylim=(height, 0), title=f"{found} maxima, windows of {window} x {window}")

    rows, columns = _inside(maxima[chosen, 1], height, window), _inside(maxima[chosen, 0], width, window)
    near = values[rows, columns]
    share = np.exp((near - near.max()) / temperature)
    share /= share.sum()
    extent = (columns.start, columns.stop, rows.stop, rows.start)
    scores.imshow(near, cmap="inferno", vmin=0, vmax=1, extent=extent)
    scores.set_title(f"scores around maximum {chosen + 1}")
    weights.imshow(share, cmap="Blues", vmin=0, vmax=max(share.max(), 0.05), extent=extent)
    weights.set_title(f"weights at temperature {temperature:.2g}:\nthe maximum has {100 * share.max():.0f}%")
    halo = [withStroke(linewidth=4, foreground="white")]
    for panel in (scores, weights):
        panel.scatter(*maxima[chosen], s=90, facecolors="none", edgecolors=FRAME, linewidths=2)
        panel.scatter(*xy[chosen], marker="+", s=90, color="black", linewidths=2, path_effects=halo)
        # What lies outside the map stays white.
        column, row = maxima[chosen]
        panel.set(xlim=(column - window / 2, column + window / 2), ylim=(row + window / 2, row - window / 2))
    for panel in (scene, scores, weights):
        panel.set(xticks=[], yticks=[], frame_on=False)
    return figure


@styled
def weights_and_slopes(weights: Tensor, slopes: Tensor, titles: Sequence[str]) -> Figure:
    """Show windows of weights, and below each how the refined x answers to the score of each of its pixels.

    Args:
        weights: (T, w, w), at least 0.
        slopes: (T, w, w), the derivative of x by the score of each pixel; red pulls right, blue pulls left.
        titles: T words.

    Returns:
        The figure: a row of weights, a row of slopes; colours reach as far as the largest value of each panel.

    Raises:
        TypeError, ValueError: another type, shape or number of titles.

    Example:
        >>> len(weights_and_slopes(torch.full((2, 3, 3), 1 / 9), torch.zeros(2, 3, 3), ["cold", "hot"]).axes)
        4
    """
    count = len(require_tensor("weights", weights, ("T", "w", "w")))
    require_tensor("slopes", slopes, tuple(weights.shape))
    words = require_words("titles", titles, count)
    figure, panels = panel_grid(2 * count, count, 2.1, 2.35)
    for number, word in enumerate(words):
        above, below = panels[number], panels[count + number]
        weight, slope = to_array(weights[number]), to_array(slopes[number])
        above.imshow(weight, cmap="Blues", vmin=0, vmax=weight.max())
        above.set_title(f"{word}\nlargest weight {weight.max():.2f}")
        reach = abs(slope).max()
        below.imshow(slope, cmap="RdBu_r", vmin=-(reach or 1), vmax=reach or 1)
        below.set_title(f"largest slope {reach:.1g}")
        for panel in (above, below):
            panel.set(xticks=[], yticks=[], frame_on=False)
    panels[0].set_ylabel("weights")
    panels[count].set_ylabel("slopes of x")
    return figure


def _numbers(panel: Axes, values: np.ndarray) -> None:
    rows, across = values.shape
    low, high = values.min(), values.max()
    reach = (high - low) or 1.0
    panel.imshow(values, cmap="Blues", vmin=low, vmax=low + 1.3 * reach, extent=(0, across, rows, 0))
    for (row, column), value in np.ndenumerate(values):
        dark = (value - low) / reach > 0.75
        place = {"ha": "center", "va": "center", "fontsize": 8}
        panel.text(column + 0.5, row + 0.5, _short(value), color="white" if dark else "black", **place)
    panel.set(xticks=[], yticks=[], xlim=(0, across), ylim=(rows, 0), frame_on=False)


def _short(value: float) -> str:
    """A number of two digits, without a zero before its point."""
    word = f"{value:.2g}" if abs(value) < 99.5 else f"{value:.0f}"
    return word.replace("0.", ".", 1) if abs(value) < 1 else word


def _inside(centre: float, size: int, window: int) -> slice:
    """The part of a window around a pixel's centre that lies inside the map."""
    middle = int(centre)
    return slice(max(middle - window // 2, 0), min(middle + window // 2 + 1, size))
