"""What lesson 14 defines, as it is stored, against the package and scikit-learn."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lesson_definitions import definitions
from scipy.ndimage import binary_dilation
from sklearn.metrics import adjusted_rand_score

from tusklite.data import Tetrominoes
from tusklite.methods.tusk.model import TUSK, TUSKConfig
from tusklite.metrics import segment_rand_index
from tusklite.ops.aggregation import alpha_blend, separate_splats
from tusklite.ops.canvases import greedy_choice, local_canvases, paste

LESSON = definitions("14_tetrominoes", goes_on=True)
SHAPE = {"keypoints": 3, "prototypes": 4, "image_channels": 3, "width": 8, "levels": 2, "groups": 4, "window": 5}
BEYOND = {"decoder_output": "sigmoid", "aggregation": "alpha", "background_layer": "black"}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small_model(canvas: int = 13, candidates: int = 6) -> TUSK:
    choice = {"candidates": candidates, "candidate_window": 3 if candidates else 0}
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return TUSK(TUSKConfig(canvas=canvas, **choice, **SHAPE, **BEYOND)).eval()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 4), channels=st.integers(1, 3))
def test_the_blend_is_the_package_s(seed, k, channels):
    layers = 5 * torch.randn(2, k, channels + 1, 4, 5, generator=seeded(seed))
    background = torch.rand(2, channels, 4, 5, generator=seeded(seed + 1))
    for ours, package in zip(LESSON["blend"](layers, background), alpha_blend(layers, background), strict=True):
        torch.testing.assert_close(ours, package, atol=1e-5, rtol=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    height=st.integers(3, 12),
    width=st.integers(3, 12),
    side=st.sampled_from([1, 3, 5, 9]),
)
def test_canvases_are_the_package_s_wherever_a_point_lies(seed, height, width, side):
    xy = 2 * torch.rand(2, 3, 2, generator=seeded(seed)) - 1
    xy[0, 0], xy[1, 1] = 1.0, -1.0
    score, descriptors = torch.rand(2, 3, generator=seeded(1)), torch.randn(2, 3, 2, generator=seeded(2))
    corner, local = LESSON["canvas_of"](xy, height, width, side)
    package = local_canvases(xy, score, descriptors, height, width, side, 0.7)
    assert torch.equal(corner, package.corner)
    maps = separate_splats(local, score, descriptors, side, side, 0.7)
    torch.testing.assert_close(maps, package.maps, atol=1e-4, rtol=1e-3)
    layers = torch.randn(2, 3, 3, side, side, generator=seeded(4))
    assert torch.equal(LESSON["paste_layers"](layers, corner, height, width), paste(layers, corner, height, width))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), pieces=st.integers(1, 4), parts=st.integers(1, 4))
def test_the_index_is_the_package_s_and_scikit_learn_s(seed, pieces, parts):
    truth = torch.randint(pieces + 1, (5, 6), generator=seeded(seed))
    truth[0, 0] = 1
    segments = torch.randint(parts, (5, 6), generator=seeded(seed + 1))
    ours, on = LESSON["rand_index"](segments, truth), truth > 0
    assert ours == pytest.approx(float(segment_rand_index(segments[None], truth[None])), abs=1e-9)
    assert ours == pytest.approx(adjusted_rand_score(truth[on].numpy(), segments[on].numpy()), abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 5), most=st.integers(1, 6), least=st.sampled_from([0.0, 0.1, 1.0]))
def test_the_choice_is_the_package_s(seed, k, most, least):
    layers = torch.rand(1, k, 4, 5, 6, generator=seeded(seed))
    layers[:, :, -1] = 8 * layers[:, :, -1] - 5
    images, background = (torch.rand(1, 3, 5, 6, generator=seeded(seed + i)) for i in (1, 2))
    package = greedy_choice(images, layers, background, least, most)[0]
    assert torch.equal(LESSON["choose"](images, layers, background, least, most), package)


def test_candidates_are_those_that_the_model_chooses_among():
    model, images = small_model(), Tetrominoes("validation", size=4).scenes(range(4)).image
    layers, black = LESSON["candidates"](model, images), torch.zeros(4, 3, 35, 35)
    assert layers.shape == (4, 6, 4, 35, 35)
    kept = greedy_choice(images, layers, black, least_gain=0.0, most=3)
    with torch.no_grad():
        seen = model(images)
    assert torch.equal(kept.sum(dim=1), seen.keypoints.found.sum(dim=1))
    drawn = layers.clone()
    drawn[:, :, -1] = layers[:, :, -1].masked_fill(~kept[:, :, None, None], -20.0)
    torch.testing.assert_close(alpha_blend(drawn, black)[0], seen.reconstruction, atol=1e-4, rtol=1e-3)


def test_gains_are_what_the_error_falls_by_and_none_is_worth_less_than_nothing():
    model, images = small_model(), Tetrominoes("validation", size=5).scenes(range(5)).image
    gains = LESSON["gains"](model, images, most=4)
    assert gains.shape == (5, 4)
    assert gains.min() > -1e-4
    layers, black = LESSON["candidates"](model, images), torch.zeros_like(images)
    kept = greedy_choice(images, layers, black, 0.0, 1)
    layers[:, :, -1] = layers[:, :, -1].masked_fill(~kept[:, :, None, None], -20.0)
    errors = [(drawn - images).square().sum(dim=(1, 2, 3)) / 3 for drawn in (black, alpha_blend(layers, black)[0])]
    torch.testing.assert_close(gains[:, 0], errors[0] - errors[1], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("canvas", "same"), [(13, True), (0, False)])
def test_with_a_canvas_a_drawing_is_the_same_everywhere(canvas, same):
    images = Tetrominoes("validation", size=3).scenes(range(3)).image
    changes = LESSON["changes_when_moved"](small_model(canvas, candidates=0), images, range(4))
    assert changes[0] == 0
    assert (max(changes) < 1e-3) is same


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_scenes_have_as_many_pieces_as_they_say(count):
    batch = Tetrominoes("test", size=60).scenes(range(60), with_truth=True)
    images, segments = LESSON["with_pieces"](count, batch)
    assert {len(scene[scene > 0].unique()) for scene in segments} == {count}
    assert torch.equal(images.amax(dim=1) > 0, segments > 0)
    assert 0 <= images.min() <= images.max() <= 1
    assert {int((scene == piece).sum()) for scene in segments for piece in scene[scene > 0].unique()} == {100}


def test_pieces_touch_where_one_grown_by_a_pixel_meets_another():
    segments = Tetrominoes("test", size=40).scenes(range(40), with_truth=True).segments.long()
    wanted = [
        any(
            (binary_dilation((scene == a).numpy()) & (scene == b).numpy()).any()
            for a in (1, 2, 3)
            for b in (1, 2, 3)
            if a != b
        )
        for scene in segments
    ]
    assert LESSON["touch"](segments).tolist() == wanted
    assert 0 < sum(wanted) < 40
