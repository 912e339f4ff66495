"""What a class gets is made of the lessons and their solutions: stubs for students, answers for who teaches."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import nbformat
import pytest

from tusklite.cli import main
from tusklite.course.classroom import copies
from tusklite.course.classroom.copies import instructor_copy, read_students, student_copy
from tusklite.course.classroom.exercises import Exercise, exercises_of, find_lessons, mistakes_of
from tusklite.course.classroom.notes import notes_page, read_notes
from tusklite.course.classroom.slides import slides_notebook, slides_page
from tusklite.course.lessons import read_notebook
from tusklite.places import notebook_path

LESSONS = find_lessons()
NAMES = [path.name for path in LESSONS]
EACH_LESSON = pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
EXERCISES = [exercise for lesson in LESSONS for exercise in exercises_of(lesson)]
EACH_EXERCISE = pytest.mark.parametrize(
    "exercise", EXERCISES, ids=lambda exercise: f"{exercise.number}-{exercise.name}"
)


def function_in(source: str, name: str) -> ast.FunctionDef:
    (found,) = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == name]
    return found


# Stub and solution agree


@EACH_EXERCISE
def test_stub_and_solution_are_one_function_with_two_bodies(exercise: Exercise):
    stub, answer = (function_in(source, exercise.name) for source in (exercise.stub, exercise.answer))
    assert ast.unparse(stub.args) == ast.unparse(answer.args)
    assert ast.get_docstring(stub) == ast.get_docstring(answer)
    assert ast.get_docstring(stub)
    assert [ast.unparse(line) for line in stub.body[1:]] == ["..."]
    assert ast.unparse(answer.body[-1]) != "..."


@EACH_EXERCISE
def test_the_check_of_the_stub_accepts_the_answer_which_needs_no_other_cell(exercise: Exercise):
    namespace: dict = {}
    exec(exercise.answer, namespace)
    assert namespace[f"check_{exercise.name}"] is exercise.check
    assert exercise.check(namespace[exercise.name]).status == "done"
    exec(exercise.stub, namespace)
    assert exercise.check(namespace[exercise.name]).status == "not tried yet"


@EACH_EXERCISE
def test_an_exercise_says_what_it_takes_and_its_check_knows_mistakes(exercise: Exercise):
    assert exercise.difficulty in ("warm-up", "easy", "medium", "hard")
    assert 5 <= exercise.minutes <= 40
    assert len(exercise.prose.split()) >= 8
    assert exercise.outputs[0]["data"]["text/plain"].startswith("✔ done")
    assert all(len(said.split()) >= 3 for said in mistakes_of(exercise.check))


def test_exercises_are_numbered_in_their_order_and_named_once():
    for lesson in LESSONS:
        numbers = [tuple(map(int, exercise.number.split("."))) for exercise in exercises_of(lesson)]
        assert numbers == sorted(set(numbers))
        assert {number[0] for number in numbers} == {int(lesson.stem[:2])}
    assert len({exercise.name for exercise in EXERCISES}) == len(EXERCISES)


def test_the_checks_messages_are_found_as_they_are_written():
    spread = next(exercise for exercise in EXERCISES if exercise.name == "spread")
    said = mistakes_of(spread.check)
    assert "the standard deviation: its square is asked for" in said
    assert "all probability in one pixel of 64 x 64: the spread is 0, yours is …" in said
    known = [len(mistakes_of(exercise.check)) for exercise in EXERCISES]
    assert sum(known) > 3 * len(known)


# What students get


@EACH_LESSON
def test_a_student_s_copy_has_no_output_and_no_way_to_the_solutions(lesson: Path):
    notebook = student_copy(lesson, NAMES)
    nbformat.validate(notebook)
    text = json.dumps(notebook)
    assert "solutions/" not in text
    assert not [cell for cell in notebook.cells if cell.cell_type == "code" and (cell.outputs or cell.execution_count)]
    for exercise in exercises_of(lesson):
        body = function_in(exercise.answer, exercise.name).body[1:]
        longest = max((ast.unparse(line) for line in body), key=len)
        assert longest not in "\n".join(cell.source for cell in notebook.cells)


@EACH_LESSON
def test_a_student_s_copy_differs_from_the_lesson_in_nothing_else(lesson: Path):
    before, after = read_notebook(lesson), student_copy(lesson, NAMES)
    assert [cell.id for cell in after.cells] == [cell.id for cell in before.cells]
    for old, new in zip(before.cells, after.cells, strict=True):
        if old.cell_type == "code":
            assert new.source == old.source
        else:
            assert re.sub(r"\W", "", new.source) in re.sub(r"\W", "", old.source) or "](" in old.source


@EACH_LESSON
def test_links_of_a_copy_lead_to_what_lies_beside_it(lesson: Path):
    for notebook in (student_copy(lesson, NAMES), instructor_copy(lesson, NAMES)):
        prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
        local = [link for link in re.findall(r"\]\(([^)\s]+)\)", prose) if not link.startswith(("http", "#"))]
        assert {link.partition("#")[0] for link in local} <= set(NAMES)


@EACH_LESSON
def test_exercises_have_nbgrader_s_metadata(lesson: Path):
    marked = {
        cell.metadata["nbgrader"]["grade_id"]: (cell, cell.metadata["nbgrader"])
        for cell in student_copy(lesson, NAMES).cells
        if "nbgrader" in cell.metadata
    }
    assert list(marked) == [f"exercise-{exercise.number.replace('.', '-')}" for exercise in exercises_of(lesson)]
    for (cell, about), exercise in zip(marked.values(), exercises_of(lesson), strict=True):
        assert cell.source == exercise.stub
        assert (about["points"], about["schema_version"]) == (exercise.points, 3)
        assert (about["grade"], about["solution"], about["locked"], about["task"]) == (True, True, False, False)
        assert re.fullmatch(r"[\w-]+", about["grade_id"])


def test_a_copy_with_a_number_hands_it_to_the_checks(capsys):
    from tusklite.course.variants import student_number, use_student

    notebook = student_copy(LESSONS[2], NAMES, "s17")
    place = next(i for i, cell in enumerate(notebook.cells) if "bootstrap" in cell.metadata.get("tags", []))
    try:
        exec(notebook.cells[place + 1].source, {})
        assert student_number() == "s17"
    finally:
        use_student(None)
    assert notebook.metadata["tusklite"] == {"lesson": "02_equivariance", "student": "s17"}


# What who teaches gets


@EACH_LESSON
def test_an_instructor_s_copy_is_the_lesson_with_its_answers(lesson: Path):
    notebook = instructor_copy(lesson, NAMES)
    nbformat.validate(notebook)
    cells = {cell.id: cell for cell in notebook.cells}
    assert len(cells) == len(read_notebook(lesson).cells) + len(exercises_of(lesson))
    for exercise in exercises_of(lesson):
        assert cells[exercise.cell].source == exercise.answer
        assert "✔ done" in cells[exercise.cell].outputs[0]["data"]["text/plain"]
        assert exercise.prose[:40] in cells[f"{exercise.grade_id}-answer"].source
    assert "the worked solution until yours passes" not in json.dumps(notebook)


@EACH_LESSON
def test_notes_say_what_a_lesson_is_for_and_show_what_it_has(lesson: Path):
    notes = read_notes()
    headings = re.findall(r"^## (.+)$", "\n".join(cell.source for cell in read_notebook(lesson).cells), re.MULTILINE)
    assert {shown["section"] for shown in notes[lesson.stem]["show"]} <= set(headings)
    assert len(notes[lesson.stem]["show"]) >= 2
    assert len(notes[lesson.stem]["questions"]) >= 3
    page = notes_page(lesson, notes)
    for heading in ("**Purpose.** ", "**Time.** ", "## What to show live", "## Questions that students ask"):
        assert heading in page
    for exercise in exercises_of(lesson):
        assert f"### {exercise.number} · {exercise.title}" in page
        assert all(said in page for said in mistakes_of(exercise.check))


def test_there_are_notes_on_each_lesson_and_on_nothing_else():
    assert sorted(read_notes()) == [path.stem for path in LESSONS]


@EACH_LESSON
def test_slides_are_the_tagged_cells_with_their_prose_for_the_speaker(lesson: Path):
    notebook = slides_notebook(lesson)
    nbformat.validate(notebook)
    kinds = [cell.metadata["slideshow"]["slide_type"] for cell in notebook.cells]
    assert kinds[:2] == ["slide", "notes"]
    assert set(kinds) == {"slide", "subslide", "notes"}
    shown = [cell for cell, kind in zip(notebook.cells, kinds, strict=True) if kind == "slide"]
    assert all(cell.source.startswith(("#", "$$")) for cell in shown)
    assert max(len(cell.source) for cell in shown) < 1500
    tagged = [cell for cell in read_notebook(lesson).cells if "slide" in cell.metadata.get("tags", [])]
    spoken = [cell.source for cell, kind in zip(notebook.cells, kinds, strict=True) if kind == "notes"]
    assert spoken == [cell.source for cell in tagged if cell.cell_type == "markdown"]


def test_the_slides_are_a_page_of_figures_without_code():
    page = slides_page(notebook_path("02"))
    assert "reveal" in page
    assert page.count("<section") > 10
    assert "data:image/png;base64," in page
    assert "soft_argmax(pair" not in page


# The command


def test_copies_are_written_for_each_student_with_data_of_their_own(tmp_path, capsys):
    listed = tmp_path / "class.txt"
    listed.write_text("\ufeff# autumn\ns17\n\nS18\n", encoding="utf-8")
    out = tmp_path / "new" / "copies"
    assert main(["course", "student", str(out), "--students", str(listed), "--lessons", "02", "03"]) == 0
    assert capsys.readouterr().out == f"4 notebooks are in {out}\n"
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.ipynb")) == [
        "S18/02_equivariance.ipynb", "S18/03_diversity.ipynb", "s17/02_equivariance.ipynb", "s17/03_diversity.ipynb",
    ]  # fmt: skip
    notebook = nbformat.read(out / "s17" / "02_equivariance.ipynb", as_version=4)
    assert any("use_student('s17')" in cell.source for cell in notebook.cells)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["copies"]


def test_what_who_teaches_needs_is_written(tmp_path, capsys):
    out = tmp_path / "copies"
    out.mkdir()  # an empty one will do
    assert main(["course", "instructor", str(out), "--lessons", "02"]) == 0
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*")) == [
        "lessons/02_equivariance.ipynb", "notes/02_equivariance.md", "slides/02_equivariance.slides.html",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["student", "full"], "OUT: full was given, where something is; allowed is a new or an empty folder"),
        (["instructor", "full"], "OUT: full was given, where something is"),
        (["student", "file"], "OUT: file was given, where something is"),
        (["student", "new", "--lessons", "99"], "notebook: '99' was given"),
        (["student", "new", "--students", "nobody"], "students: nobody was given, which names nobody"),
        (["student", "new", "--students", "same"], "student: 'S1' was given twice"),
        (["student", "new", "--students", "bad"], "bad, line 2: '../x' was given"),
        (["student", "new", "--students", "gone"], "gone"),
    ],
)
def test_wrong_input_is_refused_in_a_line_and_leaves_nothing(tmp_path, monkeypatch, capsys, words, line):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    for name, text in (
        ("full/mine", "x"),
        ("file", "x"),
        ("nobody", "#\n"),
        ("same", "s1\nS1\n"),
        ("bad", "a\n../x\n"),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    assert main(["course", *words]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("tusklite: ")
    assert line in said
    assert len(said.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_copy_that_fails_half_way_leaves_nothing(tmp_path, monkeypatch):
    def fails(path, notebook):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(copies, "write_notebook", fails)
    with pytest.raises(OSError, match="No space left on device"):
        copies.write_student_copies(tmp_path / "out", ["02"])
    assert not list(tmp_path.iterdir())


def test_numbers_are_read_a_line_each(tmp_path):
    (tmp_path / "class").write_text("a1\n# left\nb2\n", encoding="utf-8")
    assert read_students(tmp_path / "class") == ["a1", "b2"]
