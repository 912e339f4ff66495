"""Data sets: each item is a named structure with the image and, for evaluation only, its ground truth."""

from __future__ import annotations

from tusklite.data.base import ImageSource, require_source
from tusklite.data.digits import Digits, DigitSource, load_digits
from tusklite.data.faces import FaceBatch, FaceLandmarks, load_faces
from tusklite.data.mnist_hard import MNISTHard, Scene, Scenes
from tusklite.data.single_digits import DigitBatch, SingleDigits

__all__ = [
    "DigitBatch",
    "DigitSource",
    "Digits",
    "FaceBatch",
    "FaceLandmarks",
    "ImageSource",
    "MNISTHard",
    "Scene",
    "Scenes",
    "SingleDigits",
    "load_digits",
    "load_faces",
    "require_source",
]
