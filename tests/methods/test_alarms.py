"""The alarms count by hand what they say."""

from __future__ import annotations

import pytest
import torch

from tusklite.methods.tusk.alarms import count_alarms
from tusklite.ops.keypoints import detect_keypoints


def test_alarms_count_what_they_say() -> None:
    heatmap = torch.full((4, 1, 6, 8), 0.2)
    heatmap[0, 0, 0, 3], heatmap[0, 0, 3, 7], heatmap[0, 0, 3, 3] = 0.9, 0.8, 0.7  # two on the border
    heatmap[1, 0, 5, 0], heatmap[1, 0, 2, 2], heatmap[1, 0, 2, 6] = 0.9, 0.8, 0.7  # one in a corner
    heatmap[2, 0, 2, 2], heatmap[2, 0, 2, 5], heatmap[2, 0, 4, 3] = 0.25, 0.24, 0.23  # all but flat
    heatmap[3, 0, 3, 3] = 0.9  # one keypoint where three are wanted
    points = detect_keypoints(heatmap.masked_fill(heatmap == 0.2, -1.0), k=3, window=3)
    # What lies flat in the first two images is one more plateau, but never among the three.
    points = points._replace(index=points.index.where(points.score > 0, -1))
    weights = torch.tensor([0.97, 0.03, 0.0])  # a tenth of a third is 0.033
    assert {name: int(count) for name, count in count_alarms(heatmap, points, weights).items()} == {
        "dead_prototypes": 2,
        "collapsed_heatmaps": 2,
        "border_keypoints": 3,
    }


def test_an_even_codebook_and_a_peaked_heatmap_raise_no_alarm() -> None:
    heatmap = torch.zeros(2, 1, 5, 5)
    heatmap[:, 0, 2, 2] = 1.0
    alarms = count_alarms(heatmap, detect_keypoints(heatmap, k=1, window=3), torch.full((10,), 0.1))
    assert [int(count) for count in alarms.values()] == [0, 0, 0]


@pytest.mark.parametrize("prototypes", [2, 3, 10, 40])
def test_a_prototype_is_dead_below_a_tenth_of_an_even_share(prototypes: int) -> None:
    heatmap = torch.zeros(1, 1, 5, 5)
    heatmap[0, 0, 2, 2] = 1.0
    points = detect_keypoints(heatmap, k=1, window=3)
    for share, dead in ((0.11, 0), (0.09, 1)):  # of an even share; a tenth of all would be far more
        weights = torch.full((prototypes,), (1 - share / prototypes) / (prototypes - 1))
        weights[-1] = share / prototypes
        assert int(count_alarms(heatmap, points, weights)["dead_prototypes"]) == dead
