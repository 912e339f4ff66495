"""Give the course to a class: copies for students and for who teaches, and grades for what is handed in."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    actions = parser.add_subparsers(dest="action", required=True)
    for action, words in (
        ("student", "notebooks without outputs and answers, exercises as stubs"),
        ("instructor", "notebooks with answers, notes and slides"),
    ):
        own = actions.add_parser(action, help=words)
        own.add_argument("out", metavar="OUT", type=Path, help="a new or an empty folder")
        if action == "student":
            own.add_argument(
                "--students", type=Path, metavar="FILE", help="numbers, one a line: a folder each, with data of its own"
            )
        _add_lessons(own)
    own = actions.add_parser("grade", help="run what was handed in, a process each, and write a line for each exercise")
    own.add_argument("folder", metavar="DIR", type=Path, help="with a folder for each student, and notebooks in it")
    own.add_argument("--out", type=Path, required=True, metavar="grades.csv", help="the table, a new file")
    _add_lessons(own)
    own.add_argument("--jobs", type=int, default=2, help="notebooks at one time (2)")
    own.add_argument("--seconds", type=float, default=300.0, help="that a notebook may run (300)")
    own.add_argument("--cell-seconds", type=float, default=60.0, help="that a cell, or an answer, may run (60)")
    own.add_argument("--memory", type=int, default=4000, metavar="MB", help="that a notebook may use (4000)")
    own.add_argument("--processes", type=int, default=64, help="that a notebook may have, with threads (64)")
    own.add_argument("--files", type=int, default=256, metavar="MB", help="that a notebook may write (256)")
    own.add_argument(
        "--accept-missing",
        nargs="+",
        default=[],
        metavar="NAME",
        help="grade without files, processes, network or limits held, where the system does not give that",
    )
    own.add_argument("--quiet", action="store_true", help="no progress bar")


def _add_lessons(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lessons", nargs="+", default=[], metavar="LESSON", help="such as 02 or mnist-hard; else all")


def act(arguments: argparse.Namespace) -> int:
    """Write copies, or grade."""
    from tusklite.course import classroom

    if arguments.action == "student":
        students = classroom.read_students(arguments.students) if arguments.students is not None else []
        folder = classroom.write_student_copies(arguments.out, arguments.lessons, students)
        print(f"{len(classroom.find_lessons(arguments.lessons)) * max(1, len(students))} notebooks are in {folder}")
    elif arguments.action == "instructor":
        folder = classroom.write_instructor_copies(arguments.out, arguments.lessons)
        print(f"lessons with answers, notes and slides are in {folder}")
    else:
        return _grade(arguments)
    return 0


def _grade(arguments: argparse.Namespace) -> int:
    from tusklite.course import classroom

    limits = classroom.Limits(
        seconds=arguments.seconds,
        cell_seconds=arguments.cell_seconds,
        memory=arguments.memory,
        processes=arguments.processes,
        files=arguments.files,
    )
    try:
        rows = classroom.grade_class(
            arguments.folder,
            arguments.out,
            arguments.lessons,
            limits,
            arguments.jobs,
            arguments.accept_missing,
            not arguments.quiet,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the same command goes on") from None
    except RuntimeError as error:
        raise OSError(str(error)) from error
    counts = ", ".join(f"{count} {status}" for status, count in classroom.count_statuses(rows).items())
    print(f"{len(rows)} lines ({counts}) are in {arguments.out}")
    if arguments.accept_missing:
        print(f"graded where these need not hold: {', '.join(arguments.accept_missing)}")
    return 0
