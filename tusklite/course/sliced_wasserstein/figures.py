"""Transport: who goes to whom on a line and in the plane, shadows of two clouds on a wall, clouds that flow."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.collections import LineCollection
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator
from torch import Tensor

from tusklite.course.figures import PALE, PALETTE, QUIET, LessonFigure, panel_grid, styled, to_array
from tusklite.course.figures.clusters import name_classes, number_prototypes
from tusklite.course.figures.words import counted, listed, number
from tusklite.losses import sliced_wasserstein

ONE, OTHER = PALETTE[0], PALETTE[1]  # the colours of the two clouds, x and y
RAILS = (1.1, 1.35)  # how far from the centre the shadows of x and of y fall, in radii of the clouds
HALO = [withStroke(linewidth=3.5, foreground="white")]


@styled
def projected_pairs(x: Tensor, y: Tensor, angle: float) -> LessonFigure:
    """Show the shadows of two clouds on a wall, their sorted pairs, and how far apart they are in all directions.

    Args:
        x: (N, 2) one cloud.
        y: (N, 2) the other, of as many points.
        angle: of the direction, in degrees from 0 to 180, anticlockwise from the x axis.

    Returns:
        The figure: the clouds and the wall on the left; on the right the squared distance by the angle.

    Example:
        >>> x = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
        >>> figure = projected_pairs(x, x + torch.tensor([1.0, 0.0]), angle=0)
        >>> figure.axes[0].get_title()
        'squared distance along 0°: 1.000'
    """

    def distance(degrees: float) -> float:
        return float(sliced_wasserstein(x, y, torch.from_numpy(_direction(degrees)).to(x)[None]))

    turns = np.arange(181)
    by_angle, here = [distance(turn) for turn in turns], distance(angle)
    along, across = _direction(angle), _direction(angle + 90)
    clouds = [to_array(cloud) for cloud in (x, y)]
    centre = np.concatenate(clouds).mean(axis=0)
    radius = max(np.linalg.norm(cloud - centre, axis=1).max() for cloud in clouds) or 1.0
    figure = panel_grid(2, width=4.1, height=3.9, width_ratios=(1, 1.1))
    (plane, curve), shadows = figure.axes, []
    for cloud, color, mark, rail, name in zip(clouds, (ONE, OTHER), "os", RAILS, "xy", strict=True):
        wall = centre - rail * radius * across
        feet = wall + np.outer((cloud - centre) @ along, along)
        rays = list(zip(cloud, feet, strict=True))
        plane.add_collection(LineCollection(rays, colors=color, linewidths=0.5, alpha=0.25))
        plane.plot(*(wall + radius * np.outer((-1, 1), along)).T, color=color, linewidth=0.8)
        plane.scatter(*cloud.T, s=18, c=color, marker=mark, linewidths=0, label=name)
        plane.scatter(*feet.T, s=9, c=color, marker=mark, linewidths=0, zorder=3)
        shadows.append(feet[np.argsort(feet @ along, kind="stable")])
    plane.add_collection(LineCollection(list(zip(*shadows, strict=True)), colors=QUIET, linewidths=0.7))
    low, high = centre - 1.7 * radius, centre + 1.7 * radius
    plane.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal", xticks=[], yticks=[])
    plane.set_title(f"squared distance along {angle:g}°: {here:.3f}")
    plane.spines[:].set_visible(False)
    plane.legend(loc="upper left", handletextpad=0.1)

    mean = float(np.mean(by_angle[:-1]))
    curve.plot(turns, by_angle, color=PALETTE[2], linewidth=2)
    curve.axhline(mean, color=QUIET, linewidth=1, linestyle="--", label=f"mean over all angles: {mean:.3f}")
    curve.plot([angle], [here], "o", color=PALETTE[5], markersize=9, clip_on=False)
    curve.set(xlabel="angle of the direction, degrees", ylabel="squared distance", xticks=range(0, 181, 45))
    curve.set(xlim=(0, 180), ylim=(0, 1.25 * max(*by_angle, 1e-12)))
    curve.legend(loc="upper right")
    low, high = int(np.argmin(by_angle)), int(np.argmax(by_angle))
    figure.tell(
        f"Two clouds of {counted(len(clouds[0]), 'point')}, dots and squares, with their shadows on two parallel walls "
        f"at {angle:g} degrees, joined from smallest to smallest: squared distance {here:.3f}. Beside it the distance "
        f"by the angle, lowest {number(by_angle[low])} at {low} degrees, highest {number(by_angle[high])} at {high}, "
        f"mean {mean:.3f}."
    )
    return figure


@styled
def projection_errors(counts: Sequence[int], values: Tensor) -> LessonFigure:
    """Show how much an average over random directions differs from draw to draw.

    Args:
        counts: how many directions each average is over, at least 1 each.
        values: (counts, draws) the averages; at least two draws.

    Returns:
        The figure: mean and one standard deviation on the left; on the right that deviation in per cent of the mean,
        beside a line that falls with the square root.

    Example:
        >>> len(projection_errors([1, 10], torch.tensor([[1.0, 3.0], [1.9, 2.1]])).axes)
        2
    """
    values = to_array(values)
    mean, deviation = values.mean(axis=1), values.std(axis=1, ddof=1)
    figure = panel_grid(2, width=3.9, height=2.9)
    left, right = figure.axes
    left.errorbar(counts, mean, deviation, fmt="o", color=ONE, capsize=4, markersize=5)
    left.axhline(mean[-1], color=QUIET, linewidth=0.8, linestyle="--")
    left.set(xscale="log", xlabel="directions", ylabel="squared sliced distance")
    left.set_ylim(bottom=min(0.0, (mean - deviation).min() * 1.1))
    left.set_title(f"mean and standard deviation of {values.shape[1]} draws")
    percent = 100 * deviation / mean
    guide = percent[-1] * np.sqrt(counts[-1] / np.asarray(counts, dtype=float))
    right.plot(counts, guide, color=QUIET, linewidth=1, linestyle="--", label="falls with the square root")
    right.plot(counts, percent, "o-", color=ONE, markersize=5, label="measured")
    right.set(xscale="log", yscale="log", xlabel="directions", ylabel="deviation, % of the mean")
    right.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    for axis in (left.xaxis, right.xaxis, right.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
    right.set_title("ten times less error costs a hundred times more")
    right.legend()
    said = [f"{number(one)}% with {count}" for one, count in zip(percent, counts, strict=True)]
    figure.tell(
        f"Averages over random directions, {values.shape[1]} draws each, about {number(mean[-1])}. Their standard "
        f"deviation in percent of the mean, by the number of directions: {listed(said)}; a dashed line falls with "
        f"the square root."
    )
    return figure


@styled
def flow_strip(
    frames: Tensor,
    target: Tensor,
    titles: Sequence[str],
    labels: Tensor | None = None,
    crosses: bool = False,
    columns: int = 6,
) -> LessonFigure:
    """Show how a cloud moves onto another, as a strip of frames on the same axes.

    Args:
        frames: (T, N, 2) the cloud that moves, y downwards as in images.
        target: (L, 2) the cloud that stays.
        titles: T words, one above each frame.
        labels: (L,) integers from 0 to 9 that colour the target, each written where it is densest; None: all grey.
        crosses: draw the cloud that moves as large black crosses with numbers, as prototypes are, in place of dots.
        columns: the most frames in a row.

    Returns:
        The figure, one panel a frame.

    Example:
        >>> len(flow_strip(torch.rand(3, 5, 2), torch.rand(9, 2), ["start", "half-way", "end"]).axes)
        3
    """
    moving, still = to_array(frames), to_array(target)
    colors = PALE if labels is None else [PALETTE[kind] for kind in labels.tolist()]
    together = np.concatenate([moving.reshape(-1, 2), still])
    low, high = together.min(axis=0), together.max(axis=0)
    margin = 0.54 if labels is None else 0.6  # names stand a little outside
    middle, reach = (low + high) / 2, margin * max((high - low).max(), 1e-12)
    side = 9.0 / min(columns, len(moving))
    figure = panel_grid(len(moving), columns, width=side, height=side + 0.22)
    dot = {"s": 7, "c": ONE, "linewidths": 0}
    cross = {"s": 36, "marker": "x", "color": "black", "linewidths": 1.6, "path_effects": HALO}
    for panel, cloud, word in zip(figure.axes, moving, titles, strict=True):
        panel.scatter(*still.T, s=7, c=colors, linewidths=0)
        panel.scatter(*cloud.T, zorder=3, **(cross if crosses else dot))
        panel.set(xlim=(middle[0] - reach, middle[0] + reach), ylim=(middle[1] + reach, middle[1] - reach))
        panel.set(aspect="equal", xticks=[], yticks=[])
        panel.set_title(word, pad=4)
        panel.spines[:].set(visible=True, linewidth=0.5)
        if labels is not None:
            name_classes(panel, still, labels)
        if crosses:
            number_prototypes(panel, cloud)
    away = [number(np.linalg.norm(cloud[:, None] - still, axis=2).min(axis=1).mean()) for cloud in moving]
    kind = counted(moving.shape[1], "numbered cross" if crosses else "dot")
    said = listed((f"“{word}” {one}" for word, one in zip(titles, away, strict=True)), most=12)
    figure.tell(
        f"{kind} in {counted(len(moving), 'frame')}, moving over a cloud of {counted(len(still), 'point')} that stays. "
        f"Mean distance from a {'cross' if crosses else 'dot'} to the nearest point of the cloud: {said}."
    )
    return figure


def _direction(degrees: float) -> np.ndarray:
    """The unit vector at an angle."""
    return np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))])
