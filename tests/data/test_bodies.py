"""Readers of bodies: files that the tests write in each layout, with dots where the points are; the real ones too."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from tusklite.data import BodyPictures, require_source
from tusklite.data.bodies import FLIES, MIRROR_MOUSE, MOUSE, SOURCES
from tusklite.data.human36m import ACTIONS, LEFT, RIGHT, swap_back_views

LANDMARKS = ("Directions.54138969", "Walking 1.60457274", "Posing 2.58860488")


def picture_with_dots(size: tuple[int, int], dots: np.ndarray) -> np.ndarray:
    """Black, with a white square of 9 pixels around each dot; uint8 (H, W, 3)."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    for x, y in dots[~np.isnan(dots).any(axis=1)].round().astype(int):
        pixels[max(0, y - 4) : y + 5, max(0, x - 4) : x + 5] = 255
    return pixels


def brightness_at(image: torch.Tensor, xy: torch.Tensor) -> torch.Tensor:
    """Grey values of an image (3, S, S) at points (P, 2) in [-1, 1]."""
    place = ((xy + 1) / 2 * image.shape[-1]).long().clamp(0, image.shape[-1] - 1)
    return image[0, place[:, 1], place[:, 0]]


def write_flies(root: Path) -> np.ndarray:
    chance = np.random.default_rng(0)
    points = chance.uniform(6, 58, (10, 2, 24, 2)).round().astype(np.float32)
    points[3, 1, 2] = np.nan
    frames = np.stack([picture_with_dots((64, 64), each.reshape(-1, 2))[..., 0] for each in points])
    (root / FLIES).parent.mkdir(parents=True)
    np.savez(root / FLIES, frames=frames, points=points)
    return points


def write_mouse(root: Path) -> np.ndarray:
    chance = np.random.default_rng(1)
    points = (chance.uniform(0.1, 0.9, (10, 4, 2)) * [160, 80]).astype(np.float32)
    (root / MOUSE[1]).mkdir(parents=True)
    names = [f"img{number:04}.png" for number in range(10)]
    for name, dots in zip(names, points, strict=True):
        Image.fromarray(picture_with_dots((160, 80), dots)).save(root / MOUSE[1] / name)
    parts = np.array(["snout", "leftear", "rightear", "tailbase"])
    np.savez(root / MOUSE[0], names=np.array(names), points_xy=points, point_names=parts)
    return points


def write_mirror_mouse(root: Path) -> np.ndarray:
    chance = np.random.default_rng(2)
    points = chance.uniform(8, 72, (10, 3, 2)).round(1)
    points[4, 2] = np.nan
    folder = root / MIRROR_MOUSE
    (folder / "labeled-data").mkdir(parents=True)
    parts = ("nose_top", "tailBase_top", "paw_bot")
    lines = [["scorer", *["me"] * 6], ["bodyparts", *(part for part in parts for _ in "xy")], ["coords", *"xyxyxy"]]
    for number, dots in enumerate(points):
        name = f"labeled-data/img{number:02}.png"
        Image.fromarray(picture_with_dots((80, 80), dots)).convert("L").save(folder / name)
        lines.append([name, *("" if np.isnan(value) else f"{value}" for value in dots.ravel())])
    (folder / "CollectedData.csv").write_text("\n".join(",".join(line) for line in lines) + "\n")
    return points[:, None]


def write_person(folder: Path, action: str, frame: str, shares: np.ndarray, mask_mode: str) -> None:
    """A grey person, a red background, joints as shares of height and width."""
    for kind in ("WithBackground", "BackgroudMask", "Landmarks"):
        (folder / kind / action).mkdir(parents=True, exist_ok=True)
    body = np.zeros((128, 128), bool)
    body[20:110, 40:90] = True
    pixels = np.where(body[..., None], np.uint8([90, 90, 90]), np.uint8([255, 0, 0]))
    Image.fromarray(pixels).save(folder / "WithBackground" / action / f"{frame}.jpg", quality=100, subsampling=0)
    mask = Image.fromarray(body) if mask_mode == "1" else Image.fromarray(np.uint8(255 * body))
    mask.save(folder / "BackgroudMask" / action / f"{frame}.png")
    savemat(folder / "Landmarks" / action / f"{frame}.mat", {"keypoints_2d": shares})


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven actors with three actions of two frames; and an action that is not for this."""
    root, chance = tmp_path_factory.mktemp("people"), np.random.default_rng(3)
    for actor in ("S1", "S5", "S6", "S7", "S8", "S9", "S11"):
        for action in (*LANDMARKS, "WalkingDog.54138969"):
            for frame in ("9", "10"):
                mode = "1" if frame == "9" else "L"
                write_person(root / "human36m" / actor, action, frame, chance.uniform(0, 1, (32, 2)), mode)
    return root


WRITE = {"flies": write_flies, "mouse": write_mouse, "mirror-mouse": write_mirror_mouse}


@pytest.mark.parametrize("source", WRITE)
@pytest.mark.parametrize("image_size", [48, 64])
def test_points_lie_on_their_dots(source: str, image_size: int, tmp_path: Path) -> None:
    points = WRITE[source](tmp_path)
    seen, sizes = [], []
    for split in ("train", "validation", "test"):
        data = require_source("data", BodyPictures(split, source, tmp_path, image_size))
        batch = data.scenes(range(len(data)), with_truth=True)
        assert batch.image.shape == (len(data), 3, image_size, image_size)
        assert data.scenes([0]).xy is None
        sizes.append(len(data))
        seen.append(batch.xy)
        for image, bodies in zip(batch.image, batch.xy, strict=True):
            flat = bodies.flatten(0, 1)
            assert (brightness_at(image, flat[~flat.isnan().any(dim=1)]) > 0.8).all()
    assert sizes == [7, 1, 2]
    known = torch.cat(seen).isnan()
    assert torch.equal(known, torch.tensor(np.isnan(points)).view_as(known))
    assert not data.reads_files
    ends = [data.point_names[end] for end in data.ends]
    assert ends in (["head", "abdomen"], ["snout", "tailbase"], ["nose_top", "tailBase_top"])


def test_people_stand_before_white_and_their_joints_are_where_the_file_says(people: Path) -> None:
    data = BodyPictures("test", "human36m", people, image_size=64)
    assert data.reads_files
    assert len(data) == len(LANDMARKS) * 2  # nobody walks a dog
    batch = data.scenes(range(len(data)), with_truth=True)
    corner, middle = batch.image[:, :, 0, 0], batch.image[:, :, 32, 32]
    assert (corner == 1).all()
    torch.testing.assert_close(middle, torch.full_like(middle, 90 / 255), atol=0.01, rtol=0)
    from scipy.io import loadmat

    folder = people / "human36m" / "S11" / "Landmarks"
    for row, name in enumerate(data.images.names):
        _, action, frame = str(name).split("/")
        shares = loadmat(folder / action / f"{frame}.mat")["keypoints_2d"]
        expected = {(round(2 * x - 1, 4), round(2 * y - 1, 4)) for y, x in shares}
        assert {(round(x, 4), round(y, 4)) for x, y in batch.xy[row, 0].double().tolist()} == expected
    assert [str(name).split("/")[2] for name in data.images.names[:2]] == ["9", "10"]


def test_actors_are_split_as_published(people: Path) -> None:
    splits = {split: BodyPictures(split, "human36m", people) for split in ("train", "validation", "test")}
    actors = {split: {str(name).split("/")[0] for name in data.images.names} for split, data in splits.items()}
    assert actors["train"] == {"S1", "S5", "S6", "S7", "S8", "S9"}
    assert actors["test"] == {"S11"}
    held_out = splits["train"].held_out
    assert set(splits["train"].images.names[held_out.numpy()]) == set(splits["validation"].images.names)
    assert 0 < int(held_out.sum()) < len(held_out) / 2
    assert ACTIONS == ("Directions", "Discussion", "Posing", "Waiting", "Greeting", "Walking")


def test_left_and_right_change_for_who_is_turned_around_and_for_nobody_else() -> None:
    """By loops over the pairs that the authors' evaluation lists; the other joints stay."""
    pairs = [(6, 1), (7, 2), (8, 3), (9, 4), (10, 5)] + [(16 + n, 24 + n) for n in range(8)]
    assert list(zip(LEFT, RIGHT, strict=True)) == pairs
    joints = torch.rand(200, 32, 2, generator=torch.Generator().manual_seed(0))
    for scene, front in zip(joints, torch.linspace(0, 13, 200).round().long().tolist(), strict=True):
        for number, (left, right) in enumerate(pairs):
            ordered = sorted([float(scene[left, 0]), float(scene[right, 0])])
            scene[left, 0], scene[right, 0] = ordered if number >= front else reversed(ordered)
    swapped = swap_back_views(joints)
    turned = 0
    for before, after in zip(joints.tolist(), swapped.tolist(), strict=True):
        facing = sum(before[left][0] > before[right][0] for left, right in pairs)
        expected = [*before]
        if facing < 9:
            turned += 1
            for left, right in pairs:
                expected[left], expected[right] = before[right], before[left]
        assert after == expected
    assert 100 < turned < 160
    assert torch.equal(swapped[:, [0, 11, 12, 13, 14, 15]], joints[:, [0, 11, 12, 13, 14, 15]])


def test_files_that_are_missing_or_damaged_are_named(people: Path, tmp_path: Path) -> None:
    for source in SOURCES:
        with pytest.raises(FileNotFoundError, match=f"source: '{source}' was given, but .* lacks "):
            BodyPictures("train", source, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"asked for: an account for academic use at http://vision\.imar\.ro"):
        BodyPictures("train", "human36m", tmp_path)
    write_flies(tmp_path)
    (tmp_path / FLIES).write_bytes(b"PK no zip")
    with pytest.raises(
        ValueError, match=r"flies_pair_192px_every4.npz: not an npz file with frames, points, or damaged"
    ):
        BodyPictures("train", "flies", tmp_path)
    write_mirror_mouse(tmp_path)
    table = tmp_path / MIRROR_MOUSE / "CollectedData.csv"
    whole = table.read_text()
    for text, says in (
        (whole.replace("coords", "places"), "allowed are rows scorer, bodyparts and coords"),
        (whole + "a.png,1,2\n", "row 14: 3 entries were given; allowed are 7"),
        (whole.replace("img03.png,", "img03.png,x"), "row 7: could not convert string to float"),
        ("\n".join(whole.splitlines()[:3]), "no picture is named"),
    ):
        table.write_text(text)
        with pytest.raises(ValueError, match=f"CollectedData.csv.*{says}"):
            BodyPictures("train", "mirror-mouse", tmp_path)


def test_a_person_whose_files_do_not_fit_is_named(tmp_path: Path) -> None:
    for actor in ("S1", "S5", "S6", "S7", "S8", "S9", "S11"):
        write_person(tmp_path / "human36m" / actor, LANDMARKS[0], "1", np.full((32, 2), 0.5), "1")
    data = BodyPictures("test", "human36m", tmp_path)
    actor = tmp_path / "human36m" / "S11"
    Image.new("1", (64, 128)).save(actor / "BackgroudMask" / LANDMARKS[0] / "1.png")
    with pytest.raises(ValueError, match=r"1.png: \(128, 64\) pixels \(height, width\); allowed is \(128, 128\)"):
        data.scenes([0])
    savemat(actor / "Landmarks" / LANDMARKS[0] / "1.mat", {"keypoints_2d": np.zeros((3, 2))})
    with pytest.raises(ValueError, match=r"1.mat: keypoints_2d \(3, 2\); allowed are \(32, 2\)"):
        data.images.joints(torch.tensor([0]))
    (actor / "Landmarks" / LANDMARKS[0] / "1.mat").write_bytes(b"none")
    with pytest.raises(ValueError, match=r"1.mat: not a MAT file with keypoints_2d, or damaged"):
        data.images.joints(torch.tensor([0]))
    (actor / "Landmarks" / LANDMARKS[0] / "1.mat").unlink()
    with pytest.raises(ValueError, match=r"Landmarks.*: 1.mat is missing; allowed is one a picture"):
        BodyPictures("test", "human36m", tmp_path)


def real(name: str) -> None:
    if not (Path(os.environ.get("TUSKLITE_DATA", "nowhere")) / name).exists():
        pytest.skip(f"no {name} in TUSKLITE_DATA")


def test_the_real_flies_are_two_of_24_points() -> None:
    real(FLIES)
    data = BodyPictures("test", "flies", image_size=64)
    batch = data.scenes(range(len(data)), with_truth=True)
    assert batch.xy.shape[1:] == (2, 24, 2)
    light = {}
    for name in ("head", "neck", "thorax", "hindlegL3"):
        xy = batch.xy[:, :, data.point_names.index(name)]
        known = [
            brightness_at(image, points[~points.isnan().any(dim=1)])
            for image, points in zip(batch.image, xy, strict=True)
        ]
        light[name] = float(torch.cat(known).mean())
    # Bodies are bright before black, and the tips of legs hardly more than what they walk on.
    assert min(light["head"], light["neck"], light["thorax"]) > 5 * max(light["hindlegL3"], float(batch.image.mean()))


@pytest.mark.parametrize(
    ("source", "name", "pictures", "points", "missing"),
    [("mouse", MOUSE[0], 116, 4, (0, 0.05)), ("mirror-mouse", MIRROR_MOUSE, 90, 17, (0.05, 0.15))],
)
def test_the_real_mice_have_their_points_inside(
    source: str, name: str, pictures: int, points: int, missing: tuple[float, float]
) -> None:
    real(name)
    splits = [BodyPictures(split, source, image_size=32) for split in ("train", "validation", "test")]
    assert sum(len(data) for data in splits) == pictures
    xy = torch.cat([data.scenes(range(len(data)), with_truth=True).xy for data in splits])
    assert xy.shape == (pictures, 1, points, 2)
    assert missing[0] <= float(xy.isnan().float().mean()) <= missing[1]
    assert (xy.nan_to_num().abs() <= 1).float().mean() > 0.99
