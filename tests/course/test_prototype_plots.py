"""Figures of prototypes hold what they promise: who wins whom, where the soft-min pulls, which shares are whose."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from tusklite.course import figures
from tusklite.course import prototypes_and_softmin as lesson
from tusklite.losses import kmeans_softmin_loss

CLOUD = torch.rand(20, 2, generator=torch.Generator().manual_seed(0))
CROSSES = torch.tensor([[0.0, 0.0], [1.0, 1.0], [9.0, 9.0]])
LABELS = torch.tensor([0, 0, 0, 2, 2, 1])
FIGURES = {
    "panels": lambda: lesson.prototype_panels([CLOUD, CLOUD + 1], [CROSSES] * 2, ["a", "b"]),
    "on a circle": lambda: lesson.prototype_panels([CLOUD], [CROSSES], ["a"], on_circle=True),
    "field": lambda: lesson.softmin_field(CLOUD, CROSSES, 2.0),
    "squared field": lambda: lesson.softmin_field(CLOUD, CROSSES, 0.625, squared=True),
    "shares": lambda: lesson.prototype_shares({"one": LABELS, "two": LABELS[:2]}, 4, ["a", "b"]),
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
    assert [text.get_text() for text in panel.texts] == [str(number) for number in won[:2].tolist()]
    assert lesson.prototype_panels([CLOUD], [CROSSES], ["a"]).axes[0].texts[:] == []


def test_panels_share_their_limits():
    first, second = lesson.prototype_panels([CLOUD, CLOUD + 30], [CROSSES] * 2, ["a", "b"]).axes
    assert first.get_xlim() == second.get_xlim()
    assert first.get_xlim()[1] > 30


@pytest.mark.parametrize(
    ("inverse_temperature", "squared"), [(1.0, False), (4.0, False), (0.625, True), (300.0, False)]
)
def test_arrows_point_down_the_loss_and_the_title_names_it(inverse_temperature, squared):
    figure = lesson.softmin_field(CLOUD, CROSSES, inverse_temperature, squared)
    arrows = figure.axes[0].collections[1]
    points = CLOUD.double().requires_grad_()
    loss = kmeans_softmin_loss(points, CROSSES.double(), inverse_temperature, squared)
    (slope,) = torch.autograd.grad(loss, points)
    np.testing.assert_allclose(np.stack([arrows.U, arrows.V], axis=1), -len(CLOUD) * slope, rtol=1e-4, atol=1e-9)
    assert f"loss {float(loss.detach()):.3f}, at most ln 3 = 1.099" == figure.axes[1].get_title()
    heights = [bar.get_height() for bar in figure.axes[1].patches]
    assert sum(heights) == len(CLOUD)


def test_shares_are_sorted_and_sum_to_one():
    panel = lesson.prototype_shares({"a": LABELS}, 4, ["a note"]).axes[0]
    assert [bar.get_width() for bar in panel.patches] == pytest.approx([3 / 6, 2 / 6, 1 / 6])
    assert [bar.get_x() for bar in panel.patches] == pytest.approx([0, 3 / 6, 5 / 6])
    assert [text.get_text() for text in panel.texts] == ["a note"]
    assert panel.lines[0].get_xdata()[0] == 0.25


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda: lesson.prototype_panels([], [], []), ValueError, "clouds, prototypes: 0 and 0"),
        (lambda: lesson.prototype_panels([CLOUD], [CROSSES] * 2, ["a"]), ValueError, "clouds, prototypes: 1 and 2"),
        (lambda: lesson.prototype_panels([CLOUD], [CROSSES], []), ValueError, "titles: 0 words"),
        (lambda: lesson.prototype_panels([CLOUD[:, :1]], [CROSSES], ["a"]), ValueError, r"clouds: shape \(20, 1\)"),
        (lambda: lesson.prototype_panels([CLOUD], [CLOUD], ["a"]), ValueError, "prototypes: 20 were given"),
        (lambda: lesson.prototype_panels([CLOUD], [CROSSES], ["a"], columns=0), ValueError, "columns: 0"),
        (lambda: lesson.softmin_field(CLOUD.numpy(), CROSSES), TypeError, "descriptors: ndarray"),
        (lambda: lesson.softmin_field(CLOUD, CROSSES[:1]), ValueError, "prototypes: 1 was given"),
        (lambda: lesson.softmin_field(CLOUD, CROSSES, inverse_temperature=0.0), ValueError, "inverse_temperature: 0"),
        (lambda: lesson.prototype_shares({}, 4), ValueError, "assignments: none"),
        (lambda: lesson.prototype_shares({"a": LABELS}, 2), ValueError, "assignments: values 0 to 2"),
        (lambda: lesson.prototype_shares({"a": LABELS[:0]}, 2), ValueError, r"assignments: shape \(0,\)"),
        (lambda: lesson.prototype_shares({"a": LABELS.float()}, 4), TypeError, "assignments: torch.float32"),
        (lambda: lesson.prototype_shares({"a": LABELS}, 0), ValueError, "count: 0"),
        (lambda: lesson.prototype_shares({"a": LABELS}, 4, ["a", "b"]), ValueError, "notes: 2 words"),
    ],
)
def test_wrong_input_is_refused(draw, error, message):
    with pytest.raises(error, match=message):
        draw()
