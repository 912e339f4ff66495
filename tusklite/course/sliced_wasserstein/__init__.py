"""The lesson "sliced Wasserstein": its checks, figures and widgets."""

from __future__ import annotations

from tusklite.course.sliced_wasserstein.checks import (
    check_partners,
    check_transport_1d,
    check_transport_circle,
    check_transport_gradient,
    check_worst_direction,
)
from tusklite.course.sliced_wasserstein.figures import flow_strip, projected_pairs, projection_errors
from tusklite.course.sliced_wasserstein.widgets import TurningProjection, turn_projection

__all__ = [
    "TurningProjection",
    "check_partners",
    "check_transport_1d",
    "check_transport_circle",
    "check_transport_gradient",
    "check_worst_direction",
    "flow_strip",
    "projected_pairs",
    "projection_errors",
    "turn_projection",
]
