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
