"""How good are the keypoints: detections, landmarks, segments and prototypes against the truth, and clusterings.

Labels serve to score, and to fit the linear map from landmarks to annotated points; never to train a network.
"""

from __future__ import annotations

from tusklite.metrics.advice import KeypointHealth, advise, measure_health
from tusklite.metrics.animals import body_length, keypoints_on_animals, share_near_animals, shared_prototypes
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
from tusklite.metrics.landmark_names import points_of_landmarks
from tusklite.metrics.landmark_regression import ForwardErrors, backward_errors, forward_errors
from tusklite.metrics.landmarks import (
    LandmarkRegressor,
    landmark_spread,
    nearest_landmark_distance,
    normalized_mean_error,
)
from tusklite.metrics.naming import majority_class, match_prototypes
from tusklite.metrics.part_votes import (
    PartOffsets,
    PartScores,
    Points,
    Voted,
    choose_scale,
    find_parts,
    learn_offsets,
    match_things,
    vote_for_things,
)
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
from tusklite.metrics.prototype_points import movement, prototype_spread, scatter_by_prototype
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
    "KeypointHealth",
    "LandmarkRegressor",
    "PartOffsets",
    "PartScores",
    "PointScores",
    "Points",
    "PropertyScores",
    "PrototypeNames",
    "SegmentScores",
    "ShareAndControl",
    "Voted",
    "adjusted_mutual_information",
    "adjusted_rand_index",
    "advise",
    "area_under_curve",
    "backward_errors",
    "body_length",
    "choose_scale",
    "complete_matrix",
    "count_accuracy",
    "cumulative_error_distribution",
    "evaluate_detections",
    "evaluate_properties",
    "evaluate_segments",
    "fill_with_means",
    "find_objects",
    "find_parts",
    "forward_errors",
    "keypoints_on_animals",
    "landmark_spread",
    "learn_offsets",
    "majority_class",
    "match_detections",
    "match_points",
    "match_prototypes",
    "match_things",
    "measure_health",
    "movement",
    "name_prototypes",
    "nearest_landmark_distance",
    "nearest_values",
    "normalized_mean_error",
    "normalized_mutual_information",
    "points_of_landmarks",
    "property_confusion",
    "prototype_spread",
    "recall_of_truth",
    "repeatability",
    "scatter_by_prototype",
    "score_clusters",
    "score_points",
    "segment_rand_index",
    "share_near_animals",
    "shared_prototypes",
    "shuffled_score",
    "values_of_keypoints",
    "vote_for_things",
]
