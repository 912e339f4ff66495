"""The tables of all experiments, made of recorded results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tusklite.experiments.registry import experiments, get_experiment
from tusklite.results.read import read_result, result_files
from tusklite.results.result import Result
from tusklite.results.table import departures_table, left_out_of, results_table


def table_of(experiment: str, results: Sequence[Result]) -> str:
    """The table of an experiment: the papers' rows, then the recorded runs but for the short ones of departures.

    Example:
        >>> print(table_of("mnist-hard", []).splitlines()[2])
        | TUSK (paper) | K, M |  |  | 99.9 | 92.1 | 92.1 |
    """
    known = get_experiment(experiment)
    own = [result for result in results if result["experiment"] == experiment]
    whole = [result for result in own if left_out_of(known.departures, result, known.full_name) is None]
    return results_table(known.table, whole)


def departures_of(experiment: str, results: Sequence[Result]) -> str:
    """What each departure of an experiment's recipe buys, or an empty text where none is measured.

    Example:
        >>> departures_of("mnist-hard", []).splitlines()[0][:57]
        '| changed | the idea behind it | runs | localisation % | '
    """
    known = get_experiment(experiment)
    if known.departures is None:
        return ""
    own = [result for result in results if result["experiment"] == experiment]
    return departures_table(known.departures, known.table.metrics, own, known.full_name)


def shown_results(folder: Path) -> list[Result]:
    """Every recorded result, each of which its experiment's table can show.

    Raises:
        ValueError: a file that holds no result, or one without what the table shows; the message names the file.
        OSError: a file that cannot be read.
    """
    results = []
    for path in result_files(folder):
        result = read_result(path)
        try:
            tables([result])
        except LookupError as reason:
            raise ValueError(f"{path}: without {reason}, which the table of {result['experiment']} shows") from reason
        except (TypeError, ValueError) as reason:
            raise ValueError(f"{path}: cannot be shown ({reason})") from reason
        results.append(result)
    return results


def tables(results: Sequence[Result]) -> dict[str, str]:
    """Every table by name: an experiment's own, and where its departures are measured `<experiment>-departures`.

    Raises:
        ValueError: a result of an experiment that nobody knows.

    Example:
        >>> list(tables([]))[:2]
        ['clevr6', 'clevr6-departures']
    """
    for result in results:
        get_experiment(result["experiment"])
    found = {}
    for name, experiment in sorted(experiments().items()):
        found[name] = table_of(name, results)
        if experiment.departures is not None:
            found[f"{name}-departures"] = departures_of(name, results)
    return found
