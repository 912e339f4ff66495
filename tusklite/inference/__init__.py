"""Trained models in use: `load` one, and `detect` keypoints in pictures and videos of your own."""

from __future__ import annotations

from tusklite.inference.detecting import Summary, detect
from tusklite.inference.loading import MODELS, load

__all__ = ["MODELS", "Summary", "detect", "load"]
