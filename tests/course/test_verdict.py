"""Whatever a reader writes, every check gives a verdict, and leaves the notebook as it was."""

from __future__ import annotations

import asyncio
import importlib
import io
import math
import random
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from lesson_definitions import definitions

from tusklite.course.verdict import (
    AUTOGRAD,
    LONGEST,
    POOLING,
    WrongAnswer,
    answer,
    answer_number,
    answer_tensor,
    compare,
    difference,
    refuse_loop,
    verdict,
    without,
)

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


@pytest.mark.parametrize("given", [True, "many", "1", b"1", torch.zeros(2), [1], 1j])
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


def by_graph(numbers: torch.Tensor) -> torch.Tensor:
    with torch.enable_grad():
        leaf = numbers.clone().requires_grad_()
        return torch.autograd.grad(leaf.square().sum(), leaf)[0]


def by_backward(numbers: torch.Tensor) -> torch.Tensor:
    leaf = numbers.clone().requires_grad_()
    leaf.square().sum().backward()
    return leaf.grad


@pytest.mark.parametrize(
    "gradient",
    [
        by_graph,
        by_backward,
        torch.func.grad(lambda numbers: numbers.square().sum()),
        lambda numbers: torch.func.vjp(torch.square, numbers)[1](torch.ones(3))[0],
        lambda numbers: torch.func.jvp(torch.square, (numbers,), (torch.ones(3),))[1],
        lambda numbers: torch.autograd.functional.jacobian(torch.square, numbers).diagonal(),
        torch.no_grad()(by_backward),
    ],
    ids=["grad", "backward", "func.grad", "vjp", "jvp", "jacobian", "switched off"],
)
def test_every_way_to_autograd_is_seen(gradient):
    watched = without(gradient, dict.fromkeys(AUTOGRAD, "by hand"))
    with pytest.raises(WrongAnswer, match=r"you called `(grad|backward|make_dual)`: by hand"):
        answer(watched, torch.ones(3))
    assert sys.getprofile() is None
    assert answer(without(lambda numbers: 2 * numbers, dict.fromkeys(AUTOGRAD, "by hand")), torch.ones(3)).sum() == 6


@pytest.mark.parametrize(
    "pool",
    [
        lambda maps: torch.nn.functional.avg_pool2d(maps, 2),
        torch.nn.AvgPool2d(2),
        torch.nn.MaxPool2d(2),
        torch.nn.AdaptiveAvgPool2d(2),
        lambda maps: torch.nn.functional.max_pool2d(maps, 2),
        lambda maps: torch.nn.functional.interpolate(maps, (2, 2), mode="area"),
    ],
)
def test_every_way_to_pool_is_seen(pool):
    with pytest.raises(WrongAnswer, match="pool2d`: by hand"):
        answer(without(pool, dict.fromkeys(POOLING, "by hand")), torch.ones(1, 1, 4, 4))


def test_a_forbidden_call_cannot_be_hidden():
    def hiding(number: float) -> float:
        helper = {"name": math.exp}["name"]
        try:
            slow_square(number)
        except ValueError:
            return 4.0
        return helper(number)

    def slow_square(number: float) -> float:
        raise ValueError

    with pytest.raises(WrongAnswer, match="you called `slow_square`: multiply"):
        answer(without(hiding, {slow_square: "multiply"}), 2.0)
    assert answer(without(lambda number: number * number, {slow_square: "multiply"}), 2.0) == 4.0
    assert without(None, {slow_square: "multiply"}) is None
    assert without(7, {slow_square: "multiply"}) == 7


def test_the_stop_button_comes_before_what_is_forbidden():
    def stopped(number: float) -> None:
        math.exp(number)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answer(without(stopped, {math.exp: "no"}), 2.0)


@pytest.mark.parametrize(
    "sums",
    [
        lambda maps: torch.stack([part.sum() for part in maps]),
        lambda maps: torch.cat([maps[i].sum()[None] for i in range(len(maps))]),
        lambda maps: torch.tensor([float(part.sum()) for part in maps.unbind()]),
    ],
)
def test_a_loop_is_seen_to_grow(sums):
    few, many = (torch.ones(2, 3),), (torch.ones(9, 3),)
    with pytest.raises(WrongAnswer, match=r"it loops over maps: with more of them your .* calls of torch become"):
        refuse_loop(sums, few, many, over="maps")


@pytest.mark.parametrize(
    "sums",
    [
        lambda maps: maps.sum(dim=1),
        lambda maps: maps @ torch.ones(maps.shape[1]),
        lambda maps: torch.einsum("ij->i", maps),
        lambda maps: torch.vmap(torch.sum)(maps),
    ],
)
def test_one_calculation_for_all_is_no_loop(sums):
    refuse_loop(sums, (torch.ones(2, 3),), (torch.ones(90, 40),), over="maps")
