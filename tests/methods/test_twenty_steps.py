"""Twenty steps of each method, and of a loop that is written out for it alone: the same weights, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from tusklite import losses
from tusklite.geometry import WARPS, random_tps, warp_images
from tusklite.methods.base import Batch, Method, new_method, step_generator
from tusklite.methods.channelwise import ChannelwiseConfig, ChannelwiseOptions, ChannelwiseTraining
from tusklite.methods.thewlis import FactorizedLandmarks, ThewlisConfig, ThewlisOptions, ThewlisTraining, draw_views
from tusklite.methods.tusk import TUSK, TUSKConfig, TUSKOptions, TUSKTraining
from tusklite.ops.keypoints import spatial_softmax

STEPS = 20
SEED = 5


def pictures(channels: int, height: int, width: int) -> Iterator[tuple[int, Tensor]]:
    """Three smooth pictures for each step."""
    for step in range(STEPS):
        small = torch.rand(3, channels, 5, 5, generator=torch.Generator().manual_seed(step))
        yield step, nn.functional.interpolate(small, (height, width), mode="bilinear", align_corners=False)


def moved(optimizer: torch.optim.Optimizer, total: Tensor) -> None:
    optimizer.zero_grad()
    total.backward()
    optimizer.step()


# --- Thewlis -----------------------------------------------------------------------------------------------

LANDMARKS = ThewlisConfig(landmarks=3, image_channels=2, image_size=16, widths=(3, 4, 5, 4, 6))
LANDMARK_OPTIONS = ThewlisOptions(alignment=50.0, diversity=2.0, pool=4, zooms=(0.6, 0.9), shift=0.2)


def thewlis() -> ThewlisTraining:
    return new_method(lambda: ThewlisTraining(FactorizedLandmarks(LANDMARKS), LANDMARK_OPTIONS, SEED), seed=1)


def thewlis_by_hand() -> nn.Module:
    network = thewlis().model.network.train()
    adam = torch.optim.Adam(network.parameters(), lr=1e-4, weight_decay=5e-4)
    for step, images in pictures(2, 24, 20):
        views = draw_views(images, 16, LANDMARK_OPTIONS, step_generator(SEED, step))
        first, second = spatial_softmax(network(torch.cat([views.first, views.second]))).chunk(2)
        alignment = losses.probability_alignment_loss(first, second, views.warp.grid(8, 8))
        diversity = losses.diversity_loss(first, 4) + losses.diversity_loss(second, 4)
        moved(adam, 50.0 * alignment + 2.0 * diversity)
    return network


# --- channel-wise ------------------------------------------------------------------------------------------

CHANNELS = ChannelwiseConfig(channels=3, image_channels=1, descriptor_channels=4, width=8, levels=2, groups=8, stem=2)
CHANNEL_OPTIONS = ChannelwiseOptions(reconstruction=2.0, equivariance=0.3, diversity=0.2, pool=2)


def channelwise() -> ChannelwiseTraining:
    return ChannelwiseTraining.new(CHANNELS, CHANNEL_OPTIONS, SEED)


def channelwise_by_hand() -> nn.Module:
    model = channelwise().model.train()
    adam = torch.optim.Adam(model.parameters(), lr=2e-3)
    for step, images in pictures(1, 24, 20):
        warp = random_tps(3, WARPS["tusk-mnist"], step_generator(SEED, step))
        views = torch.cat([images, warp_images(images, warp.grid(24, 20))])
        seen = model(views)
        first, second = seen.probs.chunk(2)
        reconstruction = losses.cross_entropy_loss(seen.decoded, views)
        equivariance = losses.probability_alignment_loss(first, second, warp.grid(12, 10))
        diversity = losses.diversity_loss(first, 2) + losses.diversity_loss(second, 2)
        moved(adam, 2.0 * reconstruction + 0.3 * equivariance + 0.2 * diversity)
    return model


# --- TUSK --------------------------------------------------------------------------------------------------

TUSK_PAPER = TUSKConfig(
    keypoints=4, prototypes=3, descriptor_channels=8, width=8, levels=2, groups=8, window=5, splat_sigma=0.6
)
TUSK_ALL = replace(
    TUSK_PAPER, stem=2, window=3, decoder_output="sigmoid", standardize=True, remove_position=True
)  # fmt: skip
ALL_TERMS = TUSKOptions(
    feature_equivariance=3.0,
    descriptor_equivariance=0.02,
    background=0.1,
    background_window=3,
    information=0.03,
    neighbour_information=0.05,
    over_prototypes=6,
    memory=64,
    prototype_steps=2,
    mixture_shares="counts",
    count_momentum=0.5,
)


def tusk(config: TUSKConfig, options: TUSKOptions) -> TUSKTraining:
    return new_method(lambda: TUSKTraining(TUSK(config), options, STEPS, SEED), seed=1)


def tusk_as_published_by_hand() -> nn.Module:
    """Eqs. 1 to 4 alone, eight prototype steps before each network step."""
    model = tusk(TUSK_PAPER, TUSKOptions()).model.train()
    network = [*model.encoder.parameters(), *model.heatmap_head.parameters(), *model.decoder.parameters()]
    adam = torch.optim.Adam(network, lr=1e-3)
    prototype_adam = torch.optim.Adam(model.prototypes.parameters(), lr=0.1, betas=(0.5, 0.999))
    for step, images in pictures(1, 24, 20):
        generator = step_generator(SEED, step)
        warp = random_tps(3, WARPS["tusk-mnist"], generator)
        views = torch.cat([images, warp_images(images, warp.grid(24, 20))])
        heatmap, features = model.encode(views)
        points = model.detect(heatmap)
        descriptors = model.describe(features, points.xy)
        cloud = descriptors.flatten(0, 1)
        model.prototypes.weights.copy_(published_shares(cloud.detach(), model.prototypes.means.detach()))
        transport(model.prototypes, cloud, 8, prototype_adam, generator)
        decoded = model.decode(points.xy, points.score, descriptors, (24, 20))
        total = 1.0 * losses.mse_loss(decoded, views)
        total = total + 0.01 * losses.map_equivariance_loss(heatmap[:3], heatmap[3:], warp.grid(24, 20))
        total = total + 100.0 * losses.map_equivariance_loss(features[:3], features[3:], warp.grid(24, 20))
        means = model.prototypes.means.detach()
        kmeans = losses.kmeans_softmin_loss(cloud, means, inverse_temperature=20.0 / 8, squared=True)
        moved(adam, total + 0.01 * kmeans)
    return model


def published_shares(cloud: Tensor, means: Tensor) -> Tensor:
    """The mixture shares of the authors' code: counts, and to each the same that the dead make large."""
    nearest = (cloud @ means.T).argmax(dim=1)
    groups = [cloud[nearest == m] - means[m] for m in range(len(means))]
    within = torch.stack([(group**2).mean() if len(group) else torch.tensor(1.0) for group in groups])
    counts = torch.tensor([float(len(group)) for group in groups])
    counts = counts + len(cloud) * (0.01 + ((within - within.mean()) ** 2).mean())
    return counts / counts.sum()


def transport(prototypes: nn.Module, cloud: Tensor, steps: int, adam: torch.optim.Optimizer, generator) -> None:
    for _ in range(steps):
        directions = losses.random_projections(100, cloud.shape[1], generator)
        moved(adam, losses.sliced_wasserstein(prototypes.sample(len(cloud), generator), cloud.detach(), directions))
        prototypes.project_to_sphere()


def tusk_with_every_term_by_hand() -> nn.Module:
    """Every term, with both sets of prototypes from the first step on."""
    method = tusk(TUSK_ALL, ALL_TERMS).train()
    model, fine = method.model, method.over_prototypes
    sets = [model.prototypes, fine]
    network = [*model.encoder.parameters(), *model.heatmap_head.parameters(), *model.decoder.parameters()]
    adam = torch.optim.Adam(network, lr=1e-3)
    prototype_adam = torch.optim.Adam([each.means for each in sets], lr=0.1, betas=(0.5, 0.999))
    memory = torch.zeros(64, 8)
    for step, images in pictures(1, 24, 20):
        generator = step_generator(SEED, step)
        warp = random_tps(3, WARPS["tusk-mnist"], generator)
        views = torch.cat([images, warp_images(images, warp.grid(24, 20))])
        heatmap, features = model.encode(views)
        points = model.detect(heatmap)
        here = points.xy.detach()
        there = torch.cat([warp.invert_points(here[:3], tolerance=1e-3, on_failure="nan"), warp(here[3:])])
        shown = ((there.abs() < 1).all(dim=-1) & points.found).flatten()
        there = there.nan_to_num()
        swapped = torch.cat([features[3:], features[:3]])
        both = model.describe(torch.cat([features, swapped]), torch.cat([here, there]))
        descriptors, partners = both[:6], both[6:]
        model.position.observe(here.flatten(0, 1), descriptors.detach().flatten(0, 1))
        cloud = model.clustering_space(descriptors.flatten(0, 1), points.xy.flatten(0, 1))
        for prototypes in reversed(sets):
            prototypes.count(cloud.detach(), momentum=0.5)
            transport(prototypes, cloud, 2, prototype_adam, generator)

        decoded = model.decode(points.xy, points.score, descriptors, (24, 20))
        total = 1.0 * losses.cross_entropy_loss(decoded, views)
        grid = warp.grid(12, 10)
        total = total + 0.01 * losses.map_equivariance_loss(heatmap[:3], heatmap[3:], grid)
        total = total + 3.0 * losses.map_equivariance_loss(features[:3], features[3:], grid)
        pairs = descriptors.flatten(0, 1), partners.flatten(0, 1)
        total = total + 0.02 * losses.paired_descriptor_loss(*pairs, shown)
        total = total + 0.1 * losses.background_loss(heatmap, points.index, 3)
        means = model.prototypes.means.detach()
        kmeans = losses.kmeans_softmin_loss(cloud, means, inverse_temperature=20.0 / 8, squared=True)
        total = total + 0.01 * kmeans
        other = model.clustering_space(partners, there).flatten(0, 1)
        near = memory[(cloud.detach() @ memory.T).argmax(dim=1)]
        for weight, twins, mask in ((0.03, other, shown), (0.05, near, points.found.flatten())):
            each = [
                losses.mutual_information_loss(p.soft_assign(cloud, 12.5), p.soft_assign(twins, 12.5), mask)
                for p in sets
            ]
            total = total + weight * (each[0] + each[1])
        moved(adam, total)
        memory = torch.cat([cloud.detach(), memory])[:64]
    method.memory = memory
    return method


@pytest.mark.parametrize(
    ("make", "by_hand", "size"),
    [
        (thewlis, thewlis_by_hand, (2, 24, 20)),
        (channelwise, channelwise_by_hand, (1, 24, 20)),
        (lambda: tusk(TUSK_PAPER, TUSKOptions()), tusk_as_published_by_hand, (1, 24, 20)),
        (lambda: tusk(TUSK_ALL, ALL_TERMS), tusk_with_every_term_by_hand, (1, 24, 20)),
    ],
    ids=["thewlis", "channelwise", "tusk-paper", "tusk-every-term"],
)
def test_twenty_steps_end_in_the_weights_of_a_loop_by_hand(
    make: Callable[[], Method], by_hand: Callable[[], nn.Module], size: tuple[int, int, int]
) -> None:
    method = make().train()
    start = {name: parameter.detach().clone() for name, parameter in method.named_parameters()}
    optimizers = method.optimizers()
    for step, images in pictures(*size):
        method.training_step(Batch(images, torch.arange(3), step), optimizers)
    expected, compared = by_hand().state_dict(), set()
    for name, tensor in method.state_dict().items():
        if name == "unvisited":  # a count for the log alone
            continue
        twins = [other for other in expected if name == other or name.endswith(f".{other}")]
        assert len(twins) == (len(tensor) > 0 if tensor.dim() else 1), name  # an empty memory has none
        assert all(torch.equal(tensor, expected[twin]) for twin in twins), name
        compared.update(twins)
    assert compared == expected.keys() - {"unvisited"}
    assert not any(torch.equal(parameter, start[name]) for name, parameter in method.named_parameters())
