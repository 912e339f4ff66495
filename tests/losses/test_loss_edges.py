"""Losses at their ends: a NaN that a network gives, one pair alone, the defaults, and what a refusal names."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tusklite import losses
from tusklite.geometry import WARPS, identity_grid, random_tps
from tusklite.losses import PerceptualLoss


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def chances(*shape: int, seed: int = 0) -> Tensor:
    return normal(*shape, seed=seed).softmax(dim=-1)


MASK = torch.tensor([True, True, False])
GRID = identity_grid(4, 5).expand(2, -1, -1, -1)
LOOK = PerceptualLoss(nn.Sequential(nn.Conv2d(3, 2, 1)), taps=["0"], weights=None, resize=None)
# Losses of what a network gives, each of tensors by name: the training names a loss that is NaN, with its step.
OF_A_NETWORK: dict[str, tuple[Callable[..., Tensor], dict[str, Tensor]]] = {
    "mse": (losses.mse_loss, {"reconstruction": normal(2, 1, 4, 5), "images": normal(2, 1, 4, 5, seed=1)}),
    "cross_entropy": (losses.cross_entropy_loss, {"logits": normal(2, 1, 4, 5), "images": chances(2, 1, 4, 5)}),
    "background": (lambda heatmap: losses.background_loss(heatmap, torch.tensor([[3], [7]]), 3),
                   {"heatmap": chances(2, 1, 4, 5)}),
    "map_equivariance": (losses.map_equivariance_loss,
                         {"maps": normal(2, 3, 4, 5), "warped_maps": normal(2, 3, 4, 5, seed=1), "grid": GRID}),
    "paired_descriptor": (lambda **pairs: losses.paired_descriptor_loss(**pairs, mask=MASK),
                          {"descriptors": normal(3, 4), "partners": normal(3, 4, seed=1)}),
    "mutual_information": (losses.mutual_information_loss, {"first": chances(3, 4), "second": chances(3, 4, seed=1)}),
    "perceptual": (LOOK, {"reconstruction": chances(2, 3, 4, 5), "images": chances(2, 3, 4, 5, seed=1)}),
}  # fmt: skip
GIVEN = [(name, argument) for name, (_, tensors) in OF_A_NETWORK.items() for argument in tensors if argument != "grid"]


@pytest.mark.parametrize(("name", "argument"), GIVEN)
def test_a_nan_that_a_network_gives_is_a_loss_of_nan(name: str, argument: str) -> None:
    loss, tensors = OF_A_NETWORK[name]
    assert torch.isfinite(loss(**tensors))
    spoilt = tensors[argument].clone()
    spoilt.view(-1)[0] = torch.nan
    assert loss(**(tensors | {argument: spoilt})).isnan()


def test_a_warp_that_is_nan_somewhere_is_refused_where_it_is_sampled() -> None:
    maps = normal(2, 3, 4, 5)
    with pytest.raises(ValueError, match=r"^grid: NaN or infinite values were given"):
        losses.map_equivariance_loss(maps, maps, GRID * torch.nan)


def test_one_pair_alone_is_its_squared_distance() -> None:
    pairs = normal(3, 4), normal(3, 4, seed=1)
    mask = torch.tensor([False, True, False])
    expected = (pairs[0][1] - pairs[1][1]).square().sum()
    torch.testing.assert_close(losses.paired_descriptor_loss(*pairs, mask), expected)
    assert float(losses.paired_descriptor_loss(*pairs, mask & ~mask)) == 0.0


def test_the_papers_values_are_the_defaults() -> None:
    cloud, prototypes = normal(9, 4), normal(3, 4, seed=1)
    explicit = losses.kmeans_softmin_loss(cloud, prototypes, inverse_temperature=1.0, squared=False)
    assert torch.equal(losses.kmeans_softmin_loss(cloud, prototypes), explicit)
    assert torch.equal(losses.kmeans_loss(cloud, prototypes), losses.kmeans_loss(cloud, prototypes, squared=True))
    explicit = losses.vector_quantization_loss(cloud, prototypes, commitment=0.25)
    assert all(map(torch.equal, losses.vector_quantization_loss(cloud, prototypes), explicit))
    maps = chances(2, 3, 4, 5)
    assert torch.equal(losses.diversity_loss(maps), losses.diversity_loss(maps, pool=1))
    moved = GRID + 0.6
    reflected = losses.map_equivariance_loss(maps, maps, moved, "reflection")
    assert torch.equal(losses.map_equivariance_loss(maps, maps, moved), reflected)


def test_directions_go_to_the_device_that_was_asked_for() -> None:
    # "meta" holds shapes alone, and every machine has it.
    assert losses.random_projections(3, 4, device="meta").device.type == "meta"
    assert losses.random_projections(3, 4).device.type == "cpu"


SINGLE, DOUBLE = torch.zeros(2, 3, 4, 5), torch.zeros(2, 3, 4, 5, dtype=torch.float64)
ALL_ONE = torch.full((2, 3, 4, 5), 1 / 20)


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: losses.diversity_loss(ALL_ONE, 0), "pool: 0 was given; allowed is an integer of at least 1"),
        (lambda: losses.diversity_loss(ALL_ONE, 2.0), "pool: 2.0 was given"),
        (
            lambda: losses.point_alignment_loss(SINGLE[0], SINGLE[0], random_tps(3, WARPS["tusk-mnist"], None)),
            "generator: NoneType was given",
        ),
        (lambda: losses.point_alignment_loss(SINGLE, SINGLE, None), r"points: shape \(2, 3, 4, 5\) was given"),
        (lambda: losses.probability_alignment_loss(ALL_ONE[0], ALL_ONE, GRID), r"probs: shape \(3, 4, 5\) was given"),
        (
            lambda: losses.probability_alignment_loss(ALL_ONE, ALL_ONE, GRID.double()),
            "grid: torch.float64 on cpu was given; allowed is that of probs, torch.float32 on cpu",
        ),
        (lambda: losses.map_equivariance_loss(SINGLE[0], SINGLE, GRID), r"maps: shape \(3, 4, 5\) was given"),
        (
            lambda: losses.map_equivariance_loss(SINGLE, DOUBLE, GRID),
            "warped_maps: torch.float64 on cpu was given; allowed is that of maps, torch.float32 on cpu",
        ),
        (
            lambda: losses.paired_descriptor_loss(SINGLE, SINGLE, MASK),
            r"descriptors: shape \(2, 3, 4, 5\) was given; allowed is \(N, C\)",
        ),
        (
            lambda: losses.paired_descriptor_loss(normal(3, 4), normal(3, 4).double(), MASK),
            "partners: torch.float64 on cpu was given; allowed is that of descriptors, torch.float32 on cpu",
        ),
        (
            lambda: losses.mutual_information_loss(normal(3, 4), normal(3, 4).double()),
            "second: torch.float64 on cpu was given; allowed is that of first, torch.float32 on cpu",
        ),
        (lambda: losses.cross_entropy_loss(SINGLE[0], SINGLE[0]), r"images: shape \(3, 4, 5\) was given"),
        (
            lambda: losses.sliced_wasserstein(normal(3, 4), normal(3, 4), normal(2, 4).double()),
            "projections: torch.float64 on cpu was given; allowed is that of x, torch.float32 on cpu",
        ),
        (lambda: LOOK.features(SINGLE[0]), r"images: shape \(3, 4, 5\) was given; allowed is \(B, C, H, W\)"),
        (
            lambda: LOOK.features(DOUBLE),
            "images: torch.float64 on cpu was given; allowed is that of the network, torch.float32 on cpu",
        ),
        (
            lambda: LOOK(SINGLE.double(), SINGLE),
            "reconstruction: torch.float64 on cpu was given; allowed is that of images, torch.float32 on cpu",
        ),
    ],
)
def test_a_refusal_names_the_argument_and_what_it_should_meet(call: Callable, complaint: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{complaint}"):
        call()


def test_a_warp_of_another_type_than_its_points_is_refused() -> None:
    points = 0.1 * normal(2, 4, 2)
    warp = random_tps(2, WARPS["tusk-mnist"], torch.Generator().manual_seed(0))
    losses.point_alignment_loss(points, points, warp)
    message = "warp: torch.float64 on cpu was given; allowed is that of points, torch.float32 on cpu"
    with pytest.raises(TypeError, match=f"^{message}$"):
        losses.point_alignment_loss(points, points, warp.to(dtype=torch.float64))


# --- the perceptual loss --------------------------------------------------------------------------------------


def test_what_the_network_is_normalised_by_is_no_part_of_its_state() -> None:
    look = PerceptualLoss(nn.Sequential(nn.Conv2d(3, 2, 1)), taps=["0"], weights=None)
    assert look.state_dict().keys() == {"backbone.network.0.weight", "backbone.network.0.bias"}
    assert look.resize == 224  # what the paper's network was trained on
    assert (look.distance, look.layer_weights, look.normalize) == ("l1", (1.0,), True)


def test_it_stays_in_evaluation_mode_however_it_is_called() -> None:
    for mode in ((), (True,), (False,)):
        assert LOOK.train(*mode) is LOOK
        assert not any(module.training for module in LOOK.modules())


def test_a_network_in_double_precision_looks_at_pictures_of_its_own_type_alone() -> None:
    double = PerceptualLoss(nn.Sequential(nn.Conv2d(3, 2, 1).double()), ["0"], None, resize=None).double()
    assert double(DOUBLE, DOUBLE + 0.5).dtype == torch.float64
    with pytest.raises(TypeError, match=r"^images: torch\.float32 on cpu was given; allowed is that of the network"):
        double(SINGLE, SINGLE)
    half = SINGLE.bfloat16()
    assert LOOK(half, half).dtype == torch.float32


def test_no_activation_overwrites_the_tap_before_it() -> None:
    from torchvision.models import squeezenet1_0

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = squeezenet1_0(weights=None).eval()
    look = PerceptualLoss("squeezenet1_0", ["features.0", "features.1"], weights=None, resize=None, normalize=False)
    assert network.features[1].inplace  # as torchvision makes it
    pictures = chances(1, 3, 32, 32)
    seen = look.features(pictures)
    torch.testing.assert_close(seen["features.0"], network.features[0](pictures))
    assert seen["features.0"].min() < 0
    torch.testing.assert_close(seen["features.1"], seen["features.0"].relu())


@pytest.mark.parametrize(("side", "allowed"), [(4096, True), (4097, False), (0, False)])
def test_a_side_that_would_eat_the_machine_is_refused(side: int, allowed: bool) -> None:
    def made() -> PerceptualLoss:
        return PerceptualLoss(nn.Sequential(nn.Conv2d(3, 2, 1)), ["0"], None, resize=side)

    if allowed:
        assert made().resize == side
    else:
        with pytest.raises(ValueError, match=f"^resize: {side} was given; allowed is an integer from 1 to 4096$"):
            made()


class Malicious:
    """What a file of weights could hold: something that runs when it is read."""

    def __reduce__(self) -> tuple:
        return Path.touch, (Path("it-ran"),)


@pytest.mark.parametrize("ending", [".pth", ".pt"])
def test_nothing_in_a_file_of_weights_is_run(ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"weights{ending}"
    for content in ("a state dict", "alone"):
        if content == "alone":
            path.write_bytes(pickle.dumps(Malicious(), protocol=2))
        else:
            torch.save({"features.0.weight": Malicious()}, path)
        with pytest.raises(ValueError, match=rf"^weights: .*weights\{ending} is no file of tensors, or dam") as refused:
            PerceptualLoss("squeezenet1_0", ["features.0"], weights=path)
        assert not Path("it-ran").exists()
        assert "weights_only" not in str(refused.value)  # torch's advice would have it run
        assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("kind", ["safetensors", "pth", "pt of before 2020"])
def test_a_file_of_weights_that_is_cut_off_is_one_line_that_names_it(kind: str, tmp_path: Path) -> None:
    path, tensors = tmp_path / f"weights.{kind.split()[0]}", {"features.0.weight": normal(96, 3, 7, 7)}
    if kind == "safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization=kind == "pth")
    whole = path.read_bytes()
    for length in (0, 1, 8, 40, 200, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=f"^weights: {re.escape(str(path))} is no file of tensors") as refused:
            PerceptualLoss("squeezenet1_0", ["features.0"], weights=path)
        assert len(str(refused.value).splitlines()) == 1
        reason = refused.value.__cause__
        unpickled = isinstance(reason, pickle.UnpicklingError)
        said = "its content is none of tensors" if unpickled else " ".join(str(reason).split())[:200]
        assert said in str(refused.value)


def test_a_file_of_weights_that_may_not_be_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *arguments: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    path = tmp_path / "weights.safetensors"
    save_file({"features.0.weight": normal(96, 3, 7, 7)}, path)
    monkeypatch.setattr(Path, "open", refuse)
    message = re.escape(f"weights: {path} cannot be read (Permission denied); allowed is a file that may be")
    with pytest.raises(ValueError, match=f"^{message}$"):
        PerceptualLoss("squeezenet1_0", ["features.0"], weights=path)


def test_a_file_that_lacks_layers_names_the_first_four(tmp_path: Path) -> None:
    torch.save({"other": torch.zeros(1)}, tmp_path / "weights.pth")
    taps = ["features.0", "features.3.cat"]
    with pytest.raises(ValueError, match=r"squeezenet1_0 lacks ([^,;]+, ){3}[^,;]+; allowed is a state dict"):
        PerceptualLoss("squeezenet1_0", taps, weights=tmp_path / "weights.pth")
