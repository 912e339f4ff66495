"""Slides of a lesson, by nbconvert, from the cells that have the tag "slide".

A cell of prose shows its heading and its equations, and keeps the rest for the speaker's notes (the key S). A cell of
code shows what it drew or printed.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

from tusklite.course.lessons import read_notebook

__all__ = ["slides_notebook", "slides_page"]

TAG = "slide"
SHOWN = re.compile(r"^#{1,3} [^\n]+$|^\$\$.+?\$\$", re.MULTILINE | re.DOTALL)


def slides_page(lesson: Path) -> str:
    """A lesson's slides as one page of reveal.js, which the page loads from the network where it is shown.

    Raises:
        ValueError: no cell has the tag.
    """
    from nbconvert import SlidesExporter

    exporter = SlidesExporter(exclude_input=True, exclude_input_prompt=True, exclude_output_prompt=True)
    exporter.reveal_scroll = True
    page, _ = exporter.from_notebook_node(slides_notebook(lesson))
    return page


def slides_notebook(lesson: Path) -> Any:
    """The tagged cells of a lesson with the metadata that nbconvert's slides go by.

    Raises:
        ValueError: no cell has the tag.
    """
    notebook = copy.deepcopy(read_notebook(lesson))
    cells: list[Any] = []
    for cell in notebook.cells:
        if TAG not in cell.metadata.get("tags", ()):
            continue
        if cell.cell_type == "code":
            cell.metadata["slideshow"] = {"slide_type": "subslide"}
            cells.append(cell)
            continue
        shown, spoken = copy.deepcopy(cell), cell
        shown.source = "\n\n".join(_shown(cell.source))
        spoken.id, spoken.metadata["slideshow"] = f"{cell.id}-notes", {"slide_type": "notes"}
        shown.metadata["slideshow"] = {"slide_type": "slide"}
        cells += [shown, spoken] if shown.source else [spoken]
    if not cells:
        raise ValueError(f"{lesson}: no cell with the tag {TAG!r} was given; allowed is one or more")
    notebook.cells = cells
    notebook.metadata.pop("widgets", None)
    return notebook


def _shown(source: str) -> list[str]:
    """Headings and displayed equations of a cell of prose, outside its hints."""
    return SHOWN.findall(re.sub(r"<details>.*?</details>", "", source, flags=re.DOTALL))
