"""Runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from tusklite.course.figures.canvas import PALETTE, panel_grid, styled

Run = Sequence[Mapping[str, float]]


Run = Sequence[Mapping[str, float]]


@styled
def compare_runs(runs: Mapping[str, Sequence[Run]], keys: Sequence[str]) -> Figure:
    """Show runs of several kinds: a panel a key, a thick line for the mean of each kind, a thin one for each run.

    Args:
        runs: for each name one or more logs, rows with "step" and the keys; logs of one name have the same steps.
        keys: names of numbers in the logs.

    Returns:
        The figure, one axes a key; several names stand at the right.

    Raises:
        ValueError: no runs, more than ten names, a key that a row lacks, or logs of one name with other steps.

    Example:
        >>> log = [{"step": 0, "error": 1.0}, {"step": 9, "error": 0.5}]
        >>> figure = compare_runs({"a": [log, log], "b": [log]}, ["error"])
        >>> len(figure.axes[0].lines)
        5
    """
    if not 1 <= len(runs) <= len(PALETTE) or not all(runs.values()):
        raise ValueError(f"runs: {list(runs)} were given; allowed are one to ten names, each with at least one log")
    for name, logs in runs.items():
        if any([row.get("step") for row in log] != [row.get("step") for row in logs[0]] for log in logs):
            raise ValueError(f"runs: the logs of {name!r} have different steps; allowed are the same in each")
        for key in ("step", *keys):
            if any(key not in row for log in logs for row in log):
                raise ValueError(f"keys: {key!r} is not in every row of {name!r}; allowed are names that all rows have")
    figure, panels = panel_grid(len(keys), len(keys), 3.2, 2.6)
    for panel, key in zip(panels, keys, strict=True):
        for color, (name, logs) in zip(PALETTE, runs.items(), strict=False):
            steps = [row["step"] for row in logs[0]]
            heights = np.array([[row[key] for row in log] for log in logs], dtype=float)  # (runs, steps)
            for line in heights:
                panel.plot(steps, line, color=color, linewidth=0.8, alpha=0.4)
            panel.plot(steps, heights.mean(axis=0), color=color, linewidth=1.9, label=name)
        panel.set(xlabel="step", title=key)
    if len(runs) > 1:
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    return figure
