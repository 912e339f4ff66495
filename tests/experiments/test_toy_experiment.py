"""One experiment in one file: the toy is trained, resumed, recorded and shown, and no other file knows of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import safe_open

from tusklite.places import source_root

TOY = Path(__file__).with_name("toy_experiment.py")


@pytest.fixture
def here(tmp_path: Path) -> dict[str, str]:
    """An environment that names the toy's file, with runs and results of its own."""
    return os.environ | {
        "TUSKLITE_EXPERIMENTS": str(TOY),
        "TUSKLITE_RUNS": str(tmp_path / "runs"),
        "TUSKLITE_RESULTS": str(tmp_path / "results"),
        "OMP_NUM_THREADS": "1",
    }


def tusklite(environment: dict[str, str], *words: object, code: int = 0) -> subprocess.CompletedProcess:
    """A command as a reader types it, in another folder than the project's."""
    done = subprocess.run(
        [sys.executable, "-m", "tusklite", *map(str, words)],
        env=environment
        | {"PYTHONPATH": os.pathsep.join(filter(None, [_project(), environment.get("PYTHONPATH", "")]))},
        cwd=Path(environment["TUSKLITE_RUNS"]).parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stderr
    return done


def _project() -> str:
    root = source_root()
    return "" if root is None else str(root)


def weights(run_dir: Path) -> bytes:
    with safe_open(run_dir / "model.safetensors", framework="numpy") as file:
        return file.get_tensor("image").tobytes()


def test_no_other_file_knows_of_it() -> None:
    root = Path(_project())
    files = [*root.glob("tusklite/**/*.py"), root / "pyproject.toml", root / "README.md", root / "Makefile"]
    known = re.compile(r'"toy"|toy_experiment|noisy squares|toy-mean-image')
    assert not [file.name for file in files if known.search(file.read_text(encoding="utf-8"))]


@pytest.mark.slow
def test_it_is_trained_interrupted_resumed_recorded_and_shown(here: dict[str, str], tmp_path: Path) -> None:
    trained = tusklite(here, "train", "toy", "--preset", "ci")
    assert trained.stdout.splitlines()[0].startswith("data: noisy squares, sha256 ")
    whole = tmp_path / "runs" / "toy-ci-seed0"
    *scores, last = trained.stdout.splitlines()[1:]
    assert [line.split()[0] for line in scores] == ["here", "error"]
    assert re.fullmatch(rf"60 steps in \d+\.\d s; everything is in {re.escape(str(whole))}", last)
    assert "step 60/60" in trained.stderr
    assert re.search(r"training · distance \d\.\d{3}", trained.stderr)

    command = ["train", "toy", "--preset", "ci", "--run-dir", tmp_path / "pieces", "--record", "--quiet"]
    first = tusklite(here, *command, "--minutes", "1e-9")
    assert first.stdout.splitlines()[-1] == "not finished: the same command with --resume goes on"
    for _ in range(2):
        tusklite(here, *command, "--minutes", "1e-9", "--resume")
    assert not (tmp_path / "results").exists()
    refused = tusklite(here, *command, code=2)
    assert f"{tmp_path / 'pieces'} holds a run already; allowed are --resume to go on with it, or" in refused.stderr
    other = tusklite(here, *command, "--resume", "--set", "noise=0.3", code=2)
    assert re.search(r"other settings \(data\.images_sha256: \w+ there, \w+ now\)", other.stderr)
    tusklite(here, *command, "--resume")
    assert weights(tmp_path / "pieces") == weights(whole)

    (recorded,) = (tmp_path / "results" / "toy").iterdir()
    result = json.loads(recorded.read_text())
    assert result == json.loads((tmp_path / "pieces" / "metrics.json").read_text())
    assert result["configuration"]["data"] == {"count": 64, "noise": 0.1}
    table = tusklite(here, "results").stdout
    time = f"{result['seconds'] / 60:.1f} min, {result['device']}"
    row = f"| tusklite `ci`, seed 0 | {time} | {result['metrics']['error']:.3f} |"
    assert f"toy\n\n| method | time | error |\n| --- | --- | --- |\n| the answer |  | 0.000 |\n{row}\n" in table
    assert "| TUSK (paper) | K, M |" in table  # beside the others
    again = tusklite(here, *command, "--resume", code=2)
    assert again.stderr.startswith(f"tusklite: record: {recorded} holds a result of the same settings")
    assert json.loads(recorded.read_text()) == result


@pytest.mark.slow
def test_it_is_trained_by_the_name_of_its_file_alone(here: dict[str, str], tmp_path: Path) -> None:
    alone = {name: value for name, value in here.items() if name != "TUSKLITE_EXPERIMENTS"}
    words = ["--preset", "ci", "--set", "steps=5", "--seed", "3", "--quiet"]
    for environment, name in ((alone, TOY), (here, TOY), (here, "toy")):
        tusklite(environment, "train", name, *words, "--run-dir", tmp_path / "run")
        result = json.loads((tmp_path / "run" / "metrics.json").read_text())
        assert (result["experiment"], result["seed"], result["steps"]) == ("toy", 3, 5)
        for file in (tmp_path / "run").iterdir():
            file.unlink()
    unknown = tusklite(alone, "train", "toy", *words, code=2)
    assert "experiment: 'toy' was given; allowed are 'clevr6'" in unknown.stderr


@pytest.mark.slow
def test_doctor_lists_it_and_its_weights_can_be_loaded(here: dict[str, str], tmp_path: Path) -> None:
    tusklite(here, "train", "toy", "--preset", "ci", "--set", "steps=5", "--quiet", "--run-dir", tmp_path / "run")
    names = "clevr6, mallis-aflw, mallis-puppets, mnist-hard, tetrominoes, thewlis-aflw, thewlis-digits, toy, "
    assert f"ok  experiments: {names}tusk-aflw, tusk-figure, tusk-pictures\n" in tusklite(here, "doctor").stdout
    code = f"""if True:
        from tusklite.inference import load
        print(type(load({str(tmp_path / "run" / "model.safetensors")!r})).__name__)
    """
    loaded = subprocess.run(
        [sys.executable, "-c", code], env=here, cwd=_project() or None, capture_output=True, text=True, check=True
    )
    assert loaded.stdout == "MeanImage\n"
