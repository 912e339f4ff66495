"""Which annotated point a landmark without a name means, if it means one."""

from __future__ import annotations

import torch
from torch import Tensor

from tusklite.arguments import require_integer, require_number, require_tensor


def points_of_landmarks(landmarks: Tensor, points: Tensor, tolerance: float, least_images: int = 5) -> Tensor:
    """The annotated point that each landmark means: the one with the least median distance, where that is small.

    Several landmarks may mean one point. Half of a landmark's detections, at least, lie within the tolerance of it.

    Args:
        landmarks: `(N, K, 2)`, NaN where one is not detected.
        points: `(N, P, 2)` annotated points of the same images; NaN where one is not in the image.
        tolerance: how small, in the unit of the points, above 0; 1.5 cells of a map of 32 are 3 / 32.
        least_images: a landmark that is detected in fewer images means none.

    Returns:
        int64 `(K,)` on the CPU: the number of the point, or -1.

    Raises:
        TypeError, ValueError: no floating-point tensors of these shapes, or numbers out of range.

    Example:
        >>> points = torch.rand(20, 3, 2, generator=torch.Generator().manual_seed(0))
        >>> landmarks = torch.cat([points[:, 2:] + 0.01, torch.zeros(20, 1, 2)], 1)
        >>> points_of_landmarks(landmarks, points, tolerance=0.1)
        tensor([ 2, -1])
    """
    require_tensor("landmarks", landmarks, ("N", "K", 2), finite=False)
    require_tensor("points", points, (len(landmarks), "P", 2), finite=False)
    tolerance = require_number("tolerance", tolerance, open_low=True)
    least_images = require_integer("least_images", least_images, low=1)
    apart = landmarks.detach().cpu().double()[:, :, None] - points.detach().cpu().double()[:, None]
    distance = apart.norm(dim=-1)  # (N, K, P)
    seen = (~distance.isnan()).sum(0)
    middle = distance.nanmedian(0).values.masked_fill(seen < least_images, torch.inf).nan_to_num(torch.inf)
    if not middle.shape[1] or not len(middle):
        return torch.full((landmarks.shape[1],), -1)
    least, which = middle.min(1)
    return torch.where(least <= tolerance, which, -1)
