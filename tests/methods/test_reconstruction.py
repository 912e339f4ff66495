"""What eq. 1 measures by: each choice written out, and the frozen network of the perceptual one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from made_up_images import MadeUpImages
from safetensors.torch import save_file
from torch import Tensor, nn

from tusklite import losses
from tusklite.methods.base import Batch, new_method, step_generator
from tusklite.methods.tusk import TUSK, TUSKConfig, TUSKOptions, TUSKTraining
from tusklite.methods.tusk.reconstruction import perceptual_term, reconstruction_loss
from tusklite.train.checkpoints import load_checkpoint
from tusklite.train.loop import fit
from tusklite.train.schedule import Schedule

LINEAR = TUSKConfig(keypoints=4, prototypes=3, descriptor_channels=8, width=8, levels=2, groups=8, window=5)
SIGMOID = replace(LINEAR, decoder_output="sigmoid")
# The first layers of SqueezeNet, untrained: a real network of torchvision's, and quick.
SMALL_NETWORK = {"perceptual_network": "squeezenet1_0", "perceptual_taps": ("features.0",)}
PERCEPTUAL = TUSKOptions(reconstruction_loss="perceptual", perceptual_weights="random", **SMALL_NETWORK)
IMAGES = torch.rand(2, 1, 16, 20, generator=torch.Generator().manual_seed(1))
DECODED = torch.randn(2, 1, 16, 20, generator=torch.Generator().manual_seed(2))


@pytest.fixture(autouse=True)
def _small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The perceptual loss brings pictures to 224 pixels first; 32 show the same in a tenth of the time."""
    whole = losses.PerceptualLoss

    def small(
        network: str, taps: tuple[str, ...] | None, weights: str | None, resize: int | None, **settings: object
    ) -> nn.Module:
        return whole(network, taps, weights, 32 if resize == 224 else resize, **settings)

    monkeypatch.setattr(losses, "PerceptualLoss", small)


def a_training(options: TUSKOptions = PERCEPTUAL, config: TUSKConfig = LINEAR) -> TUSKTraining:
    return new_method(lambda: TUSKTraining(TUSK(config), options, steps=6), seed=3).train()


# --- the choices -------------------------------------------------------------------------------------------


def squared_error(decoded: Tensor, images: Tensor) -> Tensor:
    return (decoded - images).square().mean()


def cross_entropy(decoded: Tensor, images: Tensor) -> Tensor:
    chance = decoded.double().sigmoid()
    return -(images * chance.log() + (1 - images) * (1 - chance).log()).mean().float()


@pytest.mark.parametrize(
    ("config", "choice", "expected"),
    [
        (LINEAR, "auto", squared_error),
        (LINEAR, "mean-squared-error", squared_error),
        (SIGMOID, "auto", cross_entropy),
        (SIGMOID, "cross-entropy", cross_entropy),
        (SIGMOID, "mean-squared-error", lambda decoded, images: squared_error(decoded.sigmoid(), images)),
    ],
)
def test_each_choice_is_its_formula(config: TUSKConfig, choice: str, expected) -> None:
    distance = reconstruction_loss(config, TUSKOptions(reconstruction_loss=choice))
    torch.testing.assert_close(distance(DECODED, IMAGES), expected(DECODED, IMAGES))


@pytest.mark.parametrize("config", [LINEAR, SIGMOID])
def test_the_perceptual_choice_is_the_distance_of_first_layers(config: TUSKConfig) -> None:
    from torchvision.models import squeezenet1_0

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first = squeezenet1_0(weights=None).features[0]

    def seen(images: Tensor) -> Tensor:
        larger = F.interpolate(images, (32, 32), mode="bilinear", align_corners=False).expand(-1, 3, -1, -1)
        mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        return first((larger - mean.view(3, 1, 1)) / deviation.view(3, 1, 1))

    drawn = DECODED.sigmoid() if config.decoder_output == "sigmoid" else DECODED
    expected = (seen(drawn) - seen(IMAGES)).abs().mean()
    torch.testing.assert_close(reconstruction_loss(config, PERCEPTUAL)(DECODED, IMAGES), expected)


def test_the_perceptual_term_stands_beside_the_squared_error_in_units_of_what_is_seen() -> None:
    """Blue, green, red from 0 to 255 less their mean, as networks of that family want it; layers count alike."""
    from torchvision.models import squeezenet1_0

    taps = ("features.0", "features.1")
    options = replace(
        PERCEPTUAL,
        reconstruction_loss="mean-squared-error",
        reconstruction=10.0,
        perceptual=0.5,
        perceptual_taps=taps,
        perceptual_preparation="caffe",
        perceptual_size=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first = squeezenet1_0(weights=None).features[0]

    def seen(images: Tensor) -> list[Tensor]:
        blue_first = 255 * images.expand(-1, 3, -1, -1).flip(1) - torch.tensor([104.0, 117.0, 123.0]).view(3, 1, 1)
        return [first(blue_first), first(blue_first).relu()]

    colour = torch.rand(2, 3, 16, 20, generator=torch.Generator().manual_seed(4))
    drawn = torch.randn(2, 3, 16, 20, generator=torch.Generator().manual_seed(5))
    config = replace(SIGMOID, image_channels=3)
    pairs = zip(seen(drawn.sigmoid()), seen(colour), strict=True)
    expected = sum((own - true).abs().mean() / true.abs().mean() for own, true in pairs) / 2
    torch.testing.assert_close(perceptual_term(config, options)(drawn, colour), expected, rtol=1e-4, atol=1e-5)
    assert perceptual_term(config, replace(options, perceptual=0.0)) is None

    training = a_training(options, config)
    terms = training.loss_terms(training.see(Batch(colour, torch.arange(2), 0), step_generator(3, 0)), 0)
    assert terms.keys() >= {"reconstruction", "perceptual"}
    assert not [name for name in training.state_dict() if "features" in name]


def test_weights_that_are_no_file_here_are_looked_for_among_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.models import squeezenet1_0

    (tmp_path / "weights").mkdir()
    state = {name: torch.full_like(value, 0.01) for name, value in squeezenet1_0(weights=None).state_dict().items()}
    save_file(state, tmp_path / "weights" / "even.safetensors")
    named = replace(PERCEPTUAL, perceptual_weights="weights/even.safetensors")
    whole = replace(PERCEPTUAL, perceptual_weights=str(tmp_path / "weights" / "even.safetensors"))
    monkeypatch.setenv("TUSKLITE_DATA", str(tmp_path))
    ours, same = (reconstruction_loss(LINEAR, options)(DECODED, IMAGES) for options in (named, whole))
    assert torch.equal(ours, same)
    monkeypatch.setenv("TUSKLITE_DATA", str(tmp_path / "elsewhere"))
    with pytest.raises(FileNotFoundError, match=r"weights/even\.safetensors"):
        reconstruction_loss(LINEAR, named)


@pytest.mark.parametrize("choice", ["mean-squared-error", "cross-entropy", "perceptual"])
def test_a_step_takes_the_loss_that_was_chosen(choice: str) -> None:
    options = replace(PERCEPTUAL, reconstruction_loss=choice)
    method = a_training(options, SIGMOID)
    values = method.training_step(Batch(IMAGES, torch.arange(2), 0), method.optimizers())
    before = a_training(options, SIGMOID)
    views = before.two_views(IMAGES, step_generator(0, 0))
    points = views.keypoints
    decoded = before.model.decode(points.xy, points.score, views.descriptors, (16, 20))
    expected = reconstruction_loss(SIGMOID, options)(decoded, views.images)
    torch.testing.assert_close(values["reconstruction"], expected.detach())


# --- the frozen network ------------------------------------------------------------------------------------


def six_images() -> MadeUpImages:
    return MadeUpImages(torch.rand(6, 1, 16, 20, generator=torch.Generator().manual_seed(5)))


def frozen(method: TUSKTraining) -> nn.Module:
    """The network that the loss looks through, out of the function that holds it."""
    (held,) = [
        cell.cell_contents for cell in method.reconstruction_loss.__closure__ if hasattr(cell.cell_contents, "on")
    ]
    return held.on(torch.device("cpu"))


def test_checkpoints_and_weights_hold_nothing_of_the_frozen_network(tmp_path: Path) -> None:
    method, plain = a_training(), a_training(TUSKOptions())
    network = frozen(method)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert len(before) >= 2
    fit(method, six_images(), Schedule(steps=6, batch=2, warmup=0, device="cpu"), tmp_path)
    checkpoint = load_checkpoint(tmp_path)
    assert checkpoint["method"].keys() == plain.state_dict().keys()
    held = checkpoint["optimizers"]["network"]["param_groups"][0]["params"]
    assert len(held) == len(plain.optimizers()["network"].param_groups[0]["params"])
    method.model.save(tmp_path / "with.safetensors")
    plain.model.save(tmp_path / "without.safetensors")
    assert abs((tmp_path / "with.safetensors").stat().st_size - (tmp_path / "without.safetensors").stat().st_size) < 64
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert all(p.grad is None and not p.requires_grad for p in network.parameters())
    assert not any(module.training for module in network.modules())


def test_the_gradient_goes_through_the_frozen_network_to_decoder_and_encoder() -> None:
    method = a_training()
    views = method.two_views(IMAGES, torch.Generator().manual_seed(0))
    method.reconstruction_term(views, step=0).backward()
    for part in (method.model.encoder, method.model.heatmap_head, method.model.decoder):
        assert all(parameter.grad.any() for parameter in part.parameters())


def test_a_run_through_the_frozen_network_that_is_cut_off_ends_in_the_same_weights(tmp_path: Path) -> None:
    schedule = Schedule(steps=4, batch=2, warmup=0, device="cpu")
    whole = a_training()
    fit(whole, six_images(), schedule, tmp_path / "whole")
    for _ in range(4):
        torch.rand(7)  # whatever is drawn in between
        in_pieces = a_training()
        fit(in_pieces, six_images(), schedule, tmp_path / "pieces", minutes=1e-9)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, in_pieces.state_dict()[name]), name


# --- what cannot be ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error", "complaint"),
    [
        ({"reconstruction_loss": "l3"}, ValueError, "reconstruction_loss: 'l3' was given; allowed are 'auto'"),
        ({"perceptual_network": "resnet18", "perceptual_taps": ()}, ValueError, "perceptual_taps: none were given for"),
        ({"perceptual_taps": "features.0"}, TypeError, "perceptual_taps: 'features.0' was given; allowed is a tuple"),
        ({"perceptual_taps": (0,)}, TypeError, r"perceptual_taps: \(0,\) was given; allowed is a tuple of names"),
        ({"perceptual_network": 16}, TypeError, "perceptual_network: 16 was given; allowed is a name"),
        ({"perceptual_weights": None}, TypeError, "perceptual_weights: None was given; allowed is a name"),
    ],
)
def test_options_that_cannot_be_are_refused(changes: dict, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=f"^{complaint}"):
        replace(PERCEPTUAL, **changes)


@pytest.mark.parametrize(
    ("changes", "config", "error", "complaint"),
    [
        (
            {"reconstruction_loss": "cross-entropy"},
            LINEAR,
            ValueError,
            "reconstruction_loss: 'cross-entropy' was given with decoder_output 'linear'; allowed is 'sigmoid'",
        ),
        ({}, replace(LINEAR, image_channels=2), ValueError, "image_channels: 2 was given with reconstruction_loss"),
        ({"perceptual_network": "squeezenet"}, LINEAR, ValueError, "perceptual_network: 'squeezenet' was given"),
        ({"perceptual_taps": ("features.99",)}, LINEAR, ValueError, "perceptual_network: 'squeezenet1_0' was given"),
        ({"perceptual_weights": "BEST"}, LINEAR, ValueError, "perceptual_network: 'squeezenet1_0' was given"),
        ({"perceptual_weights": "no.pth"}, LINEAR, FileNotFoundError, "perceptual_network: .* no file at no.pth"),
    ],
)
def test_a_loss_that_cannot_be_had_is_refused_before_a_step_is_done(
    changes: dict, config: TUSKConfig, error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error, match=f"^{complaint}") as refused:
        a_training(replace(PERCEPTUAL, **changes), config)
    assert all(str(value) in str(refused.value) for value in changes.values() if isinstance(value, str))


def test_weights_of_the_perceptual_network_can_come_from_a_file(tmp_path: Path) -> None:
    weights = {"features.0.weight": torch.zeros(96, 3, 7, 7), "features.0.bias": torch.zeros(96)}
    weights["features.0.weight"][:, 0, 3, 3] = 1.0
    save_file(weights, tmp_path / "centre.safetensors")
    options = replace(PERCEPTUAL, perceptual_weights=str(tmp_path / "centre.safetensors"))
    dark, light = torch.zeros(1, 1, 32, 32), torch.full((1, 1, 32, 32), 0.5)
    distance = reconstruction_loss(LINEAR, options)(dark, light)
    assert float(distance) == pytest.approx(0.5 / 0.229, rel=1e-5)
    save_file({"other": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=re.escape(str(tmp_path / "other.safetensors"))):
        reconstruction_loss(LINEAR, replace(PERCEPTUAL, perceptual_weights=str(tmp_path / "other.safetensors")))
