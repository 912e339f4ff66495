"""Where things lie: found from the package or an environment variable, never from the current folder."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_FOLDER = "the user's cache folder"


def source_root() -> Path | None:
    """The project's folder where tusklite runs from its sources (as after `make`), else None."""
    root = Path(__file__).resolve().parent.parent
    return root if (root / "pyproject.toml").is_file() and (root / "notebooks").is_dir() else None


def runs_folder() -> Path:
    """Where runs go: `$TUSKLITE_RUNS`, else `runs/` of the project, else `~/tusklite-runs`.

    Raises:
        ValueError: that needs a home folder, and none is known.
    """
    given, root = os.environ.get("TUSKLITE_RUNS"), source_root()
    if not given and root is not None:
        return root / "runs"
    return _full_path("TUSKLITE_RUNS", Path(given or "~/tusklite-runs"), "TUSKLITE_RUNS")


def results_folder() -> Path:
    """Where recorded results are kept: `$TUSKLITE_RESULTS`, else `results/` of the project.

    Raises:
        FileNotFoundError: tusklite does not run from its sources, so there is no such folder.
        ValueError: `$TUSKLITE_RESULTS` needs a home folder, and none is known.
    """
    if os.environ.get("TUSKLITE_RESULTS"):
        return _full_path("TUSKLITE_RESULTS", Path(os.environ["TUSKLITE_RESULTS"]), "TUSKLITE_RESULTS")
    root = source_root()
    if root is None:
        raise FileNotFoundError(
            "results: this is an installed tusklite without its project folder; set TUSKLITE_RESULTS, or run from a "
            "clone"
        )
    return root / "results"


def data_folder(root: str | os.PathLike[str] | None) -> tuple[Path, str]:
    """The folder that data lie in and what to call it: `root`, else $TUSKLITE_DATA, else the user's cache folder.

    Raises:
        ValueError: it is a file, or there is no home for a cache folder; the message says what named it.

    Example:
        >>> data_folder("/data")[1]
        'the folder given as root'
    """
    if root is not None:
        named_by, folder, place = "root", Path(root), "the folder given as root"
    elif os.environ.get("TUSKLITE_DATA"):
        named_by, folder, place = "TUSKLITE_DATA", Path(os.environ["TUSKLITE_DATA"]), "TUSKLITE_DATA"
    else:
        named_by, place = "XDG_CACHE_HOME", CACHE_FOLDER
        folder = Path(os.environ.get(named_by) or "~/.cache") / "tusklite"
    folder = _full_path(named_by, folder, "TUSKLITE_DATA or as root")
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise ValueError(f"{named_by}: {folder} was given, which is a file; allowed is a folder")
    return folder, place


def _full_path(named_by: str, folder: Path, given_in: str) -> Path:
    """A folder from the root on; `~` is the home folder."""
    try:
        return folder.expanduser().resolve()
    except RuntimeError as reason:
        raise ValueError(
            f"{named_by}: {folder} needs a home folder, and none is known; allowed is a folder's full path, in "
            f"{given_in}"
        ) from reason


def cache_folder() -> Path:
    """Where files are kept that can be made again: `$TUSKLITE_CACHE`, else the user's cache folder.

    Raises:
        ValueError: that needs a home folder, and none is known.
    """
    given = os.environ.get("TUSKLITE_CACHE")
    user = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "tusklite"
    return _full_path("TUSKLITE_CACHE", Path(given) if given else user, "TUSKLITE_CACHE")


def notebook_path(name: str) -> Path:
    """A lesson by name, number or file: "13", "13_mnist_hard", "mnist-hard" or a path.

    Raises:
        FileNotFoundError: no such lesson; the message lists the ones there are.
    """
    if Path(name).suffix == ".ipynb" and os.path.isfile(name):  # which says no to a name that no file can have
        return Path(name).resolve()
    root = source_root()
    lessons = sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb")) if root else []
    wanted = name.removesuffix(".ipynb").replace("-", "_")
    for lesson in lessons:
        number, title = lesson.stem.split("_", 1)
        if wanted in (number, title, lesson.stem):
            return lesson
    known = ", ".join(lesson.stem for lesson in lessons) or "none (no notebooks folder beside the package)"
    raise FileNotFoundError(f"notebook: {name!r} was given; known lessons are {known}")
