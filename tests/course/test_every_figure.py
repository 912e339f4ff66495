"""What holds of every figure of the lessons: it can be drawn, shown and saved, and leaves no state behind."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib
import pytest
import test_alternation_plots
import test_autoencoder_plots
import test_heatmap_plots
import test_instance_plots
import test_plots
import test_prototype_plots
import test_transport_plots
import test_warp_plots
from matplotlib.figure import Figure
from matplotlib.image import imread

from tusklite.course import figures

FILES = (
    test_plots,
    test_warp_plots,
    test_instance_plots,
    test_heatmap_plots,
    test_autoencoder_plots,
    test_transport_plots,
    test_prototype_plots,
    test_alternation_plots,
)
FIGURES = [
    pytest.param(draw, id=f"{file.__name__.removeprefix('test_')}-{name}")
    for file in FILES
    for name, draw in file.FIGURES.items()
]


@pytest.mark.parametrize("draw", FIGURES)
def test_every_figure_renders_and_leaves_no_state(draw, tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    figure = draw()
    assert isinstance(figure, Figure)
    saved = imread(figures.save(figure, tmp_path / "figure.png"))
    assert saved.std() > 0.01
    assert saved.shape[1::-1] == pytest.approx(figure.get_size_inches() * 100, abs=1)
    assert imread(io.BytesIO(figure._repr_png_())).shape == saved.shape
    assert dict(matplotlib.rcParams) == before
