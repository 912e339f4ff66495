"""Checkpoints: what is written comes back, what is damaged is never used, and no write loses the one before it."""

from __future__ import annotations

import os
import re
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tusklite.files import FileNotWritten, write_aside
from tusklite.train.checkpoints import NAME, PREVIOUS, VERSION, load_checkpoint, save_checkpoint


def state_at(step: int) -> dict[str, object]:
    """What a training keeps: weights, an optimiser's state, a random state, plain values."""
    torch.manual_seed(step)
    network = torch.nn.Linear(5, 3)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.rand(2, 5)).sum().backward()
    optimizer.step()
    return {
        "step": step,
        "seconds": 0.5 * step,
        "identity": {"method": {"kind": "line", "at": [0.1, None, True]}},
        "method": network.state_dict(),
        "optimizers": {"network": optimizer.state_dict()},
        "random": {"cpu": torch.get_rng_state()},
    }


def plain(value: object) -> object:
    """The same with lists in place of tensors, which `==` can compare."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return (str(value.dtype), value.tolist()) if isinstance(value, torch.Tensor) else value


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A folder in which step 3 was saved, and then step 6."""
    save_checkpoint(tmp_path, state_at(3))
    save_checkpoint(tmp_path, state_at(6))
    return tmp_path


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    state = state_at(3)
    path = save_checkpoint(tmp_path, state)
    assert path == tmp_path / NAME
    loaded = load_checkpoint(tmp_path)
    assert loaded.pop("format") == "tusklite-checkpoint"
    assert loaded.pop("version") == VERSION
    assert plain(loaded) == plain(state)


def test_the_newest_is_loaded_and_the_one_before_it_is_kept(two: Path) -> None:
    assert set(contents(two)) == {NAME, PREVIOUS}
    assert load_checkpoint(two)["step"] == 6
    (two / NAME).unlink()
    assert load_checkpoint(two)["step"] == 3


def test_a_folder_without_a_checkpoint_has_none(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path) is None
    assert load_checkpoint(tmp_path / "not there") is None


@given(share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=60)
def test_a_cut_off_file_is_passed_over_with_its_name(share: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("run")
    save_checkpoint(folder, state_at(3))
    whole = save_checkpoint(folder, state_at(6)).read_bytes()
    (folder / NAME).write_bytes(whole[: int(share * len(whole))])
    before = contents(folder)
    with pytest.warns(UserWarning, match=f"passed over: {re.escape(str(folder / NAME))} "):
        assert load_checkpoint(folder)["step"] == 3
    assert contents(folder) == before


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=150)
def test_a_changed_bit_changes_no_number_unnoticed(
    place: float, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("run")
    changed = bytearray(save_checkpoint(folder, state_at(6)).read_bytes())
    changed[int(place * len(changed))] ^= 1 << bit
    (folder / NAME).write_bytes(changed)
    try:
        loaded = load_checkpoint(folder)  # a few bytes of the format hold nothing
    except ValueError:
        return
    assert plain({name: loaded[name] for name in state_at(6)}) == plain(state_at(6))


def test_where_both_are_damaged_both_are_named_and_nothing_is_changed(two: Path) -> None:
    for name in (NAME, PREVIOUS):
        (two / name).write_bytes((two / name).read_bytes()[:-100])
    before = contents(two)
    with pytest.raises(ValueError, match="allowed is a whole checkpoint") as caught:
        load_checkpoint(two)
    assert str(two / NAME) in str(caught.value)
    assert str(two / PREVIOUS) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert contents(two) == before


@pytest.mark.parametrize("content", [b"", b"hello", b"{}", b"\x80\x04\x95", b"PK\x03\x04" + bytes(90), bytes(4096)])
def test_a_file_of_another_kind_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(str(tmp_path / NAME))):
        load_checkpoint(tmp_path)
    assert contents(tmp_path) == {NAME: content}


@pytest.mark.parametrize("content", [{"state_dict": {}}, torch.zeros(3), [1, 2], {"format": "another"}])
def test_the_file_of_another_program_is_refused_though_there_is_one_before_it(tmp_path: Path, content: object) -> None:
    save_checkpoint(tmp_path, state_at(3))
    os.replace(tmp_path / NAME, tmp_path / PREVIOUS)
    torch.save(content, tmp_path / NAME)
    with pytest.raises(ValueError, match=f"{NAME}: this is no tusklite checkpoint; allowed is"):
        load_checkpoint(tmp_path)


def test_another_archive_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / NAME, "w") as archive:
        archive.writestr("letter.txt", "dear reader")
    with pytest.raises(ValueError, match=re.escape(str(tmp_path / NAME))):
        load_checkpoint(tmp_path)


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, state_at(3) | {"version": VERSION + 1})
    with pytest.raises(
        ValueError, match=f"version {VERSION + 1} was given; allowed are versions up to {VERSION}: install a newer"
    ):
        load_checkpoint(tmp_path)


class Trap:
    """Unpickled without care, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_loading_runs_no_code_of_the_file(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    save_checkpoint(tmp_path, state_at(3) | {"trap": Trap(sprung)})
    with pytest.raises(ValueError, match=f"{NAME} .UnpicklingError") as refused:
        load_checkpoint(tmp_path)
    assert "weights_only" not in str(refused.value)  # which PyTorch advises to set to False: it would spring the trap
    assert "its content is none of plain values and tensors" in str(refused.value)
    assert not sprung.exists()
    torch.load(tmp_path / NAME, weights_only=False)
    assert sprung.exists()  # the trap works


def fail_after_half(content: object, file: object) -> None:
    file.write(b"half of it")
    raise OSError(28, "No space left on device")


def test_a_write_that_fails_leaves_what_was_there(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(two)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", fail_after_half)
        with pytest.raises(OSError, match="No space left"):
            save_checkpoint(two, state_at(9))
    assert {name: contents(two)[name] for name in before} == before
    assert load_checkpoint(two)["step"] == 6
    save_checkpoint(two, state_at(9))  # what the failed write left behind is in nobody's way
    assert set(contents(two)) == {NAME, PREVIOUS}
    assert load_checkpoint(two)["step"] == 9


@pytest.mark.parametrize("renamed", [0, 1])
def test_a_stop_between_the_renames_loses_one_checkpoint_at_most(
    two: Path, monkeypatch: pytest.MonkeyPatch, renamed: int
) -> None:
    calls = []

    def replace_until(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) > renamed:
            raise KeyboardInterrupt
        rename(source, target)

    rename = os.replace
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace_until)
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(two, state_at(9))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_checkpoint(two)["step"] == 6


def test_a_new_checkpoint_is_on_the_disk_before_the_old_one_moves(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    rename, sync = os.replace, os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (seen.append("synced"), sync(file)))
    monkeypatch.setattr(os, "replace", lambda source, target: (seen.append(Path(target).name), rename(source, target)))
    save_checkpoint(two, state_at(9))
    assert seen[0] == "synced"
    assert [word for word in seen if word != "synced"] == [PREVIOUS, NAME]


def test_write_aside_replaces_only_when_all_is_written(tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("old")

    def write(partial: Path) -> None:
        partial.write_text("new")
        assert note.read_text() == "old"

    write_aside(note, write)
    assert contents(tmp_path) == {"note.txt": b"new"}


def test_a_folder_that_is_not_there_cannot_be_written(tmp_path: Path) -> None:
    path = re.escape(str(tmp_path / "not there" / NAME))
    with pytest.raises(
        FileNotWritten, match=rf"^{path}: could not be written \(No such file or directory\); nothing .* is lost: make"
    ) as caught:
        save_checkpoint(tmp_path / "not there", state_at(3))
    assert caught.value.path == tmp_path / "not there" / NAME
