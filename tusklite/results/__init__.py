"""Results: recorded as files, read again, and shown as tables beside the papers' figures."""

from __future__ import annotations

from tusklite.results.read import read_result, read_results, recorded_at, result_files
from tusklite.results.record import code_version, record_result, require_recordable
from tusklite.results.result import KEYS, NAMED_BY, Result, changed_settings, result_hash, result_path
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
    "KEYS",
    "METHOD",
    "NAMED_BY",
    "Column",
    "Departures",
    "Published",
    "Result",
    "Table",
    "changed_settings",
    "code_version",
    "comparison",
    "departures_table",
    "left_out_of",
    "read_result",
    "read_results",
    "record_result",
    "recorded_at",
    "require_recordable",
    "result_files",
    "result_hash",
    "result_path",
    "results_table",
    "run_time",
    "write_table",
]
