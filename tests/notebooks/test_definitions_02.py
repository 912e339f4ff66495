"""What lesson 02 defines, as it is stored, against the package and sums written out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lesson_definitions import definitions

from tusklite.geometry import WARPS, identity_grid, random_tps
from tusklite.losses import point_alignment_loss, probability_alignment_loss, probability_alignment_loss_naive
from tusklite.ops.keypoints import soft_argmax, spatial_softmax

LESSON = definitions("02_equivariance")
sizes, seeds = st.integers(1, 6), st.integers(0, 10_000)


def random_scores(seed: int, *shape: int) -> torch.Tensor:
    return 3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=15, deadline=None)
@given(sizes, sizes, st.integers(1, 3), st.integers(1, 4), seeds)
def test_softmax_and_mean_place_are_the_package_s(height, width, batch, landmarks, seed):
    scores = random_scores(seed, batch, landmarks, height, width)
    probs = LESSON["space_softmax"](scores)
    torch.testing.assert_close(probs, spatial_softmax(scores))
    torch.testing.assert_close(LESSON["mean_place"](probs), soft_argmax(probs))


def test_softmax_survives_large_scores():
    assert torch.isfinite(LESSON["space_softmax"](1e4 * random_scores(0, 1, 2, 4, 5))).all()


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 3), st.integers(1, 4), seeds)
def test_point_alignment_is_the_package_s(batch, landmarks, seed):
    warp = random_tps(batch, WARPS["thewlis-faces-g2"], torch.Generator().manual_seed(seed))
    points, twin_points = random_scores(seed, 2, batch, landmarks, 2) / 6
    ours = LESSON["align_points"](points, twin_points, warp)
    torch.testing.assert_close(ours, point_alignment_loss(points, twin_points, warp))


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), seeds)
def test_four_sums_are_the_package_s_naive_form(height, width, twin_height, twin_width, seed):
    p = spatial_softmax(random_scores(seed, 1, 1, height, width))
    q = spatial_softmax(random_scores(seed + 1, 1, 1, twin_height, twin_width))
    grid = random_tps(1, WARPS["thewlis-faces-g2"], torch.Generator().manual_seed(seed)).grid(twin_height, twin_width)
    ours = LESSON["four_sums"](p[0, 0], q[0, 0], grid[0])
    torch.testing.assert_close(ours, probability_alignment_loss_naive(p, q, grid), rtol=1e-4, atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(sizes, sizes, sizes, sizes, st.integers(1, 3), st.integers(1, 4), seeds)
def test_linear_form_is_the_package_s_with_its_gradients(height, width, twin_height, twin_width, batch, count, seed):
    grid = random_scores(seed, batch, twin_height, twin_width, 2).double() / 3
    p = random_scores(seed + 1, batch, count, height, width).double().softmax(dim=-1).requires_grad_()
    q = random_scores(seed + 2, batch, count, twin_height, twin_width).double().softmax(dim=-1).requires_grad_()
    LESSON["identity_grid"] = lambda high, wide: identity_grid(high, wide, dtype=torch.float64)
    losses = [loss(p, q, grid) for loss in (LESSON["align_maps"], probability_alignment_loss)]
    LESSON["identity_grid"] = identity_grid
    torch.testing.assert_close(*losses)
    for ours, package in zip(*(torch.autograd.grad(loss, (p, q)) for loss in losses), strict=True):
        torch.testing.assert_close(ours, package)


def test_variance_is_numpy_s():
    probs, places = spatial_softmax(random_scores(3, 1, 1, 5, 7))[0, 0], identity_grid(5, 7)
    draws = places.flatten(0, 1).numpy()
    weights = probs.flatten().numpy()
    by_hand = sum(np.cov(draws[:, axis], aweights=weights, ddof=0) for axis in (0, 1))
    assert float(LESSON["variance"](probs, places)) == pytest.approx(float(by_hand), rel=1e-4)


def test_humps_are_a_probability_with_its_mean_between_them():
    maps = LESSON["humps"](24, (-0.5, 0.1), (0.3, 0.1))
    assert maps.sum().item() == pytest.approx(1.0, abs=1e-5)
    torch.testing.assert_close(soft_argmax(maps), torch.tensor([[[-0.1, 0.1]]]), atol=2e-3, rtol=0)
