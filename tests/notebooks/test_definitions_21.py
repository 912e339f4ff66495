"""What lesson 21 defines, as it is stored, against the package and independent rivals."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lesson_definitions import definitions
from PIL import Image, ImageOps
from scipy.signal import lfilter

from tusklite.data.pictures import ORIENTATION, points_in_picture
from tusklite.inference import detect
from tusklite.inference.framing import Eye
from tusklite.metrics.advice import measure_health
from tusklite.pretrained import load_pretrained

LESSON = definitions("21_your_own_images", goes_on=True)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def reader():
    return load_pretrained().model


@settings(max_examples=60)
@given(width=st.integers(40, 5000), height=st.integers(40, 5000), side=st.integers(32, 200))
def test_sizes_are_the_package_s(reader, width, height, side):
    """Where no length is below the least that the network takes."""
    eye = Eye(reader, side=side)
    size = LESSON["shown_size"](width, height, side, eye.multiple)
    if min(size) >= eye.smallest:
        assert tuple(size) == eye.framing((width, height)).canvas


@settings(max_examples=60)
@given(seed=st.integers(0, 9999), width=st.integers(1, 999), height=st.integers(1, 999), crop=st.booleans())
def test_pixels_come_back_from_where_the_package_puts_them(seed, width, height, crop):
    pixels = torch.rand(4, 2, generator=seeded(seed)).numpy() * [width, height] - 0.5
    xy = torch.from_numpy(points_in_picture(pixels, (width, height), crop))
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    box = (left, top, left + side, top + side) if crop else (0, 0, width, height)
    np.testing.assert_allclose(LESSON["to_pixels"](xy, box), pixels, atol=2e-3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_is_pillow_s(orientation):
    pixels = torch.randint(256, (4, 7, 3), generator=seeded(), dtype=torch.uint8)
    stored = Image.fromarray(pixels.numpy())
    stored.getexif()[ORIENTATION] = orientation
    shown = np.asarray(ImageOps.exif_transpose(stored))
    np.testing.assert_array_equal(LESSON["turn_upright"](pixels, orientation), shown)


@settings(max_examples=30)
@given(seed=st.integers(0, 9999))
def test_the_border_s_share_is_the_package_s(seed):
    xy = 2 * torch.rand(7, 5, 2, generator=seeded(seed)) - 1
    found = torch.rand(7, 5, generator=seeded(seed + 1)) < 0.7
    health = measure_health(xy, torch.zeros(7, 5, dtype=torch.int64), found, 1)
    assert LESSON["border_share"](xy, found, 0.05) == pytest.approx(health.border)


@settings(max_examples=20)
@given(seed=st.integers(0, 9999))
def test_links_are_the_best_of_all_orders(seed):
    frames = torch.rand(4, 4, 2, generator=seeded(seed))
    tracks = LESSON["link"](frames)
    for before, points, after in zip(tracks[:-1], frames[1:], tracks[1:], strict=True):
        costs = [
            float((before - points[list(order)]).norm(dim=1).sum())
            for order in itertools.permutations(range(len(points)))
        ]
        assert float((before - after).norm(dim=1).sum()) == pytest.approx(min(costs), abs=1e-5)
        assert sorted(after.tolist()) == sorted(points.tolist())


def test_jitter_is_that_of_numpy_and_no_straight_walk_has_any():
    tracks = torch.randn(9, 3, 2, generator=seeded())
    bend = np.diff(tracks.numpy(), n=2, axis=0)
    assert LESSON["jitter"](tracks) == pytest.approx(float(np.sqrt((bend**2).sum(axis=2)).mean()), rel=1e-5)
    walk = torch.arange(9.0)[:, None, None] * torch.tensor([[0.3, -0.2], [2.0, 0.0]])
    assert LESSON["jitter"](walk) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("a", [0.0, 0.3, 0.9])
def test_smoothing_is_a_recursive_filter(a):
    tracks = torch.randn(12, 2, 2, generator=seeded())
    start = a * tracks[:1].numpy()  # as if it had stood there for ever
    wanted, _ = lfilter([1 - a], [1, -a], tracks.numpy(), axis=0, zi=start)
    np.testing.assert_allclose(LESSON["smoothed"](tracks, a), wanted, atol=1e-5)


def test_lag_is_nothing_for_a_joint_with_an_offset_and_more_for_one_that_comes_late():
    time = torch.linspace(0, 12, 60)
    joints = torch.stack([time.sin(), time.cos()], dim=-1)[:, None]
    chosen = torch.tensor([0])
    assert LESSON["lag"](joints + 0.3, joints, chosen) == pytest.approx(0, abs=1e-3)
    late = [LESSON["lag"](LESSON["smoothed"](joints, a), joints, chosen) for a in (0.3, 0.6, 0.9)]
    assert 0 < late[0] < late[1] < late[2]


def test_a_picture_turned_and_turned_back_has_its_points_where_they_were(reader):
    """Points of a turned picture, turned back, lie on what they lay on: shown by a bright spot alone."""

    class Spot:
        def find_keypoints(self, images):
            flat = images.flatten(1).argmax(dim=1)
            size = images.shape[-1]
            xy = torch.stack([flat % size, flat // size], dim=-1)[:, None]
            return type("Found", (), {"xy": (2 * xy + 1) / size - 1, "prototype": torch.zeros(len(images), 1)})

    images = torch.zeros(1, 1, 10, 10)
    images[0, 0, 2, 7] = 1
    LESSON["reader"] = Spot()
    wanted, _ = LESSON["shown_turned"](images, 0)
    for turns in (1, 2, 3):
        torch.testing.assert_close(LESSON["shown_turned"](images, turns)[0], wanted)


def test_looking_by_hand_is_detect(reader, tmp_path: Path):
    pixels = torch.randint(256, (60, 150), generator=seeded(), dtype=torch.uint8)
    Image.fromarray(pixels.numpy()).save(tmp_path / "noise.png")
    LESSON["reader"] = reader
    ours = LESSON["look_at"](tmp_path / "noise.png", 5)
    detect(reader, [tmp_path / "noise.png"], tmp_path / "out", keypoints=5)
    rows = LESSON["read_table"](tmp_path / "out" / "keypoints.csv")
    table = (tmp_path / "out" / "keypoints.csv").read_text(encoding="utf-8")
    assert rows == list(csv.DictReader(table.splitlines()))
    theirs = torch.tensor([[float(row["x"]), float(row["y"])] for row in rows])
    torch.testing.assert_close(ours, theirs, atol=0.011, rtol=0)
    coco = json.loads((tmp_path / "out" / "keypoints.json").read_text(encoding="utf-8"))
    assert len(coco["annotations"]) == len(rows)


def test_a_counting_model_notes_how_many_it_gets(reader):
    counting = LESSON["Counting"](reader)
    counting.find_keypoints(torch.zeros(3, 1, 80, 80), 2)
    assert counting.together == [3]


def test_a_share_is_of_digits_with_a_keypoint_nearby():
    LESSON["truth"] = [torch.tensor([[0.0, 0.0], [100.0, 0.0]]), torch.tensor([[50.0, 50.0]])]
    points = [torch.tensor([[9.0, 9.0]]), torch.tensor([[65.1, 50.0], [300.0, 0.0]])]
    assert LESSON["share_found"](points) == pytest.approx(1 / 3)
