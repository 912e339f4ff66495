"""Links of the built site: those between its pages, always; those that lead elsewhere, where there is a network."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

ASKED_BY = {"User-Agent": "Mozilla/5.0 (link check of a course's site)"}
# What a browser may be told, and a program not: the page is there all the same.
THERE = {401, 403, 405, 406, 418, 429, 503}


class _Page(HTMLParser):
    """What a page links to, and its anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := given.get(name))}
        for name in ("href", "src"):
            if value := given.get(name):
                self.targets.append(value)


def read(path: Path) -> _Page:
    """A page, read."""
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def dead_inside(folder: Path) -> list[str]:
    """Every link between pages that leads to no file, or to no such place in it, with the page that it stands on."""
    pages = {path.resolve(): read(path) for path in sorted(folder.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        for target in dict.fromkeys(page.targets):
            if re.match(r"[a-z][\w+.-]*:|//", target):
                continue
            place, anchor = urldefrag(target)
            there = (path.parent / unquote(place.split("?")[0])).resolve() if place.split("?")[0] else path
            there = there / "index.html" if there.is_dir() else there
            name = path.relative_to(folder.resolve()).as_posix()
            if not there.is_file():
                found.append(f"{name}: leads to {target}, which is not there")
            elif anchor and there in pages and unquote(anchor) not in pages[there].anchors:
                found.append(f"{name}: leads to {target}, and there is no such place on that page")
    return found


def naming(folder: Path, words: str) -> list[str]:
    """Every page that has some words, such as the name of a folder of this machine."""
    pages = [path for path in sorted(folder.rglob("*.html")) if words in path.read_text(encoding="utf-8")]
    return [f"{path.relative_to(folder).as_posix()}: names {words}" for path in pages]


def outside(folder: Path) -> list[str]:
    """Every address elsewhere that a page leads to, once."""
    targets = {urldefrag(target)[0] for path in folder.rglob("*.html") for target in read(path).targets}
    return sorted(target for target in targets if re.match(r"https?:", target) and not is_example(target))


def is_example(address: str) -> bool:
    """Whether an address stands for one that is still to come (RFC 2606), itself or in its way.

    Example:
        >>> is_example("https://a.example/b.git"), is_example("https://a.org/git/https%3A%2F%2Fb.example%2Fc.git")
        (True, True)
        >>> is_example("https://a.org/example")
        False
    """
    return bool(re.search(r"//(?:[\w.-]+\.)?example(?:\.\w+)?(?:[/:]|$)", unquote(address)))


def answer(address: str, seconds: float = 20) -> str:
    """What comes back from an address: nothing where all is well, else a word on it."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=ASKED_BY), timeout=seconds):
            return ""
    except urllib.error.HTTPError as error:
        return "" if error.code in THERE else f"answers {error.code}"
    except (OSError, ValueError) as error:
        return f"does not answer ({error})"


def dead_outside(folder: Path) -> list[str]:
    """Every address elsewhere that does not answer, or says that there is nothing."""
    addresses = outside(folder)
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(answer, addresses)
    return [f"{address} {words}" for address, words in zip(addresses, answers, strict=True) if words]
