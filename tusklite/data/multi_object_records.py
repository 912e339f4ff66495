"""Tetrominoes and CLEVR with masks as DeepMind published them (Kabra et al. 2019): TFRecords, read once into a cache.

The published files are one long gzip stream each, so no scene can be reached but through all before it, and CLEVR's
unpack to hundreds of gigabytes. They are therefore read once, with a progress bar: what a training looks at (the crop,
segments, properties) goes into a folder beside the file, which is mapped into memory from then on.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tusklite.arguments import require_choice, require_indices, require_integer
from tusklite.data.base import ImageAlone
from tusklite.data.clevr_pictures import CROP_LEFT, CROP_SIDE, CROP_TOP, HEIGHT, WIDTH, box_middles, crop_clevr
from tusklite.data.digits import SPLITS
from tusklite.data.object_scenes import ObjectScenes
from tusklite.data.record_cache import Arrays, Names, ReadingPlan, RecordScene, cached_scenes
from tusklite.data.tetrominoes import BLOCK, COLOURS, PIECES, SHAPES, SIDE
from tusklite.data.tfrecords import Feature
from tusklite.places import data_folder

SOURCE = "multi-object-datasets"
ADDRESS = "https://console.cloud.google.com/storage/browser/multi-object-datasets"

_TETROMINOES = {
    "image": Feature("bytes", (SIDE, SIDE, 3)),
    "mask": Feature("bytes", (PIECES + 1, SIDE, SIDE)),
    "shape": Feature("floats", (PIECES + 1,)),
    "color": Feature("floats", (PIECES + 1, 3)),
    "visibility": Feature("floats", (PIECES + 1,)),
}
_ENTITIES = 11  # of a record of CLEVR: the background and up to ten objects
_CLEVR = {
    "image": Feature("bytes", (HEIGHT, WIDTH, 3)),
    "mask": Feature("bytes", (_ENTITIES, HEIGHT, WIDTH)),
    "pixel_coords": Feature("floats", (_ENTITIES, 3)),
    "shape": Feature("bytes", (_ENTITIES,)),
    "color": Feature("bytes", (_ENTITIES,)),
    "size": Feature("bytes", (_ENTITIES,)),
    "material": Feature("bytes", (_ENTITIES,)),
    "visibility": Feature("floats", (_ENTITIES,)),
}


class _RecordScenes:
    """Scenes of one split of a published file, out of its cache; `TetrominoesRecords` and `ClevrRecords` are such."""

    reads_files = False  # the cache is mapped into memory

    def __init__(
        self,
        split: str,
        plan: ReadingPlan,
        path: Path,
        cache: str | os.PathLike[str] | None,
        splits: Sequence[int],
        device: torch.device | str,
    ) -> None:
        self.split, self.device = split, torch.device(device)
        self.image_size, self.most_objects, self._kind = plan.image_size, plan.most_objects, plan.kind
        self.splits = dict(zip(SPLITS, splits, strict=True))
        parent = path.parent if cache is None else Path(cache).expanduser().resolve()
        kept = cached_scenes(path, plan, parent)
        self._images, self._segments = kept.images, kept.segments
        before, end = np.cumsum([0, *splits])[SPLITS.index(split) :][:2]
        first, last = np.searchsorted(kept.truth["record"], [before, end])
        self._first, self._count = int(first), int(last - first)
        if not self._count:
            raise ValueError(f"{path}: split {split!r} has no scene of at most {plan.most_objects} objects")
        self._truth = {
            name: torch.from_numpy(values[first:last]).to(self.device) for name, values in kept.truth.items()
        }
        self.properties: Mapping[str, tuple[str, ...]] = kept.properties
        self.source, self.sha256 = SOURCE, kept.sha256

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> ImageAlone:
        """The image of scene `index`, float32 (3, S, S) in [0, 1]."""
        return ImageAlone(self.scenes([index]).image[0])

    def describe(self) -> dict[str, str | int]:
        """What a run records about its data: source, checksum (of all that is kept of the file), sizes."""
        origin = {"source": self.source, "sha256": self.sha256}
        return {**origin, "split": self.split, f"{self.split}_scenes": len(self), "image_size": self.image_size}

    def identity(self) -> dict[str, object]:
        """All that decides what scene i is (see `ImageSource`); `sha256` is of all that is kept of the file."""
        return {
            "kind": self._kind,
            "source": self.source,
            "sha256": self.sha256,
            "split": self.split,
            "splits": list(self.splits.values()),
            "scenes": len(self),
            "image_size": self.image_size,
            "most_objects": self.most_objects,
        }

    def scenes(self, indices: Sequence[int] | Tensor, with_truth: bool = False) -> ObjectScenes:
        """A batch of scenes, in any order, repeats allowed.

        Args:
            indices: B whole numbers from 0 to `len(self) - 1`.
            with_truth: also give segments, centres and properties.

        Returns:
            `ObjectScenes` on `self.device`.

        Raises:
            ValueError: an empty batch, more than one dimension, or the truth of training scenes.
            TypeError: indices that are not whole numbers.
            IndexError: an index out of range.
        """
        if with_truth and self.split == "train":
            raise ValueError("with_truth: True was given for split 'train'; allowed are 'validation', 'test'")
        rows = require_indices("indices", indices, len(self))
        stored = rows.numpy() + self._first
        pixels = torch.from_numpy(self._images[stored]).to(self.device, torch.float32)
        image = pixels / pixels.new_full((), 255)  # by a tensor: a GPU multiplies by 1 / 255 where it is a plain number
        if not with_truth:
            return ObjectScenes(image)
        segments = torch.from_numpy(self._segments[stored]).to(self.device)
        rows = rows.to(self.device)
        values = {name: self._truth[name][rows] for name in self.properties}
        return ObjectScenes(image, segments, self._truth["present"][rows], self._truth["xy"][rows], values)


class TetrominoesRecords(_RecordScenes):
    """The published Tetrominoes: 35 x 35, three pieces, 19 shapes x 6 colours.

    The first 60,000 records are used, as in the papers: 50,000 train, the last 1,000 of which are held out as
    "validation", and 10,000 test. The first use reads them once into a cache (300 MB).

    Args:
        split: "train", "validation" or "test".
        root: folder that has tetrominoes_train.tfrecords in tetrominoes, multi-object-datasets/tetrominoes or directly;
            by default $TUSKLITE_DATA, or else the user's cache folder.
        cache: folder for the cache; by default that of the file.
        splits: how many records each split takes, one after the other.
        device: where the batches are made.

    Attributes:
        properties: the names of the values: "shape" (19, as `Tetrominoes`) and "colour" (6).
        image_size: height and width in pixels, 35.
        most_objects: T, 3.
        sha256: of all that is kept of the file.

    Raises:
        FileNotFoundError: the file is not there; the message says where to get it.
        ValueError: an argument out of its range; an empty, truncated, damaged or foreign file, with its name; a cache
            that cannot be written.
        ImportError: a library for it is missing; the message says which.

    Example:
        >>> TetrominoesRecords("test", root="nowhere")
        Traceback (most recent call last):
        ...
        FileNotFoundError: root: no tetrominoes_train.tfrecords in the folder given as root, ...
    """

    def __init__(
        self,
        split: str = "train",
        root: str | os.PathLike[str] | None = None,
        cache: str | os.PathLike[str] | None = None,
        splits: Sequence[int] = (49_000, 1_000, 10_000),
        device: torch.device | str = "cpu",
    ) -> None:
        require_choice("split", split, SPLITS)
        total = sum(_require_splits(splits))
        plan = ReadingPlan("tetrominoes-records", SIDE, PIECES, total, _TETROMINOES, _tetrominoes_scene, _name_pieces)
        super().__init__(split, plan, _published("tetrominoes", root), cache, splits, device)


class ClevrRecords(_RecordScenes):
    """The published CLEVR with masks, its scenes of at most six objects alone: CLEVR6.

    The first 70,000 records are used, as in the papers: 60,000 train, the last 2,000 of which are held out as
    "validation", and 10,000 test; about half have few enough objects. A scene is the middle 192 x 192 pixels (rows
    29 to 220, columns 64 to 255), resized. An object's centre is where the middle of the object itself is seen, though
    it be covered; it may lie beyond ±1 where the crop cuts through the object. One that is not seen is not present.

    The first use reads the records once into a cache (2 GB at 112 pixels), which takes a while; it may be interrupted,
    and then begins anew.

    Args:
        split: "train", "validation" or "test".
        root: folder that has clevr_with_masks_train.tfrecords in clevr_with_masks,
            multi-object-datasets/clevr_with_masks or directly; by default $TUSKLITE_DATA, or else the user's cache
            folder.
        image_size: height and width in pixels, S, 16 to 192.
        most_objects: T, 1 to 10; scenes of more are left out.
        cache: folder for the cache; by default that of the file.
        splits: how many records each split takes, one after the other.
        device: where the batches are made.

    Attributes:
        properties: the names of the values: "shape", "colour", "size", "material". The file numbers them and does not
            name them, so a value's name is its number there.
        sha256: of all that is kept of the file.

    Raises:
        FileNotFoundError: the file is not there; the message says where to get it.
        ValueError: an argument out of its range; an empty, truncated, damaged or foreign file, with its name; a cache
            that cannot be written.
        ImportError: a library for it is missing; the message says which.

    Example:
        >>> ClevrRecords("test", root="nowhere")
        Traceback (most recent call last):
        ...
        FileNotFoundError: root: no clevr_with_masks_train.tfrecords in the folder given as root, ...
    """

    def __init__(
        self,
        split: str = "train",
        root: str | os.PathLike[str] | None = None,
        image_size: int = 112,
        most_objects: int = 6,
        cache: str | os.PathLike[str] | None = None,
        splits: Sequence[int] = (58_000, 2_000, 10_000),
        device: torch.device | str = "cpu",
    ) -> None:
        require_choice("split", split, SPLITS)
        require_integer("image_size", image_size, low=16, high=CROP_SIDE)
        require_integer("most_objects", most_objects, low=1, high=_ENTITIES - 1)
        total = sum(_require_splits(splits))

        def scene(record: Arrays) -> RecordScene | None:
            return _clevr_scene(record, image_size, most_objects)

        plan = ReadingPlan("clevr-records", image_size, most_objects, total, _CLEVR, scene, _name_by_number)
        super().__init__(split, plan, _published("clevr_with_masks", root), cache, splits, device)


def _require_splits(splits: object) -> list[int]:
    """How many records each of the three splits takes."""
    if not isinstance(splits, Sequence) or len(splits) != len(SPLITS):
        raise ValueError(f"splits: {splits!r} was given; allowed are three numbers of records: {', '.join(SPLITS)}")
    return [require_integer("splits", size, low=1, high=2**31) for size in splits]


def _published(name: str, root: str | os.PathLike[str] | None) -> Path:
    """The published file of a data set."""
    folder, place = data_folder(root)
    found = find_records(folder, name)
    if found is None:
        raise FileNotFoundError(
            f"root: no {name}_train.tfrecords in {place}, {folder}; it is looked for in "
            f"{', '.join(_layouts(name)[:-1])} and directly. Get it from {ADDRESS}"
        )
    return found


def find_records(folder: Path, name: str) -> Path | None:
    """The published file of a data set, where it is in `folder`."""
    paths = [folder / layout / f"{name}_train.tfrecords" for layout in _layouts(name)]
    return next((path for path in paths if os.path.isfile(path)), None)


def _layouts(name: str) -> tuple[str, ...]:
    return (name, f"multi-object-datasets/{name}", ".")


def _tetrominoes_scene(record: Arrays) -> RecordScene:
    """A record of Tetrominoes. A piece's shape is read off its mask; the file's number is kept beside it."""
    segments = record["mask"].argmax(0).astype(np.uint8)
    xy = box_middles(segments, PIECES)
    present = (record["visibility"][1:] > 0.5) & ~np.isnan(xy[:, 0])
    rgb = record["color"][1:]
    colour = [_COLOUR_NUMBERS.get(tuple((channels > 0.5 * rgb.max()).astype(int).tolist()), -1) for channels in rgb]
    seen = [_shape_of(segments == number + 1) for number in range(PIECES)]
    codes = {"colour": np.array(colour), "shape": record["shape"][1:].astype(np.int64), "seen": np.array(seen)}
    if (codes["colour"][present] < 0).any():
        raise ValueError(f"feature 'color' has {rgb.tolist()}; allowed are red, green, blue and their full mixtures")
    return RecordScene(record["image"].transpose(2, 0, 1), segments, *_hide(present, xy, codes))


_COLOUR_NUMBERS = {channels: number for number, channels in enumerate(COLOURS.values())}
_SHAPE_NUMBERS = {cells: number for number, cells in enumerate(SHAPES.values())}


def _shape_of(mask: np.ndarray) -> int:
    """The number of the shape whose blocks fill a mask (H, W) from its upper left corner on; -1 where none does."""
    rows, columns = np.nonzero(mask)
    if len(rows) != 4 * BLOCK * BLOCK:
        return -1
    blocks = Counter(
        zip(((rows - rows.min()) // BLOCK).tolist(), ((columns - columns.min()) // BLOCK).tolist(), strict=True)
    )
    full = len(blocks) == 4 and set(blocks.values()) == {BLOCK * BLOCK}
    return _SHAPE_NUMBERS.get(tuple(sorted(blocks)), -1) if full else -1


def _clevr_scene(record: Arrays, image_size: int, most_objects: int) -> RecordScene | None:
    """A record of CLEVR, cropped; None where there are too many objects."""
    visible = np.flatnonzero(record["visibility"][1:] > 0.5) + 1
    if len(visible) > most_objects:
        return None
    image, segments = crop_clevr(record["image"], record["mask"][np.r_[0, visible]], image_size)
    xy = np.zeros((most_objects, 2), np.float32)
    # A pixel's coordinates count from the middle of the first one.
    corner = np.array([CROP_LEFT, CROP_TOP], np.float32)
    xy[: len(visible)] = 2 * (record["pixel_coords"][visible, :2] + 0.5 - corner) / CROP_SIDE - 1
    present = np.isin(np.arange(most_objects) + 1, segments)
    codes = {}
    for ours, theirs in (("shape", "shape"), ("colour", "color"), ("size", "size"), ("material", "material")):
        codes[ours] = np.full(most_objects, -1, np.int64)
        codes[ours][: len(visible)] = record[theirs][visible]
    return RecordScene(image, segments, *_hide(present, xy, codes))


def _hide(present: np.ndarray, xy: np.ndarray, codes: Arrays) -> tuple[np.ndarray, np.ndarray, Arrays]:
    """The same with 0 and -1 in the places without an object."""
    hidden = {name: np.where(present, values, -1) for name, values in codes.items()}
    return present, np.where(present[:, None], xy, 0).astype(np.float32), hidden


def _name_pieces(codes: Arrays) -> tuple[Names, Arrays]:
    """Names and numbers of Tetrominoes' values: a shape whose mask shows none is what most of its number show."""
    shape = codes["seen"].copy()
    unclear = (shape < 0) & (codes["shape"] >= 0)
    for code in np.unique(codes["shape"][unclear]):
        alike = shape[(codes["shape"] == code) & (shape >= 0)]
        if not len(alike):
            raise ValueError(f"the masks of shape {code} are none of the {len(SHAPES)} pieces of four squares")
        shape[unclear & (codes["shape"] == code)] = np.bincount(alike).argmax()
    return {"shape": tuple(SHAPES), "colour": tuple(COLOURS)}, {"shape": shape, "colour": codes["colour"]}


def _name_by_number(codes: Arrays) -> tuple[Names, Arrays]:
    """Names and numbers of values that a file numbers: the numbers that it uses are the names."""
    names, numbers = {}, {}
    for name, values in codes.items():
        used = np.unique(values[values >= 0])
        names[name] = tuple(str(code) for code in used)
        numbers[name] = np.where(values < 0, -1, np.searchsorted(used, values))
    return names, numbers
