"""Factorized spatial embeddings (Thewlis et al. 2017): the detector, its options, its training."""

from __future__ import annotations

from tusklite.methods.thewlis.model import FactorizedLandmarks, Landmarks, ThewlisConfig, frame_images
from tusklite.methods.thewlis.options import ThewlisOptions
from tusklite.methods.thewlis.training import ThewlisTraining
from tusklite.methods.thewlis.views import Views, draw_frames, draw_views

__all__ = [
    "FactorizedLandmarks",
    "Landmarks",
    "ThewlisConfig",
    "ThewlisOptions",
    "ThewlisTraining",
    "Views",
    "draw_frames",
    "draw_views",
    "frame_images",
]
