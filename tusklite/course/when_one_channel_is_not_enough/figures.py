"""Several things in one image: landmarks between two digits, maps with two humps, and where each channel fires."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from scipy.ndimage import gaussian_filter
from torch import Tensor

from tusklite.arguments import require_integer, require_number, require_tensor
from tusklite.course.figures.canvas import PALETTE, QUIET, panel_grid, require_words, styled, to_array
from tusklite.course.figures.scenes import image_grid

HALO = withStroke(linewidth=3.5, foreground="black")


@styled
def landmarks_between(
    images: Tensor, xy: Tensor, own: Tensor, titles: Sequence[str] | None = None, columns: int = 3
) -> Figure:
    """Show where landmarks are found in images of two things, and where each thing alone has them.

    Args:
        images: (B, C, H, W) with 1 or 3 channels in [0, 1].
        xy: (B, K, 2) landmarks in [-1, 1], at most ten: dots, each landmark in a colour of its own.
        own: (B, 2, K, 2) the same landmarks on each of the two things alone: rings, a line joining each pair.
        titles: B words, one above each image.
        columns: the most images in a row, at least 1.

    Returns:
        The figure, one axes an image.

    Raises:
        TypeError, ValueError: another type, shape or number of titles, or more than ten landmarks.

    Example:
        >>> import torch
        >>> own = torch.tensor([[[[-0.5, 0.0]], [[0.5, 0.0]]]])
        >>> figure = landmarks_between(torch.zeros(1, 1, 8, 16), torch.zeros(1, 1, 2), own)
        >>> len(figure.axes[0].lines)
        1
    """
    batch, count, _ = require_tensor("xy", xy, ("B", "K", 2)).shape
    require_tensor("own", own, (batch, 2, count, 2))
    if count > len(PALETTE):
        raise ValueError(f"xy: {count} landmarks were given; allowed are at most {len(PALETTE)}")
    require_tensor("images", images, (batch, "C", "H", "W"))
    figure, panels = image_grid(images, columns, width=3.0, titles=titles)
    size, colors = (images.shape[-1], images.shape[-2]), PALETTE[:count]
    dots, rings = (to_array(points + 1) / 2 * size for points in (xy, own))
    for panel, found, (first, second) in zip(panels, dots, rings, strict=True):
        for start, end, color in zip(first, second, colors, strict=True):
            panel.plot(*zip(start, end, strict=True), color=color, linewidth=1.0, linestyle=":")
        for ring in (first, second):
            panel.scatter(*ring.T, s=60, facecolors="none", edgecolors=colors, linewidths=1.5)
        panel.scatter(*found.T, s=34, c=colors, edgecolors="white", linewidths=0.9, zorder=3)
        panel.set(xlim=(0, size[0]), ylim=(size[1], 0))
    handles = [
        Line2D([], [], color=QUIET, marker="o", markerfacecolor="none", linestyle=":", label="on each digit alone"),
        Line2D([], [], color=QUIET, marker="o", linestyle="", label="found with both digits in the image"),
    ]
    figure.set_figheight(figure.get_figheight() + 0.3)  # room for the legend
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


@styled
def humps(images: Tensor, maps: Tensor, xy: Tensor, titles: Sequence[str] | None = None) -> Figure:
    """Show images under one probability map each; below, how much of it lies at each x, and where its mean is.

    The maps are blurred a little over the images, so that single pixels can be seen; the bars below are as they are.

    Args:
        images: (B, C, H, W) with 1 or 3 channels in [0, 1].
        maps: (B, 1, h, w) probability maps, at least 0, each summing to 1.
        xy: (B, 1, 2) their means in [-1, 1].
        titles: B words, one above each image.

    Returns:
        The figure: an axes for each image, then one below each.

    Raises:
        TypeError, ValueError: another type, shape or number of titles, or negative maps.

    Example:
        >>> import torch
        >>> figure = humps(torch.zeros(2, 1, 8, 16), torch.full((2, 1, 4, 8), 1 / 32), torch.zeros(2, 1, 2))
        >>> len(figure.axes)
        4
    """
    batch, _, height, width = require_tensor("images", images, ("B", "C", "H", "W")).shape
    across = require_tensor("maps", maps, (batch, 1, "h", "w")).shape[-1]
    require_tensor("xy", xy, (batch, 1, 2))
    if maps.min() < 0:
        raise ValueError(f"maps: {float(maps.min()):g} was given; allowed are numbers of at least 0")
    words = require_words("titles", [""] * batch if titles is None else titles, batch)
    inches, low = 2.5, 0.8
    tall = 0.94 * inches * height / width
    figure, panels = panel_grid(2 * batch, batch, inches, 1.0)
    figure.set_figheight(tall + low + 0.75)  # and room for the words
    figure.axes[0].get_gridspec().set_height_ratios([tall, low])
    top = float(maps.sum(dim=2).max())
    centres = (to_array(maps.new_tensor(range(across))) + 0.5) / across * width
    for column, word in enumerate(words):
        above, below = panels[column], panels[batch + column]
        picture, values = to_array(images[column].clamp(0, 1)), to_array(maps[column, 0])
        picture = picture[0] if len(picture) == 1 else picture.transpose(1, 2, 0)
        above.imshow(picture, cmap="gray", vmin=0, vmax=1, extent=(0, width, height, 0))
        _glow(above, values, (width, height))
        x, y = (to_array(xy[column, 0]) + 1) / 2 * (width, height)
        above.scatter(x, y, marker="+", s=90, color=PALETTE[4], linewidths=2, path_effects=[HALO])
        above.set_title(word, pad=4)
        above.set_axis_off()
        below.fill_between(centres, values.sum(axis=0), color=PALETTE[1], linewidth=0, step="mid")
        below.axvline(x, color=PALETTE[0], linewidth=1.6)
        below.set(xlim=(0, width), ylim=(0, 1.1 * top), xlabel="x in pixels")
        below.set_ylabel("probability" if column == 0 else "")
        below.set_yticks([])
    panels[batch].text(
        0.98,
        0.95,
        "line: the mean",
        color=PALETTE[0],
        fontsize=8,
        ha="right",
        va="top",
        transform=panels[batch].transAxes,
    )
    return figure


@styled
def fading_in(ink: Tensor, distances: Mapping[str, Tensor], shown: int = 12) -> Figure:
    """Plot how far landmarks stray while a second thing fades in: a panel a name, some of them thin, their mean thick.

    Args:
        ink: (T,) brightness of the second thing.
        distances: for each name (T, N): N landmarks' distances in pixels to the nearer thing's own landmark.
        shown: how many single landmarks to draw.

    Returns:
        The figure, one axes a name.

    Raises:
        TypeError, ValueError: nothing to draw, or another type, shape or range than above.

    Example:
        >>> import torch
        >>> len(fading_in(torch.linspace(0, 1, 3), {"same": torch.rand(3, 5), "other": torch.rand(3, 5)}).axes)
        2
    """
    if not distances:
        raise ValueError(f"distances: {distances!r} was given; allowed is at least one name")
    require_tensor("ink", ink, ("T",))
    require_integer("shown", shown, low=0)
    figure, panels = panel_grid(len(distances), len(distances), 3.6, 2.7)
    for panel, (name, values) in zip(panels, distances.items(), strict=True):
        require_tensor(name, values, (len(ink), "N"))
        some = values[:, :: max(1, values.shape[1] // max(1, shown))][:, :shown]
        panel.plot(to_array(ink), to_array(some), color=PALETTE[4], linewidth=0.7)
        panel.plot(to_array(ink), to_array(values.mean(dim=1)), color=PALETTE[5], linewidth=2.2, label="mean of all")
        panel.set(xlabel="brightness of the second digit", xlim=(0, 1), ylim=(0, None))
        panel.set_title(name, loc="left")
    panels[0].set_ylabel("pixels to the nearer digit's own")
    panels[0].legend(loc="upper left")
    top = max(panel.get_ylim()[1] for panel in panels)
    for panel in panels:
        panel.set_ylim(0, top)
    return figure


@styled
def channel_maps(image: Tensor, probs: Tensor, xy: Tensor, columns: int = 5) -> Figure:
    """Lay each channel's probability map over a dimmed image, with a cross at its mean.

    Each map is shown relative to its highest value, blurred a little so that single pixels can be seen.

    Args:
        image: (C, H, W) with 1 or 3 channels in [0, 1].
        probs: (K, h, w) one map a channel, at least 0.
        xy: (K, 2) their means in [-1, 1].
        columns: the most panels in a row, at least 1.

    Returns:
        The figure, one axes a channel.

    Raises:
        TypeError, ValueError: another type, shape or range than above.

    Example:
        >>> import torch
        >>> len(channel_maps(torch.zeros(1, 8, 8), torch.rand(4, 4, 4), torch.zeros(4, 2)).axes)
        4
    """
    require_tensor("image", image, ("C", "H", "W"))
    count = len(require_tensor("probs", probs, ("K", "h", "w")))
    require_tensor("xy", xy, (count, 2))
    if probs.min() < 0:
        raise ValueError(f"probs: {float(probs.min()):g} was given; allowed are numbers of at least 0")
    height, width = image.shape[-2:]
    titles = [f"channel {number}" for number in range(1, count + 1)]
    figure, panels = image_grid(0.45 * image.expand(count, -1, -1, -1), columns, width=1.75, titles=titles)
    points = (to_array(xy) + 1) / 2 * (width, height)
    for panel, values, point in zip(panels, to_array(probs), points, strict=True):
        _glow(panel, values, (width, height))
        panel.scatter(*point, marker="+", s=80, color=PALETTE[4], linewidths=2, path_effects=[HALO])
    return figure


@styled
def firing_places(xy: Tensor, titles: Sequence[str] | None = None, columns: int = 5, mark: float = 6.0) -> Figure:
    """Scatter where each channel puts its point over many images: a panel a channel, all others' points faint behind.

    Args:
        xy: (S, K, 2) points in [-1, 1] of S images.
        titles: K words, one above each panel.
        columns: the most panels in a row, at least 1.
        mark: area of a dot in square points, above 0.

    Returns:
        The figure, one axes a channel, y downwards as in images.

    Raises:
        TypeError, ValueError: another type, shape or number of titles.

    Example:
        >>> import torch
        >>> len(firing_places(torch.zeros(20, 9, 2)).axes)
        9
    """
    count = require_tensor("xy", xy, ("S", "K", 2)).shape[1]
    require_number("mark", mark, open_low=True)
    words = require_words(
        "titles", [f"channel {number}" for number in range(1, count + 1)] if titles is None else titles, count
    )
    figure, panels = panel_grid(count, columns, 1.75, 1.95)
    points = to_array(xy)
    for channel, (panel, word) in enumerate(zip(panels, words, strict=True)):
        panel.scatter(*points.reshape(-1, 2).T, s=mark / 3, color="#DDDDDD", linewidths=0)
        panel.scatter(*points[:, channel].T, s=mark, color=PALETTE[0], linewidths=0, alpha=0.7)
        panel.set(xlim=(-1, 1), ylim=(1, -1), xticks=[], yticks=[], aspect="equal")
        panel.spines[:].set_visible(True)
        panel.set_title(word, pad=3)
    return figure


@styled
def localization_bars(shares: Mapping[str, float], standing_out: int = 1) -> Figure:
    """Compare by one share: a bar a name, the first ones in colour.

    Args:
        shares: for each name a share in [0, 1].
        standing_out: how many of the first bars are in colour.

    Returns:
        The figure, one axes.

    Raises:
        TypeError, ValueError: nothing to compare, or a share out of range.

    Example:
        >>> len(localization_bars({"one heatmap": 0.98, "nine channels": 0.2}).axes[0].patches)
        2
    """
    if not shares:
        raise ValueError(f"shares: {shares!r} was given; allowed is at least one name")
    require_integer("standing_out", standing_out, low=0)
    values = [require_number(name, share, high=1.0) for name, share in shares.items()]
    figure, (panel,) = panel_grid(1, 1, 6.4, 0.34 * len(values) + 0.4)
    colors = [PALETTE[0] if row < standing_out else "#BBBBBB" for row in range(len(values))]
    bars = panel.barh(range(len(values)), values, height=0.7, color=colors)
    panel.bar_label(bars, [f"{100 * value:.1f}%" for value in values], padding=4)
    panel.set(xlim=(0, 1.12), xticks=[])
    panel.set_yticks(range(len(values)), list(shares))
    panel.invert_yaxis()
    panel.tick_params(length=0)
    panel.spines[["left", "bottom"]].set_visible(False)
    panel.set_title("digits found", loc="left")
    return figure


def _glow(panel: Axes, values: np.ndarray, size: tuple[int, int]) -> None:
    """Lay a map (h, w) over an image of `size` (W, H) in pixels, blurred a little and relative to its highest value."""
    blurred = gaussian_filter(values, sigma=0.8)
    share = blurred / (blurred.max() or 1.0)
    panel.imshow(share, cmap="inferno", vmin=0, vmax=1, alpha=share**0.5, extent=(0, size[0], size[1], 0))
