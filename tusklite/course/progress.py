"""A training's progress under a notebook's cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tusklite.experiments import Preset, get_experiment
from tusklite.train.progress import Record, summary


def notebook_line(watched: Preset | Mapping[str, str]) -> Callable[[Record], None]:
    """A line of text under a notebook's cell that every record writes anew; only the last state is kept.

    Args:
        watched: what to show of the log: what the experiment of a preset watches, or titles by name.
    """
    from IPython.display import display

    titles = get_experiment(watched.experiment).watched if isinstance(watched, Preset) else watched
    handle = display({"text/plain": "training starts …"}, raw=True, display_id=True)
    latest: Record = {}

    def show(record: Record) -> None:
        latest.update(record)
        left = latest["seconds"] / max(latest["step"], 1) * (latest["of"] - latest["step"])
        text = f"step {latest['step']} of {latest['of']} · {left / 60:.1f} min left · {summary(latest, titles)}"
        if handle is not None:
            handle.update({"text/plain": text}, raw=True)

    return show
