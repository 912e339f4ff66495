"""Lessons executed through papermill: what they are given, where they land, and what is left where one fails."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import weakref
from pathlib import Path
from types import SimpleNamespace

import nbformat
import papermill
import pytest

from tusklite.course.lessons import LessonFailed, lesson_parameters, read_notebook, run_notebook
from tusklite.course.parameter_cells import SETTINGS, checked_parameters, parameters_of
from tusklite.files import FileNotWritten
from tusklite.places import notebook_path
from tusklite.train.run_folder import FolderInUse, owned_folder

PARAMETERS = 'profile = "lite"\nseed = 0\nrun_dir = ""'


def lesson(path: Path, *cells: str, parameters: str = PARAMETERS) -> Path:
    """A notebook of a parameters cell and some more."""
    first = nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})
    notebook = nbformat.v4.new_notebook(cells=[first, *map(nbformat.v4.new_code_cell, cells)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    return path


def test_unknown_parameters_are_refused_with_the_known_ones(tmp_path: Path) -> None:
    path = lesson(tmp_path / "07_tiny.ipynb")
    with pytest.raises(
        ValueError, match=r"parameters: depth, sead was given; allowed for 07_tiny are profile, seed, run_dir$"
    ):
        run_notebook(str(path), {"sead": 1, "seed": 1, "depth": 2}, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    plain = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(1)")], metadata={})
    nbformat.write(plain, tmp_path / "08_plain.ipynb")
    with pytest.raises(ValueError, match="seed was given; allowed for 08_plain are none"):
        run_notebook(str(tmp_path / "08_plain.ipynb"), {"seed": 1}, tmp_path / "run")


def test_a_cell_that_fails_leaves_the_notebook_as_far_as_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUSKLITE_RUNS", str(tmp_path / "runs"))
    path = lesson(tmp_path / "07_a_tiny_lesson.ipynb", "print(profile, seed, run_dir)", "1 / 0")
    with pytest.raises(LessonFailed) as failed:
        run_notebook(str(path), {"profile": "ci", "seed": 4}, show_progress=False)
    (run_dir,) = (tmp_path / "runs").iterdir()
    assert str(failed.value) == (
        "cell 4 of 07_a_tiny_lesson.ipynb failed (ZeroDivisionError: division by zero); "
        f"the notebook as far as it came is in {run_dir / path.name}"
    )
    assert re.fullmatch(r"\d{8}-\d{6}-a-tiny-lesson-ci", run_dir.name)
    executed = nbformat.read(run_dir / path.name, as_version=4)
    printed = [output.text for cell in executed.cells for output in cell.get("outputs", []) if "text" in output]
    assert printed == [f"ci 4 {run_dir}\n"]


def test_a_run_folder_that_cannot_be_made_is_refused_by_name(tmp_path: Path) -> None:
    path = lesson(tmp_path / "07_tiny.ipynb")
    (tmp_path / "taken").write_text("a letter")
    with pytest.raises(
        ValueError, match=r"run_dir: .*taken was given; allowed is a folder that can be made and written"
    ):
        run_notebook(str(path), {}, tmp_path / "taken")


def test_a_run_folder_is_named_by_the_profile_that_the_lesson_will_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed: list[SimpleNamespace] = []

    def execute(source: str, target: str, parameters: dict[str, object], cwd: str, **_: object) -> None:
        executed.append(SimpleNamespace(target=target, parameters=parameters, cwd=cwd))
        Path(target).write_text(Path(source).read_text())

    monkeypatch.setattr(papermill, "execute_notebook", execute)
    monkeypatch.setenv("TUSKLITE_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("TUSKLITE_PROFILE", raising=False)
    path = str(lesson(tmp_path / "07_tiny.ipynb", parameters="profile = None\nrun_dir = None"))
    assert run_notebook(path, {}).name.endswith("-tiny-lite")
    monkeypatch.setenv("TUSKLITE_PROFILE", "ci")
    assert run_notebook(path, {}).name.endswith("-tiny-ci")
    decided = str(lesson(tmp_path / "08_decided.ipynb", parameters='profile = "lite"'))
    assert run_notebook(decided, {}).name.endswith("-decided-lite")
    assert run_notebook(path, {"profile": "full"}).name.endswith("-tiny-full")
    assert run_notebook(path, {"run_dir": str(tmp_path / "given")}) == tmp_path / "given"
    for run in executed:
        folder = Path(run.cwd)
        if folder.name.endswith("-decided-lite"):
            continue
        assert run.parameters["run_dir"] == str(folder)
        assert Path(run.target) == folder / "07_tiny.ipynb"
        assert "<html" in (folder / "07_tiny.html").read_text(encoding="utf-8")


# --- what a lesson is given --------------------------------------------------------------------------------

EXPERIMENT = """profile = None  # "ci" or "lite"; None: $TUSKLITE_PROFILE, else "lite"
seed = 0
steps = None
device = "auto"
settings = {}  # more of the preset of "mnist-hard", such as {"model.stem": 1}
"""


def printed(run_dir: Path) -> str:
    """What the cells of the only notebook of a run folder print."""
    (path,) = run_dir.glob("*.ipynb")
    outputs = [output for cell in read_notebook(path).cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


def test_every_kind_of_value_arrives_as_it_was_given(tmp_path: Path) -> None:
    parameters = """count = 3
share = 0.5
on = True
word = "a"
sides = (8, 16)  # of the maps
chosen = None
late: int = 1
both = dict(a=1,
            b=2)  # a line that papermill cannot read
"""
    path = lesson(
        tmp_path / "07_tiny.ipynb", f"print(repr(({', '.join(parameters_of(parameters))})))", parameters=parameters
    )
    given = {
        "count": 5, "share": 2, "on": False, "word": "it's \"{x}\"", "sides": (4,), "chosen": [1, (2, 3)], "late": 7,
        "both": {"c": 3},
    }  # fmt: skip
    run_notebook(str(path), given, tmp_path / "run", show_progress=False)
    assert printed(tmp_path / "run") == repr((5, 2, False, 'it\'s "{x}"', [4], [1, [2, 3]], 7, {"c": 3})) + "\n"


def test_settings_of_its_experiment_reach_a_lesson(tmp_path: Path) -> None:
    code = """
from tusklite.experiments import get_preset

preset = get_preset("mnist-hard", profile, seed=seed, **({} if steps is None else {"steps": steps}), **settings)
print(preset.overrides, preset.training.recluster_at)
"""
    path = lesson(tmp_path / "07_tiny.ipynb", code, parameters=EXPERIMENT)
    given = {"profile": "ci", "model.stem": 1, "batch": 4, "schedule.steps": 9, "recluster_at": (0.6, 0.7), "seed": 3}
    run_notebook(str(path), given, tmp_path / "run", show_progress=False)
    changed = {
        "schedule.seed": 3, "schedule.steps": 9, "model.stem": 1, "schedule.batch": 4,
        "training.recluster_at": (0.6, 0.7),
    }  # fmt: skip
    assert printed(tmp_path / "run") == f"{changed} (0.6, 0.7)\n"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"stem": 1}, {SETTINGS: {"model.stem": 1}}),
        ({SETTINGS: {"stem": 1}, "batch": 4}, {SETTINGS: {"model.stem": 1, "schedule.batch": 4}}),
        ({SETTINGS: {"stem": 1}, "model.stem": 1}, {SETTINGS: {"model.stem": 1}}),
        ({SETTINGS: {"seed": 3}}, {"seed": 3}),
        ({"schedule.seed": 3, "seed": 3}, {"seed": 3}),
        ({"recluster_at": [0.6]}, {SETTINGS: {"training.recluster_at": (0.6,)}}),
        ({"steps": None}, {"steps": None}),
    ],
)
def test_a_setting_goes_to_the_parameter_of_its_name_or_to_the_settings(
    given: dict[str, object], expected: dict[str, object]
) -> None:
    assert checked_parameters(given, parameters_of(EXPERIMENT), "tiny") == expected


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"steems": 1}, ValueError, "allowed for tiny are profile, .*, and the settings of mnist-hard: model.key"),
        ({"steems": 1, "depth": 2}, ValueError, "^parameters: depth, steems was given"),
        ({SETTINGS: {"steems": 1}}, ValueError, "^parameters: steems was given"),
        ({"seed": 3, "schedule.seed": 4}, ValueError, "^seed: 3 and 4 were given; allowed is one value"),
        ({SETTINGS: {"stem": 1}, "model.stem": 2}, ValueError, "^model.stem: 2 and 1 were given|^model.stem: 1 and 2"),
        ({"seed": 1.5}, TypeError, "^seed: 1.5 was given; allowed is an integer"),
        ({"seed": 2**70}, ValueError, "^seed: 1180591620717411303424 was given; allowed is an integer from 0 to"),
        ({"seed": True}, TypeError, "^seed: True was given"),
        ({"steps": 0}, ValueError, "^steps: 0 was given; allowed is an integer from 1 to"),
        ({"steps": "many"}, TypeError, "^schedule.steps: 'many' was given; allowed is a whole number"),
        ({"batch": 10**9}, ValueError, "^batch: 1000000000 was given; allowed is an integer from 1 to"),
        ({"device": "cpu:banana"}, ValueError, "^device: 'cpu:banana' was given; allowed on this machine are auto"),
        ({"device": 3}, ValueError, "^device: '3' was given"),
        ({"profile": "cl"}, ValueError, "^profile: 'cl' was given; allowed are 'ci', 'lite'$"),
        ({"profile": "../../x"}, ValueError, "^profile: '../../x' was given; allowed are 'ci', 'lite'$"),
        ({"profile": 3}, ValueError, "^profile: 3 was given; allowed are 'ci', 'lite'$"),
        ({SETTINGS: 3}, TypeError, "^settings: 3 was given; allowed is a value like {}"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_anything_runs(
    given: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        checked_parameters(given, parameters_of(EXPERIMENT), "tiny")


@pytest.mark.parametrize(
    ("cell", "given", "words"),
    [
        ("on = True", {"on": 1}, "^on: 1 was given; allowed is a value like True"),
        ("count = 3", {"count": True}, "^count: True was given; allowed is a value like 3"),
        ("count = 3", {"count": 2.5}, "^count: 2.5 was given; allowed is a value like 3"),
        ("share = 0.5", {"share": "half"}, "^share: 'half' was given; allowed is a value like 0.5"),
        ("sides = [8, 16]", {"sides": 8}, r"^sides: 8 was given; allowed is a value like \[8, 16\]"),
    ],
)
def test_a_value_of_another_kind_is_refused(cell: str, given: dict[str, object], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        checked_parameters(given, parameters_of(cell), "tiny")


def test_a_profile_of_the_environment_is_refused_by_the_variables_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUSKLITE_PROFILE", "cl")
    with pytest.raises(ValueError, match=r"^TUSKLITE_PROFILE: 'cl' was given; allowed are 'ci', 'lite'$"):
        checked_parameters({}, parameters_of(EXPERIMENT), "tiny")
    assert checked_parameters({"profile": "ci"}, parameters_of(EXPERIMENT), "tiny") == {"profile": "ci"}


def test_a_profile_that_no_lesson_names_cannot_leave_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUSKLITE_RUNS", str(tmp_path / "runs"))
    path = lesson(tmp_path / "07_tiny.ipynb")
    for profile in ("../../x", "a/b", "", "x" * 41, "..") if os.sep == "/" else ("..\\x",):
        if profile:
            with pytest.raises(
                ValueError, match=r"^profile: .* was given; allowed are letters, digits, - and _, 40 at m"
            ):
                run_notebook(str(path), {"profile": profile})
    assert not (tmp_path / "runs").exists()


def test_a_parameters_cell_is_read_as_python() -> None:
    cell = """%matplotlib inline
import os
profile = os.environ.get("TUSKLITE_PROFILE", "lite")  # = or "ci"
size: int = 2**10
a = b = 3  # both
c = [1,  # one
     2]  # two
d: int
e, f = 1, 2
"""
    found = parameters_of(cell)
    assert {name: (each.default, each.help) for name, each in found.items()} == {
        "profile": (None, '= or "ci"'),
        "size": (None, ""),
        "a": (3, "both"),
        "b": (3, "both"),
        "c": ([1, 2], "two"),
    }


@pytest.mark.parametrize(
    "path", sorted(Path(notebook_path("00")).parent.glob("[0-9][0-9]_*.ipynb")), ids=lambda path: path.stem
)
def test_every_parameter_of_every_lesson_can_be_given(path: Path) -> None:
    known = lesson_parameters(path)
    read_by_papermill = papermill.inspect_notebook(str(path))
    assert list(known) == list(read_by_papermill)
    assert {name: each.help for name, each in known.items()} == {
        name: each["help"] for name, each in read_by_papermill.items()
    }
    for name, each in known.items():
        words = {"profile": "ci", "folder": "somewhere", "film": "somewhere.mp4"}
        value = each.default if each.default is not None else words.get(name, 7)
        assert checked_parameters({name: value}, known, path.stem) == ({name: value} if value != {} else {})


@pytest.mark.parametrize("name", ["run_dir", "faces_run", "digit_runs"])
def test_folders_of_runs_are_meant_from_where_the_command_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    known = parameters_of(f"{name} = None\nword_run = 3\nelsewhere = None")
    given = checked_parameters({name: "runs/mine", "word_run": 4, "elsewhere": "runs/mine"}, known, "tiny")
    assert given == {name: str(tmp_path / "runs" / "mine"), "word_run": 4, "elsewhere": "runs/mine"}
    assert checked_parameters({name: str(tmp_path)}, known, "tiny") == {name: str(tmp_path)}
    assert checked_parameters({name: None}, known, "tiny") == {name: None}


# --- where it lands ----------------------------------------------------------------------------------------


@pytest.fixture
def papermill_copies(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Papermill without a kernel: what it is asked for, its targets being executed copies."""
    targets: list[str] = []

    def execute(source: str, target: str, **_: object) -> None:
        source, target = source.format(), target.format()  # as papermill reads paths
        notebook = nbformat.read(source, as_version=4)
        notebook.metadata["papermill"] = {"exception": None}
        nbformat.write(notebook, target)
        targets.append(target)

    monkeypatch.setattr(papermill, "execute_notebook", execute)
    return targets


def test_an_executed_notebook_never_lands_on_its_source(tmp_path: Path, papermill_copies: list[str]) -> None:
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    path = lesson(notebooks / "07_tiny.ipynb")
    before = path.read_bytes()
    (tmp_path / "linked").symlink_to(notebooks, target_is_directory=True)
    (tmp_path / "hard").mkdir()
    os.link(path, tmp_path / "hard" / path.name)
    (tmp_path / "soft").mkdir()
    (tmp_path / "soft" / path.name).symlink_to(path)
    for folder in (
        notebooks,
        notebooks / ".." / "notebooks",
        tmp_path / "linked",
        tmp_path / "hard",
        tmp_path / "soft",
    ):
        with pytest.raises(
            ValueError, match=r"^run_dir: .* was given, where the lesson itself lies; allowed is a fold"
        ):
            run_notebook(str(path), {}, folder)
    with pytest.raises(ValueError, match=r"^run_dir: .* was given, where the lesson itself lies"):
        run_notebook(str(tmp_path / "linked" / path.name), {}, notebooks)
    assert papermill_copies == []
    assert path.read_bytes() == before
    assert [each.name for each in notebooks.iterdir()] == [path.name]


def test_it_lands_on_no_notebook_but_on_an_executed_one(tmp_path: Path, papermill_copies: list[str]) -> None:
    path = lesson(tmp_path / "07_tiny.ipynb")
    mine = lesson(writable(tmp_path / "mine") / path.name, "thoughts = 'of my own'")
    before = mine.read_bytes()
    with pytest.raises(
        ValueError, match=r"^run_dir: .*mine was given, whose 07_tiny.ipynb is no executed one; allowed"
    ):
        run_notebook(str(path), {}, mine.parent)
    assert mine.read_bytes() == before
    for _ in range(2):  # a run that goes on
        assert run_notebook(str(path), {}, tmp_path / "run") == tmp_path / "run"
    assert papermill_copies == [str(tmp_path / "run" / path.name)] * 2


def writable(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_two_runs_of_one_second_get_two_folders(
    tmp_path: Path, papermill_copies: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUSKLITE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("time.strftime", lambda form: "20260101-000000")
    path = lesson(tmp_path / "07_tiny.ipynb")
    folders = [run_notebook(str(path), {}).name for _ in range(3)]
    assert folders == [f"20260101-000000-tiny-lite{end}" for end in ("", "-2", "-3")]


@pytest.mark.parametrize("name", ["out{b}", "{}", "{{x}}", "{0}", "a b", "é·", "%s", "a'b"])
def test_a_run_folder_may_have_any_name(tmp_path: Path, papermill_copies: list[str], name: str) -> None:
    path = lesson(writable(tmp_path / f"from {name}") / "07_tiny.ipynb")
    assert run_notebook(str(path), {}, tmp_path / name) == tmp_path / name
    assert {each.name for each in (tmp_path / name).iterdir() if each.suffix != ".lock"} == {
        "07_tiny.ipynb",
        "07_tiny.html",
    }


def test_a_folder_in_braces_is_the_one_that_the_cells_see(tmp_path: Path) -> None:
    path = lesson(tmp_path / "07_tiny.ipynb", "import pathlib; print(pathlib.Path(run_dir) == pathlib.Path.cwd())")
    run_notebook(str(path), {}, tmp_path / "out{b}", show_progress=False)
    assert printed(tmp_path / "out{b}") == "True\n"


def test_a_run_folder_given_twice_must_be_one(tmp_path: Path, papermill_copies: list[str]) -> None:
    path = lesson(tmp_path / "07_tiny.ipynb")
    assert run_notebook(str(path), {"run_dir": str(tmp_path / "a")}, tmp_path / "a") == tmp_path / "a"
    with pytest.raises(ValueError, match=r"^run_dir: '.*b' and '.*a' were given; allowed is one value"):
        run_notebook(str(path), {"run_dir": str(tmp_path / "a")}, tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_a_folder_where_a_notebook_runs_is_left_alone(tmp_path: Path, papermill_copies: list[str]) -> None:
    path = lesson(tmp_path / "07_tiny.ipynb")
    with (
        owned_folder(tmp_path / "run", "notebook"),
        pytest.raises(FolderInUse, match="is in use by another notebook; allowed is another folder, or to wait"),
    ):
        run_notebook(str(path), {}, tmp_path / "run")
    assert papermill_copies == []


# --- what fails --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"[]", b"{}", b"3", b"", b"{", b"\xff\xfe", b"null", b'{"cells": 3}',
        b'{"cells": [1], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
        b'{"cells": [{}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
        b'{"cells": [], "metadata": {}, "nbformat": 99, "nbformat_minor": 0}',
        b'{"cells": [], "metadata": [], "nbformat": 4, "nbformat_minor": 5}',
    ],
    ids=range(12),
)  # fmt: skip
def test_a_file_that_is_no_notebook_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "07_tiny.ipynb"
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=rf"^{re.escape(str(path))}: no notebook \(.*\); allowed is a file as Jupyter"
    ) as refused:
        run_notebook(str(path), {}, tmp_path / "run")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_a_parameters_cell_that_is_no_python_is_refused_by_name(tmp_path: Path) -> None:
    path = lesson(tmp_path / "07_tiny.ipynb", parameters="seed <- 0")
    with pytest.raises(ValueError, match=rf"^{re.escape(str(path))}: its parameters cell is no Python"):
        run_notebook(str(lesson(path, parameters="seed = = 0")), {}, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_kernel_that_is_not_there_is_refused_before_anything_runs(tmp_path: Path) -> None:
    path = lesson(tmp_path / "07_tiny.ipynb", "print(1)")
    content = json.loads(path.read_text())
    content["metadata"] = {"kernelspec": {"name": "no-such-kernel", "display_name": "None"}}
    path.write_text(json.dumps(content))
    with pytest.raises(
        ValueError, match=r"^kernel: 'no-such-kernel' is what 07_tiny.ipynb asks for; allowed is one that `jupyter kern"
    ):
        run_notebook(str(path), {}, tmp_path / "run", show_progress=False)
    assert not (tmp_path / "run").exists()


def test_a_notebook_that_asks_for_no_kernel_runs_in_this_pythons(tmp_path: Path) -> None:
    path = lesson(tmp_path / "07_tiny.ipynb", "print(seed)")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"metadata": {}}))
    run_notebook(str(path), {"seed": 3}, tmp_path / "run", show_progress=False)
    assert printed(tmp_path / "run") == "3\n"


def test_a_kernel_that_dies_leaves_a_word(tmp_path: Path) -> None:
    path = lesson(tmp_path / "07_tiny.ipynb", "import os; os._exit(1)")
    with pytest.raises(LessonFailed, match=rf"the kernel died while 07_tiny.ipynb ran, .* left is in {tmp_path}"):
        run_notebook(str(path), {}, tmp_path / "run", show_progress=False)


def test_ctrl_c_says_nothing_of_the_kernel_that_dies_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Now and then papermill sees the kernel die first, and what waited for it is collected with its error in it."""
    path = lesson(tmp_path / "07_tiny.ipynb")
    waited = []

    async def wait() -> None:
        raise RuntimeError("the kernel died")

    async def interrupted() -> None:
        waiting = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        waited.append(weakref.ref(waiting))
        logging.getLogger("papermill").error("the kernel died")
        raise KeyboardInterrupt

    monkeypatch.setattr(papermill, "execute_notebook", lambda *_, **__: asyncio.run(interrupted()))
    with pytest.raises(KeyboardInterrupt, match="stopped; what was done is in"):
        run_notebook(str(path), {}, tmp_path / "run", show_progress=False)
    (waiting,) = waited
    assert waiting() is None
    assert not caplog.records
    assert {logging.getLogger(name).level for name in ("papermill", "asyncio")} == {logging.NOTSET}


@pytest.mark.parametrize("place", ["notebook", "page"])
def test_a_full_disk_is_said_by_the_name_of_the_file(
    tmp_path: Path, papermill_copies: list[str], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    path = lesson(tmp_path / "07_tiny.ipynb")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    if place == "notebook":
        monkeypatch.setattr(papermill, "execute_notebook", full)
    else:
        monkeypatch.setattr(Path, "write_text", full)
    name = {"notebook": "07_tiny.ipynb", "page": "07_tiny.html"}[place]
    with pytest.raises(
        FileNotWritten, match=rf"{name}: could not be written \(No space left on device\); nothing that"
    ):
        run_notebook(str(path), {}, tmp_path / "run")
    assert not list((tmp_path / "run").glob("*.partial"))
