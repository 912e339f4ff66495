"""What the web site is gathered from, without building it: links, figures, runs, and what is followed afterwards."""

from __future__ import annotations

import base64
import doctest
import json
import re
from pathlib import Path

import addresses
import bootstrap
import gather
import lesson_map
import links
import pytest
import recorded_runs
import reference
import teaching

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def gathered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "source"
    gather.gather(folder)
    return folder


@pytest.mark.parametrize(
    "module", [addresses, bootstrap, gather, lesson_map, links, recorded_runs, reference, teaching]
)
def test_the_examples_of_the_scripts_hold(module) -> None:
    assert doctest.testmod(module).failed == 0


# What Sphinx reads


def test_every_lesson_solution_and_page_is_there(gathered: Path) -> None:
    for path in (ROOT / "notebooks").rglob("*.ipynb"):
        assert (gathered / "lessons" / path.relative_to(ROOT / "notebooks")).is_file()
    for path in (ROOT / "site" / "teach").rglob("*.md"):
        name = "index.md" if path.name == "README.md" else path.name
        assert (gathered / "teach" / path.relative_to(ROOT / "site" / "teach")).with_name(name).is_file()
    assert {path.stem for path in gathered.glob("*.md")} == {
        *("index", "equations", "results", "install", "use", "data", "contributing", "changes")
    }


def test_every_section_of_the_readme_is_shown_on_one_page(gathered: Path) -> None:
    pages = [(gathered / f"{name}.md").read_text(encoding="utf-8") for name in ("index", "install", "results", "use")]
    pages.append((gathered / "lessons" / "index.md").read_text(encoding="utf-8"))
    readme = gather.sections((ROOT / "README.md").read_text(encoding="utf-8"))
    assert {*gather.SECTIONS} <= {*readme}, "SECTIONS names what README does not have"
    for heading, (_, text) in readme.items():
        first = re.sub(r"\W+", " ", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text[:60].split("[")[0]))
        assert sum(first in re.sub(r"\W+", " ", page) for page in pages) == 1, heading


def test_figures_are_files_with_the_words_that_are_stored(gathered: Path) -> None:
    path = next(path for path in gather.lessons() if path.stem == "07_single_heatmap")
    stored = json.loads(path.read_text(encoding="utf-8"))
    shown = json.loads((gathered / "lessons" / path.name).read_text(encoding="utf-8"))
    pictures = [o for cell in stored["cells"] for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
    images = [
        re.fullmatch(r"!\[(.*)\]\((.*)\)", output["data"]["text/markdown"])
        for cell in shown["cells"]
        for output in cell.get("outputs", [])
        if output.get("data", {}).get("text/markdown", "").startswith("![")
    ]
    assert len(images) == len(pictures) >= 10
    for image, output in zip(images, pictures, strict=True):
        alt = re.sub(r"\\(.)", r"\1", image[1])
        assert alt == " ".join(output["metadata"]["image/png"]["alt"].split())
        assert (gathered / "lessons" / image[2]).read_bytes() == base64.b64decode("".join(output["data"]["image/png"]))


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ({"output_type": "error", "ename": "E", "evalue": "e", "traceback": []}, "an error or a widget"),
        (
            {"output_type": "display_data", "data": {"application/vnd.jupyter.widget-view+json": {}}, "metadata": {}},
            "an error or a widget",
        ),
        ({"output_type": "display_data", "data": {"image/png": "AAAA"}, "metadata": {}}, "has no words"),
    ],
)
def test_what_no_page_can_show_is_refused(output: dict, words: str, tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "notebooks" / "a.ipynb"
    path.parent.mkdir()
    cell = {"cell_type": "code", "id": "x", "metadata": {}, "source": [], "outputs": [output]}
    path.write_text(json.dumps({"cells": [cell]}), encoding="utf-8")
    sources = gather.Sources()
    monkeypatch.setattr(gather, "ROOT", tmp_path)
    sources.pages["notebooks/a.ipynb"] = "lessons/a.ipynb"
    with pytest.raises(ValueError, match=rf"notebooks/a.ipynb: .*{words}"):
        gather.lesson(path, sources, tmp_path / "made")


@pytest.mark.parametrize(
    ("text", "own", "page", "made"),
    [
        ("[a](#in-colab)", "README.md", "index.md", "[a](install.md#in-colab)"),
        ("[a](../README.md#two-commands)", "data/README.md", "data.md", "[a](install.md#two-commands)"),
        ("[a](../data/README.md)", "notebooks/x.ipynb", "lessons/x.ipynb", "[a](../data.md)"),
        ("[a](solutions/02_equivariance.ipynb)", "notebooks/x.ipynb", "lessons/x.ipynb",
         "[a](solutions/02_equivariance.ipynb)"),
        ("[a](../../notebooks/02_equivariance.ipynb)", "site/teach/map.md", "teach/map.md",
         "[a](../lessons/02_equivariance.ipynb)"),
        ("[a](results)", "README.md", "index.md", "[a](results.md)"),
        ("![a](site/images/detections.png)", "README.md", "index.md", "![a](images/detections.png)"),
        ("[a](quiz.schema.json)", "site/teach/README.md", "teach/index.md",
         "[a](../files/site/teach/quiz.schema.json)"),
        ("[`fit_tps`](../tusklite/geometry/spline.py)", "notebooks/x.ipynb", "lessons/x.ipynb",
         "{py:obj}`fit_tps <tusklite.geometry.spline.fit_tps>`"),
        ("[a](https://b.example/c)", "README.md", "index.md", "[a](https://b.example/c)"),
        ("`[a](nowhere.md)`", "README.md", "index.md", "`[a](nowhere.md)`"),
        ("```\n[a](nowhere.md)\n```", "README.md", "index.md", "```\n[a](nowhere.md)\n```"),
        ("[a](nowhere.md)", "README.md", "index.md", None),
    ],
)  # fmt: skip
def test_links_between_files_become_links_between_pages(text: str, own: str, page: str, made: str | None) -> None:
    if made is None:
        with pytest.raises(ValueError, match=f"^{own}: leads to .*, which is no file of the repository$"):
            gather.Sources().translate(text, own, page)
    else:
        assert gather.Sources().translate(text, own, page) == made


def test_no_page_names_the_script_that_made_it_or_a_machine(gathered: Path) -> None:
    for path in gathered.rglob("*.md"):
        text = path.read_text(encoding="utf-8")
        assert "do not edit" not in text
        assert str(ROOT) not in text


# The reference, the runs, the map


def test_every_module_is_in_the_reference_once() -> None:
    listed = re.findall(r"automodule:: (\S+)", "\n".join(reference.pages().values()))
    there = [path for path in (ROOT / "tusklite").rglob("*.py") if path.name != "__main__.py"]
    assert len(listed) == len({*listed})
    assert {*listed} == {name for name in map(reference.module_name, there) if not re.search(r"\._[a-z]", name)}


def test_what_a_room_offers_is_listed_where_it_is_defined() -> None:
    offered = reference.public_names("tusklite.losses")
    assert offered["sliced_wasserstein"] == "tusklite.losses.transport.sliced_wasserstein"
    assert all(origin in reference.names() for origin in offered.values())


def test_every_recorded_run_is_below_its_row_with_what_its_file_says() -> None:
    page = recorded_runs.page(ROOT / "results", lambda path: path.relative_to(ROOT).as_posix())
    files = sorted((ROOT / "results").glob("*/*.json"))
    assert len(files) > 20
    for path in files:
        result = json.loads(path.read_text(encoding="utf-8"))
        (line,) = [line for line in page.splitlines() if f"]({path.relative_to(ROOT).as_posix()})" in line]
        assert line.startswith(f"| [seed {result['seed']}]")
        assert f"`{result['code']['commit'][:10]}`" in line
        assert f"{result['seconds'] / 60:.1f}, {result['device']}" in line


def test_the_map_leads_to_every_lesson_and_boxes_lie_apart() -> None:
    drawing = lesson_map.drawing()
    for lesson in teaching.lessons().values():
        assert f'href="{lesson.name}.html"' in drawing
    assert drawing.count("marker-end") == len(teaching.arrows())
    places = lesson_map.places()
    for number, (x, y) in places.items():
        near = [other for other, (u, v) in places.items() if abs(x - u) < lesson_map.WIDTH and v == y]
        assert near == [number]
    for needed, number in teaching.arrows():
        assert places[needed][1] < places[number][1]  # arrows lead down


# Links of what is built


def test_dead_links_inside_are_found(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a.html").write_text('<a href="b/c.html#here">x</a><a href="b/none.html">x</a><img src="no.png">')
    (tmp_path / "b" / "c.html").write_text('<p id="here"><a href="../a.html?q=1#gone">x</a><a href="#here">x</a></p>')
    found = links.dead_inside(tmp_path)
    assert [re.sub(r",.*", "", line) for line in found] == [
        *("a.html: leads to b/none.html", "a.html: leads to no.png", "b/c.html: leads to ../a.html?q=1#gone")
    ]


def test_a_page_that_names_this_machine_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(f"<p>{tmp_path}</p>")
    (tmp_path / "b.html").write_text("<p>all is well</p>")
    assert links.naming(tmp_path, str(tmp_path)) == [f"a.html: names {tmp_path}"]


def test_addresses_elsewhere_are_asked_once_and_examples_never(tmp_path: Path, monkeypatch) -> None:
    page = '<a href="https://a.org/x#1">x</a><a href="https://a.org/x">x</a><a href="https://b.example/c.git">x</a>'
    (tmp_path / "a.html").write_text(page + '<a href="mailto:a@b.org">x</a><a href="https://gone.org/">x</a>')
    asked: list[str] = []

    def answer(address: str) -> str:
        asked.append(address)
        return "answers 404" if "gone" in address else ""

    monkeypatch.setattr(links, "answer", answer)
    assert links.dead_outside(tmp_path) == ["https://gone.org/ answers 404"]
    assert sorted(asked) == ["https://a.org/x", "https://gone.org/"]
