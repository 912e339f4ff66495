"""Warps seen on images: the grid of pixel centres, sampling an image at the points of a grid, two warps in a row."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from tusklite.arguments import require_alike, require_choice, require_integer, require_tensor
from tusklite.precision import at_least_single, widen


def identity_grid(
    height: int, width: int, device: torch.device | str | None = None, dtype: torch.dtype = torch.float32
) -> Tensor:
    """The pixel centres `(H, W, 2)` of an image as (x, y); -1 and 1 are the image's outer edges.

    In half precision they are the float32 ones, rounded once: bfloat16 itself cannot count to 257.

    Raises:
        TypeError, ValueError: height or width is not an integer of at least 1, or a type that is not floating-point.

    Example:
        >>> identity_grid(1, 4)[0, :, 0]
        tensor([-0.7500, -0.2500,  0.2500,  0.7500])
    """
    width, height = require_integer("width", width, low=1), require_integer("height", height, low=1)
    if not dtype.is_floating_point:
        raise TypeError(f"dtype: {dtype} was given; allowed is a floating-point type")
    counting = at_least_single(dtype)
    x, y = ((2 * torch.arange(size, device=device, dtype=counting) + 1) / size - 1 for size in (width, height))
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).to(dtype)


def warp_images(images: Tensor, grid: Tensor, padding_mode: str = "zeros") -> Tensor:
    """Sample images at the points of a grid, bilinearly: `warped(v) = image(g(v))`.

    Args:
        images: `(B, C, H, W)`.
        grid: `(B, H', W', 2)` points (x, y) of the images, for example `tps.grid(H', W')`.
        padding_mode: what lies outside an image: "zeros", its "border" pixels, or its "reflection" at the edges.

    Returns:
        `(B, C, H', W')` warped images, in the type of `images`; half precision is computed in float32.

    Raises:
        TypeError: not floating-point tensors, or types or devices that differ.
        ValueError: wrong shapes; batches that differ; a grid not finite; another padding mode.

    Example:
        >>> ramp = torch.arange(4.0).view(1, 1, 1, 4)
        >>> warp_images(ramp, identity_grid(1, 4)[None] + torch.tensor([0.5, 0.0]), padding_mode="border")
        tensor([[[[1., 2., 3., 3.]]]])
    """
    require_tensor("images", images, ("B", "C", "H", "W"), finite=False)
    require_tensor("grid", grid, (images.shape[0], "H'", "W'", 2))
    require_alike("images", images, grid=grid)
    require_choice("padding_mode", padding_mode, ("zeros", "border", "reflection"))
    wide, points = widen(images, grid)
    warped = functional.grid_sample(wide, points, mode="bilinear", padding_mode=padding_mode, align_corners=False)
    return warped.to(images.dtype)


def compose(first: Callable[[Tensor], Tensor], second: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The map `v -> first(second(v))`: an image is warped by `first`, and the result of that by `second`.

    Warps are maps from warped to original, so a point of the final image goes through the second warp first.

    Args:
        first, second: maps `(B, P, 2) -> (B, P, 2)`, splines for example.

    Raises:
        TypeError: an argument that cannot be called.

    Example:
        >>> both = compose(lambda p: p + 1, lambda p: 2 * p)
        >>> both(torch.full((1, 1, 2), 3.0))
        tensor([[[7., 7.]]])
    """
    for name, warp in (("first", first), ("second", second)):
        if not callable(warp):
            raise TypeError(f"{name}: {type(warp).__name__} was given; allowed is a callable on points (B, P, 2)")
    return lambda points: first(second(points))
