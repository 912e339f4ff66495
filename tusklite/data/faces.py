"""Faces with a few annotated points: images to learn from, and points to measure what was learnt."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from tusklite.arguments import require_choice, require_indices, require_integer
from tusklite.data.base import ImageAlone, images_sha256
from tusklite.data.celeba import read_celeba
from tusklite.data.celeba_wild import read_celeba_wild
from tusklite.data.digits import SPLITS
from tusklite.data.face_folder import read_face_folder
from tusklite.data.face_sources import FaceSource
from tusklite.data.mtfl import read_mtfl
from tusklite.places import data_folder

SOURCES = ("mtfl", "celeba", "celeba-wild", "folder")


class FaceBatch(NamedTuple):
    """A batch of faces; the last two fields are the ground truth and None where it was not asked for.

    Attributes:
        image: float32 (B, 3, S, S) in [0, 1].
        xy: float32 (B, P, 2), annotated points in [-1, 1]; NaN where a face is not labelled.
        labelled: bool (B,), which faces have points.
    """

    image: Tensor
    xy: Tensor | None = None
    labelled: Tensor | None = None


class Face(NamedTuple):
    """One face: the fields of `FaceBatch` without the batch dimension."""

    image: Tensor
    xy: Tensor
    labelled: Tensor


class FaceLandmarks:
    """Faces of one split, as images alone unless the truth is asked for.

    Training sees images only; `with_truth` is for the regressor that is fitted on labelled training faces and for the
    evaluation. Of "mtfl" and "celeba", "validation" is a part of "train" (`held_out` marks it there): its images are
    seen in unsupervised training, its points are for choosing a regressor. Test faces are never seen.

    "mtfl": train is the 10,000 training faces in the order of the file (7,650 of them labelled: in the others the
    y coordinates are wrong), validation 1,000 of the labelled ones, test the 2,995 faces of AFLW.
    "celeba": train is CelebA without MAFL's 1,000 test faces (MAFL's 19,000 training faces are the labelled ones),
    validation 1,000 of MAFL's training faces, test MAFL's test faces. Pictures stay in their files until asked for.
    "celeba-wild": the same faces in their unaligned pictures, of which those stay where the face is at least 30% of the
    picture; the lists are MAFL's too.
    "folder": your own; the splits are disjoint, and nothing is held out.

    Args:
        split: "train", "validation" or "test".
        source: "mtfl", "celeba", "celeba-wild" or "folder" (see `load_faces`).
        root: folder to look in; by default $TUSKLITE_DATA, or else the user's cache folder. For "folder" the images'.
        image_size: S, height and width in pixels, 16 to 1,024.
        points: for "folder" the CSV file of the points; without it no face is labelled.
        device: where the faces are held and the batches made.

    Attributes:
        images: uint8 (N, 3, S, S), the caller's own, or the files for "celeba".
        points: float32 (N, P, 2) in [-1, 1], NaN where a face is not labelled.
        labelled: bool (N,).
        held_out: bool (N,), the faces that are also in "validation".
        point_names: P names.
        eyes: index of the left and of the right eye (left in the picture), or None where fewer than two points are.
        source, sha256, where: of the whole source (see `FaceSource`).

    Raises:
        ValueError: an argument out of its range, damaged files, or a split without faces.
        TypeError: an image_size that is not an integer.
        FileNotFoundError: the source is not there; the message says what to put where.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("RGB", (40, 30), (255, 0, 0)).save(f"{folder}/red.png")
        ...     _ = Path(f"{folder}/points.csv").write_text("file,x1,y1,split\\nred.png,19.5,14.5,train\\n")
        ...     faces = FaceLandmarks("train", "folder", folder, image_size=16, points=f"{folder}/points.csv")
        >>> batch = faces.scenes([0, 0], with_truth=True)
        >>> batch.image.shape, batch.xy.tolist(), faces.scenes([0]).xy
        (torch.Size([2, 3, 16, 16]), [[[0.0, 0.0]], [[0.0, 0.0]]], None)
    """

    def __init__(
        self,
        split: str = "train",
        source: str = "mtfl",
        root: str | os.PathLike[str] | None = None,
        image_size: int = 80,
        points: str | os.PathLike[str] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.split = require_choice("split", split, SPLITS)
        self._whole = _read_faces(source, root, image_size, points)  # as it was read, it serves others too
        self.image_size, self.device = image_size, torch.device(device)
        chosen = self._whole.splits[split]
        if not len(chosen):
            sizes = ", ".join(f"{len(rows):,} {name}" for name, rows in self._whole.splits.items())
            raise ValueError(f"split: {split!r} was given, which has no faces; there are {sizes}")
        whole = self._whole.images
        self.images = whole[chosen].to(self.device) if isinstance(whole, Tensor) else whole.select(chosen)
        self.points = self._whole.points[chosen].to(self.device)
        self.labelled = self._whole.labelled[chosen].to(self.device)
        self.held_out = torch.isin(chosen, self._whole.splits["validation"]).to(self.device)
        self.point_names = self._whole.point_names
        self.eyes = (0, 1) if len(self.point_names) > 1 else None
        self.source, self.sha256, self.where = self._whole.name, self._whole.sha256, self._whole.where

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: int) -> Face | ImageAlone:
        """Face `index`; of the split "train" its image alone, otherwise with its points (NaN where not labelled)."""
        if self.split == "train":
            return ImageAlone(self.scenes([index]).image[0])
        return Face(*(field[0] for field in self.scenes([index], with_truth=True) if field is not None))

    @property
    def whole(self) -> FaceSource:
        """All faces of the source: a copy of what was read."""
        return self._whole.copy()

    def describe(self) -> dict[str, str | int]:
        """What a run records about its data: source, checksum, and the numbers of faces."""
        sizes = {f"{split}_faces": len(rows) for split, rows in self._whole.splits.items()}
        labelled = int(self._whole.labelled[self._whole.splits["train"]].sum())
        origin = {"source": self.source, "sha256": self.sha256, "where": self.where}
        return {**origin, **sizes, "labelled_train_faces": labelled, "split": self.split, "image_size": self.image_size}

    @property
    def reads_files(self) -> bool:
        """Whether the pictures stay in their files until they are asked for, as CelebA's do."""
        return not isinstance(self.images, Tensor)

    def identity(self) -> dict[str, object]:
        """All that decides what image i is (see `ImageSource`).

        `images_sha256` is of the split's images, in order. CelebA's 200,000 pictures are not read for it: there it is
        of their names and sizes in bytes, and `sha256` of the annotation. A picture that was changed and kept its size
        to the byte goes unnoticed.
        """
        images = self.images
        return {
            "kind": "faces",
            "source": self.source,
            "sha256": self.sha256,
            "split": self.split,
            "images_sha256": images_sha256(images) if isinstance(images, Tensor) else images.sha256_of_sizes(),
            "images": len(self),
            "image_size": self.image_size,
        }

    def scenes(self, indices: Sequence[int] | Tensor, with_truth: bool = False) -> FaceBatch:
        """A batch of faces, in any order, repeats allowed.

        Args:
            indices: B whole numbers from 0 to `len(self) - 1`.
            with_truth: also give the points and which faces have them.

        Returns:
            `FaceBatch` on `self.device`; on the CPU where a worker process of a loader decodes files.

        Raises:
            ValueError: an empty batch, more than one dimension, or for "celeba" a damaged picture.
            TypeError: indices that are not whole numbers.
            IndexError: an index out of range.
        """
        rows, device = require_indices("indices", indices, len(self)), self.device
        if not self.reads_files:
            rows = rows.to(device)
        elif get_worker_info() is not None:
            device = torch.device("cpu")  # a worker process of a loader cannot use the GPU that its parent uses
        pixels = self.images[rows].to(device, torch.float32)
        image = pixels / pixels.new_full((), 255)  # by a tensor: a GPU multiplies by 1 / 255 where it is a plain number
        if not with_truth:
            return FaceBatch(image)
        return FaceBatch(image, self.points[rows], self.labelled[rows])


def load_faces(
    source: str = "mtfl",
    root: str | os.PathLike[str] | None = None,
    image_size: int = 80,
    points: str | os.PathLike[str] | None = None,
) -> FaceSource:
    """All faces of a source: a copy of what is read once a process and size, and anew where the files have changed.

    Args:
        source: "mtfl", looked for in mtfl, MTFL or directly under `root`; "celeba", in torchvision's layout under
            `root`; "celeba-wild", unaligned, beside it; or "folder", the jpg and png files in `root` and all folders
            below it.
        root: as for `FaceLandmarks`.
        image_size: height and width in pixels, 16 to 1,024.
        points: as for `FaceLandmarks`.

    Returns:
        A `FaceSource`; what the caller does to it changes no other.

    Raises:
        ValueError, TypeError, FileNotFoundError: as `FaceLandmarks`.

    Example:
        >>> load_faces("aflw")
        Traceback (most recent call last):
        ...
        ValueError: source: 'aflw' was given; allowed are 'mtfl', 'celeba', 'celeba-wild', 'folder'
    """
    return _read_faces(source, root, image_size, points).copy()


def _read_faces(
    source: str, root: str | os.PathLike[str] | None, image_size: int, points: str | os.PathLike[str] | None
) -> FaceSource:
    """What `load_faces` copies: for those who change nothing."""
    require_choice("source", source, SOURCES)
    require_integer("image_size", image_size, low=16, high=1024)
    if source == "folder":
        if root is None:
            raise ValueError("root: None was given for source 'folder'; allowed is a folder of pictures")
        return read_face_folder(_absolute(root), None if points is None else _absolute(points), image_size)
    if points is not None:
        raise ValueError(f"points: {points!r} was given for source {source!r}; allowed is None unless it is 'folder'")
    read = {"mtfl": read_mtfl, "celeba": read_celeba, "celeba-wild": read_celeba_wild}[source]
    return read(*data_folder(root), image_size)


def _absolute(path: str | os.PathLike[str]) -> Path:
    return Path(path).expanduser().resolve()
