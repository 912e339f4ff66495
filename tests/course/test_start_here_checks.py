"""Each check of lesson 00 accepts the worked solution, and tells plausible mistakes apart."""

from __future__ import annotations

import torch
from lesson_definitions import definitions

from tusklite.course import start_here as lesson

SOLUTIONS = definitions("solutions/00_start_here")
LESSON = definitions("00_start_here")
to_coordinates, count_digits = SOLUTIONS["to_coordinates"], SOLUTIONS["count_digits"]


def looped(classes: torch.Tensor) -> torch.Tensor:
    return torch.stack([torch.bincount(row, minlength=10) for row in classes])


ANSWERS = {
    lesson.check_to_coordinates: {
        "outer edges": lambda pixel, size: 2 * pixel / (size - 1) - 1,
        "left edge": lambda pixel, size: 2 * pixel / size - 1,
        "right edge": lambda pixel, size: 2 * (pixel + 1) / size - 1,
        "from 0 to 1": lambda pixel, size: (pixel + 0.5) / size,
        "from 0 to 2": lambda pixel, size: (2 * pixel + 1) / size,
        "count pixels from the middle": lambda pixel, size: pixel - (size - 1) / 2,
        "pixel 0 should be at -0.7500": lambda pixel, size: (2 * pixel - 1) / size + 1,
        "the sign is turned round": lambda pixel, size: 1 - (2 * pixel + 1) / size,
        "shape": lambda pixel, size: (2 * pixel + 1)[:-1],
        "AttributeError": lambda pixel, size: pixel.no_such_thing,
    },
    lesson.check_count_digits: {
        "how many times": lambda classes: (count_digits(classes) > 0).long(),
        "one class off": lambda classes: count_digits(classes).roll(1, dims=1),
        "the batch as a whole": lambda classes: count_digits(classes).sum(dim=0).expand(len(classes), -1),
        "shares of the keypoints": lambda classes: count_digits(classes) / classes.shape[1],
        "add up to 9, yours add up to 8": lambda classes: count_digits(classes[:, 1:]),
        "the total is right, but not each scene's": lambda classes: count_digits(classes).flip(0),
        "it loops over scenes: .* 5 calls of torch become 12": looped,
        "should have shape": lambda classes: torch.bincount(classes.flatten(), minlength=10),
        "a tensor is asked for, yours gives list": lambda classes: count_digits(classes).tolist(),
    },
}
EXERCISES = {lesson.check_to_coordinates: "to_coordinates", lesson.check_count_digits: "count_digits"}


def test_another_right_answer_is_done() -> None:
    assert lesson.check_count_digits(lambda classes: torch.nn.functional.one_hot(classes, 10).sum(dim=1))
    assert lesson.check_to_coordinates(lambda pixel, size: -1 + 1 / size + pixel * 2 / size)
