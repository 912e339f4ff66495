"""What an exercise rules out, by whatever name it is called: the package's own answer, autograd, pooling, loops."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from tusklite.course.verdict import WrongAnswer, answer

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

    def guarded(*inputs: object) -> object:
        called: list[Callable[..., object]] = []
        try:
            with noting(forbidden, called):
                return function(*inputs)
        finally:
            if called and not isinstance(sys.exc_info()[1], KeyboardInterrupt):
                name = _plain_name(called[0])
                raise WrongAnswer(f"you called `{name}`: {forbidden[called[0]]}")

    return guarded


# What is looked for in the answer that is being called: whoever calls it in another process looks for it there.
LOOKED_FOR: list[tuple[tuple[Callable[..., object], ...], list[Callable[..., object]]]] = []
COUNTED: list[CountedCalls] = []


@contextlib.contextmanager
def noting(forbidden: Iterable[Callable[..., object]], called: list[Callable[..., object]]) -> Iterator[None]:
    """Note which of some functions are called meanwhile.

    Args:
        forbidden: the functions.
        called: gets each of them as often as it is called.

    Example:
        >>> called = []
        >>> with noting([torch.square], called):
        ...     _ = torch.ones(2) * torch.square(torch.ones(2))
        >>> called == [torch.square]
        True
    """
    forbidden = tuple(forbidden)
    codes = {getattr(inspect.unwrap(name), "__code__", None): name for name in forbidden}

    def note(frame: object, event: str, what: object) -> None:
        if event == "call" and frame.f_code in codes:  # type: ignore[attr-defined]
            called.append(codes[frame.f_code])  # type: ignore[attr-defined]
        elif event == "c_call":
            called.extend(name for name in forbidden if name is what)

    before = sys.getprofile()
    LOOKED_FOR.append((forbidden, called))
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(before)
        LOOKED_FOR.pop()


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
        counted = CountedCalls()

        def counting(*given: object, counted: CountedCalls = counted) -> object:
            with counted:
                return function(*given)

        answer(counting, *inputs)
        calls.append(counted.calls)
    if calls[1] > calls[0]:
        raise WrongAnswer(
            f"it is right, but it loops over {over}: with more of them your {calls[0]} calls of torch become "
            f"{calls[1]}. Asked is one calculation for all, whatever their number"
        )


class CountedCalls(TorchFunctionMode):
    """Counts calls of torch's functions and methods.

    Example:
        >>> with CountedCalls() as counted:
        ...     _ = torch.ones(2).sum()
        >>> counted.calls
        2
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __enter__(self) -> CountedCalls:
        COUNTED.append(self)
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        COUNTED.remove(self)
        super().__exit__(*error)

    def __torch_function__(self, func: Callable, types: object, args: tuple = (), kwargs: dict | None = None) -> object:
        self.calls += 1
        return func(*args, **(kwargs or {}))


def _plain_name(function: Callable[..., object]) -> str:
    """A function's name as a reader writes it."""
    known = {id(F.max_pool2d): "max_pool2d", id(torch.autograd.backward): "backward"}
    return known.get(id(function), getattr(function, "__name__", "it"))
