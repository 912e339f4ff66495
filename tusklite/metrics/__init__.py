"""How good are the keypoints: detections, landmarks, segments and prototypes against the truth, and clusterings.

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

__all__ = [
    "ClassScores",
    "DetectionScores",
    "FoundObjects",
    "LandmarkRegressor",
    "PropertyScores",
    "PrototypeNames",
    "SegmentScores",
    "adjusted_rand_index",
    "count_accuracy",
    "evaluate_detections",
    "evaluate_properties",
    "evaluate_segments",
    "find_objects",
    "landmark_spread",
    "majority_class",
    "match_detections",
    "match_prototypes",
    "name_prototypes",
    "nearest_landmark_distance",
    "nearest_values",
    "normalized_mean_error",
    "normalized_mutual_information",
    "property_confusion",
    "segment_rand_index",
    "values_of_keypoints",
]
