"""Tables of recorded results in Markdown, beside the papers' figures: README's, and those that lessons show."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tusklite.files import write_aside
from tusklite.metrics.metric import Metric
from tusklite.results.result import Result, changed_settings


@dataclass(frozen=True)
class Published:
    """A row of a paper's table.

    Attributes:
        method: whose it is.
        metrics: its figures by the names of the experiment's metrics.
        words: what stands in the other columns, by their heads.
    """

    method: str
    metrics: Mapping[str, float]
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Column:
    """A column of words beside the figures.

    Attributes:
        head: its title.
        ours: what stands there for runs of ours that differ in their seed alone.
    """

    head: str
    ours: Callable[[Sequence[Result]], str]


def run_time(results: Sequence[Result]) -> str:
    """Median minutes of some runs, and where they ran: what a column "time" shows.

    Example:
        >>> run_time([{"seconds": 90.0, "device": "cpu (1 threads)"}])
        '1.5 min, cpu (1 threads)'
    """
    return f"{statistics.median(result['seconds'] for result in results) / 60:.1f} min, {results[0]['device']}"


def run_title(results: Sequence[Result]) -> str:
    """Whose row it is, for runs of ours: preset, what was changed, seeds.

    Example:
        >>> run_title([{"preset": "lite", "overrides": {"schedule.steps": 90}, "seed": 2}])
        'tusklite `lite`, steps 90, seed 2'
    """
    seeds = f"{len(results)} seeds" if len(results) > 1 else f"seed {results[0]['seed']}"
    return f"tusklite `{results[0]['preset']}`{_changes(results[0])}, {seeds}"


def _changes(result: Result) -> str:
    changed = changed_settings(result)
    words = [name.rpartition(".")[2] for name in changed]
    named = [word if words.count(word) == 1 else name for word, name in zip(words, changed, strict=True)]
    return "".join(f", {name} {value}" for name, value in zip(named, changed.values(), strict=True))


# Whose row it is: the first column of most tables.
METHOD = Column("method", run_title)


@dataclass(frozen=True)
class Table:
    """What an experiment's table shows: columns of words and of figures, the papers' rows, then ours.

    Attributes:
        metrics: the figures.
        columns: the words before them; in the first one the papers' rows name their method.
        published: the papers' rows.
    """

    metrics: tuple[Metric, ...]
    columns: tuple[Column, ...] = (METHOD,)
    published: tuple[Published, ...] = ()


DepartureRow = tuple[Mapping[str, object], str]


@dataclass(frozen=True)
class Departures:
    """Settings that a recipe has beyond its paper, each with short runs without it.

    Attributes:
        preset: the recipe.
        short_run: settings of all these runs, by name.
        rows: for each departure the settings that take it away, and why it is there.
        source: of the data that these runs are made with; any where None.
        metrics: the figures to show; those of the experiment's table where there are none.
        paired: a figure whose change against the recipe as it is, at the same seed, is shown too.
    """

    preset: str
    short_run: Mapping[str, object]
    rows: Mapping[str, DepartureRow]
    source: str | None = None
    metrics: Sequence[Metric] = ()
    paired: Metric | None = None


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of words as a table.

    Example:
        >>> print(markdown_table(["a", "b"], [["1", "2"]]))
        | a | b |
        | --- | --- |
        | 1 | 2 |
    """
    lines = ["| " + " | ".join(cells) + " |" for cells in (heads, *rows)]
    return "\n".join([lines[0], "|" + " --- |" * len(heads), *lines[1:]])


def row_groups(results: Sequence[Result]) -> list[list[Result]]:
    """Results of one experiment by the rows of its table: those that differ in their seed alone share one."""
    groups: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        data = result["data"]
        key = (result["preset"], _changes(result), data["source"], result["device"], str(data.get("sha256")))
        groups.setdefault(key, []).append(result)
    return [group for _, group in sorted(groups.items())]


def results_table(table: Table, results: Sequence[Result]) -> str:
    """The papers' rows, then ours: medians with smallest and largest over seeds.

    Args:
        table: what to show.
        results: of one experiment; those that differ in their seed alone share a row.
    """
    heads = [*(column.head for column in table.columns), *(metric.head for metric in table.metrics)]
    rows = []
    for row in table.published:
        words = [row.method, *(row.words.get(column.head, "") for column in table.columns[1:])]
        figures = [m.cell([row.metrics[m.name]]) if m.name in row.metrics else "" for m in table.metrics]
        rows.append([*words, *figures])
    for group in row_groups(results):
        figures = []
        for metric in table.metrics:
            values = [result["metrics"].get(metric.name) for result in group]
            known = [value for value in values if value is not None]
            figures.append(metric.cell(known) if known else "")
        rows.append([*(column.ours(group) for column in table.columns), *figures])
    return markdown_table(heads, rows)


def left_out_of(departures: Departures | None, result: Result, full_name: Callable[[str], str]) -> str | None:
    """Which departure a short run left out; None for a run of another kind.

    Args:
        departures: of the experiment.
        result: of the experiment.
        full_name: a setting's full name, for results that call it by its last word.
    """
    if departures is None or result["preset"] != departures.preset:
        return None
    if departures.source not in (None, result["data"]["source"]):
        return None

    def named(settings: Mapping[str, object]) -> str:
        return json.dumps({full_name(name): value for name, value in settings.items()}, sort_keys=True)

    changed = named(changed_settings(result))
    for left_out, (settings, _) in departures.rows.items():
        if changed == named({**departures.short_run, **settings}):
            return left_out
    return None


def departures_table(
    departures: Departures,
    metrics: Sequence[Metric],
    results: Sequence[Result],
    full_name: Callable[[str], str] = lambda name: name,
) -> str:
    """What each departure of a recipe buys: a row for each one changed.

    Args:
        departures: of the experiment.
        metrics: the figures to show, where the departures name none.
        results: of the experiment.
        full_name: as for `left_out_of`.
    """
    rows, metrics, paired = [], departures.metrics or metrics, departures.paired
    runs: dict[str, list[Result]] = {left_out: [] for left_out in departures.rows}
    for result in results:
        left_out = left_out_of(departures, result, full_name)
        if left_out is not None:
            runs[left_out].append(result)
    # Seeds differ by more than most settings do, so a run is held against that of its own seed.
    unchanged = [run for left_out, (settings, _) in departures.rows.items() if not settings for run in runs[left_out]]
    for left_out, (settings, why) in departures.rows.items():
        if not runs[left_out]:
            continue
        figures = [metric.cell([run["metrics"][metric.name] for run in runs[left_out]]) for metric in metrics]
        if paired is not None:
            changes = changes_by_seed(paired, runs[left_out], unchanged) if settings else []
            figures.append(paired.change(changes) if changes else "")
        rows.append([left_out, why, str(len(runs[left_out])), *figures])
    heads = ["changed", "the idea behind it", "runs", *(metric.head for metric in metrics)]
    return markdown_table([*heads, f"change of {paired.head}, by seed"] if paired else heads, rows)


def changes_by_seed(metric: Metric, changed: Sequence[Result], unchanged: Sequence[Result]) -> list[float]:
    """By how much a figure of changed runs differs from that of unchanged ones of the same seeds.

    Args:
        metric: the figure.
        changed: runs with a setting changed.
        unchanged: runs without; of several with one seed, their mean counts.

    Returns:
        A difference for each changed run whose seed is among those of the others, in the order of seeds.
    """
    known: dict[int, list[float]] = {}
    for result in unchanged:
        known.setdefault(result["seed"], []).append(result["metrics"][metric.name])
    return [
        result["metrics"][metric.name] - statistics.mean(known[result["seed"]])
        for result in sorted(changed, key=lambda result: result["seed"])
        if result["seed"] in known
    ]


def has_marks(page: Path, name: str) -> bool:
    """Whether a page has a mark of a table; `write_table` refuses one without the other.

    Raises:
        OSError: the page cannot be read.
    """
    text = page.read_text(encoding="utf-8")
    return f"<!-- {name}:begin -->" in text or f"<!-- {name}:end -->" in text


def write_table(page: Path, name: str, table: str) -> bool:
    """Put a table between a page's two marks of its name; says whether that changed anything.

    Raises:
        ValueError: the marks are not there.
        FileNotWritten: the page cannot be written.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    text = page.read_text(encoding="utf-8")
    if begin not in text or end not in text.split(begin, 1)[1]:
        raise ValueError(
            f"page: {page.name} has no marks {begin} and {end}; allowed is a page with both, in this order"
        )
    before, rest = text.split(begin, 1)
    new = f"{before}{begin}\n{table}\n{end}{rest.split(end, 1)[1]}"
    if new != text:
        write_aside(page, lambda partial: partial.write_text(new, encoding="utf-8", newline="\n"))
    return new != text


def comparison(result: Result, metrics: Sequence[Metric]) -> str:
    """A result beside the paper's figures, as a small text table; without published ones, the result alone.

    Args:
        result: of a run.
        metrics: those that are shown; of a result that the paper has figures for, those that the paper has.

    Example:
        >>> print(comparison({"metrics": {"both": 0.94}, "paper": {"both": 0.921}}, [Metric("both", "both")]))
                                 here    paper
        both                    94.0%    92.1%
    """
    shown = [metric for metric in metrics if metric.name in (result["paper"] or result["metrics"])]
    lines = [f"{'':20}{'here':>9}{'paper':>9}"]
    for metric in shown:
        figures = (result[column].get(metric.name) for column in ("metrics", "paper"))
        beside = "".join(f"{'' if figure is None else metric.text(figure):>9}" for figure in figures)
        lines.append(f"{metric.name:20}{beside}".rstrip())
    return "\n".join(lines)
