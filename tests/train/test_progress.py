"""Progress: the bar shows what a reader watches, and a followed log loses and repeats nothing."""

from __future__ import annotations

import io
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tusklite.course.progress import notebook_line
from tusklite.files import write_aside
from tusklite.train.progress import ProgressBar, follow_log, summary

RECORDS = [
    {"step": 20, "of": 100, "seconds": 2.0, "phase": "autoencoder", "reconstruction": 0.68341},
    {"step": 28, "of": 100, "seconds": 2.6, "event": {"position_information": 0.1}},
    {"step": 40, "of": 100, "seconds": 4.0, "phase": "over-clustering", "reconstruction": 0.5, "information": -1.25},
    {"step": 60, "of": 100, "seconds": 6.0, "phase": "clustering", "sliced_wasserstein": 0.0321, "reconstruction": 0.4},
    {"step": 60, "of": 100, "seconds": 6.1, "phase": "clustering", "localization": 0.9956, "classification": 0.9412},
]


TITLES = {
    "reconstruction": "recon",
    "sliced_wasserstein": "transport",
    "information": "information",
    "localization": "localisation",
    "classification": "classification",
}


def line(record: dict[str, object]) -> bytes:
    return json.dumps(record).encode() + b"\n"


def test_summary_names_phase_losses_and_scores() -> None:
    assert summary(RECORDS[2], TITLES) == "over-clustering · recon 0.500 · information -1.250"
    assert summary(RECORDS[4], TITLES) == "clustering · localisation 0.996 · classification 0.941"
    assert summary(RECORDS[1], TITLES) == ""


def test_a_bar_shows_step_losses_scores_and_time_left() -> None:
    stream = io.StringIO()
    bar = ProgressBar(TITLES, stream)
    for record in RECORDS:
        bar(record)
    bar.close()
    drawn = stream.getvalue().split("\r")[-1]
    assert "step 60/100" in drawn
    assert " 60%|" in drawn
    assert re.search(r"\[\d\d:\d\d<\d\d:\d\d\]", drawn), drawn  # time since the start, time left
    for word in ("clustering", "recon 0.400", "transport 0.032", "localisation 0.996", "classification 0.941"):
        assert word in drawn
    assert stream.getvalue().endswith("\n")


def test_a_bar_of_a_run_that_goes_on_counts_only_its_own_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("tqdm.std.time", lambda: clock.now)
    stream = io.StringIO()
    bar = ProgressBar(TITLES, stream)
    bar({"step": 60, "of": 100, "seconds": 600.0})
    clock.now += 10
    bar({"step": 80, "of": 100, "seconds": 610.0})
    bar.close()
    assert "step 80/100 [00:10<00:10]" in stream.getvalue()  # 20 steps in 10 seconds, 20 to go


def test_a_bar_that_was_never_shown_can_be_closed() -> None:
    stream = io.StringIO()
    ProgressBar(TITLES, stream).close()
    assert stream.getvalue() == ""


def test_a_line_in_a_notebook_shows_the_time_left_and_the_latest_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    class Handle:
        def update(self, bundle: dict[str, str], raw: bool) -> None:
            shown.append(bundle["text/plain"])

    def display(bundle: dict[str, str], raw: bool, display_id: bool) -> Handle:
        shown.append(bundle["text/plain"])
        return Handle()

    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    show = notebook_line(TITLES)
    for record in RECORDS:
        show(record | {"seconds": 6 * record["step"]})
    assert shown[0] == "training starts …"
    assert shown[1] == "step 20 of 100 · 8.0 min left · autoencoder · recon 0.683"
    assert shown[-1].startswith("step 60 of 100 · 4.0 min left · clustering · recon 0.400 · transport 0.032")
    assert len(shown) == 1 + len(RECORDS)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.002)


@given(cuts=st.lists(st.integers(0, 10_000), max_size=6))
@settings(max_examples=15)
def test_each_record_is_shown_once_though_lines_arrive_in_pieces(
    cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path, shown = tmp_path_factory.mktemp("log") / "log.jsonl", []
    whole = b"".join(map(line, RECORDS))
    ends = [*sorted({cut % len(whole) for cut in cuts}), len(whole)]
    written = 0
    with follow_log(path, shown.append, every=0.001):
        for end in ends:
            with path.open("ab") as log:
                log.write(whole[written:end])
            written = end
            arrived = whole[:end].count(b"\n")
            wait_for(lambda arrived=arrived: len(shown) == arrived)
            time.sleep(0.003)  # and now looks again
            assert len(shown) == arrived
    assert shown == RECORDS


def test_what_is_trimmed_and_written_again_is_shown_too(tmp_path: Path) -> None:
    path, shown = tmp_path / "log.jsonl", []
    path.write_bytes(b"".join(map(line, RECORDS[:3])) + b'{"step": 5')
    again = RECORDS[2] | {"seconds": 9.0}
    with follow_log(path, shown.append, every=0.001):
        wait_for(lambda: len(shown) == 3)
        kept = b"".join(map(line, RECORDS[:2]))
        write_aside(path, lambda partial: partial.write_bytes(kept))
        for record in (again, *RECORDS[3:]):
            with path.open("ab") as log:
                log.write(line(record))
    assert shown == [*RECORDS[:3], again, *RECORDS[3:]]


def test_the_last_look_comes_after_the_block(tmp_path: Path) -> None:
    path, shown = tmp_path / "log.jsonl", []
    with follow_log(path, shown.append, every=60):
        path.write_bytes(b"".join(map(line, RECORDS)))
    assert shown == RECORDS


def test_a_log_that_never_comes_is_nothing(tmp_path: Path) -> None:
    with follow_log(tmp_path / "log.jsonl", pytest.fail, every=0.001):
        time.sleep(0.01)


@pytest.mark.parametrize(
    "stray", [b"5", b'{"a": 1}', b"\xff\xfe", b"[" * 100_000, b'{"step": 3}', b"null"], ids=range(6)
)
def test_a_followed_line_that_is_no_record_is_passed_over(tmp_path: Path, stray: bytes) -> None:
    path, shown = tmp_path / "log.jsonl", []
    with follow_log(path, shown.append, every=60):
        path.write_bytes(line(RECORDS[0]) + stray + b"\n" + line(RECORDS[1]))
    assert shown == RECORDS[:2]


def test_a_folder_in_the_place_of_a_log_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").mkdir()
    with follow_log(tmp_path / "log.jsonl", pytest.fail, every=60):
        pass
