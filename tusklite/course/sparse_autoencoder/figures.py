"""From keypoints to an image: splats and how they answer to a move, runs side by side, masks, copies of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from torch import Tensor

from tusklite.arguments import require_tensor
from tusklite.course.figures.canvas import PALETTE, QUIET, LessonFigure, panel_grid, require_words, styled, to_array

Run = Sequence[Mapping[str, float]]


@styled
def splat_maps(maps: Tensor, xy: Tensor, titles: Sequence[str]) -> Figure:
    """Show maps pixel by pixel, each in its own range of colours, and a cross where each point is.

    Args:
        maps: (N, H, W), at least 0.
        xy: (K, 2) points in [-1, 1], the same for all maps.
        titles: N words.

    Returns:
        The figure, one axes a map, in pixels; under each map its largest value.

    Raises:
        TypeError, ValueError: another type or shape, or another number of titles.

    Example:
        >>> figure = splat_maps(torch.eye(4)[None], torch.zeros(1, 2), ["four pixels"])
        >>> figure.axes[0].get_xlabel()
        'largest value 1'
    """
    count, height, width = require_tensor("maps", maps, ("N", "H", "W")).shape
    points = (to_array(require_tensor("xy", xy, ("K", 2))) + 1) / 2 * [width, height]
    words = require_words("titles", titles, count)
    figure, panels = panel_grid(count, count, 2.3, 2.3 * height / width + 0.55)
    halo = [withStroke(linewidth=3.5, foreground="white")]
    for panel, values, word in zip(panels, to_array(maps), words, strict=True):
        panel.imshow(values, cmap="Blues", vmin=0, vmax=values.max() or 1, extent=(0, width, height, 0))
        panel.hlines(range(height + 1), 0, width, color="white", linewidth=0.5)
        panel.vlines(range(width + 1), 0, height, color="white", linewidth=0.5)
        panel.scatter(*points.T, marker="+", s=70, color=PALETTE[5], linewidths=1.8, path_effects=halo)
        panel.set(xticks=[], yticks=[], title=word, xlabel=f"largest value {values.max():.2g}")
        panel.set(xlim=(0, width), ylim=(height, 0), frame_on=False)
    return figure


@styled
def answers_to_a_move(places: Tensor, values: Mapping[str, Tensor], slopes: Mapping[str, Tensor]) -> Figure:
    """Show what one pixel gets while a point moves past it, and the slope of that: what a gradient sees.

    Args:
        places: (N,) where the point is, in pixels; the pixel is at 0.
        values: for each name (N,) what the pixel gets.
        slopes: for each of these names (N,) its derivative by the place.

    Returns:
        The figure: values at the left; slopes at the right, each name in units of its own steepest.

    Raises:
        TypeError, ValueError: no names, more than ten, names that differ, or other types and lengths.

    Example:
        >>> x = torch.linspace(-1, 1, 5)
        >>> len(answers_to_a_move(x, {"a line": x}, {"a line": torch.ones(5)}).axes)
        2
    """
    if not 1 <= len(values) <= len(PALETTE) or list(values) != list(slopes):
        raise ValueError(
            f"slopes: names {list(slopes)} were given; allowed are those of the values, {list(values)}, one to ten"
        )
    count = len(require_tensor("places", places, ("N",)))
    figure, panels = panel_grid(2, 2, 3.4, 2.6)
    words = {"values": "what the pixel gets", "slopes": "its slope, the steepest as 1"}
    for panel, (kind, lines) in zip(panels, (("values", values), ("slopes", slopes)), strict=True):
        for color, (name, heights) in zip(PALETTE, lines.items(), strict=False):
            heights = to_array(require_tensor(kind, heights, (count,)))
            if kind == "slopes":
                heights = heights / (abs(heights).max() or 1)
            panel.plot(to_array(places), heights, color=color, linewidth=1.7, label=name)
        panel.set(xlabel="place of the point, in pixels", title=words[kind])
    panels[0].legend(loc="upper right", title="sigma")
    return figure


def tint(images: Tensor, masks: Tensor) -> Tensor:
    """Give grey images the colours of who painted them: each keypoint has one, and a pixel mixes them by their shares.

    Args:
        images: (B, 1, H, W) in [0, 1].
        masks: (B, K, H, W) shares of the pixels, K at most 10.

    Returns:
        (B, 3, H, W) in [0, 1], for any figure of images. Black stays dark, and lets its colour through.

    Raises:
        TypeError, ValueError: another type or shape, or more than ten keypoints.

    Example:
        >>> tint(torch.ones(1, 1, 1, 2), torch.eye(2).view(1, 2, 1, 2))[0, :, 0].round(decimals=2)
        tensor([[0.0000, 0.9000],
                [0.4500, 0.6200],
                [0.7000, 0.0000]])
    """
    batch, count, height, width = require_tensor("masks", masks, ("B", "K", "H", "W")).shape
    require_tensor("images", images, (batch, 1, height, width))
    if count > len(PALETTE):
        raise ValueError(f"masks: {count} keypoints were given; allowed are at most {len(PALETTE)}")
    colors = masks.new_tensor([to_rgb(color) for color in PALETTE[:count]])  # (K, 3)
    mixed = torch.einsum("bkhw,kc->bchw", masks, colors)
    return (mixed * (0.25 + 0.75 * images)).clamp(0, 1)


@styled
def copies_and_distances(
    copies: Tensor, names: Sequence[str], distances: Mapping[str, Sequence[float] | Tensor]
) -> Figure:
    """Show copies of an image, and how far each measure says that they are from it, in units of the first copy's.

    Args:
        copies: (N, C, H, W) with 1 or 3 channels; a value outside [0, 1] is shown as the nearer end.
        names: N words, one above each copy.
        distances: for each measure N numbers of at least 0; the first above 0.

    Returns:
        The figure: N axes with the copies, and below them one with a group of bars a copy.

    Raises:
        TypeError, ValueError: another type, shape, number of names or of distances, no or more than ten measures, or
            a first distance that is not above 0.

    Example:
        >>> figure = copies_and_distances(torch.rand(2, 1, 8, 8), ["moved", "dim"], {"MSE": [0.1, 0.2]})
        >>> [float(bar.get_height()) for bar in figure.axes[-1].patches]
        [1.0, 2.0]
    """
    count, channels = require_tensor("copies", copies, ("N", "C", "H", "W")).shape[:2]
    if channels not in (1, 3):
        raise ValueError(f"copies: {channels} channels were given; allowed are 1 and 3")
    words = require_words("names", names, count)
    if not 1 <= len(distances) <= len(PALETTE):
        raise ValueError(f"distances: {len(distances)} measures were given; allowed are 1 to {len(PALETTE)}")
    for measure, numbers in distances.items():
        if len(numbers) != count or not numbers[0] > 0:
            raise ValueError(f"distances: {measure!r} has {list(numbers)}; allowed are {count}, the first above 0")
    figure = LessonFigure(figsize=(1.75 * count + 0.6, 3.9), layout="constrained")
    grid = figure.add_gridspec(2, count, height_ratios=[1.25, 1])
    for i, (copy, word) in enumerate(zip(to_array(copies.clamp(0, 1)), words, strict=True)):
        panel = figure.add_subplot(grid[0, i])
        picture = copy[0] if channels == 1 else copy.transpose(1, 2, 0)
        panel.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        panel.set(xticks=[], yticks=[], title=word, frame_on=False)
    bars = figure.add_subplot(grid[1, :])
    wide = 0.8 / len(distances)
    for number, (color, (measure, numbers)) in enumerate(zip(PALETTE, distances.items(), strict=False)):
        heights = np.asarray([float(value) for value in numbers]) / float(numbers[0])
        left = np.arange(count) - 0.4 + wide * (number + 0.5)
        for drawn in bars.bar(left, heights, width=0.92 * wide, color=color, label=measure):
            middle = drawn.get_x() + drawn.get_width() / 2
            bars.text(middle, drawn.get_height(), f"{drawn.get_height():.1f}", ha="center", va="bottom", fontsize=8)
    bars.set(xlim=(-0.5, count - 0.5), xticks=[], yticks=[], ylabel="times the first")
    bars.spines[["left"]].set_visible(False)
    bars.tick_params(labelsize=8, color=QUIET)
    figure.legend(*bars.get_legend_handles_labels(), loc="outside lower center", ncols=len(distances))
    return figure
