"""Maxima, refinement, sampling and splats against loops in Python, scipy and kornia."""

from __future__ import annotations

import kornia
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from packaging.version import Version
from scipy import special, stats
from scipy.ndimage import map_coordinates

from tusklite.ops.keypoints import (
    detect_keypoints,
    non_max_suppression,
    pixel_centres,
    sample_descriptors,
    soft_argmax,
    spatial_softmax,
    splat_gaussians,
    splat_profiles,
    window_maximum,
)

# Older ones, the last for Python 3.10, take a Gaussian's sigma for its square and halve the offsets in a window.
sound_kornia = pytest.mark.skipif(
    Version(kornia.__version__) < Version("0.9"), reason="kornia before 0.9 is wrong here"
)

# Whole numbers from a small range, so that ties and plateaus are the rule.
small_maps = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 7), st.integers(1, 7)), elements=st.integers(-2, 2).map(float)
)
windows = st.sampled_from([1, 3, 5, 9])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def cells_around(row: int, column: int, height: int, width: int, window: int) -> list[tuple[int, int]]:
    """The pixels of the window that lie inside the map, in reading order."""
    reach = range(-(window // 2), window // 2 + 1)
    cells = [(row + i, column + j) for i in reach for j in reach]
    return [(i, j) for i, j in cells if 0 <= i < height and 0 <= j < width]


def plain_maxima(heatmap: np.ndarray, window: int) -> np.ndarray:
    height, width = heatmap.shape
    marked = np.zeros(heatmap.shape, bool)
    for row in range(height):
        for column in range(width):
            around = cells_around(row, column, height, width, window)
            marked[row, column] = heatmap[row, column] == max(heatmap[cell] for cell in around)
    return marked


def plain_keypoints(heatmap: np.ndarray, k: int, window: int, temperature: float) -> list[tuple]:
    """(x, y, score, index) of each keypoint by loops; of equal maxima in one window the first one counts."""
    height, width = heatmap.shape
    marked = plain_maxima(heatmap, window)
    found = []
    for row, column in np.argwhere(marked).tolist():
        around = cells_around(row, column, height, width, window)
        if any(marked[cell] for cell in around if cell < (row, column)):
            continue
        weight = np.exp([(heatmap[cell] - heatmap[row, column]) / temperature for cell in around])
        y, x = (weight[:, None] * np.array(around)).sum(0) / weight.sum()
        xy = ((2 * x + 1) / width - 1, (2 * y + 1) / height - 1)
        found.append((*xy, heatmap[row, column], row * width + column))
    found.sort(key=lambda point: (-point[2], point[3]))
    return (found + [(0.0, 0.0, 0.0, -1)] * k)[:k]


# Maxima


@given(heatmap=small_maps, window=windows)
@settings(max_examples=60)
def test_suppression_marks_the_maxima_that_loops_find(heatmap: np.ndarray, window: int) -> None:
    marked = non_max_suppression(torch.from_numpy(heatmap)[None, None], window)
    assert marked.dtype == torch.bool
    np.testing.assert_array_equal(marked[0, 0], plain_maxima(heatmap, window))


@given(heatmap=small_maps, window=windows)
@settings(max_examples=30)
def test_window_maximum_is_that_of_loops(heatmap: np.ndarray, window: int) -> None:
    largest = window_maximum(torch.from_numpy(heatmap)[None, None], window)[0, 0]
    for row, column in np.ndindex(heatmap.shape):
        around = cells_around(row, column, *heatmap.shape, window)
        assert largest[row, column] == max(heatmap[cell] for cell in around)


@pytest.mark.parametrize("window", [3, 5, 7])
def test_suppression_agrees_with_kornia_away_from_the_border(window: int) -> None:
    heatmap = torch.rand(3, 1, 21, 34, generator=seeded(window))
    theirs = kornia.geometry.subpix.nms2d(heatmap, (window, window), mask_only=True)
    inside = (..., slice(window // 2, -(window // 2)), slice(window // 2, -(window // 2)))
    assert theirs[inside].sum() > 10
    assert torch.equal(non_max_suppression(heatmap, window)[inside], theirs[inside])


def test_a_plateau_is_marked_as_a_whole_and_detected_once() -> None:
    heatmap = torch.zeros(1, 1, 6, 8)
    heatmap[0, 0, 2:4, 3:6] = 1.0
    heatmap[0, 0, 0, 0] = -1.0
    marked = non_max_suppression(heatmap, window=3)
    assert marked[0, 0, 2:4, 3:6].all()
    points = detect_keypoints(heatmap, k=2, window=5, temperature=0.1)
    assert points.index[0, 0] == 2 * 8 + 3
    assert (points.score[0] == 1).sum() == 1
    flat = detect_keypoints(torch.full((1, 1, 6, 8), 0.3), k=3, window=13)
    assert flat.index.tolist() == [[0, -1, -1]]
    assert flat.found.tolist() == [[True, False, False]]


# Detection


@given(heatmap=small_maps, window=windows, temperature=st.sampled_from([0.05, 0.2, 3.0]), data=st.data())
@settings(max_examples=80)
def test_keypoints_are_those_that_loops_find(
    heatmap: np.ndarray, window: int, temperature: float, data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, heatmap.size))
    points = detect_keypoints(torch.from_numpy(heatmap)[None, None], k, window, temperature)
    expected = np.array(plain_keypoints(heatmap, k, window, temperature))
    np.testing.assert_array_equal(points.index[0], expected[:, 3])
    np.testing.assert_array_equal(points.found[0], expected[:, 3] >= 0)
    np.testing.assert_array_equal(points.score[0], expected[:, 2])
    np.testing.assert_allclose(points.xy[0], expected[:, :2], atol=1e-5)


def test_keypoints_of_a_batch_are_those_of_its_images() -> None:
    heatmap = torch.rand(3, 1, 17, 31, generator=seeded())
    together = detect_keypoints(heatmap, k=20, window=5)
    assert together.xy.shape == (3, 20, 2)
    for image in range(3):
        expected = np.array(plain_keypoints(heatmap[image, 0].double().numpy(), 20, 5, 0.2))
        np.testing.assert_array_equal(together.index[image], expected[:, 3])
        np.testing.assert_allclose(together.xy[image], expected[:, :2], atol=1e-5)


@sound_kornia
def test_refinement_agrees_with_kornia_away_from_the_border() -> None:
    window, temperature = 5, 0.2
    heatmap = torch.rand(2, 1, 20, 26, generator=seeded(), dtype=torch.float64)
    theirs = kornia.geometry.subpix.conv_soft_argmax2d(
        heatmap, (window, window), (1, 1), (2, 2), temperature, normalized_coordinates=False
    )  # (B, 1, 2, H, W) in pixels
    points = detect_keypoints(heatmap, k=9, window=window, temperature=temperature)
    pixels = theirs.flatten(3)[:, 0].gather(2, points.index[:, None].expand(-1, 2, -1)).mT  # (B, K, 2)
    expected = (2 * pixels + 1) / torch.tensor([26.0, 20.0]) - 1
    row, column = points.index // 26, points.index % 26
    inside = (row >= 2) & (row < 18) & (column >= 2) & (column < 24)
    assert inside.sum() > 9
    torch.testing.assert_close(points.xy[inside], expected[inside], atol=1e-6, rtol=0)


def test_temperature_goes_from_the_maximum_to_the_mean_of_the_window() -> None:
    heatmap = torch.zeros(1, 1, 9, 9, dtype=torch.float64)
    heatmap[0, 0, 2, 3], heatmap[0, 0, 2, 4] = 1.0, 0.9
    cold = detect_keypoints(heatmap, 1, window=3, temperature=1e-3).xy
    torch.testing.assert_close(cold, torch.tensor([[[7 / 9 - 1, 5 / 9 - 1]]]).double(), atol=1e-6, rtol=0)
    heatmap[0, 0, 2, 4] = 0.0
    heatmap[0, 0, 0, 0] = 2.0  # at a border the window's mean lies inside the map
    hot = detect_keypoints(heatmap, 1, window=3, temperature=1e6).xy
    torch.testing.assert_close(hot, torch.full((1, 1, 2), 2 / 9 - 1).double(), atol=1e-5, rtol=0)


def test_gradients_reach_the_heatmap_through_locations_and_scores() -> None:
    # Far apart from each other, so that a small change does not choose other maxima.
    order = torch.randperm(56, generator=seeded(), dtype=torch.float64).view(1, 1, 7, 8)
    heatmap = (order / 20).requires_grad_()

    def locations_and_scores(heatmap: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        points = detect_keypoints(heatmap, k=6, window=3, temperature=0.5)
        return points.xy, points.score

    assert detect_keypoints(heatmap, k=6, window=3).found[0, :3].all()
    assert torch.autograd.gradcheck(locations_and_scores, (heatmap,))


# Soft-argmax over the whole map


def test_spatial_softmax_is_scipys() -> None:
    logits = 30 * torch.randn(2, 3, 5, 7, generator=seeded(), dtype=torch.float64)
    probs = spatial_softmax(logits)
    np.testing.assert_allclose(probs, special.softmax(logits.numpy(), axis=(2, 3)), atol=1e-12)
    theirs = kornia.geometry.subpix.spatial_softmax2d(logits)
    torch.testing.assert_close(probs, theirs)
    assert torch.isfinite(spatial_softmax(torch.tensor([[[[3e38, -3e38]]]]))).all()


def test_soft_argmax_by_hand_and_by_kornia() -> None:
    probs = torch.zeros(1, 2, 2, 4)
    probs[0, 0, 0, 0] = 1.0  # the first pixel's centre
    probs[0, 1, 0, 3], probs[0, 1, 1, 3] = 0.25, 0.75
    torch.testing.assert_close(soft_argmax(probs), torch.tensor([[[-0.75, -0.5], [0.75, 0.25]]]))

    probs = spatial_softmax(torch.randn(2, 3, 5, 8, generator=seeded()))
    pixels = kornia.geometry.subpix.spatial_expectation2d(probs, normalized_coordinates=False)
    torch.testing.assert_close(soft_argmax(probs), (2 * pixels + 1) / torch.tensor([8.0, 5.0]) - 1)


def test_soft_argmax_gradient() -> None:
    logits = torch.randn(1, 2, 3, 4, generator=seeded(), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda logits: soft_argmax(spatial_softmax(logits)), (logits,))


def test_pixel_centres_are_those_of_grid_sample() -> None:
    image = torch.arange(5.0).view(1, 1, 1, 5)
    x = pixel_centres(5, image)
    grid = torch.stack([x, torch.zeros(5)], dim=1).view(1, 1, 5, 2)
    sampled = torch.nn.functional.grid_sample(image, grid, align_corners=False)
    torch.testing.assert_close(sampled.flatten(), torch.arange(5.0))


# Sampling


@given(height=st.integers(1, 6), width=st.integers(1, 6), points=st.integers(1, 5), seed=st.integers(0, 1000))
@settings(max_examples=30)
def test_sampling_is_bilinear(height: int, width: int, points: int, seed: int) -> None:
    generator = seeded(seed)
    features = torch.randn(2, 3, height, width, generator=generator, dtype=torch.float64)
    xy = 2.4 * torch.rand(2, points, 2, generator=generator, dtype=torch.float64) - 1.2  # some lie outside
    sampled = sample_descriptors(features, xy)
    assert sampled.shape == (2, points, 3)
    pixels = ((xy + 1) * torch.tensor([width, height]) - 1).numpy() / 2
    for image in range(2):
        for channel in range(3):
            expected = map_coordinates(features[image, channel].numpy(), pixels[image].T[::-1], order=1, mode="nearest")
            np.testing.assert_allclose(sampled[image, :, channel], expected, atol=1e-9)


def test_sampling_by_hand_and_by_grid_sample() -> None:
    features = torch.tensor([[[[1.0, 3.0, 7.0], [2.0, 5.0, 11.0]]]])
    # a quarter of the way from column 0 to 1, three quarters of the way from row 0 to 1
    point = torch.tensor([[[2 * (0.25 + 0.5) / 3 - 1, 2 * (0.75 + 0.5) / 2 - 1]]])
    by_hand = 0.25 * (0.75 * 1 + 0.25 * 3) + 0.75 * (0.75 * 2 + 0.25 * 5)
    torch.testing.assert_close(sample_descriptors(features, point), torch.tensor([[[by_hand]]]))

    features = torch.randn(3, 4, 6, 9, generator=seeded())
    xy = 1.6 * torch.rand(3, 7, 2, generator=seeded(1)) - 0.8
    theirs = torch.nn.functional.grid_sample(features, xy[:, None], align_corners=False)[:, :, 0].mT
    torch.testing.assert_close(sample_descriptors(features, xy), theirs)


def test_sampling_gradient() -> None:
    features = torch.randn(2, 2, 4, 5, generator=seeded(), dtype=torch.float64, requires_grad=True)
    # Inside the cells between pixel centres, where the interpolation has a gradient.
    cell = torch.tensor([[[0, 1], [2, 2]], [[3, 0], [1, 1]]]) + 0.5
    offset = 0.6 * torch.rand(2, 2, 2, generator=seeded(1)) + 0.2
    xy = (2 * (cell + offset) / torch.tensor([5, 4]) - 1).double().requires_grad_()
    assert torch.autograd.gradcheck(sample_descriptors, (features, xy))


# Splats


@pytest.mark.parametrize("sigma", [0.3, 0.05**0.5, 1.0, 6.0])
def test_splats_are_normal_densities(sigma: float) -> None:
    height, width = 9, 14
    xy = 1.8 * torch.rand(2, 5, 2, generator=seeded(), dtype=torch.float64) - 0.9
    splats = splat_gaussians(xy, height, width, sigma)
    assert splats.shape == (2, 5, height, width)
    for image, point in np.ndindex(2, 5):
        x, y = ((xy[image, point].numpy() + 1) * [width, height] - 1) / 2  # pixels
        density = np.outer(stats.norm.pdf(np.arange(height), y, sigma), stats.norm.pdf(np.arange(width), x, sigma))
        np.testing.assert_allclose(splats[image, point], density / density.sum(), atol=1e-9)


@sound_kornia
def test_splats_agree_with_kornia() -> None:
    xy = 1.6 * torch.rand(1, 4, 2, generator=seeded()) - 0.8
    pixels = ((xy + 1) * torch.tensor([12.0, 7.0]) - 1) / 2
    theirs = kornia.geometry.subpix.render_gaussian2d(
        pixels[0], torch.full((4, 2), 1.3), (7, 12), normalized_coordinates=False
    )
    torch.testing.assert_close(splat_gaussians(xy, 7, 12, 1.3)[0], theirs, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("sigma", [0.05, 0.01])
def test_a_very_narrow_splat_is_one_pixel_and_never_nan(sigma: float) -> None:
    # A quarter of a pixel off a centre: at 0.01 the density at every centre is 0 in float32.
    centre = (2 * torch.tensor([[[39.25, 64.25]]]) + 1) / 80 - 1
    xy = torch.cat([centre, torch.tensor([[[1.0, -1.0], [1.7, 0.0]]])], dim=1).requires_grad_()
    splats = splat_gaussians(xy, 80, 80, sigma)
    torch.testing.assert_close(splats.sum((2, 3)), torch.ones(1, 3))
    assert splats[0, 0, 64, 39] > 0.999
    splats.square().sum().backward()
    assert torch.isfinite(xy.grad).all()


def test_splat_is_the_product_of_its_profiles() -> None:
    xy = 2 * torch.rand(2, 3, 2, generator=seeded()) - 1
    rows, columns = splat_profiles(xy, 5, 8, 0.7)
    splats = splat_gaussians(xy, 5, 8, 0.7)
    torch.testing.assert_close(rows.sum(-1), torch.ones(2, 3))
    torch.testing.assert_close(splats.sum(3), rows)
    torch.testing.assert_close(splats.sum(2), columns)


def test_splat_gradient() -> None:
    xy = (2 * torch.rand(1, 3, 2, generator=seeded(), dtype=torch.float64) - 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda xy: splat_gaussians(xy, 4, 5, 0.8), (xy,))


def test_a_splat_is_where_the_keypoint_was() -> None:
    xy = 1.2 * torch.rand(1, 6, 2, generator=seeded()) - 0.6
    torch.testing.assert_close(soft_argmax(splat_gaussians(xy, 40, 50, 1.5)), xy, atol=1e-4, rtol=0)


# Wrong input

HEATMAP = torch.rand(1, 1, 5, 6, generator=seeded())
NAN = HEATMAP.clone().index_fill_(2, torch.tensor([1]), float("nan"))


@pytest.mark.parametrize(
    ("arguments", "error", "complaint"),
    [
        ({"heatmap": NAN}, ValueError, "heatmap: NaN or infinite values were given; allowed are finite"),
        ({"heatmap": HEATMAP / 0}, ValueError, "heatmap: NaN or infinite"),
        (
            {"heatmap": HEATMAP[0]},
            ValueError,
            r"heatmap: shape \(1, 5, 6\) was given; allowed is \(B, 1, H, W\)",
        ),
        ({"heatmap": HEATMAP.expand(1, 2, 5, 6)}, ValueError, r"heatmap: shape \(1, 2, 5, 6\)"),
        ({"heatmap": HEATMAP[:0]}, ValueError, r"heatmap: shape \(0, 1, 5, 6\) was given"),
        (
            {"heatmap": HEATMAP.byte()},
            TypeError,
            "heatmap: dtype torch.uint8 was given; allowed is a floating",
        ),
        ({"heatmap": HEATMAP.numpy()}, TypeError, "heatmap: ndarray was given; allowed is a torch.Tensor"),
        ({"k": 0}, ValueError, "k: 0 was given; allowed is an integer from 1 to 30"),
        ({"k": 31}, ValueError, "k: 31 was given; allowed is an integer from 1 to 30"),
        ({"k": 2.0}, TypeError, "k: 2.0 was given; allowed is an integer"),
        ({"window": 4}, ValueError, "window: 4 was given; allowed is an odd integer of at least 1"),
        ({"window": -1}, ValueError, "window: -1 was given"),
        ({"temperature": 0.0}, ValueError, "temperature: 0.0 was given; allowed is a finite number above 0"),
        ({"temperature": float("nan")}, ValueError, "temperature: nan was given"),
        ({"temperature": "cold"}, TypeError, "temperature: 'cold' was given; allowed is a number"),
    ],
)
def test_wrong_detections_are_refused(arguments: dict, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        detect_keypoints(**({"heatmap": HEATMAP, "k": 2, "window": 3} | arguments))


@pytest.mark.parametrize(
    ("call", "error", "complaint"),
    [
        (lambda: non_max_suppression(HEATMAP, 2), ValueError, "window: 2 was given; allowed is an odd"),
        (lambda: non_max_suppression(NAN, 3), ValueError, "heatmap: NaN"),
        (lambda: spatial_softmax(HEATMAP[0]), ValueError, r"logits: shape \(1, 5, 6\)"),
        (lambda: spatial_softmax(NAN), ValueError, "logits: NaN"),
        (lambda: soft_argmax(HEATMAP.int()), TypeError, "probs: dtype torch.int32"),
        (lambda: soft_argmax(HEATMAP[..., :0]), ValueError, r"probs: shape \(1, 1, 5, 0\)"),
        (
            lambda: sample_descriptors(HEATMAP, torch.zeros(2, 1, 2)),
            ValueError,
            r"xy: shape \(2, 1, 2\) .* \(1, K, 2\)",
        ),
        (lambda: sample_descriptors(HEATMAP, torch.zeros(1, 1, 3)), ValueError, r"xy: shape \(1, 1, 3\)"),
        (lambda: sample_descriptors(HEATMAP.byte(), torch.zeros(1, 1, 2)), TypeError, "features: dtype"),
        (lambda: splat_gaussians(torch.zeros(1, 2), 3, 3, 1.0), ValueError, r"xy: shape \(1, 2\)"),
        (lambda: splat_gaussians(torch.zeros(1, 1, 2), 0, 3, 1.0), ValueError, "height: 0 was given"),
        (lambda: splat_gaussians(torch.zeros(1, 1, 2), 3, 2.5, 1.0), TypeError, "width: 2.5 was given"),
        (lambda: splat_gaussians(torch.zeros(1, 1, 2), 3, 3, 0.0), ValueError, "sigma: 0.0 was given"),
    ],
)
def test_other_wrong_input_is_refused(call: object, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        call()
