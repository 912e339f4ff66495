"""Images: side by side or in named rows, with a heatmap over them, or with numbered points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from torch import Tensor

from tusklite.arguments import require_tensor
from tusklite.course.figures.canvas import (
    PALETTE,
    QUIET,
    RIGHT,
    panel_grid,
    require_words,
    styled,
    to_array,
)

HALO = withStroke(linewidth=3, foreground="black")


@styled
def scene_gallery(images: Tensor, titles: Sequence[str] | None = None, columns: int = 6) -> Figure:
    """Show images side by side, row by row.

    Args:
        images: (B, C, H, W) with 1 or 3 channels; a value outside [0, 1] is shown as the nearer end.
        titles: B words, one above each image.
        columns: the most images in a row, at least 1.

    Returns:
        The figure, one axes an image.

    Raises:
        TypeError, ValueError: another type, shape or number of titles.

    Example:
        >>> import torch
        >>> len(scene_gallery(torch.zeros(7, 1, 8, 8)).axes)
        7
    """
    return image_grid(images, columns, width=1.5, titles=titles)[0]


@styled
def heatmap_on_image(image: Tensor, heatmap: Tensor, xy: Tensor | None = None) -> Figure:
    """Lay a heatmap over its image, with the keypoints as crosses.

    Args:
        image: (C, H, W) with 1 or 3 channels in [0, 1].
        heatmap: (1, h, w), not negative, of any size; clear where it is 0.
        xy: (K, 2) keypoints in [-1, 1].

    Returns:
        The figure: one axes with the picture, one with the scale of the heatmap.

    Raises:
        TypeError, ValueError: another type, shape or range than above.

    Example:
        >>> import torch
        >>> figure = heatmap_on_image(torch.zeros(1, 8, 8), torch.rand(1, 4, 4), torch.zeros(3, 2))
        >>> len(figure.axes)
        2
    """
    require_tensor("image", image, ("C", "H", "W"))
    values = to_array(require_tensor("heatmap", heatmap, (1, "h", "w")))[0]
    if values.min() < 0:
        raise ValueError(f"heatmap: {values.min():g} was given; allowed are numbers of at least 0")
    figure, (panel,) = image_grid(image[None], columns=1, width=3.6)
    figure.set_figwidth(4.3)  # room for the scale
    height, width = image.shape[-2:]
    top = float(values.max()) or 1.0  # an empty map has no scale of its own
    shown = panel.imshow(
        values, cmap="inferno", vmin=0, vmax=top, alpha=0.85 * values / top, extent=(0, width, height, 0)
    )
    # The scale is drawn opaque: its colours are those of the peaks.
    scale = figure.colorbar(ScalarMappable(shown.norm, shown.cmap), ax=panel, fraction=0.05, pad=0.03)
    scale.outline.set_visible(False)
    scale.ax.tick_params(labelsize=8, color=QUIET)
    if xy is not None:
        halo = [withStroke(linewidth=3.5, foreground="black")]
        points = (to_array(require_tensor("xy", xy, ("K", 2))) + 1) / 2 * (width, height)
        panel.scatter(*points.T, marker="+", s=70, color=RIGHT[0], linewidths=1.8, path_effects=halo)
    return figure


def image_grid(
    images: Tensor, columns: int, width: float, titles: Sequence[str] | None = None
) -> tuple[Figure, list[Axes]]:
    """Return a figure with a panel an image, `width` inches wide; the panels' units are pixels.

    Raises:
        TypeError, ValueError: as `scene_gallery`.

    Example:
        >>> import torch
        >>> image_grid(torch.zeros(1, 1, 4, 8), columns=1, width=2.0)[0].get_size_inches()
        array([2., 1.])
    """
    count, channels, rows, across = require_tensor("images", images, ("B", "C", "H", "W")).shape
    if channels not in (1, 3):
        raise ValueError(f"images: {channels} channels were given; allowed are 1 and 3")
    words = require_words("titles", [""] * count if titles is None else titles, count)
    height = width * rows / across + (0.2 if any(words) else 0.0)
    figure, panels = panel_grid(count, columns, width, height)
    look = {"cmap": "gray", "vmin": 0, "vmax": 1, "interpolation": "nearest"}
    for panel, image, word in zip(panels, to_array(images.clamp(0, 1)), words, strict=True):
        picture = image[0] if channels == 1 else image.transpose(1, 2, 0)
        panel.imshow(picture, extent=(0, across, rows, 0), **look)
        panel.set_title(word, pad=3)
        panel.set_axis_off()
    return figure, panels


@styled
def marked_images(
    images: Tensor, xy: Tensor, titles: Sequence[str] | None = None, aims: Tensor | None = None, columns: int = 4
) -> Figure:
    """Show images with numbered points, each in a colour of its own; a ring stands where a point should be.

    Args:
        images: (B, C, H, W) with 1 or 3 channels in [0, 1].
        xy: (B, P, 2) points in [-1, 1], at most ten; the same number is the same point in every image.
        titles: B words, one above each image.
        aims: (B, P, 2) where the points should be: rings, each joined to its point.
        columns: the most images in a row, at least 1.

    Returns:
        The figure, one axes an image.

    Raises:
        TypeError, ValueError: another type, shape or number of titles, or more than ten points.

    Example:
        >>> figure = marked_images(torch.zeros(2, 1, 8, 8), torch.zeros(2, 3, 2))
        >>> len(figure.axes[0].collections)
        1
    """
    figure, panels = image_grid(images, columns, width=2.5, titles=titles)
    points = in_pixels(require_tensor("xy", xy, (len(images), "P", 2)), images)
    if points.shape[1] > len(PALETTE):
        raise ValueError(f"xy: {points.shape[1]} points were given; allowed are at most {len(PALETTE)}")
    rings = None if aims is None else in_pixels(require_tensor("aims", aims, tuple(xy.shape)), images)
    colors = PALETTE[: points.shape[1]]
    for scene, panel in enumerate(panels):
        if rings is not None:
            for start, end, color in zip(rings[scene], points[scene], colors, strict=True):
                panel.plot(*zip(start, end, strict=True), color=color, linewidth=1.2, linestyle=":")
            panel.scatter(*rings[scene].T, s=80, facecolors="none", edgecolors=colors, linewidths=1.5)
        panel.scatter(*points[scene].T, s=26, c=colors, edgecolors="white", linewidths=0.8, zorder=3)
        for number, point in enumerate(points[scene], start=1):
            word = {"color": "white", "fontweight": "bold", "path_effects": [HALO], "clip_on": True}
            panel.annotate(str(number), point, (5, 3), textcoords="offset points", **word)
        keep_to_image(panel, images)
    return figure


@styled
def image_rows(rows: Mapping[str, Tensor], titles: Sequence[str] | None = None, width: float = 1.15) -> Figure:
    """Show one row of images a name, the name at its left.

    Args:
        rows: for each name (B, C, H, W) images with 1 or 3 channels; a value outside [0, 1] is shown as the nearer
            end. All rows have the same shape.
        titles: B words, one above each image of the first row.
        width: inches an image.

    Returns:
        The figure, one axes an image.

    Raises:
        TypeError, ValueError: no rows, rows of different shapes, another type or number of titles.

    Example:
        >>> figure = image_rows({"plain": torch.zeros(3, 1, 8, 8), "bent": torch.ones(3, 1, 8, 8)})
        >>> [panel.texts[0].get_text() for panel in figure.axes if panel.texts]
        ['plain', 'bent']
    """
    if not rows:
        raise ValueError(f"rows: {rows!r} was given; allowed is at least one row of images")
    names, strips = list(rows), list(rows.values())
    for name, strip in rows.items():
        require_tensor(name, strip, tuple(strips[0].shape))
    count = len(strips[0])
    above = require_words("titles", [""] * count if titles is None else titles, count)
    figure, panels = image_grid(torch.cat(strips), count, width, titles=[*above, *[""] * count * (len(names) - 1)])
    height = width * strips[0].shape[2] / strips[0].shape[3]
    figure.set_figheight(len(names) * (height + 0.03) + (0.25 if any(above) else 0.0))
    figure.set_figwidth(figure.get_figwidth() + 0.085 * max(map(len, names)))  # room for the names
    for name, panel in zip(names, panels[::count], strict=True):
        panel.text(-0.06, 0.5, name, transform=panel.transAxes, ha="right", va="center", fontsize=9)
    return figure


def in_pixels(points: Tensor, images: Tensor) -> np.ndarray:
    """Points in [-1, 1] as an array in the pixels of images (B, C, H, W)."""
    height, width = images.shape[-2:]
    return (to_array(points) + 1) / 2 * (width, height)


def keep_to_image(panel: Axes, images: Tensor) -> None:
    """Hold an axes to its image: a point outside must not shrink it."""
    panel.set(xlim=(0, images.shape[-1]), ylim=(images.shape[-2], 0))
