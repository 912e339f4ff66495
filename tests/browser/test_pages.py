"""Every page of the built site in Chromium: no word on the console, nothing that keeps anybody out, no lost picture."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import axe_playwright_python
import pytest
from patience import WAIT
from playwright.sync_api import Browser, Page

SITE = Path(__file__).resolve().parents[2] / "build" / "site" / "html"
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
PAGES = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
LISTINGS = [name for name in PAGES if name.startswith("_modules/")]
SHOWN = ["index.html", "lessons/index.html", "lessons/01_thin_plate_splines.html", "reference/ops.html", "results.html"]
SERIOUS = ("serious", "critical")
# Preloading would have axe ask for style sheets by names that it makes up.
RUN = "rules => axe.run(document, {resultTypes: ['violations'], preload: false, rules})"
LOOKS = {
    "on a desk, light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "on a phone, dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
}


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and says nothing."""

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    assert PAGES, "make site makes the pages first"
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module", params=LOOKS.values(), ids=LOOKS.keys())
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = browser.new_context(**request.param)
    context.set_default_timeout(WAIT)
    yield context.new_page()
    context.close()


@pytest.fixture
def said(page: Page) -> Iterator[list[str]]:
    """What has come on the console, and what could not be loaded."""
    words: list[str] = []
    listeners = {
        "console": lambda message: words.append(message.text) if message.type in ("error", "warning") else None,
        "pageerror": lambda error: words.append(str(error)),
        "requestfailed": lambda request: words.append(f"{request.url} failed"),
        "request": lambda request: words.append(f"{request.url} is elsewhere") if elsewhere(request.url) else None,
    }
    for event, listener in listeners.items():
        page.on(event, listener)
    yield words
    for event, listener in listeners.items():
        page.remove_listener(event, listener)


def elsewhere(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "data:", "blob:"))


def opened(page: Page, url: str) -> None:
    """A page that is there to the end, its formulas too."""
    page.goto(url)
    page.evaluate("() => window.MathJax?.startup?.promise")


def barriers(page: Page, rules: dict[str, object]) -> list[str]:
    """What axe calls serious, or worse."""
    page.evaluate(AXE)
    return [
        f"{each['id']}: {each['help']}, at {each['nodes'][0]['html'][:120]}"
        for each in page.evaluate(RUN, rules)["violations"]
        if each["impact"] in SERIOUS
    ]


@pytest.mark.parametrize("name", [name for name in PAGES if name not in LISTINGS])
def test_a_page_keeps_nobody_out_and_says_nothing_on_the_console(
    page: Page,
    address: str,
    name: str,
    said: list[str],
    shot: Callable[[Page, str], None],
    request: pytest.FixtureRequest,
) -> None:
    opened(page, address + name)
    assert said == []
    assert page.evaluate("() => [...document.images].filter(i => i.complete && !i.naturalWidth).length") == 0
    assert page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    assert page.locator("merror, mjx-merror").count() == 0
    if name in SHOWN:
        look = request.node.callspec.id.partition(",")[0].replace(" ", "-")
        shot(page, f"site-{name.removesuffix('.html').replace('/', '-')}-{look}")
    assert barriers(page, {}) == []


@pytest.mark.parametrize("page", [LOOKS["on a desk, light"]], ids=["on a desk"], indirect=True)
@pytest.mark.parametrize("name", LISTINGS)
def test_a_listing_of_code_keeps_nobody_out(page: Page, address: str, name: str, said: list[str]) -> None:
    opened(page, address + name)
    assert said == []
    # All listings have the same few colours, and axe takes long to look at each word of each: one is enough.
    assert barriers(page, {} if name == LISTINGS[-1] else {"color-contrast": {"enabled": False}}) == []


def test_the_keyboard_reaches_the_content_first(page: Page, address: str) -> None:
    opened(page, address + "lessons/01_thin_plate_splines.html")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent.trim()") == "Skip to main content"
    page.keyboard.press("Enter")
    assert page.evaluate("() => location.hash") == "#main-content"


def test_every_figure_of_a_lesson_has_words(page: Page, address: str) -> None:
    opened(page, address + "lessons/01_thin_plate_splines.html")
    words = page.evaluate("() => [...document.querySelectorAll('div.cell_output img')].map(i => i.alt)")
    assert len(words) >= 10
    assert all(len(each.split()) >= 8 for each in words)


def test_a_word_is_found_by_the_search(page: Page, address: str) -> None:
    opened(page, address + "search.html?q=bending+energy")
    page.locator("#search-results li a").first.wait_for()
    found = page.locator("#search-results li a").all_text_contents()
    assert any(title.startswith("01 · Thin-plate splines") for title in found)


def test_dark_is_dark(page: Page, address: str, request: pytest.FixtureRequest) -> None:
    opened(page, address + "lessons/01_thin_plate_splines.html")
    channels = page.evaluate("() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(channels[:3]) / 3 < 60) == ("dark" in request.node.callspec.id)
    card = page.evaluate("() => getComputedStyle(document.querySelector('div.cell_output img')).backgroundColor")
    assert ("dark" not in request.node.callspec.id) or card == "rgb(255, 255, 255)"  # figures are drawn for white
