"""Mixtures of true and random points: as many of each as are asked for, and nothing that gives them away."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tusklite.data import Puppets, mix_points


def inside(images: int, points: int, seed: int = 0) -> torch.Tensor:
    return 1.8 * torch.rand(images, points, 2, generator=torch.Generator().manual_seed(seed)) - 0.9


@given(st.integers(1, 6), st.integers(1, 14), st.integers(1, 20), st.floats(0, 1), st.integers(0, 50))
@settings(max_examples=40, deadline=None)
def test_true_points_are_as_many_as_asked_for_and_each_once(images, known, count, share, seed) -> None:
    points = inside(images, known, seed)
    true = round(share * count)
    if true > known:
        with pytest.raises(ValueError, match=rf"^share: .* allowed are at most {known}"):
            mix_points(points, torch.arange(images), share, count, seed)
        return
    mixture = mix_points(points, torch.arange(images), share, count, seed)
    assert mixture.xy.shape == (images, count, 2)
    assert mixture.found.all()
    for image in range(images):
        which = [int(number) for number in mixture.which[image] if number >= 0]
        assert len(which) == len(set(which)) == true
        for place in range(count):
            if mixture.which[image, place] >= 0:
                assert torch.equal(mixture.xy[image, place], points[image, mixture.which[image, place]])
            else:
                assert (mixture.xy[image, place].abs() <= 1).all()


def test_an_image_has_the_same_points_in_every_batch() -> None:
    points = inside(30, 14)
    whole = mix_points(points, torch.arange(30), 0.4, 15, seed=3)
    rows = torch.tensor([29, 4, 4, 11])
    part = mix_points(points[rows], rows, 0.4, 15, seed=3)
    for one, other in zip(part, whole, strict=True):
        assert torch.equal(one, other[rows])
    assert not torch.equal(mix_points(points, torch.arange(30), 0.4, 15, seed=4).xy, whole.xy)


def test_choices_are_even_and_the_order_says_nothing() -> None:
    mixture = mix_points(inside(3000, 10), torch.arange(3000), 0.3, 10)
    true = mixture.which >= 0
    assert stats.chisquare(mixture.which[true].bincount(minlength=10)).pvalue > 0.001
    assert stats.chisquare(true.sum(0)).pvalue > 0.001
    random = mixture.xy[~true]
    for axis in range(2):
        assert stats.kstest(random[:, axis].numpy(), stats.uniform(-1, 2).cdf).pvalue > 0.001
    assert abs(float(random.T.corrcoef()[0, 1])) < 0.03


def test_points_that_are_not_seen_are_left_out() -> None:
    points = inside(4, 3)
    points[0, 1], points[2] = torch.nan, 1.5
    mixture = mix_points(points, torch.arange(4), 0.5, 6)
    assert mixture.found.sum(1).tolist() == [5, 6, 3, 6]
    assert mixture.xy.isfinite().all()
    assert (mixture.which[~mixture.found] == -1).all()
    assert (mixture.xy[~mixture.found] == 0).all()


def test_puppets_can_start_from_them() -> None:
    data = Puppets("train", 40)
    rows = torch.arange(40)
    mixture = mix_points(data.joints(rows), rows, 1.0, 14)
    assert mixture.found.float().mean() > 0.98
    assert sorted(mixture.which[5].tolist()) == list(range(14))


@pytest.mark.parametrize(
    ("error", "says", "change"),
    [
        (ValueError, "points: shape", {"points": torch.zeros(2, 3)}),
        (ValueError, "share: 1.5 was given", {"share": 1.5}),
        (ValueError, "count: 0 was given", {"count": 0}),
        (ValueError, r"indices: torch.int64 \(3,\) was given; allowed is int64 \(2,\)", {"indices": torch.arange(3)}),
        (ValueError, r"indices: torch.float32 \(2,\) was given", {"indices": torch.zeros(2)}),
        (TypeError, "seed: 0.5 was given", {"seed": 0.5}),
    ],
)
def test_wrong_arguments_are_refused(error, says, change) -> None:
    given = {"points": torch.zeros(2, 3, 2), "indices": torch.arange(2), "share": 0.2, "count": 5}
    with pytest.raises(error, match=says):
        mix_points(**(given | change))
