"""Descriptors and prototypes in the plane."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from torch import Tensor

from tusklite.arguments import require_integer, require_number, require_tensor
from tusklite.course.figures.canvas import PALETTE, class_name, panel_grid, styled, to_array
from tusklite.metrics.labels import require_labels

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

    Raises:
        TypeError, ValueError: another type, shape or range than above.

    Example:
        >>> points, crosses = tsne(torch.rand(20, 4), torch.rand(3, 4), perplexity=5)
        >>> points.shape, crosses.shape
        (torch.Size([20, 2]), torch.Size([3, 2]))
    """
    from sklearn.manifold import TSNE

    require_tensor("descriptors", descriptors, ("N", "C"))
    require_tensor("prototypes", prototypes, ("M", descriptors.shape[1]))
    together = np.concatenate([to_array(descriptors), to_array(prototypes)])
    if require_number("perplexity", perplexity, open_low=True) >= len(together):
        raise ValueError(f"perplexity: {perplexity} was given; allowed is a number below {len(together)}, N + M")
    seed = require_integer("seed", seed, low=0, high=2**32 - 1)
    embedded = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(together)
    points = torch.from_numpy(embedded)
    return points[: len(descriptors)], points[len(descriptors) :]


@styled
def descriptor_map(
    points_2d: Tensor,
    labels: Tensor,
    prototypes_2d: Tensor | None = None,
    names: Sequence[str] | None = None,
) -> Figure:
    """Show embedded descriptors, coloured by their true class, and the prototypes as black crosses.

    Args:
        points_2d: (N, 2) embedded descriptors, from `tsne`.
        labels: (N,) integers from 0 to 39, the true class of each.
        prototypes_2d: (M, 2) embedded prototypes.
        names: the word for each class; None: its number.

    Returns:
        The figure, one axes.

    Raises:
        TypeError, ValueError: another type, shape or range than above.

    Example:
        >>> figure = descriptor_map(torch.rand(9, 2), torch.arange(9) % 3, torch.rand(3, 2))
        >>> len(figure.axes[0].collections)
        4
    """
    points = to_array(require_tensor("points_2d", points_2d, ("N", 2)))
    labels = require_labels("labels", labels, (len(points),))
    present, most = labels.unique().tolist(), len(MARKERS) * len(PALETTE) - 1
    if present[0] < 0 or present[-1] > most:
        raise ValueError(f"labels: {present[0]} to {present[-1]} was given; allowed are integers from 0 to {most}")
    figure, (panel,) = panel_grid(1, columns=1, width=5.6, height=4.8)
    for label in present:
        marker, color = MARKERS[label // len(PALETTE)], PALETTE[label % len(PALETTE)]
        chosen = points[labels.numpy() == label].T
        look = {"marker": marker, "color": color, "alpha": 0.8, "linewidths": 0}
        panel.scatter(*chosen, s=14, label=class_name(label, names), **look)
    if prototypes_2d is not None:
        crosses = to_array(require_tensor("prototypes_2d", prototypes_2d, ("M", 2))).T
        halo = [withStroke(linewidth=4, foreground="white")]
        panel.scatter(*crosses, s=60, marker="x", color="black", linewidths=2, path_effects=halo, label="prototype")
    panel.set_axis_off()
    figure.legend(loc="outside right center", handletextpad=0.2)
    return figure
