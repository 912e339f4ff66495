"""What lesson 09 defines, as it is stored, against the package, scipy and POT."""

from __future__ import annotations

import numpy as np
import ot
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from lesson_definitions import definitions
from scipy.optimize import linear_sum_assignment
from scipy.stats import wasserstein_distance

from tusklite.losses import random_projections, sliced_wasserstein
from tusklite.ops.prototypes import Prototypes, whole_shares

LESSON = definitions("09_sliced_wasserstein", goes_on=True)
sizes, seeds = st.integers(1, 14), st.integers(0, 10_000)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


@settings(max_examples=20)
@given(n=sizes, seed=seeds, power=st.sampled_from([1, 2, 3]))
def test_transport_1d_is_the_cheapest_assignment(n, seed, power):
    x, y = normal(n, seed=seed), 2 * normal(n, seed=seed + 1)
    costs = (x[:, None] - y).abs().pow(power).numpy()
    cheapest = costs[linear_sum_assignment(costs)].mean()
    np.testing.assert_allclose(LESSON["transport_1d"](x, y, power), cheapest, rtol=1e-9, atol=1e-12)


@settings(max_examples=20)
@given(n=sizes, m=sizes, seed=seeds)
def test_transport_uneven_is_scipys_and_pots(n, m, seed):
    x, y = normal(n, seed=seed), normal(m, seed=seed + 1) + 0.5
    ours = LESSON["transport_uneven"]
    np.testing.assert_allclose(ours(x, y, power=1), wasserstein_distance(x, y), rtol=1e-9)
    costs = (x[:, None] - y).square().numpy()
    by_linear_program = ot.emd2(np.full(n, 1 / n), np.full(m, 1 / m), costs)
    np.testing.assert_allclose(ours(x, y), by_linear_program, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(ours(x, y), sliced_wasserstein(x[:, None], y[:, None], torch.ones(1, 1).double()))


@pytest.mark.parametrize(("n", "m", "channels"), [(9, 9, 2), (20, 7, 5), (1, 4, 3)])
def test_sliced_equals_the_package_with_its_gradient(n, m, channels):
    x, y = normal(n, channels), normal(m, channels, seed=1)
    directions = random_projections(11, channels, seeded(2)).double()
    values, gradients = [], []
    for distance in (LESSON["sliced"], sliced_wasserstein):
        moved = x.clone().requires_grad_()
        values.append(distance(moved, y, directions))
        gradients.append(torch.autograd.grad(values[-1], moved)[0])
    torch.testing.assert_close(*values)
    torch.testing.assert_close(*gradients)


@settings(max_examples=30)
@given(weights=st.lists(st.integers(0, 40), min_size=1, max_size=9).filter(any), n=st.integers(1, 300))
def test_counts_of_samples(weights, n):
    weights = torch.tensor(weights).double()
    assert torch.equal(LESSON["largest_remainders"](weights, n), whole_shares(weights, n))
    shares = weights / weights.sum()
    counts = LESSON["rest_to_the_last"](shares, n)
    assert counts.sum() == n
    assert counts[:-1].tolist() == [int(share * n) for share in shares[:-1].tolist()]


def test_sample_is_the_package_s_and_has_the_gradient_of_means_and_spread():
    prototypes = Prototypes(4, 5, spread=0.3, generator=seeded())
    prototypes.restart(prototypes.means.detach(), torch.tensor([0.5, 0.1, 0.15, 0.25]))
    ours = LESSON["sample"](prototypes.means, prototypes.weights, 0.3, 23, seeded(1))
    torch.testing.assert_close(ours, prototypes.sample(23, seeded(1)))
    means, spread = prototypes.means.detach().double().requires_grad_(), torch.tensor([0.3]).double().requires_grad_()
    target, directions = normal(9, 5, seed=2), random_projections(3, 5, seeded(3)).double()

    def distance(means: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
        drawn = LESSON["sample"](means, prototypes.weights, spread, 9, seeded(4))
        return LESSON["sliced"](drawn, target, directions)

    assert torch.autograd.gradcheck(distance, (means, spread))


@settings(max_examples=20)
@given(n=sizes, m=sizes, seed=seeds)
def test_transport_masses_is_pots(n, m, seed):
    x, y, mass = normal(n, seed=seed), normal(m, seed=seed + 1), normal(n, seed=seed + 2).softmax(dim=0)
    theirs = ot.wasserstein_1d(x.numpy(), y.numpy(), mass.numpy(), p=2)
    np.testing.assert_allclose(LESSON["transport_masses"](x, mass, y), theirs, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize(("n", "m"), [(7, 7), (5, 12)])
def test_masses_have_the_right_gradient(n, m):
    x, y, logits = normal(n).requires_grad_(), normal(m, seed=1), normal(n, seed=2).requires_grad_()
    distance = lambda x, logits: LESSON["transport_masses"](x, logits.softmax(dim=0), y)  # noqa: E731
    assert torch.autograd.gradcheck(distance, (x, logits))


@pytest.mark.parametrize(("n", "m", "epsilon"), [(6, 6, 1.0), (9, 4, 2.0)])
def test_sinkhorn_is_pots(n, m, epsilon):
    x, y = normal(n, 3), normal(m, 3, seed=1)
    plan, cost = LESSON["sinkhorn"](x, y, epsilon, steps=3000)
    costs = torch.cdist(x, y).square().numpy()
    theirs = ot.sinkhorn(np.full(n, 1 / n), np.full(m, 1 / m), costs, epsilon, numItermax=20_000, stopThr=1e-13)
    np.testing.assert_allclose(plan, theirs, atol=1e-8)
    np.testing.assert_allclose(cost, (theirs * costs).sum(), rtol=1e-6)


def test_follow_comes_to_rest_at_the_minimum():
    start = torch.tensor([[3.0], [-2.0]])
    frames = LESSON["follow"](lambda cloud: (cloud - 1).square().sum(), start, 200)
    assert frames.shape == (201, 2, 1)
    assert torch.equal(frames[0], start)
    torch.testing.assert_close(frames[-1], torch.ones(2, 1), atol=0.05, rtol=0)


def test_the_flow_takes_the_steps_of_the_package():
    from tusklite.experiments import get_preset, new_training

    method = new_training(get_preset("mnist-hard", "ci", prototype_steps=3, count_momentum=1.0, over_prototypes=0))
    theirs, channels = method.model.prototypes, method.model.config.descriptor_channels
    ours = Prototypes(len(theirs.weights), channels, spread=theirs.spread)
    ours.load_state_dict(theirs.state_dict())
    options = method.options
    LESSON["descriptors"] = F.normalize(normal(50, channels).float(), dim=1)
    rate = {"lr": options.prototype_learning_rate, "betas": (0.5, 0.999)}
    method.prototype_steps(LESSON["descriptors"], 10**9, torch.optim.Adam([theirs.means], **rate), seeded(5))
    optimizer, generator = torch.optim.Adam([ours.means], **rate), seeded(5)
    for _ in range(3):
        LESSON["pull"](ours, optimizer, options.projections, generator)
    torch.testing.assert_close(ours.means, theirs.means)


def test_the_life_belt_is_as_the_authors_throw_it():
    descriptors = F.normalize(normal(40, 3).abs().float(), dim=1)
    prototypes = Prototypes(10, 3)
    prototypes.restart(torch.cat([torch.eye(3), -torch.ones(7, 3)]))  # nobody is near the last seven
    LESSON["descriptors"] = descriptors
    LESSON["with_life_belt"](prototypes)
    means, shares, variances = prototypes.means.detach().numpy(), np.zeros(10), np.ones(10)
    nearest = ot.dist(descriptors.numpy(), means).argmin(axis=1)
    for mode in range(3):
        own = descriptors.numpy()[nearest == mode]
        shares[mode], variances[mode] = len(own) / 40, ((own - means[mode]) ** 2).mean()
    assert shares.sum() == pytest.approx(1)
    weights = shares + 0.01 + variances.var()
    np.testing.assert_allclose(prototypes.weights, weights / weights.sum(), rtol=1e-5)


def test_agreement_is_up_to_the_names():
    LESSON["descriptors"], LESSON["digit"] = torch.eye(10), torch.arange(10).roll(3)
    prototypes = Prototypes(10, 10)
    prototypes.restart(torch.eye(10))
    assert LESSON["agreement"](prototypes) == 100
    LESSON["digit"] = torch.tensor([0, 0, 1, 2, 3, 4, 5, 6, 7, 8])  # one prototype is left without a digit
    assert LESSON["agreement"](prototypes) == pytest.approx(90)
