"""A class of thirty hands in a lesson: how long it takes to grade, and whether each row is right.

Ten have solved it, eight have one exercise wrong, four have handed in what they were given, and eight mean harm. Every
notebook is the whole lesson. `make bench` leaves this out: it takes minutes, and has no rival.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tusklite.course.classroom import Exercise, Limits, exercises_of, grade_class
from tusklite.course.classroom.copies import student_copy, write_notebook
from tusklite.places import notebook_path

# What is run before the lesson's own cells, and whether the exercises are still right then.
HOSTILE = {
    "endless": ("while True:\n    pass", True),
    "stubborn": (
        "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass",
        False,
    ),
    "forks": (  # two thousand at most
        "import os, time\nfor _ in range(2000):\n    if os.fork() == 0:\n        time.sleep(300)\n        os._exit(0)",
        None,
    ),
    "prints": ("for _ in range(1000):\n    print('x' * 1_000_000)", True),
    "reads": ("open('/etc/passwd').read()\nraise SystemExit", True),
    "kills": ("import os\nos.kill(os.getppid(), 9)\nos.kill(-1, 9)", True),
    "leaves": ("import os\nos._exit(0)", False),
    "says-done": (
        "import torch\nfrom tusklite.course import verdict\ntorch.allclose = lambda *inputs, **options: True\n"
        "verdict.Verdict.__bool__ = lambda self: True\nprint('✔ done')",
        None,
    ),
}


def hand_in(folder: Path, lesson: Path) -> dict[str, dict[str, set[str]]]:
    """Write what a class hands in; the statuses that each student's exercises may get."""
    exercises = exercises_of(lesson)
    wanted: dict[str, dict[str, set[str]]] = {}
    for number in range(30):
        student, statuses = f"s{number:02}", {exercise.number: {"done"} for exercise in exercises}
        notebook = student_copy(lesson, [lesson.name], student)
        answers = {exercise.cell: exercise.answer for exercise in exercises}
        if 10 <= number < 18:
            wrong = exercises[number % len(exercises)]
            answers[wrong.cell] = _with_another_body(wrong, "return [0.5] * 3")
            statuses[wrong.number] = {"wrong"}
        elif 18 <= number < 22:
            answers = {}
            statuses = {exercise.number: {"not tried yet"} for exercise in exercises}
        elif number >= 22:
            harm, still_right = list(HOSTILE.values())[number - 22]
            if still_right is None:  # what it changes may make answers fail, and must not make wrong ones pass
                answers = {each.cell: _with_another_body(each, "return 0") for each in exercises}
            allowed = {True: {"done"}, False: {"stopped"}, None: {"wrong", "stopped"}}[still_right]
            statuses = {exercise.number: allowed for exercise in exercises}
            notebook.cells[1].source, notebook.cells[1].metadata = harm, {}
        for cell in notebook.cells:
            cell.source = answers.get(cell.id, cell.source)
        (folder / student).mkdir(parents=True)
        write_notebook(folder / student / lesson.name, notebook)
        wanted[student] = statuses
    return wanted


def _with_another_body(exercise: Exercise, body: str) -> str:
    return exercise.stub.replace("    ...", f"    {body}")


def main() -> None:
    """Grade the class, and print how long it took and how many rows are wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lesson", default="02")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--cell-seconds", type=float, default=20.0)
    arguments = parser.parse_args()
    lesson = notebook_path(arguments.lesson)
    with tempfile.TemporaryDirectory() as folder:
        wanted = hand_in(Path(folder, "submitted"), lesson)
        began = time.perf_counter()
        limits = Limits(cell_seconds=arguments.cell_seconds)
        rows = grade_class(Path(folder, "submitted"), Path(folder, "grades.csv"), [], limits, arguments.jobs)
        seconds = time.perf_counter() - began
    wrong = [row for row in rows if row["status"] not in wanted[str(row["student"])][str(row["exercise"])]]
    for row in wrong:
        print(f"wrong: {row['student']} {row['exercise']} {row['status']}: {row['message']}")
    print(f"claim=class-of-thirty lesson={lesson.stem} seconds={seconds:.0f} rows={len(rows)} wrong={len(wrong)}")


if __name__ == "__main__":
    main()
