"""The lesson "landmarks on faces": its checks and figures."""

from __future__ import annotations

from tusklite.course.landmarks_on_faces.checks import check_eye_error, check_fit_regressor, check_point_shares
from tusklite.course.landmarks_on_faces.figures import errors_by_labels, landmark_shares

__all__ = [
    "check_eye_error",
    "check_fit_regressor",
    "check_point_shares",
    "errors_by_labels",
    "landmark_shares",
]
