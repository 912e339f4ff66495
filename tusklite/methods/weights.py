"""Trained models as safetensors files: tensors and the model's configuration, nothing that could run code."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from torch import nn

from tusklite.files import write_aside
from tusklite.methods.former_names import with_present_names

Model = TypeVar("Model", bound=nn.Module)


def save_model(path: str | os.PathLike, model: nn.Module, kind: str) -> None:
    """Write a model's tensors and its `config` (a dataclass), under a temporary name first.

    Args:
        path: of the file.
        model: a module with a `config`.
        kind: what it is, such as "tusklite-tusk"; reading asks for the same.
    """
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    content = save(tensors, metadata={"format": kind, "config": json.dumps(asdict(model.config))})
    write_aside(Path(path), lambda partial: partial.write_bytes(content))


def load_model(path: str | os.PathLike, kind: str, build: Callable[[dict[str, object]], Model]) -> Model:
    """Read what `save_model` wrote, in evaluation mode; a setting that had another name then is read under today's.

    Args:
        path: of the file.
        kind: what it must hold.
        build: makes the untrained model from its configuration's fields.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another kind of file, or damaged; the message names the file.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"path: no model at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"path: {path} is no safetensors file, or damaged ({error})") from error
    if metadata.get("format") != kind:
        raise ValueError(f"path: {path} holds {metadata.get('format')!r}; allowed is a {kind!r} model")
    try:
        model = build(with_present_names(json.loads(metadata["config"])))
        model.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"path: {path} was damaged, or written by another version ({error})") from error
    return model.eval()
