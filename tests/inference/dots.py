"""A model that finds coloured dots on white, by their centroids: what it should find is known without it."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from tusklite.methods.weights import FoundKeypoints
from tusklite.ops.keypoints import soft_argmax

COLOURS = {"red": (255, 0, 0), "blue": (0, 0, 255), "black": (0, 0, 0)}


class DotFinder(nn.Module):
    """A red, a blue and a black dot; of kinds, and then in whole pictures, or one map each in their middle."""

    def __init__(self, kinds: bool = True, side: int = 64) -> None:
        super().__init__()
        self.SEES, self.trained_on = ("whole" if kinds else "middle"), (side, side)
        self.config = SimpleNamespace(image_channels=3, prototypes=3)
        self.kinds, self.weight = kinds, nn.Parameter(torch.zeros(1))

    def find_keypoints(self, images: Tensor, k: int | None = None) -> FoundKeypoints:
        red, _, blue = images.unbind(1)
        maps = torch.stack([red - blue, blue - red, 1 - images.amax(1)], dim=1).clamp(min=0)
        least = torch.tensor([0.35, 0.35, 0.8]).view(3, 1, 1)  # a video's red is not quite red
        maps = torch.where(maps > least, maps, 0.0)
        score = maps.amax(dim=(2, 3))
        found = score > 0
        xy = soft_argmax(
            torch.where(found[..., None, None], maps, 1.0) / maps.sum((2, 3), keepdim=True).clamp(min=1e-9)
        )
        kinds = torch.arange(3).expand(len(images), 3) if self.kinds else None
        return FoundKeypoints(xy.nan_to_num(0.0), score, kinds, found)


def dotted(size: tuple[int, int], radius: float | None = None, **places: tuple[float, float]) -> Image.Image:
    """A white picture with dots; places in pixels, from 0 at the centre of the first one."""
    picture = Image.new("RGB", size, "white")
    r = max(2.0, max(size) / 14) if radius is None else radius
    for colour, (x, y) in places.items():
        ImageDraw.Draw(picture).ellipse((x - r, y - r, x + r, y + r), fill=COLOURS[colour])
    return picture


def centroid(picture: Image.Image, colour: str) -> np.ndarray:
    """Where a dot is, by NumPy."""
    pixels = np.asarray(picture.convert("RGB")).astype(float)
    red, blue = pixels[..., 0], pixels[..., 2]
    there = {"red": red - blue, "blue": blue - red, "black": 255 - pixels.max(2)}[colour] > 90
    return np.argwhere(there).mean(axis=0)[::-1]


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "keypoints.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def found_in(folder: Path) -> dict[str, list[tuple[str, float, float]]]:
    """Of each file the prototypes (or keypoints) and their places."""
    found: dict[str, list[tuple[str, float, float]]] = {}
    for row in table(folder):
        number = row["prototype"] or row["keypoint"]
        found.setdefault(row["file"], []).append((number, float(row["x"]), float(row["y"])))
    return found
