"""Pictures of CLEVR-like scenes by casting rays: who is seen, who stands in whose light, what is seen in metal.

Masks come from one ray through each pixel's centre in double precision, colours from single precision: the same scene
has the same masks everywhere, and colours that may differ in their last bits between machines.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from tusklite.data import ray_shading as shading
from tusklite.data.clevr_layout import PROPERTIES, Layout
from tusklite.data.ray_geometry import Solids, View, closest, cross, dot, pick, unit

SHADOW_STEP = 2  # the ground's shadows are soft, and computed for squares of this many pixels
GROUND_SHADOW, OBJECT_SHADOW, MIRRORED_SHADOW = 4, 3, 2  # squared: how many spots of a lamp are tried
FAR = 60.0  # beyond which the ground looks as it does here


def cast_segments(layout: Layout, view: View) -> Tensor:
    """Which object each pixel's centre shows: uint8 (B, rows, columns), 0 for the ground, n for place n - 1.

    Example:
        >>> from tusklite.data.clevr_layout import cropped, draw_layouts
        >>> layout, _ = draw_layouts(torch.tensor([2]), torch.tensor([0]))
        >>> cast_segments(layout, cropped(12))[0].unique()
        tensor([0, 1, 2, 3, 4, 5], dtype=torch.uint8)
    """
    solids = layout.solids()
    _, _, solid = _cast_from_eye(layout, solids, view, torch.float64)
    places = layout.present.shape[1]
    return (solid % places + 1).where(solid >= 0, 0).to(torch.uint8).unflatten(0, (-1, view.rows, view.columns))


def cast_images(layout: Layout, view: View, rays: int = 2) -> Tensor:
    """Pictures, float32 (B, 3, rows, columns) in [0, 1], by `rays` x `rays` rays a pixel where objects are seen.

    Example:
        >>> from tusklite.data.clevr_layout import cropped, draw_layouts
        >>> layout, _ = draw_layouts(torch.tensor([2, 5]), torch.tensor([0, 0]))
        >>> cast_images(layout, cropped(12)).shape
        torch.Size([2, 3, 12, 12])
    """
    stage = Stage.of(layout)
    fine = view.finer(rays)
    direction, distance, solid = _cast_from_eye(layout, stage.solids, fine, torch.float32)
    light = _ground_seen(stage, layout, view)  # (3, B, rows, columns)
    light = light.repeat_interleave(rays, 2).repeat_interleave(rays, 3).flatten(1)
    seen = (solid >= 0).nonzero()[:, 0]
    which = pick(solid, seen)
    eye = pick(layout.eye.T.to(torch.float32), which // stage.places)
    onward = pick(direction, seen)
    points = eye + pick(distance, seen) * onward
    light[:, seen] = stage.light_from(points, unit(onward), which, bounces=1)
    picture = shading.encode_srgb(light).view(3, -1, view.rows, rays, view.columns, rays)
    return picture.mean((3, 5)).transpose(0, 1).contiguous()


def _cast_from_eye(layout: Layout, solids: Solids, view: View, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Of all rays of a view: directions (3, R), how far they go (R,), and which solids they meet (R,), or -1."""
    camera = layout.camera(dtype)
    direction = camera.directions(view).flatten(1)
    ray, which = camera.near_pairs(solids, view)
    eye = pick(camera.eye, which // layout.present.shape[1])
    near, _ = solids.crossings(which, eye, pick(direction, ray))
    return direction, *closest(ray, which, near, direction.shape[1])


class Others(NamedTuple):
    """What P points have about them: the T places of their scenes, but for the solid that they are on.

    Attributes:
        which: int64 (T, P), solids.
        there: bool (T, P), whether there is such a one.
        offset: (3, T, P), from the points to the solids' middles.
        squared: (T, P), how far that is.
    """

    which: Tensor
    there: Tensor
    offset: Tensor
    squared: Tensor


class Stage(NamedTuple):
    """What light meets in B scenes of T places.

    Attributes:
        solids: N = B * T of them.
        lamps: of the B scenes.
        colour: (3, N).
        metal: bool (N,).
        places: T.
    """

    solids: Solids
    lamps: shading.Lamps
    colour: Tensor
    metal: Tensor
    places: int

    @classmethod
    def of(cls, layout: Layout) -> Stage:
        """The stage of a layout, in single precision."""
        solids = layout.solids(torch.float32)
        lamps = shading.Lamps.at(layout.lamps.permute(2, 1, 0).to(torch.float32))
        colours = solids.radius.new_tensor(shading.COLOURS) / 255
        metal = layout.material.flatten() == PROPERTIES["material"].index("metal")
        return cls(solids, lamps, colours[layout.colour.flatten()].T.contiguous(), metal, layout.present.shape[1])

    def light_from(self, points: Tensor, view: Tensor, which: Tensor, bounces: int) -> Tensor:
        """What points (3, P) on solids (P,) send against the unit vectors `view` (3, P): linear light (3, P).

        Metal shows what a mirror would, in its own colour; metal that is seen in metal, after `bounces`, shows
        ground and backdrop alone.
        """
        surface = self._surface(points, view, which)
        is_metal = pick(self.metal, which)
        rubber, metal = (~is_metal).nonzero()[:, 0], is_metal.nonzero()[:, 0]
        shiny = surface.some(metal)
        mirror, open_way = self._mirrored(pick(points, metal), shiny.mirrored(), pick(which, metal), bounces)
        light = torch.empty_like(points)
        light[:, rubber] = shading.weighted(shading.RUBBER, shading.rubber_terms(surface.some(rubber)))
        light[:, metal] = shading.weighted(shading.METAL, shading.metal_terms(shiny, mirror, open_way))
        return light

    def ground_light(self, points: Tensor, scene: Tensor, lit: Tensor) -> Tensor:
        """What the ground at points (3, P) sends, given the share of each lamp (4, P) that reaches it."""
        light = shading.light_of_lamps(self.lamps, scene, points)
        return shading.GROUND * (shading.coloured(light.direction[2] * light.strength * lit) + shading.EVEN)

    def ground_lit(self, points: Tensor, scene: Tensor, side: int) -> Tensor:
        """Share of each lamp, (4, P), that objects leave to points (3, P) of the ground."""
        others = self._others(points, scene, torch.full_like(scene, -1))
        up = torch.zeros_like(points)
        up[2] = 1
        return self._lit(points, up, scene, others, side)

    def _others(self, points: Tensor, scene: Tensor, own: Tensor) -> Others:
        which = scene * self.places + torch.arange(self.places, device=scene.device)[:, None]
        there = pick(self.solids.present, which.flatten()).view_as(which) & (which != own)
        offset = pick(self.solids.centre, which.flatten()).view(3, *which.shape) - points[:, None]
        return Others(which, there, offset, dot(offset, offset))

    def _surface(self, points: Tensor, view: Tensor, which: Tensor) -> shading.Surface:
        scene = which // self.places
        normal = self.solids.normals(which, points)
        others = self._others(points, scene, which)
        light = shading.light_of_lamps(self.lamps, scene, points)
        lit = self._lit(points, normal, scene, others, OBJECT_SHADOW)
        return shading.Surface(pick(self.colour, which), normal, view, light, lit)

    def _lit(self, points: Tensor, normal: Tensor, scene: Tensor, others: Others, side: int) -> Tensor:
        """Share of each lamp's square, (4, P), that points (3, P) see past the others, by side x side spots of it."""
        reach = pick(self.solids.reach, others.which.flatten()).view_as(others.which)
        shares = points.new_ones(4, len(scene))
        for lamp in range(4):
            way = pick(self.lamps.place[:, lamp], scene) - points
            length = dot(way, way).sqrt()
            along = dot(others.offset, (way / length)[:, None])
            wide = reach + shading.LAMP_SIDES[lamp] * math.sqrt(0.5) * along.clamp_min(0) / length
            near = (along > -reach) & (others.squared - along * along < wide * wide) & (dot(way, normal) > 0)
            place, point = (near & others.there).nonzero(as_tuple=True)
            which = others.which[place, point]
            blocked = self._blocked(pick(points, point), pick(scene, point), which, lamp, side)
            hidden = points.new_zeros(len(scene), side * side).index_add_(0, point, blocked.to(points.dtype))
            shares[lamp] = 1 - hidden.clamp_max(1).mean(1)
        return shares

    def _blocked(self, points: Tensor, scene: Tensor, which: Tensor, lamp: int, side: int) -> Tensor:
        """Whether solids (P,) stand between points (3, P) and each of side x side spots of a lamp: bool (P, S)."""
        spots = (torch.arange(side, device=points.device, dtype=points.dtype) + 0.5) / side - 0.5
        spots = spots * shading.LAMP_SIDES[lamp]
        square = (self.lamps.place, self.lamps.across, self.lamps.up)
        place, across, up = (pick(part[:, lamp], scene) for part in square)
        way, across, up = (self.solids.own_frame(which, part)[..., None] for part in (place - points, across, up))
        way = way + across * spots.repeat_interleave(side) + up * spots.repeat(side)  # (3, P, S)
        origin = self.solids.own_frame(which, points - pick(self.solids.centre, which))
        near, far = cross(pick(self.solids.kind, which), origin[..., None], way)
        return (near < 1) & (far > 0)

    def _mirrored(self, points: Tensor, way: Tensor, own: Tensor, bounces: int) -> tuple[Tensor, Tensor]:
        """What is seen from points (3, P) on solids (P,) along `way` (3, P): light (3, P), and where no object is."""
        scene = own // self.places
        others = self._others(points, scene, own)
        along = dot(others.offset, way[:, None])
        reach = pick(self.solids.reach, others.which.flatten()).view_as(others.which)
        met = others.there & (along > -reach) & (others.squared - along * along < reach * reach)
        place, point = met.nonzero(as_tuple=True)
        which = others.which[place, point]
        near, _ = self.solids.crossings(which, pick(points, point), pick(way, point))
        distance, solid = closest(point, which, near, len(own))
        light = shading.backdrop(way).repeat(3, 1)
        down = (((solid < 0) | (bounces == 0)) & (way[2] < 0)).nonzero()[:, 0]
        light[:, down] = self._ground_along(pick(points, down), pick(way, down), pick(scene, down), bounces > 0)
        if bounces:
            met = (solid >= 0).nonzero()[:, 0]
            onward = pick(way, met)
            there = pick(points, met) + pick(distance, met) * onward
            light[:, met] = self.light_from(there, onward, pick(solid, met), bounces - 1)
        return light, solid < 0

    def _ground_along(self, points: Tensor, way: Tensor, scene: Tensor, shaded: bool) -> Tensor:
        """The ground as seen from points along `way`, which goes down: light (3, P)."""
        ground = points + (points[2] / -way[2].clamp_max(-1e-4)).clamp_max(FAR) * way
        ground[2] = 0
        lit = self.ground_lit(ground, scene, MIRRORED_SHADOW) if shaded else points.new_ones(4, len(scene))
        return self.ground_light(ground, scene, lit)


def _ground_seen(stage: Stage, layout: Layout, view: View) -> Tensor:
    """The ground's light through all pixels of a view, (3, B, rows, columns), whether or not an object hides it."""
    points, scene = ground_points(layout, view)
    coarse = view.coarser(SHADOW_STEP)
    shares = stage.ground_lit(*ground_points(layout, coarse), GROUND_SHADOW)
    shares = shares.view(4, -1, coarse.rows, coarse.columns)
    shares = functional.interpolate(shares.transpose(0, 1), scale_factor=SHADOW_STEP, mode="bilinear")
    shares = shares[:, :, : view.rows, : view.columns].transpose(0, 1).flatten(1)  # (4, B * rows * columns)
    return stage.ground_light(points, scene, shares).view(3, -1, view.rows, view.columns)


def ground_points(layout: Layout, view: View, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Where the rays through a view's pixels meet the ground, (3, R), and their scenes (R,)."""
    camera = layout.camera(dtype)
    direction = camera.directions(view)
    eye = camera.eye[:, :, None, None]
    distance = torch.where(direction[2] < -1e-3, -eye[2] / direction[2].clamp_max(-1e-3), FAR).clamp_max(FAR)
    points = eye + distance * direction
    points[2] = 0
    scene = torch.arange(len(layout.eye), device=points.device)[:, None, None].expand(points.shape[1:])
    return points.flatten(1), scene.flatten()
