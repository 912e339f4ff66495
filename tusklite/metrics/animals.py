"""Whether keypoints lie on annotated animals, of which a picture may show several, and which kinds all of them have."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tusklite.arguments import require_flags, require_integer, require_number, require_tensor

AT_ONCE = 2**24  # distances that are held at one time


def body_length(animals: Tensor, ends: tuple[int, int]) -> float:
    """How long bodies are: the median over all animals of which both ends are known.

    Args:
        animals: `(N, F, P, 2)` points, NaN where one is not known.
        ends: which two points are the ends of a body.

    Raises:
        TypeError, ValueError: another shape, or both ends are known of no animal.

    Example:
        >>> body_length(torch.tensor([[[[0.0, 0.0], [3.0, 4.0]], [[0.0, 0.0], [torch.nan, 0.0]]]]), (0, 1))
        5.0
    """
    require_tensor("animals", animals, ("N", "F", "P", 2), finite=False)
    lengths = (animals[:, :, ends[0]] - animals[:, :, ends[1]]).norm(dim=-1)
    if lengths.isnan().all():
        raise ValueError(f"animals: both ends {ends} are known of none; allowed is one at least")
    return float(lengths.nanmedian())


def keypoints_on_animals(xy: Tensor, found: Tensor, animals: Tensor, reach: float) -> Tensor:
    """Which animal each keypoint lies on: the nearest one, if one of its points is near enough.

    Args:
        xy: `(N, K, 2)` keypoints.
        found: bool `(N, K)`.
        animals: `(N, F, P, 2)` their annotated points in the same unit, NaN where one is not known.
        reach: how near is near enough, in this unit, above 0.

    Returns:
        int64 `(N, K)`: 0 to F - 1, or -1 for a keypoint on none, and for an empty slot.

    Raises:
        TypeError, ValueError: other shapes, or a reach out of range.

    Example:
        >>> animals = torch.tensor([[[[0.0, 0.0], [8.0, 0.0]], [[0.0, 20.0], [8.0, 20.0]]]])
        >>> xy = torch.tensor([[[9.0, 1.0], [4.0, 10.0], [0.0, 21.5]]])
        >>> keypoints_on_animals(xy, torch.ones(1, 3).bool(), animals, reach=2)
        tensor([[ 0, -1,  1]])
    """
    require_tensor("xy", xy, ("N", "K", 2))
    require_tensor("animals", animals, (len(xy), "F", "P", 2), finite=False)
    require_flags("found", found, xy.shape[:2], xy.device)
    reach = require_number("reach", reach, open_low=True)
    distance = (xy[:, :, None, None] - animals[:, None]).norm(dim=-1).nan_to_num(torch.inf)  # (N, K, F, P)
    nearest, animal = distance.amin(dim=3).min(dim=2)
    return torch.where(found & (nearest < reach), animal, -1)


def share_near_animals(animals: Tensor, reach: float, size: tuple[int, int]) -> float:
    """The share of the pictures' area that counts as on an animal: what keypoints that look at nothing would hit.

    Args:
        animals: `(N, F, P, 2)` in pixels, NaN where a point is not known.
        reach: as for `keypoints_on_animals`, in pixels.
        size: height and width of the pictures, in pixels.

    Raises:
        TypeError, ValueError: another shape, or a size or a reach out of range.

    Example:
        >>> animals = torch.tensor([[[[5.0, 5.0], [5.0, 9.0]]]])
        >>> round(share_near_animals(animals, reach=1, size=(10, 10)), 2)
        0.08
    """
    require_tensor("animals", animals, ("N", "F", "P", 2), finite=False)
    height, width = (require_integer("size", side, low=1) for side in size)
    rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    centres = torch.stack([columns, rows], dim=-1).view(1, -1, 2).to(animals)
    everywhere = torch.ones(1, height * width, dtype=torch.bool, device=animals.device)
    on = 0
    for some in animals.split(max(1, AT_ONCE // (height * width * animals.shape[1] * animals.shape[2]))):
        places, all_of_it = centres.expand(len(some), -1, -1), everywhere.expand(len(some), -1)
        on += int((keypoints_on_animals(places, all_of_it, some, reach) >= 0).sum())
    return on / (len(animals) * height * width)


def shared_prototypes(of_animal: Tensor, assignment: Tensor, animals: int) -> Tensor:
    """In which pictures all animals have a keypoint of one and the same prototype.

    Args:
        of_animal: int64 `(N, K)`, as `keypoints_on_animals` gives it.
        assignment: int64 `(N, K)`, the prototype of each keypoint.
        animals: F, how many a picture shows.

    Returns:
        bool `(N,)`.

    Raises:
        TypeError, ValueError: a number of animals that is none.

    Example:
        >>> shared_prototypes(torch.tensor([[0, 1, -1], [0, 1, 0]]), torch.tensor([[4, 5, 4], [4, 5, 5]]), 2)
        tensor([False,  True])
    """
    animals = require_integer("animals", animals, low=1)
    kinds = F.one_hot(assignment).bool()  # (N, K, M)
    every = torch.ones_like(kinds[:, 0])
    for animal in range(animals):
        every &= (kinds & (of_animal == animal).unsqueeze(-1)).any(dim=1)
    return every.any(dim=1)
