"""What an exercise rules out is seen, whatever it is called by."""

from __future__ import annotations

import math
import sys

import pytest
import torch

from tusklite.course.shortcuts import AUTOGRAD, POOLING, refuse_loop, without
from tusklite.course.verdict import WrongAnswer, answer


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
