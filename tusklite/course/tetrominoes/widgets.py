"""Take keypoints away or move them, and see what the decoder draws."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets
import torch
from matplotlib.figure import Figure
from torch import Tensor

from tusklite.arguments import require_tensor
from tusklite.course.audience import somebody_is_there
from tusklite.course.controls import follow
from tusklite.course.tetrominoes.figures import redrawn

Draw = Callable[[Tensor, Tensor], Tensor]


class MovedKeypoints(ipywidgets.VBox):
    """Sliders that choose a keypoint, move it, and take it away, above the scene and what is drawn.

    Args:
        image: (C, H, W) with 1 or 3 channels in [0, 1].
        xy: (K, 2) where the keypoints are, in [-1, 1].
        draw: from points (K, 2) and which of them are there, bool (K,), to a picture (C, H, W) in [0, 1].

    Attributes:
        xy: (K, 2) where the keypoints are now; follows the sliders.
        kept: (K,) bool, which of them are there; follows the tick.
        keypoint, x, y, there, reset: the controls.
        message: a line that says how far the drawing is from the scene.
        picture: the image widget with the PNG that is shown.

    Raises:
        TypeError, ValueError: another type, shape or range.

    Example:
        >>> def draw(xy, there):
        ...     return there.float().mean().expand(3, 8, 8)
        >>> sliders = MovedKeypoints(torch.ones(3, 8, 8), torch.zeros(2, 2), draw)
        >>> sliders.there.value = False
        >>> sliders.kept, sliders.message.value
        (tensor([False,  True]), '1 of 2 keypoints; squared error 16.00 pixels')
    """

    def __init__(self, image: Tensor, xy: Tensor, draw: Draw) -> None:
        require_tensor("image", image, ("C", "H", "W"))
        require_tensor("xy", xy, ("K", 2))
        if not len(xy) or xy.abs().max() > 1:
            raise ValueError(f"xy: {xy.tolist()} were given; allowed are one point or more in [-1, 1]")
        if not callable(draw):
            raise TypeError(f"draw: {type(draw).__name__} was given; allowed is a function")
        self.image, self.draw = image, draw
        self._start, self.xy = xy.detach().clone(), xy.detach().clone()
        self.kept = torch.ones(len(xy), dtype=torch.bool)
        wide = {"layout": {"width": "420px"}}
        self.keypoint = ipywidgets.IntSlider(value=1, min=1, max=len(xy), description="keypoint", **wide)
        self.x, self.y = (
            ipywidgets.FloatSlider(min=-1.0, max=1.0, step=0.01, description=name, **wide) for name in ("x", "y")
        )
        self.there = ipywidgets.Checkbox(value=True, description="it is there")
        self.reset = ipywidgets.Button(description="put all back")
        self.message = ipywidgets.Label()
        self.picture = ipywidgets.Image(format="png")
        self._choosing = False
        self._choose()
        follow(self.keypoint, self._choose)
        for slider in (self.x, self.y):
            follow(slider, self._move)
        self.there.observe(lambda change: self._move(), names="value")
        self.reset.on_click(self._put_back)
        super().__init__([self.keypoint, self.x, self.y, self.there, self.reset, self.message, self.picture])

    def figure(self) -> Figure:
        """The scene, and what is drawn now."""
        return redrawn(self.image, self._drawn(), self.xy, self.kept, chosen=self.keypoint.value - 1)

    def _drawn(self) -> Tensor:
        with torch.no_grad():
            return self.draw(self.xy.clone(), self.kept.clone())

    def _choose(self) -> None:
        """Bring the controls to the chosen keypoint, without moving it."""
        at = self.keypoint.value - 1
        self._choosing = True
        self.x.value, self.y.value = self.xy[at].tolist()
        self.there.value = bool(self.kept[at])
        self._choosing = False
        self._show()

    def _move(self) -> None:
        if not self._choosing:
            at = self.keypoint.value - 1
            self.xy[at] = torch.tensor([self.x.value, self.y.value])
            self.kept[at] = self.there.value
            self._show()

    def _put_back(self, button: object) -> None:
        self.xy = self._start.clone()
        self.kept = torch.ones(len(self.xy), dtype=torch.bool)
        self._choose()

    def _show(self) -> None:
        error = float((self._drawn() - self.image).square().mean(dim=0).sum())
        self.message.value = f"{int(self.kept.sum())} of {len(self.kept)} keypoints; squared error {error:.2f} pixels"
        self.picture.value = self.figure()._repr_png_()


def move_keypoints(image: Tensor, xy: Tensor, draw: Draw) -> MovedKeypoints | Figure:
    """Move keypoints, or take them away, by controls; where nobody is there, the picture they start with.

    Args:
        image: (C, H, W) with 1 or 3 channels in [0, 1].
        xy: (K, 2) where the keypoints are, in [-1, 1].
        draw: from points (K, 2) and which of them are there, bool (K,), to a picture (C, H, W) in [0, 1].

    Returns:
        The controls in a notebook that a person has open, a figure elsewhere.

    Raises:
        TypeError, ValueError: another type, shape or range.

    Example:
        >>> len(move_keypoints(torch.ones(3, 8, 8), torch.zeros(2, 2), lambda xy, there: torch.zeros(3, 8, 8)).axes)
        2
    """
    controls = MovedKeypoints(image, xy, draw)
    return controls if somebody_is_there() else controls.figure()
