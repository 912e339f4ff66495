"""What holds of every lesson as it is stored: its parts, its outputs, its links."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbconvert import HTMLExporter

from tusklite.course.lessons import lesson_parameters

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))


@pytest.fixture(params=[*LESSONS, *SOLUTIONS], ids=lambda path: f"{path.parent.name}/{path.stem}")
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def lesson(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(lesson: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in lesson.cells if cell.cell_type == "code"]


def test_there_are_lessons():
    assert LESSONS


def test_opens_with_a_title_that_says_what_it_takes(lesson):
    first = lesson.cells[0]
    assert first.cell_type == "markdown"
    assert re.match(r"# \d\d · ", first.source)
    assert all(word in first.source for word in ("**You will**", "**You need**", "**It takes**"))


def test_the_title_has_the_number_of_the_file(lesson, path):
    assert lesson.cells[0].source.startswith(f"# {path.stem[:2]} · ")


def test_every_lesson_has_solutions():
    assert [path.name for path in LESSONS] == [path.name for path in SOLUTIONS]


def test_closes_with_further_reading(lesson):
    assert "**Further reading.**" in lesson.cells[-1].source


def parameters_cell(lesson: nbformat.NotebookNode) -> nbformat.NotebookNode:
    (cell,) = [cell for cell in code_cells(lesson) if "parameters" in cell.metadata.get("tags", [])]
    return cell


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_parameter_can_be_set_from_the_command_line(path, caplog):
    lines = parameters_cell(nbformat.read(path, as_version=4)).source.splitlines()
    assigned = [statement for line in lines for statement in ast.parse(line).body]
    assert all(isinstance(statement, ast.Assign) for statement in assigned)
    values = {statement.targets[0].id: ast.literal_eval(statement.value) for statement in assigned}
    read = lesson_parameters(path)
    assert {name: parameter.default for name, parameter in read.items()} == values
    assert not caplog.records  # papermill warns of a line that it cannot read


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_the_profiles_that_a_lesson_says_are_those_that_it_takes(path):
    lesson = nbformat.read(path, as_version=4)
    said = re.findall(r'"([\w-]+)"', parameters_cell(lesson).source.splitlines()[0])
    (call,) = [
        node
        for cell in code_cells(lesson)
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "choose_profile"
    ]
    taken = [argument.value for argument in call.args[1:]]
    assert sorted(taken) == sorted(said[: len(taken)])
    assert said[len(taken) :] == ["lite"]  # what None stands for


def test_solutions_have_no_profile(lesson, path):
    if path in SOLUTIONS:
        assert "profile" not in "".join(cell.source for cell in code_cells(lesson))


def test_the_bootstrap_is_the_same_everywhere(lesson):
    (bootstrap,) = [cell for cell in code_cells(lesson) if "bootstrap" in cell.metadata.get("tags", [])]
    assert bootstrap is code_cells(lesson)[0]
    first = nbformat.read(LESSONS[0], as_version=4)
    assert bootstrap.source == code_cells(first)[0].source
    assert not bootstrap.outputs


def test_cells_are_short_and_prose_outweighs_them(lesson):
    assert max(len([line for line in cell.source.splitlines() if line.strip()]) for cell in code_cells(lesson)) <= 15
    words = sum(len(cell.source.split()) for cell in lesson.cells if cell.cell_type == "markdown")
    assert words >= 12 * len(code_cells(lesson))


def test_was_executed_from_top_to_bottom(lesson):
    counts = [cell.execution_count for cell in code_cells(lesson)]
    assert counts == list(range(1, len(counts) + 1))


def test_outputs_hold_no_error_no_warning_no_vector_figure_and_no_widget(lesson, path):
    assert "widgets" not in lesson.metadata
    outputs = [output for cell in code_cells(lesson) for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert not [output for output in outputs if "image/svg+xml" in output.get("data", {})]
    if path in LESSONS:
        assert [output for output in outputs if "image/png" in output.get("data", {})]


def test_every_figure_has_words_for_who_cannot_see_it(lesson):
    outputs = [output for cell in code_cells(lesson) for output in cell.outputs]
    for output in [output for output in outputs if "image/png" in output.get("data", {})]:
        said = output.metadata["image/png"]["alt"]
        assert len(said.split()) >= 8
        assert said.endswith(".")
        assert "Figure" not in said
        assert output.data["text/plain"] == said
        assert BeautifulSoup(output.data["text/html"], "html.parser").img["alt"] == said


def test_no_figure_is_drawn_past_those_that_have_words(lesson):
    code = "\n".join(cell.source for cell in code_cells(lesson))
    assert not re.search(r"pyplot|\bplt\b|pylab|Figure\(", code)


def test_a_page_made_of_a_lesson_describes_its_figures():
    path = next(path for path in LESSONS if path.stem == "07_single_heatmap")
    page, _ = HTMLExporter().from_filename(str(path))
    described = [image["alt"] for image in BeautifulSoup(page, "html.parser").select("img")]
    outputs = [output for cell in code_cells(nbformat.read(path, as_version=4)) for output in cell.outputs]
    drawn = [output for output in outputs if "image/png" in output.get("data", {})]
    assert described == [output.metadata["image/png"]["alt"] for output in drawn]
    assert len(drawn) >= 10


def test_links_to_files_resolve(lesson, path):
    prose = "\n".join(cell.source for cell in lesson.cells if cell.cell_type == "markdown")
    local = [link for link in re.findall(r"\]\(([^)]+)\)", prose) if not link.startswith("http")]
    assert not [link for link in local if not (path.parent / link.split("#")[0]).exists()]


@pytest.mark.parametrize("solutions", SOLUTIONS, ids=lambda path: path.stem)
def test_in_the_solutions_every_check_says_done(solutions):
    cells = code_cells(nbformat.read(solutions, as_version=4))
    said = [str(output.get("data", {}).get("text/plain", "")) for cell in cells for output in cell.outputs]
    verdicts = [text for text in said if re.match("[✔…✘] ", text)]
    assert len(verdicts) >= 2
    assert all(text.startswith("✔ done") for text in verdicts)


def test_links_in_the_readme_resolve():
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    local = [link.split("#")[0] for link in links if not link.startswith("http")]
    assert not [link for link in local if not (ROOT / link).exists()]
