"""Maps made larger: bilinear interpolation, in lower precision as two products of matrices."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tusklite.precision import at_least_single


def upsample(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Interpolate maps bilinearly to another size (`align_corners=False`).

    In lower precision by products: the kernel's way back in bfloat16, where pixels are added up in any order, took a
    third of a whole `full` step on an H200. In single precision by the kernel: the rounding of products would decide
    which of equal values on a flat map is the largest.

    Args:
        maps: `(B, C, h, w)`.
        size: height and width of the result.

    Returns:
        `(B, C, *size)`.

    Example:
        >>> upsample(torch.tensor([[[[0.0, 1.0]]]]), (1, 4))
        tensor([[[[0.0000, 0.2500, 0.7500, 1.0000]]]])
    """
    if maps.dtype != at_least_single(maps.dtype) or torch.is_autocast_enabled(maps.device.type):
        return upsample_by_products(maps, size)
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def upsample_by_products(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """What `upsample` does, by a product with a matrix for each axis.

    Example:
        >>> upsample_by_products(torch.tensor([[[[0.0], [1.0]]]]), (4, 1)).flatten()
        tensor([0.0000, 0.2500, 0.7500, 1.0000])
    """
    batch, channels, height, width = maps.shape
    rows, columns = (_interpolation(*sizes, maps) for sizes in ((height, size[0]), (width, size[1])))
    wide = (maps.reshape(-1, width) @ columns.T).view(batch * channels, height, size[1])
    return (rows @ wide).view(batch, channels, *size)


def _interpolation(before: int, after: int, like: Tensor) -> Tensor:
    """The matrix (after, before) that interpolates one axis, in the type of `like` and where it is."""
    single = torch.eye(before, device=like.device, dtype=at_least_single(like.dtype))
    return F.interpolate(single[None], size=after, mode="linear", align_corners=False)[0].T.to(like.dtype)
