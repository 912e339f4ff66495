"""dlib's example photographs (King 2009): several faces in each, with 68 points a face, in imglab's XML."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tusklite.data.pictures import opened_picture
from tusklite.data.stored_files import read_bytes
from tusklite.places import data_folder

FOLDER = "dlib_faces/faces"
LISTS = ("training_with_face_landmarks.xml", "testing_with_face_landmarks.xml")
POINTS = 68
# Of the 68, from 0: six points around each eye, the tip of the nose, the corners of the mouth; left is the picture's.
FIVE = ((36, 37, 38, 39, 40, 41), (42, 43, 44, 45, 46, 47), (30,), (48,), (54,))
FIVE_NAMES = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")


class FacesPhotograph(NamedTuple):
    """One photograph with the faces that are annotated in it.

    Attributes:
        name: of its file.
        image: uint8 (3, H, W).
        points: float32 (F, 68, 2), in pixels; whole numbers are pixel centres, the first pixel is 0.
    """

    name: str
    image: Tensor
    points: Tensor


def five_points(points: Tensor) -> Tensor:
    """The five points that other data sets have, `(F, 5, 2)`, of 68 `(F, 68, 2)`: eyes, nose, corners of the mouth.

    An eye is the mean of the six points around it.

    Example:
        >>> five_points(torch.arange(68.0).view(1, 68, 1).expand(1, 68, 2))[0, :, 0].tolist()
        [38.5, 44.5, 30.0, 48.0, 54.0]
    """
    return torch.stack([points[:, list(group)].mean(dim=1) for group in FIVE], dim=1)


def read_dlib_faces(root: str | os.PathLike[str] | None = None) -> list[FacesPhotograph]:
    """dlib's photographs, in the order of their names; a picture that both lists name has the faces of both.

    Args:
        root: folder with dlib_faces/faces (dlib's examples/faces: pictures, training_with_face_landmarks.xml and
            testing_with_face_landmarks.xml); by default $TUSKLITE_DATA, or else the user's cache folder.

    Raises:
        FileNotFoundError: the lists are not there; the message says what to put where.
        ValueError: a list or a picture that is damaged or missing, a face without its 68 points, or one that lies
            outside its picture; the message names the file.
    """
    base, place = data_folder(root)
    folder = base / FOLDER
    missing = [name for name in LISTS if not os.path.isfile(folder / name)]
    if missing:
        lacking = ", ".join(f"{FOLDER}/{name}" for name in missing)
        raise FileNotFoundError(
            f"dlib_faces: {place}, {base}, lacks {lacking}. Put examples/faces of "
            "https://github.com/davisking/dlib (Boost licence) there"
        )
    faces: dict[str, list[list[tuple[float, float]]]] = {}
    for name in LISTS:
        for file, points in _faces_of(folder / name):
            faces.setdefault(file, []).append(points)
    return [_photograph(folder, file, torch.tensor(points)) for file, points in sorted(faces.items())]


def _faces_of(path: Path) -> list[tuple[str, list[tuple[float, float]]]]:
    """A picture's name and 68 points for each face that a list names."""
    try:
        tree = ET.fromstring(read_bytes(path))
    except ET.ParseError as reason:
        raise ValueError(f"{path}: not XML, or damaged ({reason})") from reason
    found = []
    for image in tree.iter("image"):
        file = image.get("file")
        if not file:
            raise ValueError(f"{path}: an image without its file; allowed is imglab's XML")
        for box in image.iter("box"):
            try:
                parts = {int(part.attrib["name"]): part.attrib for part in box.iter("part")}
                points = [(float(parts[number]["x"]), float(parts[number]["y"])) for number in range(POINTS)]
            except (KeyError, ValueError) as reason:
                raise ValueError(f"{path}: a face of {file} lacks point or number {reason}; allowed are 68") from reason
            found.append((file, points))
    if not found:
        raise ValueError(f"{path}: no faces were found; allowed is imglab's XML with boxes and parts")
    return found


def _photograph(folder: Path, file: str, points: Tensor) -> FacesPhotograph:
    with opened_picture(folder / file, str(folder / file)) as stored:
        pixels = np.array(stored.convert("RGB"))
    height, width = pixels.shape[:2]
    middles = points.mean(dim=1)
    if ((middles < 0) | (middles > torch.tensor([width, height]))).any():
        raise ValueError(f"{folder / file}: a face lies outside its {width} x {height} pixels; allowed is one inside")
    return FacesPhotograph(file, torch.from_numpy(pixels).permute(2, 0, 1).contiguous(), points)
