"""How good are the keypoints: detections, landmarks and prototypes against the truth, and clusterings.

Labels serve to score, and to fit the linear map from landmarks to annotated points; never to train a network.
"""

from __future__ import annotations

from tusklite.metrics.clusterings import adjusted_rand_index, normalized_mutual_information
from tusklite.metrics.detections import ClassScores, DetectionScores, evaluate_detections, match_detections
from tusklite.metrics.landmarks import (
    LandmarkRegressor,
    landmark_spread,
    nearest_landmark_distance,
    normalized_mean_error,
)
from tusklite.metrics.naming import majority_class, match_prototypes

__all__ = [
    "ClassScores",
    "DetectionScores",
    "LandmarkRegressor",
    "adjusted_rand_index",
    "evaluate_detections",
    "landmark_spread",
    "majority_class",
    "match_detections",
    "match_prototypes",
    "nearest_landmark_distance",
    "normalized_mean_error",
    "normalized_mutual_information",
]
