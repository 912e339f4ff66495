"""Scores: a confusion matrix."""

from __future__ import annotations

from matplotlib.colors import PowerNorm
from torch import Tensor

from tusklite.course.figures import QUIET, LessonFigure, panel_grid, styled, to_array
from tusklite.course.figures.words import listed


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
