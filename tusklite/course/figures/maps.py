"""Maps of probabilities or of gradients, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.patheffects import withStroke
from torch import Tensor

from tusklite.course.figures.canvas import PALETTE, QUIET, LessonFigure, panel_grid, styled, to_array
from tusklite.course.figures.words import counted, number

OUTLINE = [withStroke(linewidth=3.5, foreground="black")]
CORNER = [withStroke(linewidth=2, foreground="black")]


@styled
def probability_maps(
    maps: Tensor,
    xy: Tensor | None = None,
    titles: Sequence[str] | None = None,
    columns: int = 4,
    aims: Tensor | None = None,
    width: float = 2.2,
) -> LessonFigure:
    """Show maps side by side, each by its own scale, which is written in its corner; points and aims as marks.

    A cross marks a point of each map, a ring where it should be.

    Maps of at least 0 go from black to bright. Where one of the maps has negative values, as gradients have, all are
    shown in two colours instead: blue below 0, white at 0, red above.

    Args:
        maps: (N, H, W).
        xy: (N, 2) a point (x, y) in [-1, 1] for each map, for example its soft-argmax.
        titles: N words, one above each map.
        columns: the most maps in a row.
        aims: (N, 2) where the point should be.
        width: inches a map.

    Returns:
        The figure, one panel a map.

    Example:
        >>> import torch
        >>> figure = probability_maps(torch.rand(3, 8, 8), torch.zeros(3, 2), ["one", "two", "three"])
        >>> len(figure.axes)
        3
    """
    count, rows, across = maps.shape
    words = [""] * count if titles is None else titles
    height = width * rows / across + 0.19 * max(word.count("\n") + 1 if word else 0 for word in words)
    figure, signed = panel_grid(count, columns, width, height), bool((maps < 0).any())
    said = []
    for at, (panel, values, word) in enumerate(zip(figure.axes, to_array(maps), words, strict=True)):
        top = float(np.abs(values).max()) or 1.0  # a map of zeros has no scale of its own
        look = {"cmap": "RdBu_r", "vmin": -top} if signed else {"cmap": "inferno", "vmin": 0}
        panel.imshow(values, vmax=top, extent=(-1, 1, 1, -1), aspect=rows / across, interpolation="nearest", **look)
        panel.set_title(word, pad=4)
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set(visible=signed, color=QUIET)
        if aims is not None:
            ring = {"facecolors": "none", "edgecolors": PALETTE[1], "linewidths": 1.8, "path_effects": OUTLINE}
            panel.mark(aims[at, None], s=150, **ring)
        if xy is not None:
            panel.cross(xy[at])
        reach = number(np.abs(values).max())
        corner = {"transform": panel.transAxes, "ha": "right", "va": "bottom", "fontsize": 7}
        ink = {"color": "black"} if signed else {"color": "white", "path_effects": CORNER}
        panel.text(0.98, 0.02, f"±{reach}" if signed else f"0 to {reach}", **corner, **ink)
        said.append(f"“{' '.join(word.split()) or at + 1}” {_summary(values)}{_marks(xy, aims, at)}")
    colors = "blue below 0, red above" if signed else "bright where it is high"
    figure.tell(
        f"{counted(count, 'map')} of {across} x {rows}, each by its own scale, {colors}.", f"{'; '.join(said)}."
    )
    return figure


def _summary(values: np.ndarray) -> str:
    """The extremes of a map (H, W), and where they are, from -1 to 1."""
    if not values.any():
        return "is 0 everywhere"
    rows, across = values.shape
    said = []
    for word, at in (("lowest", values.argmin()), ("highest", values.argmax())):
        if word == "highest" or values.flat[at] < 0:
            x, y = (2 * (at % across) + 1) / across - 1, (2 * (at // across) + 1) / rows - 1
            said.append(f"{word} {number(values.flat[at])} at {_place(x, y)}")
    return ", ".join(said)


def _marks(xy: Tensor | None, aims: Tensor | None, at: int) -> str:
    """Where the cross and the ring of a map are."""
    places = {"cross": xy, "ring": aims}
    said = [f", {word} at {_place(*points[at].tolist())}" for word, points in places.items() if points is not None]
    return "".join(said)


def _place(x: float, y: float) -> str:
    return f"x {round(x, 2) + 0.0:.2f}, y {round(y, 2) + 0.0:.2f}"  # no -0.00
