"""Sliced Wasserstein at the size it is used at, value and gradient, against POT's torch backend."""

from __future__ import annotations

import ot
import pytest
import torch
import torch.nn.functional as F

from tusklite.losses import random_projections, sliced_wasserstein


def unit(count: int, seed: int) -> torch.Tensor:
    return F.normalize(torch.randn(count, 32, generator=torch.Generator().manual_seed(seed)), dim=1)


@pytest.mark.parametrize("count", [1080, 700, 1300], ids=["equal", "fewer", "more"])
def test_value_and_gradients_are_pots_on_the_same_projections(count):
    projections = random_projections(100, 32, torch.Generator().manual_seed(0))
    results = []
    for distance in (
        sliced_wasserstein,
        lambda x, y, projections: ot.sliced_wasserstein_distance(x, y, projections=projections.T) ** 2,
    ):
        x, y = unit(count, 1).requires_grad_(), unit(1080, 2).requires_grad_()
        value = distance(x, y, projections)
        value.backward()
        results.append((value.detach(), count * x.grad, 1080 * y.grad))  # gradients of a sum, so that 1e-5 is little
    torch.testing.assert_close(*results, atol=1e-5, rtol=1e-5)
