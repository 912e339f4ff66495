"""The table of a sweep: a row a setting, medians and spread over seeds, in three formats that agree."""

from __future__ import annotations

import csv
import io
import json
import statistics
from pathlib import Path

import pytest
from sweeps_for_tests import write_sweep

from tusklite.sweeps import Outcome, Plan, as_csv, as_json, as_markdown, make_plan, read_sweep

ERRORS = {(0.1, 0): 0.5, (0.1, 1): 0.3, (0.1, 2): 0.4, (0.2, 0): 0.9}


@pytest.fixture
def plan(here: Path) -> Plan:
    parts = {"seeds": "[0, 1, 2]", "grid": "{noise: [0.1, 0.2]}", "variants": "{'a|b': {}, fast: {steps: 9}}"}
    return make_plan(read_sweep(write_sweep(here, **parts)))


def outcomes(plan: Plan) -> dict[str, Outcome]:
    """The first variant's runs, made up: all of one noise, one of three of the other, and one that failed."""
    found = {}
    for run in plan.runs:
        setting = plan.settings[run.setting]
        error = ERRORS.get((setting.grid["noise"], run.seed)) if setting.variant == "a|b" else None
        if error is not None:
            result = {"metrics": {"error": error, "curve": [[1, 2]], "luck": 3.0}, "seconds": 1.5, "device": "cpu"}
            found[run.name] = Outcome(run.name, "finished", result=result)
        elif run.seed == 2 and setting.grid["noise"] == 0.2:
            found[run.name] = Outcome(run.name, "failed", "no luck")
        else:
            found[run.name] = Outcome(run.name, "waiting")
    return found


def test_the_table_says_medians_spread_and_how_many(plan: Plan) -> None:
    assert as_markdown(plan, outcomes(plan)).splitlines() == [
        "| setting | noise | runs | error |",
        "| --- | --- | --- | --- |",
        "| a|b | 0.1 | 3 | 0.400 (0.300 to 0.500) |".replace("a|b", "a\\|b"),
        "| a\\|b | 0.2 | 1 of 3, 1 failed | 0.900 |",
        "| fast | 0.1 | 0 of 3 |  |",
        "| fast | 0.2 | 0 of 3, 1 failed |  |",
    ]


def test_the_same_figures_are_in_the_csv(plan: Plan) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(plan, outcomes(plan)))))
    assert [(row["setting"], row["noise"], row["finished"], row["failed"]) for row in rows] == [
        ("a|b", "0.1", "3", "0"),
        ("a|b", "0.2", "1", "1"),
        ("fast", "0.1", "0", "0"),
        ("fast", "0.2", "0", "1"),
    ]
    errors = [error for (noise, _), error in ERRORS.items() if noise == 0.1]
    assert float(rows[0]["error_median"]) == statistics.median(errors)
    assert (float(rows[0]["error_smallest"]), float(rows[0]["error_largest"])) == (min(errors), max(errors))
    assert rows[2]["error_median"] == ""
    assert "distance_median" not in rows[0]  # which nothing stated


def test_the_json_has_every_run(plan: Plan) -> None:
    content = json.loads(as_json(plan, outcomes(plan)))
    assert content["sweep"] == "small"
    first, second = content["settings"][:2]
    assert first["metrics"] == {"error": {"median": 0.4, "smallest": 0.3, "largest": 0.5}}
    assert (first["variant"], first["grid"], first["finished"]) == ("a|b", {"noise": 0.1}, 3)
    assert [run["seed"] for run in first["runs"]] == [0, 1, 2]
    assert first["runs"][0]["metrics"]["error"] == 0.5
    assert [run["state"] for run in second["runs"]] == ["finished", "waiting", "failed"]
    assert second["runs"][2]["error"] == "no luck"
