"""Alternating training: whose turn it is, and what a failed training looks like beside a healthy one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from torch import Tensor

from tusklite.arguments import require_tensor
from tusklite.course.figures.canvas import PALETTE, QUIET, LessonFigure, panel_grid, styled, to_array

WHO = {"network": PALETTE[0], "prototypes": PALETTE[1]}


@styled
def turns(rows: Mapping[str, Sequence[str]]) -> Figure:
    """Show who moves in each step: a row of boxes for each way to train.

    Args:
        rows: for each name its steps in order, each "network", "prototypes" or "both".

    Returns:
        The figure, one axes.

    Raises:
        ValueError: no rows, or another word.

    Example:
        >>> figure = turns({"at once": ["both"] * 2, "in turn": ["network", "prototypes"]})
        >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
        ['at once', 'in turn']
    """
    words = {word for steps in rows.values() for word in steps}
    if not words or not words <= {*WHO, "both"}:
        raise ValueError(f"rows: steps {sorted(words)} were given; allowed are 'both', 'network' and 'prototypes'")
    longest = max(map(len, rows.values()))
    figure = LessonFigure(figsize=(1.7 + 0.24 * longest, 0.75 + 0.42 * len(rows)), layout="constrained")
    panel = figure.add_subplot()
    for row, steps in enumerate(rows.values()):
        for place, word in enumerate(steps):
            movers = list(WHO) if word == "both" else [word]
            for part, mover in enumerate(movers):
                height = 0.7 / len(movers)
                corner = (place + 0.06, row - 0.35 + part * height)
                panel.add_patch(Rectangle(corner, 0.88, height, facecolor=WHO[mover], linewidth=0))
    panel.set(xlim=(-0.2, longest), ylim=(len(rows) - 0.5, -0.5), xticks=[], frame_on=False)
    panel.set_yticks(range(len(rows)), rows)
    panel.tick_params(length=0)
    handles = [
        Patch(color=color, label=f"the {who} moves" if who == "network" else "prototypes move")
        for who, color in WHO.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


@styled
def failure(
    images: Tensor,
    heatmaps: Tensor,
    xy: Tensor,
    shares: Tensor,
    symptom: str,
    logs: Mapping[str, Sequence[Mapping[str, float]]],
) -> Figure:
    """Show a failed training in one row: scenes with keypoints, a heatmap, shares of prototypes, the symptom's curve.

    Args:
        images: (2, 1, H, W) in [0, 1].
        heatmaps: (2, 1, h, w) in [0, 1].
        xy: (2, K, 2) keypoints in [-1, 1].
        shares: (M,) share of the descriptors that each prototype wins.
        symptom: name of a number in the logs.
        logs: two to four logs by name, rows with "step" and the symptom; the failed one first, drawn thickest.

    Returns:
        The figure, five axes; the heatmap is the first scene's, black for 0 and white for 1.

    Raises:
        TypeError, ValueError: other types, shapes or numbers of logs, or a row without the symptom.

    Example:
        >>> import torch
        >>> logs = {"failed": [{"step": 1, "dead": 4}], "healthy": [{"step": 1, "dead": 0}]}
        >>> scenes, xy = torch.rand(2, 1, 8, 8), torch.zeros(2, 3, 2)
        >>> len(failure(scenes, scenes, xy, torch.tensor([1.0, 0.0]), "dead", logs).axes)
        5
    """
    height, width = require_tensor("images", images, (2, 1, "H", "W")).shape[2:]
    require_tensor("heatmaps", heatmaps, (2, 1, "h", "w"))
    require_tensor("xy", xy, (2, "K", 2))
    require_tensor("shares", shares, ("M",))
    if not 2 <= len(logs) <= 4 or any({"step", symptom} - row.keys() for log in logs.values() for row in log):
        raise ValueError(
            f"logs: {list(logs)} were given; allowed are two to four, each row with 'step' and {symptom!r}"
        )
    figure, panels = panel_grid(5, 5, 1.85, 2.15)
    halo = [withStroke(linewidth=3, foreground="white")]
    for panel, image, points in zip(panels, to_array(images), to_array(xy), strict=False):
        panel.imshow(image[0], cmap="gray", vmin=0, vmax=1, extent=(0, width, height, 0))
        places = (points + 1) / 2 * [width, height]
        panel.scatter(*places.T, marker="+", s=60, color=PALETTE[5], linewidths=1.8, path_effects=halo, clip_on=False)
    panels[2].imshow(to_array(heatmaps)[0, 0], cmap="gray", vmin=0, vmax=1)
    for panel, title in zip(panels, ("keypoints", "keypoints", "heatmap of the first"), strict=False):
        panel.set(xticks=[], yticks=[], title=title)
        panel.spines[:].set(visible=True, color=QUIET, linewidth=0.8)  # a white frame would be lost on a white page
    bars = panels[3].bar(range(1, len(shares) + 1), to_array(shares), color=PALETTE[1])
    panels[3].bar_label(bars, [f"{share:.0%}" for share in shares.tolist()], fontsize=7, color=QUIET)
    panels[3].set(ylim=(0, 1.1), yticks=[], xticks=[], title="shares of prototypes")
    for number, (name, log) in enumerate(logs.items()):
        values = [row[symptom] for row in log]
        color, line = (PALETTE[5], 1.8) if number == 0 else (PALETTE[(0, 2, 3)[number - 1]], 1.0)
        panels[4].plot([row["step"] for row in log], values, color=color, linewidth=line, label=name)
    panels[4].set(title=symptom.replace("_", " "), xlabel="step")
    figure.legend(*panels[4].get_legend_handles_labels(), loc="outside lower right", ncols=len(logs))
    return figure


@styled
def kinds_by_prototype(counts: Mapping[str, Tensor]) -> Figure:
    """Show what each prototype won: a panel a clustering, a bar a prototype, cut into the true kinds.

    Args:
        counts: by name (M, kinds), how many things of each kind each prototype won; at most ten kinds, the same
            number for all.

    Returns:
        The figure, one axes a clustering. A pure bar has one colour, and a good clustering one colour a bar.

    Raises:
        TypeError, ValueError: none, more than ten kinds, or another shape.

    Example:
        >>> import torch
        >>> figure = kinds_by_prototype({"perfect": torch.eye(3), "all in one": torch.eye(3)[[0, 0, 0]].T})
        >>> len(figure.axes)
        2
    """
    if not counts:
        raise ValueError("counts: none were given; allowed is at least one clustering")
    kinds = next(iter(counts.values())).shape[-1]
    if kinds > len(PALETTE):
        raise ValueError(f"counts: {kinds} kinds were given; allowed are at most {len(PALETTE)}")
    figure, panels = panel_grid(len(counts), len(counts), 3.0, 2.3)
    for panel, (name, won) in zip(panels, counts.items(), strict=True):
        if won.dim() != 2 or won.shape[1] != kinds:
            raise ValueError(f"counts: shape {tuple(won.shape)} was given; allowed is (M, {kinds})")
        places, below = range(1, len(won) + 1), to_array(won[:, 0]) * 0
        for kind, column in enumerate(to_array(won).T):
            panel.bar(places, column, bottom=below, width=0.75, color=PALETTE[kind], label=str(kind))
            below = below + column
        panel.set(title=name, xlabel="prototype", xticks=places)
    panels[0].set_ylabel("digits won")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, title="true kind", loc="outside right center")
    return figure
