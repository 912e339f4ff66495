"""Alternating training: whose turn it is, and what a failed training looks like beside a healthy one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from torch import Tensor

from tusklite.course.figures import PALE, PALETTE, QUIET, LessonFigure, panel_grid, styled, title_of, to_array
from tusklite.course.figures.words import counted, course, listed, number

WHO = {"network": PALETTE[0], "prototypes": PALETTE[1]}
FAILED, *CURES = (PALETTE[at] for at in (5, 0, 2, 8))


@styled
def turns(rows: Mapping[str, Sequence[str]]) -> LessonFigure:
    """Show who moves in each step: a row of boxes for each way to train.

    Args:
        rows: for each name its steps in order, each "network", "prototypes" or "both".

    Returns:
        The figure, one panel.

    Example:
        >>> figure = turns({"at once": ["both"] * 2, "in turn": ["network", "prototypes"]})
        >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
        ['at once', 'in turn']
    """
    longest = max(map(len, rows.values()))
    figure = panel_grid(1, width=1.7 + 0.24 * longest, height=0.75 + 0.42 * len(rows))
    (panel,) = figure.axes
    for row, steps in enumerate(rows.values()):
        for place, word in enumerate(steps):
            movers = list(WHO) if word == "both" else [word]
            height = 0.7 / len(movers)
            for part, mover in enumerate(movers):
                corner = (place + 0.06, row - 0.35 + part * height)
                panel.add_patch(Rectangle(corner, 0.88, height, facecolor=WHO[mover], linewidth=0))
    panel.set(xlim=(-0.2, longest), ylim=(len(rows) - 0.5, -0.5), xticks=[], frame_on=False)
    panel.set_yticks(range(len(rows)), rows)
    panel.tick_params(length=0, labelsize=9)
    words = {"the network moves": WHO["network"], "prototypes move": WHO["prototypes"]}
    handles = [Patch(color=color, label=word) for word, color in words.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    for name, steps in rows.items():
        runs = [(word, len(list(same))) for word, same in groupby(steps)]
        said = listed(f"{word} for {counted(count, 'step')}" for word, count in runs)
        figure.tell(f"Who moves in {counted(len(steps), 'step')} of “{name}”: {said}.")
    return figure


@styled
def failure(
    images: Tensor,
    heatmap: Tensor,
    xy: Tensor,
    shares: Tensor,
    symptom: str,
    logs: Mapping[str, Sequence[Mapping[str, float]]],
) -> LessonFigure:
    """Show a failed training in one row: scenes with keypoints, a heatmap, shares of prototypes, the symptom's curve.

    Args:
        images: (2, 1, H, W) in [0, 1].
        heatmap: (1, h, w) in [0, 1], of the first scene.
        xy: (2, K, 2) keypoints in [-1, 1].
        shares: (M,) share of the descriptors that each prototype wins.
        symptom: name of a number in the logs.
        logs: two to five logs by name, rows with "step" and the symptom; the failed one first, drawn thickest, and a
            healthy one last, a broad band on which the cures between them, dashed, can be seen.

    Returns:
        The figure, five panels.

    Example:
        >>> import torch
        >>> logs = {"failed": [{"step": 1, "dead": 4}], "healthy": [{"step": 1, "dead": 0}]}
        >>> scenes, xy = torch.rand(2, 1, 8, 8), torch.zeros(2, 3, 2)
        >>> len(failure(scenes, scenes[0], xy, torch.tensor([1.0, 0.0]), "dead", logs).axes)
        5
    """
    figure = panel_grid(5, width=1.85, height=2.15)
    first, second, third, bars, curve = figure.axes
    for panel, picture in zip((first, second, third), (*images, heatmap), strict=True):
        panel.show(picture, interpolation="auto")
        panel.set_axis_on()  # a white frame would be lost on a white page
        panel.spines[:].set(visible=True, color=QUIET, linewidth=0.8)
        panel.set(xticks=[], yticks=[], title="heatmap of the first" if panel is third else "keypoints")
    for panel, points in zip((first, second), xy, strict=True):
        panel.cross(points, s=60, color=PALETTE[5], halo="white", around=3, clip_on=False)
    drawn = bars.bar(range(1, len(shares) + 1), to_array(shares), color=PALETTE[1])
    bars.bar_label(drawn, [f"{share:.0%}" for share in shares.tolist()], fontsize=7, color=QUIET)
    bars.set(ylim=(0, 1.1), yticks=[], xticks=[], title="shares of prototypes")
    said, gap = [], 4 * max(1, len(logs) - 3)  # as long as the other cures' dashes, which show in it
    looks = [{"color": FAILED, "linewidth": 1.8}]
    looks += [
        {"color": CURES[at], "linewidth": 1.3, "linestyle": (4 * at + 4, (4, gap))} for at in range(len(logs) - 2)
    ]
    looks += [{"color": PALE, "linewidth": 4.5, "zorder": 1, "solid_capstyle": "round"}]
    for at, (look, (name, log)) in enumerate(zip(looks, logs.items(), strict=True)):
        steps, values = zip(*((row["step"], row[symptom]) for row in log), strict=True)
        curve.plot(steps, values, label=name, clip_on=at == len(logs) - 1, **look)
        said.append(f"“{name}” {course(steps, values)}")
    curve.set(title=title_of(symptom), xlabel="step")
    curve.set_ylim(-0.06 * curve.get_ylim()[1])  # from a little below 0: the axis would hide what lies there
    figure.legend(*curve.get_legend_handles_labels(), loc="outside lower right", ncols=len(logs))
    bright, most = 100 * (to_array(heatmap) > 0.5).mean(), float(heatmap.max())
    figure.tell(
        f"A failed training. Two scenes of {images.shape[3]} x {images.shape[2]}, {counted(xy.shape[1], 'keypoint')} "
        f"each as crosses; the heatmap of the first, at most {number(most)}, {bright:.1f}% of it above 0.5; "
        f"shares of the prototypes: {listed(f'{share:.0%}' for share in shares.tolist())}.",
        f"Over the steps, {title_of(symptom)}: {'; '.join(said)}.",
    )
    return figure


@styled
def kinds_by_prototype(counts: Mapping[str, Tensor]) -> LessonFigure:
    """Show what each prototype won: a panel a clustering, a bar a prototype, cut into the true kinds by number.

    Args:
        counts: by name (M, kinds), how many digits of each kind each prototype won; at most ten kinds.

    Returns:
        The figure, one panel a clustering, on one scale. A pure bar has one colour, a good clustering one colour a bar.

    Example:
        >>> import torch
        >>> figure = kinds_by_prototype({"perfect": torch.eye(3), "all in one": torch.eye(3)[[0, 0, 0]].T})
        >>> len(figure.axes)
        2
    """
    figure = panel_grid(len(counts), width=3.0, height=2.3)
    tallest, said = max(float(won.sum(dim=1).max()) for won in counts.values()), []
    for panel, (name, won) in zip(figure.axes, counts.items(), strict=True):
        places, tops = range(1, len(won) + 1), won.cumsum(dim=1)
        for kind, (part, top) in enumerate(zip(won.T, tops.T, strict=True)):
            drawn = panel.bar(places, part, bottom=top - part, width=0.75, color=PALETTE[kind], label=str(kind))
            tags = [str(kind) if count > 0.07 * tallest else "" for count in part.tolist()]
            look = {"label_type": "center", "fontsize": 8, "fontweight": "bold", "color": "white"}
            panel.bar_label(drawn, tags, path_effects=[withStroke(linewidth=2, foreground="black")], **look)
        panel.set(title=name, xlabel="prototype", xticks=places, ylim=(0, 1.05 * tallest))
        pure = float(won.amax(dim=1).sum() / won.sum().clamp_min(1))
        bars = [f"{counted(int(bar.sum()), 'digit')}, most of kind {int(bar.argmax())}" for bar in won]
        said.append(f"“{name}”: {listed(bars)}; {pure:.0%} of the digits are of the commonest kind of their bar.")
    figure.axes[0].set_ylabel("digits won")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), title="true kind", loc="outside right center")
    figure.tell("A bar a prototype, cut into the true kinds of the digits that it won, prototype 1 first.", *said)
    return figure
