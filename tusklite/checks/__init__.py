"""Checks for the exercises, one file a lesson: each says done, not tried yet, or what is wrong and on which input.

A check never raises, so that a lesson always runs to its end.
"""

from __future__ import annotations

from tusklite.checks.alternating_training import check_count_the_dead, check_diagnose, check_routed_loss
from tusklite.checks.diversity import check_collapsed_pairs, check_diversity_gradient, check_pooled_diversity
from tusklite.checks.equivariance import check_alignment_matrix, check_centre_of_mass, check_spread
from tusklite.checks.factorized_landmarks import (
    check_eye_error,
    check_fit_regressor,
    check_pixels_off,
    check_point_shares,
)
from tusklite.checks.one_channel import check_count_humps, check_localization, check_stray, check_ways
from tusklite.checks.prototypes_and_softmin import check_neat_loss, check_revive, check_softmin_gradient
from tusklite.checks.single_heatmap import (
    check_descriptor_slopes,
    check_greedy_maxima,
    check_refine_above_background,
    check_temperature_for_share,
)
from tusklite.checks.sliced_wasserstein import (
    check_partners,
    check_transport_circle,
    check_transport_gradient,
    check_worst_direction,
)
from tusklite.checks.sparse_autoencoder import (
    check_blend_with_background,
    check_equal_say,
    check_keypoint_worth,
    check_splat_slope,
)
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
    "check_blend_with_background",
    "check_centre_of_mass",
    "check_collapsed_pairs",
    "check_count_digits",
    "check_count_humps",
    "check_count_the_dead",
    "check_descriptor_slopes",
    "check_diagnose",
    "check_diversity_gradient",
    "check_equal_say",
    "check_eye_error",
    "check_fit_regressor",
    "check_greedy_maxima",
    "check_hold_border",
    "check_invert",
    "check_keypoint_worth",
    "check_localization",
    "check_neat_loss",
    "check_partners",
    "check_pixels_off",
    "check_point_shares",
    "check_points_of_a_pair",
    "check_pooled_diversity",
    "check_refine_above_background",
    "check_revive",
    "check_routed_loss",
    "check_softmin_gradient",
    "check_splat_slope",
    "check_spread",
    "check_stray",
    "check_temperature_for_share",
    "check_to_coordinates",
    "check_transport_circle",
    "check_transport_gradient",
    "check_ways",
    "check_worst_direction",
]
