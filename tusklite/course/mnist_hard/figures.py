"""Scores: a confusion matrix, and methods side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from torch import Tensor

from tusklite.arguments import require_integer, require_number, require_tensor
from tusklite.course.figures.canvas import PALETTE, QUIET, panel_grid, require_words, styled, to_array
from tusklite.course.figures.scenes import image_grid
from tusklite.geometry import identity_grid, warp_images


@styled
def confusion(matrix: Tensor, names: Sequence[str] | None = None) -> Figure:
    """Show a confusion matrix: the share of each true class (row), in percent, by predicted class (column).

    Args:
        matrix: (R, R) counts, or (R, R + 1) with the missed in the last column, as in `DetectionScores`.
        names: R words, one a class; None: its number.

    Returns:
        The figure, one axes.

    Raises:
        TypeError, ValueError: another shape, negative counts, or another number of names.

    Example:
        >>> import torch
        >>> len(confusion(torch.tensor([[3, 1, 0], [0, 4, 2]])).axes)
        1
    """
    if not isinstance(matrix, Tensor):
        raise TypeError(f"matrix: {type(matrix).__name__} was given; allowed is a torch.Tensor")
    if matrix.dim() != 2 or not len(matrix) or matrix.shape[1] - matrix.shape[0] not in (0, 1):
        raise ValueError(f"matrix: shape {tuple(matrix.shape)} was given; allowed is (R, R) or (R, R + 1)")
    counts = to_array(matrix)
    if not (counts >= 0).all():
        raise ValueError("matrix: negative or NaN counts were given; allowed are counts of at least 0")
    rows, columns = counts.shape
    words = require_words("names", range(rows) if names is None else names, rows)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    figure, (panel,) = panel_grid(1, columns=1, width=0.46 * columns + 0.7, height=0.4 * rows + 0.7)
    # A square-root scale: the mistakes are small shares, and what the reader looks for.
    panel.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1), aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        if counts[row, column]:
            ink = "white" if share > 0.3 else "black" if share >= 0.01 else QUIET
            panel.text(column, row, f"{100 * share:.1f}", ha="center", va="center", fontsize=8, color=ink)
    if columns > rows:
        panel.axvline(rows - 0.5, color="white", linewidth=4)
    panel.set_xticks(range(columns), [*words, "missed"][:columns])
    panel.set_yticks(range(rows), words)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    panel.set(xlabel="predicted class", ylabel="true class")
    panel.set_title("% of the true class", loc="left")
    return figure


@styled
def bar_comparison(rows: Sequence[Mapping[str, object]]) -> Figure:
    """Compare methods: a panel a metric, a bar a method. The first row stands out.

    Args:
        rows: one dictionary a method: "name" and, the same keys in each, shares in [0, 1].

    Returns:
        The figure, one axes a metric.

    Raises:
        TypeError, ValueError: no rows, other keys in one than in the first, or a share out of range.

    Example:
        >>> len(bar_comparison([{"name": "ours", "both": 0.94}, {"name": "TUSK", "both": 0.921}]).axes)
        1
    """
    if not rows or "name" not in rows[0] or len(rows[0]) < 2:
        raise ValueError(f"rows: {rows!r} was given; allowed are dictionaries of a name and at least one share")
    for row in rows:
        if set(row) != set(rows[0]):
            raise ValueError(f"rows: keys {sorted(row)} were given; allowed are {sorted(rows[0])}, as in the first")
    metrics = [key for key in rows[0] if key != "name"]
    figure, panels = panel_grid(len(metrics), columns=len(metrics), width=2.4, height=0.3 * len(rows) + 0.5)
    for panel, metric in zip(panels, metrics, strict=True):
        shares = [require_number(metric, row[metric], high=1.0) for row in rows]
        colors = [PALETTE[0], *["#BBBBBB"] * (len(rows) - 1)]
        bars = panel.barh(range(len(rows)), shares, height=0.7, color=colors)
        panel.bar_label(bars, [f"{100 * share:.1f}%" for share in shares], padding=3, fontsize=8)
        panel.set(xlim=(0, 1.3), xticks=[])  # room for the numbers
        panel.set_yticks(
            range(len(rows)), [str(row["name"]) for row in rows] if panel is panels[0] else [""] * len(rows)
        )
        panel.invert_yaxis()
        panel.tick_params(length=0)
        panel.spines[["left", "bottom"]].set_visible(False)
        panel.set_title(metric, loc="left")
    return figure


@styled
def prototype_gallery(images: Tensor, names: Sequence[str] | None = None, columns: int = 10) -> Figure:
    """Show what the decoder draws for each prototype, under its number or name.

    Args:
        images: (M, C, H, W) decoded prototypes with 1 or 3 channels; a value outside [0, 1] is shown as the
            nearer end.
        names: M words, for example the class that each prototype was matched to; None: its number.
        columns: the most images in a row, at least 1.

    Returns:
        The figure, one axes a prototype.

    Raises:
        TypeError, ValueError: another type, shape or number of names.

    Example:
        >>> import torch
        >>> prototype_gallery(torch.zeros(2, 1, 8, 8), ["four", "nine"]).axes[1].get_title()
        'nine'
    """
    count = len(require_tensor("images", images, ("M", "C", "H", "W")))
    titles = require_words("names", range(count) if names is None else names, count)
    return image_grid(images, columns, width=0.8, titles=titles)[0]


@styled
def crop_gallery(
    images: Tensor, xy: Tensor, chosen: Tensor, titles: Sequence[str] | None = None, size: int = 28, columns: int = 6
) -> Figure:
    """Show what lies around some of the keypoints of a batch, in reading order of images and keypoints.

    Args:
        images: (B, C, H, W) with 1 or 3 channels in [0, 1].
        xy: (B, K, 2) keypoints in [-1, 1].
        chosen: (B, K) bool, which keypoints to show; at least one.
        titles: a word for each chosen one.
        size: side of the crops in pixels; what lies outside an image is black.
        columns: the most crops in a row, at least 1.

    Returns:
        The figure, one axes a crop.

    Raises:
        TypeError, ValueError: another type or shape, or nothing chosen.

    Example:
        >>> import torch
        >>> chosen = torch.tensor([[True, False], [True, True]])
        >>> len(crop_gallery(torch.zeros(2, 1, 40, 40), torch.zeros(2, 2, 2), chosen).axes)
        3
    """
    batch, _, height, width = require_tensor("images", images, ("B", "C", "H", "W")).shape
    require_tensor("xy", xy, (batch, "K", 2))
    require_integer("size", size, low=1)
    if chosen.shape != xy.shape[:2] or not chosen.any():
        raise ValueError(
            f"chosen: {int(chosen.sum())} of shape {tuple(chosen.shape)} were given; "
            f"allowed is at least one of {tuple(xy.shape[:2])}"
        )
    scene, keypoint = chosen.nonzero(as_tuple=True)
    reach = xy.new_tensor([size / width, size / height])
    grid = identity_grid(size, size) * reach + xy[scene, keypoint][:, None, None]
    return image_grid(warp_images(images[scene], grid), columns, width=1.5, titles=titles)[0]
