"""The widget of keypoints follows its controls: one is taken away or moved, and the picture is the decoder's."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from tusklite.course.clevr6 import EditedScene, edit_scene
from tusklite.methods.base import new_method
from tusklite.methods.tusk.model import TUSK, TUSKConfig
from tusklite.ops.aggregation import alpha_blend

SMALL = {
    **{"keypoints": 3, "prototypes": 4, "image_channels": 3, "descriptor_channels": 8, "width": 8, "levels": 2},
    **{"groups": 4, "window": 3, "stem": 2, "decoder_output": "sigmoid", "aggregation": "alpha", "canvas": 6},
}
SCENE = torch.rand(3, 16, 20, generator=torch.Generator().manual_seed(0))


def network(**changes: object) -> TUSK:
    """An untrained network, the same for the same settings."""
    config = TUSKConfig(**{**SMALL, "background_layer": "surface", **changes})
    return new_method(lambda: TUSK(config), 0).eval()


def pixels(controls: EditedScene) -> np.ndarray:
    return imread(io.BytesIO(controls.picture.value))


def test_at_first_the_picture_is_what_the_network_redraws():
    model = network()
    controls = EditedScene(model, SCENE)
    with torch.no_grad():
        output = model(SCENE[None])
    torch.testing.assert_close(controls.redraw()[0], output.reconstruction[0])
    error = float((output.reconstruction[0] - SCENE).square().mean(dim=0).sum())
    assert controls.message.value == f"squared error {error:.2f} pixels, {error:.2f} as the network left it"


def test_what_is_taken_away_is_not_drawn_and_comes_back():
    model = network()
    controls = EditedScene(model, SCENE)
    before = pixels(controls)
    controls.keypoint.value = 2
    controls.shown.value = False
    assert controls.drawn.tolist() == [True, False, True]
    with torch.no_grad():
        output = model(SCENE[None])
        blended, _ = alpha_blend(output.layers[:, [0, 2]], model.background(SCENE[None], output.features))
    redrawn, segments = controls.redraw()
    torch.testing.assert_close(redrawn, blended[0], atol=1e-4, rtol=1e-4)
    assert set(segments.unique().tolist()) <= {0, 1, 3}
    assert not np.array_equal(pixels(controls), before)
    controls.reset.click()
    assert controls.drawn.all()
    controls.keypoint.value = 1
    assert np.array_equal(pixels(controls), before)


def test_with_all_taken_away_the_background_is_left():
    model = network()
    controls = EditedScene(model, SCENE)
    for number in (1, 2, 3):
        controls.keypoint.value = number
        controls.shown.value = False
    redrawn, segments = controls.redraw()
    torch.testing.assert_close(redrawn, model.background(SCENE[None], torch.zeros(1, 8, 8, 10))[0])
    assert not segments.any()


def test_choosing_a_keypoint_moves_nothing_and_a_slider_moves_it_alone():
    controls = EditedScene(network(), SCENE)
    home = controls.xy.clone()
    controls.keypoint.value = 3
    assert torch.equal(controls.xy, home)
    controls.x.value = 0.25
    assert controls.xy[2, 0] == 0.25
    assert torch.equal(controls.xy[:2], home[:2])


def test_a_scene_without_a_keypoint_can_be_looked_at():
    controls = EditedScene(network(candidates=4, least_gain=1e6), SCENE)
    assert controls.message.value.startswith("the network kept no keypoint here")
    assert not controls.drawn.any()
    controls.shown.value = True
    assert not controls.drawn.any()


def test_without_a_background_nothing_drawn_is_black():
    controls = EditedScene(network(background_layer="none"), SCENE)
    assert 0 not in controls.redraw()[1]  # somebody paints every pixel
    for number in (1, 2, 3):
        controls.keypoint.value = number
        controls.shown.value = False
    assert not controls.redraw()[0].any()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: EditedScene(network(), SCENE[:2]), ValueError, r"scene: shape \(2, 16, 20\)"),
        (lambda: EditedScene(network(), SCENE.numpy()), TypeError, "scene: ndarray"),
        (lambda: edit_scene(network(), 255 * SCENE), ValueError, "images: values from"),
        (
            lambda: EditedScene(network(aggregation="sum", canvas=0, background_layer="none"), SCENE),
            ValueError,
            "aggregation: 'sum' was given; allowed are 'alpha'|aggregation: 'sum' was given; allowed is 'alpha'",
        ),
    ],
)
def test_wrong_input_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
