"""CelebA in the wild (Liu et al. 2015): the same faces in the pictures that they come from, of many sizes.

Pictures of which the face is less than 30% are left out (Jin et al. 2022, section 4), and MAFL's test faces are never
trained on.
"""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path

import numpy as np
import torch

from tusklite.data.celeba import LISTS, POINT_NAMES, find_list, parse_landmarks, rows_of_list
from tusklite.data.digits import SPLITS
from tusklite.data.face_sources import FaceSource, validation_rows
from tusklite.data.pictures import PictureFiles, picture_size, points_in_picture
from tusklite.data.stored_files import FileStamp, names_in, read_bytes, stamps

PICTURES = "celeba/img_celeba"
LANDMARKS = "celeba/list_landmarks_celeba.txt"
BOXES = "celeba/list_bbox_celeba.txt"
BOX_COLUMNS = ("image_id", "x_1", "y_1", "width", "height")
LEAST_SHARE = 0.3  # of the picture that the face's box has to cover (Jin et al. 2022, section 4)


def read_celeba_wild(root: Path, place: str, image_size: int) -> FaceSource:
    """Names, points and splits of the pictures whose face is large enough; the pictures stay in their files.

    Whole pictures are squeezed into a square, since the face may be anywhere; whole numbers in the annotation are pixel
    centres, the first pixel is 0. A face's share is the area of its published box over that of the picture. Sizes are
    read off the head of each file, once a process: of all 202,599 that takes a minute or two.

    Args:
        root: folder that holds celeba/img_celeba/*.jpg (img_celeba.7z), celeba/list_landmarks_celeba.txt,
            celeba/list_bbox_celeba.txt and, in celeba_lists or celeba, mafl_training.txt and mafl_testing.txt.
        place: what to call it.
        image_size: height and width in pixels, S.

    Returns:
        A `FaceSource` of the pictures that stay; its sha256 is that of the landmarks' bytes, then of the boxes'. It is
        kept for who asks next, as long as the lists and the folder stay as they are, so it is not for changing.

    Raises:
        FileNotFoundError: a file is not there; nothing is downloaded.
        ValueError: damaged annotations or lists, or a picture that they name and that is missing or damaged.
    """
    lists = tuple(path for name in LISTS for path in find_list(root, name))
    found = {
        PICTURES: os.path.isdir(root / PICTURES),
        LANDMARKS: os.path.isfile(root / LANDMARKS),
        BOXES: os.path.isfile(root / BOXES),
        **{name: name in {path.name for path in lists} for name in LISTS},
    }
    missing = [name for name, there in found.items() if not there]
    if missing:
        raise FileNotFoundError(
            f"source: 'celeba-wild' was given, but {place}, {root}, lacks {', '.join(missing)}. Get img_celeba.7z (In-"
            "The-Wild Images) and the annotations from https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html (for "
            "research), and MAFL's lists, training.txt and testing.txt, from "
            "https://mmlab.ie.cuhk.edu.hk/projects/TCDCN.html, put in celeba_lists as mafl_training.txt and "
            "mafl_testing.txt"
        )
    files = stamps([root / LANDMARKS, root / BOXES, root / PICTURES, *lists])
    return _read_celeba_wild(root, lists, files, place, image_size)


@functools.lru_cache(maxsize=2)
def _read_celeba_wild(
    root: Path, lists: tuple[Path, ...], files: tuple[FileStamp, ...], place: str, image_size: int
) -> FaceSource:
    """What `read_celeba_wild` found; `files` is what it is known by: with another stamp it is read anew."""
    content, boxed = read_bytes(root / LANDMARKS), read_bytes(root / BOXES)
    names, pixels = parse_landmarks(content, root / LANDMARKS)
    boxes = parse_boxes(boxed, root / BOXES, names)
    there = names_in(root / PICTURES)
    for name in names:
        if name not in there:
            raise ValueError(f"{root / LANDMARKS}: names {name}, which is not in {root / PICTURES}")
    learn, test = (rows_of_list(path, names) for path in lists)
    if np.intersect1d(learn, test).size:
        raise ValueError(f"{lists[1]}: a face is also in {LISTS[0]}; allowed are disjoint lists")
    sizes = np.array([picture_size(root / PICTURES / name) for name in names], np.int64)  # (N, 2)
    large = boxes[:, 2:].prod(axis=1) >= LEAST_SHARE * sizes.prod(axis=1)
    # From here on rows are those of the pictures that stay.
    kept = np.flatnonzero(large)
    place_of = np.full(len(names), -1, np.int64)
    place_of[kept] = np.arange(len(kept))
    learn, test = (place_of[rows][place_of[rows] >= 0] for rows in (learn, test))
    names, pixels, sizes = [names[row] for row in kept], pixels[kept], sizes[kept]
    labelled = np.isin(np.arange(len(names)), np.concatenate((learn, test)))
    points = np.stack(
        [points_in_picture(places, tuple(size)) for places, size in zip(pixels, sizes.tolist(), strict=True)]
        or [np.zeros((5, 2), np.float32)]
    )[: len(names)]
    splits = {
        "train": np.setdiff1d(np.arange(len(names)), test),
        "validation": validation_rows(names, learn),
        "test": test,
    }
    return FaceSource(
        name="celeba-wild",
        images=PictureFiles(root / PICTURES, names, image_size, sizes, crop=False),
        points=torch.from_numpy(np.where(labelled[:, None, None], points, np.float32(np.nan))),
        labelled=torch.from_numpy(labelled),
        splits={split: torch.from_numpy(splits[split]) for split in SPLITS},
        point_names=POINT_NAMES,
        sha256=hashlib.sha256(content + boxed).hexdigest(),
        where=f"the published files in {place}",
    )


def parse_boxes(content: bytes, path: Path, names: list[str]) -> np.ndarray:
    """Boxes of faces as published: their number, a line of column names, then a line each, in the landmarks' order.

    Args:
        content: of the file.
        path: for messages.
        names: of the pictures, in the landmarks' order.

    Returns:
        float64 (N, 4): left, top, width, height in pixels.

    Raises:
        ValueError: another form, other pictures, or a box without an area.

    Example:
        >>> lines = b"1\\nimage_id x_1 y_1 width height\\n000001.jpg 95 71 226 313\\n"
        >>> parse_boxes(lines, Path("list_bbox_celeba.txt"), ["000001.jpg"]).tolist()
        [[95.0, 71.0, 226.0, 313.0]]
    """
    lines = content.decode("utf-8-sig", errors="replace").splitlines()
    if len(lines) < 3 or tuple(lines[1].split()) != BOX_COLUMNS:
        raise ValueError(
            f"{path}: allowed are the number of faces, then the columns {' '.join(BOX_COLUMNS)}, then faces"
        )
    rows = [line.split() for line in lines[2:] if line.strip()]
    if lines[0].strip() != str(len(rows)) or len(rows) != len(names):
        raise ValueError(
            f"{path}: {len(rows):,} faces were found, the first line says {lines[0].strip()!r}; allowed are "
            f"{len(names):,}, as many as have landmarks"
        )
    for number, (row, name) in enumerate(zip(rows, names, strict=True)):
        if len(row) != len(BOX_COLUMNS) or row[0] != name:
            raise ValueError(f"{path}, face {number + 1}: {' '.join(row)!r}; allowed are {name} and 4 numbers")
    try:
        boxes = np.array([row[1:] for row in rows], float)
    except ValueError as reason:
        raise ValueError(f"{path}: {reason}; allowed are a name and 4 numbers a face") from reason
    flat = ~(boxes[:, 2:] > 0).all(axis=1)
    if flat.any():
        raise ValueError(
            f"{path}: the box of {names[int(flat.argmax())]} has no area; allowed are a width and a height above 0"
        )
    return boxes
