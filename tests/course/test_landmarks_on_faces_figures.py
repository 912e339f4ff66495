"""Pictures of what a regressor makes of landmarks: what is drawn, and where."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tusklite.course.landmarks_on_faces import errors_by_labels, landmark_shares

IMAGES = torch.zeros(2, 3, 10, 20)
FIGURES = {
    "shares": lambda: landmark_shares(IMAGES, points(2, 3, 2), points(2, 2, 2), torch.eye(3)[:2]),
    "errors": lambda: errors_by_labels({"ours": {1: 30.0, 20: 20.0}, "theirs": {1: 15.0}}, 31.7),
}


def points(*shape: int) -> torch.Tensor:
    return 2 * torch.rand(*shape, generator=torch.Generator().manual_seed(sum(shape))) - 1


def pixels(xy: torch.Tensor) -> np.ndarray:
    return ((xy + 1) / 2 * torch.tensor([20, 10])).numpy()


def test_shares_are_lines_from_landmarks_to_points_as_thick_as_they_are_large():
    xy, read, shares = points(2, 4, 2), points(2, 2, 2), torch.tensor([[0.5, 0.0, 0.25, 0.0], [0.0, 0.0, 0.3, 0.0]])
    panel = landmark_shares(IMAGES, xy, read, shares).axes[1]
    drawn = [(point, landmark) for point in range(2) for landmark in range(4) if shares[point, landmark]]
    assert len(panel.lines) == 3
    for line, (point, landmark) in zip(panel.lines, drawn, strict=True):
        np.testing.assert_allclose(line.get_xydata(), [pixels(xy)[1, landmark], pixels(read)[1, point]], rtol=1e-5)
        assert line.get_linewidth() == pytest.approx(8 * float(shares[point, landmark]))
    unused, used = panel.collections[:2]
    np.testing.assert_allclose(used.get_offsets(), pixels(xy)[1, [0, 2]], rtol=1e-5)
    np.testing.assert_allclose(unused.get_offsets(), pixels(xy)[1, [1, 3]], rtol=1e-5)


def test_errors_by_labels_are_sorted_and_labels_do_not_collide():
    lines = {"ours": {20: 20.0, 1: 35.0, 7650: 17.0}, "paper": {1: 14.79, 10_122: 10.53}}
    (panel,) = errors_by_labels(lines, 31.7).axes
    np.testing.assert_allclose(panel.lines[0].get_xydata(), [(1, 35), (20, 20), (7650, 17)])
    assert [label.get_text() for label in panel.get_xticklabels()] == ["1", "20", "", "10,122"]
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["ours", "paper", "the mean shape"]
