"""The file of a sweep: what is well-formed is read, and everything else is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tusklite.sweeps import Limits, read_sweep

HEAD = "experiment: toy\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_sweep_is_read(tmp_path: Path) -> None:
    text = """
# a comment
name: small
experiment: toy
preset: ci
seeds: [3, 1]
settings: {noise: 0.2}
grid:
  learning_rate: [0.05, 1.0e-3]
  recluster_at: [[0.5, 0.7], []]
variants:
  as it is: {}
  "5": {distance: 2}
metrics: [error]
limits: {workers: 2, threads: 4, memory_gb: 1.5}
slurm: {queue: short, walltime: "01:00:00", directives: ["--gres=gpu:1"]}
output: memory://sweeps
"""
    sweep = read_sweep(written(tmp_path, text))
    assert (sweep.name, sweep.experiment, sweep.lesson, sweep.preset) == ("small", "toy", None, "ci")
    assert (sweep.seeds, sweep.settings) == ((3, 1), {"noise": 0.2})
    assert sweep.grid == {"learning_rate": [0.05, 0.001], "recluster_at": [[0.5, 0.7], []]}
    assert sweep.variants == {"as it is": {}, "5": {"distance": 2}}
    assert (sweep.metrics, sweep.limits) == (("error",), Limits(2, 4, 1.5))
    assert sweep.slurm == {"queue": "short", "walltime": "01:00:00", "directives": ["--gres=gpu:1"]}
    assert sweep.output == "memory://sweeps"


def test_a_sweep_is_named_by_its_file(tmp_path: Path) -> None:
    sweep = read_sweep(written(tmp_path, "lesson: 01\n".replace("01", '"01"')))
    assert (sweep.name, sweep.lesson, sweep.seeds, sweep.limits) == ("mine", "01", None, Limits())


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "the file: None was given; allowed is names with values, as in `steps: 100`"),
        ("- a\n", 1, "the file: ['a'] was given; allowed is names with values"),
        ("preset: ci\n", 1, "experiment, lesson: neither was given; allowed is one of them"),
        (HEAD + 'lesson: "13"\n', 1, "experiment, lesson: both were given; allowed is one of them"),
        (HEAD + "\nsede: [0]\n", 3, "sede: unknown; allowed are name, experiment, lesson, preset, seeds, settings,"),
        (HEAD + "limits:\n  threads: 1\n  memory: 2\n", 4, "limits.memory: unknown; allowed are workers, threads, mem"),
        (HEAD + "preset: ci\npreset: lite\n", 3, "preset was given in line 2 already; allowed is each name once"),
        (HEAD + "grid:\n  noise: [1]\n  noise: [2]\n", 4, "grid.noise was given in line 3 already"),
        (HEAD + "grid: {}\n", 2, "grid: {} was given; allowed is at least one name with a list of values"),
        (HEAD + "grid:\n  noise: []\n", 3, "grid.noise: [] was given; allowed is a list of at least one value"),
        (HEAD + "grid:\n  noise: 0.1\n", 3, "grid.noise: 0.1 was given; allowed is a list of at least one value"),
        (HEAD + "grid:\n  noise:\n  - 0.1\n  - 0.1\n", 5, "grid.noise: 0.1 was given twice; allowed is each once"),
        (HEAD + "grid: [noise]\n", 2, "grid: ['noise'] was given; allowed is names with values"),
        (HEAD + "grid:\n", 2, "grid: None was given; allowed is names with values"),
        (HEAD + "variants: {}\n", 2, "variants: {} was given; allowed is at least one name with settings"),
        (HEAD + "variants:\n  a: 3\n", 3, "variants.a: 3 was given; allowed is names with values"),
        (HEAD + "variants:\n  5: {}\n", 3, "variants: 5 was given as a name; allowed is a word, or anything in quotes"),
        (HEAD + "settings:\n  ? [a]\n  : 1\n", 3, "settings: a list was given as a name; allowed is a word"),
        (HEAD + "grid:\n  rate:\n  - 0.1\n  - 1e-3\n", 5, "grid.rate.1: 1e-3 was given, which is a word to YAML; write"
         " 0.001, or quotes around it"),
        (HEAD + "settings:\n  rate: 1e-10\n", 3, "write 1.0e-10, or quotes around it where a word is meant"),
        (HEAD + "settings:\n  rate: 08\n", 3, "settings.rate: 08 was given, which is a word to YAML; write 8, or"),
        (HEAD + "settings:\n  rate: 010\n", 3, "settings.rate: 010 was given, which YAML reads as 8; write the number"),
        (HEAD + "slurm:\n  walltime: 1:30:00\n", 3, "slurm.walltime: 1:30:00 was given, which YAML reads as 5400;"),
        (HEAD + "settings:\n  rate: .inf\n", 3, "settings.rate: .inf was given; allowed are finite numbers"),
        (HEAD + "settings:\n  day: 2024-01-01\n", 3, "2024-01-01 was given, which YAML reads as a date; allowed are w"),
        (HEAD + "seeds: 3\n", 2, "seeds: 3 was given; allowed is a list of at least one value, as in [1, 2]"),
        (HEAD + "seeds: []\n", 2, "seeds: [] was given; allowed is a list of at least one value"),
        (HEAD + "seeds:\n- 0\n- -1\n", 4, "seeds: -1 was given; allowed is an integer from 0 to 4294967295"),
        (HEAD + "seeds: [0, true]\n", 2, "seeds: True was given; allowed is an integer"),
        (HEAD + "seeds: [0, 1, 0]\n", 2, "seeds: 0 was given twice; allowed is each once"),
        (HEAD + "limits: {threads: 0}\n", 2, "limits.threads: 0 was given; allowed is an integer from 1 to 1024"),
        (HEAD + "limits: {memory_gb: 0}\n", 2, "limits.memory_gb: 0 was given; allowed is a finite number above 0"),
        (HEAD + "metrics: [3]\n", 2, "metrics: 3 was given; allowed are words"),
        (HEAD + "output: 3\n", 2, "output: 3 was given; allowed is a word"),
        (HEAD + "name: a/b\n", 2, "name: 'a/b' was given; allowed are letters, digits, - and _, 60 at most"),
        (HEAD + "settings: {a: !!python/none 1}\n", 2, "no YAML (could not determine a constructor for the tag"),
        (HEAD + "settings: {a: [1\n", 3, "no YAML (expected ',' or ']', but got '<stream end>')"),
        (HEAD + "settings:\n  a: *b\n", 3, "no YAML (found undefined alias 'b')"),
        (HEAD + "---\nname: a\n", 2, "no YAML (but found another document)"),
    ],
)  # fmt: skip
def test_what_is_not_well_formed_is_refused_with_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ValueError) as refused:  # noqa: PT011
        read_sweep(path)
    words = str(refused.value)
    assert words.startswith(f"{path}, line {line}: ")
    assert said in words
    assert "\n" not in words


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a: &a [*a]\n", b"a: \x00\n"])
def test_what_is_no_yaml_at_all_is_refused_by_the_name_of_its_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^.*mine\.yaml.*: (no YAML|a: unknown)"):
        read_sweep(path)
