"""What holds of every figure of the lessons: it can be drawn, shown and saved, and leaves no state behind."""

from __future__ import annotations

import importlib
import io
import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
from matplotlib.image import imread

from tusklite.course.figures import LessonFigure

FILES = [importlib.import_module(path.stem) for path in sorted(Path(__file__).parent.glob("test_*figures.py"))]
FIGURES = [
    pytest.param(draw, id=f"{file.__name__.removeprefix('test_')}-{name}")
    for file in FILES
    for name, draw in file.FIGURES.items()
]


@pytest.mark.parametrize("draw", FIGURES)
def test_every_figure_renders_and_leaves_no_state(draw, tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    figure = draw()
    assert isinstance(figure, LessonFigure)
    figure.savefig(tmp_path / "figure.png", dpi=100)
    saved = imread(tmp_path / "figure.png")
    assert saved.std() > 0.01
    assert saved.shape[1::-1] == pytest.approx(figure.get_size_inches() * 100, abs=1)
    shown = imread(io.BytesIO(figure._repr_png_()))
    assert shown.shape[:2] == saved.shape[:2]
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("draw", FIGURES)
def test_every_figure_says_in_words_what_it_shows(draw) -> None:
    figure = draw()
    said = figure.alt
    assert len(said.split()) >= 8
    assert not re.search(r"Figure|Tensor|tensor\(|array\(|<|nan|None", said)
    assert said[0].isupper() or said[0].isdigit() or said[0] == "“"
    assert said.endswith(".")
    data, metadata = figure._repr_mimebundle_(include=None, exclude=None)
    assert data["text/plain"] == metadata["image/png"]["alt"] == said
    shown = ElementTree.fromstring(data["text/html"].replace('">', '"/>'))
    assert shown.get("alt") == said
    assert shown.get("src") == f"data:image/png;base64,{data['image/png']}"
