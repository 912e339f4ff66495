"""Drawings of methods name every loss and every part, and no word lies on another or leaves the sheet."""

from __future__ import annotations

from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tusklite.course.factorized_landmarks import siamese_drawing
from tusklite.course.figures import tusk_drawing
from tusklite.course.self_training import rounds_drawing

PARTS = {
    tusk_drawing: [
        "eq. 1",
        "eq. 2",
        "eq. 3",
        "eq. 4",
        "U-Net",
        "heatmap",
        "features",
        "splats",
        "decoder",
        "prototypes",
    ],
    rounds_drawing: ["one map", "descriptors", "k-means", "once an image", "pseudo truth", "eq. 2", "squared error"],
    siamese_drawing: ["eq. 6", "eq. 8", "same weights", "K maps", "g₁", "g₂", "landmarks"],
}


@pytest.fixture(params=PARTS, ids=lambda draw: draw.__name__)
def drawn(request: pytest.FixtureRequest):
    figure = request.param()
    FigureCanvasAgg(figure).draw()
    (panel,) = figure.axes
    texts = [text for text in panel.texts if len(text.get_text()) > 1]  # single digits belong to the pictures
    return PARTS[request.param], figure, texts, [text.get_window_extent() for text in texts]


def test_every_part_is_named(drawn):
    parts, _, texts, _ = drawn
    words = "\n".join(text.get_text() for text in texts)
    assert [part for part in parts if part not in words] == []


def test_words_stay_on_the_sheet_and_off_each_other(drawn):
    _, figure, texts, frames = drawn
    sheet = figure.bbox
    for text, frame in zip(texts, frames, strict=True):
        inside = sheet.x0 <= frame.x0 and frame.x1 <= sheet.x1 and sheet.y0 <= frame.y0 and frame.y1 <= sheet.y1
        assert inside, text.get_text()
    for (one, first), (other, second) in combinations(zip(texts, frames, strict=True), 2):
        assert not first.overlaps(second), (one.get_text(), other.get_text())


def test_words_can_be_read_at_the_width_of_a_notebook(drawn):
    _, figure, texts, _ = drawn
    assert figure.get_figwidth() <= 9.6
    assert min(text.get_fontsize() for text in texts) >= 7
