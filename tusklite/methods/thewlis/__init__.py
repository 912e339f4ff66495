"""Factorized spatial embeddings (Thewlis et al. 2017): the detector, its options, its training."""

from __future__ import annotations

from tusklite.methods.thewlis.model import FactorizedLandmarks, LandmarkConfig, Landmarks, frame_images
from tusklite.methods.thewlis.options import LandmarkOptions
from tusklite.methods.thewlis.training import LandmarkTraining
from tusklite.methods.thewlis.views import Views, draw_frames, draw_views

__all__ = [
    "FactorizedLandmarks",
    "LandmarkConfig",
    "LandmarkOptions",
    "LandmarkTraining",
    "Landmarks",
    "Views",
    "draw_frames",
    "draw_views",
    "frame_images",
]
