"""Notes for who teaches a lesson: what it is for, its time, questions that come, what to show, what goes wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tusklite.course.classroom.exercises import exercises_of, mistakes_of, notebooks_folder
from tusklite.course.lessons import read_notebook

__all__ = ["notes_page", "read_notes"]


def read_notes() -> dict[str, Any]:
    """What is written by hand on each lesson, by its name: `questions`, each with its `answer`, and what to `show`:
    a `section` of the lesson, and `how`.

    Raises:
        FileNotFoundError: an installed tusklite without its sources.
        ValueError: the file is damaged.
    """
    path = notebooks_folder().parent / "site" / "teach" / "notes.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as reason:
        raise ValueError(f"{path}: damaged ({reason}); allowed is the file that comes with tusklite") from reason


def notes_page(lesson: Path, notes: Mapping[str, Any]) -> str:
    """The notes on a lesson in Markdown.

    Args:
        lesson: its notebook, from which purpose and time are.
        notes: as `read_notes` gives them.

    Raises:
        ValueError: nothing is written on this lesson.
    """
    if lesson.stem not in notes:
        raise ValueError(f"notes: none on {lesson.stem} were given; allowed are some on each lesson")
    own, exercises = notes[lesson.stem], exercises_of(lesson)
    header = read_notebook(lesson).cells[0].source
    title = header.splitlines()[0].removeprefix("# ")
    lines = [f"# Notes on lesson {title}", "", f"**Purpose.** {_said(header, 'You will')}", ""]
    lines += [f"**Before it.** {_said(header, 'You need')}", "", f"**Time.** {_said(header, 'It takes')}", ""]
    lines += ["| exercise | asks for | difficulty | minutes | points |", "| --- | --- | --- | --- | --- |"]
    for exercise in exercises:
        lines.append(
            f"| {exercise.number} {exercise.title} | `{exercise.name}` | {exercise.difficulty} | {exercise.minutes} "
            f"| {exercise.points} |"
        )
    total = sum(exercise.minutes for exercise in exercises)
    lines.append(f"| all | | | {total} | {sum(exercise.points for exercise in exercises)} |")
    lines += ["", "## What to show live", ""]
    lines += [f"- *{shown['section']}.* {shown['how']}" for shown in own["show"]]
    lines += ["", "## Questions that students ask", ""]
    for question in own["questions"]:
        lines += [f"**{question['question']}** {question['answer']}", ""]
    lines += ["## Common mistakes", ""]
    lines += ["What the checks know, in their own words; … is what they fill in.", ""]
    for exercise in exercises:
        lines += [f"### {exercise.number} · {exercise.title}", ""]
        lines += [f"- {said}" for said in mistakes_of(exercise.check)] or ["- none that its check tells apart"]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _said(header: str, begins: str) -> str:
    """A paragraph of a lesson's first cell, without its beginning and its links."""
    (found,) = re.findall(rf"^\*\*{begins}\*\*(.*?)(?:\n\n|\Z)", header, re.MULTILINE | re.DOTALL)
    plain = re.sub(r"\[([^\]]*)\]\((?!http)[^)]*\)", r"\1", " ".join(found.split()))
    return plain[:1].upper() + plain[1:]
