"""From keypoints to an image: who painted what, and copies of an image with their distances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
import torch
from matplotlib.colors import to_rgb
from torch import Tensor

from tusklite.course.figures import PALETTE, QUIET, LessonFigure, Panel, styled
from tusklite.course.figures.words import listed


def tint(images: Tensor, masks: Tensor) -> Tensor:
    """Give grey images the colours of who painted them: each keypoint has one, and a pixel mixes them by their shares.

    Args:
        images: (B, 1, H, W) in [0, 1].
        masks: (B, K, H, W) shares of the pixels, K at most 10.

    Returns:
        (B, 3, H, W) in [0, 1], for any figure of images. Black stays dark, and lets its colour through.

    Example:
        >>> tint(torch.ones(1, 1, 1, 2), torch.eye(2).view(1, 2, 1, 2))[0, :, 0].round(decimals=2)
        tensor([[0.0000, 0.9000],
                [0.4500, 0.6200],
                [0.7000, 0.0000]])
    """
    colors = masks.new_tensor([to_rgb(color) for color in PALETTE[: masks.shape[1]]])  # (K, 3)
    mixed = torch.einsum("bkhw,kc->bchw", masks, colors)
    return (mixed * (0.25 + 0.75 * images)).clamp(0, 1)


@styled
def copies_and_distances(
    copies: Tensor, names: Sequence[str], distances: Mapping[str, Sequence[float] | Tensor]
) -> LessonFigure:
    """Show copies of an image, and how far each measure says that they are from it, in units of the first copy's.

    Args:
        copies: (N, C, H, W) with 1 or 3 channels in [0, 1].
        names: N words, one above each copy.
        distances: for each measure N numbers of at least 0; the first above 0.

    Returns:
        The figure: N panels with the copies, and below them one with a group of bars a copy.

    Example:
        >>> figure = copies_and_distances(torch.rand(2, 1, 8, 8), ["moved", "dim"], {"MSE": [0.1, 0.2]})
        >>> [float(bar.get_height()) for bar in figure.axes[-1].patches]
        [1.0, 2.0]
    """
    count = len(copies)
    figure = LessonFigure(figsize=(1.75 * count + 0.6, 3.9), layout="constrained")
    grid = figure.add_gridspec(2, count, height_ratios=[1.25, 1])
    for i, (copy, word) in enumerate(zip(copies, names, strict=True)):
        panel = figure.add_subplot(grid[0, i], axes_class=Panel)
        panel.show(copy)
        panel.set_title(word)
    bars, wide = figure.add_subplot(grid[1, :], axes_class=Panel), 0.8 / len(distances)
    for number, (color, (measure, values)) in enumerate(zip(cycle(PALETTE), distances.items(), strict=False)):
        heights = np.array([float(value) for value in values]) / float(values[0])
        middles = np.arange(count) - 0.4 + wide * (number + 0.5)
        bars.bar(middles, heights, width=0.92 * wide, color=color, label=measure)
        for middle, height in zip(middles, heights, strict=True):
            bars.text(middle, height, f"{height:.1f}", ha="center", va="bottom", fontsize=8)
    bars.set(xlim=(-0.5, count - 0.5), xticks=[], yticks=[], ylabel="times the first")
    bars.spines[["left"]].set_visible(False)
    bars.tick_params(labelsize=8, color=QUIET)
    figure.legend(*bars.get_legend_handles_labels(), loc="outside lower center", ncols=len(distances))
    said = []
    for measure, values in distances.items():
        times = (f"{name} {float(value) / float(values[0]):.1f}" for name, value in zip(names, values, strict=True))
        said.append(f"{measure}: {listed(times)}")
    figure.tell(
        f"Copies of an image, {count}: {listed(names)}. Below, how far each measure says that they are from it, in "
        f"units of the first copy's. {'; '.join(said)}."
    )
    return figure
