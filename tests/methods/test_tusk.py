"""TUSK: what it computes, what it saves, and what it refuses; and the regression on position."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from scipy import stats

from tusklite.files import FileNotWritten
from tusklite.methods.tusk import TUSK, TUSKConfig
from tusklite.methods.tusk.position import PositionRegression, cubic_terms
from tusklite.methods.tusk.training_descriptors import position_information, training_descriptors
from tusklite.ops.keypoints import sample_descriptors

SMALL = TUSKConfig(
    keypoints=4, prototypes=3, descriptor_channels=8, width=8, levels=2, groups=8, window=5, splat_sigma=0.6
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def a_model(seed: int = 0, **changes: object) -> TUSK:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return TUSK(replace(SMALL, **changes)).eval()


def some_images(batch: int = 2, channels: int = 1, height: int = 20, width: int = 26, seed: int = 0) -> torch.Tensor:
    return torch.rand(batch, channels, height, width, generator=seeded(seed))


# Forward


@pytest.mark.parametrize(
    ("changes", "batch", "size"),
    [
        ({}, 2, (20, 26)),
        ({"stem": 2, "decoder_output": "sigmoid", "standardize": True, "remove_position": True}, 3, (18, 30)),
        ({"padding_mode": "replicate"}, 1, (23, 18)),
        ({"image_channels": 3, "levels": 3, "keypoints": 1, "prototypes": 1}, 1, (21, 17)),
        ({"stem": 3, "image_channels": 2, "descriptor_channels": 5, "groups": 5, "width": 10}, 1, (33, 24)),
    ],
)
def test_shapes_and_ranges(changes: dict, batch: int, size: tuple[int, int]) -> None:
    model = a_model(**changes)
    config = model.config
    height, width = size[0] // config.stem, size[1] // config.stem
    output = model(some_images(batch, config.image_channels, *size))
    assert output.heatmap.shape == (batch, 1, height, width)
    assert output.features.shape == (batch, config.descriptor_channels, height, width)
    assert output.keypoints.xy.shape == (batch, config.keypoints, 2)
    assert output.descriptors.shape == (batch, config.keypoints, config.descriptor_channels)
    assert output.assignment.shape == (batch, config.keypoints)
    assert output.reconstruction.shape == (batch, config.image_channels, *size)
    torch.testing.assert_close(output.descriptors.norm(dim=-1), torch.ones(batch, config.keypoints))
    assert 0 < output.heatmap.min() < output.heatmap.max() < 1
    assert 0 <= output.reconstruction.min() <= output.reconstruction.max() <= 1
    assert output.assignment.max() < config.prototypes


@pytest.mark.parametrize("k", [1, 3, 9])
def test_other_numbers_of_keypoints_than_in_training(k: int) -> None:
    model, images = a_model(), some_images()
    output, trained = model(images, k=k), model(images)
    assert output.keypoints.xy.shape == (2, k, 2)
    both = min(k, 4)
    torch.testing.assert_close(output.keypoints.xy[:, :both], trained.keypoints.xy[:, :both])
    torch.testing.assert_close(output.descriptors[:, :both], trained.descriptors[:, :both])


def test_descriptors_and_assignments_by_hand() -> None:
    model = a_model(standardize=True, remove_position=True)
    model.standardization.running_mean.copy_(torch.linspace(-0.2, 0.2, 8))
    model.standardization.running_var.copy_(torch.linspace(0.1, 2.0, 8))
    model.position.coefficients.copy_(0.2 * torch.randn(10, 8, generator=seeded()))
    output = model(some_images())
    xy = output.keypoints.xy
    sampled = F.grid_sample(output.features, xy[:, :, None], align_corners=False)[..., 0].mT
    expected = (sampled - torch.linspace(-0.2, 0.2, 8)) / (torch.linspace(0.1, 2.0, 8) + 1e-5).sqrt()
    expected = expected / expected.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(output.descriptors, expected, atol=1e-5, rtol=1e-4)

    x, y = xy.double().detach().unbind(-1)
    powers = [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3)]
    terms = torch.stack([x**i * y**j for i, j in powers], dim=-1)
    cleaned = expected.double() - terms @ model.position.coefficients.double()
    nearest = torch.cdist(F.normalize(cleaned, dim=-1), model.prototypes.means.double()).argmin(-1)
    assert torch.equal(output.assignment, nearest)


@pytest.mark.parametrize("stem", [1, 2])
def test_decoding_paints_each_descriptor_at_its_point(stem: int) -> None:
    model = a_model(stem=stem)
    xy = 1.8 * torch.rand(2, 4, 2, generator=seeded()) - 0.9
    score, descriptors = torch.rand(2, 4, generator=seeded(1)), torch.randn(2, 4, 8, generator=seeded(2))
    height, width = 12 // stem, 16 // stem
    canvas = np.zeros((2, 8, height, width))
    for image, point in np.ndindex(2, 4):
        x, y = ((xy[image, point].double().numpy() + 1) * [width, height] - 1) / 2
        rows, columns = stats.norm.pdf(np.arange(height), y, 0.6), stats.norm.pdf(np.arange(width), x, 0.6)
        splat = np.outer(rows, columns) / (rows.sum() * columns.sum())
        canvas[image] += float(score[image, point]) * descriptors[image, point].numpy()[:, None, None] * splat
    expected = F.pixel_shuffle(model.decoder(torch.from_numpy(canvas).float()), stem)
    torch.testing.assert_close(model.decode(xy, score, descriptors, (12, 16)), expected, atol=1e-4, rtol=1e-3)


def test_the_stem_loses_no_pixel() -> None:
    model = a_model(stem=2)
    images = some_images()
    heatmap, features = model.encode(images)
    corners = torch.stack([images[:, 0, i::2, j::2] for i in (0, 1) for j in (0, 1)], dim=1)
    torch.testing.assert_close(features, model.encoder(corners))
    torch.testing.assert_close(heatmap, model.heatmap_head(features))


def test_a_shifted_image_has_shifted_keypoints() -> None:
    images = torch.zeros(1, 1, 80, 80)  # far from the border, whose padding does not shift
    images[0, 0, 26:54, 26:54] = torch.rand(28, 28, generator=seeded())
    shifted = images.roll((4, 2), (2, 3))  # multiples of what the pooling halves
    model = a_model()
    first, second = model(images, k=40), model(shifted, k=60)
    inside = (first.keypoints.xy.abs() < 0.3).all(-1)
    assert inside.sum() >= 5
    moved = first.keypoints.xy + torch.tensor([2 * 2 / 80, 2 * 4 / 80])
    distance = torch.cdist(moved[inside][None], second.keypoints.xy)[0].amin(1)
    assert distance.max() < 0.005
    there = sample_descriptors(second.features, moved)
    here = sample_descriptors(first.features, first.keypoints.xy)
    torch.testing.assert_close(there[inside], here[inside], atol=1e-2, rtol=1e-2)


def test_gradients_reach_encoder_and_decoder_but_not_the_points_through_descriptors() -> None:
    model = a_model()
    xy = (torch.rand(1, 4, 2, generator=seeded()) - 0.5).requires_grad_()
    features = torch.randn(1, 8, 20, 26, generator=seeded(1), requires_grad=True)
    model.describe(features, xy)[..., 0].sum().backward()
    assert xy.grad is None
    assert features.grad.any()
    F.mse_loss(model(some_images()).reconstruction, some_images()).backward()
    for network in (model.encoder, model.heatmap_head, model.decoder):
        assert all(parameter.grad.any() for parameter in network.parameters())
    assert model.prototypes.means.grad is None


def test_prototype_images_are_one_keypoint_decoded() -> None:
    model = a_model(stem=2, remove_position=True)
    model.position.coefficients.copy_(0.2 * torch.randn(10, 8, generator=seeded()))
    pictures = model.prototype_images(14)
    assert pictures.shape == (3, 1, 14, 14)
    means = F.normalize(model.prototypes.means + model.position.coefficients[0], dim=1)[:, None]
    decoded = model.decode(torch.zeros(3, 1, 2), torch.ones(3, 1), means, (14, 14))
    torch.testing.assert_close(pictures, decoded.clamp(0, 1))


# Saving


@pytest.mark.parametrize("changes", [{}, {"stem": 2, "standardize": True, "remove_position": True}])
def test_what_was_saved_is_loaded(tmp_path: Path, changes: dict) -> None:
    model = a_model(**changes)
    if changes:
        model.train()(some_images())  # running statistics
        model.position.observe(torch.rand(40, 2, generator=seeded()), torch.rand(40, 8, generator=seeded(1)))
        model.eval()
    path = tmp_path / "model.safetensors"
    model.save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]
    loaded = TUSK.load(path)
    assert loaded.config == model.config
    assert not loaded.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    for ours, theirs in zip(model(some_images()), loaded(some_images()), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_saving_again_leaves_the_old_file_until_the_new_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.safetensors"
    a_model(seed=1).save(path)
    before = path.read_bytes()

    whole = Path.write_bytes

    def half(self: Path, content: bytes) -> int:
        whole(self, content[: len(content) // 2])
        raise OSError("no space left")

    def power_cut(source: Path, target: Path) -> None:
        raise OSError("the power is gone")

    for thing, name, spoilt, reason in (
        (Path, "write_bytes", half, "no space left"),
        (os, "replace", power_cut, "the power is gone"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(thing, name, spoilt)
            with pytest.raises(FileNotWritten) as refused:
                a_model(seed=2).save(path)
        assert str(refused.value).startswith(f"{path}: could not be written ({reason}); nothing that was there is lost")
        assert path.read_bytes() == before
        assert [file.name for file in tmp_path.iterdir()] == [path.name]
    a_model(seed=2).save(path)
    assert path.read_bytes() != before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def saved(tmp_path: Path, **metadata: str) -> Path:
    """A file with the right tensors, and the metadata asked for in place of its own."""
    path = tmp_path / "other.safetensors"
    save_file(a_model().state_dict(), path, metadata=metadata)
    return path


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"path: no model at .*nothing\.safetensors"):
        TUSK.load(tmp_path / "nothing.safetensors")
    with pytest.raises(FileNotFoundError, match="path: no model at"):
        TUSK.load(tmp_path)


@pytest.mark.parametrize("length", [0, 5, 100, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "model.safetensors"
    a_model().save(path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"path: .*model\.safetensors is no safetensors file, or damaged"):
        TUSK.load(path)


def test_a_corrupt_or_foreign_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    a_model().save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:8] + bytes(byte ^ 0x55 for byte in whole[8:200]) + whole[200:])
    with pytest.raises(ValueError, match="is no safetensors file, or damaged"):
        TUSK.load(path)
    path.write_bytes(b"PK\x03\x04 this is a zip file, or a picture, or a letter " * 20)
    with pytest.raises(ValueError, match="is no safetensors file, or damaged"):
        TUSK.load(path)
    with pytest.raises(ValueError, match=r"other\.safetensors does not say what it holds; allowed is a file that"):
        TUSK.load(saved(tmp_path))
    with pytest.raises(ValueError, match=r"other\.safetensors holds 'another'; allowed is a 'tusklite-tusk' model"):
        TUSK.load(saved(tmp_path, format="another", config="{}"))


@pytest.mark.parametrize(
    "config",
    [
        "{not json",
        "[]",
        json.dumps(asdict(SMALL) | {"from_the_future": 1}),
        json.dumps(asdict(SMALL) | {"keypoints": 0}),
        json.dumps(asdict(SMALL) | {"levels": 3}),
        json.dumps(asdict(SMALL) | {"descriptor_channels": 16}),
    ],
)
def test_a_configuration_that_does_not_fit_the_weights_is_refused(tmp_path: Path, config: str) -> None:
    with pytest.raises(ValueError, match=r"path: .*other\.safetensors was damaged, or written by another version"):
        TUSK.load(saved(tmp_path, format="tusklite-tusk", config=config))


def test_a_file_without_a_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"path: .*other\.safetensors does not say what it holds"):
        TUSK.load(saved(tmp_path, format="tusklite-tusk"))


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    a_model().save(tmp_path / "model.safetensors")
    with safe_open(tmp_path / "model.safetensors", framework="pt") as file:
        metadata = file.metadata()
    assert metadata["format"] == "tusklite-tusk"
    assert json.loads(metadata["config"]) == asdict(SMALL)


# Wrong input


@pytest.mark.parametrize(
    ("images", "error", "complaint"),
    [
        (torch.zeros(1, 1, 20, 20, dtype=torch.uint8), TypeError, "images: dtype torch.uint8 was given; allowed is a"),
        (np.zeros((1, 1, 20, 20), np.float32), TypeError, "images: ndarray was given; allowed is a torch.Tensor"),
        (torch.zeros(0, 1, 20, 20), ValueError, r"images: shape \(0, 1, 20, 20\) was given"),
        (torch.zeros(1, 3, 20, 20), ValueError, r"images: shape \(1, 3, 20, 20\) was given; allowed is \(B, 1, H, W\)"),
        (torch.zeros(1, 20, 20), ValueError, r"images: shape \(1, 20, 20\) was given"),
        (torch.full((1, 1, 20, 20), float("nan")), ValueError, "images: NaN or infinite values were given"),
        (
            torch.full((1, 1, 20, 20), 255.0),
            ValueError,
            "images: values from 255 to 255 were given; allowed are 0 to 1",
        ),
        (torch.full((1, 1, 20, 20), -0.5), ValueError, "images: values from -0.5 to -0.5 were given"),
        (torch.zeros(1, 1, 20, 21), ValueError, r"images: size \(20, 21\) was given; allowed are multiples of 2"),
        (
            torch.zeros(1, 1, 2, 20),
            ValueError,
            r"images: height and width \(1, 10\) were given; allowed are at least 2",
        ),
    ],
)
def test_wrong_images_are_refused(images: object, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        a_model(stem=2)(images)


@pytest.mark.parametrize("k", [0, -1, 521, 2.0])
def test_wrong_numbers_of_keypoints_are_refused(k: object) -> None:
    with pytest.raises((TypeError, ValueError), match=f"k: {k} was given; allowed is an integer"):
        a_model()(some_images(), k=k)


def test_wrong_sizes_of_prototype_images_are_refused() -> None:
    with pytest.raises(ValueError, match="size: 13 was given; allowed are multiples of 2"):
        a_model(stem=2).prototype_images(13)
    with pytest.raises(ValueError, match="size: 0 was given"):
        a_model().prototype_images(0)


@pytest.mark.parametrize(
    ("setting", "error", "complaint"),
    [
        ({"keypoints": 0}, ValueError, "keypoints: 0 was given; allowed is an integer from 1 to 1000"),
        ({"prototypes": -1}, ValueError, "prototypes: -1 was given"),
        ({"descriptor_channels": 3.0}, TypeError, "descriptor_channels: 3.0 was given"),
        ({"image_channels": 0}, ValueError, "image_channels: 0 was given"),
        ({"width": 0}, ValueError, "width: 0 was given"),
        ({"levels": 0}, ValueError, "levels: 0 was given"),
        ({"groups": 0}, ValueError, "groups: 0 was given"),
        ({"stem": 0}, ValueError, "stem: 0 was given"),
        ({"window": 6}, ValueError, "window: 6 was given; allowed is an odd integer"),
        ({"temperature": 0.0}, ValueError, "temperature: 0.0 was given; allowed is .* above 0"),
        ({"splat_sigma": -1.0}, ValueError, "splat_sigma: -1.0 was given"),
        ({"padding_mode": "mirror"}, ValueError, "padding_mode: 'mirror' was given; allowed are 'zeros', 'replicate'"),
        ({"decoder_output": "tanh"}, ValueError, "decoder_output: 'tanh' was given; allowed are 'linear', 'sigmoid'"),
    ],
)
def test_wrong_configurations_are_refused(setting: dict, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        TUSKConfig(**setting)


# Position


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.98])
def test_position_regression_is_weighted_least_squares(momentum: float) -> None:
    position = PositionRegression(3, momentum)
    rows, targets = [], []
    for batch in range(6):
        count = 20 + 7 * batch
        xy = 2 * torch.rand(count, 2, generator=seeded(batch)) - 1
        descriptors = torch.stack([xy[:, 0] ** 3, xy[:, 1] * xy[:, 0], xy[:, 1] + batch], dim=1)
        descriptors = descriptors + 0.3 * torch.randn(count, 3, generator=seeded(batch + 50))
        position.observe(xy, descriptors)
        weight = ((1 - momentum) * momentum ** (5 - batch) / count) ** 0.5
        x, y = xy.double().numpy().T
        terms = np.stack([x**0, x, y, x * x, x * y, y * y, x**3, x * x * y, x * y * y, y**3], axis=1)
        rows.append(weight * terms)
        targets.append(weight * descriptors.double().numpy())
    rows, targets = np.concatenate(rows), np.concatenate(targets)
    # A ridge is ten more observations, of 0.
    ridge = (1e-5 * (rows**2).sum(0).mean()) ** 0.5
    rows, targets = np.concatenate([rows, ridge * np.eye(10)]), np.concatenate([targets, np.zeros((10, 3))])
    expected, *_ = np.linalg.lstsq(rows, targets, rcond=None)
    np.testing.assert_allclose(position.coefficients, expected, atol=2e-3, rtol=1e-2)
    xy = 2 * torch.rand(2, 5, 2, generator=seeded(99)) - 1
    np.testing.assert_allclose(position(xy), cubic_terms(xy).numpy() @ expected, atol=2e-3)


def test_removing_position_leaves_what_is_no_cubic_of_it() -> None:
    model = a_model(remove_position=True)
    xy = 2 * torch.rand(500, 2, generator=seeded()) - 1
    what = F.one_hot(torch.arange(500) % 3, 8).float()
    where = torch.zeros(500, 8)
    where[:, 5], where[:, 6] = xy[:, 1] ** 3, xy[:, 0] * xy[:, 1]
    model.position.observe(xy, what + 3 * where)
    cleaned = model.clustering_space(what + 3 * where, xy)
    torch.testing.assert_close(cleaned.norm(dim=1), torch.ones(500))
    assert cleaned[:, 5:7].abs().mean() < 0.01
    correlation = np.corrcoef(cleaned[:, 0], what[:, 0])[0, 1]
    assert correlation > 0.95


def test_observing_one_point_is_enough_to_start() -> None:
    position = PositionRegression(2)
    position.observe(torch.zeros(1, 2), torch.ones(1, 2))
    assert torch.isfinite(position.coefficients).all()


@pytest.mark.parametrize(
    ("call", "error", "complaint"),
    [
        (lambda: PositionRegression(0), ValueError, "channels: 0 was given"),
        (lambda: PositionRegression(2, 1.0), ValueError, "momentum: 1.0 was given; .* below 1"),
        (lambda: PositionRegression(2, -0.1), ValueError, "momentum: -0.1 was given"),
        (
            lambda: PositionRegression(2).observe(torch.zeros(0, 2), torch.zeros(0, 2)),
            ValueError,
            r"xy: shape \(0, 2\)",
        ),
        (
            lambda: PositionRegression(2).observe(torch.zeros(3, 2), torch.zeros(3, 4)),
            ValueError,
            r"descriptors: shape",
        ),
        (lambda: PositionRegression(2).observe(torch.zeros(1, 2) / 0, torch.zeros(1, 2)), ValueError, "xy: NaN"),
    ],
)
def test_wrong_observations_are_refused(call: object, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        call()


# Descriptors of training scenes


class Scenes:
    """Images that say their number."""

    def __init__(self, count: int) -> None:
        self.images = torch.rand(count, 1, 20, 26, generator=seeded())
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(self.images)

    def scenes(self, indices: torch.Tensor) -> object:
        self.asked += indices.tolist()
        return type("Batch", (), {"image": self.images[indices]})


def test_training_descriptors_are_those_of_the_model() -> None:
    model, data = a_model(standardize=True).train(), Scenes(70)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    descriptors, xy = training_descriptors(model, data, 66, seeded())
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert len(set(data.asked)) == len(data.asked) == 66
    output = model.eval()(data.images[data.asked])
    found = output.keypoints.found
    torch.testing.assert_close(xy, output.keypoints.xy[found], atol=1e-5, rtol=0)
    torch.testing.assert_close(descriptors, output.descriptors[found], atol=1e-4, rtol=0)
    assert len(training_descriptors(model, Scenes(3), 66, seeded())[0]) <= 12


def test_empty_slots_are_no_training_descriptors() -> None:
    model, data = a_model(keypoints=60, window=15), Scenes(5)
    output = model(data.images)
    found = output.keypoints.found
    assert 0 < found.sum() < found.numel() / 2  # a map of 20 x 26 has few maxima of windows of 15
    descriptors, xy = training_descriptors(model, data, 5, seeded())
    assert len(descriptors) == len(xy) == found.sum()
    order = torch.tensor(data.asked)
    torch.testing.assert_close(xy, output.keypoints.xy[order][found[order]], atol=1e-5, rtol=0)
    torch.testing.assert_close(descriptors, output.descriptors[order][found[order]], atol=1e-4, rtol=0)


def test_position_information_is_scikit_learns() -> None:
    from sklearn.metrics import mutual_info_score

    xy = 2 * torch.rand(200, 2, generator=seeded()) - 1
    labels = (xy[:, 1] > 0).long() * 2 + (torch.rand(200, generator=seeded(1)) < 0.5)
    cell = np.digitize(xy[:, 0], [-0.5, 0, 0.5]) * 4 + np.digitize(xy[:, 1], [-0.5, 0, 0.5])
    np.testing.assert_allclose(position_information(labels, xy), mutual_info_score(labels.numpy(), cell), atol=1e-9)
    assert position_information(labels, torch.full((200, 2), 1.0)) == 0  # the border belongs to the last cell
