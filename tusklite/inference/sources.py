"""What a user points at: folders, zip files, globs, pictures and videos, as one stream of files to read."""

from __future__ import annotations

import glob
import io
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from tusklite.data.pictures import SHOWN_SUFFIXES as PICTURES

VIDEOS = (
    *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv", ".ts", ".mts", ".3gp"),
)
LARGEST_PACKED = 2**30  # bytes of a file in a zip file, unpacked: a small one may claim to be a thousand times as large
HELD = 2**24  # bytes of it that are held in memory; what is longer goes to a temporary file


class Skipped(ValueError):
    """A file that is passed over; the message names it and says why.

    Attributes:
        kind: why, in a word or two.
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class Source(NamedTuple):
    """A file to look at.

    Attributes:
        name: what results call it: below a folder or a zip file its path there, with forward slashes; else the path as
            it was given.
        path: where it lies; of what is packed, the zip file.
        member: which one of the zip file; None of a file that is not packed.
        video: whether its name is that of a video.
    """

    name: str
    path: Path
    member: zipfile.ZipInfo | None = None
    video: bool = False

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The file, open; of what is packed an unpacked copy, which is gone afterwards.

        Raises:
            Skipped: it cannot be opened, or nothing is in it.
        """
        try:
            if self.member is None:
                if not self.path.is_file():
                    self.path.stat()  # which says what is wrong where nothing is there
                    raise Skipped(f"{self.name}: no regular file", "cannot be read")
                file: BinaryIO = self.path.open("rb")
            else:
                file = _unpacked(self.path, self.member, self.name)
        except Skipped:
            raise
        except Exception as reason:  # whatever a damaged zip file leads its many unpackers to
            said = getattr(reason, "strerror", None) or reason
            raise Skipped(f"{self.name}: cannot be read ({said})", "cannot be read") from reason
        with file:
            if not file.seek(0, os.SEEK_END):
                raise Skipped(f"{self.name}: empty", "empty")
            file.seek(0)
            yield file


class Sources(NamedTuple):
    """What was found.

    Attributes:
        files: sorted by name in each place.
        others: how many files are of other kinds, by the ends of their names.
        refused: what could not be looked into, a line each.
    """

    files: list[Source]
    others: dict[str, int]
    refused: list[Skipped]


def find_sources(inputs: Sequence[str | os.PathLike[str]], apart_from: Path | None = None) -> Sources:
    """The pictures and videos in folders and zip files, of globs, and those that are named.

    Below folders and in zip files, files are chosen by their names' ends; what begins with a dot is passed over, and
    so is `__MACOSX`. Links to folders are not followed. A file that is named is tried, whatever it is called.

    Args:
        inputs: folders, zip files, pictures, videos, and globs, in which `**` stands for any folders.
        apart_from: a folder that is not looked into, as the one that results go to.

    Raises:
        FileNotFoundError: one that is not there, or a glob that nothing matches.
        ValueError: none at all, or one that cannot be listed or is a damaged zip file.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("b.JPG", "a.png", "._a.png", "clip.mp4", "notes.txt"):
        ...         Path(folder, name).touch()
        ...     found = find_sources([folder])
        >>> [source.name for source in found.files], found.others
        (['a.png', 'b.JPG', 'clip.mp4'], {'.txt': 1})
    """
    if not inputs:
        raise ValueError("inputs: none was given; allowed is at least one folder, zip file, glob, picture or video")
    found = Sources([], {}, [])
    for each in inputs:
        path, given = Path(each), str(each)
        prefix = f"{path.as_posix()}/" if len(inputs) > 1 else ""
        if os.path.isdir(path):
            _add_folder(found, path, prefix, apart_from)
        elif os.path.lexists(path):
            _add_file(found, path, path.as_posix(), prefix)
        elif glob.has_magic(given):
            matches = sorted(glob.glob(os.path.expanduser(given), recursive=True))
            for match in map(Path, matches):
                if match.is_file() or match.is_symlink():  # the folders among them hold what `**` gives as well
                    _add_file(found, match, match.as_posix(), f"{match.as_posix()}/")
            if not matches:
                raise FileNotFoundError(f"inputs: nothing matches {given!r}; allowed is a glob that matches a file")
        else:
            raise FileNotFoundError(
                f"inputs: nothing is at {given}; allowed are folders, zip files, globs, pictures and videos"
            )
    return found


def _kind(found: Sources, name: str) -> str | None:
    """ "picture" or "video" by a name's end; None of another, which is counted, and of one that does not show."""
    parts = name.split("/")
    if any(part.startswith(".") or part == "__MACOSX" for part in parts):
        return None
    suffix = os.path.splitext(parts[-1])[1].lower()
    if suffix in VIDEOS:
        return "video"
    if suffix in PICTURES:
        return "picture"
    found.others[suffix or parts[-1]] = found.others.get(suffix or parts[-1], 0) + 1
    return None


def _add_folder(found: Sources, root: Path, prefix: str, apart_from: Path | None) -> None:
    left_out = apart_from.resolve() if apart_from is not None else None

    def refuse(reason: OSError) -> None:
        if reason.filename is None or Path(reason.filename) == root:
            raise ValueError(f"inputs: {root} cannot be listed ({reason.strerror})") from reason
        said = f"{reason.filename}: cannot be listed ({reason.strerror})"
        found.refused.append(Skipped(said, "cannot be read"))

    for folder, folders, names in os.walk(root, onerror=refuse):
        shown = [name for name in folders if not name.startswith(".")]
        folders[:] = sorted(name for name in shown if left_out is None or Path(folder, name).resolve() != left_out)
        for name in sorted(names):
            path = Path(folder, name)
            inside = path.relative_to(root).as_posix()
            kind = _kind(found, inside)
            if kind is not None:
                found.files.append(Source(prefix + inside, path, video=kind == "video"))


def _add_file(found: Sources, path: Path, name: str, prefix: str) -> None:
    if path.suffix.lower() != ".zip":
        found.files.append(Source(name, path, video=path.suffix.lower() in VIDEOS))
        return
    try:
        with zipfile.ZipFile(path) as packed:
            members = sorted((member for member in packed.infolist() if not member.is_dir()), key=lambda m: m.filename)
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as reason:
        said = getattr(reason, "strerror", None) or reason
        raise ValueError(f"inputs: {path} is no zip file that can be read, or damaged ({said})") from reason
    for member in members:
        inside = member.filename.replace("\\", "/")
        # A name that leads out of the folder is a name and nothing more: nothing is unpacked to where it points.
        kind = _kind(found, "/".join(part for part in inside.split("/") if part not in ("", ".", "..")))
        if kind is not None:
            found.files.append(Source(prefix + inside, path, member, kind == "video"))


def _unpacked(path: Path, member: zipfile.ZipInfo, name: str) -> BinaryIO:
    """A copy of a file in a zip file: in memory, or if it is long in a temporary file without a name."""
    if member.file_size > LARGEST_PACKED:
        raise Skipped(
            f"{name}: unpacked it has {member.file_size:,} bytes; allowed are {LARGEST_PACKED:,}", "too large"
        )
    copy = cast(BinaryIO, io.BytesIO() if member.file_size <= HELD else tempfile.TemporaryFile())  # noqa: SIM115
    try:
        with zipfile.ZipFile(path) as packed, packed.open(member) as file:
            shutil.copyfileobj(file, copy, 2**20)
    except BaseException:
        copy.close()
        raise
    return copy
