"""Are generic keypoints good enough to start from: do they come back under a known warp, do they hit true points."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from tusklite.arguments import require_number
from tusklite.metrics.labels import require_mask


class ShareAndControl(NamedTuple):
    """A share in [0, 1], and what the same points get by chance.

    Attributes:
        share: of all images together; 0 of nothing.
        control: with the points of another image in place of an image's own.
    """

    share: float
    control: float


def repeatability(
    expected: Tensor, again: Tensor, tolerance: float, found: Tensor | None = None, again_found: Tensor | None = None
) -> ShareAndControl:
    """Of the points that a known warp still shows, the share found again (Schmid, Mohr and Bauckhage 2000).

    Args:
        expected: `(S, K, 2)` points of images, taken to where the warp shows them.
        again: `(S, L, 2)` points found in the warped images.
        tolerance: how near, in the unit of the points, above 0.
        found: bool `(S, K)`, which points there are and are still shown; None: all.
        again_found: bool `(S, L)`.

    Returns:
        `ShareAndControl`; its control is against the points of the warped image before.

    Raises:
        TypeError, ValueError: another type, shape or range than above, or a single image.

    Example:
        >>> import torch
        >>> points = torch.tensor([[[0.0, 0.0], [0.5, 0.5]], [[-0.5, 0.0], [0.9, -0.5]]])
        >>> repeatability(points, points[:, :1] + 0.01, tolerance=0.1)
        ShareAndControl(share=0.5, control=0.0)
    """
    return _reached(expected, again, tolerance, found, again_found, "expected", "again")


def recall_of_truth(
    truth_xy: Tensor, xy: Tensor, tolerance: float, truth_found: Tensor | None = None, found: Tensor | None = None
) -> ShareAndControl:
    """Of the true points, the share that has some point near it; several may share one.

    Args:
        truth_xy: `(S, T, 2)` true points.
        xy: `(S, K, 2)` points.
        tolerance: how near, in the unit of the points, above 0.
        truth_found: bool `(S, T)`, which true points are known and seen; None: all.
        found: bool `(S, K)`.

    Returns:
        `ShareAndControl`; its control is with the points of the image before: objects that lie alike have their true
        points near the same places, so that points of any of them hit.

    Raises:
        TypeError, ValueError: another type, shape or range than above, or a single image.

    Example:
        >>> import torch
        >>> truth = torch.tensor([[[0.0, 0.0]], [[0.5, 0.5]]])
        >>> recall_of_truth(truth, truth.flip(0), tolerance=0.1)
        ShareAndControl(share=0.0, control=1.0)
    """
    return _reached(truth_xy, xy, tolerance, truth_found, found, "truth_xy", "xy")


def _reached(
    wanted: Tensor,
    points: Tensor,
    tolerance: float,
    wanted_found: Tensor | None,
    found: Tensor | None,
    name: str,
    other_name: str,
) -> ShareAndControl:
    tolerance = require_number("tolerance", tolerance, open_low=True)
    mask = require_mask(f"{name}'s mask", wanted_found, name, wanted, "K")
    there = require_mask(f"{other_name}'s mask", found, other_name, points, "L")
    if len(wanted) != len(points) or len(points) < 2:
        raise ValueError(
            f"{other_name}: {len(points)} images were given; "
            f"allowed are as many as in {name}, {len(wanted)}, at least 2"
        )
    shares = []
    for shift in (0, 1):
        others, held = points.detach().cpu().double().roll(shift, 0), there.roll(shift, 0)
        distance = (wanted.detach().cpu().double()[:, :, None] - others[:, None]).norm(dim=-1)  # (S, K, L)
        near = ((distance <= tolerance) & held[:, None]).any(2) & mask
        shares.append(int(near.sum()) / max(int(mask.sum()), 1))
    return ShareAndControl(*shares)
