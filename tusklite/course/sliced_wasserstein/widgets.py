"""Turn a projection over two clouds in the plane, and see how far apart they are from there."""

from __future__ import annotations

import ipywidgets
from matplotlib.figure import Figure
from torch import Tensor

from tusklite.arguments import require_integer, require_tensor
from tusklite.course.audience import somebody_is_there
from tusklite.course.controls import follow
from tusklite.course.sliced_wasserstein.figures import projected_pairs


class TurningProjection(ipywidgets.VBox):
    """A slider that turns the direction, above the clouds, their shadows and the distance by the angle.

    Args:
        x: (N, 2) one cloud.
        y: (N, 2) the other, of as many points.
        angle: where the slider starts, whole degrees from 0 to 180.

    Attributes:
        angle: the slider; a program can set its `value` too.
        picture: the image widget with the PNG that is shown.

    Raises:
        TypeError, ValueError: another type, shape or range.

    Example:
        >>> import torch
        >>> turning = TurningProjection(torch.rand(5, 2), torch.rand(5, 2))
        >>> turning.angle.value = 45
        >>> turning.figure().axes[0].get_title()[:27]
        'squared distance along 45°:'
    """

    def __init__(self, x: Tensor, y: Tensor, angle: int = 0) -> None:
        self.x = require_tensor("x", x, ("N", 2))
        self.y = require_tensor("y", y, (len(x), 2))
        start = require_integer("angle", angle, low=0, high=180)
        wide = {"layout": {"width": "420px"}}
        self.angle = ipywidgets.IntSlider(value=start, min=0, max=180, description="angle", **wide)
        self.picture = ipywidgets.Image(format="png")
        self._draw()
        follow(self.angle, self._draw)
        super().__init__([self.angle, self.picture])

    def figure(self) -> Figure:
        """The clouds seen along the slider's angle."""
        return projected_pairs(self.x, self.y, self.angle.value)

    def _draw(self) -> None:
        self.picture.value = self.figure()._repr_png_()


def turn_projection(x: Tensor, y: Tensor, angle: int = 0) -> TurningProjection | Figure:
    """Turn a direction by a slider; where nobody is there, the picture it starts with.

    Args:
        x: (N, 2) one cloud.
        y: (N, 2) the other, of as many points.
        angle: where it starts, whole degrees from 0 to 180.

    Returns:
        The slider in a notebook that a person has open, a figure elsewhere.

    Raises:
        TypeError, ValueError: another type, shape or range.

    Example:
        >>> import torch
        >>> len(turn_projection(torch.rand(5, 2), torch.rand(5, 2), angle=30).axes)
        2
    """
    turning = TurningProjection(x, y, angle)
    return turning if somebody_is_there() else turning.figure()
