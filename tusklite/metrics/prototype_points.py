"""Keypoints of prototypes, of which an image may have several or none, as numbers that can be told apart.

A linear map wants the same number in the same place. Keypoints come by strength, and a prototype may be found twice: so
they are put in a table with a row for each prototype (Jin et al. 2022, section 4.3).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tusklite.arguments import require_choice, require_flags, require_integer, require_tensor

ORIGINS = {"corner": 1.0, "middle": 0.0}  # what is added to coordinates in [-1, 1]


def scatter_by_prototype(
    xy: Tensor, assignment: Tensor, found: Tensor, prototypes: int, origin: str = "corner"
) -> Tensor:
    """Put K keypoints of each image in a table of M prototypes (Jin et al. 2022, section 4.3).

    The n keypoints of a prototype stand in its first n places, from left to right; the other places are 0. What 0 means
    depends on the origin: from the corner of the image, as in the paper, a keypoint that is missing lies in that
    corner; beyond it, from the middle, in the middle.

    Args:
        xy: `(N, K, 2)` keypoints in [-1, 1].
        assignment: int64 `(N, K)`, the prototype of each, 0 to M - 1.
        found: bool `(N, K)`, False for empty slots.
        prototypes: M.
        origin: "corner", top left: coordinates from 0 to 2; or "middle": from -1 to 1.

    Returns:
        `(N, M, K, 2)`.

    Raises:
        TypeError, ValueError: other shapes or types, an assignment out of range, or another origin.

    Example:
        >>> xy = torch.tensor([[[0.5, 0.0], [-0.5, 0.0], [0.0, 1.0]]])
        >>> table = scatter_by_prototype(xy, torch.tensor([[1, 1, 0]]), torch.ones(1, 3, dtype=torch.bool), 2, "middle")
        >>> table[0, 0].tolist(), table[0, 1].tolist()
        ([[0.0, 1.0], [0.0, 0.0], [0.0, 0.0]], [[-0.5, 0.0], [0.5, 0.0], [0.0, 0.0]])
    """
    require_tensor("xy", xy, ("N", "K", 2))
    images, k = xy.shape[:2]
    prototypes = require_integer("prototypes", prototypes, low=1)
    _require_assignment(assignment, images, k, prototypes)
    require_flags("found", found, (images, k), xy.device)
    added = ORIGINS[require_choice("origin", origin, tuple(ORIGINS))]
    order = xy[..., 0].masked_fill(~found, torch.inf).argsort(dim=1, stable=True)  # (N, K)
    places = xy.gather(1, order.unsqueeze(-1).expand(-1, -1, 2)) + added
    kinds, found = assignment.gather(1, order), found.gather(1, order)
    counted = F.one_hot(kinds, prototypes) * found.unsqueeze(-1)  # (N, K, M)
    rank = (counted.cumsum(dim=1) - counted).gather(2, kinds.unsqueeze(-1)).squeeze(-1)
    rows = torch.arange(images, device=xy.device).unsqueeze(1).expand(-1, k)
    table = xy.new_zeros(images, prototypes, k, 2)
    table[rows[found], kinds[found], rank[found]] = places[found]
    return table


def prototype_spread(xy: Tensor, assignment: Tensor, found: Tensor, prototypes: int) -> Tensor:
    """How far the keypoints of each prototype stray from their mean place over images.

    Args:
        xy, assignment, found, prototypes: as for `scatter_by_prototype`.

    Returns:
        `(M,)` the square root of the summed variances in x and y, in the unit of the points; NaN for a prototype with
        fewer than two keypoints.

    Raises:
        TypeError, ValueError: as `scatter_by_prototype`.

    Example:
        >>> xy = torch.tensor([[[-3.0, 4.0], [1.0, 1.0]], [[3.0, -4.0], [1.0, 1.0]]])
        >>> prototype_spread(xy, torch.tensor([[0, 1], [0, 1]]), torch.ones(2, 2, dtype=torch.bool), 3)
        tensor([5., 0., nan])
    """
    require_tensor("xy", xy, ("N", "K", 2))
    prototypes = require_integer("prototypes", prototypes, low=1)
    _require_assignment(assignment, xy.shape[0], xy.shape[1], prototypes)
    require_flags("found", found, xy.shape[:2], xy.device)
    spreads = []
    for prototype in range(prototypes):
        own = xy[(assignment == prototype) & found]  # (n, 2)
        enough = len(own) > 1
        spreads.append(own.var(dim=0, correction=0).sum().sqrt() if enough else own.new_full((), torch.nan))
    return torch.stack(spreads)


def movement(xy: Tensor, found: Tensor) -> Tensor:
    """How far keypoints are from the nearest one in another image: 0 for a detector that looks at no image.

    A grid that stands still has this at 0 in whatever order its points come; so it tells a dead detector, whose linear
    map gives every image the mean face, from a live one with a larger error.

    Args:
        xy: `(N, K, 2)` keypoints of N images, at least 2.
        found: bool `(N, K)`.

    Returns:
        A scalar: the mean distance over keypoints, in the unit of the points. Each image is compared with the one
        before it.

    Raises:
        TypeError, ValueError: other shapes or types, or a single image.

    Example:
        >>> grid = torch.tensor([[[0.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]]])
        >>> movement(grid, torch.ones(2, 2, dtype=torch.bool)), movement(grid, torch.eye(2, dtype=torch.bool))
        (tensor(0.), tensor(0.))
    """
    require_tensor("xy", xy, ("N", "K", 2))
    if len(xy) < 2:
        raise ValueError(f"xy: shape {tuple(xy.shape)} was given; allowed are at least 2 images")
    require_flags("found", found, xy.shape[:2], xy.device)
    distance = (xy.unsqueeze(2) - xy.roll(1, dims=0).unsqueeze(1)).norm(dim=-1)  # (N, K, K)
    nearest = distance.masked_fill(~found.roll(1, dims=0).unsqueeze(1), torch.inf).amin(dim=2)
    nearest = nearest[found & nearest.isfinite()]
    return nearest.mean() if len(nearest) else xy.new_zeros(())


def _require_assignment(assignment: Tensor, images: int, k: int, prototypes: int) -> None:
    if not isinstance(assignment, Tensor) or assignment.dtype != torch.int64:
        raise TypeError("assignment: no int64 tensor was given; allowed is a prototype for each keypoint")
    if assignment.shape != (images, k):
        raise ValueError(f"assignment: shape {tuple(assignment.shape)} was given; allowed is ({images}, {k})")
    if assignment.min() < 0 or assignment.max() >= prototypes:
        span = f"{int(assignment.min())} to {int(assignment.max())}"
        raise ValueError(f"assignment: {span} were given; allowed are 0 to {prototypes - 1}")
