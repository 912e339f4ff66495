"""Losses that ask the network to follow a warp of the image."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tusklite.arguments import require_alike, require_choice, require_flags, require_tensor
from tusklite.geometry import ThinPlateSpline, identity_grid, warp_images
from tusklite.precision import widen


def point_alignment_loss(points: Tensor, warped_points: Tensor, warp: ThinPlateSpline) -> Tensor:
    """Mean squared distance of landmarks from those of the warped twin, taken back (Thewlis et al. 2017, eq. 5).

    It is 0 where landmarks follow the warp, as the constraint on them asks (Thewlis et al. 2017, eqs. 2 and 3). A warp
    maps the warped image to the original, so it takes a landmark v of the twin to u = g(v), where the landmark of the
    image should be. As printed, the equation has g the other way round.

    Args:
        points: `(B, K, 2)` landmarks of the images, in [-1, 1].
        warped_points: `(B, K, 2)` landmarks of their twins.
        warp: the B warps.

    Returns:
        A scalar, at least 0: the mean over batch and landmarks.

    Raises:
        TypeError, ValueError: not floating-point tensors of these shapes, of one type and on one device.

    Example:
        >>> from tusklite.geometry import fit_tps
        >>> corners = torch.tensor([[[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]]])
        >>> shift = fit_tps(corners, corners + torch.tensor([0.5, 0.0]))
        >>> point_alignment_loss(torch.zeros(1, 1, 2), torch.tensor([[[-0.5, 0.0]]]), shift).round(decimals=5)
        tensor(0.)
    """
    require_tensor("points", points, ("B", "K", 2))
    require_tensor("warped_points", warped_points, tuple(points.shape))
    require_alike("points", points, warped_points=warped_points, warp=warp.control)
    points, warped_points = widen(points, warped_points)
    return ((points - warp.to(dtype=points.dtype)(warped_points)) ** 2).sum(dim=-1).mean()


def probability_alignment_loss(probs: Tensor, warped_probs: Tensor, grid: Tensor) -> Tensor:
    """Expected squared distance of a landmark from that of the warped twin, taken back (Thewlis et al. 2017, eq. 6).

    The four nested sums of the equation factorise: |u - g(v)|² is |u|² + |g(v)|² - 2 u·g(v), and each part needs a
    single sum over pixels. Time and memory are linear in the number of pixels.

    Args:
        probs: `(B, K, H, W)` p(u | x, r), summing to 1 over pixels.
        warped_probs: `(B, K, H', W')` p(v | x', r) of the twins.
        grid: `(B, H', W', 2)` g(v) at the pixels of the twins, as `ThinPlateSpline.grid` gives it.

    Returns:
        A scalar, at least 0: the mean over batch and landmarks. It is 0 only for maps that are single points.

    Raises:
        TypeError, ValueError: not floating-point tensors of shapes that belong together, of one type and on one device.

    Example:
        >>> from tusklite.geometry import identity_grid
        >>> point = torch.zeros(1, 1, 4, 4)
        >>> point[0, 0, 1, 2] = 1.0
        >>> probability_alignment_loss(point, point.roll(1, dims=3), identity_grid(4, 4).unsqueeze(0))
        tensor(0.2500)
    """
    probs, warped_probs, grid = _alignable(probs, warped_probs, grid)
    height, width = probs.shape[2:]
    u = identity_grid(height, width, probs.device, probs.dtype).flatten(0, 1)  # (H W, 2)
    mass, mean, square = _moments(probs.flatten(2), u)
    warped_mass, warped_mean, warped_square = _moments(warped_probs.flatten(2), grid.flatten(1, 2))
    # Both masses are 1, but written out, gradients are those of the nested sums as well.
    crossed = (mean * warped_mean).sum(dim=-1, keepdim=True)
    return (square * warped_mass + mass * warped_square - 2 * crossed).mean()


def _moments(weights: Tensor, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sums of weights `(B, K, N)` times 1, v and |v|² over points v `(N, 2)` or `(B, N, 2)`, in one product."""
    squares = (points**2).sum(dim=-1, keepdim=True)
    powers = torch.cat([torch.ones_like(squares), points, squares], dim=-1)  # (N, 4) or (B, N, 4)
    return (weights @ powers).split([1, 2, 1], dim=-1)


def probability_alignment_loss_naive(probs: Tensor, warped_probs: Tensor, grid: Tensor) -> Tensor:
    """`probability_alignment_loss` as the equation is printed: every pixel of one map with every pixel of the other.

    For lessons and tests; its memory grows with the square of the number of pixels.

    Args:
        probs: `(B, K, H, W)`.
        warped_probs: `(B, K, H', W')`.
        grid: `(B, H', W', 2)`.

    Returns:
        The same scalar.

    Raises:
        TypeError, ValueError: as `probability_alignment_loss`.

    Example:
        >>> from tusklite.geometry import identity_grid
        >>> maps = torch.rand(1, 2, 3, 5).flatten(2).softmax(dim=-1).view(1, 2, 3, 5)
        >>> grid = identity_grid(3, 5).unsqueeze(0)
        >>> naive = probability_alignment_loss_naive(maps, maps, grid)
        >>> bool((naive - probability_alignment_loss(maps, maps, grid)).abs() < 1e-6)
        True
    """
    probs, warped_probs, grid = _alignable(probs, warped_probs, grid)
    height, width = probs.shape[2:]
    u = identity_grid(height, width, probs.device, probs.dtype).flatten(0, 1)  # (H W, 2)
    squared = ((u[None, :, None] - grid.flatten(1, 2)[:, None]) ** 2).sum(dim=-1)  # (B, H W, H' W')
    return torch.einsum("bku,buv,bkv->bk", probs.flatten(2), squared, warped_probs.flatten(2)).mean()


def _alignable(probs: Tensor, warped_probs: Tensor, grid: Tensor) -> tuple[Tensor, ...]:
    """The three once they are checked, in at least float32."""
    require_tensor("probs", probs, ("B", "K", "H", "W"))
    require_tensor("warped_probs", warped_probs, (*probs.shape[:2], "H'", "W'"))
    require_tensor("grid", grid, (len(probs), *warped_probs.shape[2:], 2))
    require_alike("probs", probs, warped_probs=warped_probs, grid=grid)
    return widen(probs, warped_probs, grid)


def map_equivariance_loss(maps: Tensor, warped_maps: Tensor, grid: Tensor, padding_mode: str = "reflection") -> Tensor:
    """Mean squared difference between maps of the warped image and warped maps of the image (Jin et al. 2022, eq. 4).

    Args:
        maps: `(B, C, H, W)` E(I), what the encoder says of the image.
        warped_maps: `(B, C, H, W)` E(T(I)), what it says of the warped image.
        grid: `(B, H, W, 2)` the warp T, as `ThinPlateSpline.grid` gives it.
        padding_mode: how `maps` go on beyond their border: "zeros", "border" or "reflection".

    Returns:
        A scalar, at least 0.

    Raises:
        TypeError, ValueError: shapes, types or devices that do not belong together, or another padding mode.

    Example:
        >>> from tusklite.geometry import identity_grid
        >>> maps = torch.rand(1, 2, 4, 6)
        >>> map_equivariance_loss(maps, maps, identity_grid(4, 6).unsqueeze(0)) < 1e-10
        tensor(True)
    """
    require_tensor("maps", maps, ("B", "C", "H", "W"), finite=False)
    require_tensor("warped_maps", warped_maps, tuple(maps.shape), finite=False)
    require_tensor("grid", grid, (maps.shape[0], *maps.shape[2:], 2), finite=False)
    require_choice("padding_mode", padding_mode, ("zeros", "border", "reflection"))
    require_alike("maps", maps, warped_maps=warped_maps, grid=grid)
    maps, warped_maps, grid = widen(maps, warped_maps, grid)
    return F.mse_loss(warped_maps, warp_images(maps, grid, padding_mode))


def paired_descriptor_loss(descriptors: Tensor, partners: Tensor, mask: Tensor) -> Tensor:
    """Mean squared distance between unit-length descriptors of the same keypoint in two views.

    Beyond the paper, in place of eq. 4 on the feature map: there the features can satisfy the loss by shrinking,
    here they have length 1 and cannot.

    Args:
        descriptors: `(N, C)` of unit length.
        partners: `(N, C)` of unit length, the same points seen in the other view.
        mask: `(N,)` bool, False where the other view does not show the point.

    Returns:
        A scalar from 0 (all alike) to 4 (all opposite); 0 when the mask is empty.

    Raises:
        TypeError, ValueError: not floating-point tensors of these shapes, of one type and on one device, or a mask of
            another shape or type.

    Example:
        >>> paired_descriptor_loss(torch.eye(2), torch.eye(2).flip(0), torch.tensor([True, False]))
        tensor(2.)
    """
    require_tensor("descriptors", descriptors, ("N", "C"), finite=False)
    require_tensor("partners", partners, tuple(descriptors.shape), finite=False)
    require_alike("descriptors", descriptors, partners=partners)
    require_flags("mask", mask, descriptors.shape[:1], descriptors.device)
    descriptors, partners = widen(descriptors, partners)
    squared = ((descriptors - partners) ** 2).sum(dim=1)
    return (squared * mask).sum() / mask.sum().clamp_min(1)
