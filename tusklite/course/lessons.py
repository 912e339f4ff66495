"""Lessons run through papermill, from the command line."""

from __future__ import annotations

import ast
import os
import re
import time
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from tusklite.arguments import require_choice, require_integer
from tusklite.course.parameters import VARIABLE
from tusklite.files import read_json, writable_folder, write_aside
from tusklite.places import notebook_path, runs_folder
from tusklite.settings import plain
from tusklite.train.loop import LOG
from tusklite.train.progress import ProgressBar, follow_log
from tusklite.train.run_folder import new_folder, owned_folder

WATCHED = {
    "reconstruction": "recon",
    "alignment": "alignment",
    "localization": "localisation",
    "classification": "classification",
    "equivariance_px": "error px",
    "nme_percent": "error %",
}


class LessonFailed(RuntimeError):
    """A cell of a lesson failed; the message says which, and where the notebook is as far as it came."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a lesson.

    Attributes:
        name: as the lesson calls it.
        default: a plain value.
        help: what the lesson says of it; the words in quotes are what is allowed for `profile`.
    """

    name: str
    default: object
    help: str


def lesson_parameters(lesson: Path) -> dict[str, Parameter]:
    """The parameters of a lesson, as papermill reads them.

    Raises:
        ValueError: no notebook, or a parameters cell of which papermill cannot read a line; the message names the file.

    Example:
        >>> from tusklite.places import notebook_path
        >>> lesson_parameters(notebook_path("mnist-hard"))["seed"].default
        0
    """
    import papermill

    _require_notebook(lesson)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the kernel's language, where a notebook does not say
        known = papermill.inspect_notebook(_unbraced(lesson))
    found = {}
    for name, about in known.items():
        try:
            default = ast.literal_eval(about["default"])
        except (ValueError, SyntaxError):
            default = about["default"]
        found[name] = Parameter(name, default, about["help"])
    return found


def run_notebook(
    name: str,
    parameters: Mapping[str, object],
    run_dir: str | os.PathLike[str] | None = None,
    show_progress: bool = True,
) -> Path:
    """Execute a lesson through papermill into a run folder, with an HTML page beside the notebook.

    Args:
        name: a lesson's name, number or file.
        parameters: values for the lesson's parameters cell, by name.
        run_dir: a new folder `runs/<time>-<lesson>-<profile>` where None; one that exists is gone on with.
        show_progress: draw a bar from the training's log.

    Returns:
        The run folder.

    Raises:
        FileNotFoundError: no such lesson.
        ValueError: a parameter that the lesson does not have (the message lists those it has) or of another kind, a
            notebook that cannot be read, or a run folder that cannot be written, is in use, or is the lesson's own.
        LessonFailed: a cell failed, or there is no kernel to run it; the notebook as far as it came is in the run
            folder.
    """
    import nbformat
    from nbconvert import HTMLExporter

    lesson = notebook_path(name)
    known = lesson_parameters(lesson)
    parameters = {word: plain(value) for word, value in parameters.items()}
    _require_parameters(parameters, known, lesson)
    run_dir = run_dir or parameters.get("run_dir")
    if run_dir is None:
        moment, title = time.strftime("%Y%m%d-%H%M%S"), lesson.stem.split("_", 1)[-1].replace("_", "-")
        profile = parameters.get("profile") or os.environ.get(VARIABLE) or "lite"
        run_dir = new_folder(runs_folder(), f"{moment}-{title}-{profile}")
    folder = writable_folder(run_dir).resolve()
    executed = folder / lesson.name
    if executed.exists() and executed.samefile(lesson):
        raise ValueError(
            f"run_dir: {folder} was given, where the lesson itself lies; allowed is a folder without {lesson.name}"
        )
    if "run_dir" in known:
        parameters = parameters | {"run_dir": str(folder)}
    bar = ProgressBar(WATCHED)
    with owned_folder(folder, "notebook"):
        try:
            with follow_log(folder / LOG, bar) if show_progress else nullcontext():
                _execute(lesson, executed, parameters, folder)
        finally:
            bar.close()
        page, _ = HTMLExporter().from_notebook_node(nbformat.read(executed, as_version=4))
        write_aside(executed.with_suffix(".html"), lambda partial: partial.write_text(page, encoding="utf-8"))
    return folder


def _execute(lesson: Path, executed: Path, parameters: Mapping[str, object], folder: Path) -> None:
    import papermill
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import DeadKernelError

    try:
        papermill.execute_notebook(
            _unbraced(lesson),
            _unbraced(executed),
            parameters=dict(parameters),
            progress_bar=False,
            log_output=False,
            cwd=str(folder),
            extra_arguments=["--log-level=40"],  # kernels warn about their transport on a reader's terminal
        )
    except papermill.PapermillExecutionError as error:
        said = f"{error.ename}: {error.evalue}".splitlines()[0]
        raise LessonFailed(
            f"cell {error.exec_count} of {lesson.name} failed ({said}); the notebook as far as it came is in {executed}"
        ) from error
    except NoSuchKernel as error:
        raise LessonFailed(
            f"kernel: {error.name!r} is what {lesson.name} asks for; allowed is one that `jupyter kernelspec list` "
            "shows: `python -m ipykernel install --user` adds this Python's"
        ) from error
    except DeadKernelError as error:
        raise LessonFailed(
            f"the kernel died while {lesson.name} ran, as where memory runs out; what it left is in {folder}"
        ) from error


def _unbraced(path: Path) -> str:
    """A path for papermill, which fills in what stands between braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _require_notebook(lesson: Path) -> None:
    content = read_json(lesson)
    if not isinstance(content, dict) or not isinstance(content.get("cells"), list):
        raise ValueError(f"{lesson}: no notebook; allowed is a file with cells, as Jupyter writes it")


def _require_parameters(parameters: Mapping[str, object], known: Mapping[str, Parameter], lesson: Path) -> None:
    """Refuse what the lesson does not know, before anything runs."""
    unknown = sorted(parameters.keys() - known.keys())
    if unknown:
        raise ValueError(
            f"parameters: {', '.join(unknown)} was given; allowed for {lesson.stem} are {', '.join(known) or 'none'}"
        )
    for name, value in parameters.items():
        default = known[name].default
        if name == "seed":
            require_integer("seed", value, low=0, high=2**32 - 1)
        elif isinstance(default, bool) or (default is not None and value is not None):
            fits = isinstance(value, bool) == isinstance(default, bool)
            if not fits or not isinstance(value, (int, float) if isinstance(default, float) else type(default)):
                raise TypeError(f"{name}: {value!r} was given; allowed is a value like {default!r}")
    if "profile" in known:
        words = re.findall(r'"(\w+)"', known["profile"].help)
        if parameters.get("profile") is not None:
            require_choice("profile", parameters["profile"], words)
        elif os.environ.get(VARIABLE):
            require_choice(VARIABLE, os.environ[VARIABLE], words)
