"""`python -m tusklite`: the command line."""

from __future__ import annotations

import signal
import sys


def start() -> int:
    """Run the command line; Ctrl-C before it has started, or after it has ended, is no traceback either."""
    try:
        from tusklite.cli import main

        code = main()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done and said
        return code
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("\ntusklite: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(start())
