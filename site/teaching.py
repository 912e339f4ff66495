"""Pages for teaching, made from what lies in `site/teach`: quizzes, the map of lessons, syllabi and the glossary.

`python site/teaching.py` (or `make teach`) writes them. What is written by hand are the YAML files and the pages that
are not made here: README, prerequisites and projects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
TEACH = ROOT / "site" / "teach"
MADE = "Made by `python site/teaching.py`; do not edit."


class Lesson(NamedTuple):
    """A lesson, as its notebook and `lessons.yaml` tell.

    Attributes:
        number: such as "07".
        name: of its file, without the ending.
        title: its heading, without the number.
        needs: numbers of the lessons that it builds on.
        exercises: minutes of each exercise by its number, such as "7.0".
        minutes: of a reader's time, exercises included.
        machine: minutes of computing at the profile lite.
        says: its header's own words on a reader's time.
    """

    number: str
    name: str
    title: str
    needs: tuple[str, ...]
    exercises: dict[str, int]
    minutes: int
    machine: int
    says: str


def markdown(name: str) -> str:
    """The prose of a lesson."""
    cells = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def read(name: str) -> Any:
    """What one of the YAML files holds."""
    return yaml.safe_load((TEACH / name).read_text(encoding="utf-8"))


@cache
def lessons() -> dict[str, Lesson]:
    """All lessons by their numbers."""
    found = {}
    for name, about in read("lessons.yaml").items():
        text = markdown(name)
        number, title = re.match(r"# (\d\d) · (.+)", text).groups()  # type: ignore[union-attr]
        exercises = {
            exercise: int(minutes)
            for exercise, minutes in re.findall(
                r"^### Exercise (\d+\.\d+) .*?^\*Difficulty.*?about (\d+) minutes", text, re.MULTILINE | re.DOTALL
            )
        }
        found[number] = Lesson(
            number, name, title, tuple(about["needs"]), exercises, about["minutes"], about["machine"], about["says"]
        )
    return found


def hours(minutes: int) -> str:
    """A time as one plans it.

    Example:
        >>> hours(45), hours(60), hours(135)
        ('45 min', '1 h', '2 h 15 min')
    """
    whole, rest = divmod(minutes, 60)
    return " ".join([*([f"{whole} h"] if whole else []), *([f"{rest} min"] if rest else [])])


def link(number: str, up: str = "../..") -> str:
    """A lesson's number, leading to it."""
    return f"[{number}]({up}/notebooks/{lessons()[number].name}.ipynb)"


def quiz_names() -> list[str]:
    """The lessons that have a quiz."""
    return sorted(path.stem for path in (TEACH / "quizzes").glob("*.yaml"))


def quiz_page(name: str) -> str:
    """The quiz of a lesson in Markdown, the answers behind a click.

    Args:
        name: of the lesson's file, without the ending.
    """
    quiz, lesson = read(f"quizzes/{name}.yaml"), lessons()[name[:2]]
    lines = [
        f"# Quiz {lesson.number} · {lesson.title}",
        "",
        f"Five questions on lesson {link(lesson.number, '../../..')}. {MADE}",
    ]
    for number, question in enumerate(quiz["questions"], start=1):
        lines += ["", f"## {number}. {question['question']}", ""]
        lines += [f"- **{letter}** {answer['text']}" for letter, answer in lettered(question)]
        lines += ["", "<details><summary>Answer</summary>", ""]
        for letter, answer in lettered(question):
            lines.append(f"- **{letter}** is {'right' if answer['right'] else 'wrong'}. {answer['why']}")
        lines += ["", "</details>"]
    return "\n".join(lines) + "\n"


def lettered(question: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The answers of a question with their letters."""
    return zip("ABCD", question["answers"], strict=False)


def map_page() -> str:
    """What depends on what: a drawing, and a table with the way to each lesson."""
    lines = [
        "# What depends on what",
        "",
        "An arrow leads from a lesson to one that builds on it. Where a way leads there by another lesson, the direct "
        f"arrow is left out. {MADE}",
        "",
        "```mermaid",
        "graph LR",
    ]
    lines += [f'  L{lesson.number}["{lesson.number} {short(lesson)}"]' for lesson in lessons().values()]
    lines += [f"  L{needed} --> L{number}" for needed, number in arrows()]
    lines += ["```", "", "| lesson | needs | all that comes before it | time to it, itself included |"]
    lines += ["| --- | --- | --- | --- |"]
    for lesson in lessons().values():
        before = sorted(all_before(lesson.number))
        time = sum(lessons()[number].minutes for number in [*before, lesson.number])
        lines.append(
            f"| {link(lesson.number)} {short(lesson)} | {', '.join(map(link, lesson.needs)) or 'none'} "
            f"| {', '.join(before) or 'none'} | {hours(time)} |"
        )
    return "\n".join(lines) + "\n"


def short(lesson: Lesson) -> str:
    """A lesson's title up to its colon."""
    return lesson.title.partition(":")[0]


def all_before(number: str) -> set[str]:
    """The lessons that a lesson builds on, and those that these build on."""
    needs = lessons()[number].needs
    return set(needs).union(*(all_before(needed) for needed in needs))


def arrows() -> list[tuple[str, str]]:
    """Needs that no other need of the same lesson brings along."""
    return [
        (needed, lesson.number)
        for lesson in lessons().values()
        for needed in lesson.needs
        if not any(needed in all_before(other) for other in lesson.needs)
    ]


def syllabi_page() -> str:
    """Both syllabi, and the times that they are made of."""
    every = lessons().values()
    lines = [
        "# Syllabi",
        "",
        f"For lessons 00 to 15, 18, 19 and 21. {MADE}",
        "",
        "## What a lesson takes",
        "",
        "A reader's time is what the lesson's header says. Where the header has reading and exercises in one figure, "
        "the exercises are added by their own lines, since they rarely fit into it. The machine's time is that of the "
        "profile `lite` on a quiet processor; stored runs on a busy one took several times as long, so start lessons "
        "05, 11 and 13 before class.",
        "",
        "| lesson | its header says | exercises | plan for | machine |",
        "| --- | --- | --- | --- | --- |",
    ]
    for lesson in every:
        lines.append(
            f"| {link(lesson.number)} {short(lesson)} | {lesson.says} | {hours(sum(lesson.exercises.values()))} "
            f"| {hours(lesson.minutes)} | {hours(lesson.machine)} |"
        )
    lines.append(
        f"| all | | {hours(sum(sum(lesson.exercises.values()) for lesson in every))} "
        f"| {hours(sum(lesson.minutes for lesson in every))} | {hours(sum(lesson.machine for lesson in every))} |"
    )
    for syllabus in read("syllabi.yaml").values():
        lines += ["", f"## {syllabus['title']}", "", f"{syllabus['for']}", ""]
        lines += [
            "| week | lessons | time | together | hand in | afterwards |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        for number, week in enumerate(syllabus["weeks"], start=1):
            time = sum(lessons()[lesson].minutes for lesson in week["lessons"])
            quizzes = ", ".join(f"[quiz {lesson}](quizzes/{lessons()[lesson].name}.md)" for lesson in week["lessons"])
            lines.append(
                f"| {number} | {', '.join(map(link, week['lessons']))} | {hours(time)} | {week['together']} "
                f"| {', '.join(week['hand_in'])} | {quizzes} |"
            )
    return "\n".join(lines) + "\n"


def glossary_page() -> str:
    """The glossary by the alphabet, each term with the lesson that introduces it."""
    lines = ["# Glossary", "", f"One sentence a term, and the lesson that introduces it. {MADE}", ""]
    for entry in sorted(read("glossary.yaml"), key=lambda entry: entry["term"].lower()):
        lines.append(f"- **{entry['term']}** (lesson {link(entry['lesson'])}): {entry['means']}")
    return "\n".join(lines) + "\n"


def pages() -> dict[Path, str]:
    """All pages that are made, by their places."""
    quizzes = {TEACH / "quizzes" / f"{name}.md": quiz_page(name) for name in quiz_names()}
    made = {"map.md": map_page(), "syllabi.md": syllabi_page(), "glossary.md": glossary_page()}
    return quizzes | {TEACH / name: text for name, text in made.items()}


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8", newline="\n")
