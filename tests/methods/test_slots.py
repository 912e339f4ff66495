"""Slot attention: its algorithm by loops, what is a share and what may be exchanged, its training, and refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_images import MadeUpImages
from torch import Tensor

from tusklite.methods.base import Batch, NonFiniteLoss, step_generator
from tusklite.methods.slots import SlotAttention, SlotConfig, SlotOptions, SlotTraining
from tusklite.train.loop import fit
from tusklite.train.schedule import Schedule

SMALL = {"slots": 3, "image_channels": 3, "width": 8, "slot_size": 6, "decoder_strides": (2, 1)}


def a_training(seed: int = 0, options: dict | None = None, **changes: object) -> SlotTraining:
    return SlotTraining.new(SlotConfig(**(SMALL | changes)), SlotOptions(**(options or {})), seed)


def drawn(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def some_images(count: int = 2, height: int = 8, width: int = 10, channels: int = 3) -> Tensor:
    return drawn(count, channels, height, width).sigmoid()


def squares(count: int = 12, side: int = 12) -> Tensor:
    """Pictures of a red and a green square on black."""
    images = torch.zeros(count, 3, side, side)
    places = torch.randint(0, side - 4, (count, 2, 2), generator=torch.Generator().manual_seed(2)).tolist()
    for image, pair in zip(images, places, strict=True):
        for channel, (row, column) in enumerate(pair):
            image[channel, row : row + 4, column : column + 4] = 1.0
    return images


def a_batch(images: Tensor, step: int) -> Batch:
    return Batch(images, torch.arange(len(images)), step)


# --- the network ------------------------------------------------------------------------------------------------


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=12)
def test_what_is_shared_out_sums_to_one(slots: int, stride: int, rows: int, columns: int, iterations: int) -> None:
    model = a_training(slots=slots, encoder_stride=stride, iterations=iterations).model
    images = some_images(2, 2 * rows, 2 * columns)
    output = model(images)
    assert output.decoded.shape == images.shape
    assert output.masks.shape == (2, slots, 2 * rows, 2 * columns)
    assert output.pictures.shape == (2, slots, 3, 2 * rows, 2 * columns)
    places = -(-2 * rows // stride) * -(-2 * columns // stride)
    assert output.attention.shape == (2, slots, places)
    for shares in (output.masks, output.attention):
        assert (shares >= 0).all()
        torch.testing.assert_close(shares.sum(dim=1), torch.ones_like(shares[:, 0]))
    mixed = sum(output.pictures[:, k] * output.masks[:, k, None] for k in range(slots))
    torch.testing.assert_close(output.decoded, mixed)


def test_slots_may_be_exchanged() -> None:
    model, images, noise = a_training(slots=4).model, some_images(), drawn(2, 4, 6)
    order = torch.tensor([2, 0, 3, 1])
    first, second = model(images, noise), model(images, noise[:, order])
    torch.testing.assert_close(second.decoded, first.decoded)
    for one, other in zip(first[1:], second[1:], strict=True):
        torch.testing.assert_close(other, one[:, order])
        assert not torch.allclose(other, one)


def test_places_may_be_exchanged_too() -> None:
    model, features, noise = a_training().model, drawn(2, 20, 8), drawn(2, 3, 6)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    slots, attention = model.attend(features, noise)
    shuffled, shuffled_attention = model.attend(features[:, order], noise)
    torch.testing.assert_close(shuffled, slots)
    torch.testing.assert_close(shuffled_attention, attention[:, :, order])


def norm(rows: np.ndarray, layer: torch.nn.LayerNorm) -> np.ndarray:
    centred = rows - rows.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
    return scaled * layer.weight.detach().numpy() + layer.bias.detach().numpy()


def test_attention_is_the_published_algorithm() -> None:
    model = a_training(iterations=3).model.double()
    with torch.no_grad():
        for parameter in model.parameters():  # biases and scales that do something
            parameter.add_(0.1 * drawn(*parameter.shape).double())
    features, noise = drawn(1, 7, 8).double(), drawn(1, 3, 6, seed=4).double()
    weights = {name: parameter.detach().numpy() for name, parameter in model.named_parameters()}
    inputs = norm(features[0].numpy(), model.norm_features)
    keys, values = inputs @ weights["keys.weight"].T, inputs @ weights["values.weight"].T
    slots = weights["means"] + np.exp(weights["log_spreads"]) * noise[0].numpy()
    attention = np.zeros((3, 7))
    for _ in range(3):
        queries = norm(slots, model.norm_slots) @ weights["queries.weight"].T
        logits = np.array([[query @ key / 6**0.5 for key in keys] for query in queries])
        attention = np.exp(logits) / np.exp(logits).sum(axis=0)
        update = np.array([(row + 1e-8) @ values / (row + 1e-8).sum() for row in attention])
        slots = model.update(torch.from_numpy(update), torch.from_numpy(slots)).detach().numpy()
        _, inner, _, outer = model.refine
        hidden = np.maximum(
            norm(slots, model.refine[0]) @ inner.weight.detach().numpy().T + inner.bias.detach().numpy(), 0
        )
        slots = slots + hidden @ outer.weight.detach().numpy().T + outer.bias.detach().numpy()
    found, found_attention = model.attend(features, noise)
    np.testing.assert_allclose(found[0].detach(), slots, atol=1e-10)
    np.testing.assert_allclose(found_attention[0].detach(), attention, atol=1e-10)


def test_positions_are_distances_from_the_four_sides() -> None:
    position = a_training().model.encoder[-1].double()
    maps = drawn(1, 8, 3, 4).double()
    added = (position(maps) - maps)[0]
    for row, column in np.ndindex(3, 4):
        sides = torch.tensor([row / 2, column / 3, 1 - row / 2, 1 - column / 3]).double()
        torch.testing.assert_close(added[:, row, column], position.weight @ sides + position.bias)


def test_the_sizes_of_both_published_networks() -> None:
    def count(model: torch.nn.Module) -> int:
        return sum(parameter.numel() for parameter in model.parameters())

    clevr = SlotAttention(SlotConfig())
    convolutions = (3 * 25 + 1) * 64 + 3 * (64 * 25 + 1) * 64
    decoder = 5 * (64 * 25 + 1) * 64 + (64 * 9 + 1) * 4
    assert count(clevr.encoder) == convolutions + 5 * 64
    assert count(clevr.decoder) == decoder + 5 * 64
    images = torch.rand(1, 3, 32, 48)
    assert clevr(images).decoded.shape == images.shape
    assert SlotAttention(SlotConfig(slots=4, decoder_strides=(1, 1, 1)))(torch.rand(1, 3, 35, 35)).masks.shape[1] == 4


def test_what_one_image_gives_does_not_hang_on_the_others_or_on_what_was_drawn() -> None:
    model, images = a_training().model.eval(), some_images(3)
    together = model(images)
    torch.rand(5)
    for alone, expected in zip(model(images[1:2]), together, strict=True):
        torch.testing.assert_close(alone[0], expected[1])


def test_a_saved_model_draws_the_same(tmp_path: Path) -> None:
    model = a_training(3).model.eval()
    model.save(tmp_path / "slots.safetensors")
    read = SlotAttention.load(tmp_path / "slots.safetensors")
    assert read.config == model.config
    assert all(map(torch.equal, read(some_images()), model(some_images())))


# --- the training -----------------------------------------------------------------------------------------------


def test_a_step_is_adam_on_the_squared_error() -> None:
    training, images = a_training(seed=5), some_images()
    before = {name: parameter.detach().clone() for name, parameter in training.model.named_parameters()}
    noise = torch.randn(2, 3, 6, generator=step_generator(5, 7))
    loss = F.mse_loss(training.model(images, noise).decoded, images)
    gradients = torch.autograd.grad(loss, list(training.model.parameters()))
    values = training.training_step(a_batch(images, 7), training.optimizers())
    assert values.keys() == {"reconstruction"}
    torch.testing.assert_close(values["reconstruction"], loss.detach())
    for (name, parameter), gradient in zip(training.model.named_parameters(), gradients, strict=True):
        expected = before[name] - 4e-4 * gradient / (gradient.abs() + 1e-8)  # Adam's first step
        clear = gradient.abs() > 1e-6
        torch.testing.assert_close(parameter.detach()[clear], expected[clear], atol=1e-5, rtol=1e-3)
        assert gradient.any(), name


def test_the_loss_falls_on_a_tiny_set() -> None:
    training, images = a_training(options={"learning_rate": 5e-3}), squares()
    optimizers = training.optimizers()
    losses = [float(training.training_step(a_batch(images, step), optimizers)["reconstruction"]) for step in range(60)]
    assert np.mean(losses[-5:]) < 0.5 * losses[0]


def test_a_resumed_run_ends_in_the_same_weights(tmp_path: Path) -> None:
    images, schedule = MadeUpImages(squares()), Schedule(steps=4, batch=2, warmup=2, checkpoint_every=2, device="cpu")
    whole, resumed = a_training(), a_training()
    result = fit(whole, images, schedule, tmp_path / "whole")
    assert result.finished
    assert result.log[-1].keys() >= {"phase", "reconstruction"}
    fit(a_training(), images, schedule, tmp_path / "cut", minutes=1e-6)
    fit(resumed, images, schedule, tmp_path / "cut")
    torch.testing.assert_close(whole.state_dict(), resumed.state_dict(), rtol=0, atol=0)
    with pytest.raises(ValueError, match=r"method\.training\.learning_rate: 0\.0004 there, 0\.001 now"):
        fit(a_training(options={"learning_rate": 1e-3}), images, schedule, tmp_path / "cut")


def test_an_identity_of_before_an_option_was_there_is_completed() -> None:
    training = a_training()
    identity = training.identity()
    assert identity["kind"] == "tusklite-slots"
    before = identity | {"model": {k: v for k, v in identity["model"].items() if k != "encoder_stride"}}
    assert training.completed(before) == identity


@pytest.mark.parametrize("other", [{"slots": 2}, {"width": 4}])
def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before(other: dict) -> None:
    first = a_training(7, **other).state_dict()
    torch.rand(5)
    second, third = a_training(7, **other).state_dict(), a_training(8, **other).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], third[name]) for name in first)


def test_slots_are_attended_to_in_float32_at_any_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    training = a_training()
    training.precision = torch.bfloat16
    kinds = []
    attend = training.model.attend
    monkeypatch.setattr(training.model, "attend", lambda *given: kinds.extend(x.dtype for x in given) or attend(*given))
    images, decoded = training.see(a_batch(some_images(), 0), step_generator(0, 0))
    assert kinds == [torch.float32, torch.float32]
    assert decoded.dtype == torch.float32
    noise = torch.randn(2, 3, 6, generator=step_generator(0, 0))
    torch.testing.assert_close(decoded, training.model(images, noise).decoded, atol=0.05, rtol=0.05)


def test_nan_stops_the_training_before_a_weight_moves() -> None:
    training = a_training()
    with torch.no_grad():
        training.model.encoder[0].bias[0] = float("nan")
    before = {name: value.clone() for name, value in training.state_dict().items()}
    with pytest.raises(NonFiniteLoss, match="step 3: the features are not finite"):
        training.training_step(a_batch(some_images(), 3), training.optimizers())
    after = training.state_dict()
    assert all(torch.equal(value.nan_to_num(), after[name].nan_to_num()) for name, value in before.items())


def test_compiling_names_both_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, options: compiled.append(self))
    training = a_training()
    training.compile_networks()
    assert compiled == [training.model.encoder, training.model.decoder]


@pytest.mark.parametrize(
    ("error", "message", "act"),
    [
        (ValueError, "slots: 0 was given", lambda: SlotConfig(slots=0)),
        (ValueError, "width: 1000000 was given", lambda: SlotConfig(width=10**6)),
        (TypeError, "iterations: 1.5 was given", lambda: SlotConfig(iterations=1.5)),
        (ValueError, "decoder_strides: 9 was given", lambda: SlotConfig(decoder_strides=(9,))),
        (ValueError, "decoder_strides: 0 was given", lambda: SlotConfig(decoder_strides=())),
        (ValueError, "reconstruction: 0", lambda: SlotOptions(reconstruction=0.0)),
        (ValueError, "learning_rate: 0", lambda: SlotOptions(learning_rate=0.0)),
        (ValueError, "seed: -1 was given", lambda: a_training(-1)),
        (ValueError, "images: shape", lambda: a_training().model(torch.zeros(2, 1, 8, 8))),
        (ValueError, "allowed are multiples of 2", lambda: a_training().model(torch.zeros(2, 3, 8, 9))),
        (ValueError, "images: NaN", lambda: a_training().model(torch.full((2, 3, 8, 8), torch.nan))),
        (TypeError, "images: list", lambda: a_training().model([0.0])),
        (ValueError, "noise: shape", lambda: a_training().model(some_images(), drawn(2, 4, 6))),
    ],
)
def test_refuses(error: type[Exception], message: str, act) -> None:
    with pytest.raises(error, match=message):
        act()
