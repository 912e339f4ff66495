"""The lesson "prototypes and soft-min": its checks, figures and widgets."""

from __future__ import annotations

from tusklite.course.prototypes_and_softmin.checks import (
    check_neat_loss,
    check_revive,
    check_softmin_gradient,
    check_softmin_loss,
)
from tusklite.course.prototypes_and_softmin.figures import prototype_panels, softmin_field
from tusklite.course.prototypes_and_softmin.widgets import SoftMin, explore_softmin

__all__ = [
    "SoftMin",
    "check_neat_loss",
    "check_revive",
    "check_softmin_gradient",
    "check_softmin_loss",
    "explore_softmin",
    "prototype_panels",
    "softmin_field",
]
