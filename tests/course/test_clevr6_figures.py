"""Figures of lesson 15 hold what they promise: who paints what, each keypoint alone, and shares of each true value."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.colors import to_rgb

from tusklite.course import clevr6 as lesson
from tusklite.course import figures

GENERATOR = torch.Generator().manual_seed(3)
SCENE, REDRAWN, BACKGROUND = torch.rand(3, 3, 8, 10, generator=GENERATOR)
LAYERS = torch.randn(3, 4, 8, 10, generator=GENERATOR)
LAYERS[2, 3] = -torch.inf  # a slot that was left empty
SEGMENTS = torch.tensor([[0, 1], [2, 2]], dtype=torch.uint8).repeat_interleave(4, 0).repeat_interleave(5, 1)
POINTS = torch.tensor([[-0.5, 0.0], [0.5, 0.5]])
CONFUSED = {"size": torch.tensor([[3, 1, 0], [0, 0, 0]]), "shape": torch.tensor([[2, 0, 2], [1, 3, 0]])}
NAMES = {"size": ["small", "large"], "shape": ["cube", "sphere"]}
FIGURES = {
    "strip": lambda: lesson.keypoint_strip(SCENE, REDRAWN, BACKGROUND, SEGMENTS, LAYERS),
    "strip judged at another size": lambda: lesson.keypoint_strip(
        SCENE, REDRAWN, BACKGROUND, torch.zeros(16, 20, dtype=torch.uint8), LAYERS
    ),
    "an empty strip": lambda: lesson.keypoint_strip(SCENE, REDRAWN, BACKGROUND, 0 * SEGMENTS, LAYERS[2:]),
    "confusions": lambda: lesson.confusions(CONFUSED, NAMES),
    "nothing confused": lambda: lesson.confusions({"size": torch.tensor([[3, 0, 0], [0, 2, 0]])}, NAMES),
    "edited": lambda: lesson.edited_scene(SCENE, REDRAWN, SEGMENTS, POINTS, torch.tensor([True, False])),
    "emptied": lambda: lesson.edited_scene(SCENE, REDRAWN, SEGMENTS, POINTS, torch.tensor([False, False])),
}


def shown(panel) -> np.ndarray:
    return np.asarray(panel.images[0].get_array())


def test_segments_have_the_colours_of_the_palette_and_nobody_s_pixels_are_dark():
    tinted = lesson.tinted(torch.tensor([[[0, 1, 3]]]))[0, :, 0].T
    colours = [(0.15, 0.15, 0.15), to_rgb(figures.PALETTE[0]), to_rgb(figures.PALETTE[2])]
    np.testing.assert_allclose(tinted, colours, atol=1e-6)
    some = lesson.tinted(torch.tensor([[[0, 1, 3]]]), names=[3])[0, :, 0].T
    np.testing.assert_allclose(some, [colours[0], colours[0], colours[2]], atol=1e-6)


def test_a_strip_shows_each_keypoint_on_grey_above_its_alpha():
    figure = lesson.keypoint_strip(SCENE, REDRAWN, BACKGROUND, SEGMENTS, LAYERS)
    panels = figure.axes
    assert [panel.get_title() for panel in panels] == [
        *("scene", "who paints", "keypoint 1", "keypoint 2", "empty"),
        *("redrawn", "background", "alpha", "alpha", ""),
    ]
    alpha = 1 / (1 + np.exp(-LAYERS[1, 3].numpy()))
    np.testing.assert_allclose(shown(panels[8])[..., 0], alpha, atol=1e-6)
    drawn = LAYERS[1, :3].clamp(0, 1).numpy() * alpha + 0.5 * (1 - alpha)
    np.testing.assert_allclose(shown(panels[3]), drawn.transpose(1, 2, 0), atol=1e-6)
    np.testing.assert_allclose(shown(panels[4]), 0.5)
    np.testing.assert_allclose(shown(panels[9]), 0)
    assert "2 of 3 slots hold a keypoint" in figure.alt
    assert "1: 25.0% and 2: 50.0%" in figure.alt


def test_confusions_are_shares_of_each_true_value():
    size, shape = lesson.confusions(CONFUSED, NAMES).axes
    assert [text.get_text() for text in size.texts] == ["75", "25"]
    assert [text.get_text() for text in shape.texts] == ["50", "50", "25", "75"]
    assert [text.get_text() for text in shape.get_xticklabels()] == ["cube", "sphere", "none"]
    alt = lesson.confusions(CONFUSED, NAMES).alt
    assert "Size: 75% of 4 things right; most often 25% of the small ones are taken for large." in alt
    assert "Shape: 62% of 8 things right; most often 50% of the cube ones get no name." in alt
    assert "no mistake" in FIGURES["nothing confused"]().alt


def test_only_what_is_drawn_is_marked():
    scene, redrawn, painted = lesson.edited_scene(SCENE, REDRAWN, SEGMENTS, POINTS, torch.tensor([False, True])).axes
    assert not scene.collections
    for panel in (redrawn, painted):
        (marked,) = panel.collections
        np.testing.assert_allclose(marked.get_offsets(), [[7.5, 6.0]])
        assert [text.get_text() for text in panel.texts] == ["2"]
    np.testing.assert_allclose(shown(painted)[0, 0], [0.15] * 3, atol=1e-6)
