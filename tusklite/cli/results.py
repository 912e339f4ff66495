"""Print the tables of recorded results, or put them into README."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--write", action="store_true", help="put them into README.md")


def act(arguments: argparse.Namespace) -> int:
    """Print every experiment's tables; write those that README has marks for."""
    from tusklite.experiments.tables import shown_results, tables
    from tusklite.places import results_folder, source_root
    from tusklite.results.table import has_marks, write_table

    found = tables(shown_results(results_folder()))
    for name, table in found.items():
        print(f"{name}\n\n{table}\n")
    if arguments.write:
        root = source_root()
        if root is None:
            raise FileNotFoundError("write: this is an installed tusklite without its README.md; run from a clone")
        page = root / "README.md"
        for name, table in found.items():
            if has_marks(page, name):
                write_table(page, name, table)
            else:
                print(f"{page.name} has no marks <!-- {name}:begin --> and <!-- {name}:end -->, so it stays without")
    return 0
