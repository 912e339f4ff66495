"""What lesson 05 defines, as it is stored, against scikit-learn and by trying all."""

from __future__ import annotations

import itertools

import pytest
import torch
from lesson_definitions import definitions
from sklearn.linear_model import LinearRegression

LESSON = definitions("05_landmarks_on_faces")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_landmarks_are_chosen_one_by_one_and_the_best_each_time(seed):
    generator = torch.Generator().manual_seed(seed)
    landmarks = torch.randn(60, 5, 2, generator=generator, dtype=torch.float64)
    points = landmarks[:, [4, 1]] + 0.5 * torch.randn(60, 2, 2, generator=generator, dtype=torch.float64)

    def error(chosen):
        x, y = landmarks[:, list(chosen)].flatten(1), points.flatten(1)
        predicted = torch.from_numpy(LinearRegression(fit_intercept=False).fit(x, y).predict(x))
        return float((predicted - y).view(60, 2, 2).norm(dim=-1).mean())

    order = LESSON["choose_landmarks"](landmarks, points, 3)
    assert len(set(order)) == 3
    assert set(order[:2]) == {1, 4} == set(min(itertools.combinations(range(5), 2), key=error))
    assert order[0] == min(range(5), key=lambda k: error([k]))
    assert order[2] == min({0, 2, 3}, key=lambda k: error([*order[:2], k]))
