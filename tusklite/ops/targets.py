"""What heatmaps are to look like: Gaussians at points, on one map for all or on a map each."""

from __future__ import annotations

import torch
from torch import Tensor

from tusklite.arguments import require_flags, require_integer, require_number, require_tensor
from tusklite.ops.keypoints import pixel_centres
from tusklite.precision import widen


def gaussian_target(xy: Tensor, found: Tensor, height: int, width: int, sigma: float) -> Tensor:
    """One map an image, the largest of Gaussians at all its points (Mallis et al. 2020, section 3.2).

    Args:
        xy: `(B, Q, 2)` points in [-1, 1]; whatever it holds where no point is.
        found: bool `(B, Q)`, which places hold a point.
        height: rows of the map.
        width: columns of the map.
        sigma: standard deviation in pixels of the map.

    Returns:
        `(B, 1, H, W)` in [0, 1]: 1 at a point that lies on a pixel's centre, 0 in an image without points.

    Raises:
        TypeError, ValueError: wrong shapes, sizes below 1, or a sigma that is not above 0.

    Example:
        >>> gaussian_target(torch.zeros(1, 1, 2), torch.ones(1, 1, dtype=torch.bool), 1, 3, sigma=1.0)
        tensor([[[[0.6065, 1.0000, 0.6065]]]])
    """
    return _gaussians(xy, found, height, width, sigma).amax(1, keepdim=True)


def channel_targets(
    xy: Tensor, label: Tensor, channels: int, height: int, width: int, sigma: float
) -> tuple[Tensor, Tensor]:
    """A map for each landmark, a Gaussian where an image has a point of it (Mallis et al. 2020, section 3.3).

    Args:
        xy: `(B, Q, 2)` points in [-1, 1]; whatever it holds where the label is -1.
        label: int64 `(B, Q)`, the landmark of each point, each at most once an image; -1 for none.
        channels: M, above every label.
        height: rows of the map.
        width: columns of the map.
        sigma: standard deviation in pixels of the map.

    Returns:
        Maps `(B, M, H, W)`, 0 where an image has no point of the landmark; and bool `(B, M)`, where it has one.

    Raises:
        TypeError, ValueError: wrong shapes or types, or a label out of range.

    Example:
        >>> maps, assigned = channel_targets(torch.zeros(1, 1, 2), torch.tensor([[1]]), 2, 1, 3, sigma=1.0)
        >>> maps.flatten(1), assigned
        (tensor([[0.0000, 0.0000, 0.0000, 0.6065, 1.0000, 0.6065]]), tensor([[False,  True]]))
    """
    channels = require_integer("channels", channels, low=1)
    if label.dtype != torch.int64:
        raise TypeError(f"label: {label.dtype} was given; allowed is torch.int64")
    if label.numel() and not -1 <= int(label.min()) <= int(label.max()) < channels:
        span = f"{int(label.min())} to {int(label.max())}"
        raise ValueError(f"label: values {span} were given; allowed are integers from -1 to {channels - 1}")
    gaussians = _gaussians(xy, label >= 0, height, width, sigma)  # (B, Q, H, W)
    maps = gaussians.new_zeros(len(xy), channels + 1, height, width)
    slot = torch.where(label >= 0, label, channels)  # those without a landmark fill one that is thrown away
    image = torch.arange(len(xy), device=xy.device)[:, None].expand_as(slot)
    maps[image, slot] = gaussians
    assigned = torch.zeros(len(xy), channels + 1, dtype=torch.bool, device=xy.device)
    assigned[image, slot] = True
    return maps[:, :channels], assigned[:, :channels]


def _gaussians(xy: Tensor, found: Tensor, height: int, width: int, sigma: float) -> Tensor:
    """A Gaussian of height 1 at each point, `(B, Q, H, W)`; nothing where no point is."""
    require_tensor("xy", xy, ("B", "Q", 2), finite=False)
    require_flags("found", found, xy.shape[:2], xy.device)
    height = require_integer("height", height, low=1)
    width = require_integer("width", width, low=1)
    sigma = require_number("sigma", sigma, open_low=True)
    (points,) = widen(xy.masked_fill(~found[..., None], 0))
    profiles = []
    for position, size in ((points[..., 1], height), (points[..., 0], width)):
        distance = (position[..., None] - pixel_centres(size, position)) * (size / 2)  # pixels
        profiles.append(torch.exp(-distance.square() / (2 * sigma**2)))
    rows, columns = profiles[0] * found[..., None], profiles[1]
    return rows[..., :, None] * columns[..., None, :]
