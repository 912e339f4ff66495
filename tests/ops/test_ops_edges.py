"""Keypoints, prototypes and partitions at their edges: exact numbers, laws of draws, and what a refusal names."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import sparse
from torch import Tensor

from tusklite.ops import aggregation, keypoints, partitions, prototypes
from tusklite.ops.keypoints import detect_keypoints, pixel_centres, sample_descriptors, splat_profiles
from tusklite.ops.partitions import choose_partition, group_means, neighbour_graph
from tusklite.ops.prototypes import Prototypes, spherical_kmeans


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def directions(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return F.normalize(torch.randn(shape, generator=seeded(seed), dtype=dtype), dim=-1)


# --- keypoints ------------------------------------------------------------------------------------------------


def test_places_of_a_double_heatmap_are_as_exact_as_double() -> None:
    heatmap = torch.rand(1, 1, 9, 7, generator=seeded(), dtype=torch.float64)
    points = detect_keypoints(heatmap, k=3, window=5, temperature=0.1)
    for slot in range(3):
        row, column = divmod(int(points.index[0, slot]), 7)
        rows, columns = np.mgrid[max(row - 2, 0) : min(row + 3, 9), max(column - 2, 0) : min(column + 3, 7)]
        weight = np.exp((heatmap[0, 0].numpy()[rows, columns]) / 0.1)
        weight /= weight.sum()
        expected = (weight * ((2 * columns + 1) / 7 - 1)).sum(), (weight * ((2 * rows + 1) / 9 - 1)).sum()
        np.testing.assert_allclose(points.xy[0, slot].numpy(), expected, rtol=0, atol=1e-14)


def test_centres_of_pixels_are_where_their_map_is() -> None:
    assert pixel_centres(4, torch.zeros(1, device="meta")).device.type == "meta"


def test_a_nan_goes_through_what_draws_and_reads() -> None:
    xy = torch.tensor([[[0.1, 0.2], [-0.4, 0.3]]])
    score, descriptors = torch.ones(1, 2), directions(1, 2, 3)
    for name, spoilt in (("xy", xy), ("score", score), ("descriptors", descriptors)):
        given = {"xy": xy, "score": score, "descriptors": descriptors, name: spoilt.clone()}
        given[name][0, 1] = torch.nan
        assert aggregation.score_weighted_sum(**given, height=4, width=5, sigma=1.0).isnan().any()
        canvases = aggregation.separate_splats(**given, height=4, width=5, sigma=1.0)
        assert [bool(canvas.isnan().any()) for canvas in canvases[0]] == [False, True]
    layers = torch.zeros(1, 2, 2, 3, 3)
    layers[0, 0, 0, 1, 1] = torch.nan
    assert aggregation.alpha_blend(layers)[0].isnan().sum() == 1
    features = torch.zeros(1, 2, 4, 4)
    features[0, 0] = torch.nan
    assert sample_descriptors(features, xy).isnan()[0].tolist() == [[True, False], [True, False]]


# --- prototypes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 16, 50])
def test_samples_stray_by_the_spread_however_many_prototypes_there_are(count: int) -> None:
    cloud = Prototypes(count, channels=40, spread=0.05, generator=seeded())
    drawn = cloud.sample(40 * count, seeded(1)).detach()
    means = F.normalize(cloud.means.detach(), dim=1).repeat_interleave(40, dim=0)
    along = (drawn * means).sum(dim=1, keepdim=True)
    # Across its mean, a direction strays by the spread along each of the 39 other axes; along it, it loses length.
    across = (drawn / along - means).square().sum(dim=1).mean().sqrt()
    assert float(across) == pytest.approx(0.05 * 39**0.5, rel=0.05)


def test_prototypes_begin_with_even_shares_and_any_number_of_channels() -> None:
    for count, channels in ((1, 1), (4, 1), (3, 7)):
        cloud = Prototypes(count, channels)
        torch.testing.assert_close(cloud.weights, torch.full((count,), 1 / count))
        torch.testing.assert_close(cloud.means.norm(dim=1), torch.ones(count))


@pytest.mark.parametrize("shape", [(), (4,), (2, 4), (2, 3, 4)])
def test_chances_are_those_of_each_descriptor_whatever_the_shape_around_it(shape: tuple[int, ...]) -> None:
    cloud, points = Prototypes(5, 3, generator=seeded()), directions(*shape, 3)
    chances = cloud.soft_assign(points, 2.5)
    assert chances.shape == (*shape, 5)
    scaled = 2.5 * points.double().numpy() @ F.normalize(cloud.means.detach(), dim=1).double().numpy().T
    expected = np.exp(scaled) / np.exp(scaled).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(chances.numpy(), expected, atol=1e-6)


def test_seeds_of_kmeans_are_drawn_in_proportion_to_the_squared_distance() -> None:
    angle = torch.tensor([0.0, 0.3, 0.9, 2.2], dtype=torch.float64)
    points = torch.stack([angle.cos(), angle.sin()], dim=1)
    squared = torch.cdist(points, points).square()
    generator, draws = seeded(), 6000
    counted = Counter()
    for _ in range(draws):
        first, second, third = prototypes._plus_plus_seeds(points, 3, generator)
        counted[tuple(int((points == each).all(dim=1).nonzero()) for each in (first, second, third))] += 1
    for a in range(4):
        for b in range(4):
            for c in range(4):
                nearest = torch.minimum(squared[a], squared[b])
                chance = squared[a, b] / squared[a].sum() * nearest[c] / nearest.sum() / 4 if a != b else 0.0
                deviation = (draws * float(chance)) ** 0.5
                assert abs(counted[a, b, c] - draws * float(chance)) <= 5 * deviation, (a, b, c)


def test_seeds_of_kmeans_are_never_the_same_point_twice_while_there_are_others() -> None:
    points = directions(3, 5)[[0, 0, 0, 0, 1, 1, 2]]
    for seed in range(30):
        chosen = prototypes._plus_plus_seeds(points, 3, seeded(seed))
        assert len(chosen.unique(dim=0)) == 3


# --- partitions -----------------------------------------------------------------------------------------------


def test_spectral_rows_span_the_leading_eigenvectors_of_the_normalised_graph() -> None:
    graph = neighbour_graph(directions(40, 3), neighbours=4)
    dense = graph.toarray()
    scale = np.diag(dense.sum(axis=1) ** -0.5)
    values, vectors = np.linalg.eigh(scale @ dense @ scale)
    assert values[-4] < values[-3] - 1e-3  # the three largest are apart from the others
    leading = vectors[:, -3:]
    rows = partitions._spectral_rows(graph, 3, seeded()).numpy()
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-12)
    # Rows of length 1 have the same cosines, whichever way the eigenvectors point.
    expected = leading / np.linalg.norm(leading, axis=1, keepdims=True)
    np.testing.assert_allclose(rows @ rows.T, expected @ expected.T, atol=1e-6)


def test_spectral_rows_are_of_the_largest_eigenvalues_and_not_of_the_most_negative() -> None:
    # A walk on a ladder of two sides goes to and fro: -1 is as large an eigenvalue as 1, and says nothing of groups.
    left, right = np.arange(0, 12, 2), np.arange(1, 12, 2)
    dense = np.zeros((12, 12))
    for step in range(6):
        dense[left[step], right[step]] = dense[right[step], left[step]] = 1
        if step < 5:
            dense[left[step], right[step + 1]] = dense[right[step + 1], left[step]] = 1
    assert np.linalg.eigvalsh(dense).min() == pytest.approx(-np.linalg.eigvalsh(dense).max())
    rows = partitions._spectral_rows(sparse.csr_matrix(dense), 2, seeded())
    scale = np.diag(dense.sum(axis=1) ** -0.5)
    leading = np.linalg.eigh(scale @ dense @ scale)[1][:, -2:]
    expected = leading / np.linalg.norm(leading, axis=1, keepdims=True)
    np.testing.assert_allclose((rows @ rows.T).numpy(), expected @ expected.T, atol=1e-6)


def test_spectral_rows_are_the_same_bits_for_the_same_seed_and_draw_from_it_alone() -> None:
    graph = neighbour_graph(directions(60, 3), neighbours=5)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = partitions._spectral_rows(graph, 4, seeded(3))
    assert torch.equal(torch.get_rng_state(), before)
    np.random.default_rng().random(3)
    assert torch.equal(partitions._spectral_rows(graph, 4, seeded(3)), first)


@pytest.mark.parametrize("more", [0, 1, 2])
def test_a_given_partition_of_too_many_groups_is_merged_and_one_of_enough_is_not(more: int) -> None:
    points = directions(60, 3)
    given = torch.arange(60) % (3 + more)
    partition = choose_partition(points, 3, seeded(), {"given": given}, over_clusters=(), restarts=1)
    named = {name for name in partition.scores if name.startswith("given")}
    assert named == ({"given"} if more == 0 else {f"given, {steps} steps" for steps in (1, 4, 16)})
    assert partition.labels.max() < 3


def test_means_and_shares_of_groups_are_as_exact_as_their_type(dtype: torch.dtype) -> None:
    points = directions(21, 4, dtype=torch.float64).to(dtype)
    labels = torch.arange(21) % 3
    means, shares = group_means(points, labels, 3)
    assert means.dtype == shares.dtype == dtype
    exact = np.stack([points.double().numpy()[labels == group].sum(axis=0) for group in range(3)])
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    precision = torch.finfo(dtype).eps
    np.testing.assert_allclose(means.double().numpy(), exact, rtol=0, atol=8 * max(precision, 1e-16))
    uneven = group_means(points[:7], torch.tensor([0, 0, 1, 1, 1, 2, 0]), 3)[1]
    np.testing.assert_allclose(uneven.double().numpy(), np.array([3, 3, 1]) / 7, rtol=0, atol=precision)


# --- what recorded runs went by, and refusals -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "values"),
    [
        (Prototypes.__init__, {"spread": 0.02}),
        (spherical_kmeans, {"iterations": 20}),
        (neighbour_graph, {"neighbours": 10}),
        (
            choose_partition,
            {
                "over_clusters": None,
                "walks": (1, 4, 16),
                "judged_after": 4,
                "neighbours": 10,
                "restarts": 20,
            },
        ),
        (detect_keypoints, {"temperature": 0.2}),
    ],
)
def test_values_that_recorded_runs_took_for_granted_stay(function: Callable, values: dict[str, object]) -> None:
    parameters = inspect.signature(function).parameters
    assert {name: parameters[name].default for name in values} == values
    assert partitions.over_cluster_sizes(10) == (30, 50, 80)


POINTS, DESCRIPTORS = torch.zeros(1, 2, 2), directions(1, 2, 3)
DOUBLE = DESCRIPTORS.double()


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: Prototypes(2, 3).soft_assign(DESCRIPTORS, 0.0), "inverse_temperature: 0.0 was given; .* above 0"),
        (lambda: Prototypes(2, 3).soft_assign(DESCRIPTORS, -1.0), "inverse_temperature: -1.0 was given; .* above 0"),
        (lambda: Prototypes(2, 3).soft_assign(DESCRIPTORS, "1"), "inverse_temperature: '1' was given"),
        (
            lambda: sample_descriptors(torch.zeros(1, 3, 4, 4), POINTS.double()),
            "xy: torch.float64 on cpu was given; allowed is that of features, torch.float32 on cpu",
        ),
        (
            lambda: aggregation.score_weighted_sum(POINTS, torch.ones(1, 2), DOUBLE, 4, 4, 1.0),
            "descriptors: torch.float64 on cpu was given; allowed is that of xy, torch.float32 on cpu",
        ),
        (lambda: splat_profiles(POINTS[0], 4, 4, 1.0), r"xy: shape \(2, 2\) was given; allowed is \(B, K, 2\)"),
        (lambda: group_means(DESCRIPTORS, torch.zeros(2).long(), 1), r"descriptors: shape \(1, 2, 3\) was given"),
        (
            lambda: choose_partition(DESCRIPTORS[0], 1, seeded(), judged_after=0),
            "judged_after: 0 was given; allowed is an integer of at least 1",
        ),
        (
            lambda: choose_partition(DESCRIPTORS[0], 1, seeded(), restarts=-1),
            "restarts: -1 was given; allowed is an integer of at least 0",
        ),
        (
            lambda: keypoints.non_max_suppression(torch.zeros(1, 1, 4, 4), 2),
            "window: 2 was given; allowed is an odd integer",
        ),
        (lambda: detect_keypoints(torch.zeros(1, 1, 4, 4), 1, 2), "window: 2 was given; allowed is an odd integer"),
    ],
)
def test_a_refusal_names_the_argument_and_what_it_should_be(call: Callable, complaint: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{complaint}"):
        call()
