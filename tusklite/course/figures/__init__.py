"""What the figures of the lessons are made of, and the figures that two lessons or more draw.

A figure that one lesson draws in a few lines of these pieces is drawn in its cell: `panel_grid` and `image_grid` give a
figure, whose panels (`figure.axes`) know images and points in [-1, 1] beside all that matplotlib's axes know.

Figures keep no global state. What is right and what is wrong differ in colour and in line style, and the
palette (Okabe & Ito's, with three more) can be told apart by readers who are colour-blind. Each figure says in
`figure.alt` what it shows, in words that are computed from what is drawn; notebooks hand them on to screen readers.
"""

from __future__ import annotations

from tusklite.course.figures.boxes import detections
from tusklite.course.figures.canvas import (
    MISSED,
    PALE,
    PALETTE,
    QUIET,
    RIGHT,
    WRONG,
    LessonFigure,
    Panel,
    panel_grid,
    styled,
    to_array,
)
from tusklite.course.figures.clusters import descriptor_map, tsne
from tusklite.course.figures.drawings import tusk_drawing
from tusklite.course.figures.landmarks import landmark_gallery
from tusklite.course.figures.lines import compare_runs, curves, growth, lines_and_dots
from tusklite.course.figures.maps import probability_maps
from tusklite.course.figures.scenes import heatmap_on_image, image_grid, image_rows, landmark_rows, marked_images
from tusklite.course.figures.words import title_of

__all__ = [
    "MISSED",
    "PALE",
    "PALETTE",
    "QUIET",
    "RIGHT",
    "WRONG",
    "LessonFigure",
    "Panel",
    "compare_runs",
    "curves",
    "descriptor_map",
    "detections",
    "growth",
    "heatmap_on_image",
    "image_grid",
    "image_rows",
    "landmark_gallery",
    "landmark_rows",
    "lines_and_dots",
    "marked_images",
    "panel_grid",
    "probability_maps",
    "styled",
    "title_of",
    "to_array",
    "tsne",
    "tusk_drawing",
]
