"""Papers are cited in one style, `(Jin et al. 2022, eq. 2)`, and the index made of these citations is of today."""

from __future__ import annotations

import ast
import doctest
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import tusklite

PACKAGE = Path(tusklite.__file__).parent
SITE = Path(__file__).resolve().parents[1] / "site"


def load_index() -> ModuleType:
    """The script that makes the index; it lies outside the package."""
    specification = importlib.util.spec_from_file_location("equations", SITE / "equations.py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # where a NamedTuple looks for its annotations
    specification.loader.exec_module(module)
    return module


INDEX = load_index()
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
    kept = [match.span() for match in INDEX.CITATION.finditer(prose)]
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
        "Information (as in IIC; Ji et al. 2019).",
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


# The index


def test_the_index_is_of_todays_docstrings() -> None:
    assert (SITE / "equations.md").read_text(encoding="utf-8") == INDEX.page(), "python site/equations.py"


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("Thewlis et al. 2017, eqs. 2 and 3", "point_alignment_loss"),
        ("Thewlis et al. 2017, eq. 4", "FactorizedLandmarks"),
        ("Thewlis et al. 2017, eq. 5", "point_alignment_loss"),
        ("Thewlis et al. 2017, eq. 6", "probability_alignment_loss"),
        ("Thewlis et al. 2017, eq. 7", "overlap_loss"),
        ("Thewlis et al. 2017, eq. 8, and its pooled form", "diversity_loss"),
        ("Jin et al. 2022, eq. 1, MSE case", "mse_loss"),
        ("Jin et al. 2022, eq. 1, perceptual case", "PerceptualLoss"),
        ("Jin et al. 2022, eq. 2", "sliced_wasserstein"),
        ("Jin et al. 2022, eq. 3", "kmeans_softmin_loss"),
        ("Jin et al. 2022, eq. 4", "map_equivariance_loss"),
    ],
)
def test_every_equation_has_its_function(place: str, name: str) -> None:
    found = {f"{one.paper}, {one.place}": one.name for one in INDEX.citations() if one.place.startswith("eq")}
    assert found[place] == name


def test_every_link_of_the_index_leads_to_what_it_names() -> None:
    links = re.findall(r"\[`([\w.]+)`\]\(([^)]+)\)", INDEX.page())
    assert len(links) > 40
    for name, target in links:
        source = (SITE / target).resolve().read_text(encoding="utf-8")
        module = target.removeprefix("../tusklite/").removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        assert name == module or re.search(rf"(?:def|class) {name.rpartition('.')[2]}\b", source), (name, target)


def test_places_come_in_the_order_of_the_paper() -> None:
    places = [one.place for one in INDEX.citations() if one.paper == "Thewlis et al. 2017" and one.place]
    assert [int(re.search(r"\d+", place)[0]) for place in places if place.startswith("eq")] == sorted(
        int(re.search(r"\d+", place)[0]) for place in places if place.startswith("eq")
    )
    kinds = [re.match("[a-z]+", place)[0].removesuffix("s") for place in places]
    assert kinds == sorted(kinds, key=("eq", "section", "table", "figure", "supplement").index)
