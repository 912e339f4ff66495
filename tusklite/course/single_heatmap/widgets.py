"""Choose the window and the temperature of the soft-argmax on a real heatmap, and see the point move."""

from __future__ import annotations

import ipywidgets
import torch
from matplotlib.figure import Figure
from torch import Tensor

from tusklite.arguments import require_integer, require_number, require_tensor
from tusklite.course.audience import somebody_is_there
from tusklite.course.controls import follow
from tusklite.course.single_heatmap.figures import soft_window
from tusklite.ops.keypoints import detect_keypoints


class SoftWindow(ipywidgets.VBox):
    """Sliders for the window, the temperature and the keypoint that is shown from near.

    Args:
        image: (C, H, W) with 1 or 3 channels in [0, 1].
        heatmap: (1, h, w) of any size, in [0, 1].
        k: the most keypoints.
        window: odd side at the start, 1 to 21 pixels of the heatmap.
        temperature: at the start, 0.01 to 10.

    Attributes:
        window, temperature, keypoint: the sliders; the last one counts from 1 for the strongest.
        message: a line with how many maxima there are, and how far the soft-argmax moves the chosen one.
        picture: the image widget with the PNG that is shown.

    Raises:
        TypeError, ValueError: another type, shape or range.

    Example:
        >>> peaks = torch.zeros(1, 8, 8)
        >>> peaks[0, 2, 2], peaks[0, 0, 5] = 1.0, 0.8
        >>> sliders = SoftWindow(torch.zeros(1, 8, 8), peaks, k=2, window=3, temperature=10.0)
        >>> sliders.keypoint.value = 2
        >>> sliders.message.value
        '2 of 2 maxima found; number 2 is refined by 0.49 pixels'
    """

    WIDEST = 21

    def __init__(self, image: Tensor, heatmap: Tensor, k: int = 9, window: int = 7, temperature: float = 0.2) -> None:
        require_tensor("image", image, ("C", "H", "W"))
        require_tensor("heatmap", heatmap, (1, "h", "w"))
        require_integer("window", window, low=1, high=self.WIDEST, odd=True)
        require_number("temperature", temperature, low=0.01, high=10.0)
        self.image, self.heatmap, self.k = image, heatmap.detach(), k
        wide = {"style": {"description_width": "90px"}, "layout": {"width": "460px"}}
        self.window = ipywidgets.IntSlider(value=window, min=1, max=self.WIDEST, step=2, description="window", **wide)
        self.temperature = ipywidgets.FloatLogSlider(
            value=temperature, min=-2, max=1, step=0.05, description="temperature", readout_format=".2f", **wide
        )
        self.keypoint = ipywidgets.IntSlider(value=1, min=1, max=1, description="keypoint", **wide)
        self.message = ipywidgets.Label()
        self.picture = ipywidgets.Image(format="png")
        self._drawing = False
        self._draw()
        follow(self.window, self._draw, mend=lambda side: side | 1)  # an even side has no middle: the next odd one
        for slider in (self.temperature, self.keypoint):
            follow(slider, self._draw)
        super().__init__([self.window, self.temperature, self.keypoint, self.message, self.picture])

    def figure(self) -> Figure:
        """The heatmap with its windows, and the chosen window from near."""
        settings = {"window": self.window.value, "temperature": self.temperature.value}
        return soft_window(self.image, self.heatmap, k=self.k, chosen=self.keypoint.value - 1, **settings)

    def _draw(self) -> None:
        if self._drawing:  # the last slider moved because there are fewer maxima now
            return
        points = detect_keypoints(self.heatmap[None], self.k, self.window.value, self.temperature.value)
        found = int(points.found.sum())
        self._drawing = True
        self.keypoint.max = found
        self._drawing = False
        height, width = self.heatmap.shape[1:]
        chosen = self.keypoint.value - 1
        index = points.index[0, chosen]
        maximum = torch.stack([index % width, index // width]) + 0.5
        refined = (points.xy[0, chosen] + 1) / 2 * torch.tensor([width, height]).to(points.xy)
        moved = float((refined - maximum).norm())
        self.message.value = f"{found} of {self.k} maxima found; number {chosen + 1} is refined by {moved:.2f} pixels"
        self.picture.value = self.figure()._repr_png_()


def explore_window(
    image: Tensor, heatmap: Tensor, k: int = 9, window: int = 7, temperature: float = 0.2
) -> SoftWindow | Figure:
    """Try windows and temperatures on a heatmap by sliders; where nobody is there, the picture they start with.

    Args:
        image: (C, H, W) with 1 or 3 channels in [0, 1].
        heatmap: (1, h, w) of any size, in [0, 1].
        k: the most keypoints.
        window: odd side at the start, 1 to 21 pixels of the heatmap.
        temperature: at the start, 0.01 to 10.

    Returns:
        The sliders in a notebook that a person has open, a figure elsewhere.

    Raises:
        TypeError, ValueError: another type, shape or range.

    Example:
        >>> len(explore_window(torch.zeros(1, 16, 16), torch.eye(8)[None], k=3, window=3).axes)
        3
    """
    sliders = SoftWindow(image, heatmap, k, window, temperature)
    return sliders if somebody_is_there() else sliders.figure()
