"""What a check says of a reader's answer: done, not tried yet, or what is wrong and on which input."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import inspect
import math
import random
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

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
        if isinstance(result, bool | str | bytes):
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


def close(result: Tensor, wanted: Tensor, tolerance: float = 1e-4) -> bool:
    """Whether two tensors agree up to a tolerance, absolute and relative."""
    return torch.allclose(result.detach().to(wanted.dtype), wanted, rtol=tolerance, atol=tolerance)


def compare(
    result: Tensor,
    wanted: Tensor,
    mistakes: Iterable[tuple[Tensor, str]] = (),
    where: str = "",
    tolerance: float = 1e-4,
    axes: tuple[str, ...] = (),
) -> None:
    """Refuse a result that is not the wanted one, by the cause: a known mistake's, else `difference`'s.

    Args:
        result: what the reader's function gives, of the shape of `wanted`.
        wanted: what it should give.
        mistakes: what plausible mistakes give, and what to say of each. One of another shape, or one that comes to the
            same as what is wanted on this input, is passed over.
        where: on which input, as the words that the message begins with.
        tolerance: as in `close`.
        axes: what the axes count, such as ("image", "landmark"); without, they are numbered.

    Raises:
        WrongAnswer: the two are not close.

    Example:
        >>> compare(torch.tensor([1.0, 4.0]), torch.tensor([1.0, 2.0]), where="on two numbers")
        Traceback (most recent call last):
        tusklite.course.verdict.WrongAnswer: on two numbers: yours is the square of what it should be
    """
    if close(result, wanted, tolerance):
        return
    where = where and f"{where}: "
    for other, reason in mistakes:
        if other.shape == wanted.shape and close(result, other, tolerance) and not close(wanted, other, tolerance):
            raise WrongAnswer(where + reason)
    raise WrongAnswer(where + difference(result, wanted, tolerance, axes))


def difference(result: Tensor, wanted: Tensor, tolerance: float = 1e-4, axes: tuple[str, ...] = ()) -> str:
    """What a wrong result has to do with the right one: a factor, an order, or the place where the two part.

    Args:
        result: of the shape of `wanted`.
        wanted: what it should have been.
        tolerance: as in `close`.
        axes: what the axes count.

    Example:
        >>> wanted = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> difference(2 * wanted, wanted)
        'yours is 2 times what it should be, everywhere'
        >>> difference(wanted.mT, wanted)
        'these are the right numbers in another order: two axes are exchanged'
        >>> difference(wanted + torch.tensor([[0.0], [5.0]]), wanted, axes=("image", "point"))
        'image 0 is right, and no other'
    """
    whole = not result.is_floating_point() and wanted.is_floating_point()
    result, wanted = result.detach().double(), wanted.detach().double()
    if whole and any(torch.equal(result, cut) for cut in (wanted.trunc(), wanted.floor(), wanted.round())):
        return "these are whole numbers: what comes after the point is lost"

    def like(other: Tensor) -> bool:
        return other.shape == result.shape and close(result, other, tolerance)

    if not result.any():
        return "yours is 0, and it should not be" if wanted.numel() == 1 else "yours is 0 everywhere, and should not be"
    factor = float((result * wanted).sum() / wanted.square().sum().clamp_min(1e-30))
    everywhere = ", everywhere" * (wanted.numel() > 1)
    if like(-wanted):
        return f"the sign is turned round{everywhere}"
    plain = min(abs(abs(share) - round(abs(share))) for share in (factor, 1 / factor if factor else 0.0)) < 1e-3
    if like(factor * wanted) and f"{abs(factor):.3g}" not in ("0", "1") and (wanted.numel() > 1 or plain):
        turned = ", and the sign is turned round" * (factor < 0)
        return f"yours is {abs(factor):.3g} times what it should be{turned}{everywhere}"
    if like(wanted.square()):
        return "yours is the square of what it should be"
    if not (wanted < 0).any() and like(wanted.sqrt()):
        return "yours is the root of what it should be"
    if like(wanted.abs()):
        return "the sizes are right, and all signs are positive"
    if wanted.numel() > 1:
        if like(wanted + (result - wanted).mean()):
            return f"yours is too {_more(result, wanted)} by {(result - wanted).mean().abs():.3g}, everywhere"
        if like(result.mean().expand_as(result)) and not close(wanted, wanted.mean().expand_as(wanted), tolerance):
            return "yours is the same number everywhere, and it should not be"
        if order := _order(result, wanted, tolerance):
            return f"these are the right numbers in another order{order}"
    return _place(result, wanted, tolerance, axes)


def _more(result: Tensor, wanted: Tensor) -> str:
    return "large" if result.mean() > wanted.mean() else "small"


def _order(result: Tensor, wanted: Tensor, tolerance: float) -> str:
    """How the right numbers were put into another order, from a colon on; empty where they are other numbers."""
    if not close(result.flatten().sort().values, wanted.flatten().sort().values, tolerance):
        return ""
    axes = range(wanted.dim())
    for first in axes:
        if close(result, wanted.flip(first), tolerance):
            return f": dimension {first} is turned round"
        for second in range(first):
            other = wanted.transpose(first, second)
            if other.shape == result.shape and close(result, other, tolerance):
                return ": two axes are exchanged"
    return ": each stands at another's place"


def _place(result: Tensor, wanted: Tensor, tolerance: float, axes: tuple[str, ...]) -> str:
    """Where a result is right and where it is not."""
    good = (result - wanted).abs() <= tolerance + tolerance * wanted.abs()
    names = axes or tuple(f"index of dimension {axis}" for axis in range(wanted.dim()))
    for axis, (size, name) in enumerate(zip(wanted.shape, names, strict=True)):
        whole = good.movedim(axis, 0).reshape(size, -1).all(dim=1)
        if size > 1 and whole.any():
            right = ", ".join(str(i) for i in whole.nonzero().flatten().tolist())
            several = int(whole.sum()) > 1
            return f"{name} {right} {'are' if several else 'is'} right, and no other"
    worst = int((result - wanted).abs().argmax())
    asked, given = float(wanted.flatten()[worst]), float(result.flatten()[worst])
    spot = [int(i) for i in torch.unravel_index(torch.tensor(worst), wanted.shape)]
    at = f"at [{', '.join(map(str, spot))}] " if spot else ""
    digits = next(d for d in (4, 6, 9, 17) if d == 17 or f"{asked:.{d}g}" != f"{given:.{d}g}")
    share = "" if wanted.numel() == 1 else f", and {int((~good).sum())} of {wanted.numel()} numbers are off"
    return f"{at}it should be {asked:.{digits}g}, yours is {given:.{digits}g}{share}"


# Whatever way to a gradient there is in torch calls one of these.
AUTOGRAD: tuple[Callable[..., object], ...] = (
    torch.autograd.grad,
    torch.autograd.backward,
    torch.autograd.forward_ad.make_dual,
)
POOLING: tuple[Callable[..., object], ...] = (
    F.avg_pool2d,
    F.avg_pool3d,
    F.max_pool2d,
    F.adaptive_avg_pool2d,
    F.lp_pool2d,
)


def without(function: object, forbidden: Mapping[Callable[..., object], str]) -> object:
    """A reader's function that is refused as soon as it has called what the exercise rules out, by whatever name.

    Args:
        function: the reader's; what is no function comes back as it is.
        forbidden: functions, and what to say of a call of each.

    Returns:
        A function that does the same and raises `WrongAnswer` after a forbidden call, even one that failed.

    Example:
        >>> squares = without(lambda numbers: torch.square(numbers), {torch.square: "multiply"})
        >>> squares(torch.ones(2))
        Traceback (most recent call last):
        tusklite.course.verdict.WrongAnswer: you called `square`: multiply
    """
    if not callable(function):
        return function
    codes = {getattr(inspect.unwrap(name), "__code__", None): name for name in forbidden}

    def guarded(*inputs: object) -> object:
        called: list[Callable[..., object]] = []

        def note(frame: object, event: str, what: object) -> None:
            if event == "call" and frame.f_code in codes:  # type: ignore[attr-defined]
                called.append(codes[frame.f_code])  # type: ignore[attr-defined]
            elif event == "c_call":
                called.extend(name for name in forbidden if name is what)

        before = sys.getprofile()
        sys.setprofile(note)
        try:
            return function(*inputs)
        finally:
            sys.setprofile(before)
            if called and not isinstance(sys.exc_info()[1], KeyboardInterrupt):
                name = _plain_name(called[0])
                raise WrongAnswer(f"you called `{name}`: {forbidden[called[0]]}")

    return guarded


def refuse_loop(function: Callable[..., object], few: tuple, many: tuple, over: str) -> None:
    """Refuse a function that calls torch more often on a larger input, which it then goes through one by one.

    Args:
        function: the reader's; it has to be right on both inputs.
        few, many: inputs, of which the second has more of what `over` names.
        over: what the loop would go over, such as "landmarks".

    Raises:
        WrongAnswer: it loops; the message says how many calls were seen.
    """
    calls = []
    for inputs in (few, many):
        counted = _CountedCalls()

        def counting(*given: object, counted: _CountedCalls = counted) -> object:
            with counted:
                return function(*given)

        answer(counting, *inputs)
        calls.append(counted.calls)
    if calls[1] > calls[0]:
        raise WrongAnswer(
            f"it is right, but it loops over {over}: with more of them your {calls[0]} calls of torch become "
            f"{calls[1]}. Asked is one calculation for all, whatever their number"
        )


class _CountedCalls(TorchFunctionMode):
    """Counts calls of torch's functions and methods."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_function__(self, func: Callable, types: object, args: tuple = (), kwargs: dict | None = None) -> object:
        self.calls += 1
        return func(*args, **(kwargs or {}))


def _plain_name(function: Callable[..., object]) -> str:
    """A function's name as a reader writes it."""
    known = {id(F.max_pool2d): "max_pool2d", id(torch.autograd.backward): "backward"}
    return known.get(id(function), getattr(function, "__name__", "it"))


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
