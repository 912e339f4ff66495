"""What the first commands rest on: requirements that agree, imports that stay light, no private paths."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import yaml
from oldest_versions import oldest, requirements
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIREMENTS = requirements(("test",))
LOCKED = {str(each): each for each in [*REQUIREMENTS, *requirements(("browser", "site"))]}.values()
LOCK = [
    Requirement(line)
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]

PACKAGE = sorted((ROOT / "tusklite").rglob("*.py"))

LIBRARY = [path for path in PACKAGE if "course" not in path.parts]

# What the extras [course] and [sweep] bring, and what the library imports inside the functions that need it.
LESSONS_ALONE = {"matplotlib", "papermill", "ipywidgets", "IPython", "nbconvert", "nbformat"}
LATER_PACKAGES = LESSONS_ALONE | {"sklearn", "pandas", "torchvision", "mlxtend", "av", "pycocotools"}
LATER_PACKAGES |= {"dask", "dask_jobqueue", "distributed"}


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
@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_lock_satisfies_pyproject(version, platform):
    system = {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}[platform]
    environment = default_environment() | {
        "python_version": version,
        "python_full_version": f"{version}.9",
        "sys_platform": platform,
        "platform_system": system,
        "os_name": "nt" if platform == "win32" else "posix",
    }
    pins = [pin for pin in LOCK if pin.marker is None or pin.marker.evaluate(environment)]
    versions = {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in pins}
    assert len(versions) == len(pins), "a package is pinned twice for one interpreter"
    for requirement in LOCKED:
        if requirement.marker is None or requirement.marker.evaluate(environment):
            locked = versions[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(locked), f"{requirement} does not admit {locked}: make lock"


def test_the_oldest_versions_are_the_lower_bounds():
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "oldest_versions.py"], capture_output=True, text=True, check=True
    )
    pins = [Requirement(line) for line in done.stdout.splitlines()]
    assert [pin.name for pin in pins] == [requirement.name for requirement in REQUIREMENTS]
    for pin, requirement in zip(pins, REQUIREMENTS, strict=True):
        (exact,) = pin.specifier
        assert exact.operator == "=="
        assert str(requirement.specifier) == f">={exact.version}"
        assert str(pin.marker) == str(requirement.marker)


@pytest.mark.parametrize("line", ["numpy", "numpy<3", "numpy>1.26", "numpy~=1.26"])
def test_a_requirement_without_a_lower_bound_is_refused(line):
    with pytest.raises(ValueError, match=f"pyproject.toml: {line} was given; allowed is one lower bound"):
        oldest(Requirement(line))


def test_the_course_and_the_tests_are_extras():
    extras = {name: {each.name for each in requirements((name,))} for name in ("course", "test")}
    plain = {each.name for each in requirements()}
    assert plain < extras["course"] < extras["test"]
    assert plain.isdisjoint(LATER_PACKAGES | {"scikit-learn", "jupyterlab", "nbconvert"})


def test_importing_tusklite_imports_nothing_else():
    modules = python("import sys; before = set(sys.modules); import tusklite; print(*set(sys.modules) - before)")
    assert set(modules.split()) <= {"tusklite", "__future__"}


def test_the_library_loads_none_of_the_later_packages():
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in LIBRARY]
    imports = "\n".join(f"import {name}" for name in modules if not name.endswith("__main__"))
    loaded = set(python(f"{imports}\nimport sys; print(*sys.modules)").split())
    assert loaded.isdisjoint(LATER_PACKAGES), loaded & LATER_PACKAGES


def imported(nodes: Iterable[ast.AST]) -> set[str]:
    """Top-level names of the packages that some statements import."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


def outside_of_functions(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a module that run when it is loaded."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from outside_of_functions(node)


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_library_imports_nothing_of_the_course(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    allowed = {"torch", "numpy", "scipy", "safetensors", "tqdm", "filelock", "tusklite", *sys.stdlib_module_names}
    assert imported(outside_of_functions(tree)) <= allowed
    assert imported(ast.walk(tree)).isdisjoint(LESSONS_ALONE)


# What CPython has on some systems alone, and what of `os` and `signal`.
UNIX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
WINDOWS_MODULES = {"msvcrt", "nt", "winreg", "winsound", "_winapi"}
UNIX_NAMES = {
    "os": {"chown", "fork", "geteuid", "getuid", "killpg", "mkfifo", "nice", "setsid", "statvfs", "sync", "uname"},
    "signal": {"SIGALRM", "SIGHUP", "SIGKILL", "SIGQUIT", "SIGUSR1", "SIGUSR2", "alarm", "setitimer"},
}


# What locks in a notebook that is graded. It loads everywhere, and says on other systems that grading is for Linux.
LINUX_ALONE = {"confinement.py", "inside.py", "sandbox.py"}


def bound_to_a_system(tree: ast.AST) -> Iterator[str]:
    """What a module uses that some systems do not have: imports when it is loaded, and names at any time."""
    yield from imported(outside_of_functions(tree)) & (UNIX_MODULES | WINDOWS_MODULES)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in UNIX_NAMES.get(node.value.id, ()):
                yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names} & UNIX_NAMES.get(node.module, set())
            yield from (f"{node.module}.{name}" for name in names)


OPENS_BYTES = {"Image.open", "av.open", "gzip.open", "os.open", "packed.open", "tarfile.open"}


def unnamed_encodings(tree: ast.AST) -> Iterator[str]:
    """Calls that read or write text in whatever encoding the system has."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or any(word.arg == "encoding" for word in node.keywords):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if ast.unparse(node.func) in OPENS_BYTES:
            continue
        modes = [word.value for word in node.keywords if word.arg == "mode"]
        if name == "open":
            modes += node.args[: 1 if isinstance(node.func, ast.Attribute) else 2][-1:]
            binary = any(isinstance(mode, ast.Constant) and "b" in str(mode.value) for mode in modes)
        method = isinstance(node.func, ast.Attribute)  # a function of these names is somebody's own
        if (method and name in ("read_text", "write_text")) or (name == "open" and not binary):
            yield f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_asks_for_nothing_that_a_system_may_lack(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    asked = [name for name in bound_to_a_system(tree) if path.name not in LINUX_ALONE or "." not in name]
    assert not asked
    assert not list(unnamed_encodings(tree))


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import resource", ["resource"]),
        ("try:\n    from fcntl import flock\nexcept ImportError:\n    pass", ["fcntl"]),
        ("def f():\n    import resource", []),
        ("import os\nos.statvfs('.')", ["os.statvfs"]),
        ("from signal import SIGKILL, SIGTERM", ["signal.SIGKILL"]),
    ],
)
def test_the_search_for_what_a_system_may_lack_finds_it(code, found):
    assert list(bound_to_a_system(ast.parse(code))) == found


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("open(p)", 1),
        ("open(p, 'w')", 1),
        ("open(p, 'rb')", 0),
        ("open(p, mode='wb')", 0),
        ("p.open()", 1),
        ("p.open('a')", 1),
        ("p.open('ab')", 0),
        ("p.open('w', encoding='utf-8')", 0),
        ("p.read_text()", 1),
        ("p.write_text('x')", 1),
        ("p.read_text(encoding='utf-8')", 0),
        ("p.read_bytes()", 0),
        ("Image.open(p)", 0),
    ],
)
def test_the_search_for_unnamed_encodings_finds_them(code, count):
    assert len(list(unnamed_encodings(ast.parse(code)))) == count


# An absolute path begins a word; inside the base64 of a picture a letter, a digit, / or + stands before it.
PRIVATE = re.compile(
    r"(?<![\w.+/~-])/(home|root|Users|work|workspace|opt|mnt|tmp)/\w"  # somebody's machine
    r"|file:/{2,3}|(pypi|npmjs)[.]org|pythonhosted[.]org"  # an index, by its address
    r"|(index-url|find-links)[ =](?!https://download[.]pytorch[.]org/whl/cpu\b|\$\(CPU_WHEELS\))"  # but PyTorch's own
)


def shipped_files() -> list[Path]:
    """Every file of the checkout but environments, runs, caches and git's own."""
    left_out = {".git", ".venv", ".venv-oldest", ".ipynb_checkpoints", "__pycache__", "runs", "build", "dist"}
    left_out |= {".pytest_cache", ".ruff_cache", ".mypy_cache", ".hypothesis"}
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if name not in left_out)
        found += [Path(folder, name) for name in files if name not in left_out]  # .git is a file in a worktree
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


def test_of_all_indexes_the_one_of_pytorch_without_cuda_may_be_named():
    assert not PRIVATE.search("pip install torch --index-url https://download.pytorch.org/whl/cpu")
    assert PRIVATE.search("pip install torch --index-" + "url https://download.pytorch.org.a.example/whl/cpu")
