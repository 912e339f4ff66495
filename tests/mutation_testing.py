"""Mutation testing of the core: faults are put into it one by one, and the tests must notice each (`make mutants`).

mutmut makes the faults and runs the tests that reach them; a sample of all there are is tried, always the same one for
the same code. What survives is told apart here: a fault that changes the words of a text alone is left out, one that
`mutants.json` lists as equivalent (with the reason) counts as such, and any other one is printed and is a gap in the
tests. The counts are written into `mutants.json`.

Functions under a decorator are not touched by mutmut: `Prototypes.assign`, `count`, `restart`, `project_to_sphere`.
"""

from __future__ import annotations

import ast
import difflib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "mutants"
SCORE = Path(__file__).with_name("mutants.json")
SAMPLE = "*__mutmut_*[05]"  # every fifth: those whose number ends in 0 or 5
# mutmut's exit codes: a test failed, pytest broke down, or the tests did not end; all passed, or none reaches the code.
NOTICED = {1, 3, 24, 36, 152, -24}
UNNOTICED = {0, 5, 33}


class Mutant(NamedTuple):
    """A fault that was tried.

    Attributes:
        file: where it was put, from the project's folder.
        function: as the code has it, `Class.method` for a method.
        was: the line without the fault.
        becomes: the line with it.
        noticed: whether a test failed, or did not end.
        text: whether it changes the words of a text and nothing else.
    """

    file: str
    function: str
    was: str
    becomes: str
    noticed: bool
    text: bool

    @property
    def room(self) -> str:
        """The folder of the package that it is in."""
        return Path(self.file).parts[1]

    def key(self) -> dict[str, str]:
        """What `mutants.json` knows it by, whatever its number is."""
        return {"file": self.file, "function": self.function, "was": self.was, "becomes": self.becomes}


def change(before: ast.FunctionDef, after: ast.FunctionDef) -> tuple[str, str]:
    """The lines that differ between two functions.

    Example:
        >>> change(*(ast.parse(f"def f(x):\\n    y = x\\n    return y {sign} 1").body[0] for sign in "+-"))
        ('return y + 1', 'return y - 1')
    """
    lines = [ast.unparse(function).splitlines() for function in (before, after)]
    differing = [line for line in difflib.ndiff(*lines) if line[0] in "+-"]
    return tuple(" ".join(line[2:].strip() for line in differing if line[0] == sign) for sign in "-+")


def without_texts(function: ast.FunctionDef) -> str:
    """A function with every text in it blank, for comparing.

    Example:
        >>> without_texts(ast.parse("def f(x):\\n    raise ValueError(f'x: {x} was given')").body[0])
        "def f(x):\\n    raise ValueError(f'{x}')"
    """
    blank = ast.parse(ast.unparse(function)).body[0]
    for node in ast.walk(blank):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.unparse(blank)


def tried(results: Path) -> Iterator[Mutant]:
    """Every mutant of one file that was tried, read from what mutmut leaves behind."""
    codes = json.loads(results.read_text(encoding="utf-8"))["exit_code_by_key"]
    source = results.with_suffix("")
    tree = ast.parse(source.read_text(encoding="utf-8"))
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for name, code in codes.items():
        if code is None:
            continue
        mangled = name.rpartition(".")[2]
        number = mangled.rpartition("__mutmut_")
        original, mutant = functions[f"{number[0]}__mutmut_orig"], functions[mangled]
        for function in (original, mutant):
            function.name = "function"
        if code not in NOTICED | UNNOTICED:
            raise RuntimeError(f"{name}: mutmut ended with {code}; see `mutmut browse`")
        readable = number[0].removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
        was, becomes = change(original, mutant)
        text = without_texts(original) == without_texts(mutant)
        yield Mutant(source.relative_to(WORK).as_posix(), readable, was, becomes, code in NOTICED, text)


def main() -> int:
    """Try the sample, write the score, print what survived; 1 where that is not explained."""
    if importlib.util.find_spec("mutmut") is None:
        print("mutmut is missing; `pip install 'mutmut>=3.8,<4'` installs it", file=sys.stderr)
        return 2
    shutil.rmtree(WORK, ignore_errors=True)
    patterns = sys.argv[1:] or [SAMPLE]
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", "1", *patterns]
    if subprocess.run(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}).returncode:
        print("mutmut did not end well; nothing was counted", file=sys.stderr)
        return 2
    mutants = [mutant for path in sorted(WORK.glob("tusklite/*/*.py.meta")) for mutant in tried(path)]
    score = json.loads(SCORE.read_text(encoding="utf-8"))
    explained = [
        {name: entry[name] for name in ("file", "function", "was", "becomes")} for entry in score["equivalent"]
    ]
    unexplained, rooms = [], {}
    for mutant in mutants:
        if mutant.text:
            continue
        room = rooms.setdefault(mutant.room, {"tried": 0, "killed": 0, "equivalent": 0, "survived": 0})
        room["tried"] += 1
        fate = "killed" if mutant.noticed else "equivalent" if mutant.key() in explained else "survived"
        room[fate] += 1
        if fate == "survived":
            unexplained.append(mutant)
    for mutant in unexplained:
        print(f"{mutant.file}, {mutant.function}\n  - {mutant.was}\n  + {mutant.becomes}")
    for name, room in rooms.items():
        print(f"{name}: {room}")
    if patterns == [SAMPLE]:
        score["rooms"] = rooms
        SCORE.write_text(json.dumps(score, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
