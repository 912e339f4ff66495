"""Descriptors and prototypes in the plane."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from scipy.spatial.distance import cdist
from torch import Tensor

from tusklite.course.figures.canvas import PALETTE, LessonFigure, class_name, panel_grid, styled, to_array
from tusklite.course.figures.words import counted, listed

HALO = [withStroke(linewidth=3.5, foreground="white")]
MARKERS = "os^D"  # each ten classes more take the next one


def tsne(descriptors: Tensor, prototypes: Tensor, seed: int = 0, perplexity: float = 30.0) -> tuple[Tensor, Tensor]:
    """Embed descriptors and prototypes together in the plane by t-SNE (van der Maaten and Hinton 2008).

    Args:
        descriptors: (N, C).
        prototypes: (M, C).
        seed: of the embedding; the same seed gives the same picture.
        perplexity: about how many neighbours a point has; above 0 and below N + M.

    Returns:
        The (N, 2) and the (M, 2) embedded points, in units without a meaning.

    Example:
        >>> points, crosses = tsne(torch.rand(20, 4), torch.rand(3, 4), perplexity=5)
        >>> points.shape, crosses.shape
        (torch.Size([20, 2]), torch.Size([3, 2]))
    """
    from sklearn.manifold import TSNE

    together = np.concatenate([to_array(descriptors), to_array(prototypes)])
    points = torch.from_numpy(TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(together))
    return points[: len(descriptors)], points[len(descriptors) :]


@styled
def descriptor_map(
    points_2d: Tensor, labels: Tensor, prototypes_2d: Tensor | None = None, names: Sequence[str] | None = None
) -> LessonFigure:
    """Show embedded descriptors, coloured by their true class, and the prototypes as black crosses with their numbers.

    The name of each class is written where it is densest.

    Args:
        points_2d: (N, 2) embedded descriptors, from `tsne`.
        labels: (N,) integers from 0 to 39, the true class of each.
        prototypes_2d: (M, 2) embedded prototypes.
        names: the word for each class; None: its number.

    Returns:
        The figure, one panel.

    Example:
        >>> figure = descriptor_map(torch.rand(9, 2), torch.arange(9) % 3, torch.rand(3, 2))
        >>> len(figure.axes[0].collections)
        4
    """
    figure, points = panel_grid(1, width=5.6, height=4.8), to_array(points_2d)
    (panel,) = figure.axes
    for label in labels.unique().tolist():
        marker, color = MARKERS[label // len(PALETTE)], PALETTE[label % len(PALETTE)]
        look = {"marker": marker, "color": color, "alpha": 0.8, "linewidths": 0}
        panel.scatter(*points[labels.cpu().numpy() == label].T, s=14, label=class_name(label, names), **look)
    crosses = np.empty((0, 2)) if prototypes_2d is None else to_array(prototypes_2d)
    if len(crosses):
        look = {"marker": "x", "color": "black", "linewidths": 2, "path_effects": HALO}
        panel.scatter(*crosses.T, s=60, label="prototype", **look)
    panel.margins(0.06)
    number_prototypes(panel, crosses)
    name_classes(panel, points, labels, names)
    panel.set_axis_off()
    figure.legend(loc="outside right center", handletextpad=0.2)
    classes, counts = labels.unique(return_counts=True)
    sizes = [f"{class_name(label, names)} ({count})" for label, count in zip(classes, counts.tolist(), strict=True)]
    figure.tell(
        f"{counted(len(points), 'descriptor')} in the plane as dots of {counted(len(classes), 'class')}, each named "
        f"where it is densest: {listed(sizes)}."
    )
    if len(crosses):
        figure.tell(
            f"{counted(len(crosses), 'prototype')}, black, numbered from P1. {_purity(points, labels, crosses):.0%} of "
            "the dots are of the class that is commonest around their nearest prototype."
        )
    return figure


def number_prototypes(panel: Axes, places: np.ndarray) -> None:
    """Write P1, P2, ... beside places (M, 2)."""
    for at, place in enumerate(places, start=1):
        word = {"fontsize": 7, "path_effects": HALO, "zorder": 6, "annotation_clip": True}
        panel.annotate(f"P{at}", place, (5, 3), textcoords="offset points", **word)


def name_classes(panel: Axes, points: np.ndarray, labels: Tensor, names: Sequence[str] | None = None) -> None:
    """Write the name of each class where a third of its points (N, 2) lie closest together."""
    for label in labels.unique().tolist():
        own = points[labels.cpu().numpy() == label]
        # The point that has a third of its class nearest around it: no mean, for a class may lie in two places, and
        # no few neighbours, for a handful apart from the rest can be the densest.
        near = (len(own) - 1) // 3
        place = own[np.partition(cdist(own, own), near, axis=1)[:, near].argmin()]
        look = {"ha": "center", "va": "center", "fontsize": 12, "fontweight": "bold", "path_effects": HALO, "zorder": 5}
        # A little to the upper left: in the middle it would hide a prototype.
        panel.annotate(class_name(label, names), place, (-10, 9), textcoords="offset points", **look)


def _purity(points: np.ndarray, labels: Tensor, crosses: np.ndarray) -> float:
    """The share of points that are of the class that is commonest around their nearest cross."""
    nearest, kinds = cdist(points, crosses).argmin(axis=1), labels.cpu().numpy()
    return sum(np.bincount(kinds[nearest == cross]).max() for cross in np.unique(nearest)) / len(points)
