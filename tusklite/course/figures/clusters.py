"""Descriptors and prototypes in the plane."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.patheffects import withStroke
from torch import Tensor

from tusklite.course.figures.canvas import PALETTE, LessonFigure, class_name, panel_grid, styled, to_array

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
    """Show embedded descriptors, coloured by their true class, and the prototypes as black crosses.

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
    if prototypes_2d is not None:
        halo = [withStroke(linewidth=4, foreground="white")]
        look = {"marker": "x", "color": "black", "linewidths": 2, "path_effects": halo}
        panel.scatter(*to_array(prototypes_2d).T, s=60, label="prototype", **look)
    panel.set_axis_off()
    figure.legend(loc="outside right center", handletextpad=0.2)
    return figure
