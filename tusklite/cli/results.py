"""Print the tables of recorded results, or put them into README."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--write", action="store_true", help="put them into README.md")


def act(arguments: argparse.Namespace) -> int:
    """Print every experiment's tables; write those that README has marks for."""
    from tusklite.experiments.tables import tables
    from tusklite.places import results_folder
    from tusklite.results import read_results
    from tusklite.results.table import has_marks, write_table

    page = results_folder().parent / "README.md"
    for name, table in tables(read_results(results_folder())).items():
        print(f"{name}\n\n{table}\n")
        if arguments.write and has_marks(page, name):
            write_table(page, name, table)
    return 0
