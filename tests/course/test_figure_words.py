"""The words of a figure reach who reads a notebook without seeing it, and are true of what is drawn."""

from __future__ import annotations

import logging

import nbformat
import pytest
import torch
from bs4 import BeautifulSoup
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from tusklite.course import figures
from tusklite.course.figures.words import TITLES, course, title_of
from tusklite.experiments.registry import experiments

CELLS = """\
import torch
from tusklite.course import figures
figures.image_grid(torch.rand(2, 1, 8, 8), ['<a & "b">', "c"])
--
display(figures.lines_and_dots([0, 1], {"up": [2, 5]}, xlabel="x", ylabel="y"))
--
figure = figures.panel_grid(1)
figure.axes[0].bars({"ours": 0.5, "theirs": 0.25})
figure
"""


@pytest.fixture(scope="module")
def notebook() -> nbformat.NotebookNode:
    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS.split("--\n")]
    return NotebookClient(nbformat.v4.new_notebook(cells=cells)).execute()


SAID = [
    '2 grey images of 8 x 8 pixels, titled “<a & "b">” and “c”.',
    "1 line, y over x: “up” from 2 at 0 to 5 at 1.",
    "1 panel: bars: ours 0.5 and theirs 0.25.",
]


def test_a_notebook_stores_the_picture_and_the_words_for_every_kind_of_reader(notebook):
    for cell, words in zip(notebook.cells, SAID, strict=True):
        (output,) = cell.outputs
        assert output.data["image/png"].startswith("iVBOR")
        assert output.data["text/plain"] == output.metadata["image/png"]["alt"] == words
        image = BeautifulSoup(output.data["text/html"], "html.parser").img
        assert (image["alt"], image["src"]) == (words, f"data:image/png;base64,{output.data['image/png']}")


@pytest.mark.parametrize("template", ["lab", "classic", "basic"])
def test_pages_made_of_a_notebook_hold_the_words_as_alt_text(notebook, template, caplog):
    with caplog.at_level(logging.WARNING):
        page, _ = HTMLExporter(template_name=template).from_notebook_node(notebook)
    assert [image["alt"] for image in BeautifulSoup(page, "html.parser").select("img")] == SAID
    assert "Alternative text is missing" not in caplog.text


def test_words_follow_what_a_cell_draws_after_a_figure_was_told():
    figure = figures.image_grid(torch.zeros(2, 1, 8, 8))
    before = figure.alt
    for panel in figure.axes:
        panel.mark(torch.zeros(3, 2), label="a mark")
    assert figure.alt == f"{before} 2 panels: 3 points “a mark”."
    figure.legend_below({"found": {"marker": "o"}, "true": {"marker": "s"}})
    assert figure.alt.endswith("Legend: found and true.")


def test_words_of_lines_areas_boxes_and_axes_are_read_off_them():
    figure = figures.panel_grid(2)
    left, right = figure.axes
    left.plot([0, 1, 2], [0.5, 4, 1], label="hill")
    left.fill_between([0, 1], [0, 0], [1, 1])
    left.set(title="a title", xlabel="step", ylabel="height")
    right.imshow([[0.0, 1.0], [2.0, 3.0]])
    right.scatter([1, 2], [1, 2])
    right.text(0, 0, "inside")
    assert figure.alt == (
        "“a title”: the line “hill” from 0.5 at 0 to 1 at 2, highest 4 at 1; a shaded area; x: step; y: height. "
        "1 panel: an image of 2 x 2, values from 0 to 3; 2 points; the words inside."
    )


def test_a_line_s_course_names_what_lies_between_its_ends():
    assert course([0, 1, 2, 3], [1, -2, 9, 3]) == "from 1 at 0 to 3 at 3, highest 9 at 2, lowest -2 at 1"
    assert course([0, 1, 2], [1, float("nan"), 3]) == "from 1 at 0 to 3 at 2"


def test_every_figure_that_experiments_state_has_words():
    names = {metric.name for experiment in experiments().values() for metric in experiment.metrics}
    names |= {name for experiment in experiments().values() for name in experiment.watched} | TITLES.keys()
    assert {"equivariance_px", "sliced_wasserstein"} <= names
    for name in names:
        assert "_" not in title_of(name), name
    assert title_of("equivariance_px") == "equivariance, px"
    assert title_of("localization") == "localisation"  # as its metric has it
