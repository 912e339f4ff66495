"""A real Chromium, Debian's or Playwright's own, for the tests that `make test-browser` runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from patience import WAIT
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """`$CHROMIUM`, else a Chromium of the system's, else one that Playwright has installed."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    alone = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # root has no sandbox
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=alone, timeout=WAIT)
        yield browser
        browser.close()


def keep(page: Page, name: str) -> None:
    """Keep a picture of what is to be seen, where `$TUSKLITE_SHOTS` names a folder."""
    if folder := os.environ.get("TUSKLITE_SHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", timeout=WAIT)


@pytest.fixture(scope="session")
def shot() -> Callable[[Page, str], None]:
    """Keeps a picture under a name."""
    return keep
