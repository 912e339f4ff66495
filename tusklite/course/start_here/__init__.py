"""The lesson "start here": its checks."""

from __future__ import annotations

from tusklite.course.start_here.checks import check_count_digits, check_to_coordinates

__all__ = ["check_count_digits", "check_to_coordinates"]
