"""What every source of faces gives, and the fixed rule that picks its validation faces."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from tusklite.data.digits import SPLITS
from tusklite.data.pictures import PictureFiles

VALIDATION_FACES = 1000


@dataclass(frozen=True)
class FaceSource:
    """All faces of one source and how they are split (made by `mtfl`, `celeba` and `face_folder`).

    Attributes:
        name: "mtfl", "celeba", "celeba-wild" or "folder".
        images: uint8 (N, 3, S, S), or the files where they are too many to hold.
        points: float32 (N, P, 2) in [-1, 1], NaN where a face is not labelled.
        labelled: bool (N,), which faces have points to be relied on.
        splits: for each of "train", "validation" and "test" the int64 rows of its faces.
        point_names: P names; the first two are the eyes.
        sha256: of the images' bytes, then of the points'; for CelebA of the annotation file's bytes.
        where: where the faces came from, in words, without the paths of this machine.
    """

    name: str
    images: Tensor | PictureFiles
    points: Tensor
    labelled: Tensor
    splits: dict[str, Tensor]
    point_names: tuple[str, ...]
    sha256: str
    where: str

    def copy(self) -> FaceSource:
        """The same faces in memory of their own, for somebody who may change them."""
        everything = torch.arange(len(self.images))
        return replace(
            self,
            images=self.images.clone() if isinstance(self.images, Tensor) else self.images.select(everything),
            points=self.points.clone(),
            labelled=self.labelled.clone(),
            splits={split: rows.clone() for split, rows in self.splits.items()},
        )


def held_source(
    name: str,
    images: np.ndarray,
    points: np.ndarray,
    labelled: np.ndarray,
    splits: dict[str, np.ndarray],
    point_names: tuple[str, ...],
    where: str,
) -> FaceSource:
    """A `FaceSource` of images in memory: takes unreliable points out and sums the rest up."""
    points = np.where(labelled[:, None, None], points, np.float32(np.nan))
    total = hashlib.sha256(np.ascontiguousarray(images).data)
    total.update(np.ascontiguousarray(points).data)
    return FaceSource(
        name=name,
        images=torch.from_numpy(images),
        points=torch.from_numpy(points),
        labelled=torch.from_numpy(labelled),
        splits={split: torch.from_numpy(splits[split]) for split in SPLITS},
        point_names=point_names,
        sha256=total.hexdigest(),
        where=where,
    )


def name_hash(name: str) -> str:
    """The sum that fixed splits go by: it knows nothing of a face but its name."""
    composed = unicodedata.normalize("NFC", name)  # macOS may store a letter and its accent apart
    return hashlib.sha256(composed.encode("utf-8", "surrogateescape")).hexdigest()


def validation_rows(names: list[str], rows: np.ndarray) -> np.ndarray:
    """Of `rows`, those 1,000 whose names have the lowest sha256 (a fifth where there are fewer than 5,000), sorted.

    Example:
        >>> validation_rows([f"{number}.jpg" for number in range(10)], np.arange(10))
        array([0, 5])
    """
    count = min(VALIDATION_FACES, len(rows) // 5)
    return np.sort(np.array(sorted(rows.tolist(), key=lambda row: name_hash(names[row]))[:count], np.int64))
