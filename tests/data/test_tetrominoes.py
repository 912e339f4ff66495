"""Tetrominoes against a plain re-drawing with Python integers, square by square, and against a published picture."""

from __future__ import annotations

import hashlib
import inspect
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage, stats

from tusklite.data import ObjectScenes, Tetrominoes, require_source

SPLITS = ("train", "validation", "test")
WORD = 2**64 - 1
LETTERS = {"I": 2, "O": 1, "T": 4, "L": 4, "J": 4, "S": 2, "Z": 2}  # how many sights each piece has
COLOURS = {"red": "100", "green": "010", "blue": "001", "yellow": "110", "magenta": "101", "cyan": "011"}
ROWS = [[191, 255, 255, 255, 223], *[[127, 159, 159, 159, 191]] * 3, [128, 66, 66, 66, 127]]
DRAWINGS = {  # of one sight of each piece, and of a turned one, as a reader of the game knows them
    "I0": ["####"],
    "I90": ["#", "#", "#", "#"],
    "O0": ["##", "##"],
    "T0": ["###", " # "],
    "T90": [" #", "##", " #"],
    "L0": ["# ", "# ", "##"],
    "L90": ["###", "#  "],
    "J0": [" #", " #", "##"],
    "J270": ["###", "  #"],
    "S0": [" ##", "## "],
    "Z90": [" #", "##", "# "],
}
PUBLISHED = Path(os.environ.get("TUSKLITE_DATA", "/nonexistent")) / "clevr_original"


def plain_bits(key: int, counter: int) -> int:
    """SplitMix64 as its authors print it, in Python's unbounded integers."""
    z = (key + (counter + 1) * 0x9E3779B97F4A7C15) & WORD
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return z ^ (z >> 31)


def masks_by_name(data: Tetrominoes) -> dict[str, np.ndarray]:
    """Which of 4 x 4 squares each shape fills, as the scenes themselves show it."""
    batch = data.scenes(range(600), with_truth=True)
    found: dict[str, np.ndarray] = {}
    for segments, shapes in zip(batch.segments.numpy(), batch.properties["shape"].tolist(), strict=True):
        for piece, shape in enumerate(shapes):
            rows, columns = np.nonzero(segments == piece + 1)
            filled = np.zeros((4, 4), int)
            np.add.at(filled, ((rows - rows.min()) // 5, (columns - columns.min()) // 5), 1)
            name = data.properties["shape"][shape]
            assert set(filled.flat) == {0, 25}
            assert (found.setdefault(name, filled) == filled).all()
    return found


def plain_scene(shapes: list[np.ndarray], split: str, index: int, seed: int):
    """One scene by loops: image in bytes, segments, shape and colour."""
    key = plain_bits(plain_bits(seed, SPLITS.index(split)), index)
    shape = [(plain_bits(key, k) >> 32) * 19 >> 32 for k in range(3)]
    colour = [(plain_bits(key, 3 + k) >> 32) * 6 >> 32 for k in range(3)]
    places = plain_bits(key, 6)
    for throw in range(1000):
        stream = plain_bits(places, throw // 16)
        segments, image, overlap = np.zeros((35, 35), np.uint8), np.zeros((3, 35, 35), np.uint8), False
        corners = []
        for k in range(3):
            cells = np.argwhere(shapes[shape[k]])
            height, width = 5 * (cells.max(0) + 1)
            bits = plain_bits(stream, throw % 16 * 3 + k)
            top, left = (bits >> 32) * (36 - int(height)) >> 32, (bits % 2**32) * (36 - int(width)) >> 32
            corners.append((left + width / 2, top + height / 2))
            for row, column in cells:
                window = np.s_[top + 5 * row : top + 5 * row + 5, left + 5 * column : left + 5 * column + 5]
                overlap |= bool(segments[window].any())
                segments[window] = k + 1
                for channel, on in enumerate(list(COLOURS.values())[colour[k]]):
                    image[channel][window] = np.array(ROWS) * int(on)
        if not overlap:
            return SimpleNamespace(
                image=image, segments=segments, shape=shape, colour=colour, middle=corners, throws=throw + 1
            )
    raise AssertionError("no throw without overlap")


@pytest.fixture(scope="module")
def shapes() -> list[np.ndarray]:
    data = Tetrominoes("test")
    found = masks_by_name(data)
    return [found[name] for name in data.properties["shape"]]


def test_shapes_are_the_nineteen_of_the_game(shapes: list[np.ndarray]) -> None:
    names = Tetrominoes.properties["shape"]
    assert len(names) == len(set(names)) == 19
    assert {letter: sum(name[0] == letter for name in names) for letter in LETTERS} == LETTERS
    assert len({mask.tobytes() for mask in shapes}) == 19
    for name, mask in zip(names, shapes, strict=True):
        assert mask.sum() == 100
        assert ndimage.label(mask)[1] == 1  # its squares touch side by side
        rows = DRAWINGS.get(name, [])
        for row, line in enumerate(rows):
            assert [bool(square) for square in mask[row, : len(line)]] == [mark == "#" for mark in line]


@pytest.mark.parametrize(("split", "seed"), [("test", 0), ("train", 5), ("validation", 2**62)])
def test_scenes_are_those_drawn_by_loops(shapes: list[np.ndarray], split: str, seed: int) -> None:
    data = Tetrominoes(split, 2**31, seed)
    indices = [*range(30), 50_000, 2**31 - 1]
    batch = data.scenes(indices, with_truth=split != "train")
    throws = 0
    for position, index in enumerate(indices):
        plain = plain_scene(shapes, split, index, seed)
        throws = max(throws, plain.throws)
        np.testing.assert_array_equal(batch.image[position], plain.image.astype(np.float32) / np.float32(255))
        if split == "train":
            continue
        np.testing.assert_array_equal(batch.segments[position], plain.segments)
        assert batch.properties["shape"][position].tolist() == plain.shape
        assert batch.properties["colour"][position].tolist() == plain.colour
        np.testing.assert_allclose(batch.xy[position], np.array(plain.middle) * 2 / 35 - 1, atol=1e-6)
        assert batch.present[position].all()
    assert throws > 16  # so fresh attempts are compared as well


def test_pieces_lie_apart_and_inside() -> None:
    """Every piece keeps its hundred pixels: none is covered, and none reaches over the edge."""
    batch = Tetrominoes("test").scenes(range(3000), with_truth=True)
    for piece in (1, 2, 3):
        assert ((batch.segments == piece).flatten(1).sum(1) == 100).all()
    assert torch.equal(batch.segments > 0, batch.image.amax(1) > 0)
    assert (batch.segments > 0).any(0).all()  # and every pixel of the picture is used


def test_shapes_colours_and_places_are_uniform() -> None:
    data = Tetrominoes("test")
    batch = data.scenes(range(6000), with_truth=True)
    shape, colour = batch.properties["shape"], batch.properties["colour"]
    kinds = (shape * 6 + colour).flatten()
    assert stats.chisquare(kinds.bincount(minlength=114)).pvalue > 0.001
    together = shape[:, 0] * 19 + shape[:, 1]  # repeated as freely as they differ, however hard they are to place
    assert stats.chisquare(together.bincount(minlength=361)).pvalue > 0.001
    assert stats.chisquare((colour[:, 1] * 6 + colour[:, 2]).bincount(minlength=36)).pvalue > 0.001
    torch.testing.assert_close(batch.xy.mean((0, 1)), torch.zeros(2), atol=0.02, rtol=0)
    assert abs(float(batch.xy.flatten(0, 1).T.corrcoef()[0, 1])) < 0.05


@given(indices=st.lists(st.integers(0, 99), min_size=1, max_size=9))
@settings(deadline=None, max_examples=20)
def test_a_scene_does_not_depend_on_its_batch(indices: list[int]) -> None:
    data = Tetrominoes("test", 100)
    whole = data.scenes(range(100), with_truth=True)
    for kind in (indices, torch.tensor(indices), np.array(indices, np.int32)):
        batch = data.scenes(kind, with_truth=True)
        for name in ("image", "segments", "present", "xy"):
            assert torch.equal(getattr(batch, name), getattr(whole, name)[indices])
        for name, values in batch.properties.items():
            assert torch.equal(values, whole.properties[name][indices])
    assert torch.equal(data[indices[0]].image, whole.image[indices[0]])


def test_scenes_of_other_seeds_splits_and_indices_differ() -> None:
    seen = set()
    for split in SPLITS:
        for seed in range(3):
            images = Tetrominoes(split, 50, seed).scenes(range(50)).image
            seen |= {image.numpy().tobytes() for image in images}
    assert len(seen) == len(SPLITS) * 3 * 50


def fields(batch: ObjectScenes) -> list[torch.Tensor]:
    return [batch.image, batch.segments, batch.present, batch.xy, *batch.properties.values()]


def test_scenes_are_the_same_on_every_machine(device: str) -> None:
    """Recorded once on an x86 CPU; a machine that disagrees would train and test on other scenes."""
    batch = Tetrominoes("test", 500, device=device).scenes(range(500), with_truth=True)
    total = hashlib.sha256()
    for field in fields(batch):
        assert field.device.type == device
        total.update(field.cpu().numpy().tobytes())
    assert total.hexdigest() == "96eecc326869b6670369357da40208c4a995fa15dbc054bf3a2a9b3f1f207da1"


def test_a_batch_is_of_the_types_that_it_says() -> None:
    batch = Tetrominoes("validation", 9).scenes([8, 0], with_truth=True)
    assert [field.dtype for field in fields(batch)] == [
        torch.float32,
        torch.uint8,
        torch.bool,
        torch.float32,
        torch.int64,
        torch.int64,
    ]
    assert [tuple(field.shape) for field in fields(batch)] == [(2, 3, 35, 35), (2, 35, 35), (2, 3), (2, 3, 2)] + [
        (2, 3)
    ] * 2


def test_training_scenes_never_yield_truth() -> None:
    with pytest.raises(ValueError, match="with_truth: True was given for split 'train'"):
        Tetrominoes("train", 10).scenes([0], with_truth=True)
    assert Tetrominoes("train", 10).scenes([0])[1:] == (None,) * 4
    assert Tetrominoes("test", 10).scenes([0])[1:] == (None,) * 4


def test_its_identity_holds_all_its_arguments() -> None:
    data = require_source("data", Tetrominoes("test", 20, 3))
    assert not data.reads_files
    assert len(data) == 20
    said = {"size": "scenes"}
    for argument in inspect.signature(Tetrominoes).parameters.keys() - {"device"}:
        assert said.get(argument, argument) in data.identity()
    for other in (Tetrominoes("validation", 20, 3), Tetrominoes("test", 21, 3), Tetrominoes("test", 20, 4)):
        assert other.identity() != data.identity()
    assert data.describe()["test_scenes"] == 20


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"split": "dev"}, ValueError, "split: 'dev' was given; allowed are 'train', 'validation', 'test'"),
        ({"size": 0}, ValueError, "size: 0 was given; allowed is an integer from 1"),
        ({"size": 2.5}, TypeError, "size: 2.5 was given; allowed is an integer"),
        ({"seed": -1}, ValueError, "seed: -1 was given; allowed is an integer from 0"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, object], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Tetrominoes(**({"split": "test"} | arguments))


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="TUSKLITE_DATA is not set, or holds no folder clevr_original")
def test_a_published_picture_is_drawn_alike() -> None:
    """Its yellow piece. The picture comes from a GIF of few colours, which shifts that one's green by 8 of 255 and its
    blue by 6, and the other two pieces' colours by more; where the pieces lie it leaves alone.
    """
    picture = np.asarray(Image.open(PUBLISHED / "tetromino_35px_image_sampled_from_gif.png").convert("RGB")).astype(int)
    coloured = np.asarray(Image.open(PUBLISHED / "tetromino_35px_mask_sampled_from_gif.png").convert("RGB"))
    tones, numbers = np.unique(coloured.reshape(-1, 3), axis=0, return_inverse=True)
    numbers = numbers.reshape(35, 35)
    assert sorted(np.bincount(numbers.ravel()).tolist()) == [100, 100, 100, 925]
    data = Tetrominoes("test", 10**6)
    names, sought = data.properties, set()
    for number in range(len(tones)):
        if (numbers == number).sum() == 100:
            rows, columns = np.nonzero(numbers == number)
            filled = np.zeros((4, 4), int)
            np.add.at(filled, ((rows - rows.min()) // 5, (columns - columns.min()) // 5), 1)
            assert set(filled.flat) == {0, 25}  # whole blocks on a grid of its own, as ours
            sought.add(filled.tobytes())
    ours = {mask.tobytes(): name for name, mask in masks_by_name(data).items()}
    assert {ours[mask] for mask in sought} == {"L270", "J180", "S90"}

    batch = data.scenes(range(400), with_truth=True)
    yellow = (batch.properties["colour"] == names["colour"].index("yellow")) & (
        batch.properties["shape"] == names["shape"].index("L270")
    )
    scene, piece = yellow.nonzero()[0].tolist()
    rows, columns = np.nonzero(batch.segments[scene].numpy() == piece + 1)
    drawn = (batch.image[scene].numpy() * 255).round().astype(int)
    top, left = rows.min(), columns.min()
    published = picture[rows - top, columns - left + 19].T  # there its corner is in row 0, column 19
    np.testing.assert_array_equal(drawn[0, rows, columns], published[0])
    assert np.abs(drawn[1, rows, columns] - published[1]).max() <= 8
    assert np.abs(drawn[2, rows, columns] - published[2]).max() <= 6
