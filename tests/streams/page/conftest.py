"""Chromium for the tests that look at the page. Without one they skip, and say so."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Error, Page, async_playwright, expect

expect.set_options(timeout=20_000)  # a loaded machine is no failure
MISSING = "no Chromium: `make test` installs one through apt, or run `playwright install chromium`"


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium, else Playwright's own."""
    async with async_playwright() as playwright:
        found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        try:
            # In a container there is no user namespace for the sandbox; what is shown is ours.
            launched = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except Error:
            pytest.skip(MISSING)
        yield launched
        await launched.close()


@pytest.fixture
async def tab(browser: Browser) -> AsyncIterator[Page]:
    """A page that fails the test when a script fails on it, or breaks the content security policy."""
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    page = await context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console", lambda message: wrong.append(message.text) if "Content Security Policy" in message.text else None
    )
    page.set_default_timeout(60_000)
    yield page
    await context.close()
    assert wrong == []
