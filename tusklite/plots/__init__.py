"""Every picture of the lessons: each function returns a figure, so that a lesson's cell is one line.

Figures keep no global state. What is right and what is wrong differ in colour and in line style, and the
palette (Okabe & Ito's, with three more) can be told apart by readers who are colour-blind.
"""

from __future__ import annotations

from tusklite.plots.alternation import failure, kinds_by_prototype, turns
from tusklite.plots.autoencoder import answers_to_a_move, compare_runs, copies_and_distances, splat_maps, tint
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
from tusklite.plots.heatmaps import lines_and_dots, numbered_maps, soft_window, weights_and_slopes
from tusklite.plots.instances import channel_maps, fading_in, firing_places, humps, landmarks_between, localization_bars
from tusklite.plots.landmarks import growth, landmark_rows, probability_maps
from tusklite.plots.prototypes import prototype_panels, prototype_shares, softmin_field
from tusklite.plots.scenes import crop_gallery, heatmap_on_image, prototype_gallery, scene_gallery
from tusklite.plots.scores import bar_comparison, confusion
from tusklite.plots.training import curves
from tusklite.plots.transport import (
    couplings,
    flow_strip,
    projected_pairs,
    projection_errors,
    quantile_gap,
    transport_plans,
)
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
    "answers_to_a_move",
    "bar_comparison",
    "bent_grids",
    "bent_sheet",
    "channel_maps",
    "compare_runs",
    "confusion",
    "copies_and_distances",
    "couplings",
    "crop_gallery",
    "curves",
    "descriptor_map",
    "detections",
    "error_bars",
    "errors_by_labels",
    "fading_in",
    "failure",
    "firing_places",
    "flow_strip",
    "growth",
    "heatmap_on_image",
    "humps",
    "image_rows",
    "kinds_by_prototype",
    "landmark_colors",
    "landmark_gallery",
    "landmark_rows",
    "landmark_shares",
    "landmarks_between",
    "lines_and_dots",
    "localization_bars",
    "marked_images",
    "moved_control_points",
    "numbered_maps",
    "on_checkerboard",
    "probability_maps",
    "projected_pairs",
    "projection_errors",
    "prototype_gallery",
    "prototype_panels",
    "prototype_shares",
    "quantile_gap",
    "regressed_faces",
    "save",
    "scene_gallery",
    "soft_window",
    "softmin_field",
    "splat_maps",
    "tint",
    "transport_plans",
    "tsne",
    "turns",
    "weights_and_slopes",
]
