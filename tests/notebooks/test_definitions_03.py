"""What lesson 03 defines, as it is stored, against the package and loops."""

from __future__ import annotations

import itertools

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lesson_definitions import definitions

from tusklite.losses import diversity_loss, overlap_loss
from tusklite.ops.keypoints import spatial_softmax

LESSON = definitions("03_diversity")
sizes, seeds = st.integers(1, 5), st.integers(0, 10_000)


def random_maps(seed: int, *shape: int) -> torch.Tensor:
    return spatial_softmax(3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed)))


@settings(max_examples=15, deadline=None)
@given(sizes, sizes, st.integers(1, 3), st.integers(1, 5), seeds)
def test_both_forms_of_eq_7_are_the_package_s(height, width, batch, landmarks, seed):
    probs = random_maps(seed, batch, landmarks, height, width)
    for name in ("overlap_by_pairs", "overlap"):
        torch.testing.assert_close(LESSON[name](probs), overlap_loss(probs))


@settings(max_examples=15, deadline=None)
@given(sizes, sizes, st.integers(1, 3), st.integers(1, 5), seeds)
def test_eq_8_is_the_package_s_and_its_equation(height, width, batch, landmarks, seed):
    probs = random_maps(seed, batch, landmarks, height, width)
    ours = LESSON["diversity"](probs)
    torch.testing.assert_close(ours, diversity_loss(probs), atol=1e-5, rtol=1e-5)
    by_pixel = [
        probs[b, :, i, j].sum() - max(probs[b, :, i, j])
        for b, i, j in itertools.product(range(batch), range(height), range(width))
    ]
    torch.testing.assert_close(ours, torch.stack(by_pixel).sum() / batch, atol=1e-5, rtol=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), seeds)
def test_pooled_form_is_the_package_s(rows, columns, pool, landmarks, seed):
    probs = random_maps(seed, 2, landmarks, rows * pool, columns * pool)
    ours = LESSON["diversity_in_cells"](probs, pool)
    torch.testing.assert_close(ours, diversity_loss(probs, pool), atol=1e-5, rtol=1e-5)
