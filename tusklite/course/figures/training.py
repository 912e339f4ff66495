"""Curves of what a training log holds."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from itertools import cycle, pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from tusklite.arguments import require_number
from tusklite.course.figures.canvas import PALETTE, QUIET, panel_grid, styled


@styled
def curves(
    log_records: Sequence[Mapping[str, object]],
    keys: Sequence[str | Sequence[str]],
    smoothing: float = 0.03,
    x: str = "step",
    logarithmic: Sequence[str] = (),
) -> Figure:
    """Plot what a training log holds: a panel a key, or a group of keys. A line marks each change of phase.

    Args:
        log_records: the rows of the JSONL log as dictionaries. A row may lack a key, or hold one that is not
            a finite number: it then leaves no point. A change of "phase" from row to row draws the line.
        keys: names of numbers in the log, or tuples of names that share a panel.
        smoothing: width of the centred running mean as a share of the curve's points, in [0, 1); 0 is none.
            The curve as it is stays visible behind it.
        x: name of the number on the horizontal axis, as "step" or "seconds".
        logarithmic: keys whose panel has a logarithmic axis.

    Returns:
        The figure, one axes a panel.

    Raises:
        TypeError, ValueError: no key, a key that no record holds, or a smoothing out of range.

    Example:
        >>> log = [{"step": i, "reconstruction": 1 / (i + 1), "phase": "warm-up"} for i in range(9)]
        >>> len(curves(log, ["reconstruction"]).axes)
        1
    """
    if require_number("smoothing", smoothing) >= 1:
        raise ValueError(f"smoothing: {smoothing} was given; allowed is a number of at least 0 and below 1")
    if isinstance(keys, str) or not keys:
        raise ValueError(f"keys: {keys!r} was given; allowed is a list of at least one name")
    groups = [(key,) if isinstance(key, str) else tuple(key) for key in keys]
    known = sorted({name for record in log_records for name in record})
    asked = [("x", x), *(("keys", key) for group in groups for key in group)]
    for name, key in [*asked, *(("logarithmic", key) for key in logarithmic)]:
        if key not in known:
            allowed = ", ".join(known) or "none: the log is empty"
            raise ValueError(f"{name}: {key!r} is in no record; allowed are {allowed}")

    figure, panels = panel_grid(len(groups), columns=3, width=3.3, height=2.5)
    for panel, group in zip(panels, groups, strict=True):
        for key, color in zip(group, cycle(PALETTE), strict=False):
            rows = [(r[x], r[key]) for r in log_records if _finite(r.get(x)) and _finite(r.get(key))]
            across, values = np.array(rows, dtype=float).reshape(-1, 2).T
            mean = _running_mean(values, max(1, round(smoothing * len(values))))
            panel.plot(across, values, color=color, linewidth=0.8, alpha=0.3)
            panel.plot(across, mean, color=color, linewidth=1.6, label=key)
        if set(group) & set(logarithmic):
            panel.set_yscale("log")
            panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            panel.yaxis.set_minor_locator(NullLocator())
        if len(group) > 1:
            panel.legend()
        panel.set_title(", ".join(group) if len(group) == 1 else "", loc="left")
        panel.set_xlabel(x)
        _mark_phases(panel, [(r[x], r["phase"]) for r in log_records if x in r and "phase" in r])
    return figure


def _finite(value: object) -> bool:
    return isinstance(value, numbers.Real) and math.isfinite(value)


def _running_mean(values: np.ndarray, window: int) -> np.ndarray:
    before, after = (window - 1) // 2, window // 2
    total = np.concatenate([[0.0], np.cumsum(values)])
    start = np.maximum(np.arange(len(values)) - before, 0)
    stop = np.minimum(np.arange(len(values)) + after + 1, len(values))
    return (total[stop] - total[start]) / (stop - start)


def _mark_phases(panel: Axes, phases: Sequence[tuple[float, str]]) -> None:
    """Draw a line with the new phase's name wherever the phase changes from one (x, phase) to the next."""
    words = {"rotation": 90, "ha": "right", "va": "top", "fontsize": 7, "color": QUIET}
    halo = [withStroke(linewidth=2.5, foreground="white")]
    for (_, earlier), (start, phase) in pairwise(phases):
        if phase != earlier:
            panel.axvline(start, color=QUIET, linewidth=0.8, linestyle="--", zorder=1)
            across = panel.get_xaxis_transform()
            panel.text(start, 0.98, f" {phase}", transform=across, path_effects=halo, **words)
