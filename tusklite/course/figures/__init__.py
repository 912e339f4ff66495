"""Figures that two lessons or more draw: each function returns a figure, so that a cell of a lesson is one line.

Figures keep no global state. What is right and what is wrong differ in colour and in line style, and the
palette (Okabe & Ito's, with three more) can be told apart by readers who are colour-blind.
"""

from __future__ import annotations

from tusklite.course.figures.boxes import detections
from tusklite.course.figures.canvas import (
    MISSED,
    PALETTE,
    RIGHT,
    WRONG,
    LessonFigure,
    class_name,
    panel_grid,
    require_words,
    save,
    to_array,
)
from tusklite.course.figures.clusters import descriptor_map, tsne
from tusklite.course.figures.landmarks import growth, landmark_rows, probability_maps
from tusklite.course.figures.lines import lines_and_dots
from tusklite.course.figures.runs import compare_runs
from tusklite.course.figures.scenes import heatmap_on_image, image_grid, image_rows, marked_images, scene_gallery
from tusklite.course.figures.training import curves

__all__ = [
    "MISSED",
    "PALETTE",
    "RIGHT",
    "WRONG",
    "LessonFigure",
    "class_name",
    "compare_runs",
    "curves",
    "descriptor_map",
    "detections",
    "growth",
    "heatmap_on_image",
    "image_grid",
    "image_rows",
    "landmark_rows",
    "lines_and_dots",
    "marked_images",
    "panel_grid",
    "probability_maps",
    "require_words",
    "save",
    "scene_gallery",
    "to_array",
    "tsne",
]
