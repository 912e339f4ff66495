"""`python -m tusklite`: the command line."""

from __future__ import annotations

import sys


def start() -> int:
    """Run the command line; Ctrl-C before it has started is no traceback either."""
    try:
        from tusklite.cli import main

        return main()
    except KeyboardInterrupt:
        print("\ntusklite: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(start())
