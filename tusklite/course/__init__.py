"""What the lessons need: figures that several share, how checks answer, and a room for each lesson, under its name."""

from __future__ import annotations

from tusklite.course import libraries

__all__ = [
    "alternating_training",
    "classroom",
    "clevr6",
    "clusters_without_labels",
    "correspondence_to_landmarks",
    "diversity",
    "equivariance",
    "factorized_landmarks",
    "figures",
    "landmarks_on_faces",
    "mnist_hard",
    "prototypes_and_softmin",
    "self_training",
    "single_heatmap",
    "sliced_wasserstein",
    "sparse_autoencoder",
    "start_here",
    "tetrominoes",
    "thin_plate_splines",
    "when_one_channel_is_not_enough",
    "your_own_images",
]

libraries.require_libraries()
