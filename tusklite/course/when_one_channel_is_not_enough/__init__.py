"""The lesson "when one channel is not enough": its checks and figures."""

from __future__ import annotations

from tusklite.course.when_one_channel_is_not_enough.checks import (
    check_count_humps,
    check_localization,
    check_stray,
    check_ways,
)
from tusklite.course.when_one_channel_is_not_enough.figures import fading_in, glow, humps

__all__ = ["check_count_humps", "check_localization", "check_stray", "check_ways", "fading_in", "glow", "humps"]
