"""Choose the temperature of the soft-min over a cloud in the plane, and see how sure it is and where it pulls."""

from __future__ import annotations

import ipywidgets
from matplotlib.figure import Figure
from torch import Tensor

from tusklite.arguments import require_number, require_tensor
from tusklite.course.audience import somebody_is_there
from tusklite.course.controls import follow
from tusklite.course.figures import PALETTE
from tusklite.course.prototypes_and_softmin.figures import softmin_field, softmin_pulls
from tusklite.losses import kmeans_softmin_loss


class SoftMin(ipywidgets.VBox):
    """A slider for the inverse temperature, and a box that squares the distances.

    Args:
        descriptors: `(N, 2)` points in the plane.
        prototypes: `(M, 2)`, M from 2 to 10.
        inverse_temperature: at the start, 0.1 to 100; multiplies the distances.
        squared: at the start, whether the distances are squared.

    Attributes:
        inverse_temperature, squared: the slider and the box; a program can set their `value` too.
        message: a line with the loss of eq. 3 and the strongest pull on a descriptor.
        picture: the image widget with the PNG that is shown.

    Raises:
        TypeError, ValueError: another type, shape or range.

    Example:
        >>> import torch
        >>> softmin = SoftMin(torch.tensor([[0.5, 0.0]]), torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
        >>> softmin.squared.value = True
        >>> softmin.message.value
        'loss 0.127, temperature 1; the strongest pull on a descriptor is 0.477'
    """

    LOWEST, HIGHEST = 0.1, 100.0

    def __init__(
        self, descriptors: Tensor, prototypes: Tensor, inverse_temperature: float = 1.0, squared: bool = False
    ) -> None:
        self.descriptors = require_tensor("descriptors", descriptors, ("N", 2)).detach()
        self.prototypes = require_tensor("prototypes", prototypes, ("M", 2)).detach()
        if not 2 <= len(prototypes) <= len(PALETTE):
            raise ValueError(f"prototypes: {len(prototypes)} were given; allowed are 2 to {len(PALETTE)}, one a colour")
        require_number("inverse_temperature", inverse_temperature, low=self.LOWEST, high=self.HIGHEST)
        if not isinstance(squared, bool):
            raise TypeError(f"squared: {squared!r} was given; allowed are True and False")
        wide = {"style": {"description_width": "130px"}, "layout": {"width": "510px"}}
        self.inverse_temperature = ipywidgets.FloatLogSlider(
            value=inverse_temperature,
            min=-1,
            max=2,
            step=0.05,
            description="inverse temperature",
            readout_format=".2f",
            **wide,
        )
        self.squared = ipywidgets.Checkbox(value=squared, description="square the distances")
        self.message = ipywidgets.Label()
        self.picture = ipywidgets.Image(format="png")
        self._draw()
        for control in (self.inverse_temperature, self.squared):
            follow(control, self._draw)
        super().__init__([self.inverse_temperature, self.squared, self.message, self.picture])

    def figure(self) -> Figure:
        """The plane, the pulls and the probabilities at the controls' values."""
        return softmin_field(self.descriptors, self.prototypes, self.inverse_temperature.value, self.squared.value)

    def _draw(self) -> None:
        shown = (self.descriptors, self.prototypes, self.inverse_temperature.value, self.squared.value)
        loss, pull = kmeans_softmin_loss(*shown), softmin_pulls(*shown).norm(dim=1).max()
        self.message.value = (
            f"loss {float(loss):.3f}, temperature {1 / self.inverse_temperature.value:.3g}; "
            f"the strongest pull on a descriptor is {float(pull):.3g}"
        )
        self.picture.value = self.figure()._repr_png_()


def explore_softmin(
    descriptors: Tensor, prototypes: Tensor, inverse_temperature: float = 1.0, squared: bool = False
) -> SoftMin | Figure:
    """Try temperatures of the soft-min by a slider; where nobody is there, the picture it starts with.

    Args:
        descriptors: `(N, 2)` points in the plane.
        prototypes: `(M, 2)`, M from 2 to 10.
        inverse_temperature: at the start, 0.1 to 100; multiplies the distances.
        squared: at the start, whether the distances are squared.

    Returns:
        The controls in a notebook that a person has open, a figure elsewhere.

    Raises:
        TypeError, ValueError: another type, shape or range.

    Example:
        >>> import torch
        >>> len(explore_softmin(torch.rand(5, 2), torch.eye(2)).axes)
        3
    """
    softmin = SoftMin(descriptors, prototypes, inverse_temperature, squared)
    return softmin if somebody_is_there() else softmin.figure()
