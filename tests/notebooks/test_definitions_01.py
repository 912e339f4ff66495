"""What lesson 01 defines, as it is stored, against the package and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lesson_definitions import definitions
from scipy.interpolate import RBFInterpolator

from tusklite.geometry import WARPS, fit_tps, identity_grid, random_tps
from tusklite.geometry.kernel import radial

LESSON = definitions("01_thin_plate_splines")


def uniform(count: int, seed: int) -> torch.Tensor:
    """Points (count, 2) in [-1, 1]."""
    return 2 * torch.rand(count, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1


def test_kernel_is_the_package_s():
    squared = torch.cat([torch.zeros(1), torch.logspace(-30, 2, 50)])
    torch.testing.assert_close(LESSON["kernel"](squared), radial(squared), rtol=1e-6, atol=0)


@settings(max_examples=15)
@given(count=st.integers(4, 25), seed=st.integers(0, 10_000))
def test_spline_equals_the_package_and_scipy(count, seed):
    source, target, anywhere = uniform(count, seed), uniform(count, seed + 1), 1.5 * uniform(17, seed + 2)
    ours = LESSON["apply_spline"](anywhere, source, *LESSON["fit_spline"](source, target))
    torch.testing.assert_close(ours, fit_tps(source[None], target[None])(anywhere[None])[0], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ours, RBFInterpolator(source, target)(anywhere), rtol=1e-6, atol=1e-6)


def test_spline_works_in_single_precision():
    source, target = uniform(9, 1).float(), uniform(9, 2).float()
    weights, affine = LESSON["fit_spline"](source, target)
    assert weights.dtype == affine.dtype == torch.float32
    assert (tuple(weights.shape), tuple(affine.shape)) == ((9, 2), (3, 2))


@pytest.mark.parametrize("name", ["thewlis-faces-g1", "thewlis-mnist-g2", "tusk-mnist"])
def test_mean_displacement_is_in_pixels_of_a_hundred(name):
    LESSON.update(draws=4, seed=0)  # as the parameters cell does
    tps = random_tps(4, WARPS[name], torch.Generator().manual_seed(0))
    nodes = identity_grid(25, 25).view(1, -1, 2).expand(4, -1, -1)
    by_hand = np.linalg.norm(((tps(nodes) - nodes) * 100 / 2).numpy(), axis=-1).mean()
    assert float(LESSON["mean_displacement"](WARPS[name])) == pytest.approx(by_hand, rel=1e-4)
