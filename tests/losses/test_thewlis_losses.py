"""Thewlis's losses against their equations, written out as loops over pixels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tusklite.geometry import WARPS, identity_grid, random_tps
from tusklite.losses import (
    diversity_loss,
    overlap_loss,
    point_alignment_loss,
    probability_alignment_loss,
    probability_alignment_loss_naive,
)

sizes = st.integers(1, 5)


def random_maps(seed: int, *shape: int) -> Tensor:
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (3 * logits).flatten(2).softmax(dim=-1).view(shape)


def pixel(row: int, column: int, height: int, width: int) -> np.ndarray:
    return np.array([(2 * column + 1) / width - 1, (2 * row + 1) / height - 1])


@given(sizes, sizes, sizes, sizes, st.integers(1, 2), st.integers(1, 3), st.integers(0, 99))
@settings(max_examples=15)
def test_probability_alignment_is_the_four_nested_sums(h, w, h2, w2, batch, landmarks, seed):
    p, q = random_maps(seed, batch, landmarks, h, w), random_maps(seed + 1, batch, landmarks, h2, w2)
    grid = torch.randn(batch, h2, w2, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    total = 0.0
    for b, r in itertools.product(range(batch), range(landmarks)):
        for i, j, k, m in itertools.product(range(h), range(w), range(h2), range(w2)):
            away = pixel(i, j, h, w) - grid[b, k, m].numpy()
            total += (away @ away) * p[b, r, i, j].item() * q[b, r, k, m].item()
    expected = torch.tensor(total / (batch * landmarks), dtype=torch.float64)
    torch.testing.assert_close(probability_alignment_loss(p, q, grid), expected)
    torch.testing.assert_close(probability_alignment_loss_naive(p, q, grid), expected)


def test_both_forms_have_the_same_gradients():
    grid = random_tps(2, WARPS["thewlis-faces-g2"], torch.Generator().manual_seed(0)).grid(7, 9).double()
    gradients = []
    for loss in (probability_alignment_loss, probability_alignment_loss_naive):
        p = random_maps(0, 2, 3, 7, 9).requires_grad_()
        q = random_maps(1, 2, 3, 7, 9).requires_grad_()
        g = grid.clone().requires_grad_()
        gradients.append(torch.autograd.grad(loss(p, q, g), (p, q, g)))
    for ours, naive in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, naive)


def test_alignment_of_single_points_is_the_distance_between_them():
    warp = random_tps(3, WARPS["thewlis-faces-g2"], torch.Generator().manual_seed(1))
    v = torch.rand(3, 4, 2, generator=torch.Generator().manual_seed(2)) - 0.5
    away = torch.tensor([0.3, -0.4])
    assert point_alignment_loss(warp(v), v, warp).item() == pytest.approx(0.0, abs=1e-10)
    assert point_alignment_loss(warp(v) + away, v, warp).item() == pytest.approx(0.25, rel=1e-5)


def test_alignment_adds_the_spread_of_both_maps_to_the_distance_of_their_means():
    p, q = random_maps(3, 1, 1, 6, 5), random_maps(4, 1, 1, 6, 5)
    grid = identity_grid(6, 5).double()
    points = grid.flatten(0, 1).numpy()
    means = [np.average(points, axis=0, weights=m.flatten().numpy()) for m in (p, q)]
    spreads = [
        np.average(((points - mean) ** 2).sum(1), weights=m.flatten().numpy())
        for m, mean in zip((p, q), means, strict=True)
    ]
    expected = ((means[0] - means[1]) ** 2).sum() + sum(spreads)
    assert probability_alignment_loss(p, q, grid[None]).item() == pytest.approx(expected)


@given(sizes, sizes, st.integers(1, 2), st.integers(1, 4), st.integers(0, 99))
@settings(max_examples=15)
def test_diversity_losses_are_their_equations(h, w, batch, landmarks, seed):
    maps = random_maps(seed, batch, landmarks, h, w)
    pairs = itertools.product(range(landmarks), repeat=2)
    overlap = sum((maps[:, r] * maps[:, s]).sum() for r, s in pairs) / landmarks**2 / batch
    torch.testing.assert_close(overlap_loss(maps), overlap)
    shared = sum(
        maps[b, :, i, j].sum() - maps[b, :, i, j].max()
        for b, i, j in itertools.product(range(batch), range(h), range(w))
    )
    torch.testing.assert_close(diversity_loss(maps), shared / batch)


def test_pooled_diversity_sums_disjoint_squares():
    maps = random_maps(5, 2, 3, 6, 4)
    squares = maps.view(2, 3, 3, 2, 2, 2).sum(dim=(3, 5))
    expected = 3 - squares.amax(dim=1).sum() / 2
    torch.testing.assert_close(diversity_loss(maps, pool=2), expected)


def test_diversity_is_between_apart_and_together():
    apart = torch.eye(4).view(1, 4, 2, 2)
    together = apart[:, :1].expand(1, 4, 2, 2)
    assert diversity_loss(apart) == 0
    assert diversity_loss(together) == 3


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: overlap_loss(torch.zeros(2, 3, 4)), "probs: shape"),
        (lambda: diversity_loss(torch.full((1, 1, 2, 2), torch.nan)), "probs: NaN"),
        (lambda: diversity_loss(torch.zeros(1, 1, 4, 6), pool=4), "pool: 4 was given"),
        (
            lambda: probability_alignment_loss(
                torch.zeros(1, 2, 3, 3), torch.zeros(1, 3, 3, 3), torch.zeros(1, 3, 3, 2)
            ),
            "warped_probs: shape",
        ),
        (
            lambda: probability_alignment_loss_naive(
                torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 2)
            ),
            "grid: shape",
        ),
    ],
)
def test_wrong_shapes_are_refused(call, complaint):
    with pytest.raises(ValueError, match=complaint):
        call()
