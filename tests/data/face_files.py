"""Pictures with a bright spot that can be found again, and CelebA made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

CELEBA_NAMES = tuple(f"{number:06d}.jpg" for number in range(1, 9))


def spot_picture(size: tuple[int, int], place: np.ndarray) -> Image.Image:
    """A dark picture of `size` (width, height) with a bright spot at `place`; pixel i has its centre at i."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    spread = min(size) / 20
    bright = np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / (2 * spread**2))
    return Image.fromarray(np.uint8(255 * bright)).convert("RGB")


def write_celeba(root: Path) -> None:
    """CelebA in torchvision's layout; the spot in each picture is at its left eye."""
    pictures = root / "celeba" / "img_align_celeba"
    pictures.mkdir(parents=True)
    columns = " ".join(
        f"{point}_{axis}" for point in ("lefteye", "righteye", "nose", "leftmouth", "rightmouth") for axis in "xy"
    )
    lines = [str(len(CELEBA_NAMES)), columns]
    for number, name in enumerate(CELEBA_NAMES):
        places = np.array([[60 + number, 90], [107, 112 + number], [80, 130], [70, 150], [105, 149]])
        spot_picture((178, 218), places[0]).save(pictures / name, quality=95)
        lines.append(f"{name}  " + "  ".join(str(value) for value in places.ravel()))
    (root / "celeba" / "list_landmarks_align_celeba.txt").write_text("\n".join(lines) + "\n")
    lists = root / "celeba_lists"
    lists.mkdir()
    (lists / "mafl_training.txt").write_text("".join(f"{CELEBA_NAMES[k]}\n" for k in (6, 0, 2, 3, 4)))
    (lists / "mafl_testing.txt").write_text(f"{CELEBA_NAMES[5]}\n{CELEBA_NAMES[1]}\n")


WILD_SIZES = ((60, 80), (100, 50), (64, 64), (90, 120), (80, 60), (72, 72), (50, 100), (66, 44))
# Of eight faces, the area of the box over that of the picture: the third and the fifth are too small.
WILD_SHARES = (0.5, 0.31, 0.29, 0.9, 0.1, 0.4, 0.3, 0.6)


def write_celeba_wild(root: Path) -> None:
    """CelebA in the wild as published; the spot in each picture is at its left eye."""
    pictures = root / "celeba" / "img_celeba"
    pictures.mkdir(parents=True)
    columns = " ".join(
        f"{point}_{axis}" for point in ("lefteye", "righteye", "nose", "leftmouth", "rightmouth") for axis in "xy"
    )
    lines, boxes = [str(len(CELEBA_NAMES)), columns], [str(len(CELEBA_NAMES)), "image_id x_1 y_1 width height"]
    for name, (width, height), share in zip(CELEBA_NAMES, WILD_SIZES, WILD_SHARES, strict=True):
        places = np.array([[0.4, 0.45], [0.6, 0.4], [0.5, 0.55], [0.42, 0.7], [0.58, 0.72]]) * (width, height)
        places = places.round().astype(int)
        spot_picture((width, height), places[0]).save(pictures / name, quality=95)
        lines.append(f"{name}  " + "  ".join(str(value) for value in places.ravel()))
        boxes.append(f"{name}    1  2 {width} {share * height:.4f}")
    (root / "celeba" / "list_landmarks_celeba.txt").write_text("\n".join(lines) + "\n")
    (root / "celeba" / "list_bbox_celeba.txt").write_text("\n".join(boxes) + "\n")
    lists = root / "celeba_lists"
    lists.mkdir()
    (lists / "mafl_training.txt").write_text("".join(f"{CELEBA_NAMES[k]}\n" for k in (6, 0, 2, 3)))
    (lists / "mafl_testing.txt").write_text(f"{CELEBA_NAMES[5]}\n{CELEBA_NAMES[1]}\n{CELEBA_NAMES[4]}\n")
