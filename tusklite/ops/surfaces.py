"""Cubic surfaces over the image: what position tells, and what is behind the things in an image."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tusklite.arguments import require_tensor
from tusklite.ops.keypoints import pixel_centres

COARSE = 28  # the surface is fitted to about so many rows and columns
FIRST_SCALE, SCALE = 0.08, 0.03  # of the residuals that still count, around the median and around the surface
ROUNDS = 5
RIDGE = 1e-4


def cubic_terms(xy: Tensor) -> Tensor:
    """The ten monomials of x and y up to degree three: `(..., 2)` to `(..., 10)`.

    Example:
        >>> cubic_terms(torch.tensor([2.0, 3.0]))
        tensor([ 1.,  2.,  3.,  4.,  6.,  9.,  8., 12., 18., 27.])
    """
    x, y = xy.unbind(dim=-1)
    monomials = [torch.ones_like(x), x, y, x * x, x * y, y * y, x**3, x * x * y, x * y * y, y**3]
    return torch.stack(monomials, dim=-1)


@torch.no_grad()
def robust_surface(images: Tensor) -> Tensor:
    """A cubic surface through each image's colours that lets itself be disturbed little by the things before it.

    Iteratively reweighted least squares: a pixel far from the surface of the round before hardly counts. It has nothing
    to learn, and wants an image of which more than half is a background that changes slowly.

    Args:
        images: `(B, C, H, W)` in [0, 1].

    Returns:
        `(B, C, H, W)` in [0, 1], without gradient.

    Raises:
        TypeError, ValueError: another shape or type.

    Example:
        >>> images = torch.full((1, 3, 16, 16), 0.5)
        >>> images[:, 0, :5, :5] = 1.0  # something red in a corner
        >>> robust_surface(images).sub(0.5).abs().max() < 0.01
        tensor(True)
    """
    require_tensor("images", images, ("B", "C", "H", "W"))
    height, width = images.shape[2:]
    wide = images.float()
    low = F.avg_pool2d(wide, (max(1, height // COARSE), max(1, width // COARSE)))
    basis = _cubic_basis(low.shape[2], low.shape[3], low)  # (P, 10)
    colours = low.flatten(2).transpose(1, 2)  # (B, P, C)
    middle = colours.median(dim=1, keepdim=True).values
    weight = _cauchy_squared(colours - middle, FIRST_SCALE)
    ridge = RIDGE * torch.eye(basis.shape[1], device=images.device)
    coefficients = colours.new_zeros(len(images), basis.shape[1], images.shape[1])
    for _ in range(ROUNDS):
        weighted = weight.unsqueeze(-1) * basis  # (B, P, 10)
        coefficients = torch.linalg.solve(basis.T @ weighted + ridge, weighted.transpose(1, 2) @ colours)
        weight = _cauchy_squared(colours - basis @ coefficients, SCALE)
    surface = _cubic_basis(height, width, wide) @ coefficients  # (B, H W, C)
    return surface.transpose(1, 2).reshape_as(images).clamp(0, 1).to(images.dtype)


def _cubic_basis(height: int, width: int, like: Tensor) -> Tensor:
    """The cubic terms at every pixel: `(H W, 10)`."""
    y, x = torch.meshgrid(pixel_centres(height, like), pixel_centres(width, like), indexing="ij")
    return cubic_terms(torch.stack([x, y], dim=-1)).flatten(0, 1)


def _cauchy_squared(residual: Tensor, scale: float) -> Tensor:
    """Weights `(B, P)` from residuals `(B, P, C)`: the farthest channel decides."""
    return 1 / (1 + (residual.abs().amax(dim=-1) / scale) ** 2) ** 2
