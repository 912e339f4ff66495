"""The widget of window and temperature follows its sliders; where nobody is there, a figure stands in its place."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from tusklite.course.single_heatmap import SoftWindow, explore_window, soft_window
from tusklite.ops.keypoints import detect_keypoints

IMAGE = torch.rand(1, 20, 30, generator=torch.Generator().manual_seed(0))
HEATMAP = 0.1 * torch.rand(1, 20, 30, generator=torch.Generator().manual_seed(1))
HEATMAP[0, 5, 5], HEATMAP[0, 5, 9], HEATMAP[0, 15, 20] = 0.9, 0.8, 0.7


def pixels(sliders: SoftWindow) -> np.ndarray:
    return imread(io.BytesIO(sliders.picture.value))


def test_the_picture_is_that_of_the_plot_and_follows_each_slider():
    sliders = SoftWindow(IMAGE, HEATMAP, k=3, window=3, temperature=0.1)
    for name, value in (("keypoint", 2), ("window", 5), ("temperature", 1.0)):
        before = pixels(sliders)
        getattr(sliders, name).value = value
        assert not np.array_equal(pixels(sliders), before)
    expected = soft_window(IMAGE, HEATMAP, 5, 1.0, k=3, chosen=1)._repr_png_()
    assert np.array_equal(pixels(sliders), imread(io.BytesIO(expected)))


def test_a_window_that_swallows_maxima_takes_their_slider_back():
    sliders = SoftWindow(IMAGE, HEATMAP, k=9, window=3)
    assert (sliders.keypoint.value, sliders.keypoint.max) == (1, 9)
    sliders.keypoint.value = 9
    sliders.window.value = 21
    found = int(detect_keypoints(HEATMAP[None], 9, 21).found.sum())
    assert found < 9
    assert (sliders.keypoint.value, sliders.keypoint.max) == (found, found)
    assert sliders.message.value.startswith(f"{found} of 9 maxima found; number {found} ")
    sliders.window.value = 3
    assert (sliders.keypoint.value, sliders.keypoint.max) == (found, 9)


def test_an_even_side_goes_to_the_next_odd_one():
    sliders = SoftWindow(IMAGE, HEATMAP, k=3, window=7)
    for typed, side in ((4, 5), (20, 21), (2, 3), (6, 7)):
        sliders.window.value = typed
        assert sliders.window.value == side
        expected = soft_window(IMAGE, HEATMAP, side, 0.2, k=3)._repr_png_()
        assert np.array_equal(pixels(sliders), imread(io.BytesIO(expected)))


def test_it_says_how_far_the_point_is_from_its_maximum():
    sliders = SoftWindow(IMAGE, HEATMAP, k=3, window=7, temperature=0.5)
    x, y = (detect_keypoints(HEATMAP[None], 1, 7, 0.5).xy[0, 0].numpy() + 1) / 2 * (30, 20)
    assert f"refined by {np.hypot(x - 5.5, y - 5.5):.2f} pixels" in sliders.message.value
    sliders.temperature.value = 0.01
    assert "refined by 0.00 pixels" in sliders.message.value


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: SoftWindow(IMAGE[0], HEATMAP), ValueError, r"image: shape \(20, 30\)"),
        (lambda: SoftWindow(IMAGE, HEATMAP.numpy()), TypeError, "heatmap: ndarray"),
        (lambda: SoftWindow(IMAGE, HEATMAP, k=0), ValueError, "k: 0"),
        (lambda: SoftWindow(255 * IMAGE, HEATMAP), ValueError, "image: values from .* allowed are 0 to 1"),
        (lambda: SoftWindow(IMAGE, HEATMAP, window=4), ValueError, "window: 4"),
        (lambda: SoftWindow(IMAGE, HEATMAP, window=23), ValueError, "window: 23 .* from 1 to 21"),
        (lambda: SoftWindow(IMAGE, HEATMAP, temperature=0.001), ValueError, "temperature: 0.001"),
        (lambda: explore_window(IMAGE, HEATMAP[0]), ValueError, r"heatmap: shape \(20, 30\)"),
    ],
)
def test_wrong_input_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
