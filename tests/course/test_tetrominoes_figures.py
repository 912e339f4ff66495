"""Figures of Tetrominoes hold what they promise: colours of segments, a table of kinds, shares of a confusion."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.colors import to_rgb

from tusklite.course import figures
from tusklite.course import tetrominoes as lesson

PICTURES = torch.rand(4, 3, 5, 5, generator=torch.Generator().manual_seed(2))
SHAPE, COLOUR = torch.tensor([0, 1, 1, -1]), torch.tensor([1, 0, 0, 0])
COUNTS = torch.tensor([[6, 1, 0, 1], [0, 5, 5, 0], [0, 0, 0, 0]])
POINTS = torch.tensor([[0.0, 0.0], [0.5, -0.5]])
FIGURES = {
    "prototype_table": lambda: lesson.prototype_table(PICTURES, SHAPE, COLOUR, ["I", "O"], ["red", "blue"]),
    "confusion": lambda: lesson.confusion(COUNTS, ["red", "green", "blue"]),
    "redrawn": lambda: lesson.redrawn(PICTURES[0], PICTURES[1], POINTS, torch.tensor([True, False])),
    "redrawn_without_any": lambda: lesson.redrawn(PICTURES[0], 0 * PICTURES[1], POINTS, torch.zeros(2).bool()),
}


def test_segments_have_the_palette_s_colours_and_nothing_is_black():
    painted = lesson.paint_segments(torch.tensor([[[0, 1, 3]]], dtype=torch.uint8))
    assert painted.shape == (1, 3, 1, 3)
    wanted = [(0, 0, 0), to_rgb(figures.PALETTE[0]), to_rgb(figures.PALETTE[2])]
    np.testing.assert_allclose(painted[0, :, 0].T, wanted, atol=1e-6)


def test_a_prototype_stands_where_its_names_say_and_the_first_of_two_is_shown():
    figure = FIGURES["prototype_table"]()
    sheet = torch.from_numpy(figure.axes[0].images[0].get_array()).float()  # (H, W, 3), cells of 7 x 7
    torch.testing.assert_close(sheet[8:13, 1:6], PICTURES[0].permute(1, 2, 0))  # I, blue
    torch.testing.assert_close(sheet[1:6, 8:13], PICTURES[1].permute(1, 2, 0))  # O, red
    for row, column in ((0, 0), (1, 1)):
        gap = sheet[7 * row : 7 * row + 7, 7 * column : 7 * column + 7]
        assert gap.min() == gap.max()
    assert [text.get_text() for text in figure.axes[0].texts] == ["2"]
    assert (
        "2 of 4 kinds have a prototype of their name, 1 have two or more; without one: red I and blue O" in figure.alt
    )


def test_a_confusion_writes_shares_of_each_row_and_names_the_commonest_mistake():
    figure = FIGURES["confusion"]()
    assert [text.get_text() for text in figure.axes[0].texts] == ["75", "12", "12", "50", "50"]
    assert [text.get_position() for text in figure.axes[0].texts] == [(0, 0), (1, 0), (3, 0), (1, 1), (2, 1)]
    assert "50.0% of the green are named blue" in figure.alt
    assert "none" in [text.get_text() for text in figure.axes[0].get_xticklabels()]


def test_what_is_given_no_name_is_said():
    assert "of the red are given no name" in lesson.confusion(torch.tensor([[1, 0, 3], [0, 4, 0]]), ["red", "blue"]).alt


def test_only_keypoints_that_are_there_have_a_cross_and_the_difference_is_told():
    figure = FIGURES["redrawn"]()
    drawn = figure.axes[1]
    assert [mark.get_offsets().tolist() for mark in drawn.collections] == [[[2.5, 2.5]]]
    assert [text.get_text() for text in drawn.texts] == ["1"]
    squared = float((PICTURES[0] - PICTURES[1]).square().sum()) / 3
    assert f"by {squared:.3g} pixels" in figure.alt
    assert "without 2" in figure.alt
    assert "with all of them" in lesson.redrawn(PICTURES[0], PICTURES[1], POINTS, torch.ones(2).bool()).alt
    assert not FIGURES["redrawn_without_any"]().axes[1].collections
