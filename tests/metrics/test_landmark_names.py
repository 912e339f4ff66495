"""Which true point a landmark means: by medians computed one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tusklite.metrics import points_of_landmarks


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("tolerance", [0.05, 0.2, 0.5])
def test_medians_of_distances_decide(tolerance: float) -> None:
    points = torch.rand(30, 4, 2, generator=seeded())
    noise = 0.15 * torch.randn(30, 6, 2, generator=seeded(1)) * torch.arange(6)[:, None] / 5
    landmarks = points[:, [0, 0, 1, 2, 3, 3]] + noise
    landmarks[torch.rand(30, 6, generator=seeded(2)) < 0.4] = torch.nan
    points[5, 1] = torch.nan
    expected = []
    for number in range(6):
        medians = []
        for point in range(4):
            apart = np.linalg.norm((landmarks[:, number] - points[:, point]).numpy(), axis=1)
            apart = sorted(apart[~np.isnan(apart)])
            medians.append(apart[(len(apart) - 1) // 2])  # the lower of two middle ones
        best = int(np.argmin(medians))
        expected.append(best if medians[best] <= tolerance else -1)
    assert points_of_landmarks(landmarks, points, tolerance).tolist() == expected


def test_what_is_hardly_ever_found_means_nothing() -> None:
    points = torch.rand(9, 2, 2, generator=seeded())
    landmarks = points.clone()
    landmarks[4:, 0] = torch.nan
    landmarks[:, 1] = torch.nan
    assert points_of_landmarks(landmarks, points, 0.1).tolist() == [-1, -1]
    assert points_of_landmarks(landmarks, points, 0.1, least_images=4).tolist() == [0, -1]


def test_wrong_input_is_named() -> None:
    points = torch.rand(3, 2, 2)
    with pytest.raises(ValueError, match="tolerance: 0 was given"):
        points_of_landmarks(points, points, 0)
    with pytest.raises(ValueError, match="points"):
        points_of_landmarks(points, points[:2], 0.1)
    with pytest.raises(ValueError, match="least_images: 0 was given"):
        points_of_landmarks(points, points, 0.1, least_images=0)
