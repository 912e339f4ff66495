"""Prototypes: who is nearest to which, how sure the soft-min is, and which prototypes are used."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from torch import Tensor

from tusklite.arguments import require_integer, require_number, require_tensor
from tusklite.course.figures.canvas import PALETTE, QUIET, LessonFigure, panel_grid, require_words, styled, to_array
from tusklite.metrics.labels import require_labels

HALO = [withStroke(linewidth=4.5, foreground="white")]


@styled
def prototype_panels(
    clouds: Sequence[Tensor],
    prototypes: Sequence[Tensor],
    titles: Sequence[str],
    columns: int = 4,
    on_circle: bool = False,
) -> Figure:
    """Draw clouds in the plane, each point in the colour of its nearest prototype.

    A prototype is a cross, black where it wins a point and grey where it wins none.

    Args:
        clouds: for each panel `(N, 2)` points.
        prototypes: for each panel `(M, 2)`, M at most 10.
        titles: as many words, one above each panel.
        columns: panels in a row, at least 1.
        on_circle: also draw the unit circle, and inside it how many points each prototype wins.

    Returns:
        The figure, one axes a panel; all show the same part of the plane.

    Raises:
        TypeError, ValueError: another type, shape, number of clouds, prototypes or titles.

    Example:
        >>> cloud = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
        >>> panel = prototype_panels([cloud], [torch.eye(2)], ["two points"]).axes[0]
        >>> panel.get_title()
        'two points'
    """
    if not len(clouds) or len(clouds) != len(prototypes):
        raise ValueError(
            f"clouds, prototypes: {len(clouds)} and {len(prototypes)} were given; allowed is one of each for a panel"
        )
    words = require_words("titles", titles, len(clouds))
    pairs = [
        (to_array(require_tensor("clouds", cloud, ("N", 2))), _at_most_ten(prototype, 2))
        for cloud, prototype in zip(clouds, prototypes, strict=True)
    ]
    everything = np.concatenate([part for pair in pairs for part in pair])
    if on_circle:
        everything = np.concatenate([everything, [[-1, -1], [1, 1]]])
    low, high = everything.min(axis=0), everything.max(axis=0)
    margin = 0.08 * max(high - low) or 1.0
    figure, panels = panel_grid(len(pairs), columns, width=2.15, height=2.4)
    for panel, (cloud, crosses), word in zip(panels, pairs, words, strict=True):
        if on_circle:
            turn = np.linspace(0, 2 * math.pi, 181)
            panel.plot(np.cos(turn), np.sin(turn), color=QUIET, linewidth=0.7, alpha=0.6)
        nearest = np.linalg.norm(cloud[:, None] - crosses, axis=2).argmin(axis=1)
        panel.scatter(
            *cloud.T, s=22 if on_circle else 16, c=[PALETTE[one] for one in nearest], alpha=0.75, linewidths=0
        )
        won = np.bincount(nearest, minlength=len(crosses))
        _draw_crosses(panel, crosses, won > 0)
        if on_circle:
            for number, place in zip(won[won > 0], crosses[won > 0], strict=True):
                panel.text(*(0.72 * place), str(number), ha="center", va="center", fontsize=8)
        panel.set(aspect="equal", xticks=[], yticks=[])
        panel.set(xlim=(low[0] - margin, high[0] + margin), ylim=(low[1] - margin, high[1] + margin))
        panel.spines[:].set_visible(False)
        panel.set_title(word, pad=4)
    return figure


@styled
def softmin_field(
    descriptors: Tensor, prototypes: Tensor, inverse_temperature: float = 1.0, squared: bool = False
) -> Figure:
    """Show what the soft-min of distances says all over the plane, where it pulls, and how sure it is of each point.

    Args:
        descriptors: `(N, 2)`; from each an arrow points downhill on its own -log of the largest probability. All arrows
            of a picture are drawn on one scale, the longest always as long.
        prototypes: `(M, 2)`, M from 2 to 10.
        inverse_temperature: multiplies the distances, above 0.
        squared: squared distances.

    Returns:
        The figure: the plane, shaded by the largest probability, and a histogram of it over the descriptors.

    Raises:
        TypeError, ValueError: another type, shape or range.

    Example:
        >>> figure = softmin_field(torch.rand(9, 2), torch.eye(2), inverse_temperature=3.0)
        >>> len(figure.axes)
        3
    """
    points = to_array(require_tensor("descriptors", descriptors, ("N", 2)))
    crosses = _at_most_ten(prototypes, 2)
    require_number("inverse_temperature", inverse_temperature, open_low=True)
    if len(crosses) < 2:
        raise ValueError("prototypes: 1 was given; allowed are 2 to 10")
    together = np.concatenate([points, crosses])
    low, high = together.min(axis=0), together.max(axis=0)
    margin = 0.15 * max(high - low) or 1.0
    spans = [np.linspace(low[axis] - margin, high[axis] + margin, 140) for axis in (0, 1)]
    grid = np.stack(np.meshgrid(*spans), axis=-1)  # (140, 140, 2)

    figure = LessonFigure(figsize=(8.4, 3.8), layout="constrained")
    plane, bars = figure.subplots(1, 2, width_ratios=(1.25, 1))
    bars.tick_params(which="both", labelsize=8, color=QUIET)
    surest = _probabilities(grid, crosses, inverse_temperature, squared).max(axis=-1)
    limits = {"vmin": 1 / len(crosses), "vmax": 1}
    shade = plane.pcolormesh(*spans, surest, cmap="Greys", shading="nearest", alpha=0.7, rasterized=True, **limits)
    color_bar = figure.colorbar(shade, ax=plane, shrink=0.8, pad=0.02)
    color_bar.set_label("largest probability", fontsize=8)
    color_bar.ax.tick_params(labelsize=8)
    nearest = np.linalg.norm(points[:, None] - crosses, axis=2).argmin(axis=1)
    pulls = _pulls(points, crosses, inverse_temperature, squared)
    longest = np.linalg.norm(pulls, axis=1).max()
    if longest > 0:
        arrows = {"angles": "xy", "scale_units": "xy", "width": 0.005, "zorder": 3}
        length = 0.12 * max(high - low)
        plane.quiver(*points.T, *pulls.T, color="#B34700", scale=longest / length, **arrows)
    plane.scatter(*points.T, s=14, c=[PALETTE[one] for one in nearest], edgecolors="white", linewidths=0.4, zorder=4)
    _draw_crosses(plane, crosses, np.ones(len(crosses), dtype=bool))
    plane.set(aspect="equal", xticks=[], yticks=[])
    plane.set_title(
        f"inverse temperature {inverse_temperature:.3g}, {'squared distances' if squared else 'distances'}", pad=4
    )

    largest = _probabilities(points, crosses, inverse_temperature, squared).max(axis=-1)
    bars.hist(largest, bins=np.linspace(0, 1, 26), color=PALETTE[0])
    bars.axvline(1 / len(crosses), color=QUIET, linestyle=":", linewidth=1.2)
    room = bars.get_xaxis_transform()
    bars.text(1 / len(crosses) - 0.02, 0.97, "all equal", rotation=90, va="top", ha="right", transform=room, fontsize=8)
    bars.set(xlim=(0, 1), xlabel="largest probability of a descriptor", ylabel="descriptors")
    bars.set_title(f"loss {-np.log(largest).mean():.3f}, at most ln {len(crosses)} = {math.log(len(crosses)):.3f}")
    return figure


@styled
def prototype_shares(assignments: Mapping[str, Tensor], count: int, notes: Sequence[str] = ()) -> Figure:
    """Draw a bar a clustering, cut into the shares that its prototypes win, the largest first.

    Args:
        assignments: by name, (N,) integers from 0 to `count` - 1, the prototype of each sample.
        count: M, the number of prototypes, at least 1.
        notes: words at the right of each bar; none at all, or one a bar.

    Returns:
        The figure, one axes. A dotted line stands where the largest share would end if all were equal.

    Raises:
        TypeError, ValueError: another type, shape or range, no clustering, or another number of notes.

    Example:
        >>> figure = prototype_shares({"one for all": torch.zeros(5, dtype=torch.int64)}, 3, ["1 used"])
        >>> len(figure.axes[0].patches)
        1
    """
    require_integer("count", count, low=1)
    if not assignments:
        raise ValueError("assignments: none was given; allowed is at least one")
    words = require_words("notes", notes, len(assignments)) if notes else [""] * len(assignments)
    figure, (panel,) = panel_grid(1, 1, width=7.6, height=0.42 * len(assignments) + 0.75)
    for row, (assignment, word) in enumerate(zip(assignments.values(), words, strict=True)):
        labels = require_labels("assignments", assignment, ("N",), span=range(count))
        if not len(labels):
            raise ValueError("assignments: shape (0,) was given; allowed is at least one sample")
        shares = (torch.bincount(labels, minlength=count).double() / len(labels)).sort(descending=True).values
        start = 0.0
        for place, share in enumerate(shares[shares > 0].tolist()):
            color = PALETTE[place % len(PALETTE)]
            panel.barh(row, share, left=start, height=0.66, color=color, edgecolor="white", linewidth=1.2)
            start += share
        panel.text(1.02, row, word, va="center", fontsize=8)
    panel.axvline(1 / count, color=QUIET, linestyle=":", linewidth=1.2, zorder=0)
    panel.set(xlim=(0, 1.0), xlabel="share of the descriptors, largest prototype first", ylim=(len(words) - 0.5, -0.5))
    panel.set_yticks(range(len(words)), list(assignments))
    panel.tick_params(axis="y", length=0)
    panel.spines["left"].set_visible(False)
    return figure


def _at_most_ten(prototypes: Tensor, channels: int) -> np.ndarray:
    """The prototypes as an array, as many as the palette has colours. (M, channels)"""
    crosses = to_array(require_tensor("prototypes", prototypes, ("M", channels)))
    if len(crosses) > len(PALETTE):
        raise ValueError(f"prototypes: {len(crosses)} were given; allowed are at most {len(PALETTE)}, one a colour")
    return crosses


def _draw_crosses(panel: object, crosses: np.ndarray, used: np.ndarray) -> None:
    look = {"marker": "x", "s": 60, "linewidths": 2.2, "path_effects": HALO, "zorder": 5}
    for chosen, color in ((used, "black"), (~used, "#999999")):
        panel.scatter(*crosses[chosen].T, color=color, **look)


def _distances(points: np.ndarray, crosses: np.ndarray, inverse_temperature: float, squared: bool) -> np.ndarray:
    distance = np.linalg.norm(points[..., None, :] - crosses, axis=-1)
    return inverse_temperature * (distance**2 if squared else distance)


def _probabilities(points: np.ndarray, crosses: np.ndarray, inverse_temperature: float, squared: bool) -> np.ndarray:
    """The soft-min of the distances. (..., M)"""
    distance = _distances(points, crosses, inverse_temperature, squared)
    weights = np.exp(distance.min(axis=-1, keepdims=True) - distance)
    return weights / weights.sum(axis=-1, keepdims=True)


def _pulls(points: np.ndarray, crosses: np.ndarray, inverse_temperature: float, squared: bool) -> np.ndarray:
    """Downhill on -log of the largest probability, by hand: to the nearest, away from the mean of all. (N, 2)"""
    away = points[:, None] - crosses  # (N, M, 2)
    length = np.linalg.norm(away, axis=2, keepdims=True)
    slopes = inverse_temperature * (2 * away if squared else away / np.maximum(length, 1e-12))
    probability = _probabilities(points, crosses, inverse_temperature, squared)
    nearest = slopes[np.arange(len(points)), probability.argmax(axis=1)]
    return (probability[..., None] * slopes).sum(axis=1) - nearest
