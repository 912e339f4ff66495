"""Files that the lesson makes where the reader gives none: pictures, pictures of every odd kind, and a film."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from tusklite.data.pictures import ORIENTATION
from tusklite.inference.video import clip


def _picture(image: Tensor) -> Image.Image:
    """A picture of an image (C, H, W) in [0, 1], with one channel or three."""
    pixels = (image.clamp(0, 1) * 255).round().byte().movedim(0, -1).numpy()
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def write_pictures(folder: Path, images: Tensor, enlarged: int = 1) -> list[Path]:
    """Write images as PNG files, by number.

    Args:
        folder: made if need be.
        images: (N, C, H, W) in [0, 1], C 1 or 3.
        enlarged: each pixel becomes a square of so many.

    Returns:
        N paths.

    Example:
        >>> import tempfile, torch
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.name for path in write_pictures(Path(folder), torch.zeros(2, 1, 4, 4))]
        ['000.png', '001.png']
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:03}.png" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        picture = _picture(image)
        picture.resize((enlarged * picture.width, enlarged * picture.height), Image.Resampling.NEAREST).save(path)
    return paths


def write_odd_files(folder: Path, image: Tensor) -> Mapping[str, str]:
    """Write one picture in every odd way that it may come in, and files that only look like pictures.

    Args:
        folder: made if need be.
        image: (C, H, W) in [0, 1], C 1 or 3.

    Returns:
        For each file's name what it is, in a few words.

    Example:
        >>> import tempfile, torch
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     odd = write_odd_files(Path(folder), torch.rand(1, 20, 30))
        >>> len(odd), odd["sideways.jpg"]
        (12, 'stored on its side, with a note in its EXIF')
    """
    folder.mkdir(parents=True, exist_ok=True)
    plain = _picture(image).convert("RGB")
    grey = np.asarray(plain.convert("L"))
    notes = Image.Exif()
    notes[ORIENTATION] = 6
    plain.save(folder / "colour.png")
    Image.fromarray(grey).save(folder / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(folder / "deep.png")
    Image.merge("RGBA", (*Image.new("RGB", plain.size, "white").split(), Image.fromarray(255 - grey))).save(
        folder / "glass.png"
    )  # white that lets black through
    plain.convert("CMYK").save(folder / "print.jpg", quality=95)
    plain.transpose(Image.Transpose.ROTATE_90).save(folder / "sideways.jpg", exif=notes, quality=95)
    plain.resize((12 * plain.width, 12 * plain.height)).save(folder / "huge.jpg", quality=85)
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    whole = (folder / "colour.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "words.jpg").write_text("A letter, and no picture.\n", encoding="utf-8")
    (folder / "empty.png").touch()
    (folder / "notes.txt").write_text("Not even the name of a picture.\n", encoding="utf-8")
    return {
        "colour.png": "an ordinary one",
        "grey.png": "grey, 8 bits",
        "deep.png": "grey, 16 bits",
        "glass.png": "transparent: RGBA",
        "print.jpg": "colours for print: CMYK",
        "sideways.jpg": "stored on its side, with a note in its EXIF",
        "huge.jpg": "twelve times as large",
        "dot.png": "one pixel",
        "cut.png": "the first half of a file",
        "words.jpg": "a letter named like a picture",
        "empty.png": "no bytes at all",
        "notes.txt": "a letter named like one",
    }


def write_film(folder: Path, images: Tensor, rate: int = 16) -> Path:
    """Write images as a video, or where PyAV is not installed as a folder of pictures, one a frame.

    Args:
        folder: made if need be.
        images: (T, 3, H, W) in [0, 1].
        rate: frames a second.

    Returns:
        The video, or the folder.

    Example:
        >>> import tempfile, torch
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = write_film(Path(folder), torch.zeros(3, 3, 32, 32))
        >>> path.name in ("film.mp4", "film")
        True
    """
    folder.mkdir(parents=True, exist_ok=True)
    if importlib.util.find_spec("av") is None:
        write_pictures(folder / "film", images)
        return folder / "film"
    with clip(folder / "film.mp4", (images.shape[3], images.shape[2]), Fraction(rate)) as writer:
        for number, image in enumerate(images):
            writer.add(_picture(image), number / rate)
    return folder / "film.mp4"
