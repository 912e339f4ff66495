"""Keypoints drawn alone on small canvases: against loops, against whole canvases, and against every possible choice."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import softmax

from tusklite.ops.aggregation import alpha_blend, separate_splats
from tusklite.ops.canvases import TRANSPARENT, greedy_choice, local_canvases, paste


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_keypoints(batch: int, k: int, channels: int, seed: int = 0, reach: float = 1.0) -> tuple[torch.Tensor, ...]:
    generator = seeded(seed)
    xy = reach * (2 * torch.rand(batch, k, 2, generator=generator, dtype=torch.float64) - 1)
    score = torch.rand(batch, k, generator=generator, dtype=torch.float64)
    return xy, score, torch.randn(batch, k, channels, generator=generator, dtype=torch.float64)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    side=st.integers(1, 8),
    sigma=st.sampled_from([0.3, 0.7, 2.0]),
)
def test_a_canvas_is_centred_on_the_keypoints_pixel_and_painted_there(seed, height, width, side, sigma):
    xy, score, descriptors = some_keypoints(2, 3, 2, seed)
    canvases = local_canvases(xy, score, descriptors, height, width, side, sigma)
    for b, k in np.ndindex(2, 3):
        x, y = (xy[b, k].numpy() + 1) / 2 * [width, height]  # pixel edges
        column, row = min(int(x), width - 1) - side // 2, min(int(y), height - 1) - side // 2
        assert canvases.corner[b, k].tolist() == [column, row]
        across = stats.norm.pdf(column + np.arange(side) + 0.5, x, sigma)
        down = stats.norm.pdf(row + np.arange(side) + 0.5, y, sigma)
        splat = np.outer(down / down.sum(), across / across.sum())
        expected = float(score[b, k]) * descriptors[b, k].numpy()[:, None, None] * splat
        np.testing.assert_allclose(canvases.maps[b, k], expected, atol=1e-10)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    shape=st.tuples(*(st.integers(1, 3) for _ in range(3)), *(st.integers(1, 6) for _ in range(4))),
    reach=st.sampled_from([3, 40, 10**9]),
)
def test_pasting_moves_every_pixel_and_cuts_off_what_sticks_out(seed, shape, reach):
    batch, k, channels, rows, columns, height, width = shape
    layers = torch.randn(batch, k, channels + 1, rows, columns, generator=seeded(seed), dtype=torch.float64)
    corner = torch.randint(-reach, reach + 1, (batch, k, 2), generator=seeded(seed))
    expected = np.zeros((batch, k, channels + 1, height, width))
    expected[:, :, -1] = TRANSPARENT
    for b, n, row, column in np.ndindex(batch, k, rows, columns):
        x, y = corner[b, n, 0].item() + column, corner[b, n, 1].item() + row
        if 0 <= x < width and 0 <= y < height:
            expected[b, n, :, y, x] = layers[b, n, :, row, column]
    np.testing.assert_array_equal(paste(layers, corner, height, width), expected)


def test_a_canvas_larger_than_the_map_shows_what_the_whole_map_shows():
    xy, score, descriptors = some_keypoints(2, 3, 4, reach=0.9)
    canvases = local_canvases(xy, score, descriptors, 6, 8, 33, 0.6)  # beyond it a Gaussian is 0
    pasted = paste(canvases.maps, canvases.corner, 6, 8)
    whole = separate_splats(xy, score, descriptors, 6, 8, 0.6)
    inside = pasted.sum(dim=(-2, -1), keepdim=True) / whole.sum(dim=(-2, -1), keepdim=True)  # some of it is beyond
    torch.testing.assert_close(pasted / inside, whole)


def test_gradients_are_those_of_finite_differences():
    xy, score, descriptors = some_keypoints(1, 2, 2)
    points = [tensor.requires_grad_() for tensor in (xy, score, descriptors)]
    assert torch.autograd.gradcheck(lambda *inputs: local_canvases(*inputs, 5, 6, 3, 0.8).maps, points)
    layers = torch.randn(1, 2, 2, 3, 3, generator=seeded(), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda layers: paste(layers, torch.tensor([[[-1, 0], [2, 1]]]), 4, 4), layers)


def test_half_precision_is_that_of_float64(device, dtype, close):
    xy, score, descriptors = (tensor.to(device, dtype) for tensor in some_keypoints(2, 3, 4))
    found = local_canvases(xy, score, descriptors, 6, 8, 5, 0.7)
    exact = local_canvases(xy.double(), score.double(), descriptors.double(), 6, 8, 5, 0.7)
    assert found.maps.dtype == dtype
    torch.testing.assert_close(found.corner, exact.corner)
    if dtype not in (torch.bfloat16, torch.float16):  # there a place inside a pixel has two digits
        close(found.maps, exact.maps)


def blended_error(images, layers, background, chosen) -> float:
    """Of one scene, pixel by pixel, with SciPy's softmax."""
    logits = np.concatenate([layers[chosen][:, -1], np.zeros((1, *layers.shape[-2:]))])
    colours = np.concatenate([layers[chosen][:, :-1], background[None]])
    drawn = (softmax(logits, axis=0)[:, None] * colours).sum(axis=0)
    return float(((drawn - images) ** 2).mean(axis=0).sum())


def greedily(images, layers, background, least_gain, most) -> list[int]:
    chosen: list[int] = []
    error = blended_error(images, layers, background, chosen)
    while len(chosen) < min(most, len(layers)):
        rest = [k for k in range(len(layers)) if k not in chosen]
        least, best = min((blended_error(images, layers, background, [*chosen, k]), k) for k in rest)
        if error - least <= least_gain:
            break
        chosen, error = [*chosen, best], least
    return sorted(chosen)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    k=st.integers(1, 5),
    channels=st.integers(1, 3),
    least_gain=st.sampled_from([0.0, 0.2, 1.0]),
    most=st.integers(1, 6),
)
def test_the_choice_is_the_greedy_one_by_loops(seed, k, channels, least_gain, most):
    generator = seeded(seed)
    images, background = torch.rand(2, 2, channels, 3, 4, generator=generator, dtype=torch.float64)
    layers = torch.randn(2, k, channels + 1, 3, 4, generator=generator, dtype=torch.float64)
    kept = greedy_choice(images, layers, background, least_gain, most)
    for b in range(2):
        by_loops = greedily(images[b].numpy(), layers[b].numpy(), background[b].numpy(), least_gain, most)
        assert kept[b].nonzero().flatten().tolist() == by_loops


def test_things_are_kept_once_each_and_nothing_else():
    """Three squares, each drawn twice, and two layers of nothing: with no word of how many there are."""
    images = torch.zeros(1, 3, 12, 12)
    layers = torch.zeros(1, 8, 4, 12, 12)
    layers[:, :, -1] = -15.0
    for n, (top, left) in enumerate([(0, 0), (6, 2), (3, 8)]):
        rows, columns = slice(top, top + 4), slice(left, left + 4)
        images[0, n, rows, columns] = 1.0
        for copy, logit in ((n, 9.0), (n + 3, 8.0)):
            layers[0, copy, n, rows, columns] = 1.0
            layers[0, copy, -1, rows, columns] = logit
    kept = greedy_choice(images, layers, torch.zeros_like(images), least_gain=0.1, most=8)
    assert kept.tolist() == [[True, True, True, False, False, False, False, False]]
    # No choice of three is better, and none of more is better by the least gain.
    scene = [tensor[0].double().numpy() for tensor in (images, layers, torch.zeros_like(images))]
    errors = {some: blended_error(*scene, list(some)) for n in range(5) for some in itertools.combinations(range(8), n)}
    assert errors[0, 1, 2] <= min(error for some, error in errors.items() if len(some) <= 3)
    assert errors[0, 1, 2] - min(errors.values()) < 0.1


def test_a_layer_without_alpha_is_never_kept_and_never_nan():
    layers = torch.rand(1, 2, 2, 3, 3, generator=seeded())
    layers[:, 0, -1] = -torch.inf
    images = layers[:, 0, :-1]
    assert greedy_choice(images, layers, torch.zeros_like(images), 0.0, 2)[0, 0].item() is False


def test_a_background_is_one_more_layer_of_logit_nought():
    layers = torch.randn(2, 3, 4, 5, 6, generator=seeded())
    background = torch.rand(2, 3, 5, 6, generator=seeded())
    behind = torch.cat([background, torch.zeros(2, 1, 5, 6)], dim=1).unsqueeze(1)
    image, masks = alpha_blend(layers, background)
    expected_image, expected_masks = alpha_blend(torch.cat([layers, behind], dim=1))
    torch.testing.assert_close(image, expected_image)
    torch.testing.assert_close(masks, expected_masks[:, :3])


IMAGES, LAYERS = torch.rand(1, 2, 4, 4), torch.rand(1, 3, 3, 4, 4)


@pytest.mark.parametrize(
    ("call", "error", "complaint"),
    [
        (lambda: local_canvases(*some_keypoints(1, 2, 3), 4, 4, 0, 1.0), ValueError, "side: 0 was given"),
        (lambda: paste(LAYERS, torch.zeros(1, 3, 2), 4, 4), ValueError, "corner: torch.float32 of shape"),
        (lambda: paste(LAYERS, torch.zeros(1, 2, 2).long(), 4, 4), ValueError, r"allowed is int64 of \(1, 3, 2\)"),
        (lambda: greedy_choice(IMAGES[:, :1], LAYERS, IMAGES, 0.1, 2), ValueError, "images: shape"),
        (lambda: greedy_choice(IMAGES, LAYERS, IMAGES.double(), 0.1, 2), TypeError, "background: torch.float64"),
        (lambda: greedy_choice(IMAGES, LAYERS, IMAGES, -0.1, 2), ValueError, "least_gain: -0.1 was given"),
        (lambda: greedy_choice(IMAGES, LAYERS, IMAGES, 0.1, 0), ValueError, "most: 0 was given"),
        (lambda: alpha_blend(LAYERS, IMAGES[:, :1]), ValueError, "background: shape"),
    ],
)
def test_wrong_input_is_refused(call, error, complaint):
    with pytest.raises(error, match=complaint):
        call()
