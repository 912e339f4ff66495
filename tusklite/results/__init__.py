"""Results: recorded as files, read again, and shown as tables beside the papers' figures."""

from __future__ import annotations

from tusklite.results.read import changed_settings, read_result, read_results
from tusklite.results.record import code_version, record_result, require_recordable, result_path
from tusklite.results.table import (
    METHOD,
    Column,
    Departures,
    Published,
    Table,
    comparison,
    departures_table,
    left_out_of,
    results_table,
    run_time,
    write_table,
)

__all__ = [
    "METHOD",
    "Column",
    "Departures",
    "Published",
    "Table",
    "changed_settings",
    "code_version",
    "comparison",
    "departures_table",
    "left_out_of",
    "read_result",
    "read_results",
    "record_result",
    "require_recordable",
    "result_path",
    "results_table",
    "run_time",
    "write_table",
]
