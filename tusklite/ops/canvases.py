"""Keypoints drawn alone: a small canvas around each, its place in the image, and which of them to keep.

Beyond the paper, which decodes every keypoint on a canvas of the whole image and keeps all K.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from tusklite.arguments import require_alike, require_integer, require_number, require_tensor
from tusklite.ops.aggregation import separate_splats
from tusklite.precision import widen

TRANSPARENT = -20.0  # the logit of alpha where a keypoint cannot paint: a share of 2e-9 beside one logit of 0


class LocalCanvases(NamedTuple):
    """A square of a map around each keypoint, with its descriptor spread around the place it has there.

    Attributes:
        maps: `(B, K, C, side, side)`, to be decoded one by one.
        corner: int64 `(B, K, 2)`, column and row of the map that each canvas's first pixel lies on; below 0, or so
            large that the canvas sticks out, near a border.
    """

    maps: Tensor
    corner: Tensor


def local_canvases(
    xy: Tensor, score: Tensor, descriptors: Tensor, height: int, width: int, side: int, sigma: float
) -> LocalCanvases:
    """Paint each keypoint on a small canvas that is centred on the pixel it lies in.

    Where the keypoint lies within that pixel is kept, to a fraction, and so is the gradient of it. Where the pixel lies
    in the image is not: a decoder that sees such a canvas cannot tell, and has to draw the same thing everywhere alike.

    Args:
        xy: `(B, K, 2)` points in [-1, 1].
        score: `(B, K)`.
        descriptors: `(B, K, C)`.
        height: rows of the map.
        width: columns of the map.
        side: of the canvases, in pixels of the map.
        sigma: standard deviation of the Gaussians, in pixels of the map.

    Raises:
        TypeError, ValueError: shapes, types or devices that do not go together, sizes below 1, or a sigma that is not
            above 0.

    Example:
        >>> canvases = local_canvases(torch.tensor([[[0.5, 0.0]]]), torch.ones(1, 1), torch.ones(1, 1, 1), 8, 8, 3, 0.1)
        >>> canvases.corner.tolist(), canvases.maps[0, 0, 0].round(decimals=2).tolist()
        ([[[5, 3]]], [[0.25, 0.25, 0.0], [0.25, 0.25, 0.0], [0.0, 0.0, 0.0]])
    """
    require_tensor("xy", xy, ("B", "K", 2), finite=False)
    height, width = require_integer("height", height, low=1), require_integer("width", width, low=1)
    side = require_integer("side", side, low=1)
    (points,) = widen(xy)
    size = points.new_tensor([width, height])
    place = (points + 1) / 2 * size  # in pixels from the outer edge
    cell = place.detach().nan_to_num().floor().clamp_min(0).minimum(size - 1)
    corner = cell - side // 2
    local = 2 * (place - corner) / side - 1
    return LocalCanvases(separate_splats(local.to(xy.dtype), score, descriptors, side, side, sigma), corner.long())


def paste(layers: Tensor, corner: Tensor, height: int, width: int) -> Tensor:
    """Put layers that were drawn on canvases where they belong in the image, by whole pixels.

    Args:
        layers: `(B, K, channels + 1, h, w)`; the last channel is the logit of alpha.
        corner: int64 `(B, K, 2)`, column and row of the image for each layer's first pixel; what sticks out is cut off.
        height: rows of the image.
        width: columns of the image.

    Returns:
        `(B, K, channels + 1, H, W)`. Beyond its canvas a layer is 0, and its alpha `TRANSPARENT`.

    Raises:
        TypeError, ValueError: another shape or type.

    Example:
        >>> pasted = paste(torch.ones(1, 1, 2, 2, 2), torch.tensor([[[-1, 1]]]), height=3, width=2)
        >>> pasted[0, 0, 0].tolist(), pasted[0, 0, 1].tolist()
        ([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0]], [[-20.0, -20.0], [1.0, -20.0], [1.0, -20.0]])
    """
    require_tensor("layers", layers, ("B", "K", "channels + 1", "h", "w"), finite=False)
    batch, k, channels, rows, columns = layers.shape
    if corner.shape != (batch, k, 2) or corner.dtype != torch.int64:
        raise ValueError(
            f"corner: {corner.dtype} of shape {tuple(corner.shape)} was given; allowed is int64 of {(batch, k, 2)}"
        )
    height, width = require_integer("height", height, low=1), require_integer("width", width, low=1)
    # A frame as wide as a canvas takes what sticks out, however far away the corner is.
    low, high = corner.new_tensor([-columns, -rows]), corner.new_tensor([width, height])
    left, top = (corner.maximum(low).minimum(high) - low).flatten(0, 1).unbind(-1)  # (B K,) each
    frame_width = width + 2 * columns
    row = top[:, None] + torch.arange(rows, device=layers.device)
    column = left[:, None] + torch.arange(columns, device=layers.device)
    places = (row[:, :, None] * frame_width + column[:, None, :]).view(batch * k, 1, -1).expand(-1, channels, -1)
    empty = layers.new_zeros(batch * k, channels, (height + 2 * rows) * frame_width)
    empty[:, -1] = TRANSPARENT
    framed = empty.scatter(2, places, layers.reshape(batch * k, channels, -1))
    framed = framed.view(batch, k, channels, height + 2 * rows, frame_width)
    return framed[..., rows : rows + height, columns : columns + width]


def greedy_choice(images: Tensor, layers: Tensor, background: Tensor, least_gain: float, most: int) -> Tensor:
    """Choose keypoints one by one: each time the one whose layer lessens the error most, while that is worth it.

    No label is used. Of two keypoints on one thing the second lessens nothing, so the choice also says how many things
    there are.

    Args:
        images: `(B, channels, H, W)`.
        layers: `(B, K, channels + 1, H, W)`; the last channel is the logit of alpha.
        background: `(B, channels, H, W)`, what is seen where nothing is drawn; its logit of alpha is 0.
        least_gain: a keypoint is worth it if the squared error, its mean over channels and sum over pixels, falls by
            more than that; 0 or more.
        most: how many are chosen at most, 1 or more.

    Returns:
        bool `(B, K)`: which are kept.

    Raises:
        TypeError, ValueError: shapes, types or devices that do not go together.

    Example:
        >>> images = torch.tensor([[[[1.0, 0.0]]]])
        >>> layers = torch.tensor([[[[[1.0, 1.0]], [[9.0, -9.0]]], [[[1.0, 1.0]], [[5.0, -9.0]]]]])  # twice the same
        >>> greedy_choice(images, layers, torch.zeros(1, 1, 1, 2), least_gain=0.1, most=2)
        tensor([[ True, False]])
    """
    require_tensor("layers", layers, ("B", "K", "channels + 1", "H", "W"), finite=False)
    batch, k, channels, height, width = layers.shape
    shape = (batch, channels - 1, height, width)
    require_tensor("images", images, shape, finite=False)
    require_tensor("background", background, shape, finite=False)
    require_alike("layers", layers, images=images, background=background)
    least_gain = require_number("least_gain", least_gain, low=0)
    most = min(require_integer("most", most, low=1), k)
    images, layers, background = widen(images, layers, background)
    # exp(logit) over the sum of exp(logits) is the share of alpha blending; the background's exp(0) is 1.
    weight = layers[:, :, -1].clamp(max=30).exp()  # (B, K, H, W)
    colour = layers[:, :, :-1] * weight.unsqueeze(2)
    above, below = background, torch.ones_like(weight[:, 0])  # the blend so far is their quotient
    error = _summed_error(above, images)
    kept = torch.zeros(batch, k, dtype=torch.bool, device=layers.device)
    scenes = torch.arange(batch, device=layers.device)
    for _ in range(most):
        errors = torch.stack(
            [
                _summed_error((above + colour[:, n]) / (below + weight[:, n]).unsqueeze(1), images)
                for n in range(k)  # one by one: K images at once would be much memory
            ],
            dim=1,
        )
        least, best = errors.masked_fill(kept, torch.inf).min(dim=1)
        worth = error - least > least_gain
        kept[scenes[worth], best[worth]] = True
        above = torch.where(worth.view(-1, 1, 1, 1), above + colour[scenes, best], above)
        below = torch.where(worth.view(-1, 1, 1), below + weight[scenes, best], below)
        error = torch.where(worth, least, error)
    return kept


def _summed_error(drawn: Tensor, images: Tensor) -> Tensor:
    """Squared error `(B,)`: the mean over channels, summed over pixels."""
    return F.mse_loss(drawn, images, reduction="none").mean(dim=1).sum(dim=(1, 2))
