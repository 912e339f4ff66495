"""Sweeps: grids and seeds over any experiment or lesson, each run in a process of its own, the table at the end."""

from __future__ import annotations

from tusklite.sweeps.clusters import client_of, job_script, require_sweep_libraries, slurm_cluster, workers_of
from tusklite.sweeps.execute import execute, places_here
from tusklite.sweeps.outcomes import Outcome, outcome_of
from tusklite.sweeps.outputs import Output
from tusklite.sweeps.plan import Plan, Run, Setting, make_plan
from tusklite.sweeps.show import display
from tusklite.sweeps.sweep import SweepStopped, outcomes_so_far, run_sweep
from tusklite.sweeps.sweep_file import Limits, SweepFile, read_sweep
from tusklite.sweeps.table import as_csv, as_json, as_markdown

__all__ = [
    "Limits",
    "Outcome",
    "Output",
    "Plan",
    "Run",
    "Setting",
    "SweepFile",
    "SweepStopped",
    "as_csv",
    "as_json",
    "as_markdown",
    "client_of",
    "display",
    "execute",
    "job_script",
    "make_plan",
    "outcome_of",
    "outcomes_so_far",
    "places_here",
    "read_sweep",
    "require_sweep_libraries",
    "run_sweep",
    "slurm_cluster",
    "workers_of",
]
