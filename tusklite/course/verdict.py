"""What a check says of a reader's answer: done, not tried yet, or what is wrong and on which input."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

MARKS = {"done": "✔", "not tried yet": "…", "wrong": "✘"}


@dataclass(frozen=True)
class Verdict:
    """What a check found; true where the exercise is done. A cell that ends in a check shows it.

    Attributes:
        status: "done", "not tried yet" or "wrong".
        message: one sentence for the reader.

    Example:
        >>> Verdict("done", "your spline goes through its points")
        ✔ done: your spline goes through its points
    """

    status: str
    message: str

    def __bool__(self) -> bool:
        return self.status == "done"

    def __repr__(self) -> str:
        return f"{MARKS[self.status]} {self.status}: {self.message}"


class WrongAnswer(Exception):
    """Raised inside a check; its text tells the reader what is wrong, and on which input."""


class NotTried(Exception):
    """Raised inside a check where the answer is still a stub."""


def verdict(praise: str) -> Callable[[Callable[..., None]], Callable[..., Verdict]]:
    """Make a check out of a function that raises `WrongAnswer`: whatever the answer does, the check returns a verdict.

    Args:
        praise: what an answer that is right gets to hear.

    Example:
        >>> @verdict("two and two are four")
        ... def check_double(double):
        ...     result = answer(double, 2)
        ...     if result != 4:
        ...         raise WrongAnswer(f"double(2) should be 4, yours gives {result}")
        >>> check_double(lambda number: number + 3)
        ✘ wrong: double(2) should be 4, yours gives 5
        >>> check_double(lambda number: ...)
        … not tried yet: replace the dots by your code, then run this cell again
        >>> check_double(lambda number: number / 0)
        ✘ wrong: your code raised ZeroDivisionError: division by zero
    """

    def decorate(check: Callable[..., None]) -> Callable[..., Verdict]:
        @functools.wraps(check)
        def checked(*answers: object) -> Verdict:
            try:
                # An answer that draws must not move the lesson's own random numbers.
                with torch.random.fork_rng(devices=[]):
                    check(*answers)
            except NotTried:
                return Verdict("not tried yet", "replace the dots by your code, then run this cell again")
            except WrongAnswer as wrong:
                return Verdict("wrong", str(wrong))
            except Exception as error:
                return Verdict("wrong", f"your code raised {type(error).__name__}: {error}")
            return Verdict("done", praise)

        return checked

    return decorate


def answer(function: Callable[..., object], *inputs: object) -> object:
    """What a reader's function gives for these inputs.

    Raises:
        NotTried: it is a stub: it gives None or dots, or raises NotImplementedError; or it is no function yet.
        WrongAnswer: it is something that cannot be called.
    """
    if function is None or function is ...:
        raise NotTried
    if not callable(function):
        raise WrongAnswer(f"a function is asked for, yours is of type {type(function).__name__}")
    try:
        result = function(*inputs)
    except NotImplementedError:
        raise NotTried from None
    if result is None or result is ...:
        raise NotTried
    return result


def answer_tensor(function: Callable[..., object], *inputs: object, shape: tuple[int, ...]) -> Tensor:
    """What a reader's function gives, if it is a finite tensor of this shape.

    Raises:
        NotTried: as `answer`.
        WrongAnswer: another type or shape, or values that are not finite; the message says which.
    """
    result = answer(function, *inputs)
    if not isinstance(result, Tensor):
        raise WrongAnswer(f"a tensor is asked for, yours gives {type(result).__name__}")
    if tuple(result.shape) != shape:
        raise WrongAnswer(f"the result should have shape {shape}, yours has {tuple(result.shape)}")
    if not torch.isfinite(result).all():
        raise WrongAnswer("the result holds NaN or infinite values")
    return result


def close(result: Tensor, wanted: Tensor, tolerance: float = 1e-4) -> bool:
    """Whether two tensors agree up to a tolerance, absolute and relative."""
    return torch.allclose(result.detach().to(wanted.dtype), wanted, rtol=tolerance, atol=tolerance)
