"""Figures of prototypes hold what they promise: who wins whom, and where the soft-min pulls."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from scipy.special import logsumexp

from tusklite.course import figures
from tusklite.course import prototypes_and_softmin as lesson

CLOUD = torch.rand(20, 2, generator=torch.Generator().manual_seed(0))
CROSSES = torch.tensor([[0.0, 0.0], [1.0, 1.0], [9.0, 9.0]])
FIGURES = {
    "panels": lambda: lesson.prototype_panels([CLOUD, CLOUD + 1], [CROSSES] * 2, ["a", "b"]),
    "on a circle": lambda: lesson.prototype_panels([CLOUD], [CROSSES], ["a"], on_circle=True),
    "field": lambda: lesson.softmin_field(CLOUD, CROSSES, 2.0),
    "squared field": lambda: lesson.softmin_field(CLOUD, CROSSES, 0.625, squared=True),
}


def test_a_point_has_the_colour_of_its_nearest_prototype_and_the_dead_are_grey():
    panel = lesson.prototype_panels([CLOUD], [CROSSES], ["a title"]).axes[0]
    points, used, dead = panel.collections
    nearest = torch.cdist(CLOUD, CROSSES).argmin(dim=1)
    assert [to_hex(color).upper() for color in points.get_facecolors()] == [figures.PALETTE[one] for one in nearest]
    np.testing.assert_allclose(used.get_offsets(), CROSSES[:2])
    np.testing.assert_allclose(dead.get_offsets(), CROSSES[2:])
    assert panel.get_title() == "a title"


def test_on_a_circle_each_prototype_has_the_number_that_it_wins():
    panel = lesson.prototype_panels([CLOUD], [CROSSES], ["a"], on_circle=True).axes[0]
    won = torch.cdist(CLOUD, CROSSES).argmin(dim=1).bincount(minlength=3)
    numbers = ["P1", "P2", "P3"]
    assert [text.get_text() for text in panel.texts] == [*numbers, *map(str, won[:2].tolist())]
    plain = lesson.prototype_panels([CLOUD], [CROSSES], ["a"]).axes[0]
    assert [text.get_text() for text in plain.texts] == numbers
    np.testing.assert_allclose([text.xy for text in plain.texts], CROSSES)


def test_panels_share_their_limits():
    first, second = lesson.prototype_panels([CLOUD, CLOUD + 30], [CROSSES] * 2, ["a", "b"]).axes
    assert first.get_xlim() == second.get_xlim()
    assert first.get_xlim()[1] > 30


@pytest.mark.parametrize(("scale", "squared"), [(1.0, False), (4.0, False), (0.625, True), (300.0, False)])
def test_arrows_point_down_the_loss_and_the_title_names_it(scale, squared):
    figure = lesson.softmin_field(CLOUD, CROSSES, scale, squared)
    arrows = figure.axes[0].collections[1]

    def loss(points):  # of each point alone, (N,)
        away = scale * np.linalg.norm(points[:, None] - CROSSES.double().numpy(), axis=2) ** (2 if squared else 1)
        return away.min(axis=1) + logsumexp(-away, axis=1)

    points, step = CLOUD.double().numpy(), 1e-6
    slopes = [(loss(points + step * axis) - loss(points - step * axis)) / (2 * step) for axis in np.eye(2)]
    np.testing.assert_allclose([arrows.U, arrows.V], np.negative(slopes), rtol=1e-4, atol=1e-6)
    assert f"loss {loss(points).mean():.3f}, at most ln 3 = 1.099" == figure.axes[1].get_title()
    heights = [bar.get_height() for bar in figure.axes[1].patches]
    assert sum(heights) == len(CLOUD)


def test_a_point_on_its_prototype_is_pulled_nowhere_and_breaks_nothing():
    figure = lesson.softmin_field(CROSSES, CROSSES, 50.0, squared=True)
    np.testing.assert_allclose(figure.axes[0].collections[1].U, 0, atol=1e-9)
    figure._repr_png_()
