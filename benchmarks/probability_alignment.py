"""Claim: Thewlis's eq. 6, factorised, takes a hundredth of the time of its four nested sums, and linear memory.

The rival is not a Python loop but the four sums as one tensor program, `probability_alignment_loss_naive`. Forward and
backward are measured together, with gradients for the probabilities and none for the warps, as in training.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from ratio import report, seconds_in_turn
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from tusklite.geometry import WARPS, random_tps
from tusklite.losses import probability_alignment_loss, probability_alignment_loss_naive

BATCH, LANDMARKS, SIZE = 16, 10, 40  # the batch of the lite preset
MEMORY_SIZES = (16, 32, 64)  # with a batch of 1; each has four times the pixels of the one before


def scene(batch: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return random probability maps of images and twins, `(B, K, H, W)` each, and the grid of the warps between."""
    generator = torch.Generator().manual_seed(size)
    logits = torch.randn(2, batch, LANDMARKS, size * size, generator=generator)
    probs, warped_probs = logits.softmax(dim=-1).unflatten(-1, (size, size))
    return probs, warped_probs, random_tps(batch, WARPS["thewlis-faces-g2"], generator).grid(size, size)


def with_gradients(
    loss: Callable[[Tensor, Tensor, Tensor], Tensor], probs: Tensor, warped_probs: Tensor, grid: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the loss and its gradients for both maps."""
    probs, warped_probs = probs.detach().requires_grad_(), warped_probs.detach().requires_grad_()
    value = loss(probs, warped_probs, grid)
    return value.detach(), *torch.autograd.grad(value, (probs, warped_probs))


def peak_bytes(function: Callable[[], object]) -> int:
    """Return by how much the memory that torch holds grew at most while the function ran."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        function()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    changes = sorted((event for event in events if event["name"] == "[memory]"), key=lambda event: event["ts"])
    held = torch.tensor([event["args"]["Bytes"] for event in changes]).cumsum(dim=0)
    return int(held.max())


def main() -> None:
    """Check value and gradients, then time both in turn, then compare their peaks of memory at three sizes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="on a busy machine, several wait for each other")
    torch.set_num_threads(parser.parse_args().threads)

    def ours(maps: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, ...]:
        return with_gradients(probability_alignment_loss, *maps)

    def rival(maps: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, ...]:
        return with_gradients(probability_alignment_loss_naive, *maps)

    maps = scene(BATCH, SIZE)
    torch.testing.assert_close(ours(maps), rival(maps), atol=1e-5, rtol=1e-5)
    seconds = seconds_in_turn(partial(ours, maps), partial(rival, maps), repeats=11, warmup=2)
    report("probability_alignment", *seconds, "nested-sums")

    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # or the profiler reports each start and stop on stderr
    peaks = []  # in MiB
    for size in MEMORY_SIZES:
        maps_of_one = scene(1, size)
        peaks.append([peak_bytes(partial(function, maps_of_one)) / 2**20 for function in (ours, rival)])
    report("probability_alignment_memory", *peaks[-1], "nested-sums")
    for name, mebibytes in zip(("ours", "rival"), zip(*peaks, strict=True), strict=True):
        steps = ", ".join(f"{size}x{size}: {peak:.3f} MiB" for size, peak in zip(MEMORY_SIZES, mebibytes, strict=True))
        print(f"  {name}: {steps}; {mebibytes[-1] / mebibytes[0]:.1f} times as much for 16 times the pixels")


if __name__ == "__main__":
    main()
