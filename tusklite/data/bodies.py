"""Real pictures of bodies with annotated points: two flies, two sets of hand-labelled mice, and Human3.6M's people."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from tusklite.arguments import require_choice, require_indices, require_integer
from tusklite.data.base import ImageAlone, images_sha256
from tusklite.data.digits import SPLITS
from tusklite.data.figures import BodyBatch
from tusklite.data.human36m import HumanFiles, read_human36m
from tusklite.data.pictures import points_in_picture, read_picture
from tusklite.data.stored_files import read_bytes, read_text
from tusklite.places import data_folder

SOURCES = ("flies", "mouse", "mirror-mouse", "human36m")
FLIES = "sleap_flies/flies_pair_192px_every4.npz"
# The skeleton's order, which the points are in. The packed file has names too, in an order that is not theirs: read so,
# a thorax would lie beside the fly.
FLY_POINTS = (
    *("head", "neck", "thorax", "abdomen", "wingL", "wingR"),
    *(f"{leg}leg{side}{joint}" for leg in ("fore", "mid", "hind") for side in "LR" for joint in (1, 2, 3)),
)
MOUSE = ("dlc_openfield_mouse/landmarks_320x240.npz", "dlc_openfield_mouse/images")
MIRROR_MOUSE = "lightning_pose_mirror_mouse/mirror-mouse-example"
MIRROR_TABLE = "CollectedData.csv"
TRAIN, VALIDATION = 0.7, 0.1  # shares of a video's frames, in their order; the rest is for testing


@dataclass(frozen=True)
class BodySource:
    """All pictures of one source and how they are split.

    Attributes:
        name: one of `SOURCES`.
        images: uint8 (N, 3, S, S), or the files where they are too many to hold.
        points: float32 (N, F, P, 2) in [-1, 1], NaN where a point is not known; None where they stay in files.
        splits: for each of "train", "validation" and "test" the int64 rows of its pictures.
        point_names: P names.
        ends: which two points are the ends of a body.
        sha256: of the images' bytes, then of the points'; of Human3.6M of all files' names and sizes.
    """

    name: str
    images: Tensor | HumanFiles
    points: Tensor | None
    splits: dict[str, Tensor]
    point_names: tuple[str, ...]
    ends: tuple[int, int]
    sha256: str


class BodyPictures:
    """Real pictures of one split with annotated points, squeezed into a square.

    Training sees images alone; `with_truth` is for the regressor that is fitted on labelled training pictures, and for
    scores. Nothing is downloaded.

    "flies": 275 frames of a video of two flies, 24 points each. They are the predictions of a network, not labels, and
    8% are missing. "mouse": 116 frames of a mouse in an open field, 4 points labelled by hand. "mirror-mouse": 90
    frames of a mouse seen from above and, in a mirror, from below; 17 points labelled by hand, 9% missing. Of these the
    first 70% of the frames are for training, the next 10% for validation, the rest for testing. "human36m": people
    before white, 32 joints, left and right as one sees them (see `tusklite.data.human36m`); S11 is for testing, 1,000
    training pictures are for validation too (`held_out`).

    Args:
        split: "train", "validation" or "test".
        source: one of these.
        root: folder to look in; by default $TUSKLITE_DATA, or else the user's cache folder.
        image_size: S, height and width in pixels, 16 to 1,024.
        device: where the pictures are held and the batches made.

    Attributes:
        points: float32 (N, F, P, 2) in [-1, 1], NaN where a point is not known; None for "human36m", until asked for.
        held_out: bool (N,), the pictures that are also in "validation".
        point_names: P names.
        ends: which two points are the ends of a body.

    Raises:
        ValueError: an argument out of its range, damaged files, or a split without pictures.
        TypeError: an image_size that is not an integer.
        FileNotFoundError: the source is not there; the message says what to put where.
    """

    def __init__(
        self,
        split: str,
        source: str,
        root: str | os.PathLike[str] | None = None,
        image_size: int = 96,
        device: torch.device | str = "cpu",
    ) -> None:
        self.split = require_choice("split", split, SPLITS)
        self._whole = read_bodies(source, root, image_size)
        self.source, self.image_size, self.device = source, image_size, torch.device(device)
        rows = self._whole.splits[split]
        if not len(rows):
            sizes = ", ".join(f"{len(each):,} {name}" for name, each in self._whole.splits.items())
            raise ValueError(f"split: {split!r} was given, which has no pictures; there are {sizes}")
        images, points = self._whole.images, self._whole.points
        self.images = images[rows].to(self.device) if isinstance(images, Tensor) else images.select(rows)
        self.points = None if points is None else points[rows].to(self.device)
        self.held_out = torch.isin(rows, self._whole.splits["validation"])
        self.point_names, self.ends = self._whole.point_names, self._whole.ends

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> BodyBatch | ImageAlone:
        """Picture `index` without a batch dimension; of the split "train" its image alone."""
        if self.split == "train":
            return ImageAlone(self.scenes([index]).image[0])
        batch = self.scenes([index], with_truth=True)
        assert batch.xy is not None
        return BodyBatch(batch.image[0], batch.xy[0])

    @property
    def reads_files(self) -> bool:
        """Whether the pictures stay in their files until they are asked for, as Human3.6M's do."""
        return not isinstance(self.images, Tensor)

    def describe(self) -> dict[str, str | int]:
        """What a run records about its data: source, checksum, and the numbers of pictures."""
        sizes = {f"{split}_pictures": len(rows) for split, rows in self._whole.splits.items()}
        return {
            "source": self.source,
            "sha256": self._whole.sha256,
            **sizes,
            "split": self.split,
            "image_size": self.image_size,
        }

    def identity(self) -> dict[str, object]:
        """All that decides what image i is (see `ImageSource`); of Human3.6M by names and sizes of the files."""
        images = self.images
        return {
            "kind": "bodies",
            "source": self.source,
            "split": self.split,
            "images_sha256": images_sha256(images) if isinstance(images, Tensor) else images.sha256_of_sizes(),
            "images": len(self),
            "image_size": self.image_size,
        }

    def scenes(self, indices: Sequence[int] | Tensor, with_truth: bool = False) -> BodyBatch:
        """A batch of pictures, in any order, repeats allowed.

        Args:
            indices: B whole numbers from 0 to `len(self) - 1`.
            with_truth: also give the points, (B, F, P, 2).

        Returns:
            `BodyBatch` on `self.device`; on the CPU where a worker process of a loader decodes files.

        Raises:
            ValueError: an empty batch, more than one dimension, or for "human36m" a damaged file.
            TypeError: indices that are not whole numbers.
            IndexError: an index out of range.
        """
        rows, device = require_indices("indices", indices, len(self)), self.device
        if self.reads_files and get_worker_info() is not None:
            device = torch.device("cpu")  # a worker process of a loader cannot use the GPU that its parent uses
        pixels = self.images[rows if self.reads_files else rows.to(device)].to(device, torch.float32)
        image = pixels / pixels.new_full((), 255)  # by a tensor: a GPU multiplies by 1 / 255 where it is a plain number
        if not with_truth:
            return BodyBatch(image)
        if isinstance(self.images, HumanFiles):
            return BodyBatch(image, self.images.joints(rows).unsqueeze(1).to(device))
        assert self.points is not None
        return BodyBatch(image, self.points[rows.to(self.points.device)])


def read_bodies(source: str, root: str | os.PathLike[str] | None = None, image_size: int = 96) -> BodySource:
    """All pictures of a source.

    Args:
        source: one of `SOURCES`.
        root: as for `BodyPictures`.
        image_size: height and width in pixels, 16 to 1,024.

    Raises:
        ValueError, TypeError, FileNotFoundError: as `BodyPictures`.

    Example:
        >>> read_bodies("cats")
        Traceback (most recent call last):
        ...
        ValueError: source: 'cats' was given; allowed are 'flies', 'mouse', 'mirror-mouse', 'human36m'
    """
    require_choice("source", source, SOURCES)
    image_size = require_integer("image_size", image_size, low=16, high=1024)
    folder, place = data_folder(root)
    if source == "human36m":
        files, splits = read_human36m(folder, place, image_size)
        names = tuple(f"joint_{number}" for number in range(files.JOINTS))
        return BodySource(source, files, None, splits, names, files.ENDS, files.sha256_of_sizes())
    read: dict[str, Callable[[Path, str, int], BodySource]] = {
        "flies": _read_flies,
        "mouse": _read_mouse,
        "mirror-mouse": _read_mirror_mouse,
    }
    return read[source](folder, place, image_size)


def _held(
    name: str, images: Sequence[np.ndarray], points: np.ndarray, point_names: Sequence[str], ends: tuple[str, str]
) -> BodySource:
    """Pictures that are held in memory, in the order of their frames."""
    stacked = np.ascontiguousarray(np.stack(images))
    points = np.ascontiguousarray(points, np.float32)
    total = hashlib.sha256(stacked.data)
    total.update(points.data)
    first, second = round(TRAIN * len(stacked)), round((TRAIN + VALIDATION) * len(stacked))
    rows = torch.arange(len(stacked)).tensor_split([first, second])
    names = tuple(str(each) for each in point_names)
    return BodySource(
        name,
        torch.from_numpy(stacked),
        torch.from_numpy(points),
        dict(zip(SPLITS, rows, strict=True)),
        names,
        (names.index(ends[0]), names.index(ends[1])),
        total.hexdigest(),
    )


def _lacking(source: str, folder: Path, place: str, files: Sequence[str], where: str) -> None:
    missing = [name for name in files if not os.path.exists(folder / name)]
    if missing:
        raise FileNotFoundError(
            f"source: {source!r} was given, but {place}, {folder}, lacks {', '.join(missing)}. {where}"
        )


def _arrays(path: Path, shapes: dict[str, int]) -> dict[str, np.ndarray]:
    """The arrays of an npz file, each with so many dimensions and as long as the others.

    Raises:
        ValueError: it cannot be read, or lacks one of them; the message names the file.
    """
    try:
        with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in shapes}
    except Exception as reason:  # zip files raise whatever a damaged one leads them to
        raise ValueError(f"{path}: not an npz file with {', '.join(shapes)}, or damaged ({reason})") from reason
    for name, dimensions in shapes.items():
        if arrays[name].ndim != dimensions:
            raise ValueError(f"{path}: {name} has {arrays[name].ndim} dimensions; allowed are {dimensions}")
    return arrays


def _read_flies(folder: Path, place: str, image_size: int) -> BodySource:
    """Two flies: frames uint8 (N, H, W), and points (N, 2, 24, 2) in pixels, whose first centre is 0."""
    _lacking(
        "flies",
        folder,
        place,
        [FLIES],
        "It has every fourth frame, halved, of centered_pair_low_quality.mp4 in the tests of "
        "https://github.com/talmolab/sleap (Clear BSD), and what centered_pair_predictions.slp says of it",
    )
    arrays = _arrays(folder / FLIES, {"frames": 3, "points": 4})
    frames, points = arrays["frames"], arrays["points"]
    if frames.dtype != np.uint8 or points.shape[:1] + points.shape[2:] != (len(frames), len(FLY_POINTS), 2):
        raise ValueError(
            f"{folder / FLIES}: frames {frames.dtype} {frames.shape} and points {points.shape}; "
            f"allowed are bytes (N, H, W) and points (N, F, {len(FLY_POINTS)}, 2)"
        )
    from PIL import Image

    squares = [
        np.asarray(Image.fromarray(frame).convert("RGB").resize((image_size, image_size), Image.Resampling.BILINEAR))
        for frame in frames
    ]
    size = (frames.shape[2], frames.shape[1])
    places = points_in_picture(points, size)
    return _held("flies", [square.transpose(2, 0, 1) for square in squares], places, FLY_POINTS, ("head", "abdomen"))


def _read_mouse(folder: Path, place: str, image_size: int) -> BodySource:
    """A mouse in an open field: names of pictures, points (N, 4, 2) in their pixels, and the points' names."""
    _lacking(
        "mouse",
        folder,
        place,
        MOUSE,
        "It has the labelled frames of DeepLabCut's example openfield-Pranav, https://github.com/DeepLabCut/DeepLabCut "
        "(LGPL-3), at 320 x 240, and its labels in those pixels",
    )
    table, pictures = (folder / name for name in MOUSE)
    arrays = _arrays(table, {"names": 1, "points_xy": 3, "point_names": 1})
    point_names = arrays["point_names"].tolist()
    names, points = arrays["names"].tolist(), arrays["points_xy"]
    if points.shape != (len(names), len(point_names), 2):
        raise ValueError(f"{table}: points {points.shape}; allowed are ({len(names)}, {len(point_names)}, 2)")
    images, places = _pictures_with_points(pictures, names, points, image_size)
    return _held("mouse", images, places, point_names, ("snout", "tailbase"))


def _read_mirror_mouse(folder: Path, place: str, image_size: int) -> BodySource:
    """A mouse from two sides: DeepLabCut's CSV table of labels, and the pictures that it names."""
    table = folder / MIRROR_MOUSE / MIRROR_TABLE
    _lacking(
        "mirror-mouse",
        folder,
        place,
        [f"{MIRROR_MOUSE}/{MIRROR_TABLE}"],
        "It is data/mirror-mouse-example of https://github.com/paninski-lab/lightning-pose (MIT)",
    )
    names, point_names, points = read_label_table(table)
    images, places = _pictures_with_points(folder / MIRROR_MOUSE, names, points, image_size)
    return _held("mirror-mouse", images, places, point_names, ("nose_top", "tailBase_top"))


def read_label_table(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    """A table of labels as DeepLabCut and Lightning Pose write it: three rows of heads, then a row a picture.

    Args:
        path: of the CSV file.

    Returns:
        Names of the N pictures, names of the P points, and float64 (N, P, 2) in pixels, NaN where nothing is written.

    Raises:
        ValueError: another form; the message names file and row.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "CollectedData.csv"
        ...     _ = path.write_text("scorer,me,me\\nbodyparts,nose,nose\\ncoords,x,y\\na.png,3,4.5\\nb.png,,\\n")
        ...     read_label_table(path)
        (['a.png', 'b.png'], ['nose'], array([[[3. , 4.5]],
        <BLANKLINE>
               [[nan, nan]]]))
    """
    rows = [row for row in csv.reader(io.StringIO(read_text(path), newline="")) if row]
    heads = [row[:1] for row in rows[:3]]
    columns = len(rows[0]) - 1 if rows else 0
    if heads != [["scorer"], ["bodyparts"], ["coords"]] or columns < 2 or rows[2][1:] != ["x", "y"] * (columns // 2):
        raise ValueError(f"{path}: allowed are rows scorer, bodyparts and coords (x, y, x, y, ...), then pictures")
    names, values = [], []
    for number, row in enumerate(rows[3:], start=4):
        try:
            numbers = [float(entry) if entry.strip() else np.nan for entry in row[1:]]
        except ValueError as reason:
            raise ValueError(f"{path}, row {number}: {reason}; allowed are numbers, or nothing") from reason
        if len(numbers) != columns:
            raise ValueError(f"{path}, row {number}: {len(row)} entries were given; allowed are {columns + 1}")
        names.append(row[0].replace("\\", "/"))
        values.append(numbers)
    if not names:
        raise ValueError(f"{path}: no picture is named; allowed is at least one")
    return names, rows[1][1::2], np.array(values).reshape(len(names), -1, 2)


def _pictures_with_points(
    folder: Path, names: Sequence[str], points: np.ndarray, image_size: int
) -> tuple[list[np.ndarray], np.ndarray]:
    """Pictures squeezed into squares, and their points (N, 1, P, 2) in [-1, 1]."""
    images, places = [], []
    for name, pixels in zip(names, points, strict=True):
        square, size = read_picture(folder / str(name), str(folder / str(name)), image_size)
        images.append(square)
        places.append(points_in_picture(pixels, size))
    return images, np.stack(places)[:, None]
