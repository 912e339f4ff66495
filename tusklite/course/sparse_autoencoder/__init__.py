"""The lesson "sparse autoencoder": its checks and figures."""

from __future__ import annotations

from tusklite.course.sparse_autoencoder.checks import (
    check_blend_with_background,
    check_equal_say,
    check_keypoint_worth,
    check_splat,
    check_splat_slope,
)
from tusklite.course.sparse_autoencoder.figures import copies_and_distances, tint

__all__ = [
    "check_blend_with_background",
    "check_equal_say",
    "check_keypoint_worth",
    "check_splat",
    "check_splat_slope",
    "copies_and_distances",
    "tint",
]
