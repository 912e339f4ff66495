"""Prototypes: who is nearest to which, how sure the soft-min is, and where it pulls."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.patheffects import withStroke
from torch import Tensor

from tusklite.course.figures import PALETTE, QUIET, LessonFigure, Panel, panel_grid, styled, to_array
from tusklite.course.figures.clusters import number_prototypes
from tusklite.course.figures.words import counted, listed, number
from tusklite.losses import kmeans_softmin_loss

OUTSIDE = 1.16  # of the unit circle
HALO = [withStroke(linewidth=4.5, foreground="white")]


@styled
def prototype_panels(
    clouds: Sequence[Tensor], prototypes: Sequence[Tensor], titles: Sequence[str], on_circle: bool = False
) -> LessonFigure:
    """Draw clouds in the plane, each point in the colour of its nearest prototype.

    A prototype is a cross with its number, black where it wins a point and grey where it wins none.

    Args:
        clouds: for each panel `(N, 2)` points.
        prototypes: for each panel `(M, 2)`, M at most 10.
        titles: as many words, one above each panel.
        on_circle: also draw the unit circle, and inside it how many points each prototype wins; prototypes stand a
            little outside, in their directions, so that they hide no point.

    Returns:
        The figure, one panel a cloud, four in a row; all show the same part of the plane.

    Example:
        >>> cloud = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
        >>> panel = prototype_panels([cloud], [torch.eye(2)], ["two points"]).axes[0]
        >>> panel.get_title()
        'two points'
    """
    frame = torch.tensor([[-1.25, -1.25], [1.25, 1.25]])
    low, high = _limits(torch.cat([*clouds, *prototypes, *[frame] * on_circle]), 0.08)
    figure, said = panel_grid(len(clouds), columns=4, width=2.15, height=2.4), []
    for panel, cloud, crosses, word in zip(figure.axes, clouds, prototypes, titles, strict=True):
        won = _draw(panel, cloud, crosses, out=OUTSIDE if on_circle else 1.0, s=16, alpha=0.75, linewidths=0)
        if on_circle:
            turn = np.linspace(0, 2 * math.pi, 181)
            panel.plot(np.cos(turn), np.sin(turn), color=QUIET, linewidth=0.7, alpha=0.6)
            for count, (x, y) in zip(won[won > 0].tolist(), 0.72 * to_array(crosses)[won > 0], strict=True):
                panel.text(x, y, str(count), ha="center", va="center", fontsize=8)
        panel.set(aspect="equal", xticks=[], yticks=[], xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        panel.spines[:].set_visible(False)
        panel.set_title(word, pad=4)
        shares = listed(f"P{at} {count}" for at, count in enumerate(won.tolist(), start=1))
        said.append(f"“{word}”: of {counted(len(cloud), 'point')}, {shares}.")
    circle = " on the unit circle" if on_circle else ""
    figure.tell(f"Points{circle} in the colour of their nearest prototype, a cross, and how many each wins.", *said)
    return figure


@styled
def softmin_field(
    descriptors: Tensor, prototypes: Tensor, inverse_temperature: float = 1.0, squared: bool = False
) -> LessonFigure:
    """Show what the soft-min of distances says all over the plane, where it pulls, and how sure it is of each point.

    Args:
        descriptors: `(N, 2)`; from each an arrow points downhill on its own -log of the largest probability. All arrows
            of a picture are drawn on one scale, the longest always as long.
        prototypes: `(M, 2)`, M from 2 to 10.
        inverse_temperature: multiplies the distances, above 0.
        squared: squared distances.

    Returns:
        The figure: the plane, shaded by the largest probability, and a histogram of it over the descriptors.

    Example:
        >>> figure = softmin_field(torch.rand(9, 2), torch.eye(2), inverse_temperature=3.0)
        >>> len(figure.axes)
        3
    """
    points, crosses, even = descriptors.double(), prototypes.double(), 1 / len(prototypes)
    together = torch.cat([points, crosses])
    low, high = _limits(together, 0.15)
    x, y = (np.linspace(low[axis], high[axis], 140) for axis in (0, 1))
    grid = torch.from_numpy(np.stack(np.meshgrid(x, y), axis=-1)).view(-1, 2)
    figure = panel_grid(2, width=4.2, height=3.8, width_ratios=(1.25, 1))
    plane, bars = figure.axes
    shades = _surest(grid, crosses, inverse_temperature, squared).view(140, 140)
    look = {"cmap": "Greys", "shading": "nearest", "alpha": 0.7, "rasterized": True, "vmin": even, "vmax": 1}
    color_bar = figure.colorbar(plane.pcolormesh(x, y, shades, **look), ax=plane, shrink=0.8, pad=0.02)
    color_bar.set_label("largest probability", fontsize=8)
    color_bar.ax.tick_params(labelsize=8)
    pulls = to_array(softmin_pulls(points, crosses, inverse_temperature, squared))
    longest = np.linalg.norm(pulls, axis=1).max()
    if longest > 0:
        length = 0.12 * float((together.amax(dim=0) - together.amin(dim=0)).max())
        arrows = {"angles": "xy", "scale_units": "xy", "scale": longest / length, "width": 0.005, "zorder": 3}
        plane.quiver(*points.T, *pulls.T, color="#B34700", **arrows)
    _draw(plane, points, crosses, grey_out=False, s=14, edgecolors="white", linewidths=0.4, zorder=4)
    plane.set(aspect="equal", xticks=[], yticks=[])
    plane.set_title(
        f"inverse temperature {inverse_temperature:.3g}, {'squared distances' if squared else 'distances'}", pad=4
    )

    largest = to_array(_surest(points, crosses, inverse_temperature, squared))
    bars.hist(largest, bins=np.linspace(0, 1, 26), color=PALETTE[0])
    bars.axvline(even, color=QUIET, linestyle=":", linewidth=1.2)
    word = {"rotation": 90, "va": "top", "ha": "right", "transform": bars.get_xaxis_transform(), "fontsize": 8}
    bars.text(even - 0.02, 0.97, "all equal", **word)
    bars.set(xlim=(0, 1), xlabel="largest probability of a descriptor", ylabel="descriptors")
    count = len(crosses)
    bars.set_title(f"loss {-np.log(largest).mean():.3f}, at most ln {count} = {math.log(count):.3f}")
    surer = f"{100 * (largest > 0.9).mean():.0f}% of them have one above 0.9"
    figure.tell(
        f"{counted(len(points), 'descriptor')} with arrows to where the soft-min of {'squared ' * squared}distances to "
        f"{counted(count, 'prototype')} pulls them, at inverse temperature {number(inverse_temperature)}; the plane is "
        f"darker where the largest probability is higher. A histogram of it, from {number(largest.min())} to "
        f"{number(largest.max())}: {surer}. The loss is {-np.log(largest).mean():.3f}, at most {math.log(count):.3f}."
    )
    return figure


def softmin_pulls(descriptors: Tensor, prototypes: Tensor, inverse_temperature: float, squared: bool) -> Tensor:
    """Downhill on each descriptor's own -log of its largest probability: where the soft-min pulls it.

    Args:
        descriptors: `(N, C)`.
        prototypes: `(M, C)`.
        inverse_temperature: multiplies the distances, above 0.
        squared: squared distances.

    Returns:
        `(N, C)`: N times the loss's own gradient, for that is a mean, downwards.

    Example:
        >>> pull = softmin_pulls(torch.tensor([[0.5, 0.0]]), torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), 1.0, squared=True)
        >>> f"{pull[0, 0]:.3f}"
        '0.477'
    """
    points = descriptors.detach().clone().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(kmeans_softmin_loss(points, prototypes, inverse_temperature, squared), points)
    return -len(points) * slope


def _surest(points: Tensor, crosses: Tensor, inverse_temperature: float, squared: bool) -> Tensor:
    """The largest probability of each point (N, 2)."""
    distance = torch.cdist(points, crosses, compute_mode="donot_use_mm_for_euclid_dist")
    return (-inverse_temperature * distance.pow(2 if squared else 1)).softmax(dim=1).amax(dim=1)


def _limits(points: Tensor, share: float) -> tuple[np.ndarray, np.ndarray]:
    """The corners of what holds all points (N, 2) and a margin."""
    low, high = to_array(points.amin(dim=0)), to_array(points.amax(dim=0))
    margin = share * max(high - low) or 1.0
    return low - margin, high + margin


def _draw(
    panel: Panel, cloud: Tensor, crosses: Tensor, grey_out: bool = True, out: float = 1.0, **look: object
) -> Tensor:
    """Points in the colours of their nearest prototypes, and these, moved outwards; how many (M,) each of them wins."""
    nearest = torch.cdist(cloud.double(), crosses.double()).argmin(dim=1)
    panel.scatter(*to_array(cloud).T, c=[PALETTE[one] for one in nearest], **look)
    won = nearest.bincount(minlength=len(crosses))
    used = won > 0 if grey_out else won >= 0
    cross = {"marker": "x", "s": 60, "linewidths": 2.2, "path_effects": HALO, "zorder": 5}
    for chosen, color in ((used, "black"), (~used, "#999999")):
        panel.scatter(*(out * to_array(crosses[chosen])).T, color=color, **cross)
    number_prototypes(panel, out * to_array(crosses))
    return won
