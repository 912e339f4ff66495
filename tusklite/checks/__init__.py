"""Checks for the exercises, one file a lesson: each says done, not tried yet, or what is wrong and on which input.

A check never raises, so that a lesson always runs to its end.
"""

from __future__ import annotations

from tusklite.checks.diversity import check_collapsed_pairs, check_diversity_gradient, check_pooled_diversity
from tusklite.checks.equivariance import check_alignment_matrix, check_centre_of_mass, check_spread
from tusklite.checks.start_here import check_count_digits, check_to_coordinates
from tusklite.checks.thin_plate_splines import (
    check_bending_energy,
    check_hold_border,
    check_invert,
    check_points_of_a_pair,
)

__all__ = [
    "check_alignment_matrix",
    "check_bending_energy",
    "check_centre_of_mass",
    "check_collapsed_pairs",
    "check_count_digits",
    "check_diversity_gradient",
    "check_hold_border",
    "check_invert",
    "check_points_of_a_pair",
    "check_pooled_diversity",
    "check_spread",
    "check_to_coordinates",
]
