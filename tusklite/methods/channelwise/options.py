"""Weights and warp of the channel-wise training."""

from __future__ import annotations

from dataclasses import dataclass

from tusklite.arguments import require_choice, require_integer, require_number
from tusklite.geometry import WARPS


@dataclass(frozen=True)
class ChannelwiseOptions:
    """Weights and warp of the training.

    Attributes:
        reconstruction: weight of the reconstruction (Jin et al. 2022, eq. 1), here by cross-entropy; above 0.
        equivariance: weight of the alignment of the probability maps (Thewlis et al. 2017, eq. 6), in units of [-1, 1].
        diversity: weight of what keeps the channels apart (Thewlis et al. 2017, eq. 8), for each of the two views.
        pool: side of the squares of its pooled form, in pixels of the map; must divide the map.
        warp: name of the warp between the two views.
        learning_rate: Adam's.
    """

    reconstruction: float = 1.0
    equivariance: float = 0.1
    diversity: float = 0.1
    pool: int = 5
    warp: str = "tusk-mnist"
    learning_rate: float = 2e-3

    def __post_init__(self) -> None:
        """Refuse values out of range; numbers of NumPy become plain ones."""
        plain: dict[str, object] = {"pool": require_integer("pool", self.pool, low=1, high=4096)}
        plain |= {name: require_number(name, getattr(self, name)) for name in ("equivariance", "diversity")}
        for name in ("reconstruction", "learning_rate"):
            plain[name] = require_number(name, getattr(self, name), open_low=True)
        for name, value in plain.items():
            object.__setattr__(self, name, value)
        require_choice("warp", self.warp, tuple(WARPS))
