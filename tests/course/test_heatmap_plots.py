"""Figures of heatmaps hold what they promise: numbers in cells, dots on lines, windows around maxima, and weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tusklite.course import figures
from tusklite.course import single_heatmap as lesson
from tusklite.ops.keypoints import detect_keypoints

IMAGE = torch.rand(1, 40, 60, generator=torch.Generator().manual_seed(0))
HEATMAP = torch.rand(1, 20, 30, generator=torch.Generator().manual_seed(1))
MAP = torch.tensor([[0.1, 0.25, 1.0], [0.5, 0.0, -2.0]])
X = [1, 2, 3]
FIGURES = {
    "numbered_maps": lambda: lesson.numbered_maps([MAP, MAP.T], ["a", "b"], [MAP > 0.4, MAP.T > 0.4]),
    "flat": lambda: lesson.numbered_maps([torch.zeros(2, 2), torch.zeros(2, 2)]),
    "lines_and_dots": lambda: figures.lines_and_dots(X, {"a": X, "b": [3, 2, 1]}, {"b": X}, xlabel="x", ylabel="y"),
    "logarithmic": lambda: figures.lines_and_dots(X, {"": X}, xlabel="x", ylabel="y", title="t", logarithmic=True),
    "ideal": lambda: figures.lines_and_dots(X, {"a": X}, xlabel="x", ylabel="y", ideal=("as it should be", X)),
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
    assert lesson.numbered_maps([torch.tensor([[number]])]).axes[0].texts[0].get_text() == word


def test_lines_and_dots_share_a_colour_and_stand_where_they_were_measured():
    panel = figures.lines_and_dots(X, {"a": X, "b": [3, 2, 1]}, {"b": [3.1, 2, 1]}, xlabel="x", ylabel="y").axes[0]
    first, second, dots = panel.lines
    np.testing.assert_allclose(dots.get_xydata(), [[1, 3.1], [2, 2], [3, 1]])
    assert dots.get_color() == second.get_color() != first.get_color()
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["a", "b"]
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("x", "y")


def test_one_line_needs_no_legend():
    assert figures.lines_and_dots(X, {"": X}, {"": X}, xlabel="x", ylabel="y").axes[0].get_legend() is None


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


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda: lesson.numbered_maps([]), ValueError, r"maps: \[\]"),
        (lambda: lesson.numbered_maps([torch.zeros(2)]), ValueError, r"maps: shape \(2,\)"),
        (lambda: lesson.numbered_maps([torch.zeros(3, 17)]), ValueError, "at most 16 cells"),
        (lambda: lesson.numbered_maps([MAP], ["a", "b"]), ValueError, "titles: 2 words"),
        (lambda: lesson.numbered_maps([MAP], marked=[MAP.T > 0]), ValueError, r"marked: shapes \[\(3, 2\)\]"),
        (lambda: lesson.numbered_maps([MAP], marked=[]), ValueError, r"marked: shapes \[\]"),
        (lambda: figures.lines_and_dots(X, {}, xlabel="", ylabel=""), ValueError, "lines: 0"),
        (lambda: figures.lines_and_dots(X, {"a": [1]}, xlabel="", ylabel=""), ValueError, "lines: 1 heights for 'a'"),
        (
            lambda: figures.lines_and_dots(X, {"a": X}, {"b": X}, xlabel="", ylabel=""),
            ValueError,
            r"dots: names \['b'\]",
        ),
        (lambda: figures.lines_and_dots(X, {"a": X}, {"a": [1]}, xlabel="", ylabel=""), ValueError, "dots: 1 heights"),
        (lambda: figures.lines_and_dots(X, {"a": X}, xlabel="", ylabel="", ideal=("i", [1])), ValueError, "ideal: 1"),
        (lambda: lesson.soft_window(IMAGE[0], HEATMAP, 5, 0.2), ValueError, r"image: shape \(40, 60\)"),
        (lambda: lesson.soft_window(IMAGE.expand(2, -1, -1), HEATMAP, 5, 0.2), ValueError, "image: 2 channels"),
        (lambda: lesson.soft_window(IMAGE, HEATMAP[0], 5, 0.2), ValueError, r"heatmap: shape \(20, 30\)"),
        (lambda: lesson.soft_window(IMAGE, HEATMAP, 4, 0.2), ValueError, "window: 4"),
        (lambda: lesson.soft_window(IMAGE, HEATMAP, 5, 0.0), ValueError, "temperature: 0"),
        (lambda: lesson.soft_window(IMAGE, HEATMAP, 5, 0.2, k=3, chosen=3), ValueError, "chosen: 3 .* from 0 to 2"),
        (lambda: lesson.weights_and_slopes(HEATMAP, HEATMAP, ["a"]), ValueError, r"weights: shape \(1, 20, 30\)"),
        (lambda: lesson.weights_and_slopes(MAP[None, :, :2], MAP[None], ["a"]), ValueError, "slopes: shape"),
        (lambda: lesson.weights_and_slopes(MAP[None, :, :2], MAP[None, :, :2], []), ValueError, "titles: 0 words"),
    ],
)
def test_wrong_input_is_refused(draw, error, message):
    with pytest.raises(error, match=message):
        draw()
