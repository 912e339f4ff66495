"""Tables of prototypes against a loop, and signs of a dead detector."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tusklite.metrics import LandmarkRegressor, movement, prototype_spread, scatter_by_prototype


def drawn(images: int, k: int, prototypes: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    xy = torch.rand(images, k, 2, generator=generator) * 2 - 1
    assignment = torch.randint(prototypes, (images, k), generator=generator)
    return xy, assignment, torch.rand(images, k, generator=generator) < 0.8


@given(st.integers(1, 4), st.integers(1, 7), st.integers(1, 5), st.integers(0, 10**6), st.sampled_from((0.0, 1.0)))
def test_table_is_that_of_a_loop(images: int, k: int, prototypes: int, seed: int, added: float) -> None:
    """Jin et al. 2022, section 4.3: an entry for each prototype and each of its keypoints from left to right."""
    xy, assignment, found = drawn(images, k, prototypes, seed)
    expected = np.zeros((images, prototypes, k, 2), np.float32)
    for n in range(images):
        for prototype in range(prototypes):
            own = [xy[n, i].tolist() for i in range(k) if found[n, i] and assignment[n, i] == prototype]
            for place, point in enumerate(sorted(own)):
                expected[n, prototype, place] = np.array(point, np.float32) + np.float32(added)
    table = scatter_by_prototype(xy, assignment, found, prototypes, "corner" if added else "middle")
    np.testing.assert_allclose(table.numpy(), expected, atol=1e-6)


def test_the_order_of_keypoints_does_not_matter() -> None:
    xy, assignment, found = drawn(5, 6, 3, 0)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1))
    again = scatter_by_prototype(xy[:, order], assignment[:, order], found[:, order], 3)
    assert torch.equal(scatter_by_prototype(xy, assignment, found, 3), again)


def test_the_origin_matters_where_keypoints_are_missing() -> None:
    """Without a bias, a keypoint that is missing lies at the origin: a linear map is right about the middle alone."""
    generator = torch.Generator().manual_seed(0)
    eye = 0.2 * torch.randn(400, 1, 2, generator=generator)
    found = torch.rand(400, 1, generator=generator) < 0.5
    errors = {}
    for origin, added in (("corner", 1.0), ("middle", 0.0)):
        table = scatter_by_prototype(eye, torch.zeros(400, 1, dtype=torch.int64), found, 1, origin).flatten(1, 2)
        predicted = LandmarkRegressor(1e-6).fit(table, eye + added).predict(table)
        errors[origin] = float((predicted - eye - added).norm(dim=-1).mean())
    assert errors["middle"] < 0.5 * errors["corner"]


def test_spread_is_numpys_of_each_prototype() -> None:
    xy, assignment, found = drawn(30, 4, 3, 2)
    spread = prototype_spread(xy, assignment, found, 4)
    for prototype in range(3):
        own = xy[(assignment == prototype) & found].numpy()
        assert float(spread[prototype]) == pytest.approx(np.sqrt(own.var(axis=0).sum()), rel=1e-5)
    assert spread[3].isnan()


def test_a_grid_that_stands_still_does_not_move_in_whatever_order() -> None:
    grid = torch.rand(1, 6, 2, generator=torch.Generator().manual_seed(0))
    orders = [torch.randperm(6, generator=torch.Generator().manual_seed(n)) for n in range(8)]
    still = torch.cat([grid[:, order] for order in orders])
    found = torch.ones(8, 6, dtype=torch.bool)
    assert float(movement(still, found)) == 0.0
    shifts = torch.linspace(0, 0.07, 8).view(8, 1, 1) * torch.tensor([1.0, 0.0])
    apart = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [0.0, 0.0], [0.0, 1.0]])
    moved = float(movement(apart + shifts, found))
    assert moved == pytest.approx((7 * 0.01 + 0.07) / 8, rel=1e-4)
    assert float(movement(still, found & ~found)) == 0.0


def test_wrong_arguments_are_named() -> None:
    xy, assignment, found = drawn(2, 3, 4, 0)
    with pytest.raises(ValueError, match=r"^assignment: .* were given; allowed are 0 to 0"):
        scatter_by_prototype(xy, assignment + 1, found, 1)
    with pytest.raises(ValueError, match=r"^origin: 'edge' was given; allowed are 'corner', 'middle'"):
        scatter_by_prototype(xy, assignment, found, 4, "edge")
    with pytest.raises(TypeError, match=r"^assignment: no int64 tensor"):
        scatter_by_prototype(xy, assignment.float(), found, 4)
    with pytest.raises(ValueError, match=r"^xy: shape \(1, 3, 2\) was given"):
        movement(xy[:1], found[:1])
