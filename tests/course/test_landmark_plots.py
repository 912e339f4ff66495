"""Pictures of landmarks: they draw what they are given, where it is, and refuse what they cannot draw."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tusklite.course import figures

MAPS = torch.rand(3, 4, 6, generator=torch.Generator().manual_seed(0))
IMAGES, XY = torch.rand(2, 1, 8, 12), torch.tensor([[[0.0, 0.5], [-1.0, 1.0]]] * 2)


def test_maps_show_their_values_points_and_titles():
    xy = torch.tensor([[0.5, -0.25]] * 3)
    figure = figures.probability_maps(MAPS, xy, ["a", "b", "c"], aims=-xy)
    for panel, values, title in zip(figure.axes, MAPS, "abc", strict=True):
        np.testing.assert_allclose(panel.images[0].get_array(), values)
        rings, crosses = (collection.get_offsets() for collection in panel.collections)
        np.testing.assert_allclose([*crosses, *rings], [[0.5, -0.25], [-0.5, 0.25]])
        assert panel.get_title() == title


def test_maps_with_negative_values_are_centred_on_zero():
    signed = figures.probability_maps(torch.stack([MAPS[0], -2 * MAPS[0]]))
    for panel in signed.axes:
        low, high = panel.images[0].get_clim()
        assert low == -high
    assert figures.probability_maps(MAPS).axes[0].images[0].get_clim()[0] == 0


def test_a_map_of_zeros_is_drawn():
    figures.probability_maps(torch.zeros(1, 3, 3))._repr_png_()


def test_landmarks_stand_on_their_images_in_pixels():
    figure = figures.landmark_rows({"one": (IMAGES, XY), "two": (IMAGES, -XY)})
    places = [panel.collections[0].get_offsets() for panel in figure.axes]
    np.testing.assert_allclose(places[0], [[6, 6], [0, 8]])
    np.testing.assert_allclose(places[3], [[6, 2], [12, 0]])
    assert [text.get_text() for panel in figure.axes for text in panel.texts] == ["one", "two"]


def test_growth_is_logarithmic_with_a_line_a_curve_and_a_slope():
    figure = figures.growth([2, 4, 8], {"time": {"a": [1, 4, 16], "b": [1, 2, 4]}}, "size", slopes=(2,))
    (panel,) = figure.axes
    assert (panel.get_xscale(), panel.get_yscale()) == ("log", "log")
    slope, first, _ = (line.get_ydata() for line in panel.lines)
    np.testing.assert_allclose(slope, first)
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["a", "b", "slope 2"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: figures.probability_maps(MAPS[0]), "maps: shape"),
        (lambda: figures.probability_maps(MAPS, torch.zeros(2, 2)), "xy: shape"),
        (lambda: figures.probability_maps(MAPS, titles=["a"]), "titles: 1 words"),
        (lambda: figures.probability_maps(MAPS, aims=torch.zeros(2, 2)), "aims: shape"),
        (lambda: figures.probability_maps(MAPS, columns=0), "columns: 0 was given"),
        (lambda: figures.landmark_rows({}), "rows: {} was given"),
        (lambda: figures.landmark_rows({"one": (IMAGES, XY), "two": (IMAGES[:1], XY[:1])}), "two: shape"),
        (lambda: figures.landmark_rows({"one": (IMAGES, XY[:1])}), "one: shape"),
        (lambda: figures.landmark_rows({"one": (IMAGES, torch.zeros(2, 11, 2))}), "landmarks: 11 was given"),
        (lambda: figures.growth([1, 2], {}, "size"), "panels: {} was given"),
        (lambda: figures.growth([1, 2], {"time": {}}, "size"), "panels: .* was given"),
        (lambda: figures.growth([1, 2], {"time": {"a": [1]}}, "size"), r"a: \[1\] was given"),
        (lambda: figures.growth([0, 2], {"time": {"a": [1, 2]}}, "size"), "across: .* was given"),
    ],
)
def test_refuses_what_it_cannot_draw(call, words):
    with pytest.raises(ValueError, match=words):
        call()
