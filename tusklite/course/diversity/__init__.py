"""The lesson "diversity": its checks."""

from __future__ import annotations

from tusklite.course.diversity.checks import check_collapsed_pairs, check_diversity_gradient, check_pooled_diversity

__all__ = ["check_collapsed_pairs", "check_diversity_gradient", "check_pooled_diversity"]
