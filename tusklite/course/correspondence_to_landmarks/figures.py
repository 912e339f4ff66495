"""Figures of lesson 19: who fires where, and how often two detectors fire together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from tusklite.course.figures import PALETTE, LessonFigure, image_rows, panel_grid, styled, to_array
from tusklite.course.figures.words import counted, listed

MARKERS = "osD^v"  # each ten detectors more take the next one


@styled
def detectors_on_images(
    images: Tensor, rows: Mapping[str, Tensor], names: Sequence[int] | None = None, width: float = 1.5
) -> LessonFigure:
    """Show where detectors fire, the same colour, shape and number for the same detector in every image.

    Args:
        images: (B, C, H, W) with 1 or 3 channels in [0, 1].
        rows: for each name places (B, K, 2) in [-1, 1], NaN where a detector does not fire; K may differ.
        names: numbers of the detectors, as many as the most in a row; None: from 1 on.
        width: inches an image.

    Returns:
        The figure, a row of panels a name.

    Example:
        >>> len(detectors_on_images(torch.zeros(2, 3, 8, 8), {"all": torch.zeros(2, 4, 2)}).axes)
        2
    """
    figure, told = image_rows({name: 0.4 + 0.5 * images for name in rows}, width=width), []
    for row, (name, places) in enumerate(rows.items()):
        there = ~places.isnan().any(-1)
        for panel, xy, fires in zip(figure.axes[row * len(images) :], places, there, strict=False):
            for detector in fires.nonzero()[:, 0].tolist():
                look = {"c": PALETTE[detector % 10], "marker": MARKERS[detector // 10 % len(MARKERS)]}
                panel.mark(xy[detector : detector + 1], s=22, edgecolors="white", linewidths=0.5, zorder=3, **look)
                panel.number(xy[detector : detector + 1], [names[detector] if names else detector + 1], size=5)
        mean = float(there.sum(dim=1).double().mean())
        told.append(f"{name}: {counted(places.shape[1], 'detector')}, of which {mean:.1f} fire in an image")
    figure.tell(f"Each detector has a colour and a number. {listed(told)}.")
    return figure


@styled
def overlap_table(together: Tensor, group: Tensor, share: float) -> LessonFigure:
    """Show in what share of the images of whichever fires less two detectors fire together, ordered by their groups.

    Args:
        together: integers (M, M), as from `detector_overlap`.
        group: integers (M,), which group each is in.
        share: from which on two are merged.

    Returns:
        The figure, one panel: dark where two detectors fire together, a frame around each group.

    Example:
        >>> overlap_table(torch.tensor([[4, 3], [3, 5]]), torch.tensor([0, 0]), 0.7).alt[:20]
        '2 detectors, in orde'
    """
    order = group.argsort(stable=True)
    alone = together.diagonal()
    shares = (together / torch.minimum(alone[:, None], alone).clamp_min(1))[order][:, order]
    figure = panel_grid(1, width=4.2, height=3.6)
    (panel,) = figure.axes
    shown = panel.imshow(to_array(shares), cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(shown, ax=panel, fraction=0.05, pad=0.03, label="fire together").outline.set_visible(False)
    sizes, start = [int((group == number).sum()) for number in group.unique()], 0
    for size in sizes:
        edges = np.array([start, start + size]) - 0.5
        panel.plot(edges[[0, 1, 1, 0, 0]], edges[[0, 0, 1, 1, 0]], color=PALETTE[5], linewidth=1.4)
        start += size
    panel.set(xlabel="detectors, by group", xticks=[], yticks=[])
    pairs = int(((shares >= share).sum() - len(group)) // 2)
    figure.tell(
        f"{counted(len(group), 'detector')}, in order of their groups, each group framed: of "
        f"{listed(sorted(sizes, reverse=True), 30)} members. {counted(pairs, 'pair')} of them together in at least "
        f"{share:.0%} of the images of whichever fires less."
    )
    return figure
