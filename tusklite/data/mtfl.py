"""MTFL: 12,995 faces with five points each, the Multi-Task Facial Landmark data (Zhang et al. 2014).

The points are left eye, right eye, nose, left and right corner of the mouth; left is the picture's left.
"""

from __future__ import annotations

import functools
import io
import os
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np

from tusklite.data.face_sources import FaceSource, held_source, validation_rows
from tusklite.data.pictures import PICTURE_SUFFIXES, points_in_picture, read_picture
from tusklite.data.stored_files import FileStamp, files_below, read_text, stamps

LAYOUTS = ("mtfl", "MTFL", ".")
LISTS = ("training.txt", "testing.txt")
PACKED = ("mtfl_80px_jpg.tar.gz", "mtfl_landmarks.npz")
SIDES = {"lfw_5590": 250, "net_7876": 400, "AFLW": 150}  # of the published pictures, in pixels
WRONG_LABELS = "net_7876/_"
POINT_NAMES = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")


def read_mtfl(root: Path, place: str, image_size: int) -> FaceSource:
    """MTFL (Zhang et al. 2014) in the published layout or packed, whichever is found first under `root`.

    Published: folders lfw_5590, net_7876 and AFLW, with training.txt and testing.txt, whose lines are a path, five x,
    five y and four attributes; the coordinates are pixels of the published pictures, the centre of the first being
    (0, 0). Packed: the pictures squeezed to 80 x 80 in a tar file, their names, points and split in an npz file;
    the points are the published ones times 80 over the picture's width.

    Pictures whose names begin with "net_7876/_" have wrong y coordinates and count as not labelled. The labels of AFLW
    lie 1 to 2% of the picture's width to the right of the features, and about as far below. They are given as they are,
    since that is what published results are measured against.

    Args:
        root: folder with MTFL in mtfl, in MTFL or directly.
        place: what to call it.
        image_size: height and width in pixels, S; pictures are squeezed to it as a whole.

    Returns:
        A `FaceSource`: the training faces, then the test faces, in the order of the files. It is kept for who asks
        next, as long as no file changes, so it is not for changing.

    Raises:
        FileNotFoundError: neither is there.
        ValueError: damaged or incomplete files.
    """
    found = find_mtfl(root)
    if found is not None:
        folder, names = found
        files = [folder / name for name in names]
        if names == PACKED:
            return _read_packed_mtfl(folder, stamps(files), place, image_size)
        files += [path for part in SIDES for path in files_below(folder / part, PICTURE_SUFFIXES).values()]
        return _read_published_mtfl(folder, stamps(files), place, image_size)
    raise FileNotFoundError(
        f"source: 'mtfl' was given, but {place}, {root}, does not hold it. Get MTFL.zip from "
        "http://mmlab.ie.cuhk.edu.hk/projects/TCDCN.html (for research) and unpack it there, in mtfl, MTFL or "
        f"directly: lfw_5590, net_7876, AFLW, {', '.join(LISTS)}; or put a packed copy there: "
        f"{', '.join(PACKED)}; or let `python -m tusklite data get faces` fetch it"
    )


def find_mtfl(root: Path) -> tuple[Path, tuple[str, ...]] | None:
    """The first folder under `root` that holds MTFL, and which files tell: those published, or those packed."""
    for layout in LAYOUTS:
        for names in (LISTS, PACKED):
            if all(os.path.isfile(root / layout / name) for name in names):
                return root / layout, names
    return None


@functools.lru_cache(maxsize=2)
def _read_published_mtfl(folder: Path, files: tuple[FileStamp, ...], place: str, image_size: int) -> FaceSource:
    """The published files; `files` is what they are known by: with another stamp they are read anew."""
    names: list[str] = []
    images, points, training = [], [], []
    for list_name in LISTS:
        lines = read_text(folder / list_name).splitlines()
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            title = f"{folder / list_name}, line {number}"
            name, pixels = _parse_mtfl_line(line, title)
            _published_side(name, title)
            if not os.path.isfile(folder / name):
                raise ValueError(f"{title}: names {name}, which is not in {folder}")
            image, size = read_picture(folder / name, str(folder / name), image_size)
            names.append(name)
            images.append(image)
            points.append(points_in_picture(pixels, size))
            training.append(list_name == LISTS[0])
    if not any(training) or all(training):
        raise ValueError(f"{folder}: {' and '.join(LISTS)} must each name at least one picture")
    where = f"the published files in {place}"
    return _mtfl_source(names, np.stack(images), np.stack(points), np.array(training), where)


def _parse_mtfl_line(line: str, title: str) -> tuple[str, np.ndarray]:
    """The path with forward slashes, and x and y (5, 2) of one line of training.txt or testing.txt."""
    path, *rest = line.split()
    try:
        numbers = np.array(rest, float)
    except ValueError as reason:
        raise ValueError(f"{title}: {reason}; allowed are a path and 14 numbers") from reason
    if len(numbers) != 14 or not np.isfinite(numbers).all():
        raise ValueError(f"{title}: {len(numbers)} numbers; allowed are a path and 14 finite numbers")
    return path.replace("\\", "/"), numbers[:10].reshape(2, 5).T


def _published_side(name: str, title: str) -> int:
    folder = name.partition("/")[0]
    if folder not in SIDES:
        raise ValueError(f"{title}: {name!r} was found; allowed are files in {', '.join(SIDES)}")
    return SIDES[folder]


@functools.lru_cache(maxsize=2)
def _read_packed_mtfl(folder: Path, files: tuple[FileStamp, ...], place: str, image_size: int) -> FaceSource:
    """The packed files; `files` is what they are known by: with another stamp they are read anew."""
    pictures, landmarks = (folder / name for name in PACKED)
    try:
        with np.load(landmarks, allow_pickle=False) as stored:
            names = stored["names"].tolist()
            pixels = np.asarray(stored["points_xy"], float)
            training = np.asarray(stored["split"] == "train")
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as reason:
        raise ValueError(f"{landmarks}: damaged, or without names, points_xy and split ({reason})") from reason
    if pixels.shape != (len(names), 5, 2) or training.shape != (len(names),) or not np.isfinite(pixels).all():
        raise ValueError(f"{landmarks}: points_xy {pixels.shape} for {len(names)} names; allowed is (N, 5, 2), finite")
    points = np.empty((len(names), 5, 2), np.float32)
    for row, name in enumerate(names):
        side = _published_side(name, str(landmarks))
        points[row] = points_in_picture(pixels[row] * (side / 80), (side, side))
    images = _read_packed_pictures(pictures, names, image_size)
    return _mtfl_source(names, images, points, training, f"the packed files in {place}")


def _read_packed_pictures(path: Path, names: list[str], image_size: int) -> np.ndarray:
    """The pictures of a tar file in the order of `names`; it may hold others too."""
    rows = {name: row for row, name in enumerate(names)}
    images = np.empty((len(names), 3, image_size, image_size), np.uint8)
    found = np.zeros(len(names), bool)
    try:
        with tarfile.open(path) as packed:
            for member in packed:
                row = rows.get(member.name.removeprefix("./"))
                content = packed.extractfile(member) if member.isfile() else None
                if row is not None and content is not None:
                    picture = io.BytesIO(content.read())
                    images[row], _ = read_picture(picture, f"{path}: {member.name}", image_size)
                    found[row] = True
    except (tarfile.TarError, EOFError, OSError, zlib.error) as reason:
        raise ValueError(f"{path}: damaged or truncated tar file ({reason})") from reason
    if not found.all():
        missing = names[int(np.flatnonzero(~found)[0])]
        raise ValueError(f"{path}: {(~found).sum():,} pictures that {PACKED[1]} names are missing, first {missing}")
    return images


def _mtfl_source(
    names: list[str], images: np.ndarray, points: np.ndarray, training: np.ndarray, where: str
) -> FaceSource:
    labelled = np.array([not name.startswith(WRONG_LABELS) for name in names])
    splits = {
        "train": np.flatnonzero(training),
        "validation": validation_rows(names, np.flatnonzero(training & labelled)),
        "test": np.flatnonzero(~training),
    }
    return held_source("mtfl", images, points, labelled, splits, POINT_NAMES, where)
