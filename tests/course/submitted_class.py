"""A class of made-up students: right answers, wrong ones, none, and notebooks that mean harm."""

from __future__ import annotations

import json
from pathlib import Path

from tusklite.course.classroom.exercises import Exercise, exercises_of
from tusklite.places import notebook_path

LESSON = notebook_path("02")
CENTRE, SPREAD, MATRIX = exercises_of(LESSON)
TURNED = CENTRE.answer.replace(
    "torch.stack([weights.sum(dim=1) @ x, weights.sum(dim=2) @ y]",
    "torch.stack([weights.sum(dim=2) @ y, weights.sum(dim=1) @ x]",
)
ROOT_OF_IT = SPREAD.answer.replace(".sum(dim=-1)).sum(dim=-1)", ".sum(dim=-1)).sum(dim=-1).sqrt()")
ALL = [CENTRE.answer, SPREAD.answer, MATRIX.answer]


def in_vain(exercise: Exercise, body: str) -> str:
    """An exercise's cell whose function has this body."""
    indented = "\n".join(f"    {line}" for line in body.splitlines())
    return exercise.stub.replace("    ...", indented)


def tells(exercise: Exercise, attempt: str) -> str:
    """A cell that would define an exercise's function, did an attempt before it not raise what came of it."""
    return f"{attempt}\n\n\ndef {exercise.name}(*inputs): ..."


# What a notebook tries, and what its three exercises are to get: status, and a part of the message.
RIGHT = ("done", "")
MEANT: dict[str, tuple[list[str], list[tuple[str, str]]]] = {
    "right": (ALL, [RIGHT, RIGHT, RIGHT]),
    "wrong": (
        [TURNED, ROOT_OF_IT, MATRIX.answer],
        [("wrong", "you gave (y, x)"), ("wrong", "standard deviation"), RIGHT],
    ),
    "empty": ([CENTRE.stub, SPREAD.stub, MATRIX.stub], [("not tried yet", "replace the dots")] * 3),
    "nothing": ([], [("missing", "no function `")] * 3),
    "broken": (
        [CENTRE.answer.replace("return", "return return"), SPREAD.answer],
        [("wrong", "the cell that defines `centre_of_mass` raised SyntaxError"), RIGHT, ("missing", "")],
    ),
    "endless": (
        [
            "import time\nwhile True:\n    time.sleep(0.1)",
            CENTRE.answer,
            in_vain(SPREAD, "while True:\n    time.sleep(0.1)"),
            MATRIX.answer,
        ],
        [RIGHT, ("stopped", "took longer than"), RIGHT],
    ),
    "stubborn": (
        [
            CENTRE.answer,
            "import time\nwhile True:\n    try:\n        time.sleep(1000)\n    except BaseException:\n        pass",
            SPREAD.answer,
        ],
        [RIGHT, ("stopped", "would not be stopped"), ("stopped", "would not be stopped")],
    ),
    "forks": (  # two thousand at most, and each of them ends by itself
        [
            "import os, time\nfor _ in range(2000):\n    try:\n        child = os.fork()\n"
            "    except OSError as error:\n        refused = error\n        break\n"
            "    if child == 0:\n        time.sleep(120)\n        os._exit(0)",
            tells(CENTRE, "raise RuntimeError(f'{refused.strerror} after {_}')"),
            SPREAD.answer,
        ],
        [("wrong", "temporarily unavailable after"), RIGHT, ("missing", "")],
    ),
    "prints": (  # a gigabyte, if nobody stops it
        ["for _ in range(1000):\n    print('x' * 1_000_000)", *ALL],
        [RIGHT, RIGHT, RIGHT],
    ),
    "writes": (  # a gigabyte in one file, and then in many
        [
            tells(
                CENTRE,
                "with open('big', 'wb') as file:\n    for _ in range(1000):\n        file.write(bytes(1_000_000))",
            ),
            "import time\nfor n in range(100):\n    open(f'{n}', 'wb').write(bytes(10_000_000))\n    time.sleep(0.05)\n"
            "time.sleep(5)",
            SPREAD.answer,
        ],
        [("wrong", "raised OSError"), ("stopped", "MB of files"), ("stopped", "")],
    ),
    "remembers": (  # eight gigabytes, if there are
        [tells(CENTRE, "kept = bytearray(8 << 30)\nkept[::4096] = b'x' * len(kept[::4096])"), SPREAD.answer],
        [("wrong", "raised MemoryError"), RIGHT, ("missing", "")],
    ),
    "kills": (
        [
            "import os, signal\nfor victim in (os.getppid(), 1, -1, 0):\n"
            "    try:\n        os.kill(victim, signal.SIGKILL)\n    except OSError:\n        pass",
            *ALL,
        ],
        [RIGHT, RIGHT, RIGHT],
    ),
    "leaves": (["import os\nos._exit(0)", *ALL], [("stopped", "ended by itself")] * 3),
    "says-done": (
        [
            "import sys, torch\nfrom tusklite.course import comparison, equivariance, shortcuts, verdict\n"
            "done = verdict.Verdict('done', 'the centre of any map')\n"
            "torch.allclose = lambda *inputs, **options: True\ncomparison.close = torch.allclose\n"
            "verdict.answer_tensor = None\nequivariance.check_centre_of_mass = lambda answer: done\n"
            "from tusklite.course.equivariance import checks\nchecks.check_spread = checks.close = torch.allclose",
            in_vain(CENTRE, "return torch.zeros(len(weights), 2)").replace(
                "from tusklite", "import torch\nfrom tusklite"
            ),
            "check_centre_of_mass = lambda answer: done\nprint('✔ done: the centre of any map')\ndone",
        ],
        [("wrong", "on random maps of 5 x 8"), ("missing", ""), ("missing", "")],
    ),
    "looks-up": (  # the right answer, in what called it
        [
            in_vain(
                CENTRE,
                "import sys\nframe = sys._getframe()\nwhile frame is not None:\n    if 'wanted' in frame.f_locals:\n"
                "        return frame.f_locals['wanted'].float()\n    frame = frame.f_back\nreturn weights[:, 0, :2]",
            )
        ],
        [("wrong", "on random maps of 5 x 8"), ("missing", ""), ("missing", "")],
    ),
    "no-notebook": ([], [("missing", "no notebook that can be read")] * 3),
    "absent": ([], [("not handed in", "nothing was handed in")] * 3),
    "twice": (ALL, [("missing", "several notebooks for one lesson")] * 3),
}


def hand_in(folder: Path, secret: Path) -> None:
    """Write what the class hands in.

    Args:
        folder: a new one.
        secret: a file outside of it that no notebook may read.
    """
    reads = tells(CENTRE, f"raise RuntimeError('it says ' + open({str(secret)!r}).read())")
    lists = tells(SPREAD, f"import os\nraise RuntimeError(os.listdir({str(secret.parent)!r}))")
    calls = tells(MATRIX, "import socket\nsocket.create_connection(('127.0.0.1', 9))")
    for student, cells in {
        "reads": [reads, lists, calls],
        **{name: cells for name, (cells, _) in MEANT.items()},
    }.items():
        place = folder / student / "week-2"
        place.mkdir(parents=True)
        if student == "no-notebook":
            (place / LESSON.name).write_text("{", encoding="utf-8")
        elif student != "absent":
            for copy in ("Copy of ", "") if student == "twice" else ("",):
                write_submission(place / f"{copy}{LESSON.name}", cells)


def write_submission(path: Path, cells: list[str], student: str | None = None) -> None:
    """Write a notebook with these cells of code."""
    about: dict[str, str] = {"lesson": LESSON.stem} | ({} if student is None else {"student": student})
    code = [
        {"cell_type": "code", "execution_count": None, "id": f"c{n}", "metadata": {}, "outputs": [], "source": source}
        for n, source in enumerate(cells)
    ]
    notebook = {"cells": code, "metadata": {"tusklite": about}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook), encoding="utf-8")
