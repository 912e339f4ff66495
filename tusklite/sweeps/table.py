"""The result of a sweep: a row a setting, medians with their spread over seeds."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tusklite.metrics.metric import Metric
from tusklite.results.table import markdown_table
from tusklite.sweeps.outcomes import FAILED, FINISHED, Outcome
from tusklite.sweeps.plan import Plan, Setting

Outcomes = Mapping[str, Outcome]


def values_of(plan: Plan, outcomes: Outcomes, setting: int, metric: Metric) -> list[float]:
    """A figure of the finished runs of a setting, in the order of their seeds."""
    found = []
    for run in plan.runs:
        outcome = outcomes.get(run.name)
        if run.setting != setting or outcome is None or outcome.state != FINISHED or outcome.result is None:
            continue
        value = outcome.result["metrics"].get(metric.name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            found.append(float(value))
    return found


def finished_of(plan: Plan, outcomes: Outcomes, setting: int) -> tuple[int, int, int]:
    """How many runs of a setting are finished, how many failed, and how many there are."""
    states = [outcomes[run.name].state for run in plan.runs if run.setting == setting and run.name in outcomes]
    return states.count(FINISHED), states.count(FAILED), sum(run.setting == setting for run in plan.runs)


def heads_of(plan: Plan) -> list[str]:
    """What stands over the columns that say which setting a row is."""
    first = plan.settings[0]
    heads = [*(["setting"] if first.variant is not None else []), *first.grid]
    return heads or ["setting"]


def words_of(setting: Setting) -> list[str]:
    """What stands in those columns."""
    words = [*([setting.variant] if setting.variant is not None else []), *map(str, setting.grid.values())]
    return words or [setting.title]


def as_markdown(plan: Plan, outcomes: Outcomes) -> str:
    """The table of a sweep: medians over seeds, with the smallest and the largest."""
    rows = []
    for number, setting in enumerate(plan.settings):
        done, failed, count = finished_of(plan, outcomes, number)
        runs = (f"{done}" if done == count else f"{done} of {count}") + (f", {failed} failed" if failed else "")
        figures = [values_of(plan, outcomes, number, metric) for metric in plan.metrics]
        cells = [metric.cell(values) if values else "" for metric, values in zip(plan.metrics, figures, strict=True)]
        words = [word.replace("|", "\\|") for word in words_of(setting)]
        rows.append([*words, runs, *cells])
    return markdown_table([*heads_of(plan), "runs", *(metric.head for metric in plan.metrics)], rows) + "\n"


def as_json(plan: Plan, outcomes: Outcomes) -> str:
    """All that the table says, and every run, as JSON."""
    rows: list[dict[str, Any]] = []
    for number, setting in enumerate(plan.settings):
        figures = {metric.name: values_of(plan, outcomes, number, metric) for metric in plan.all_metrics}
        runs = []
        for run in plan.runs:
            if run.setting == number:
                outcome = outcomes.get(run.name, Outcome(run.name, "waiting"))
                about: dict[str, Any] = {"run": run.name, "seed": run.seed, "state": outcome.state}
                about |= {"error": outcome.error} if outcome.error else {}
                if outcome.result is not None:
                    kept = ("device", "seconds", "steps", "peak_memory_mb", "metrics")
                    about |= {name: outcome.result[name] for name in kept if name in outcome.result}
                runs.append(about)
        rows.append(
            {
                "setting": setting.title,
                "variant": setting.variant,
                "grid": dict(setting.grid),
                "finished": finished_of(plan, outcomes, number)[0],
                "metrics": {name: spread(values) for name, values in figures.items() if values},
                "runs": runs,
            }
        )
    return json.dumps({"sweep": plan.name, "settings": rows}, indent=2, ensure_ascii=False) + "\n"


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, smallest and largest.

    Example:
        >>> spread([0.5, 0.9, 0.6])
        {'median': 0.6, 'smallest': 0.5, 'largest': 0.9}
    """
    return {"median": statistics.median(values), "smallest": min(values), "largest": max(values)}


def as_csv(plan: Plan, outcomes: Outcomes) -> str:
    """A row a setting, with each figure's median, smallest and largest in columns of their own."""
    known = [
        metric
        for metric in plan.all_metrics
        if any(values_of(plan, outcomes, number, metric) for number in range(len(plan.settings)))
    ]
    names = ("median", "smallest", "largest")
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*heads_of(plan), "finished", "failed", *(f"{m.name}_{name}" for m in known for name in names)])
    for number, setting in enumerate(plan.settings):
        done, failed, _ = finished_of(plan, outcomes, number)
        cells: list[object] = []
        for metric in known:
            values = values_of(plan, outcomes, number, metric)
            cells += spread(values).values() if values else [""] * len(names)
        writer.writerow([*words_of(setting), done, failed, *cells])
    return stream.getvalue()
