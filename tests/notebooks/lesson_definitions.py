"""The functions and classes that a stored lesson defines, pulled out of it without running the rest."""

from __future__ import annotations

import ast
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]


def definitions(lesson: str, goes_on: bool = False) -> dict[str, object]:
    """Names defined by the imports, functions and classes of `notebooks/<lesson>.ipynb`, in the order of its cells.

    Lines that start with % or ! are none of Python's, and cells that do nothing else but run are left out. With
    `goes_on`, a function that is left to the reader is what the lesson goes on with (`go_on_with`), else its stub.
    """
    notebook = nbformat.read(ROOT / "notebooks" / f"{lesson}.ipynb", as_version=4)
    kept = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    body: list[ast.stmt] = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            for statement in ast.parse(cell.source).body:
                if isinstance(statement, kept) or (goes_on and _goes_on(statement)):
                    body.append(statement)
    names: dict[str, object] = {"__name__": lesson}
    exec(compile(ast.Module(body, type_ignores=[]), lesson, "exec"), names)
    return names


def _goes_on(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Assign)
        and isinstance(statement.value, ast.Call)
        and isinstance(statement.value.func, ast.Name)
        and statement.value.func.id == "go_on_with"
    )
