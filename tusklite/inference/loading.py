"""Trained models from files: `load` picks the class by what the file says that it holds."""

from __future__ import annotations

import os

import torch

from tusklite.experiments.registry import experiments
from tusklite.methods.channelwise.model import ChannelwiseDetector
from tusklite.methods.mallis.model import MallisLandmarks
from tusklite.methods.slots.model import SlotAttention
from tusklite.methods.thewlis.model import FactorizedLandmarks
from tusklite.methods.tusk.model import TUSK
from tusklite.methods.weights import KeypointModel, read_weights

MODELS: tuple[type[KeypointModel], ...] = (
    TUSK,
    FactorizedLandmarks,
    ChannelwiseDetector,
    SlotAttention,
    MallisLandmarks,
)


def _known_models() -> list[type[KeypointModel]]:
    """The models of this package, then those of experiments that are kept elsewhere."""
    experiments()  # which reads their files
    found = list(MODELS)
    for model in KeypointModel.__subclasses__():
        found += [model] if model not in found and hasattr(model, "KIND") else []
    return found


def load(path: str | os.PathLike[str], device: torch.device | str = "cpu") -> KeypointModel:
    """Read a trained model of any method, ready to use; of experiments in `$TUSKLITE_EXPERIMENTS`, too.

    Args:
        path: of a file that a model's `save` wrote.
        device: where the model is put.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no model of tusklite, of a newer version, or damaged; the message names the file.

    Example:
        >>> from tusklite.pretrained import FOLDER
        >>> type(load(FOLDER / "mnist-hard-lite.safetensors")).__name__
        'TUSK'
    """
    about, _ = read_weights(path)
    models = _known_models()
    for model in models:
        if about["format"] in (model.KIND, *model.FORMER_KINDS):
            return model.load(path, device)
    known = ", ".join(repr(model.KIND) for model in models)
    raise ValueError(f"path: {path} holds {about['format']!r}; allowed are {known}")
