"""Transport between two clouds of descriptors: the sliced Wasserstein distance."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tusklite.arguments import require_alike, require_integer, require_tensor
from tusklite.precision import widen


def random_projections(
    count: int, channels: int, generator: torch.Generator | None = None, device: torch.device | str = "cpu"
) -> Tensor:
    """Draw directions uniformly from the unit sphere, for `sliced_wasserstein`.

    Args:
        count: N, how many directions.
        channels: C, the dimension of the space.
        generator: a CPU generator, so that every device gets the same directions.
        device: where the result lives.

    Returns:
        `(N, C)`, each row of length 1.

    Raises:
        TypeError, ValueError: sizes that are no positive integers.

    Example:
        >>> random_projections(100, 32).norm(dim=1).allclose(torch.ones(100))
        True
    """
    count = require_integer("count", count, low=1)
    channels = require_integer("channels", channels, low=1)
    return F.normalize(torch.randn(count, channels, generator=generator), dim=1).to(device)


def sliced_wasserstein(x: Tensor, y: Tensor, projections: Tensor) -> Tensor:
    """Squared sliced Wasserstein distance between two clouds (Jin et al. 2022, eq. 2).

    On each direction both clouds become numbers; moving one pile of numbers onto another costs least when the smallest
    goes to the smallest, so sorting solves the transport. The loss is the mean squared move, over samples and
    directions. POT's `sliced_wasserstein_distance` is the square root of this figure.

    Args:
        x: `(N, C)` one cloud.
        y: `(L, C)` the other; where L differs from N, equal quantiles are coupled, which is the exact transport.
        projections: `(R, C)` directions of unit length, as from `random_projections`.

    Returns:
        A scalar, at least 0.

    Raises:
        TypeError, ValueError: not floating-point tensors of these shapes, of one type and on one device; NaN.

    Example:
        >>> x = torch.tensor([[0.0], [1.0]])
        >>> sliced_wasserstein(x, x + 3.0, torch.ones(1, 1))
        tensor(9.)
        >>> sliced_wasserstein(x, torch.tensor([[0.0], [0.0], [1.0]]), torch.ones(1, 1))
        tensor(0.1667)
    """
    require_tensor("x", x, ("N", "C"))
    require_tensor("y", y, ("L", x.shape[1]))
    require_tensor("projections", projections, ("R", x.shape[1]))
    require_alike("x", x, y=y, projections=projections)
    x, y, projections = widen(x, y, projections)
    # One row a direction: a sort along contiguous memory is several times faster.
    sorted_x = (projections @ x.T).sort(dim=1).values  # (R, N)
    sorted_y = (projections @ y.T).sort(dim=1).values  # (R, L)
    if len(x) == len(y):
        return F.mse_loss(sorted_x, sorted_y)
    into_x, into_y, mass = _quantile_coupling(len(x), len(y), x.device)
    moves = (sorted_x[:, into_x] - sorted_y[:, into_y]) ** 2
    return (moves @ mass.to(moves)).mean()


def _quantile_coupling(n: int, m: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Which sorted samples meet, and with how much mass: steps of 1/n against 1/m, in whole units of 1/(n m)."""
    ends = torch.cat([torch.arange(1, n + 1) * m, torch.arange(1, m + 1) * n]).unique()
    starts = torch.cat([ends.new_zeros(1), ends[:-1]])
    mass = (ends - starts).double() / (n * m)
    return (starts // m).to(device), (starts // n).to(device), mass
