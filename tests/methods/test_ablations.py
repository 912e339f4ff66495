"""Ways of training that tables 4 and 6 rule out: rivals of eq. 2, and a single stage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from tusklite.methods.base import Batch, step_generator
from tusklite.methods.tusk import TUSK, TUSKConfig, TUSKOptions, TUSKTraining

ot = pytest.importorskip("ot", reason="POT is not installed")

CONFIG = TUSKConfig(
    keypoints=3, prototypes=4, descriptor_channels=8, width=8, levels=2, groups=4, window=5, stem=2, standardize=True
)
OPTIONS = TUSKOptions(feature_equivariance=1.0, projections=30, prototype_steps=3)
IMAGES = torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(0))
BATCH = Batch(IMAGES, torch.arange(4), 0)
SINGLE_STAGE = {"prototype_gradient": True, "prototype_steps": 0, "transport": 0.1}


def training(**changes: object) -> TUSKTraining:
    torch.manual_seed(0)
    return TUSKTraining(TUSK(CONFIG), replace(OPTIONS, **changes), steps=10).train()


def points(count: int = 50) -> torch.Tensor:
    drawn = torch.randn(count, 8, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.normalize(drawn, dim=1)


@pytest.mark.parametrize("rival", ["kmeans", "vector-quantization"])
def test_the_rivals_of_transport_lessen_the_inertia(rival: str) -> None:
    method, descriptors = training(prototype_loss=rival), points()
    means = method.model.prototypes.means
    squared = cdist(descriptors.numpy(), means.detach().numpy(), "sqeuclidean")
    generator = torch.Generator().manual_seed(0)
    distance = method.prototype_distance(method.model.prototypes, descriptors, generator)
    assert distance.item() == pytest.approx(squared.min(axis=1).mean(), rel=1e-5)
    # A prototype is pulled to the mean of what it wins, and one that wins nothing is left where it is.
    (slope,) = torch.autograd.grad(distance, means)
    nearest = squared.argmin(axis=1)
    for number in range(4):
        won = descriptors[torch.from_numpy(nearest == number)]
        wanted = 2 * (means[number] - won).sum(dim=0) / len(descriptors)
        torch.testing.assert_close(slope[number], wanted.detach(), atol=1e-6, rtol=1e-4)


def test_their_steps_move_the_prototypes_and_nothing_else() -> None:
    for rival in ("sliced-wasserstein", "kmeans", "vector-quantization"):
        method = training(prototype_loss=rival)
        before = {name: value.clone() for name, value in method.model.state_dict().items()}
        optimizer = method.optimizers()["prototypes"]
        method.prototype_steps(points(), 0, optimizer, torch.Generator().manual_seed(0))
        moved = {name for name, value in method.model.state_dict().items() if not torch.equal(value, before[name])}
        assert moved == {"prototypes.means", "prototypes.weights"}
        torch.testing.assert_close(method.model.prototypes.means.norm(dim=1), torch.ones(4))


def test_a_decoder_behind_a_code_book_sees_prototypes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    method, decoded = training(prototype_loss="vector-quantization"), []
    decode = method.model.decode

    def watch(xy, score, descriptors, *more):
        decoded.append(descriptors)
        return decode(xy, score, descriptors, *more)

    monkeypatch.setattr(method.model, "decode", watch)
    views = method.two_views(IMAGES, torch.Generator().manual_seed(0))
    method.reconstruction_term(views, 0).backward()
    (seen,) = decoded
    flat, means = views.descriptors.detach().flatten(0, 1).numpy(), method.model.prototypes.means.detach().numpy()
    nearest = means[cdist(flat, means).argmin(axis=1)]
    np.testing.assert_allclose(seen.detach().flatten(0, 1).numpy(), nearest, atol=1e-6)
    # What comes back is handed straight through to the encoder; the code book gets nothing of it.
    assert any(weight.grad is not None and weight.grad.any() for weight in method.model.encoder.parameters())
    assert method.model.prototypes.means.grad is None


def test_commitment_draws_descriptors_to_their_prototype_and_has_its_weight() -> None:
    method = training(prototype_loss="vector-quantization", commitment=0.5, kmeans=0.0)
    seen = method.see(BATCH, step_generator(0, 0))
    terms = method.loss_terms(seen, 0)
    flat = seen.clustered.detach().numpy()
    inertia = cdist(flat, method.model.prototypes.means.detach().numpy(), "sqeuclidean").min(axis=1).mean()
    assert terms["commitment"].item() == pytest.approx(inertia, rel=1e-5)
    (slope,) = torch.autograd.grad(terms["commitment"], method.model.prototypes.means, allow_unused=True)
    assert slope is None
    assert "commitment" not in training(prototype_loss="vector-quantization", commitment=0.0).loss_terms(seen, 0)
    assert "commitment" not in training().loss_terms(seen, 0)


def test_the_term_of_transport_is_the_distance_of_pot_and_pulls_at_both_ends() -> None:
    method = training(**SINGLE_STAGE)
    descriptors = points(24).requires_grad_()
    term = method.terms_of_prototypes(descriptors, 3)["transport"]
    generator = step_generator(0, 3 + 2 * 10 + 1)
    from tusklite.losses import random_projections

    projections = random_projections(30, 8, generator)
    sample = method.model.prototypes.sample(24, generator)
    theirs = ot.sliced_wasserstein_distance(sample, descriptors, projections=projections.T)
    assert term.item() == pytest.approx(theirs.item() ** 2, rel=1e-4)
    for slope in torch.autograd.grad(term, (descriptors, method.model.prototypes.means)):
        assert slope.abs().sum() > 0


def test_in_a_single_stage_one_optimiser_moves_all_and_in_turns_eq_3_leaves_prototypes_alone() -> None:
    for changes, moved in (({"prototype_steps": 0}, False), (SINGLE_STAGE, True)):
        method = training(**changes)
        before = method.model.prototypes.means.detach().clone()
        optimizers = method.optimizers()
        assert (set(optimizers) == {"network"}) == moved
        values = method.training_step(BATCH, optimizers)
        assert ("transport" in values) == moved
        assert torch.equal(method.model.prototypes.means, before) != moved
    torch.testing.assert_close(method.model.prototypes.means.norm(dim=1), torch.ones(4))


def test_a_single_stage_goes_the_same_way_twice() -> None:
    ends = []
    for _ in range(2):
        method = training(**SINGLE_STAGE)
        optimizers = method.optimizers()
        for step in range(3):
            method.training_step(BATCH._replace(step=step), optimizers)
        ends.append(method.model.state_dict())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prototype_loss": "sinkhorn"}, "prototype_loss: 'sinkhorn' was given; allowed are"),
        ({"commitment": -1.0}, "commitment: -1.0 was given; allowed is a finite number of at least 0"),
        ({"transport": float("nan")}, "transport: nan was given"),
    ],
)
def test_what_is_no_option_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(OPTIONS, **change)
