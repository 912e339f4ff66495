"""Trained models that come with the package, each with the record of the run that it comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tusklite.arguments import require_choice
from tusklite.methods.tusk.model import TUSK

__all__ = ["FOLDER", "Pretrained", "load_pretrained", "pretrained_names"]

FOLDER = Path(__file__).resolve().parent


class Pretrained(NamedTuple):
    """A trained TUSK and where it comes from.

    Attributes:
        model: ready to use.
        names: by property (`"digit"`; of objects `"shape"`, `"colour"` and the like) int64 `(M,)`, the value that each
            prototype was given on validation scenes; -1 for none.
        result: the record of its run, as under `results/`.
    """

    model: TUSK
    names: dict[str, Tensor]
    result: dict[str, object]


def pretrained_names() -> list[str]:
    """Names of the models there are.

    Example:
        >>> pretrained_names()
        ['clevr6-lite', 'mnist-hard-lite', 'tetrominoes-lite']
    """
    return sorted(path.stem for path in FOLDER.glob("*.safetensors"))


def load_pretrained(name: str = "mnist-hard-lite", device: torch.device | str = "cpu") -> Pretrained:
    """Read a trained model.

    Args:
        name: one of `pretrained_names()`.
        device: where the model is put.

    Raises:
        ValueError: another name, or a damaged file.

    Example:
        >>> trained = load_pretrained()
        >>> trained.model.config.keypoints, len(trained.names["digit"]), trained.result["preset"]
        (9, 10, 'lite')
        >>> sorted(load_pretrained("tetrominoes-lite").names)
        ['colour', 'shape']
    """
    require_choice("name", name, pretrained_names())
    result = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    model = TUSK.load(FOLDER / f"{name}.safetensors", device)
    return Pretrained(model, _names(result["details"]), result)


def _names(details: dict[str, Any]) -> dict[str, Tensor]:
    """What prototypes are called, from the details of a result: of digits, or of an object's properties."""
    if "mapping" in details:
        return {"digit": torch.tensor(details["mapping"])}
    return {name: torch.tensor(each["of_prototype"]) for name, each in details.items()}
