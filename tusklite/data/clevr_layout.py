"""Where things stand in CLEVR-like scenes: camera, lamps and objects, placed by the rules of CLEVR's public generator.

Places are whole numbers until they have passed, and all that is random is counted, not drawn in turn: a layout is the
same on every machine and device.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor

from tusklite.data.counter_random import integer_pairs_below, integers_below, random_bits
from tusklite.data.ray_geometry import SHAPES, Camera, Solids, View

PROPERTIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "shape": SHAPES,
        "colour": ("gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow"),
        "size": ("small", "large"),
        "material": ("rubber", "metal"),
    }
)
RADII = (0.35, 0.7)
WIDTH, HEIGHT, FOCAL = 320, 240, 350.0  # of the whole picture, in pixels: a lens of 35 mm before a sensor of 32 mm
CROP = 192  # the square in the middle that is kept
EYE = (7.48113, -6.50764, 5.34367)
EYE_JITTER = 0.5
LAMPS = (  # key, fill and back
    (6.44671, -2.90517, 4.2584),
    (-4.67112, -4.0136, 3.01122),
    (-1.1685, 2.64602, 5.81574),
)
LAMP_JITTER = 1.0
FEWEST, MOST = 3, 6
DARTS = 48  # tries for each object's place; the generator has 50

# Lengths of the placement in units of 1/10,000, so that no rounding decides.
_UNIT = 10_000
_SPAN = 6 * _UNIT + 1  # x and y from -3 to 3
_GAP = 2_500  # between two balls
_MARGIN = 4_000  # between two centres, along each axis of the picture as it lies on the ground
_AXES = ((65_631, 75_449), (75_449, -65_631))  # right and front, in units of 1/100,000
_TURN = 2**20  # angles in units of this part of a turn


class Layout(NamedTuple):
    """B scenes of T places; what is at a place that holds no object has no meaning.

    Attributes:
        eye: float64 (B, 3), the camera, which looks at the origin.
        lamps: float64 (B, 3, 3), key, fill and back, each facing the origin.
        present: bool (B, T), which places hold an object.
        xy: float64 (B, T, 2), where objects stand on the ground.
        angle: float64 (B, T), about the vertical, in radians.
        shape, colour, size, material: int64 (B, T), a value's number in `PROPERTIES`.
    """

    eye: Tensor
    lamps: Tensor
    present: Tensor
    xy: Tensor
    angle: Tensor
    shape: Tensor
    colour: Tensor
    size: Tensor
    material: Tensor

    def rows(self, chosen: slice | Tensor) -> Layout:
        """Some of the scenes."""
        return Layout(*(part[chosen] for part in self))

    def camera(self, dtype: torch.dtype = torch.float64) -> Camera:
        """Its cameras, in floats of a type."""
        return Camera.at(self.eye.T.to(dtype), FOCAL, (WIDTH / 2, HEIGHT / 2))

    def solids(self, dtype: torch.dtype = torch.float64) -> Solids:
        """All places as one list."""
        radius = self.xy.new_tensor(RADII)[self.size].flatten()
        place, present = self.xy.flatten(0, 1).T, self.present.flatten()
        return Solids.standing(self.shape.flatten(), place, radius, self.angle.flatten(), present).to(dtype)

    def centres(self, view: View) -> Tensor:
        """Centres of all places as the view shows them, float64 (B, T, 2): [-1, 1] is inside."""
        solids = self.solids()
        pixels = self.camera().project(solids.centre.unflatten(1, self.present.shape))[:2]
        x = (pixels[0] - view.left) / (view.columns * view.step)
        y = (pixels[1] - view.top) / (view.rows * view.step)
        return torch.stack((x, y), -1) * 2 - 1


WHOLE = View(HEIGHT, WIDTH, 0.0, 0.0, 1.0)


def cropped(image_size: int) -> View:
    """The middle square of the picture in `image_size` x `image_size` pixels.

    Example:
        >>> cropped(96)
        View(rows=96, columns=96, left=64.0, top=24.0, step=2.0)
    """
    return View(image_size, image_size, (WIDTH - CROP) / 2, (HEIGHT - CROP) / 2, CROP / image_size)


def draw_layouts(keys: Tensor, attempts: Tensor) -> tuple[Layout, Tensor]:
    """One attempt at each of B scenes: three to six objects that keep their distances.

    Camera, lamps and the number of objects are the scene's; all else is the attempt's. Objects are placed one by one,
    each where the first of 48 darts lands that keeps a gap of 0.25 from all before it, and 0.4 along both axes.

    Args:
        keys: int64 (B,), a stream of `tusklite.data.counter_random` for each scene.
        attempts: int64 (B,), 0 or more.

    Returns:
        The layout with 6 places, and bool (B,): which scenes found a place for every object.

    Example:
        >>> layout, complete = draw_layouts(torch.arange(3), torch.zeros(3, dtype=torch.int64))
        >>> layout.present.sum(1), complete
        (tensor([6, 5, 5]), tensor([True, True, True]))
    """
    device = keys.device
    number = torch.arange(MOST, device=device)
    scene = random_bits(keys[:, None], torch.arange(4, device=device))  # (B, 4)
    count = FEWEST + integers_below(scene[:, 0], MOST - FEWEST + 1)
    eye = _jittered(scene[:, 1:2], EYE, EYE_JITTER)
    lamps = _jittered(scene[:, 2:3], sum(LAMPS, ()), LAMP_JITTER).unflatten(1, (3, 3))
    objects = random_bits(random_bits(scene[:, 3:4], attempts[:, None]), number)  # (B, T), a stream each
    drawn = [
        integers_below(random_bits(objects, place), len(PROPERTIES[name])) for place, name in enumerate(PROPERTIES)
    ]
    shape, colour, size, material = drawn
    angle = integers_below(random_bits(objects, 4), _TURN).double() * (2 * math.pi / _TURN)
    darts = random_bits(random_bits(objects, 5)[..., None], torch.arange(DARTS, device=device))
    places, found = _place(integer_pairs_below(darts, _SPAN) - _SPAN // 2, size)
    present = number < count[:, None]
    layout = Layout(eye, lamps, present, places.double() / _UNIT, angle, shape, colour, size, material)
    return layout, (found | ~present).all(1)


def _place(darts: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """Places (B, T, 2) by darts (B, T, D, 2), and whether each found one (B, T); all in whole numbers."""
    radius = torch.tensor([round(radius * _UNIT) for radius in RADII], device=size.device)[size]
    axes = torch.tensor(_AXES, device=size.device)
    places, found = torch.zeros_like(darts[:, :, 0]), torch.zeros_like(size, dtype=torch.bool)
    for k in range(size.shape[1]):
        offset = darts[:, k, :, None] - places[:, None, :k]  # (B, D, k, 2)
        least = radius[:, k, None] + radius[:, :k] + _GAP
        apart = (offset * offset).sum(-1) >= (least * least)[:, None]
        for axis in axes:
            apart &= (offset * axis).sum(-1).abs() >= _MARGIN * 100_000
        lands = apart.all(-1)  # (B, D)
        first = lands.to(torch.uint8).argmax(1)
        places[:, k] = darts[torch.arange(len(darts), device=size.device), k, first]
        found[:, k] = lands.any(1)
    return places, found


def _jittered(keys: Tensor, base: tuple[float, ...], jitter: float) -> Tensor:
    """Numbers (B, N), each uniform within `jitter` of those of `base` (N,); keys (B, 1)."""
    draws = integers_below(random_bits(keys, torch.arange(len(base), device=keys.device)), 2**31).double()
    return torch.tensor(base, dtype=torch.float64, device=keys.device) + (draws / 2**30 - 1) * jitter
