"""Data of an exercise drawn from a student's number, so that a table of right answers serves nobody else.

A check draws its inputs by `drawn`. Without a number they are the same for all, as in the lessons; with one, each
student's differ, and so do the numbers that the check's messages name. What an exercise asks for stays the same, so a
function that is copied is right for whoever hands it in.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator

import torch

__all__ = ["drawn", "require_student", "student_number", "use_student", "variant"]

ALLOWED = "1 to 64 letters, digits and . _ - @ +, of which the first is a letter or a digit"
# What is added to a check's seeds. Random data can make a mistake right by chance; with these it does not, as the tests
# know: every answer is told right from wrong. Two students of a class may have the same data.
SHIFTS = (1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
_NUMBER: list[str | None] = [None]


def use_student(number: object) -> None:
    """From here on checks draw their data from a student's number; None: the data that all have.

    Args:
        number: a student's number or name, as the list of the class has it.

    Raises:
        TypeError, ValueError: as `require_student`.

    Example:
        >>> use_student(1042)
        >>> student_number()
        '1042'
        >>> use_student(None)
    """
    _NUMBER[0] = None if number is None else require_student("number", number)


def student_number() -> str | None:
    """The number that checks draw by at the moment; None where all have the same data."""
    return _NUMBER[0]


@contextlib.contextmanager
def variant(number: object) -> Iterator[None]:
    """Have checks draw from a number for a while.

    Example:
        >>> with variant("s17"):
        ...     student_number()
        's17'
        >>> student_number() is None
        True
    """
    before = _NUMBER[0]
    use_student(number)
    try:
        yield
    finally:
        _NUMBER[0] = before


def drawn(seed: int) -> torch.Generator:
    """The generator of a check's inputs: by its seed alone, or by the seed and the student's number.

    Args:
        seed: of the check, at least 0.

    Example:
        >>> with variant(17):
        ...     torch.equal(torch.rand(2, generator=drawn(0)), torch.rand(2, generator=drawn(0)))
        True
    """
    number = _NUMBER[0]
    return torch.Generator().manual_seed(seed if number is None else seed + 1000 * shift_of(number))


def shift_of(number: str) -> int:
    """Which of the variants a number has: one of `SHIFTS`, that looks random and is the same everywhere."""
    return SHIFTS[int.from_bytes(hashlib.sha256(number.encode()).digest()[:4], "little") % len(SHIFTS)]


def require_student(name: str, number: object) -> str:
    """A student's number as text.

    Args:
        name: the argument's name, for the message.
        number: a whole number, or a word that can name a folder on any system.

    Raises:
        TypeError: neither a whole number nor text.
        ValueError: another word.

    Example:
        >>> require_student("student", "../s17")
        Traceback (most recent call last):
        ...
        ValueError: student: '../s17' was given; allowed are 1 to 64 letters, digits and . _ - @ +, of which the first
        is a letter or a digit
    """
    if isinstance(number, bool) or not isinstance(number, int | str):
        raise TypeError(f"{name}: {number!r} was given; allowed is a whole number or a word of {ALLOWED}")
    text = str(number)
    if not re.fullmatch(r"[^\W_][\w.@+-]{0,63}", text) or text.endswith("."):
        raise ValueError(f"{name}: {text!r} was given; allowed are {ALLOWED}")
    return text
