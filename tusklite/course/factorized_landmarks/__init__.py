"""The lesson "factorized landmarks": its checks and figures."""

from __future__ import annotations

from tusklite.course.factorized_landmarks.checks import (
    check_eye_error,
    check_fit_regressor,
    check_pixels_off,
    check_point_shares,
)
from tusklite.course.factorized_landmarks.figures import (
    errors_by_labels,
    landmark_gallery,
    landmark_shares,
    siamese_drawing,
)

__all__ = [
    "check_eye_error",
    "check_fit_regressor",
    "check_pixels_off",
    "check_point_shares",
    "errors_by_labels",
    "landmark_gallery",
    "landmark_shares",
    "siamese_drawing",
]
