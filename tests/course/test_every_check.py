"""What holds of every check whose tests list plausible wrong answers, each by the words it should get to hear."""

from __future__ import annotations

import re

import pytest
import test_alternating_training_checks
import test_diversity_checks
import test_equivariance_checks
import test_prototypes_and_softmin_checks
import test_single_heatmap_checks
import test_sliced_wasserstein_checks
import test_sparse_autoencoder_checks
import test_thin_plate_splines_checks

LESSONS = (
    test_thin_plate_splines_checks,
    test_equivariance_checks,
    test_diversity_checks,
    test_single_heatmap_checks,
    test_sparse_autoencoder_checks,
    test_sliced_wasserstein_checks,
    test_prototypes_and_softmin_checks,
    test_alternating_training_checks,
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


@EACH_CHECK
def test_three_mistakes_or_more_are_told_apart(lesson, check, name):
    assert len({check(attempt).message for attempt in lesson.ANSWERS[check].values()}) >= 3


@EACH_CHECK
def test_nothing_raises(lesson, check, name):
    def breaks(*inputs: object) -> None:
        raise RuntimeError("broken")

    assert check(breaks).message == "your code raised RuntimeError: broken"
    assert check("a word").message == "a function is asked for, yours is of type str"
