"""A browser at a clinic: the application on a socket of its own, and Debian's Chromium driven by Playwright.

Skips where no Chromium is on a user's machine, and fails where CI is set. Every page that a test opens is watched: a
request to another host, an error in a script or a breach of the content policy fails the test.
"""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from thecal.web.app import make_app
from thecal.web.door import COOKIE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page
    from tests.clinic_world import ClinicWorld

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--in-process-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
LOOKS = (
    pytest.param(DESKTOP, False, id="desktop-light"),
    pytest.param(PHONE, True, id="phone-dark"),
    pytest.param(DESKTOP, True, id="desktop-dark", marks=pytest.mark.long),
    pytest.param(PHONE, False, id="phone-light", marks=pytest.mark.long),
)
"""How a page is looked at: every width and every light, two of the four in each run."""


def needs_chromium() -> None:
    """Skip where there is no browser; in CI that is a failure."""
    if CHROMIUM is None:
        reason = "no Chromium on this machine: scripts/debian-packages.sh installs it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser, for a module's tests."""
    needs_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Served:
    """A clinic's application on a socket."""

    world: ClinicWorld
    origin: str

    @contextmanager
    def page(
        self,
        browser: Browser,
        role: str | None,
        *,
        size: dict[str, int] | None = None,
        dark: bool = False,
        scripts: bool = True,
    ) -> Iterator[Page]:
        """A page of somebody of a role (nobody where it is None); what it must never do fails the test."""
        context = browser.new_context(
            viewport=size or DESKTOP,  # type: ignore[arg-type]
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
            base_url=self.origin,
            locale="en-US",
        )
        context.set_default_timeout(15_000)
        wrong: list[str] = []
        try:
            if role is not None:
                self.sign_in(context, role)
            page = context.new_page()
            page.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
            page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
            page.on("request", lambda asked: self._watch(asked.url, wrong))
            yield page
        finally:
            context.close()
        assert not wrong, wrong

    def sign_in(self, context: BrowserContext, role: str) -> None:
        """Give a browser the cookie of a new sign-in."""
        context.add_cookies([{"name": COOKIE, "value": self.world.token(role), "url": self.origin}])

    def _watch(self, url: str, wrong: list[str]) -> None:
        asked = urlsplit(url)
        if asked.scheme in {"http", "https", "ws", "wss"} and asked.netloc != urlsplit(self.origin).netloc:
            wrong.append(f"a request to another host: {url}")


@contextmanager
def served(world: ClinicWorld, name: str = "127.0.0.1") -> Iterator[Served]:
    """The application of a clinic on a free port of loopback, in a thread; browsers are told ``name``."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    origin = f"http://{name}:{held.getsockname()[1]}"
    world.house.settings = replace(world.house.settings, origin=origin)
    server = uvicorn.Server(uvicorn.Config(make_app(world.house), log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([held],), daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    try:
        yield Served(world, origin)
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        held.close()


def accessible(page: Page) -> None:
    """WCAG 2.2 AA as axe sees it: no violation."""
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": WCAG}})
    lines = [f"{v['id']}: {v['help']} at {[n['target'] for n in v['nodes']][:4]}" for v in found.response["violations"]]
    assert not lines, "\n".join(lines)


def fits(page: Page) -> None:
    """The page does not scroll sideways at its present width."""
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{page.url} is {wide} px too wide"


def looked_at(page: Page, folder: Path, name: str) -> Path:
    """A picture of the whole page, for people to look at."""
    path = folder / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    return path
