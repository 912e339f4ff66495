"""Move the control points of a thin-plate spline, and see the image follow."""

from __future__ import annotations

import ipywidgets
import torch
from matplotlib.figure import Figure
from torch import Tensor

from tusklite.arguments import require_integer, require_tensor
from tusklite.course.audience import somebody_is_there
from tusklite.course.controls import follow
from tusklite.course.thin_plate_splines.figures import moved_control_points
from tusklite.geometry import fit_tps, identity_grid


class ControlPoints(ipywidgets.VBox):
    """Sliders that choose a control point and move it, above the image before and after.

    Args:
        image: (C, H, W) with 1 or 3 channels in [0, 1].
        home: (N, 2) control points in [-1, 1], at least three and not on one line.
        moved: (N, 2) where they stand at the start, in [-1.2, 1.2]; None: at home.

    Attributes:
        home, moved: as above; `moved` follows the sliders.
        point, x, y, reset: the controls, from which a program can move points too.
        message: a line that says when the warp folds, or cannot be.
        picture: the image widget with the PNG that is shown.

    Raises:
        TypeError, ValueError: another type, shape or range, or points that `fit_tps` refuses.

    Example:
        >>> square = torch.tensor([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]])
        >>> sliders = ControlPoints(torch.zeros(1, 8, 8), square)
        >>> sliders.point.value = 2
        >>> sliders.x.value = 0.75
        >>> sliders.moved[1]
        tensor([ 0.7500, -0.5000])
    """

    REACH = 1.2

    def __init__(self, image: Tensor, home: Tensor, moved: Tensor | None = None) -> None:
        require_tensor("image", image, ("C", "H", "W"))
        require_tensor("home", home, ("N", 2))
        moved = require_tensor("moved", home if moved is None else moved, tuple(home.shape))
        for name, points in (("home", home), ("moved", moved)):
            if points.abs().max() > self.REACH:
                raise ValueError(f"{name}: {points.abs().max():g} was given; allowed is [-{self.REACH}, {self.REACH}]")
            fit_tps(points[None], points[None])  # refuses points that leave a spline undetermined
        self.image, self.home, self.moved = image, home, moved.clone()
        self._start = moved.clone()
        wide = {"layout": {"width": "420px"}}
        self.point = ipywidgets.IntSlider(value=1, min=1, max=len(home), description="point", **wide)
        self.x, self.y = (
            ipywidgets.FloatSlider(min=-self.REACH, max=self.REACH, step=0.01, description=name, **wide)
            for name in ("x", "y")
        )
        self.reset = ipywidgets.Button(description="put all back")
        self.message = ipywidgets.Label()
        self.picture = ipywidgets.Image(format="png")
        self._choosing = False
        self._choose()
        follow(self.point, self._choose)
        for slider in (self.x, self.y):
            follow(slider, self._move)
        self.reset.on_click(self._put_back)
        super().__init__([self.point, self.x, self.y, self.reset, self.message, self.picture])

    def figure(self) -> Figure:
        """The image before and after, the chosen point marked."""
        return moved_control_points(self.image, self.home, self.moved, chosen=self.point.value - 1)

    def _choose(self) -> None:
        """Bring the sliders to the chosen point, without moving it."""
        self._choosing = True
        self.x.value, self.y.value = self.moved[self.point.value - 1].tolist()
        self._choosing = False
        self._draw()

    def _move(self) -> None:
        if not self._choosing:
            self.moved[self.point.value - 1] = torch.tensor([self.x.value, self.y.value])
            self._draw()

    def _put_back(self, button: object) -> None:
        self.moved = self._start.clone()
        self._choose()

    def _draw(self) -> None:
        try:
            tps = fit_tps(self.moved[None], self.home[None])
        except ValueError as refusal:  # as where points meet, or all stand on one line: the last picture stays
            self.message.value = f"no warp does that: {str(refusal).partition(': ')[2]}"
            return
        self.picture.value = self.figure()._repr_png_()
        pixels = identity_grid(40, 40, self.home.device, self.home.dtype).view(1, -1, 2)
        folds = (torch.linalg.det(tps.jacobian(pixels)) <= 0).any()
        self.message.value = "the warp folds: a part of the image is seen more than once, or mirrored" if folds else ""


def drag_control_points(image: Tensor, side: int = 4, moved: Tensor | None = None) -> ControlPoints | Figure:
    """Move the points of a `side` x `side` grid by sliders; where nobody is there, the picture they start with.

    Args:
        image: (C, H, W) with 1 or 3 channels in [0, 1].
        side: control points a side, at least 2.
        moved: (side * side, 2) where they stand at the start, in [-1.2, 1.2]; None: at home.

    Returns:
        The sliders in a notebook that a person has open, a figure elsewhere.

    Raises:
        TypeError, ValueError: another type, shape or range.

    Example:
        >>> len(drag_control_points(torch.zeros(1, 8, 8)).axes)
        2
    """
    require_tensor("image", image, ("C", "H", "W"))
    line = torch.linspace(-0.8, 0.8, require_integer("side", side, low=2), dtype=image.dtype, device=image.device)
    home = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1).view(-1, 2)
    sliders = ControlPoints(image, home, moved)
    return sliders if somebody_is_there() else sliders.figure()
