"""Figures of lesson 18 hold what they promise: points that are near a true one of their own, and those that are not."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.colors import to_hex

from tusklite.course import self_training as lesson
from tusklite.course.figures import PALETTE
from tusklite.methods.mallis import PointSets

IMAGES = torch.rand(2, 3, 8, 10, generator=torch.Generator().manual_seed(0))
TRUTH = torch.tensor([[[0.0, 0.0], [0.5, 0.5]], [[-0.5, 0.0], [3.0, 0.0]]])
POINTS = PointSets(
    torch.tensor([[[0.02, 0.0], [0.04, 0.0], [-0.9, 0.9]], [[-0.5, 0.02], [0.0, 0.0], [0.0, 0.0]]]),
    torch.tensor([[True, True, True], [True, False, False]]),
)
NONE = PointSets(torch.zeros(2, 1, 2), torch.zeros(2, 1, dtype=torch.bool))
FIGURES = {
    "loop": lesson.rounds_drawing,
    "points": lambda: lesson.points_beside_truth(IMAGES, {"start": POINTS, "end": NONE}, TRUTH, near=0.1),
    "no points": lambda: lesson.points_beside_truth(IMAGES, {"none": NONE}, TRUTH, near=0.1),
}


def marks(panel, color: str) -> np.ndarray:
    """Places of a panel's full marks of a colour."""
    return np.concatenate(
        [
            np.asarray(each.get_offsets())
            for each in panel.collections
            if len(each.get_facecolors()) and to_hex(each.get_facecolors()[0]) == color.lower()
        ]
        or [np.zeros((0, 2))]
    )


def test_of_two_points_near_a_joint_one_is_its_own():
    figure = FIGURES["points"]()
    assert len(figure.axes) == 4
    right = marks(figure.axes[0], PALETTE[0])
    np.testing.assert_allclose(right, [[1.02 * 5, 4.0]], atol=1e-5)
    assert "start: 2 of 4 near a true point of their own" in figure.alt
    assert "end: 0 of 0" in figure.alt


def test_true_points_outside_are_not_counted():
    assert "there are 3 true points" in FIGURES["points"]().alt


def test_the_drawing_names_both_losses():
    said = lesson.rounds_drawing().alt
    assert "squared error of the map" in said
    assert "eq. 2" in said
