"""Losses that make descriptors cluster: sliced Wasserstein (TUSK eq. 2), k-means soft-min (eq. 3), and its rivals."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tusklite.arguments import require_integer, require_number, require_tensor


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
    require_integer("count", count, low=1)
    require_integer("channels", channels, low=1)
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
        TypeError, ValueError: not floating-point tensors of these shapes, or NaN.

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


def kmeans_softmin_loss(descriptors: Tensor, prototypes: Tensor, scale: float = 1.0, squared: bool = False) -> Tensor:
    """Each descriptor should be clearly nearest to one prototype (Jin et al. 2022, eq. 3).

    The loss is the mean of -log of the largest soft-min probability; 0 when every descriptor has one prototype near and
    the others infinitely far, ln M when all are equally far.

    Args:
        descriptors: `(N, C)`.
        prototypes: `(M, C)`.
        scale: multiplies the distances before the soft-min. As printed in the paper: 1.
        squared: use squared distances, as the authors' code does (there with a scale of 20 / C).

    Returns:
        A scalar, from 0 to ln M.

    Raises:
        TypeError, ValueError: not floating-point tensors of these shapes, NaN, or a scale that is not above 0.

    Example:
        >>> kmeans_softmin_loss(torch.zeros(1, 2), torch.tensor([[3.0, 4.0], [0.0, 5.0]]))
        tensor(0.6931)
    """
    require_tensor("descriptors", descriptors, ("N", "C"))
    require_tensor("prototypes", prototypes, ("M", descriptors.shape[1]))
    require_number("scale", scale, open_low=True)
    distance = torch.cdist(descriptors, prototypes, compute_mode="donot_use_mm_for_euclid_dist")  # (N, M)
    distance = scale * (distance**2 if squared else distance)
    return (torch.logsumexp(-distance, dim=1) + distance.amin(dim=1)).mean()


def kmeans_loss(descriptors: Tensor, prototypes: Tensor, squared: bool = True) -> Tensor:
    """Mean distance to the nearest prototype: the k-means rival of Jin et al. 2022, Table 6.

    Nothing asks for a balanced assignment: a prototype that is nearest to no descriptor gets no gradient, so all
    descriptors may fall into one.

    Args:
        descriptors: `(N, C)`.
        prototypes: `(M, C)`.
        squared: the squared distance, as k-means minimises (its inertia over N), rather than the distance.

    Returns:
        A scalar, at least 0, with a gradient to both.

    Raises:
        TypeError, ValueError: not floating-point tensors of these shapes, or NaN.

    Example:
        >>> kmeans_loss(torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0], [6.0]]))
        tensor(2.5000)
    """
    difference = descriptors - _nearest_prototypes(descriptors, prototypes)
    # The norm, unlike the root of the sum of squares, has a finite gradient (0) where the two coincide.
    return (difference.square().sum(dim=1) if squared else difference.norm(dim=1)).mean()


def vector_quantization_loss(
    descriptors: Tensor, prototypes: Tensor, commitment: float = 0.25
) -> tuple[Tensor, Tensor]:
    """Put the nearest prototype in each descriptor's place (van den Oord et al. 2017, eq. 1 to 3).

    The rival of Jin et al. 2022, Table 6. Choosing has no gradient, so what comes back is handed straight through: the
    quantised descriptors have the prototypes' values, and pass their gradient to the descriptors unchanged. The loss
    moves the prototypes to their descriptors, and, `commitment` times as strongly, the descriptors to their prototype.

    Args:
        descriptors: `(N, C)`.
        prototypes: `(M, C)`, the codebook.
        commitment: beta, at least 0; 0.25 in the paper.

    Returns:
        The quantised descriptors `(N, C)`, and the loss, a scalar: the mean over N of the squared distance, once with
        a gradient to the prototypes and `commitment` times with one to the descriptors.

    Raises:
        TypeError, ValueError: not floating-point tensors of these shapes, NaN, or a negative commitment.

    Example:
        >>> quantized, loss = vector_quantization_loss(torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0], [6.0]]))
        >>> quantized.flatten(), loss
        (tensor([1., 6.]), tensor(3.1250))
    """
    require_number("commitment", commitment)
    nearest = _nearest_prototypes(descriptors, prototypes)
    codebook_term = (descriptors.detach() - nearest).square().sum(dim=1).mean()
    commitment_term = (descriptors - nearest.detach()).square().sum(dim=1).mean()
    quantized = nearest.detach() + (descriptors - descriptors.detach())
    return quantized, codebook_term + commitment * commitment_term


def _nearest_prototypes(descriptors: Tensor, prototypes: Tensor) -> Tensor:
    """The prototype nearest to each descriptor, the first of equals. (N, C)"""
    require_tensor("descriptors", descriptors, ("N", "C"))
    require_tensor("prototypes", prototypes, ("M", descriptors.shape[1]))
    with torch.no_grad():
        distance = torch.cdist(descriptors, prototypes, compute_mode="donot_use_mm_for_euclid_dist")  # (N, M)
    return prototypes[distance.argmin(dim=1)]
