"""The exercises of the lessons, each with its stub and its worked answer, as the notebooks have them.

There is one source: a lesson has the exercise with its stub and its check, the solutions beside it have the answer.
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tusklite.course.lessons import read_notebook
from tusklite.course.verdict import Verdict
from tusklite.places import notebook_path, source_root

__all__ = ["Exercise", "exercises_of", "find_lessons", "mistakes_of", "notebooks_folder"]

HEADING = re.compile(r"^### Exercise (\d+\.\d+) · (.+)$", re.MULTILINE)
EFFORT = re.compile(r"^\*Difficulty: (.+) · about (\d+) minutes\*$", re.MULTILINE)
POINTS = {"warm-up": 1, "easy": 1, "medium": 2, "hard": 3}


@dataclass(frozen=True)
class Exercise:
    """An exercise of a lesson.

    Attributes:
        lesson: such as "02_equivariance".
        number: such as "2.1".
        title: its heading, without the number.
        difficulty: "warm-up", "easy", "medium" or "hard".
        minutes: that it takes, about.
        name: of the function that is asked for.
        cell: the id of the lesson's cell with the stub and the check.
        stub: that cell's source.
        answer: the same cell with the worked function in the stub's place, and above it whatever that needs.
        prose: what the solutions say of it, Markdown.
        outputs: of the check, as the solutions are stored.
    """

    lesson: str
    number: str
    title: str
    difficulty: str
    minutes: int
    name: str
    cell: str
    stub: str
    answer: str
    prose: str
    outputs: tuple[Any, ...] = ()

    @property
    def grade_id(self) -> str:
        """Its name in nbgrader's metadata, such as "exercise-2-1"."""
        return f"exercise-{self.number.replace('.', '-')}"

    @property
    def points(self) -> int:
        """1 for what is easy, 2 for what is not, 3 for what is hard."""
        return POINTS[self.difficulty]

    @property
    def check(self) -> Callable[..., Verdict]:
        """What looks at an answer."""
        room = importlib.import_module(f"tusklite.course.{self.lesson.partition('_')[2]}")
        return getattr(room, f"check_{self.name}")


def notebooks_folder() -> Path:
    """Where the lessons lie.

    Raises:
        FileNotFoundError: tusklite does not run from its sources.
    """
    root = source_root()
    if root is None:
        raise FileNotFoundError(
            "lessons: this is an installed tusklite without its notebooks; give the command in a clone of it"
        )
    return root / "notebooks"


def find_lessons(names: Sequence[str] = ()) -> list[Path]:
    """The lessons of these names or numbers, in their order; all of them where none is named.

    Raises:
        FileNotFoundError: no such lesson, or none at all.

    Example:
        >>> [path.stem for path in find_lessons(["mnist-hard", "02"])]
        ['02_equivariance', '13_mnist_hard']
    """
    folder = notebooks_folder()
    if not names:
        return sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    found = sorted({notebook_path(name) for name in names})
    strange = [path for path in found if path.parent != folder]
    if strange:
        raise FileNotFoundError(f"lesson: {str(strange[0])!r} was given; allowed are lessons of {folder}")
    return found


@functools.cache
def exercises_of(lesson: Path) -> tuple[Exercise, ...]:
    """The exercises of a lesson, in their order.

    Args:
        lesson: its notebook, with its solutions in the folder beside it.

    Raises:
        ValueError: no notebook, or one whose exercises and solutions do not fit; the message says where.
        OSError: it cannot be read.

    Example:
        >>> [exercise.name for exercise in exercises_of(notebook_path("02"))]
        ['centre_of_mass', 'spread', 'alignment_matrix']
    """
    solutions = _Solutions(lesson.parent / "solutions" / lesson.name)
    found: list[Exercise] = []
    heading = effort = None
    for cell in read_notebook(lesson).cells:
        if cell.cell_type == "markdown":
            heading = HEADING.search(cell.source) or heading
            effort = EFFORT.search(cell.source) or effort
            continue
        name = asked_in(cell.source)
        if name is None:
            continue
        if heading is None or effort is None:
            raise ValueError(f"{lesson}: `{name}` was asked for without a heading; allowed is one above each exercise")
        number, title = heading.groups()
        answer, prose, outputs = solutions.of(name, number)
        found.append(
            Exercise(
                lesson.stem,
                number,
                title,
                re.split(r"[,:]", effort[1])[0],
                int(effort[2]),
                name,
                cell.id,
                cell.source,
                _in_place_of_the_stub(cell.source, name, answer),
                prose,
                outputs,
            )
        )
        heading = effort = None
    return tuple(found)


def asked_in(source: str) -> str | None:
    """The function that an exercise's cell asks for: it ends in `check_x(x)`, and has a stub of `x`.

    Example:
        >>> asked_in("def spread(probs):\\n    ...\\n\\n\\ncheck_spread(spread)")
        'spread'
        >>> asked_in("check_spread(spread)") is None
        True
    """
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return None
    call = body[-1].value if body and isinstance(body[-1], ast.Expr) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        return None
    name = call.func.id.removeprefix("check_")
    stubs = [each for each in body if isinstance(each, ast.FunctionDef) and each.name == name]
    return name if stubs and call.func.id != name else None


def mistakes_of(check: Callable[..., Verdict]) -> list[str]:
    """What a check says of mistakes that it knows, in the order of its code; what it fills in stands as "…".

    Args:
        check: a check, or any function whose messages are looked for.

    Example:
        >>> from tusklite.course.equivariance import check_spread
        >>> mistakes_of(check_spread)[1]
        'the standard deviation: its square is asked for'
    """
    tree = ast.parse(inspect.getsource(inspect.unwrap(check)))
    found: dict[str, None] = {}
    for node in ast.walk(tree):
        pieces: list[ast.expr] = []
        if isinstance(node, ast.Tuple) and len(node.elts) in (2, 3):
            pieces = [node.elts[-1]] if not isinstance(node.elts[0], ast.Constant) else []
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "WrongAnswer":
            pieces = node.args[:1]
        elif isinstance(node, ast.Dict):
            pieces = [value for key, value in zip(node.keys, node.values, strict=True) if not _is_text(key)]
        for piece in pieces:
            said = _text_of(piece)
            if said is not None and len(said.replace("…", "").split()) >= 4:
                found[said] = None
    return list(found)


def _is_text(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _text_of(node: ast.expr) -> str | None:
    """A message as it is written; what it fills in as "…", and no place before a colon that is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
        return re.sub(r"^…:? ", "", "".join(map(str, parts)))
    return None


class _Solutions:
    """The solutions of a lesson: which statements an answer needs, and what is said of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cells = read_notebook(path).cells

    def of(self, name: str, number: str) -> tuple[str, str, tuple[Any, ...]]:
        """The answer with all that it needs, what the solutions say of it, and what its check said."""
        statements = list(self._statements())
        own = [place for place, (_, node, _) in enumerate(statements) if getattr(node, "name", None) == name]
        if len(own) != 1:
            raise ValueError(f"{self.path}: {len(own)} functions `{name}` were given; allowed is one")
        needed, asked = {own[0]}, [own[0]]
        while asked:
            _, node, _ = statements[asked.pop()]
            for wanted in _names_read(node):
                places = [place for place in range(own[0]) if wanted in _names_bound(statements[place][1])]
                for place in places[-1:]:
                    if place not in needed:
                        needed.add(place)
                        asked.append(place)
        pieces = [statements[place] for place in sorted(needed)]
        answer = ""
        for (_, node, source), before in zip(pieces, [None, *pieces], strict=False):
            both_import = before is not None and all(
                isinstance(each, ast.Import | ast.ImportFrom) for each in (node, before[1])
            )
            answer += "" if before is None else "\n" if both_import else "\n\n\n"
            answer += source
        cell = statements[own[0]][0]
        return answer, self._prose(cell, number), self._outputs(cell, name)

    def _statements(self) -> Iterator[tuple[int, ast.stmt, str]]:
        for place, cell in enumerate(self.cells):
            if cell.cell_type == "code" and "bootstrap" not in cell.metadata.get("tags", ()):
                for node in ast.parse(cell.source).body:
                    yield place, node, _source_of(cell.source, node)

    def _prose(self, cell: int, number: str) -> str:
        """What stands between the exercise's heading and its answer."""
        said: list[str] = []
        for each in reversed(self.cells[:cell]):
            if each.cell_type == "markdown":
                head, found, text = each.source.rpartition(f"{number} · ")
                said.insert(0, text.partition("\n")[2].strip() if found and "#" in head else each.source)
                if found and "#" in head:
                    return "\n\n".join(said)
        raise ValueError(f"{self.path}: no heading {number} above its answer was given; allowed is one")

    def _outputs(self, cell: int, name: str) -> tuple[Any, ...]:
        for each in self.cells[cell:]:
            if each.cell_type == "code" and f"check_{name}({name})" in each.source:
                return tuple(each.outputs)
        return ()


def _source_of(source: str, node: ast.stmt) -> str:
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
    return "\n".join(source.splitlines()[first - 1 : node.end_lineno])


def _names_bound(node: ast.stmt) -> set[str]:
    """Names that a statement at the top of a cell defines."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Assign):
        return {each.id for target in node.targets for each in ast.walk(target) if isinstance(each, ast.Name)}
    return set()


def _names_read(node: ast.stmt) -> set[str]:
    """Names that a statement takes from outside, and perhaps some of its own."""
    names = [each for each in ast.walk(node) if isinstance(each, ast.Name)]
    own = {each.arg for each in ast.walk(node) if isinstance(each, ast.arg)}
    own |= {each.id for each in names if isinstance(each.ctx, ast.Store)}
    return {each.id for each in names if isinstance(each.ctx, ast.Load)} - own - set(vars(builtins))


def _in_place_of_the_stub(source: str, name: str, answer: str) -> str:
    """An exercise's cell with the answer where its stub was."""
    body = ast.parse(source).body
    (stub,) = [node for node in body if isinstance(node, ast.FunctionDef) and node.name == name]
    lines = source.splitlines()
    above = [line for line in lines[: stub.lineno - 1] if line not in answer.splitlines()]
    below = lines[stub.end_lineno :]
    imports = [line for line in above if line]
    begins_with_imports = answer.startswith(("import ", "from "))
    return "\n".join([*imports, *([] if begins_with_imports or not imports else ["", ""]), answer, *below])
