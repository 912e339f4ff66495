"""Rays, a camera, and the solids that rays meet: spheres, cubes and cylinders that stand on the plane z = 0.

Vectors hold x, y, z in their first dimension, (3, ...), so that arithmetic runs along long rows. The solids of a batch
of B scenes with T places are one list of N = B * T: number b * T + t is at place t of scene b.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

SHAPES = ("sphere", "cube", "cylinder")
EXTENT = (1.0, 0.95, 0.97)  # of each shape, for the radius 1: the generator's cubes and cylinders fall short of it
REACH = (1.0, math.sqrt(3), math.sqrt(2))  # radius of the ball about each shape, for the shape's own extent 1
EDGE = (2, 20, 16)  # powers of the norm whose gradient is the normal: the larger, the sharper is an edge
SLACK = 1.12  # a ball's picture is an ellipse, and longer than its middle says by no more than this


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner products over the first dimension, added in one order on every device."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def unit(vectors: Tensor) -> Tensor:
    """Vectors (3, ...) divided by their lengths.

    Example:
        >>> unit(torch.tensor([3.0, 0.0, 4.0]))
        tensor([0.6000, 0.0000, 0.8000])
    """
    return vectors / dot(vectors, vectors).sqrt()


def pick(values: Tensor, index: Tensor) -> Tensor:
    """Columns `index` (P,) of values (..., N): (..., P); several times as fast as `values[..., index]` on a CPU.

    Example:
        >>> pick(torch.tensor([[1, 2, 3], [4, 5, 6]]), torch.tensor([2, 0]))
        tensor([[3, 1],
                [6, 4]])
    """
    return values.gather(-1, index.expand(*values.shape[:-1], -1))


class View(NamedTuple):
    """Which part of the camera's picture is drawn, and how finely; lengths in pixels of the whole picture.

    Attributes:
        rows, columns: of the image that is drawn.
        left, top: the corner of its first pixel.
        step: height and width of one of its pixels.
    """

    rows: int
    columns: int
    left: float
    top: float
    step: float

    def finer(self, times: int) -> View:
        """The same part with `times` x `times` pixels in the place of each."""
        return View(self.rows * times, self.columns * times, self.left, self.top, self.step / times)

    def coarser(self, times: int) -> View:
        """One pixel in the place of `times` x `times`; where they do not come out even, it reaches beyond the edge."""
        return View(-(-self.rows // times), -(-self.columns // times), self.left, self.top, self.step * times)


class Camera(NamedTuple):
    """B pinhole cameras that look at the origin, none of them from straight above.

    Attributes:
        eye, forward, right, up: (3, B); the last three are unit vectors.
        focal: distance of the picture from the eye in pixels.
        middle: where the axis meets the picture, x and y in pixels.
    """

    eye: Tensor
    forward: Tensor
    right: Tensor
    up: Tensor
    focal: float
    middle: tuple[float, float]

    @classmethod
    def at(cls, eye: Tensor, focal: float, middle: tuple[float, float]) -> Camera:
        """Cameras at `eye` (3, B)."""
        forward = -unit(eye)
        right = unit(torch.stack((forward[1], -forward[0], torch.zeros_like(forward[0]))))
        return cls(eye, forward, right, torch.linalg.cross(right, forward, dim=0), focal, middle)

    def project(self, points: Tensor) -> Tensor:
        """Points (3, B, T) as x and y in pixels of the whole picture, and depth along the axis: (3, B, T)."""
        offset = points - self.eye[..., None]
        depth = dot(offset, self.forward[..., None])
        x = self.middle[0] + self.focal * dot(offset, self.right[..., None]) / depth
        y = self.middle[1] - self.focal * dot(offset, self.up[..., None]) / depth
        return torch.stack((x, y, depth))

    def directions(self, view: View) -> Tensor:
        """The rays through the pixels' centres, (3, B, rows, columns), of length 1 along the axis."""
        like = {"dtype": self.eye.dtype, "device": self.eye.device}
        x, y = self._centres(view, like)
        x, y = (x - self.middle[0]) / self.focal, (y - self.middle[1]) / self.focal
        forward, right, up = (axis[:, :, None, None] for axis in (self.forward, self.right, self.up))
        return forward + x * right - y[:, None] * up

    def near_pairs(self, solids: Solids, view: View) -> tuple[Tensor, Tensor]:
        """Rays of a view and solids that they may meet: P numbers of rays in `directions`' order, P of solids."""
        centre = self.project(solids.centre.unflatten(1, (self.eye.shape[1], -1))).flatten(1)  # (3, N)
        reach = SLACK * self.focal * solids.reach / (centre[2] - solids.reach)
        x, y = self._centres(view, {"dtype": reach.dtype, "device": reach.device})
        across = (x - centre[0, :, None]).square()[:, None, :]  # (N, 1, columns)
        along = (reach.square()[:, None] - (y - centre[1, :, None]).square())[:, :, None]
        which, row, column = ((across < along) & solids.present[:, None, None]).nonzero(as_tuple=True)
        scene = which // (len(reach) // self.eye.shape[1])
        return (scene * view.rows + row) * view.columns + column, which

    @staticmethod
    def _centres(view: View, like: dict[str, object]) -> tuple[Tensor, Tensor]:
        x = view.left + view.step * (torch.arange(view.columns, **like) + 0.5)  # type: ignore[call-overload]
        y = view.top + view.step * (torch.arange(view.rows, **like) + 0.5)  # type: ignore[call-overload]
        return x, y


class Solids(NamedTuple):
    """N convex solids, turned about the vertical.

    Attributes:
        kind: int64 (N,), a shape's number in `SHAPES`.
        centre: (3, N).
        radius: (N,), half the height of all, half the width of a cube.
        cosine, sine: (N,), of the angle they are turned by.
        reach: (N,), radius of the ball about each.
        present: bool (N,); what is not present is met by no ray.
    """

    kind: Tensor
    centre: Tensor
    radius: Tensor
    cosine: Tensor
    sine: Tensor
    reach: Tensor
    present: Tensor

    @classmethod
    def standing(cls, kind: Tensor, place: Tensor, radius: Tensor, angle: Tensor, present: Tensor) -> Solids:
        """Solids with middles at `place` (2, N), `radius` (N,) above z = 0, a little smaller than that (`EXTENT`)."""
        centre = torch.cat((place, radius[None]))
        radius = radius * radius.new_tensor(EXTENT)[kind]
        return cls(kind, centre, radius, angle.cos(), angle.sin(), radius * radius.new_tensor(REACH)[kind], present)

    def to(self, dtype: torch.dtype) -> Solids:
        """The same with floats of another type."""
        return Solids(*(part.to(dtype) if part.is_floating_point() else part for part in self))

    def own_frame(self, which: Tensor, vectors: Tensor) -> Tensor:
        """Vectors (3, P) as solids `which` (P,) see them: turned back, in units of their radius."""
        cosine, sine, scale = pick(self.cosine, which), pick(self.sine, which), 1 / pick(self.radius, which)
        x, y, z = vectors
        return torch.stack(((cosine * x + sine * y) * scale, (cosine * y - sine * x) * scale, z * scale))

    def crossings(self, which: Tensor, origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
        """Where rays (3, P) enter and leave solids `which` (P,), in units of `direction`; missed: enter at infinity."""
        origin = self.own_frame(which, origin - pick(self.centre, which))
        direction = self.own_frame(which, direction)
        near, far = cross(pick(self.kind, which), origin[..., None], direction[..., None])
        return near[:, 0], far[:, 0]

    def normals(self, which: Tensor, points: Tensor) -> Tensor:
        """Outward unit normals (3, P) at points (3, P) on solids `which` (P,); to light alone, edges are round."""
        x, y, z = self.own_frame(which, points - pick(self.centre, which))
        kind = pick(self.kind, which)
        power = pick(x.new_tensor(EDGE), kind) - 1
        across = torch.where(kind == SHAPES.index("cylinder"), (x * x + y * y).sqrt(), 1).clamp_min(1e-6)
        turned = across.pow(power - 1)  # of a cylinder's wall: the same in all directions of the plane
        cube = kind == SHAPES.index("cube")
        x, y = (torch.where(cube, v.sign() * v.abs().pow(power), v * turned) for v in (x, y))
        z = z.sign() * z.abs().pow(power)
        cosine, sine = pick(self.cosine, which), pick(self.sine, which)
        return unit(torch.stack((cosine * x - sine * y, sine * x + cosine * y, z)))


def cross(kind: Tensor, origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Where rays enter and leave solids of radius 1 about the origin; those that miss enter at infinity.

    Args:
        kind: int64 (P,), shapes' numbers in `SHAPES`.
        origin: (3, P, 1).
        direction: (3, P, S): S rays from each origin.

    Returns:
        Two tensors (P, S), in units of `direction`.

    Example:
        >>> down = torch.tensor([0.0, 0.0, -1.0]).view(3, 1, 1)
        >>> cross(torch.tensor([0]), -3 * down, down)
        (tensor([[2.]]), tensor([[4.]]))
    """
    near, far = torch.empty_like(direction[0]), torch.empty_like(direction[0])
    for number, solid in enumerate((_cross_sphere, _cross_cube, _cross_cylinder)):
        rows = (kind == number).nonzero()[:, 0]
        near[rows], far[rows] = solid(origin.index_select(1, rows), direction.index_select(1, rows))
    return torch.where(near < far, near, math.inf), far


def closest(ray: Tensor, which: Tensor, near: Tensor, rays: int) -> tuple[Tensor, Tensor]:
    """What each of `rays` rays meets first, of P pairs of rays and solids: distance, and solid or -1.

    Args:
        ray: int64 (P,), which ray.
        which: int64 (P,), which solid.
        near: (P,), where it is entered; infinite where it is missed, negative where it lies behind.
        rays: R, how many there are.

    Returns:
        Distances (R,), infinite where nothing is met, and int64 (R,).

    Example:
        >>> closest(torch.tensor([0, 0]), torch.tensor([4, 7]), torch.tensor([3.0, 2.0]), rays=2)
        (tensor([2., inf]), tensor([ 7, -1]))
    """
    near = torch.where(near > 0, near, math.inf)
    distance = near.new_full((rays,), math.inf).scatter_reduce_(0, ray, near, "amin")
    first = torch.where((near == pick(distance, ray)) & (near < math.inf), which, -1)
    return distance, which.new_full((rays,), -1).scatter_reduce_(0, ray, first, "amax")


def _cross_sphere(origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    return _roots(dot(direction, direction), dot(origin, direction), dot(origin, origin) - 1)


def _cross_cube(origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    slabs = [_cross_slab(origin[axis], direction[axis]) for axis in range(3)]
    (near, far), (near_y, far_y), (near_z, far_z) = slabs
    return near.maximum(near_y).maximum(near_z), far.minimum(far_y).minimum(far_z)


def _cross_cylinder(origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    (x, y, z), (dx, dy, dz) = origin, direction
    wall_near, wall_far = _roots((dx * dx + dy * dy).clamp_min(1e-12), x * dx + y * dy, x * x + y * y - 1)
    near, far = _cross_slab(z, dz)
    return near.maximum(wall_near), far.minimum(wall_far)


def _cross_slab(origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Between the planes -1 and 1 of one axis."""
    inverse = 1 / torch.where(direction.abs() < 1e-9, 1e-9, direction)  # a ray along the planes keeps finite numbers
    first, second = (-1 - origin) * inverse, (1 - origin) * inverse
    return first.minimum(second), first.maximum(second)


def _roots(a: Tensor, half_b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """The two roots of a t^2 + 2 half_b t + c; infinite first where there is none."""
    inside = half_b * half_b - a * c
    root, inverse = inside.clamp_min(0).sqrt(), 1 / a
    return torch.where(inside > 0, (-half_b - root) * inverse, math.inf), (root - half_b) * inverse
