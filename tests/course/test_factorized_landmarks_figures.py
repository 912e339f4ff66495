"""The drawing of siamese training; what holds of drawings is in `test_drawings`."""

from __future__ import annotations

from tusklite.course.factorized_landmarks import siamese_drawing

FIGURES = {"drawing": siamese_drawing}


def test_every_landmark_has_its_number_on_its_map_and_on_its_dot_in_both_views():
    (panel,) = siamese_drawing().axes
    numbers = [text.get_text() for text in panel.texts if text.get_text() in "1234" and text.get_fontsize() == 7]
    assert sorted(numbers) == sorted(4 * ["1", "2", "3", "4"])
