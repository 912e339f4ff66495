"""Your own pictures: a folder of jpg and png files, and a CSV file of the points of some of them."""

from __future__ import annotations

import csv
import functools
import io
import os
import unicodedata
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tusklite.data.digits import SPLITS
from tusklite.data.face_sources import FaceSource, held_source, name_hash
from tusklite.data.pictures import PICTURE_SUFFIXES, points_in_picture, read_picture
from tusklite.data.stored_files import FileStamp, files_below, read_text, stamps


class PointTable(NamedTuple):
    """The CSV file of points.

    Attributes:
        point_names: P names.
        pixels: of each file that has points its (P, 2) pixel coordinates.
        splits: of each row's file its split, empty where the file has no such column; None where it has none.
        rows: of each row's file its number, from 1.
    """

    point_names: tuple[str, ...]
    pixels: dict[str, np.ndarray]
    splits: dict[str, str] | None
    rows: dict[str, int]


def read_face_folder(root: Path, points: Path | None, image_size: int) -> FaceSource:
    """All pictures in `root` and below, sorted by name; the centred square of each is resized.

    Files and folders whose names begin with a dot are passed over (see `files_below`).

    Splits: the column `split` of the CSV file ("train" for a picture without a row); without that column by the sha256
    of the name, modulo 10: 0 to 7 train, 8 validation, 9 test. They are disjoint.

    Args:
        root: folder of .jpg, .jpeg and .png files.
        points: CSV file (see `read_point_table`), or None: no picture is labelled, P is 0.
        image_size: height and width in pixels, S.

    Returns:
        A `FaceSource`. It is kept for who asks next, as long as no file changes, so it is not for changing.

    Raises:
        FileNotFoundError: no such folder or CSV file.
        ValueError: no pictures, a damaged one, a bad CSV file, one that names a missing picture, or a point that lies
            outside its picture.
    """
    if not os.path.isdir(root):
        raise FileNotFoundError(f"root: {root} was given, which is no folder; allowed is a folder of pictures")
    paths = files_below(root, PICTURE_SUFFIXES)
    if not paths:
        raise ValueError(
            f"root: {root} was given, which holds no pictures; allowed are {', '.join(PICTURE_SUFFIXES)}, in files and "
            "folders whose names do not begin with a dot"
        )
    if points is not None and not os.path.isfile(points):
        raise FileNotFoundError(f"points: {points} was given, which is no file; allowed is a CSV file of points")
    files = stamps([*paths.values(), *([] if points is None else [points])])
    return _read_face_folder(root, points, files, image_size)


@functools.lru_cache(maxsize=2)
def _read_face_folder(root: Path, points: Path | None, files: tuple[FileStamp, ...], image_size: int) -> FaceSource:
    """What `read_face_folder` found; `files` is what it is known by: with another stamp it is read anew."""
    paths = files_below(root, PICTURE_SUFFIXES)
    names = list(paths)
    table = PointTable((), {}, None, {}) if points is None else read_point_table(points, names)
    images = np.empty((len(names), 3, image_size, image_size), np.uint8)
    places = np.zeros((len(names), len(table.point_names), 2), np.float32)
    for row, name in enumerate(names):
        images[row], size = read_picture(paths[name], str(paths[name]), image_size, crop=True)
        if name in table.pixels:
            _require_inside(table, name, size, f"{points}, row {table.rows[name]}")
            places[row] = points_in_picture(table.pixels[name], size, crop=True)
    if table.splits is None:
        split_of = np.array([_split_by_name(name) for name in names])
    else:
        split_of = np.array([table.splits.get(name, "train") for name in names])
    labelled = np.array([name in table.pixels for name in names])
    splits = {split: np.flatnonzero(split_of == split) for split in SPLITS}
    return held_source("folder", images, places, labelled, splits, table.point_names, "the folder given as root")


def read_point_table(path: Path, names: list[str]) -> PointTable:
    """The points of a CSV file, in pixels of the stored pictures; the centre of the first pixel is (0, 0).

    The header is `file,x1,y1,x2,y2,...` or `file,left_eye_x,left_eye_y,...`, with a column `split` anywhere
    after `file` if wanted. `file` is relative to the folder of pictures. A picture without a row, or with a row whose
    coordinates are all empty, is not labelled. A column of row numbers before `file`, without a name or called
    `Unnamed: 0` as pandas writes it, is passed over.

    Args:
        path: the CSV file.
        names: the pictures that there are.

    Returns:
        A `PointTable`.

    Raises:
        ValueError: a file that cannot be read, another header, a row that does not fit it, or a picture that is
            missing or named twice.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "points.csv"
        ...     _ = path.write_text("file,nose_x,nose_y,split\\na.png,3,4.5,test\\n")
        ...     table = read_point_table(path, ["a.png", "b.png"])
        >>> table.point_names, table.pixels["a.png"].tolist(), table.splits, table.rows
        (('nose',), [[3.0, 4.5]], {'a.png': 'test'}, {'a.png': 1})
    """
    try:
        header, *rows = [row for row in csv.reader(io.StringIO(read_text(path), newline="")) if row] or [[]]
    except csv.Error as reason:
        raise ValueError(
            f"points: {path} is not a CSV file ({reason}); allowed are rows of comma-separated entries"
        ) from reason
    columns = [column.strip() for column in header]
    numbering = columns.index("file") if "file" in columns else 0
    if all(not column or column.startswith("Unnamed: ") for column in columns[:numbering]):
        columns, rows = columns[numbering:], [row[numbering:] for row in rows]
    point_names = _point_names([column for column in columns[1:] if column != "split"], path)
    if columns[:1] != ["file"] or columns.count("split") > 1 or not point_names:
        _refuse_header(columns, path)
    known = {unicodedata.normalize("NFC", name): name for name in names} | {name: name for name in names}
    pixels: dict[str, np.ndarray] = {}
    splits: dict[str, str] = {}
    numbers_of: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        title = f"{path}, row {number}"
        if len(row) != len(columns):
            raise ValueError(f"{title}: {len(row)} entries were given; allowed are {len(columns)}")
        entries = [entry.strip() for entry in row]
        given = entries[0].replace("\\", "/")
        name = known.get(given) or known.get(unicodedata.normalize("NFC", given))
        if name is None:
            raise ValueError(f"{title}: {entries[0]!r} was given; allowed are pictures in the folder given as root")
        if name in splits:
            raise ValueError(f"{title}: {name!r} was given a second time; allowed is one row a picture")
        numbers_of[name] = number
        splits[name] = entries[columns.index("split")] if "split" in columns else ""
        if "split" in columns and splits[name] not in SPLITS:
            raise ValueError(f"{title}: split {splits[name]!r} was given; allowed are {', '.join(SPLITS)}")
        numbers = [entry for column, entry in zip(columns[1:], entries[1:], strict=True) if column != "split"]
        if any(numbers):
            pixels[name] = _coordinates(numbers, title)
    return PointTable(point_names, pixels, splits if "split" in columns else None, numbers_of)


def _point_names(columns: list[str], path: Path) -> tuple[str, ...]:
    """The points that pairs of columns stand for: x1, y1 is point_1, nose_x, nose_y is nose."""
    names = []
    for number, (x, y) in enumerate(zip(columns[::2], columns[1::2], strict=False), start=1):
        if (x, y) == (f"x{number}", f"y{number}"):
            names.append(f"point_{number}")
        elif len(x) > 2 and x.endswith("_x") and y == f"{x[:-2]}_y":
            names.append(x[:-2])
        else:
            _refuse_header(columns, path)
    if len(columns) % 2 or len(set(names)) < len(names):
        _refuse_header(columns, path)
    return tuple(names)


def _refuse_header(columns: list[str], path: Path) -> None:
    given = ", ".join(column or "one without a name" for column in columns) or "none"
    raise ValueError(
        f"points: {path} has the columns {given}; allowed are file, x1, y1, x2, y2, ... or file, NAME_x, NAME_y, ... "
        "(each name once), and split, with commas between them; pandas writes them with to_csv(..., index=False)"
    )


def _coordinates(entries: list[str], title: str) -> np.ndarray:
    try:
        numbers = np.array(entries, float)
    except ValueError as reason:
        raise ValueError(f"{title}: {reason}; allowed are numbers, or all coordinates empty") from reason
    if not np.isfinite(numbers).all():
        raise ValueError(f"{title}: NaN or infinite numbers were given; allowed are finite ones")
    return numbers.reshape(-1, 2)


def _require_inside(table: PointTable, name: str, size: tuple[int, int], title: str) -> None:
    """Refuse points that lie outside the stored picture of `size` (width, height)."""
    for point, place in zip(table.point_names, table.pixels[name], strict=True):
        if ((place < -0.5) | (place > np.array(size) - 0.5)).any():
            raise ValueError(
                f"{title}: {point} at x {place[0]:g}, y {place[1]:g} was given, outside {name}; "
                f"allowed are x from -0.5 to {size[0] - 0.5} and y from -0.5 to {size[1] - 0.5}, or all coordinates "
                "of the row empty"
            )


def _split_by_name(name: str) -> str:
    last = int(name_hash(name), 16) % 10
    return "train" if last < 8 else SPLITS[last - 7]
