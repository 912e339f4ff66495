"""Lessons run through papermill, from the command line."""

from __future__ import annotations

import gc
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from tusklite.course.parameter_cells import Parameter, checked_parameters, parameters_of, profile_of
from tusklite.files import FileNotWritten, writable_folder, write_aside
from tusklite.places import notebook_path, runs_folder
from tusklite.train.log import LOG
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


def lesson_parameters(lesson: Path) -> dict[str, Parameter]:
    """The parameters of a lesson by name.

    Raises:
        ValueError: no notebook, or a parameters cell that is no Python; the message names the file.
        OSError: it cannot be read.

    Example:
        >>> from tusklite.places import notebook_path
        >>> lesson_parameters(notebook_path("mnist-hard"))["seed"].default
        0
    """
    return _parameters_in(read_notebook(lesson), lesson)


def _parameters_in(notebook: Any, lesson: Path) -> dict[str, Parameter]:
    for cell in notebook.cells:
        if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", ()):
            try:
                return parameters_of(cell.source)
            except SyntaxError as reason:
                raise ValueError(f"{lesson}: its parameters cell is no Python ({reason})") from reason
    return {}


def read_notebook(path: Path) -> Any:
    """A notebook in the newest format.

    Raises:
        ValueError: no notebook; the message names the file.
        OSError: it cannot be read.
    """
    import nbformat

    content = path.read_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about cells of before they had identities
            notebook = nbformat.reads(content.decode("utf-8"), as_version=4)
            nbformat.validate(notebook)
    except Exception as reason:  # what is no notebook can make its readers raise anything
        said = (str(reason).splitlines() or [type(reason).__name__])[0]
        raise ValueError(f"{path}: no notebook ({said}); allowed is a file as Jupyter writes it") from reason
    return notebook


def run_notebook(
    name: str,
    parameters: Mapping[str, object],
    run_dir: str | os.PathLike[str] | None = None,
    show_progress: bool = True,
) -> Path:
    """Execute a lesson through papermill into a run folder, with an HTML page beside the notebook.

    Args:
        name: a lesson's name, number or file.
        parameters: values for the lesson's parameters cell, by name; where it has `settings`, also those of its
            experiment's preset, by full or short name.
        run_dir: a new folder `runs/<time>-<lesson>-<profile>` where None; one that exists is gone on with.
        show_progress: draw a bar from the training's log.

    Returns:
        The run folder.

    Raises:
        FileNotFoundError: no such lesson.
        ValueError, TypeError: a parameter that the lesson does not have (the message lists those it has) or of another
            kind or range, a notebook that cannot be read or that no kernel here can run, or a run folder that cannot be
            written, is in use, or has a notebook of that name that is no executed one.
        FileNotWritten: a full disk.
        LessonFailed: a cell failed; the notebook as far as it came is in the run folder.
    """
    from nbconvert import HTMLExporter

    lesson = notebook_path(name)
    _require_text("notebook", lesson)
    notebook = read_notebook(lesson)
    known = _parameters_in(notebook, lesson)
    given = checked_parameters(parameters, known, lesson.stem)
    kernel = _require_kernel(notebook, lesson)
    folder = _run_folder(lesson, known, given, run_dir)
    executed = folder / lesson.name
    _require_no_source(executed, lesson)
    if "run_dir" in known:
        given = given | {"run_dir": str(folder)}
    bar = ProgressBar(WATCHED)
    with owned_folder(folder, "notebook"):
        try:
            with follow_log(folder / LOG, bar) if show_progress else nullcontext():
                _execute(lesson, executed, given, folder, kernel)
        except KeyboardInterrupt:
            again = f"; with --run-dir {folder} the same command goes on" if "run_dir" in known else ""
            raise KeyboardInterrupt(f"stopped; what was done is in {folder}{again}") from None
        finally:
            bar.close()
        page, _ = HTMLExporter().from_notebook_node(read_notebook(executed))
        write_aside(
            executed.with_suffix(".html"), lambda partial: partial.write_text(page, encoding="utf-8", newline="\n")
        )
    return folder


def _run_folder(
    lesson: Path,
    known: Mapping[str, Parameter],
    given: Mapping[str, object],
    run_dir: str | os.PathLike[str] | None,
) -> Path:
    wanted = given.get("run_dir")
    if run_dir is not None and wanted is not None and Path(run_dir).resolve() != Path(str(wanted)).resolve():
        raise ValueError(f"run_dir: {str(run_dir)!r} and {wanted!r} were given; allowed is one value")
    chosen = run_dir if run_dir is not None else wanted
    if chosen is not None and chosen != "":
        _require_text("run_dir", Path(str(chosen)).resolve())
        return writable_folder(str(chosen)).resolve()
    moment, title = time.strftime("%Y%m%d-%H%M%S"), lesson.stem.split("_", 1)[-1].replace("_", "-")
    return new_folder(runs_folder(), f"{moment}-{title}-{profile_of(known, given)}").resolve()


def _require_text(name: str, path: Path) -> None:
    """Refuse a path that no notebook can state, as where the system's encoding cannot read it."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as reason:
        raise ValueError(
            f"{name}: {str(path)!a} was given; allowed is a path of letters that the system's encoding "
            f"({sys.getfilesystemencoding()}) can read"
        ) from reason


def _require_no_source(executed: Path, lesson: Path) -> None:
    """Refuse to write over a notebook that no run has left."""
    if not executed.exists():
        return
    if executed.samefile(lesson):
        raise ValueError(
            f"run_dir: {executed.parent} was given, where the lesson itself lies; "
            f"allowed is a folder without {lesson.name}"
        )
    if "papermill" not in read_notebook(executed).metadata:
        raise ValueError(
            f"run_dir: {executed.parent} was given, whose {lesson.name} is no executed one; "
            "allowed is a folder without it"
        )


def _require_kernel(notebook: Any, lesson: Path) -> str:
    """The kernel that a notebook asks for, if it is there; this Python's where it asks for none."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    name = notebook.metadata.get("kernelspec", {}).get("name", "python3")
    try:
        KernelSpecManager().get_kernel_spec(name)
    except NoSuchKernel as error:
        raise ValueError(
            f"kernel: {name!r} is what {lesson.name} asks for; allowed is one that `jupyter kernelspec list` shows: "
            "`python -m ipykernel install --user` adds this Python's"
        ) from error
    return name


def _execute(lesson: Path, executed: Path, parameters: Mapping[str, object], folder: Path, kernel: str) -> None:
    import papermill
    from nbclient.exceptions import DeadKernelError

    interrupted = False
    try:
        with _quiet_papermill():
            try:
                papermill.execute_notebook(
                    _unbraced(lesson),
                    _unbraced(executed),
                    parameters={name: _as_lists(value) for name, value in parameters.items()},
                    kernel_name=kernel,
                    language="python",
                    progress_bar=False,
                    log_output=False,
                    cwd=str(folder),
                    start_timeout=600,
                    # Kernels speak of their transport on a reader's terminal, above all where Ctrl-C ends them.
                    extra_arguments=["--log-level=50"],
                )
            except KeyboardInterrupt:
                interrupted = True
            if interrupted:
                # What waited for the kernel says that it died once it is collected: here, where nobody has to read it,
                # and after the `except`, which would keep it.
                gc.collect()
                raise KeyboardInterrupt
    except papermill.PapermillExecutionError as error:
        said = f"{error.ename}: {error.evalue}".splitlines()[0]
        raise LessonFailed(
            f"cell {error.exec_count} of {lesson.name} failed ({said}); the notebook as far as it came is in {executed}"
        ) from error
    except DeadKernelError as error:
        raise LessonFailed(
            f"the kernel died while {lesson.name} ran, as where memory runs out; what it left is in {folder}"
        ) from error
    except OSError as error:
        raise FileNotWritten(executed, error) from error


@contextmanager
def _quiet_papermill() -> Iterator[None]:
    """What papermill and its event loop say on the terminal comes out as an error too, or was checked before.

    Papermill cannot read every line of a parameters cell, and speaks of a kernel that dies; so does what waited for it.
    """
    loggers = [logging.getLogger(name) for name in ("papermill", "asyncio")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _as_lists(value: object) -> object:
    """Tuples as lists: papermill would write a tuple into the notebook as a word."""
    if isinstance(value, dict):
        return {name: _as_lists(each) for name, each in value.items()}
    return [_as_lists(each) for each in value] if isinstance(value, list | tuple) else value


def _unbraced(path: Path) -> str:
    """A path for papermill, which fills in what stands between braces."""
    return str(path).replace("{", "{{").replace("}", "}}")
