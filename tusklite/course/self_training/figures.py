"""Figures of lesson 18: the loop of the first stage in one drawing, and points on images beside true ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from tusklite.course.figures import PALETTE, LessonFigure, image_rows, styled
from tusklite.course.figures.drawings import LOSS, arrow, box, hills, network, sheet, tile, write
from tusklite.course.figures.words import listed
from tusklite.methods.mallis import PointSets
from tusklite.metrics import match_points

BODY = ((0.0, -0.6), (-0.35, -0.15), (0.35, -0.15), (-0.2, 0.6), (0.25, 0.55))  # points of the drawing's figure


@styled
def rounds_drawing() -> LessonFigure:
    """Draw the first stage (Mallis et al. 2020, section 3.2): a network, its points, their clusters, and back again.

    Returns:
        The figure, one panel.

    Example:
        >>> "eq. 2" in rounds_drawing().alt
        True
    """
    figure, panel = sheet(9.4, 4.1)
    image = (0.85, 2.6)
    tile(panel, image, 1.2, 0.25 + 0.5 * hills(BODY, 0.2).max(axis=0))
    write(panel, (0.85, 3.38), "two views of images")
    arrow(panel, (1.5, 2.6), (1.85, 2.6))
    network(panel, (2.4, 2.6), 1.0, 1.2, "network")
    tile(panel, (3.95, 3.1), 0.85, hills(BODY, 0.12).max(axis=0), "inferno")
    colours = np.array([[0.0, 0.45, 0.7], [0.9, 0.62, 0.0], [0.0, 0.62, 0.45], [0.8, 0.47, 0.65], [0.35, 0.7, 0.9]])
    features = 0.35 + 0.6 * np.einsum("khw,kc->hwc", hills(BODY, 0.3), colours - 0.35)
    tile(panel, (3.95, 1.95), 0.85, features.clip(0, 1))
    for height in (3.1, 1.95):
        arrow(panel, (2.92, 2.6), (3.2, height), (3.48, height))
    write(panel, (3.95, 3.67), "one map")
    write(panel, (3.95, 1.38), "descriptors")
    box(panel, (5.55, 3.1), 1.35, 0.62, "maxima\nare points")
    box(panel, (5.55, 1.95), 1.35, 0.62, "k-means,\nwarm-started")
    box(panel, (7.4, 1.95), 1.5, 0.86, "a cluster\nonce an image;\nfar ones go")
    box(panel, (7.4, 3.1), 1.5, 0.86, "pseudo truth\nof each image;\nold points win")
    arrow(panel, (4.4, 3.1), (4.85, 3.1))
    arrow(panel, (4.4, 1.95), (4.85, 1.95))
    arrow(panel, (6.25, 3.1), (6.63, 3.1))
    arrow(panel, (6.25, 1.95), (6.63, 1.95))
    arrow(panel, (7.4, 2.4), (7.4, 2.65))
    arrow(panel, (8.17, 3.1), (8.95, 3.1), (8.95, 0.45), (2.4, 0.45), (2.4, 1.95), color=LOSS)
    write(panel, (5.55, 0.45), "squared error of the map · eq. 2 on the descriptors", color=LOSS)
    write(panel, (8.95, 1.9), "next\nround", color=LOSS, size=8)
    figure.tell(
        "The first stage as a loop. Two views of images go through a network, which gives one map and a map of "
        "descriptors. Maxima of the map are points; their descriptors are clustered by k-means, each cluster at most "
        "once an image, and points far from their centroid go. What is left is the pseudo truth of each image: the "
        "squared error of the map and eq. 2 on the descriptors teach the network with it in the next round."
    )
    return figure


@styled
def points_beside_truth(
    images: Tensor, rows: Mapping[str, PointSets], truth: Tensor, near: float, width: float = 1.5
) -> LessonFigure:
    """Show points on images: full where a true point is their own within some distance, else hollow.

    Args:
        images: (B, C, H, W) with 1 or 3 channels in [0, 1].
        rows: for each name the points of these images.
        truth: (B, P, 2) true points in [-1, 1]; one outside is not counted.
        near: how far from a true point counts, one to one.
        width: inches an image.

    Returns:
        The figure, a row of panels a name. Crosses are the true points.

    Example:
        >>> import torch
        >>> points = PointSets(torch.zeros(2, 3, 2), torch.ones(2, 3, dtype=torch.bool))
        >>> figure = points_beside_truth(torch.zeros(2, 3, 8, 8), {"all": points}, torch.zeros(2, 1, 2), near=0.1)
        >>> len(figure.axes)
        2
    """
    shown = (truth.abs() < 1).all(-1)
    figure = image_rows({name: 0.6 + 0.4 * images for name in rows}, width=width)
    told = []
    for row, (name, points) in enumerate(rows.items()):
        matched = match_points(points.xy, truth.nan_to_num(), near, points.found, shown)
        right = (matched >= 0) & points.found
        for panel, xy, hit, found, true, there in zip(
            figure.axes[row * len(images) :], points.xy, right, points.found, truth, shown, strict=False
        ):
            panel.mark(true[there], s=16, marker="x", c="black", linewidths=0.8, zorder=2)
            panel.mark(xy[found & ~hit], s=24, facecolors="none", edgecolors=PALETTE[5], linewidths=1.2, zorder=3)
            panel.mark(xy[hit], s=24, c=PALETTE[0], edgecolors="white", linewidths=0.6, zorder=3)
        told.append(f"{name}: {int(right.sum())} of {int(points.found.sum())} near a true point of their own")
    figure.legend_below(
        {
            "near a true point": {"marker": "o", "color": PALETTE[0], "linestyle": ""},
            "near none": {"marker": "o", "markerfacecolor": "none", "color": PALETTE[5], "linestyle": ""},
            "true points": {"marker": "x", "color": "black", "linestyle": ""},
        }
    )
    figure.tell(f"Points on {len(images)} images. {listed(told)}; there are {int(shown.sum())} true points.")
    return figure
