"""Every word of the lessons and of the project's pages is spelt right, or is listed as one of the field's."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from spellchecker import SpellChecker

ROOT = Path(__file__).resolve().parents[2]
KNOWN = Path(__file__).with_name("words.txt")
LESSONS = sorted((ROOT / "notebooks").rglob("*.ipynb"))
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "data/README.md")]
PAGES += sorted((ROOT / "site" / "teach").rglob("*.md"))
# What is not prose: code in backquotes and fences, formulas, addresses, HTML.
NOT_PROSE = re.compile(r"```.*?```|``.*?``|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|https?://\S+|\]\([^)]*\)|<[^>]+>", re.DOTALL)


@pytest.fixture(scope="module")
def checker() -> SpellChecker:
    checker = SpellChecker(language="en")
    checker.word_frequency.load_words(KNOWN.read_text(encoding="utf-8").split())
    return checker


def prose(path: Path) -> str:
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    notebook = nbformat.read(path, as_version=4)
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def misspelt(text: str, checker: SpellChecker) -> list[str]:
    words = re.findall(r"[A-Za-zÀ-ÿ]+(?:['\u2019][a-z]+)?", NOT_PROSE.sub(" ", text))
    plain = {re.sub(r"['\u2019]s$", "", word).lower() for word in words if len(word) > 1}
    return sorted(checker.unknown(plain))


@pytest.mark.parametrize("path", [*LESSONS, *PAGES], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_word_is_spelt_right(path: Path, checker: SpellChecker) -> None:
    assert misspelt(prose(path), checker) == [], "misspelt, or missing in tests/notebooks/words.txt"


def test_a_misspelt_word_is_seen(checker: SpellChecker) -> None:
    assert misspelt("The `netwrok` sees a heatmpa, the detector's.", checker) == ["heatmpa"]


def test_the_list_of_known_words_is_sorted_and_holds_no_word_of_the_dictionary() -> None:
    known = KNOWN.read_text(encoding="utf-8").split()
    assert known == sorted(set(known))
    assert SpellChecker(language="en").known(known) == set()
