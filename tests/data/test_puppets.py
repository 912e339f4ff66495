"""Puppets against a plain re-drawing, pixel by pixel over the whole picture, and with Python's own cosines."""

from __future__ import annotations

import cmath
import hashlib
import inspect
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tusklite.data import Puppets, require_source
from tusklite.data.puppets import BACKGROUND, FIGURE, GRAIN, JOINTS, PIECES

SPLITS = ("train", "validation", "test")
WORD = 2**64 - 1


def plain_bits(key: int, counter: int) -> int:
    """SplitMix64 as its authors print it, in Python's unbounded integers."""
    z = (key + (counter + 1) * 0x9E3779B97F4A7C15) & WORD
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return z ^ (z >> 31)


def plain_unit(key: int, counter: int) -> float:
    return (plain_bits(key, counter) >> 11) / 2**53


def plain_key(split: str, index: int, seed: int) -> int:
    return plain_bits(plain_bits(plain_bits(seed, SPLITS.index(split)), 1), index)


def plain_figure(key: int) -> dict[str, float]:
    return {
        name: low + (high - low) * plain_unit(key, number) for number, (name, (low, high)) in enumerate(FIGURE.items())
    }


def plain_joints(f: dict[str, float]) -> dict[str, complex]:
    """Joints as complex numbers x + iy in 64ths, the whole figure first upright at the origin, then leant and moved."""
    s = f["scale"]
    place = {"neck": -0.62j * f["torso"], "head": -1j * (0.62 * f["torso"] + f["head"])}
    for side, sign in (("left", -1), ("right", 1)):

        def hang(angle: float, sign: int = sign) -> complex:
            """An arrow that hangs down (i) and is raised sideways, away from the body."""
            return 1j * cmath.exp(-1j * sign * angle)

        arm, leg = f[f"{side}_arm_raised"], f[f"{side}_leg_raised"]
        shoulder = place["neck"] + sign * f["shoulder"] + 1.2j
        elbow = shoulder + f["upper_arm"] * hang(arm)
        wrist = elbow + f["forearm"] * hang(arm + f[f"{side}_elbow_bent"])
        hip = 0.38j * f["torso"] + sign * f["hip"]
        knee = hip + f["thigh"] * hang(leg)
        ankle = knee + f["shin"] * hang(leg + f[f"{side}_knee_bent"])
        for name, point in zip(
            ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"),
            (shoulder, elbow, wrist, hip, knee, ankle),
            strict=True,
        ):
            place[f"{side}_{name}"] = point
    middle = complex(f["centre_x"], f["centre_y"])
    return {name: middle + s * cmath.exp(1j * f["lean"]) * point for name, point in place.items()}


def plain_paint(canvas: np.ndarray, a: complex, b: complex, ra: float, rb: float, colour: np.ndarray) -> None:
    """A capsule over the whole picture, not only over a square around it."""
    size = canvas.shape[-1]
    scale = size / 64
    a, b, ra, rb = a * scale, b * scale, ra * scale, rb * scale
    for row in range(size):
        for column in range(size):
            p = complex(column + 0.5, row + 0.5)
            t = 0.0 if a == b else min(max(((p - a) * (b - a).conjugate()).real / abs(b - a) ** 2, 0.0), 1.0)
            d, r = abs(p - a - t * (b - a)), ra + t * (rb - ra)
            cover = min(max(r - d + 0.5, 0.0), 1.0)
            canvas[:, row, column] *= 1 - cover
            canvas[:, row, column] += cover * colour * (1 - 0.24 * min(d / r, 1.0))


def plain_noise(key: int, first: int, cells: int, size: int) -> np.ndarray:
    value = np.array([plain_unit(key, first + n) for n in range(3 * cells * cells)]).reshape(3, cells, cells)
    out = np.empty((3, size, size))
    for i in range(size):
        for j in range(size):
            y, x = (min(max((k + 0.5) * cells / size - 0.5, 0.0), cells - 1.0) for k in (i, j))
            top, left = min(int(y), cells - 2), min(int(x), cells - 2)
            v, h = (3 * t * t - 2 * t**3 for t in (y - top, x - left))
            upper = value[:, top, left] * (1 - h) + value[:, top, left + 1] * h
            lower = value[:, top + 1, left] * (1 - h) + value[:, top + 1, left + 1] * h
            out[:, i, j] = upper * (1 - v) + lower * v
    return out


def plain_scene(split: str, index: int, seed: int, clutter: str, pieces: int, size: int) -> tuple[np.ndarray, list]:
    key = plain_key(split, index, seed)
    f = plain_figure(key)
    canvas, first = np.full((3, size, size), 0.25), 10_000
    for cells, height in BACKGROUND:
        canvas += height * plain_noise(key, first, cells, size)
        first += 3 * cells * cells
    bounds = PIECES[clutter]
    for piece in range(pieces if bounds else 0):
        x, y, dx, dy, ra, rb, *colour = (
            low + (high - low) * plain_unit(key, 1_000 + piece * len(bounds) + n)
            for n, (low, high) in enumerate(bounds)
        )
        plain_paint(canvas, complex(x, y), complex(x + dx, y + dy), ra, rb, np.array(colour))
    place, s = plain_joints(f), f["scale"]
    skin, shirt, trousers, shoe, hair = (
        np.array([f[f"{part}_{c}"] for c in ("red", "green", "blue")])
        for part in ("skin", "shirt", "trousers", "shoe", "hair")
    )
    arm, leg, skull = (s * f[f"{part}_radius"] for part in ("arm", "leg", "head"))
    for side in ("left", "right"):
        hip, knee, ankle = (place[f"{side}_{name}"] for name in ("hip", "knee", "ankle"))
        plain_paint(canvas, knee, ankle, 0.85 * leg, 0.7 * leg, skin)
        plain_paint(canvas, hip, knee, 1.15 * leg, 0.95 * leg, trousers)
        plain_paint(canvas, ankle, ankle, 1.15 * leg, 1.15 * leg, shoe)
    up = -1j * cmath.exp(1j * f["lean"]) * s
    neck, head, pelvis = place["neck"], place["head"], (place["left_hip"] + place["right_hip"]) / 2
    plain_paint(canvas, pelvis, neck - 3 * up, s * f["waist_radius"], s * f["chest_radius"], shirt)
    plain_paint(canvas, place["left_shoulder"], place["right_shoulder"], 1.1 * arm, 1.1 * arm, shirt)
    plain_paint(canvas, neck, head, arm, arm, skin)
    plain_paint(canvas, head + 1.3 * up, head, skull, skull, hair)
    plain_paint(canvas, head - up, head, 0.82 * skull, 0.82 * skull, skin)
    for side in ("left", "right"):
        shoulder, elbow, wrist = (place[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist"))
        plain_paint(canvas, elbow, wrist, 0.9 * arm, 0.75 * arm, skin)
        plain_paint(canvas, shoulder, elbow, 1.1 * arm, arm, shirt)
        plain_paint(canvas, wrist, wrist, 1.15 * arm, 1.15 * arm, skin)
    levels = [plain_bits(key, 20_000 + n // 8) >> 8 * (n % 8) & 255 for n in range(3 * size * size)]
    grain = (np.array(levels).reshape(3, size, size) / 127.5 - 1) * GRAIN
    image = np.clip(canvas * f["brightness"] + grain, 0, 1)
    return image, [place[name] for name in JOINTS]


@pytest.mark.parametrize(
    ("split", "index", "seed", "clutter", "pieces", "size"),
    [
        ("test", 0, 0, "none", 6, 33),
        ("validation", 7, 2**62, "discs", 5, 32),
        ("test", 2**31 - 1, 3, "sticks", 9, 35),
        ("train", 12, 1, "discs", 2, 32),
    ],
)
def test_scenes_are_those_drawn_by_loops(split, index, seed, clutter, pieces, size) -> None:
    data = Puppets(split, 2**31, seed, size, clutter, pieces)
    image, joints = plain_scene(split, index, seed, clutter, pieces, size)
    drawn = data.scenes([index]).image[0].numpy()
    assert np.abs(drawn - image).max() < 0.51 / 255 + 1e-5  # rounded to a byte, and no more
    found = data.joints(torch.tensor([index]))[0]
    expected = torch.tensor([[p.real / 32 - 1, p.imag / 32 - 1] for p in joints])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    if split != "train":
        assert torch.equal(data.scenes([index], with_truth=True).xy[0], found)


def test_no_capsule_is_cut_by_the_square_that_is_painted() -> None:
    """What the longest and widest of each could reach fits the square: over many scenes, all agree with wider ones."""
    from tusklite.data import puppets

    data = Puppets("test", 150, clutter="sticks")
    narrow = data.scenes(range(150)).image
    paint = puppets.paint_capsules

    def wide(canvas, start, end, radii, colour, reach, unit):
        paint(canvas, start, end, radii, colour, 64, unit)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(puppets, "paint_capsules", wide)
        assert torch.equal(data.scenes(range(150)).image, narrow)


def test_joints_are_where_colours_meet() -> None:
    """The truth does not say where a figure is: its own pixels do. At a wrist, the skin's colour is seen."""
    data = Puppets("test", 60, clutter="none")
    batch = data.scenes(range(60), with_truth=True)
    right = 0
    for index in range(60):
        f = plain_figure(plain_key("test", index, 0))
        skin = np.clip(np.array([f[f"skin_{c}"] for c in ("red", "green", "blue")]) * f["brightness"], 0, 1)
        x, y = ((batch.xy[index, JOINTS.index("left_wrist")] + 1) * 32).tolist()
        if not (1 < x < 63 and 1 < y < 63):
            continue
        seen = batch.image[index, :, int(y), int(x)].numpy()
        right += bool(np.abs(seen - skin).max() < GRAIN + 0.12)
    assert right >= 50  # an other arm, painted later, may lie over it


def test_joints_do_not_depend_on_the_picture() -> None:
    truth = Puppets("test", 50).scenes(range(50), with_truth=True).xy
    for change in ({"image_size": 96}, {"clutter": "sticks"}, {"pieces": 0}, {"size": 10**6}):
        other = Puppets("test", **({"size": 50} | change)).scenes(range(50), with_truth=True)
        assert torch.equal(other.xy, truth)
    assert not torch.equal(Puppets("test", 50, seed=1).scenes(range(50), with_truth=True).xy, truth)


def test_clutter_lies_behind_the_figure() -> None:
    """Along the middle of the body nothing changes with the clutter."""
    batches = [Puppets("test", 80, clutter=kind).scenes(range(80), with_truth=True) for kind in PIECES]
    hips = batches[0].xy[:, [JOINTS.index("left_hip"), JOINTS.index("right_hip")]].mean(1)
    column, row = ((hips + 1) * 32).long().unbind(1)
    seen = [batch.image[torch.arange(80), :, row, column] for batch in batches]
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])
    assert not torch.equal(batches[1].image, batches[2].image)


@given(indices=st.lists(st.integers(0, 199), min_size=1, max_size=9))
@settings(deadline=None, max_examples=5)
def test_a_scene_does_not_depend_on_its_batch(indices: list[int]) -> None:
    data = Puppets("test", 200)
    batch = data.scenes(indices, with_truth=True)
    for place, index in enumerate(indices):
        alone = data[index]
        assert torch.equal(batch.image[place], alone.image)
        assert torch.equal(batch.xy[place], alone.xy)


def test_scenes_of_other_seeds_splits_and_indices_differ() -> None:
    seen = set()
    for split in SPLITS:
        for seed in range(3):
            images = Puppets(split, 70, seed).scenes(range(70)).image
            seen |= {image.numpy().tobytes() for image in images}
    assert len(seen) == len(SPLITS) * 3 * 70


def test_scenes_are_the_same_on_every_machine(device: str) -> None:
    """Recorded once on an x86 CPU; a machine that disagrees would train and test on other scenes."""
    total = hashlib.sha256()
    for clutter in PIECES:
        batch = Puppets("test", 200, clutter=clutter, device=device).scenes(range(200), with_truth=True)
        for field in batch:
            assert field.device.type == device
            total.update(field.cpu().numpy().tobytes())
    assert total.hexdigest() == "76f6ab24f5342fa81463e9dd9cfc8df37ed2ebacacd552fdda4fe71e7afe56ed"


def test_joints_stray_as_far_as_they_may() -> None:
    """Lengths between joints keep to the bounds that the figure is drawn from, over the whole of them."""
    data = Puppets("test", 3000)
    xy = (data.joints(torch.arange(3000)).double() + 1) * 32
    place = dict(zip(JOINTS, xy.unbind(1), strict=True))
    for one, other, part in (
        *(("left_shoulder", "left_elbow", "upper_arm"), ("right_elbow", "right_wrist", "forearm")),
        *(("left_hip", "left_knee", "thigh"), ("right_knee", "right_ankle", "shin"), ("neck", "head", "head")),
    ):
        length = (place[one] - place[other]).norm(dim=1)
        low, high = FIGURE[part][0] * FIGURE["scale"][0], FIGURE[part][1] * FIGURE["scale"][1]
        assert low - 1e-3 < length.min() < 1.1 * low
        assert 0.92 * high < length.max() < high + 1e-3
    assert ((xy > 0) & (xy < 64)).all(-1).double().mean() > 0.99
    spine = place["head"] - place["neck"]
    lean = torch.atan2(spine[:, 0], -spine[:, 1])
    assert abs(lean.mean()) < 0.03
    assert lean.min() < -0.68
    assert lean.max() > 0.68
    right = place["right_shoulder"] - place["left_shoulder"]
    assert (right[:, 0] > 0).all()  # a lean is less than a quarter turn
    torch.testing.assert_close(torch.atan2(right[:, 1], right[:, 0]), lean, atol=1e-5, rtol=0)


def test_training_scenes_never_yield_truth() -> None:
    with pytest.raises(ValueError, match="with_truth: True was given for split 'train'"):
        Puppets("train", 10).scenes([0], with_truth=True)
    assert Puppets("train", 10).scenes([0]).xy is None
    assert Puppets("train", 10)[0]._fields == ("image",)
    assert Puppets("test", 10).scenes([0]).xy is None
    assert Puppets("test", 10)[0].xy.shape == (14, 2)


def test_its_identity_holds_all_its_arguments() -> None:
    data = require_source("data", Puppets("test", 20, 3))
    assert not data.reads_files
    assert len(data) == 20
    said = {"size": "scenes"}
    for argument in inspect.signature(Puppets).parameters.keys() - {"device"}:
        assert said.get(argument, argument) in data.identity()
    changes = {"split": "validation", "size": 21, "seed": 4, "image_size": 65, "clutter": "none", "pieces": 7}
    for name, value in changes.items():
        assert Puppets(**({"split": "test", "size": 20, "seed": 3} | {name: value})).identity() != data.identity()
    assert data.describe()["test_scenes"] == 20


def test_a_batch_is_of_the_types_that_it_says() -> None:
    batch = Puppets("validation", 9, image_size=33).scenes([8, 0], with_truth=True)
    assert [(field.dtype, tuple(field.shape)) for field in batch] == [
        (torch.float32, (2, 3, 33, 33)),
        (torch.float32, (2, 14, 2)),
    ]
    assert 0 <= batch.image.min() < batch.image.max() <= 1
    assert math.isclose(float(batch.image[0, 0, 0, 0] * 255) % 1, 0, abs_tol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"split": "dev"}, ValueError, "split: 'dev' was given; allowed are 'train', 'validation', 'test'"),
        ({"size": 0}, ValueError, "size: 0 was given; allowed is an integer from 1"),
        ({"seed": -1}, ValueError, "seed: -1 was given; allowed is an integer from 0"),
        ({"image_size": 31}, ValueError, "image_size: 31 was given; allowed is an integer from 32 to 512"),
        ({"clutter": "cubes"}, ValueError, "clutter: 'cubes' was given; allowed are 'none', 'discs', 'sticks'"),
        ({"pieces": 2.5}, TypeError, "pieces: 2.5 was given; allowed is an integer"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, object], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Puppets(**({"split": "test"} | arguments))
