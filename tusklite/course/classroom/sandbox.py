"""A process for one submitted notebook: it can harm nothing, uses no more than it may, and leaves nothing behind."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import functools
import json
import os
import select
import shutil
import signal
import site
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tusklite
from tusklite.arguments import require_integer, require_number
from tusklite.course.classroom.confinement import PROTECTIONS
from tusklite.course.classroom.wire import Channel, ChannelClosed, ChannelEnded
from tusklite.places import data_folder, source_root

__all__ = ["STARTING", "Limits", "Sandbox", "protections_held", "work_in"]

STARTING = 300.0  # seconds that a process may take to load its libraries, which is nobody's fault
_TEMPORARY: list[str | None] = [None]  # where folders of notebooks are made; None: where the system has such
ENDED = {
    "cell_seconds": "a cell of its notebook took longer than {cell_seconds:g} s and would not be stopped",
    "seconds": "its notebook ran for longer than {seconds:g} s and was stopped",
    "memory": "its notebook used more than {memory} MB of memory and was stopped",
    "processes": "its notebook started too many processes and was stopped",
    "files": "its notebook wrote more than {files} MB of files and was stopped",
    "itself": "its notebook's process ended by itself{code}",
    "the grader": "its notebook said something that is no answer and was stopped",
}


@dataclass(frozen=True)
class Limits:
    """What a submitted notebook may use.

    Args:
        seconds: for the whole notebook.
        cell_seconds: for a cell, or a call of a function that is graded.
        memory: megabytes, of all its processes together, and of each.
        processes: and threads, of all its processes together.
        files: megabytes that lie in its folder, and half of that in each file.

    Raises:
        TypeError, ValueError: not a number, or out of range.

    Example:
        >>> Limits(seconds=0)
        Traceback (most recent call last):
        ...
        ValueError: seconds: 0 was given; allowed is a finite number of at least 1 and at most 86400
    """

    seconds: float = 300.0
    cell_seconds: float = 60.0
    memory: int = 4000
    processes: int = 64
    files: int = 256

    def __post_init__(self) -> None:
        require_number("seconds", self.seconds, low=1, high=86_400)
        require_number("cell_seconds", self.cell_seconds, low=0.1, high=86_400)
        require_integer("memory", self.memory, low=1000, high=1_000_000)
        require_integer("processes", self.processes, low=4, high=4096)
        require_integer("files", self.files, low=1, high=100_000)


class Sandbox:
    """A process that runs one submitted notebook, with a home and a folder of its own.

    Args:
        limits: what it may use.

    Attributes:
        held: which of `PROTECTIONS` hold.

    Raises:
        RuntimeError: it could not be started.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._around = Path(tempfile.mkdtemp(prefix="tusklite-grading-", dir=_TEMPORARY[0]))
        self._folder = self._around / "work"
        self._folder.mkdir()
        uid = _other_uid()
        environment = _environment(self._folder)
        for name in ("HOME", "TMPDIR", "TUSKLITE_RUNS", "TUSKLITE_CACHE", "MPLCONFIGDIR"):
            Path(environment[name]).mkdir(exist_ok=True)
        if uid is not None:
            self._around.chmod(0o755)
            for path in [self._folder, *self._folder.rglob("*")]:
                os.chown(path, uid, uid)
        job = {
            "folder": str(self._folder),
            "environment": environment,
            "module": "tusklite.course.classroom.inside",
            "read": _readable_places(),
            "uid": uid,
            "keep_reading": uid is not None and not _others_can_read(Path(sys.base_prefix), Path(sys.prefix)),
            "limits": {
                "seconds": limits.seconds + STARTING,
                "memory": limits.memory << 20,
                "processes": limits.processes,
                "files": limits.files << 20,
            },
        }
        ours, theirs = socket.socketpair()
        ours.settimeout(60.0)  # where nobody takes what is sent
        life, self._alive = os.pipe()
        self._reported, report = os.pipe()
        self._errors = (self._around / "errors").open("wb+")
        self._closed = False
        try:
            self._pid = _starter().start(job, [theirs.fileno(), life, report, self._errors.fileno()])
        finally:
            theirs.close()
            os.close(life)
            os.close(report)
        self._socket = ours
        self._channel = Channel(ours)
        self._began = time.monotonic()
        self._report: dict[str, Any] | None = None
        self._overdue = self._last = ""
        try:
            self.held = list(json.loads(self._channel.receive(self._began + STARTING))["held"])
            self._began = time.monotonic()
        except (ChannelClosed, ValueError, KeyError) as reason:
            self.close()
            raise RuntimeError(f"grading: no process could be started ({reason}): {self.said()}") from reason

    def ask(self, request: Mapping[str, object], seconds: float) -> dict[str, Any]:
        """Ask for something, and wait for it.

        Raises:
            ChannelClosed: it is gone, or takes too long, and is ended then.
        """
        soon, late = time.monotonic() + seconds, self._began + self.limits.seconds
        try:
            return self._channel.ask(request, min(soon, late))
        except ChannelEnded:
            select.select([self._reported], [], [], 30.0)  # the process that watches is about to say why
            raise
        except ChannelClosed:
            now = time.monotonic()
            self._overdue = "seconds" if now >= late else "cell_seconds" if now >= soon else ""
            raise

    def why_it_ended(self) -> str:
        """In a reader's words."""
        report = self._report or {}
        ended, code = report.get("ended"), report.get("code")
        left = f" ({signal.Signals(code - 128).name})" if code in [128 + number for number in signal.Signals] else ""
        ended = self._overdue if ended == "the grader" and self._overdue else ended
        return ENDED.get(str(ended), ENDED["itself"]).format(code=left, **dataclasses.asdict(self.limits))

    def said(self) -> str:
        """The last line that it said before it was locked in."""
        with contextlib.suppress(OSError, ValueError):
            self._errors.seek(0)
            lines = self._errors.read(100_000).decode(errors="replace").strip().splitlines()
            self._last = lines[-1] if lines else ""
        return self._last

    def close(self) -> None:
        """End it and all that it started, and remove its folder."""
        if self._closed:
            return
        self._closed = True
        os.close(self._alive)  # the process that watches sees this, ends all, and reports
        content, until = b"", time.monotonic() + 60
        with contextlib.suppress(OSError):
            while select.select([self._reported], [], [], max(0.0, until - time.monotonic()))[0]:
                part = os.read(self._reported, 4096)
                content += part
                if not part:
                    break
            else:
                os.kill(self._pid, signal.SIGKILL)
        with contextlib.suppress(ValueError):
            self._report = json.loads(content)
        os.close(self._reported)
        self._socket.close()
        self.said()
        self._errors.close()
        shutil.rmtree(self._around, ignore_errors=True)


class _Starter:
    """A process that has loaded the libraries, and is copied for each notebook."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.control = ours
        self.folder = tempfile.mkdtemp(prefix="tusklite-grading-", dir=_TEMPORARY[0])
        os.chmod(self.folder, 0o755)
        environment = _environment(Path(self.folder))
        _copy_fonts(Path(environment["MPLCONFIGDIR"]))
        words = "import socket, sys; from tusklite.course.classroom import confinement, inside; "
        words += "confinement.start_on_demand(socket.socket(fileno=int(sys.argv[1])))"
        self.process = subprocess.Popen(
            [sys.executable, "-s", "-c", words, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            cwd=self.folder,
            env=environment,
            start_new_session=True,
        )
        theirs.close()
        atexit.register(self.end)

    def start(self, job: Mapping[str, object], descriptors: list[int]) -> int:
        """Have it copied for a job; the number of the process that watches."""
        try:
            socket.send_fds(self.control, [json.dumps(job).encode()], descriptors)
            content = self.control.recv(8)
        except OSError as reason:
            content = str(reason).encode()
        if len(content) != 8:
            raise RuntimeError("grading: the process that starts others has ended; what it said is above")
        return int.from_bytes(content, "little")

    def end(self) -> None:
        """End it, and what it started."""
        self.control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


def work_in(folder: str) -> None:
    """Have the folders of notebooks made in this one, which whoever made it removes."""
    _TEMPORARY[0] = folder


@functools.cache
def _starter() -> _Starter:
    return _Starter()


@functools.cache
def protections_held() -> tuple[str, ...]:
    """Which of `PROTECTIONS` this system gives, found out by a process that is started for it.

    Raises:
        RuntimeError: it cannot be started at all, as on systems other than Linux.
    """
    if sys.platform != "linux":
        raise RuntimeError(f"grading: this is {sys.platform}; submitted notebooks are locked in by what Linux offers")
    sandbox = Sandbox(Limits())
    try:
        return tuple(name for name in PROTECTIONS if name in sandbox.held)
    finally:
        sandbox.close()


def _other_uid() -> int | None:
    """Whom a submitted notebook runs as where root grades; None: whoever grades."""
    return 59_000 + os.getpid() % 1000 if os.geteuid() == 0 else None


def _others_can_read(*places: Path) -> bool:
    """Whether everybody can reach these folders."""
    every = {parent for place in places for parent in [place.resolve(), *place.resolve().parents]}
    return all(place.stat().st_mode & 0o5 == 0o5 for place in every)


def _readable_places() -> list[str]:
    """What lessons need to read: Python and its libraries, this package, the system's libraries, the data."""
    root = source_root()
    places = [sys.prefix, sys.base_prefix, os.path.dirname(tusklite.__file__), *site.getsitepackages()]
    places += [path for path in sys.path if path.endswith((".zip", "site-packages", "dist-packages", "lib-dynload"))]
    places += ["/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/etc/mime.types"]
    places += ["/sys/devices/system/cpu", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat"]
    places += [str(root / name) for name in ("results", "data")] if root else []
    data, _ = data_folder(None)
    places.append(str(data))
    return sorted({place for place in places if os.path.exists(place)})


def _environment(folder: Path) -> dict[str, str]:
    """All that a submitted notebook sees of the grader's environment."""
    data, _ = data_folder(None)
    own = {
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "TUSKLITE_RUNS": str(folder / "runs"),
        "TUSKLITE_CACHE": str(folder / "cache"),
        "MPLCONFIGDIR": str(folder / "matplotlib"),
        "IPYTHONDIR": str(folder / "home"),
        "PYTHONPATH": str(Path(tusklite.__file__).parents[1]),
        "TUSKLITE_DATA": str(data),
        "TUSKLITE_PROFILE": "ci",
        "MPLBACKEND": "Agg",
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
    }
    return own | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def _copy_fonts(folder: Path) -> None:
    """What matplotlib found out of the system's fonts, so that it does not look for them again each time."""
    import matplotlib

    folder.mkdir(parents=True, exist_ok=True)
    for path in Path(matplotlib.get_cachedir()).glob("fontlist-*.json"):
        with contextlib.suppress(OSError):
            shutil.copy(path, folder)
