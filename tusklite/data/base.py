"""What a source of images is: anything that training can read, and that can say which images they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple, Protocol, cast, runtime_checkable

from torch import Tensor


@runtime_checkable
class ImageBatch(Protocol):
    """A batch as a source gives it: a named structure that has the images and may have more.

    Attributes:
        image: float32 (B, C, H, W) in [0, 1].
    """

    @property
    def image(self) -> Tensor:
        """The images."""
        ...


class ImageAlone(NamedTuple):
    """One image of a source, without a truth: such as training sees, and as torch's DataLoader can stack.

    Attributes:
        image: float32 (C, H, W) in [0, 1].
    """

    image: Tensor


@runtime_checkable
class ImageSource(Protocol):
    """Images that can be learnt from; `MNISTHard`, `SingleDigits` and `FaceLandmarks` are such sources.

    Attributes:
        reads_files: whether images are decoded from files when they are asked for, so that a loader should fetch them
            ahead, in worker processes (there `scenes` gives images on the CPU). False where they are held or drawn.
    """

    @property
    def reads_files(self) -> bool:
        """Whether images are decoded when they are asked for."""
        ...

    def __len__(self) -> int:
        """How many images there are."""
        ...

    def scenes(self, indices: Sequence[int] | Tensor) -> ImageBatch:
        """The images `indices`: B whole numbers from 0 to `len(self) - 1`, in any order, repeats allowed."""
        ...

    def describe(self) -> dict[str, str | int]:
        """What a run records about its data: source, sha256, sizes."""
        ...

    def identity(self) -> dict[str, object]:
        """All that decides what image i is, as plain JSON values: a run goes on only where this is the same.

        Two sources of which any image differs differ here: by kind, by a parameter, or by a checksum of what the files
        hold. Where the images lie, and on which device they are made, is no part of it.
        """
        ...


PARTS = ("__len__", "scenes", "describe", "identity")


def require_source(name: str, value: object) -> ImageSource:
    """Return `value` if it is a source of at least one image that says which images they are.

    Args:
        name: the argument's name, used in the message.
        value: what the caller gave.

    Returns:
        The same source.

    Raises:
        TypeError: a part of `ImageSource` is missing, or the identity holds what JSON cannot; the message says what.
        ValueError: a source without images.

    Example:
        >>> require_source("data", [1, 2])
        Traceback (most recent call last):
        ...
        TypeError: data: list was given, which lacks scenes(), describe(), identity(), reads_files; allowed is an ...
    """
    source = cast(ImageSource, value)
    missing = [f"{part}()" for part in PARTS if not callable(getattr(value, part, None))]
    missing += [] if isinstance(getattr(value, "reads_files", None), bool) else ["reads_files"]
    kind = type(value).__name__
    if missing or not isinstance(value, ImageSource):
        raise TypeError(
            f"{name}: {kind} was given, which lacks {', '.join(missing)}; allowed is an image source "
            "(see tusklite.data.base.ImageSource)"
        )
    if not len(source):
        raise ValueError(f"{name}: {kind} without images was given; allowed is at least one image")
    identity = source.identity()
    try:
        plain = isinstance(identity, dict) and json.loads(json.dumps(identity, allow_nan=False)) == identity
        reason = "what JSON does not give back as it was"
    except (TypeError, ValueError) as error:
        plain, reason = False, str(error)
    if not plain:
        raise TypeError(
            f"{name}: {kind}.identity() gave {identity!r} ({reason}); allowed is a dictionary of plain JSON values"
        )
    return source


def images_sha256(images: Tensor) -> str:
    """The sha256 of the bytes of images in their order, on whichever device they are.

    Example:
        >>> import torch
        >>> images_sha256(torch.zeros(2, 1, 8, 8, dtype=torch.uint8))[:12]
        '38723a2e5e8a'
    """
    return hashlib.sha256(images.contiguous().numpy(force=True).data).hexdigest()
