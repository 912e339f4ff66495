"""Losses that make descriptors cluster: the k-means soft-min, and its rivals."""

from __future__ import annotations

import torch
from torch import Tensor

from tusklite.arguments import require_alike, require_number, require_tensor
from tusklite.precision import widen


def kmeans_softmin_loss(
    descriptors: Tensor, prototypes: Tensor, inverse_temperature: float = 1.0, squared: bool = False
) -> Tensor:
    """Each descriptor should be clearly nearest to one prototype (Jin et al. 2022, eq. 3).

    The loss is the mean of -log of the largest soft-min probability; 0 when every descriptor has one prototype near and
    the others infinitely far, ln M when all are equally far.

    Args:
        descriptors: `(N, C)`.
        prototypes: `(M, C)`.
        inverse_temperature: multiplies the distances before the soft-min. As printed in the paper: 1.
        squared: use squared distances, as the authors' code does (there with an inverse temperature of 20 / C).

    Returns:
        A scalar, from 0 to ln M.

    Raises:
        TypeError, ValueError: not floating-point tensors of these shapes, of one type and on one device; NaN, or an
            inverse temperature that is not above 0.

    Example:
        >>> kmeans_softmin_loss(torch.zeros(1, 2), torch.tensor([[3.0, 4.0], [0.0, 5.0]]))
        tensor(0.6931)
    """
    descriptors, prototypes = _wide_pair(descriptors, prototypes)
    inverse_temperature = require_number("inverse_temperature", inverse_temperature, open_low=True)
    distance = torch.cdist(descriptors, prototypes, compute_mode="donot_use_mm_for_euclid_dist")  # (N, M)
    distance = inverse_temperature * (distance**2 if squared else distance)
    return (torch.logsumexp(-distance, dim=1) + distance.amin(dim=1)).mean()


def kmeans_loss(descriptors: Tensor, prototypes: Tensor, squared: bool = True) -> Tensor:
    """Mean distance to the nearest prototype: the k-means rival (Jin et al. 2022, table 6).

    Nothing asks for a balanced assignment: a prototype that is nearest to no descriptor gets no gradient, so all
    descriptors may fall into one.

    Args:
        descriptors: `(N, C)`.
        prototypes: `(M, C)`.
        squared: the squared distance, as k-means minimises (its inertia over N), rather than the distance.

    Returns:
        A scalar, at least 0, with a gradient to both.

    Raises:
        TypeError, ValueError: not floating-point tensors of these shapes, of one type and on one device; NaN.

    Example:
        >>> kmeans_loss(torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0], [6.0]]))
        tensor(2.5000)
    """
    descriptors, prototypes = _wide_pair(descriptors, prototypes)
    difference = descriptors - _nearest_prototypes(descriptors, prototypes)
    # The norm, unlike the root of the sum of squares, has a finite gradient (0) where the two coincide.
    return (difference.square().sum(dim=1) if squared else difference.norm(dim=1)).mean()


def vector_quantization_loss(
    descriptors: Tensor, prototypes: Tensor, commitment: float = 0.25
) -> tuple[Tensor, Tensor]:
    """Put the nearest prototype in each descriptor's place (van den Oord et al. 2017, eqs. 1 to 3).

    A rival of the soft-min (Jin et al. 2022, table 6). Choosing has no gradient, so what comes back is handed straight
    through: the quantised descriptors have the prototypes' values, and pass their gradient to the descriptors
    unchanged. The loss moves the prototypes to their descriptors, and, `commitment` times as strongly, the descriptors
    to their prototype.

    Args:
        descriptors: `(N, C)`.
        prototypes: `(M, C)`, the codebook.
        commitment: beta, at least 0; 0.25 in the paper.

    Returns:
        The quantised descriptors `(N, C)`, and the loss, a scalar: the mean over N of the squared distance, once with
        a gradient to the prototypes and `commitment` times with one to the descriptors.

    Raises:
        TypeError, ValueError: not floating-point tensors of these shapes, of one type and on one device; NaN, or a
            negative commitment.

    Example:
        >>> quantized, loss = vector_quantization_loss(torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0], [6.0]]))
        >>> quantized.flatten(), loss
        (tensor([1., 6.]), tensor(3.1250))
    """
    commitment = require_number("commitment", commitment)
    given = descriptors
    descriptors, prototypes = _wide_pair(descriptors, prototypes)
    nearest = _nearest_prototypes(descriptors, prototypes)
    codebook_term = (descriptors.detach() - nearest).square().sum(dim=1).mean()
    commitment_term = (descriptors - nearest.detach()).square().sum(dim=1).mean()
    quantized = nearest.detach() + (descriptors - descriptors.detach())
    return quantized.to(given.dtype), codebook_term + commitment * commitment_term


def _nearest_prototypes(descriptors: Tensor, prototypes: Tensor) -> Tensor:
    """The prototype nearest to each descriptor, the first of equals. (N, C)"""
    with torch.no_grad():
        distance = torch.cdist(descriptors, prototypes, compute_mode="donot_use_mm_for_euclid_dist")  # (N, M)
    return prototypes[distance.argmin(dim=1)]


def _wide_pair(descriptors: Tensor, prototypes: Tensor) -> tuple[Tensor, Tensor]:
    """Both once they are checked, in at least float32: half precision has no `cdist`, and loses differences."""
    require_tensor("descriptors", descriptors, ("N", "C"))
    require_tensor("prototypes", prototypes, ("M", descriptors.shape[1]))
    require_alike("descriptors", descriptors, prototypes=prototypes)
    descriptors, prototypes = widen(descriptors, prototypes)
    return descriptors, prototypes
