"""Drawn scenes kept in files: drawn once, in pieces, and read by index through memory-mapped arrays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor
from tqdm import tqdm

from tusklite.files import writable_folder, write_aside, write_json

PIECE = 500  # scenes a file: what is lost at most where a start is cut off; every file that is read stays open
STRIDE = 64  # scenes from one move of the bar to the next


class Drawn(Protocol):
    """Scenes as they are kept: image uint8 (B, 3, H, W), segments uint8 (B, H, W), attempt int64 (B,)."""

    @property
    def image(self) -> Tensor:
        """The pictures."""
        ...

    @property
    def segments(self) -> Tensor:
        """Which object each pixel shows."""
        ...

    @property
    def attempt(self) -> Tensor:
        """Which layout of the scene it is."""
        ...


class SceneCache:
    """Scenes 0 to `size` - 1 in files of 500, in a folder of their own named by a hash of what they are.

    A file is written aside and renamed once it is whole, so what is there is never half of a piece. While one process
    draws a piece the others wait for it, and then read it.

    Args:
        folder: in which the scenes' own folder lies.
        identity: plain JSON values that decide what scene i looks like; other values, another folder.
        size: how many scenes are wanted.
        image_size: H and W.

    Raises:
        ValueError: a folder that cannot be made or written.
    """

    def __init__(self, folder: Path, identity: dict[str, object], size: int, image_size: int) -> None:
        name = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
        self.folder = writable_folder(folder / f"{identity['kind']}-{name}", "cache")
        self.size = size
        pixels = (image_size, image_size)
        self._dtype = np.dtype([("image", "u1", (3, *pixels)), ("segments", "u1", pixels), ("attempt", "<u2")])
        self._pieces: dict[int, np.ndarray] = {}
        if not (self.folder / "identity.json").exists():
            with self._lock():
                write_json(self.folder / "identity.json", identity)

    def fill(self, draw: Callable[[Tensor], Drawn], progress: bool = True) -> None:
        """Draw all pieces that are not there yet.

        Args:
            draw: gives scenes by their indices, int64 (B,).
            progress: whether to show a bar.

        Raises:
            ValueError: a piece that is there and damaged.
            tusklite.files.FileNotWritten: a full disk, say. What was drawn before is kept.
        """
        missing = [rows for rows in self._ranges() if not self._path(rows).exists()]
        done = self.size - sum(map(len, missing))
        with tqdm(
            total=self.size, initial=done, unit="scene", desc="drawing", disable=not (progress and missing)
        ) as bar:
            for rows in missing:
                with self._lock():
                    if self._path(rows).exists():
                        bar.update(len(rows))
                    else:
                        write_aside(self._path(rows), partial(_save, records=self._records(rows, draw, bar)))

    def read(self, indices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scenes by their indices (B,): image uint8 (B, 3, H, W), segments uint8 (B, H, W), attempt int64 (B,).

        Raises:
            ValueError: a piece that is missing or damaged; the message names the file.
        """
        records = np.empty(len(indices), self._dtype)
        for place, index in enumerate(indices.tolist()):
            records[place] = self._piece(index // PIECE)[index % PIECE]
        attempt = records["attempt"].astype(np.int64)
        image, segments = (torch.from_numpy(np.ascontiguousarray(records[name])) for name in ("image", "segments"))
        return image, segments, torch.from_numpy(attempt)

    def _ranges(self) -> Iterator[range]:
        return (range(first, min(first + PIECE, self.size)) for first in range(0, self.size, PIECE))

    def _path(self, rows: Sequence[int]) -> Path:
        return self.folder / f"{rows[0]:08d}-{rows[-1]:08d}.npy"

    def _lock(self) -> FileLock:
        return FileLock(self.folder / "lock")

    def _records(self, rows: range, draw: Callable[[Tensor], Drawn], bar: tqdm) -> np.ndarray:
        records = np.empty(len(rows), self._dtype)
        for first in range(0, len(rows), STRIDE):
            some = rows[first : first + STRIDE]
            drawn = draw(torch.tensor(some))
            for name in ("image", "segments", "attempt"):
                records[name][first : first + len(some)] = getattr(drawn, name).numpy(force=True)
            bar.update(len(some))
        return records

    def _piece(self, number: int) -> np.ndarray:
        """Piece `number` as it lies in its file."""
        if number not in self._pieces:
            first = number * PIECE
            rows = range(first, min(first + PIECE, self.size))
            path = self._path(rows)
            try:
                piece = np.load(path, mmap_mode="r")
            except (OSError, ValueError, EOFError) as reason:
                raise ValueError(
                    f"{path}: missing or damaged ({reason}); take it away, and it is drawn anew"
                ) from reason
            if piece.dtype != self._dtype or piece.shape != (len(rows),):
                raise ValueError(
                    f"{path}: holds no {len(rows)} scenes of this kind; take it away, and it is drawn anew"
                )
            self._pieces[number] = piece
        return self._pieces[number]


def _save(path: Path, records: np.ndarray) -> None:
    with path.open("wb") as file:  # `np.save` would add .npy to a name
        np.save(file, records)
