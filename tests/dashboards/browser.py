"""A browser for the tests: Chromium as it is installed, pages whose console stays clean, accessibility by axe."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import axe_core_python
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
expect.set_options(timeout=20_000)  # ms; the cores are shared


def chromium() -> str:
    """The browser's program; a test without one is skipped and says so."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine: 'make browser' installs it (Debian, as root)")
    return found


@contextmanager
def browsing() -> Iterator[Browser]:
    """A browser for a module's tests."""
    program = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, url: str, size: dict[str, int] = DESK, allow: tuple[str, ...] = ()) -> Iterator[Page]:
    """A page of a person of their own. Whatever it writes to the console as an error fails the test.

    Args:
        allow: parts of errors that the test provokes.
    """
    context = browser.new_context(viewport=size, locale="en-GB")  # type: ignore[arg-type]
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: errors.append(str(e)))
    try:
        page.goto(url)
        yield page
    finally:
        context.close()
    assert not [e for e in errors if not any(a in e for a in allow)], errors


def violations(page: Page) -> list[str]:
    """What axe finds serious or critical. It is handed over by the debugger, as the page lets no foreign script in."""
    session = page.context.new_cdp_session(page)
    session.send("Runtime.evaluate", {"expression": AXE})
    answer: dict[str, Any] = session.send(
        "Runtime.evaluate",
        {"expression": "axe.run().then((r) => JSON.stringify(r.violations))", "awaitPromise": True, "returnByValue": True},
    )
    import json

    found = json.loads(answer["result"]["value"])
    return [
        f"{v['id']}: {v['help']} – {n['target']} {n.get('failureSummary', '')}"
        for v in found if v["impact"] in ("serious", "critical") for n in v["nodes"][:4]
    ]  # fmt: skip
