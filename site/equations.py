"""An index of equations made from the docstrings: which function is which equation of which paper, in which lesson.

Docstrings cite papers in one style, `(Jin et al. 2022, eq. 2)`; `python site/equations.py` collects every such place in
the package, looks up which lessons speak of what cites it, and writes `site/equations.md`.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tusklite"
PAGE = ROOT / "site" / "equations.md"
NOTEBOOKS = ROOT / "notebooks"

AUTHORS = r"(?:(?:van|der|den|de) )*[A-Z][\w-]+(?:, [A-Z][\w-]+)*(?: et al\.| and [A-Z][\w-]+)?"
PLACE = r"(?:eq\. \d+|eqs\. \d+(?:, \d+)*(?: (?:to|and) \d+)?|section [\d.]*\d|table \d+|figure \d+|supplement)"
# In the brackets may stand words before the paper, as in "(as in IIC; Ji et al. 2019)", and some after the place.
CITATION = re.compile(
    rf"\((?:[^()&;]*; )?(?P<authors>{AUTHORS}) (?P<year>(?:19|20)\d\d)(?P<places>(?:, {PLACE})*)(?P<note>,? [^()]*)?\)"
)
KINDS = ("eq", "section", "table", "figure", "supplement", "")  # the order of places within a paper
# Of a docstring's parts, what an argument is or what comes back cites no equation that the function would be.
PARTS = re.compile(r"^(?:Args|Attributes|Returns|Raises|Example):\n(?:(?: .*)?(?:\n|$))*", re.MULTILINE)


class Citation(NamedTuple):
    """A paper's place, and what in the package cites it.

    Attributes:
        paper: such as "Jin et al. 2022".
        place: such as "eq. 1, MSE case"; "" where the whole paper is cited.
        name: of the function, class or module.
        summary: the first sentence of its docstring, without the citation.
        file: relative to the repository.
    """

    paper: str
    place: str
    name: str
    summary: str
    file: str

    def order(self) -> tuple[str, str, int, list[int], str, str]:
        """Papers by year, then places as the paper has them, then names."""
        kind = re.match("[a-z]*", self.place)[0].removesuffix("s")
        numbers = [int(number) for number in re.findall(r"\d+", self.place)]
        return (self.paper[-4:], self.paper, KINDS.index(kind), numbers, self.place, self.name)


def documented(path: Path) -> Iterator[tuple[str, str]]:
    """Names and docstrings of a file: its own, and those of everything in it, a method under its class.

    Args:
        path: of a Python file of the package.
    """

    def within(node: ast.AST, prefix: str) -> Iterator[tuple[str, str]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield prefix + child.name, ast.get_docstring(child) or ""
                yield from within(child, f"{prefix}{child.name}.")

    tree = ast.parse(path.read_text(encoding="utf-8"))
    module = path.relative_to(PACKAGE).with_suffix("").parts
    yield ".".join(part for part in module if part != "__init__") or "tusklite", ast.get_docstring(tree) or ""
    yield from within(tree, "")


@cache
def citations() -> list[Citation]:
    """Every citation in a docstring of the package, in the order of papers and their places."""
    found = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        for name, docstring in documented(path):
            summary = re.sub(r" +(?=[ .:,])", "", CITATION.sub("", docstring.split("\n")[0])).rstrip(".: ")
            for match in CITATION.finditer(re.sub(r"\s+", " ", PARTS.sub("", docstring))):
                place = (match["places"] + (match["note"] or "")).removeprefix(",").strip()
                paper = f"{match['authors']} {match['year']}"
                found.add(Citation(paper, place, name, summary.replace("|", r"\|"), path.relative_to(ROOT).as_posix()))
    return sorted(found, key=Citation.order)


@cache
def lesson_texts() -> dict[str, tuple[str, str]]:
    """Of every lesson, by its file's name, what it says it built, which is its last part, and all of it."""
    found = {}
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        cells = ["".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
        last = max((index for index, cell in enumerate(cells) if re.match("## What you ", cell)), default=len(cells))
        found[path.stem] = ("\n".join(cells[last:]), "\n".join(cells))
    return found


def lessons_of(citation: Citation) -> list[str]:
    """The lessons that build what cites a paper; where none says so, the first one that speaks of it or its file.

    Example:
        >>> by_name = {citation.name: citation for citation in citations()}
        >>> lessons_of(by_name["sliced_wasserstein"])
        ['09_sliced_wasserstein']
    """
    name = re.compile(rf"\b{re.escape(citation.name.rpartition('.')[2])}\b")
    file = f"../{citation.file})"
    room = re.match(r"tusklite/course/(\w+)/", citation.file)
    own = [lesson for lesson in lesson_texts() if room and lesson[3:] == room[1]]
    builds = [lesson for lesson, (built, _) in lesson_texts().items() if name.search(built) and file in built]
    speaks = [lesson for lesson, (_, whole) in lesson_texts().items() if name.search(whole)]
    leads = [lesson for lesson, (_, whole) in lesson_texts().items() if file in whole]
    return own or builds or speaks[:1] or leads[:1]


def rest(citation: Citation) -> str:
    """What stands beside a citation in a table: what it is, its lessons, its place in the package."""
    lessons = ", ".join(f"[{lesson[:2]}](../notebooks/{lesson}.ipynb)" for lesson in lessons_of(citation))
    return f"{citation.summary} | {lessons} | [`{citation.name}`](../{citation.file})"


def page() -> str:
    """The index in Markdown: a table for each paper whose equations or sections are cited, and one for the others."""
    lines = [
        "# Equations",
        "",
        "Which function is which equation, and which lesson builds it. "
        "Made from the docstrings by `python site/equations.py`; do not edit.",
    ]
    found = citations()
    papers = list(dict.fromkeys(citation.paper for citation in found))
    placed = [paper for paper in papers if any(citation.place for citation in found if citation.paper == paper)]
    for paper in placed:
        lines += ["", f"## {paper}", "", "| where | what | lesson | in the package |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {citation.place} | {rest(citation)} |"
            for citation in found
            if citation.paper == paper and citation.place
        ]
    lines += ["", "## Other papers", "", "| paper | what | lesson | in the package |", "| --- | --- | --- | --- |"]
    lines += [f"| {citation.paper} | {rest(citation)} |" for citation in found if citation.paper not in placed]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
