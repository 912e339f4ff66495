"""Faces: each source in its published format, points that stay on what they mark, and splits that keep the test out."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from face_files import CELEBA_NAMES, spot_picture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features
from torch import Tensor

from tusklite.data import FaceLandmarks, load_faces

SPLITS = ("train", "validation", "test")
MTFL_TRAIN = (
    "lfw_5590/Ann_0001.jpg",
    "lfw_5590/Bob_0001.jpg",
    "net_7876/0_0_0.jpg",
    "net_7876/_-20_1_0.jpg",
    "net_7876/1_1_0.jpg",
    "net_7876/2_0_0.jpg",
)
MTFL_TEST = ("AFLW/0001-image1.jpg", "AFLW/0002-image2.jpg")
MTFL_SIDES = {"lfw_5590": 250, "net_7876": 400, "AFLW": 150}


def spot_in(image: Tensor) -> np.ndarray:
    """Where the light of an image (3, S, S) is, as x, y in [-1, 1]."""
    light = image.mean(0).double().numpy()
    light = np.where(light > 0.03, light, 0)
    centres = (2 * np.arange(len(light)) + 1) / len(light) - 1
    return np.array([light.sum(0) @ centres, light.sum(1) @ centres]) / light.sum()


def lowest_hashes(names: list[str], count: int) -> set[str]:
    return set(sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:count])


def mtfl_places(name: str) -> np.ndarray:
    """Five places (5, 2) in the pixels of the published picture."""
    random = np.random.default_rng(sum(name.encode()))
    return random.uniform(0.3, 0.7, (5, 2)) * MTFL_SIDES[name.partition("/")[0]]


@pytest.fixture
def published_mtfl(tmp_path: Path) -> Path:
    """A root with MTFL as published; the spot in each picture is at its nose, the third point."""
    folder = tmp_path / "published" / "MTFL"
    for name in MTFL_TRAIN + MTFL_TEST:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        side = MTFL_SIDES[path.parent.name]
        spot_picture((side, side), mtfl_places(name)[2]).save(path, quality=95)
    for list_name, names in (("training.txt", MTFL_TRAIN), ("testing.txt", MTFL_TEST)):
        lines = []
        for name in names:
            numbers = " ".join(f"{number:f}" for number in mtfl_places(name).T.ravel())
            lines.append(" " + name.replace("/", "\\") + f" {numbers} 1 2 2 3\n")
        (folder / list_name).write_text("".join(lines) + " \n")
    return folder.parent


@pytest.fixture
def packed_mtfl(tmp_path: Path) -> Path:
    """The same faces packed, the tar file in another order, with one picture more."""
    folder = tmp_path / "packed" / "mtfl"
    folder.mkdir(parents=True)
    names = MTFL_TRAIN + MTFL_TEST
    with tarfile.open(folder / "mtfl_80px_jpg.tar.gz", "w:gz") as packed:
        for name in (*reversed(names), "AFLW/9999-image9.jpg"):
            side, content = MTFL_SIDES[name.partition("/")[0]], io.BytesIO()
            picture = spot_picture((side, side), mtfl_places(name)[2])
            picture.resize((80, 80), Image.Resampling.BILINEAR).save(content, "jpeg", quality=95)
            member = tarfile.TarInfo(name)
            member.size = content.tell()
            content.seek(0)
            packed.addfile(member, content)
    points = [mtfl_places(name) * 80 / MTFL_SIDES[name.partition("/")[0]] for name in names]
    split = ["train"] * len(MTFL_TRAIN) + ["test"] * len(MTFL_TEST)
    np.savez(folder / "mtfl_landmarks.npz", names=names, points_xy=np.float32(points), split=split)
    return folder.parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Seven pictures of several shapes, points for five of them in points.csv."""
    root = tmp_path / "pictures"
    lines = ["file,left_eye_x,left_eye_y,right_eye_x,right_eye_y"]
    for number, name in enumerate(("b.jpg", "a.png", "deep/c.PNG", "deep/er/d.jpeg", "e.png", "f.png", "g.png")):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        size = (60 + 7 * number, 75)
        spot_picture(size, np.array([size[0] / 2 - 4, 33.5])).save(path)
        if number < 5:
            lines.append(f"{name},{size[0] / 2 - 4},33.5,{size[0] / 2 + 8},40")
    (root / "notes.txt").write_text("no picture")
    (root / "points.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.mark.parametrize("layout", ["published_mtfl", "packed_mtfl"])
def test_mtfl_points_stay_on_what_they_mark(layout: str, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue(layout)
    seen = []
    for split, names in (("train", MTFL_TRAIN), ("test", MTFL_TEST)):
        faces = FaceLandmarks(split, root=root, image_size=64 if layout == "published_mtfl" else 80)
        image, xy, labelled = faces.scenes(range(len(names)), with_truth=True)
        assert labelled.tolist() == ["/_" not in name for name in names]
        for row in labelled.nonzero()[:, 0].tolist():
            np.testing.assert_allclose(spot_in(image[row]), xy[row, 2], atol=0.003)
            side = MTFL_SIDES[names[row].partition("/")[0]]
            np.testing.assert_allclose(xy[row], (2 * mtfl_places(names[row]) + 1) / side - 1, atol=1e-5)
            seen.append(row)
    assert len(seen) == 7


@pytest.mark.parametrize("layout", ["published_mtfl", "packed_mtfl"])
def test_mtfl_splits(layout: str, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue(layout)
    train, validation, test = (FaceLandmarks(split, root=root, image_size=32) for split in SPLITS)
    assert (len(train), len(validation), len(test)) == (6, 1, 2)
    good = [name for name in MTFL_TRAIN if "/_" not in name]
    chosen = lowest_hashes(good, 1)
    assert train.held_out.tolist() == [name in chosen for name in MTFL_TRAIN]
    assert torch.equal(validation.images, train.images[train.held_out])
    assert torch.equal(validation.points, train.points[train.held_out])
    assert validation.held_out.all()
    assert not test.held_out.any()
    assert train.points[~train.labelled].isnan().all()
    assert train.point_names == ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
    assert train.eyes == (0, 1)


def test_the_packed_copy_is_the_published_one(published_mtfl: Path, packed_mtfl: Path) -> None:
    published, packed = load_faces(root=published_mtfl), load_faces(root=packed_mtfl)
    torch.testing.assert_close(packed.points, published.points, equal_nan=True, rtol=0, atol=1e-5)
    assert (packed.images.float() - published.images.float()).abs().max() < 12  # JPEG twice, or once
    for split in SPLITS:
        assert torch.equal(packed.splits[split], published.splits[split])


def test_description_and_checksum(published_mtfl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUSKLITE_DATA", str(published_mtfl))
    parts = [FaceLandmarks(split, image_size=32) for split in ("train", "test")]
    total = hashlib.sha256(torch.cat([part.images for part in parts]).numpy().tobytes())
    total.update(torch.cat([part.points for part in parts]).numpy().tobytes())
    assert parts[0].describe() == {
        "source": "mtfl",
        "sha256": total.hexdigest(),
        "where": "the published files in TUSKLITE_DATA",
        "train_faces": 6,
        "validation_faces": 1,
        "test_faces": 2,
        "labelled_train_faces": 5,
        "split": "train",
        "image_size": 32,
    }


def test_batches(published_mtfl: Path) -> None:
    faces = FaceLandmarks("train", root=published_mtfl, image_size=48)
    batch = faces.scenes(torch.tensor([4, 0, 4]))
    assert batch.xy is None
    assert batch.labelled is None
    assert batch.image.dtype == torch.float32
    assert torch.equal(batch.image, faces.images[[4, 0, 4]] / 255)
    truth = faces.scenes([4, 0, 4], with_truth=True)
    assert torch.equal(truth.image, batch.image)
    assert torch.equal(truth.xy, faces.points[[4, 0, 4]])
    for indices, error in (
        ([], ValueError),
        ([[0]], ValueError),
        ([0.0], TypeError),
        ([6], IndexError),
        ([-1], IndexError),
    ):
        with pytest.raises(error, match=r"indices: .* allowed"):
            faces.scenes(indices)


@pytest.mark.parametrize("source", ["mtfl", "folder"])
def test_faces_that_are_held_are_decoded_once(
    source: str, published_mtfl: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = FaceLandmarks("train", source, {"mtfl": published_mtfl, "folder": folder}[source], image_size=32)
    monkeypatch.setattr(Image, "open", None)
    assert torch.equal(faces.scenes([0, 1]).image, faces.images[:2] / 255)


def test_celeba(celeba: Path) -> None:
    train, validation, test = (FaceLandmarks(split, "celeba", celeba, image_size=80) for split in SPLITS)
    assert (len(train), len(validation), len(test)) == (6, 1, 2)
    learn = [CELEBA_NAMES[k] for k in (0, 2, 3, 4, 6)]
    in_train = [name for k, name in enumerate(CELEBA_NAMES) if k not in (1, 5)]
    assert train.labelled.tolist() == [name in learn for name in in_train]
    assert train.held_out.tolist() == [name in lowest_hashes(learn, 1) for name in in_train]
    for faces in (train, validation, test):
        image, xy, labelled = faces.scenes(range(len(faces)), with_truth=True)
        assert image.shape == (len(faces), 3, 80, 80)
        assert torch.equal(labelled, ~xy.isnan().flatten(1).any(1))
        for row in labelled.nonzero()[:, 0].tolist():
            np.testing.assert_allclose(spot_in(image[row]), xy[row, 0], atol=0.003)
    content = (celeba / "celeba" / "list_landmarks_align_celeba.txt").read_bytes()
    assert train.describe()["sha256"] == hashlib.sha256(content).hexdigest()
    assert train.describe()["labelled_train_faces"] == 5


def test_celeba_is_decoded_when_it_is_asked_for(celeba: Path) -> None:
    pictures = celeba / "celeba" / "img_align_celeba"
    (pictures / CELEBA_NAMES[0]).write_bytes(b"no picture")
    Image.new("RGB", (178, 178)).save(pictures / CELEBA_NAMES[2])
    faces = FaceLandmarks("train", "celeba", celeba)
    assert faces.scenes([2]).image.shape == (1, 3, 80, 80)
    with pytest.raises(ValueError, match=r"000001\.jpg: not a picture"):
        faces.scenes([0])
    with pytest.raises(ValueError, match=r"000003\.jpg: \(178, 178\) .* allowed is \(178, 218\)"):
        faces.scenes([1])


def test_mafl_lists_may_lie_beside_the_images(celeba: Path) -> None:
    expected = load_faces("celeba", celeba).splits
    moved = celeba / "moved"
    shutil.copytree(celeba / "celeba", moved / "celeba")
    for path in (celeba / "celeba_lists").iterdir():
        shutil.copy(path, moved / "celeba")
    found = load_faces("celeba", moved).splits
    assert all(torch.equal(found[split], expected[split]) for split in SPLITS)


def test_folder(folder: Path) -> None:
    whole = load_faces("folder", folder, 40, folder / "points.csv")
    names = sorted(("b.jpg", "a.png", "deep/c.PNG", "deep/er/d.jpeg", "e.png", "f.png", "g.png"))
    assert whole.labelled.tolist() == [name[0] not in "fg" for name in names]
    assert whole.point_names == ("left_eye", "right_eye")
    for row in whole.labelled.nonzero()[:, 0].tolist():
        np.testing.assert_allclose(spot_in(whole.images[row] / 255), whole.points[row, 0], atol=0.004)
    last = [int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10 for name in names]
    expected = ["train" if digit < 8 else "validation" if digit == 8 else "test" for digit in last]
    for split in SPLITS:
        assert [names[row] for row in whole.splits[split]] == [
            n for n, s in zip(names, expected, strict=True) if s == split
        ]
    faces = FaceLandmarks("train", "folder", folder, 40, folder / "points.csv")
    assert not faces.held_out.any()
    assert faces.eyes == (0, 1)


def test_folder_with_splits_and_without_points(folder: Path) -> None:
    rows = "file,split,x1,y1\na.png,test,3,4\nb.jpg,validation,,\ndeep\\c.PNG,train,5,6\n"
    (folder / "points.csv").write_text(rows)
    parts = [FaceLandmarks(split, "folder", folder, 16, folder / "points.csv") for split in SPLITS]
    assert [len(part) for part in parts] == [5, 1, 1]
    assert [int(part.labelled.sum()) for part in parts] == [1, 0, 1]
    assert parts[0].point_names == ("point_1",)
    assert parts[0].eyes is None
    bare = FaceLandmarks("train", "folder", folder, 16)
    assert bare.points.shape == (len(bare), 0, 2)
    assert not bare.labelled.any()


@settings(max_examples=12)
@given(
    width=st.integers(24, 120),
    height=st.integers(24, 120),
    across=st.floats(0.3, 0.7),
    down=st.floats(0.3, 0.7),
    image_size=st.integers(20, 60),
)
def test_crop_and_points_agree(
    tmp_path_factory: pytest.TempPathFactory, width: int, height: int, across: float, down: float, image_size: int
) -> None:
    root, side = tmp_path_factory.mktemp("pictures"), min(width, height)
    place = np.array([(width - side) // 2 + across * side, (height - side) // 2 + down * side]).round(2)
    spot_picture((width, height), place).save(root / "a.png")
    (root / "points.csv").write_text(f"file,split,x1,y1\na.png,test,{place[0]},{place[1]}\n")
    image, xy, _ = FaceLandmarks("test", "folder", root, image_size, root / "points.csv").scenes([0], with_truth=True)
    np.testing.assert_allclose(spot_in(image[0]), xy[0, 0], atol=0.2 / image_size + 0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "all"}, r"split: 'all' was given; allowed are 'train'"),
        ({"source": "aflw"}, r"source: 'aflw' was given; allowed are 'mtfl', 'celeba', 'celeba-wild', 'folder'"),
        ({"image_size": 15}, r"image_size: 15 was given; allowed is an integer from 16 to 1024"),
        ({"points": "points.csv"}, r"points: 'points.csv' was given for source 'mtfl'; allowed is None"),
        ({"source": "folder"}, r"root: None was given for source 'folder'; allowed is a folder"),
    ],
)
def test_arguments(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FaceLandmarks(**change)


def test_what_is_absent_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"folder given as root.*MTFL\.zip.*training\.txt.*mtfl_landmarks\.npz"):
        FaceLandmarks(root=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"lacks celeba/img_align_celeba, .*mafl_testing\.txt\. Get"):
        FaceLandmarks(source="celeba", root=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"root: .*none was given, which is no folder"):
        FaceLandmarks(source="folder", root=tmp_path / "none")
    with pytest.raises(ValueError, match=r"root: .* holds no pictures; allowed are \.jpg"):
        FaceLandmarks(source="folder", root=tmp_path)
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    with pytest.raises(FileNotFoundError, match=r"points: .*none\.csv was given, which is no file"):
        FaceLandmarks(source="folder", root=tmp_path, points=tmp_path / "none.csv")
    empty = next(split for split in SPLITS if not len(load_faces("folder", tmp_path).splits[split]))
    with pytest.raises(ValueError, match=f"split: '{empty}' was given, which has no faces; there are"):
        FaceLandmarks(empty, "folder", tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("lfw_5590\\Ann_0001.jpg 1 2 3", r"line 1: 3 numbers; allowed are a path and 14"),
        ("lfw_5590\\Ann_0001.jpg" + " 1" * 13 + " one", r"line 1: .*'one'; allowed are a path and 14 numbers"),
        ("lfw_5590\\Ann_0001.jpg" + " 1" * 13 + " nan", r"line 1: 14 numbers; allowed .* finite"),
        ("lfw_5590\\Zoe_0001.jpg" + " 1" * 14, r"line 1: names lfw_5590/Zoe_0001\.jpg, which is not in"),
        ("stray.jpg" + " 1" * 14, r"line 1: 'stray\.jpg' was found; allowed are files in lfw_5590, net_7876, AFLW"),
        ("", r"training\.txt and testing\.txt must each name at least one"),
    ],
)
def test_damaged_mtfl_lists(published_mtfl: Path, line: str, message: str) -> None:
    shutil.copy(published_mtfl / "MTFL" / MTFL_TRAIN[0], published_mtfl / "MTFL" / "stray.jpg")
    (published_mtfl / "MTFL" / "training.txt").write_text(line + "\n")
    with pytest.raises(ValueError, match=message):
        FaceLandmarks(root=published_mtfl)


def test_damaged_packed_mtfl(packed_mtfl: Path) -> None:
    pictures, landmarks = (packed_mtfl / "mtfl" / name for name in ("mtfl_80px_jpg.tar.gz", "mtfl_landmarks.npz"))
    with np.load(landmarks) as stored:
        arrays = dict(stored)
    whole = pictures.read_bytes()
    for content in (whole[: len(whole) // 2], b"no tar file", b""):
        pictures.write_bytes(content)
        with pytest.raises(ValueError, match=r"tar\.gz: damaged or truncated tar file"):
            FaceLandmarks(root=packed_mtfl)
    pictures.write_bytes(whole)
    renamed = arrays["names"].copy()
    renamed[1] = "lfw_5590/Zoe_0001.jpg"
    for change, message in (
        ({"names": renamed}, r"1 pictures that mtfl_landmarks\.npz names are missing, first lfw_5590/Zoe_0001\.jpg"),
        ({"points_xy": arrays["points_xy"][:, :4]}, r"points_xy \(8, 4, 2\) for 8 names; allowed is \(N, 5, 2\)"),
        ({"points_xy": arrays["points_xy"] * np.nan}, r"allowed is \(N, 5, 2\), finite"),
    ):
        np.savez(landmarks, **{**arrays, **change})
        with pytest.raises(ValueError, match=message):
            FaceLandmarks(root=packed_mtfl)
    np.savez(landmarks, names=arrays["names"])
    with pytest.raises(ValueError, match=r"npz: damaged, or without names, points_xy and split"):
        FaceLandmarks(root=packed_mtfl)
    landmarks.write_bytes(b"no arrays")
    with pytest.raises(ValueError, match=r"npz: damaged"):
        FaceLandmarks(root=packed_mtfl)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("celeba/list_landmarks_align_celeba.txt", "8\n", "9\n", r"8 faces were found, the first line says '9'"),
        ("celeba/list_landmarks_align_celeba.txt", "nose_x", "chin_x", r"then the columns lefteye_x"),
        ("celeba/list_landmarks_align_celeba.txt", "  130  ", "  ", r"face 1: 10 entries; allowed are a name and 10"),
        ("celeba/list_landmarks_align_celeba.txt", "  130  ", "  low  ", r"'low'; allowed are a name and 10 numbers"),
        ("celeba/list_landmarks_align_celeba.txt", "000008.jpg", "000009.jpg", r"names 000009\.jpg, which is not in"),
        ("celeba_lists/mafl_testing.txt", "000002.jpg", "000099.jpg", r"'000099\.jpg' was found; allowed are names of"),
        ("celeba_lists/mafl_testing.txt", "000002.jpg", "000001.jpg", r"a face is also in mafl_training\.txt"),
        ("celeba_lists/mafl_testing.txt", "000006.jpg\n000002.jpg\n", "", r"it is empty; allowed are names of"),
    ],
)
def test_damaged_celeba(celeba: Path, file: str, old: str, new: str, message: str) -> None:
    text = (celeba / file).read_text()
    assert old in text
    (celeba / file).write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=message):
        FaceLandmarks(source="celeba", root=celeba)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"columns none; allowed are file, x1, y1"),
        ("file\na.png\n", r"columns file; allowed are file"),
        (
            ",x1,y1\na.png,1,2\n",
            r"columns one without a name, x1, y1; .* pandas writes them with to_csv\(\.\.\., index=F",
        ),
        ("file;x1;y1\n", r"columns file;x1;y1; allowed are .* with commas between them"),
        ("name,x1,y1\n", r"columns name, x1, y1; allowed"),
        ("file,x1,y1,x2\n", r"allowed are file, x1, y1"),
        ("file,y1,x1\n", r"allowed are file, x1, y1"),
        ("file,eye_x,eye_y,eye_x,eye_y\n", r"each name once"),
        ("file,split,x1,y1,split\n", r"allowed are file, x1, y1"),
        ("file,x1,y1\nz.png,1,2\n", r"row 1: 'z\.png' was given; allowed are pictures in the folder"),
        ("file,x1,y1\na.png,1,2\na.png,1,2\n", r"row 2: 'a\.png' was given a second time"),
        ("file,x1,y1\na.png,1\n", r"row 1: 2 entries were given; allowed are 3"),
        ("file,x1,y1\na.png,1,\n", r"row 1: .* allowed are numbers, or all coordinates empty"),
        ("file,x1,y1\na.png,1,inf\n", r"row 1: NaN or infinite numbers were given"),
        ("file,x1,y1,split\na.png,1,2,all\n", r"row 1: split 'all' was given; allowed are train, validation, test"),
    ],
)
def test_bad_point_files(folder: Path, text: str, message: str) -> None:
    (folder / "points.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        FaceLandmarks("train", "folder", folder, points=folder / "points.csv")


def test_a_column_of_row_numbers_is_passed_over(folder: Path) -> None:
    """As pandas writes its index: without a name, or read and written again, once or more."""
    plain = (folder / "points.csv").read_text()
    expected = load_faces("folder", folder, 16, folder / "points.csv")
    for names in ("", "Unnamed: 0", "Unnamed: 0.1,Unnamed: 0"):
        header, *rows = plain.splitlines()
        more = [",".join([str(number)] * len(names.split(","))) for number in range(len(rows))]
        lines = [f"{names},{header}", *(f"{first},{row}" for first, row in zip(more, rows, strict=True))]
        (folder / "points.csv").write_text("\n".join(lines) + "\n")
        found = load_faces("folder", folder, 16, folder / "points.csv")
        assert found.point_names == expected.point_names
        torch.testing.assert_close(found.points, expected.points, rtol=0, atol=0, equal_nan=True)


def test_a_point_file_that_pandas_wrote(folder: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"file": ["a.png", "b.jpg"], "x1": [3.0, 4], "y1": [5.5, float("nan")]})
    frame.loc[1, "x1"] = float("nan")
    frame.to_csv(folder / "points.csv")
    found = load_faces("folder", folder, 16, folder / "points.csv")
    assert found.labelled.tolist() == [True] + [False] * 6


@pytest.mark.parametrize("point", ["-0.5,-0.5", "66.5,74.5"])
def test_points_on_the_edge_and_in_what_is_cropped_away_are_kept(folder: Path, point: str) -> None:
    (folder / "points.csv").write_text(f"file,nose_x,nose_y\nb.jpg,,\na.png,{point}\n")
    assert load_faces("folder", folder, 16, folder / "points.csv").labelled.tolist() == [True] + [False] * 6


@pytest.mark.parametrize("point", ["-0.51,3", "66.6,3", "3,-1", "3,75", "9999,3", "3,-1e+30"])
def test_points_outside_their_picture_are_refused(folder: Path, point: str) -> None:
    (folder / "points.csv").write_text(f"file,nose_x,nose_y\nb.jpg,,\na.png,{point}\n")
    x, y = point.split(",")
    said = f"points.csv, row 2: nose at x {x}, y {y} was given, outside a.png; allowed are x from -0.5 to 66.5 and y fr"
    with pytest.raises(ValueError, match=re.escape(said)):
        load_faces("folder", folder, 16, folder / "points.csv")


def test_published_points_may_lie_outside(published_mtfl: Path) -> None:
    """Published annotations are what they are: a mouth beyond the picture's edge has been measured against."""
    path = published_mtfl / "MTFL" / "testing.txt"
    numbers = " ".join(["-3.5", *["20"] * 9])
    path.write_text("".join(f"{name} {numbers} 1 2 2 3\n" for name in MTFL_TEST))
    assert load_faces(root=published_mtfl).points[6:, 0, 0].tolist() == pytest.approx([-6 / 150 - 1] * 2)


def test_hidden_pictures_are_passed_over(folder: Path) -> None:
    before = load_faces("folder", folder, 16)
    (folder / ".ipynb_checkpoints").mkdir()
    shutil.copy(folder / "a.png", folder / ".ipynb_checkpoints" / "a-checkpoint.png")
    (folder / "._a.png").write_bytes(b"\0\5\x16\7 what macOS keeps of a file")
    (folder / "deep" / ".trash" / "er").mkdir(parents=True)
    (folder / "deep" / ".trash" / "er" / "x.jpg").write_bytes(b"no picture")
    after = load_faces("folder", folder, 16)
    assert torch.equal(after.images, before.images)
    assert after.sha256 == before.sha256
    (folder / "deep" / "c.PNG").unlink()
    (folder / "deep" / "er" / "d.jpeg").unlink()
    with pytest.raises(ValueError, match=r"holds no pictures; allowed are .* whose names do not begin with a dot"):
        load_faces("folder", folder / "deep", 16)


def test_names_that_macos_takes_apart_are_found(tmp_path: Path) -> None:
    """é may be stored as one letter, or as e and an accent; a table has it as it was typed."""
    root = tmp_path / "pictures"
    root.mkdir()
    composed, apart = "caf\u00e9.png", "cafe\u0301.png"
    for stored, typed in ((apart, composed), (composed, apart)):
        for path in root.iterdir():
            path.unlink()
        Image.new("RGB", (20, 20)).save(root / stored)
        (root / "points.csv").write_text(f"file,x1,y1\n{typed},3,4\n", encoding="utf-8")
        whole = load_faces("folder", root, 16, root / "points.csv")
        assert whole.labelled.tolist() == [True]
        rows = [split for split in SPLITS if len(whole.splits[split])]
        assert rows == [split_of(composed)]


def split_of(name: str) -> str:
    last = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10
    return "train" if last < 8 else "validation" if last == 8 else "test"


def later(path: Path) -> None:
    """Date a file as one that was written a second later, even where a file system's clock is coarse."""
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))


def test_changed_files_of_a_folder_are_read_anew(folder: Path) -> None:
    seen = [load_faces("folder", folder, 16, folder / "points.csv")]
    assert (
        FaceLandmarks("train", "folder", folder, 16, folder / "points.csv")._whole
        is FaceLandmarks("train", "folder", folder, 16, folder / "points.csv")._whole
    ), "what has not changed is read once"

    def look() -> None:
        seen.append(load_faces("folder", folder, 16, folder / "points.csv"))
        assert len({source.sha256 for source in seen}) == len(seen)

    pixels = np.asarray(Image.open(folder / "a.png"))
    Image.fromarray(255 - pixels).save(folder / "a.png")
    later(folder / "a.png")
    look()
    (folder / "g.png").unlink()
    look()
    Image.fromarray(pixels).save(folder / "h.png")
    look()
    text = (folder / "points.csv").read_text()
    (folder / "points.csv").write_text(text.replace("33.5", "34.5"))
    later(folder / "points.csv")
    look()


def test_changed_files_of_mtfl_are_read_anew(published_mtfl: Path, packed_mtfl: Path) -> None:
    before = load_faces(root=published_mtfl, image_size=32)
    path = published_mtfl / "MTFL" / MTFL_TRAIN[1]
    Image.new("RGB", (250, 250), "red").save(path)
    later(path)
    after = load_faces(root=published_mtfl, image_size=32)
    assert (after.images != before.images).flatten(1).any(1).tolist() == [False, True] + [False] * 6
    listed = published_mtfl / "MTFL" / "testing.txt"
    listed.write_text(listed.read_text().splitlines()[0] + "\n")
    assert len(load_faces(root=published_mtfl, image_size=32).splits["test"]) == 1

    before = load_faces(root=packed_mtfl)
    path = packed_mtfl / "mtfl" / "mtfl_landmarks.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, **{**arrays, "points_xy": arrays["points_xy"] + 1})
    later(path)
    moved = load_faces(root=packed_mtfl).points - before.points
    torch.testing.assert_close(moved[before.labelled], torch.full((7, 5, 2), 2 / 80))


def test_changed_files_of_celeba_are_read_anew(celeba: Path) -> None:
    before = load_faces("celeba", celeba)
    path = celeba / "celeba_lists" / "mafl_testing.txt"
    path.write_text(f"{CELEBA_NAMES[7]}\n{CELEBA_NAMES[1]}\n")
    later(path)
    assert load_faces("celeba", celeba).splits["test"].tolist() == [1, 7]
    assert before.splits["test"].tolist() == [1, 5]
    (celeba / "celeba" / "img_align_celeba" / CELEBA_NAMES[3]).unlink()
    later(celeba / "celeba" / "img_align_celeba")
    with pytest.raises(ValueError, match=rf"names {CELEBA_NAMES[3]}, which is not in"):
        load_faces("celeba", celeba)


@pytest.mark.parametrize("name", ["training.txt", "list_landmarks_align_celeba.txt", "mafl_testing.txt", "points.csv"])
def test_a_list_that_cannot_be_read_is_named(
    published_mtfl: Path, celeba: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    whole = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    roots = {"training.txt": ("mtfl", published_mtfl, 80, None), "points.csv": ("folder", folder, 80, folder / name)}
    with pytest.raises(ValueError, match=rf"{name}: cannot be read \(Permission denied\)"):
        load_faces(*roots.get(name, ("celeba", celeba, 80, None)))


def test_damaged_picture(folder: Path) -> None:
    content = (folder / "a.png").read_bytes()
    (folder / "a.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"a\.png: not a picture that can be read, or damaged"):
        FaceLandmarks("train", "folder", folder)


@pytest.fixture(scope="module")
def real() -> dict[str, FaceLandmarks]:
    if not (Path(os.environ.get("TUSKLITE_DATA", "none")) / "mtfl").is_dir():
        pytest.skip("TUSKLITE_DATA is not set, or holds no folder mtfl")
    return {split: FaceLandmarks(split) for split in SPLITS}


def test_real_mtfl_counts(real: dict[str, FaceLandmarks]) -> None:
    assert [len(real[split]) for split in SPLITS] == [10_000, 1000, 2995]
    assert int(real["train"].labelled.sum()) == 7650
    assert int(real["train"].held_out.sum()) == 1000
    assert real["train"].labelled[real["train"].held_out].all()
    assert real["test"].labelled.all()
    for faces in real.values():
        assert faces.points[faces.labelled].abs().max() < 1


def test_real_mtfl_is_what_results_were_recorded_with(real: dict[str, FaceLandmarks]) -> None:
    if features.version("libjpeg_turbo") is None:
        pytest.skip("another JPEG decoder may round otherwise")
    assert real["train"].sha256 == "de2f2ce2e7f9faec2c203b1009bc40cbc97f1c07792874b3ffadf2babb96267d"


def test_real_mtfl_mean_shape(real: dict[str, FaceLandmarks]) -> None:
    """Two eyes on a level, the nose between and below, the mouth's corners below; faces of AFLW fill more of it."""
    spans = []
    for faces in real.values():
        left, right, nose, left_mouth, right_mouth = faces.points[faces.labelled].mean(0)
        assert left[0] < left_mouth[0] < nose[0] < right_mouth[0] < right[0]
        assert max(left[1], right[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
        assert abs(left[1] - right[1]) < 0.02
        spans.append(float(right[0] - left[0]))
    assert spans[2] > 1.3 * spans[0]


@pytest.mark.parametrize(
    ("part", "low", "high"), [("lfw_5590", -0.2, 0.2), ("net_7876", -0.2, 0.2), ("AFLW", 0.7, 1.6)]
)
def test_real_mtfl_labels_and_the_faces_under_them(
    real: dict[str, FaceLandmarks], part: str, low: float, high: float
) -> None:
    """How far to the right of the nose its label lies, in pixels of 80: AFLW's labels are off, the others are not.

    The mean picture about the noses is its own mirror image; about labels that lie d too far to the right, the two
    differ by a shift of 2 d.
    """
    faces = real["test" if part == "AFLW" else "train"]
    rows = torch.arange(4151) if part == "lfw_5590" else faces.labelled.nonzero()[:, 0]
    rows = rows[rows >= 4151] if part == "net_7876" else rows
    image, xy, _ = faces.scenes(rows[::3], with_truth=True)
    x, y = torch.arange(-80, 81) / 10, torch.arange(-60, 61) / 10  # in pixels
    offset = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1) / 40  # (121, 161, 2)
    mean = torch.zeros(121, 161)
    for some, nose in zip(image.split(100), xy[:, 2].split(100), strict=True):
        about = F.grid_sample(some.mean(1, keepdim=True), nose[:, None, None] + offset, align_corners=False)
        mean += about.sum((0, 1)) / len(image)
    steps = range(-44, 45)
    mirrored = mean.flip(1)
    differences = [float((mean - mirrored.roll(step, 1))[:, 45:-45].square().sum()) for step in steps]
    right = -steps[int(np.argmin(differences))] / 20
    assert low < right < high
