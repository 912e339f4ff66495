"""The landmark detector: which square of an image it looks at, what it makes of its scores, and its files."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from scipy import ndimage, special
from torch import Tensor, nn

from tusklite.methods.thewlis.model import FactorizedLandmarks, ThewlisConfig, frame_images
from tusklite.methods.tusk import TUSK, TUSKConfig

SMALL = ThewlisConfig(landmarks=4, image_channels=2, image_size=20, widths=(3, 4, 5, 4, 6), zoom=0.7)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=seeded(seed))


def a_detector(seed: int = 0, **changes: object) -> FactorizedLandmarks:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return FactorizedLandmarks(replace(SMALL, **changes)).eval()


# --- frames ------------------------------------------------------------------------------------------------


@given(
    height=st.integers(3, 17),
    width=st.integers(3, 17),
    size=st.integers(1, 13),
    zooms=st.lists(st.floats(0.05, 1.9), min_size=2, max_size=2),
    shifts=st.lists(st.floats(-0.9, 0.9), min_size=4, max_size=4),
)
@settings(max_examples=25)
def test_a_frame_is_what_scipy_samples_there(
    height: int, width: int, size: int, zooms: list[float], shifts: list[float]
) -> None:
    images = pictures(2, 3, height, width).double()
    zoom = torch.tensor(zooms, dtype=torch.float64).view(2, 1, 1)
    shift = torch.tensor(shifts, dtype=torch.float64).view(2, 1, 2)
    framed = frame_images(images, size, zoom, shift)
    assert framed.shape == (2, 3, size, size)
    centres = (2 * np.arange(size) + 1) / size - 1
    for number in range(2):
        x = ((zooms[number] * centres + shifts[2 * number] + 1) * width - 1) / 2
        y = ((zooms[number] * centres + shifts[2 * number + 1] + 1) * height - 1) / 2
        for channel in range(3):
            plane = images[number, channel].numpy()
            expected = ndimage.map_coordinates(plane, np.meshgrid(y, x, indexing="ij"), order=1, mode="reflect")
            np.testing.assert_allclose(framed[number, channel].numpy(), expected, atol=1e-9)


def test_the_papers_frame_is_its_crop() -> None:
    images = pictures(2, 3, 100, 100)
    framed = frame_images(images, 80, ThewlisConfig().zoom)
    torch.testing.assert_close(framed, images[:, :, 10:90, 10:90], atol=1e-4, rtol=0)


def test_a_frame_can_be_the_whole_image() -> None:
    images = pictures(2, 1, 17, 17)
    torch.testing.assert_close(frame_images(images, 17, 1.0), images)
    halves = frame_images(pictures(1, 1, 12, 8), 4, 1.0)  # an image that is no square is pressed into one
    torch.testing.assert_close(halves[0, 0, :, 0], pictures(1, 1, 12, 8)[0, 0, 1::3, :2].mean(dim=1))


def test_gradients_reach_the_image() -> None:
    images = pictures(1, 1, 9, 9).requires_grad_()
    frame_images(images, 9, 1.0).sum().backward()
    torch.testing.assert_close(images.grad, torch.ones_like(images))


@pytest.mark.parametrize(
    ("arguments", "error", "complaint"),
    [
        ((torch.zeros(3, 8, 8), 4, 1.0), ValueError, "images: shape (3, 8, 8) was given; allowed is (B, C, H, W)"),
        ((torch.zeros(1, 3, 8, 8, dtype=torch.uint8), 4, 1.0), TypeError, "images: dtype torch.uint8 was given"),
        ((torch.zeros(1, 3, 8, 8), 0, 1.0), ValueError, "size: 0 was given"),
        ((torch.zeros(1, 3, 8, 8), 4.5, 1.0), TypeError, "size: 4.5 was given"),
    ],
)
def test_frames_that_cannot_be_are_refused(arguments: tuple, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(complaint)}"):
        frame_images(*arguments)


# --- landmarks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("final_relu", [True, False])
def test_landmarks_are_means_of_softmax_maps(final_relu: bool) -> None:
    model = a_detector(final_relu=final_relu)
    images = pictures(3, 2, 22, 14)
    found = model(images)
    with torch.no_grad():
        scores = model.network(images).double().numpy()
    probs = special.softmax(scores.reshape(3, 4, -1), axis=-1).reshape(scores.shape)
    np.testing.assert_allclose(found.probs.detach().numpy(), probs, atol=1e-6)
    rows, columns = ((2 * np.arange(n) + 1) / n - 1 for n in (11, 7))
    expected = np.stack([probs.sum(axis=2) @ columns, probs.sum(axis=3) @ rows], axis=-1)
    np.testing.assert_allclose(found.xy.detach().numpy(), expected, atol=1e-6)


def test_the_papers_detector_looks_at_the_middle_of_an_image() -> None:
    model = a_detector(image_size=80, zoom=0.8)
    images = pictures(2, 2, 100, 100)
    inside = model(images[:, :, 10:90, 10:90]).xy
    torch.testing.assert_close(model.find(images), 0.8 * inside, atol=1e-5, rtol=0)


class Brightness(nn.Module):
    """Scores that point at the brightest square of two by two pixels, channel by channel."""

    def forward(self, images: Tensor) -> Tensor:
        return 1000 * nn.functional.avg_pool2d(images, 2)


@given(x=st.floats(-0.55, 0.55), y=st.floats(-0.55, 0.55), zoom=st.floats(0.75, 1.0))
@settings(max_examples=10)
def test_landmarks_are_found_where_the_whole_image_has_them(x: float, y: float, zoom: float) -> None:
    model = a_detector(image_size=64, zoom=zoom, landmarks=2)
    model.network = Brightness()
    rows, columns = np.mgrid[:60, :90]
    points = np.array([[x, y], [-y, x]])
    distances = [np.hypot((columns + 0.5) / 45 - 1 - point[0], (rows + 0.5) / 30 - 1 - point[1]) for point in points]
    images = torch.from_numpy(np.exp(-(np.stack(distances) ** 2) / 0.02)).float()[None]
    found = model.find(images)[0]
    assert np.abs(found.numpy() - points).max() < 2 / 32 * zoom  # two pixels of a map of 32


def test_images_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"images: shape \(1, 3, 20, 20\) was given; allowed is \(B, 2, H, W\)"):
        a_detector()(pictures(1, 3, 20, 20))
    with pytest.raises(ValueError, match=r"images: size \(20, 21\) was given; allowed are even"):
        a_detector()(pictures(1, 2, 20, 21))
    with pytest.raises(ValueError, match=r"images: shape \(2, 20, 20\) was given"):
        a_detector().find(pictures(2, 20, 20))
    assert a_detector().find(pictures(3, 2, 21, 35)).shape == (3, 4, 2)  # whole images may have any size


@pytest.mark.parametrize(
    ("changes", "error", "complaint"),
    [
        ({"landmarks": 0}, ValueError, "landmarks: 0 was given"),
        ({"image_channels": 2.0}, TypeError, "image_channels: 2.0 was given"),
        ({"image_size": 81}, ValueError, "image_size: 81 was given; allowed is an even number"),
        ({"widths": (1, 2, 3, 4)}, ValueError, "widths: 4 values were given; allowed are 5"),
        ({"kernels": 3}, TypeError, "kernels: 3 was given; allowed are 6 values"),
        ({"dilations": (1,) * 5}, ValueError, "dilations: 5 values were given; allowed are 6"),
        (
            {"padding_mode": "border"},
            ValueError,
            "padding_mode: 'border' was given; allowed are 'zeros', 'replicate', 'reflect'",
        ),
        ({"zoom": 0.0}, ValueError, "zoom: 0.0 was given"),
        ({"zoom": 1.1}, ValueError, "zoom: 1.1 was given"),
    ],
)
def test_shapes_that_no_detector_has_are_refused(changes: dict, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(complaint)}"):
        ThewlisConfig(**changes)


# --- files -------------------------------------------------------------------------------------------------


def saved(path: Path, **config: object) -> Path:
    """A file with a detector's tensors, and the configuration asked for in place of its own."""
    described = json.dumps(asdict(SMALL) | config)
    tensors = {name: tensor.contiguous() for name, tensor in a_detector().state_dict().items()}
    save_file(tensors, path, metadata={"format": "tusklite-thewlis", "config": described})
    return path


def test_a_detector_comes_back_as_it_was(tmp_path: Path) -> None:
    model = a_detector(padding_mode="reflect", final_relu=False, kernels=[3, 3, 1, 3, 1, 1])
    model.train()(pictures(2, 2, 20, 20))  # running statistics of its own
    model.save(tmp_path / "model.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    loaded = FactorizedLandmarks.load(tmp_path / "model.safetensors")
    assert loaded.config == model.config
    assert loaded.config.kernels == (3, 3, 1, 3, 1, 1)
    assert not any(module.training for module in loaded.modules())
    images = pictures(2, 2, 33, 20, seed=5)
    assert torch.equal(loaded.find(images), model.eval().find(images))
    with safe_open(tmp_path / "model.safetensors", framework="numpy") as file:
        assert file.metadata()["format"] == "tusklite-thewlis"


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    TUSK(TUSKConfig(width=8, groups=8, levels=1)).save(tmp_path / "tusk.safetensors")
    with pytest.raises(ValueError, match=r"tusk\.safetensors holds 'tusklite-tusk'; allowed is a 'tusklite-thewlis'"):
        FactorizedLandmarks.load(tmp_path / "tusk.safetensors")
    a_detector().save(tmp_path / "landmarks.safetensors")
    with pytest.raises(ValueError, match=r"holds 'tusklite-thewlis'; allowed is a 'tusklite-tusk' model"):
        TUSK.load(tmp_path / "landmarks.safetensors")
    save_file({"weights": torch.zeros(3)}, tmp_path / "plain.safetensors")
    with pytest.raises(
        ValueError, match=r"plain\.safetensors does not say what it holds; allowed is a file that tusklite wrote"
    ):
        FactorizedLandmarks.load(tmp_path / "plain.safetensors")


def test_a_missing_or_damaged_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"path: no model at .*nothing\.safetensors"):
        FactorizedLandmarks.load(tmp_path / "nothing.safetensors")
    path = saved(tmp_path / "model.safetensors")
    assert FactorizedLandmarks.load(path).config == SMALL
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"model\.safetensors is no safetensors file, or damaged"):
        FactorizedLandmarks.load(path)


@pytest.mark.parametrize(
    "config",
    [{"landmarks": 5}, {"landmarks": 0}, {"temperature": 1.0}, {"kernels": "large"}, {"widths": [3, 4, 5, 4, 7]}],
)
def test_a_configuration_that_does_not_fit_is_refused(tmp_path: Path, config: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"other\.safetensors was damaged, or written by another version"):
        FactorizedLandmarks.load(saved(tmp_path / "other.safetensors", **config))
