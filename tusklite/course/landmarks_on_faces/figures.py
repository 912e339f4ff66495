"""What a regressor makes of landmarks on faces, and errors by labels."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle

from torch import Tensor

from tusklite.course.figures import PALETTE, QUIET, LessonFigure, image_grid, panel_grid, styled
from tusklite.course.figures.landmarks import landmark_colors
from tusklite.course.figures.words import counted, course, listed, number


@styled
def landmark_shares(images: Tensor, xy: Tensor, points: Tensor, shares: Tensor) -> LessonFigure:
    """Show which landmarks a regressor reads each point off, by thick lines (Thewlis et al. 2017, figure 7).

    Landmarks that a line leaves have their number; those that none leaves are small and pale.

    Args:
        images: (B, C, H, W) with 1 or 3 channels in [0, 1].
        xy: (B, K, 2) landmarks in [-1, 1].
        points: (B, P, 2) the points that are read off them.
        shares: (P, K) as `LandmarkRegressor.landmark_shares` gives them; 0 draws no line.

    Returns:
        The figure, one panel an image.

    Example:
        >>> import torch
        >>> shares = torch.tensor([[0.7, 0.3, 0.0]])
        >>> figure = landmark_shares(torch.zeros(1, 1, 8, 8), torch.zeros(1, 3, 2), torch.zeros(1, 1, 2), shares)
        >>> len(figure.axes[0].lines)
        2
    """
    figure, colors = image_grid(images, columns=3, width=2.6), landmark_colors(xy)
    used = shares.any(dim=0)
    for panel, landmarks, aims in zip(figure.axes, xy, points, strict=True):
        for point, landmark in shares.nonzero().tolist():
            thick = {"linewidth": 8 * float(shares[point, landmark]), "solid_capstyle": "round"}
            panel.join(landmarks[landmark, None], aims[point, None], colors[landmark, None], **thick)
        panel.mark(landmarks[~used], s=8, c="white", alpha=0.5, linewidths=0)
        look = {"marker": "X", "c": colors[used.numpy()], "edgecolors": "black"}
        panel.mark(landmarks[used], s=60, linewidths=0.8, zorder=3, **look)
        panel.number(landmarks[used], [at + 1 for at in used.nonzero().flatten().tolist()], size=7)
        for edge, wide in (("black", 3.2), ("white", 1.6)):
            panel.mark(aims, s=55, facecolors="none", edgecolors=edge, linewidths=wide, zorder=4)
    said = []
    for point, row in enumerate(shares.tolist(), start=1):
        read = [f"{landmark} ({share:.0%})" for landmark, share in enumerate(row, start=1) if share]
        said.append(f"point {point} off {listed(read) or 'none'}")
    figure.tell(
        f"Rings are points that a regressor reads off landmarks; thick lines join them to these, with numbers: "
        f"{'; '.join(said)}. {counted(int((~used).sum()), 'landmark')} without a line, small and pale."
    )
    return figure


@styled
def errors_by_labels(lines: Mapping[str, Mapping[int, float]], level: float) -> LessonFigure:
    """Plot error against the number of labelled images, a line a method; the axis is logarithmic.

    Args:
        lines: for each method the error in percent by number of labelled images, each number at least 1.
        level: the error of the mean shape, which needs no label.

    Returns:
        The figure, one panel.

    Example:
        >>> len(errors_by_labels({"ours": {1: 30.0, 20: 20.0}}, 31.7).axes[0].lines)
        2
    """
    figure = panel_grid(1, width=5.2, height=3.0)
    (panel,) = figure.axes
    panel.set_xscale("log")
    for (name, errors), color, marker in zip(lines.items(), cycle(PALETTE), cycle("osD^v<>phX"), strict=False):
        places = zip(*sorted(errors.items()), strict=True)
        panel.plot(*places, color=color, marker=marker, markersize=5, linewidth=1.6, label=name)
    panel.axhline(level, color=QUIET, linewidth=1, linestyle=":", label="the mean shape")
    shown = sorted({count for errors in lines.values() for count in errors})
    near = [after < 1.6 * count for count, after in zip(shown, [*shown[1:], float("inf")], strict=True)]
    panel.set_xticks(shown, ["" if close else f"{count:,}" for count, close in zip(shown, near, strict=True)])
    panel.minorticks_off()
    panel.set_ylim(bottom=0)
    panel.set(xlabel="labelled images that the regressor has seen", ylabel="error in % of eye distance")
    panel.legend(loc="upper right", bbox_to_anchor=(1.0, 0.9))
    said = [f"“{name}” {course(*zip(*sorted(errors.items()), strict=True))}" for name, errors in lines.items()]
    figure.tell(
        f"Error in percent of the distance between the eyes over the number of labelled images: {'; '.join(said)}. "
        f"A dotted line at {number(level)} is the mean shape."
    )
    return figure
