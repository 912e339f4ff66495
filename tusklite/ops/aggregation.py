"""From K keypoints with descriptors to the decoder's input, and from decoded layers to one image."""

from __future__ import annotations

import torch
from torch import Tensor

from tusklite.arguments import require_alike, require_tensor
from tusklite.ops.keypoints import splat_profiles
from tusklite.precision import widen


def score_weighted_sum(xy: Tensor, score: Tensor, descriptors: Tensor, height: int, width: int, sigma: float) -> Tensor:
    """Paint all keypoints on one canvas: the sum of descriptor x score x Gaussian (Jin et al. 2022, section 3.2).

    A Gaussian is a product of one along each axis: descriptors are spread down first and then across, so the K maps are
    never made. With few keypoints that saves nothing, with a hundred on a large canvas it does.

    Args:
        xy: `(B, K, 2)` points in [-1, 1].
        score: `(B, K)`.
        descriptors: `(B, K, C)`.
        height: rows of the canvas.
        width: columns of the canvas.
        sigma: standard deviation of the Gaussians, in pixels of the canvas.

    Returns:
        `(B, C, H, W)`.

    Raises:
        TypeError, ValueError: shapes, types or devices that do not go together, sizes below 1, or a sigma that is not
            above 0.

    Example:
        >>> xy, score = torch.tensor([[[0.0, 0.0], [0.6, 0.0]]]), torch.tensor([[1.0, 0.5]])
        >>> canvas = score_weighted_sum(xy, score, torch.tensor([[[2.0], [6.0]]]), height=1, width=5, sigma=0.1)
        >>> canvas.round(decimals=3)
        tensor([[[[0.0000, 0.0000, 2.0000, 1.5000, 1.5000]]]])
    """
    painted, rows, columns = _painted(xy, score, descriptors, height, width, sigma)
    stripes = torch.einsum("bkc,bkh->bchk", painted, rows)
    return torch.einsum("bchk,bkw->bchw", stripes, columns).to(descriptors.dtype)


def separate_splats(xy: Tensor, score: Tensor, descriptors: Tensor, height: int, width: int, sigma: float) -> Tensor:
    """Paint each keypoint on a canvas of its own, to be decoded alone (Jin et al. 2022, section 3.2).

    Args:
        xy, score, descriptors, height, width, sigma: as for `score_weighted_sum`, which is the sum of these canvases.

    Returns:
        `(B, K, C, H, W)`.

    Raises:
        TypeError, ValueError: as for `score_weighted_sum`.

    Example:
        >>> xy, score = torch.tensor([[[-0.5, 0.0], [0.5, 0.0]]]), torch.ones(1, 2)
        >>> canvases = separate_splats(xy, score, torch.tensor([[[2.0], [6.0]]]), height=1, width=2, sigma=0.1)
        >>> canvases.round(decimals=3)[0, :, 0, 0]
        tensor([[2., 0.],
                [0., 6.]])
    """
    painted, rows, columns = _painted(xy, score, descriptors, height, width, sigma)
    canvases = torch.einsum("bkch,bkw->bkchw", painted.unsqueeze(-1) * rows.unsqueeze(-2), columns)
    return canvases.to(descriptors.dtype)


def alpha_blend(layers: Tensor, background: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Blend K decoded layers into one image; each pixel is shared out among them (Jin et al. 2022, section 3.2).

    The shares are a softmax over the layers, as in the authors' code. There is no layer for the background in the
    paper: some keypoint has to paint it.

    Args:
        layers: `(B, K, channels + 1, H, W)`; the last channel is the logit of alpha.
        background: beyond the paper. `(B, channels, H, W)`, one more layer behind them, of logit 0.

    Returns:
        The image `(B, channels, H, W)` and the masks `(B, K, H, W)`, at least 0; they sum to 1 over K, and with a
        background to what it leaves them.

    Raises:
        TypeError, ValueError: another shape or dtype, or no channel beside alpha.

    Example:
        >>> layers = torch.tensor([[0.2, 0.0], [1.0, 0.0]]).view(1, 2, 2, 1, 1)  # two keypoints, grey and alpha
        >>> image, masks = alpha_blend(layers)
        >>> image.flatten(), masks.flatten()
        (tensor([0.6000]), tensor([0.5000, 0.5000]))
        >>> alpha_blend(layers, background=torch.zeros(1, 1, 1, 1))[0].flatten()
        tensor([0.4000])
    """
    require_tensor("layers", layers, ("B", "K", "channels + 1", "H", "W"), finite=False)
    batch, k, channels, height, width = layers.shape
    if channels < 2:
        raise ValueError("layers: 1 channel was given; allowed is at least one of colour before that of alpha")
    (wide,) = widen(layers)
    logits, colours = wide[:, :, -1], wide[:, :, :-1]
    if background is not None:
        require_tensor("background", background, (batch, channels - 1, height, width), finite=False)
        require_alike("layers", layers, background=background)
        logits = torch.cat([logits, torch.zeros_like(logits[:, :1])], dim=1)
        colours = torch.cat([colours, background.to(wide.dtype).unsqueeze(1)], dim=1)
    shares = logits.softmax(dim=1)  # (B, K, H, W), or one more
    image = (colours * shares.unsqueeze(2)).sum(dim=1)
    return image.to(layers.dtype), shares[:, :k].to(layers.dtype)


def _painted(
    xy: Tensor, score: Tensor, descriptors: Tensor, height: int, width: int, sigma: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Descriptors times scores `(B, K, C)`, and the rows `(B, K, H)` and columns `(B, K, W)` of their Gaussians."""
    require_tensor("xy", xy, ("B", "K", 2), finite=False)
    batch, k = xy.shape[:2]
    require_tensor("score", score, (batch, k), finite=False)
    require_tensor("descriptors", descriptors, (batch, k, "C"), finite=False)
    require_alike("xy", xy, score=score, descriptors=descriptors)
    xy, score, descriptors = widen(xy, score, descriptors)
    rows, columns = splat_profiles(xy, height, width, sigma)
    return descriptors * score.unsqueeze(-1), rows, columns
