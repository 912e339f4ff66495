"""Drawings of methods: boxes, networks, maps and arrows on a sheet whose unit is an inch; and TUSK in one drawing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle
from matplotlib.patheffects import withStroke

from tusklite.course.figures.canvas import PALETTE, QUIET, LessonFigure, Panel, styled, to_array
from tusklite.geometry import identity_grid

Place = tuple[float, float]
INK, NETWORK, STEP = "#222222", "#DCE9F5", "#F3F0E8"
LOSS = PALETTE[5]
SCENE = (("3", -0.45, -0.45), ("8", 0.45, -0.1), ("3", -0.2, 0.5))  # digits, and where they are
TWIN = (("3", -0.62, -0.12), ("8", 0.3, -0.38), ("3", 0.05, 0.52))  # the same after a turn and a shift


def sheet(width: float, height: float) -> tuple[LessonFigure, Panel]:
    """Return a figure of inches, and its only panel, in which (0, 0) is the lower left corner.

    Example:
        >>> figure, panel = sheet(6.0, 3.0)
        >>> float(panel.get_xlim()[1]), float(panel.get_ylim()[1])
        (6.0, 3.0)
    """
    figure = LessonFigure(figsize=(width, height))
    panel = figure.add_axes((0, 0, 1, 1), axes_class=Panel)
    panel.set(xlim=(0, width), ylim=(0, height))
    panel.set_axis_off()
    return figure, panel


def write(panel: Panel, place: Place, text: str, size: float = 9.0, color: str = INK, **look: object) -> None:
    """Write words around a place, readable over lines."""
    blank = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    look = {"ha": "center", "va": "center", "linespacing": 1.25, "zorder": 6, "bbox": blank} | look
    panel.text(*place, text, fontsize=size, color=color, **look)


def box(panel: Panel, middle: Place, width: float, height: float, text: str, color: str = STEP) -> None:
    """Draw a step: words in a box."""
    x, y = middle[0] - width / 2 + 0.05, middle[1] - height / 2 + 0.05
    shape = "round,pad=0.05,rounding_size=0.08"
    panel.add_patch(FancyBboxPatch((x, y), width - 0.1, height - 0.1, boxstyle=shape, facecolor=color, edgecolor=QUIET))
    panel.text(*middle, text, ha="center", va="center", fontsize=9, color=INK, linespacing=1.25, zorder=6)


def network(panel: Panel, middle: Place, width: float, height: float, text: str) -> None:
    """Draw a network that narrows and widens again."""
    x, y = np.array([-0.5, 0, 0.5, 0.5, 0, -0.5]) * width, np.array([0.5, 0.26, 0.5, -0.5, -0.26, -0.5]) * height
    corners = np.stack([x, y], axis=1) + middle
    panel.add_patch(Polygon(corners, facecolor=NETWORK, edgecolor=QUIET))
    panel.text(*middle, text, ha="center", va="center", fontsize=9, color=INK, linespacing=1.15, zorder=6)


def arrow(panel: Panel, *places: Place, color: str = INK, ends: str = "-|>", dashed: bool = False) -> None:
    """Draw an arrow through places, with corners between them."""
    for start, end in pairwise(places[:-1]):
        panel.plot(
            *zip(start, end, strict=True), color=color, linewidth=1.3, linestyle="--" if dashed else "-", zorder=2
        )
    look = {"arrowstyle": ends, "mutation_scale": 11, "linewidth": 1.3, "shrinkA": 0, "shrinkB": 0, "zorder": 2}
    line = (0, (3.7, 1.6)) if dashed else "-"
    panel.add_patch(FancyArrowPatch(places[-2], places[-1], color=color, linestyle=line, **look))


def tile(panel: Panel, middle: Place, side: float, values: np.ndarray, cmap: str = "gray") -> None:
    """Draw a picture or a map: (H, W) in [0, 1], or (H, W, 3)."""
    left, bottom = middle[0] - side / 2, middle[1] - side / 2
    limits = panel.get_xlim(), panel.get_ylim()
    panel.imshow(values, cmap=cmap, vmin=0, vmax=1, extent=(left, left + side, bottom, bottom + side), zorder=3)
    panel.set(xlim=limits[0], ylim=limits[1], aspect="auto")
    panel.add_patch(Rectangle((left, bottom), side, side, fill=False, edgecolor=QUIET, linewidth=0.8, zorder=4))


def inside(middle: Place, side: float, xy: Sequence[float]) -> Place:
    """Where a point (x, y) of a tile's picture, in [-1, 1] and downwards, is on the sheet."""
    return middle[0] + xy[0] * side / 2, middle[1] - xy[1] * side / 2


def scene(
    panel: Panel,
    middle: Place,
    side: float,
    things: Sequence[tuple[str, float, float]] = SCENE,
    size: float = 16.0,
    rotation: float = 0.0,
) -> None:
    """Draw a black picture with white digits: what and where they are, points an inch of the side, degrees."""
    tile(panel, middle, side, np.zeros((2, 2)))
    for digit, x, y in things:
        look = {"color": "white", "ha": "center", "va": "center", "fontweight": "bold", "rotation": rotation}
        panel.text(*inside(middle, side, (x, y)), digit, zorder=5, fontsize=size * side, **look)


def hills(places: Sequence[Sequence[float]], width: float = 0.16, side: int = 48) -> np.ndarray:
    """Hills of height 1 at places (x, y) in [-1, 1]: (places, side, side)."""
    grid = to_array(identity_grid(side, side))
    return np.stack([np.exp(-((grid - place) ** 2).sum(axis=-1) / (2 * width**2)) for place in places])


@styled
def tusk_drawing() -> LessonFigure:
    """Draw TUSK (Jin et al. 2022, figure 2): from an image to keypoints, to an image again, and where its losses act.

    Returns:
        The figure, one panel.

    Example:
        >>> "eq. 3" in tusk_drawing().alt
        True
    """
    figure, panel = sheet(9.6, 5.6)
    places, colors = [thing[1:] for thing in SCENE], np.array([[0.0, 0.45, 0.7], [0.9, 0.62, 0.0], [0.0, 0.45, 0.7]])
    image, twin = (0.85, 3.5), (0.85, 1.05)
    for middle, things in ((image, SCENE), (twin, TWIN)):
        scene(panel, middle, 1.2, things)
        network(panel, (2.4, middle[1]), 0.95, 1.15, "U-Net")
        arrow(panel, (1.5, middle[1]), (1.88, middle[1]))
    write(panel, (0.85, 4.27), "image")
    write(panel, (0.85, 0.28), "its warped twin")
    arrow(panel, (0.85, 2.85), (0.85, 1.7), dashed=True)
    write(panel, (0.85, 2.28), "a warp")
    arrow(panel, (2.4, 2.83), (2.4, 1.72), ends="-", dashed=True)
    write(panel, (2.4, 2.28), "same weights")

    upper = {"H": (3.8, 4.2), "F": (3.8, 2.85)}
    lower = {"H": (3.8, 1.55), "F": (3.8, 0.6)}
    for (start, side), maps, things in (((3.5, 1.0), upper, SCENE), ((1.05, 0.75), lower, TWIN)):
        tile(panel, maps["H"], side, hills([thing[1:] for thing in things]).max(axis=0), "inferno")
        for back in (0.12, 0.06, 0.0):
            shown = hills([thing[1:] for thing in things], 0.25 + back)
            mixed = 0.35 + 0.6 * np.einsum("khw,kc->hwc", shown, colors - 0.35)
            tile(panel, (maps["F"][0] + back, maps["F"][1] + back), side, mixed.clip(0, 1))
        for name in "HF":
            arrow(panel, (2.9, start), (maps[name][0] - side / 2 - 0.04, maps[name][1]))
    write(panel, (3.8, 4.85), "one heatmap")
    write(panel, (3.85, 2.2), "features")

    box(panel, (5.15, 4.2), 1.15, 0.86, "suppress,\ntop K,\nrefine")
    arrow(panel, (4.33, 4.2), (4.55, 4.2))
    box(panel, (5.15, 2.85), 1.15, 0.62, "descriptors\nread at points")
    arrow(panel, (4.46, 2.85), (4.55, 2.85))
    arrow(panel, (5.15, 3.75), (5.15, 3.18))
    write(panel, (5.15, 3.46), "K points", size=8)
    splats = (6.72, 3.5)
    arrow(panel, (5.75, 4.2), (6.0, 4.2), (6.17, 3.75))
    arrow(panel, (5.75, 2.85), (6.0, 2.85), (6.17, 3.25))
    tile(panel, splats, 1.0, np.einsum("khw,kc->hwc", hills(places, 0.13), colors).clip(0, 1))
    write(panel, (6.72, 4.14), "splats")
    arrow(panel, (7.24, 3.5), (7.44, 3.5))
    network(panel, (7.88, 3.5), 0.84, 1.0, "decoder")
    arrow(panel, (8.32, 3.5), (8.5, 3.5))
    scene(panel, (9.02, 3.5), 1.0)
    write(panel, (9.02, 2.83), "redrawn")
    arrow(panel, (9.02, 4.04), (9.02, 5.25), (0.85, 5.25), (0.85, 4.42), color=LOSS, ends="<|-|>")
    write(panel, (5.15, 5.25), "eq. 1 · the redrawn image is the image", color=LOSS)

    random = np.random.default_rng(3)
    middle, clusters = (6.15, 1.05), np.array([[-0.42, 0.2], [0.38, 0.36], [0.12, -0.42]])
    panel.add_patch(Rectangle((5.45, 0.42), 1.4, 1.26, facecolor="white", edgecolor=QUIET, linewidth=0.8))
    for cluster, color in zip(clusters, (0, 1, 2), strict=True):
        dots = middle + np.array([0.7, 0.6]) * (cluster + 0.13 * random.standard_normal((16, 2)))
        panel.scatter(*dots.T, s=9, color=PALETTE[color], linewidths=0, zorder=3)
        halo = [withStroke(linewidth=4, foreground="white")]
        cross = middle + np.array([0.7, 0.6]) * (cluster + 0.09)
        panel.scatter(*cross, marker="x", s=60, color="black", linewidths=2, path_effects=halo, zorder=4)
    arrow(panel, (5.15, 2.52), (5.15, 2.2), (6.15, 2.2), (6.15, 1.72))
    write(panel, (6.15, 0.25), "prototypes (x) among descriptors")
    left = {"ha": "left", "color": LOSS}
    write(panel, (6.98, 1.38), "eq. 2 · transport:\nmoves the prototypes", **left)
    write(panel, (6.98, 0.72), "eq. 3 · soft-min: moves\nthe descriptors, so the network", **left)
    arrow(panel, (4.4, 2.3), (4.4, 1.3), color=LOSS, ends="<|-|>")
    write(panel, (4.52, 1.75), "eq. 4 ·\nmaps follow\nthe warp", **left)
    figure.tell(
        "TUSK as a chain of boxes. A U-Net turns the image into one heatmap and a map of features. Suppression and the "
        "top K of the heatmap, refined, are the points; descriptors are read off the features at the points. Splats of "
        "descriptors at the points go through a decoder, which redraws the image; eq. 1 compares it with the image.",
        "Prototypes, crosses, lie among the descriptors: eq. 2, transport, moves the prototypes; eq. 3, the soft-min, "
        "moves the descriptors and so the network. A warped twin of the image goes through the same U-Net, and eq. 4 "
        "asks that its maps follow the warp.",
    )
    return figure
