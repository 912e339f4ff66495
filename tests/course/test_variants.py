"""A check with a student's number: other data, the same verdict."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from test_every_check import CHECKS

from tusklite.course.variants import (
    SHIFTS,
    drawn,
    require_student,
    shift_of,
    student_number,
    use_student,
    variant,
)

# Whose data are written down in the check, or whose answer is a formula of numbers that all have.
FIXED = {
    "chance_level",
    "choose",
    "diagnose",
    "equal_say",
    "hold_border",
    "neat_loss",
    "share_by_luck",
    "shown_size",
    "temperature_for_share",
    "to_coordinates",
    "train_for",
    "ways",
}


@pytest.fixture(scope="module")
def students() -> list[str]:
    """A student for each of the variants."""
    found = {shift_of(str(number)): str(number) for number in range(1000)}
    assert set(found) == set(SHIFTS)
    return [found[shift] for shift in SHIFTS]


def numbers_in(values: object) -> list[float]:
    """All numbers of what a check hands over, in their order."""
    if isinstance(values, torch.Tensor):
        return values.detach().double().flatten().tolist() if not values.is_complex() else []
    if isinstance(values, list | tuple):
        return [number for value in values for number in numbers_in(value)]
    return numbers_in(list(vars(values).values())) if hasattr(values, "control") else []


def seen_by(check, solution) -> list[float]:
    """What a check hands to a right answer, which it accepts."""
    seen: list[float] = []

    def keeping(*inputs):
        seen.extend(numbers_in(inputs))
        return solution(*inputs)

    found = check(keeping)
    assert found, found
    return seen


@pytest.mark.slow
def test_every_variant_accepts_the_worked_solution_and_no_mistake(students):
    for lesson, check, name in CHECKS:
        for student in students:
            with variant(student):
                assert check(lesson.SOLUTIONS[name]).status == "done", (name, student)
                assert check(lesson.LESSON[name]).status == "not tried yet", (name, student)
                for words, attempt in lesson.ANSWERS[check].items():
                    assert check(attempt).status == "wrong", (name, student, words)


def test_which_exercises_have_data_of_their_own(students):
    same = set()
    for lesson, check, name in CHECKS:
        for_all = seen_by(check, lesson.SOLUTIONS[name])
        with variant(students[0]):
            own = seen_by(check, lesson.SOLUTIONS[name])
        if own == for_all and name != "take_turns":  # whose data are in prototypes and optimisers
            same.add(name)
    assert same == FIXED


def test_the_page_for_teaching_has_the_right_numbers():
    page = Path(__file__).parents[2].joinpath("site", "teach", "class.md").read_text(encoding="utf-8")
    public = sum(check.worked is not None for _, check, _ in CHECKS)
    assert f"There are {len(SHIFTS)} sets of data" in page
    assert f"{len(FIXED)} of the {len(CHECKS)} exercises have the same data for all" in page
    assert f"{public} of them in the package itself" in page


def test_without_a_number_data_are_those_of_the_seed_alone():
    assert student_number() is None
    plain = torch.rand(4, generator=torch.Generator().manual_seed(7))
    assert torch.equal(torch.rand(4, generator=drawn(7)), plain)
    with variant("17"):
        assert not torch.equal(torch.rand(4, generator=drawn(7)), plain)
    assert torch.equal(torch.rand(4, generator=drawn(7)), plain)


def test_a_class_is_spread_over_the_variants():
    counts = torch.bincount(torch.tensor([SHIFTS.index(shift_of(f"s{number}")) for number in range(1600)]))
    assert len(counts) == len(SHIFTS)
    assert counts.min() > 1600 / len(SHIFTS) / 2


def test_a_number_and_the_same_as_text_have_the_same_data():
    use_student(1042)
    try:
        own = torch.rand(3, generator=drawn(1))
        use_student("1042")
        assert torch.equal(torch.rand(3, generator=drawn(1)), own)
    finally:
        use_student(None)


@pytest.mark.parametrize("given", ["", " 17", "a/b", "..", "-17", "17.", "a" * 65, "a\n", "=1"])
def test_what_is_no_number_is_refused(given):
    with pytest.raises(ValueError, match=r"^student: .* was given; allowed are 1 to 64 letters"):
        require_student("student", given)


@pytest.mark.parametrize("given", [None, 1.5, True, ["17"]])
def test_what_is_neither_number_nor_text_is_refused(given):
    with pytest.raises(TypeError, match=r"^student: .*" + re.escape(repr(given))):
        require_student("student", given)
