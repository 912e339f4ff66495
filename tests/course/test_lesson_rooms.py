"""One lesson, one room: a room has its lesson's name, serves it alone, and what several lessons draw is shared."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
from pathlib import Path

import pytest

from tusklite.course import figures

ROOT = Path(__file__).resolve().parents[2]
COURSE = ROOT / "tusklite" / "course"
LESSONS = {path.stem.partition("_")[2]: path for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))}
ROOMS = sorted(
    path.parent.name for path in COURSE.glob("*/__init__.py") if path.parent.name not in ("figures", "classroom")
)
EACH_ROOM = pytest.mark.parametrize("room", ROOMS)


def code_of(notebook: Path) -> str:
    """The source of all code cells, in order; empty where there is no such notebook."""
    if not notebook.exists():
        return ""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def words_of(code: str) -> set[str]:
    """Every name that a piece of Python mentions, but those that it defines."""
    tree = ast.parse(code)
    words = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    words |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return words | {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}


def used_by(lesson: str) -> set[str]:
    """What a lesson and its solutions mention, and the widgets that they open."""
    notebooks = (LESSONS[lesson], LESSONS[lesson].parent / "solutions" / LESSONS[lesson].name)
    widgets = COURSE / lesson / "widgets.py"
    sources = [*map(code_of, notebooks), widgets.read_text(encoding="utf-8") if widgets.exists() else ""]
    return set().union(*map(words_of, sources))


def test_there_are_lessons():
    assert len(LESSONS) >= 12


def test_every_lesson_has_a_room_of_its_name_and_every_room_a_lesson():
    assert sorted(LESSONS) == ROOMS


@EACH_ROOM
def test_a_room_lists_what_it_offers_and_all_of_it_is_used(room):
    offered = importlib.import_module(f"tusklite.course.{room}").__all__
    assert offered
    assert set(offered) <= used_by(room)


@EACH_ROOM
def test_a_room_offers_all_that_its_lesson_asks_for(room):
    asked = set()
    for path in (LESSONS[room], LESSONS[room].parent / "solutions" / LESSONS[room].name):
        for node in ast.walk(ast.parse(code_of(path))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "lesson":
                asked.add(node.attr)
            if isinstance(node, ast.ImportFrom) and node.module == f"tusklite.course.{room}":
                asked |= {alias.name for alias in node.names}
    assert asked <= set(importlib.import_module(f"tusklite.course.{room}").__all__)


@EACH_ROOM
def test_no_room_and_no_lesson_enters_another_lesson_s_room(room):
    sources = [path.read_text(encoding="utf-8") for path in (COURSE / room).glob("*.py")]
    sources += [code_of(LESSONS[room]), code_of(LESSONS[room].parent / "solutions" / LESSONS[room].name)]
    entered = set()
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and node.module == "tusklite.course":
                entered |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tusklite.course."):
                entered.add(node.module.split(".")[2])
            elif isinstance(node, ast.Import):
                entered |= {
                    alias.name.split(".")[2] for alias in node.names if alias.name.startswith("tusklite.course.")
                }
    assert not entered & set(ROOMS) - {room}


def test_no_shared_piece_enters_a_lesson_s_room():
    shared = [*COURSE.glob("*.py"), *(COURSE / "figures").glob("*.py")]
    for path in shared:
        source = path.read_text(encoding="utf-8")
        assert not [room for room in ROOMS if f"course.{room}" in source], path


@pytest.mark.parametrize("figure", [name for name in figures.__all__ if inspect.isfunction(getattr(figures, name))])
def test_a_shared_figure_is_drawn_by_two_lessons_or_more(figure):
    def drawn_by(lesson: str) -> bool:
        room = COURSE / lesson / "figures.py"
        return figure in used_by(lesson) | (words_of(room.read_text(encoding="utf-8")) if room.exists() else set())

    assert len([lesson for lesson in LESSONS if drawn_by(lesson)]) >= 2
