"""A browser for the tests of pages. Where it is missing they are skipped, but in CI they fail."""

import importlib.util
import os
import shutil

import pytest

BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
)


def missing(what):
    """Skip the test, or fail it in CI."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} (with CI set this test must not be skipped)")
    pytest.skip(what)


@pytest.fixture(scope="session")
def browser():
    if importlib.util.find_spec("playwright") is None:
        missing("Playwright is not installed: pip install playwright")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        missing("neither Chromium nor Chrome is installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    options = "--no-sandbox --disable-gpu --disable-background-networking --no-first-run"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=options.split())
        yield started
        started.close()
