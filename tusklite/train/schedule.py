"""How long and how to train."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tusklite.arguments import require_choice, require_integer, require_number


@dataclass(frozen=True)
class Schedule:
    """How long and how to train.

    Attributes:
        steps: outer steps of the whole run.
        batch: images a step; each has a warped twin.
        seed: of the order of the training images, and of all that the method draws.
        warmup: steps over which the learning rate rises.
        constant_until: fraction of the run after which it falls, along a cosine.
        final_rate: what is left of it at the end, as a fraction.
        device: "auto" takes cuda, else mps, else cpu.
        precision: "float32", or "bfloat16" for the networks (autocast).
        compile: compile the networks with `torch.compile`.
        workers: processes that read pictures ahead, where the images lie in files; 0 reads them in the training.
        log_every: steps between lines of the log.
        checkpoint_every: steps between checkpoints.
        evaluate_every: steps between evaluations.
    """

    steps: int
    batch: int = 16
    seed: int = 0
    warmup: int = 100
    constant_until: float = 0.6
    final_rate: float = 0.02
    device: str = "auto"
    precision: str = "float32"
    compile: bool = False
    workers: int = 0
    log_every: int = 20
    checkpoint_every: int = 200
    evaluate_every: int = 100

    def __post_init__(self) -> None:
        """Refuse values out of range; numbers of NumPy become plain ones."""
        plain: dict[str, object] = {
            name: require_integer(name, getattr(self, name), low=low, high=high)
            for name, low, high in (
                *((name, 1, 10**9) for name in ("steps", "log_every", "checkpoint_every", "evaluate_every")),
                ("batch", 1, 65_536),
                ("workers", 0, 64),
                ("seed", 0, 2**32 - 1),
                ("warmup", 0, 10**9),
            )
        }
        for name in ("constant_until", "final_rate"):
            plain[name] = require_number(name, getattr(self, name), high=1.0)
        for name, value in plain.items():
            object.__setattr__(self, name, value)
        require_choice("precision", self.precision, ("float32", "bfloat16"))
        require_choice("device", str(self.device).split(":")[0], ("auto", "cuda", "mps", "cpu"))
        if not isinstance(self.compile, bool):
            raise TypeError(f"compile: {self.compile!r} was given; allowed are True and False")

    def rate(self, step: int) -> float:
        """Learning rate of a step as a fraction of the full one: a rise, a plateau, a cosine.

        Example:
            >>> [round(Schedule(steps=100, warmup=4).rate(step), 2) for step in (0, 3, 60, 80, 99)]
            [0.25, 1.0, 1.0, 0.51, 0.02]
        """
        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        fall_from = self.constant_until * self.steps
        if step <= fall_from:
            return rise
        progress = (step - fall_from) / (self.steps - fall_from)
        return rise * (self.final_rate + (1 - self.final_rate) * (1 + math.cos(math.pi * progress)) / 2)
