"""dlib's photographs: the real ones where they are at hand, and written files for what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from tusklite.data.dlib_faces import LISTS, five_points, read_dlib_faces


def a_face(x: float, y: float, count: int = 68) -> str:
    parts = "".join(f"<part name='{n:02d}' x='{x + n % 8}' y='{y + n // 8}'/>" for n in range(count))
    return f"<box top='1' left='1' width='9' height='9'>{parts}</box>"


def write_list(path: Path, faces: dict[str, list[str]]) -> None:
    images = "".join(f"<image file='{file}'>{''.join(boxes)}</image>" for file, boxes in faces.items())
    path.write_text(f"<?xml version='1.0' encoding='ISO-8859-1'?><dataset><images>{images}</images></dataset>")


@pytest.fixture
def written(tmp_path: Path) -> Path:
    folder = tmp_path / "dlib_faces" / "faces"
    folder.mkdir(parents=True)
    Image.new("RGB", (40, 30), (255, 0, 0)).save(folder / "b.png")
    Image.new("L", (50, 20), 7).save(folder / "a.png")
    write_list(folder / LISTS[0], {"b.png": [a_face(3, 4), a_face(20, 10)]})
    write_list(folder / LISTS[1], {"a.png": [a_face(5, 5)], "b.png": [a_face(30, 20)]})
    return tmp_path


def test_written_photographs_come_with_all_their_faces(written: Path) -> None:
    photographs = read_dlib_faces(written)
    assert [(each.name, tuple(each.image.shape), len(each.points)) for each in photographs] == [
        ("a.png", (3, 20, 50), 1),
        ("b.png", (3, 30, 40), 3),
    ]
    assert photographs[1].points[1, 9].tolist() == [21.0, 11.0]
    assert photographs[1].image[:, 0, 0].tolist() == [255, 0, 0]
    assert photographs[0].image.unique().tolist() == [7]


def test_the_real_photographs_have_43_faces_whose_eyes_are_above_their_mouths() -> None:
    if not (Path(os.environ.get("TUSKLITE_DATA", "nowhere")) / "dlib_faces").is_dir():
        pytest.skip("no dlib_faces in TUSKLITE_DATA")
    photographs = read_dlib_faces()
    assert (len(photographs), sum(len(each.points) for each in photographs)) == (9, 43)
    for each in photographs:
        five = five_points(each.points)
        assert (five[:, 0, 0] < five[:, 1, 0]).all()  # left in the picture
        assert (five[:, :2, 1].mean(dim=1) < five[:, 2, 1]).all()
        assert (five[:, 2, 1] < five[:, 3:, 1].mean(dim=1)).all()
        assert torch.isfinite(five).all()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / LISTS[0]).write_text("<dataset>"), r"with_face_landmarks\.xml: not XML, or damaged"),
        (lambda folder: write_list(folder / LISTS[0], {}), r"xml: no faces were found"),
        (lambda folder: write_list(folder / LISTS[0], {"a.png": [a_face(1, 1, 60)]}), r"a face of a\.png lacks point"),
        (lambda folder: write_list(folder / LISTS[0], {"a.png": [a_face(900, 1)]}), r"a\.png: a face lies outside"),
        (lambda folder: write_list(folder / LISTS[0], {"": [a_face(1, 1)]}), r"an image without its file"),
        (lambda folder: (folder / "a.png").write_bytes(b"none"), r"a\.png: not a picture that can be read"),
        (lambda folder: (folder / "b.png").unlink(), r"b\.png: not a picture that can be read"),
    ],
)
def test_what_is_damaged_is_named(written: Path, damage, message: str) -> None:
    damage(written / "dlib_faces" / "faces")
    with pytest.raises(ValueError, match=message):
        read_dlib_faces(written)


def test_lists_that_are_not_there_are_named(written: Path) -> None:
    (written / "dlib_faces" / "faces" / LISTS[1]).unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks dlib_faces/faces/testing_with_face_landmarks\.xml\. Put"):
        read_dlib_faces(written)
