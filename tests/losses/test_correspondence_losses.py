"""Eq. 2 and the loss of assigned maps against plain loops."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tusklite.losses import assigned_map_loss, contrastive_loss

seeds = st.integers(0, 999)


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(seeds, st.integers(1, 9), st.floats(0.1, 3), st.booleans(), st.booleans(), st.booleans())
@settings(max_examples=40, deadline=None)
def test_eq_2_is_loops_over_pairs(seed, points, margin, squared, balanced, some) -> None:
    descriptors = normal(seed, points, 3)
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(-1, 3, (points,), generator=generator)
    image = torch.randint(0, 3, (points,), generator=generator)
    allowed = image[:, None] != image if some else None
    positive, negative = [], []
    for a, b in itertools.combinations(range(points), 2):
        if label[a] < 0 or label[b] < 0 or (some and image[a] == image[b]):
            continue
        distance = math.dist(descriptors[a].tolist(), descriptors[b].tolist())
        power = 2 if squared else 1
        if label[a] == label[b]:
            positive.append(distance**power)
        else:
            negative.append(max(0.0, margin - distance) ** power)
    if balanced:
        expected = sum(positive) / max(len(positive), 1) + sum(negative) / max(len(negative), 1)
    else:
        expected = (sum(positive) + sum(negative)) / max(len(positive) + len(negative), 1)
    loss = contrastive_loss(descriptors, label, allowed, margin, squared, balanced)
    assert float(loss) == pytest.approx(expected, abs=1e-9)


def test_its_gradient_is_finite_where_descriptors_coincide() -> None:
    descriptors = torch.ones(3, 2, requires_grad=True)
    contrastive_loss(descriptors, torch.tensor([0, 0, 1])).backward()
    assert descriptors.grad.isfinite().all()


def test_the_gradient_is_that_of_differences() -> None:
    label = torch.tensor([0, 0, 1, 2, -1])
    for squared, balanced in itertools.product((False, True), repeat=2):
        torch.autograd.gradcheck(
            lambda x, s=squared, b=balanced: contrastive_loss(x, label, margin=2.0, squared=s, balanced=b),
            normal(0, 5, 3).requires_grad_(),
        )


def test_it_pulls_together_and_pushes_apart() -> None:
    descriptors = torch.nn.Parameter(0.1 * normal(0, 6, 4))
    label = torch.tensor([0, 0, 1, 1, 2, 2])
    optimizer = torch.optim.Adam([descriptors], lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        contrastive_loss(descriptors, label, margin=1.0, squared=True, balanced=True).backward()
        optimizer.step()
    distance = torch.cdist(descriptors, descriptors)
    assert distance[label[:, None] == label].max() < 0.05
    assert distance[label[:, None] != label].min() > 0.95


@given(seeds, st.floats(0, 10))
@settings(max_examples=15, deadline=None)
def test_maps_are_compared_where_they_are_assigned(seed, emphasis) -> None:
    maps, targets = normal(seed, 2, 3, 2, 2), normal(seed + 1, 2, 3, 2, 2).abs()
    assigned = torch.rand(2, 3, generator=torch.Generator().manual_seed(seed)) < 0.6
    errors = [
        (float(maps[index]) - float(targets[index])) ** 2 * (1 + emphasis * float(targets[index]))
        for index in itertools.product(range(2), range(3), range(2), range(2))
        if assigned[index[:2]]
    ]
    expected = sum(errors) / len(errors) if errors else 0.0
    assert float(assigned_map_loss(maps, targets, assigned, emphasis)) == pytest.approx(expected)


def test_maps_that_are_not_assigned_get_no_gradient() -> None:
    maps = torch.zeros(1, 2, 2, 2, requires_grad=True)
    assigned_map_loss(maps, torch.ones(1, 2, 2, 2), torch.tensor([[True, False]])).backward()
    assert (maps.grad[:, 0] != 0).all()
    assert (maps.grad[:, 1] == 0).all()


@pytest.mark.parametrize(
    ("error", "says", "act"),
    [
        (ValueError, "margin: 0 was given", lambda: contrastive_loss(torch.zeros(1, 2), torch.tensor([0]), margin=0)),
        (TypeError, "label: torch.float32", lambda: contrastive_loss(torch.zeros(1, 2), torch.zeros(1))),
        (ValueError, r"label: \(2,\)", lambda: contrastive_loss(torch.zeros(1, 2), torch.tensor([0, 1]))),
        (
            ValueError,
            r"allowed: shape \(2, 2\)",
            lambda: contrastive_loss(torch.zeros(1, 2), torch.tensor([0]), torch.ones(2, 2) > 0),
        ),
        (
            ValueError,
            r"targets: shape",
            lambda: assigned_map_loss(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 3), torch.ones(1, 1) > 0),
        ),
    ],
)
def test_wrong_arguments_are_refused(error, says, act) -> None:
    with pytest.raises(error, match=says):
        act()
