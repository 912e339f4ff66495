"""Who grades one notebook: runs it in a process that can harm nothing, and looks at what its functions give."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import functools
import json
import os
import re
import select
import shutil
import signal
import site
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import tusklite
from tusklite.arguments import require_integer, require_number
from tusklite.course.classroom.confinement import PROTECTIONS
from tusklite.course.classroom.exercises import Exercise
from tusklite.course.classroom.wire import Channel, ChannelClosed, ChannelEnded, by_value, decode
from tusklite.course.shortcuts import COUNTED, LOOKED_FOR
from tusklite.course.variants import shift_of, variant
from tusklite.course.verdict import Verdict, WrongAnswer
from tusklite.places import data_folder, source_root

__all__ = ["Limits", "Outcome", "Sandbox", "grade_notebook", "protections_held", "work_in"]

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


@dataclass(frozen=True)
class Outcome:
    """What came of an exercise.

    Attributes:
        status: a check's, or "stopped", or "missing".
        message: what the check said, or what happened.
    """

    status: str
    message: str


def grade_notebook(
    cells: Sequence[str], exercises: Sequence[Exercise], limits: Limits, student: str, number: str | None = None
) -> dict[str, Outcome]:
    """Run a submitted notebook, and find out which of a lesson's exercises it solves.

    Args:
        cells: the sources of its code cells.
        exercises: the lesson's.
        limits: what it may use.
        student: whose it is.
        number: which the data of its copy were drawn from; None: those that all have.

    Returns:
        An outcome for each exercise, by its number.
    """
    sandbox = Sandbox(limits)
    outcomes: dict[str, Outcome] = {}
    failed: dict[str, str] = {}
    ended = ""
    try:
        room = f"tusklite.course.{exercises[0].lesson.partition('_')[2]}"
        sandbox.ask({"do": "load", "room": room}, STARTING)
        by_name = {exercise.name: exercise for exercise in exercises}
        watch = [(name, f"{room}.check_{name}") for name in by_name]
        for source in cells[: _last_that_matters(cells, list(by_name))]:
            request = {"do": "run", "source": source, "watch": watch, "seconds": limits.cell_seconds}
            reply = sandbox.ask(request, limits.cell_seconds + 10)
            for name, exercise in by_name.items():
                if f"def {name}" in source and (reply["error"] or reply["stopped"]):
                    failed[exercise.number] = _line(str(reply["error"]) or f"took over {limits.cell_seconds:g} s")
            for name in reply["bound"]:
                outcomes[by_name[name].number] = _judge(sandbox, by_name[name], room, student, number)
    except Exception:  # whatever it says, it can spoil nobody's grades but its own
        sandbox.close()
        ended = sandbox.why_it_ended()
    finally:
        sandbox.close()
    for exercise in exercises:
        said = ended or f"no function `{exercise.name}` in the notebook"
        outcome = Outcome("stopped" if ended else "missing", said)
        if exercise.number in failed:
            said = f"the cell that defines `{exercise.name}` raised {failed[exercise.number]}"
            outcome = Outcome("wrong", said)
        outcomes.setdefault(exercise.number, outcome)
    return outcomes


def _judge(sandbox: Sandbox, exercise: Exercise, room: str, student: str, number: str | None) -> Outcome:
    """Look at one function: on the data of its copy, and on others, which a table of answers does not have."""
    first = _verdict(sandbox, exercise, room, number)
    if first.status != "done":
        return first
    own = None if number is None else shift_of(number)
    other = next(f"{student}+{k}" for k in range(1000) if shift_of(f"{student}+{k}") != own)
    second = _verdict(sandbox, exercise, room, other)
    if second.status == "done":
        return first
    said = f"right on the data of the copy, not on other data: {second.message}"
    return Outcome(second.status if second.status == "stopped" else "wrong", said)


def _verdict(sandbox: Sandbox, exercise: Exercise, room: str, number: str | None) -> Outcome:
    answer = RemoteAnswer(sandbox, exercise.name)
    with variant(number):
        verdict = exercise.check(answer)
    if answer.needs_company:
        seconds = sandbox.limits.cell_seconds
        request = {"do": "check", "name": exercise.name, "room": room, "student": number, "seconds": seconds}
        reply = sandbox.ask(request, seconds + 10)
        answer.stopped = bool(reply.get("stopped"))
        if not answer.stopped:
            verdict = Verdict(str(reply["status"]), str(reply["message"]))
    if answer.gone is not None:
        raise answer.gone
    if answer.stopped:
        return Outcome("stopped", f"`{exercise.name}` took longer than {sandbox.limits.cell_seconds:g} s")
    if verdict.status not in ("done", "wrong", "not tried yet"):
        raise ChannelClosed("no verdict")
    return Outcome(verdict.status, _line(verdict.message))


class RemoteAnswer:
    """A reader's function that is called in its own process, as a check calls any function.

    What cannot go there as a copy, such as a network, another function or a tensor that needs a gradient, is not sent:
    `needs_company` says then that the check has to come to the function.
    """

    def __init__(self, sandbox: Sandbox, name: str) -> None:
        self.sandbox, self.__name__ = sandbox, name
        self.needs_company, self.stopped = False, False
        self.gone: ChannelClosed | None = None

    def __call__(self, *inputs: object) -> object:
        """What the function gives, or raises."""
        counting, looked_for = list(COUNTED), list(LOOKED_FOR)
        calls = [counted.calls for counted in counting]
        try:
            return self._call(inputs, looked_for, counting, calls)
        finally:
            for counted, before in zip(counting, calls, strict=True):
                counted.calls = before

    def _call(self, inputs: tuple[object, ...], looked_for: list, counting: list, calls: list[int]) -> object:
        if self.stopped or self.gone or self.needs_company or not all(map(by_value, inputs)):
            self.needs_company = self.needs_company or not (self.stopped or self.gone)
            raise RuntimeError("not sent")
        forbidden = [function for functions, _ in looked_for for function in functions]
        seconds = self.sandbox.limits.cell_seconds
        request = {
            "do": "call",
            "name": self.__name__,
            "inputs": inputs,
            "forbidden": forbidden,
            "count": bool(counting),
            "gradient": torch.is_grad_enabled(),
            "seconds": seconds,
        }
        try:
            reply = self.sandbox.ask(request, seconds + 10)
            if reply.get("stopped"):
                self.stopped = True
                raise RuntimeError("stopped")
            for place in reply["called"]:
                for functions, called in looked_for:
                    called += [function for function in functions if function is forbidden[place]]
            calls[:] = [before + int(reply["calls"]) for before in calls]
            raised = reply.get("raised")
            result = None if raised else decode(reply["result"])
        except (ChannelClosed, KeyError, TypeError, ValueError, IndexError, AttributeError) as reason:
            self.gone = reason if isinstance(reason, ChannelClosed) else ChannelClosed("what came is no reply")
            raise RuntimeError("gone") from reason
        if raised:
            raise _error(*raised)
        if reply.get("changed"):
            raise WrongAnswer("you changed the input that was given: work on a copy, its owner still needs it")
        return result


def _error(name: object, said: object, is_a_stub: object) -> BaseException:
    """An error as it was raised in the other process, as far as it can be told here."""
    if is_a_stub:
        return NotImplementedError(str(said))
    if name == "WrongAnswer":
        return WrongAnswer(str(said))
    kind = type(str(name).replace("\0", "")[:100] or "Error", (Exception,), {})
    return kind(str(said))


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


def _last_that_matters(cells: Sequence[str], names: Sequence[str]) -> int:
    """How many cells have to run: up to the last that names a function that is asked for."""
    naming = [place for place, source in enumerate(cells, start=1) if any(name in source for name in names)]
    return max(naming, default=0)


def _line(text: str) -> str:
    """A message in one line of a table."""
    line = re.sub(r" \(<ipython-input[^>]*>, (line \d+)\)", r" (\1)", " ".join(text.split()))
    return "".join(letter if letter.isprintable() else "�" for letter in line)[:1000]


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
