"""How a picture is fitted to a network's input, and how points come back into the pixels of the picture."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tusklite.arguments import require_choice, require_integer
from tusklite.data.pictures import centre_square
from tusklite.methods.weights import KeypointModel

FITS = ("middle", "whole")
LONGEST = 4  # a whole picture's longer side, in sides of the squares that a network was trained on
LARGEST_SIDE = 4096


class Framing(NamedTuple):
    """What part of a picture a network sees, and at which size.

    Attributes:
        box: left, top, right and bottom edge of the part, in pixels of the picture.
        size: width and height that the part is brought to.
        margin: left and top pixels of the input that continue the picture's edges.
        canvas: width and height of the network's input.
    """

    box: tuple[int, int, int, int]
    size: tuple[int, int]
    margin: tuple[int, int]
    canvas: tuple[int, int]

    def to_pixels(self, xy: np.ndarray) -> np.ndarray:
        """Points `(..., 2)` in [-1, 1] of the input as pixels of the picture; (0, 0) is its first pixel's centre.

        Example:
            >>> framing = Framing(box=(10, 0, 30, 20), size=(40, 40), margin=(0, 0), canvas=(40, 40))
            >>> framing.to_pixels(np.array([[-1.0, -1.0], [0.0, 0.0]])).tolist()
            [[9.5, -0.5], [19.5, 9.5]]
        """
        on_canvas = (xy + 1) / 2 * np.array(self.canvas) - np.array(self.margin)
        left, top, right, bottom = self.box
        return np.array([left, top]) + on_canvas * np.array([right - left, bottom - top]) / np.array(self.size) - 0.5


class Eye:
    """How one model is shown pictures.

    The "middle" of a picture is its largest centred square, brought to the size of the squares that the model was
    trained on: as training sees pictures of one's own. The "whole" picture keeps its shape. A model that finds the same
    thing several times gets it with its shorter side as long as those squares (its longer side at most four times as
    long, or all of it is smaller). A model with a map for each keypoint gets it in the middle of such a square, as
    large as fits where the model looks; beyond the picture its edges go on.

    Args:
        model: the network.
        fit: "middle" or "whole"; as the model was made for where None.
        side: of the squares, in pixels, 8 to 4,096; what the model was trained on where None. A larger one makes all
            that is in a picture larger to the network.

    Raises:
        TypeError: a side that is no integer.
        ValueError: another fit or side, no side for a model that does not say what it was trained on, or a model of
            images with other channels than grey's one or colour's three.
    """

    def __init__(self, model: KeypointModel, fit: str | None = None, side: int | None = None) -> None:
        self.fit = require_choice("fit", model.SEES if fit is None else fit, FITS)
        self.grey = model.config.image_channels == 1
        if model.config.image_channels not in (1, 3):
            raise ValueError(
                f"model: one of images with {model.config.image_channels} channels was given; allowed are 1 and 3"
            )
        self.looks_at = float(getattr(model.config, "zoom", 1.0))
        own = min(model.trained_on) if model.trained_on else None
        if own is None and hasattr(model.config, "image_size"):
            own = round(model.config.image_size / self.looks_at)
        if side is None and own is None:
            raise ValueError(
                "size: none was given, and the weights do not say how large the images were that they were trained on; "
                f"allowed is their side in pixels, from 8 to {LARGEST_SIDE}"
            )
        self.side = require_integer("size", own if side is None else side, low=8, high=LARGEST_SIDE)
        self.multiple = int(getattr(model.config, "stem", 1))
        self.smallest = self.multiple * 2 ** (int(getattr(model.config, "levels", 1)) - 1)
        self.same_thing_twice = model.SEES == "whole"

    def framing(self, size: tuple[int, int]) -> Framing:
        """What of a picture of (width, height) pixels is shown, and how."""
        width, height = size
        side = self._allowed(self.side)
        if self.fit == "middle":
            left, top, length = centre_square(width, height)
            box = (left, top, left + length, top + length)
            return Framing(box, (side, side), (0, 0), (side, side))
        if self.same_thing_twice:
            scale = min(self.side / min(size), LONGEST * self.side / max(size))
            fitted = (self._allowed(width * scale), self._allowed(height * scale))
            return Framing((0, 0, width, height), fitted, (0, 0), fitted)
        scale = side * self.looks_at / max(size)
        inside = (max(1, round(width * scale)), max(1, round(height * scale)))
        margin = ((side - inside[0]) // 2, (side - inside[1]) // 2)
        return Framing((0, 0, width, height), inside, margin, (side, side))

    def _allowed(self, length: float) -> int:
        """The nearest length that the network can take."""
        return max(self.smallest, round(length / self.multiple) * self.multiple)

    def show(self, picture: Any, framing: Framing) -> Tensor:
        """A picture (`PIL.Image.Image` in RGB, perhaps smaller than it is by its file) as a network sees it.

        Returns:
            float32 `(channels, H, W)` in [0, 1]; with Pillow's bilinear filter, as in training.
        """
        from PIL import Image

        if self.fit == "middle":
            left, top, length = centre_square(*picture.size)
            picture = picture.crop((left, top, left + length, top + length))
        picture = picture.resize(framing.size, Image.Resampling.BILINEAR)
        pixels = np.asarray(picture.convert("L") if self.grey else picture)
        pixels = pixels.reshape(*pixels.shape[:2], -1)
        before = framing.margin[::-1]
        after = [framing.canvas[1 - axis] - framing.size[1 - axis] - before[axis] for axis in (0, 1)]
        pixels = np.pad(pixels, ((before[0], after[0]), (before[1], after[1]), (0, 0)), mode="edge")
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float() / 255
