"""Weights and warps of Thewlis's training: the paper's by default."""

from __future__ import annotations

from dataclasses import dataclass

from tusklite.arguments import require_choice, require_integer, require_number
from tusklite.geometry import WARPS


@dataclass(frozen=True)
class ThewlisOptions:
    """Weights and warps of the training. The defaults are the paper's on faces.

    The paper measures alignment in some unit that it does not state. Here it is measured in units of [-1, 1], and the
    default weight is that of squared pixels on the paper's maps of 40 x 40.

    Attributes:
        alignment: weight of eq. 6.
        diversity: weight of eq. 8, for each of the two views.
        pool: side of the squares of its pooled form, in pixels of the map; must divide the map.
        first_warp: name of the warp g1 that makes the first view.
        second_warp: name of the warp g2 that makes the second view of the first.
        zooms: smallest and largest half-width of the square of the image that a pair of views shows. Both are 0.8 in
            the paper, which crops 80 of 100 pixels; beyond the paper, a range shows faces of many sizes.
        shift: largest offset of its centre, as a fraction of the half-width; beyond the paper where above 0.
        learning_rate: Adam's.
        weight_decay: λ of eq. 9.
    """

    alignment: float = 400.0
    diversity: float = 500.0
    pool: int = 5
    first_warp: str = "thewlis-faces-g1"
    second_warp: str = "thewlis-faces-g2"
    zooms: tuple[float, float] = (0.8, 0.8)
    shift: float = 0.0
    learning_rate: float = 1e-4
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        """Refuse values out of range; lists, as JSON gives them, become tuples, numbers of NumPy plain ones."""
        plain: dict[str, object] = {
            name: require_number(name, getattr(self, name))
            for name in ("alignment", "diversity", "shift", "weight_decay")
        }
        plain["learning_rate"] = require_number("learning_rate", self.learning_rate, open_low=True)
        plain["pool"] = require_integer("pool", self.pool, low=1, high=4096)
        for name in ("first_warp", "second_warp"):
            require_choice(name, getattr(self, name), list(WARPS))
        if not isinstance(self.zooms, tuple | list):
            raise TypeError(f"zooms: {self.zooms!r} was given; allowed is a smallest and a largest value")
        plain["zooms"] = tuple(require_number("zooms", value, open_low=True, high=2.0) for value in self.zooms)
        if len(self.zooms) != 2 or self.zooms[0] > self.zooms[1]:
            raise ValueError(f"zooms: {self.zooms} was given; allowed is a smallest and a largest value")
        for name, value in plain.items():
            object.__setattr__(self, name, value)
