"""The alternation: the published schedule written out once more, and each promise of the options."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.spatial import KDTree
from torch import Tensor

from tusklite.experiments import get_preset
from tusklite.geometry import WARPS, random_tps
from tusklite.methods.base import Batch, NonFiniteLoss, step_generator
from tusklite.methods.tusk import TUSK, TUSKConfig
from tusklite.methods.tusk.options import TUSKOptions
from tusklite.methods.tusk.training import Seen, TUSKTraining
from tusklite.ops import whole_shares

TINY = TUSKConfig(
    keypoints=4, prototypes=3, descriptor_channels=8, width=8, levels=2, groups=8, window=5, splat_sigma=0.6
)
# Every term that there is, and both sets of prototypes from the first step on.
EVERYTHING = TUSKOptions(
    descriptor_equivariance=0.02,
    background=0.1,
    information=0.03,
    neighbour_information=0.03,
    over_prototypes=6,
    memory=64,
    prototype_steps=2,
    recluster_scenes=12,
)
LITE_MODEL = replace(
    TINY, stem=2, decoder_output="sigmoid", standardize=True, remove_position=True, padding_mode="replicate", window=3
)


class Blobs:
    """Scenes of five blobs of three kinds on black, 24 x 28 pixels."""

    def __init__(self, count: int = 24) -> None:
        generator = torch.Generator().manual_seed(3)
        y, x = torch.meshgrid(torch.arange(24.0), torch.arange(28.0), indexing="ij")
        self.images = torch.zeros(count, 1, 24, 28)
        self.asked: list[int] = []
        for image in self.images:
            for kind in torch.randint(3, (5,), generator=generator).tolist():
                row, column = (torch.rand(2, generator=generator) * torch.tensor([16.0, 20.0]) + 4).tolist()
                tall, wide = ((1.0, 3.0), (3.0, 1.0), (1.5, 1.5))[kind]
                blob = (-(((y - row) / tall) ** 2) - ((x - column) / wide) ** 2).exp()
                image[0] = torch.maximum(image[0], blob)

    def __len__(self) -> int:
        return len(self.images)

    def scenes(self, indices: Tensor) -> SimpleNamespace:
        self.asked += indices.tolist()
        return SimpleNamespace(image=self.images[indices])


IMAGES = Blobs().images[:4]


def a_batch(step: int, images: Tensor = IMAGES) -> Batch:
    return Batch(images, torch.arange(len(images)), step)


def seen(method: TUSKTraining, step: int) -> Seen:
    """Both views as a step compares them, in a model whose descriptors are clustered as they are."""
    views = method.two_views(IMAGES, step_generator(0, step))
    return Seen(views, views.descriptors.flatten(0, 1))


def a_training(
    options: TUSKOptions | None = None, steps: int = 10, seed: int = 0, config: TUSKConfig = TINY
) -> TUSKTraining:
    """The same weights every time."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return TUSKTraining(TUSK(config), options or TUSKOptions(), steps, seed).train()


def weights(method: TUSKTraining, prototypes: bool) -> dict[str, Tensor]:
    return {
        name: parameter.detach().clone()
        for name, parameter in method.named_parameters()
        if ("prototypes" in name) == prototypes
    }


# The same as published


def published_step(
    model: TUSK, images: Tensor, generator: torch.Generator, steps: int, shares: str
) -> dict[str, float]:
    """One outer step in which each prototype step encodes both views anew; written from the paper's equations."""
    batch = len(images)
    warp = random_tps(batch, WARPS["tusk-mnist"], generator)
    both = torch.cat([images, F.grid_sample(images, warp.grid(24, 28), align_corners=False)])
    network = [*model.encoder.parameters(), *model.heatmap_head.parameters(), *model.decoder.parameters()]
    prototype_optimizer = torch.optim.Adam([model.prototypes.means], lr=0.1, betas=(0.5, 0.999))

    def encode() -> tuple[Tensor, ...]:
        features = model.encoder(both)
        heatmap = model.heatmap_head(features)
        points = model.detect(heatmap)
        read = F.grid_sample(features, points.xy.detach()[:, :, None], padding_mode="border", align_corners=False)
        return heatmap, features, points, F.normalize(read[..., 0].mT, dim=-1)  # (N, K, C)

    for prototype_step in range(steps):
        *_, descriptors = encode()
        cloud = descriptors.flatten(0, 1)
        if prototype_step == 0:
            nearest = torch.cdist(cloud, model.prototypes.means).argmin(dim=1)
            counts = sample_counts(cloud.detach(), nearest, model.prototypes.means.detach(), shares)
        directions = F.normalize(torch.randn(100, 8, generator=generator), dim=1)
        sample = F.normalize(model.prototypes.means, dim=1).repeat_interleave(counts, dim=0)
        sample = F.normalize(sample + 0.02 * torch.randn(len(cloud), 8, generator=generator), dim=1)
        along = [(points @ directions.T).sort(dim=0).values for points in (sample, cloud)]
        transport = ((along[0] - along[1]) ** 2).mean()
        model.zero_grad()
        transport.backward()  # into the encoder as well, as published; only the prototypes take the step
        prototype_optimizer.step()
        with torch.no_grad():
            model.prototypes.means /= model.prototypes.means.norm(dim=1, keepdim=True)

    heatmap, features, points, descriptors = encode()
    canvas = torch.einsum(
        "nkc,nkhw->nchw",
        descriptors * points.score[..., None],
        gaussians(points.xy, 24, 28, model.config.splat_sigma),
    )
    follow = warp.grid(24, 28)
    terms = {"reconstruction": ((model.decoder(canvas) - both) ** 2).mean()}
    for name, maps in (("heatmap_equivariance", heatmap), ("feature_equivariance", features)):
        moved = F.grid_sample(maps[:batch], follow, padding_mode="reflection", align_corners=False)
        terms[name] = ((maps[batch:] - moved) ** 2).mean()
    squared = (descriptors[:, :, None] - model.prototypes.means.detach()).square().mean(-1)  # (N, K, M)
    terms["kmeans"] = -(-20 * squared).log_softmax(-1).amax(-1).mean()
    total = terms["reconstruction"] + 0.01 * terms["heatmap_equivariance"]
    total = total + 100 * terms["feature_equivariance"] + 0.01 * terms["kmeans"]
    model.zero_grad()
    total.backward()
    with torch.no_grad():
        for parameter in network:
            parameter -= 0.01 * parameter.grad
    return {name: term.item() for name, term in (terms | {"sliced_wasserstein": transport}).items()}


def gaussians(xy: Tensor, height: int, width: int, sigma: float) -> Tensor:
    """Splats `(N, K, H, W)` of sum 1, over pixels in a dense grid."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    pixels = ((xy + 1) * torch.tensor([width, height]) - 1) / 2
    squared = (x - pixels[..., 0, None, None]) ** 2 + (y - pixels[..., 1, None, None]) ** 2
    splat = (-squared / (2 * sigma**2)).exp()
    return splat / splat.sum((-1, -2), keepdim=True)


def sample_counts(cloud: Tensor, nearest: Tensor, means: Tensor, shares: str) -> Tensor:
    """How many samples each of three prototypes gets: what it wins, or that and the authors' addition to all."""
    counts = torch.bincount(nearest, minlength=3)
    if shares == "counts":
        return counts
    within = [((cloud[nearest == m] - means[m]) ** 2).mean() if counts[m] else torch.tensor(1.0) for m in range(3)]
    added = len(cloud) * (0.01 + torch.stack(within).var(unbiased=False))
    return whole_shares(counts + added, len(cloud))


@pytest.mark.parametrize(("prototype_steps", "shares"), [(1, "smoothed"), (8, "smoothed"), (8, "counts")])
def test_reusing_descriptors_is_the_published_schedule(prototype_steps: int, shares: str) -> None:
    ours = a_training(TUSKOptions(prototype_steps=prototype_steps, mixture_shares=shares), seed=5)
    published = a_training(seed=5).model
    optimizers = ours.optimizers()
    # Adam would make a whole step of a gradient that is rounding alone; plain descent keeps the difference small.
    optimizers["network"] = torch.optim.SGD(optimizers["network"].param_groups[0]["params"], lr=0.01)
    values = ours.training_step(a_batch(2), optimizers)
    expected = published_step(published, IMAGES, step_generator(5, 2), prototype_steps, shares)
    counts = {"dead_prototypes", "unvisited_steps", "collapsed_heatmaps", "border_keypoints"}
    assert expected.keys() == values.keys() - counts
    for name, value in expected.items():
        np.testing.assert_allclose(values[name], value, rtol=1e-4, err_msg=name)
    torch.testing.assert_close(ours.model.prototypes.means, published.prototypes.means, atol=1e-5, rtol=0)
    start = dict(a_training().model.named_parameters())
    for name, parameter in ours.model.named_parameters():
        torch.testing.assert_close(parameter, dict(published.named_parameters())[name], atol=1e-5, rtol=0)
        assert not torch.equal(parameter, start[name])


# What keeps prototypes alive


@pytest.mark.parametrize(("shares", "alive"), [("counts", False), ("smoothed", True)])
def test_smoothed_shares_bring_the_dead_back_and_counts_do_not(shares: str, alive: bool) -> None:
    cone = torch.randn(400, 8, generator=torch.Generator().manual_seed(1))
    cone = F.normalize(torch.tensor([1.0, *[0.0] * 7]) + 0.15 * cone, dim=1)
    method = a_training(TUSKOptions(mixture_shares=shares, prototype_learning_rate=0.02))
    method.model.prototypes.restart(torch.eye(8)[[0, 1, 2]])  # the last two are far from every descriptor
    optimizer = method.optimizers()["prototypes"]
    unvisited = [
        int(method.prototype_steps(cone, step, optimizer, step_generator(0, step))["unvisited_steps"])
        for step in range(30)
    ]
    won = torch.bincount(method.model.prototypes.assign(cone), minlength=3)
    if alive:
        assert won.min() > 0
        assert unvisited[-1] < 15
        assert max(unvisited) > 0
    else:
        assert won.tolist() == [400, 0, 0]
        assert unvisited == list(range(1, 31))


# Who gets which gradient


def test_prototypes_move_by_transport_alone_and_the_network_without_it() -> None:
    method = a_training(EVERYTHING)
    before = weights(method, prototypes=True)
    views = seen(method, step=0)
    descriptors = views.clustered
    method.remember(descriptors.detach().flip(0))
    terms = method.loss_terms(views, step=5)
    sum(terms.values()).backward()
    for prototypes in (method.model.prototypes, method.over_prototypes):
        assert prototypes.means.grad is None
    assert all(torch.equal(before[name], tensor) for name, tensor in weights(method, prototypes=True).items())

    method.zero_grad()
    network = weights(method, prototypes=False)
    optimizers = method.optimizers()
    method.prototype_steps(descriptors.detach(), 5, optimizers["prototypes"], step_generator(0, 0))
    assert all(p.grad is None for name, p in method.named_parameters() if "prototypes" not in name)
    assert all(torch.equal(network[name], tensor) for name, tensor in weights(method, prototypes=False).items())
    for name, tensor in weights(method, prototypes=True).items():
        assert not torch.equal(before[name], tensor)
        torch.testing.assert_close(tensor.norm(dim=1), torch.ones(len(tensor)))


def test_the_optimizers_share_out_every_parameter() -> None:
    method = a_training(EVERYTHING)
    groups = {name: optimizer.param_groups[0] for name, optimizer in method.optimizers().items()}
    names = {parameter: name for name, parameter in method.named_parameters()}
    assert {names[p] for p in groups["prototypes"]["params"]} == {"model.prototypes.means", "over_prototypes.means"}
    assert len(groups["network"]["params"]) + 2 == len(names)
    assert groups["network"]["lr"] == 1e-3
    assert groups["prototypes"]["lr"] == 0.1
    assert groups["prototypes"]["betas"] == (0.5, 0.999)


def test_transport_brings_the_prototypes_to_the_descriptors() -> None:
    method = a_training(TUSKOptions(prototype_learning_rate=0.05))
    targets = torch.eye(8)[:3]
    noise = torch.randn(63, 8, generator=step_generator(1, 1))
    cloud = F.normalize(targets.repeat(20, 1) + 0.02 * noise[:60], dim=1)
    method.model.prototypes.restart(targets + 0.3 * noise[60:])
    optimizer = method.optimizers()["prototypes"]
    distances = [
        float(method.prototype_steps(cloud, step, optimizer, step_generator(0, step))["sliced_wasserstein"])
        for step in range(20)
    ]
    assert distances[-1] < 0.1 * distances[0]
    assert (method.model.prototypes.means * targets).sum(dim=1).min() > 0.99


# Terms and their weights

TERMS = ("kmeans", "heatmap_equivariance", "feature_equivariance", "descriptor_equivariance", "background")
TERMS += ("information", "neighbour_information")


@pytest.mark.parametrize("name", TERMS)
def test_a_weight_of_0_leaves_its_term_out(name: str) -> None:
    everything = a_training(EVERYTHING)
    values = everything.training_step(a_batch(0), everything.optimizers())
    without = a_training(replace(EVERYTHING, **{name: 0.0}))
    left = without.training_step(a_batch(0), without.optimizers())
    assert values.keys() - left.keys() == {name}
    for other in ("reconstruction", *TERMS):
        if other != name:
            torch.testing.assert_close(left[other], values[other])


def test_the_sum_that_is_followed_has_the_weights() -> None:
    options = replace(EVERYTHING, reconstruction=0.5)
    method = a_training(options)
    views = seen(method, step=3)
    method.prototype_steps(
        views.clustered.detach(), 3, method.optimizers()["prototypes"], draws_after_warp(method, step=3)
    )
    terms = method.loss_terms(views, step=3)
    assert terms.keys() == {"reconstruction", *TERMS}
    sum(getattr(options, name) * term for name, term in terms.items()).backward()
    gradients = {name: p.grad for name, p in method.model.named_parameters() if p.grad is not None}
    again = a_training(options)
    again.training_step(a_batch(3), again.optimizers())
    for name, gradient in gradients.items():
        torch.testing.assert_close(again.model.get_parameter(name).grad, gradient, atol=1e-6, rtol=1e-4)


def draws_after_warp(method: TUSKTraining, step: int) -> torch.Generator:
    """The step's generator as it is after the warp of the second view was drawn."""
    generator = step_generator(method.seed, step)
    random_tps(len(IMAGES), WARPS[method.options.warp], generator)
    return generator


def test_the_partner_of_a_keypoint_is_the_same_point_in_the_other_view() -> None:
    method = a_training(TUSKOptions(descriptor_equivariance=0.02))
    views = method.two_views(IMAGES, step_generator(0, 0))
    assert views.images.shape == (8, 1, 24, 28)
    torch.testing.assert_close(views.images[:4], IMAGES)
    here, there = views.keypoints.xy.detach(), views.partners.xy
    shown = views.partners.shown
    assert shown.sum() > 8
    torch.testing.assert_close(views.warp(there[:4])[shown[:4]], here[:4][shown[:4]], atol=2e-3, rtol=0)
    torch.testing.assert_close(views.warp(here[4:])[shown[4:]], there[4:][shown[4:]], atol=1e-5, rtol=0)
    assert (there[shown].abs() < 1).all()
    other = F.grid_sample(views.features.roll(4, 0), there[:, :, None], padding_mode="border", align_corners=False)
    torch.testing.assert_close(views.partners.descriptors, F.normalize(other[..., 0].mT, dim=-1), atol=1e-5, rtol=1e-4)


def test_an_empty_slot_is_shown_nowhere() -> None:
    crowded = replace(TINY, keypoints=40, window=13)  # more slots than there are maxima
    method = a_training(EVERYTHING, config=crowded)
    noticed = seen(method, step=0)
    views, partners = noticed.views, noticed.views.partners
    found = views.keypoints.found
    assert 8 < found.sum() < found.numel() / 2
    inside = (partners.xy.abs() < 1).all(dim=-1)
    assert (inside & ~found).sum() > 8  # the other view has a place for empty slots too, which lie at the centre
    assert torch.equal(partners.shown, inside & found)
    terms = method.loss_terms(noticed, step=0)
    pairs = views.descriptors[partners.shown], partners.descriptors[partners.shown]
    torch.testing.assert_close(terms["descriptor_equivariance"], (pairs[0] - pairs[1]).square().sum(dim=1).mean())


def test_a_neighbour_is_the_nearest_descriptor_of_the_memory() -> None:
    method = a_training(replace(EVERYTHING, memory=50))
    views = seen(method, step=0)
    method.memory = F.normalize(torch.randn(50, 8, generator=step_generator(2, 2)), dim=1)
    _, nearest = KDTree(method.memory.numpy()).query(views.clustered.detach().numpy())
    neighbours = method.memory[torch.from_numpy(nearest)]
    expected = 0.0
    for prototypes in (method.model.prototypes, method.over_prototypes):
        chances = [
            (12.5 * each @ prototypes.means.detach().T).softmax(dim=1)[views.views.keypoints.found.flatten()].double()
            for each in (views.clustered.detach(), neighbours)
        ]
        joint = chances[0].T @ chances[1] / len(chances[0])
        joint = (joint + joint.T) / 2
        independent = joint.sum(dim=1, keepdim=True) * joint.sum(dim=0, keepdim=True)
        expected -= float((joint * (joint / independent).log()).sum())
    term = method.loss_terms(views, step=0)["neighbour_information"].detach()
    assert float(term) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("term", ["information", "neighbour_information"])
def test_information_of_both_sets_is_the_sum_of_each(term: str) -> None:
    values = {}
    for sets in ("both", "over", "plain"):
        options = replace(EVERYTHING, over_prototypes=0) if sets == "plain" else EVERYTHING
        method = a_training(options if sets != "over" else replace(options, information_sets="over"))
        method.memory = F.normalize(torch.randn(64, 8, generator=step_generator(2, 2)), dim=1)
        method.model.prototypes.restart(F.normalize(torch.randn(3, 8, generator=step_generator(3, 3)), dim=1))
        values[sets] = method.loss_terms(seen(method, step=0), step=0)[term].detach()
    torch.testing.assert_close(values["both"], values["over"] + values["plain"])
    assert values["over"] != values["plain"]


def test_no_partners_are_read_where_no_term_compares_them() -> None:
    plain, comparing = a_training(), a_training(TUSKOptions(information=0.03))
    views = plain.two_views(IMAGES, step_generator(0, 0))
    assert views.partners is None
    torch.testing.assert_close(views.descriptors, comparing.two_views(IMAGES, step_generator(0, 0)).descriptors)


def test_neighbours_come_from_the_memory_of_earlier_steps() -> None:
    method = a_training(EVERYTHING)
    optimizers = method.optimizers()
    assert not method.memory.any()
    for step in range(3):
        views = method.two_views(IMAGES, step_generator(0, step))
        expected = views.descriptors.detach().flatten(0, 1)
        method.training_step(a_batch(step), optimizers)
        assert method.memory.shape == (64, 8)
        torch.testing.assert_close(method.memory[:32], expected, atol=1e-6, rtol=1e-5)
    assert method.memory.any(dim=1).all()  # 3 x 32 descriptors pushed the zeros out
    assert len(a_training().memory) == 0


def test_a_share_of_the_images_is_decoded_once_clustering_has_begun() -> None:
    method = a_training(TUSKOptions(decode_share=0.5, clustering_from=0.4))
    counts = []
    method.model.decoder.register_forward_hook(lambda _, __, output: counts.append(len(output)))
    views = method.two_views(IMAGES, step_generator(0, 0))
    method.reconstruction_term(views, step=3)
    term = method.reconstruction_term(views, step=4)
    assert counts == [8, 4]
    points = views.keypoints
    decoded = method.model.decode(points.xy, points.score, views.descriptors, (24, 28))
    every_other = slice(None, None, 2)  # of both views alike
    torch.testing.assert_close(term, ((decoded - views.images)[every_other] ** 2).mean())


# Phases


def test_phases_come_at_the_steps_that_the_options_say() -> None:
    lite = a_training(replace(EVERYTHING, clustering_from=0.28, recluster_at=(0.55, 0.72)), steps=50, config=LITE_MODEL)
    phases = [lite.phase(step) for step in range(50)]
    assert phases == ["autoencoder"] * 14 + ["over-clustering"] * 13 + ["clustering"] * 23
    paper = a_training(steps=50)
    assert {paper.phase(step) for step in range(50)} == {"clustering"}
    late = a_training(TUSKOptions(clustering_from=0.5), steps=50)
    assert [late.phase(step) for step in (0, 24, 25)] == ["autoencoder", "autoencoder", "clustering"]


def test_each_phase_has_its_terms_and_moves_its_prototypes() -> None:
    options = replace(EVERYTHING, clustering_from=0.2, recluster_at=(0.5, 0.8))
    method = a_training(options, config=LITE_MODEL)
    optimizers = method.optimizers()
    always = {"reconstruction", "heatmap_equivariance", "feature_equivariance", "descriptor_equivariance"}
    always |= {"background", "dead_prototypes", "collapsed_heatmaps", "border_keypoints"}
    information = {"information", "neighbour_information", "over_sliced_wasserstein"}
    data = Blobs()
    for step in range(10):
        event = method.before_step(step, data)
        assert bool(event) == (step in (2, 5, 8))
        assert ("partition" in event) == (step in (5, 8))
        if event:
            assert event["position_information"] >= 0
        before = weights(method, prototypes=True)
        values = method.training_step(a_batch(step), optimizers)
        after = weights(method, prototypes=True)
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        expected_terms, expected_moves = set(always), set()
        if step >= 2:
            expected_terms |= information
            expected_moves.add("over_prototypes.means")
        if step >= 5:
            expected_terms |= {"kmeans", "sliced_wasserstein", "unvisited_steps"}
            expected_moves.add("model.prototypes.means")
        assert values.keys() == expected_terms
        assert moved == expected_moves
        assert all(torch.isfinite(value) and not value.requires_grad for value in values.values())


def test_prototypes_start_from_kmeans_where_there_is_no_reclustering() -> None:
    method = a_training(TUSKOptions(clustering_from=0.5))
    before = method.model.prototypes.means.detach().clone()
    assert not any(method.before_step(step, Blobs()) for step in (0, 4, 6, 9))
    assert torch.equal(method.model.prototypes.means, before)
    assert method.before_step(5, Blobs()).keys() == {"position_information"}
    assert not torch.equal(method.model.prototypes.means, before)
    assert a_training().before_step(0, Blobs()) == {}  # as published: where chance put them


def test_scenes_that_prototypes_restart_from_are_drawn_apart_from_every_steps_own_draws() -> None:
    options = replace(EVERYTHING, clustering_from=0.2, recluster_at=(0.5, 0.8), recluster_scenes=12)
    method, data, asked = a_training(options, config=LITE_MODEL), Blobs(), {}
    for step in (2, 5, 8):
        data.asked.clear()
        method.before_step(step, data)
        asked[step] = list(data.asked)
        assert len(set(asked[step])) == len(asked[step]) == 12
    assert len(set(map(tuple, asked.values()))) == 3
    for step in range(10):
        own = torch.randperm(24, generator=step_generator(0, step))[:12].tolist()
        assert own not in asked.values()


# Draws


def steps_of(method: TUSKTraining, numbers: list[int]) -> dict[str, Tensor]:
    optimizers = method.optimizers()
    for number in numbers:
        method.training_step(a_batch(number), optimizers)
    return method.state_dict()


def test_seed_and_step_fix_every_draw() -> None:
    torch.manual_seed(1)
    first = steps_of(a_training(EVERYTHING), [0, 1])
    torch.manual_seed(2)
    torch.rand(3)
    state = torch.get_rng_state()
    second = steps_of(a_training(EVERYTHING), [0, 1])
    assert torch.equal(torch.get_rng_state(), state)  # nothing is drawn from the global generator
    assert all(torch.equal(first[name], second[name]) for name in first)
    for other in (steps_of(a_training(EVERYTHING), [0, 2]), steps_of(a_training(EVERYTHING, seed=1), [0, 1])):
        assert not torch.equal(first["model.encoder.out.weight"], other["model.encoder.out.weight"])
        assert not torch.equal(first["model.prototypes.means"], other["model.prototypes.means"])


def test_generators_of_other_steps_and_seeds_differ() -> None:
    draws = {float(torch.rand(1, generator=step_generator(seed, step))) for seed in range(20) for step in range(50)}
    assert len(draws) > 990  # of 1,000 floats, hardly two are alike


# What goes wrong


@pytest.mark.parametrize("term", ["reconstruction", "background", "kmeans"])
def test_a_loss_that_is_not_finite_is_named_and_changes_no_weight(term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method = a_training(EVERYTHING)
    optimizers = method.optimizers()
    method.training_step(a_batch(0), optimizers)
    before = weights(method, prototypes=False)
    moments = [tensor.clone() for tensor in adam_moments(optimizers["network"])]
    terms = method.loss_terms

    def broken(*arguments: object) -> dict[str, Tensor]:
        values = terms(*arguments)
        return values | {term: values[term] * float("inf")}

    monkeypatch.setattr(method, "loss_terms", broken)
    with pytest.raises(NonFiniteLoss, match=f"^step 1: {term} is not finite$"):
        method.training_step(a_batch(1), optimizers)
    assert all(torch.equal(before[name], tensor) for name, tensor in weights(method, prototypes=False).items())
    assert all(map(torch.equal, moments, adam_moments(optimizers["network"])))


def adam_moments(optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    for state in optimizer.state.values():
        yield from (state["exp_avg"], state["exp_avg_sq"], state["step"])


def test_a_gradient_that_is_not_finite_changes_no_weight() -> None:
    method = a_training()
    before = weights(method, prototypes=False)
    method.model.decoder.out.weight.register_hook(lambda gradient: gradient / 0)
    with pytest.raises(NonFiniteLoss, match=r"^step 4: the gradient is not finite$"):
        method.training_step(a_batch(4), method.optimizers())
    assert all(torch.equal(before[name], tensor) for name, tensor in weights(method, prototypes=False).items())


def test_a_heatmap_that_is_not_finite_changes_nothing() -> None:
    method = a_training(EVERYTHING, config=LITE_MODEL)
    state = {name: tensor.clone() for name, tensor in method.state_dict().items()}
    with pytest.raises(NonFiniteLoss, match=r"^step 6: the heatmap is not finite$"):
        method.training_step(a_batch(6, IMAGES * float("nan")), method.optimizers())
    assert all(torch.equal(state[name], tensor) for name, tensor in method.state_dict().items())


# Learning


def test_the_ci_recipe_learns_to_draw() -> None:
    preset = get_preset("mnist-hard", "ci")
    method = a_training(preset.training, steps=30, config=replace(preset.model, keypoints=5, prototypes=3, width=16))
    optimizers, data = method.optimizers(), Blobs(32)
    values = []
    for step in range(30):
        method.train()
        method.before_step(step, data)
        values.append(method.training_step(a_batch(step, data.images[step % 4 :: 4]), optimizers))
    reconstruction = [float(value["reconstruction"]) for value in values]
    assert np.mean(reconstruction[-5:]) < 0.8 * np.mean(reconstruction[:5])
    assert all(math.isfinite(float(number)) for value in values for number in value.values())
    assert values[-1].keys() >= {"information", "neighbour_information", "sliced_wasserstein"}
    output = method.eval().model(data.images)
    assert F.mse_loss(output.reconstruction, data.images) < F.mse_loss(torch.full_like(data.images, 0.5), data.images)


def test_bfloat16_networks_give_float32_losses() -> None:
    method = a_training(EVERYTHING, config=LITE_MODEL)
    method.precision = torch.bfloat16
    kinds = []
    method.model.encoder.out.register_forward_hook(lambda _, __, output: kinds.append(output.dtype))
    values = method.training_step(a_batch(0), method.optimizers())
    assert kinds == [torch.bfloat16]
    full = a_training(EVERYTHING, config=LITE_MODEL)
    expected = full.training_step(a_batch(0), full.optimizers())
    assert values["reconstruction"].dtype == torch.float32
    torch.testing.assert_close(values["reconstruction"], expected["reconstruction"], atol=0.02, rtol=0.02)


def test_points_are_found_in_float32_at_any_precision() -> None:
    method = a_training(EVERYTHING, config=LITE_MODEL)
    method.precision = torch.bfloat16
    views = method.two_views(IMAGES, step_generator(0, 0))
    assert views.heatmap.dtype == views.keypoints.xy.dtype == views.descriptors.dtype == torch.float32
    exact = method.model.detect(views.heatmap.double())
    torch.testing.assert_close(views.keypoints.xy.double(), exact.xy, atol=1e-6, rtol=0)
    assert torch.equal(views.keypoints.index, exact.index)


def test_what_makes_a_run_the_same_run() -> None:
    base = a_training().identity()
    assert base == a_training().identity()
    others = (a_training(steps=11), a_training(seed=1), a_training(EVERYTHING), a_training(config=LITE_MODEL))
    assert all(other.identity() != base for other in others)


# Wrong input


@pytest.mark.parametrize(
    ("option", "error", "complaint"),
    [
        ({"reconstruction": 0.0}, ValueError, "reconstruction: 0.0 was given; allowed is a finite number above 0"),
        *[({name: -0.1}, ValueError, f"{name}: -0.1 was given; allowed is a finite number of at") for name in TERMS],
        ({"kmeans": float("nan")}, ValueError, "kmeans: nan was given"),
        ({"background": "much"}, TypeError, "background: 'much' was given; allowed is a number"),
        ({"kmeans_inverse_temperature": 0.0}, ValueError, "kmeans_inverse_temperature: 0.0 was given"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate: 0.0 was given"),
        ({"prototype_learning_rate": -1.0}, ValueError, "prototype_learning_rate: -1.0 was given"),
        ({"inverse_temperature": 0.0}, ValueError, "inverse_temperature: 0.0 was given"),
        ({"count_momentum": 1.1}, ValueError, "count_momentum: 1.1 was given; .* at most 1"),
        ({"clustering_from": -0.1}, ValueError, "clustering_from: -0.1 was given"),
        ({"decode_share": 1.5}, ValueError, "decode_share: 1.5 was given"),
        ({"recluster_at": (0.5, 1.5)}, ValueError, "recluster_at: 1.5 was given"),
        ({"recluster_at": (0.2,), "clustering_from": 0.3}, ValueError, "recluster_at: 0.2 was given; .* at least 0.3"),
        ({"recluster_at": 0.5}, TypeError, "recluster_at: 0.5 was given; allowed is a tuple of numbers"),
        ({"recluster_at": ("half",)}, TypeError, "recluster_at: 'half' was given; allowed is a number"),
        ({"projections": 0}, ValueError, "projections: 0 was given"),
        ({"memory": 0}, ValueError, "memory: 0 was given"),
        ({"recluster_scenes": 0}, ValueError, "recluster_scenes: 0 was given"),
        ({"prototype_steps": -1}, ValueError, "prototype_steps: -1 was given"),
        ({"over_prototype_steps": 1.5}, TypeError, "over_prototype_steps: 1.5 was given"),
        ({"over_prototypes": -2}, ValueError, "over_prototypes: -2 was given"),
        ({"background_window": 6}, ValueError, "background_window: 6 was given; allowed is an odd integer"),
        ({"warp": "gentle"}, ValueError, "warp: 'gentle' was given; allowed are 'thewlis-faces-g1', .*'tusk-mnist'"),
        ({"warp": None}, ValueError, "warp: None was given"),
        ({"information_sets": "fine"}, ValueError, "information_sets: 'fine' was given; allowed are 'both', 'over'"),
        ({"information_sets": "over"}, ValueError, "information_sets: 'over' was given without over_prototypes"),
    ],
)
def test_wrong_options_are_refused(option: dict, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        TUSKOptions(**option)


def test_wrong_lengths_and_seeds_are_refused() -> None:
    with pytest.raises(ValueError, match="steps: 0 was given; allowed is an integer of at least 1"):
        a_training(steps=0)
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match=f"seed: {seed} was given; allowed is an integer from 0 to 4294967295"):
            a_training(seed=seed)
    with pytest.raises(TypeError, match=r"steps: 2\.5 was given"):
        a_training(steps=2.5)
