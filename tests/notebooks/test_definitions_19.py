"""What lesson 19 defines, as it is stored, against the package and independent rivals."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lesson_definitions import definitions

from tusklite.losses import assigned_map_loss
from tusklite.metrics import complete_matrix, cumulative_error_distribution
from tusklite.ops.correspondence import DetectorOverlap, detector_overlap, merge_detectors

LESSON = definitions("19_correspondence_to_landmarks", goes_on=True)
JOINTS = 1.6 * torch.rand(30, 14, 2, generator=torch.Generator().manual_seed(9)) - 0.8
LESSON.update(
    joints=JOINTS,
    shown=torch.ones(30, 14, dtype=torch.bool),
    looked=30,
    cell=0.06,
    leans=torch.arange(30) % 2,
    kinds=torch.cat([torch.arange(28) // 2, torch.full((4,), -1)]),
    corner=torch.tensor([[-0.8, -0.8], [0.8, -0.8], [0.0, 0.9], [0.85, 0.1]]),
    seed=0,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), emphasis=st.floats(0.0, 20.0))
def test_the_loss_of_maps_is_the_package_s(seed, emphasis):
    maps, targets = torch.rand(2, 3, 4, 5, 6, generator=seeded(seed))
    assigned = torch.rand(3, 4, generator=seeded(seed + 1)) < 0.5
    ours = LESSON["assigned_loss"](maps, targets, assigned, emphasis)
    torch.testing.assert_close(ours, assigned_map_loss(maps, targets, assigned, emphasis))


@pytest.mark.parametrize("share", [0.1, 0.4, 1.0])
def test_a_map_that_is_always_compared_is_as_high_as_its_landmark_is_often_found(share):
    assert LESSON["best_height"](share, False) == pytest.approx(share, abs=0.01)
    assert LESSON["best_height"](share, True) == pytest.approx(1.0, abs=0.01)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), radius=st.floats(0.05, 1.0))
def test_counts_of_firing_together_are_the_package_s(seed, radius):
    xy = 2 * torch.rand(12, 6, 2, generator=seeded(seed), dtype=torch.float64) - 1
    fired = torch.rand(12, 6, generator=seeded(seed + 1)) < 0.6
    assert torch.equal(LESSON["fired_together"](xy, fired, radius), detector_overlap(xy, fired, radius).together)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), share=st.floats(0.2, 0.95))
def test_mergers_are_the_package_s_and_change_nothing_twice(seed, share):
    xy = torch.rand(12, 7, 2, generator=seeded(seed))
    fired = torch.rand(12, 7, generator=seeded(seed + 1)) < 0.8
    fired[0] = True  # who never fires waits in the package
    overlap = detector_overlap(xy, fired, 0.4)
    size = torch.randint(5, 40, (7,), generator=seeded(seed + 2))
    group = LESSON["join_detectors"](overlap.together, size, share)
    theirs = merge_detectors(DetectorOverlap(*overlap), size, share)
    assert torch.equal(group.unique(return_inverse=True)[1], theirs)
    lead = group.unique()
    again = LESSON["join_detectors"](overlap.together[lead][:, lead], size[lead], share)
    assert again.tolist() == list(range(len(lead)))


def test_toy_detectors_fire_on_their_own_kind_and_less_on_the_other():
    xy, fired = LESSON["toy_detectors"](0.9, other=0.5, noise=0.0)
    assert xy.shape == (30, 32, 2)
    torch.testing.assert_close(xy[:, :28], JOINTS[:, torch.arange(28) // 2])
    assert (xy[:, 28:] == xy[:1, 28:]).all()
    own = torch.arange(28) % 2 == (torch.arange(30) % 2)[:, None]
    assert fired[:, :28][own].double().mean() > fired[:, :28][~own].double().mean() + 0.2


def test_groups_of_several_joints_are_named():
    group = torch.arange(32)
    assert LESSON["mixed"](group) == []
    group[2], group[31] = 0, 30  # a neck's detector joins a head's; two places of the picture are no mixture
    assert LESSON["mixed"](group) == [[0, 1]]


def test_mean_places_put_detectors_together_that_never_fire_together():
    xy = torch.tensor([[[-0.5, 0.0], [0.5, 0.0]], [[0.5, 0.0], [-0.5, 0.0]]])
    LESSON["size"] = torch.tensor([7, 5])
    group = LESSON["by_mean_places"](xy, torch.ones(2, 2, dtype=torch.bool), 0.1)
    assert group.tolist() == [0, 0]


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), hidden=st.floats(0.05, 0.3))
def test_the_completed_matrix_is_the_package_s(seed, hidden):
    left, right = torch.randn(20, 2, generator=seeded(seed)), torch.randn(2, 8, generator=seeded(seed + 1))
    matrix = (left @ right).double()
    gone = torch.rand(matrix.shape, generator=seeded(seed + 2)) < hidden
    gone[0], gone[1, 0] = False, True
    holes = matrix.masked_fill(gone, torch.nan)
    torch.testing.assert_close(LESSON["completed"](holes), complete_matrix(holes), rtol=1e-3, atol=1e-3)


def test_nothing_is_missing_from_an_exact_fill():
    truth: list[torch.Tensor] = []

    def fill(table: torch.Tensor) -> torch.Tensor:
        truth.append(table)
        return LESSON["completed"](table)

    assert LESSON["missing_error"](2, 0.1, fill) < 0.05
    assert int(truth[0].isnan().sum()) > 100
    assert LESSON["missing_error"](2, 0.1, LESSON["by_mean"]) == pytest.approx(1.0, abs=0.1)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_shares_below_are_the_package_s(seed):
    errors = 10 * torch.rand(30, generator=seeded(seed), dtype=torch.float64)
    errors[:3] = torch.inf
    bounds = torch.linspace(0, 12, 7, dtype=torch.float64)
    torch.testing.assert_close(LESSON["share_below"](errors, bounds), cumulative_error_distribution(errors, bounds))
