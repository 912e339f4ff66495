"""Scores: a confusion matrix, and how they come with the scenes that a training has seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

from matplotlib.colors import PowerNorm
from torch import Tensor

from tusklite.course.figures import PALETTE, QUIET, LessonFigure, panel_grid, styled, to_array
from tusklite.course.figures.words import counted, course, listed


@styled
def confusion(counts: Tensor) -> LessonFigure:
    """Show a confusion matrix: the share of each true class (row), in percent, by predicted class (column).

    Args:
        counts: (R, R + 1) with the missed in the last column, as in `DetectionScores`.

    Returns:
        The figure, one panel.

    Example:
        >>> import torch
        >>> len(confusion(torch.tensor([[3, 1, 0], [0, 4, 2]])).axes)
        1
    """
    rows, columns = counts.shape
    shares = counts.double() / counts.sum(dim=1, keepdim=True).clamp_min(1)
    figure = panel_grid(1, width=0.46 * columns + 0.7, height=0.4 * rows + 0.7)
    (panel,) = figure.axes
    # A square-root scale: the mistakes are small shares, and what the reader looks for.
    panel.imshow(to_array(shares), cmap="Blues", norm=PowerNorm(0.5, 0, 1), aspect="auto")
    for row, column in counts.nonzero().tolist():
        share = float(shares[row, column])
        ink = "white" if share > 0.3 else "black" if share >= 0.01 else QUIET
        panel.text(column, row, f"{100 * share:.1f}", ha="center", va="center", fontsize=8, color=ink)
    panel.axvline(rows - 0.5, color="white", linewidth=4)
    panel.set_xticks(range(columns), [*range(rows), "missed"])
    panel.set_yticks(range(rows))
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    panel.set(xlabel="predicted class", ylabel="true class")
    panel.set_title("% of the true class", loc="left")
    right = [f"{kind}: {100 * float(shares[kind, kind]):.1f}" for kind in range(rows)]
    wrong = shares.clone()
    wrong.fill_diagonal_(0)
    true, predicted = divmod(int(wrong.argmax()), columns)
    figure.tell(
        f"A confusion matrix of {rows} true classes. Percent that are predicted right: {listed(right, most=20)}.",
        f"The commonest mistake: {100 * float(wrong.max()):.1f}% of the {true} "
        f"{'are missed' if predicted == rows else f'are taken for {predicted}'}.",
    )
    return figure


@styled
def scores_by_scenes(runs: Mapping[str, Sequence[tuple[float, float]]]) -> LessonFigure:
    """Draw the score of several trainings over the scenes that each had seen, counted with repeats.

    Args:
        runs: for each name, pairs of scenes seen, above 0, and share right, from 0 to 1.

    Returns:
        The figure, one panel, with a logarithmic axis of scenes.

    Example:
        >>> len(scores_by_scenes({"short": [(100, 0.1), (200, 0.4)], "long": [(100, 0.1), (9_000, 0.9)]}).axes[0].lines)
        2
    """
    figure = panel_grid(1, width=5.8, height=3.0)
    (panel,) = figure.axes
    said = []
    for color, (name, pairs) in zip(cycle(PALETTE), runs.items(), strict=False):
        scenes, right = zip(*pairs, strict=True)
        percent = [100 * share for share in right]
        panel.plot(scenes, percent, color=color, linewidth=1.6, marker="o", markersize=3, label=name)
        said.append(f"“{name}” {course(scenes, percent)}")
    panel.set(xscale="log", xlabel="scenes seen", ylabel="both, %", ylim=(0, 100))
    panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.tell(
        f"{counted(len(runs), 'line')}, percent right in place and class over scenes seen (logarithmic): "
        f"{'; '.join(said)}."
    )
    return figure
