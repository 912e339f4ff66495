"""What the first commands rest on: requirements that agree, imports that stay light, no private paths."""

from __future__ import annotations

import ast
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIREMENTS = [Requirement(line) for line in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]]
LOCK = [
    Requirement(line)
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]

# What a training run imports, and the rooms that may import more than torch, numpy and scipy.
TRAINING_ROOMS = ["data", "geometry", "nets", "ops", "losses", "methods.tusk", "train", "metrics", "presets"]
LATER_ROOMS = {"course", "experiments", "__main__"}
LATER_PACKAGES = {
    "matplotlib",
    "papermill",
    "ipywidgets",
    "IPython",
    "sklearn",
    "pandas",
    "torchvision",
    "mlxtend",
}


def python(code: str) -> str:
    """Run `code` in a fresh interpreter at the root of the repository and return what it printed."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def conda_name(requirement: Requirement) -> str:
    """The name of a requirement on conda-forge, where PyTorch alone is called otherwise."""
    name = canonicalize_name(requirement.name)
    return "pytorch" if name == "torch" else name


def test_environment_yml_equals_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    given = [line for line in environment["dependencies"] if isinstance(line, str)]
    wanted = [f"{conda_name(requirement)}{requirement.specifier}" for requirement in REQUIREMENTS]
    assert sorted(given) == sorted([*wanted, f"python{PROJECT['requires-python']}", "pip"])
    assert [line for line in environment["dependencies"] if isinstance(line, dict)] == [{"pip": ["-e ."]}]


def test_lock_holds_exact_versions_and_no_address():
    for pin in LOCK:
        assert re.fullmatch(r"==[0-9][0-9a-z.]*", str(pin.specifier)), f"{pin} is not pinned to one version"
        assert pin.url is None, f"{pin} names an address"


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_lock_satisfies_pyproject(version, platform):
    system = {"linux": "Linux", "darwin": "Darwin"}[platform]
    environment = default_environment() | {
        "python_version": version,
        "python_full_version": f"{version}.9",
        "sys_platform": platform,
        "platform_system": system,
    }
    pins = [pin for pin in LOCK if pin.marker is None or pin.marker.evaluate(environment)]
    versions = {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in pins}
    assert len(versions) == len(pins), "a package is pinned twice for one interpreter"
    for requirement in REQUIREMENTS:
        if requirement.marker is None or requirement.marker.evaluate(environment):
            locked = versions[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(locked), f"{requirement} does not admit {locked}: make lock"


def test_import_costs_little_over_torch():
    code = "import time, torch; start = time.perf_counter(); import tusklite; print(time.perf_counter() - start)"
    seconds = [float(python(code)) for _ in range(3)]
    assert statistics.median(seconds) <= 0.2, f"import tusklite took {sorted(seconds)} s after torch"


def test_training_needs_none_of_the_later_packages():
    rooms = "\n".join(f"import tusklite.{room}" for room in TRAINING_ROOMS)
    loaded = set(python(f"{rooms}\nimport sys; print(*sys.modules)").split())
    assert loaded.isdisjoint(LATER_PACKAGES), loaded.intersection(LATER_PACKAGES)


def imported_on_loading(tree: ast.AST) -> set[str]:
    """Top-level names of the packages that a module imports when it is loaded, not inside its functions."""
    names = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names |= imported_on_loading(node)
    return names


def test_rooms_up_to_training_import_torch_numpy_and_scipy_alone():
    allowed = {"torch", "numpy", "scipy", "tusklite", *sys.stdlib_module_names}
    package = ROOT / "tusklite"
    files = {path: path.relative_to(package).with_suffix("").parts[0] for path in package.rglob("*.py")}
    rooms = sorted(path for path, room in files.items() if room not in LATER_ROOMS)
    assert rooms
    for path in rooms:
        more = imported_on_loading(ast.parse(path.read_text(encoding="utf-8"))) - allowed
        assert not more, f"{path.relative_to(ROOT)} imports {sorted(more)} when it is loaded"


# An absolute path begins a word; inside the base64 of a picture a letter, a digit, / or + stands before it.
PRIVATE = re.compile(
    r"(?<![\w.+/~-])/(home|root|Users|work|workspace|opt|mnt|tmp)/\w"  # somebody's machine
    r"|file:/{2,3}|(pypi|npmjs)[.]org|pythonhosted[.]org|(index-url|find-links)[ =]"  # an index
)


def shipped_files() -> list[Path]:
    """Every file of the checkout but environments, runs, caches and git's own."""
    left_out = {".git", ".venv", ".ipynb_checkpoints", "__pycache__", "runs", "build", "dist"}
    left_out |= {".pytest_cache", ".ruff_cache", ".hypothesis"}
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if name not in left_out)
        found += [Path(folder, name) for name in files]
    return found


def test_no_file_names_a_machine_or_a_registry():
    for path in shipped_files():
        text = path.read_bytes().decode("utf-8", errors="ignore").replace("\\n", "\n")
        hit = PRIVATE.search(text)
        assert hit is None, f"{path.relative_to(ROOT)} holds {text[hit.start() : hit.start() + 80]!r}"


@pytest.mark.parametrize(
    "text",
    ["wrote /" + "tmp/x.png", '["/' + 'work/main/runs"]', "pypi" + ".org/simple", "--index-url" + "=a"],
)
def test_the_search_for_private_paths_finds_one(text):
    assert PRIVATE.search(text)
    assert not PRIVATE.search("iVBORw0KGgo" + "/" + "tmp/AAAA and ../" + "work/a and https://a.org/" + "home/b")
