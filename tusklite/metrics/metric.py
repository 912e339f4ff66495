"""What a figure of a result is called, its unit, how it is written, and which way is better."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from tusklite.arguments import require_choice

FORMATS = {"share": 1, "%": 2, "px": 2, "": 3, "count": 0}


@dataclass(frozen=True)
class Metric:
    """A figure that results state.

    Attributes:
        name: its key in a result, such as "nme_percent".
        title: its name for readers, such as "classification".
        unit: "share" (a number from 0 to 1, written in percent), "%" (written as it is), "px", "count" or "" for none.
        digits: after the point, when it is written; what suits the unit where None.
        better: "up" or "down".
        heading: what stands over its column; its title with its unit where None.

    Raises:
        ValueError: another unit or direction.

    Example:
        >>> both = Metric("both", "both", "share")
        >>> both.text(0.9447), both.cell([0.94, 0.95, 0.96]), both.head
        ('94.5%', '95.0 (94.0 to 96.0)', 'both %')
        >>> error = Metric("nme_percent", "error", "%", better="down")
        >>> error.text(14.573), error.cell([14.573]), error.is_better(12.0, 14.0)
        ('14.57%', '14.57', True)
    """

    name: str
    title: str
    unit: str = "share"
    digits: int | None = None
    better: str = "up"
    heading: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be written."""
        require_choice("unit", self.unit, tuple(FORMATS))
        require_choice("better", self.better, ("up", "down"))

    @property
    def head(self) -> str:
        """What stands over its column."""
        if self.heading is not None:
            return self.heading
        unit = {"share": " %", "%": " %", "px": " px"}.get(self.unit, "")
        return f"{self.title}{unit}"

    def number(self, value: float) -> str:
        """A value without its unit."""
        digits = FORMATS[self.unit] if self.digits is None else self.digits
        return f"{100 * value if self.unit == 'share' else value:.{digits}f}"

    def text(self, value: float) -> str:
        """A value with its unit."""
        unit = {"share": "%", "%": "%", "px": " px"}.get(self.unit, "")
        return f"{self.number(value)}{unit}"

    def cell(self, values: Sequence[float]) -> str:
        """A value, or the median of several with the smallest and the largest."""
        middle = self.number(statistics.median(values))
        if len(values) == 1:
            return middle
        return f"{middle} ({self.number(min(values))} to {self.number(max(values))})"

    def change(self, differences: Sequence[float]) -> str:
        """A difference with its sign, or the median of several with the smallest and the largest.

        Example:
            >>> Metric("both", "both", "share").change([-0.004, 0.0051, -0.0002])
            '0.0 (-0.4 to +0.5)'
        """

        def signed(value: float) -> str:
            number = self.number(abs(value))
            return number if float(number) == 0 else f"{'-' if value < 0 else '+'}{number}"

        middle = signed(statistics.median(differences))
        if len(differences) == 1:
            return middle
        return f"{middle} ({signed(min(differences))} to {signed(max(differences))})"

    def is_better(self, one: float, other: float) -> bool:
        """Whether one value is better than another."""
        return one > other if self.better == "up" else one < other
