"""Papers are cited in one style: `(Jin et al. 2022, eq. 2)`, so that an index can be made of the docstrings."""

from __future__ import annotations

import ast
import doctest
import re
from pathlib import Path

import pytest

import tusklite

PACKAGE = Path(tusklite.__file__).parent
AUTHORS = r"(?:(?:van|der|den|de) )*[A-Z][\w-]+(?:, [A-Z][\w-]+)*(?: et al\.| and [A-Z][\w-]+)?"
PLACE = r"(?:eq\. \d+|eqs\. \d+(?:, \d+)*(?: (?:to|and) \d+)?|section [\d.]*\d|table \d+|figure \d+|supplement)"
CITED = rf"\((?:[^()&]* )?{AUTHORS} (?:19|20)\d\d(?:, {PLACE})*(?:,? [^()]*)?\)"
# What a citation looks like in any style; each has to lie within one of the style above.
SIGNS = (
    r"et al\b",  # a paper by its authors
    r"\b[A-Z][\w-]{2,},? (?:19|20)\d\d\b",  # an author, or a venue, and a year
    r"\b(?:19|20)\d\d, (?:[Ee]q|[Ss]ec|[Tt]ab|[Ff]ig|supp)",  # a year and a place
    r"\b[A-Z]\w+ (?:eqs?\.|sec\.|section|tab\.|fig\.) ?\d",  # a paper by its name, and a place
)
# Places spelt otherwise, wherever they stand; a mere "eq. 4" of the paper that is being spoken of is no citation.
OTHERWISE = r"\b[Ss]ec\. ?\d|\b[Tt]ab\. ?\d|\b[Ff]igs?\. ?\d|(?<=[a-z,\d] )(?:Eqs?\.|Section|Table|Figure) \d"


def faults(docstring: str) -> list[str]:
    """What is cited in another style."""
    prose = " ".join(part for part in doctest.DocTestParser().parse(docstring) if isinstance(part, str))
    prose = re.sub(r"\s+", " ", prose)
    kept = [match.span() for match in re.finditer(CITED, prose)]
    found = [
        match[0]
        for sign in SIGNS
        for match in re.finditer(sign, prose)
        if not any(begin <= match.start() and match.end() <= end for begin, end in kept)
    ]
    return found + re.findall(OTHERWISE, prose)


def docstrings(path: Path) -> list[str]:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, documented)]
    return [ast.get_docstring(node) or "" for node in nodes]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_papers_are_cited_in_one_style(path: Path) -> None:
    assert [fault for docstring in docstrings(path) for fault in faults(docstring)] == []


@pytest.mark.parametrize(
    "cited",
    [
        "Sort (Jin et al. 2022, eq. 2).",
        "Quantise (van den Oord et al. 2017, eqs. 1 to 3).",
        "A rival (Jin et al. 2022, table 6). Weight of eq. 3.",
        "Rows (Ng, Jordan and Weiss 2002).",
        "TUSK (Jin et al. 2022): its network. In 2022 pictures.",
    ],
)
def test_the_style_is_allowed(cited: str) -> None:
    assert faults(cited) == []


@pytest.mark.parametrize(
    "cited",
    [
        "Sort (TUSK eq. 2).",
        "Align (Thewlis eq. 5).",
        "A map (Thewlis et al., sec. 4.3).",
        "A map (Thewlis et al. 2017, sec. 4.3).",
        "As in Table 1 of Jin et al. 2022.",
        "The rival of Jin et al. 2022, Table 6.",
        "The arrows (Thewlis et al. 2017, fig. 7).",
        "Faces of Zhang et al. (ECCV 2014).",
        "By chance (Hubert & Arabie 1985).",
        "Bookstein, 'Principal warps', PAMI 1989.",
        "Jin et al. [2022]",
    ],
)
def test_other_styles_are_refused(cited: str) -> None:
    assert faults(cited)
