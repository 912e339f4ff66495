"""The plan of the house: what a room says of itself at its door, what it may import, and whom it serves.

Its `__all__` is complete and true, it imports only to its left, and nothing outside `course` serves lessons alone.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

import tusklite

PACKAGE = Path(tusklite.__file__).parent
ROOT = Path(__file__).resolve().parents[1]
ROOMS = [".".join(path.parent.relative_to(PACKAGE.parent).parts) for path in sorted(PACKAGE.glob("*/**/__init__.py"))]


def taken_from_its_files(room: str) -> set[str]:
    """Public names that a room's `__init__` takes from the files of the room."""
    tree = ast.parse(Path(importlib.import_module(room).__file__).read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    own = [node for node in imports if (node.module or "").startswith(f"{room}.")]
    return {alias.asname or alias.name for node in own for alias in node.names if not alias.name.startswith("_")}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_lists_its_public_names(room: str) -> None:
    module = importlib.import_module(room)
    listed = module.__all__
    assert listed
    assert len(set(listed)) == len(listed)
    assert taken_from_its_files(room) <= set(listed)
    inner = {other.removeprefix(f"{room}.") for other in ROOMS if other.rpartition(".")[0] == room}
    if set(listed) & inner:  # a corridor, such as `methods`, lists the rooms behind it
        assert set(listed) == inner
    else:
        assert all(hasattr(module, name) for name in listed)


def test_there_are_rooms() -> None:
    assert {"tusklite.geometry", "tusklite.losses", "tusklite.methods", "tusklite.methods.tusk"} <= set(ROOMS)


GROUND = ("arguments", "files", "palette", "places", "precision", "settings")  # what all rooms stand on
ORDER = (
    *GROUND,
    *("data", "geometry", "nets", "ops", "losses", "methods", "train", "metrics", "results", "experiments"),
    *("pretrained", "inference", "course", "sweeps", "cli"),
)
PLACE = {room: max(number, len(GROUND) - 1) for number, room in enumerate(ORDER)}


def room_of(path: Path) -> str:
    """The room of a module; the package's own two files open it and run it, as the command line does."""
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "cli" if room in ("__init__", "__main__") else room


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


MODULES = {path: tree_of(path) for path in sorted(PACKAGE.rglob("*.py"))}
BENCHMARKS = {path: tree_of(path) for path in sorted((ROOT / "benchmarks").glob("*.py"))}


@cache
def imported_modules(tree: ast.Module) -> frozenset[str]:
    """Dotted names of what a module imports from the package, at its top or inside its functions."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "tusklite":
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.partition(".")[0] == "tusklite"}
    return frozenset(found)


def test_every_room_has_its_place_in_the_order():
    assert {room_of(path) for path in MODULES} <= set(ORDER)


def test_rooms_import_only_to_their_left():
    against = set()
    for path, tree in MODULES.items():
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level], path
        imported = {module.split(".")[1] for module in imported_modules(tree) if "." in module}
        rooms_to_the_right = {room for room in imported & set(ORDER) if PLACE[room] > PLACE[room_of(path)]}
        against |= {f"{path.relative_to(PACKAGE).as_posix()} imports {room}" for room in rooms_to_the_right}
    assert not against


# What only lessons use and is no equation of a paper, and why it is in the library all the same.
KEPT = {
    "compose": "what a warp of a warped image is; two lessons need it, so it is in no lesson's room",
    "ChannelwiseTraining": "a published method like the others, of which no experiment is made",
    "load_pretrained": "how whoever installs the package gets its trained models",
    "read_clevr_pictures": "a data set like the others, of single scenes",
    "recall_of_truth": "the other half of `repeatability`, for whoever compares starting points",
    "read_results": "how whoever installs the package reads the recorded results",
}
CITATION = re.compile(r"\(([A-Z][^()]*; )?[A-Z][^()]* (19|20)\d\d[,)]")


def bare_names(pieces: Iterable[ast.AST]) -> set[str]:
    """What statements mention by its bare name."""
    return {node.id for piece in pieces for node in ast.walk(piece) if isinstance(node, ast.Name)}


def asked_for(path: Path, tree: ast.Module) -> set[str]:
    """Names that a module takes from the package; a room's `__init__` does not by handing them on alone."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported = {alias.name for node in imports if (node.module or "").startswith("tusklite") for alias in node.names}
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    through_modules = {node.attr for node in attributes if getattr(node.value, "id", None) in imported}
    return through_modules | (bare_names(tree.body) if path.name == "__init__.py" else imported)


def serving_lessons_alone() -> Iterator[tuple[str, str]]:
    """Public functions and classes of the library that lessons use, and neither it, its commands nor a benchmark do.

    With their docstrings. What runs the lessons for the command line is a part of it.
    """
    commands = set().union(*(imported_modules(tree) for path, tree in MODULES.items() if room_of(path) == "cli"))
    library, lessons = dict(BENCHMARKS), {}
    for path, tree in MODULES.items():
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        (lessons if room_of(path) == "course" and module not in commands else library)[path] = tree
    for path in sorted((ROOT / "notebooks").rglob("[0-9]*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        lessons[path] = ast.parse(code)
    users: dict[str, set[Path]] = {}
    for path, tree in (library | lessons).items():
        for name in asked_for(path, tree):
            users.setdefault(name, set()).add(path)
    for path, tree in library.items():
        for node in tree.body if path in MODULES and room_of(path) not in ("course", "cli") else []:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                elsewhere = users.get(node.name, set()) - {path}
                beside = node.name in bare_names(other for other in tree.body if other is not node)
                if elsewhere and elsewhere <= lessons.keys() and not beside:
                    yield node.name, ast.get_docstring(node) or ""


def test_nothing_outside_course_serves_lessons_alone():
    no_equations = {name for name, docstring in serving_lessons_alone() if not CITATION.search(docstring)}
    assert not no_equations - KEPT.keys(), "move these to the rooms of their lessons, or say why they stay"
    assert not KEPT.keys() - no_equations, "these need no reason any more"


def test_these_tests_see_what_they_look_for(monkeypatch):
    planted = """
def serves_a_lesson():
    from tusklite.course import figures
    return serves_a_lesson and figures

def is_an_equation():
    "What a paper prints (Jin et al. 2022, eq. 2)."

def serves_its_neighbour(): ...

def serves_nobody():
    return serves_its_neighbour()
"""
    lesson = "from tusklite.geometry.planted import serves_a_lesson, is_an_equation, serves_its_neighbour"
    monkeypatch.setitem(MODULES, PACKAGE / "geometry" / "planted.py", ast.parse(planted))
    monkeypatch.setitem(MODULES, PACKAGE / "course" / "planted.py", ast.parse(lesson))
    found = dict(serving_lessons_alone())
    assert {"serves_a_lesson", "is_an_equation", *KEPT} <= found.keys()
    assert not {"serves_its_neighbour", "serves_nobody", "detect_keypoints"} & found.keys()
    assert CITATION.search(found["is_an_equation"])
    with pytest.raises(AssertionError, match=r"geometry/planted.py imports course"):
        test_rooms_import_only_to_their_left()
    monkeypatch.setitem(MODULES, PACKAGE / "helpers" / "planted.py", ast.parse(""))
    with pytest.raises(AssertionError):
        test_every_room_has_its_place_in_the_order()
