"""A published file of records, read once: what is kept of it lies in a folder of its own and is mapped into memory."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import load_file, save_file

from tusklite.data.stored_files import FileStamp, stamps
from tusklite.data.tfrecords import Feature, decode_example, records_in
from tusklite.files import FileNotWritten, read_json, writable_folder, write_json

CACHE_FORMAT = 1  # another number where what a cache holds has changed

Arrays = dict[str, np.ndarray]
Names = dict[str, tuple[str, ...]]


class RecordScene(NamedTuple):
    """What is kept of a record.

    Attributes:
        image: uint8 (3, S, S).
        segments: uint8 (S, S).
        present: bool (T,).
        xy: float32 (T, 2), 0 where no object is.
        codes: by name, int64 (T,), the file's own numbers for what an object is; -1 where none is.
    """

    image: np.ndarray
    segments: np.ndarray
    present: np.ndarray
    xy: np.ndarray
    codes: Arrays


class ReadingPlan(NamedTuple):
    """How a published file is read, and what decides its cache.

    Attributes:
        kind: of the source, as its identity calls it.
        image_size: S, in pixels.
        most_objects: T.
        records: how many are read.
        wanted: features of a record.
        scene: what is kept of a record; None for one that is left out.
        name_values: names and numbers of all objects' values, from all their codes (N, T).
    """

    kind: str
    image_size: int
    most_objects: int
    records: int
    wanted: Mapping[str, Feature]
    scene: Callable[[Arrays], RecordScene | None]
    name_values: Callable[[Arrays], tuple[Names, Arrays]]


class CachedScenes(NamedTuple):
    """The scenes of a file, N of them, in its order.

    Attributes:
        images: uint8 (N, 3, S, S), mapped into memory.
        segments: uint8 (N, S, S), mapped into memory.
        truth: "record" int64 (N,), the number of each scene's record; "present" bool (N, T); "xy" float32 (N, T, 2);
            and int64 (N, T) by the name of each property.
        properties: the names of the properties' values.
        sha256: of all this.
    """

    images: np.ndarray
    segments: np.ndarray
    truth: Arrays
    properties: Names
    sha256: str


def cached_scenes(path: Path, plan: ReadingPlan, parent: Path) -> CachedScenes:
    """The scenes of a published file: from the cache in `parent`, which is written first where there is none.

    A cache of a file of another size or time of change is written anew, and so is one that is not whole. It is written
    aside and renamed, so that two processes that come at one moment do not disturb each other.

    Raises:
        ValueError: an empty, truncated, damaged or foreign file, one of fewer records, or one without a scene to keep,
            with its name; a parent that cannot be written.
        FileNotWritten: a full disk. Nothing half written stays.
        ImportError: a library for such files is missing.
    """
    (stamp,) = stamps([path])
    folder = parent / f"{path.stem}-{plan.image_size}px-{plan.most_objects}of{plan.records}.cache"
    about = _whole_cache(folder, plan, stamp)
    if about is None:
        writable_folder(parent, "cache")
        about = _write_cache(folder, plan, path, stamp)
    count, size = about["scenes"], plan.image_size
    return CachedScenes(
        images=np.memmap(folder / "images.u8", np.uint8, "r", shape=(count, 3, size, size)),
        segments=np.memmap(folder / "segments.u8", np.uint8, "r", shape=(count, size, size)),
        truth=load_file(folder / "truth.safetensors"),
        properties={name: tuple(values) for name, values in about["properties"].items()},
        sha256=about["sha256"],
    )


def _said(plan: ReadingPlan, stamp: FileStamp) -> dict[str, object]:
    """What a cache is of: the file as it was, and how it was read."""
    return {
        "format": CACHE_FORMAT,
        "kind": plan.kind,
        "file": Path(stamp.path).name,
        "bytes": stamp.size,
        "modified": stamp.modified,
        "records": plan.records,
        "image_size": plan.image_size,
        "most_objects": plan.most_objects,
    }


def _whole_cache(folder: Path, plan: ReadingPlan, stamp: FileStamp) -> dict[str, Any] | None:
    """What a cache says of itself, where it is whole and of this very file; else None."""
    try:
        about = read_json(folder / "about.json")
        if not isinstance(about, dict) or about.get("of") != _said(plan, stamp):
            return None
        pixels = int(about["scenes"]) * plan.image_size**2
        sizes = {"images.u8": 3 * pixels, "segments.u8": pixels, "truth.safetensors": int(about["truth_bytes"])}
        whole = all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return about if whole else None


def _write_cache(folder: Path, plan: ReadingPlan, path: Path, stamp: FileStamp) -> dict[str, Any]:
    """Read a published file into a folder aside, which is renamed once it is whole."""
    partial = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        about = _fill(partial, plan, path, stamp)
        shutil.rmtree(folder, ignore_errors=True)  # of another file, or damaged
        try:
            os.rename(partial, folder)
        except OSError:
            written = _whole_cache(folder, plan, stamp)  # another process may just have done the same
            if written is None:
                raise
            return written
    except OSError as reason:
        raise FileNotWritten(folder, reason) from reason
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return about


def _fill(partial: Path, plan: ReadingPlan, path: Path, stamp: FileStamp) -> dict[str, Any]:
    """Write the files of a cache into an empty folder."""
    total = hashlib.sha256()
    truths: list[RecordScene] = []
    numbers = []
    with contextlib.ExitStack() as files:
        images, segments = (files.enter_context((partial / f"{name}.u8").open("wb")) for name in ("images", "segments"))
        for number, scene in _scenes_in(path, plan):
            for file, pixels in ((images, scene.image), (segments, scene.segments)):
                content = np.ascontiguousarray(pixels).tobytes()
                file.write(content)
                total.update(content)
            numbers.append(number)
            truths.append(scene._replace(image=_NOTHING, segments=_NOTHING))
        for file in (images, segments):
            file.flush()
            os.fsync(file.fileno())
    if not truths:
        raise ValueError(f"{path}: none of {plan.records:,} records has at most {plan.most_objects} objects")
    try:
        names, values = plan.name_values(
            {name: np.stack([truth.codes[name] for truth in truths]) for name in truths[0].codes}
        )
    except ValueError as reason:
        raise ValueError(f"{path}: {reason}") from reason
    arrays: Arrays = {
        "record": np.array(numbers, np.int64),
        "present": np.stack([truth.present for truth in truths]),
        "xy": np.stack([truth.xy for truth in truths]),
        **values,
    }
    for array in arrays.values():
        total.update(array.tobytes())
    save_file(arrays, partial / "truth.safetensors")
    about = {
        "of": _said(plan, stamp),
        "scenes": len(truths),
        "truth_bytes": (partial / "truth.safetensors").stat().st_size,
        "properties": {name: list(values) for name, values in names.items()},
        "sha256": total.hexdigest(),
    }
    write_json(partial / "about.json", about)
    return about


_NOTHING = np.zeros(0, np.uint8)


def _scenes_in(path: Path, plan: ReadingPlan) -> Iterator[tuple[int, RecordScene]]:
    """The scenes of a published file's first records with their records' numbers, with a progress bar."""
    from tqdm import tqdm

    number = 0
    with tqdm(total=plan.records, unit="record", desc=f"reading {path.name}, once", file=sys.stderr) as bar:
        for record in records_in(path):
            try:
                scene = plan.scene(decode_example(record, plan.wanted))
            except ValueError as reason:
                raise ValueError(f"{path}: record {number:,}: {reason}") from reason
            if scene is not None:
                yield number, scene
            number += 1
            bar.update()
            if number == plan.records:
                return
    raise ValueError(f"{path}: ends after {number:,} records; allowed are {plan.records:,} or more (see splits)")
