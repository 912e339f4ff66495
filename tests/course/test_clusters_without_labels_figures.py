"""Figures of clusters without labels hold what they promise: entropies, one cloud, rows of groups, scores, places."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from scipy.stats import entropy

from tusklite.course import clusters_without_labels as lesson
from tusklite.course.figures import PALETTE

POINTS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [3.0, 2.0]])
KINDS = {"k-means": [(1.0, 0.5), (1.2, 0.7)], "merged": [(1.5, 0.8)]}

FIGURES = {
    "joints": lambda: lesson.joints({"agree": torch.eye(3) / 3, "do not": torch.full((3, 3), 1 / 9)}),
    "clouds": lambda: lesson.clouds(POINTS, {"two": torch.tensor([0, 0, 1, 1]), "one": torch.zeros(4).long()}),
    "groups": lambda: lesson.clusters_in_groups(torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 0, 0]), ["a 3", "a 5"]),
    "scores": lambda: lesson.scores_and_accuracy(KINDS, xlabel="information, nats"),
    "places": lambda: lesson.where_they_lie({"raw": torch.rand(3, 4, 4), "even": torch.ones(3, 4, 4)}),
}


def test_joints_say_their_entropies_as_scipy_has_them() -> None:
    table = torch.tensor([[0.3, 0.1], [0.1, 0.5]])
    figure = lesson.joints({"some": table})
    margin, both = entropy(table.sum(dim=1)), entropy(table.flatten())
    assert figure.axes[0].get_xlabel() == f"2 x {margin:.2f} - {both:.2f} = {2 * margin - both:.2f}"
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), table)
    assert "80% of it" in figure.alt or "0.8 of it" in figure.alt
    assert lesson.joints({"none": torch.full((2, 2), 0.25)}).axes[0].get_xlabel().endswith("= 0.00")


def test_clouds_colour_and_number_each_cluster_on_the_same_axes() -> None:
    figure = lesson.clouds(POINTS, {"two": torch.tensor([0, 0, 1, 1]), "many": torch.tensor([0, 1, 2, 11])})
    first, second = figure.axes
    assert [to_hex(dots.get_facecolors()[0]) for dots in first.collections] == [color.lower() for color in PALETTE[:2]]
    assert [text.get_text() for text in second.texts] == ["1", "2", "3", "12"]
    assert sum(len(dots.get_offsets()) for dots in second.collections) == 4
    assert first.get_xlim() == second.get_xlim()


def test_clusters_stand_in_the_row_of_their_group() -> None:
    pictures = torch.rand(5, 1, 6, 6)
    figure = lesson.clusters_in_groups(pictures, torch.tensor([1, 0, 1, 1, 0]), ["fours", "nines"], columns=2)
    shown = [[np.asarray(panel.images[0].get_array()) for panel in row if panel.images] for row in
             (figure.axes[:2], figure.axes[2:])]  # fmt: skip
    for row, members in zip(shown, ([1, 4], [0, 2]), strict=True):  # the third nine has no room
        for picture, member in zip(row, members, strict=True):
            np.testing.assert_allclose(picture, pictures[member, 0])
    assert [panel.texts[0].get_text() for panel in figure.axes[::2]] == ["fours", "nines"]
    assert "fours (2 clusters) and nines (3 clusters)" in figure.alt


def test_scores_lie_where_they_are_and_kinds_differ_in_marker_and_colour() -> None:
    figure = lesson.scores_and_accuracy(KINDS, xlabel="information, nats")
    (panel,) = figure.axes
    found = {dots.get_label(): dots.get_offsets().tolist() for dots in panel.collections}
    assert found == {name: [list(pair) for pair in pairs] for name, pairs in KINDS.items()}
    paths = [dots.get_paths()[0].vertices.shape for dots in panel.collections]
    assert len(set(paths)) == 2
    assert panel.get_xlabel() == "information, nats"
    with pytest.raises(ValueError, match="kinds: 6 was given"):
        lesson.scores_and_accuracy({str(at): [(0.0, 0.0)] for at in range(6)}, xlabel="nats")


def test_places_are_grey_where_chance_is_met() -> None:
    grid = torch.tensor([[[0.0, 1.0], [2.0, 5.0]]])
    figure = lesson.where_they_lie({"raw": grid, "removed": torch.ones(1, 2, 2)})
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), [[0.0, 0.5], [1.0, 1.0]])
    np.testing.assert_allclose(figure.axes[1].images[0].get_array(), 0.5)
    assert [panel.texts[0].get_text() for panel in figure.axes] == ["raw", "removed"]
    assert "raw 1.5 and removed 0" in figure.alt
