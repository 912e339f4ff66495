"""The first cell of every lesson and solution, which installs the package where it is not there, as in Colab.

`python site/bootstrap.py` writes it into all of them, with the address that pyproject.toml has under `[project.urls]`
as `Source`, and nothing else of them changes. A reader's `$TUSKLITE_SOURCE` takes the place of the address: anything
that pip installs from. With `--no-deps` pip looks at no other package, so torch and numpy stay what they are.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 120
CELL = """\
import importlib.util, os, sys  # isort: skip

get = "-m pip install -q --no-deps " + os.getenv("TUSKLITE_SOURCE", "ADDRESS")
assert importlib.util.find_spec("tusklite") or not os.system(f'"{sys.executable}" {get}'), "no tusklite: see its README"
"""


def pyproject(path: Path = ROOT / "pyproject.toml") -> dict[str, Any]:
    """What pyproject.toml says."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def address(path: Path = ROOT / "pyproject.toml") -> str:
    """What pip is told: the address in pyproject.toml, by git where it is that of a repository."""
    source: str = pyproject(path)["project"]["urls"]["Source"]
    return f"git+{source}" if source.endswith(".git") else source


def cell(source: str) -> str:
    """The first cell of a lesson, for an address.

    Raises:
        ValueError: an address that is no single word, or so long that its line would be.

    Example:
        >>> [len(line) <= WIDTH for line in cell("git+https://a.example/b.git").splitlines() if line]
        [True, True, True]
    """
    made = CELL.replace("ADDRESS", source).rstrip("\n")
    longest = max(len(line) for line in made.splitlines())
    if not source or set(source) & set(' "\\{}\n') or longest > WIDTH:
        raise ValueError(
            f"Source: {source!r} was given; allowed is an address without spaces, quotes and braces, of "
            f"{len(source) - max(0, longest - WIDTH)} letters at most"
        )
    return made


def notebooks() -> list[Path]:
    """All lessons and solutions."""
    return sorted((ROOT / "notebooks").glob("*.ipynb")) + sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))


def write(path: Path, source: str) -> bool:
    """Put the cell for an address into a notebook; False where it was there already."""
    notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    (own,) = (each for each in notebook["cells"] if "bootstrap" in each["metadata"].get("tags", []))
    wanted = cell(source).splitlines(keepends=True)
    if own["source"] == wanted:
        return False
    own["source"] = wanted
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
    return True


if __name__ == "__main__":
    for notebook in notebooks():
        if write(notebook, address()):
            print(f"wrote {notebook.relative_to(ROOT).as_posix()}")
