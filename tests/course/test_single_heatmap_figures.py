"""Figures of heatmaps hold what they promise: numbers in cells, windows around maxima, and weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tusklite.course import single_heatmap as lesson
from tusklite.ops.keypoints import detect_keypoints

IMAGE = torch.rand(1, 40, 60, generator=torch.Generator().manual_seed(0))
HEATMAP = torch.rand(1, 20, 30, generator=torch.Generator().manual_seed(1))
MAP = torch.tensor([[0.1, 0.25, 1.0], [0.5, 0.0, -2.0]])
FIGURES = {
    "numbered_maps": lambda: lesson.numbered_maps([MAP, MAP.T], ["a", "b"], [MAP > 0.4, MAP.T > 0.4]),
    "flat": lambda: lesson.numbered_maps([torch.zeros(2, 2)], ["flat"], [torch.ones(2, 2) > 0]),
    "soft_window": lambda: lesson.soft_window(IMAGE, HEATMAP, 5, 0.2, k=4, chosen=2),
    "in colour": lambda: lesson.soft_window(IMAGE.expand(3, -1, -1), HEATMAP, 1, 0.2),
    "weights_and_slopes": lambda: lesson.weights_and_slopes(HEATMAP[:, :5, :5], HEATMAP[:, 5:10, :5] - 0.5, ["a"]),
}


def test_each_cell_holds_its_number_and_marked_ones_a_frame():
    panel = lesson.numbered_maps([MAP], ["a title"], [MAP > 0.4]).axes[0]
    assert [text.get_text() for text in panel.texts] == [".1", ".25", "1", ".5", "0", "-2"]
    assert [text.get_position() for text in panel.texts[2:4]] == [(2.5, 0.5), (0.5, 1.5)]
    assert [frame.get_xy() for frame in panel.patches] == [(2, 0), (0, 1)]
    assert panel.get_title() == "a title"


@pytest.mark.parametrize(
    ("number", "word"), [(0.10, ".1"), (10.2, "10"), (-0.5, "-.5"), (100.0, "100"), (20.0, "20"), (0.025, ".025")]
)
def test_a_number_loses_no_more_than_the_zero_before_its_point(number, word):
    assert (
        lesson.numbered_maps([torch.tensor([[number]])], [""], [torch.tensor([[False]])]).axes[0].texts[0].get_text()
        == word
    )


def test_windows_stand_around_the_maxima_and_crosses_at_the_refined_points():
    window, k, chosen = 5, 4, 1
    points = detect_keypoints(HEATMAP[None], k, window, 0.2)
    scene, scores, weights = lesson.soft_window(IMAGE, HEATMAP, window, 0.2, k, chosen).axes
    maxima = np.stack([points.index[0] % 30, points.index[0] // 30], axis=1) + 0.5
    centres = [np.add(box.get_xy(), window / 2) for box in scene.patches]
    np.testing.assert_allclose(centres, maxima)
    refined = (points.xy[0].numpy() + 1) / 2 * [30, 20]
    np.testing.assert_allclose(scene.collections[0].get_offsets(), refined, rtol=1e-5)
    for panel in (scores, weights):
        ring, cross = (one.get_offsets()[0] for one in panel.collections)
        np.testing.assert_allclose(ring, maxima[chosen])
        np.testing.assert_allclose(cross, refined[chosen], rtol=1e-5)


@pytest.mark.parametrize(("row", "column"), [(10, 15), (0, 0), (19, 29), (0, 15)])
def test_the_weights_put_the_mean_where_the_cross_is(row, column):
    heatmap = 0.2 * HEATMAP
    heatmap[0, row, column] = 1.0
    _, scores, weights = lesson.soft_window(IMAGE, heatmap, 7, 0.3, k=1).axes
    shown = weights.images[0].get_array()
    left, right, bottom, top = weights.images[0].get_extent()
    x, y = np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5
    assert shown.sum() == pytest.approx(1)
    mean = ((shown.sum(0) * x).sum(), (shown.sum(1) * y).sum())
    np.testing.assert_allclose(weights.collections[1].get_offsets()[0], mean, rtol=1e-4)
    assert f"{100 * shown.max():.0f}%" in weights.get_title()
    assert scores.get_xlim() == (column - 3, column + 4)


def test_slopes_are_drawn_about_zero():
    slopes = torch.tensor([[[-0.5, 0.0], [0.1, 0.2]]])
    panel = lesson.weights_and_slopes(torch.full((1, 2, 2), 0.25), slopes, ["t"]).axes[1]
    assert panel.images[0].get_clim() == (-0.5, 0.5)
    assert panel.get_title() == "largest slope 0.5"
