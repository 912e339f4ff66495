"""Transport: who goes to whom on a line and in the plane, shadows of two clouds on a wall, clouds that flow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator
from torch import Tensor

from tusklite.arguments import require_integer, require_number, require_tensor
from tusklite.course.figures.canvas import PALETTE, QUIET, LessonFigure, panel_grid, require_words, styled, to_array
from tusklite.losses import sliced_wasserstein
from tusklite.metrics.labels import require_labels

ONE, OTHER = PALETTE[0], PALETTE[1]  # the colours of the two clouds, x and y
RAILS = (1.1, 1.35)  # how far from the centre the shadows of x and of y fall, in radii of the clouds


@styled
def couplings(x: Tensor, y: Tensor, partners: Sequence[Tensor], titles: Sequence[str]) -> Figure:
    """Draw piles of numbers on two lines, and who is carried to whom.

    Args:
        x: (N,) the upper line.
        y: (L,) the lower one.
        partners: for each panel (N,) integers: x[i] is carried to y[partners[i]].
        titles: as many words, one above each panel.

    Returns:
        The figure, one axes a panel.

    Raises:
        TypeError, ValueError: no panels, another type, shape, number of titles, or a partner that y does not have.

    Example:
        >>> x, y = torch.tensor([0.0, 1.0]), torch.tensor([2.0, 3.0])
        >>> figure = couplings(x, y, [torch.tensor([1, 0]), torch.tensor([0, 1])], ["crossed", "sorted"])
        >>> len(figure.axes)
        2
    """
    upper = to_array(require_tensor("x", x, ("N",)))
    lower = to_array(require_tensor("y", y, ("L",)))
    words = require_words("titles", titles, len(_at_least_one("partners", partners)))
    figure, panels = panel_grid(len(words), 2, width=4.0, height=1.5)
    for panel, chosen, word in zip(panels, partners, words, strict=True):
        chosen = require_labels("partners", chosen, (len(upper),), span=range(len(lower))).numpy()
        paths = [[(start, 1), (end, 0)] for start, end in zip(upper, lower[chosen], strict=True)]
        panel.add_collection(LineCollection(paths, colors=QUIET, linewidths=1))
        for places, height, color, name in ((upper, 1, ONE, "x"), (lower, 0, OTHER, "y")):
            panel.axhline(height, color=color, linewidth=0.6, alpha=0.5)
            panel.scatter(places, np.full(len(places), height), s=42, c=color, edgecolors="white", zorder=3)
            panel.text(-0.01, height, name, transform=panel.get_yaxis_transform(), ha="right", va="center", color=color)
        panel.set(ylim=(-0.3, 1.3), yticks=[])
        panel.spines["left"].set_visible(False)
        panel.set_title(word, pad=4)
    return figure


@styled
def quantile_gap(x: Tensor, y: Tensor) -> Figure:
    """Draw two piles of numbers as staircases over the share of the pile, and what lies between them.

    Args:
        x: (N,) one pile.
        y: (L,) the other.

    Returns:
        The figure, one axes; dotted lines stand where either staircase has a step.

    Raises:
        TypeError, ValueError: another type or shape.

    Example:
        >>> len(quantile_gap(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0, 4.0])).axes)
        1
    """
    figure, (panel,) = panel_grid(1, 1, width=5.4, height=2.9)
    stairs = []
    for name, pile, color, line in (("x", x, ONE, "-"), ("y", y, OTHER, "--")):
        heights = to_array(require_tensor(name, pile, ("N",)).sort().values)
        share = np.linspace(0, 1, len(heights) + 1)
        label = f"{name}: {len(heights)} numbers, 1/{len(heights)} each"
        panel.stairs(heights, share, baseline=None, color=color, linewidth=2.2, linestyle=line, label=label)
        stairs.append((share, heights))
    breaks = np.unique(np.concatenate([share for share, _ in stairs]).round(12))
    middle = (breaks[1:] + breaks[:-1]) / 2
    low, high = (heights[np.searchsorted(share, middle) - 1] for share, heights in stairs)
    panel.stairs(high, breaks, baseline=low, fill=True, color=QUIET, alpha=0.25)
    for place in breaks[1:-1]:
        panel.axvline(place, color=QUIET, linewidth=0.8, linestyle=":")
    lowest, highest = (choose(float(heights[end]) for _, heights in stairs) for choose, end in ((min, 0), (max, -1)))
    room = 0.06 * max(highest - lowest, 1e-12)
    panel.set(ylim=(lowest - room, highest + room), xlim=(0, 1))
    panel.set(xlabel="share of the pile, smallest first", ylabel="the number there")
    panel.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return figure


@styled
def projected_pairs(x: Tensor, y: Tensor, angle: float) -> Figure:
    """Show the shadows of two clouds on a wall, their sorted pairs, and how far apart they are in all directions.

    Args:
        x: (N, 2) one cloud.
        y: (N, 2) the other, of as many points.
        angle: of the direction, in degrees from 0 to 180, anticlockwise from the x axis.

    Returns:
        The figure: the clouds and the wall on the left; on the right the squared distance by the angle.

    Raises:
        TypeError, ValueError: another type, shape or range.

    Example:
        >>> x = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
        >>> figure = projected_pairs(x, x + torch.tensor([1.0, 0.0]), angle=0)
        >>> figure.axes[0].get_title()
        'squared distance along 0°: 1.000'
    """
    require_tensor("x", x, ("N", 2))
    require_tensor("y", y, (len(x), 2))
    require_number("angle", angle, high=180.0)
    turns = torch.arange(0, 180.5, 1.0, dtype=torch.float64)
    by_angle = [float(sliced_wasserstein(x, y, _direction(turn).to(x)[None])) for turn in turns]
    here = float(sliced_wasserstein(x, y, _direction(angle).to(x)[None]))

    along, across = to_array(_direction(angle)), to_array(_direction(angle + 90))
    clouds = [to_array(cloud) for cloud in (x, y)]
    centre = np.concatenate(clouds).mean(axis=0)
    radius = max(np.linalg.norm(cloud - centre, axis=1).max() for cloud in clouds) or 1.0
    figure = LessonFigure(figsize=(8.2, 3.9), layout="constrained")
    plane, curve = figure.subplots(1, 2, width_ratios=(1, 1.1))
    for panel in (plane, curve):
        panel.tick_params(which="both", labelsize=8, color=QUIET)
    shadows = []
    for cloud, color, mark, rail, name in zip(clouds, (ONE, OTHER), "os", RAILS, "xy", strict=True):
        wall = centre - rail * radius * across
        feet = wall + ((cloud - centre) @ along)[:, None] * along
        rays = list(zip(cloud, feet, strict=True))
        plane.add_collection(LineCollection(rays, colors=color, linewidths=0.5, alpha=0.25))
        plane.plot(*(wall + radius * np.outer((-1, 1), along)).T, color=color, linewidth=0.8)
        plane.scatter(*cloud.T, s=18, c=color, marker=mark, linewidths=0, label=name)
        plane.scatter(*feet.T, s=9, c=color, marker=mark, linewidths=0, zorder=3)
        shadows.append(feet[np.argsort(feet @ along, kind="stable")])
    plane.add_collection(LineCollection(list(zip(*shadows, strict=True)), colors=QUIET, linewidths=0.7))
    reach = 1.7 * radius
    plane.set(xlim=(centre[0] - reach, centre[0] + reach), ylim=(centre[1] - reach, centre[1] + reach))
    plane.set(aspect="equal", xticks=[], yticks=[], title=f"squared distance along {angle:g}°: {here:.3f}")
    for spine in plane.spines.values():
        spine.set_visible(False)
    plane.legend(loc="upper left", handletextpad=0.1)
    mean = float(np.mean(by_angle[:-1]))
    curve.plot(to_array(turns), by_angle, color=PALETTE[2], linewidth=2)
    curve.axhline(mean, color=QUIET, linewidth=1, linestyle="--", label=f"mean over all angles: {mean:.3f}")
    curve.plot([angle], [here], "o", color=PALETTE[5], markersize=9, clip_on=False)
    curve.set(
        xlabel="angle of the direction, degrees", ylabel="squared distance", xticks=range(0, 181, 45), xlim=(0, 180)
    )
    curve.set(ylim=(0, 1.25 * max(*by_angle, 1e-12)))
    curve.legend(loc="upper right")
    return figure


@styled
def projection_errors(counts: Sequence[int], values: Tensor) -> Figure:
    """Show how much an average over random directions differs from draw to draw.

    Args:
        counts: how many directions each average is over, at least 1 each.
        values: (counts, draws) the averages; at least two draws.

    Returns:
        The figure: mean and one standard deviation on the left; on the right that deviation in per cent of the mean,
        beside a line that falls with the square root.

    Raises:
        TypeError, ValueError: another type or shape, or fewer draws.

    Example:
        >>> len(projection_errors([1, 10], torch.tensor([[1.0, 3.0], [1.9, 2.1]])).axes)
        2
    """
    for count in _at_least_one("counts", counts):
        require_integer("counts", count, low=1)
    values = to_array(require_tensor("values", values, (len(counts), "draws")))
    if values.shape[1] < 2:
        raise ValueError(f"values: {values.shape[1]} draw was given; allowed are at least 2")
    mean, deviation = values.mean(axis=1), values.std(axis=1, ddof=1)
    figure, (left, right) = panel_grid(2, 2, width=3.9, height=2.9)
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
    return figure


@styled
def flow_strip(
    frames: Tensor,
    target: Tensor,
    titles: Sequence[str],
    labels: Tensor | None = None,
    crosses: bool = False,
    columns: int = 6,
) -> Figure:
    """Show how a cloud moves onto another, as a strip of frames on the same axes.

    Args:
        frames: (T, N, 2) the cloud that moves, y downwards as in images.
        target: (L, 2) the cloud that stays.
        titles: T words, one above each frame.
        labels: (L,) integers from 0 to 9 that colour the target; None: all grey.
        crosses: draw the cloud that moves as large black crosses, as prototypes are, in place of dots.
        columns: the most frames in a row, at least 1.

    Returns:
        The figure, one axes a frame.

    Raises:
        TypeError, ValueError: another type, shape, range or number of titles.

    Example:
        >>> len(flow_strip(torch.rand(3, 5, 2), torch.rand(9, 2), ["start", "half-way", "end"]).axes)
        3
    """
    moving = to_array(require_tensor("frames", frames, ("T", "N", 2)))
    still = to_array(require_tensor("target", target, ("L", 2)))
    words = require_words("titles", titles, len(moving))
    colors: str | list[str] = "#bbbbbb"
    if labels is not None:
        kinds = require_labels("labels", labels, (len(still),), span=range(len(PALETTE)))
        colors = [PALETTE[kind] for kind in kinds]
    together = np.concatenate([moving.reshape(-1, 2), still])
    low, high = together.min(axis=0), together.max(axis=0)
    middle, reach = (low + high) / 2, 0.54 * max((high - low).max(), 1e-12)
    columns = min(require_integer("columns", columns, low=1), len(moving))
    side = 9.0 / min(columns, 6)
    figure, panels = panel_grid(len(moving), columns, width=side, height=side + 0.22)
    for panel, cloud, word in zip(panels, moving, words, strict=True):
        panel.scatter(*still.T, s=7, c=colors, linewidths=0)
        if crosses:
            halo = [withStroke(linewidth=3.5, foreground="white")]
            panel.scatter(*cloud.T, s=36, marker="x", color="black", linewidths=1.6, path_effects=halo, zorder=3)
        else:
            panel.scatter(*cloud.T, s=7, c=ONE, linewidths=0, zorder=3)
        panel.set(xlim=(middle[0] - reach, middle[0] + reach), ylim=(middle[1] + reach, middle[1] - reach))
        panel.set(aspect="equal", xticks=[], yticks=[])
        panel.set_title(word, pad=4)
        for spine in panel.spines.values():
            spine.set(visible=True, linewidth=0.5)
    return figure


@styled
def transport_plans(x: Tensor, y: Tensor, plans: Sequence[Tensor], titles: Sequence[str]) -> Figure:
    """Draw plans of transport between two clouds in the plane: the more mass, the darker the line.

    Args:
        x: (N, 2) one cloud.
        y: (L, 2) the other.
        plans: for each panel (N, L) how much mass goes from each x to each y, at least 0.
        titles: as many words, one above each panel.

    Returns:
        The figure, one axes a plan; in each the heaviest line is black.

    Raises:
        TypeError, ValueError: no plans, another type, shape or number of titles, or negative mass.

    Example:
        >>> figure = transport_plans(torch.rand(3, 2), torch.rand(4, 2), [torch.rand(3, 4)], ["a plan"])
        >>> len(figure.axes)
        1
    """
    starts, ends = to_array(require_tensor("x", x, ("N", 2))), to_array(require_tensor("y", y, ("L", 2)))
    words = require_words("titles", titles, len(_at_least_one("plans", plans)))
    figure, panels = panel_grid(len(words), 3, width=2.9, height=3.0)
    for panel, plan, word in zip(panels, plans, words, strict=True):
        mass = to_array(require_tensor("plans", plan, (len(starts), len(ends))))
        if mass.min() < 0 or mass.max() == 0:
            raise ValueError("plans: negative mass, or none at all, was given; allowed is mass of at least 0")
        rows, columns = np.nonzero(mass > 0.01 * mass.max())
        shade = np.zeros((len(rows), 4))
        shade[:, 3] = mass[rows, columns] / mass.max()
        paths = list(zip(starts[rows], ends[columns], strict=True))
        panel.add_collection(LineCollection(paths, colors=shade, linewidths=1))
        panel.scatter(*starts.T, s=26, c=ONE, edgecolors="white", linewidths=0.6, zorder=3)
        panel.scatter(*ends.T, s=26, c=OTHER, marker="s", edgecolors="white", linewidths=0.6, zorder=3)
        panel.set(aspect="equal", xticks=[], yticks=[])
        panel.set_title(word, pad=4)
        for spine in panel.spines.values():
            spine.set_visible(False)
    return figure


def _direction(degrees: float | Tensor) -> Tensor:
    """The unit vector at an angle."""
    radians = torch.deg2rad(torch.as_tensor(degrees, dtype=torch.float64))
    return torch.stack([radians.cos(), radians.sin()])


def _at_least_one(name: str, values: Sequence[object]) -> Sequence[object]:
    if not len(values):
        raise ValueError(f"{name}: none was given; allowed is at least one")
    return values
