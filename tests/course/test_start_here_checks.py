"""Each check of lesson 00 accepts the worked solution, and tells plausible mistakes apart."""

from __future__ import annotations

import pytest
import torch
from lesson_definitions import definitions

from tusklite.course import start_here as lesson

SOLUTIONS = definitions("solutions/00_start_here")
LESSON = definitions("00_start_here")


def looped(classes: torch.Tensor) -> torch.Tensor:
    return torch.stack([torch.bincount(row, minlength=10) for row in classes])


@pytest.mark.parametrize("name", ["to_coordinates", "count_digits"])
def test_the_worked_solution_is_done_and_the_stub_is_not_tried(name: str) -> None:
    check = getattr(lesson, f"check_{name}")
    assert check(SOLUTIONS[name])
    assert check(LESSON[name]).status == "not tried yet"


def test_another_right_answer_is_done() -> None:
    assert lesson.check_count_digits(looped)
    assert lesson.check_to_coordinates(lambda pixel, size: -1 + 1 / size + pixel * 2 / size)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda pixel, size: 2 * pixel / (size - 1) - 1, "outer edges"),
        (lambda pixel, size: 2 * pixel / size - 1, "left edge"),
        (lambda pixel, size: (pixel + 0.5) / size, "from 0 to 1"),
        (lambda pixel, size: (2 * pixel - 1) / size + 1, "pixel 0 should be at -0.7500"),
        (lambda pixel, size: (2 * pixel + 1)[:-1], "shape"),
        (lambda pixel, size: pixel.no_such_thing, "AttributeError"),
    ],
)
def test_wrong_coordinates_are_told_apart(answer, message: str) -> None:
    verdict = lesson.check_to_coordinates(answer)
    assert verdict.status == "wrong"
    assert message in verdict.message


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda classes: (looped(classes) > 0).long(), "how many times"),
        (lambda classes: looped(classes).roll(1, dims=1), "the first should be"),
        (lambda classes: looped(classes[:, 1:]), "add up to 9, yours add up to 8"),
        (lambda classes: torch.bincount(classes.flatten(), minlength=10), "shape"),
        (lambda classes: looped(classes).tolist(), "list"),
    ],
)
def test_wrong_counts_are_told_apart(answer, message: str) -> None:
    verdict = lesson.check_count_digits(answer)
    assert verdict.status == "wrong"
    assert message in verdict.message
