"""Newton's steps: the pseudo-inverse by hand is numpy's, and what need not be searched for is not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tusklite.geometry import WARPS, random_tps
from tusklite.geometry.inversion import pseudo_inverse
from tusklite.methods.tusk.training import NEWTON_STEPS

ENTRIES = st.floats(-4, 4, allow_subnormal=False).filter(lambda value: value == 0 or abs(value) > 1e-3)


@given(st.lists(ENTRIES, min_size=4, max_size=4))
def test_the_pseudo_inverse_is_numpys(entries: list[float]) -> None:
    matrix = np.array(entries).reshape(2, 2)
    largest, smallest = np.linalg.svd(matrix, compute_uv=False)
    if 0 < smallest < 1e-10 * largest:
        return  # neither regular nor of rank one, to this precision: whose threshold is asked decides
    ours = pseudo_inverse(torch.from_numpy(matrix)).numpy()
    scale = 1 / smallest if smallest > 0 else 1 / largest if largest > 0 else 1.0
    np.testing.assert_allclose(ours, np.linalg.pinv(matrix, rcond=1e-12), atol=1e-5 * scale)


@pytest.mark.parametrize("row", [(0.0, 0.0), (3.0, -1.0), (0.0, 2.0)])
def test_of_rank_one_and_of_none(row: tuple[float, float]) -> None:
    matrix = torch.tensor([row, (2 * row[0], 2 * row[1])], dtype=torch.float64).expand(5, 3, 2, 2)
    torch.testing.assert_close(pseudo_inverse(matrix), torch.linalg.pinv(matrix))


@pytest.mark.parametrize("name", WARPS)
def test_without_surroundings_only_what_the_image_shows_is_looked_for(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    tps = random_tps(30, WARPS[name], generator)
    points = 2 * torch.rand(30, 9, 2, generator=generator) - 1
    wide, near = (tps.invert_points(points, 1e-3, 50, "nan", surroundings) for surroundings in (True, False))
    shown = (wide.abs() < 1).all(dim=-1)
    assert 0 < int(shown.sum()) < shown.numel()
    assert torch.equal(wide[shown], near[shown])
    few = tps.invert_points(points, 1e-3, NEWTON_STEPS, "nan", surroundings=False)
    assert torch.equal(few[shown], near[shown])
    with pytest.raises(TypeError, match="surroundings: 'no' was given"):
        tps.invert_points(points, surroundings="no")
