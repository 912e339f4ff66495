"""CelebA in the wild, on files in the published format: which pictures stay, where points lie, what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from face_files import CELEBA_NAMES, WILD_SHARES, WILD_SIZES, write_celeba_wild
from PIL import Image
from torch import Tensor

from tusklite.data import FaceLandmarks, load_faces
from tusklite.data.pictures import PictureFiles, picture_size

KEPT = [number for number, share in enumerate(WILD_SHARES) if share >= 0.3]
LANDMARKS, BOXES = "celeba/list_landmarks_celeba.txt", "celeba/list_bbox_celeba.txt"


@pytest.fixture
def wild(tmp_path: Path) -> Path:
    write_celeba_wild(tmp_path / "wild")
    return tmp_path / "wild"


def spot_in(image: Tensor) -> np.ndarray:
    """Where the light of an image (3, S, S) is, as x, y in [-1, 1]."""
    light = image.mean(0).double().numpy()
    light = np.where(light > 0.1, light, 0)
    centres = (2 * np.arange(len(light)) + 1) / len(light) - 1
    return np.array([light.sum(0) @ centres, light.sum(1) @ centres]) / light.sum()


def names_of(faces: FaceLandmarks) -> list[str]:
    assert isinstance(faces.images, PictureFiles)
    return faces.images.names.tolist()


def test_pictures_with_small_faces_and_mafls_test_faces_are_not_trained_on(wild: Path) -> None:
    train, test = (FaceLandmarks(split, "celeba-wild", wild) for split in ("train", "test"))
    assert names_of(train) == [CELEBA_NAMES[k] for k in KEPT if k not in (1, 4, 5)]
    assert names_of(test) == [CELEBA_NAMES[k] for k in (1, 5)]  # the fifth, of MAFL's test, is too small
    assert [CELEBA_NAMES[k] for k in (0, 3, 6)] == [
        name for name, known in zip(names_of(train), train.labelled.tolist(), strict=True) if known
    ]
    assert train.points[~train.labelled].isnan().all()
    assert (train.source, train.reads_files, train.point_names[:2]) == ("celeba-wild", True, ("lefteye", "righteye"))


def test_points_lie_where_they_lie_in_the_whole_squeezed_picture(wild: Path) -> None:
    for split in ("train", "test"):
        faces = FaceLandmarks(split, "celeba-wild", wild, image_size=64)
        batch = faces.scenes(range(len(faces)), with_truth=True)
        assert batch.image.shape == (len(faces), 3, 64, 64)
        for image, points, labelled in zip(batch.image, batch.xy, faces.labelled, strict=True):
            if labelled:
                assert np.abs(spot_in(image) - points[0].numpy()).max() < 0.05
    name = CELEBA_NAMES[1]
    width, height = WILD_SIZES[1]
    corner = (np.array([0.6, 0.4]) * (width, height)).round()
    expected = 2 * (corner + 0.5) / (width, height) - 1
    assert names_of(FaceLandmarks("test", "celeba-wild", wild))[0] == name
    test = FaceLandmarks("test", "celeba-wild", wild)
    np.testing.assert_allclose(test.points[0, 1], expected, atol=1e-6)


def test_real_lists_of_mafl_are_read_beside_a_few_pictures(wild: Path) -> None:
    lists = Path(os.environ.get("TUSKLITE_DATA", "nowhere")) / "celeba_lists"
    if not lists.is_dir():
        pytest.skip("no celeba_lists in TUSKLITE_DATA")
    testing = (lists / "mafl_testing.txt").read_text().split()
    assert len(testing) == 1000
    assert not set(testing) & set((lists / "mafl_training.txt").read_text().split())


def test_what_is_not_there_is_named(tmp_path: Path, wild: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"lacks celeba/img_celeba, .*bbox_celeba.*mafl_testing\.txt\. Get"):
        FaceLandmarks(source="celeba-wild", root=tmp_path / "empty")
    (wild / BOXES).unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks celeba/list_bbox_celeba\.txt\. Get img_celeba\.7z"):
        FaceLandmarks(source="celeba-wild", root=wild)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (BOXES, "8\n", "9\n", r"bbox_celeba\.txt: 8 faces were found, the first line says '9'"),
        (BOXES, "image_id", "name", r"then the columns image_id x_1 y_1 width height"),
        (BOXES, "000003.jpg", "000033.jpg", r"face 3: '000033\.jpg.*allowed are 000003\.jpg and 4 numbers"),
        (BOXES, "1  2 60", "1  2", r"face 1: .*allowed are 000001\.jpg and 4 numbers"),
        (BOXES, "1  2 60", "1  low 60", r"'low'; allowed are a name and 4 numbers"),
        (BOXES, "1  2 60", "1  2 0", r"the box of 000001\.jpg has no area"),
        (LANDMARKS, "8\n", "9\n", r"8 faces were found, the first line says '9'"),
        (LANDMARKS, "nose_x", "chin_x", r"then the columns lefteye_x"),
        ("celeba_lists/mafl_testing.txt", "000002.jpg", "000099.jpg", r"'000099\.jpg' was found; allowed are names"),
        ("celeba_lists/mafl_testing.txt", "000002.jpg", "000001.jpg", r"a face is also in mafl_training\.txt"),
    ],
)
def test_damaged_lists_are_named(wild: Path, file: str, old: str, new: str, message: str) -> None:
    text = (wild / file).read_text()
    assert old in text
    (wild / file).write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        FaceLandmarks(source="celeba-wild", root=wild)


def test_missing_damaged_and_exchanged_pictures_are_named(wild: Path) -> None:
    pictures = wild / "celeba" / "img_celeba"
    faces = FaceLandmarks("train", "celeba-wild", wild)
    Image.new("RGB", (10, 10)).save(pictures / CELEBA_NAMES[0])
    with pytest.raises(ValueError, match=r"000001\.jpg: \(10, 10\) pixels.*allowed is \(60, 80\)"):
        faces.scenes([0])
    (pictures / CELEBA_NAMES[3]).write_bytes(b"no picture")
    os.utime(pictures, ns=(10**18, 10**18))  # a folder of another time is read anew
    with pytest.raises(ValueError, match=r"000004\.jpg: not a picture that can be read$"):
        load_faces("celeba-wild", wild)
    (pictures / CELEBA_NAMES[3]).unlink()
    with pytest.raises(ValueError, match=r"names 000004\.jpg, which is not in"):
        load_faces("celeba-wild", wild)


def test_sizes_are_read_off_the_head_of_a_file(wild: Path) -> None:
    for name, size in zip(CELEBA_NAMES, WILD_SIZES, strict=True):
        assert picture_size(wild / "celeba" / "img_celeba" / name) == size


def test_identity_tells_wild_faces_from_aligned_ones_and_follows_the_boxes(wild: Path) -> None:
    before = FaceLandmarks("train", "celeba-wild", wild).identity()
    text = (wild / BOXES).read_text()
    (wild / BOXES).write_text(text.replace("1  2 64", "1  2 640"))  # the third face is large enough now
    after = FaceLandmarks("train", "celeba-wild", wild)
    assert (before["source"], before["images"]) == ("celeba-wild", 4)
    assert len(after) == 5
    assert after.identity()["sha256"] != before["sha256"]
    assert torch.equal(after.points.isnan().any(dim=2).any(dim=1), ~after.labelled)
