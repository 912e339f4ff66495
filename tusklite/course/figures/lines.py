"""Lines with dots on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from tusklite.course.figures.canvas import (
    PALETTE,
    QUIET,
    LessonFigure,
    styled,
)


@styled
def lines_and_dots(
    x: Sequence[float] | Tensor,
    lines: Mapping[str, Sequence[float] | Tensor],
    dots: Mapping[str, Sequence[float] | Tensor] | None = None,
    *,
    xlabel: str,
    ylabel: str,
    title: str = "",
    logarithmic: bool = False,
    ideal: tuple[str, Sequence[float] | Tensor] | None = None,
) -> Figure:
    """Draw lines over x, for what a formula predicts, and dots in the same colours, for what was measured.

    Args:
        x: N places, shared by all.
        lines: a name for each line of N heights; the name stands at the line's right end.
        dots: N heights for some or all of the names.
        xlabel, ylabel, title: words.
        logarithmic: whether x is drawn so.
        ideal: the name and N heights of a dotted grey line: what one would like to see.

    Returns:
        The figure, one axes.

    Raises:
        ValueError: no lines, more than ten, another length than that of x, or dots for a name without a line.

    Example:
        >>> figure = lines_and_dots([0, 1, 2], {"twice": [0, 2, 4]}, {"twice": [0, 2.1, 3.9]}, xlabel="x", ylabel="y")
        >>> len(figure.axes[0].lines)
        2
    """
    if not 1 <= len(lines) <= len(PALETTE):
        raise ValueError(f"lines: {len(lines)} were given; allowed are 1 to {len(PALETTE)}")
    if not set(dots or {}) <= set(lines):
        raise ValueError(f"dots: names {sorted(dots)} were given; allowed are those of the lines, {sorted(lines)}")
    places = np.asarray(x, float)
    for kind, heights in (("lines", lines), ("dots", dots or {}), ("ideal", dict([ideal] if ideal else []))):
        for name, values in heights.items():
            if len(values) != len(places):
                raise ValueError(f"{kind}: {len(values)} heights for {name!r} were given; allowed are {len(places)}")
    figure = LessonFigure(figsize=(5.6, 3.1), layout="constrained")
    panel = figure.add_subplot()
    if ideal:
        panel.plot(places, np.asarray(ideal[1], float), color=QUIET, linestyle=":", label=ideal[0])
    for color, (name, heights) in zip(PALETTE, lines.items(), strict=False):
        style = {"label": name} if name else {}
        panel.plot(places, np.asarray(heights, float), color=color, linewidth=1.6, **style)
        if name in (dots or {}):
            panel.plot(places, np.asarray(dots[name], float), color=color, linestyle="", marker="o", markersize=4.5)
    panel.set(xlabel=xlabel, ylabel=ylabel, title=title)
    if logarithmic:
        panel.set_xscale("log")
    elif not (places % 1).any():
        panel.xaxis.get_major_locator().set_params(integer=True)
    panel.tick_params(which="both", labelsize=8, color=QUIET)
    if any(lines) and (len(lines) > 1 or ideal):
        panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
