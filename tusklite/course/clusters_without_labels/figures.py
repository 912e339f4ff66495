"""Clusters without labels: joint distributions, clusters in the plane, fifty of them in their groups, scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.patheffects import withStroke
from torch import Tensor

from tusklite.arguments import require_choice
from tusklite.course.figures import PALETTE, QUIET, LessonFigure, image_grid, panel_grid, styled, to_array
from tusklite.course.figures.words import counted, listed, number

MARKERS = ("o", "s", "^", "D", "v")


@styled
def joints(tables: Mapping[str, Tensor]) -> LessonFigure:
    """Show joint distributions of two assignments as pictures: the darker a cell, the more often the two meet there.

    Args:
        tables: by name (M, M), not negative, summing to 1.

    Returns:
        The figure, one panel a table, with its two entropies and its information in nats below.

    Example:
        >>> import torch
        >>> joints({"they agree": torch.eye(3) / 3}).axes[0].get_xlabel()
        '2 x 1.10 - 1.10 = 1.10'
    """
    figure = panel_grid(len(tables), width=1.95, height=2.35)
    for panel, (name, table) in zip(figure.axes, tables.items(), strict=True):
        values = to_array(table)
        panel.imshow(values, cmap="Blues", vmin=0, vmax=max(1 / len(values), values.max()))
        margin, both = _entropy(values.sum(axis=1)), _entropy(values)
        panel.set(title=name, xticks=[], yticks=[])
        panel.spines[:].set(visible=True, color=QUIET, linewidth=0.8)
        panel.set_xlabel(f"2 x {margin:.2f} - {both:.2f} = {abs(2 * margin - both):.2f}")
        figure.tell(
            f"“{name}”: a table of {len(values)} x {len(values)}, {number(np.trace(values))} of it on the diagonal; "
            f"entropy of the marginal {margin:.2f}, of the joint {both:.2f}, information {abs(2 * margin - both):.2f}."
        )
    return figure


def _entropy(p: np.ndarray) -> float:
    return float(torch.special.entr(torch.from_numpy(p)).sum())


@styled
def clouds(points: Tensor, labelings: Mapping[str, Tensor]) -> LessonFigure:
    """Show one cloud in the plane under several clusterings, each cluster in a colour and with its number.

    Args:
        points: (N, 2).
        labelings: by name (N,) integers from 0; beyond ten clusters colours come again with another marker.

    Returns:
        The figure, one panel a clustering, on the same axes.

    Example:
        >>> import torch
        >>> len(clouds(torch.rand(6, 2), {"two": torch.arange(6) % 2}).axes)
        1
    """
    figure, places = panel_grid(len(labelings), width=2.6, height=2.1), to_array(points)
    said = []
    for panel, (name, labels) in zip(figure.axes, labelings.items(), strict=True):
        for label in labels.unique().tolist():
            own = places[labels.numpy() == label]
            look = {"color": PALETTE[label % len(PALETTE)], "marker": MARKERS[label // len(PALETTE) % len(MARKERS)]}
            panel.scatter(*own.T, s=11, linewidths=0, **look)
            middle = own[((own - own.mean(axis=0)) ** 2).sum(axis=1).argmin()]
            look = {"fontsize": 8, "fontweight": "bold", "ha": "center", "va": "center"}
            panel.text(*middle, str(label + 1), path_effects=[withStroke(linewidth=2.5, foreground="white")], **look)
        panel.set(title=name, xticks=[], yticks=[], aspect="equal", frame_on=False)
        said.append(f"“{name}” {counted(len(labels.unique()), 'numbered cluster')}")
    figure.tell(f"The same {counted(len(places), 'point')} in the plane: {listed(said)}.")
    return figure


@styled
def clusters_in_groups(
    pictures: Tensor, group_of: Tensor, names: Sequence[str], columns: int = 13, width: float = 0.62
) -> LessonFigure:
    """Show a picture a cluster, those of one group in one row with the group's name at its left.

    Args:
        pictures: (M, 1, H, W) in [0, 1].
        group_of: (M,) integers from 0, the group that each cluster ends in.
        names: a word a group.
        columns: the most pictures in a row; of a larger group the first ones are shown.
        width: inches a picture.

    Returns:
        The figure, `columns` panels a group, those without a picture empty.

    Example:
        >>> figure = clusters_in_groups(torch.zeros(3, 1, 8, 8), torch.tensor([0, 1, 0]), ["a", "b"], columns=2)
        >>> [len(panel.images) for panel in figure.axes]
        [1, 1, 1, 0]
    """
    sizes = torch.bincount(group_of, minlength=len(names))
    columns = min(columns, int(sizes.max()))
    figure = panel_grid(len(names) * columns, columns, width, width + 0.04)
    figure.set_figwidth(figure.get_figwidth() + 0.09 * max(map(len, names)))
    for group, name in enumerate(names):
        row = figure.axes[group * columns : (group + 1) * columns]
        members = (group_of == group).nonzero()[:, 0].tolist()
        for panel, member in zip(row, members, strict=False):
            panel.show(pictures[member])
        for panel in row[len(members) :]:
            panel.set_axis_off()
        row[0].text(-0.12, 0.5, name, transform=row[0].transAxes, ha="right", va="center", fontsize=9)
    said = [f"{name} ({counted(int(size), 'cluster')})" for name, size in zip(names, sizes, strict=True)]
    figure.tell(f"{counted(len(pictures), 'cluster mean')}, a row a group, from top to bottom: {listed(said)}.")
    return figure


@styled
def scores_and_accuracy(kinds: Mapping[str, Sequence[tuple[float, float]]], xlabel: str) -> LessonFigure:
    """Show of many partitions what a score without labels gives them, and how right they are by the labels.

    Args:
        kinds: by name pairs (score, accuracy) of partitions; at most five kinds.
        xlabel: what the score is.

    Returns:
        The figure, one panel; each kind has a colour and a marker.

    Raises:
        ValueError: more kinds than there are markers.

    Example:
        >>> figure = scores_and_accuracy({"k-means": [(1.0, 0.5), (1.1, 0.6)]}, xlabel="nats")
        >>> len(figure.axes[0].collections)
        1
    """
    require_choice("kinds", len(kinds), range(1, len(MARKERS) + 1))
    figure = panel_grid(1, width=6.2, height=3.2)
    (panel,) = figure.axes
    said = []
    for color, marker, (name, pairs) in zip(PALETTE, MARKERS, kinds.items(), strict=False):
        scores, right = zip(*pairs, strict=True)
        panel.scatter(scores, right, s=26, color=color, marker=marker, alpha=0.8, linewidths=0, label=name)
        span = f"scores {number(min(scores))} to {number(max(scores))}, {min(right):.0%} to {max(right):.0%} right"
        said.append(f"“{name}”, {counted(len(pairs), 'partition')}, {span}")
    panel.set(xlabel=xlabel, ylabel="right by the labels")
    panel.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.tell(f"How right partitions are, over {xlabel}: {'; '.join(said)}.")
    return figure


@styled
def where_they_lie(grids: Mapping[str, Tensor], width: float = 0.85) -> LessonFigure:
    """Show over the image where the members of each cluster lie, beside what an even spread would give.

    Args:
        grids: by name (M, cells, cells), in each cell how often a cluster is there over how often it would be if
            clusters knew nothing of places; the same sizes everywhere. Grey is 1, white 2 or more, black 0.
        width: inches a cluster.

    Returns:
        The figure, a row a name, a panel a cluster.

    Example:
        >>> figure = where_they_lie({"even": torch.ones(2, 4, 4)})
        >>> float(figure.axes[0].images[0].get_array()[0, 0])
        0.5
    """
    stacked = torch.stack(list(grids.values()))  # (rows, M, cells, cells)
    rows, count = stacked.shape[:2]
    titles = [f"{at + 1}" for at in range(count)] + [""] * count * (rows - 1)
    figure = image_grid((stacked / 2).clamp(0, 1).flatten(0, 1)[:, None].float(), titles, count, width)
    figure.set_size_inches(count * width + 0.09 * max(map(len, grids)), rows * (width + 0.05) + 0.25)
    for name, panel in zip(grids, figure.axes[::count], strict=True):
        panel.text(-0.08, 0.5, name, transform=panel.transAxes, ha="right", va="center", fontsize=9)
    far = [f"{name} {number(float((grid - 1).abs().mean()))}" for name, grid in grids.items()]
    figure.tell(
        f"A row each: {listed(grids)}. Grey is as often as by chance, white twice as often, black never. On average a "
        f"cell is away from 1 by: {listed(far)}."
    )
    return figure
