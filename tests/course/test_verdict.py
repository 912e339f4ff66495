"""Whatever a reader writes, every check gives a verdict, and leaves the notebook as it was."""

from __future__ import annotations

import asyncio
import importlib
import io
import math
import random
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from lesson_definitions import definitions

from tusklite.course.verdict import LONGEST, WrongAnswer, answer, answer_number, answer_tensor, verdict

ROOT = Path(__file__).resolve().parents[2]
EXERCISES = []  # check, worked solution
for lesson in sorted((ROOT / "notebooks").glob("*.ipynb")):
    room = importlib.import_module(f"tusklite.course.{lesson.stem[3:]}")
    if checks := [name for name in room.__all__ if name.startswith("check_")]:
        solutions = definitions(f"solutions/{lesson.stem}")
        EXERCISES += [(getattr(room, name), solutions[name.removeprefix("check_")]) for name in checks]
EACH_EXERCISE = pytest.mark.parametrize(
    ("check", "solution"), EXERCISES, ids=[check.__name__.removeprefix("check_") for check, _ in EXERCISES]
)


class NoWords(Exception):
    def __str__(self) -> str:
        raise SystemExit("no words")

    __repr__ = __format__ = __str__


class NoName(type):
    @property
    def __name__(cls) -> str:
        raise ValueError("no name")


class Nameless(Exception, metaclass=NoName):
    pass


class Rigid(Exception):
    def __setattr__(self, name: str, value: object) -> None:
        raise SystemExit("no notes")


class HalfWrong(WrongAnswer):
    def __str__(self) -> str:
        raise RuntimeError("half")


class Poison:
    """Nothing can be asked of it."""

    def __getattribute__(self, name: str) -> object:
        raise SystemExit(name)

    def _refuse(self, *others: object) -> None:
        raise SystemExit("poison")

    __eq__ = __len__ = __iter__ = __float__ = __int__ = __bool__ = __repr__ = __hash__ = __array__ = _refuse
    __call__ = __getitem__ = __contains__ = __sub__ = __rsub__ = __deepcopy__ = _refuse


class Stubborn(torch.Tensor):
    """A tensor that lets nobody calculate with it."""

    @classmethod
    def __torch_function__(cls, func: object, types: object, args: object = (), kwargs: object = None) -> object:
        raise SystemExit("stubborn")


class Flatterer(torch.Tensor):
    """A tensor that says yes to whatever is asked of it."""

    @classmethod
    def __torch_function__(cls, func: object, types: object, args: object = (), kwargs: object = None) -> object:
        return True


class Agreeing:
    """Equal to everything, and not unequal to anything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = object.__hash__


class AgreeingNumber(float):
    __eq__, __ne__, __hash__ = Agreeing.__eq__, Agreeing.__ne__, float.__hash__


class AgreeingWord(str):
    __eq__, __ne__, __hash__ = Agreeing.__eq__, Agreeing.__ne__, str.__hash__


class Bottomless(dict):
    """A dictionary whose keys never end."""

    def __iter__(self) -> object:
        while True:
            yield "tap"

    keys = __iter__


def for_ever(*inputs: object) -> object:
    while True:
        yield torch.zeros(2)


def raises(error: BaseException) -> Callable[..., object]:
    def function(*inputs: object) -> None:
        raise error

    return function


def endless(*inputs: object) -> object:
    return endless(*inputs)


CRASHES = {
    "exits": (raises(SystemExit(3)), "your code raised SystemExit: 3"),
    "exits without a word": (raises(SystemExit()), "your code raised SystemExit"),
    "closes": (raises(GeneratorExit()), "your code raised GeneratorExit"),
    "stops": (raises(StopIteration("early")), "your code raised StopIteration: early"),
    "is cancelled": (raises(asyncio.CancelledError()), "your code raised CancelledError"),
    "has no words": (raises(NoWords()), "your code raised NoWords: and its own message cannot be read"),
    "has no name": (raises(Nameless("x")), "your code raised Nameless: x"),
    "takes no notes": (raises(Rigid()), "your code raised"),
    "is half wrong": (raises(HalfWrong()), "and its own message cannot be read"),
    "speaks in halves": (raises(ValueError("\ud800")), r"your code raised ValueError: \ud800"),
    "asserts": (raises(AssertionError()), "your code raised AssertionError"),
    "never ends": (endless, "your code raised RecursionError: "),
    "is no function": (7, "a function is asked for, yours is of type int"),
    "is poison": (Poison(), "your code raised SystemExit"),
    "gives poison": (lambda *inputs: Poison(), ""),
    "gives a type": (lambda *inputs: Poison, ""),
    "gives itself": (lambda *inputs: inputs, ""),
    "takes nothing": (lambda: 1, "your code raised TypeError"),
    "yields for ever": (for_ever, ""),
    "agrees": (lambda *inputs: Agreeing(), ""),
    "is a number that agrees": (lambda *inputs: AgreeingNumber(0.123), ""),
    "is a word that agrees": (lambda *inputs: AgreeingWord("healthy"), ""),
    "gives a word": (lambda *inputs: "1", ""),
    "has no end": (lambda *inputs: Bottomless(), ""),
    "flatters": (lambda *inputs: torch.zeros(3).as_subclass(Flatterer), ""),
    "speaks at length": (raises(ValueError("long " * 10_000)), "your code raised ValueError: long long"),
}


@EACH_EXERCISE
@pytest.mark.parametrize("crash", CRASHES)
def test_a_crash_is_a_verdict(check, solution, crash):
    hostile, words = CRASHES[crash]
    found = check(hostile)
    assert found.status == "wrong"
    assert found.message.startswith(words)
    assert not found
    assert repr(found).startswith("✘ wrong: ")


def on_tensors(result: object, change: Callable[[torch.Tensor], object]) -> object:
    """The same result, with each of its tensors changed."""
    if isinstance(result, torch.Tensor):
        return change(result)
    if isinstance(result, tuple | list):
        return type(result)(on_tensors(part, change) for part in result)
    return result


def spoilt(solution: Callable[..., object], change: Callable[[torch.Tensor], object], kept: list[bool]) -> Callable:
    """A solution that gives its tensors in another form; notes whether there were any."""

    def function(*inputs: object) -> object:
        def changed(part: torch.Tensor) -> object:
            kept.append(True)
            return change(part)

        return on_tensors(solution(*inputs), changed)

    return function


@EACH_EXERCISE
@pytest.mark.parametrize(
    "change",
    [
        lambda part: part.to("meta"),
        lambda part: part.to(torch.complex64),
        lambda part: part.to_sparse() if part.dim() else part.to("meta"),
        lambda part: torch.full_like(part, torch.nan) if part.is_floating_point() else part + 7,
        lambda part: torch.stack([part, part]),
        lambda part: part.as_subclass(Stubborn),
        lambda part: torch.zeros_like(part).as_subclass(Flatterer),
    ],
    ids=["on another device", "complex", "sparse", "of nothing", "twice as many", "of another kind", "flattering"],
)
def test_a_strange_tensor_is_not_taken_for_the_answer(check, solution, change):
    kept = []
    found = check(spoilt(solution, change, kept))
    assert found.status == ("wrong" if kept else "done"), found


@EACH_EXERCISE
def test_a_gradient_is_no_hindrance(check, solution):
    def with_gradient(part: torch.Tensor) -> torch.Tensor:
        needs = part.is_floating_point() and not part.requires_grad
        return part + 0 * torch.zeros((), dtype=part.dtype, requires_grad=True) if needs else part

    assert check(spoilt(solution, with_gradient, [])).status == "done"


@EACH_EXERCISE
def test_an_answer_that_changes_its_input_is_told_so(check, solution):
    changed = []

    def wipes(*inputs: object) -> object:
        result = on_tensors(solution(*inputs), torch.clone)
        for value in inputs:
            if isinstance(value, torch.Tensor) and not value.requires_grad:
                changed.append(value.zero_() if value.any() else value.add_(1))
        return result

    found = check(wipes)
    assert found.status == ("wrong" if changed else "done")
    if changed:
        assert found.message == "you changed the input that was given: work on a copy, its owner still needs it"


@EACH_EXERCISE
def test_what_an_answer_prints_draws_and_sets_is_gone_with_it(check, solution, capsys):
    def busy(*inputs: object) -> object:
        result = solution(*inputs)
        print("thinking")
        torch.manual_seed(7), torch.rand(3), np.random.rand(3), random.random()  # noqa: NPY002
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.set_grad_enabled(False)
        torch.use_deterministic_algorithms(True)
        torch.set_num_threads(torch.get_num_threads() + 1)
        torch.autograd.set_detect_anomaly(True)
        torch.set_float32_matmul_precision("medium")
        np.seterr(all="ignore")
        sys.setrecursionlimit(sys.getrecursionlimit() + 1)
        warnings.simplefilter("ignore")
        sys.stdout = io.StringIO()
        sys.setprofile(lambda *what: None)
        return result

    def state() -> list[object]:
        torch_state, numpy_state = torch.random.get_rng_state().tolist(), np.random.get_state()[1].tolist()  # noqa: NPY002
        numbers = [torch_state, numpy_state, random.getstate(), torch.get_default_dtype(), torch.empty(0).device]
        return [
            *numbers,
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            torch.are_deterministic_algorithms_enabled(),
            torch.is_anomaly_enabled(),
            torch.get_float32_matmul_precision(),
            np.geterr(),
            sys.getrecursionlimit(),
            warnings.filters[:],
            sys.stdout,
            sys.getprofile(),
        ]

    before = state()
    assert check(busy).status == "done"
    assert state() == before
    assert "thinking" in capsys.readouterr().out
    assert check(raises(SystemExit())).status == "wrong"
    assert state() == before


@EACH_EXERCISE
def test_only_the_stop_button_stops_a_check(check, solution):
    with pytest.raises(KeyboardInterrupt):
        check(raises(KeyboardInterrupt()))
    assert not torch.are_deterministic_algorithms_enabled()


def test_an_answer_gets_copies_of_all_but_tensors_that_need_a_gradient():
    plain, leaf, row = torch.zeros(2), torch.zeros(2, requires_grad=True), {"a": torch.zeros(2), "b": 3}
    given = []
    answer(lambda *inputs: given.extend(inputs) or 1, plain, leaf, row)
    assert given[0] is not plain
    assert given[1] is leaf
    assert given[2]["a"] is not row["a"]
    for spoil in (lambda a, b, c: c["a"].add_(1), lambda a, b, c: c.pop("a"), lambda a, b, c: a.resize_(3)):
        with pytest.raises(WrongAnswer, match="you changed the input"):
            answer(spoil, plain, leaf, row)
    assert row.keys() == {"a", "b"}
    assert answer(lambda a, b, c: c.update(b=4) or 1, plain, leaf, row) == 1  # numbers belong to the copy alone
    assert row["b"] == 3


@pytest.mark.parametrize(
    ("given", "number"), [(3, 3.0), (2.5, 2.5), (torch.tensor([1.5]), 1.5), (np.float32(0.5), 0.5)]
)
def test_a_number_may_come_from_anywhere(given, number):
    assert answer_number(lambda: given) == number


def test_an_answer_gets_single_precision_and_is_told_when_it_takes_the_gradient_off():
    given = []
    answer(lambda *inputs: given.extend(inputs) or 1, torch.zeros(2).double(), {"a": torch.zeros(2).double()}, 2.0)
    assert given[0].dtype == given[1]["a"].dtype == torch.float32
    leaf = torch.ones(2, requires_grad=True)
    with pytest.raises(WrongAnswer, match="you switched the input's gradient off"):
        answer(lambda point: point.requires_grad_(False), leaf)
    assert leaf.requires_grad
    with pytest.raises(WrongAnswer, match="you changed the input"):
        answer(lambda point: point.data.mul_(2), leaf)


@pytest.mark.parametrize("given", [math.nan, math.inf, torch.tensor(-math.inf)])
def test_a_number_is_finite(given):
    with pytest.raises(WrongAnswer, match=r"a finite number is asked for, yours gives (nan|-?inf)"):
        answer_number(lambda: given)


@pytest.mark.parametrize(
    "given", [True, "many", "1", b"1", torch.zeros(2), [1], 1j, np.complex64(1), torch.tensor(1 + 0j)]
)
def test_what_is_no_number_is_said(given):
    with pytest.raises(WrongAnswer, match=f"a number is asked for, yours gives {type(given).__name__}"):
        answer_number(lambda: given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (torch.zeros(2, 3), "shape"),
        (torch.zeros(3, device="meta"), "on meta"),
        (torch.zeros(3).to_sparse(), "dense tensor of real numbers"),
        (torch.zeros(3).half(), "yours is of type torch.float16, which has too few digits"),
        (torch.zeros(3, dtype=torch.complex64), "real numbers is asked for, yours is torch.strided of torch.complex64"),
        (torch.tensor([1.0, float("inf"), 0]), "NaN or infinite"),
        ([0, 0, 0], "a tensor is asked for, yours gives list"),
    ],
)
def test_a_tensor_is_looked_at_before_it_is_judged(given, words):
    with pytest.raises(WrongAnswer, match=words):
        answer_tensor(lambda: given, shape=(3,))


def test_a_tensor_comes_without_its_gradient():
    assert not answer_tensor(lambda: torch.zeros(3, requires_grad=True), shape=(3,)).requires_grad


def test_whatever_breaks_inside_the_check_itself_is_a_verdict_too():
    @verdict("fine")
    def check(given: object) -> None:
        raise WrongAnswer(f"yours gives {given}")

    assert check(Poison()).message == "your code raised SystemExit: poison"
    assert check().status == "wrong"


def test_what_an_exception_says_is_cut():
    @verdict("fine")
    def check(given: object) -> None:
        answer(given)

    assert len(check(raises(ValueError("x" * 10**6))).message) < LONGEST + 100
