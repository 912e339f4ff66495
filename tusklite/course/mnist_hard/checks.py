"""Checks for lesson 13: the loop of a training, names for prototypes, and whether a gain is more than luck."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from scipy.stats import permutation_test, ttest_ind
from torch import Tensor, nn

from tusklite.course.comparison import close
from tusklite.course.shortcuts import without
from tusklite.course.variants import drawn
from tusklite.course.verdict import WrongAnswer, answer, answer_number, answer_tensor, verdict
from tusklite.data.loader import batch_indices
from tusklite.methods.base import Batch, Optimizers
from tusklite.metrics import match_prototypes
from tusklite.train.loop import fit
from tusklite.train.schedule import Schedule


def _train_for(method, scenes, schedule, steps):  # type: ignore[no-untyped-def]
    """Train a method from its first step on; returns what the last step says of its loss terms."""
    optimizers, values = method.optimizers(), {}
    full_rate = optimizers["network"].param_groups[0]["lr"]
    for step in range(steps):
        method.before_step(step, scenes)
        for group in optimizers["network"].param_groups:
            group["lr"] = full_rate * schedule.rate(step)
        indices = batch_indices(len(scenes), schedule.batch, step, schedule.seed)
        values = method.training_step(Batch(scenes.scenes(indices).image, indices, step), optimizers)
    return values


class _Diary(list):
    """What was called with what; a copy of whoever keeps it writes into the same one."""

    def __deepcopy__(self, memory: object) -> _Diary:
        return self


class _Before(NamedTuple):
    """One call of `before_step`."""

    step: object


class _Step(NamedTuple):
    """One call of `training_step`."""

    step: object
    indices: list[int]
    matches: bool  # the images are those of the indices
    rate: float
    optimizer: object


class _Images(NamedTuple):
    image: Tensor


class _Scenes:
    """Eleven images of one pixel, each of which tells its own number."""

    reads_files = False

    def __len__(self) -> int:
        return 11

    def scenes(self, indices: Sequence[int] | Tensor) -> _Images:
        return _Images(torch.as_tensor(indices).float().view(-1, 1, 1, 1))


class _Method(nn.Module):
    """A method that learns nothing, and keeps a diary of who asks what of it."""

    def __init__(self, diary: _Diary) -> None:
        super().__init__()
        self.diary = diary
        self.weight = nn.Parameter(torch.zeros(()))

    def optimizers(self) -> Optimizers:
        return {name: torch.optim.Adam([self.weight], lr=rate) for name, rate in (("network", 0.5), ("other", 0.25))}

    def before_step(self, step: int, data: object) -> dict[str, object]:
        if not isinstance(data, _Scenes):
            raise WrongAnswer("`before_step` is given the step and the scenes, in that order")
        self.diary.append(_Before(step))
        return {}

    def training_step(self, batch: Batch, optimizers: Optimizers) -> dict[str, Tensor]:
        if not isinstance(batch, Batch):
            raise WrongAnswer("`training_step` is given a `Batch(images, indices, step)` and the optimizers")
        if not isinstance(optimizers, dict) or "network" not in optimizers:
            raise WrongAnswer("`training_step` is given all optimizers, the dictionary that `method.optimizers()` gave")
        images, indices = batch.images.flatten(), torch.as_tensor(batch.indices)
        there = images.shape == indices.shape and bool((images == indices).all())
        rate = optimizers["network"].param_groups[0]["lr"]
        self.diary.append(_Step(batch.step, indices.tolist(), there, float(rate), optimizers["network"]))
        return {"seen": images.sum()}


@verdict("your loop is the one that trains: the same scenes, at the same rate, in the same order", worked=_train_for)
def check_train_for(train_for: Callable[..., object]) -> None:
    """Check `train_for(method, scenes, schedule, steps) -> values of the last step`.

    Example:
        >>> check_train_for(lambda method, scenes, schedule, steps: {})
        ✘ wrong: 7 steps are asked for, and `training_step` is called 0 times
    """
    train_for = without(train_for, {fit: "it is the package's loop; write your own"})
    for schedule, steps in ((Schedule(steps=20, batch=4, seed=3, warmup=5), 7), (Schedule(steps=9, batch=5), 9)):
        diary, scenes = _Diary(), _Scenes()
        values = answer(train_for, _Method(diary), scenes, schedule, steps)
        taken = [entry for entry in diary if isinstance(entry, _Step)]
        _require_steps(taken, schedule, steps)
        _require_scenes(taken, schedule, len(scenes))
        _require_rates(taken, schedule)
        _require_before(diary, steps)
        last = _Scenes().scenes(taken[-1].indices).image.sum()
        if not isinstance(values, dict) or not close(torch.as_tensor(values.get("seen", -1.0)), last):
            raise WrongAnswer("all is done in order; give back what the last `training_step` gave")


def _require_steps(taken: list[_Step], schedule: Schedule, steps: int) -> None:
    if len(taken) == schedule.steps != steps:
        raise WrongAnswer(f"{steps} steps are asked for; you took all {schedule.steps} of the schedule")
    if len(taken) != steps:
        raise WrongAnswer(f"{steps} steps are asked for, and `training_step` is called {len(taken)} times")
    numbers = [entry.step for entry in taken]
    if numbers == list(range(1, steps + 1)):
        raise WrongAnswer("you number the steps from 1; they are counted from 0")
    if len(set(numbers)) == 1:
        raise WrongAnswer(f"every batch says that it is step {numbers[0]}, and what is drawn depends on that number")
    if numbers != list(range(steps)):
        raise WrongAnswer(f"steps should be numbered from 0 to {steps - 1} in order, yours are {numbers}")
    if len({id(entry.optimizer) for entry in taken}) > 1:
        raise WrongAnswer("you make new optimizers for every step, and Adam forgets what it has seen; make them once")


def _require_scenes(taken: list[_Step], schedule: Schedule, size: int) -> None:
    if not all(entry.matches for entry in taken):
        raise WrongAnswer("the images of a batch are not those of its indices: `scenes.scenes(indices).image`")
    seen = [entry.indices for entry in taken]

    def drawn(batch: int, first: int, seed: int) -> list[list[int]]:
        return [batch_indices(size, batch, first + step, seed).tolist() for step in range(len(taken))]

    if seen == drawn(schedule.batch, 0, schedule.seed):
        return
    if all(each == seen[0] for each in seen):
        raise WrongAnswer("every step sees the same images; `batch_indices` wants to know the step")
    if schedule.seed and seen == drawn(schedule.batch, 0, 0):
        raise WrongAnswer("the order of the images is that of seed 0; it should be that of `schedule.seed`")
    if {len(each) for each in seen} != {schedule.batch}:
        raise WrongAnswer(f"a batch holds {len(seen[0])} images; `schedule.batch` says {schedule.batch}")
    raise WrongAnswer(
        "these are other images than those of the run: "
        "`batch_indices(len(scenes), schedule.batch, step, schedule.seed)` says which"
    )


def _require_rates(taken: list[_Step], schedule: Schedule) -> None:
    rates, full = torch.tensor([entry.rate for entry in taken]), 0.5
    shares = torch.tensor([schedule.rate(step) for step in range(len(taken))])
    if close(rates, full * shares, 1e-6):
        return
    late = full * torch.cat([torch.ones(1), shares[:-1]])
    for other, reason in (
        (torch.full_like(rates, full), "the learning rate never changes; set it before each step, by `schedule.rate`"),
        (shares, "the rate of a step is a share of the full one: multiply it by what the optimizer began with"),
        (full * shares.cumprod(0), "each step multiplies what the step before has left: keep the full rate aside"),
        (late, "each step trains at the rate of the one before: set the rate first, then step"),
    ):
        if close(rates, other, 1e-6):
            raise WrongAnswer(reason)
    step = int(((rates - full * shares).abs() > 1e-6).nonzero()[0])
    raise WrongAnswer(
        f"at step {step} the network's rate should be {full * shares[step]:.4g}, yours is {rates[step]:.4g}"
    )


def _require_before(diary: _Diary, steps: int) -> None:
    order = [(type(entry), entry.step) for entry in diary]
    if order == [(kind, step) for step in range(steps) for kind in (_Before, _Step)]:
        return
    called = [entry.step for entry in diary if isinstance(entry, _Before)]
    if not called:
        raise WrongAnswer("`before_step` is never called, so that prototypes would never start from groups")
    if order == [(kind, step) for step in range(steps) for kind in (_Step, _Before)]:
        raise WrongAnswer("`before_step` comes after the step; it has to come before")
    if len(called) < steps:
        raise WrongAnswer(f"`before_step` is called {len(called)} times in {steps} steps; each step wants it once")
    raise WrongAnswer(f"before step k comes `before_step(k, scenes)`; you call it for {called}")


def _name_prototypes(counts: Tensor) -> Tensor:
    """The class of each prototype, (M,), one to one; -1 where none is left."""
    rows, columns = linear_sum_assignment(counts.numpy(), maximize=True)
    names = torch.full((len(counts),), -1)
    names[torch.from_numpy(rows)] = torch.from_numpy(columns)
    return names


@verdict("each class has one prototype, and no other choice gets more digits right")
def check_name_prototypes(name_prototypes: Callable[[Tensor], Tensor]) -> None:
    """Check `name_prototypes(counts) -> names`, of counts (M, C) of prototypes and classes.

    Example:
        >>> check_name_prototypes(lambda counts: counts.argmax(dim=1))
        ✘ wrong: 4 prototypes, 4 classes: two prototypes have one name; here every class is given away once
    """
    name_prototypes = without(name_prototypes, {match_prototypes: "it is the package's answer; write it yourself"})
    generator = drawn(1)
    fixed = torch.tensor([[45, 5, 2, 0], [50, 40, 0, 1], [0, 30, 31, 29], [3, 2, 28, 5]])
    rows = [torch.randint(60, shape, generator=generator) for shape in ((10, 10), (7, 4), (3, 5), (6, 6))]
    for counts in (fixed, *rows):
        where = f"{len(counts)} prototypes, {counts.shape[1]} classes"
        found = answer_tensor(name_prototypes, counts, shape=(len(counts),)).long()
        wanted = _name_prototypes(counts)
        if torch.equal(found, wanted):
            continue
        given = found[found >= 0].tolist()
        if max(given, default=0) >= counts.shape[1]:
            raise WrongAnswer(f"{where}: there is no class {max(given)}")
        if torch.equal(found, _inverse(wanted, counts.shape[1])[: len(counts)]):
            raise WrongAnswer(f"{where}: this is the prototype of each class; the class of each prototype is asked for")
        if len(set(given)) < len(given):
            raise WrongAnswer(f"{where}: two prototypes have one name; here every class is given away once")
        if len(given) < min(counts.shape):
            raise WrongAnswer(f"{where}: a class is left over, and a prototype without a name")
        if torch.equal(found, _name_prototypes(-counts)):
            raise WrongAnswer(f"{where}: you got as few right as can be; `maximize=True` turns it round")
        right, most = (int(counts[names >= 0, names[names >= 0]].sum()) for names in (found, wanted))
        for order, how in (("rows", "row by row"), ("largest", "the largest count first")):
            if torch.equal(found, _greedy(counts, order)):
                raise WrongAnswer(
                    f"{where}: whoever takes the best that is left, {how}, gets {right} right; {most} can be had"
                )
        raise WrongAnswer(f"{where}: these names get {right} right; {most} can be had")


def _inverse(names: Tensor, count: int) -> Tensor:
    """Who has each of `count` names; -1 for nobody."""
    owner = torch.full((count,), -1)
    owner[names[names >= 0]] = (names >= 0).nonzero().flatten()
    return owner


def _greedy(counts: Tensor, order: str) -> Tensor:
    """Names by taking the best that is left, row by row, or the largest of all."""
    left, names = counts.clone(), torch.full((len(counts),), -1)
    for step in range(min(counts.shape)):
        row = step if order == "rows" else int(left.amax(dim=1).argmax())
        column = int(left[row].argmax())
        names[row] = column
        left[row], left[:, column] = -1, -1
    return names


@verdict("every way to deal the runs out anew, and the share of those that differ as much")
def check_share_by_luck(share_by_luck: Callable[[list[float], list[float]], float]) -> None:
    """Check `share_by_luck(first, second) -> share`.

    Example:
        >>> check_share_by_luck(lambda first, second: abs(sum(first) / len(first) - sum(second) / len(second)))
        ✘ wrong: [0.25, 0.5] and [0.75, 1.0]: this is the difference of the means; how often is it as large by luck?
    """
    share_by_luck = without(
        share_by_luck,
        {
            permutation_test: "write it yourself; afterwards, it is what to use",
            ttest_ind: "it believes in a bell curve",
        },
    )
    # Sixteenths, in groups of two or four: their means are exact, and so are ties.
    for first, second in (
        ([4, 8], [12, 16]),
        ([3, 9, 14, 2], [11, 16, 15, 10]),
        ([15, 16], [12, 3, 14, 1]),
        ([5, 5, 6, 9], [6, 10, 9, 5]),
    ):
        a, b = [n / 16 for n in first], [n / 16 for n in second]
        found, wanted = answer_number(share_by_luck, a, b), _share_by_luck(a, b)
        if abs(found - wanted) < 1e-9:
            continue
        where = f"{a} and {b}"
        for other, reason in _luck_mistakes(a, b):
            if abs(found - other) < 1e-9:
                raise WrongAnswer(f"{where}: {reason}")
        if not 0 <= found <= 1:
            raise WrongAnswer(f"{where}: a share lies between 0 and 1, yours is {found:.4g}")
        ways = math.comb(len(a + b), len(a))
        if abs(found * ways - round(found * ways)) > 1e-6:
            raise WrongAnswer(f"{where}: {found:.4g} is no share of {ways} ways; do not draw some, go through all")
        raise WrongAnswer(f"{where}: the share should be {wanted:.4f}, yours is {found:.4f}")


def _dealt(first: list[float], second: list[float]) -> list[float]:
    """The difference of means, first less second, for every way to deal all scores into two such groups."""
    scores = first + second
    differences = []
    for chosen in itertools.combinations(range(len(scores)), len(first)):
        one = [scores[i] for i in chosen]
        other = [score for i, score in enumerate(scores) if i not in chosen]
        differences.append(statistics.fmean(one) - statistics.fmean(other))
    return differences


def _share_by_luck(first: list[float], second: list[float]) -> float:
    seen = abs(statistics.fmean(first) - statistics.fmean(second))
    return statistics.fmean(abs(each) >= seen for each in _dealt(first, second))


def _luck_mistakes(first: list[float], second: list[float]) -> list[tuple[float, str]]:
    """What plausible mistakes give, and what to say of each."""
    dealt, seen = _dealt(first, second), statistics.fmean(first) - statistics.fmean(second)
    share, size = _share_by_luck(first, second), len(dealt)
    return [
        (seen, "this is the difference of the means; how often is it as large by luck?"),
        (abs(seen), "this is the difference of the means; how often is it as large by luck?"),
        (share * size, "this is how many ways differ as much; their share among all ways is asked for"),
        (1 - share, "this is the share of those that differ less"),
        (statistics.fmean(abs(each) > abs(seen) for each in dealt), "as much counts as well, and the way that was "
         "seen is one of all: greater or equal"),
        (statistics.fmean(each >= seen for each in dealt), "only one direction counts here; take sizes, since either "
         "group could have come out ahead"),
        (statistics.fmean(each <= seen for each in dealt), "only one direction counts here; take sizes, since either "
         "group could have come out ahead"),
        ((share * size - 1) / (size - 1), "the way that was seen is one of all ways, and counts too"),
        (float(ttest_ind(first, second).pvalue), "this is Student's test, which believes in a bell curve; deal anew"),
    ]  # fmt: skip
