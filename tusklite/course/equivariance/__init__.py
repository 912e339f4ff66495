"""The lesson "equivariance": its checks."""

from __future__ import annotations

from tusklite.course.equivariance.checks import check_alignment_matrix, check_centre_of_mass, check_spread

__all__ = ["check_alignment_matrix", "check_centre_of_mass", "check_spread"]
