"""Figures of the sparse autoencoder hold what they promise: crosses on maps, slopes, means over runs, bars in units."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from tusklite.course import figures
from tusklite.course import sparse_autoencoder as lesson

MAPS = torch.rand(2, 4, 6, generator=torch.Generator().manual_seed(0))
XY = torch.tensor([[-0.5, 0.0], [1.0, 1.0]])
X = torch.linspace(-1, 1, 5)
LOGS = [[{"step": step, "error": seed + 1 / (step + 1)} for step in (0, 5, 10)] for seed in (0, 2)]
COPIES = torch.rand(3, 1, 8, 9, generator=torch.Generator().manual_seed(1))
NAMES = ["moved", "dark", "noisy"]
FIGURES = {
    "splat_maps": lambda: lesson.splat_maps(MAPS, XY, ["narrow", "wide"]),
    "empty maps": lambda: lesson.splat_maps(torch.zeros(1, 3, 3), XY, ["nothing"]),
    "answers_to_a_move": lambda: lesson.answers_to_a_move(X, {"a": X**2, "b": X}, {"a": 2 * X, "b": torch.zeros(5)}),
    "compare_runs": lambda: figures.compare_runs({"a": LOGS, "b": LOGS[:1]}, ["error", "step"]),
    "one run": lambda: figures.compare_runs({"a": LOGS[:1]}, ["error"]),
    "copies": lambda: lesson.copies_and_distances(COPIES, NAMES, {"MSE": [0.2, 0.2, 0.4], "other": torch.ones(3)}),
    "in colour": lambda: lesson.copies_and_distances(COPIES.expand(-1, 3, -1, -1), NAMES, {"MSE": [1, 2, 0]}),
}


def test_maps_hold_their_pixels_and_crosses_where_the_points_are():
    narrow, wide = lesson.splat_maps(MAPS, XY, ["narrow", "wide"]).axes
    for panel, values in ((narrow, MAPS[0]), (wide, MAPS[1])):
        np.testing.assert_allclose(panel.images[0].get_array(), values, rtol=1e-6)
        assert panel.get_xlabel() == f"largest value {values.max():.2g}"
        crosses = panel.collections[-1].get_offsets()
        np.testing.assert_allclose(crosses, [[1.5, 2.0], [6.0, 4.0]])  # of 6 x 4 pixels, from the upper left corner
    assert wide.get_title() == "wide"


def test_slopes_stand_in_units_of_the_steepest():
    values, slopes = lesson.answers_to_a_move(X, {"a": X**2, "b": 3 * X}, {"a": -4 * X, "b": 3 + 0 * X}).axes
    np.testing.assert_allclose(values.lines[0].get_ydata(), X**2)
    np.testing.assert_allclose(slopes.lines[0].get_ydata(), -X)
    np.testing.assert_allclose(slopes.lines[1].get_ydata(), np.ones(5))
    assert slopes.lines[1].get_color() == values.lines[1].get_color() != values.lines[0].get_color()


def test_a_thick_line_is_the_mean_of_the_thin_ones():
    figure = figures.compare_runs({"a": LOGS, "b": LOGS[:1]}, ["error"])
    first, second, mean, *_ = figure.axes[0].lines
    np.testing.assert_allclose(mean.get_ydata(), (first.get_ydata() + second.get_ydata()) / 2)
    assert mean.get_linewidth() > first.get_linewidth()
    np.testing.assert_array_equal(mean.get_xdata(), [0, 5, 10])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]
    assert not figures.compare_runs({"a": LOGS}, ["error"]).legends


def test_a_tint_mixes_the_colours_of_the_keypoints_by_their_shares():
    images, masks = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2), torch.tensor([[1.0, 0.3], [0.0, 0.7]]).view(1, 2, 1, 2)
    tinted = lesson.tint(images, masks)[0, :, 0].T
    blue, orange = (np.array(to_rgb(color)) for color in figures.PALETTE[:2])
    np.testing.assert_allclose(tinted, [0.25 * blue, 0.3 * blue + 0.7 * orange], atol=1e-6)


def test_bars_are_in_units_of_the_first_copy():
    *_, bars = lesson.copies_and_distances(COPIES, NAMES, {"a": [0.2, 0.3, 0.1], "b": [4.0, 8.0, 0.0]}).axes
    np.testing.assert_allclose([bar.get_height() for bar in bars.patches], [1, 1.5, 0.5, 1, 2, 0])
    places = np.array([bar.get_x() + bar.get_width() / 2 for bar in bars.patches]).reshape(2, 3)
    np.testing.assert_allclose(places.mean(axis=0), [0, 1, 2], atol=1e-9)  # below their copies
    assert [text.get_text() for text in bars.texts] == ["1.0", "1.5", "0.5", "1.0", "2.0", "0.0"]


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: lesson.splat_maps(MAPS[0], XY, ["a"]), "maps: shape"),
        (lambda: lesson.splat_maps(MAPS, XY[0], ["a", "b"]), "xy: shape"),
        (lambda: lesson.splat_maps(MAPS, XY, ["a"]), "titles: 1 words were given; allowed is one for each of 2"),
        (lambda: lesson.answers_to_a_move(X, {}, {}), "slopes: names"),
        (lambda: lesson.answers_to_a_move(X, {"a": X}, {"b": X}), r"slopes: names \['b'\] .* values, \['a'\]"),
        (lambda: lesson.answers_to_a_move(X, {"a": X[1:]}, {"a": X}), r"values: shape \(4,\) was given"),
        (lambda: figures.compare_runs({}, ["error"]), r"runs: \[\] were given"),
        (lambda: figures.compare_runs({"a": []}, ["error"]), "each with at least one log"),
        (lambda: figures.compare_runs({"a": LOGS}, ["loss"]), "keys: 'loss' is not in every row of 'a'"),
        (
            lambda: figures.compare_runs({"a": [LOGS[0], LOGS[1][1:]]}, ["error"]),
            "the logs of 'a' have different steps",
        ),
        (lambda: lesson.tint(torch.zeros(1, 1, 2, 2), torch.zeros(1, 11, 2, 2)), "masks: 11 keypoints were given"),
        (lambda: lesson.tint(torch.zeros(1, 3, 2, 2), torch.zeros(1, 2, 2, 2)), "images: shape"),
        (lambda: lesson.copies_and_distances(COPIES, NAMES[1:], {"a": [1, 1, 1]}), "names: 2 words"),
        (lambda: lesson.copies_and_distances(COPIES, NAMES, {}), "distances: 0 measures were given"),
        (lambda: lesson.copies_and_distances(COPIES, NAMES, {"a": [1, 1]}), "distances: 'a' has"),
        (lambda: lesson.copies_and_distances(COPIES, NAMES, {"a": [0, 1, 1]}), "allowed are 3, the first above 0"),
        (lambda: lesson.copies_and_distances(COPIES.expand(-1, 2, -1, -1), NAMES, {"a": [1, 1, 1]}), "copies: 2 chan"),
    ],
)
def test_wrong_input_is_refused(call, complaint):
    with pytest.raises(ValueError, match=complaint):
        call()
