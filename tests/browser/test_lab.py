"""JupyterLab as a reader has it: a lesson is opened, run, answered, played with, and still there after a reload."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import WAIT
from playwright.sync_api import Browser, JSHandle, Page

ROOT = Path(__file__).resolve().parents[2]
# The lessons with a widget: the call that shows it, and how many sliders it has.
WIDGETS = {
    "01_thin_plate_splines": ("drag_control_points(", 3),
    "07_single_heatmap": ("explore_window(", 3),
    "09_sliced_wasserstein": ("turn_projection(", 1),
    "10_prototypes_and_softmin": ("explore_softmin(", 1),
}
# What a lesson is, by JupyterLab's own account of it; the app is shown to the page by a switch.
CELLS = """() => {
    const panel = window.jupyterapp.shell.currentWidget;
    if (!panel?.content?.model?.cells) return null;
    return {
        kernel: panel.sessionContext.session?.kernel?.status ?? "none",
        dirty: panel.context.model.dirty,
        cells: [...panel.content.model.cells].map(cell => cell.toJSON()),
    };
}"""
SHOW = """async index => {
    const notebook = window.jupyterapp.shell.currentWidget.content;
    notebook.activeCellIndex = index;
    await notebook.scrollToItem(index, "start");
    return notebook.widgets[index].node;
}"""
PICTURE = """async node => {
    const image = node.querySelector("img.widget-image, .jupyter-widgets img");
    const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer());
    const digest = await crypto.subtle.digest("SHA-256", bytes);
    return [...new Uint8Array(digest)].map(byte => byte.toString(16).padStart(2, "0")).join("");
}"""


def text_of(cell: dict[str, Any]) -> str:
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def said_by(cell: dict[str, Any]) -> str:
    """What a cell has put out, in words."""
    outputs = [output.get("data", {}).get("text/plain", output.get("text", "")) for output in cell.get("outputs", [])]
    return "\n".join(words if isinstance(words, str) else "".join(words) for words in outputs)


def until(true: Callable[[], Any], what: str, seconds: float = WAIT / 1000) -> Any:
    """Wait for something, for as long as a slow machine may need."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.3)
    raise AssertionError(f"{what}: not within {seconds:.0f} s")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the lessons, which a reader may write into."""
    home = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "notebooks", home / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    return home


@pytest.fixture(scope="module")
def lab(home: Path) -> Iterator[str]:
    """The command of README's `make lab`, without the window that it would open; where it answers, with its token."""
    assert "\nmake lab " in (ROOT / "README.md").read_text(encoding="utf-8")
    told = subprocess.run(
        ["make", "--dry-run", "lab", "LESSON=01"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    (words,) = re.findall(r"^\S+ (-m jupyterlab .*)$", told, re.MULTILINE)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own = {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    own |= {f"JUPYTERLAB_{name}_DIR": str(home / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
    environment = os.environ | own | {"TUSKLITE_PROFILE": "ci", "PYTHONPATH": str(ROOT), "JUPYTER_PLATFORM_DIRS": "1"}
    switches = ["--no-browser", f"--port={port}", "--ServerApp.allow_root=True", "--LabApp.expose_app_in_browser=True"]
    with (home / "log.txt").open("w", encoding="utf-8") as log:
        server = subprocess.Popen(
            [sys.executable, *words.split(), *switches], cwd=home, env=environment, stdout=log, stderr=log
        )
    try:
        (file,) = until(lambda: list((home / "runtime").glob("jpserver-*.json")), "JupyterLab starts")
        about = until(lambda: json.loads(file.read_text(encoding="utf-8") or "null"), "JupyterLab says where it is")
        yield f"http://127.0.0.1:{about['port']}/lab/tree/{{}}.ipynb?token={about['token']}"
    finally:
        server.terminate()
        server.wait(60)


class Lesson:
    """A lesson that is open in JupyterLab."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        page.goto(address)
        self.wait_for_cells()

    def wait_for_cells(self) -> None:
        self.page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.content?.model?.cells?.length > 5")
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for()

    def state(self) -> dict[str, Any]:
        return self.page.evaluate(CELLS)

    def cells(self) -> list[dict[str, Any]]:
        return self.state()["cells"]

    def index(self, words: str) -> int:
        """The one cell of code that has some words."""
        (found,) = [i for i, cell in enumerate(self.cells()) if cell["cell_type"] == "code" and words in text_of(cell)]
        return found

    def choose(self, menu: str, entry: str) -> None:
        self.page.locator(f'.lm-MenuBar-itemLabel:text-is("{menu}")').click()
        self.page.locator(f'.lm-Menu-itemLabel:text-is("{entry}")').click()

    def show(self, index: int) -> JSHandle:
        """A cell, scrolled to."""
        return self.page.evaluate_handle(SHOW, index).as_element()

    def done(self) -> bool:
        """Whether every cell of code has been run, and none failed."""
        state = self.state()
        code = [cell for cell in state["cells"] if cell["cell_type"] == "code"]
        failed = [output for cell in code for output in cell["outputs"] if output["output_type"] == "error"]
        assert not failed, failed[0]["evalue"]
        return state["kernel"] == "idle" and all(cell["execution_count"] for cell in code)

    def run_all(self) -> None:
        self.choose("Edit", "Clear Outputs of All Cells")
        until(lambda: not any(cell.get("outputs") for cell in self.cells()), "outputs are cleared")
        until(lambda: self.state()["kernel"] == "idle", "a kernel starts")
        self.choose("Run", "Run All Cells")
        until(self.done, "Run All reaches the end", seconds=1800)

    def fill(self, index: int, code: str) -> None:
        """Type into a cell in place of what is there, and run it."""
        self.show(index).query_selector(".cm-content").click()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(code)
        until(lambda: text_of(self.cells()[index]) == code, "what is typed is in the cell")
        count = self.cells()[index]["execution_count"]
        self.page.keyboard.press("Control+Enter")
        until(lambda: self.cells()[index]["execution_count"] not in (None, count), "the cell runs")
        until(lambda: self.state()["kernel"] == "idle", "the cell has run")


@pytest.fixture
def lesson(browser: Browser, lab: str, request: pytest.FixtureRequest) -> Iterator[Lesson]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(WAIT)
    yield Lesson(context.new_page(), lab.format(request.param))
    context.close()


def worked(name: str, check: str) -> str:
    """The worked answer of an exercise, by its check."""
    cells = json.loads((ROOT / "notebooks" / "solutions" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    (found,) = [text_of(c) for c in cells if c["cell_type"] == "code" and re.search(rf"^{check}\(", text_of(c), re.M)]
    return found


def move(lesson: Lesson, handle: JSHandle, cell: JSHandle) -> None:
    """Move a slider by the keyboard, to the right or, at its end, to the left; its picture has to change."""
    before = cell.evaluate(PICTURE)
    handle.focus()
    for _ in range(3):
        lesson.page.keyboard.press("ArrowRight")
    if float(handle.get_attribute("aria-valuenow")) == float(handle.get_attribute("aria-valuemax")):
        for _ in range(6):
            lesson.page.keyboard.press("ArrowLeft")
    until(lambda: cell.evaluate(PICTURE) != before, f"the picture follows {handle.get_attribute('aria-valuenow')}")


@pytest.mark.parametrize(("lesson", "name"), [(name, name) for name in WIDGETS], indirect=["lesson"])
def test_a_lesson_runs_to_its_end_and_every_slider_moves_its_picture(
    lesson: Lesson, name: str, home: Path, shot: Callable[[Page, str], None]
) -> None:
    lesson.run_all()
    call, sliders = WIDGETS[name]
    cell = lesson.show(lesson.index(f"\n{call}" if name == "01_thin_plate_splines" else call))
    until(lambda: len(cell.query_selector_all(".noUi-handle")) == sliders, "all sliders are shown")
    until(lambda: cell.query_selector("img[src^=blob]"), "the picture is shown")
    for handle in cell.query_selector_all(".noUi-handle"):
        move(lesson, handle, cell)
    shot(lesson.page, f"lab-{name}-widget")

    if name == "01_thin_plate_splines":
        index = lesson.index("def bending_energy(")
        assert said_by(lesson.cells()[index]).startswith("… not tried yet")
        lesson.fill(index, worked(name, "check_bending_energy"))
        assert said_by(lesson.cells()[index]).startswith("✔ done")
        shot(lesson.page, f"lab-{name}-done")
        lesson.page.keyboard.press("ControlOrMeta+s")
        until(lambda: not lesson.state()["dirty"], "the lesson is saved")
        lesson.page.reload()
        lesson.wait_for_cells()
        again = lesson.cells()[index]
        assert text_of(again) == worked(name, "check_bending_energy")
        assert said_by(again).startswith("✔ done")
        stored = json.loads((home / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"][index]
        assert text_of(stored) == text_of(again)
