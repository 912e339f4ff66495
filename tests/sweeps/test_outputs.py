"""Results of a sweep anywhere that fsspec knows: written aside, read again, refused where that cannot be."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from tusklite.sweeps import Output


@pytest.fixture(params=["plain", "file:" + "//", "memory://"])
def address(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A place that is new; below the test's own folder, but for what is kept in memory."""
    monkeypatch.setenv("TUSKLITE_RUNS", str(tmp_path / "runs"))
    if request.param == "memory://":
        return f"memory://{tmp_path.name}/sweep"
    return f"{'' if request.param == 'plain' else request.param}{tmp_path / 'sweep'}"


def test_what_is_written_can_be_read_again(address: str) -> None:
    output = Output(address, "small")
    assert output.read("run/metrics.json") is None
    for content in (b"first", b"second"):
        output.write("run/metrics.json", content)
        assert output.read("run/metrics.json") == content
        assert Output(address, "small").read("run/metrics.json") == content
        with fsspec.open(f"{address}/run/metrics.json", "rb") as file:
            assert file.read() == content
    files, root = fsspec.core.url_to_fs(address)
    assert [name.rpartition("/")[2] for name in files.ls(f"{root}/run", detail=False)] == ["metrics.json"]


def test_runs_work_where_their_results_go_or_below_runs(address: str, tmp_path: Path) -> None:
    output = Output(address, "small")
    assert output.work == (tmp_path / "runs" / "sweep-small" if "memory" in address else tmp_path / "sweep")
    assert Output(None, "small").folder == tmp_path / "runs" / "sweep-small"


def test_an_address_that_nothing_knows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUSKLITE_RUNS", str(tmp_path / "runs"))
    with pytest.raises(ValueError, match=r"^output: 'luck://a' was given; allowed is a folder, or an address that fss"):
        Output("luck://a", "small")
    (tmp_path / "taken").write_text("a letter", encoding="utf-8")
    with pytest.raises(ValueError, match=r"^output: .*taken/x was given; allowed is a folder that can be made"):
        Output(str(tmp_path / "taken" / "x"), "small")
