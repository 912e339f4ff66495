"""What a wrong result has to do with the right one is said by its cause."""

from __future__ import annotations

import re

import pytest
import torch

from tusklite.course.comparison import compare, difference
from tusklite.course.verdict import WrongAnswer

WANTED = torch.tensor([[1.0, 2.0, 4.0], [-3.0, 0.5, 7.0]])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (0 * WANTED, "yours is 0 everywhere, and should not be"),
        (3 * WANTED, "yours is 3 times what it should be, everywhere"),
        (WANTED / 8, "yours is 0.125 times what it should be, everywhere"),
        (-WANTED, "the sign is turned round, everywhere"),
        (-2 * WANTED, "yours is 2 times what it should be, and the sign is turned round, everywhere"),
        (WANTED.square(), "yours is the square of what it should be"),
        (WANTED.long(), "these are whole numbers: what comes after the point is lost"),
        (WANTED.abs(), "the sizes are right, and all signs are positive"),
        (WANTED + 2, "yours is too large by 2, everywhere"),
        (WANTED - 2, "yours is too small by 2, everywhere"),
        (torch.full((2, 3), 1.5), "yours is the same number everywhere, and it should not be"),
        (WANTED.flip(1), "the right numbers in another order: dimension 1 is turned round"),
        (WANTED.flatten()[[1, 0, 2, 5, 4, 3]].view(2, 3), "in another order: each stands at another's place"),
        (WANTED * torch.tensor([[1.0], [9.0]]), "row 0 is right, and no other"),
        (WANTED * torch.tensor([1.0, 9.0, 1.0]), "column 0, 2 are right, and no other"),
        (WANTED.cos(), "it should be 7, yours is 0.7539, and 6 of 6 numbers are off"),
        (WANTED + torch.tensor([[1e-3, 2e-3, 1e-3], [3e-3, 1e-3, 2e-3]]), "at [1, 0] it should be -3, yours is -2.997"),
    ],
)
def test_a_difference_is_named(given, words):
    assert words in difference(given, WANTED, tolerance=1e-4, axes=("row", "column"))
    with pytest.raises(WrongAnswer, match=re.escape(f"here: {difference(given, WANTED, axes=('row', 'column'))}")):
        compare(given, WANTED, where="here", axes=("row", "column"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (torch.tensor(4.0), "yours is 2 times what it should be"),
        (torch.tensor(-2.0), "the sign is turned round"),
        (torch.tensor(2.0004), "it should be 2, yours is 2.0004"),
        (torch.tensor(3.3), "it should be 2, yours is 3.3"),
        (torch.tensor(1.4142135), "yours is the root of what it should be"),
    ],
)
def test_a_difference_of_numbers_is_named(given, words):
    assert difference(given, torch.tensor(2.0)) == words


def test_mistakes_come_before_what_is_true_of_any_mistake():
    mistakes = [(torch.zeros(3), "another shape"), (WANTED, "right"), (2 * WANTED, "you counted twice")]
    with pytest.raises(WrongAnswer, match="on six numbers: you counted twice"):
        compare(2 * WANTED, WANTED, mistakes, "on six numbers")
    compare(WANTED + 1e-6, WANTED, mistakes)
