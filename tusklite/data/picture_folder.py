"""Pictures of one's own to learn from: all in a folder that can be shown, and a line about each that cannot."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tusklite.arguments import require_indices, require_integer
from tusklite.data.base import ImageAlone, images_sha256
from tusklite.data.pictures import SHOWN_SUFFIXES, UnreadablePicture, centre_square, opened_picture, shown_picture
from tusklite.data.stored_files import FileStamp, files_below, stamps

FEWEST = 2  # pictures: one alone has nothing in common with itself


class ReadPictures(NamedTuple):
    """What could be read of a folder.

    Attributes:
        images: uint8 (N, 3, S, S).
        names: N names, relative to the folder, sorted.
        skipped: a line about each picture that could not be read.
    """

    images: Tensor
    names: tuple[str, ...]
    skipped: tuple[str, ...]


class PictureBatch(NamedTuple):
    """A batch of pictures: float32 (B, 3, S, S) in [0, 1]."""

    image: Tensor


class PictureFolder:
    """The pictures in a folder and below it, each as its largest centred square; there are no labels.

    They are read as `tusklite.inference.detect` reads them: grey, with colours for print, with 16 bits, turned as their
    EXIF says, what is transparent on white; of an animation or of several pages the first one. A file that is named
    like a picture and cannot be read is passed over with a warning that names it. Names that begin with a dot are
    passed over without one.

    Args:
        root: the folder.
        image_size: S, height and width in pixels, 16 to 1,024.
        device: where the pictures are held and the batches made.

    Attributes:
        names: of the pictures, relative to the folder, sorted.
        skipped: a line about each that could not be read.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: fewer than two pictures that can be read, or an image_size out of range.
        TypeError: an image_size that is not an integer.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name, mode in (("a.png", "L"), ("b.gif", "P")):
        ...         Image.new(mode, (40, 30)).save(f"{folder}/{name}")
        ...     pictures = PictureFolder(folder, image_size=16)
        >>> pictures.names, pictures.scenes([0, 1]).image.shape
        (('a.png', 'b.gif'), torch.Size([2, 3, 16, 16]))
    """

    reads_files = False  # they are held

    def __init__(self, root: str | os.PathLike[str], image_size: int = 80, device: torch.device | str = "cpu") -> None:
        self.image_size = require_integer("image_size", image_size, low=16, high=1024)
        self.device = torch.device(device)
        read = read_pictures(root, self.image_size)
        self.images = read.images.to(self.device)
        self.names, self.skipped = read.names, read.skipped

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> ImageAlone:
        """Picture `index` without a batch dimension."""
        return ImageAlone(self.scenes([index]).image[0])

    def describe(self) -> dict[str, str | int]:
        """What a run records about its data: checksum and numbers."""
        return {
            "source": "folder",
            "sha256": images_sha256(self.images),
            "pictures": len(self),
            "skipped": len(self.skipped),
            "image_size": self.image_size,
        }

    def identity(self) -> dict[str, object]:
        """All that decides what image i is (see `ImageSource`): their pixels."""
        return {
            "kind": "picture-folder",
            "images_sha256": images_sha256(self.images),
            "images": len(self),
            "image_size": self.image_size,
        }

    def scenes(self, indices: Sequence[int] | Tensor) -> PictureBatch:
        """A batch of pictures, in any order, repeats allowed.

        Args:
            indices: B whole numbers from 0 to `len(self) - 1`.

        Raises:
            ValueError: an empty batch, or more than one dimension.
            TypeError: indices that are not whole numbers.
            IndexError: an index out of range.
        """
        rows = require_indices("indices", indices, len(self)).to(self.device)
        pixels = self.images[rows].to(torch.float32)
        return PictureBatch(pixels / pixels.new_full((), 255))  # by a tensor: a GPU multiplies by 1 / 255 otherwise


def read_pictures(root: str | os.PathLike[str], image_size: int) -> ReadPictures:
    """All pictures in a folder and below it that can be read, and a line about each of the others.

    It is kept for who asks next, as long as no file changes, so it is not for changing.

    Args:
        root: the folder.
        image_size: height and width in pixels, S.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: fewer than two pictures that can be read; the message says how many could not.
    """
    folder = Path(root).expanduser().resolve()
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"folder: {root} was given, which is no folder; allowed is a folder of pictures")
    return _read_pictures(folder, stamps(files_below(folder, SHOWN_SUFFIXES).values()), image_size)


@functools.lru_cache(maxsize=2)
def _read_pictures(folder: Path, files: tuple[FileStamp, ...], image_size: int) -> ReadPictures:
    """What `read_pictures` found; `files` is what it is known by: with another stamp it is read anew."""
    squares, names, skipped = [], [], []
    for path in (Path(each.path) for each in files):
        name = path.relative_to(folder).as_posix()
        try:
            squares.append(_square(path, name, image_size))
            names.append(name)
        except UnreadablePicture as reason:
            skipped.append(" ".join(str(reason).split()))
    for line in skipped:
        warnings.warn(f"skipped {line}", stacklevel=3)
    if len(squares) < FEWEST:
        raise ValueError(
            f"folder: {folder} was given, with {len(squares)} pictures that can be read and {len(skipped)} that "
            f"cannot; allowed are {FEWEST} or more, in files and folders whose names do not begin with a dot"
        )
    return ReadPictures(torch.from_numpy(np.stack(squares)), tuple(names), tuple(skipped))


def _square(path: Path, name: str, image_size: int) -> np.ndarray:
    """The largest centred square of a picture as it is shown, uint8 (3, S, S)."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whatever Pillow thinks of a picture that it reads all the same
        with opened_picture(path, name) as stored:
            picture = shown_picture(stored, least=2 * image_size)
    left, top, side = centre_square(*picture.size)
    picture = picture.crop((left, top, left + side, top + side))
    return np.asarray(picture.resize((image_size, image_size), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
