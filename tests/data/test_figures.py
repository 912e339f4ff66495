"""Figures against a plain re-drawing by loops, each in its square of a picture of several; what a scene depends on."""

from __future__ import annotations

import hashlib
import inspect

import numpy as np
import pytest
import torch
from test_puppets import plain_bits, plain_joints, plain_noise, plain_paint, plain_unit

from tusklite.data import Figures, require_source
from tusklite.data.figures import BOUNDS
from tusklite.data.puppets import GRAIN, JOINTS

SPLITS = ("train", "validation", "test")


def plain_picture(split: str, index: int, seed: int, figures: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture and its joints in pixels: all of it drawn on a square as wide as the picture, of which rows are cut."""
    stream = plain_bits(plain_bits(plain_bits(seed, SPLITS.index(split)), 1_000_004), figures)
    key, side = plain_bits(stream, index), figures * size
    canvas = 0.25 + 0.45 * plain_noise(key, 10_000, 4 * figures, side)
    above, joints = (figures - 1) * 32, []
    for number in range(figures):
        own = plain_bits(key, 50_000 + number)
        f = {name: low + (high - low) * plain_unit(own, n) for n, (name, (low, high)) in enumerate(BOUNDS.items())}
        f["centre_x"] += 64 * number
        f["centre_y"] += above
        place, s = plain_joints(f), f["scale"]
        colour = {part: np.array([f[f"{part}_{c}"] for c in ("red", "green", "blue")]) for part in PARTS}
        arm, leg, skull = (s * f[f"{part}_radius"] for part in ("arm", "leg", "head"))

        def paint(a, b, ra, rb, part, colour=colour) -> None:
            # `plain_paint` takes a side to be 64 long, and here it is `figures` times 64.
            plain_paint(canvas, a / figures, b / figures, ra / figures, rb / figures, colour[part])

        for side_name in ("left", "right"):
            hip, knee, ankle = (place[f"{side_name}_{name}"] for name in ("hip", "knee", "ankle"))
            paint(knee, ankle, 0.85 * leg, 0.7 * leg, "skin")
            paint(hip, knee, 1.15 * leg, 0.95 * leg, "trousers")
            paint(ankle, ankle, 1.15 * leg, 1.15 * leg, "shoe")
        neck, head = place["neck"], place["head"]
        up = (head - neck) / f["head"]
        pelvis = (place["left_hip"] + place["right_hip"]) / 2
        paint(pelvis, neck - 3 * up, s * f["waist_radius"], s * f["chest_radius"], "shirt")
        paint(place["left_shoulder"], place["right_shoulder"], 1.1 * arm, 1.1 * arm, "shirt")
        paint(neck, head, arm, arm, "skin")
        paint(head + 1.3 * up, head, skull, skull, "hair")
        paint(head - up, head, 0.82 * skull, 0.82 * skull, "skin")
        for side_name in ("left", "right"):
            shoulder, elbow, wrist = (place[f"{side_name}_{name}"] for name in ("shoulder", "elbow", "wrist"))
            paint(elbow, wrist, 0.9 * arm, 0.75 * arm, "skin")
            paint(shoulder, elbow, 1.1 * arm, arm, "shirt")
            paint(wrist, wrist, 1.15 * arm, 1.15 * arm, "skin")
        joints.append([[place[name].real, place[name].imag - above] for name in JOINTS])
    levels = [plain_bits(key, 20_000 + n // 8) >> 8 * (n % 8) & 255 for n in range(3 * side * side)]
    canvas += (np.array(levels).reshape(3, side, side) / 127.5 - 1) * GRAIN
    first = (figures - 1) * size // 2
    return np.clip(canvas[:, first : first + size], 0, 1), np.array(joints) * size / 64


PARTS = ("skin", "shirt", "trousers", "shoe", "hair")


@pytest.mark.parametrize(
    ("split", "index", "seed", "figures", "size"),
    [("test", 3, 0, 1, 34), ("validation", 2**31 - 1, 2**62, 2, 32)],
)
def test_pictures_are_those_drawn_by_loops(split: str, index: int, seed: int, figures: int, size: int) -> None:
    image, joints = plain_picture(split, index, seed, figures, size)
    batch = Figures(split, 2**31, seed, size, figures).scenes([index], with_truth=True)
    assert np.abs(batch.image[0].numpy() - image).max() < 0.51 / 255 + 1e-5  # rounded to a byte, and no more
    pixels = (batch.xy[0].double().numpy() + 1) / 2 * [figures * size, size]
    np.testing.assert_allclose(pixels, joints, atol=1e-4)


def test_figures_of_a_picture_stand_in_their_squares_and_differ() -> None:
    xy = Figures("test", 200, figures=3).scenes(range(200), with_truth=True).xy
    thirds = (xy[..., 0] + 1) / 2 * 3  # 0 to 3
    assert xy.shape == (200, 3, 14, 2)
    necks = thirds[:, :, JOINTS.index("neck")]
    assert (necks.floor() == torch.tensor([0, 1, 2])).all()
    poses = thirds - torch.tensor([0, 1, 2]).view(1, 3, 1)
    assert (poses[:, 0] - poses[:, 1]).abs().amax(dim=1).min() > 0.01
    inside = (xy.abs() < 1).all(dim=-1).float().mean()
    assert inside > 0.98


def test_hands_and_feet_have_the_colours_of_skin_and_shoes() -> None:
    batch = Figures("test", 100, image_size=128, figures=2).scenes(range(100), with_truth=True)
    right = {"left_ankle": 0, "left_wrist": 0}
    colours = {"left_ankle": (0.92, 0.86, 0.25), "left_wrist": (0.88, 0.68, 0.52)}
    for name in right:
        x, y = (batch.xy[:, :, JOINTS.index(name)] + 1).mul(torch.tensor([128, 64])).long().unbind(-1)
        for scene, figure in ((scene, figure) for scene in range(100) for figure in (0, 1)):
            column, row = int(x[scene, figure].clamp(0, 255)), int(y[scene, figure].clamp(0, 127))
            seen = batch.image[scene, :, row, column]
            right[name] += bool((seen - torch.tensor(colours[name])).abs().max() < 0.06 + GRAIN + 0.1)
    assert min(right.values()) > 180  # something else may lie over it


def test_a_scene_depends_on_nothing_but_itself() -> None:
    data = Figures("test", 50, figures=2)
    batch = data.scenes([7, 0, 7], with_truth=True)
    assert torch.equal(batch.image[0], batch.image[2])
    assert torch.equal(batch.image[0], data[7].image)
    assert torch.equal(batch.xy[1], Figures("test", 9_999, figures=2)[0].xy)
    assert torch.equal(batch.xy[1], Figures("test", 50, image_size=128, figures=2)[0].xy)
    seen = {
        Figures(split, 3, seed, figures=1).scenes([index]).image.numpy().tobytes()
        for split in SPLITS
        for seed in range(3)
        for index in range(3)
    }
    assert len(seen) == 27


def test_scenes_are_the_same_on_every_machine(device: str) -> None:
    """Recorded once on an x86 CPU; a machine that disagrees would train and test on other scenes."""
    total = hashlib.sha256()
    for figures in (1, 2):
        batch = Figures("test", 100, figures=figures, device=device).scenes(range(100), with_truth=True)
        for field in batch:
            assert field.device.type == device
            total.update(field.cpu().numpy().tobytes())
    assert total.hexdigest() == "a0e068727c85a5a39307c7b17c327b0a7463be8aa0f1d85ced0874fa89d40b65"


def test_training_scenes_never_yield_truth() -> None:
    with pytest.raises(ValueError, match="with_truth: True was given for split 'train'"):
        Figures("train", 10).scenes([0], with_truth=True)
    assert Figures("train", 10)[0]._fields == ("image",)


def test_its_identity_holds_all_its_arguments() -> None:
    data = require_source("data", Figures("test", 20, 3))
    said = {"size": "scenes"}
    for argument in inspect.signature(Figures).parameters.keys() - {"device"}:
        assert said.get(argument, argument) in data.identity()
    for name, value in {"split": "train", "size": 21, "seed": 4, "image_size": 64, "figures": 2}.items():
        assert Figures(**({"split": "test", "size": 20, "seed": 3} | {name: value})).identity() != data.identity()
    assert data.describe()["test_scenes"] == 20


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"figures": 0}, "figures: 0 was given; allowed is an integer from 1 to 4"),
        ({"image_size": 33}, "image_size: 33 was given; allowed are even numbers"),
        ({"split": "dev"}, "split: 'dev' was given"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Figures(**({"split": "test"} | arguments))
