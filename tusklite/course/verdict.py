"""What a check says of a reader's answer: done, not tried yet, or what is wrong and on which input."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import math
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

LONGEST = 2000  # characters of what an exception says that are shown
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


def verdict(
    praise: str, worked: Callable[..., object] | None = None
) -> Callable[[Callable[..., None]], Callable[..., Verdict]]:
    """Make a check out of a function that raises `WrongAnswer`: whatever the answer does, the check returns a verdict.

    Only who presses the stop button stops it (KeyboardInterrupt). What the answer sets for all, such as torch's default
    type, is as it was before.

    Args:
        praise: what an answer that is right gets to hear.
        worked: for an exercise that a lesson builds on, what `go_on_with` puts in until the reader's is done.

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
                with _undisturbed():
                    check(*answers)
            except NotTried:
                return Verdict("not tried yet", "replace the dots by your code, then run this cell again")
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                said = _text(error)
                if isinstance(error, WrongAnswer):
                    return Verdict("wrong", said)
                return Verdict("wrong", f"your code raised {_class_name(error)}{': ' * bool(said)}{said}")
            return Verdict("done", praise)

        checked.worked = worked  # type: ignore[attr-defined]
        return checked

    return decorate


def go_on_with(function: object, check: Callable[..., Verdict]) -> Callable[..., object]:
    """What a lesson builds on: the reader's function where its check says done, else the worked one. Says which.

    Args:
        function: the reader's, or still a stub.
        check: its check, which was made with a worked function.

    Example:
        >>> @verdict("two and two are four", worked=lambda number: 2 * number)
        ... def check_double(double):
        ...     if answer(double, 2) != 4:
        ...         raise WrongAnswer("double(2) should be 4")
        >>> go_on_with(lambda number: ..., check_double)(8)
        double: the lesson goes on with the worked solution until yours passes
        16
    """
    name = check.__name__.removeprefix("check_")  # type: ignore[attr-defined]
    if check(function):
        print(f"{name}: the lesson goes on with yours")
        return function  # type: ignore[return-value]
    print(f"{name}: the lesson goes on with the worked solution until yours passes")
    return check.worked  # type: ignore[attr-defined]


def answer(function: Callable[..., object], *inputs: object) -> object:
    """What a reader's function gives for these inputs, of which it gets copies (but of tensors that need a gradient).

    What a check calculates in double precision arrives in single precision: in it the lessons work, and in it
    `torch.arange(3.0)` and the like are made.

    Raises:
        NotTried: it is a stub: it gives None or dots, or raises NotImplementedError; or it is no function yet.
        WrongAnswer: it is something that cannot be called, it changes its inputs, or gives a tensor on another device.
    """
    if function is None or function is ...:
        raise NotTried
    if not callable(function):
        raise WrongAnswer(f"a function is asked for, yours is of type {_class_name(function)}")
    given, kept = [_single(value) for value in inputs], [_single(value) for value in inputs]
    before = [value.detach().clone() if _needs_gradient(value) else value for value in kept]
    needed = [value for value in inputs if _needs_gradient(value)]
    try:
        with _undisturbed():
            result = function(*given)
    except NotImplementedError:
        raise NotTried from None
    if result is None or result is ...:
        raise NotTried
    if not all(map(_needs_gradient, needed)):
        for value in needed:
            value.requires_grad_()
        raise WrongAnswer("you switched the input's gradient off, its owner still needs it: `detach` gives one without")
    if not all(map(_same, given, before)):
        raise WrongAnswer("you changed the input that was given: work on a copy, its owner still needs it")
    if isinstance(result, Tensor):
        if type(result) not in (Tensor, torch.nn.Parameter):
            raise WrongAnswer(f"a plain tensor is asked for, yours is of type {_class_name(result)}")
        if result.device.type != "cpu":
            raise WrongAnswer(f"the result should be where the inputs are, on the cpu; yours is on {result.device}")
    return result


def answer_number(function: Callable[..., object], *inputs: object) -> float:
    """What a reader's function gives, if it is one number, of Python, NumPy or torch.

    Raises:
        NotTried, WrongAnswer: as `answer`; or it is no number, or none that is finite.
    """
    result = answer(function, *inputs)
    try:
        if isinstance(result, bool | str | bytes | np.complexfloating):
            raise TypeError
        if isinstance(result, Tensor) and result.is_complex():
            raise TypeError
        number = float(result.detach() if isinstance(result, Tensor) else result)
    except (TypeError, ValueError, RuntimeError):
        raise WrongAnswer(f"a number is asked for, yours gives {_class_name(result)}") from None
    if not math.isfinite(number):
        raise WrongAnswer(f"a finite number is asked for, yours gives {number}")
    return number


def answer_tensor(function: Callable[..., object], *inputs: object, shape: tuple[int, ...]) -> Tensor:
    """What a reader's function gives, if it is a finite tensor of this shape; without its gradient.

    Raises:
        NotTried: as `answer`.
        WrongAnswer: another type or shape, or values that are not finite; the message says which.
    """
    result = answer(function, *inputs)
    if not isinstance(result, Tensor):
        raise WrongAnswer(f"a tensor is asked for, yours gives {_class_name(result)}")
    if tuple(result.shape) != shape:
        raise WrongAnswer(f"the result should have shape {shape}, yours has {tuple(result.shape)}")
    if result.is_complex() or result.layout is not torch.strided:
        raise WrongAnswer(f"a dense tensor of real numbers is asked for, yours is {result.layout} of {result.dtype}")
    if not torch.isfinite(result).all():
        raise WrongAnswer("the result holds NaN or infinite values")
    if result.is_floating_point() and torch.finfo(result.dtype).bits < 32:
        raise WrongAnswer(
            f"yours is of type {result.dtype}, which has too few digits; stay with the type of the inputs"
        )
    return result.detach()


def _default_device() -> torch.device:
    return torch.empty(0).device  # torch's own getter fails in 2.6 once a default was taken back


def _set_default_device(device: torch.device) -> None:
    # torch's own setter takes note of each call, and slows every tensor down from then on.
    if device != _default_device():
        torch.set_default_device(None if device.type == "cpu" else device)


# What a piece of code can set for all that comes after it: how to read it, and how to set it back.
SETTINGS: tuple[tuple[Callable[[], object], Callable[[object], object]], ...] = (
    (torch.get_default_dtype, torch.set_default_dtype),
    (_default_device, _set_default_device),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
    (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (np.geterr, lambda errors: np.seterr(**errors)),
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (sys.getprofile, lambda watch: watch is sys.getprofile() or sys.setprofile(watch)),
    (sys.gettrace, lambda watch: watch is sys.gettrace() or sys.settrace(watch)),
    (lambda: (sys.stdout, sys.stderr), lambda both: vars(sys).update(zip(("stdout", "stderr"), both, strict=True))),
    (torch.random.get_rng_state, torch.random.set_rng_state),
    (np.random.get_state, np.random.set_state),
    (random.getstate, random.setstate),
)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Leave the lesson's random numbers and settings as they were, whatever the code inside does."""
    before = [read() for read, _ in SETTINGS]
    with warnings.catch_warnings():
        try:
            yield
        finally:
            for (_, restore), value in zip(SETTINGS, before, strict=True):
                restore(value)


def _needs_gradient(value: object) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def _single(value: object) -> object:
    """A copy, in single precision where it is in double; a tensor that needs a gradient stays what it is."""
    if isinstance(value, Tensor):
        return value if value.requires_grad else value.to(_SINGLE.get(value.dtype, value.dtype), copy=True)
    if isinstance(value, Mapping):
        return {key: _single(part) for key, part in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(value, **{field.name: _single(part) for field, part in _fields(value)})
    return copy.deepcopy(value)


_SINGLE = {torch.float64: torch.float32}


def _fields(value: object) -> list[tuple[dataclasses.Field, object]]:
    return [(field, getattr(value, field.name)) for field in dataclasses.fields(value)]  # type: ignore[arg-type]


def _same(after: object, before: object) -> bool:
    """Whether tensors, alone or in a mapping or a dataclass, are as before; anything else was a copy anyway."""
    if isinstance(before, Mapping):
        return after.keys() == before.keys() and all(_same(after[key], value) for key, value in before.items())
    if dataclasses.is_dataclass(before):
        return all(_same(now, then) for (_, now), (_, then) in zip(_fields(after), _fields(before), strict=True))
    return not isinstance(before, Tensor) or torch.equal(after, before)


def _class_name(value: object) -> str:
    """The name of a value's type, which no trick can hide."""
    return type.__dict__["__name__"].__get__(type(value))


def _text(error: BaseException) -> str:
    """What an exception says, if it can say anything."""
    try:
        said = str(error).encode(errors="backslashreplace").decode()
        return said if len(said) <= LONGEST else f"{said[:LONGEST]} …"
    except KeyboardInterrupt:
        raise
    except BaseException:
        return "and its own message cannot be read"
