"""Run lessons as Colab or Binder would, from an empty environment: `python tests/hosts/simulate.py colab 00 01`.

Colab: an environment with the versions in colab.txt and nothing of this package; each lesson's first cell installs the
wheel, and everything else has to stay as it was. Binder: an environment with what environment.yml asks for, under
PyPI's names, and the package in place. Lessons run at the profile `ci`, in a folder of their own.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
COLAB = Path(__file__).with_name("colab.txt")
# What the first cell, and lesson 00, may take of a processor: on a busy machine the clock says nothing.
BOOTSTRAP_SECONDS, FIRST_LESSON_SECONDS = 60, 120


def binder_requirements(environment: Path = ROOT / "environment.yml") -> list[str]:
    """What environment.yml asks for, as pip is told it."""
    lines = yaml.safe_load(environment.read_text(encoding="utf-8"))["dependencies"]
    names = [line for line in lines if isinstance(line, str) and line != "pip" and not line.startswith("python>")]
    return [name.replace("pytorch>", "torch>") for name in names]


def clean_environment(**more: str) -> dict[str, str]:
    """The variables that a fresh machine would have, and some more."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TUSKLITE", "PIP_"))}
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "JUPYTER_PLATFORM_DIRS": "1", "MPLBACKEND": "Agg"}
    return kept | quiet | {"TUSKLITE_PROFILE": "ci", "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2")} | more


def run(*command: str | Path, **more: str) -> str:
    """What a command prints.

    Raises:
        RuntimeError: it failed; the message is the end of what it said.
    """
    done = subprocess.run(command, env=clean_environment(**more), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def make_environment(host: str, folder: Path, python: str) -> Path:
    """The Python of an environment as a host has it before a lesson is opened; one that is there is taken as it is."""
    own = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not own.exists():
        run(python, "-m", "venv", folder)
        wanted = ["--requirement", str(COLAB)] if host == "colab" else binder_requirements()
        where = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}  # pip is told to look
        run(own, "-m", "pip", "install", "--quiet", *wanted, **where)
        if host == "binder":
            run(own, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", ROOT)
    return own


def packages(python: Path) -> set[str]:
    """All that is installed but this package, with versions."""
    lines = run(python, "-m", "pip", "freeze", "--all").splitlines()
    return {line for line in lines if "tusklite" not in line}


def processor_seconds() -> float:
    """What all processes that have ended here have taken of a processor so far."""
    spent = os.times()
    return spent.children_user + spent.children_system


def timed(title: str, limit: float, *command: str | Path, **more: str) -> bool:
    """Run a command and tell how long it took; whether it kept to a limit."""
    begin, before = time.monotonic(), processor_seconds()
    run(*command, **more)
    spent = processor_seconds() - before
    print(f"{title}: {time.monotonic() - begin:.0f} s, {spent:.0f} s of a processor", flush=True)
    return spent < limit


def lessons(numbers: list[str]) -> list[Path]:
    """The lessons of some numbers; all of them where there are none."""
    return [path for path in sorted((ROOT / "notebooks").glob("*.ipynb")) if not numbers or path.name[:2] in numbers]


def main() -> int:
    """Run some lessons at a host; 1 where one fails, takes too long, or where another package has changed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("host", choices=("colab", "binder"))
    parser.add_argument("lesson", nargs="*", help="numbers such as 00; all where none is given")
    parser.add_argument("--python", default=sys.executable, help="what makes the environment; Colab has 3.12")
    parser.add_argument(
        "--environment", type=Path, help="where to make it, and to keep it; by default it is thrown away"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        begin = time.monotonic()
        python = make_environment(given.host, given.environment or home / "environment", given.python)
        show = "import sys, torch, numpy; print(sys.version.split()[0], torch.__version__, numpy.__version__)"
        version = run(python, "-c", show)
        print(
            f"{given.host}: Python, torch, numpy {version.strip()}; environment after {time.monotonic() - begin:.0f} s"
        )
        before, more, kept = packages(python), {}, True
        if given.host == "colab":
            run(sys.executable, "-m", "flit_core.wheel", "--outdir", home / "served", ROOT)
            (wheel,) = (home / "served").glob("*.whl")
            more = {"TUSKLITE_SOURCE": wheel.as_uri(), "PIP_NO_INDEX": "1"}
            run(python, "-m", "pip", "uninstall", "--yes", "--quiet", "tusklite")
            kept = timed("the first cell", BOOTSTRAP_SECONDS, python, "-c", first_cell(), **more)
            run(python, "-m", "pip", "uninstall", "--yes", "--quiet", "tusklite")
        shutil.copytree(ROOT / "notebooks", home / "notebooks")
        for path in lessons(given.lesson):
            notebook = home / "notebooks" / path.name
            limit = FIRST_LESSON_SECONDS if path.name[:2] == "00" else math.inf
            words = ["--to", "notebook", "--execute", "--stdout", "--ExecutePreprocessor.timeout=1800"]
            kept &= timed(f"lesson {path.name[:2]}", limit, python, "-m", "nbconvert", *words, notebook, **more)
        changed = sorted(packages(python) ^ before)
        print(f"changed: {', '.join(changed)}" if changed else "all other packages are as they were")
        if not kept:
            print("too long: the first cell may take a minute of a processor, lesson 00 two")
    return 0 if kept and not changed else 1


def first_cell() -> str:
    """The cell that installs the package, as the first lesson has it."""
    cells = json.loads(lessons(["00"])[0].read_text(encoding="utf-8"))["cells"]
    (found,) = [cell for cell in cells if "bootstrap" in cell["metadata"].get("tags", [])]
    return "".join(found["source"])


if __name__ == "__main__":
    sys.exit(main())
