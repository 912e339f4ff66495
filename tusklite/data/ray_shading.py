"""Light and materials of CLEVR-like scenes: three square lamps, an even sky, rubber and metal.

Light is linear, red, green and blue in the first dimension, (3, P); `encode_srgb` makes a picture of it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tusklite.data.ray_geometry import dot, pick, unit

COLOURS = (  # the generator's bytes, taken as linear, in the order of `clevr_layout.PROPERTIES`
    *((87, 87, 87), (173, 35, 35), (42, 75, 215), (29, 105, 20)),
    *((129, 74, 25), (129, 38, 192), (41, 208, 208), (255, 238, 51)),
)
GROUND = 0.62  # what the ground gives back of the light that falls on it; assumed: only its product with light is seen
SKY = 0.135 / GROUND  # light from all around
LAMP_POWER = (  # key, fill and back: light on a surface that faces the lamp, at distance 1
    (4.83 / GROUND, 4.51 / GROUND, 4.02 / GROUND),
    (0.52 / GROUND, 0.58 / GROUND, 0.86 / GROUND),
    (2.39 / GROUND, 2.40 / GROUND, 2.38 / GROUND),
)
LAMP_SIDES = (1.0, 1.0, 1.0)  # of their squares


class Rubber(NamedTuple):
    """Weights of what a rubber surface sends back; the first three are taken times its colour.

    Attributes:
        lamps: of the lamps' light that falls on it.
        sky: of the sky's.
        ground: of what comes up from the ground.
        gloss: of the lamps' broad highlights, which are white.
        rim: of the sky seen at a grazing angle.
    """

    lamps: float = 1.0
    sky: float = 1.0
    ground: float = 1.0
    gloss: float = 0.3
    rim: float = 0.2


class Metal(NamedTuple):
    """Weights of what a metal surface sends back; all are taken times its colour but the last.

    Attributes:
        mirror: of what is seen in it.
        sharp, broad: of the lamps' highlights.
        lamps: of the lamps' light that falls on it.
        sky: of the sky's.
        coat: of what is seen in it at a grazing angle, white.
    """

    mirror: float = 0.9
    sharp: float = 1.0
    broad: float = 0.3
    lamps: float = 0.1
    sky: float = 0.1
    coat: float = 0.1


RUBBER, METAL = Rubber(), Metal()
GLOSS_POWER, SHARP_POWER, BROAD_POWER = 24.0, 120.0, 12.0  # how narrow the highlights are


class Lamps(NamedTuple):
    """Three square lamps in each of B scenes, which face the origin.

    Attributes:
        place, axis, across, up: (3, 3, B): x, y, z, then the lamp. The last three are unit vectors.
    """

    place: Tensor
    axis: Tensor
    across: Tensor
    up: Tensor

    @classmethod
    def at(cls, place: Tensor) -> Lamps:
        """Lamps at `place` (3, 3, B)."""
        axis = -unit(place)
        across = unit(torch.stack((axis[1], -axis[0], torch.zeros_like(axis[0]))))
        return cls(place, axis, across, torch.linalg.cross(across, axis, dim=0))


class Light(NamedTuple):
    """The lamps' light on P points, before shadows.

    Attributes:
        strength: (3, P) for each lamp, times `LAMP_POWER` the light on a surface that faces it.
        direction: (3, 3, P), unit vectors to the lamps: x, y, z, then the lamp.
    """

    strength: Tensor
    direction: Tensor


def light_of_lamps(lamps: Lamps, scene: Tensor, points: Tensor) -> Light:
    """What reaches points (3, P) of scenes (P,): it falls with the squared distance and the angle at the lamp."""
    offset = pick(lamps.place, scene) - points[:, None]  # (3, 3, P)
    squared = dot(offset, offset)
    direction = offset * squared.rsqrt()
    return Light(-dot(direction, pick(lamps.axis, scene)).clamp_max(0) / squared, direction)


def coloured(by_lamp: Tensor) -> Tensor:
    """Light (3, P) in colours from strengths (3, P) for each lamp."""
    power = by_lamp.new_tensor(LAMP_POWER)
    return sum((power[lamp][:, None] * by_lamp[lamp] for lamp in range(1, 3)), power[0][:, None] * by_lamp[0])


class Surface(NamedTuple):
    """P points of objects, and the light there.

    Attributes:
        colour: (3, P).
        normal, view: (3, P), unit vectors; `view` goes from the eye to the point.
        light: of the lamps.
        lit: (3, P) for each lamp, the share of it that no other object hides.
        sky, ground: (P,), how much light comes from the sky and from the ground.
    """

    colour: Tensor
    normal: Tensor
    view: Tensor
    light: Light
    lit: Tensor
    sky: Tensor
    ground: Tensor

    def diffuse(self) -> Tensor:
        """The lamps' light on the surface, (3, P)."""
        facing = dot(self.light.direction, self.normal[:, None]).clamp_min(0)
        return coloured(facing * self.light.strength * self.lit)

    def grazing(self) -> Tensor:
        """1 where the surface is seen from the side, 0 where it is seen from the front, (P,)."""
        return (1 + dot(self.view, self.normal)).clamp(0, 1).pow(3)

    def mirrored(self) -> Tensor:
        """Where a ray from the eye goes on, (3, P)."""
        return self.view - 2 * dot(self.view, self.normal) * self.normal

    def some(self, rows: Tensor) -> Surface:
        """Some of the points."""
        light = Light(*(pick(part, rows) for part in self.light))
        colour, normal, view, _, lit, sky, ground = self
        rest = (pick(part, rows) for part in (lit, sky, ground))
        return Surface(pick(colour, rows), pick(normal, rows), pick(view, rows), light, *rest)


def rubber_terms(surface: Surface) -> Rubber:
    """What the weights of `Rubber` are taken of: (3, P) each."""
    half = unit(surface.light.direction - surface.view[:, None])
    facing = dot(surface.light.direction, surface.normal[:, None]) > 0
    gloss = dot(half, surface.normal[:, None]).clamp_min(0).pow(GLOSS_POWER) * facing
    return Rubber(  # type: ignore[arg-type]
        lamps=surface.colour * surface.diffuse(),
        sky=surface.colour * surface.sky,
        ground=surface.colour * surface.ground,
        gloss=coloured(gloss * surface.light.strength * surface.lit),
        rim=(surface.grazing() * surface.sky).expand(3, -1),
    )


def metal_terms(surface: Surface, mirror: Tensor, open_way: Tensor) -> Metal:
    """What the weights of `Metal` are taken of: (3, P) each.

    Args:
        surface: P points.
        mirror: (3, P), what is seen in them.
        open_way: bool (P,), where no object is in the way from there.
    """
    towards = dot(surface.mirrored()[:, None], surface.light.direction)  # (3, P)
    shown = torch.sqrt(surface.light.strength) * open_way
    return Metal(  # type: ignore[arg-type]
        mirror=surface.colour * mirror,
        sharp=surface.colour * coloured(torch.exp((towards - 1) * SHARP_POWER) * shown),
        broad=surface.colour * coloured(torch.exp((towards - 1) * BROAD_POWER) * shown),
        lamps=surface.colour * surface.diffuse(),
        sky=surface.colour * surface.sky,
        coat=surface.grazing() * mirror,
    )


def weighted(weights: Rubber | Metal, terms: Rubber | Metal) -> Tensor:
    """Light (3, P) from weights and terms."""
    first, *others = (weight * term for weight, term in zip(weights, terms, strict=True))
    return sum(others, torch.as_tensor(first))


def encode_srgb(light: Tensor) -> Tensor:
    """Linear light as the values of a picture in [0, 1]; what is brighter than 1 is white.

    Example:
        >>> encode_srgb(torch.tensor([0.0, 0.2140411, 2.0]))
        tensor([0.0000, 0.5000, 1.0000])
    """
    light = light.clamp(0, 1)
    return torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light.clamp_min(1e-6).pow(1 / 2.4) - 0.055)


def decode_srgb(values: Tensor) -> Tensor:
    """The linear light of a picture's values.

    Example:
        >>> decode_srgb(encode_srgb(torch.tensor([0.001, 0.25, 1.0])))
        tensor([0.0010, 0.2500, 1.0000])
    """
    return torch.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055).pow(2.4))
