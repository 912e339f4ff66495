"""Landmarks on faces and digits: dots that keep their colour, what a regressor makes of them, errors by labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from matplotlib.patheffects import withStroke
from torch import Tensor

from tusklite.course.figures import PALETTE, QUIET, LessonFigure, image_grid, panel_grid, styled, to_array
from tusklite.course.figures.drawings import LOSS, arrow, box, hills, inside, scene, sheet, tile, write
from tusklite.course.figures.words import counted, course, listed, number


def landmark_colors(xy: Tensor) -> np.ndarray:
    """A colour for each landmark: the palette's for up to ten; of more, neighbours get colours that are alike.

    Args:
        xy: (B, K, 2) landmarks in [-1, 1]; with more than ten, their mean places choose: blue to red from left to
            right, paler towards the top.

    Returns:
        (K, 3) red, green and blue in [0, 1].

    Example:
        >>> import torch
        >>> landmark_colors(torch.zeros(2, 7, 2)).shape, landmark_colors(torch.rand(2, 50, 2)).shape
        ((7, 3), (50, 3))
    """
    count = xy.shape[1]
    if count <= len(PALETTE):
        return np.array([to_rgb(color) for color in PALETTE[:count]])
    ranks = to_array(xy.mean(dim=0)).argsort(axis=0).argsort(axis=0) / (count - 1)  # (K, 2)
    hues = colormaps["turbo"](0.08 + 0.84 * ranks[:, 0])[:, :3]  # blue to red from left to right
    return hues + (1 - hues) * 0.55 * (1 - ranks[:, 1:])  # paler towards the top


@styled
def siamese_drawing() -> LessonFigure:
    """Draw siamese training: two views of an image, one network, K maps, two losses (Thewlis et al. 2017, section 3).

    Returns:
        The figure, one panel.

    Example:
        >>> "diversity" in siamese_drawing().alt
        True
    """
    figure, panel = sheet(9.6, 4.5)
    image, rows = (0.8, 2.25), (3.15, 1.2)  # the image, and how high the two views stand
    upright = np.array([[-0.25, -0.38], [0.23, -0.24], [0.02, -0.01], [-0.26, 0.38]])
    scene(panel, image, 1.1, [("3", 0, 0)], size=44)
    write(panel, (0.8, 2.95), "image")
    for row, degrees, shift, name in zip(rows, (18, -26), (0.1, -0.12), ("view x", "its twin x'"), strict=True):
        turn = np.radians(-degrees)  # y points downwards in images
        moved = upright @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) + [shift, 0.0]
        scene(panel, (2.5, row), 1.1, [("3", shift, 0)], size=44, rotation=degrees)
        write(panel, (2.5, row + (0.7 if row == rows[0] else -0.7)), name)
        arrow(panel, (3.1, row), (3.4, row))
        box(panel, (4.05, row), 1.25, 0.9, "six layers of\nconvolutions")
        for at, values in enumerate(hills(moved, 0.15)):
            middle = (5.45 + 0.68 * at, row)
            tile(panel, middle, 0.58, values, "inferno")
            look = {"color": "white", "fontsize": 7, "ha": "center", "va": "center", "zorder": 6}
            panel.text(*inside(middle, 0.58, (-0.75, -0.7)), str(at + 1), **look)
        arrow(panel, (4.7, row), (5.12, row))
        arrow(panel, (7.83, row), (8.23, row))
        scene(panel, (8.85, row), 1.1, [("3", shift, 0)], size=44, rotation=degrees)
        for at, place in enumerate(moved):
            dot = inside((8.85, row), 1.1, place)
            panel.scatter(*dot, s=28, color=PALETTE[at], edgecolors="white", linewidths=0.8, zorder=6)
            halo = [withStroke(linewidth=2, foreground="black")]
            word = {"color": "white", "fontsize": 7, "fontweight": "bold", "path_effects": halo, "zorder": 7}
            panel.text(dot[0] + 0.06, dot[1] + 0.04, str(at + 1), **word)
    write(panel, (6.47, 4.3), "diversity, eq. 8 · the maps of a view do not overlap", color=LOSS)
    for row, sign in zip(rows, (1, -1), strict=True):
        high = row + sign * 0.42
        ends = [(5.16, high - sign * 0.06), (5.16, high), (7.78, high), (7.78, high - sign * 0.06)]
        arrow(panel, *ends, color=LOSS, ends="-")
    arrow(panel, (6.47, 4.14), (6.47, 3.6), color=LOSS)
    write(panel, (6.47, 0.25), "diversity, in the twin as well", color=LOSS)
    arrow(panel, (6.47, 0.4), (6.47, 0.75), color=LOSS)
    for at in range(4):
        arrow(panel, (5.45 + 0.68 * at, 2.8), (5.45 + 0.68 * at, 1.55), color=LOSS, ends="<|-|>")
    write(
        panel,
        (6.47, 2.18),
        "alignment, eq. 6 · each map of the twin\nis the same map of x, taken along by g₂",
        color=LOSS,
    )
    arrow(panel, (1.1, 2.85), (1.1, 3.15), (1.9, 3.15))
    write(panel, (1.5, 3.15), "g₁")
    arrow(panel, (2.5, 2.55), (2.5, 1.8))
    write(panel, (2.5, 2.18), "g₂")
    arrow(panel, (4.05, 2.68), (4.05, 1.67), ends="-", dashed=True)
    write(panel, (4.05, 2.18), "same weights")
    write(panel, (5.75, 3.75), "K maps")
    write(panel, (8.85, 3.95), "landmarks,\nthe maps' means")
    figure.tell(
        "Siamese training as a chain of boxes, in two rows. A warp g1 makes view x of the image, a warp g2 makes its "
        "twin of x. Both go through six layers of convolutions, with the same weights, and become K maps each, whose "
        "means are the landmarks.",
        "The loss of diversity, eq. 8, asks that the maps of a view do not overlap; the loss of alignment, eq. 6, that "
        "each map of the twin is the same map of x, taken along by g2.",
    )
    return figure


@styled
def landmark_gallery(
    images: Tensor,
    xy: Tensor,
    titles: Sequence[str] | None = None,
    aims: Tensor | None = None,
    columns: int = 6,
    size: float = 18.0,
    width: float = 1.5,
    color: object = None,
) -> LessonFigure:
    """Show images with their landmarks; the same colour and the same number are the same landmark in all of them.

    Fifty colours cannot be told apart, by some readers not even ten: it is the number that names a landmark.

    Args:
        images: (B, C, H, W) with 1 or 3 channels in [0, 1].
        xy: (B, K, 2) landmarks in [-1, 1].
        titles: B words, one above each image.
        aims: (B, K, 2) where the landmarks should be: rings, each joined to its landmark; NaN draws none.
        columns: the most images in a row.
        size: of a dot, in square points.
        width: inches an image.
        color: one for all, without numbers; None: those of `landmark_colors`.

    Returns:
        The figure, one panel an image.

    Example:
        >>> import torch
        >>> len(landmark_gallery(torch.zeros(4, 3, 8, 8), torch.zeros(4, 50, 2)).axes)
        4
    """
    figure = image_grid(images, titles, columns, width)
    colors = landmark_colors(xy) if color is None else [color] * xy.shape[1]
    for panel, dots, rings in zip(figure.axes, xy, [None] * len(xy) if aims is None else aims, strict=True):
        if rings is not None:
            panel.join(rings, dots, colors, linewidth=1.2)
            panel.mark(rings, s=2.6 * size, facecolors="none", edgecolors=colors, linewidths=1.2)
        panel.mark(dots, s=size, c=colors, edgecolors="white", linewidths=0.6, zorder=3)
        if color is None:
            panel.number(dots, size=6.5 if xy.shape[1] <= len(PALETTE) else 5.5)
    kind = "landmark" if color is not None else "numbered landmark"
    figure.tell(f"On each {counted(xy.shape[1], kind)}, the same colour for the same one everywhere.")
    if aims is not None:
        half = np.array([images.shape[3], images.shape[2]]) / 2
        away = np.linalg.norm((to_array(xy) - to_array(aims)) * half, axis=2)
        mean, most = np.nanmean(away), np.nanmax(away)
        figure.tell(
            f"{counted(int(np.isfinite(away).sum()), 'ring')} show where landmarks should be, each joined to its own: "
            f"{number(mean)} pixels away on average, {number(most)} at most."
        )
    return figure


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
