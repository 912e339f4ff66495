"""Pictures in every form that a file may give them: nothing of one is lost in silence, and a bad one is named."""

from __future__ import annotations

import io
import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from tusklite.data.pictures import UnreadablePicture, read_picture
from tusklite.data.stored_files import files_below, stamps


def stored(picture: Image.Image, **options: object) -> io.BytesIO:
    file = io.BytesIO()
    picture.save(file, "png", **options)
    file.seek(0)
    return file


def shown(picture: Image.Image, **options: object) -> np.ndarray:
    """What is read of a picture of 16 x 16 pixels, (16, 16, 3)."""
    square, size = read_picture(stored(picture, **options), "a.png", image_size=16)
    assert size == (16, 16)
    return square.transpose(1, 2, 0)


def png(width: int, height: int, depth: int, colour: int, rows: bytes = b"", chunks: bytes = b"") -> bytes:
    """A PNG file written by hand, as its specification says; `rows` with a filter byte each."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"tRNS", chunks) if chunks else b""
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


@given(arrays.arrays(np.uint8, (16, 16, 4)))
def test_what_is_transparent_shows_white(pixels: np.ndarray) -> None:
    """The oracle is the formula of every browser: colour * alpha + white * (1 - alpha)."""
    colour, alpha = pixels[..., :3].astype(float), pixels[..., 3:] / 255
    result = shown(Image.fromarray(pixels, "RGBA"))
    np.testing.assert_allclose(result, colour * alpha + 255 * (1 - alpha), atol=1.01)
    assert (result[pixels[..., 3] == 0] == 255).all()
    opaque = pixels[..., 3] == 255
    np.testing.assert_array_equal(result[opaque], pixels[opaque][:, :3])


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "L", "RGB", "1"])
def test_a_black_drawing_on_a_transparent_ground_stays_one(mode: str) -> None:
    drawing = np.zeros((16, 16), bool)
    drawing[4:12, 7:9] = True
    expected = np.repeat(np.where(drawing, 0, 255)[..., None], 3, -1)
    alpha = Image.fromarray(np.where(drawing, 255, 0).astype(np.uint8))
    black, options = Image.new("L", (16, 16), 0), {}
    if mode in ("RGBA", "LA"):
        picture = Image.merge("LA", (black, alpha)).convert(mode)
    elif mode in ("P", "PA"):  # two colours, both black; the second one is clear
        picture = Image.fromarray(np.where(drawing, 0, 1).astype(np.uint8), "P")
        picture.putpalette([0, 0, 0, 0, 0, 0])
        options = {"transparency": 1 if mode == "P" else b"\xff\x00"}
    else:  # one value stands for clear: here another than black
        picture = Image.fromarray(np.where(drawing, 0, 255).astype(np.uint8)).convert(mode)
        options = {"transparency": {"L": 255, "RGB": (255, 255, 255), "1": 255}[mode]}
    np.testing.assert_array_equal(shown(picture, **options), expected)


def test_a_clear_value_that_is_not_white_shows_white() -> None:
    """Grey 77 stands for clear, in 1, 8 and 16 bits: the colour behind it would else be kept."""
    row = bytes([0] + [0, 77] * 8)
    deep = bytes([0]) + struct.pack(">16H", *[0, 777] * 8)
    for content in (
        png(16, 16, 8, 0, row * 16, struct.pack(">H", 77)),
        png(16, 16, 16, 0, deep * 16, struct.pack(">H", 777)),
    ):
        square, _ = read_picture(io.BytesIO(content), "a.png", image_size=16)
        assert square[:, 0].tolist() == [[0, 255] * 8] * 3


@given(arrays.arrays(np.uint8, (16, 16)))
def test_grey_of_16_bits_is_scaled(pixels: np.ndarray) -> None:
    """A byte x is x * 257 in 16 bits; whatever lies between goes to the nearest byte."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels.astype(np.uint16) * 257)
    square, _ = read_picture(io.BytesIO(png(16, 16, 16, 0, rows)), "a.png", image_size=16)
    np.testing.assert_array_equal(square, np.repeat(pixels[None], 3, 0))


@given(st.lists(st.integers(0, 65535), min_size=16, max_size=16))
def test_grey_of_16_bits_goes_to_the_nearest_byte(values: list[int]) -> None:
    content = png(16, 1, 16, 0, b"\0" + struct.pack(">16H", *values))
    file = io.BytesIO(content)
    square, _ = read_picture(file, "a.png", image_size=16)
    assert np.abs(square[0, 8] - np.array(values) / 257).max() <= 0.5


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr"])
def test_a_picture_without_transparency_is_as_pillow_converts_it(mode: str) -> None:
    random = np.random.default_rng(4)
    picture = Image.fromarray(random.integers(0, 256, (16, 16, 3), dtype=np.uint8)).convert(mode)
    file = io.BytesIO()
    picture.save(file, "jpeg" if mode in ("CMYK", "YCbCr") else "png")
    with Image.open(file) as again:
        expected = np.asarray(again.convert("RGB"))
    file.seek(0)
    square, _ = read_picture(file, "a", image_size=16)
    np.testing.assert_array_equal(square.transpose(1, 2, 0), expected)


def test_what_is_no_picture_is_named_and_nothing_else_is(tmp_path: Path) -> None:
    path = tmp_path / "letter.png"
    path.write_bytes(b"Dear reader")
    for file in (path, io.BytesIO(b"Dear reader")):
        with pytest.raises(UnreadablePicture, match=r"^letter\.png: not a picture that can be read$") as caught:
            read_picture(file, "letter.png", image_size=16)
        assert caught.value.kind == "no picture"


@pytest.mark.parametrize("mode", ["F", "I"])
def test_numbers_that_bytes_cannot_hold_are_refused(mode: str) -> None:
    file = io.BytesIO()
    Image.fromarray(np.full((16, 16), 70_000, {"F": np.float32, "I": np.int32}[mode])).save(file, "tiff")
    with pytest.raises(ValueError, match=r"^a\.png: not a picture that can be read.*\(grey "):
        read_picture(file, "a.png", image_size=16)


def test_a_picture_of_too_many_pixels_is_named(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(png(20_000, 20_000, 1, 0))
    with pytest.raises(ValueError, match=r"huge\.png: more than 178,956,970 pixels; allowed are fewer"):
        read_picture(path, str(path), image_size=16)


@given(st.data())
def test_a_damaged_picture_is_named_whatever_its_damage(data: st.DataObject) -> None:
    random = np.random.default_rng(8)
    file = io.BytesIO()
    picture = Image.fromarray(random.integers(0, 256, (16, 16, 4), dtype=np.uint8), "RGBA")
    picture.convert(data.draw(st.sampled_from(["RGBA", "RGB", "L", "P", "LA"]))).save(file, "png")
    content = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    refused = []
    try:
        square, _ = read_picture(io.BytesIO(bytes(content)), "a.png", image_size=16)
    except ValueError as error:
        refused.append(str(error))
    assert refused[0].startswith("a.png: ") if refused else square.shape == (3, 16, 16)


def test_pillow_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"^a\.png: pictures are read with Pillow; install it with `pip install pill"):
        read_picture(io.BytesIO(), "a.png", image_size=16)


def test_files_below_are_those_that_show(tmp_path: Path) -> None:
    for name in ("b.JPG", "deep/c.Png", "deep/er/a.jpeg", "deep.er/d.png", "e.png.txt", ".hidden.png", "deep/._c.png"):
        path = tmp_path / ".home" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for folder in (".ipynb_checkpoints", "deep/.git/er"):
        (tmp_path / ".home" / folder).mkdir(parents=True)
        (tmp_path / ".home" / folder / "f.png").touch()
    (tmp_path / ".home" / "folder.png").mkdir()
    found = files_below(tmp_path / ".home", (".jpg", ".jpeg", ".png"))  # in a hidden folder itself, as it was named
    assert list(found) == ["b.JPG", "deep.er/d.png", "deep/c.Png", "deep/er/a.jpeg"]
    assert all(path == tmp_path / ".home" / name for name, path in found.items())


def test_a_stamp_is_of_a_path_a_size_and_a_time(tmp_path: Path) -> None:
    seen = set()
    for name, content, time in (("a", b"1", 5), ("b", b"1", 5), ("a", b"12", 5), ("a", b"1", 6), ("a", b"2", 5)):
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, ns=(0, time * 10**9))
        seen.add(stamps([tmp_path / name]))
    assert len(seen) == 4  # the last is told from the first by its content alone, which is not looked at
    with pytest.raises(ValueError, match=r"c: cannot be read \(No such file"):
        stamps([tmp_path / "c"])


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(ValueError, match=r"cannot be read \(Permission denied\)"):
        files_below(tmp_path, (".png",))
