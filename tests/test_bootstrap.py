"""The first cell of a lesson where the package is not there: what it installs, what it leaves alone, what it says."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import bootstrap
import pytest
from oldest_versions import requirements

from tusklite.course import libraries

ROOT = Path(__file__).resolve().parents[1]
LESSONS = [json.loads(path.read_text(encoding="utf-8")) for path in bootstrap.notebooks()]
(CELL,) = {
    "".join(cell["source"])
    for lesson in LESSONS
    for cell in lesson["cells"]
    if "bootstrap" in cell["metadata"].get("tags", [])
}


# --- the cell ----------------------------------------------------------------------------------------------


def test_the_lessons_have_the_cell_with_the_address_of_the_metadata() -> None:
    """`make bootstrap` writes it there, wherever the address has changed."""
    assert len(LESSONS) > 20
    assert bootstrap.cell(bootstrap.address()) == CELL
    lines = [line for line in CELL.splitlines() if line.strip()]
    assert len(lines) <= 3
    assert max(map(len, lines)) <= 120
    assert "torch" not in CELL
    assert "numpy" not in CELL


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("https://a.example/b.git", "git+https://a.example/b.git"),
        ("https://a.example/b.whl", "https://a.example/b.whl"),
    ],
)
def test_the_address_is_that_of_the_metadata(source: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(f'[project.urls]\nSource = "{source}"\n')
    assert bootstrap.address(tmp_path / "pyproject.toml") == told


@pytest.mark.parametrize("source", ["", "two words", 'a"b', "a{b}", "https://a.example/" + 40 * "b" + ".git"])
def test_an_address_that_would_spoil_the_cell_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match=r"^Source: .* was given; allowed is an address without spaces"):
        bootstrap.cell(source)


def test_writing_the_cell_changes_nothing_else_of_a_notebook(tmp_path: Path) -> None:
    path = tmp_path / bootstrap.notebooks()[0].name
    before = bootstrap.notebooks()[0].read_bytes()
    path.write_bytes(before)
    assert not bootstrap.write(path, bootstrap.address())
    assert path.read_bytes() == before
    assert bootstrap.write(path, "https://other.example/c.whl")
    old, new = before.decode().splitlines(), path.read_text(encoding="utf-8").splitlines()
    badges, cell = [number for number, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]
    assert new[cell] == old[cell].replace(bootstrap.address(), "https://other.example/c.whl")
    assert new[badges].strip() == '"[Open in Colab](../README.md#in-colab)"'  # and Binder wants a repository


def test_every_lesson_has_badges_below_its_title_and_no_solution_has() -> None:
    for path, lesson in zip(bootstrap.notebooks(), LESSONS, strict=True):
        found = [index for index, cell in enumerate(lesson["cells"]) if cell in bootstrap.tagged(lesson, "badges")]
        assert found == ([] if path.parent.name == "solutions" else [1])
        if found:
            assert lesson["cells"][1]["source"] == [bootstrap.badges(bootstrap.address(), path.name)]


def test_badges_of_a_repository_on_github_open_the_lesson_itself() -> None:
    line = bootstrap.badges("git+https://github.com/ada/keypoints.git", "04_a.ipynb")
    assert "](https://colab.research.google.com/github/ada/keypoints/blob/main/notebooks/04_a.ipynb)" in line
    assert "](https://mybinder.org/v2/gh/ada/keypoints/main?labpath=notebooks%2F04_a.ipynb)" in line


@pytest.mark.parametrize("given", [None, "https://mine.example/t.whl"])
def test_the_address_or_what_the_environment_names_in_its_place_is_installed(
    given: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TUSKLITE_SOURCE", raising=False)
    if given is not None:
        monkeypatch.setenv("TUSKLITE_SOURCE", given)
    ran: list[str] = []
    monkeypatch.setattr(os, "system", lambda command: ran.append(command) or 0)
    exec(CELL, {})
    assert ran == []  # it is there
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    exec(CELL, {})
    assert ran == [f'"{sys.executable}" -m pip install -q --no-deps {given or bootstrap.address()}']
    monkeypatch.setattr(os, "system", lambda command: 1)
    with pytest.raises(AssertionError, match="no tusklite: see its README"):
        exec(CELL, {})
    assert "\n### In Colab\n" in (ROOT / "README.md").read_text(encoding="utf-8")


# --- in an empty environment -------------------------------------------------------------------------------


def files(site: Path) -> dict[str, str]:
    """What lies in site-packages, by content, but what Python compiles."""
    return {
        path.relative_to(site).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in site.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def install_stub(site: Path, name: str, version: str) -> None:
    """A distribution of that name and version, as pip sees one, in a few files."""
    (site / name).mkdir()
    (site / name / "__init__.py").write_text(f'__version__ = "{version}"\n')
    about = site / f"{name}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (about / "INSTALLER").write_text("pip\n")
    (about / "RECORD").write_text(f"{name}/__init__.py,,\n{about.name}/METADATA,,\n{about.name}/RECORD,,\n")


def run_cell(python: Path, code: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run code in an environment's Python as a kernel would: in one process, with nothing of this one's in its way."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TUSKLITE", "PIP_"))}
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INDEX": "1"}  # without --no-deps pip would have to ask one
    return subprocess.run(
        [python, "-c", code], cwd=python.parent, env=kept | quiet | more, capture_output=True, text=True
    )


@pytest.mark.slow
def test_the_cell_installs_the_wheel_and_leaves_torch_and_numpy_alone(tmp_path: Path) -> None:
    served = tmp_path / "served"
    build = [sys.executable, "-m", "flit_core.wheel", "--outdir", served, ROOT]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = served.glob("*.whl")
    venv.create(tmp_path / "empty", symlinks=os.name != "nt", with_pip=True)
    python = tmp_path / "empty" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    asked = run_cell(python, "import sysconfig; print(sysconfig.get_path('purelib'))")
    site = Path(asked.stdout.strip())
    # Older than the package asks for: a pip that looked at requirements would replace them, or fail.
    oldest = {each.name: str(each.specifier) for each in requirements()}
    for name, version in (("torch", "2.5.0+stub"), ("numpy", "1.2.3")):
        assert not requirements()[[*oldest].index(name)].specifier.contains(version)
        install_stub(site, name, version)
    before = files(site)

    refused = run_cell(python, CELL, TUSKLITE_SOURCE=str(served / "none.whl"))
    assert refused.returncode == 1
    assert refused.stderr.rstrip().endswith("AssertionError: no tusklite: see its README")
    assert "none.whl" in refused.stderr  # by pip: what it looked for
    assert files(site) == before

    show = "import tusklite, torch, numpy; print(tusklite.__version__, torch.__version__, numpy.__version__)"
    done = run_cell(python, f"{CELL}\n{show}", TUSKLITE_SOURCE=wheel.as_uri())
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [wheel.name.split("-")[1], "2.5.0+stub", "1.2.3"]
    after = files(site)
    assert {name: after[name] for name in before} == before
    assert {name.split("/")[0].split("-")[0] for name in after.keys() - before.keys()} == {"tusklite"}

    again = run_cell(python, CELL, TUSKLITE_SOURCE=str(served / "none.whl"))  # it is there: nothing is asked for
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert files(site) == after

    lesson = run_cell(python, f"{CELL}\nfrom tusklite.course.parameters import choose_profile")
    missing = "filelock, ipywidgets, matplotlib, pillow, safetensors, scipy, tqdm"
    command = f"pip install {missing.replace(',', '')} 'torch==2.5.0+stub' 'numpy==1.2.3'"
    assert lesson.stderr.rstrip().endswith(f"ImportError: lessons need {missing}; install them with `{command}`")


# --- what is missing ---------------------------------------------------------------------------------------


def test_what_lessons_need_is_what_the_package_and_its_course_require() -> None:
    required = {each.name.lower() for each in requirements(("course",))}
    assert set(libraries.NEEDED) <= required
    assert {each.name.lower() for each in requirements()} <= set(libraries.NEEDED)
    assert all(importlib.util.find_spec(module) for module in libraries.NEEDED.values())
    libraries.require_libraries()


def test_what_is_missing_is_named_with_a_command_that_leaves_torch_and_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    absent = {"safetensors", "PIL", "numpy"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in absent else found(name))
    torch = importlib.metadata.version("torch")
    with pytest.raises(ImportError) as caught:
        libraries.require_libraries()
    names = "numpy, pillow, safetensors"
    command = f"pip install {names.replace(',', '')} 'torch=={torch}'"
    assert str(caught.value) == f"lessons need {names}; install them with `{command}`"
    assert caught.value.name is None  # by which the command line knows that the message is whole
