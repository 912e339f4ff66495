"""Every picture of the lessons: each function returns a figure, so that a lesson's cell is one line.

Figures keep no global state. What is right and what is wrong differ in colour and in line style, and the
palette (Okabe & Ito's, with three more) can be told apart by readers who are colour-blind.
"""

from __future__ import annotations

from tusklite.plots.boxes import detections
from tusklite.plots.clusters import descriptor_map, tsne
from tusklite.plots.faces import (
    error_bars,
    errors_by_labels,
    landmark_colors,
    landmark_gallery,
    landmark_shares,
    regressed_faces,
)
from tusklite.plots.figures import MISSED, PALETTE, RIGHT, WRONG, LessonFigure, save
from tusklite.plots.landmarks import growth, landmark_rows, probability_maps
from tusklite.plots.scenes import crop_gallery, heatmap_on_image, prototype_gallery, scene_gallery
from tusklite.plots.scores import bar_comparison, confusion
from tusklite.plots.training import curves
from tusklite.plots.warps import (
    bent_grids,
    bent_sheet,
    image_rows,
    marked_images,
    moved_control_points,
    on_checkerboard,
)

__all__ = [
    "MISSED",
    "PALETTE",
    "RIGHT",
    "WRONG",
    "LessonFigure",
    "bar_comparison",
    "bent_grids",
    "bent_sheet",
    "confusion",
    "crop_gallery",
    "curves",
    "descriptor_map",
    "detections",
    "error_bars",
    "errors_by_labels",
    "growth",
    "heatmap_on_image",
    "image_rows",
    "landmark_colors",
    "landmark_gallery",
    "landmark_rows",
    "landmark_shares",
    "marked_images",
    "moved_control_points",
    "on_checkerboard",
    "probability_maps",
    "prototype_gallery",
    "regressed_faces",
    "save",
    "scene_gallery",
    "tsne",
]
