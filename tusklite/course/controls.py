"""What a reader types into a control reaches the picture, or goes back to what does."""

from __future__ import annotations

import math
from collections.abc import Callable

import ipywidgets


def follow(
    slider: ipywidgets.Widget, draw: Callable[[], object], mend: Callable[[float], float] = lambda value: value
) -> None:
    """Call `draw` whenever a slider has a new value.

    A slider's readout takes any number within its span, also one between its steps; and a program may give it NaN.
    Slider and picture never disagree: the slider moves on to what `mend` makes of the number, or back from NaN.

    Args:
        slider: any control with a number as its `value`.
        draw: draws what the slider says.
        mend: from a number to one that the picture can be drawn for, itself where it can.

    Example:
        >>> slider = ipywidgets.IntSlider(value=3, min=1, max=9, step=2)
        >>> follow(slider, lambda: print("drawn for", slider.value), mend=lambda value: value | 1)
        >>> slider.value = 4
        drawn for 5
    """
    last = slider.value

    def changed(change: dict) -> None:
        nonlocal last
        meant = mend(change["new"]) if math.isfinite(change["new"]) else last
        if meant == change["new"]:
            last = meant
            draw()
        else:
            slider.value = meant  # and this is called anew

    slider.observe(changed, names="value")
