"""The confusion matrix writes what it shows."""

from __future__ import annotations

import torch

from tusklite.course.mnist_hard import confusion

FIGURES = {"confusion": lambda: confusion(torch.arange(12).view(3, 4))}


def test_confusion_writes_shares_of_each_row():
    (panel,) = confusion(torch.tensor([[6, 1, 1], [0, 0, 0]])).axes
    assert [text.get_text() for text in panel.texts] == ["75.0", "12.5", "12.5"]
    assert [text.get_position() for text in panel.texts] == [(0, 0), (1, 0), (2, 0)]
    assert [text.get_text() for text in panel.get_xticklabels()] == ["0", "1", "missed"]
    assert [text.get_text() for text in panel.get_yticklabels()] == ["0", "1"]
