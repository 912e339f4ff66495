"""Data sets: each item is a named structure with the image and, for evaluation only, its ground truth."""

from __future__ import annotations

from tusklite.data.base import ImageSource, require_source
from tusklite.data.bodies import BodyPictures
from tusklite.data.clevr_like import ClevrLike
from tusklite.data.clevr_pictures import read_clevr_pictures
from tusklite.data.digits import Digits, DigitSource, load_digits
from tusklite.data.faces import FaceBatch, FaceLandmarks, load_faces
from tusklite.data.figures import BodyBatch, Figures
from tusklite.data.mnist_hard import MNISTHard, Scene, Scenes
from tusklite.data.multi_object_records import ClevrRecords, TetrominoesRecords
from tusklite.data.object_scenes import ObjectScenes
from tusklite.data.picture_folder import PictureFolder
from tusklite.data.point_mixtures import PointMixture, mix_points
from tusklite.data.puppets import PuppetBatch, Puppets
from tusklite.data.single_digits import DigitBatch, SingleDigits
from tusklite.data.tetrominoes import Tetrominoes

__all__ = [
    "BodyBatch",
    "BodyPictures",
    "ClevrLike",
    "ClevrRecords",
    "DigitBatch",
    "DigitSource",
    "Digits",
    "FaceBatch",
    "FaceLandmarks",
    "Figures",
    "ImageSource",
    "MNISTHard",
    "ObjectScenes",
    "PictureFolder",
    "PointMixture",
    "PuppetBatch",
    "Puppets",
    "Scene",
    "Scenes",
    "SingleDigits",
    "Tetrominoes",
    "TetrominoesRecords",
    "load_digits",
    "load_faces",
    "mix_points",
    "read_clevr_pictures",
    "require_source",
]
