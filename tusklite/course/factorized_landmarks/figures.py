"""The drawing of siamese training."""

from __future__ import annotations

import numpy as np
from matplotlib.patheffects import withStroke

from tusklite.course.figures import PALETTE, LessonFigure, styled
from tusklite.course.figures.drawings import LOSS, arrow, box, hills, inside, scene, sheet, tile, write


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
