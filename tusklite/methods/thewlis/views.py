"""Two views of each image through random warps (Thewlis et al. 2017, section 3.2)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tusklite.geometry import WARPS, ThinPlateSpline, identity_grid, random_tps, warp_images
from tusklite.methods.thewlis.options import ThewlisOptions


class Views(NamedTuple):
    """Two views of each image.

    Attributes:
        first: `(B, C, S, S)` x, the image seen through a frame and g1.
        second: `(B, C, S, S)` x', the first view seen through g2.
        warp: the B warps g2, from the second view to the first.
    """

    first: Tensor
    second: Tensor
    warp: ThinPlateSpline


def draw_frames(batch: int, options: ThewlisOptions, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Which square of each image is looked at: zooms `(B, 1, 1)` and shifts `(B, 1, 2)`, as `frame_images` takes them.

    Example:
        >>> draw_frames(1, ThewlisOptions(), torch.Generator().manual_seed(0))
        (tensor([[[0.8000]]]), tensor([[[0., -0.]]]))
    """
    low, high = options.zooms
    zoom = low + (high - low) * torch.rand(batch, 1, 1, generator=generator)
    return zoom, zoom * options.shift * (2 * torch.rand(batch, 1, 2, generator=generator) - 1)


def draw_views(images: Tensor, size: int, options: ThewlisOptions, generator: torch.Generator) -> Views:
    """Two views of each image, each sampled from the image once: the second is not a warp of blurred pixels.

    Args:
        images: `(B, C, H, W)`.
        size: side of the views in pixels.
        options: says which warps and which part of the image.
        generator: of all that is drawn.

    Returns:
        `Views`. What the second view shows beyond the first one's border is there in the image, as where the paper
        crops after it has warped.

    Example:
        >>> views = draw_views(torch.rand(2, 3, 80, 80), 32, ThewlisOptions(), torch.Generator().manual_seed(0))
        >>> views.first.shape, views.second.shape
        (torch.Size([2, 3, 32, 32]), torch.Size([2, 3, 32, 32]))
    """
    batch, device = len(images), images.device
    zoom, shift = (value.to(device) for value in draw_frames(batch, options, generator))
    first = random_tps(batch, WARPS[options.first_warp], generator, device=device)
    second = random_tps(batch, WARPS[options.second_warp], generator, device=device)
    square = identity_grid(size, size, device).view(1, -1, 2).expand(batch, -1, -1)  # (B, S S, 2)
    views = []
    for points in (square, second(square)):
        grid = (zoom * first(points) + shift).view(batch, size, size, 2)
        views.append(warp_images(images, grid.to(images.dtype), padding_mode="reflection"))
    return Views(views[0], views[1], second)
