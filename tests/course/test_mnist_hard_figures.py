"""The confusion matrix writes what it shows, and scores stand over the scenes that were seen."""

from __future__ import annotations

import torch

from tusklite.course.mnist_hard import confusion, scores_by_scenes

RUNS = {"short": [(100, 0.1), (200, 0.4)], "long": [(100, 0.1), (900, 0.5), (9_000, 0.9)]}
FIGURES = {
    "confusion": lambda: confusion(torch.arange(12).view(3, 4)),
    "scores_by_scenes": lambda: scores_by_scenes(RUNS),
}


def test_confusion_writes_shares_of_each_row():
    (panel,) = confusion(torch.tensor([[6, 1, 1], [0, 0, 0]])).axes
    assert [text.get_text() for text in panel.texts] == ["75.0", "12.5", "12.5"]
    assert [text.get_position() for text in panel.texts] == [(0, 0), (1, 0), (2, 0)]
    assert [text.get_text() for text in panel.get_xticklabels()] == ["0", "1", "missed"]
    assert [text.get_text() for text in panel.get_yticklabels()] == ["0", "1"]


def test_scores_stand_in_percent_over_scenes_on_a_logarithmic_axis():
    figure = scores_by_scenes(RUNS)
    (panel,) = figure.axes
    assert panel.get_xscale() == "log"
    assert [line.get_label() for line in panel.lines] == ["short", "long"]
    assert [line.get_xydata().tolist() for line in panel.lines] == [
        [[scenes, 100 * share] for scenes, share in pairs] for pairs in RUNS.values()
    ]
    assert "“long”" in figure.alt
    assert "90" in figure.alt
