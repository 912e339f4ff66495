"""Every loss on every device and in every precision is the loss of float64 on the same numbers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tusklite import losses
from tusklite.geometry import WARPS, ThinPlateSpline, identity_grid, random_tps
from tusklite.precision import at_least_single

Arguments = dict[str, Tensor]


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def maps(seed: int, *shape: int) -> Tensor:
    return (3 * normal(*shape, seed=seed)).flatten(2).softmax(dim=-1).view(shape)


def a_grid() -> Tensor:
    return random_tps(2, WARPS["tusk-mnist"], torch.Generator().manual_seed(2)).grid(5, 6).double()


CLOUDS = {"descriptors": F.normalize(normal(30, 8), dim=1), "prototypes": F.normalize(normal(6, 8, seed=1), dim=1)}
PROBS = {"probs": maps(0, 2, 3, 5, 6), "warped_probs": maps(1, 2, 3, 5, 6), "grid": a_grid()}
PICTURES = {"reconstruction": torch.rand(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))}
PICTURES["images"] = PICTURES["reconstruction"].flip(3)
MASK = torch.arange(30) % 3 > 0
INDEX = torch.tensor([[7, -1], [20, 29]])


def of_points(points: Tensor, warped_points: Tensor, control: Tensor, weights: Tensor, affine: Tensor) -> Tensor:
    return losses.point_alignment_loss(points, warped_points, ThinPlateSpline(control, weights, affine))


# Each loss as a function of tensors of one type, and such tensors.
CASES: dict[str, tuple[Callable[..., Tensor], Arguments]] = {
    "kmeans_softmin": (losses.kmeans_softmin_loss, CLOUDS),
    "kmeans_softmin, squared": (lambda **clouds: losses.kmeans_softmin_loss(**clouds, squared=True), CLOUDS),
    "kmeans": (losses.kmeans_loss, CLOUDS),
    "kmeans, not squared": (lambda **clouds: losses.kmeans_loss(**clouds, squared=False), CLOUDS),
    "vector_quantization": (lambda **clouds: losses.vector_quantization_loss(**clouds)[1], CLOUDS),
    "sliced_wasserstein": (
        losses.sliced_wasserstein,
        {"x": normal(20, 4), "y": normal(20, 4, seed=1), "projections": F.normalize(normal(9, 4, seed=2), dim=1)},
    ),
    "sliced_wasserstein, unequal": (
        losses.sliced_wasserstein,
        {"x": normal(20, 4), "y": normal(7, 4, seed=1), "projections": F.normalize(normal(9, 4, seed=2), dim=1)},
    ),
    "overlap": (losses.overlap_loss, {"probs": PROBS["probs"]}),
    "diversity": (losses.diversity_loss, {"probs": PROBS["probs"]}),
    "probability_alignment": (losses.probability_alignment_loss, PROBS),
    "probability_alignment, naive": (losses.probability_alignment_loss_naive, PROBS),
    "point_alignment": (
        of_points,
        {
            "points": 0.3 * normal(2, 4, 2),
            "warped_points": 0.3 * normal(2, 4, 2, seed=1),
            "control": normal(2, 5, 2, seed=2),
            "weights": 0.02 * normal(2, 5, 2, seed=3),
            "affine": torch.tensor([[0.1, 0.0], [0.9, 0.1], [-0.1, 1.1]], dtype=torch.float64).repeat(2, 1, 1),
        },
    ),
    "map_equivariance": (
        losses.map_equivariance_loss,
        {"maps": normal(2, 3, 5, 6), "warped_maps": normal(2, 3, 5, 6, seed=1), "grid": a_grid()},
    ),
    "paired_descriptor": (
        lambda descriptors, partners: losses.paired_descriptor_loss(descriptors, partners, MASK.to(partners.device)),
        {"descriptors": CLOUDS["descriptors"], "partners": F.normalize(normal(30, 8, seed=4), dim=1)},
    ),
    "mutual_information": (
        lambda first, second: losses.mutual_information_loss(first, second, MASK.to(second.device)),
        {"first": normal(30, 5).softmax(1), "second": (4 * normal(30, 5, seed=1)).softmax(1)},
    ),
    "image_information": (
        lambda first, second: losses.image_information_loss(first, second, MASK.view(5, 6).to(second.device)),
        {"first": normal(5, 6, 4).softmax(2), "second": (4 * normal(5, 6, 4, seed=1)).softmax(2)},
    ),
    "distinct": (losses.distinct_loss, {"assignment": (2 * normal(5, 6, 4)).softmax(2)}),
    "keypoint_contrast": (
        lambda descriptors, partners: losses.keypoint_contrast_loss(
            descriptors, partners, MASK.view(5, 6).to(partners.device)
        ),
        {name: F.normalize(normal(5, 6, 8, seed=seed), dim=2) for seed, name in enumerate(("descriptors", "partners"))},
    ),
    "contrastive": (
        lambda descriptors: losses.contrastive_loss(descriptors, torch.arange(30, device=descriptors.device) % 4),
        {"descriptors": CLOUDS["descriptors"]},
    ),
    "assigned_map": (
        lambda maps, targets: losses.assigned_map_loss(maps, targets, torch.eye(2, 3).bool().to(maps.device), 10.0),
        {"maps": normal(2, 3, 5, 6), "targets": normal(2, 3, 5, 6, seed=1).sigmoid()},
    ),
    "mse": (losses.mse_loss, PICTURES),
    "cross_entropy": (losses.cross_entropy_loss, {"logits": 4 * normal(2, 3, 4, 5), "images": PICTURES["images"]}),
    "background": (
        lambda heatmap: losses.background_loss(heatmap, INDEX.to(heatmap.device), window=3),
        {"heatmap": maps(5, 2, 1, 5, 6)},
    ),
}
PAIRED = [name for name, (_, tensors) in CASES.items() if len(tensors) > 1]


def test_every_loss_is_here() -> None:
    functions = {name.removesuffix("_loss") for name in losses.__all__ if name[0].islower()}
    # Projections are drawn, not computed.
    tested = {name.split(",")[0] for name in CASES} | {"random_projections", "probability_alignment_loss_naive"}
    assert functions == tested


@pytest.mark.parametrize("name", CASES)
def test_a_loss_is_that_of_float64_on_the_same_numbers(
    name: str, device: str, dtype: torch.dtype, close: Callable
) -> None:
    loss, tensors = CASES[name]
    given = {key: tensor.clone().to(device, dtype).requires_grad_() for key, tensor in tensors.items()}
    exact = {key: tensor.detach().clone().cpu().double().requires_grad_() for key, tensor in given.items()}
    found, wanted = loss(**given), loss(**exact)
    # Half precision is computed in float32, so that nothing is lost but what the inputs have lost.
    assert found.dtype == at_least_single(dtype)
    assert found.device.type == device
    close(found, wanted)
    found.backward()
    wanted.backward()
    for key, tensor in given.items():
        if exact[key].grad is not None:  # a sum over pixels asks for no gradient to where they are
            assert tensor.grad.dtype == dtype
            close(tensor.grad, exact[key].grad)


@pytest.mark.parametrize("name", PAIRED)
def test_two_types_are_refused_by_name(name: str, device: str) -> None:
    loss, tensors = CASES[name]
    for odd in tensors:
        for one, other in ((torch.float32, torch.float64), (torch.float16, torch.float32)):
            given = {key: tensor.to(device, other if key == odd else one) for key, tensor in tensors.items()}
            with pytest.raises(TypeError, match=r"^(?:\w+): torch\.float\d\d on .* was given; allowed is that of \w+"):
                loss(**given)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a second device")
def test_two_devices_are_refused_by_name() -> None:
    for loss, tensors, odd in [(*CASES[name], odd) for name in PAIRED for odd in CASES[name][1]]:
        given = {key: tensor.to("cuda" if key == odd else "cpu") for key, tensor in tensors.items()}
        with pytest.raises(TypeError, match=r"^(?:\w+): torch\.\w+ on .* was given; allowed is "):
            loss(**given)


def test_the_argument_that_differs_is_named() -> None:
    x, single = normal(4, 3), normal(4, 3).float()
    for call, name in (
        (lambda: losses.sliced_wasserstein(x, single, x), "y: torch.float32"),
        (lambda: losses.sliced_wasserstein(x, x, single), "projections: torch.float32"),
        (lambda: losses.kmeans_softmin_loss(single, x), "prototypes: torch.float64"),
        (lambda: losses.kmeans_loss(single, x), "prototypes: torch.float64"),
        (lambda: losses.vector_quantization_loss(single, x), "prototypes: torch.float64"),
        (lambda: losses.mutual_information_loss(x, x, torch.ones(4)), "mask: torch.float32 on cpu was given; allowed"),
        (lambda: losses.paired_descriptor_loss(x, x, [True] * 4), "mask: list was given"),
        (
            lambda: losses.background_loss(x.view(1, 1, 4, 3), torch.zeros(1, 2), 3),
            "index: torch.float32 on cpu was given; allowed is int64",
        ),
    ):
        with pytest.raises(TypeError, match=f"^{name}"):
            call()


def test_quantised_descriptors_keep_their_type_and_hand_their_gradient_on(device: str, dtype: torch.dtype) -> None:
    descriptors, prototypes = (tensor.clone().to(device, dtype) for tensor in CLOUDS.values())
    descriptors.requires_grad_()
    quantized, _ = losses.vector_quantization_loss(descriptors, prototypes)
    assert quantized.dtype == dtype
    nearest = torch.cdist(descriptors.detach().double(), prototypes.double()).argmin(dim=1)
    torch.testing.assert_close(quantized, prototypes[nearest])
    quantized.sum().backward()
    assert torch.equal(descriptors.grad, torch.ones_like(descriptors))


def test_large_distances_in_half_precision_do_not_overflow() -> None:
    far = torch.tensor([[300.0, 400.0]], dtype=torch.float16)  # 250,000 squared, where float16 ends at 65,504
    origin = torch.zeros(1, 2, dtype=torch.float16)
    assert losses.kmeans_loss(far, origin) == 250_000
    assert losses.sliced_wasserstein(far, origin, torch.tensor([[0.0, 1.0]], dtype=torch.float16)) == 160_000


def test_alignment_in_bfloat16_knows_where_a_pixel_is() -> None:
    # bfloat16 has no 257, so that a grid of 300 pixels counted in it has pixels in one place.
    points = torch.zeros(1, 1, 1, 300, dtype=torch.bfloat16)
    points[..., 280] = 1
    grid = identity_grid(1, 300).unsqueeze(0).bfloat16()
    beside = points.roll(-100, dims=3)
    exact = losses.probability_alignment_loss(points.double(), beside.double(), grid.double())
    assert float(losses.probability_alignment_loss(points, beside, grid)) == pytest.approx(float(exact), rel=1e-5)
