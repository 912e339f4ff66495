"""Checks at the public edge: what is finite passes, however large, and what is not is refused."""

from __future__ import annotations

import pytest
import torch

from tusklite.arguments import require_tensor


def test_finite_values_pass_though_their_sum_overflows() -> None:
    large = torch.full((4,), 3e38)
    assert require_tensor("values", large, ("N",)) is large


@pytest.mark.parametrize("values", [[1.0, float("nan")], [float("inf"), 0.0], [float("inf"), -float("inf")]])
def test_values_that_are_not_finite_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"^values: NaN or infinite values were given"):
        require_tensor("values", torch.tensor(values), ("N",))
