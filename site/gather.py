"""The sources of the web site, gathered from the repository's own pages, lessons, docstrings and recorded results.

`gather(folder)` writes what Sphinx reads. Nothing is told twice: README is cut at its headings, lessons are taken as
they are stored, links between files of the repository become links between pages, and links to code lead into the
reference.
"""

from __future__ import annotations

import base64
import json
import posixpath
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lesson_map
import recorded_runs
import reference

ROOT = Path(__file__).resolve().parents[1]
# Which page of the site shows which section of README; what is not named here is shown on the page "use".
SECTIONS = {
    "": "index",
    "Open a lesson": "index",
    "Lessons": "lessons/index",
    "Two commands": "install",
    "What to install": "install",
    "In Colab": "install",
    "Without CUDA": "install",
    "Results": "results",
    "Licence and sources": "index",
}
OTHERS = "use"
MENU = (
    *("lessons/index", "equations", "results", "reference/index", "Teach <teach/index>", "data", "Install <install>"),
    *("use", "contributing", "changes"),
)
TITLES = {
    "lessons/index": "Lessons",
    "install": "Install and run",
    "results": "Results",
    "use": "Use the package",
}
# Whole files that are pages: where they lie in the repository, and on the site.
PAGES = {
    "data/README.md": "data.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
    "site/equations.md": "equations.md",
    "site/teach/README.md": "teach/index.md",
}
FOLDERS = {"results": "results.md", "notebooks": "lessons/index.md", "notebooks/solutions": "lessons/index.md"}
MADE = re.compile(r" ?Made (?:from the docstrings )?by `python site/\w+\.py`; do not edit\.")
CODE = re.compile(r"(^ *(```+|~~~+).*?^ *\2 *$)|(`+)(?!`).*?(?<!`)\3(?!`)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\])*)\]\((?P<target>[^()\s]+)\)")


def slug(heading: str) -> str:
    """The name of a heading in a link, as GitHub and MyST make it.

    Example:
        >>> slug("SqueezeNet's weights (the eye of lesson 08)")
        'squeezenets-weights-the-eye-of-lesson-08'
    """
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def sections(text: str) -> dict[str, tuple[int, str]]:
    """A page cut at its headings, by these: the level of each, and what stands below it up to the next one.

    Example:
        >>> sections("# A\\nx\\n## B\\n```\\n# no heading\\n```\\n")
        {'': (1, 'x'), 'B': (2, '```\\n# no heading\\n```')}
    """
    found, fence, name, level, lines = {}, False, "", 1, []
    for line in text.splitlines():
        heading = None if fence else re.match(r"(#+) (.+)", line)
        fence ^= line.startswith("```")
        if heading is None:
            lines.append(line)
        elif len(heading[1]) > 1:
            found[name] = (level, "\n".join(lines).strip("\n"))
            name, level, lines = heading[2], len(heading[1]), []
    found[name] = (level, "\n".join(lines).strip("\n"))
    return found


class Sources:
    """What Sphinx reads, while it is being gathered.

    Attributes:
        readme: README's sections by their headings.
        pages: which file of the repository is which of the site, both as text with slashes.
        copies: files that pages lead to, by their place on the site.
        names: everything that the reference shows, by its full name.
    """

    def __init__(self) -> None:
        self.readme = sections((ROOT / "README.md").read_text(encoding="utf-8"))
        self.pages = dict(PAGES)
        for path in sorted((ROOT / "site" / "teach").rglob("*.md")):
            own = path.relative_to(ROOT).as_posix()
            self.pages.setdefault(own, own.removeprefix("site/"))
        for path in lessons():
            own = path.relative_to(ROOT).as_posix()
            self.pages[own] = own.replace("notebooks/", "lessons/")
        self.copies: dict[str, Path] = {}
        self.names = reference.names()

    def readme_page(self, heading: str) -> str:
        """Where a section of README is shown."""
        return SECTIONS.get(heading, OTHERS) + ".md"

    def translate(self, text: str, own: str, page: str) -> str:
        """Text of a file of the repository as a page of the site has it: with other links, and the same code.

        Args:
            text: in Markdown.
            own: the file's place in the repository.
            page: the page's place on the site.

        Raises:
            ValueError: a link to a file that is not there.
        """
        kept, end = [], 0
        hidden: list[str] = []

        def hide(match: re.Match[str]) -> str:
            hidden.append(match[0])
            return f"\0{len(hidden) - 1}\0"

        def show(words: str) -> str:
            return re.sub("\0(\\d+)\0", lambda match: hidden[int(match[1])], words)

        text = CODE.sub(hide, MADE.sub("", text))
        for match in LINK.finditer(text):
            kept += [text[end : match.start()], self.link(match, own, page, show)]
            end = match.end()
        return show("".join(kept) + text[end:])

    def link(self, match: re.Match[str], own: str, page: str, show: Any) -> str:
        """One link, translated."""
        target, _, anchor = match["target"].partition("#")
        if re.match(r"\w+:", target):
            return match[0]
        place = posixpath.normpath(posixpath.join(posixpath.dirname(own), target)) if target else own
        if place == "README.md":
            heading = next((name for name in self.readme if slug(name) == anchor), "")
            return self.to(match, self.readme_page(heading), page, anchor)
        if place in self.pages or place in FOLDERS:
            return self.to(match, self.pages.get(place) or FOLDERS[place], page, anchor)
        if place.startswith("tusklite/") and place.endswith(".py"):
            return reference.role(show(match["text"]), place, self.names)
        if not (ROOT / place).is_file():
            raise ValueError(f"{own}: leads to {match['target']}, which is no file of the repository")
        copy = place.removeprefix("site/") if match["image"] else f"files/{place}"
        self.copies[copy] = ROOT / place
        return self.to(match, copy, page, anchor)

    @staticmethod
    def to(match: re.Match[str], place: str, page: str, anchor: str) -> str:
        """The same link with another target, seen from a page."""
        there = posixpath.relpath(place, posixpath.dirname(page) or ".")
        if place == page:
            there = "" if anchor else posixpath.basename(place)
        return f"{match['image']}[{match['text']}]({there}{'#' + anchor if anchor else ''})"

    def of_readme(self, page: str) -> str:
        """The sections of README that a page shows, the first of which stands at the top without a heading."""
        parts = []
        for heading, (level, text) in self.readme.items():
            if self.readme_page(heading) == page:
                head = [f"{'#' * max(2, level)} {heading}"] if heading and heading != TITLES.get(page[:-3]) else []
                parts.append("\n\n".join([*head, text]))
        return self.translate("\n\n".join(parts), "README.md", page)


def lessons() -> list[Path]:
    """All lessons, then all solutions."""
    return [path for folder in ("", "solutions") for path in sorted((ROOT / "notebooks" / folder).glob("*.ipynb"))]


def lesson_title(path: Path) -> str:
    """The heading of a lesson, up to its colon.

    Example:
        >>> lesson_title(lessons()[1])
        '01 · Thin-plate splines'
    """
    first = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
    return re.match(r"# ([^:\n]+)", first)[1]  # type: ignore[index]


def as_text(value: str | list[str]) -> str:
    """What a notebook keeps as a text or as its lines."""
    return value if isinstance(value, str) else "".join(value)


def in_markdown(alt: str) -> str:
    """Words that may stand for an image in Markdown.

    Example:
        >>> in_markdown("a [b] `c`")
        'a \\\\[b\\\\] \\\\`c\\\\`'
    """
    return re.sub(r"([\\`*_{}\[\]<>$])", r"\\\1", " ".join(alt.split()))


def figures_of(notebook: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, bytes]]:
    """The outputs of a notebook that are pictures, each with a name of its own and its PNG."""
    for cell in notebook["cells"]:
        drawn = [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
        for number, output in enumerate(drawn):
            name = cell["id"] + (f"-{number + 1}" if number else "")
            yield output, name, base64.b64decode(as_text(output["data"]["image/png"]))


def lesson(path: Path, sources: Sources, folder: Path) -> None:
    """A lesson as the site has it: links that lead to pages, figures as files with their words, no cell to set up.

    Args:
        path: of the notebook.
        sources: what knows the links.
        folder: of what Sphinx reads.

    Raises:
        ValueError: an output that no page can show as it is stored: a widget, an error, a figure without words.
    """
    notebook = json.loads(path.read_text(encoding="utf-8"))
    own = path.relative_to(ROOT).as_posix()
    page = sources.pages[own]
    figures = (folder / page).with_suffix("")
    figures.mkdir(parents=True)
    # The site has buttons of its own.
    notebook["cells"] = [cell for cell in notebook["cells"] if "badges" not in cell["metadata"].get("tags", [])]
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = sources.translate(as_text(cell["source"]), own, page)
        elif "bootstrap" in cell["metadata"].get("tags", []):
            cell["metadata"]["tags"].append("hide-input")
        for output in cell.get("outputs", []):
            kinds = output.get("data", {})
            if output["output_type"] == "error" or any("widget" in kind for kind in kinds):
                raise ValueError(f"{own}: cell {cell['id']} holds an error or a widget, which no page can show")
    for output, name, picture in figures_of(notebook):
        alt = output["metadata"].get("image/png", {}).get("alt", "")
        if not alt:
            raise ValueError(f"{own}: a figure of cell {name} has no words for who cannot see it")
        (figures / f"{name}.png").write_bytes(picture)
        output["data"] = {"text/markdown": f"![{in_markdown(alt)}]({figures.name}/{name}.png)"}
        output["metadata"] = {}
    (folder / page).write_text(json.dumps(notebook, indent=1, ensure_ascii=False), encoding="utf-8")


def contents(*entries: str, caption: str = "", hidden: bool = True, depth: int = 1) -> str:
    """A list of pages that Sphinx follows."""
    options = [f":maxdepth: {depth}"] + ([":hidden:"] if hidden else []) + ([f":caption: {caption}"] if caption else [])
    return "\n".join(["```{toctree}", *options, "", *entries, "```"])


def front_page(sources: Sources) -> str:
    """The first page: README's first words and picture, and the way to everything."""
    text = sources.of_readme("index.md")
    ways = (ROOT / "site" / "pages" / "ways.md").read_text(encoding="utf-8")
    return "\n\n".join(["# tusklite", ways, text, contents(*MENU)]) + "\n"


def lessons_page(sources: Sources) -> str:
    """README's table of lessons, the map of what needs what, and lessons and solutions for the menu."""
    names = [path.stem for path in lessons() if path.parent.name == "notebooks"]
    return "\n\n".join(
        [
            "# Lessons",
            sources.of_readme("lessons/index.md"),
            "## What depends on what",
            lesson_map.figure(),
            contents(*names, caption="Lessons"),
            contents(*(f"solutions/{name}" for name in names), caption="Solutions"),
        ]
    )


def results_page(sources: Sources) -> str:
    """README's results, and below them every run that a row was made of."""
    page = recorded_runs.page(ROOT / "results", lambda path: f"files/{path.relative_to(ROOT).as_posix()}")
    for path in sorted((ROOT / "results").rglob("*.json")):
        sources.copies[f"files/{path.relative_to(ROOT).as_posix()}"] = path
    return "\n\n".join(["# Results", sources.of_readme("results.md"), page])


def whole_page(own: str, page: str, sources: Sources) -> str:
    """A page that is a file of the repository."""
    text = sources.translate((ROOT / own).read_text(encoding="utf-8"), own, page)
    if own == "site/teach/README.md":
        quizzes = sorted(path.stem for path in (ROOT / "site/teach/quizzes").glob("*.md"))
        first = ("prerequisites", "syllabi", "map", "glossary", "projects")
        others = sorted(path.stem for path in (ROOT / "site/teach").glob("*.md") if path.stem not in (*first, "README"))
        text += "\n" + contents(*first, *others, caption="To teach with")
        text += "\n\n" + contents(*(f"quizzes/{name}" for name in quizzes), caption="Quizzes") + "\n"
    return re.sub(r"```mermaid\n.*?```", lambda _: lesson_map.figure("../lessons/"), text, flags=re.DOTALL)


def gather(folder: Path) -> None:
    """Write everything that Sphinx reads into a folder, in place of what was there.

    Args:
        folder: to be made, or made anew.

    Raises:
        ValueError: a link that leads nowhere, or an output that no page can show; the message names the file.
    """
    shutil.rmtree(folder, ignore_errors=True)
    sources = Sources()
    made = {
        "index.md": front_page(sources),
        "lessons/index.md": lessons_page(sources),
        "results.md": results_page(sources),
    }
    made |= {f"{name}.md": f"# {TITLES[name]}\n\n{sources.of_readme(name + '.md')}\n" for name in ("install", "use")}
    made |= {page: whole_page(own, page, sources) for own, page in sources.pages.items() if own.endswith(".md")}
    made |= reference.pages()
    for place, text in made.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(text, encoding="utf-8")
    for path in lessons():
        lesson(path, sources, folder)
    for place, path in sources.copies.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / place)
