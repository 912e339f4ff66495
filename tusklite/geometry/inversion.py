"""Where a warp shows a point of the original: damped Newton steps from the best node of a coarse grid."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tusklite.geometry.images import identity_grid
from tusklite.geometry.kernel import solving_type

if TYPE_CHECKING:
    from tusklite.geometry.spline import ThinPlateSpline

FLOAT32_TOLERANCE = 1e-5  # rounding in the sum over a hundred control points
# Where a look at a value costs nothing. Elsewhere the host would wait for it at each step of Newton's, so all steps
# are taken, and those after all points are found move none.
LOOKS_ARE_FREE = frozenset({"cpu"})


def invert(
    tps: ThinPlateSpline, points: Tensor, tolerance: float, steps: int, on_failure: str, surroundings: bool = True
) -> Tensor:
    """Find v with g(v) = u: what `ThinPlateSpline.invert_points` does once its arguments are checked.

    Example:
        >>> from tusklite.geometry import ThinPlateSpline
        >>> double = torch.tensor([[[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]]])
        >>> tps = ThinPlateSpline(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2), double)
        >>> invert(tps, torch.tensor([[[0.5, -1.0]]]), tolerance=1e-7, steps=50, on_failure="raise")
        tensor([[[ 0.2500, -0.5000]]])
    """
    dtype = solving_type(points.device)
    if dtype == torch.float32:
        tolerance = max(tolerance, FLOAT32_TOLERANCE)
    tps, wanted = tps.to(dtype=dtype), points.to(dtype)
    with torch.no_grad():
        # First from inside the image: a warp can be one-to-one there and fold outside.
        found, missed = _newton(tps, wanted, tolerance, steps, reach=1)
        if surroundings and (not _looks_are_free(points) or missed.any()):
            elsewhere, missed_again = _newton(tps, wanted, tolerance, steps, reach=2)
            found = torch.where(missed[..., None], elsewhere, found)
            missed = missed & missed_again  # (B, P)
    if on_failure == "raise" and missed.any():
        raise ValueError(
            f"points: {int(missed.sum())} of {missed.numel()} have no inverse within {tolerance:g} after "
            f"{steps} steps; allowed are points that the warp reaches (or on_failure='nan')"
        )
    # One more step at a constant Jacobian: it polishes the value and carries the exact gradient.
    found = found - _newton_step(tps.jacobian(found).detach(), tps(found) - wanted)
    return found.masked_fill(missed[..., None], math.nan).to(points.dtype)


def _looks_are_free(tensor: Tensor) -> bool:
    return tensor.device.type in LOOKS_ARE_FREE


def _newton(tps: ThinPlateSpline, wanted: Tensor, tolerance: float, steps: int, reach: float) -> tuple[Tensor, Tensor]:
    """Search from nodes in [-reach, reach]^2: the points v (B, P, 2) and which were missed (B, P)."""
    nodes = reach * identity_grid(20, 20, wanted.device, wanted.dtype).view(1, -1, 2)
    nodes = nodes.expand(len(wanted), -1, -1)
    nearest = torch.cdist(wanted, tps(nodes)).argmin(dim=2)  # (B, P)
    found = nodes.gather(1, nearest[..., None].expand(-1, -1, 2))
    residual = tps(found) - wanted
    distance = residual.norm(dim=-1)
    stride = torch.ones_like(distance)
    for _ in range(steps):
        goes_on = (distance > tolerance).any()
        if _looks_are_free(wanted) and not goes_on:
            break
        candidate = found - stride[..., None] * _newton_step(tps.jacobian(found), residual)
        candidate_residual = tps(candidate) - wanted
        closer = (candidate_residual.norm(dim=-1) < distance) & goes_on
        found = torch.where(closer[..., None], candidate, found)
        residual = torch.where(closer[..., None], candidate_residual, residual)
        distance = residual.norm(dim=-1)
        stride = torch.where(closer, (2 * stride).clamp(max=1), stride / 2)
    return found, ~(distance <= tolerance)  # NaN counts as missed


def _newton_step(jacobian: Tensor, residual: Tensor) -> Tensor:
    # The pseudo-inverse is defined where the warp is about to fold, too.
    return (pseudo_inverse(jacobian) @ residual[..., None])[..., 0]  # (B, P, 2)


def pseudo_inverse(matrix: Tensor) -> Tensor:
    """The pseudo-inverse of 2 x 2 matrices (..., 2, 2) by hand: without a decomposition that is checked on the host.

    Where the columns are parallel, to the precision of the type, the matrix counts as one of rank one.

    Example:
        >>> pseudo_inverse(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
        tensor([[0.5000, -0.0000],
                [-0.0000, 0.2500]])
        >>> pseudo_inverse(torch.tensor([[1.0, 1.0], [1.0, 1.0]]))
        tensor([[0.2500, 0.2500],
                [0.2500, 0.2500]])
    """
    (a, b), (c, d) = (row.unbind(-1) for row in matrix.unbind(-2))
    determinant = a * d - b * c
    squared = matrix.square().sum(dim=(-2, -1))  # of both singular values
    regular = determinant.abs() > 2 * torch.finfo(matrix.dtype).eps * squared
    adjugate = torch.stack([d, -b, -c, a], dim=-1).view_as(matrix)
    divisor = torch.where(regular, determinant, squared.clamp_min(torch.finfo(matrix.dtype).tiny))
    return torch.where(regular[..., None, None], adjugate, matrix.mT) / divisor[..., None, None]
