"""Lessons run through papermill, from the command line."""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from pathlib import Path

from tusklite.files import writable_folder
from tusklite.places import notebook_path, runs_folder
from tusklite.train.loop import LOG
from tusklite.train.progress import ProgressBar, follow_log


def run_notebook(
    name: str,
    parameters: dict[str, object],
    run_dir: str | os.PathLike | None = None,
    show_progress: bool = True,
) -> Path:
    """Execute a lesson through papermill into a run folder, with an HTML page beside the notebook.

    Args:
        name: a lesson's name, number or file.
        parameters: values for the lesson's parameters cell, by name.
        run_dir: `runs/<time>-<lesson>-<profile>` where None; one that exists is gone on with.
        show_progress: draw a bar from the training's log.

    Returns:
        The run folder.

    Raises:
        FileNotFoundError: no such lesson.
        ValueError: a parameter that the lesson does not have (the message lists those it has), or a run folder that
            cannot be written.
        papermill.PapermillExecutionError: a cell failed; the notebook as far as it came is in the run folder.
    """
    import nbformat
    import papermill
    from nbconvert import HTMLExporter

    from tusklite.files import write_aside

    lesson = notebook_path(name)
    known = papermill.inspect_notebook(str(lesson))
    unknown = sorted(parameters.keys() - known.keys())
    if unknown:
        raise ValueError(
            f"parameters: {', '.join(unknown)} was given; allowed for {lesson.stem} are {', '.join(known) or 'none'}"
        )
    run_dir = run_dir or parameters.get("run_dir")
    if run_dir is None:
        moment, title = time.strftime("%Y%m%d-%H%M%S"), lesson.stem.split("_", 1)[-1].replace("_", "-")
        profile = parameters.get("profile") or os.environ.get("TUSKLITE_PROFILE", "lite")
        run_dir = runs_folder() / f"{moment}-{title}-{profile}"
    run_dir = writable_folder(run_dir).resolve()
    if "run_dir" in known:
        parameters = parameters | {"run_dir": str(run_dir)}
    executed = run_dir / lesson.name
    bar = ProgressBar()
    try:
        with follow_log(run_dir / LOG, bar) if show_progress else nullcontext():
            papermill.execute_notebook(
                str(lesson),
                str(executed),
                parameters=parameters,
                progress_bar=False,
                log_output=False,
                cwd=str(run_dir),
                extra_arguments=["--log-level=40"],  # kernels warn about their transport on a reader's terminal
            )
    finally:
        bar.close()
    page, _ = HTMLExporter().from_notebook_node(nbformat.read(executed, as_version=4))
    write_aside(executed.with_suffix(".html"), lambda partial: partial.write_text(page, encoding="utf-8"))
    return run_dir
