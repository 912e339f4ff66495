"""The recorded score of mutation testing: it adds up, and what it calls equivalent is a line of the code of today."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import mutation_testing
import pytest

SCORE = json.loads(mutation_testing.SCORE.read_text(encoding="utf-8"))
ROOMS = ("losses", "ops", "geometry", "metrics")


def test_the_score_is_of_the_core_and_adds_up() -> None:
    assert set(SCORE["rooms"]) == set(ROOMS)
    for room in SCORE["rooms"].values():
        assert room["tried"] == room["killed"] + room["equivalent"] + room["survived"]
        assert room["killed"] >= 0.8 * room["tried"] > 0
        assert room["survived"] == 0


@pytest.mark.parametrize("number", range(len(SCORE["equivalent"])))
def test_an_equivalent_mutant_has_a_reason_and_is_of_a_line_that_is_there(number: int) -> None:
    entry = SCORE["equivalent"][number]
    assert entry.keys() == {"file", "function", "was", "becomes", "why"}
    assert len(entry["why"]) > 20
    path = Path(mutation_testing.ROOT, entry["file"])
    assert path.parts[-2] in ROOMS
    *owner, name = entry["function"].split(".")
    scope = ast.parse(path.read_text(encoding="utf-8"))
    for each in owner:
        (scope,) = [node for node in ast.walk(scope) if isinstance(node, ast.ClassDef) and node.name == each]
    (function,) = [node for node in scope.body if isinstance(node, ast.FunctionDef) and node.name == name]
    function.name = "function"
    assert as_written_here(entry["was"]) in [line.strip() for line in ast.unparse(function).splitlines()]


def as_written_here(line: str) -> str:
    """A line as this Python writes it: tuples had parentheses before 3.11. What is no statement by itself stays."""
    try:
        return ast.unparse(ast.parse(line))
    except SyntaxError:
        return line


def functions(*bodies: str) -> list[ast.FunctionDef]:
    return [ast.parse(f"def function(x):\n    {body}").body[0] for body in bodies]


def test_a_change_of_words_alone_is_told_from_one_that_matters() -> None:
    before, words, matters = functions("return (f'x: {x}', 1)", "return (f'y: {x}', 1)", "return (f'x: {x}', 2)")
    assert mutation_testing.without_texts(before) == mutation_testing.without_texts(words)
    assert mutation_testing.without_texts(before) != mutation_testing.without_texts(matters)
    assert mutation_testing.change(before, matters) == ("return (f'x: {x}', 1)", "return (f'x: {x}', 2)")


def test_what_mutmut_leaves_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "tusklite" / "ops" / "sums.py"
    source.parent.mkdir(parents=True)
    lines = ["def x_add__mutmut_orig(a):\n    return a + 1", "def x_add__mutmut_1(a):\n    return a - 1"]
    lines += ["def x_add__mutmut_2(a):\n    return a + 2", "def x_add__mutmut_3(a):\n    return a + 1.0"]
    source.write_text("\n\n\n".join(lines), encoding="utf-8")
    codes = {f"tusklite.ops.sums.x_add__mutmut_{number}": code for number, code in ((1, 1), (2, 0), (3, None))}
    results = source.with_name("sums.py.meta")
    results.write_text(json.dumps({"exit_code_by_key": codes}), encoding="utf-8")
    monkeypatch.setattr(mutation_testing, "WORK", tmp_path)
    found = list(mutation_testing.tried(results))
    assert [(each.function, each.becomes, each.noticed, each.room) for each in found] == [
        ("add", "return a - 1", True, "ops"),
        ("add", "return a + 2", False, "ops"),
    ]
    results.write_text(json.dumps({"exit_code_by_key": {"tusklite.ops.sums.x_add__mutmut_1": -11}}), encoding="utf-8")
    with pytest.raises(RuntimeError, match="x_add__mutmut_1: mutmut ended with -11"):
        list(mutation_testing.tried(results))
