"""The runs behind the results: what every recorded file says of itself, below the row that it is part of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tusklite.experiments.registry import get_experiment
from tusklite.results.read import read_result, result_files
from tusklite.results.result import Result
from tusklite.results.table import markdown_table, row_groups, run_title

HEADS = ("run", "minutes", "data", "code", "PyTorch")


def row(result: Result, link: str) -> list[str]:
    """What a table says of one run, before its figures.

    Args:
        result: as it is recorded.
        link: to its file.
    """
    data, code = result["data"], result["code"]
    digest = str(data.get("sha256", ""))[:8]
    return [
        f"[seed {result['seed']}]({link})",
        f"{result['seconds'] / 60:.1f}, {result['device']}",
        f"{data['source']}{f' `{digest}`' if digest else ''}",
        f"`{str(code['commit'])[:10]}`",
        str(code["torch"]),
    ]


def page(folder: Path, link: Callable[[Path], str]) -> str:
    """Every recorded run in Markdown: a section an experiment, a table for each row of its results.

    Args:
        folder: of the recorded results.
        link: where a page leads for a file.
    """
    kept = [read_result(path) for path in result_files(folder)]
    paths = {id(result): path for result, path in zip(kept, result_files(folder), strict=True)}
    lines = ["## The runs behind the rows", ""]
    lines.append(
        "Each row above is made of the runs below, by `python -m tusklite results --write`. A run leads to its file: "
        "all settings, the data's checksum, the device, the commit and every figure. "
        "Checksums and commits are cut short here."
    )
    for name in sorted({result["experiment"] for result in kept}):
        metrics = get_experiment(name).table.metrics
        lines += ["", f"### {name}"]
        for group in row_groups([result for result in kept if result["experiment"] == name]):
            rows = []
            for result in group:
                figures = [result["metrics"].get(metric.name) for metric in metrics]
                cells = [
                    metric.cell([value]) if value is not None else ""
                    for metric, value in zip(metrics, figures, strict=True)
                ]
                rows.append([*row(result, link(paths[id(result)])), *cells])
            lines += ["", f"#### {run_title(group)}, {group[0]['data']['source']}", ""]
            lines.append(markdown_table([*HEADS, *(metric.head for metric in metrics)], rows))
    return "\n".join(lines) + "\n"
