"""Scene files of CLEVR's public generator, drawn again: what was rendered by Blender beside what we make of it.

A scene file says where objects stand and where the picture shows them, not where camera and lamps were; both are
fitted: the camera to the pixels of the objects' middles, the lamps to the brightness of the ground.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from tusklite.arguments import require_tensor
from tusklite.data.clevr_layout import EYE, HEIGHT, LAMP_JITTER, LAMPS, PROPERTIES, WHOLE, WIDTH, Layout
from tusklite.data.pictures import opened_picture
from tusklite.data.ray_casting import cast_images, cast_segments, ground_points
from tusklite.data.ray_shading import EVEN, GROUND, Lamps, coloured, decode_srgb, light_of_lamps
from tusklite.files import read_json

FILE_NAMES = {"shape": "shape", "colour": "color", "size": "size", "material": "material"}
FAR_FROM_OBJECTS = 2.5  # from an object's middle, in units of its radius and beyond: ground that no shadow reaches much
GRAY = 0.02  # red and blue of the ground differ by no more than this in a real picture
DOUBT = 0.1  # of a ground pixel's light, against the lamps' known jitter: neighbouring pixels err alike


class RenderedScene(NamedTuple):
    """A scene file drawn again.

    Attributes:
        image: float32 (3, 240, 320) in [0, 1].
        segments: uint8 (240, 320), 0 for the ground, n for the file's object n - 1.
        layout: of the one scene.
        camera_error: root of the mean squared distance between the file's middles of objects and ours, in pixels.
    """

    image: Tensor
    segments: Tensor
    layout: Layout
    camera_error: float


class Difference(NamedTuple):
    """Mean absolute difference of two pictures in [0, 1], over the pixels of objects and over those of the ground."""

    objects: float
    ground: float


def render_scene_file(path: str | os.PathLike[str], picture: Tensor | None = None) -> RenderedScene:
    """Draw the scene of a CLEVR scene file, with the camera that its pixel coordinates tell.

    Args:
        path: a JSON file as the public generator writes it.
        picture: float (3, 240, 320) in [0, 1], the picture that belongs to it: the lamps are then fitted to its ground;
            without, they stand in the middle of their jitter.

    Returns:
        The whole picture, which objects are where, and what was fitted.

    Raises:
        ValueError: no scene file, or a picture of another shape; the message names what is missing.
        OSError: the file cannot be read.
    """
    layout, error = read_scene_file(path)
    if picture is not None:
        layout = fit_lamps(layout, picture)
    return RenderedScene(cast_images(layout, WHOLE, rays=3)[0], cast_segments(layout, WHOLE)[0], layout, error)


class Comparison(NamedTuple):
    """A real picture beside ours of the same scene file.

    Attributes:
        picture, rendered: float32 (3, 240, 320) in [0, 1], the real one and ours.
        ours: how far they are apart.
        mean_colour: how far the real picture is from its own mean colour.
        camera_error: see `RenderedScene`.
    """

    picture: Tensor
    rendered: Tensor
    ours: Difference
    mean_colour: Difference
    camera_error: float


def compare_renders(folder: str | os.PathLike[str]) -> list[Comparison]:
    """Draw all scenes of a folder with the generator's `scenes/*.json` and `images/*.png`, camera and lamps fitted.

    Raises:
        ValueError: no scene in it, or a file that is damaged or lacks its picture.
    """
    paths = sorted(Path(folder, "scenes").glob("*.json"))
    if not paths:
        raise ValueError(
            f"folder: {folder} was given, which has no scenes/*.json; allowed is one with scenes and images"
        )
    compared = []
    for path in paths:
        picture = _whole_picture(Path(folder, "images", f"{path.stem}.png"))
        scene = render_scene_file(path, picture)
        mean = picture.mean((1, 2), keepdim=True).expand_as(picture)
        ours, rival = (picture_difference(picture, other, scene.segments) for other in (scene.image, mean))
        compared.append(Comparison(picture, scene.image, ours, rival, scene.camera_error))
    return compared


def _whole_picture(path: Path) -> Tensor:
    with opened_picture(path, str(path)) as stored:
        values = np.asarray(stored.convert("RGB"))
    if values.shape[:2] != (HEIGHT, WIDTH):
        raise ValueError(f"{path}: {values.shape[1]} x {values.shape[0]} pixels; allowed are {WIDTH} x {HEIGHT}")
    return torch.from_numpy(values.transpose(2, 0, 1).astype(np.float32) / 255)


def read_scene_file(path: str | os.PathLike[str]) -> tuple[Layout, float]:
    """The layout of a scene file, and how far its objects' middles are from the file's pixels (root mean square).

    The camera is fitted; the lamps stand in the middle of their jitter.

    Raises:
        ValueError: no scene file; the message names what is missing.
        OSError: it cannot be read.
    """
    scene = read_json(Path(path))
    try:
        objects = cast(dict[str, list[dict[str, object]]], scene)["objects"]
        place = torch.tensor([thing["3d_coords"] for thing in objects], dtype=torch.float64)
        pixels = torch.tensor([thing["pixel_coords"] for thing in objects], dtype=torch.float64)
        angle = torch.tensor([thing["rotation"] for thing in objects], dtype=torch.float64)
        kinds = {
            name: _numbers([thing[key] for thing in objects], PROPERTIES[name]) for name, key in FILE_NAMES.items()
        }
        if place.shape != (len(objects), 3) or pixels.shape != (len(objects), 3) or not len(objects):
            raise ValueError("three coordinates for each object, and at least one")
    except (KeyError, TypeError, ValueError) as reason:
        raise ValueError(f"{path}: no scene file of CLEVR's generator ({reason!r})") from reason
    layout = Layout(
        eye=torch.tensor([EYE], dtype=torch.float64),
        lamps=torch.tensor([LAMPS], dtype=torch.float64),
        present=torch.ones(1, len(objects), dtype=torch.bool),
        xy=place[None, :, :2],
        angle=angle[None],
        **kinds,
    )
    return _fit_camera(layout, pixels)


def _numbers(words: Sequence[object], known: tuple[str, ...]) -> Tensor:
    return torch.tensor([[known.index(cast(str, word)) for word in words]])


def _fit_camera(layout: Layout, pixels: Tensor) -> tuple[Layout, float]:
    """The eye from which objects are seen at pixels (T, 3): x, y, and the depth, which counts ten times as much."""
    from scipy.optimize import least_squares

    centre = layout.solids().centre[:, None]  # (3, 1, T)

    def misses(eye: np.ndarray) -> Tensor:
        camera = layout._replace(eye=torch.from_numpy(eye)[None]).camera()
        return camera.project(centre)[:, 0].T - pixels

    weights = torch.tensor([1.0, 1.0, 10.0], dtype=torch.float64)
    fit = least_squares(lambda eye: (misses(eye) * weights).flatten().numpy(), np.array(EYE))
    error = misses(fit.x)[:, :2].square().sum(1).mean().sqrt()
    return layout._replace(eye=torch.from_numpy(fit.x)[None]), float(error)


def fit_lamps(layout: Layout, picture: Tensor, every: int = 5) -> Layout:
    """Move the lamps of one scene so that ground far from objects is as bright as in its picture.

    Nine numbers are fitted to some thousand pixels, each lamp held near its middle place by its jitter's spread.

    Args:
        layout: of one scene.
        picture: float (3, 240, 320) in [0, 1].
        every: pixels from one that is looked at to the next, along both axes.

    Returns:
        The layout with its lamps moved, none by more than their jitter.

    Raises:
        TypeError, ValueError: a picture of another type or shape.
    """
    from scipy.optimize import least_squares

    require_tensor("picture", picture, (3, HEIGHT, WIDTH))
    points, seen = bare_ground(layout, picture, every)
    scene = torch.zeros(points.shape[1], dtype=torch.int64)
    middle, spread = np.array(LAMPS), LAMP_JITTER / np.sqrt(3)

    def misses(shift: np.ndarray) -> np.ndarray:
        place = torch.from_numpy(middle + shift.reshape(3, 3)).T[..., None]  # (3, 3, 1)
        light = light_of_lamps(Lamps.at(place), scene, points)
        ground = GROUND * (coloured(light.direction[2] * light.strength) + EVEN)
        return np.concatenate(((ground - seen).flatten().numpy() / DOUBT, shift / spread))

    fit = least_squares(misses, np.zeros(9), bounds=(-LAMP_JITTER, LAMP_JITTER))
    return layout._replace(lamps=torch.from_numpy(middle + fit.x.reshape(3, 3))[None])


def bare_ground(layout: Layout, picture: Tensor, every: int = 5) -> tuple[Tensor, Tensor]:
    """Places (3, P) of the ground far from all objects of one scene, and their linear light in its picture (3, P)."""
    points, _ = ground_points(layout, WHOLE, torch.float64)
    points = points.view(3, HEIGHT, WIDTH)[:, ::every, ::every].flatten(1)
    seen = decode_srgb(picture.double())[:, ::every, ::every].flatten(1)
    solids = layout.solids()
    offset = points[:2, :, None] - solids.centre[:2, None]
    far = (offset.square().sum(0).sqrt() > FAR_FROM_OBJECTS * solids.radius + 0.5).all(1)
    gray = seen.amax(0) - seen.amin(0) < GRAY
    return points[:, far & gray], seen[:, far & gray]


def picture_difference(first: Tensor, second: Tensor, segments: Tensor) -> Difference:
    """How far two pictures (3, H, W) in [0, 1] are apart on objects and on the ground, given segments (H, W).

    Example:
        >>> segments = torch.tensor([[0, 1], [0, 2]])
        >>> picture_difference(torch.zeros(3, 2, 2), torch.full((3, 2, 2), 0.25), segments)
        Difference(objects=0.25, ground=0.25)
    """
    apart = (first - second).abs().mean(0)
    return Difference(float(apart[segments > 0].mean()), float(apart[segments == 0].mean()))
