"""Copies of the lessons for a class: without outputs and answers for students, with both for who teaches."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tusklite.course.classroom.exercises import Exercise, exercises_of, find_lessons
from tusklite.course.classroom.notes import notes_page, read_notes
from tusklite.course.classroom.slides import slides_page
from tusklite.course.lessons import read_notebook
from tusklite.course.variants import require_student
from tusklite.files import FileNotWritten

__all__ = ["instructor_copy", "read_students", "student_copy", "write_instructor_copies", "write_student_copies"]

LINK = re.compile(r"\[([^\]\n]*)\]\((?!https?:|mailto:|#)([^)\s]+)\)")
TO_SOLUTIONS = re.compile(r"\n*^\[solution\]\([^)]*\)[ \t]*$", re.MULTILINE)
GOES_ON = re.compile(r"^\w+: the lesson goes on with the worked solution until yours passes\n", re.MULTILINE)
NUMBER_CELL = """\
from tusklite.course.variants import use_student

use_student({student!r})  # from here on the checks draw their data from this number"""


def student_copy(lesson: Path, beside: Sequence[str], student: str | None = None) -> Any:
    """A lesson as a student gets it: no outputs, no way to the solutions, exercises with nbgrader's metadata.

    Args:
        lesson: the lesson's notebook.
        beside: names of the files that will lie in the same folder; what links elsewhere becomes plain text.
        student: the number that the checks draw their data from; None: the data that all have.

    Returns:
        A notebook.
    """
    notebook = copy.deepcopy(read_notebook(lesson))
    exercises = {exercise.cell: exercise for exercise in exercises_of(lesson)}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _with_links_that_lead_somewhere(TO_SOLUTIONS.sub("", cell.source), beside)
            continue
        cell.outputs, cell.execution_count = [], None
        cell.metadata.pop("execution", None)
        if cell.id in exercises:
            cell.metadata["nbgrader"] = nbgrader_metadata(exercises[cell.id])
    notebook.metadata["tusklite"] = {"lesson": lesson.stem}
    if student is not None:
        notebook.metadata["tusklite"]["student"] = student
        place = next(i for i, cell in enumerate(notebook.cells) if "bootstrap" in cell.metadata.get("tags", ()))
        notebook.cells.insert(place + 1, _code_cell("student-number", NUMBER_CELL.format(student=student)))
    return notebook


def instructor_copy(lesson: Path, beside: Sequence[str]) -> Any:
    """A lesson as who teaches gets it: stored outputs, and each exercise with its answer and what is said of it.

    Args:
        lesson: the lesson's notebook.
        beside: as in `student_copy`.

    Returns:
        A notebook.
    """
    notebook = copy.deepcopy(read_notebook(lesson))
    exercises = {exercise.cell: exercise for exercise in exercises_of(lesson)}
    cells: list[Any] = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = TO_SOLUTIONS.sub("", cell.source)
        elif cell.id in exercises:
            exercise = exercises[cell.id]
            said = f"**Answer to {exercise.number}** ({exercise.points} of the lesson's points). {exercise.prose}"
            cells.append(_markdown_cell(f"{exercise.grade_id}-answer", said))
            cell.source = exercise.answer
            cell.outputs = [_as_result_of(output, cell.execution_count) for output in exercise.outputs]
            cell.metadata["nbgrader"] = nbgrader_metadata(exercise)
        else:
            for output in cell.outputs:  # which of the two a lesson went on with is another one here
                if output.output_type == "stream":
                    output.text = GOES_ON.sub("", output.text)
            cell.outputs = [each for each in cell.outputs if each.output_type != "stream" or each.text]
        cell.metadata.pop("execution", None)
        cells.append(cell)
    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = _with_links_that_lead_somewhere(cell.source, beside)
    notebook.cells = cells
    notebook.metadata["tusklite"] = {"lesson": lesson.stem}
    return notebook


def nbgrader_metadata(exercise: Exercise) -> dict[str, object]:
    """What nbgrader keeps of a cell with an answer that is graded.

    Example:
        >>> from tusklite.places import notebook_path
        >>> nbgrader_metadata(exercises_of(notebook_path("02"))[1])["grade_id"]
        'exercise-2-2'
    """
    return {
        "cell_type": "code",
        "grade": True,
        "grade_id": exercise.grade_id,
        "locked": False,
        "points": exercise.points,
        "schema_version": 3,
        "solution": True,
        "task": False,
    }


def write_student_copies(
    folder: str | os.PathLike[str], lessons: Sequence[str] = (), students: Sequence[object] = ()
) -> Path:
    """Write the lessons as students get them: one copy for all, or a folder for each student with data of their own.

    Args:
        folder: a new or an empty one.
        lessons: their numbers or names; all where none is given.
        students: numbers, each of which names a folder.

    Returns:
        The folder.

    Raises:
        FileNotFoundError: no such lesson, or an installed tusklite without its lessons.
        ValueError, TypeError: a folder that has something in it, a number that is none, or is there twice.
        FileNotWritten: a full disk, or a place that cannot be written; nothing is left behind then.
    """
    found = find_lessons(lessons)
    numbers = [require_student("student", student) for student in students]
    _require_different(numbers)
    names = [path.name for path in found]
    with new_folder(folder) as partial:
        for number in numbers or [None]:
            for lesson in found:
                place = partial / (number or "") / lesson.name
                place.parent.mkdir(exist_ok=True)
                write_notebook(place, student_copy(lesson, names, number))
    return Path(folder)


def write_instructor_copies(folder: str | os.PathLike[str], lessons: Sequence[str] = ()) -> Path:
    """Write what who teaches needs: `lessons/` with answers, a page of `notes/` and `slides/` for each lesson.

    Args, Returns, Raises:
        As `write_student_copies`; also ValueError where the notes on a lesson are missing or damaged.
    """
    found = find_lessons(lessons)
    notes = read_notes()
    names = [path.name for path in found]
    with new_folder(folder) as partial:
        for part in ("lessons", "notes", "slides"):
            (partial / part).mkdir()
        for lesson in found:
            write_notebook(partial / "lessons" / lesson.name, instructor_copy(lesson, names))
            page = notes_page(lesson, notes)
            (partial / "notes" / f"{lesson.stem}.md").write_text(page, encoding="utf-8", newline="\n")
            page = slides_page(lesson)
            (partial / "slides" / f"{lesson.stem}.slides.html").write_text(page, encoding="utf-8", newline="\n")
    return Path(folder)


def read_students(path: Path) -> list[str]:
    """The numbers in a file, one a line; empty lines and those that begin with # are passed over.

    Raises:
        ValueError: none at all, one that is there twice, or a line that is no number; the message names the line.
        OSError: it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as reason:
        raise ValueError(f"students: {path} was given, which is no text ({reason}); allowed is UTF-8") from reason
    numbers = []
    for place, line in enumerate(lines, start=1):
        if line.strip() and not line.startswith("#"):
            numbers.append(require_student(f"{path}, line {place}", line.strip()))
    if not numbers:
        raise ValueError(f"students: {path} was given, which names nobody; allowed is a number a line")
    _require_different(numbers)
    return numbers


def write_notebook(path: Path, notebook: Any) -> None:
    """Write a notebook as the lessons are stored."""
    text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")


@contextlib.contextmanager
def new_folder(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """A folder to fill, which has its name only once it is full; where that fails, nothing stays.

    Args:
        folder: a new or an empty one.

    Raises:
        ValueError: something is there.
        FileNotWritten: it cannot be written.
    """
    wanted = Path(folder).absolute()
    try:
        taken = wanted.exists() and (not wanted.is_dir() or any(wanted.iterdir()))
    except (OSError, ValueError) as reason:
        raise ValueError(f"OUT: {folder} was given; allowed is a folder that can be read ({reason})") from reason
    if taken:
        raise ValueError(f"OUT: {folder} was given, where something is; allowed is a new or an empty folder")
    partial = None
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{wanted.name}.", suffix=".partial", dir=wanted.parent))
        yield partial
        partial.chmod(0o755)
        if wanted.exists():
            wanted.rmdir()  # which an empty one alone allows
        partial.rename(wanted)
    except OSError as reason:
        raise FileNotWritten(wanted, reason) from reason
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)  # gone already where all went well


def _require_different(numbers: Sequence[str]) -> None:
    """Refuse numbers whose folders would be one, on a system that does not tell large letters from small ones."""
    seen: set[str] = set()
    for number in numbers:
        if number.lower() in seen:
            raise ValueError(f"student: {number!r} was given twice; allowed is each once, whatever the case")
        seen.add(number.lower())


def _with_links_that_lead_somewhere(text: str, beside: Sequence[str]) -> str:
    return LINK.sub(lambda link: link[0] if link[2].partition("#")[0] in beside else link[1], text)


def _as_result_of(output: Any, count: int | None) -> Any:
    output = copy.deepcopy(output)
    if "execution_count" in output:
        output["execution_count"] = count
    return output


def _code_cell(identity: str, source: str) -> Any:
    import nbformat

    return nbformat.from_dict(
        {
            "cell_type": "code",
            "execution_count": None,
            "id": identity,
            "metadata": {"tags": ["student"]},
            "outputs": [],
            "source": source,
        }
    )


def _markdown_cell(identity: str, source: str) -> Any:
    import nbformat

    return nbformat.from_dict(
        {"cell_type": "markdown", "id": identity, "metadata": {"tags": ["answer"]}, "source": source}
    )
