"""Starting points on pictures whose corners are known, under known warps, against plain loops."""

from __future__ import annotations

import itertools
import math
import statistics
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tusklite.data import Puppets
from tusklite.geometry import identity_grid, warp_images
from tusklite.methods.mallis import PointSets, enlarged, find_starting_points, suppressed, without_outliers
from tusklite.metrics import recall_of_truth, repeatability

DETECTORS = ("shi-tomasi", "sift")
seeds = st.integers(0, 999)


def squares() -> tuple[torch.Tensor, torch.Tensor]:
    """A bright rectangle in each of two images of 64 pixels, and its four corners in [-1, 1]."""
    images, corners = torch.zeros(2, 3, 64, 64), []
    for image, (left, right, top, bottom) in enumerate(((16, 40, 12, 44), (20, 50, 24, 40))):
        images[image, :, top:bottom, left:right] = 0.8
        corners.append([(x / 32 - 1, y / 32 - 1) for x in (left, right) for y in (top, bottom)])
    return images, torch.tensor(corners)


def test_corners_of_a_rectangle_are_found() -> None:
    images, corners = squares()
    points = find_starting_points(images, "shi-tomasi", count=4)
    assert points.found.all()
    assert (torch.cdist(points.xy, corners).amin(2) < 3.5 / 32).all()  # its corners lie a little inside, as ever
    for scales in ((1.3,), (1.0, 1.3, 1.6)):
        found = find_starting_points(images, "shi-tomasi", count=4, scales=scales)
        assert (torch.cdist(found.xy, corners).amin(2) < 3.5 / 32)[found.found].all()


@pytest.mark.parametrize("detector", DETECTORS)
def test_points_are_apart_inside_and_strongest_first(detector) -> None:
    images = Puppets("test", 4).scenes(range(4)).image
    many = find_starting_points(images, detector, 40, (1.0, 1.3, 1.6), size=96, distance=0.1)
    assert (many.xy.abs() <= 0.97).all()
    for xy, found in zip(*many, strict=True):
        apart = torch.cdist(xy[found], xy[found]) + 9 * torch.eye(int(found.sum()))
        assert apart.min() >= 0.1 - 1e-6
        assert not found.int().diff().gt(0).any()  # the first places are filled
    few = find_starting_points(images, detector, 5, (1.0, 1.3, 1.6), size=96, distance=0.1)
    torch.testing.assert_close(few.xy, many.xy[:, :5])
    one = find_starting_points(images[3:4], detector, 40, (1.0, 1.3, 1.6), size=96, distance=0.1)
    assert torch.equal(one.xy[0], many.xy[3])


@pytest.mark.parametrize("detector", DETECTORS)
def test_an_empty_image_has_no_points(detector) -> None:
    assert not find_starting_points(torch.full((1, 1, 32, 32), 0.5), detector).found.any()


@pytest.mark.parametrize("detector", DETECTORS)
def test_points_come_back_under_a_known_warp_and_hit_joints(detector) -> None:
    """Both above their controls; the warp turns by a sixth of a right angle and enlarges."""
    scenes = Puppets("test", 12).scenes(range(12), with_truth=True)
    angle, zoom = math.radians(15), 0.9
    turn = zoom * torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    grid = (identity_grid(64, 64).view(-1, 2) @ turn.T).view(1, 64, 64, 2).expand(12, -1, -1, -1)
    first = find_starting_points(scenes.image, detector, 25, size=96)
    again = find_starting_points(warp_images(scenes.image, grid), detector, 25, size=96)
    expected = first.xy @ torch.linalg.inv(turn).T
    shown = first.found & (expected.abs() < 0.95).all(-1)
    share, control = repeatability(expected, again.xy, 3 / 32, shown, again.found)
    assert share > 0.5
    assert share > control + 0.15
    recall, chance = recall_of_truth(scenes.xy, first.xy, 3 / 32, found=first.found)
    assert recall > chance


def test_scales_look_at_the_middle_enlarged() -> None:
    ramp = identity_grid(64, 64).permute(2, 0, 1)[None]  # each pixel tells its own place
    for scale, size in ((1.0, 64), (1.3, 64), (1.6, 50)):
        view = enlarged(ramp, scale, size)
        expected = identity_grid(size, size).permute(2, 0, 1)[None] / scale
        inner = (slice(None), slice(None), slice(3, -3), slice(3, -3))
        torch.testing.assert_close(view[inner], expected[inner], atol=5e-3, rtol=0)  # a pixel is 0.03


@given(seeds, st.integers(1, 12), st.floats(0, 1.5))
@settings(max_examples=30, deadline=None)
def test_suppression_is_greedy_by_loops(seed, count, distance) -> None:
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(count, 2, generator=generator, dtype=torch.float64)
    strength = torch.randint(0, 4, (count,), generator=generator).double()
    stays: list[int] = []
    for point in sorted(range(count), key=lambda p: (-strength[p], p)):
        if all(math.dist(points[point].tolist(), points[other].tolist()) >= distance for other in stays):
            stays.append(point)
    assert suppressed(points, strength, distance).tolist() == stays


@given(seeds, st.integers(1, 4), st.integers(1, 5), st.floats(0, 1), st.integers(1, 30))
@settings(max_examples=30, deadline=None)
def test_outliers_are_those_of_the_largest_median_by_loops(seed, images, places, share, neighbours) -> None:
    generator = torch.Generator().manual_seed(seed)
    descriptors = torch.randn(images, places, 3, generator=generator)
    found = torch.rand(images, places, generator=generator) < 0.8
    points = PointSets(torch.rand(images, places, 2, generator=generator), found)
    kept = without_outliers(descriptors.masked_fill(~found[..., None], torch.nan), points, share, neighbours)
    there = list(zip(*(part.tolist() for part in found.nonzero(as_tuple=True)), strict=True))
    assert not (kept.found & ~found).any()
    if len(there) < 2:
        assert torch.equal(kept.found, found)
        return
    score = {}
    for one in there:
        apart = sorted(math.dist(descriptors[one].tolist(), descriptors[two].tolist()) for two in there if two != one)
        score[one] = statistics.median_low(apart[:neighbours])
    dropped = [place for place in there if not kept.found[place]]
    assert len(dropped) == round(share * len(there))
    for gone, stays in itertools.product(dropped, set(there) - set(dropped)):
        assert score[gone] >= score[stays] - 1e-5


def test_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['skimage'] = None; sys.modules['skimage.feature'] = None\n"
        "import torch; from tusklite.methods.mallis import find_starting_points\n"
        "try: find_starting_points(torch.zeros(1, 1, 32, 32))\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "scikit-image is missing; `pip install scikit-image` installs it"


@pytest.mark.parametrize(
    ("says", "change"),
    [
        ("detector: 'orb' was given; allowed are 'shi-tomasi', 'sift'", {"detector": "orb"}),
        ("count: 0 was given", {"count": 0}),
        (r"scales: 0\.5 was given", {"scales": (0.5,)}),
        (r"images: shape \(1, 3, 32, 40\)", {"images": torch.zeros(1, 3, 32, 40)}),
        ("border: 2 was given", {"border": 2}),
    ],
)
def test_wrong_arguments_are_refused(says, change) -> None:
    with pytest.raises(ValueError, match=says):
        find_starting_points(**({"images": torch.zeros(1, 3, 32, 32)} | change))
