"""Pictures from files: decoded, cropped and resized to one square size, and the points that move with them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png")
SHOWN_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".gif", ".webp", ".tif", ".tiff", ".ppm"),
    *(".pgm", ".pbm", ".pnm", ".tga", ".jp2", ".j2k", ".ico", ".pcx", ".mpo"),
    # What Pillow may be unable to read is tried all the same: then it is named, not passed over.
    *(".avif", ".heic", ".heif", ".svg", ".psd", ".dng", ".cr2", ".nef"),
)
TRANSPARENT = ("RGBA", "RGBa", "LA", "La", "PA")  # Pillow's modes that have an alpha channel
DEEPEST = 2**16 - 1  # the brightest of 16-bit grey
ORIENTATION = 0x0112  # EXIF's note of how the camera was held


class UnreadablePicture(ValueError):
    """A picture that cannot be read; the message names it.

    Attributes:
        kind: in a word or two: "no picture", "damaged", "too large".
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind

    def __reduce__(self) -> tuple[type[UnreadablePicture], tuple[str, str]]:
        """How it is made again on the other side of a loader's worker."""
        return type(self), (str(self), self.kind)


def read_picture(
    file: Path | BinaryIO, name: str, image_size: int, crop: bool = False
) -> tuple[np.ndarray, tuple[int, int]]:
    """One picture as a square of RGB bytes.

    Pillow's bilinear filter is antialiased: it averages all pixels that a smaller one covers. An orientation
    noted in a photograph's EXIF is not applied, since points are given in the pixels as they are stored. What is
    transparent is shown on white, as on a blank page. Grey of 16 bits is scaled to 8.

    Args:
        file: a path, or an open binary file.
        name: what a message calls it.
        image_size: height and width of the result, S.
        crop: cut the largest centred square out first (where the margins differ by one pixel, the smaller one is
            left or above); otherwise the whole picture is squeezed into the square.

    Returns:
        uint8 (3, S, S), and the (width, height) of the stored picture.

    Raises:
        ValueError: not a picture that Pillow can read, a damaged one, or one of more pixels than Pillow trusts (179
            million). The message names it.
        ImportError: Pillow is not installed.

    Example:
        >>> import io
        >>> from PIL import Image
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (30, 20), (255, 128, 0)).save(file, "png")
        >>> square, size = read_picture(file, "orange.png", image_size=16, crop=True)
        >>> square.shape, size, square[:, 7, 7].tolist()
        ((3, 16, 16), (30, 20), [255, 128, 0])
    """
    with opened_picture(file, name) as stored:
        size, picture = stored.size, in_colour(stored)
    from PIL import Image

    if crop:
        left, top, side = centre_square(*size)
        picture = picture.crop((left, top, left + side, top + side))
    if picture.size != (image_size, image_size):
        picture = picture.resize((image_size, image_size), Image.Resampling.BILINEAR)
    return np.asarray(picture).transpose(2, 0, 1), size


@contextmanager
def opened_picture(file: Path | BinaryIO, name: str) -> Iterator[Any]:
    """Open a picture; what its reader cannot do, then or as it is used, is a ValueError that names it.

    Args:
        file: a path, or an open binary file.
        name: what a message calls it.

    Yields:
        `PIL.Image.Image`, whose pixels are not decoded yet.

    Raises:
        UnreadablePicture, ImportError: as `read_picture`.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as missing:
        raise ImportError(f"{name}: pictures are read with Pillow; install it with `pip install pillow`") from missing

    try:
        with Image.open(file) as stored:
            yield stored
    except Image.DecompressionBombError as reason:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        said = f"{name}: more than {most:,} pixels; allowed are fewer, so make it smaller first"
        raise UnreadablePicture(said, "too large") from reason
    except Exception as reason:  # Pillow's many readers raise whatever a damaged file leads them to
        said = f"{name}: not a picture that can be read"
        if isinstance(reason, UnidentifiedImageError):  # which names the open file, as Python shows it, and no more
            raise UnreadablePicture(said, "no picture") from reason
        raise UnreadablePicture(f"{said}, or damaged ({reason})", "damaged") from reason


def in_colour(stored: Any) -> Any:
    """An open `PIL.Image.Image` in RGB: whatever shows through it is white, and no value is cut off."""
    from PIL import Image

    if stored.mode == "F":
        raise ValueError("grey in floating-point numbers; allowed are whole ones")
    clear = stored.info.get("transparency")
    if stored.mode.startswith("I"):  # grey of 16 bits, which `convert` would cut off at 255
        values = np.asarray(stored).astype(np.int64)
        if values.min() < 0 or values.max() > DEEPEST:
            raise ValueError(f"grey from {values.min()} to {values.max()}; allowed is 0 to {DEEPEST}")
        grey = (values * 255 + DEEPEST // 2) // DEEPEST
        if isinstance(clear, int):
            grey[values == clear] = 255
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if clear is None and stored.mode not in TRANSPARENT:
        return stored.convert("RGB")
    shown = stored.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown).convert("RGB")


def picture_size(path: Path) -> tuple[int, int]:
    """The (width, height) of a stored picture, in pixels, read off the head of its file alone.

    Raises:
        UnreadablePicture, ImportError: as `read_picture`.
    """
    with opened_picture(path, str(path)) as stored:
        return stored.size


def centre_square(width: int, height: int) -> tuple[int, int, int]:
    """Left edge, top edge and side, in pixels, of the largest centred square of a picture.

    Example:
        >>> centre_square(178, 218)
        (0, 20, 178)
    """
    side = min(width, height)
    return (width - side) // 2, (height - side) // 2, side


def points_in_picture(points: np.ndarray, size: tuple[int, int], crop: bool = False) -> np.ndarray:
    """Pixel coordinates of a stored picture as coordinates in [-1, 1] of the square that `read_picture` makes.

    Args:
        points: (..., 2), x and y in pixels; (0, 0) is the centre of the first pixel.
        size: (width, height) of the stored picture in pixels.
        crop: whether the square was cut out of the middle.

    Returns:
        float32 (..., 2); -1 and +1 are the outer edges. A point in what was cropped away lies beyond them.

    Example:
        >>> points_in_picture(np.array([[0.0, 0.0], [3.0, 1.0]]), (4, 2)).tolist()
        [[-0.75, -0.5], [0.75, 0.5]]
        >>> points_in_picture(np.array([[0.0, 0.0], [3.0, 1.0]]), (4, 2), crop=True).tolist()
        [[-1.5, -0.5], [1.5, 0.5]]
    """
    corner, extent = np.zeros(2), np.array(size, float)
    if crop:
        left, top, side = centre_square(*size)
        corner, extent = np.array([left, top], float), np.full(2, float(side))
    return (2 * (points + 0.5 - corner) / extent - 1).astype(np.float32)


def shown_picture(stored: Any, least: int = 0) -> Any:
    """An open picture in RGB as a viewer shows it: turned as its EXIF says, what is transparent on white.

    Args:
        stored: `PIL.Image.Image`, as `opened_picture` gives it.
        least: a JPEG may be read at a half, a quarter or an eighth of its size, which takes a fraction of the time and
            memory, if its shorter side keeps so many pixels; 0: it is read whole.

    Returns:
        `PIL.Image.Image`.

    Example:
        >>> from PIL import Image
        >>> picture = Image.new("L", (40, 20))
        >>> picture.getexif()[ORIENTATION] = 6  # the camera was held upright
        >>> shown_picture(picture).size
        (20, 40)
    """
    from PIL import Image

    turn = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE"}
    turn |= {6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90"}
    orientation = orientation_of(stored)
    if least:
        scale = min(1.0, least / min(stored.size))
        stored.draft(None, (max(1, int(stored.width * scale)), max(1, int(stored.height * scale))))
    picture = in_colour(stored)
    return picture.transpose(Image.Transpose[turn[orientation]]) if orientation in turn else picture


def orientation_of(stored: Any) -> int:
    """EXIF's note in an open picture of how the camera was held: 1 to 8; 1 where there is none, or another number."""
    try:
        noted = stored.getexif().get(ORIENTATION)
    except Exception:  # a damaged note is none
        return 1
    return noted if noted in range(1, 9) else 1


def shown_size(stored: Any) -> tuple[int, int]:
    """Width and height of an open picture as `shown_picture` turns it."""
    width, height = stored.size
    return (height, width) if orientation_of(stored) >= 5 else (width, height)


class PictureFiles:
    """Pictures of one folder that stay in their files until they are asked for, made square and resized then.

    Args:
        folder: where they lie.
        names: N file names; kept as one array, which worker processes share and pickle better than a list of paths.
        image_size: height and width, S.
        stored_size: the (width, height) that every file must have, in pixels, or an array `(N, 2)` of theirs; the
            points were read for it.
        crop: whether the largest centred square is cut out, or else the whole picture squeezed into one.

    Example:
        >>> files = PictureFiles(Path("faces"), ["a.jpg", "b.jpg"], image_size=80, stored_size=(178, 218))
        >>> len(files), files.select(torch.tensor([1])).path(0).name
        (2, 'b.jpg')
    """

    def __init__(
        self,
        folder: Path,
        names: Sequence[str] | np.ndarray,
        image_size: int,
        stored_size: tuple[int, int] | np.ndarray,
        crop: bool = True,
    ) -> None:
        self.folder, self.names = folder, np.asarray(names, str)
        self.image_size, self.crop = image_size, crop
        self.stored_size = np.broadcast_to(np.asarray(stored_size, np.int64), (len(self.names), 2))

    def __len__(self) -> int:
        return len(self.names)

    def path(self, row: int) -> Path:
        """The file of one picture."""
        return self.folder / str(self.names[row])

    def select(self, rows: Tensor) -> PictureFiles:
        """The pictures of `rows` (int64 (M,)), still in their files."""
        chosen = rows.numpy()
        return PictureFiles(self.folder, self.names[chosen], self.image_size, self.stored_size[chosen], self.crop)

    def sha256_of_sizes(self) -> str:
        """The sha256 of a line for each file, in order: its name and its size in bytes.

        Raises:
            ValueError: a file that is not there any more.
        """
        total = hashlib.sha256()
        for row, name in enumerate(self.names):
            try:
                total.update(f"{name} {self.path(row).stat().st_size}\n".encode())
            except OSError as reason:
                raise ValueError(f"{self.path(row)}: cannot be read ({reason.strerror})") from reason
        return total.hexdigest()

    def __getitem__(self, rows: Tensor) -> Tensor:
        """The pictures of `rows` (int64 (B,)), decoded: uint8 (B, 3, S, S)."""
        squares = []
        for row in rows.tolist():
            path = self.path(row)
            square, size = read_picture(path, str(path), self.image_size, self.crop)
            stored: tuple[int, ...] = tuple(self.stored_size[row].tolist())
            if size != stored:
                raise ValueError(f"{path}: {size} pixels (width, height); allowed is {stored}")
            squares.append(square)
        return torch.from_numpy(np.stack(squares))
