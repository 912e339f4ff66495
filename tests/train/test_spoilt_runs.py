"""Run folders that something has spoilt: each is said in a line that names the file, and what was good stays."""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from pathlib import Path

import pytest
import torch
from line_training import TWELVE, Line, Pictures, weights

from tusklite.files import FileNotWritten, write_aside, write_json
from tusklite.methods.tusk import TUSK, TUSKConfig
from tusklite.train.checkpoints import NAME, PREVIOUS, load_checkpoint, save_checkpoint
from tusklite.train.log import LOG
from tusklite.train.loop import fit
from tusklite.train.progress import ProgressBar

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".lock"}


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, list]:
    """The weights of a run that nothing spoilt."""
    torch.manual_seed(8)
    method = Line()
    fit(method, Pictures(), TWELVE, tmp_path / "whole")
    return weights(method)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of such a run that has come to step 6."""
    torch.manual_seed(8)
    for _ in range(6):
        fit(Line(), Pictures(), TWELVE, tmp_path / "run", minutes=1e-9)
    return tmp_path / "run"


def goes_on(run: Path) -> dict[str, list]:
    method = Line()
    assert fit(method, Pictures(), TWELVE, run).finished
    return weights(method)


# --- checkpoints -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["version", "identity", "step", "seconds", "method", "optimizers", "random"])
def test_a_checkpoint_without_a_part_is_passed_over(run: Path, whole: dict[str, list], part: str) -> None:
    state = torch.load(run / NAME, weights_only=True)
    torch.save({name: value for name, value in state.items() if name != part}, run / NAME)
    method = Line()
    with pytest.warns(UserWarning, match=rf"passed over: .*{NAME} \(without {part}\); going on from .*{PREVIOUS}"):
        fit(method, Pictures(), TWELVE, run)
    assert weights(method) == whole


@pytest.mark.parametrize("part", ["version", "identity", "step", "seconds", "method", "optimizers", "random"])
def test_where_no_checkpoint_has_a_part_all_are_named(run: Path, part: str) -> None:
    for name in (NAME, PREVIOUS):
        state = torch.load(run / name, weights_only=True)
        torch.save({key: value for key, value in state.items() if key != part}, run / name)
    before = contents(run)
    with pytest.raises(ValueError, match=rf"damaged: .*{NAME} \(without {part}\), .*{PREVIOUS} .*; allowed is a whole"):
        goes_on(run)
    assert contents(run) == before


@pytest.mark.parametrize(
    "change",
    [
        {"step": "six"}, {"step": None}, {"step": -1}, {"step": 13}, {"seconds": None}, {"seconds": -1.0},
        {"method": {}}, {"method": {"linear.weight": torch.zeros(2, 2)}}, {"method": 5},
        {"method": {"linear.weight": torch.zeros(1, 6), "linear.bias": torch.zeros(1), "more": torch.zeros(1)}},
        {"optimizers": {}}, {"optimizers": {"network": {}}}, {"optimizers": [1]},
        {"optimizers": {"network": {"state": {}, "param_groups": []}}},
        {"random": {}}, {"random": {"cpu": torch.zeros(3)}}, {"random": {"cpu": "dice"}}, {"random": None},
    ],
    ids=range(18),
)  # fmt: skip
def test_a_checkpoint_with_spoilt_parts_is_refused_in_a_line(run: Path, change: dict[str, object]) -> None:
    state = torch.load(run / NAME, weights_only=True)
    torch.save(state | change, run / NAME)
    before = contents(run)
    with pytest.raises(
        ValueError,
        match=rf"^run_dir: the checkpoint in {re.escape(str(run))} is damaged, or of another version \(",
    ) as refused:
        goes_on(run)
    assert "\n" not in str(refused.value)
    assert contents(run) == before


@pytest.mark.parametrize("identity", [5, None, [], "a run", {}])
def test_a_checkpoint_of_no_run_that_one_knows_is_refused(run: Path, identity: object) -> None:
    state = torch.load(run / NAME, weights_only=True)
    torch.save(state | {"identity": identity}, run / NAME)
    with pytest.raises(ValueError, match=r"holds a run with other settings \(.* there, .* now\); allowed are the"):
        goes_on(run)


def test_a_checkpoint_that_may_not_be_read_is_not_called_damaged(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(zipfile, "ZipFile", locked)
    with pytest.raises(ValueError, match=rf"{NAME}: cannot be read \(Permission denied\); allowed is a checkpoint"):
        goes_on(run)


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="root may read everything")
def test_a_checkpoint_without_leave_to_read_is_not_called_damaged(run: Path) -> None:
    (run / NAME).chmod(0)
    with pytest.raises(ValueError, match=rf"{NAME}: cannot be read \(Permission denied\); allowed is a checkpoint"):
        goes_on(run)


def test_a_folder_in_the_place_of_a_checkpoint_is_passed_over(run: Path, whole: dict[str, list]) -> None:
    (run / NAME).unlink()
    (run / NAME).mkdir()
    with pytest.warns(
        UserWarning, match=rf"passed over: .*{NAME} \(IsADirectoryError: Is a directory\); going on from"
    ):
        assert load_checkpoint(run)["step"] == 5
    (run / NAME).rmdir()
    assert goes_on(run) == whole


# --- logs --------------------------------------------------------------------------------------------------

NO_RECORDS = [
    b"5", b'{"a": 1}', b"[]", b"null", b"{", b"", b"\xff\xfe", b'{"step": 3}', b'{"step": "x", "of": 12, "seconds": 1}',
    b'{"step": 3, "of": 12}', b'{"step": true, "of": 12, "seconds": 1}', b"[" * 100_000, b'{"step": 1e999, "of": 1}',
]  # fmt: skip


@pytest.mark.parametrize("line", NO_RECORDS, ids=range(len(NO_RECORDS)))
def test_a_broken_line_of_a_log_is_left_out_and_kept_aside(run: Path, whole: dict[str, list], line: bytes) -> None:
    lines = (run / LOG).read_bytes().splitlines()
    spoilt = b"\n".join([lines[0], line, *lines[1:]]) + b"\n"
    (run / LOG).write_bytes(spoilt)
    shown: list[dict[str, object]] = []
    method = Line()
    with pytest.warns(UserWarning, match=rf"{LOG}: line 2 is no record, and is left out; the log as it was is in"):
        result = fit(method, Pictures(), TWELVE, run, progress=shown.append)
    assert weights(method) == whole
    assert [record["step"] for record in result.log if "error" in record] == [2, 4, 6, 8, 10, 12]
    assert [json.loads(line) for line in (run / LOG).read_text().splitlines()] == result.log
    assert (run / "log-damaged.jsonl").read_bytes() == spoilt


def test_a_log_that_is_spoilt_twice_is_kept_aside_twice(run: Path) -> None:
    for number in range(2):
        (run / LOG).write_bytes(b"%d\n" % number + (run / LOG).read_bytes())
        with pytest.warns(UserWarning, match="line 1 is no record"):
            fit(Line(), Pictures(), TWELVE, run, minutes=1e-9)
    assert (run / "log-damaged.jsonl").read_bytes().startswith(b"0\n")
    assert (run / "log-damaged-2.jsonl").read_bytes().startswith(b"1\n")


def test_figures_of_a_log_that_are_no_numbers_do_not_stop_a_run(run: Path, whole: dict[str, list]) -> None:
    record = {"step": 6, "of": 12, "seconds": 1.0, "error": "much", "phase": 3}
    (run / LOG).write_text(json.dumps(record) + "\n")
    method, stream = Line(), io.StringIO()
    bar = ProgressBar({"error": "error"}, stream)
    fit(method, Pictures(), TWELVE, run, progress=bar)
    bar.close()
    assert weights(method) == whole
    assert "step 12/12" in stream.getvalue()


# --- full disks --------------------------------------------------------------------------------------------


def full_line(name: str) -> str:
    return rf"^.*{re.escape(name)}: could not be written \(No space left on device\); nothing that was there is lost: "


@needs_full
def test_a_full_disk_loses_no_checkpoint(run: Path, whole: dict[str, list]) -> None:
    before = contents(run)
    (run / f"{NAME}.partial").symlink_to(FULL)
    with pytest.raises(FileNotWritten, match=full_line(NAME)) as refused:
        goes_on(run)
    assert "\n" not in str(refused.value)
    after = contents(run)
    assert {name: after[name] for name in (NAME, PREVIOUS)} == {name: before[name] for name in (NAME, PREVIOUS)}
    assert not list(run.glob("*.partial"))
    assert goes_on(run) == whole


@needs_full
def test_a_full_disk_stops_at_the_line_of_the_log(
    run: Path, whole: dict[str, list], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_file = Path.open

    def full(path: Path, mode: str = "r", **how: object) -> object:
        return open_file(FULL, "w") if path.name == LOG and mode == "a" else open_file(path, mode, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(FileNotWritten, match=full_line(LOG)):
            goes_on(run)
    assert load_checkpoint(run)["step"] == 6
    assert goes_on(run) == whole


@needs_full
def test_a_full_disk_leaves_the_log_as_it_was(run: Path, whole: dict[str, list]) -> None:
    before = contents(run)
    (run / f"{LOG}.partial").symlink_to(FULL)
    with pytest.raises(FileNotWritten, match=full_line(LOG)):
        goes_on(run)
    assert contents(run) == before
    assert goes_on(run) == whole


@needs_full
@pytest.mark.parametrize("name", ["metrics.json", "model.safetensors", NAME])
def test_a_full_disk_leaves_every_file_as_it_was(tmp_path: Path, name: str) -> None:
    model = TUSK(TUSKConfig(keypoints=2, prototypes=3, width=8, levels=2, groups=8, stem=2, window=5))
    write = {
        "metrics.json": lambda: write_json(tmp_path / name, {"both": 0.5}),
        "model.safetensors": lambda: model.save(tmp_path / name),
        NAME: lambda: save_checkpoint(tmp_path, {"step": 3}),
    }[name]
    write()
    before = contents(tmp_path)
    (tmp_path / f"{name}.partial").symlink_to(FULL)
    with pytest.raises(FileNotWritten, match=full_line(name)):
        write()
    assert contents(tmp_path) == before
    write()
    assert not list(tmp_path.glob("*.partial"))


@needs_full
def test_a_new_file_on_a_full_disk_takes_no_name(tmp_path: Path) -> None:
    (tmp_path / f"a.json.{os.getpid()}.partial").symlink_to(FULL)
    with pytest.raises(FileNotWritten, match=full_line("a.json")):
        write_json(tmp_path / "a.json", {}, new=True)
    assert contents(tmp_path) == {}
    write_json(tmp_path / "a.json", {}, new=True)
    with pytest.raises(FileExistsError):
        write_json(tmp_path / "a.json", {"other": 1}, new=True)
    assert contents(tmp_path) == {"a.json": b"{}\n"}


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_whatever_stops_a_write_leaves_no_partial(tmp_path: Path, stop: type[BaseException]) -> None:
    def half(partial: Path) -> None:
        partial.write_text("half")
        raise stop

    with pytest.raises(stop):
        write_aside(tmp_path / "note.txt", half)
    assert contents(tmp_path) == {}
