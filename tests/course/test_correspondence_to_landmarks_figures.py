"""Figures of lesson 19 hold what they promise: who fires where, and who fires together."""

from __future__ import annotations

import numpy as np
import torch

from tusklite.course import correspondence_to_landmarks as lesson

IMAGES = torch.rand(2, 3, 8, 10, generator=torch.Generator().manual_seed(0))
PLACES = torch.tensor([[[0.0, 0.0], [0.5, 0.5]], [[-0.5, 0.0], [torch.nan, torch.nan]]])
TOGETHER = torch.tensor([[10, 0, 8], [0, 4, 1], [8, 1, 8]])
GROUP = torch.tensor([0, 1, 0])
FIGURES = {
    "detectors": lambda: lesson.detectors_on_images(IMAGES, {"all": PLACES, "none": PLACES[:, :0]}),
    "numbered": lambda: lesson.detectors_on_images(IMAGES, {"all": PLACES}, [7, 12]),
    "overlap": lambda: lesson.overlap_table(TOGETHER, GROUP, 0.7),
    "never": lambda: lesson.overlap_table(torch.zeros(2, 2, dtype=torch.int64), torch.tensor([0, 1]), 0.7),
}


def test_only_detectors_that_fire_are_drawn():
    figure = FIGURES["numbered"]()
    written = [[text.get_text() for text in panel.texts if text.get_text().isdigit()] for panel in figure.axes]
    assert written == [["7", "12"], ["7"]]
    assert "2 detectors, of which 1.5 fire in an image" in figure.alt


def test_shares_are_of_whoever_fires_less_and_in_order_of_groups():
    figure = FIGURES["overlap"]()
    shown = np.asarray(figure.axes[0].images[0].get_array())
    np.testing.assert_allclose(shown, [[1, 1, 0], [1, 1, 0.25], [0, 0.25, 1]])
    assert "of 2 and 1 members. 1 pair of them together in at least 70%" in figure.alt
