"""Progress of a training as it is written to its log: a bar in a terminal."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from tusklite.train.log import Record, read_record


def summary(record: Record, titles: Mapping[str, str]) -> str:
    """The figures of a record that a reader watches, in words.

    Args:
        record: of a log.
        titles: what to show, and how to call it (see `tusklite.experiments.Experiment.watched`).

    Example:
        >>> summary({"phase": "clustering", "reconstruction": 0.081, "sum": 1.0}, {"reconstruction": "recon"})
        'clustering · recon 0.081'
    """
    numbers = {name: value for name, value in record.items() if isinstance(value, int | float)}
    figures = [f"{title} {numbers[name]:.3f}" for name, title in titles.items() if name in numbers]
    return " · ".join([str(record.get("phase", "")), *figures]).strip(" ·")


class ProgressBar:
    """A tqdm bar that takes the records of a training: step, phase, the figures that are watched, time left.

    Args:
        titles: what to show, and how to call it.
        stream: where the bar is drawn; standard error where None.
    """

    def __init__(self, titles: Mapping[str, str], stream: TextIO | None = None) -> None:
        self._titles = titles
        self._stream = stream
        self._bar: Any = None
        self._latest: Record = {}

    def __call__(self, record: Record) -> None:
        """Show one record."""
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(
                total=record["of"],
                initial=record["step"],
                unit="step",
                file=self._stream,
                dynamic_ncols=True,
                bar_format="{percentage:3.0f}%|{bar:20}| step {n_fmt}/{total_fmt} [{elapsed}<{remaining}]{postfix}",
            )
        self._latest |= record
        self._bar.set_postfix_str(summary(self._latest, self._titles), refresh=False)
        self._bar.update(record["step"] - self._bar.n)

    def close(self) -> None:
        """Leave the bar as it is and end its line."""
        if self._bar is not None:
            self._bar.close()


@contextmanager
def follow_log(path: Path, show: Callable[[Record], None], every: float = 0.5) -> Iterator[None]:
    """Show the records that another process appends to a log, until the block ends.

    A training that goes on after a kill first writes its log anew, without what came after its checkpoint. A line that
    is no record is passed over.

    Args:
        path: the log, which need not exist yet.
        show: gets each record, once.
        every: seconds between looks.
    """
    done = threading.Event()

    def look() -> None:
        position, identity, shown = 0, None, set()
        while True:
            last_look = done.wait(every)
            try:
                with path.open("rb") as file:
                    if identity != os.fstat(file.fileno()).st_ino:
                        position, identity = 0, os.fstat(file.fileno()).st_ino
                    file.seek(position)
                    lines = file.read()
            except OSError:  # not there yet, or being renamed
                lines = b""
            whole = lines[: lines.rfind(b"\n") + 1]
            position += len(whole)
            for line in whole.splitlines():
                record = read_record(line)
                if record is not None and line not in shown:
                    shown.add(line)
                    show(record)
            if last_look:
                return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
