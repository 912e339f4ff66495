"""What holds of every check whose tests list plausible wrong answers, each by the words it should get to hear."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from collections.abc import Mapping
from pathlib import Path

import nbformat
import pytest
import test_alternating_training_checks
import test_clevr6_checks
import test_clusters_without_labels_checks
import test_correspondence_to_landmarks_checks
import test_diversity_checks
import test_equivariance_checks
import test_factorized_landmarks_checks
import test_landmarks_on_faces_checks
import test_mnist_hard_checks
import test_prototypes_and_softmin_checks
import test_self_training_checks
import test_single_heatmap_checks
import test_sliced_wasserstein_checks
import test_sparse_autoencoder_checks
import test_start_here_checks
import test_tetrominoes_checks
import test_thin_plate_splines_checks
import test_when_one_channel_is_not_enough_checks
import test_your_own_images_checks
import torch

from tusklite.course.verdict import go_on_with

ROOT = Path(__file__).resolve().parents[2]
LESSONS = (
    test_start_here_checks,
    test_thin_plate_splines_checks,
    test_equivariance_checks,
    test_diversity_checks,
    test_factorized_landmarks_checks,
    test_landmarks_on_faces_checks,
    test_when_one_channel_is_not_enough_checks,
    test_single_heatmap_checks,
    test_sparse_autoencoder_checks,
    test_sliced_wasserstein_checks,
    test_prototypes_and_softmin_checks,
    test_alternating_training_checks,
    test_clusters_without_labels_checks,
    test_mnist_hard_checks,
    test_tetrominoes_checks,
    test_clevr6_checks,
    test_self_training_checks,
    test_correspondence_to_landmarks_checks,
    test_your_own_images_checks,
)
CHECKS = [(lesson, check, name) for lesson in LESSONS for check, name in lesson.EXERCISES.items()]
EACH_CHECK = pytest.mark.parametrize(("lesson", "check", "name"), CHECKS, ids=[name for _, _, name in CHECKS])
WRONG = [
    pytest.param(check, words, attempt, id=f"{lesson.EXERCISES[check]}-{words}")
    for lesson in LESSONS
    for check, wrong in lesson.ANSWERS.items()
    for words, attempt in wrong.items()
]


@EACH_CHECK
def test_the_worked_solution_is_accepted_and_the_stub_is_not_tried(lesson, check, name):
    assert check(lesson.SOLUTIONS[name]).status == "done", check(lesson.SOLUTIONS[name])
    assert check(lesson.LESSON[name]).status == "not tried yet"


@pytest.mark.parametrize(("check", "words", "attempt"), WRONG)
def test_each_mistake_has_its_message(check, words, attempt):
    found = check(attempt)
    assert found.status == "wrong"
    assert re.search(words, found.message), found.message


# What says that something is amiss, and not what the cause is.
BARE = re.compile("should have shape|is asked for, yours|are asked for, yours|your code raised|you called|it should be")


@EACH_CHECK
def test_four_mistakes_or_more_hear_their_cause_and_each_its_own(lesson, check, name):
    heard = [check(attempt).message for attempt in lesson.ANSWERS[check].values()]
    causes = [message for message in heard if not BARE.search(message)]
    assert len(set(causes)) >= 4, heard
    assert len(set(causes)) >= len(causes) - 2, causes  # two ways into the same mistake may hear the same


def given_to(function, seen):
    """The same function, which keeps what it is given."""

    def keeping(*inputs):
        seen.extend(inputs)
        return function(*inputs)

    return keeping


def floats(values):
    """Types of all floating-point tensors among values, mappings and splines."""
    for value in values:
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            yield value.dtype
        elif isinstance(value, Mapping):
            yield from floats(value.values())
        elif dataclasses.is_dataclass(value):
            yield from floats(getattr(value, field.name) for field in dataclasses.fields(value))


@EACH_CHECK
def test_an_answer_meets_the_precision_of_the_lessons(lesson, check, name):
    seen = []
    assert check(given_to(lesson.SOLUTIONS[name], seen))
    assert seen
    assert set(floats(seen)) <= {torch.float32}


@EACH_CHECK
def test_nothing_raises(lesson, check, name):
    def breaks(*inputs: object) -> None:
        raise RuntimeError("broken")

    assert check(breaks).message == "your code raised RuntimeError: broken"
    assert check("a word").message == "a function is asked for, yours is of type str"


WORKED = [(lesson, check, name) for lesson, check, name in CHECKS if check.worked is not None]


@pytest.mark.parametrize(("lesson", "check", "name"), WORKED, ids=[name for _, _, name in WORKED])
def test_a_lesson_goes_on_with_the_reader_s_function_or_the_worked_one(lesson, check, name, capsys):
    assert go_on_with(lesson.SOLUTIONS[name], check) is lesson.SOLUTIONS[name]
    assert capsys.readouterr().out == f"{name}: the lesson goes on with yours\n"
    for unfinished in (lesson.LESSON[name], next(iter(lesson.ANSWERS[check].values())), None):
        assert go_on_with(unfinished, check) is check.worked
        assert capsys.readouterr().out == f"{name}: the lesson goes on with the worked solution until yours passes\n"
    assert check(check.worked)


@pytest.mark.parametrize(("lesson", "check", "name"), WORKED, ids=[name for _, _, name in WORKED])
def test_what_a_lesson_goes_on_with_is_what_its_solutions_show(lesson, check, name):
    stored = lesson.SOLUTIONS["__name__"]
    cells = nbformat.read(ROOT / "notebooks" / f"{stored}.ipynb", as_version=4).cells
    shown = [node for cell in cells if cell.cell_type == "code" for node in ast.parse(cell.source).body]
    (own,) = [node for node in shown if isinstance(node, ast.FunctionDef) and node.name == name]
    (worked,) = ast.parse(inspect.getsource(check.worked)).body
    assert [ast.unparse(line) for line in worked.body] == [ast.unparse(line) for line in own.body]


def frozen(function, place):
    """The same function with the number at one place always what it was in the first call."""
    first = []

    def fixed(*inputs):
        first.append(inputs[place])
        return function(*inputs[:place], first[0], *inputs[place + 1 :])

    return fixed


def numbers_of(check, solution):
    """Places of the numbers among what a check hands to an answer."""
    calls = []

    def keeping(*inputs):
        calls.append(inputs)
        return solution(*inputs)

    assert check(keeping)
    return [place for place, value in enumerate(calls[0]) if isinstance(value, int | float)]


NUMBERS = [
    pytest.param(check, lesson.SOLUTIONS[name], place, id=f"{name}-{place}")
    for lesson, check, name in CHECKS
    for place in numbers_of(check, lesson.SOLUTIONS[name])
]


@pytest.mark.parametrize(("check", "solution", "place"), NUMBERS)
def test_a_number_that_an_answer_takes_for_granted_is_missed(check, solution, place):
    assert check(frozen(solution, place)).status == "wrong"
