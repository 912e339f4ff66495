"""How a sweep is shown while it runs: a table in a terminal, a line an event elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, TextIO

from tusklite.sweeps.outcomes import FAILED, FINISHED, Outcome
from tusklite.sweeps.plan import Plan, Run
from tusklite.sweeps.table import finished_of, heads_of, values_of, words_of


class Lines:
    """A line for each run that ends; for a file, or another program.

    Args:
        plan: the sweep.
        stream: where they go.
    """

    def __init__(self, plan: Plan, stream: TextIO) -> None:
        self._plan, self._stream = plan, stream
        self._titles = {run.name: run for run in plan.runs}

    def __enter__(self) -> Lines:
        """Nothing to prepare."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Nothing to end."""

    def progress(self, name: str, record: Mapping[str, Any]) -> None:
        """Steps are too many for lines."""

    def note(self, text: str) -> None:
        """Say something else."""
        print(text, file=self._stream, flush=True)

    def ended(self, outcome: Outcome, outcomes: Mapping[str, Outcome]) -> None:
        """Say how a run ended."""
        done = sum(each.state in (FINISHED, FAILED) for each in outcomes.values())
        run = self._titles[outcome.run]
        figures = _figures(self._plan, outcome)
        line = f"[{done}/{len(self._plan.runs)}] {outcome.state}: {_title(self._plan, run)}{figures}"
        print(line, file=self._stream, flush=True)


def _title(plan: Plan, run: Run) -> str:
    seed = f", seed {run.seed}" if run.seed is not None else ""
    return f"{plan.settings[run.setting].title}{seed}"


def _figures(plan: Plan, outcome: Outcome) -> str:
    if outcome.state != FINISHED:
        return f": {outcome.error}" if outcome.error else ""
    figures = outcome.result["metrics"] if outcome.result is not None else {}
    words = [f"{metric.title} {metric.text(figures[metric.name])}" for metric in plan.metrics if metric.name in figures]
    return f": {', '.join(words)}" if words else ""


class LiveTable:
    """A row a setting, drawn anew as runs go on and end.

    Args:
        plan: the sweep.
        stream: a terminal.
    """

    def __init__(self, plan: Plan, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        self._plan = plan
        self._steps: dict[str, str] = {}
        self._outcomes: Mapping[str, Outcome] = {}
        console = Console(file=stream, highlight=False)
        self._live = Live(console=console, get_renderable=self.table, refresh_per_second=2, redirect_stdout=False)

    def __enter__(self) -> LiveTable:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave the table as it is."""
        self._live.stop()

    def progress(self, name: str, record: Mapping[str, Any]) -> None:
        """A run goes on."""
        self._steps[name] = f"step {record['step']} of {record['of']}"

    def note(self, text: str) -> None:
        """Say something above the table."""
        self._live.console.print(text)

    def ended(self, outcome: Outcome, outcomes: Mapping[str, Outcome]) -> None:
        """A run ended."""
        self._steps.pop(outcome.run, None)
        self._outcomes = dict(outcomes)

    def table(self) -> Any:
        """The table as it stands."""
        from rich.markup import escape
        from rich.table import Table

        plan, steps = self._plan, dict(self._steps)
        table = Table(title=f"{plan.name}: {self._done()} of {len(plan.runs)} runs", title_justify="left")
        for head in (*heads_of(plan), "runs", *(metric.head for metric in plan.metrics), "now"):
            table.add_column(escape(head))
        for number, setting in enumerate(plan.settings):
            done, failed, count = finished_of(plan, self._outcomes, number)
            cells = [*words_of(setting), f"{done} of {count}" + (f", {failed} failed" if failed else "")]
            for metric in plan.metrics:
                values = values_of(plan, self._outcomes, number, metric)
                cells.append(metric.cell(values) if values else "")
            going = [run for run in plan.runs if run.setting == number and run.name in steps]
            seeds = [f"seed {run.seed}: " if run.seed is not None else "" for run in going]
            cells.append("\n".join(f"{seed}{steps[run.name]}" for seed, run in zip(seeds, going, strict=True)))
            table.add_row(*map(escape, cells))
        return table

    def _done(self) -> int:
        return sum(each.state in (FINISHED, FAILED) for each in self._outcomes.values())


def display(plan: Plan, stream: TextIO) -> LiveTable | Lines:
    """A table where somebody looks at it, else lines."""
    return LiveTable(plan, stream) if stream.isatty() else Lines(plan, stream)
