"""Tetrominoes, drawn on the fly as DeepMind's multi-object data sets draw them (Kabra et al. 2019).

Nothing is stored: scene i is a function of the seed, the split and i, the same on every machine and device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from tusklite.arguments import require_choice, require_indices, require_integer
from tusklite.data.base import ImageAlone
from tusklite.data.counter_random import integer_pairs_below, integers_below, random_bits
from tusklite.data.digits import SPLITS
from tusklite.data.object_scenes import ObjectScenes

SIDE = 35  # of the image, in pixels
PIECES = 3
BLOCK = 5  # the side of one of a piece's four squares, in pixels
ATTEMPTS = 16  # throws of all three pieces that are tried at once; one in seven succeeds

# Brightness of a block's pixels, read off a published picture.
SHADING = ((191, 255, 255, 255, 223), *[(127, 159, 159, 159, 191)] * 3, (128, 66, 66, 66, 127))
COLOURS: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {
        "red": (1, 0, 0),
        "green": (0, 1, 0),
        "blue": (0, 0, 1),
        "yellow": (1, 1, 0),
        "magenta": (1, 0, 1),
        "cyan": (0, 1, 1),
    }
)
_FIRST_SIGHT = {  # the four squares of each piece, as rows of a drawing
    "I": ("####",),
    "O": ("##", "##"),
    "T": ("###", ".#."),
    "L": ("#.", "#.", "##"),
    "J": (".#", ".#", "##"),
    "S": (".##", "##."),
    "Z": ("##.", ".##"),
}

Cells = tuple[tuple[int, int], ...]


def _turned_pieces() -> dict[str, Cells]:
    """The seven pieces in all their quarter turns, each sight of a piece once."""
    shapes: dict[str, Cells] = {}
    for letter, rows in _FIRST_SIGHT.items():
        cells = [(row, column) for row, line in enumerate(rows) for column, mark in enumerate(line) if mark == "#"]
        for turn in range(4):
            top, left = min(row for row, _ in cells), min(column for _, column in cells)
            sight = tuple(sorted((row - top, column - left) for row, column in cells))
            if sight not in shapes.values():
                shapes[f"{letter}{90 * turn}"] = sight
            cells = [(column, -row) for row, column in cells]  # a quarter turn clockwise, rows counting down
    return shapes


SHAPES: Mapping[str, Cells] = MappingProxyType(_turned_pieces())
"""Rows and columns of the four squares of each of the 19 shapes; T90 is the piece T turned clockwise by 90 degrees."""
PROPERTIES: Mapping[str, tuple[str, ...]] = MappingProxyType({"shape": tuple(SHAPES), "colour": tuple(COLOURS)})


class Tetrominoes:
    """`size` pictures of three pieces of Tetris on black, each drawn when it is asked for.

    A piece is one of 19 shapes (rotations counted) in one of six colours, all equally likely and drawn apart. The three
    are thrown at random onto whole pixels, until none lies over another or over the edge; they may touch. Each of a
    piece's four squares is 5 x 5 pixels, shaded as on the published pictures.

    Args:
        split: "train", "validation" or "test".
        size: number of scenes, 1 or more. Scene i does not depend on it.
        seed: 0 or more; another seed gives other scenes.
        device: where the scenes are made and stay.

    Attributes:
        properties: the names of the values: "shape" (19) and "colour" (6).
        image_size: height and width in pixels, 35.
        most_objects: T, 3.

    Raises:
        ValueError: an argument out of its range.
        TypeError: an argument of another type.

    Example:
        >>> scenes = Tetrominoes("test", size=100)
        >>> batch = scenes.scenes([5, 17], with_truth=True)
        >>> batch.image.shape, batch.segments.unique().tolist()
        (torch.Size([2, 3, 35, 35]), [0, 1, 2, 3])
        >>> [scenes.properties["colour"][number] for number in batch.properties["colour"][0]]
        ['magenta', 'magenta', 'green']
    """

    reads_files = False  # a scene is drawn
    properties = PROPERTIES
    image_size = SIDE
    most_objects = PIECES

    def __init__(self, split: str, size: int = 50_000, seed: int = 0, device: torch.device | str = "cpu") -> None:
        self.split = require_choice("split", split, SPLITS)
        self.size = require_integer("size", size, low=1, high=2**31)
        self.seed = require_integer("seed", seed, low=0, high=2**63 - 1)
        self.device = torch.device(device)
        self._stream = int(random_bits(self.seed, SPLITS.index(split)))
        self._squares = BLOCK * torch.tensor(list(SHAPES.values()), device=self.device)  # (19, 4, 2), y and x
        self._extents = self._squares.amax(1) + BLOCK  # (19, 2), height and width in pixels
        self._colours = torch.tensor(list(COLOURS.values()), dtype=torch.uint8, device=self.device)  # (6, 3)
        self._shading = torch.tensor(SHADING, dtype=torch.uint8, device=self.device).flatten()  # (25,)
        pixel = torch.arange(BLOCK, device=self.device)
        self._square_offsets = (pixel[:, None] * SIDE + pixel).flatten()  # (25,)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> ImageAlone:
        """The image of scene `index`, float32 (3, 35, 35) in [0, 1]."""
        return ImageAlone(self.scenes([index]).image[0])

    def describe(self) -> dict[str, str | int]:
        """What a run records about its data: source and sizes. It is drawn, not the published file."""
        return {"source": "drawn", "split": self.split, f"{self.split}_scenes": self.size, "image_size": SIDE}

    def identity(self) -> dict[str, object]:
        """All that decides what scene i is (see `ImageSource`)."""
        return {
            "kind": "tetrominoes",
            "source": "drawn",
            "split": self.split,
            "scenes": self.size,
            "seed": self.seed,
            "image_size": SIDE,
        }

    def scenes(self, indices: Sequence[int] | Tensor, with_truth: bool = False) -> ObjectScenes:
        """A batch of scenes, in any order, repeats allowed.

        Args:
            indices: B whole numbers from 0 to `len(self) - 1`.
            with_truth: also give segments, centres (of the pieces' bounding boxes) and properties.

        Returns:
            `ObjectScenes` on `self.device`; every scene has three objects.

        Raises:
            ValueError: an empty batch, more than one dimension, or the truth of training scenes.
            TypeError: indices that are not whole numbers.
            IndexError: an index out of range.
        """
        if with_truth and self.split == "train":
            raise ValueError("with_truth: True was given for split 'train'; allowed are 'validation', 'test'")
        rows = require_indices("indices", indices, len(self)).to(self.device)
        keys = random_bits(self._stream, rows)[:, None]  # (B, 1)
        number = torch.arange(PIECES, device=self.device)
        shape = integers_below(random_bits(keys, number), len(SHAPES))  # (B, 3)
        colour = integers_below(random_bits(keys, number + PIECES), len(COLOURS))
        corners = self._place(random_bits(keys, 2 * PIECES), shape)  # (B, 3, 2), y and x
        image, segments = self._draw(shape, colour, corners, with_truth)
        if segments is None:
            return ObjectScenes(image)
        middle = (2 * corners + self._extents[shape] - SIDE).flip(-1).to(torch.float32)  # half pixels from the middle
        xy = middle / middle.new_full((), SIDE)
        present = torch.ones_like(shape, dtype=torch.bool)
        return ObjectScenes(image, segments, present, xy, {"shape": shape, "colour": colour})

    def _place(self, keys: Tensor, shape: Tensor) -> Tensor:
        """Upper left corners (B, 3, 2), y and x in pixels, for streams `keys` (B, 1) and shapes (B, 3)."""
        corners, complete = self._throw(random_bits(keys, 0), shape)
        again = 0
        while not complete.all():
            again += 1
            open_scenes = (~complete).nonzero()[:, 0]
            corners[open_scenes], complete[open_scenes] = self._throw(
                random_bits(keys[open_scenes], again), shape[open_scenes]
            )
        return corners

    def _throw(self, keys: Tensor, shape: Tensor) -> tuple[Tensor, Tensor]:
        """Some throws of all pieces: the corners (B, 3, 2) of the first without overlap, and which scenes have one."""
        throws = random_bits(keys, torch.arange(ATTEMPTS * PIECES, device=keys.device)).unflatten(1, (ATTEMPTS, PIECES))
        room = SIDE - self._extents[shape] + 1  # (B, 3, 2)
        corners = integer_pairs_below(throws, room[:, None])  # (B, A, 3, 2)
        squares = (corners.unsqueeze(3) + self._squares[shape].unsqueeze(1)).to(torch.int16)  # (B, A, 3, 4, 2)
        free = torch.ones(throws.shape[:2], dtype=torch.bool, device=keys.device)
        for first in range(PIECES):
            for second in range(first):
                apart = (squares[:, :, first, :, None] - squares[:, :, second, None]).abs()  # (B, A, 4, 4, 2)
                free &= (apart >= BLOCK).any(-1).flatten(2).all(-1)
        best = free.to(torch.uint8).argmax(1)  # the first that is free: argmax of equals is the first on every device
        chosen = corners[torch.arange(len(keys), device=keys.device), best]
        return chosen, free.any(1)

    def _draw(
        self, shape: Tensor, colour: Tensor, corners: Tensor, with_segments: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Images (B, 3, H, W), and segments (B, H, W), of pieces (B, 3) whose corners are (B, 3, 2)."""
        batch = len(shape)
        squares = self._squares[shape] + corners.unsqueeze(2)  # (B, 3, 4, 2)
        starts = squares[..., 0] * SIDE + squares[..., 1]
        places = (starts.unsqueeze(-1) + self._square_offsets).flatten(1)  # (B, 3 * 4 * 25)
        ink = self._shading * self._colours[colour].mT.unsqueeze(-1)  # (B, channels, 3, 25)
        ink = ink.unsqueeze(3).expand(-1, -1, -1, 4, -1).flatten(2)  # (B, channels, 3 * 4 * 25)
        canvas = ink.new_zeros(batch, 3, SIDE * SIDE).scatter_(2, places.unsqueeze(1).expand(-1, 3, -1), ink)
        image = canvas.view(batch, 3, SIDE, SIDE).to(torch.float32)
        image = image / image.new_full((), 255)  # by a tensor: a GPU multiplies by 1 / 255 where it is a plain number
        if not with_segments:
            return image, None
        number = torch.arange(1, PIECES + 1, dtype=torch.uint8, device=shape.device)
        number = number.repeat_interleave(4 * BLOCK * BLOCK).expand(batch, -1)
        segments = number.new_zeros(batch, SIDE * SIDE).scatter_(1, places, number)
        return image, segments.view(batch, SIDE, SIDE)
