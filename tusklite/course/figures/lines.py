"""Lines: over a shared axis with dots on them, growing on logarithmic axes, and over the steps of a training."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from itertools import cycle, pairwise

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter
from torch import Tensor

from tusklite.course.figures.canvas import PALETTE, QUIET, LessonFigure, Panel, panel_grid, styled
from tusklite.course.figures.words import counted, course, number, title_of

MARKERS = ("o", "s", "^", "D", "v")
Heights = Sequence[float] | Tensor
Log = Sequence[Mapping[str, object]]


@styled
def lines_and_dots(
    x: Heights,
    lines: Mapping[str, Heights],
    dots: Mapping[str, Heights] | None = None,
    *,
    xlabel: str,
    ylabel: str,
    logarithmic: bool = False,
    ideal: tuple[str, Heights] | None = None,
) -> LessonFigure:
    """Draw lines over x, for what a formula predicts, and dots in the same colours, for what was measured.

    Args:
        x: N places, shared by all.
        lines: a name for each line of N heights; the names stand at the right.
        dots: N heights for some or all of the names.
        xlabel, ylabel: words.
        logarithmic: whether x is drawn so.
        ideal: the name and N heights of a dotted grey line: what one would like to see.

    Returns:
        The figure, one panel.

    Raises:
        ValueError: dots for a name without a line.

    Example:
        >>> figure = lines_and_dots([0, 1, 2], {"twice": [0, 2, 4]}, {"twice": [0, 2.1, 3.9]}, xlabel="x", ylabel="y")
        >>> len(figure.axes[0].lines)
        2
    """
    dots = dots or {}
    if not dots.keys() <= lines.keys():
        raise ValueError(f"dots: names {sorted(dots)} were given; allowed are those of the lines, {sorted(lines)}")
    figure, places = panel_grid(1, width=5.6, height=3.1), np.asarray(x, float)
    (panel,) = figure.axes
    if ideal:
        panel.plot(places, np.asarray(ideal[1], float), color=QUIET, linestyle=":", label=ideal[0])
    for color, (name, heights) in zip(cycle(PALETTE), lines.items(), strict=False):
        style = {"label": name} if name else {}
        panel.plot(places, np.asarray(heights, float), color=color, linewidth=1.6, **style)
        if name in dots:
            panel.plot(places, np.asarray(dots[name], float), color=color, linestyle="", marker="o", markersize=4.5)
    panel.set(xlabel=xlabel, ylabel=ylabel)
    if logarithmic:
        panel.set_xscale("log")
    elif not (places % 1).any():
        panel.xaxis.get_major_locator().set_params(integer=True)
    if any(lines) and (len(lines) > 1 or ideal):
        panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    said = [
        f"“{name}” {course(places, heights)}" if name else course(places, heights) for name, heights in lines.items()
    ]
    figure.tell(
        f"{counted(len(lines), 'line')}, {ylabel} over {xlabel}{' (logarithmic)' * logarithmic}: {'; '.join(said)}."
    )
    if ideal:
        figure.tell(f"A dotted line, “{ideal[0]}”, runs {course(places, ideal[1])}.")
    pairs = [(np.asarray(dots[name], float), np.asarray(lines[name], float)) for name in dots]
    away = max((np.abs(measured - line).max() for measured, line in pairs if measured.size), default=0.0)
    if pairs:
        where = "lie on their lines" if away < 1e-4 else f"are off their lines by {number(away)} at most"
        figure.tell(f"Dots of the same colours {where}.")
    return figure


@styled
def growth(
    across: Sequence[float], panels: Mapping[str, Mapping[str, Sequence[float]]], label: str, slopes: Sequence[int]
) -> LessonFigure:
    """Plot how costs grow, on logarithmic axes, where a power is a straight line.

    Args:
        across: what grows, above 0, for example numbers of pixels.
        panels: for each panel's title, named curves of as many values, above 0.
        label: what `across` is.
        slopes: powers to draw as thin dotted lines, for comparison: 1 for linear, 2 for quadratic growth. Each starts
            where the first curve of the panel starts.

    Returns:
        The figure, one panel a title.

    Example:
        >>> figure = growth([10, 100], {"seconds": {"loop": [0.1, 9.0], "sum": [0.1, 1.0]}}, "pixels", slopes=(1, 2))
        >>> len(figure.axes[0].lines)
        4
    """
    figure, x = panel_grid(len(panels), columns=3, width=3.7, height=2.9), np.asarray(across, dtype=float)
    for panel, (title, named) in zip(figure.axes, panels.items(), strict=True):
        start = next(iter(named.values()))[0]
        for power in slopes:
            panel.plot(x, start * (x / x[0]) ** power, color=QUIET, linewidth=0.9, linestyle=":", zorder=1)
        for (name, values), color, marker in zip(named.items(), cycle(PALETTE), cycle(MARKERS), strict=False):
            panel.plot(x, values, color=color, marker=marker, markersize=4.5, linewidth=1.6, label=name)
        panel.set(xscale="log", yscale="log", xlabel=label)
        panel.set_xticks(x, [f"{value:,.0f}" if value >= 1 else f"{value:g}" for value in x])
        panel.xaxis.set_minor_locator(NullLocator())
        panel.set_title(title, loc="left")
        dotted = f"slopes {', '.join(map(str, slopes))}"
        handles = panel.get_legend_handles_labels()[0]
        panel.legend(handles=[*handles, Line2D([], [], color=QUIET, linewidth=0.9, linestyle=":", label=dotted)])
        said = [f"“{name}” from {number(values[0])} to {number(values[-1])}" for name, values in named.items()]
        ends = f"{label} from {number(x[0])} to {number(x[-1])}"
        figure.tell(f"“{title}” over {ends}, both axes logarithmic: {'; '.join(said)}.")
    return figure


@styled
def curves(
    log: Log, keys: Sequence[str | Sequence[str]], smoothing: float = 0.03, logarithmic: Sequence[str] = ()
) -> LessonFigure:
    """Plot what a training log holds over its steps: a panel a key, or a group of keys. A line marks a change of phase.

    Args:
        log: its rows. A row may lack a key, or hold one that is not a finite number: it then leaves no point. A
            change of "phase" from row to row draws the line.
        keys: names of numbers in the log, or tuples of names that share a panel.
        smoothing: width of the centred running mean as a share of the curve's points, in [0, 1); 0 is none.
            The curve as it is stays visible behind it.
        logarithmic: keys whose panel has a logarithmic axis.

    Returns:
        The figure, one panel a key or group.

    Raises:
        ValueError: a key that no row holds.

    Example:
        >>> log = [{"step": i, "reconstruction": 1 / (i + 1), "phase": "warm-up"} for i in range(9)]
        >>> len(curves(log, ["reconstruction"]).axes)
        1
    """
    groups = [(key,) if isinstance(key, str) else tuple(key) for key in keys]
    known = {name for row in log for name in row}
    unknown = {key for group in groups for key in group} - known
    if unknown:  # an empty panel would say nothing
        raise ValueError(f"keys: {sorted(unknown)} were given; allowed are {sorted(known)}")
    figure, said = panel_grid(len(groups), columns=3, width=3.3, height=2.5), []
    for panel, group in zip(figure.axes, groups, strict=True):
        for key, color in zip(group, cycle(PALETTE), strict=False):
            rows = [(row["step"], row[key]) for row in log if _finite(row.get(key))]
            steps, values = np.array(rows, dtype=float).reshape(-1, 2).T
            panel.plot(steps, values, color=color, linewidth=0.8, alpha=0.3)
            mean = _running_mean(values, max(1, round(smoothing * len(values))))
            panel.plot(steps, mean, color=color, linewidth=1.6, label=title_of(key))
            said.append(f"“{title_of(key)}” {course(steps, mean)}")
        if set(group) & set(logarithmic):
            panel.set_yscale("log")
            panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            panel.yaxis.set_minor_locator(NullLocator())
        if len(group) > 1:
            panel.legend()
        panel.set_title(title_of(group[0]) if len(group) == 1 else "", loc="left")
        panel.set_xlabel("step")
        _mark_phases(panel, [(row["step"], row["phase"]) for row in log if "phase" in row])
    figure.tell(
        f"Curves over the steps of a training, smoothed, in {counted(len(groups), 'panel')}: {'; '.join(said)}."
    )
    return figure


@styled
def compare_runs(runs: Mapping[str, Sequence[Log]], keys: Sequence[str]) -> LessonFigure:
    """Show runs of several kinds: a panel a key, a thick line for the mean of each kind, a thin one for each run.

    Args:
        runs: for each name one or more logs, rows with "step" and the keys; logs of one name have the same steps.
        keys: names of numbers in the logs.

    Returns:
        The figure, one panel a key; several names stand at the right.

    Example:
        >>> log = [{"step": 0, "error": 1.0}, {"step": 9, "error": 0.5}]
        >>> figure = compare_runs({"a": [log, log], "b": [log]}, ["error"])
        >>> len(figure.axes[0].lines)
        5
    """
    figure, said = panel_grid(len(keys), width=3.2, height=2.6), []
    for panel, key in zip(figure.axes, keys, strict=True):
        for color, (name, logs) in zip(cycle(PALETTE), runs.items(), strict=False):
            steps = [row["step"] for row in logs[0]]
            heights = np.array([[row[key] for row in log] for log in logs], dtype=float)  # (runs, steps)
            for line in heights:
                panel.plot(steps, line, color=color, linewidth=0.8, alpha=0.4)
            panel.plot(steps, heights.mean(axis=0), color=color, linewidth=1.9, label=name)
            many = (
                f", {number(heights[:, -1].min())} to {number(heights[:, -1].max())} at the end of its {len(logs)} runs"
            )
            said.append(f"{title_of(key)}, “{name}”: {course(steps, heights.mean(axis=0))}{many * (len(logs) > 1)}")
        panel.set(xlabel="step", title=title_of(key))
    if len(runs) > 1:
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside right center")
    figure.tell(f"Mean curves over the steps of {counted(len(runs), 'kind')} of runs. {'; '.join(said)}.")
    return figure


def _finite(value: object) -> bool:
    return isinstance(value, numbers.Real) and math.isfinite(value)


def _running_mean(values: np.ndarray, window: int) -> np.ndarray:
    before, after = (window - 1) // 2, window // 2
    total = np.concatenate([[0.0], np.cumsum(values)])
    start = np.maximum(np.arange(len(values)) - before, 0)
    stop = np.minimum(np.arange(len(values)) + after + 1, len(values))
    return (total[stop] - total[start]) / (stop - start)


def _mark_phases(panel: Panel, phases: Sequence[tuple[float, str]]) -> None:
    """Draw a line with the new phase's name wherever the phase changes from one (step, phase) to the next."""
    words = {"rotation": 90, "ha": "right", "va": "top", "fontsize": 7, "color": QUIET}
    halo = [withStroke(linewidth=2.5, foreground="white")]
    for (_, earlier), (start, phase) in pairwise(phases):
        if phase != earlier:
            panel.axvline(start, color=QUIET, linewidth=0.8, linestyle="--", zorder=1)
            panel.text(start, 0.98, f" {phase}", transform=panel.get_xaxis_transform(), path_effects=halo, **words)
