"""Where the toy experiment lies."""

from __future__ import annotations

from pathlib import Path

TOY = Path(__file__).parents[1] / "experiments" / "toy_experiment.py"
