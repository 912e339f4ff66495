"""Human3.6M (Ionescu et al. 2014), as the literature on landmarks without labels reads it: one person before nothing.

The layout is that of the simplified data set that the field shares and TUSK's paper follows (Zhang et al. 2018): crops
of 128 x 128, a mask of the person and 32 joints for each, in folders by actor and by action with camera.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from tusklite.data.digits import SPLITS
from tusklite.data.face_sources import validation_rows
from tusklite.data.pictures import in_colour, opened_picture
from tusklite.data.stored_files import names_in, read_bytes

FOLDER = "human36m"
TRAIN_ACTORS = ("S1", "S5", "S6", "S7", "S8", "S9")
TEST_ACTORS = ("S11",)
ACTIONS = ("Directions", "Discussion", "Posing", "Waiting", "Greeting", "Walking")  # where a person mostly stands
PICTURES, MASKS, LANDMARKS = "WithBackground", "BackgroudMask", "Landmarks"  # spelt as published
POINTS = "keypoints_2d"
# Joints of a person's right side, and their partners of the left.
RIGHT = (*range(1, 6), *range(24, 32))
LEFT = (*range(6, 11), *range(16, 24))
FRONT = 9  # of the 13 pairs: so many have their left joint to the right in the picture, of one who faces the camera
WHERE = (
    "The pictures have to be asked for: an account for academic use at http://vision.imar.ro/human3.6m. In this layout "
    "(Zhang et al. 2018, Unsupervised Discovery of Object Landmarks as Structural Representations) they are made from "
    "the videos, the background masks and the two-dimensional poses there: crops around the person, of 128 x 128"
)


def swap_back_views(joints: Tensor) -> Tensor:
    """Call joints left and right as they are seen, where a person is turned around (Jin et al. 2022, section 4).

    Front and back look much alike, so a network that is told nothing cannot know which side is which. A person faces
    the camera where the left joint of nine of the thirteen pairs or more lies to the right; of others the pairs change.

    Args:
        joints: (N, 32, 2), x first.

    Returns:
        The same shape.

    Example:
        >>> joints = torch.zeros(1, 32, 2)
        >>> joints[0, list(RIGHT), 0] = 1.0  # the right side lies to the right: seen from behind
        >>> swap_back_views(joints)[0, [1, 6], 0]
        tensor([0., 1.])
    """
    right, left = list(RIGHT), list(LEFT)
    turned = (joints[:, left, 0] > joints[:, right, 0]).sum(dim=1) < FRONT
    swapped = joints.clone()
    swapped[:, right], swapped[:, left] = joints[:, left], joints[:, right]
    return torch.where(turned.view(-1, 1, 1), swapped, joints)


class HumanFiles:
    """Pictures of people that stay in their files until they are asked for; what is behind them is made white then.

    Args:
        folder: where the actors' folders lie.
        names: N pictures, as `S1/Walking 1.54138969/12`.
        image_size: height and width, S.
    """

    JOINTS: ClassVar[int] = 32
    ENDS: ClassVar[tuple[int, int]] = (0, 15)  # from the hips to the head

    def __init__(self, folder: Path, names: Sequence[str] | np.ndarray, image_size: int) -> None:
        self.folder, self.names, self.image_size = folder, np.asarray(names, str), image_size

    def __len__(self) -> int:
        return len(self.names)

    def path(self, row: int, kind: str, suffix: str) -> Path:
        """A picture's file of one kind: the picture itself, its mask, or its joints."""
        actor, action, frame = str(self.names[row]).split("/")
        return self.folder / actor / kind / action / f"{frame}{suffix}"

    def select(self, rows: Tensor) -> HumanFiles:
        """The pictures of `rows` (int64 (M,)), still in their files."""
        return HumanFiles(self.folder, self.names[rows.numpy()], self.image_size)

    def sha256_of_sizes(self) -> str:
        """The sha256 of a line for each picture, in order: its name, and its size and its mask's in bytes.

        Raises:
            ValueError: a file that is not there any more.
        """
        total = hashlib.sha256()
        for row, name in enumerate(self.names):
            sizes = []
            for path in (self.path(row, PICTURES, ".jpg"), self.path(row, MASKS, ".png")):
                try:
                    sizes.append(path.stat().st_size)
                except OSError as reason:
                    raise ValueError(f"{path}: cannot be read ({reason.strerror})") from reason
            total.update(f"{name} {sizes[0]} {sizes[1]}\n".encode())
        return total.hexdigest()

    def __getitem__(self, rows: Tensor) -> Tensor:
        """The pictures of `rows` (int64 (B,)), decoded: uint8 (B, 3, S, S)."""
        return torch.from_numpy(np.stack([self._person(row) for row in rows.tolist()]))

    def _person(self, row: int) -> np.ndarray:
        """One picture before white, uint8 (3, S, S)."""
        path, behind = self.path(row, PICTURES, ".jpg"), self.path(row, MASKS, ".png")
        with opened_picture(path, str(path)) as stored:
            picture = in_colour(stored)
        with opened_picture(behind, str(behind)) as stored:
            values = np.asarray(stored)
        from PIL import Image

        pixels = np.array(picture)
        mask = (values.reshape(*values.shape[:2], -1) > 0).any(axis=2)
        if mask.shape != pixels.shape[:2]:
            raise ValueError(f"{behind}: {mask.shape} pixels (height, width); allowed is {pixels.shape[:2]}")
        pixels[~mask] = 255
        square = Image.fromarray(pixels)
        if square.size != (self.image_size, self.image_size):
            square = square.resize((self.image_size, self.image_size), Image.Resampling.BILINEAR)
        return np.asarray(square).transpose(2, 0, 1)

    def joints(self, rows: Tensor) -> Tensor:
        """The joints of `rows` (int64 (B,)): float32 (B, 32, 2) in [-1, 1], left and right as they are seen.

        Raises:
            ValueError: a file that is missing, damaged or holds something else; the message names it.
        """
        from scipy.io import loadmat

        found = []
        for row in rows.tolist():
            path = self.path(row, LANDMARKS, ".mat")
            content = read_bytes(path)
            try:
                shares = np.asarray(loadmat(io.BytesIO(content))[POINTS], np.float64)
            except Exception as reason:  # whatever a damaged file leads scipy to
                raise ValueError(f"{path}: not a MAT file with {POINTS}, or damaged ({reason})") from reason
            if shares.shape != (self.JOINTS, 2) or not np.isfinite(shares).all():
                raise ValueError(f"{path}: {POINTS} {shares.shape}; allowed are ({self.JOINTS}, 2) finite numbers")
            found.append(2 * shares[:, ::-1] - 1)  # the file has shares of height and of width, from the upper left
        return swap_back_views(torch.from_numpy(np.stack(found)).float())


def missing_actors(root: Path) -> list[str]:
    """The actors whose pictures are not below a folder.

    Example:
        >>> missing_actors(Path("nowhere"))
        ['S1', 'S5', 'S6', 'S7', 'S8', 'S9', 'S11']
    """
    return [actor for actor in (*TRAIN_ACTORS, *TEST_ACTORS) if not os.path.isdir(root / FOLDER / actor / PICTURES)]


def read_human36m(root: Path, place: str, image_size: int) -> tuple[HumanFiles, dict[str, Tensor]]:
    """All pictures of the six actions where a person mostly stands, by actor, action, camera and frame.

    Args:
        root: folder that holds human36m/S1/WithBackground/ACTION.CAMERA/FRAME.jpg, BackgroudMask/.../FRAME.png and
            Landmarks/.../FRAME.mat, and the like for S5 to S9 and S11.
        place: what to call it.
        image_size: height and width in pixels, S.

    Returns:
        The files, and the rows of "train" (six actors), "validation" (1,000 of these, by their names) and "test" (S11).

    Raises:
        FileNotFoundError: an actor is not there; the message says how to get the data.
        ValueError: a picture without its mask or its joints, or folders without a picture.
    """
    folder = root / FOLDER
    missing = missing_actors(root)
    if missing:
        raise FileNotFoundError(
            f"source: 'human36m' was given, but {place}, {root}, lacks "
            f"{', '.join(f'{FOLDER}/{actor}/{PICTURES}' for actor in missing)}. {WHERE}"
        )
    names: list[str] = []
    ends = {}
    for actors, split in ((TRAIN_ACTORS, "train"), (TEST_ACTORS, "test")):
        for actor in actors:
            names += _frames_of(folder / actor, actor)
        ends[split] = len(names)
    if not ends["train"] or ends["test"] == ends["train"]:
        raise ValueError(f"{folder}: no pictures of {', '.join(ACTIONS)} were found of actors to train, or to test")
    train = np.arange(ends["train"])
    rows = {"train": train, "validation": validation_rows(names, train), "test": np.arange(ends["train"], len(names))}
    return HumanFiles(folder, names, image_size), {split: torch.from_numpy(rows[split]) for split in SPLITS}


def _frames_of(actor: Path, name: str) -> list[str]:
    """The pictures of one actor, `S1/Walking.54138969/12`, in order of action, camera and number."""
    found = []
    for action in sorted(names_in(actor / PICTURES)):
        if re.split("[ .]", action)[0] not in ACTIONS or not os.path.isdir(actor / PICTURES / action):
            continue
        files = names_in(actor / PICTURES / action)
        frames = [file[: -len(".jpg")] for file in files if file.endswith(".jpg") and not file.startswith(".")]
        for kind, suffix in ((MASKS, ".png"), (LANDMARKS, ".mat")):
            there = names_in(actor / kind / action)
            lacking = sorted(frame for frame in frames if frame + suffix not in there)
            if lacking:
                raise ValueError(f"{actor / kind / action}: {lacking[0]}{suffix} is missing; allowed is one a picture")
        found += [f"{name}/{action}/{frame}" for frame in sorted(frames, key=lambda frame: (len(frame), frame))]
    return found
