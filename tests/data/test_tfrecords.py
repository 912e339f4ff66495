"""TFRecord files that are written byte by byte here, and what is left of them when they are damaged."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_files import crc32c, example, floats, framed, strings, write_records

from tusklite.data import tfrecords
from tusklite.data.tfrecords import Feature, decode_example, records_in

CONTENTS = [b"first", b"", b"x" * 3000]


def test_the_checksum_of_these_tests_is_the_published_one() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720's polynomial, and the check value of every catalogue


def test_records_come_in_order(tmp_path: Path) -> None:
    assert list(records_in(write_records(tmp_path / "a.tfrecords", CONTENTS))) == CONTENTS


@given(records=st.lists(st.binary(max_size=300), min_size=1, max_size=4))
def test_any_records_are_read(tmp_path_factory: pytest.TempPathFactory, records: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("records") / "a.tfrecords"
    assert list(records_in(write_records(path, records))) == records


def test_members_of_gzip_are_read_on(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecords"
    path.write_bytes(b"".join(gzip.compress(framed(record)) for record in CONTENTS))
    assert list(records_in(path)) == CONTENTS


def refused(path: Path) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        list(records_in(path))
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.endswith("allowed is a gzipped TFRecord file, whole, as it was published")
    return message


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecords"
    whole = write_records(path, [b"some content", b"more of it", bytes(range(256))]).read_bytes()
    for length in range(1, len(whole)):
        path.write_bytes(whole[:length])
        assert "truncated after" in refused(path) or "no gzip file" in refused(path)


@pytest.mark.parametrize("lacking", [1, 4, 5, 20])
def test_a_stream_that_was_cut_off_before_it_was_packed_is_refused(tmp_path: Path, lacking: int) -> None:
    path = tmp_path / "a.tfrecords"
    stream = framed(b"some content") + framed(b"more of it")
    path.write_bytes(gzip.compress(stream[:-lacking]))
    assert "truncated after 1 records" in refused(path) or "damaged after 1 records" in refused(path)


def test_a_bit_that_fell_over_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecords"
    stream = framed(b"some content") + framed(b"more")
    for place in range(len(stream)):
        damaged = bytearray(stream)
        damaged[place] ^= 16
        path.write_bytes(gzip.compress(bytes(damaged)))
        said = refused(path)
        assert "damaged" in said or (place < 12 and "gzipped, but no TFRecord file" in said)


def test_a_packed_stream_that_was_damaged_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecords"
    whole = bytearray(write_records(path, [np.random.default_rng(3).bytes(500)]).read_bytes())
    whole[200] ^= 1
    path.write_bytes(bytes(whole))
    assert "damaged" in refused(path)


def test_foreign_and_empty_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecords"
    path.write_bytes(b"")
    assert f"{path}: empty" in refused(path)
    path.write_bytes(b"<!DOCTYPE html><title>404</title>")
    assert "no gzip file" in refused(path)
    path.write_bytes(gzip.compress(b"a,b,c\n1,2,3\n"))
    assert "gzipped, but no TFRecord file" in refused(path)
    path.write_bytes(gzip.compress(b"a,b"))
    assert "gzipped, but no TFRecord file" in refused(path)
    path.write_bytes(gzip.compress(b""))
    assert "holds no record" in refused(path)
    assert "cannot be read" in refused(tmp_path / "none.tfrecords")
    assert "cannot be read" in refused(tmp_path)


@pytest.mark.parametrize("each", [1, 3, 12])
@pytest.mark.parametrize("packed", [True, False])
def test_features_are_decoded(each: int, packed: bool) -> None:
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3) * 21
    record = example(
        {"a": strings(b"left alone"), "image": strings(image.tobytes(), each), "x": floats([0.5, -2], packed)}
    )
    found = decode_example(record, {"x": Feature("floats", (2,)), "image": Feature("bytes", (2, 2, 3))})
    assert list(found) == ["x", "image"]
    np.testing.assert_array_equal(found["image"], image)
    np.testing.assert_array_equal(found["x"], np.array([0.5, -2], np.float32))
    assert (found["image"].dtype, found["x"].dtype) == (np.uint8, np.float32)


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (example({"b": floats([1])}), "feature 'a' is missing; there are b"),
        (b"", "feature 'a' is missing; there are none"),
        (example({"a": floats([1])}), "feature 'a' is of another kind; allowed is a bytes_list"),
        (example({"a": strings(b"12345")}), r"feature 'a' has 5 bytes; allowed is \(2, 3\)"),
        (b"\xff\xff\xff", "no tf.train.Example"),
    ],
)
def test_other_records_are_refused(record: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        decode_example(record, {"a": Feature("bytes", (2, 3))})


@pytest.mark.parametrize(("module", "package"), [("google_crc32c", "google-crc32c"), ("google.protobuf", "protobuf")])
def test_a_library_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, package: str
) -> None:
    path = write_records(tmp_path / "a.tfrecords", [example({"a": strings(b"1")})])
    monkeypatch.setitem(sys.modules, module, None)
    tfrecords._messages.cache_clear()
    says = rf"read with {package}; install it with `pip install 'tusklite\[datasets\]'`"
    with pytest.raises(ImportError, match=says):
        [decode_example(record, {"a": Feature("bytes", (1,))}) for record in records_in(path)]
