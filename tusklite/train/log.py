"""The log of a training: a line of JSON for each record, added as it goes."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from tusklite.files import FileNotWritten, write_aside

__all__ = ["LOG", "Record", "append_record", "read_log", "read_record", "trim_log"]

LOG = "log.jsonl"
Record = dict[str, Any]


def read_record(line: str | bytes) -> Record | None:
    """What a line of a log holds; None where it is no record, which says at least step, length and seconds.

    Example:
        >>> read_record('{"step": 1, "of": 2, "seconds": 0.5}'), read_record('{"step": 1}'), read_record("5")
        ({'step': 1, 'of': 2, 'seconds': 0.5}, None, None)
    """
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    counts = all(type(record.get(name)) is int for name in ("step", "of"))
    return record if counts and type(record.get("seconds")) in (int, float) else None


def read_log(path: Path) -> tuple[list[Record], list[int]]:
    """The records of a log, and the numbers of the lines that are none.

    Raises:
        OSError: it cannot be read.

    Example:
        >>> import tempfile
        >>> log = Path(tempfile.mkdtemp(), "log.jsonl")
        >>> _ = log.write_text('{"step": 1, "of": 2, "seconds": 0.5}\\n5\\n')
        >>> read_log(log)
        ([{'step': 1, 'of': 2, 'seconds': 0.5}], [2])
    """
    records, broken = [], []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        record = read_record(line)
        if record is None:
            broken.append(number)
        else:
            records.append(record)
    return records, broken


def append_record(path: Path, record: Record) -> None:
    """Add a line to a log.

    Raises:
        FileNotWritten: a full disk, or a log that may not be written.
    """
    try:
        with path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(record) + "\n")
    except OSError as reason:
        raise FileNotWritten(path, reason) from reason


def trim_log(path: Path, step: int, finished: bool = False) -> list[Record]:
    """Read a log up to a step and drop what a killed run had written beyond its checkpoint.

    Its last line may be cut off by a kill. A broken line before that is none of ours: the log as it was is kept aside.

    Args:
        path: the log.
        step: of the checkpoint. What happens before this very step happens again when the run goes on.
        finished: whether the run has no further step, so that what happened after its last one stays.

    Returns:
        The records that stay; none where there is no log.

    Raises:
        FileNotWritten: as `append_record`.
        OSError: it cannot be read.
    """
    if not path.exists():
        return []
    content = path.read_bytes()
    found, broken = read_log(path)
    if [number for number in broken if number < len(content.splitlines())]:
        aside = _free_name(path)
        write_aside(aside, lambda partial: partial.write_bytes(content))
        warnings.warn(
            f"{path}: line {broken[0]} is no record, and is left out; the log as it was is in {aside.name}",
            stacklevel=2,
        )
    records = []
    for record in found:
        if record["step"] > step or (record["step"] == step and "event" in record and not finished):
            break
        records.append(record)
    kept = "".join(json.dumps(record) + "\n" for record in records)
    write_aside(path, lambda partial: partial.write_text(kept, encoding="utf-8", newline="\n"))
    return records


def _free_name(path: Path) -> Path:
    """`log-damaged.jsonl`, or `log-damaged-2.jsonl` and so on where that is taken."""
    number, aside = 1, path.with_name(f"{path.stem}-damaged{path.suffix}")
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.stem}-damaged-{number}{path.suffix}")
    return aside
