"""One run of a sweep, as its worker starts it: it ends when its worker does, and waits while another has its folder.

`python -m tusklite.cli.sweep_run FOLDER train mnist-hard ...`, with the run's identity as a line on standard input,
which stays open for as long as the run shall go on.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tusklite.sweeps.execute import LOOK_AGAIN
from tusklite.sweeps.outcomes import BEGUN, FINISHED, write_status

GRACE = 60.0  # seconds from Ctrl-C to the end of all patience


def main(words: list[str]) -> int:
    """Run a command of tusklite's in a folder of its own; the command's exit code, or `LOOK_AGAIN`."""
    from tusklite.cli import main as command
    from tusklite.train.run_folder import FolderInUse, owned_folder

    folder = Path(words[0])
    identity = _line()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the worker made of it
    threading.Thread(target=_end_with_worker, daemon=True).start()
    waited = False
    while True:
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(owned_folder(folder, "sweep"))
            except FolderInUse as reason:
                if not waited:
                    print(f"waiting: {reason}", flush=True)
                waited = True
                time.sleep(0.2)
                continue
            if waited:
                return LOOK_AGAIN
            write_status(folder, identity, BEGUN)
            code = command(words[1:])
            if code == 0:
                write_status(folder, identity, FINISHED)
            return code


def _line() -> Any:
    """The first line of standard input, past which nothing is read."""
    content = b""
    while not content.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            raise SystemExit(2)
        content += byte
    return json.loads(content)


def _end_with_worker() -> None:
    """Wait until standard input ends; then end as after Ctrl-C, with what was done saved."""
    with contextlib.suppress(OSError):
        while os.read(0, 1):
            continue
    os.kill(os.getpid(), signal.SIGINT)  # not `raise_signal`: the main thread may sleep
    time.sleep(GRACE)
    os._exit(130)


if __name__ == "__main__":
    try:
        ended = main(sys.argv[1:])
    except KeyboardInterrupt:
        ended = 130
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(ended)
