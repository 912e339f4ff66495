"""Losses that keep the keypoints of one image apart: information inside an image, distinct kinds, contrast."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import mutual_info_score
from torch import Tensor

from tusklite import losses


def chances(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).mul(2).softmax(dim=-1)


def one_hot(labels: list[list[int]], kinds: int) -> Tensor:
    return torch.nn.functional.one_hot(torch.tensor(labels), kinds).float()


def test_information_inside_an_image_is_scikit_learns_on_sure_assignments() -> None:
    first, second = [[0, 1, 2, 2, 1], [3, 3, 3, 0, 0]], [[0, 1, 2, 1, 2], [3, 3, 3, 0, 0]]
    # The joint is made symmetric: every pair counts both ways.
    expected = [mutual_info_score(a + b, b + a) for a, b in zip(first, second, strict=True)]
    found = losses.image_information_loss(one_hot(first, 4), one_hot(second, 4))
    assert float(found) == pytest.approx(-sum(expected) / 2, abs=1e-5)


def test_of_one_image_it_is_the_information_of_the_batch() -> None:
    first, second = chances(1, 7, 5), chances(1, 7, 5, seed=1)
    mask = torch.tensor([[True, False, True, True, True, False, True]])
    whole = losses.mutual_information_loss(first[0], second[0], mask[0])
    torch.testing.assert_close(losses.image_information_loss(first, second, mask), whole, atol=1e-5, rtol=1e-5)


def test_images_of_different_kinds_tell_nothing_of_their_keypoints() -> None:
    by_image = one_hot([[0] * 6, [1] * 6, [2] * 6], 3)
    assert float(losses.image_information_loss(by_image, by_image).abs()) < 1e-4
    assert float(losses.mutual_information_loss(by_image.flatten(0, 1), by_image.flatten(0, 1))) < -1
    nothing = losses.image_information_loss(by_image, by_image, torch.zeros(3, 6, dtype=torch.bool))
    assert float(nothing.abs()) < 1e-6
    assert math.isfinite(float(nothing))


def test_distinct_is_the_mean_number_of_others_of_the_same_kind() -> None:
    assignment = chances(3, 5, 4)
    expected = sum(
        float(assignment[b, i] @ assignment[b, j]) for b in range(3) for i in range(5) for j in range(5) if i != j
    ) / (3 * 5)
    assert float(losses.distinct_loss(assignment)) == pytest.approx(expected, rel=1e-5)
    assert float(losses.distinct_loss(one_hot([[0, 0, 1, 2]], 3))) == pytest.approx(0.5)


def test_contrast_is_the_cross_entropy_of_a_keypoints_own_partner() -> None:
    own = torch.nn.functional.normalize(torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(0)), dim=-1)
    other = torch.nn.functional.normalize(torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(1)), dim=-1)
    shown = torch.tensor([[True, True, False, True], [True, False, True, True]])
    expected = []
    for b in range(2):
        rivals = shown[b].nonzero().flatten().tolist()
        for k in rivals:
            scores = [math.exp(float(own[b, k] @ other[b, j]) / 0.2) for j in rivals]
            expected.append(-math.log(scores[rivals.index(k)] / sum(scores)))
    found = losses.keypoint_contrast_loss(own, other, shown, temperature=0.2)
    assert float(found) == pytest.approx(sum(expected) / len(expected), rel=1e-4)
    assert float(losses.keypoint_contrast_loss(own, other, shown & ~shown)) == 0.0


def test_nan_of_a_network_is_a_loss_of_nan() -> None:
    spoilt = chances(2, 3, 4)
    spoilt[0, 0, 0] = torch.nan
    shown = torch.ones(2, 3, dtype=torch.bool)
    assert losses.distinct_loss(spoilt).isnan()
    assert losses.image_information_loss(spoilt, chances(2, 3, 4)).isnan()
    assert losses.keypoint_contrast_loss(spoilt, chances(2, 3, 4), shown).isnan()


def test_wrong_arguments_are_named() -> None:
    shown = torch.ones(2, 3, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"^assignment: shape \(3, 4\) was given"):
        losses.distinct_loss(chances(3, 4))
    with pytest.raises(ValueError, match=r"^second: shape"):
        losses.image_information_loss(chances(2, 3, 4), chances(2, 4, 4))
    with pytest.raises(ValueError, match=r"^partners: shape"):
        losses.keypoint_contrast_loss(chances(2, 3, 4), chances(2, 3, 5), shown)
    with pytest.raises(ValueError, match=r"^temperature: 0"):
        losses.keypoint_contrast_loss(chances(2, 3, 4), chances(2, 3, 4), shown, 0)
