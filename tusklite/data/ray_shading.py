"""Light and materials of CLEVR-like scenes: three square lamps, a sun, rubber and metal.

The sun's direction was triangulated from its highlights in metal spheres of real pictures; strengths of light were
fitted to their ground, weights of materials to their objects (see `clevr_files`).


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
SUN = (0.397, -0.194, 0.897)  # where it stands; its light is the same everywhere
SUN_DISTANCE = 1000.0  # a lamp so far away is a sun
LAMP_POWER = (  # key, fill, back and sun: light on a surface that faces the lamp, at distance 1
    (4.89 / GROUND, 4.49 / GROUND, 3.85 / GROUND),
    (0.72 / GROUND, 0.79 / GROUND, 1.02 / GROUND),
    (2.28 / GROUND, 2.30 / GROUND, 2.32 / GROUND),
    (0.0301e6 / GROUND, 0.0301e6 / GROUND, 0.0301e6 / GROUND),
)
BACKDROP, AWAY = 0.083, (-0.7545, 0.6563, 0.0)  # light from where the camera looks, brightest right ahead of it
LAMP_SIDES = (1.0, 1.0, 1.0, 50.0)  # of their squares
EVEN = 0.108 / GROUND  # light from all around, which nothing hides


class Rubber(NamedTuple):
    """Weights of what a rubber surface sends back; all are taken times its colour but the last.

    Attributes:
        lamps: of the lamps' light that falls on it.
        even: of a light that is the same everywhere.
        gloss: of the lamps' broad highlights, which are white.
    """

    lamps: float = 0.858
    even: float = 0.780
    gloss: float = 0.027


class Metal(NamedTuple):
    """Weights of what a metal surface sends back, all taken times its colour.

    Attributes:
        mirror: of ground, backdrop and objects that are seen in it.
        sharp, broad: of the lamps' highlights.
        lamps: of the lamps' light that falls on it.
        even: of a light that is the same everywhere.
    """

    mirror: float = 0.757
    sharp: float = 6.904
    broad: float = 2.79
    lamps: float = 0.097
    even: float = 0.162


RUBBER, METAL = Rubber(), Metal()
GLOSS_POWER, SHARP_POWER, BROAD_POWER = 24.0, 400.0, 20.0  # how narrow the highlights are


class Lamps(NamedTuple):
    """Square lamps in each of B scenes, which face the origin: key, fill, back and sun.

    Attributes:
        place, axis, across, up: (3, 4, B): x, y, z, then the lamp. The last three are unit vectors.
    """

    place: Tensor
    axis: Tensor
    across: Tensor
    up: Tensor

    @classmethod
    def at(cls, place: Tensor) -> Lamps:
        """Lamps at `place` (3, 3, B), and the sun."""
        sun = unit(place.new_tensor(SUN)) * SUN_DISTANCE
        place = torch.cat((place, sun[:, None, None].expand(-1, 1, place.shape[2])), 1)
        axis = -unit(place)
        across = unit(torch.stack((axis[1], -axis[0], torch.zeros_like(axis[0]))))
        return cls(place, axis, across, torch.linalg.cross(across, axis, dim=0))


class Light(NamedTuple):
    """The lamps' light on P points, before shadows.

    Attributes:
        strength: (4, P) for each lamp, times `LAMP_POWER` the light on a surface that faces it.
        direction: (3, 4, P), unit vectors to the lamps: x, y, z, then the lamp.
    """

    strength: Tensor
    direction: Tensor


def light_of_lamps(lamps: Lamps, scene: Tensor, points: Tensor) -> Light:
    """What reaches points (3, P) of scenes (P,): it falls with the squared distance and the angle at the lamp."""
    offset = pick(lamps.place, scene) - points[:, None]  # (3, 4, P)
    squared = dot(offset, offset)
    direction = offset * squared.rsqrt()
    return Light(-dot(direction, pick(lamps.axis, scene)).clamp_max(0) / squared, direction)


def backdrop(way: Tensor) -> Tensor:
    """What metal shows along unit vectors (3, P) that meet nothing and do not go down: light (P,)."""
    return BACKDROP * dot(way, way.new_tensor(AWAY)[:, None]).clamp_min(0).square()


def coloured(by_lamp: Tensor) -> Tensor:
    """Light (3, P) in colours from strengths (4, P) for each lamp."""
    power = by_lamp.new_tensor(LAMP_POWER)[..., None]  # (4, 3, 1)
    return (power[0] * by_lamp[0] + power[1] * by_lamp[1]) + (power[2] * by_lamp[2] + power[3] * by_lamp[3])


class Surface(NamedTuple):
    """P points of objects, and the light there.

    Attributes:
        colour: (3, P).
        normal, view: (3, P), unit vectors; `view` goes from the eye to the point.
        light: of the lamps.
        lit: (4, P) for each lamp, the share of it that no other object hides.
    """

    colour: Tensor
    normal: Tensor
    view: Tensor
    light: Light
    lit: Tensor

    def diffuse(self) -> Tensor:
        """The lamps' light on the surface, (3, P)."""
        facing = dot(self.light.direction, self.normal[:, None]).clamp_min(0)
        return coloured(facing * self.light.strength * self.lit)

    def mirrored(self) -> Tensor:
        """Where a ray from the eye goes on, (3, P)."""
        return self.view - 2 * dot(self.view, self.normal) * self.normal

    def some(self, rows: Tensor) -> Surface:
        """Some of the points."""
        light = Light(*(pick(part, rows) for part in self.light))
        colour, normal, view = (pick(part, rows) for part in self[:3])
        return Surface(colour, normal, view, light, pick(self.lit, rows))


def rubber_terms(surface: Surface) -> tuple[Tensor, ...]:
    """What the weights of `Rubber` are taken of, in their order: (3, P) each."""
    half = unit(surface.light.direction - surface.view[:, None])
    facing = dot(surface.light.direction, surface.normal[:, None]) > 0
    gloss = dot(half, surface.normal[:, None]).clamp_min(0).pow(GLOSS_POWER) * facing
    shown = coloured(gloss * surface.light.strength * surface.lit)
    return surface.colour * surface.diffuse(), surface.colour * EVEN, shown


def metal_terms(surface: Surface, mirror: Tensor, open_way: Tensor) -> tuple[Tensor, ...]:
    """What the weights of `Metal` are taken of, in their order: (3, P) each.

    Args:
        surface: P points.
        mirror: (3, P), what is seen in them.
        open_way: bool (P,), where no object is in the way from there.
    """
    towards = dot(surface.mirrored()[:, None], surface.light.direction)  # (4, P)
    shown = surface.light.strength * open_way
    sharp = coloured(torch.exp((towards - 1) * SHARP_POWER) * shown)
    broad = coloured(torch.exp((towards - 1) * BROAD_POWER) * shown)
    even = torch.full_like(mirror, EVEN)
    return tuple(surface.colour * term for term in (mirror, sharp, broad, surface.diffuse(), even))


def weighted(weights: Rubber | Metal, terms: tuple[Tensor, ...]) -> Tensor:
    """Light (3, P) from weights and terms in their order."""
    light = torch.zeros_like(terms[0])
    for weight, term in zip(weights, terms, strict=True):
        light = light + weight * term
    return light


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
