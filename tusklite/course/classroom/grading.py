"""A class's submitted notebooks, graded: a table with a line for each student and exercise."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import multiprocessing
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tusklite import __version__
from tusklite.arguments import require_choice, require_integer
from tusklite.course.classroom.confinement import PROTECTIONS
from tusklite.course.classroom.exercises import Exercise, exercises_of, find_lessons
from tusklite.course.classroom.judge import Outcome, grade_notebook
from tusklite.course.classroom.sandbox import Limits, protections_held, work_in
from tusklite.course.lessons import read_notebook
from tusklite.course.variants import require_student
from tusklite.files import write_aside

__all__ = ["COLUMNS", "STATUSES", "Submission", "as_csv", "count_statuses", "find_submissions", "grade_class"]

COLUMNS = ("student", "lesson", "exercise", "function", "status", "points", "max_points", "message", "notebook")
STATUSES = ("done", "wrong", "not tried yet", "missing", "stopped", "not handed in")
LARGEST = 32 << 20  # bytes of a notebook


@dataclass(frozen=True)
class Submission:
    """What a student handed in for a lesson.

    Attributes:
        student: the name of the folder.
        lesson: such as "02_equivariance".
        notebooks: what there is of it: one file, or none, or several, which nobody can choose from.
    """

    student: str
    lesson: str
    notebooks: tuple[Path, ...]


def find_submissions(folder: str | os.PathLike[str], lessons: Sequence[str] = ()) -> list[Submission]:
    """What a class handed in: `folder/STUDENT/LESSON.ipynb`, with any folders between the two, as nbgrader has them.

    A notebook belongs to the lesson whose file name its own contains, such as "Copy of 02_equivariance (1).ipynb".
    Every student has a submission for each lesson: of those that are named, or else of those that anybody handed in.

    Args:
        folder: with a folder for each student.
        lessons: their numbers or names.

    Returns:
        In the order of students, then of lessons.

    Raises:
        ValueError: no folder, a student's folder whose name can be no student's, or nothing that belongs to a lesson.
        FileNotFoundError: no such lesson.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ValueError(f"DIR: {folder} was given; allowed is a folder with a folder for each student")
    students = {}
    for path in sorted(root.iterdir()):
        if path.is_dir() and not path.is_symlink() and not path.name.startswith("."):
            students[require_student("student", path.name)] = path
    known = [path.stem for path in find_lessons(lessons)]
    found: dict[tuple[str, str], list[Path]] = {}
    for student, place in students.items():
        for path in _notebooks_below(place):
            for lesson in known:
                if lesson in path.stem:
                    found.setdefault((student, lesson), []).append(path)
    if not found:
        raise ValueError(f"DIR: {folder} was given, with no notebook of {_listed(known)}; allowed are {root}/STUDENT/*")
    wanted = known if lessons else [lesson for lesson in known if any(lesson == key[1] for key in found)]
    return [
        Submission(student, lesson, tuple(found.get((student, lesson), ())))
        for student in students
        for lesson in wanted
    ]


def grade_class(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    lessons: Sequence[str] = (),
    limits: Limits | None = None,
    jobs: int = 2,
    accept_missing: Sequence[str] = (),
    show_progress: bool = True,
) -> list[dict[str, object]]:
    """Grade what a class handed in, and write the table; what a grading that was killed has found out stays.

    Args:
        folder, lessons: as in `find_submissions`.
        out: the table's file, a new one. While it is being made, `OUT.partial` beside it holds what is known, and the
            same call goes on with that.
        limits: what each notebook may use.
        jobs: notebooks at one time.
        accept_missing: protections that this system need not give.
        show_progress: draw a bar.

    Returns:
        The table's rows, by its columns.

    Raises:
        ValueError, TypeError: wrong input, a file that is there, or a protection that this system does not give.
        RuntimeError: no process can be started for a notebook.
        FileNotWritten: a full disk.
    """
    from filelock import FileLock, Timeout

    limits = limits or Limits()
    require_integer("jobs", jobs, low=1, high=1024)
    for name in accept_missing:
        require_choice("accept_missing", name, list(PROTECTIONS))
    submissions = find_submissions(folder, lessons)
    table = Path(out).absolute()
    if table.exists():
        raise ValueError(f"out: {out} was given, which is there already; allowed is a new file")
    if not table.parent.is_dir():
        raise ValueError(f"out: {out} was given; allowed is a file in a folder that is there")
    held = protections_held()
    missing = [name for name in PROTECTIONS if name not in held and name not in accept_missing]
    if missing:
        said = "; ".join(f"{name}: {PROTECTIONS[name]}" for name in missing)
        raise ValueError(
            f"protections: this system does not give {_listed(missing)} ({said}); allowed is a system that does, or "
            f"--accept-missing {' '.join(missing)} where you trust who handed in"
        )
    journal = table.with_name(f"{table.name}.partial")
    lock = FileLock(f"{journal}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise ValueError(f"out: {out} was given, which another grading is writing; allowed is another file") from None
    try:
        known = _read_journal(journal)
        rows = _all_rows(submissions, Path(folder), limits, jobs, known, journal, show_progress)
        write_aside(table, lambda path: path.write_text(as_csv(rows), encoding="utf-8", newline=""), new=True)
        journal.unlink(missing_ok=True)
    finally:
        lock.release()
        Path(f"{journal}.lock").unlink(missing_ok=True)
    return rows


def count_statuses(rows: Iterable[dict[str, object]]) -> dict[str, int]:
    """How many rows have each status, in the order of `STATUSES`; those that none has are left out.

    Example:
        >>> count_statuses([{"status": "wrong"}, {"status": "done"}, {"status": "done"}])
        {'done': 2, 'wrong': 1}
    """
    counts = Counter(str(row["status"]) for row in rows)
    return {status: counts[status] for status in STATUSES if counts[status]}


def as_csv(rows: Iterable[dict[str, object]]) -> str:
    """The table as a file of comma-separated values; nothing in it is a formula to a spreadsheet.

    Example:
        >>> row = dict.fromkeys(COLUMNS, "")
        >>> as_csv([row | {"student": "17", "message": "=1+1"}]).splitlines()[1]
        "17,,,,,,,'=1+1,"
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_harmless(row[column]) for column in COLUMNS])
    return text.getvalue()


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _notebooks_below(place: Path) -> list[Path]:
    """A student's notebooks, none of them behind a link."""
    found = []
    for folder, folders, names in os.walk(place):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(folder, name) for name in sorted(names) if name.endswith(".ipynb") and not name.startswith(".")]
    return [path for path in found if path.is_file() and not path.is_symlink()]


def _all_rows(
    submissions: Sequence[Submission],
    folder: Path,
    limits: Limits,
    jobs: int,
    known: dict[str, dict[str, Any]],
    journal: Path,
    show_progress: bool,
) -> list[dict[str, object]]:
    from tqdm import tqdm

    paths = {path.stem: path for path in find_lessons()}
    keys = [_identity(submission, paths[submission.lesson], limits) for submission in submissions]
    left = [number for number, key in enumerate(keys) if key not in known]
    workers = min(jobs, len(left))
    with tqdm(total=len(keys), initial=len(keys) - len(left), unit="notebook", disable=not show_progress) as bar:
        if workers:
            context = multiprocessing.get_context("spawn")
            with (
                tempfile.TemporaryDirectory(prefix="tusklite-grading-", ignore_cleanup_errors=True) as around,
                journal.open("a", encoding="utf-8", newline="\n") as file,
                ProcessPoolExecutor(workers, context, _begin, (around,)) as pool,
            ):
                os.chmod(around, 0o755)
                others = multiprocessing.active_children()
                waiting = {
                    pool.submit(_grade, submissions[number], str(paths[submissions[number].lesson]), limits): keys[
                        number
                    ]
                    for number in left
                }
                try:
                    while waiting:
                        for done in wait(waiting, return_when=FIRST_COMPLETED).done:
                            key = waiting.pop(done)
                            known[key] = done.result()
                            file.write(json.dumps({"key": key, "outcomes": known[key]}) + "\n")
                            file.flush()
                            os.fsync(file.fileno())
                            bar.update()
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    for worker in set(multiprocessing.active_children()) - set(others):
                        worker.terminate()  # and with it goes what it was grading
                    raise
    rows: list[dict[str, object]] = []
    for key, submission in zip(keys, submissions, strict=True):
        for exercise in exercises_of(paths[submission.lesson]):
            rows.append(_row(submission, exercise, known[key][exercise.number], folder))
    return rows


def _row(submission: Submission, exercise: Exercise, outcome: dict[str, str], folder: Path) -> dict[str, object]:
    return {
        "student": submission.student,
        "lesson": submission.lesson,
        "exercise": exercise.number,
        "function": exercise.name,
        "status": outcome["status"],
        "points": exercise.points if outcome["status"] == "done" else 0,
        "max_points": exercise.points,
        "message": outcome["message"],
        "notebook": "; ".join(path.relative_to(folder).as_posix() for path in submission.notebooks),
    }


def _begin(around: str) -> None:
    """Ctrl-C is for the process that waits, which ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work_in(around)


def _grade(submission: Submission, lesson: str, limits: Limits) -> dict[str, dict[str, str]]:
    """What came of one submission, by the number of the exercise."""
    exercises = exercises_of(Path(lesson))
    if len(submission.notebooks) != 1:
        several = ", ".join(path.name for path in submission.notebooks)
        said = f"several notebooks for one lesson: {several}" if several else "nothing was handed in"
        return _all_alike(exercises, Outcome("missing" if several else "not handed in", said))
    path = submission.notebooks[0]
    try:
        cells, number = _read_submission(path, Path(lesson))
    except Exception as reason:  # a file of a stranger's can make its reader raise anything
        said = " ".join(str(reason).replace(str(path), path.name).split())[:300]
        return _all_alike(exercises, Outcome("missing", f"no notebook that can be read: {said}"))
    outcomes = grade_notebook(cells, exercises, limits, submission.student, number)
    return {number: asdict(outcome) for number, outcome in outcomes.items()}


def _read_submission(path: Path, lesson: Path) -> tuple[list[str], str | None]:
    """The code of a submitted notebook, with the lesson's own parameters, and the number that its copy was made for."""
    if path.stat().st_size > LARGEST:
        raise ValueError(f"larger than {LARGEST >> 20} MB")
    notebook = read_notebook(path)
    parameters = next(
        cell.source for cell in read_notebook(lesson).cells if cell.metadata.get("tags") == ["parameters"]
    )
    cells = []
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        if cell.cell_type == "code" and tags != ["bootstrap"]:  # the package is there
            cells.append(parameters if tags == ["parameters"] else cell.source)
    about = notebook.metadata.get("tusklite")
    number = about.get("student") if isinstance(about, dict) else None
    return cells, None if number is None else require_student("student", number)


def _all_alike(exercises: Sequence[Exercise], outcome: Outcome) -> dict[str, dict[str, str]]:
    return {exercise.number: asdict(outcome) for exercise in exercises}


def _identity(submission: Submission, lesson: Path, limits: Limits) -> str:
    """What decides an outcome: whose it is, what was handed in, the lesson, the limits and this package."""
    parts = [submission.student, submission.lesson, str(limits), __version__, _digest(lesson)]
    parts += [f"{path.name} {_digest(path)}" for path in submission.notebooks]
    return hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "unreadable"


def _read_journal(journal: Path) -> dict[str, dict[str, Any]]:
    """What a grading that was killed had found out; a line that it did not finish is passed over.

    Raises:
        ValueError: a file of that name that no grading has left.
    """
    return dict(_lines_of(journal)) if journal.exists() else {}


def _lines_of(journal: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    content = journal.read_bytes().decode("utf-8", errors="replace")
    whole, _, unfinished = content.rpartition("\n")
    if unfinished:
        with journal.open("rb+") as file:
            file.truncate(len(whole.encode()) + (1 if whole else 0))
    for line in whole.splitlines():
        try:
            entry = json.loads(line)
            yield entry["key"], entry["outcomes"]
        except (ValueError, KeyError, TypeError) as reason:
            raise ValueError(
                f"{journal}: damaged, or foreign; allowed is what a grading left there; remove it to begin anew"
            ) from reason


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words) if len(words) < 4 else f"{', '.join(words[:3])} …"
