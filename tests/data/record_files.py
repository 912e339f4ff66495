"""Files of records as DeepMind published them, written byte by byte: no library of the reader's has a hand in it."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = _crc_table()


def crc32c(content: bytes) -> int:
    """Castagnoli's checksum, a byte at a time."""
    value = 0xFFFFFFFF
    for byte in content:
        value = value >> 8 ^ TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def masked(content: bytes) -> bytes:
    value = crc32c(content)
    return struct.pack("<I", ((value >> 15 | value << 17 & 0xFFFFFFFF) + 0xA282EAD8) & 0xFFFFFFFF)


def framed(record: bytes) -> bytes:
    """A record with its length and both checksums, as TFRecordWriter writes it."""
    length = struct.pack("<Q", len(record))
    return length + masked(length) + record + masked(record)


def varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def strings(content: bytes, each: int = 1) -> bytes:
    """A feature that is a list of strings of `each` bytes: one, as published."""
    return field(1, b"".join(field(1, content[i : i + each]) for i in range(0, len(content), each)))


def floats(values: Iterable[float], packed: bool = True) -> bytes:
    """A feature that is a list of floats."""
    stored = [struct.pack("<f", value) for value in values]
    if packed:
        return field(2, field(1, b"".join(stored)))
    return field(2, b"".join(varint(1 << 3 | 5) + value for value in stored))


def example(features: Mapping[str, bytes]) -> bytes:
    """A `tf.train.Example`."""
    entries = [field(1, field(1, name.encode()) + field(2, feature)) for name, feature in features.items()]
    return field(1, b"".join(entries))


def write_records(path: Path, records: Iterable[bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(b"".join(map(framed, records)), compresslevel=1))
    return path


def tetrominoes_record(image: np.ndarray, segments: np.ndarray, shapes: list[int], colours: np.ndarray) -> bytes:
    """A record of Tetrominoes; image uint8 (35, 35, 3), segments (35, 35), the file's numbers of shapes, RGB (3, 3)."""
    masks = np.stack([segments == number for number in range(4)]).astype(np.uint8) * 255
    return example(
        {
            "y": floats([0] * 4),
            "image": strings(image.tobytes()),
            "mask": strings(masks.tobytes()),
            "x": floats([0] * 4),
            "shape": floats([0, *shapes]),
            "color": floats([0, 0, 0, *np.asarray(colours, float).ravel()]),
            "visibility": floats([1] * 4),
        }
    )


def clevr_record(
    image: np.ndarray, masks: np.ndarray, centres: np.ndarray, codes: Mapping[str, list[int]], each: int = 1
) -> bytes:
    """A record of CLEVR with n objects; image (240, 320, 3), masks (n + 1, 240, 320), centres (n, 2) in pixels."""
    count = len(masks)
    padded = np.zeros((11, 240, 320), np.uint8)
    padded[:count] = masks
    spread = np.zeros((11, 3))
    spread[1:count, :2] = centres
    numbers = {name: strings(bytes([0, *values, *[0] * (10 - len(values))])) for name, values in codes.items()}
    return example(
        {
            "image": strings(image.tobytes(), each),
            "mask": strings(padded.tobytes(), each),
            "pixel_coords": floats(spread.ravel()),
            **{name: floats([0] * 11) for name in ("x", "y", "z", "rotation")},
            **numbers,
            "visibility": floats([1.0] * count + [0.0] * (11 - count)),
        }
    )
