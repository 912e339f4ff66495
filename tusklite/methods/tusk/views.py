"""Two views of each image: the image and its warped twin, or beyond the paper two squares cut out of it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tusklite.geometry import WARPS, ThinPlateSpline, identity_grid, random_tps, warp_images
from tusklite.methods.tusk.options import TUSKOptions

GAIN, COLOUR, SHIFT, SATURATION, GREY = 0.3, 0.1, 0.15, 0.5, 0.2  # of a jitter of strength 1


class DrawnViews(NamedTuple):
    """Two views of each of B images; N = 2 B, the first views come first.

    Attributes:
        images: `(N, C, H, W)` what is to be drawn again.
        seen: `(N, C, H, W)` what the encoder sees: the same, or jittered.
        warp: the B warps from the second views to the first.
    """

    images: Tensor
    seen: Tensor
    warp: ThinPlateSpline


def draw_views(images: Tensor, options: TUSKOptions, generator: torch.Generator) -> DrawnViews:
    """Two views of each image, as the options say.

    With a `view_size`, both are squares of the image, each sampled once: what the second one shows beyond the first
    one's border is there in the image, and beyond the image is its reflection.

    Args:
        images: `(B, C, H, W)` in [0, 1].
        options: say which warps, which squares, and how much jitter.
        generator: a CPU generator of all that is drawn.

    Example:
        >>> options = TUSKOptions(view_size=32, zooms=(0.5, 0.8), shift=0.1, jitter=1.0)
        >>> views = draw_views(torch.rand(2, 3, 80, 80), options, torch.Generator().manual_seed(0))
        >>> views.images.shape, bool((views.images == views.seen).all())
        (torch.Size([4, 3, 32, 32]), False)
    """
    batch, device = len(images), images.device
    if options.view_size:
        views, warp = _squares(images, options, generator)
    else:
        warp = random_tps(batch, WARPS[options.warp], generator, device=device)
        views = torch.cat([images, warp_images(images, warp.grid(images.shape[2], images.shape[3]))])
    seen = jitter(views, options.jitter, generator) if options.jitter else views
    return DrawnViews(views, seen, warp)


def draw_squares(batch: int, options: TUSKOptions, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Half-widths `(B, 1, 1)` and centres `(B, 1, 2)` of squares, in [-1, 1] of the image.

    Example:
        >>> draw_squares(1, TUSKOptions(view_size=32, zooms=(0.5, 0.5)), torch.Generator().manual_seed(0))
        (tensor([[[0.5000]]]), tensor([[[0., -0.]]]))
    """
    low, high = options.zooms
    zoom = low + (high - low) * torch.rand(batch, 1, 1, generator=generator)
    return zoom, zoom * options.shift * (2 * torch.rand(batch, 1, 2, generator=generator) - 1)


def _squares(images: Tensor, options: TUSKOptions, generator: torch.Generator) -> tuple[Tensor, ThinPlateSpline]:
    """Both views `(2 B, C, S, S)`, and the warps from the second to the first."""
    batch, device, size = len(images), images.device, options.view_size
    zoom, shift = (value.to(device) for value in draw_squares(batch, options, generator))
    square = identity_grid(size, size, device).view(1, -1, 2).expand(batch, -1, -1)  # (B, S S, 2)
    warp = random_tps(batch, WARPS[options.warp], generator, device=device)
    places = [square, warp(square)]
    if options.first_warp != "none":
        first = random_tps(batch, WARPS[options.first_warp], generator, device=device)
        places = [first(points) for points in places]
    grids = [(zoom * points + shift).view(batch, size, size, 2).to(images.dtype) for points in places]
    return torch.cat([warp_images(images, grid, padding_mode="reflection") for grid in grids]), warp


def jitter(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Change contrast, tint, brightness and saturation of each image on its own; some lose their colour.

    Args:
        images: `(B, C, H, W)` in [0, 1].
        strength: 1 draws contrast from 0.7 to 1.3 times, each channel's from 0.9 to 1.1, brightness from -0.15 to 0.15,
            saturation from 0.5 to 1.5 times, and none for a fifth of the images; other values scale all of it.
        generator: a CPU generator.

    Returns:
        `(B, C, H, W)` in [0, 1].

    Example:
        >>> grey = jitter(torch.full((1, 3, 2, 2), 0.5), 1.0, torch.Generator().manual_seed(0))
        >>> bool((grey == grey[:, :1]).all()), bool(((grey >= 0.35) & (grey <= 0.65)).all())
        (True, True)
    """
    batch, channels = images.shape[:2]

    def spread(width: float, *shape: int) -> Tensor:
        drawn = 2 * torch.rand(batch, *shape, generator=generator) - 1
        return (strength * width * drawn).to(images)

    gain, tint = 1 + spread(GAIN, 1, 1, 1), 1 + spread(COLOUR, channels, 1, 1)
    brightness, saturation = spread(SHIFT, 1, 1, 1), 1 + spread(SATURATION, 1, 1, 1)
    loses = (torch.rand(batch, 1, 1, 1, generator=generator) < GREY * strength).to(images.device)
    light = images.mean(dim=1, keepdim=True)
    coloured = light + torch.where(loses, 0, saturation) * (images - light)
    middle = coloured.mean(dim=(1, 2, 3), keepdim=True)
    return ((coloured - middle) * gain * tint + middle + brightness).clamp(0, 1)
