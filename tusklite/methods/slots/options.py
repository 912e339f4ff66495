"""What the training of slots goes by."""

from __future__ import annotations

from dataclasses import dataclass

from tusklite.arguments import require_number


@dataclass(frozen=True)
class SlotOptions:
    """Weight and rate of the training. The defaults are the authors'.

    Theirs are 500,000 steps of 64 images, the rate rising for 10,000 and halved every 100,000 after that: to 3% at the
    end. Here it rises alike, but falls by the schedule of all methods: a plateau, then a cosine.

    Attributes:
        reconstruction: weight of the squared error, above 0.
        learning_rate: Adam's.
    """

    reconstruction: float = 1.0
    learning_rate: float = 4e-4

    def __post_init__(self) -> None:
        """Refuse values out of range; numbers of NumPy become plain ones."""
        for name in ("reconstruction", "learning_rate"):
            object.__setattr__(self, name, require_number(name, getattr(self, name), open_low=True))
