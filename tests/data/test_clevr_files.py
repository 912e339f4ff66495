"""Real renders of CLEVR's generator beside ours of the same scene files, and files that are none."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tusklite.data.clevr_files import compare_renders, fit_lamps, picture_difference, read_scene_file, render_scene_file
from tusklite.data.clevr_layout import PROPERTIES, WHOLE
from tusklite.data.ray_casting import cast_images, cast_segments

RENDERS = Path(os.environ.get("TUSKLITE_DATA", "nowhere")) / "clevr_renders"
needs_renders = pytest.mark.skipif(not (RENDERS / "scenes").is_dir(), reason="no clevr_renders under TUSKLITE_DATA")


def real_picture(number: int) -> Tensor:
    with Image.open(RENDERS / "images" / f"CLEVR_new_{number:06d}.png") as image:
        return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).float() / 255


def scene_path(number: int) -> Path:
    return RENDERS / "scenes" / f"CLEVR_new_{number:06d}.json"


@needs_renders
def test_the_camera_is_found_to_half_a_pixel() -> None:
    errors = [read_scene_file(scene_path(number))[1] for number in range(10)]
    assert max(errors) < 0.5  # the files' pixels are whole numbers, which alone makes about 0.4


@needs_renders
@pytest.mark.slow
def test_our_pictures_are_near_the_real_ones() -> None:
    compared = compare_renders(RENDERS)
    assert len(compared) == 10
    ours, unfitted, rival, other = [], [], [], []
    for number, one in enumerate(compared):
        assert one.camera_error < 0.5
        assert torch.equal(one.picture, real_picture(number))
        ours.append(one.ours)
        rival.append(one.mean_colour)
        scene = render_scene_file(scene_path(number))
        unfitted.append(picture_difference(one.picture, scene.image, scene.segments))
        other.append(picture_difference(one.picture, compared[number - 1].picture, scene.segments))
    objects, ground = np.mean(ours, 0)
    assert objects < 0.03
    assert ground < 0.015
    assert objects < np.mean(unfitted, 0)[0] < 0.03  # lamps in the middle of their jitter
    assert ground < np.mean(unfitted, 0)[1] < 0.02
    assert 5 * objects < np.mean(rival, 0)[0]
    assert 3 * ground < np.mean(rival, 0)[1]
    assert 5 * objects < np.mean(other, 0)[0]  # than the picture of another scene


def test_lamps_of_our_own_picture_are_found_by_its_ground(tmp_path: Path) -> None:
    path = tmp_path / "scene.json"
    path.write_text(json.dumps(made_up_scene()))
    layout, _ = read_scene_file(path)
    moved = layout._replace(lamps=layout.lamps + torch.tensor([[[0.4, -0.3, 0.2], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]))
    fitted = fit_lamps(layout, cast_images(moved, WHOLE, rays=1)[0])
    assert (fitted.lamps - moved.lamps)[0, 0].abs().max() < 0.25
    ground = [cast_images(one, WHOLE, rays=1)[0] for one in (layout, fitted, moved)]
    segments = cast_segments(layout, WHOLE)[0]
    unfitted, found = (picture_difference(one, ground[2], segments).ground for one in ground[:2])
    assert found < 0.2 * unfitted


@pytest.mark.parametrize("spoil", ["none", "size", "bytes"])
def test_a_folder_without_its_pictures_is_refused(tmp_path: Path, spoil: str) -> None:
    with pytest.raises(ValueError, match=r"folder: .* has no scenes/\*\.json"):
        compare_renders(tmp_path)
    for name in ("scenes", "images"):
        (tmp_path / name).mkdir()
    (tmp_path / "scenes" / "a.json").write_text(json.dumps(made_up_scene()))
    if spoil == "size":
        Image.new("RGB", (32, 24)).save(tmp_path / "images" / "a.png")
    if spoil == "bytes":
        (tmp_path / "images" / "a.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"a\.png: "):
        compare_renders(tmp_path)


@needs_renders
def test_properties_are_those_of_the_file() -> None:
    things = json.loads(scene_path(0).read_text())["objects"]
    layout, _ = read_scene_file(scene_path(0))
    for name, key in (("shape", "shape"), ("colour", "color"), ("size", "size"), ("material", "material")):
        assert [PROPERTIES[name][value] for value in getattr(layout, name)[0]] == [thing[key] for thing in things]


def made_up_scene() -> dict[str, list[dict[str, object]]]:
    thing = {"shape": "cube", "color": "red", "size": "large", "material": "rubber", "rotation": 30.0}
    return {"objects": [thing | {"3d_coords": [0.0, 0.0, 0.7], "pixel_coords": [160, 101, 10.8]}]}


def spoilt(name: str, value: object) -> dict[str, list[dict[str, object]]]:
    scene = made_up_scene()
    scene["objects"][0][name] = value
    return scene


@pytest.mark.parametrize(
    "content",
    [
        *({}, [], {"objects": []}, {"objects": [{}]}, {"objects": None}),
        *(spoilt("color", "pink"), spoilt("3d_coords", [0, 0]), spoilt("pixel_coords", "x"), spoilt("rotation", None)),
    ],
)
def test_what_is_no_scene_file_is_named(tmp_path: Path, content: object) -> None:
    path = tmp_path / "scene.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"scene\.json: no scene file of CLEVR's generator"):
        read_scene_file(path)


def test_a_scene_file_is_drawn_without_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "scene.json"
    path.write_text(json.dumps(made_up_scene()))
    scene = render_scene_file(path)
    assert scene.image.shape == (3, 240, 320)
    assert scene.segments[101, 160] == 1
    red = scene.image[:, scene.segments == 1].mean(1)
    assert red[0] > 2 * red[1]
    with pytest.raises(ValueError, match="picture: shape"):
        render_scene_file(path, torch.zeros(3, 24, 32))
