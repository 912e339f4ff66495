"""Who grades one notebook: has it run in a process of its own, and looks at what its functions give."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from tusklite.course.classroom.exercises import Exercise
from tusklite.course.classroom.sandbox import STARTING, Limits, Sandbox
from tusklite.course.classroom.wire import ChannelClosed, by_value, decode
from tusklite.course.shortcuts import COUNTED, LOOKED_FOR
from tusklite.course.variants import shift_of, variant
from tusklite.course.verdict import Verdict, WrongAnswer

__all__ = ["Outcome", "grade_notebook"]


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


def _last_that_matters(cells: Sequence[str], names: Sequence[str]) -> int:
    """How many cells have to run: up to the last that names a function that is asked for."""
    naming = [place for place, source in enumerate(cells, start=1) if any(name in source for name in names)]
    return max(naming, default=0)


def _line(text: str) -> str:
    """A message in one line of a table."""
    line = re.sub(r" \(<ipython-input[^>]*>, (line \d+)\)", r" (\1)", " ".join(text.split()))
    return "".join(letter if letter.isprintable() else "�" for letter in line)[:1000]
