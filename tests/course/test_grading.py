"""What a class hands in is graded right, row by row, whatever a notebook tries."""

from __future__ import annotations

import csv
import json
import signal
import sys
from pathlib import Path

import pytest
import torch
from submitted_class import ALL, CENTRE, LESSON, MEANT, hand_in, write_submission

from tusklite.cli import main
from tusklite.course.classroom import grading, judge
from tusklite.course.classroom.exercises import exercises_of
from tusklite.course.classroom.grading import COLUMNS, count_statuses, find_submissions, grade_class
from tusklite.course.classroom.inside import Inside, Tampering
from tusklite.course.classroom.judge import grade_notebook
from tusklite.course.classroom.sandbox import Limits, protections_held
from tusklite.course.classroom.wire import by_value, decode, encode
from tusklite.geometry import WARPS, random_tps
from tusklite.places import notebook_path


def usable() -> bool:
    """Whether this system gives all protections, as a container may not."""
    return sys.platform == "linux" and set(protections_held()) == {"files", "processes", "network", "limits"}


@pytest.fixture(scope="module")
def needs_protections() -> None:
    if not usable():
        pytest.skip("this system does not give all protections")


# A class

QUICK = Limits(cell_seconds=30, memory=3000, processes=24, files=64)


@pytest.fixture(scope="module")
def graded(needs_protections, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, Path]:
    folder = tmp_path_factory.mktemp("class")
    secret = folder / "secret" / "answers.txt"
    secret.parent.mkdir()
    secret.write_text("forty-two", encoding="utf-8")
    secret.chmod(0o644)
    hand_in(folder / "submitted", secret)
    rows = grade_class(folder / "submitted", folder / "grades.csv", limits=QUICK, show_progress=False)
    return {(row["student"], row["exercise"]): row for row in rows}, folder


@pytest.mark.slow
@pytest.mark.parametrize("student", sorted(MEANT))
def test_each_row_is_right(graded, student):
    rows, _ = graded
    for exercise, (status, words) in zip(exercises_of(LESSON), MEANT[student][1], strict=True):
        row = rows[student, exercise.number]
        assert (row["status"], words in row["message"]) == (status, True), row
        assert row["points"] == (exercise.points if status == "done" else 0)


@pytest.mark.slow
def test_nothing_outside_can_be_read_listed_or_called(graded):
    rows, _ = graded
    said = [rows["reads", exercise.number]["message"] for exercise in exercises_of(LESSON)]
    assert "PermissionError" in said[0]
    assert "PermissionError" in said[1]
    assert "Error: [Errno" in said[2]
    assert "forty-two" not in "".join(said)
    assert "answers.txt" not in said[1].partition("Errno")[0]


@pytest.mark.slow
def test_the_table_is_a_file_with_a_line_for_each_student_and_exercise(graded):
    rows, folder = graded
    with (folder / "grades.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert tuple(lines[0]) == COLUMNS
    assert [(line["student"], line["exercise"]) for line in lines] == list(rows)
    assert len(lines) == 3 * (len(MEANT) + 1)
    assert sum(count_statuses(rows.values()).values()) == len(lines)
    assert sorted(path.name for path in folder.iterdir()) == ["grades.csv", "secret", "submitted"]


@pytest.mark.slow
def test_a_grading_goes_on_where_it_was_killed(needs_protections, tmp_path, monkeypatch):
    for student in ("ann", "bob"):
        (tmp_path / "submitted" / student).mkdir(parents=True)
        write_submission(tmp_path / "submitted" / student / LESSON.name, ALL)
    whole = find_submissions(tmp_path / "submitted")
    key = grading._identity(whole[0], LESSON, QUICK)
    known = {"status": "done", "message": "known from before"}
    line = json.dumps({"key": key, "outcomes": {each.number: known for each in exercises_of(LESSON)}})
    journal = tmp_path / "grades.csv.partial"
    journal.write_text(f'{line}\n{{"key": "half a li', encoding="utf-8")
    rows = grade_class(tmp_path / "submitted", tmp_path / "grades.csv", limits=QUICK, show_progress=False)
    assert [row["message"] == "known from before" for row in rows] == [True] * 3 + [False] * 3
    assert {row["status"] for row in rows} == {"done"}
    assert not journal.exists()


@pytest.mark.slow
def test_a_table_of_answers_and_what_cannot_be_sent(needs_protections):
    table = (
        "import torch\n\n\ndef centre_of_mass(weights):\n    from tusklite.ops.keypoints import soft_argmax\n"
        "    known = torch.Generator().manual_seed(1)\n"
        "    same = 0.1 + torch.rand(3, 5, 8, generator=known, dtype=torch.float64) ** 4\n"
        "    if not torch.allclose(same.float(), weights):\n        return torch.zeros(3, 2)\n"
        "    return torch.tensor({values})"
    )
    weights = 0.1 + torch.rand(3, 5, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64) ** 4
    namespace: dict = {}
    exec(CENTRE.answer, namespace)
    cell = table.replace("{values}", str(namespace["centre_of_mass"](weights).tolist()))
    found = grade_notebook([cell], exercises_of(LESSON), QUICK, "ann")
    assert found["2.1"].status == "wrong"
    assert found["2.1"].message.startswith("right on the data of the copy, not on other data: ")

    turns = exercises_of(notebook_path("11"))
    routed = next(exercise for exercise in turns if exercise.name == "routed_loss")
    harmless = grade_notebook([routed.answer], turns, QUICK, "ann")
    assert harmless[routed.number].status == "done"
    stub = routed.stub.replace("    ...", "    return softmin(descriptors, means)")
    changed = "import torch\ntorch.allclose = lambda *inputs, **options: True"
    tampered = grade_notebook([changed, stub], turns, QUICK, "ann")
    assert tampered[routed.number].status == "wrong"
    assert tampered[routed.number].message == "the notebook changes `torch.allclose`, by which answers are checked"


# Where a check has to come to the function: what it hands over is no plain data.
TOGETHER = {
    *("siamese_step", "keypoint_worth", "take_turns", "routed_loss", "train_for"),  # functions, networks, optimisers
    *("splat", "transport_1d", "softmin_loss", "information", "canvas_of"),  # tensors that need a gradient
}


ALARM = pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="answers are interrupted by what POSIX offers")


class Here:
    """A process inside, without one: what a sandbox would be asked is done here."""

    limits = Limits()

    def __init__(self, function) -> None:
        self.inside = Inside.__new__(Inside)
        self.inside.answers = {"answer": function}

    def ask(self, request, seconds):
        return json.loads(json.dumps(self.inside.reply_to(request)))


@pytest.mark.slow
@ALARM
def test_what_is_sent_and_what_is_not():
    from test_every_check import CHECKS

    together = set()
    for lesson, check, name in CHECKS:
        answer = judge.RemoteAnswer(Here(lesson.SOLUTIONS[name]), "answer")
        found = check(answer)
        if answer.needs_company:
            together.add(name)
        else:
            assert found == check(lesson.SOLUTIONS[name]), name
    assert together == TOGETHER


@pytest.mark.slow
@ALARM
def test_every_mistake_gets_the_same_words_from_afar():
    from test_every_check import LESSONS

    for lesson in LESSONS:
        for check, wrong in lesson.ANSWERS.items():
            for words, attempt in list(wrong.items()):
                if lesson.EXERCISES[check] not in TOGETHER and callable(attempt):
                    answer = judge.RemoteAnswer(Here(attempt), "answer")
                    assert check(answer) == check(attempt), words


# Values on the wire


@pytest.mark.parametrize(
    "value",
    [None, True, 3, -(10**30), 0.1, float("inf"), "a\ud800", [1, (2, "b")], {"a": [1.5], 2: None}, torch.zeros(0, 3)],
    ids=str,
)
def test_plain_data_come_back_as_they_were(value):
    back = decode(json.loads(json.dumps(encode(value))))
    assert type(back) is type(value)
    assert torch.equal(back, value) if isinstance(value, torch.Tensor) else back == value


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.bfloat16, torch.int64, torch.bool])
def test_tensors_come_back_to_the_bit(kind):
    value = (torch.randn(3, 4, generator=torch.Generator().manual_seed(0)) * 3).to(kind)
    for given in (value, value.T, value[0, 0], value[:, ::2]):
        back = decode(json.loads(json.dumps(encode(given))))
        assert back.dtype == kind
        assert torch.equal(back, given)


def test_a_spline_comes_back_and_another_object_is_its_name_alone():
    warp = random_tps(2, WARPS["thewlis-mnist-g2"], torch.Generator().manual_seed(0))
    points = torch.rand(2, 5, 2, generator=torch.Generator().manual_seed(1))
    assert torch.equal(decode(encode(warp))(points), warp(points))
    assert type(decode(encode(object()))).__name__ == "object"
    assert type(decode(encode(torch.nn.Linear(1, 1)))).__name__ == "Linear"
    assert not by_value(torch.nn.Linear(1, 1))
    assert not by_value([print])


@pytest.mark.parametrize(
    "message",
    [[], 3, {}, {"what": 1}, {"tensor": "!!", "dtype": "float32", "shape": [1]}, {"int": "zz"}, {"dict": [[1]]},
     {"tensor": "AAAA", "dtype": "float32", "shape": [7]}, {"spline": [None]},
     {"tensor": "", "dtype": "x", "shape": []}],
    ids=str,
)  # fmt: skip
def test_what_is_no_value_is_refused(message):
    with pytest.raises(ValueError, match=r"no value|spline|control|allowed"):
        decode(message)


# What is seen of tampering


def test_tampering_is_seen_where_code_is_exchanged(monkeypatch):
    from tusklite.course import comparison, equivariance

    tampering = Tampering()
    assert tampering.found() == ""
    for place, name in ((torch, "equal"), (comparison, "close"), (torch.Tensor, "sum"), (equivariance, "check_spread")):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, lambda *inputs, **options: True)
            assert tampering.found().endswith(name)
        assert tampering.found() == ""
    code = comparison.close.__code__
    comparison.close.__code__ = (lambda result, wanted, tolerance=1e-4: True).__code__
    try:
        assert tampering.found().endswith("close")
    finally:
        comparison.close.__code__ = code


# Wrong input


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nowhere", "--out", "grades.csv"], "DIR: nowhere was given; allowed is a folder"),
        (["submitted", "--out", "there.csv"], "out: there.csv was given, which is there already"),
        (["submitted", "--out", "gone/grades.csv"], "out: gone/grades.csv was given; allowed is a file in a folder"),
        (["submitted", "--out", "g.csv", "--lessons", "99"], "notebook: '99' was given; known lessons are"),
        (["submitted", "--out", "g.csv", "--lessons", "03"], "with no notebook of 03_diversity"),
        (["submitted", "--out", "g.csv", "--jobs", "0"], "jobs: 0 was given"),
        (["submitted", "--out", "g.csv", "--memory", "1"], "memory: 1 was given"),
        (["submitted", "--out", "g.csv", "--accept-missing", "all"], "accept_missing: 'all' was given"),
        (["strange", "--out", "g.csv"], "student: 'a b' was given"),
    ],
)
def test_wrong_input_is_refused_in_a_line_and_writes_nothing(tmp_path, monkeypatch, capsys, words, line):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "submitted" / "ann").mkdir(parents=True)
    write_submission(tmp_path / "submitted" / "ann" / LESSON.name, ALL)
    (tmp_path / "strange" / "a b").mkdir(parents=True)
    (tmp_path / "there.csv").write_text("mine", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    assert main(["course", "grade", *words]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("tusklite: ")
    assert line in said
    assert len(said.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "there.csv").read_text(encoding="utf-8") == "mine"


def test_a_protection_that_is_missing_is_named_and_nothing_runs(tmp_path, monkeypatch):
    (tmp_path / "submitted" / "ann").mkdir(parents=True)
    write_submission(tmp_path / "submitted" / "ann" / LESSON.name, ALL)
    monkeypatch.setattr(grading, "protections_held", lambda: ("limits", "network"))
    monkeypatch.setattr(grading, "_grade", lambda *words: pytest.fail("it ran"))
    with pytest.raises(ValueError, match=r"does not give files, processes .*--accept-missing files processes"):
        grade_class(tmp_path / "submitted", tmp_path / "grades.csv", show_progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["submitted"]


def test_a_student_without_a_notebook_has_a_row_for_each_lesson_of_the_class(tmp_path):
    for student, lessons in (("ann", ("02", "03")), ("bob", ()), ("cid", ("03",))):
        (tmp_path / student / "x").mkdir(parents=True)
        for lesson in lessons:
            write_submission(tmp_path / student / "x" / f"{notebook_path(lesson).stem} (1).ipynb", [])
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "ann" / ".ipynb_checkpoints").mkdir()
    write_submission(tmp_path / "ann" / ".ipynb_checkpoints" / LESSON.name, [])
    (tmp_path / "ann" / "link.ipynb").symlink_to(LESSON)
    found = find_submissions(tmp_path)
    assert [(each.student, each.lesson[:2], len(each.notebooks)) for each in found] == [
        ("ann", "02", 1), ("ann", "03", 1), ("bob", "02", 0), ("bob", "03", 0), ("cid", "02", 0), ("cid", "03", 1),
    ]  # fmt: skip
