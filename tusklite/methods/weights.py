"""Trained models as safetensors files: tensors and the model's configuration, nothing that could run code."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from tusklite.arguments import require_integer
from tusklite.files import write_aside
from tusklite.methods.former_names import with_present_names

Model = TypeVar("Model", bound="KeypointModel")

VERSION = 1


class FoundKeypoints(NamedTuple):
    """What any model says of the keypoints of a batch of images.

    Attributes:
        xy: `(B, K, 2)` in [-1, 1] of the images.
        score: `(B, K)` in [0, 1]; what it measures is the model's own.
        prototype: int64 `(B, K)`, the kind of each, from 0; None of a model whose keypoint k is the same thing always.
        found: bool `(B, K)`, False in an empty slot.
    """

    xy: Tensor
    score: Tensor
    prototype: Tensor | None
    found: Tensor


class KeypointModel(nn.Module):
    """A network with a configuration, that can be saved and read.

    Attributes:
        KIND: what its files say that they hold.
        FORMER_KINDS: what files of earlier versions said.
        CONFIG: the dataclass of its configuration.
        SEES: what of a picture it is shown unless one asks for more or less: the "middle" square, as in training, or
            the "whole" of it, where it finds the same thing several times.
        config: that of this network.
        trained_on: height and width in pixels of the images that it was trained on; None where nobody said.
    """

    KIND: ClassVar[str]
    FORMER_KINDS: ClassVar[tuple[str, ...]] = ()
    CONFIG: ClassVar[type]
    SEES: ClassVar[str] = "middle"
    config: Any
    trained_on: tuple[int, int] | None = None

    def find_keypoints(self, images: Tensor, k: int | None = None) -> FoundKeypoints:
        """The keypoints of images, by one interface for all models.

        Args:
            images: `(B, channels, H, W)` in [0, 1].
            k: how many; as many as the model was made for where None. Only some models can be told.

        Raises:
            TypeError: a model that finds no keypoints.
            ValueError: a `k` for a model that cannot be told it.
        """
        raise TypeError(f"model: {type(self).__name__} was given, which finds no keypoints; allowed is one that does")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write weights and configuration as safetensors, under a temporary name first.

        Raises:
            FileNotWritten: the disk is full, or the folder is not there.
        """
        from safetensors.torch import save

        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
        about = {"format": self.KIND, "version": str(VERSION), "config": json.dumps(asdict(self.config))}
        if self.trained_on is not None:
            about["trained_on"] = json.dumps(self.trained_on)
        content = save(tensors, metadata=about)
        write_aside(Path(path), lambda partial: partial.write_bytes(content))

    @classmethod
    def load(cls: type[Model], path: str | os.PathLike[str], device: torch.device | str = "cpu") -> Model:
        """Read what `save` wrote, ready to use.

        Raises:
            FileNotFoundError: no such file.
            ValueError: a model of another kind, of a newer version, or damaged; the message names the file.
        """
        about, tensors = read_weights(path)
        if about["format"] not in (cls.KIND, *cls.FORMER_KINDS):
            raise ValueError(f"path: {path} holds {about['format']!r}; allowed is a {cls.KIND!r} model")
        try:
            model = cls(cls.CONFIG(**with_present_names(json.loads(about["config"]))))
            model.load_state_dict(tensors)
            if "trained_on" in about:
                height, width = json.loads(about["trained_on"])
                model.trained_on = (require_integer("trained_on", height, 1), require_integer("trained_on", width, 1))
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            said = " ".join(str(error).split())[:200]
            raise ValueError(f"path: {path} was damaged, or written by another version ({said})") from error
        return model.eval().to(device)


def read_weights(path: str | os.PathLike[str]) -> tuple[Mapping[str, str], dict[str, torch.Tensor]]:
    """What a file of weights says of itself, and its tensors.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no safetensors file of tusklite, a newer version's, damaged, not to be read, or with values that are
            not finite; the message names the file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        if not Path(path).is_file():
            raise FileNotFoundError(f"path: no model at {path}")
        Path(path).open("rb").close()  # safetensors calls a file that may not be read a missing one
    except PermissionError as error:
        raise ValueError(f"path: {path} cannot be read ({error.strerror}); allowed is a file that may be") from error
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"path: {path} is no safetensors file, or damaged ({error})") from error
    if not {"format", "config"} <= about.keys():
        raise ValueError(f"path: {path} does not say what it holds; allowed is a file that tusklite wrote")
    version = about.get("version", "1")  # files of before there were versions are of the first
    if not version.isdecimal() or int(version) > VERSION:
        raise ValueError(
            f"path: {path} has version {version!r}; allowed are versions up to {VERSION}: install a newer tusklite"
        )
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ValueError(f"path: {path} has NaN or infinite values in {name}; allowed are finite ones")
    return about, tensors


def refuse_k(k: int | None, channels: int) -> None:
    """Refuse to look for another number of keypoints than a model has maps.

    Raises:
        ValueError: a number was given.

    Example:
        >>> refuse_k(5, 50)
        Traceback (most recent call last):
        ...
        ValueError: k: 5 was given to a model that has a map for each of its 50 keypoints; allowed is None
    """
    if k is not None:
        raise ValueError(
            f"k: {k} was given to a model that has a map for each of its {channels} keypoints; allowed is None"
        )
