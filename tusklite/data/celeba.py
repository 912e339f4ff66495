"""CelebA (Liu et al. 2015) with the lists of MAFL (Zhang et al. 2016): 202,599 aligned faces, five points each.

The files lie as `torchvision.datasets.CelebA` lays them out. Its class is not used: it insists on annotations that are
not needed here, and CelebA's own split is not the one that landmarks are reported on.
"""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path

import numpy as np
import torch

from tusklite.data.digits import SPLITS
from tusklite.data.face_sources import FaceSource, validation_rows
from tusklite.data.pictures import PictureFiles, points_in_picture
from tusklite.data.stored_files import FileStamp, names_in, read_bytes, read_text, stamps

STORED_SIZE = (178, 218)
PICTURES = "celeba/img_align_celeba"
LANDMARKS = "celeba/list_landmarks_align_celeba.txt"
LISTS = ("mafl_training.txt", "mafl_testing.txt")
LIST_FOLDERS = ("celeba_lists", "celeba")
POINT_NAMES = ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")


def read_celeba(root: Path, place: str, image_size: int) -> FaceSource:
    """CelebA's names, points and splits; the pictures stay in their files.

    A picture's centred square of 178 pixels is what is shown; whole numbers in the annotation are pixel centres, the
    first pixel is 0. Points are given for MAFL's 20,000 faces alone, NaN for the others.

    Args:
        root: folder that holds celeba/img_align_celeba/*.jpg, celeba/list_landmarks_align_celeba.txt and, in
            celeba_lists or celeba, mafl_training.txt and mafl_testing.txt (a file name a line).
        place: what to call it.
        image_size: height and width in pixels, S.

    Returns:
        A `FaceSource`; its sha256 is that of the annotation file's bytes. It is kept for who asks next, as long as the
        lists and the folder of pictures stay as they are, so it is not for changing.

    Raises:
        FileNotFoundError: a file is not there; nothing is downloaded.
        ValueError: damaged annotations or lists, or a picture that they name and that is missing.
    """
    lists = find_lists(root)
    missing = missing_celeba(root)
    if missing:
        raise FileNotFoundError(
            f"source: 'celeba' was given, but {place}, {root}, lacks {', '.join(missing)}. Get img_align_celeba.zip "
            "and the annotations from https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html (for research) or with "
            "torchvision.datasets.CelebA(root, download=True), and MAFL's lists, training.txt and testing.txt, from "
            "https://mmlab.ie.cuhk.edu.hk/projects/TCDCN.html, put in celeba_lists as mafl_training.txt and "
            "mafl_testing.txt; `python -m tusklite data get celeba-lists` fetches the lists"
        )
    files = stamps([root / LANDMARKS, root / PICTURES, *lists])
    return _read_celeba(root, lists, files, place, image_size)


@functools.lru_cache(maxsize=2)
def _read_celeba(
    root: Path, lists: tuple[Path, ...], files: tuple[FileStamp, ...], place: str, image_size: int
) -> FaceSource:
    """What `read_celeba` found; `files` is what it is known by: with another stamp it is read anew."""
    annotation = root / LANDMARKS
    content = read_bytes(annotation)
    names, pixels = parse_landmarks(content, annotation)
    there = names_in(root / PICTURES)
    for name in names:
        if name not in there:
            raise ValueError(f"{annotation}: names {name}, which is not in {root / PICTURES}")
    learn, test = (rows_of_list(path, names) for path in lists)
    if np.intersect1d(learn, test).size:
        raise ValueError(f"{lists[1]}: a face is also in {LISTS[0]}; allowed are disjoint lists")
    labelled = np.isin(np.arange(len(names)), np.concatenate((learn, test)))
    points = points_in_picture(pixels, STORED_SIZE, crop=True)
    splits = {
        "train": np.setdiff1d(np.arange(len(names)), test),
        "validation": validation_rows(names, learn),
        "test": test,
    }
    return FaceSource(
        name="celeba",
        images=PictureFiles(root / PICTURES, names, image_size, STORED_SIZE),
        points=torch.from_numpy(np.where(labelled[:, None, None], points, np.float32(np.nan))),
        labelled=torch.from_numpy(labelled),
        splits={split: torch.from_numpy(splits[split]) for split in SPLITS},
        point_names=POINT_NAMES,
        sha256=hashlib.sha256(content).hexdigest(),
        where=f"the published files in {place}",
    )


def find_list(root: Path, name: str) -> list[Path]:
    """The first file of that name, if there is one."""
    candidates = (root / folder / name for folder in LIST_FOLDERS)
    return [path for path in candidates if os.path.isfile(path)][:1]


def find_lists(root: Path) -> tuple[Path, ...]:
    """MAFL's lists, as far as they are under `root`: of each the first that is found."""
    return tuple(path for name in LISTS for path in find_list(root, name))


def missing_celeba(root: Path) -> list[str]:
    """What `root` lacks of CelebA and of MAFL's lists."""
    lists = {path.name for path in find_lists(root)}
    there = {PICTURES: os.path.isdir(root / PICTURES), LANDMARKS: os.path.isfile(root / LANDMARKS)}
    return [name for name, found in (there | {name: name in lists for name in LISTS}).items() if not found]


def parse_landmarks(content: bytes, path: Path) -> tuple[list[str], np.ndarray]:
    """Names and pixel coordinates (N, 5, 2); the file begins with N and a line of column names."""
    lines = content.decode("utf-8-sig", errors="replace").splitlines()
    wanted = [f"{name}_{axis}" for name in POINT_NAMES for axis in "xy"]
    if len(lines) < 3 or lines[1].split() != wanted:
        raise ValueError(f"{path}: allowed are the number of faces, then the columns {' '.join(wanted)}, then faces")
    rows = [line.split() for line in lines[2:] if line.strip()]
    if lines[0].strip() != str(len(rows)):
        raise ValueError(f"{path}: {len(rows):,} faces were found, the first line says {lines[0].strip()!r}")
    for number, row in enumerate(rows):
        if len(row) != 11:
            raise ValueError(f"{path}, face {number + 1}: {len(row)} entries; allowed are a name and 10 numbers")
    try:
        pixels = np.array([row[1:] for row in rows], float)
    except ValueError as reason:
        raise ValueError(f"{path}: {reason}; allowed are a name and 10 numbers a face") from reason
    return [row[0] for row in rows], pixels.reshape(-1, 5, 2)


def rows_of_list(path: Path, names: list[str]) -> np.ndarray:
    """The rows of the faces that a list of MAFL names, in CelebA's order."""
    row_of = {name: row for row, name in enumerate(names)}
    listed = read_text(path).split()
    unknown = [name for name in listed if name not in row_of]
    if unknown or not listed:
        said = f"{unknown[0]!r} was found" if unknown else "it is empty"
        raise ValueError(f"{path}: {said}; allowed are names of {Path(LANDMARKS).name}, a line each")
    return np.unique([row_of[name] for name in listed])
