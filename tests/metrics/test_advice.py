"""What is measured of keypoints, against counts by hand; and which words a known ailment is given."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tusklite.metrics.advice import KeypointHealth, advise, measure_health

WELL = KeypointHealth(
    pictures=500,
    keypoints=10,
    border=0.1,
    border_expected=0.19,
    empty=0.1,
    prototypes=10,
    dead=0,
    largest=0.15,
    movement=0.2,
)


def test_what_is_measured_is_what_loops_count() -> None:
    generator = torch.Generator().manual_seed(0)
    xy = 2 * torch.rand(60, 8, 2, generator=generator) - 1
    found = torch.rand(60, 8, generator=generator) < 0.7
    kinds = torch.randint(0, 40, (60, 8), generator=generator).clamp(max=19)  # half of them are of the last one
    health = measure_health(xy, kinds, found, prototypes=25)
    there = [
        (x, y, kind)
        for points, names, shown in zip(xy.tolist(), kinds.tolist(), found.tolist(), strict=True)
        for (x, y), kind, is_there in zip(points, names, shown, strict=True)
        if is_there
    ]
    counts = [sum(kind == number for _, _, kind in there) for number in range(25)]
    assert health.border == pytest.approx(sum(max(abs(x), abs(y)) > 0.9 for x, y, _ in there) / len(there))
    assert health.empty == pytest.approx(8 - len(there) / 60)
    assert health.dead == sum(count < 0.1 * len(there) / 25 for count in counts) >= 5
    assert health.largest == pytest.approx(counts[19] / len(there))
    assert (health.pictures, health.keypoints, health.prototypes) == (60, 8, 25)


def test_points_anywhere_lie_on_the_border_as_often_as_is_expected() -> None:
    xy = 2 * torch.rand(200, 50, 2, generator=torch.Generator().manual_seed(1)) - 1
    health = measure_health(xy, torch.zeros(200, 50, dtype=torch.int64), torch.ones(200, 50).bool(), 1)
    assert health.border == pytest.approx(health.border_expected, abs=0.02)
    assert health.border_expected == pytest.approx(0.19)


def test_what_is_well_gets_no_advice() -> None:
    assert advise(WELL) == ["nothing stands out: look at the pictures that `detect` marks"]


@pytest.mark.parametrize(
    ("ailment", "says"),
    [
        ({"border": 0.6}, ["60% of the keypoints lie on the border", "19% of the area", "keypoints=4"]),
        ({"dead": 3}, ["3 of 10 prototypes are of next to no keypoint", "prototypes=7"]),
        ({"empty": 2.6}, ["2.6 of 10 slots of a picture stay empty", "keypoints=7", "smaller window"]),
        ({"movement": 0.004}, ["keypoints hardly move", "jitter=0"]),
        ({"largest": 0.8}, ["80% of the keypoints are of one prototype", "image_information=0.4"]),
        ({"pictures": 40}, ["40 pictures are few", "200 or more"]),
    ],
)
def test_each_ailment_is_named_with_what_to_change(ailment: dict[str, float], says: list[str]) -> None:
    (line,) = advise(replace(WELL, **ailment))
    for words in says:
        assert words in line


def test_several_ailments_get_a_line_each() -> None:
    assert len(advise(replace(WELL, border=0.6, dead=2, empty=1.0))) == 3


def test_settings_that_are_named_are_settings() -> None:
    """Whatever stands before an equals sign can be given with `--set`."""
    import re

    from tusklite.experiments import get_preset

    sick = replace(WELL, border=0.9, dead=10, empty=9.9, movement=0.0, largest=1.0, pictures=2)
    names = re.findall(r"(\w+)=([\d.]+)", " ".join(advise(sick)))
    assert {name for name, _ in names} == {"keypoints", "prototypes", "jitter", "image_information"}
    for name, value in names:
        get_preset("tusk-pictures", "lite", **{name: float(value) if "." in value else int(value)})


def test_pictures_without_a_keypoint_can_be_measured() -> None:
    health = measure_health(torch.zeros(3, 2, 2), torch.zeros(3, 2, dtype=torch.int64), torch.zeros(3, 2).bool(), 4)
    assert (health.border, health.empty, health.dead, health.largest) == (0, 2, 4, 0)
    assert "2.0 of 2 slots" in " ".join(advise(health))
