"""Images: side by side or in named rows, with a heatmap over them, or with points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.cm import ScalarMappable
from torch import Tensor

from tusklite.course.figures.canvas import PALETTE, QUIET, LessonFigure, panel_grid, styled, to_array
from tusklite.course.figures.words import counted, listed, number, titled


@styled
def image_grid(
    images: Tensor, titles: Sequence[str] | None = None, columns: int = 6, width: float = 1.5
) -> LessonFigure:
    """Show images side by side, row by row; a panel's `mark`, `cross` and `join` draw on its image.

    Args:
        images: (B, C, H, W) with 1 or 3 channels in [0, 1].
        titles: B words, one above each image.
        columns: the most images in a row.
        width: inches an image.

    Returns:
        The figure, one panel an image, in units of its pixels.

    Raises:
        TypeError, ValueError: other images, or another number of titles.

    Example:
        >>> image_grid(torch.zeros(3, 1, 4, 8), columns=2, width=2.0).get_size_inches()
        array([4., 2.])
    """
    count, channels, rows, across = images.shape
    words = [""] * count if titles is None else [str(title) for title in titles]
    if len(words) != count:
        raise ValueError(f"titles: {len(words)} words were given; allowed is one for each of {count}")
    figure = panel_grid(count, columns, width, width * rows / across + (0.2 if any(words) else 0.0))
    for panel, image, word in zip(figure.axes, images, words, strict=True):
        panel.show(image)
        panel.set_title(word, pad=3)
    kind = f"{'grey' if channels == 1 else 'colour'} image"
    called = f", titled {titled(words)}" if any(words) else ""
    in_rows = f", {columns} in a row" if count > columns else ""
    figure.tell(f"{counted(count, kind)} of {across} x {rows} pixels{in_rows}{called}.")
    return figure


@styled
def image_rows(rows: Mapping[str, Tensor], titles: Sequence[str] | None = None, width: float = 1.15) -> LessonFigure:
    """Show one row of images a name, the name at its left.

    Args:
        rows: for each name (B, C, H, W) images with 1 or 3 channels in [0, 1]; all rows have the same shape.
        titles: B words, one above each image of the first row.
        width: inches an image.

    Returns:
        The figure, one panel an image.

    Example:
        >>> figure = image_rows({"plain": torch.zeros(3, 1, 8, 8), "bent": torch.ones(3, 1, 8, 8)})
        >>> [panel.texts[0].get_text() for panel in figure.axes if panel.texts]
        ['plain', 'bent']
    """
    images = torch.stack(list(rows.values()))  # (rows, B, C, H, W)
    count = images.shape[1]
    above = titles and [*titles, *[""] * count * (len(rows) - 1)]
    figure = image_grid(images.flatten(0, 1), above, count, width)
    height = width * images.shape[3] / images.shape[4]
    figure.set_figheight(len(rows) * (height + 0.03) + (0.25 if titles else 0.0))
    _name_rows(figure, list(rows))
    return figure


@styled
def landmark_rows(rows: Mapping[str, tuple[Tensor, Tensor]], width: float = 1.35) -> LessonFigure:
    """Show one row of images a name, with the landmarks that a detector finds in them, in colours and by numbers.

    Args:
        rows: for each name the images (B, C, H, W) with 1 or 3 channels in [0, 1], and their landmarks (B, K, 2) in
            [-1, 1], K at most ten. All rows have the same shapes.
        width: inches an image.

    Returns:
        The figure, one panel an image.

    Example:
        >>> images, landmarks = torch.zeros(4, 1, 8, 8), torch.zeros(4, 7, 2)
        >>> len(landmark_rows({"before": (images, landmarks), "after": (images, landmarks)}).axes)
        8
    """
    images, landmarks = (torch.stack(parts) for parts in zip(*rows.values(), strict=True))  # (rows, B, ...) each
    # A little darker than they are, so that every colour stands out on bright images as well.
    figure = image_grid(0.75 * images.flatten(0, 1), None, images.shape[1], width)
    _name_rows(figure, list(rows))
    for panel, xy in zip(figure.axes, landmarks.flatten(0, 1), strict=True):
        panel.mark(xy, s=30, c=PALETTE[: len(xy)], edgecolors="white", linewidths=0.8, zorder=3)
        panel.number(xy, size=6)
    spread = to_array(landmarks).std(axis=2).mean(axis=(1, 2)) * images.shape[-1] / 2  # pixels, a number a row
    apart = [f"{name}: {number(value)}" for name, value in zip(rows, spread, strict=True)]
    figure.tell(
        f"On each image {counted(landmarks.shape[2], 'numbered landmark')}, the same colour and number everywhere. "
        f"Standard deviation of the landmarks of an image, in pixels: {listed(apart)}."
    )
    return figure


@styled
def heatmap_on_image(image: Tensor, heatmap: Tensor, xy: Tensor | None = None) -> LessonFigure:
    """Lay a heatmap over its image, with the keypoints as crosses.

    Args:
        image: (C, H, W) with 1 or 3 channels in [0, 1].
        heatmap: (1, h, w), not negative, of any size; clear where it is 0.
        xy: (K, 2) keypoints in [-1, 1].

    Returns:
        The figure: one panel with the picture, one axes with the scale of the heatmap.

    Example:
        >>> figure = heatmap_on_image(torch.zeros(1, 8, 8), torch.rand(1, 4, 4), torch.zeros(3, 2))
        >>> len(figure.axes)
        2
    """
    figure = image_grid(image[None], width=3.6)
    figure.set_figwidth(4.3)  # room for the scale
    (panel,) = figure.axes
    values = to_array(heatmap)[0]
    top = float(values.max()) or 1.0  # an empty map has no scale of its own
    look = {"cmap": "inferno", "vmin": 0, "vmax": top, "alpha": 0.85 * values / top}
    shown = panel.imshow(values, extent=panel.images[0].get_extent(), **look)
    # The scale is drawn opaque: its colours are those of the peaks.
    scale = figure.colorbar(ScalarMappable(shown.norm, shown.cmap), ax=panel, fraction=0.05, pad=0.03)
    scale.outline.set_visible(False)
    scale.ax.tick_params(labelsize=8, color=QUIET)
    crosses = ""
    if xy is not None:
        panel.cross(xy, s=70)
        crosses = f" {counted(len(xy), 'cross')} {'marks' if len(xy) == 1 else 'mark'} keypoints."
    size = f"{values.shape[1]} x {values.shape[0]}"
    bright = f"{100 * (values > top / 2).mean():.1f}% of its pixels are above half of that"
    figure.tell(f"A heatmap of {size} lies over it, at most {number(values.max())}; {bright}.{crosses}")
    return figure


@styled
def marked_images(
    images: Tensor, xy: Tensor, titles: Sequence[str] | None = None, aims: Tensor | None = None, columns: int = 4
) -> LessonFigure:
    """Show images with numbered points, each in a colour of its own; a ring stands where a point should be.

    Args:
        images: (B, C, H, W) with 1 or 3 channels in [0, 1].
        xy: (B, P, 2) points in [-1, 1], at most ten; the same number is the same point in every image.
        titles: B words, one above each image.
        aims: (B, P, 2) where the points should be: rings, each joined to its point.
        columns: the most images in a row.

    Returns:
        The figure, one panel an image.

    Example:
        >>> figure = marked_images(torch.zeros(2, 1, 8, 8), torch.zeros(2, 3, 2))
        >>> len(figure.axes[0].collections)
        1
    """
    figure, colors = image_grid(images, titles, columns, width=2.5), PALETTE[: xy.shape[1]]
    for panel, points, rings in zip(figure.axes, xy, [None] * len(xy) if aims is None else aims, strict=True):
        if rings is not None:
            panel.join(rings, points, colors, linewidth=1.2, linestyle=":")
            panel.mark(rings, s=80, facecolors="none", edgecolors=colors, linewidths=1.5)
        panel.mark(points, s=26, c=colors, edgecolors="white", linewidths=0.8, zorder=3)
        panel.number(points, size=9)
    figure.tell(f"On each image {counted(xy.shape[1], 'numbered point')}.")
    if aims is not None:
        pixels = (to_array(xy) - to_array(aims)) / 2 * [images.shape[3], images.shape[2]]
        away = (pixels**2).sum(axis=2) ** 0.5
        far = f"{number(away.mean())} pixels on average, {number(away.max())} at most"
        figure.tell(f"Rings show where the points should be; these are off by {far}.")
    return figure


def _name_rows(figure: LessonFigure, names: Sequence[str]) -> None:
    """Write a name at the left of each row, and tell the rows' names."""
    figure.set_figwidth(figure.get_figwidth() + 0.085 * max(len(line) for name in names for line in name.split("\n")))
    for name, panel in zip(names, figure.axes[:: len(figure.axes) // len(names)], strict=True):
        panel.text(-0.06, 0.5, name, transform=panel.transAxes, ha="right", va="center", fontsize=9)
    if any(names):
        figure.tell(f"From top to bottom, {'the row is' if len(names) == 1 else 'the rows are'}: {listed(names)}.")
