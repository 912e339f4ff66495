"""One loop for all methods: device, learning rate, log, checkpoints, and going on where a run was cut off."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from tusklite.arguments import require_number
from tusklite.data.loader import batch_indices
from tusklite.files import writable_folder, write_aside
from tusklite.train.checkpoints import load_checkpoint, save_checkpoint
from tusklite.train.devices import choose_device, device_name, peak_memory_mb
from tusklite.train.schedule import Schedule

__all__ = [
    "FitResult",
    "Schedule",
    "TrainingInterrupted",
    "choose_device",
    "fit",
    "load_checkpoint",
    "save_checkpoint",
]

LOG = "log.jsonl"


class Method(Protocol):
    """What `fit` asks of a method: a `torch.nn.Module` with these parts."""

    precision: torch.dtype

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Optimisers by name; the learning rate of the one called "network" follows the schedule."""

    def before_step(self, step: int, data: object) -> dict[str, object]:
        """Whatever happens once, at certain steps; what it returns is logged."""

    def training_step(
        self, images: Tensor, step: int, optimizers: dict[str, torch.optim.Optimizer]
    ) -> dict[str, Tensor]:
        """One step on a batch of images; the scalars it returns are logged."""

    def phase(self, step: int) -> str:
        """Name of the part of the training that a step belongs to."""

    def identity(self) -> dict[str, object]:
        """Everything that must be the same for a checkpoint to be of this run."""


@dataclass(frozen=True)
class FitResult:
    """What a call of `fit` leaves behind.

    Attributes:
        step: steps done so far.
        finished: whether that is all of them.
        seconds: training wall-clock, all calls together.
        device: name of the device and number of threads.
        peak_memory_mb: most memory held in any of the calls: of the process on a CPU, of the card on CUDA.
        log: the records of the log, from the first step on.
    """

    step: int
    finished: bool
    seconds: float
    device: str
    peak_memory_mb: float
    log: list[dict[str, object]]


class TrainingInterrupted(KeyboardInterrupt):
    """Training was asked to stop, and saved what it had; the message says how to go on."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


def fit(
    method: Method,
    data: object,
    schedule: Schedule,
    run_dir: str | os.PathLike,
    resume: bool = True,
    *,
    minutes: float | None = None,
    evaluate: Callable[[Method], dict[str, float]] | None = None,
    progress: Callable[[dict[str, object]], None] | None = None,
) -> FitResult:
    """Train a method; called again on the same folder, go on where the last call ended.

    A run that is killed at any moment and resumed ends in the same weights, bit for bit on a CPU with the same number
    of threads: all that is drawn in a step depends on seed and step alone, and everything else is in the checkpoint.

    Args:
        method: a module with the parts of `Method`; it is moved to the device.
        data: `len(data)` images; `data.scenes(indices).image` gives `(B, C, H, W)` on any device. Where there is a
            `data.describe()`, a run goes on only with the same source and checksum.
        schedule: how long and how.
        run_dir: made if need be; holds `log.jsonl` and the checkpoints.
        resume: go on from a checkpoint found in the folder; False refuses a folder that has one.
        minutes: stop after so many, with a checkpoint, the run unfinished.
        evaluate: gives figures to log every `evaluate_every` steps; gets the method in evaluation mode.
        progress: gets every record of the log as it is written, and at first the last one of a run that goes on.

    Returns:
        A `FitResult`; the method holds the trained weights, in evaluation mode.

    Raises:
        ValueError: a run folder that cannot be written, is of another run, or has a checkpoint that `resume`
            says not to use.
        NonFiniteLoss: a loss is NaN or infinite; the last good checkpoint stays.
        TrainingInterrupted: Ctrl-C or SIGTERM, after a checkpoint was saved.
    """
    run_dir = writable_folder(run_dir)
    if minutes is not None:
        require_number("minutes", minutes, open_low=True)
    device = choose_device(schedule.device)
    method.to(device)
    optimizers = method.optimizers()
    full_rate = optimizers["network"].param_groups[0]["lr"]
    identity = {"method": method.identity(), "schedule": _schedule_identity(schedule), "data": _data_identity(data)}
    identity = json.loads(json.dumps(identity))  # as a checkpoint gives it back: lists in place of tuples

    checkpoint = load_checkpoint(run_dir, device)
    if checkpoint is not None and not resume:
        raise ValueError(f"run_dir: {run_dir} holds a run already; allowed are another folder, or resume=True to go on")
    step, seconds_before, memory_before = 0, 0.0, 0.0
    if checkpoint is not None:
        _restore(method, optimizers, checkpoint, identity, run_dir)
        step, seconds_before = checkpoint["step"], checkpoint["seconds"]
        memory_before = checkpoint.get("peak_memory_mb", 0.0)  # older checkpoints do not say
    records = _trim_log(run_dir / LOG, step)
    if records and progress is not None:
        progress(records[-1])  # a run that goes on shows at once how far it had come

    method.precision = getattr(torch, schedule.precision)
    if schedule.compile:
        method.compile_networks()
    start = time.monotonic()

    def seconds() -> float:
        return seconds_before + time.monotonic() - start

    def memory() -> float:
        return max(memory_before, peak_memory_mb(device))

    def save() -> None:
        state = {"identity": identity, "step": step, "seconds": seconds(), "peak_memory_mb": memory()}
        state["method"] = method.state_dict()
        state["optimizers"] = {name: optimizer.state_dict() for name, optimizer in optimizers.items()}
        state["random"] = {"cpu": torch.get_rng_state()}
        if device.type == "cuda":
            state["random"]["cuda"] = torch.cuda.get_rng_state(device)
        save_checkpoint(run_dir, state)

    with (run_dir / LOG).open("a", encoding="utf-8") as log, _stop_signals() as stopped:

        def write(record: dict[str, object]) -> None:
            record = {"step": step, "of": schedule.steps, "seconds": round(seconds(), 2)} | record
            records.append(record)
            log.write(json.dumps(record) + "\n")
            log.flush()
            if progress is not None:
                progress(record)

        while step < schedule.steps:
            method.train()
            event = method.before_step(step, data)
            if event:
                write({"event": event})
            for group in optimizers["network"].param_groups:
                group["lr"] = full_rate * schedule.rate(step)
            indices = batch_indices(len(data), schedule.batch, step, schedule.seed)
            images = data.scenes(indices).image.to(device)
            values = method.training_step(images, step, optimizers)
            phase = method.phase(step)
            step += 1

            last = step == schedule.steps
            record: dict[str, object] = {}
            if step % schedule.log_every == 0 or last:
                record = {"phase": phase} | {name: round(float(value), 6) for name, value in values.items()}
            if evaluate is not None and (step % schedule.evaluate_every == 0 or last):
                method.eval()
                record |= {"phase": phase} | evaluate(method)
            if record:
                write(record)
            out_of_time = minutes is not None and time.monotonic() - start >= 60 * minutes
            if last or stopped or out_of_time or step % schedule.checkpoint_every == 0:
                save()
            if stopped:
                name = signal.Signals(stopped[0]).name
                raise TrainingInterrupted(
                    f"{name} at step {step} of {schedule.steps}: saved in {run_dir}. "
                    "The same call on the same folder with resume (--resume on the command line) goes on from here.",
                    stopped[0],
                )
            if out_of_time:
                break
    method.eval()
    return FitResult(step, step == schedule.steps, seconds(), device_name(device), memory(), records)


def _schedule_identity(schedule: Schedule) -> dict[str, object]:
    """What of a schedule must stay the same for a run to go on as it began."""
    free = {"device", "log_every", "checkpoint_every", "evaluate_every", "compile"}
    return {name: value for name, value in asdict(schedule).items() if name not in free}


def _data_identity(data: object) -> dict[str, object]:
    """What of the data must stay the same: their number, and where they come from if they say so."""
    described = data.describe() if hasattr(data, "describe") else {}
    return {"size": len(data)} | {name: described[name] for name in ("source", "sha256") if name in described}


def _restore(method: Method, optimizers: dict, checkpoint: dict, identity: dict, run_dir: Path) -> None:
    """Put a checkpoint's state back, after making sure that it is of this run."""
    differences = list(_differences(checkpoint["identity"], identity))
    if differences:
        raise ValueError(
            f"run_dir: {run_dir} holds a run with other settings ({'; '.join(differences)}); "
            "allowed are the same settings, or another folder"
        )
    method.load_state_dict(checkpoint["method"])
    for name, optimizer in optimizers.items():
        optimizer.load_state_dict(checkpoint["optimizers"][name])
    torch.set_rng_state(checkpoint["random"]["cpu"].cpu())
    if "cuda" in checkpoint["random"] and torch.cuda.is_available():
        torch.cuda.set_rng_state(checkpoint["random"]["cuda"].cpu())


def _differences(old: object, new: object, path: str = "") -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from _differences(old.get(name), new.get(name), f"{path}.{name}".lstrip("."))
    elif old != new:
        yield f"{path}: {old} there, {new} now"


def _trim_log(path: Path, step: int) -> list[dict[str, object]]:
    """Read the log up to a step and drop what a killed run had written beyond its checkpoint."""
    records = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                break  # the line that a kill cut off
            if record["step"] > step or (record["step"] == step and "event" in record):
                break
            records.append(record)
        kept = "".join(json.dumps(record) + "\n" for record in records)
        write_aside(path, lambda partial: partial.write_text(kept, encoding="utf-8"))
    return records


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """Collect the first Ctrl-C or SIGTERM, so that a step can end; a second one acts as it always does."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received  # only the main thread may set handlers
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: object) -> None:
        received.append(number)
        for each, handler in handlers.items():
            signal.signal(each, handler)

    for number in handlers:
        signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
