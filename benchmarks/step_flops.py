"""How many floating-point operations one outer step takes, to state the share of a card's peak that a run reached."""

from __future__ import annotations

import argparse

import torch
from torch.utils.flop_counter import FlopCounterMode

from tusklite.experiments import get_preset, new_training
from tusklite.methods.base import Batch


def main() -> None:
    """Count one step in the clustering phase, on random images, and print the figure per image as well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="lite")
    parser.add_argument("--batch", type=int, default=8, help="pairs in the batch that is counted")
    arguments = parser.parse_args()
    preset = get_preset("mnist-hard", arguments.preset, device="cpu")
    method = new_training(preset).train()
    images = torch.rand(arguments.batch, 1, 80, 80, generator=torch.Generator().manual_seed(0))
    indices = torch.arange(arguments.batch)
    with FlopCounterMode(display=False) as counter:
        method.training_step(Batch(images, indices, preset.schedule.steps - 1), method.optimizers())
    per_pair = counter.get_total_flops() / arguments.batch
    print(
        f"preset={arguments.preset} flops_per_step={per_pair * preset.schedule.batch:.3e} "
        f"batch={preset.schedule.batch} flops_per_pair={per_pair:.3e}"
    )


if __name__ == "__main__":
    main()
