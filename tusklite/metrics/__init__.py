"""How good are the keypoints: detections, landmarks, segments and prototypes against the truth, and clusterings.

Labels serve to score, and to fit the linear map from landmarks to annotated points; never to train a network.
"""

from __future__ import annotations

from tusklite.metrics.clusterings import (
    ClusterScores,
    adjusted_mutual_information,
    adjusted_rand_index,
    normalized_mutual_information,
    score_clusters,
)
from tusklite.metrics.completion import complete_matrix, fill_with_means
from tusklite.metrics.detections import ClassScores, DetectionScores, evaluate_detections, match_detections
from tusklite.metrics.error_distribution import area_under_curve, cumulative_error_distribution
from tusklite.metrics.landmark_regression import ForwardErrors, backward_errors, forward_errors
from tusklite.metrics.landmarks import (
    LandmarkRegressor,
    landmark_spread,
    nearest_landmark_distance,
    normalized_mean_error,
)
from tusklite.metrics.naming import majority_class, match_prototypes
from tusklite.metrics.point_sets import PointScores, match_points, score_points, shuffled_score
from tusklite.metrics.properties import (
    PropertyScores,
    PrototypeNames,
    evaluate_properties,
    name_prototypes,
    nearest_values,
    property_confusion,
    values_of_keypoints,
)
from tusklite.metrics.segments import (
    FoundObjects,
    SegmentScores,
    count_accuracy,
    evaluate_segments,
    find_objects,
    segment_rand_index,
)
from tusklite.metrics.starting_points import ShareAndControl, recall_of_truth, repeatability

__all__ = [
    "ClassScores",
    "ClusterScores",
    "DetectionScores",
    "ForwardErrors",
    "FoundObjects",
    "LandmarkRegressor",
    "PointScores",
    "PropertyScores",
    "PrototypeNames",
    "SegmentScores",
    "ShareAndControl",
    "adjusted_mutual_information",
    "adjusted_rand_index",
    "area_under_curve",
    "backward_errors",
    "complete_matrix",
    "count_accuracy",
    "cumulative_error_distribution",
    "evaluate_detections",
    "evaluate_properties",
    "evaluate_segments",
    "fill_with_means",
    "find_objects",
    "forward_errors",
    "landmark_spread",
    "majority_class",
    "match_detections",
    "match_points",
    "match_prototypes",
    "name_prototypes",
    "nearest_landmark_distance",
    "nearest_values",
    "normalized_mean_error",
    "normalized_mutual_information",
    "property_confusion",
    "recall_of_truth",
    "repeatability",
    "score_clusters",
    "score_points",
    "segment_rand_index",
    "shuffled_score",
    "values_of_keypoints",
]
