"""The lesson "factorized landmarks": its checks and its drawing."""

from __future__ import annotations

from tusklite.course.factorized_landmarks.checks import check_pixels_off, check_siamese_step
from tusklite.course.factorized_landmarks.figures import siamese_drawing

__all__ = ["check_pixels_off", "check_siamese_step", "siamese_drawing"]
