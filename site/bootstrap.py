"""The first cell of every lesson and solution, which installs the package where it is not there, as in Colab.

`python site/bootstrap.py` writes it into all of them, and a line of badges into the lessons, with the address that
pyproject.toml has under `[project.urls]` as `Source`; nothing else of them changes. A reader's `$TUSKLITE_SOURCE` takes
the place of the address: anything that pip installs from. With `--no-deps` pip looks at no other package, so torch and
numpy stay what they are.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import addresses

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


def badges(source: str, name: str) -> str:
    """Where a lesson opens without an installation: the line below its title.

    Args:
        source: the repository's address, or what pip is told for it.
        name: of the lesson's file.

    Example:
        >>> badges("https://github.com/ada/keypoints.git", "a.ipynb")[:70]
        '[Open in Colab](https://colab.research.google.com/github/ada/keypoints'
    """
    source, notebook = source.removeprefix("git+"), f"notebooks/{name}"
    ways = [f"[Open in Colab]({addresses.colab(source, notebook) or '../README.md#in-colab'})"]
    if source.endswith(".git"):
        ways.append(f"[Open in Binder]({addresses.binder(source, notebook)})")
    return " · ".join(ways)


def tagged(notebook: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    """The cells of a notebook that have a tag."""
    return [each for each in notebook["cells"] if tag in each["metadata"].get("tags", [])]


def write(path: Path, source: str) -> bool:
    """Put the cell, and a lesson's badges, for an address into a notebook; False where both were there already."""
    text = path.read_text(encoding="utf-8")
    notebook: dict[str, Any] = json.loads(text)
    (own,) = tagged(notebook, "bootstrap")
    own["source"] = cell(source).splitlines(keepends=True)
    if path.parent.name != "solutions":
        if not tagged(notebook, "badges"):
            made = {"cell_type": "markdown", "id": "badges", "metadata": {"tags": ["badges"]}, "source": []}
            notebook["cells"].insert(1, made)
        tagged(notebook, "badges")[0]["source"] = [badges(source, path.name)]
    if json.loads(text) == notebook:
        return False
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
    return True


if __name__ == "__main__":
    for notebook in notebooks():
        if write(notebook, address()):
            print(f"wrote {notebook.relative_to(ROOT).as_posix()}")
