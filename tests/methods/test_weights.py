"""Files of weights: which class a file makes, files of before and of later, and every file that is none."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from tusklite.inference import MODELS, load
from tusklite.methods.channelwise import ChannelwiseConfig, ChannelwiseDetector
from tusklite.methods.mallis import MallisConfig, MallisLandmarks
from tusklite.methods.slots import SlotAttention, SlotConfig
from tusklite.methods.thewlis import FactorizedLandmarks, ThewlisConfig
from tusklite.methods.tusk import TUSK, TUSKConfig
from tusklite.methods.weights import VERSION, KeypointModel
from tusklite.pretrained import FOLDER

SMALL: dict[type[KeypointModel], object] = {
    TUSK: TUSKConfig(keypoints=4, prototypes=3, descriptor_channels=8, width=8, levels=2, groups=8, window=5),
    FactorizedLandmarks: ThewlisConfig(landmarks=3, image_channels=1, image_size=16, widths=(3, 4, 5, 4, 6)),
    ChannelwiseDetector: ChannelwiseConfig(channels=3, descriptor_channels=4, width=8, levels=2, groups=8),
    SlotAttention: SlotConfig(slots=3, image_channels=1, width=6, slot_size=5, decoder_strides=(2, 1)),
    MallisLandmarks: MallisConfig(clusters=3, image_channels=1, width=8, stem=4, reduction=2, depth=1, groups=4),
}
IMAGES = torch.rand(2, 1, 16, 20, generator=torch.Generator().manual_seed(1))


def a_model(kind: type[KeypointModel], seed: int = 0) -> KeypointModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind(SMALL[kind])


def as_stored(model: KeypointModel) -> dict[str, Tensor]:
    return {name: tensor.contiguous() for name, tensor in model.state_dict().items()}


def about(model: KeypointModel) -> dict[str, str]:
    return {"format": model.KIND, "version": "1", "config": json.dumps(asdict(model.config))}


def outputs(model: KeypointModel) -> list[Tensor]:
    found = [part for part in model(IMAGES) if part is not None]  # layers, of a model that draws all in one pass
    return [value for part in found for value in (part if isinstance(part, tuple) else [part])]


# --- there and back ----------------------------------------------------------------------------------------


def test_every_model_of_the_course_can_be_loaded() -> None:
    assert set(MODELS) == set(SMALL)
    kinds = [kind for model in MODELS for kind in (model.KIND, *model.FORMER_KINDS)]
    assert len(set(kinds)) == len(kinds)


@pytest.mark.parametrize("kind", SMALL)
def test_load_makes_the_class_that_was_saved(kind: type[KeypointModel], tmp_path: Path) -> None:
    model = a_model(kind).train()
    for _ in range(3):
        model(IMAGES)  # running statistics of its own
    model.save(tmp_path / "model.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    for read in (load(tmp_path / "model.safetensors"), kind.load(str(tmp_path / "model.safetensors"))):
        assert type(read) is kind
        assert read.config == model.config
        assert not any(module.training for module in read.modules())
        assert read.state_dict().keys() == model.state_dict().keys()
        assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in read.state_dict().items())
        assert all(map(torch.equal, outputs(read), outputs(model.eval())))


@pytest.mark.parametrize("kind", SMALL)
def test_a_file_says_kind_version_and_configuration(kind: type[KeypointModel], tmp_path: Path) -> None:
    model = a_model(kind)
    model.save(tmp_path / "model.safetensors")
    with safe_open(tmp_path / "model.safetensors", framework="pt") as file:
        said = file.metadata()
    assert said.keys() == {"format", "version", "config"}
    assert (said["format"], said["version"]) == (kind.KIND, str(VERSION))
    assert kind.CONFIG(**json.loads(said["config"])) == model.config


@pytest.mark.parametrize("kind", SMALL)
def test_a_model_of_another_kind_is_refused(kind: type[KeypointModel], tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    a_model(kind).save(path)
    for other in SMALL.keys() - {kind}:
        message = f"path: {path} holds '{kind.KIND}'; allowed is a '{other.KIND}' model"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            other.load(path)


# --- of before, and of later -------------------------------------------------------------------------------


def test_landmarks_under_their_former_kind_and_names_without_a_version_load(tmp_path: Path) -> None:
    model = a_model(FactorizedLandmarks).eval()
    settings = asdict(model.config)
    settings["padding"] = settings.pop("padding_mode")
    described = {"format": "tusklite-landmarks", "config": json.dumps(settings)}
    save_file(as_stored(model), tmp_path / "old.safetensors", described)
    read = load(tmp_path / "old.safetensors")
    assert type(read) is FactorizedLandmarks
    assert read.config == model.config
    assert torch.equal(read(IMAGES).xy, model(IMAGES).xy)
    read.save(tmp_path / "new.safetensors")
    with safe_open(tmp_path / "new.safetensors", framework="pt") as file:
        assert file.metadata()["format"] == "tusklite-thewlis"


def test_the_weights_that_come_with_the_package_load_by_their_path() -> None:
    for path in FOLDER.glob("*.safetensors"):
        assert type(load(path)) is TUSK


@pytest.mark.parametrize("version", ["2", "10", "", "1.5", "-1", "new"])
def test_a_newer_version_is_refused_and_said_so(version: str, tmp_path: Path) -> None:
    path = tmp_path / "newer.safetensors"
    save_file(as_stored(a_model(TUSK)), path, about(a_model(TUSK)) | {"version": version})
    message = f"path: {path} has version {version!r}; allowed are versions up to 1: install a newer tusklite"
    for read in (load, TUSK.load, FactorizedLandmarks.load):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            read(path)


def test_an_unknown_kind_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file(as_stored(a_model(TUSK)), path, about(a_model(TUSK)) | {"format": "tusklite-masks"})
    known = "'tusklite-tusk', 'tusklite-thewlis', 'tusklite-channelwise', 'tusklite-slots', 'tusklite-mallis'"
    with pytest.raises(ValueError, match=f"^{re.escape(f'path: {path} holds {chr(39)}tusklite-masks{chr(39)}; ')}"):
        load(path)
    with pytest.raises(ValueError, match=f"allowed are {known}"):
        load(path)


# --- files that are none -----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("everywhere", [True, False])
@pytest.mark.parametrize("kind", SMALL)
def test_weights_that_are_not_finite_are_refused(
    kind: type[KeypointModel], everywhere: bool, value: float, tmp_path: Path
) -> None:
    model, path = a_model(kind), tmp_path / "model.safetensors"
    tensors = {name: tensor.clone() for name, tensor in as_stored(model).items()}
    spoilt = [name for name, tensor in tensors.items() if tensor.is_floating_point() and tensor.numel()]
    for name in spoilt if everywhere else spoilt[-1:]:
        tensors[name].view(-1)[... if everywhere else -1] = value
    save_file(tensors, path, about(model))
    named = "|".join(map(re.escape, spoilt if everywhere else spoilt[-1:]))
    message = rf"^path: {re.escape(str(path))} has NaN or infinite values in ({named}); allowed are finite ones$"
    for read in (load, kind.load):
        with pytest.raises(ValueError, match=message):
            read(path)


def whole(path: Path) -> bytes:
    a_model(TUSK).save(path)
    return path.read_bytes()


def with_bytes(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(change(whole(path)))


def of_another_program(path: Path) -> None:
    save_file({"weight": torch.zeros(3)}, path)


def of_another_program_with_metadata(path: Path) -> None:
    save_file({"weight": torch.zeros(3)}, path, {"format": "pt"})


def a_pickle(path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, path)


def without_a_tensor(path: Path) -> None:
    tensors = as_stored(a_model(TUSK))
    del tensors["decoder.out.weight"]
    save_file(tensors, path, about(a_model(TUSK)))


def of_another_shape(path: Path) -> None:
    save_file(as_stored(a_model(TUSK)) | {"decoder.out.weight": torch.zeros(1)}, path, about(a_model(TUSK)))


def with_settings_that_are_no_mapping(path: Path) -> None:
    save_file(as_stored(a_model(TUSK)), path, about(a_model(TUSK)) | {"config": "[1, 2]"})


NO_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (with_bytes(lambda content: b""), "is no safetensors file, or damaged"),
    "cut in its head": (with_bytes(lambda content: content[:50]), "is no safetensors file, or damaged"),
    "cut in its tensors": (with_bytes(lambda content: content[:-7]), "is no safetensors file, or damaged"),
    "with a tail": (with_bytes(lambda content: content + b"more"), "is no safetensors file, or damaged"),
    "a picture": (with_bytes(lambda content: b"\x89PNG\r\n\x1a\n" * 40), "is no safetensors file, or damaged"),
    "a web page": (with_bytes(lambda content: b"<!DOCTYPE html><html>" * 40), "is no safetensors file, or damaged"),
    "zeros": (with_bytes(lambda content: bytes(len(content))), "is no safetensors file, or damaged"),
    "torch's own": (a_pickle, "is no safetensors file, or damaged"),
    "of another program": (of_another_program, "does not say what it holds; allowed is a file that tusklite wrote"),
    "of another program, described": (of_another_program_with_metadata, "does not say what it holds; allowed is a"),
    "without a tensor": (without_a_tensor, "was damaged, or written by another version"),
    "of another shape": (of_another_shape, "was damaged, or written by another version"),
    "no settings": (with_settings_that_are_no_mapping, "was damaged, or written by another version"),
}


@pytest.mark.parametrize("what", NO_FILES)
@pytest.mark.parametrize("read", [load, TUSK.load])
def test_a_file_that_is_none_is_one_line_that_names_it(what: str, read: Callable, tmp_path: Path) -> None:
    path = tmp_path / "some model.safetensors"
    write, complaint = NO_FILES[what]
    write(path)
    with pytest.raises(ValueError, match=f"^path: {re.escape(str(path))} {complaint}") as refused:
        read(path)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("asked", ["open", "is_file"])
def test_a_file_that_may_not_be_read_is_neither_missing_nor_damaged(
    asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *arguments: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    path = tmp_path / "model.safetensors"
    whole(path)
    monkeypatch.setattr(Path, asked, refuse)
    message = f"path: {path} cannot be read (Permission denied); allowed is a file that may be"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        load(path)


@pytest.mark.parametrize("read", [load, TUSK.load])
def test_a_missing_file_is_named(read: Callable, tmp_path: Path) -> None:
    for path in (tmp_path / "none.safetensors", tmp_path, tmp_path / "folder" / "none.safetensors"):
        with pytest.raises(FileNotFoundError, match=f"^path: no model at {re.escape(str(path))}$"):
            read(path)
