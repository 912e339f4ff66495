"""Losses between an image and its reconstruction, and on what the heatmap says of the background."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tusklite.arguments import looks_at_values, require_alike, require_integer, require_tensor
from tusklite.ops.keypoints import window_maximum
from tusklite.precision import widen


def mse_loss(reconstruction: Tensor, images: Tensor) -> Tensor:
    """Mean squared error over pixels (Jin et al. 2022, eq. 1, MSE case).

    Args:
        reconstruction: `(B, C, H, W)` in [0, 1].
        images: `(B, C, H, W)` in [0, 1].

    Returns:
        A scalar, at least 0.

    Raises:
        TypeError, ValueError: not floating-point tensors of one shape and type, on one device.

    Example:
        >>> mse_loss(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.5))
        tensor(0.2500)
    """
    require_tensor("images", images, ("B", "C", "H", "W"), finite=False)
    require_tensor("reconstruction", reconstruction, tuple(images.shape), finite=False)
    require_alike("images", images, reconstruction=reconstruction)
    reconstruction, images = widen(reconstruction, images)
    return F.mse_loss(reconstruction, images)


def cross_entropy_loss(logits: Tensor, images: Tensor) -> Tensor:
    """Binary cross-entropy over pixels: beyond the paper, for images that are nearly black and white.

    Args:
        logits: `(B, C, H, W)` the reconstruction before its sigmoid.
        images: `(B, C, H, W)` in [0, 1].

    Returns:
        A scalar in nats, at least 0.

    Raises:
        TypeError, ValueError: not floating-point tensors of one shape and type, on one device.

    Example:
        >>> cross_entropy_loss(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2))
        tensor(0.6931)
    """
    require_tensor("images", images, ("B", "C", "H", "W"), finite=False)
    require_tensor("logits", logits, tuple(images.shape), finite=False)
    require_alike("images", images, logits=logits)
    logits, images = widen(logits, images)
    return F.binary_cross_entropy_with_logits(logits, images)


def background_loss(heatmap: Tensor, index: Tensor, window: int) -> Tensor:
    """Mean score outside the windows of the kept keypoints: beyond the paper, it darkens the background.

    Without it the heatmap's last normalisation leaves the background near 0.7, and weak maxima there become
    keypoints.

    Args:
        heatmap: `(B, 1, H, W)` scores in [0, 1].
        index: `(B, K)` flat positions of the kept keypoints, -1 for an empty slot.
        window: odd side, in pixels of the map, of the square around each keypoint that does not count.

    Returns:
        A scalar in [0, 1].

    Raises:
        TypeError, ValueError: wrong shapes, an index that is not int64, elsewhere or outside the map, or an even
            window.

    Example:
        >>> heatmap = torch.tensor([[[[1.0, 0.5, 0.25, 0.25]]]])
        >>> background_loss(heatmap, torch.tensor([[0]]), window=3)
        tensor(0.2500)
    """
    require_tensor("heatmap", heatmap, ("B", 1, "H", "W"), finite=False)
    window = require_integer("window", window, low=1, odd=True)
    batch, _, height, width = heatmap.shape
    if index.dim() != 2 or len(index) != batch:
        raise ValueError(f"index: shape {tuple(index.shape)} was given; allowed is ({batch}, K)")
    if index.dtype != torch.int64 or index.device != heatmap.device:
        raise TypeError(f"index: {index.dtype} on {index.device} was given; allowed is int64 on {heatmap.device}")
    if looks_at_values() and ((index < -1) | (index >= height * width)).any():
        span = f"{int(index.min())} to {int(index.max())}"
        raise ValueError(f"index: {span} were given; allowed are -1 to {height * width - 1}")
    (heatmap,) = widen(heatmap)
    # An empty slot writes into one more cell behind the map, which is then cut off.
    marks = heatmap.new_zeros(batch, height * width + 1)
    marks.scatter_(1, torch.where(index < 0, height * width, index), 1.0)
    marks = marks[:, :-1].view(batch, 1, height, width)
    background = 1 - window_maximum(marks, window)
    return (heatmap * background).sum() / background.sum().clamp_min(1)
