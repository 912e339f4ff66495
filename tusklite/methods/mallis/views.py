"""Views of images whose points are known: turned, enlarged, shifted, in another light."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from tusklite.geometry import identity_grid, warp_images
from tusklite.methods.mallis.options import MallisOptions

CONTRAST, BRIGHTNESS, TINT, SATURATION, NOISE = 0.25, 0.15, 0.05, 0.5, 0.05  # at a strength of 1
EDGE = 0.97  # a point farther out is not seen


class PointedViews(NamedTuple):
    """Views of B images, and where their points are.

    Attributes:
        images: `(B, C, H, W)` in [0, 1].
        xy: `(B, Q, 2)` in [-1, 1] of the views; 0 where none is seen.
        seen: bool `(B, Q)`, which points there are, and in the view.
    """

    images: Tensor
    xy: Tensor
    seen: Tensor


class Similarity(NamedTuple):
    """Maps of B views to their images: a place v of the view is `turn v + shift` of the image.

    Attributes:
        turn: `(B, 2, 2)`, a turn times a scale.
        shift: `(B, 1, 2)`.
    """

    turn: Tensor
    shift: Tensor

    def to_image(self, xy: Tensor) -> Tensor:
        """Places `(B, P, 2)` of the views, in their images."""
        return xy @ self.turn.mT + self.shift

    def to_view(self, xy: Tensor) -> Tensor:
        """Places `(B, P, 2)` of the images, in their views.

        Example:
            >>> there = draw_similarities(2, MallisOptions(), torch.Generator().manual_seed(0))
            >>> xy = torch.rand(2, 3, 2, generator=torch.Generator().manual_seed(1))
            >>> bool((there.to_view(there.to_image(xy)) - xy).abs().max() < 1e-5)
            True
        """
        (a, b), (c, d) = (row.unbind(-1) for row in self.turn.unbind(1))
        x, y = (xy - self.shift).unbind(-1)
        determinant = (a * d - b * c)[:, None]
        along = (d[:, None] * x - b[:, None] * y, a[:, None] * y - c[:, None] * x)
        return torch.stack(along, -1) / determinant[..., None]


def draw_similarities(batch: int, options: MallisOptions, generator: torch.Generator) -> Similarity:
    """Turns, scales and offsets of views, as the options say, on the CPU.

    Example:
        >>> still = draw_similarities(1, MallisOptions(turn=0, scale=1, shift=0), torch.Generator().manual_seed(0))
        >>> still.turn.abs()
        tensor([[[1., 0.],
                 [0., 1.]]])
    """
    angle = math.radians(options.turn) * _spread(generator, batch)
    scale = torch.exp(math.log(options.scale) * _spread(generator, batch))
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    turn = torch.stack((cosine, -sine, sine, cosine), 1).view(batch, 2, 2)
    return Similarity(turn, options.shift * _spread(generator, batch, 1, 2))


def see_through(images: Tensor, similarity: Similarity) -> Tensor:
    """Views `(B, C, H, W)` of images, each through its map; black beyond the image."""
    height, width = images.shape[2:]
    square = identity_grid(height, width, images.device).view(1, -1, 2).expand(len(images), -1, -1)
    grid = similarity.to_image(square).view(-1, height, width, 2)
    return warp_images(images, grid.to(images.dtype))


def draw_views(
    images: Tensor, xy: Tensor, found: Tensor, options: MallisOptions, generator: torch.Generator
) -> PointedViews:
    """A view of each image, with its points.

    Args:
        images: `(B, C, H, W)` in [0, 1].
        xy: `(B, Q, 2)` points in [-1, 1]; whatever it holds where none is.
        found: bool `(B, Q)`.
        options: say how far views turn, scale, shift, and how light changes.
        generator: a CPU generator of all that is drawn.

    Returns:
        `PointedViews` on the device of the images.

    Example:
        >>> still = MallisOptions(turn=0, scale=1, shift=0, light=0)
        >>> yes = torch.ones(1, 1, dtype=torch.bool)
        >>> xy = torch.full((1, 1, 2), 0.25)
        >>> draw_views(torch.rand(1, 3, 8, 8), xy, yes, still, torch.Generator().manual_seed(0)).xy
        tensor([[[0.2500, 0.2500]]])
    """
    device = images.device
    drawn = draw_similarities(len(images), options, generator)
    similarity = Similarity(drawn.turn.to(device), drawn.shift.to(device))
    views = change_light(see_through(images, similarity), options, generator)
    places = similarity.to_view(xy.to(device))
    seen = found.to(device) & (places.abs() < EDGE).all(-1)
    return PointedViews(views, torch.where(seen[..., None], places, 0), seen)


def change_light(images: Tensor, options: MallisOptions, generator: torch.Generator) -> Tensor:
    """Change contrast, brightness, tint and saturation of each image on its own, turn its colours, add noise.

    Args:
        images: `(B, C, H, W)` in [0, 1].
        options: strengths.
        generator: a CPU generator.

    Returns:
        `(B, C, H, W)` in [0, 1].

    Example:
        >>> dark = change_light(torch.zeros(1, 3, 2, 2), MallisOptions(light=0, negative=1), torch.Generator())
        >>> bool((dark == 1).all())
        True
    """
    batch, channels = images.shape[:2]
    strength = options.light

    def spread(width: float, *shape: int) -> Tensor:
        return (width * _spread(generator, batch, *shape)).to(images)

    if strength:
        gain, level = 1 + spread(CONTRAST * strength, 1, 1, 1), 1 + spread(BRIGHTNESS * strength, 1, 1, 1)
        tint, saturation = spread(TINT * strength, channels, 1, 1), 1 + spread(SATURATION * strength, 1, 1, 1)
        middle = images.mean(dim=(1, 2, 3), keepdim=True)
        images = (images - middle) * gain + middle * level + tint
        grey = images.mean(1, keepdim=True)
        images = grey + (images - grey) * saturation
    if options.hue and channels == 3:
        images = torch.einsum("bij,bjhw->bihw", _colour_turns(math.pi * spread(options.hue)), images)
    if options.negative:
        chance = torch.rand(batch, 1, 1, 1, generator=generator).to(images.device)
        images = torch.where(chance < options.negative, 1 - images, images)
    if strength:
        noise = torch.randn(images.shape, generator=generator).to(images)
        images = images + noise * (NOISE * strength * torch.rand(batch, 1, 1, 1, generator=generator)).to(images)
    return images.clamp(0, 1)


def _colour_turns(angle: Tensor) -> Tensor:
    """Turns `(B, 3, 3)` of colours about the axis of greys, by Rodrigues' formula."""
    third = 1 / math.sqrt(3)
    cross = angle.new_tensor([[0, -third, third], [third, 0, -third], [-third, third, 0]])
    sine, cosine = angle.sin()[:, None, None], angle.cos()[:, None, None]
    return torch.eye(3, device=angle.device) + sine * cross + (1 - cosine) * (cross @ cross)


def _spread(generator: torch.Generator, *shape: int) -> Tensor:
    """Uniform from -1 to 1."""
    return 2 * torch.rand(shape, generator=generator) - 1
