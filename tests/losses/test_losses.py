"""Every loss against POT, scipy, scikit-learn, or the formula in NumPy."""

from __future__ import annotations

import math

import numpy as np
import ot
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import cdist
from sklearn.metrics import mutual_info_score

from tusklite.geometry import WARPS, identity_grid, random_tps, warp_images
from tusklite.losses import (
    background_loss,
    cross_entropy_loss,
    kmeans_softmin_loss,
    map_equivariance_loss,
    mse_loss,
    mutual_information_loss,
    paired_descriptor_loss,
    random_projections,
    sliced_wasserstein,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=dtype)


# Sliced Wasserstein (TUSK eq. 2)


@pytest.mark.parametrize(("n", "channels", "count"), [(1, 1, 1), (7, 3, 5), (64, 32, 100), (33, 2, 11)])
def test_sliced_wasserstein_is_pots_and_a_sort_in_numpy(n: int, channels: int, count: int) -> None:
    x, y = normal(n, channels), 2 * normal(n, channels, seed=1) + 0.5
    projections = random_projections(count, channels, seeded(2)).double()
    distance = sliced_wasserstein(x, y, projections)
    pot = ot.sliced_wasserstein_distance(x.numpy(), y.numpy(), projections=projections.numpy().T)
    np.testing.assert_allclose(distance.sqrt(), pot, rtol=1e-9)
    along_x, along_y = (np.sort(cloud.numpy() @ projections.numpy().T, axis=0) for cloud in (x, y))
    np.testing.assert_allclose(distance, ((along_x - along_y) ** 2).mean(), rtol=1e-9)


@given(n=st.integers(1, 12), m=st.integers(1, 12), seed=st.integers(0, 1000))
@settings(max_examples=40)
def test_clouds_of_different_sizes_couple_equal_quantiles(n: int, m: int, seed: int) -> None:
    x, y = normal(n, 3, seed=seed), normal(m, 3, seed=seed + 1) - 0.3
    projections = random_projections(4, 3, seeded(seed)).double()
    distance = sliced_wasserstein(x, y, projections)
    common = math.lcm(n, m)  # with every point repeated, both clouds have the same size
    along_x, along_y = (
        np.repeat(np.sort(cloud.numpy() @ projections.numpy().T, axis=0), common // len(cloud), axis=0)
        for cloud in (x, y)
    )
    np.testing.assert_allclose(distance, ((along_x - along_y) ** 2).mean(), rtol=1e-9)
    pot = ot.sliced_wasserstein_distance(x.numpy(), y.numpy(), projections=projections.numpy().T)
    np.testing.assert_allclose(distance, pot**2, rtol=1e-8)


def test_one_dimension_is_the_optimal_transport() -> None:
    x, y = normal(9, 1), normal(9, 1, seed=1)
    costs = cdist(x.numpy(), y.numpy(), "sqeuclidean")
    cheapest = ot.emd2(np.full(9, 1 / 9), np.full(9, 1 / 9), costs)  # by linear programming, without a sort
    np.testing.assert_allclose(sliced_wasserstein(x, y, torch.ones(1, 1).double()), cheapest, rtol=1e-9)


def test_sliced_wasserstein_does_not_see_order_and_vanishes_on_itself() -> None:
    x, y = normal(20, 4), normal(20, 4, seed=1)
    projections = random_projections(10, 4, seeded()).double()
    shuffled = x[torch.randperm(20, generator=seeded(3))]
    assert sliced_wasserstein(x, shuffled, projections) < 1e-28
    torch.testing.assert_close(sliced_wasserstein(x, y, projections), sliced_wasserstein(y, shuffled, projections))


@pytest.mark.parametrize("m", [6, 4])
def test_sliced_wasserstein_gradient(m: int) -> None:
    x, y = normal(6, 3).requires_grad_(), normal(m, 3, seed=1).requires_grad_()
    projections = random_projections(5, 3, seeded(2)).double()
    assert torch.autograd.gradcheck(lambda x, y: sliced_wasserstein(x, y, projections), (x, y))


def test_projections_are_uniform_directions() -> None:
    directions = random_projections(4000, 3, seeded())
    torch.testing.assert_close(directions.norm(dim=1), torch.ones(4000))
    torch.testing.assert_close(directions.mean(0), torch.zeros(3), atol=0.05, rtol=0)
    torch.testing.assert_close(directions.T @ directions / 4000, torch.eye(3) / 3, atol=0.03, rtol=0)
    assert torch.equal(random_projections(5, 2, seeded(1)), random_projections(5, 2, seeded(1)))


# k-means soft-min (TUSK eq. 3)


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("inverse_temperature", [1.0, 20 / 32, 30.0])
def test_softmin_is_the_formula(inverse_temperature: float, squared: bool) -> None:
    descriptors, prototypes = normal(13, 5), normal(4, 5, seed=1)
    distance = cdist(descriptors.numpy(), prototypes.numpy(), "sqeuclidean" if squared else "euclidean")
    softmin = np.exp(-inverse_temperature * distance) / np.exp(-inverse_temperature * distance).sum(1, keepdims=True)
    expected = -np.log(softmin.max(1)).mean()
    loss = kmeans_softmin_loss(descriptors, prototypes, inverse_temperature=inverse_temperature, squared=squared)
    np.testing.assert_allclose(loss, expected, rtol=1e-6, atol=1e-12)
    assert 0 <= loss <= math.log(4)


def test_softmin_at_its_two_ends() -> None:
    prototypes = 1e4 * torch.eye(3)
    assert kmeans_softmin_loss(prototypes, prototypes) == 0  # and no NaN where exp(-distance) is 0
    alike = torch.ones(5, 3).requires_grad_()
    loss = kmeans_softmin_loss(alike, torch.ones(7, 3))
    torch.testing.assert_close(loss, torch.tensor(math.log(7)))
    loss.backward()
    assert torch.isfinite(alike.grad).all()


@pytest.mark.parametrize("squared", [False, True])
def test_softmin_gradient(squared: bool) -> None:
    descriptors, prototypes = normal(6, 3).requires_grad_(), normal(4, 3, seed=1).requires_grad_()
    loss = lambda d, p: kmeans_softmin_loss(d, p, inverse_temperature=2.0, squared=squared)  # noqa: E731
    assert torch.autograd.gradcheck(loss, (descriptors, prototypes))


# Equivariance (TUSK eq. 4)


@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
def test_maps_that_follow_the_warp_cost_nothing(padding_mode: str) -> None:
    images = torch.rand(2, 3, 11, 14, generator=seeded())
    grid = random_tps(2, WARPS["tusk-mnist"], seeded(1)).grid(11, 14)

    def encoder(images: torch.Tensor) -> torch.Tensor:  # looks at one pixel at a time, so it is equivariant
        return torch.stack([images.square().sum(1), images.amax(1)], dim=1)

    follows = warp_images(encoder(images), grid, padding_mode)
    assert map_equivariance_loss(encoder(images), follows, grid, padding_mode) == 0
    assert map_equivariance_loss(encoder(images), encoder(images), grid, padding_mode) > 1e-3


def test_a_quarter_turn_is_followed_by_a_round_filter_and_not_by_an_edge_filter() -> None:
    images = torch.rand(1, 1, 12, 12, generator=seeded())
    x, y = identity_grid(12, 12).unbind(-1)
    grid = torch.stack([-y, x], dim=-1)[None]
    turned = warp_images(images, grid)
    torch.testing.assert_close(turned, images.rot90(-1, (2, 3)).rot90(2, (2, 3)), atol=1e-5, rtol=0)
    round_filter = torch.tensor([[1.0, 2.0, 1.0], [2.0, 5.0, 2.0], [1.0, 2.0, 1.0]])[None, None]
    edge_filter = torch.tensor([[-1.0, 0.0, 1.0]]).expand(3, 3)[None, None]
    losses = [
        map_equivariance_loss(F.conv2d(images, f, padding=1), F.conv2d(turned, f, padding=1), grid)
        for f in (round_filter, edge_filter)
    ]
    assert losses[0] < 1e-9
    assert losses[1] > 0.1


def test_map_equivariance_is_a_mean_of_squares() -> None:
    maps, warped_maps = (
        torch.rand(2, 3, 4, 5, generator=seeded()),
        torch.rand(2, 3, 4, 5, generator=seeded(1)),
    )
    grid = random_tps(2, WARPS["tusk-mnist"], seeded(2)).grid(4, 5)
    moved = F.grid_sample(maps, grid, padding_mode="reflection", align_corners=False)
    expected = ((warped_maps - moved).numpy() ** 2).mean()
    np.testing.assert_allclose(map_equivariance_loss(maps, warped_maps, grid), expected, rtol=1e-6)


def test_paired_descriptors_by_hand() -> None:
    first, second = (F.normalize(normal(9, 4, seed=seed), dim=1) for seed in (0, 1))
    mask = torch.tensor([True, False, True, True, False, True, True, True, False])
    distances = np.linalg.norm(first.numpy() - second.numpy(), axis=1)
    np.testing.assert_allclose(paired_descriptor_loss(first, second, mask), (distances[mask.numpy()] ** 2).mean())
    torch.testing.assert_close(paired_descriptor_loss(first, -first, mask), torch.tensor(4.0).double())
    assert paired_descriptor_loss(first, second, torch.zeros(9, dtype=torch.bool)) == 0


# Mutual information


@given(pairs=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30))
@settings(max_examples=40)
def test_information_of_hard_assignments_is_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    first, second = torch.tensor(pairs).T
    one_hot = torch.eye(5, dtype=torch.float64)
    loss = mutual_information_loss(one_hot[first], one_hot[second])
    # The joint is made symmetric: each pair counts in both orders.
    expected = mutual_info_score(torch.cat([first, second]).numpy(), torch.cat([second, first]).numpy())
    np.testing.assert_allclose(-loss, expected, atol=1e-8)


def test_information_of_soft_assignments_is_the_formula() -> None:
    first, second = (normal(20, 6, seed=seed).softmax(1) for seed in (0, 1))
    mask = torch.rand(20, generator=seeded(2)) < 0.6
    kept_first, kept_second = first[mask].numpy(), second[mask].numpy()
    joint = sum(np.outer(p, q) + np.outer(q, p) for p, q in zip(kept_first, kept_second, strict=True))
    joint /= joint.sum()
    marginal = joint.sum(0)
    expected = (joint * np.log(joint / np.outer(marginal, marginal))).sum()
    np.testing.assert_allclose(-mutual_information_loss(first, second, mask), expected, rtol=1e-6)


def test_information_at_its_two_ends() -> None:
    sure = torch.eye(6).repeat(3, 1)
    torch.testing.assert_close(mutual_information_loss(sure, sure), torch.tensor(-math.log(6)))
    one = torch.eye(6)[[0] * 9]  # all in one prototype: agreed and sure, but uninformative
    assert abs(mutual_information_loss(one, one)) < 1e-8
    nothing = mutual_information_loss(sure, sure, torch.zeros(18, dtype=torch.bool))
    assert abs(nothing) < 1e-8


def test_information_gradient() -> None:
    logits = normal(8, 3).requires_grad_(), normal(8, 3, seed=1).requires_grad_()
    loss = lambda a, b: mutual_information_loss(a.softmax(1), b.softmax(1))  # noqa: E731
    assert torch.autograd.gradcheck(loss, logits)


# Reconstruction (TUSK eq. 1) and background


def test_reconstruction_losses_are_the_formulas() -> None:
    images = torch.rand(2, 3, 4, 5, generator=seeded(), dtype=torch.float64)
    logits = 3 * normal(2, 3, 4, 5, seed=1)
    p = 1 / (1 + np.exp(-logits.numpy()))
    np.testing.assert_allclose(mse_loss(logits, images), ((logits - images).numpy() ** 2).mean())
    entropy = -(images.numpy() * np.log(p) + (1 - images.numpy()) * np.log(1 - p)).mean()
    np.testing.assert_allclose(cross_entropy_loss(logits, images), entropy)
    assert torch.isfinite(cross_entropy_loss(torch.full((1, 1, 1, 1), -1e4), torch.ones(1, 1, 1, 1)))


@given(
    heatmap=hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 6), st.integers(1, 6)),
        elements=st.integers(0, 8).map(lambda i: i / 8),
    ),
    window=st.sampled_from([1, 3, 5]),
    data=st.data(),
)
@settings(max_examples=40)
def test_background_is_what_loops_leave(heatmap: np.ndarray, window: int, data: st.DataObject) -> None:
    height, width = heatmap.shape
    index = data.draw(st.lists(st.integers(-1, heatmap.size - 1), min_size=1, max_size=4))
    kept = [divmod(i, width) for i in index if i >= 0]
    left = [
        heatmap[i, j]
        for i, j in np.ndindex(height, width)
        if all(max(abs(i - row), abs(j - column)) > window // 2 for row, column in kept)
    ]
    loss = background_loss(torch.from_numpy(heatmap)[None, None], torch.tensor([index]), window)
    np.testing.assert_allclose(loss, np.mean(left) if left else 0.0)


def test_background_of_a_batch_counts_every_pixel_alike() -> None:
    heatmap = torch.rand(2, 1, 3, 3, generator=seeded()).requires_grad_()
    loss = background_loss(heatmap, torch.tensor([[4, -1], [-1, -1]]), window=3)  # the first is covered whole
    torch.testing.assert_close(loss, heatmap[1].mean())
    loss.backward()
    assert not heatmap.grad[0].any()
    torch.testing.assert_close(heatmap.grad[1], torch.full((1, 3, 3), 1 / 9))


# Wrong input

X, MAPS = torch.zeros(4, 3), torch.zeros(2, 1, 4, 5)
GRID = identity_grid(4, 5).expand(2, -1, -1, -1)


@pytest.mark.parametrize(
    ("call", "error", "complaint"),
    [
        (
            lambda: random_projections(0, 3),
            ValueError,
            "count: 0 was given; allowed is an integer of at least 1",
        ),
        (lambda: random_projections(3, 1.0), TypeError, "channels: 1.0 was given"),
        (lambda: sliced_wasserstein(X[:0], X, X), ValueError, r"x: shape \(0, 3\) was given"),
        (lambda: sliced_wasserstein(X, X[:, :2], X), ValueError, r"y: shape \(4, 2\) .* allowed is \(L, 3\)"),
        (lambda: sliced_wasserstein(X, X, X.T), ValueError, r"projections: .* allowed is \(R, 3\)"),
        (lambda: sliced_wasserstein(X.long(), X, X), TypeError, "x: dtype torch.int64"),
        (lambda: sliced_wasserstein(X, X / 0, X), ValueError, "y: NaN or infinite values"),
        (lambda: kmeans_softmin_loss(X, X[:, :1]), ValueError, r"prototypes: .* allowed is \(M, 3\)"),
        (lambda: kmeans_softmin_loss(X / 0, X), ValueError, "descriptors: NaN"),
        (
            lambda: kmeans_softmin_loss(X, X, inverse_temperature=0),
            ValueError,
            "inverse_temperature: 0 was given; allowed is .* above 0",
        ),
        (
            lambda: map_equivariance_loss(MAPS, MAPS[:1], GRID),
            ValueError,
            r"warped_maps: shape \(1, 1, 4, 5\)",
        ),
        (lambda: map_equivariance_loss(MAPS, MAPS, GRID[:, :2]), ValueError, r"grid: shape \(2, 2, 5, 2\)"),
        (
            lambda: map_equivariance_loss(MAPS, MAPS, GRID, "mirror"),
            ValueError,
            "padding_mode: 'mirror' was given",
        ),
        (lambda: paired_descriptor_loss(X, X[:2], torch.ones(4)), ValueError, r"partners: shape \(2, 3\)"),
        (
            lambda: paired_descriptor_loss(X, X, torch.ones(1)),
            ValueError,
            r"mask: shape \(1,\) .* allowed is \(4,\)",
        ),
        (lambda: mutual_information_loss(X, X[:, :2]), ValueError, r"second: shape \(4, 2\)"),
        (lambda: mutual_information_loss(X.int(), X), TypeError, "first: dtype torch.int32"),
        (lambda: mutual_information_loss(X, X, torch.ones(4, 1)), ValueError, r"mask: shape \(4, 1\)"),
        (lambda: mse_loss(MAPS, MAPS[:1]), ValueError, r"reconstruction: shape \(2, 1, 4, 5\)"),
        (lambda: mse_loss(MAPS, MAPS.byte()), TypeError, "images: dtype torch.uint8"),
        (lambda: cross_entropy_loss(MAPS[:, :, :2], MAPS), ValueError, r"logits: shape \(2, 1, 2, 5\)"),
        (lambda: background_loss(MAPS[0], torch.zeros(1, 1).long(), 3), ValueError, "heatmap: shape"),
        (lambda: background_loss(MAPS, torch.zeros(2, 1).long(), 2), ValueError, "window: 2 was given"),
        (
            lambda: background_loss(MAPS, torch.zeros(1, 3).long(), 3),
            ValueError,
            r"index: shape \(1, 3\) was given; allowed is \(2, K\)",
        ),
        (
            lambda: background_loss(MAPS, torch.tensor([[3], [20]]), 3),
            ValueError,
            "index: 3 to 20 were given; allowed are -1 to 19",
        ),
        (lambda: background_loss(MAPS, torch.tensor([[3], [-2]]), 3), ValueError, "index: -2 to 3 were given"),
    ],
)
def test_wrong_input_is_refused(call: object, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        call()
