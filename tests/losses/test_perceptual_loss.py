"""The perceptual loss against loops over small networks and over torchvision's layers, sliced by index."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torch.nn.functional as F
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import vgg

from tusklite.losses import PerceptualLoss

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
SQUEEZENET = Path(os.environ.get("TUSKLITE_DATA", "/nonexistent"))
SQUEEZENET /= "weights/squeezenet1_0/squeezenet1_0_deepcompression_torchvision_keys.pth"
SQUEEZENET_TAPS = ["features.1", "features.3.cat", "features.5"]


def pictures(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def small_network() -> nn.Sequential:
    """Seeded, with in-place activations and a layer that behaves otherwise in training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.BatchNorm2d(4), nn.Conv2d(4, 5, 3, stride=2), nn.ReLU6(True)
        )


def squeezenet(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torchvision.models.squeezenet1_0(weights=None).eval()


def by_hand(network: nn.Sequential, depths: list[int], x: Tensor, y: Tensor) -> list[Tensor]:
    """Mean absolute difference after the first n layers, for each n, each pass from the start."""
    means = []
    for depth in depths:
        first, second = ((image.expand(-1, 3, -1, -1) - MEAN) / DEVIATION for image in (x, y))
        for layer in list(network)[:depth]:
            first, second = layer(first).clone(), layer(second).clone()
        means.append((first - second).abs().mean())
    return means


@pytest.mark.parametrize("channels", [1, 3])
def test_a_modules_loss_is_the_loop_over_its_layers(channels: int) -> None:
    network = small_network().eval()
    x, y = pictures(3, channels, 17, 13), pictures(3, channels, 17, 13, seed=1)
    loss = PerceptualLoss(network, taps=["4", "0", "1"], resize=None, layer_weights=[0.5, 2, 0])
    after_1, after_5 = by_hand(network, [1, 5], x, y)
    torch.testing.assert_close(loss(x, y), 0.5 * after_5 + 2 * after_1)


def test_the_convolutions_own_output_is_kept_from_an_activation_in_place() -> None:
    network = small_network().eval()
    loss = PerceptualLoss(network, taps=["0"], resize=None, normalize=False)
    x = pictures(1, 3, 9, 9)
    seen = loss.features(x)["0"]
    torch.testing.assert_close(seen, network[0](x))
    assert seen.min() < 0


def test_vgg16_with_the_papers_taps_is_torchvisions_features_sliced(tmp_path: Path) -> None:
    features = vgg.make_layers(vgg.cfgs["D"])  # without the classifier, which takes seconds to initialise
    save_file(
        {f"features.{name}": tensor for name, tensor in features.state_dict().items()}, tmp_path / "v.safetensors"
    )
    loss = PerceptualLoss("vgg16", weights=tmp_path / "v.safetensors", resize=None)
    x, y = pictures(1, 3, 64, 64), pictures(1, 3, 64, 64, seed=1)
    assert [type(features[depth - 1]) for depth in (4, 9, 16, 23)] == [nn.ReLU] * 4
    assert [type(features[depth]) for depth in (4, 9, 16, 23)] == [nn.MaxPool2d] * 4
    with torch.no_grad():
        torch.testing.assert_close(loss(x, y), sum(by_hand(features, [4, 9, 16, 23], x, y)))
    held = sum(parameter.numel() for parameter in loss.parameters())
    assert held == sum(parameter.numel() for parameter in features[:23].parameters())


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_a_file_of_weights_is_read_and_may_hold_more_than_is_needed(tmp_path: Path, ending: str) -> None:
    network, path = squeezenet(seed=9), tmp_path / f"weights{ending}"
    (torch.save if ending == ".pth" else save_file)(network.state_dict(), path)
    loss = PerceptualLoss("squeezenet1_0", ["features.1", "features.4"], weights=path, resize=None)
    x, y = pictures(2, 1, 40, 48), pictures(2, 1, 40, 48, seed=1)
    with torch.no_grad():
        torch.testing.assert_close(loss(x, y), sum(by_hand(network.features, [2, 5], x, y)))


@pytest.mark.skipif(not SQUEEZENET.is_file(), reason="TUSKLITE_DATA does not hold SqueezeNet's weights")
def test_published_squeezenet_sees_more_in_a_shift_than_in_a_change_of_light() -> None:
    loss = PerceptualLoss("squeezenet1_0", SQUEEZENET_TAPS, weights=str(SQUEEZENET), resize=None)
    state = torch.load(SQUEEZENET, weights_only=True)
    torch.testing.assert_close(loss.backbone.state_dict()["features.0.weight"], state["features.0.weight"])
    image = torch.zeros(1, 1, 64, 64)
    image[..., 16:48:4] = 0.8
    assert loss(image.roll(2, dims=3), image) > loss(image * 0.9, image) > loss(image, image) == 0


def test_nodes_inside_a_block_and_functional_activations_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            return F.relu(self.conv(x), inplace=True)

    block = Block()
    monkeypatch.setattr(torchvision.models, "get_model", lambda name, weights: block)
    loss = PerceptualLoss("vgg11", ["conv", "relu"], weights=None, resize=None, normalize=False)
    x = pictures(1, 3, 5, 5) - 0.5
    seen = loss.features(x)
    torch.testing.assert_close(seen["conv"], block.conv(x))
    torch.testing.assert_close(seen["relu"], block.conv(x).relu())


def test_the_mean_squared_distance_and_the_resized_images() -> None:
    network = small_network().eval()
    x, y = pictures(2, 3, 8, 10), pictures(2, 3, 8, 10, seed=1)
    loss = PerceptualLoss(network, ["0"], resize=15, distance="l2", normalize=False)
    large = [F.interpolate(image, size=(15, 15), mode="bilinear") for image in (x, y)]
    torch.testing.assert_close(loss(x, y), ((network[0](large[0]) - network[0](large[1])) ** 2).mean())


def test_the_network_is_a_frozen_copy_that_stays_in_evaluation_mode() -> None:
    network = small_network().train()
    loss = PerceptualLoss(network, ["4"], resize=None)
    around = nn.ModuleList([loss]).train()
    assert around.training
    assert not any(module.training for module in loss.modules())
    assert not any(parameter.requires_grad for parameter in loss.parameters())
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert network.training
    before = {name: tensor.clone() for name, tensor in loss.state_dict().items()}
    loss(pictures(2, 3, 9, 9), pictures(2, 3, 9, 9, seed=1))
    assert before
    assert all(torch.equal(before[name], tensor) for name, tensor in loss.state_dict().items())


@pytest.mark.parametrize("backbone", ["squeezenet1_0", small_network()])
def test_the_gradient_reaches_the_reconstruction_alone(backbone: str | nn.Module) -> None:
    taps = ["0", "4"] if isinstance(backbone, nn.Module) else SQUEEZENET_TAPS
    loss = PerceptualLoss(backbone, taps, weights=None, resize=None)
    x, y = pictures(2, 1, 40, 40).requires_grad_(), pictures(2, 1, 40, 40, seed=1).requires_grad_()
    loss(x, y).backward()
    assert x.grad.abs().amax() > 0
    assert y.grad is None
    assert all(parameter.grad is None for parameter in loss.parameters())


def test_the_gradient_is_the_difference_quotients() -> None:
    loss = PerceptualLoss(small_network().double(), ["0", "2", "4"], resize=9, distance="l2").double()
    x, y = pictures(1, 1, 7, 7).double().requires_grad_(), pictures(1, 1, 7, 7, seed=1).double()
    assert torch.autograd.gradcheck(lambda image: loss(image, y), (x,), atol=1e-6)


def test_random_features_are_the_seeds_and_leave_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    losses = [PerceptualLoss("squeezenet1_0", SQUEEZENET_TAPS, weights=None, seed=seed) for seed in (1, 1, 2)]
    assert torch.equal(torch.get_rng_state(), before)
    first, again, other = (loss.backbone.state_dict()["features.0.weight"] for loss in losses)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_published_weights_bring_their_mean_and_deviation(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = torchvision.models.VGG16_Weights.IMAGENET1K_FEATURES
    asked = []
    monkeypatch.setattr(torchvision.models, "get_model", lambda name, weights: asked.append(weights) or small_network())
    loss = PerceptualLoss("vgg16", ["0"], weights="IMAGENET1K_FEATURES", resize=None)
    x = pictures(1, 3, 6, 6)
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in (weights.transforms().mean, weights.transforms().std))
    torch.testing.assert_close(loss.features(x)["0"], small_network()[0]((x - mean) / deviation))
    assert asked == [weights]


def test_weights_out_of_reach_say_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no route to the host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "urlopen", unreachable)
    with pytest.raises(FileNotFoundError, match=r"weights: 'DEFAULT' .*path/to/file.*weights=None.*no route"):
        PerceptualLoss("squeezenet1_0", SQUEEZENET_TAPS)


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    def read(name: str) -> None:
        PerceptualLoss("squeezenet1_0", ["features.1"], weights=tmp_path / name)

    with pytest.raises(FileNotFoundError, match="weights: no file at"):
        read("absent.pth")
    for name in ("damaged.pth", "damaged.safetensors"):
        (tmp_path / name).write_bytes(b"no tensors")
        with pytest.raises(ValueError, match="is no file of tensors, or damaged"):
            read(name)
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    with pytest.raises(ValueError, match="holds list; allowed is a state dict"):
        read("list.pth")
    torch.save({"features.0.bias": torch.zeros(96)}, tmp_path / "part.pth")
    with pytest.raises(ValueError, match=r"part.pth for squeezenet1_0 lacks features.0.weight"):
        read("part.pth")
    torch.save({"features.0.bias": torch.zeros(5)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="does not fit"):
        read("other.pth")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"backbone": "vgg17"}, ValueError, "backbone: 'vgg17' was given"),
        ({"backbone": "squeezenet1_0", "taps": None}, ValueError, "taps: None was given"),
        ({"taps": None}, ValueError, "taps: None was given"),
        ({"taps": "0"}, TypeError, "taps: '0' was given; allowed is a sequence"),
        ({"taps": [0]}, TypeError, "taps: .* allowed is a sequence of names"),
        ({"taps": []}, ValueError, "taps: .* at least one name"),
        ({"taps": ["0", "0"]}, ValueError, "taps: .* each once"),
        ({"taps": ["9"]}, ValueError, "taps: '9' was given; allowed are names of submodules"),
        ({"backbone": "squeezenet1_0", "taps": ["relu9"]}, ValueError, "taps: 'relu9' were given for squeezenet1_0"),
        ({"backbone": "squeezenet1_0", "taps": ["features.3", "features.3.cat"]}, ValueError, "taps: .* same node"),
        ({"weights": "IMAGENET1K_V1"}, ValueError, "weights: 'IMAGENET1K_V1' was given with a module"),
        ({"backbone": "squeezenet1_0", "weights": "BEST"}, ValueError, "weights: 'BEST' .* 'IMAGENET1K_V1', 'DEFAULT'"),
        ({"backbone": "squeezenet1_0", "weights": 1}, TypeError, "weights: 1 was given"),
        ({"backbone": "squeezenet1_0", "seed": -1}, ValueError, "seed: -1 was given"),
        ({"resize": 0}, ValueError, "resize: 0 was given"),
        ({"layer_weights": [1, 1]}, ValueError, "layer_weights: 2 were given"),
        ({"layer_weights": [-1]}, ValueError, "layer_weights: -1 was given"),
        ({"distance": "cosine"}, ValueError, "distance: 'cosine' was given"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        PerceptualLoss(**{"backbone": small_network(), "taps": ["0"], "weights": None} | arguments)


def test_wrong_images_are_refused() -> None:
    loss = PerceptualLoss(small_network(), ["0"], resize=None)
    with pytest.raises(ValueError, match="images: 2 channels were given; allowed are 1 or 3"):
        loss(torch.zeros(1, 2, 9, 9), torch.zeros(1, 2, 9, 9))
    with pytest.raises(ValueError, match="reconstruction: shape"):
        loss(torch.zeros(1, 1, 9, 9), torch.zeros(1, 3, 9, 9))
    with pytest.raises(TypeError, match="images: dtype"):
        loss(torch.zeros(1, 3, 9, 9), torch.zeros(1, 3, 9, 9, dtype=torch.uint8))


class Wiring(nn.Module):
    """Runs one layer twice, one never, and one that gives a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.twice, self.never, self.pair = nn.ReLU(), nn.ReLU(), nn.MaxPool2d(2, return_indices=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.pair(self.twice(self.twice(x)))[0]


@pytest.mark.parametrize(
    ("tap", "error", "message"),
    [
        ("twice", ValueError, "'twice' runs several times"),
        ("never", ValueError, "'never' does not run"),
        ("pair", TypeError, "'pair' gives tuple"),
    ],
)
def test_a_tap_without_one_tensor_is_refused(tap: str, error: type[Exception], message: str) -> None:
    loss = PerceptualLoss(Wiring(), [tap], resize=None)
    with pytest.raises(error, match=message):
        loss(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8))
