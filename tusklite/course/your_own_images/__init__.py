"""The lesson "your own images": its checks, its figures, and the files that it makes where the reader gives none."""

from __future__ import annotations

from tusklite.course.your_own_images.checks import (
    check_border_share,
    check_jitter,
    check_link,
    check_shown_size,
    check_to_pixels,
    check_turn_upright,
)
from tusklite.course.your_own_images.figures import kinds_on_pictures, marked_files, paths_on_picture, tracks_over_time
from tusklite.course.your_own_images.files import write_film, write_odd_files, write_pictures
from tusklite.course.your_own_images.films import waving_figure

__all__ = [
    "check_border_share",
    "check_jitter",
    "check_link",
    "check_shown_size",
    "check_to_pixels",
    "check_turn_upright",
    "kinds_on_pictures",
    "marked_files",
    "paths_on_picture",
    "tracks_over_time",
    "waving_figure",
    "write_film",
    "write_odd_files",
    "write_pictures",
]
