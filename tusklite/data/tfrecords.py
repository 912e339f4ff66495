"""TFRecord files without TensorFlow: their records one by one, each held against its checksums, and what is in them.

The framing is a dozen lines and is done here, since the small libraries for it pass over the checksums, and end early
on gzipped files. What is hard is left to libraries that are kept: CRC-32C to google-crc32c, the encoding of a
`tf.train.Example` to protobuf.
"""

from __future__ import annotations

import functools
import gzip
import math
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

MASK_DELTA = 0xA282EAD8  # added to a checksum that is stored with what it sums up
ALLOWED = "allowed is a gzipped TFRecord file, whole, as it was published"
LISTS = ("bytes_list", "float_list", "int64_list")  # of a feature, in the order of their field numbers
ONE_BYTE = (0x0A, 1)  # the header of a string of one byte in a list of strings


class Feature(NamedTuple):
    """What a feature of a record must be.

    Attributes:
        kind: "bytes": one or more strings that hold the array's bytes in order; "floats": numbers.
        shape: of the array.
    """

    kind: str
    shape: tuple[int, ...]


def records_in(path: Path) -> Iterator[bytes]:
    """The records of a gzipped TFRecord file in order, each held against both its checksums.

    Args:
        path: the file.

    Returns:
        An iterator over what each record holds. It may be dropped before the end; what was not read is not checked.

    Raises:
        ValueError: while reading, a file that cannot be read, is empty, truncated, damaged, or something else; the
            message names it.
        ImportError: google-crc32c is not installed.

    Example:
        >>> next(records_in(Path("none.tfrecords")))
        Traceback (most recent call last):
        ...
        ValueError: none.tfrecords: cannot be read (No such file or directory); allowed is a gzipped TFRecord file, ...
    """
    number = 0
    try:
        if not path.stat().st_size:
            raise ValueError(f"{path}: empty; {ALLOWED}")
        with gzip.open(path) as file:
            while (record := _next_record(file, path, number)) is not None:
                yield record
                number += 1
    except gzip.BadGzipFile as reason:
        what = "no gzip file" if not number else f"damaged after {number:,} records"
        raise ValueError(f"{path}: {what} ({reason}); {ALLOWED}") from reason
    except EOFError as reason:
        raise ValueError(f"{path}: truncated after {number:,} records; {ALLOWED}") from reason
    except zlib.error as reason:
        raise ValueError(f"{path}: damaged after {number:,} records ({reason}); {ALLOWED}") from reason
    except OSError as reason:
        raise ValueError(f"{path}: cannot be read ({reason.strerror or reason}); {ALLOWED}") from reason
    if not number:
        raise ValueError(f"{path}: holds no record; {ALLOWED}")


def _next_record(file: gzip.GzipFile, path: Path, number: int) -> bytes | None:
    """The next record: its length and the length's checksum, then the content and its checksum; None at the end."""
    header = file.read(12)
    if not header:
        return None
    if len(header) < 12 or _masked_sum(header[:8]) != struct.unpack("<I", header[8:])[0]:
        what = f"damaged after {number:,} records" if number else "gzipped, but no TFRecord file"
        raise ValueError(f"{path}: {what} (a length and its checksum differ); {ALLOWED}")
    (length,) = struct.unpack("<Q", header[:8])
    content, ending = file.read(length), file.read(4)
    if len(ending) < 4:
        raise ValueError(f"{path}: truncated after {number:,} records; {ALLOWED}")
    if _masked_sum(content) != struct.unpack("<I", ending)[0]:
        raise ValueError(f"{path}: damaged (record {number:,} and its checksum differ); {ALLOWED}")
    return content


def _masked_sum(content: bytes) -> int:
    """CRC-32C as TFRecord stores it: turned right by 15 bits, and a constant added."""
    total = _crc32c(content)
    return (((total >> 15) | (total << 17)) + MASK_DELTA) & 0xFFFFFFFF


def _crc32c(content: bytes) -> int:
    try:
        from google_crc32c import value
    except ImportError as missing:
        raise ImportError(_what_to_install("google-crc32c")) from missing
    return int(value(content))


def _what_to_install(package: str) -> str:
    return f"TFRecord files are read with {package}; install it with `pip install 'tusklite[datasets]'`"


def decode_example(record: bytes, wanted: Mapping[str, Feature]) -> dict[str, np.ndarray]:
    """Arrays out of a record that is a `tf.train.Example`.

    Args:
        record: what `records_in` gives.
        wanted: features by name; a record may have others.

    Returns:
        By name, uint8 arrays of the "bytes" and float32 arrays of the "floats", in the shapes that were asked for.

    Raises:
        ValueError: no such message, or a feature that is missing, of another kind, or of another size.
        ImportError: protobuf is not installed.

    Example:
        >>> record = bytes.fromhex("0a0e 0a0c 0a0161 1207 0a05 0a0101 0a00")  # a feature "a" with two strings
        >>> decode_example(record, {"a": Feature("bytes", (1,))})
        {'a': array([1], dtype=uint8)}
    """
    example, byte_lists, float_lists = _messages()
    from google.protobuf.message import DecodeError

    try:
        stored = {entry.key: entry.value for entry in example.FromString(record).features.feature}
    except DecodeError as reason:
        raise ValueError(f"no tf.train.Example ({reason})") from reason
    arrays = {}
    for name, (kind, shape) in wanted.items():
        field = {"bytes": "bytes_list", "floats": "float_list"}[kind]
        if name not in stored:
            raise ValueError(f"feature {name!r} is missing; there are {', '.join(sorted(stored)) or 'none'}")
        if not stored[name].HasField(field):
            raise ValueError(f"feature {name!r} is of another kind; allowed is a {field}")
        content = getattr(stored[name], field)
        try:
            if kind == "bytes":
                values = _joined_strings(content, math.prod(shape), byte_lists)
            else:
                values = np.array(float_lists.FromString(content).value, np.float32)
        except DecodeError as reason:
            raise ValueError(f"feature {name!r} is damaged ({reason})") from reason
        if values.size != math.prod(shape):
            raise ValueError(f"feature {name!r} has {values.size:,} {kind}; allowed is {shape}")
        arrays[name] = values.reshape(shape)
    return arrays


def _joined_strings(content: bytes, size: int, byte_lists: Any) -> np.ndarray:
    """The bytes of all strings of an encoded list, joined.

    The published files hold an image as a list of strings of one byte each, a million of them in a record: they are
    recognised and read at once.
    """
    raw = np.frombuffer(content, np.uint8)
    # Slices of every third byte: a comparison with the pair of bytes in one step takes several times as long.
    if raw.size == 3 * size and all((raw[place::3] == byte).all() for place, byte in enumerate(ONE_BYTE)):
        return raw[2::3].copy()
    return np.frombuffer(b"".join(byte_lists.FromString(content).value), np.uint8).copy()


@functools.lru_cache(maxsize=1)
def _messages() -> tuple[Any, Any, Any]:
    """Protobuf's classes for an `Example`, a `BytesList` and a `FloatList`, from TensorFlow's example.proto.

    In the first, a feature's list is kept as it is encoded (a message within a message looks like a string there), so
    that the lists that nobody asked for cost nothing.
    """
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ImportError as missing:
        raise ImportError(_what_to_install("protobuf")) from missing
    kinds, package = descriptor_pb2.FieldDescriptorProto, "tusklite.tfrecords"
    file = descriptor_pb2.FileDescriptorProto(name="tusklite/tfrecords.proto", package=package, syntax="proto2")

    def message(name: str, *fields: tuple[str, int, int, str | None, bool]) -> None:
        added = file.message_type.add(name=name)
        for field, number, kind, of, repeated in fields:
            label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            type_name = None if of is None else f".{package}.{of}"
            added.field.add(name=field, number=number, type=kind, label=label, type_name=type_name)

    lists = [(name, place, kinds.TYPE_BYTES, None, False) for place, name in enumerate(LISTS, start=1)]
    message("Feature", *lists)
    message("Entry", ("key", 1, kinds.TYPE_STRING, None, False), ("value", 2, kinds.TYPE_MESSAGE, "Feature", False))
    message("Features", ("feature", 1, kinds.TYPE_MESSAGE, "Entry", True))
    message("Example", ("features", 1, kinds.TYPE_MESSAGE, "Features", False))
    message("BytesList", ("value", 1, kinds.TYPE_BYTES, None, True))
    message("FloatList", ("value", 1, kinds.TYPE_FLOAT, None, True))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    example, byte_lists, float_lists = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
        for name in ("Example", "BytesList", "FloatList")
    )
    return example, byte_lists, float_lists
