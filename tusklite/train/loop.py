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

import torch

from tusklite.arguments import require_number
from tusklite.data.base import ImageSource, require_source
from tusklite.data.loader import batches
from tusklite.methods.base import AnyTraining, Batch, Optimizers
from tusklite.train.checkpoints import load_checkpoint, save_checkpoint
from tusklite.train.devices import choose_device, device_name, peak_memory_mb
from tusklite.train.log import LOG, Record, append_record, trim_log
from tusklite.train.run_folder import owned_folder
from tusklite.train.schedule import Schedule

# What a checkpoint of this loop holds, so that one without a part is known for damaged.
PARTS = ("identity", "step", "seconds", "method", "optimizers", "random")


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
    log: list[Record]


class RunExists(ValueError):
    """A run folder has a checkpoint, and nobody said to go on from it; nothing of it was touched."""


class TrainingInterrupted(KeyboardInterrupt):
    """Training was asked to stop, and saved what it had; the message says how to go on."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


def fit(
    method: AnyTraining,
    data: ImageSource,
    schedule: Schedule,
    run_dir: str | os.PathLike[str],
    resume: bool = True,
    *,
    minutes: float | None = None,
    evaluate: Callable[[AnyTraining], dict[str, float]] | None = None,
    progress: Callable[[Record], None] | None = None,
) -> FitResult:
    """Train a method; called again on the same folder, go on where the last call ended.

    A run that is killed at any moment and resumed ends in the same weights, bit for bit on a CPU with the same number
    of threads: all that is drawn in a step depends on seed and step alone, and everything else is in the checkpoint.

    Args:
        method: what is trained, and how (see `tusklite.methods.base.Method`); it is moved to the device.
        data: the images to learn from. A run goes on only with a source of the same `identity()`.
        schedule: how long and how.
        run_dir: made if need be, and held while the training runs; has `log.jsonl` and the checkpoints.
        resume: go on from a checkpoint found in the folder; False refuses a folder that has one.
        minutes: stop after so many, with a checkpoint, the run unfinished.
        evaluate: gives figures to log every `evaluate_every` steps; gets the method in evaluation mode.
        progress: gets every record of the log as it is written, and at first the last one of a run that goes on.

    Returns:
        A `FitResult`; the method holds the trained weights, in evaluation mode.

    Raises:
        ValueError: a run folder that cannot be written, is in use, or is of another run; as `RunExists`, one that has
            a checkpoint that `resume` says not to use.
        TypeError: data that are no `ImageSource`.
        FileNotWritten: the disk is full, or the folder may not be written any more; the last checkpoint stays.
        NonFiniteLoss: a loss is NaN or infinite; the last good checkpoint stays.
        TrainingInterrupted: Ctrl-C or SIGTERM, after a checkpoint was saved.
    """
    if minutes is not None:
        require_number("minutes", minutes, open_low=True)
    device = choose_device(schedule.device)
    with owned_folder(run_dir) as folder:
        return _fit(method, data, schedule, folder, resume, device, minutes, evaluate, progress)


def _fit(
    method: AnyTraining,
    data: ImageSource,
    schedule: Schedule,
    run_dir: Path,
    resume: bool,
    device: torch.device,
    minutes: float | None,
    evaluate: Callable[[AnyTraining], dict[str, float]] | None,
    progress: Callable[[Record], None] | None,
) -> FitResult:
    """`fit` in a folder that is held."""
    identity = run_identity(method, data, schedule)
    method.to(device)
    optimizers = method.optimizers()
    full_rate = optimizers["network"].param_groups[0]["lr"]

    checkpoint = load_checkpoint(run_dir, device, PARTS)
    if checkpoint is not None and not resume:
        raise RunExists(f"run_dir: {run_dir} holds a run already; allowed are another folder, or resume=True to go on")
    step, seconds_before, memory_before = 0, 0.0, 0.0
    if checkpoint is not None:
        _restore(method, optimizers, checkpoint, identity, run_dir)
        step, seconds_before = checkpoint["step"], checkpoint["seconds"]
        memory_before = checkpoint.get("peak_memory_mb", 0.0)  # older checkpoints do not say
    records = trim_log(run_dir / LOG, step, finished=step == schedule.steps)
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
        state: Record = {"identity": identity, "step": step, "seconds": seconds(), "peak_memory_mb": memory()}
        state["method"] = method.state_dict()
        state["optimizers"] = {name: optimizer.state_dict() for name, optimizer in optimizers.items()}
        state["random"] = {"cpu": torch.get_rng_state()}
        if device.type == "cuda":
            state["random"]["cuda"] = torch.cuda.get_rng_state(device)
        save_checkpoint(run_dir, state)

    def write(record: Record) -> None:
        record = {"step": step, "of": schedule.steps, "seconds": round(seconds(), 2)} | record
        records.append(record)
        append_record(run_dir / LOG, record)
        if progress is not None:
            progress(record)

    drawn = batches(data, schedule.batch, schedule.seed, step, schedule.steps, schedule.workers)
    with _closed_at_the_end(drawn), _stop_signals() as stopped:
        while step < schedule.steps:
            method.train()
            event = method.before_step(step, data)
            if event:
                write({"event": event})
            for group in optimizers["network"].param_groups:
                group["lr"] = full_rate * schedule.rate(step) * method.rate_factor(step)
            indices, images = next(drawn)
            values = method.training_step(Batch(images.to(device), indices, step), optimizers)
            phase = method.phase(step)
            step += 1

            last = step == schedule.steps
            if last:
                method.eval()
                event = method.before_step(step, data)
                if event:
                    write({"event": event})
            record: Record = {}
            if step % schedule.log_every == 0 or last:
                record = {"phase": phase} | {name: round(float(value), 6) for name, value in values.items()}
            if evaluate is not None and (step % schedule.evaluate_every == 0 or last):
                method.eval()
                record |= {"phase": phase, **evaluate(method)}
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


def run_identity(method: AnyTraining, data: ImageSource, schedule: Schedule) -> Record:
    """All that decides what a training ends in, as a checkpoint keeps it: method, schedule and data.

    Raises:
        TypeError: data that are no `ImageSource`, or an identity that JSON cannot hold.
    """
    # What only says where, how often and how fast may change from one call to the next.
    free = {"device", "log_every", "checkpoint_every", "evaluate_every", "compile", "workers"}
    lasting = {name: value for name, value in asdict(schedule).items() if name not in free}
    require_source("data", data)
    identity = {"method": method.identity(), "schedule": lasting, "data": {"size": len(data)} | data.identity()}
    return json.loads(json.dumps(identity))  # lists in place of tuples, as a checkpoint gives it back


def _restore(method: AnyTraining, optimizers: Optimizers, checkpoint: Record, identity: Record, run_dir: Path) -> None:
    """Put a checkpoint's state back, after making sure that it is of this run."""
    there = checkpoint["identity"]
    if isinstance(there, dict) and isinstance(there.get("method"), dict):
        there = json.loads(json.dumps(there | {"method": method.completed(there["method"])}))
    differences = list(_differences(there, identity))
    if differences:
        raise ValueError(
            f"run_dir: {run_dir} holds a run with other settings ({'; '.join(differences)}); "
            "allowed are the same settings, or another folder"
        )
    try:
        if not 0 <= checkpoint["step"] <= identity["schedule"]["steps"] or checkpoint["seconds"] < 0:
            raise ValueError(f"step {checkpoint['step']} after {checkpoint['seconds']} seconds")
        method.load_state_dict(checkpoint["method"])
        for name, optimizer in optimizers.items():
            optimizer.load_state_dict(checkpoint["optimizers"][name])
        torch.set_rng_state(checkpoint["random"]["cpu"].cpu())
        if "cuda" in checkpoint["random"] and torch.cuda.is_available():
            torch.cuda.set_rng_state(checkpoint["random"]["cuda"].cpu())
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as reason:
        said = " ".join(str(reason).split())[:200]
        raise ValueError(
            f"run_dir: the checkpoint in {run_dir} is damaged, or of another version ({said}); allowed is a whole one. "
            "Nothing was changed: move the file away to start anew"
        ) from reason


def _differences(old: object, new: object, path: str = "") -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from _differences(old.get(name), new.get(name), f"{path}.{name}".lstrip("."))
    elif old != new:
        yield f"{path or 'identity'}: {old} there, {new} now"


@contextmanager
def _closed_at_the_end(drawn: Iterator[object]) -> Iterator[None]:
    """End what reads ahead, however the block ends."""
    try:
        yield
    finally:
        getattr(drawn, "close", lambda: None)()


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
