"""Checks for lesson 00."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tusklite.course.comparison import close, compare, difference
from tusklite.course.shortcuts import refuse_loop
from tusklite.course.variants import drawn
from tusklite.course.verdict import WrongAnswer, answer_tensor, verdict


@verdict("pixels and coordinates agree, half a pixel included")
def check_to_coordinates(to_coordinates: Callable[[Tensor, int], Tensor]) -> None:
    """Exercise 0.1: pixel numbers (N,) of a side of W pixels to coordinates in [-1, 1]."""
    for size in (4, 80, 45):
        pixel = torch.arange(size, dtype=torch.float32)
        given = answer_tensor(to_coordinates, pixel, size, shape=(size,))
        wanted = (2 * pixel + 1) / size - 1
        if close(given, wanted):
            continue
        where = f"of {size} pixels, pixel 0 should be at {wanted[0]:.4f}, yours is at {given[0]:.4f}"
        if close(given, 2 * pixel / (size - 1) - 1):
            raise WrongAnswer(f"{where}: you put the centres of the outer pixels at -1 and 1; their outer edges are")
        if close(given, 2 * pixel / size - 1):
            raise WrongAnswer(f"{where}: that is its left edge; its centre is half a pixel further")
        if close(given, pixel / size) or close(given, (pixel + 0.5) / size):
            raise WrongAnswer(f"{where}: yours run from 0 to 1, they should run from -1 to 1")
        if close(given, (2 * pixel + 1) / size):
            raise WrongAnswer(f"{where}: yours run from 0 to 2; take 1 off, for the middle is at 0")
        if close(given, pixel - (size - 1) / 2):
            raise WrongAnswer(f"{where}: yours count pixels from the middle; {size} pixels share a length of 2")
        if close(given, 2 * (pixel + 1) / size - 1):
            raise WrongAnswer(f"{where}: that is its right edge; its centre is half a pixel before")
        raise WrongAnswer(f"{where}; {difference(given, wanted, axes=('pixel',))}")


@verdict("every scene is counted class by class")
def check_count_digits(count_digits: Callable[[Tensor], Tensor]) -> None:
    """Exercise 0.2: classes (B, K) of keypoints to counts (B, 10), without a loop over scenes."""
    generator = drawn(0)
    for batch, points in ((1, 9), (3, 9), (5, 2)):
        classes = torch.randint(0, 10, (batch, points), generator=generator)
        wanted = torch.stack([torch.bincount(row, minlength=10) for row in classes])
        given = answer_tensor(count_digits, classes, shape=(batch, 10))
        if close(given.float(), wanted.float()):
            continue
        on = f"on a batch of {batch} with {points} keypoints each"
        if close(given.float(), (wanted > 0).float()):
            raise WrongAnswer(f"{on}: you say whether a class is there; asked is how many times")
        if batch > 1 and close(given.float(), wanted.sum(dim=0).expand_as(wanted).float()):
            raise WrongAnswer(f"{on}: you counted the batch as a whole; each scene has its own counts")
        if close(given.float(), wanted.float() / points):
            raise WrongAnswer(f"{on}: these are shares of the keypoints; asked is how many")
        if close(given.float(), wanted.float().roll(-1, dims=1)) or close(
            given.float(), wanted.float().roll(1, dims=1)
        ):
            raise WrongAnswer(f"{on}: your columns are one class off; the first counts the zeros")
        if given.sum() != wanted.sum():
            raise WrongAnswer(
                f"{on}: counts should add up to {int(wanted.sum())}, yours add up to {float(given.sum()):g}"
            )
        compare(given, wanted, where=f"{on}: the total is right, but not each scene's", axes=("scene", "class"))
    few, many = (torch.zeros(batch, 4, dtype=torch.int64) for batch in (2, 9))
    refuse_loop(count_digits, (few,), (many,), over="scenes")
