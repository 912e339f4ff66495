"""Data sets: each item is a named structure with the image and, for evaluation only, its ground truth."""

from __future__ import annotations

from tusklite.datasets.digits import Digits, DigitSource, load_digits
from tusklite.datasets.faces import FaceBatch, FaceLandmarks, load_faces
from tusklite.datasets.mnist_hard import MNISTHard, Scene, Scenes
from tusklite.datasets.single_digits import DigitBatch, SingleDigits

__all__ = [
    "DigitBatch",
    "DigitSource",
    "Digits",
    "FaceBatch",
    "FaceLandmarks",
    "MNISTHard",
    "Scene",
    "Scenes",
    "SingleDigits",
    "load_digits",
    "load_faces",
]
