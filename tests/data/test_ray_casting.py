"""The ray-caster against what needs no formula of its own: marching along rays, and light that must be there or not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from torch import Tensor

from tusklite.data import ray_shading as shading
from tusklite.data.clevr_layout import EYE, LAMPS, PROPERTIES, Layout, cropped, draw_layouts
from tusklite.data.ray_casting import Stage, cast_images, cast_segments
from tusklite.data.ray_geometry import EXTENT, SHAPES, Solids, View, closest, cross

Thing = tuple[str, str, str, str, float, float, float]  # shape, colour, size, material, x, y, angle


def scene_of(*things: Thing) -> Layout:
    """One scene seen by the camera and lit by the lamps in the middle of their jitter."""
    words = {
        name: [[values.index(thing[k]) for thing in things]] for k, (name, values) in enumerate(PROPERTIES.items())
    }
    return Layout(
        eye=torch.tensor([EYE], dtype=torch.float64),
        lamps=torch.tensor([LAMPS], dtype=torch.float64),
        present=torch.ones(1, len(things), dtype=torch.bool),
        xy=torch.tensor([[thing[4:6] for thing in things]], dtype=torch.float64),
        angle=torch.tensor([[thing[6] for thing in things]], dtype=torch.float64),
        **{name: torch.tensor(values) for name, values in words.items()},
    )


SMALL_SCENE = scene_of(
    ("sphere", "gray", "large", "metal", 0.0, -1.0, 0.3),
    ("cube", "red", "large", "rubber", 1.2, 0.9, 0.6),
    ("cylinder", "blue", "large", "rubber", -1.5, 0.4, 1.0),
    ("cube", "yellow", "small", "rubber", 0.9, -1.9, 2.0),
)


def inside(shape: str, points: np.ndarray) -> np.ndarray:
    """Whether points (..., 3) are in a shape of radius 1 about the origin."""
    if shape == "sphere":
        return np.linalg.norm(points, axis=-1) <= 1
    if shape == "cube":
        return np.abs(points).max(-1) <= 1
    return (np.linalg.norm(points[..., :2], axis=-1) <= 1) & (np.abs(points[..., 2]) <= 1)


def marched(layout: Layout, view: View, step: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    """Which object each pixel's centre shows, and how far away along the axis, by small steps along each ray."""
    eye = layout.eye[0].numpy()
    forward = -eye / np.linalg.norm(eye)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    x = (view.left + (np.arange(view.columns) + 0.5) * view.step - 160) / 350
    y = (view.top + (np.arange(view.rows) + 0.5) * view.step - 120) / 350
    rays = forward + x[None, :, None] * right - y[:, None, None] * up
    seen, depth = np.zeros(rays.shape[:2], int), np.full(rays.shape[:2], np.inf)
    for distance in np.arange(5, 20, step):
        points = eye + distance * rays
        for k in range(layout.present.shape[1]):
            shape = SHAPES[layout.shape[0, k]]
            radius = (0.35, 0.7)[layout.size[0, k]]
            middle = [*layout.xy[0, k].tolist(), radius]
            turn = Rotation.from_euler("z", float(layout.angle[0, k])).as_matrix()
            own = (points - middle) @ turn / (radius * EXTENT[layout.shape[0, k]])
            new = inside(shape, own) & (seen == 0)
            seen[new], depth[new] = k + 1, distance
    return seen, depth


def test_masks_and_depths_are_those_of_marching() -> None:
    view = cropped(28)
    seen, depth = marched(SMALL_SCENE, view)
    segments = cast_segments(SMALL_SCENE, view)[0].numpy()
    assert (np.bincount(seen.ravel(), minlength=5) > 5).all()
    assert (segments == seen).mean() > 0.99  # a march steps past corners that a ray just grazes
    solids, camera = SMALL_SCENE.solids(), SMALL_SCENE.camera()
    directions = camera.directions(view).flatten(1)
    ray, which = camera.near_pairs(solids, view)
    near, _ = solids.crossings(which, camera.eye.expand(3, len(ray)), directions[:, ray])
    distance, _ = closest(ray, which, near, directions.shape[1])
    both = (segments == seen) & (seen > 0)
    assert np.abs(distance.view(28, 28).numpy()[both] - depth[both]).max() < 0.03


@pytest.mark.parametrize("shape", SHAPES)
def test_rays_enter_and_leave_where_marching_does(shape: str) -> None:
    random = np.random.default_rng(3)
    origin = random.normal(size=(200, 3))
    origin *= 4 / np.linalg.norm(origin, axis=1, keepdims=True)
    direction = random.uniform(-0.9, 0.9, (200, 3)) - origin
    steps = np.linspace(0, 2, 8001)
    near, far = cross(
        torch.full((200,), SHAPES.index(shape)), *(torch.tensor(v).T[..., None] for v in (origin, direction))
    )
    for k in range(200):
        within = steps[inside(shape, origin[k] + steps[:, None] * direction[k])]
        if len(within) > 2:
            assert abs(float(near[k]) - within[0]) < 1e-3
            assert abs(float(far[k]) - within[-1]) < 1e-3
        elif not len(within):
            assert not float(near[k]) < float(far[k]) - 1e-3


@pytest.mark.parametrize("shape", SHAPES)
def test_normals_point_out_of_faces(shape: str) -> None:
    one = torch.ones(1, dtype=torch.float64)
    solids = Solids.standing(
        torch.tensor([SHAPES.index(shape)]), torch.zeros(2, 1).double(), 0.7 * one, 0.4 * one, one > 0
    )
    top = torch.tensor([[0.0], [0.0], [0.7 + 0.7 * EXTENT[SHAPES.index(shape)]]], dtype=torch.float64)
    torch.testing.assert_close(solids.normals(torch.tensor([0]), top), torch.tensor([[0.0], [0.0], [1.0]]).double())
    turned = torch.tensor([[np.cos(0.4)], [np.sin(0.4)], [0.0]]).double()
    side = solids.centre + solids.radius * turned
    torch.testing.assert_close(solids.normals(torch.tensor([0]), side), turned, atol=1e-6, rtol=0)


def lit_at(layout: Layout, *places: tuple[float, float]) -> Tensor:
    """Shares of the four lamps (4, P) that places on the ground get."""
    points = torch.tensor([[*place, 0.0] for place in places]).T.contiguous()
    return Stage.of(layout).ground_lit(points, torch.zeros(len(places), dtype=torch.int64), side=4)


def test_ground_below_a_sphere_is_dark_and_open_ground_is_not() -> None:
    alone = scene_of(("sphere", "red", "large", "rubber", 0.5, 0.5, 0.0))
    lit = lit_at(alone, (0.5, 0.5), (-2.5, -2.5))
    assert lit[:, 0].max() == 0
    assert lit[:, 1].min() == 1


@pytest.mark.parametrize("lamp", range(3))
def test_the_shadow_lies_on_the_line_from_the_lamp(lamp: int) -> None:
    alone = scene_of(("sphere", "red", "small", "rubber", 0.0, 0.0, 0.0))
    place = np.array(LAMPS[lamp])
    middle = np.array([0, 0, 0.35])
    shadow = (middle + (middle - place) * 0.35 / (place[2] - 0.35))[:2]
    lit = lit_at(alone, tuple(shadow), tuple(-3 * shadow))
    assert lit[lamp, 0] == 0
    assert lit[lamp, 1] == 1
    edge = lit_at(alone, *(tuple(shadow * k) for k in np.linspace(1, 4, 60)))[lamp]
    assert ((edge > 0) & (edge < 1)).any()  # it is soft
    assert (edge.diff() >= 0).all()


def test_an_object_shades_another() -> None:
    lamp = np.array(LAMPS[0])
    behind = -1.25 * lamp[:2] / np.linalg.norm(lamp[:2])
    small = ("cube", "yellow", "small", "rubber", *behind, 0.0)
    top = torch.tensor([[*behind, 0.35 + 0.35 * EXTENT[1]]], dtype=torch.float32).T.contiguous()
    down = torch.tensor([[0.0], [0.0], [-1.0]])
    light = [
        Stage.of(scene_of(small, ("cylinder", "blue", "large", "rubber", *place, 0.0))).light_from(
            top, down, torch.tensor([0]), bounces=1
        )
        for place in ((0.0, 0.0), (-3.0, 3.0))
    ]
    assert (light[0] < 0.93 * light[1])[:2].all()  # the key lamp is one of four, and far away from there


def test_a_metal_sphere_shows_a_red_cube_beside_it_and_rubber_does_not() -> None:
    def redness(material: str, neighbour: str) -> Tensor:
        ball = ("sphere", "gray", "large", material, 0.0, 0.0, 0.0)
        layout = scene_of(ball, ("cube", neighbour, "large", "rubber", -0.2, -1.6, 0.9))
        picture = cast_images(layout, cropped(64))[0]
        return (picture[0] - picture[2])[cast_segments(layout, cropped(64))[0] == 1].max()

    assert redness("metal", "red") > 0.08
    assert redness("metal", "gray") < 0.06
    assert redness("rubber", "red") < 0.04


def test_light_falls_with_the_squared_distance_and_faces_the_origin() -> None:
    lamps = shading.Lamps.at(torch.tensor([LAMPS], dtype=torch.float64).permute(2, 1, 0))
    points = torch.tensor([[0.0, 0.0, 0.0], [2.0, 1.0, 0.5]], dtype=torch.float64).T
    light = shading.light_of_lamps(lamps, torch.tensor([0, 0]), points)
    for lamp in range(3):
        place = np.array(LAMPS[lamp])
        for k, point in enumerate(points.T.numpy()):
            way = place - point
            facing = way @ place / np.linalg.norm(way) / np.linalg.norm(place)
            assert float(light.strength[lamp, k]) == pytest.approx(facing / (way @ way))
            np.testing.assert_allclose(light.direction[:, lamp, k], way / np.linalg.norm(way))
    assert float(light.strength[3, 0] / light.strength[3, 1]) == pytest.approx(1, abs=0.01)  # the sun's does not


@given(size=st.integers(1, 45), batch=st.integers(1, 5), first=st.integers(0, 1000))
@settings(deadline=None, max_examples=15)
def test_any_size_and_any_batch_give_the_same_scenes(size: int, batch: int, first: int) -> None:
    keys = torch.arange(first, first + batch)
    layout, _ = draw_layouts(keys, torch.zeros_like(keys))
    view = cropped(size)
    image, segments = cast_images(layout, view), cast_segments(layout, view)
    assert image.shape == (batch, 3, size, size)
    assert segments.shape == (batch, size, size)
    assert torch.isfinite(image).all()
    assert 0 <= image.min() <= image.max() <= 1
    last = layout.rows(slice(batch - 1, batch))
    assert torch.equal(cast_segments(last, view), segments[-1:])
    torch.testing.assert_close(cast_images(last, view), image[-1:], atol=1e-4, rtol=0)


def test_an_empty_place_is_not_seen() -> None:
    layout = SMALL_SCENE._replace(present=torch.tensor([[True, False, True, True]]))
    segments = cast_segments(layout, cropped(56))
    assert not (segments == 2).any()
    without = Layout(layout.eye, layout.lamps, *(part[:, [0, 2, 3]] for part in layout[2:]))
    torch.testing.assert_close(cast_images(layout, cropped(56)), cast_images(without, cropped(56)), atol=1e-5, rtol=0)


def test_srgb_is_that_of_the_standard() -> None:
    assert float(shading.encode_srgb(torch.tensor(0.18, dtype=torch.float64))) == pytest.approx(0.46136, abs=1e-4)
    values = torch.linspace(0, 1, 256, dtype=torch.float64)
    torch.testing.assert_close(shading.encode_srgb(shading.decode_srgb(values)), values, atol=1e-6, rtol=0)
