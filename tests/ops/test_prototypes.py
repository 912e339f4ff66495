"""Prototypes against counting by hand, scikit-learn's k-means and brute force."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from tusklite.ops.prototypes import Prototypes, smoothed_shares, spherical_kmeans, whole_shares

shares = st.lists(st.integers(0, 40), min_size=1, max_size=9).filter(any)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=seeded(seed)), dim=-1)


def clouds(count: int, members: int, channels: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Well separated clouds on the sphere, shuffled: descriptors (N, C) and which cloud each is from."""
    centres = torch.linalg.qr(torch.randn(channels, channels, generator=seeded(seed)))[0][:count]
    labels = torch.arange(count).repeat_interleave(members)
    labels = labels[torch.randperm(len(labels), generator=seeded(seed + 1))]
    noise = 0.02 * torch.randn(len(labels), channels, generator=seeded(seed + 2))
    return F.normalize(centres[labels] + noise, dim=1), labels


# Shares and samples


@given(weights=shares, n=st.integers(0, 300))
@settings(max_examples=60)
def test_whole_shares_are_those_of_largest_remainders(weights: list[int], n: int) -> None:
    given_shares = whole_shares(torch.tensor(weights).double(), n).tolist()
    assert whole_shares(torch.tensor(weights), n).tolist() == given_shares  # counts are shares
    exact = [Fraction(weight * n, sum(weights)) for weight in weights]
    assert sum(given_shares) == n
    assert all(abs(share - fraction) < 1 for share, fraction in zip(given_shares, exact, strict=True))
    # Whoever was rounded up had at least the remainder of everyone who was rounded down.
    up = [fraction % 1 for share, fraction in zip(given_shares, exact, strict=True) if share > fraction]
    down = [fraction % 1 for share, fraction in zip(given_shares, exact, strict=True) if share <= fraction]
    assert not up or min(up) >= max(down, default=0) - Fraction(1, 10**9)


def test_samples_follow_the_mixture_weights() -> None:
    prototypes = Prototypes(4, 8, spread=0.0, generator=seeded())
    prototypes.restart(unit(4, 8, seed=1), weights=torch.tensor([3.0, 0.0, 1.0, 4.0]))
    sample = prototypes.sample(20).detach()
    expected = prototypes.means.detach().repeat_interleave(torch.tensor([8, 0, 2, 10]), dim=0)  # 7.5, 0, 2.5, 10
    torch.testing.assert_close(sample, expected)


@pytest.mark.parametrize("channels", [2, 5, 32])
def test_samples_spread_by_the_standard_deviation(channels: int) -> None:
    prototypes = Prototypes(1, channels, spread=0.02, generator=seeded())
    sample = prototypes.sample(4000, seeded(1)).detach()
    torch.testing.assert_close(sample.norm(dim=1), torch.ones(4000))
    across = sample - (sample @ prototypes.means.T) * prototypes.means  # what is left beside the mean
    spread = across.detach().square().sum(1).mean().div(channels - 1).sqrt()
    assert abs(float(spread) / 0.02 - 1) < 0.05


def test_samples_come_from_the_generator_and_carry_a_gradient() -> None:
    prototypes = Prototypes(3, 4, spread=0.5, generator=seeded())
    assert torch.equal(prototypes.sample(7, seeded(5)), prototypes.sample(7, seeded(5)))
    assert not torch.equal(prototypes.sample(7, seeded(5)), prototypes.sample(7, seeded(6)))
    prototypes.sample(7, seeded()).sum().backward()
    assert prototypes.means.grad.abs().sum() > 0


def test_a_seed_fixes_the_first_means() -> None:
    means = Prototypes(5, 3, generator=seeded(4)).means
    assert torch.equal(means, Prototypes(5, 3, generator=seeded(4)).means)
    torch.testing.assert_close(means.detach().norm(dim=1), torch.ones(5))


# Assignment


@pytest.mark.parametrize("shape", [(40,), (3, 7), (2, 3, 4)])
def test_descriptors_go_to_the_nearest_prototype(shape: tuple[int, ...]) -> None:
    prototypes = Prototypes(6, 5, generator=seeded())
    with torch.no_grad():
        prototypes.means *= torch.tensor([[0.2], [1.0], [7.0], [1.0], [3.0], [0.5]])  # lengths must not matter
    descriptors = unit(*shape, 5, seed=1)
    means = F.normalize(prototypes.means.detach(), dim=1).numpy()
    assigned = prototypes.assign(descriptors)
    assert assigned.shape == shape
    for place in np.ndindex(*shape):
        distances = [np.linalg.norm(descriptors[place].numpy() - mean) for mean in means]
        assert assigned[place] == int(np.argmin(distances))


def test_soft_assignment_is_a_softmax_of_cosines() -> None:
    prototypes = Prototypes(4, 3, generator=seeded())
    descriptors = unit(6, 3, seed=1).requires_grad_()
    chances = prototypes.soft_assign(descriptors, inverse_temperature=9.0)
    cosine = descriptors.detach().numpy() @ prototypes.means.detach().numpy().T
    expected = np.exp(9 * cosine) / np.exp(9 * cosine).sum(1, keepdims=True)
    np.testing.assert_allclose(chances.detach(), expected, rtol=1e-4)
    chances[:, 0].sum().backward()
    assert prototypes.means.grad is None
    assert descriptors.grad.abs().sum() > 0


def test_counting_moves_the_weights_by_the_momentum() -> None:
    prototypes = Prototypes(3, 3)
    prototypes.restart(torch.eye(3), weights=torch.tensor([0.2, 0.2, 0.6]))
    descriptors = torch.eye(3)[[0, 0, 0, 1, 1]]
    assert prototypes.count(descriptors, momentum=0.75).tolist() == [3, 2, 0]
    expected = 0.75 * torch.tensor([0.2, 0.2, 0.6]) + 0.25 * torch.tensor([0.6, 0.4, 0.0])
    torch.testing.assert_close(prototypes.weights, expected)
    prototypes.count(descriptors)
    torch.testing.assert_close(prototypes.weights, torch.tensor([0.6, 0.4, 0.0]))
    prototypes.count(descriptors.flip(1), momentum=1.0)
    torch.testing.assert_close(prototypes.weights, torch.tensor([0.6, 0.4, 0.0]))


def shares_written_out(descriptors: np.ndarray, means: np.ndarray, assignment: np.ndarray) -> np.ndarray:
    """The formula of the authors' code, prototype by prototype."""
    count, within = len(means), []
    for m in range(count):
        members = descriptors[assignment == m]
        within.append(1.0 if len(members) == 0 else np.mean((members - means[m]) ** 2))
    variance = sum((value - sum(within) / count) ** 2 for value in within) / count
    unscaled = [np.sum(assignment == m) + len(descriptors) * (0.01 + variance) for m in range(count)]
    return np.array(unscaled) / sum(unscaled)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 40), count=st.integers(1, 12), channels=st.integers(2, 8), seed=st.integers(0, 10**6))
def test_smoothed_shares_are_the_formula_written_out(n: int, count: int, channels: int, seed: int) -> None:
    descriptors, means = unit(n, channels, seed=seed), unit(count, channels, seed=seed + 1)
    assignment = torch.randint(count, (n,), generator=seeded(seed + 2))
    expected = shares_written_out(*(each.double().numpy() for each in (descriptors, means)), assignment.numpy())
    found = smoothed_shares(descriptors, means, assignment)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert found.min() > 0
    torch.testing.assert_close(found.sum(), torch.tensor(1.0))


def test_the_dead_get_about_a_twentieth_when_nine_of_ten_are_dead() -> None:
    descriptors = unit(500, 32) * 0.1 + unit(1, 32, seed=1)  # a narrow cone
    descriptors = F.normalize(descriptors, dim=1)
    shares = smoothed_shares(descriptors, unit(10, 32, seed=2), torch.zeros(500, dtype=torch.int64))
    assert 0.04 < shares[1:].min() == shares[1:].max() < 0.06


def test_smoothed_weights_are_those_that_samples_are_drawn_by() -> None:
    prototypes = Prototypes(3, 3)
    prototypes.restart(torch.eye(3), weights=torch.tensor([0.2, 0.2, 0.6]))
    descriptors = torch.eye(3)[[0, 0, 0, 1, 1]]
    assert prototypes.count(descriptors, momentum=0.75, shares="smoothed").tolist() == [3, 2, 0]
    smoothed = smoothed_shares(descriptors, torch.eye(3), torch.tensor([0, 0, 0, 1, 1]))
    torch.testing.assert_close(prototypes.weights, 0.75 * torch.tensor([0.2, 0.2, 0.6]) + 0.25 * smoothed)
    with pytest.raises(ValueError, match="shares: 'even' was given; allowed"):
        prototypes.count(descriptors, shares="even")


@pytest.mark.parametrize(
    ("assignment", "error", "words"),
    [
        (torch.zeros(4), TypeError, "assignment: no int64 tensor"),
        ([0, 0, 0, 0], TypeError, "assignment: no int64 tensor"),
        (torch.zeros(3, dtype=torch.int64), ValueError, r"assignment: shape \(3,\) was given; allowed is \(4,\)"),
        (torch.tensor([0, 1, 2, 3]), ValueError, "assignment: 0 to 3 was given; allowed is 0 to 2"),
        (torch.tensor([0, -1, 2, 2]), ValueError, "assignment: -1 to 2 was given; allowed is 0 to 2"),
    ],
)
def test_a_wrong_assignment_is_refused(assignment: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        smoothed_shares(unit(4, 5), unit(3, 5), assignment)


def test_means_return_to_the_sphere() -> None:
    prototypes = Prototypes(3, 4, generator=seeded())
    directions = prototypes.means.detach().clone()
    with torch.no_grad():
        prototypes.means *= torch.tensor([[3.0], [0.1], [1.0]])
    prototypes.project_to_sphere()
    torch.testing.assert_close(prototypes.means.detach(), directions)


# Spherical k-means


@pytest.mark.parametrize(("count", "channels"), [(2, 3), (5, 8), (10, 32)])
def test_kmeans_finds_the_clusters_that_scikit_learn_finds(count: int, channels: int) -> None:
    descriptors, labels = clouds(count, 30, channels, seed=count)
    means = spherical_kmeans(descriptors, count, seeded())
    torch.testing.assert_close(means.norm(dim=1), torch.ones(count))
    theirs = KMeans(count, n_init=10, random_state=0).fit(descriptors.numpy())
    ours = (descriptors @ means.T).argmax(dim=1)
    assert adjusted_rand_score(ours, theirs.labels_) == adjusted_rand_score(ours, labels) == 1
    directions = theirs.cluster_centers_ / np.linalg.norm(theirs.cluster_centers_, axis=1, keepdims=True)
    order = (means.numpy() @ directions.T).argmax(1)
    np.testing.assert_allclose(means, directions[order], atol=1e-5)


@given(seed=st.integers(0, 1000), count=st.integers(1, 12))
@settings(max_examples=20)
def test_more_iterations_never_fit_worse(seed: int, count: int) -> None:
    descriptors = unit(60, 4, seed=seed)
    fits = []
    for iterations in (0, 1, 3, 20):
        means = spherical_kmeans(descriptors, count, seeded(seed), iterations)
        assert means.shape == (count, 4)
        fits.append(float((descriptors @ means.T).amax(dim=1).sum()))
    assert all(later >= earlier - 1e-4 for earlier, later in itertools.pairwise(fits))


def test_kmeans_depends_on_the_generator_alone() -> None:
    descriptors = unit(50, 6)
    assert torch.equal(spherical_kmeans(descriptors, 7, seeded(3)), spherical_kmeans(descriptors, 7, seeded(3)))
    assert not torch.equal(spherical_kmeans(descriptors, 7, seeded(3)), spherical_kmeans(descriptors, 7, seeded(4)))


def test_kmeans_of_as_many_prototypes_as_descriptors_and_of_equal_ones() -> None:
    descriptors = unit(8, 5)
    means = spherical_kmeans(descriptors, 8, seeded())
    assert sorted((descriptors @ means.T).argmax(dim=1).tolist()) == list(range(8))
    same = descriptors[:1].repeat(6, 1)
    torch.testing.assert_close(spherical_kmeans(same, 3, seeded()), same[:3])


def test_kmeans_means_have_length_one_where_members_cancel_out() -> None:
    opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    torch.testing.assert_close(spherical_kmeans(opposite, 1, seeded()).norm(dim=1), torch.ones(1))


# Wrong input

NAN = torch.full((4, 3), float("nan"))


@pytest.mark.parametrize(
    ("call", "error", "complaint"),
    [
        (lambda: Prototypes(0, 3), ValueError, "count: 0 was given; allowed is an integer of at least 1"),
        (lambda: Prototypes(3, 0), ValueError, "channels: 0 was given"),
        (lambda: Prototypes(3, 2.0), TypeError, "channels: 2.0 was given"),
        (lambda: Prototypes(3, 2, spread=-0.1), ValueError, "spread: -0.1 was given"),
        (
            lambda: Prototypes(3, 3).sample(0),
            ValueError,
            "n: 0 was given; allowed is an integer of at least 1",
        ),
        (lambda: Prototypes(3, 3).sample(True), TypeError, "n: True was given"),
        (lambda: Prototypes(3, 3).count(torch.eye(3), momentum=1.5), ValueError, "momentum: 1.5 was given"),
        (
            lambda: Prototypes(3, 3).count(torch.zeros(0, 3)),
            ValueError,
            r"descriptors: shape \(0, 3\) was given",
        ),
        (lambda: Prototypes(3, 3).count(torch.eye(4)), ValueError, r"descriptors: .* allowed is \(N, 3\)"),
        (lambda: Prototypes(3, 3).count(NAN), ValueError, "descriptors: NaN"),
        (lambda: Prototypes(3, 3).restart(torch.eye(4)), ValueError, r"means: .* allowed is \(3, 3\)"),
        (lambda: Prototypes(4, 3).restart(NAN), ValueError, "means: NaN"),
        (lambda: Prototypes(3, 3).restart(torch.eye(3), torch.ones(2)), ValueError, r"weights: shape \(2,\)"),
        (lambda: Prototypes(3, 3).restart(torch.eye(3), torch.zeros(3)), ValueError, "weights: .* all 0"),
        (
            lambda: Prototypes(3, 3).restart(torch.eye(3), torch.tensor([1.0, 1.0, -1.0])),
            ValueError,
            "weights: negative",
        ),
        (
            lambda: spherical_kmeans(unit(5, 3), 6),
            ValueError,
            "count: 6 was given; allowed is an integer from 1 to 5",
        ),
        (lambda: spherical_kmeans(unit(5, 3), 0), ValueError, "count: 0 was given"),
        (lambda: spherical_kmeans(NAN, 2), ValueError, "descriptors: NaN"),
        (lambda: spherical_kmeans(torch.eye(3).long(), 2), TypeError, "descriptors: dtype torch.int64"),
        (lambda: spherical_kmeans(torch.zeros(0, 3), 1), ValueError, r"descriptors: shape \(0, 3\)"),
        (lambda: whole_shares(torch.zeros(3), 4), ValueError, "weights: negative or all 0 were given"),
        (lambda: whole_shares(torch.tensor([2.0, -1.0]), 4), ValueError, "weights: negative or all 0 were given"),
        (lambda: whole_shares(torch.eye(2), 4), ValueError, r"weights: shape \(2, 2\) was given; allowed is \(M,\)"),
        (lambda: whole_shares(torch.ones(3), -1), ValueError, "n: -1 was given; allowed is an integer of at least 0"),
    ],
)
def test_wrong_input_is_refused(call: object, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        call()
