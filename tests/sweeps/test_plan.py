"""From a file to runs: each setting with each seed, all checked before anything starts."""

from __future__ import annotations

import itertools
from pathlib import Path

import nbformat
import pytest
from sweeps_for_tests import write_sweep

from tusklite.experiments import get_preset, run_name
from tusklite.sweeps import Plan, make_plan, read_sweep

ROOT = Path(__file__).resolve().parents[2]


def plan_of(folder: Path, **parts: str) -> Plan:
    return make_plan(read_sweep(write_sweep(folder, **parts)))


def test_every_variant_is_crossed_with_every_combination_and_seed(here: Path) -> None:
    plan = plan_of(
        here,
        seeds="[1, 0]",
        settings="{steps: 30}",
        grid="{noise: [0.1, 0.2], batch: [4, 8, 16]}",
        variants="{plain: {}, slow: {learning_rate: 0.01}}",
    )
    assert [setting.title for setting in plan.settings] == [
        f"{variant}, noise {noise}, batch {batch}"
        for variant, noise, batch in itertools.product(("plain", "slow"), (0.1, 0.2), (4, 8, 16))
    ]
    assert [(run.seed, run.setting) for run in plan.runs] == list(itertools.product((1, 0), range(12)))
    last = plan.runs[-1]
    wanted = get_preset("counted", "ci", learning_rate=0.01, steps=30, batch=16, noise=0.2, seed=0)
    assert last.name == run_name(wanted)
    assert last.identity["configuration"] == wanted.configuration()
    assert [metric.name for metric in plan.metrics] == ["error"]
    assert [metric.name for metric in plan.all_metrics] == ["error", "distance"]
    assert last.words == (
        *("train", "counted", "--preset", "ci", "--seed", "0", "--resume", "--quiet", "--threads", "1"),
        *("--set", "training.learning_rate=0.01", "--set", "schedule.steps=30", "--set", "schedule.batch=16"),
        *("--set", "data.noise=0.2"),
    )


def test_the_order_of_the_file_decides_no_name(here: Path) -> None:
    one = plan_of(here, grid="{noise: [0.2, 0.3], batch: [4]}", settings="{steps: 30, distance: 2}")
    other = plan_of(here, grid="{batch: [4], noise: [0.3, 0.2]}", settings="{distance: 2, steps: 30}")
    assert {run.name for run in one.runs} == {run.name for run in other.runs}


def test_one_run_is_a_sweep(here: Path) -> None:
    plan = plan_of(here)
    assert [setting.title for setting in plan.settings] == ["as it is"]
    assert [run.name for run in plan.runs] == ["counted-ci-seed0"]
    assert not (here / "counted.txt").exists()


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"experiment": "toyy"}, "line 1: experiment: 'toyy' was given; allowed are 'clevr6', 'counted',"),
        ({"preset": "huge"}, "line 2: name: 'huge' was given; allowed are 'ci'"),
        ({"settings": "{widht: 3}"}, "line 4: setting: 'widht' was given; allowed are model.side,"),
        ({"settings": "{steps: many}"}, "line 4: schedule.steps: 'many' was given; allowed is a whole number"),
        ({"settings": "{steps: 0}"}, "line 4: steps: 0 was given; allowed is an integer from 1 to"),
        ({"grid": "\n  batch: [8]\n  steps:\n  - 9\n  - 0"}, "line 8: steps: 0 was given; allowed is an integer"),
        ({"grid": "\n  noise: [0.1, true]"}, "line 5: data.noise: True was given; allowed is a number"),
        ({"variants": "\n  a: {}\n  b:\n    noise: 2"}, "line 7: noise: 2 was given; allowed is a finite number of"),
        ({"settings": "{seed: 3}"}, "line 4: seed: was given as a setting; allowed is `seeds`, a list beside it"),
        ({"grid": "{schedule.seed: [3]}"}, "line 4: schedule.seed: was given as a setting; allowed is `seeds`"),
        (
            {"settings": "{noise: 0.1}", "grid": "\n  data.noise: [0.2]"},
            "line 6: data.noise: is given by settings.noise already; allowed is each setting once",
        ),
        (
            {"variants": "\n  a: {}\n  b: {noise: 0.1}"},
            "line 6: b: is the same run as a; allowed is each setting once",
        ),
        ({"grid": "{device: [cpu, auto]}"}, "device auto: is the same run as device cpu; allowed is each setting once"),
        ({"metrics": "[error, luck]"}, "line 4: metrics: 'luck' was given; allowed are 'error', 'distance'"),
        ({"lesson": "faces", "experiment": ""}, "line 3: notebook: 'faces' was given; known lessons are 00_start_here"),
        ({"lesson": "mnist-hard", "preset": "huge", "experiment": ""}, "line 1: profile: 'huge' was given; allowed "),
        (
            {"lesson": "mnist-hard", "experiment": "", "settings": "\n  sead: 3"},
            "line 5: parameters: sead was given; allowed for 13_mnist_hard are ",
        ),
    ],
)
def test_what_no_run_could_take_is_refused_with_its_line(here: Path, parts: dict[str, str], said: str) -> None:
    path = write_sweep(here, **parts)
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line != "experiment: "]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(ValueError) as refused:  # noqa: PT011
        make_plan(read_sweep(path))
    assert said in str(refused.value)
    assert str(refused.value).startswith(f"{path}, line ")
    assert not (here / "runs").exists()


def test_settings_that_do_not_go_together_are_refused(here: Path) -> None:
    parts = {"experiment": "mnist-hard", "grid": "\n  recluster_scenes:\n  - 64\n  - 1"}
    with pytest.raises(
        ValueError, match=r"small\.yaml, line 7: recluster_scenes: 1 of 2000 scenes were given; allowed"
    ):
        plan_of(here, **parts)


def test_an_experiment_may_be_a_file_beside_the_sweep(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TUSKLITE_EXPERIMENTS")
    toy = (ROOT / "tests" / "experiments" / "toy_experiment.py").read_text(encoding="utf-8")
    (here / "mine.py").write_text(toy.replace('"toy"', '"mine"'), encoding="utf-8")
    plan = plan_of(here, experiment="mine.py")
    assert plan.runs[0].words[:2] == ("train", str(here / "mine.py"))
    assert plan.runs[0].identity["experiment"] == "mine"


def test_a_lesson_is_run_by_its_parameters(here: Path) -> None:
    cell = nbformat.v4.new_code_cell('profile = "lite"\nseed = 0\nsides = [8]', metadata={"tags": ["parameters"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), here / "tiny_lesson.ipynb")
    path = here / "small.yaml"
    path.write_text("lesson: tiny_lesson.ipynb\npreset: ci\nseeds: [2]\ngrid: {sides: [[4, 8], [16]]}\n")
    plan = make_plan(read_sweep(path))
    assert [setting.title for setting in plan.settings] == ["sides (4, 8)", "sides (16,)"]
    first = plan.runs[0]
    assert first.words == (
        *("run", str(here / "tiny_lesson.ipynb"), "-p", "profile='ci'", "-p", "sides=(4, 8)", "-p", "seed=2"),
    )
    assert first.identity == {"lesson": "tiny_lesson", "parameters": {"profile": "ci", "sides": [4, 8], "seed": 2}}
    assert first.name.startswith("lesson-ci-sides-48-")
    assert first.name.endswith("-seed2")
    assert plan.metrics == ()


def test_a_lesson_of_the_course_shows_the_figures_of_its_experiment(here: Path) -> None:
    path = here / "small.yaml"
    path.write_text("lesson: mnist-hard\npreset: ci\nsettings: {stem: 1}\n")
    plan = make_plan(read_sweep(path))
    assert [metric.name for metric in plan.metrics] == ["localization", "classification", "both"]
    assert plan.runs[0].name == "mnist-hard-ci-stem-1-seed0"
