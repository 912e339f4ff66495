"""Two things in one image: landmarks between them, maps with two humps, and landmarks that stray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scipy.ndimage import gaussian_filter
from scipy.signal import find_peaks
from torch import Tensor

from tusklite.course.figures import PALETTE, LessonFigure, Panel, panel_grid, styled, to_array
from tusklite.course.figures.words import course, listed, number


@styled
def humps(images: Tensor, maps: Tensor, xy: Tensor, titles: Sequence[str]) -> LessonFigure:
    """Show images under one probability map each; below, how much of it lies at each x, and where its mean is.

    The maps are blurred a little over the images, so that single pixels can be seen; the bars below are as they are.

    Args:
        images: (B, C, H, W) with 1 or 3 channels in [0, 1].
        maps: (B, h, w) probability maps, at least 0, each summing to 1.
        xy: (B, 2) their means in [-1, 1].
        titles: B words, one above each image.

    Returns:
        The figure: a panel for each image, then one below each.

    Example:
        >>> import torch
        >>> figure = humps(torch.zeros(2, 1, 8, 16), torch.full((2, 4, 8), 1 / 32), torch.zeros(2, 2), ["a", "b"])
        >>> len(figure.axes)
        4
    """
    count, (height, width), across = len(images), images.shape[2:], maps.shape[2]
    tall, low = 0.94 * 2.5 * height / width, 0.8  # inches
    figure = panel_grid(2 * count, count, 2.5, 1.0)
    figure.set_figheight(tall + low + 0.75)  # and room for the words
    figure.axes[0].get_gridspec().set_height_ratios([tall, low])
    by_x = to_array(maps.sum(dim=1))  # (B, w)
    centres = [(place + 0.5) / across * width for place in range(across)]
    for column, (above, below) in enumerate(zip(figure.axes[:count], figure.axes[count:], strict=True)):
        above.show(images[column], interpolation="auto")
        glow(above, maps[column])
        above.cross(xy[column], s=90, linewidths=2)
        above.set_title(titles[column], pad=4)
        below.fill_between(centres, by_x[column], color=PALETTE[1], linewidth=0, step="mid")
        below.axvline(above.place(xy[column])[0], color=PALETTE[0], linewidth=1.6)
        below.set(xlim=(0, width), ylim=(0, 1.1 * by_x.max()), xlabel="x in pixels", yticks=[])
    first = figure.axes[count]
    first.set_ylabel("probability")
    word = {"color": PALETTE[0], "fontsize": 8, "ha": "right", "va": "top", "transform": first.transAxes}
    first.text(0.98, 0.95, "line: the mean", **word)
    for title, row, panel, place in zip(titles, by_x, figure.axes, xy, strict=False):
        tops, found = find_peaks([0, *row, 0], prominence=row.max() / 4)
        highest = sorted(tops[found["prominences"].argsort()[::-1][:2]] - 1)
        figure.tell(
            f"“{title}”: the probability summed by x is highest at {listed(number(centres[at]) for at in highest)} "
            f"pixels; its mean, a line below and a cross in the image, is at {number(panel.place(place)[0])}."
        )
    return figure


@styled
def fading_in(ink: Tensor, distances: Mapping[str, Tensor]) -> LessonFigure:
    """Plot how far landmarks stray while a second thing fades in: a panel a name, some of them thin, their mean thick.

    Args:
        ink: (T,) brightness of the second thing.
        distances: for each name (T, N): N landmarks' distances in pixels to the nearer thing's own landmark.

    Returns:
        The figure, one panel a name.

    Example:
        >>> import torch
        >>> len(fading_in(torch.linspace(0, 1, 3), {"same": torch.rand(3, 5), "other": torch.rand(3, 5)}).axes)
        2
    """
    figure = panel_grid(len(distances), width=3.6, height=2.7)
    for panel, (name, values) in zip(figure.axes, distances.items(), strict=True):
        some = values[:, :: max(1, values.shape[1] // 12)][:, :12]
        panel.plot(ink, some, color=PALETTE[4], linewidth=0.7)
        panel.plot(ink, values.mean(dim=1), color=PALETTE[5], linewidth=2.2, label="mean of all")
        panel.set(xlabel="brightness of the second digit", xlim=(0, 1), ylim=(0, None))
        panel.set_title(name, loc="left")
    figure.axes[0].set_ylabel("pixels to the nearer digit's own")
    figure.axes[0].legend(loc="upper left")
    top = max(panel.get_ylim()[1] for panel in figure.axes)
    for panel in figure.axes:
        panel.set_ylim(0, top)
    said = [f"“{name}”: the mean runs {course(ink, values.mean(dim=1))}" for name, values in distances.items()]
    figure.tell(
        "Pixels from landmarks to the nearer digit's own over the brightness of a second digit, thin lines for some "
        f"landmarks and a thick one for the mean. {'; '.join(said)}."
    )
    return figure


def glow(panel: Panel, probs: Tensor) -> None:
    """Lay a map (h, w) over a panel's image, blurred a little and relative to its highest value.

    Example:
        >>> import torch
        >>> from tusklite.course.figures import image_grid
        >>> figure = image_grid(torch.zeros(1, 1, 8, 8))
        >>> glow(figure.axes[0], torch.rand(4, 4))
        >>> len(figure.axes[0].images)
        2
    """
    blurred = gaussian_filter(to_array(probs), sigma=0.8)
    share = blurred / (blurred.max() or 1.0)
    panel.imshow(share, cmap="inferno", vmin=0, vmax=1, alpha=share**0.5, extent=panel.images[0].get_extent())
