"""How errors are distributed: the share of them below each bound."""

from __future__ import annotations

import torch
from torch import Tensor

from tusklite.arguments import require_tensor


def cumulative_error_distribution(errors: Tensor, bounds: Tensor) -> Tensor:
    """The share of errors up to each bound: the curve CED of the literature.

    The authors' code draws the running mean of its sorted errors under this name (Mallis et al. 2020), which is another
    curve, and flatters whoever has a few large errors.

    Args:
        errors: `(N,)` of images or of landmarks, at least 0; infinite for one that was not found.
        bounds: `(T,)` in the errors' unit.

    Returns:
        `(T,)` float64 on the CPU, in [0, 1].

    Raises:
        TypeError, ValueError: no floating-point tensors of these shapes, or NaN.

    Example:
        >>> cumulative_error_distribution(torch.tensor([1.0, 2.0, 9.0, torch.inf]), torch.tensor([0.5, 2.0, 10.0]))
        tensor([0.0000, 0.5000, 0.7500], dtype=torch.float64)
    """
    require_tensor("errors", errors, ("N",), finite=False)
    require_tensor("bounds", bounds, ("T",))
    if errors.isnan().any():
        raise ValueError("errors: NaN was given; allowed are numbers, infinite for what was not found")
    ordered = errors.detach().cpu().double().sort().values
    return torch.searchsorted(ordered, bounds.detach().cpu().double(), right=True).double() / len(ordered)


def area_under_curve(errors: Tensor, highest: float) -> float:
    """The area under the curve of `cumulative_error_distribution` from 0 to a bound, over the bound: 1 is best.

    Exact, without a grid of bounds: an error e adds what lies between it and the bound.

    Args:
        errors: `(N,)`, as there.
        highest: the bound, above 0.

    Returns:
        A number in [0, 1].

    Raises:
        TypeError, ValueError: as there.

    Example:
        >>> area_under_curve(torch.tensor([0.0, 5.0, 20.0, torch.inf]), highest=10.0)
        0.375
    """
    require_tensor("errors", errors, ("N",), finite=False)
    if errors.isnan().any():
        raise ValueError("errors: NaN was given; allowed are numbers, infinite for what was not found")
    if not highest > 0:
        raise ValueError(f"highest: {highest} was given; allowed is a number above 0")
    return float((1 - errors.detach().cpu().double() / highest).clamp(min=0).mean())
