"""Draws the picture of the clinic in README.md: the board of the demonstration, for light and for dark pages.

The demonstration is run as `make run` does it, a nurse signs in, and Chromium takes what the screen shows. Nothing is
drawn by hand: change the scenario or the pages, run this again, and the picture follows.

    python scripts/clinic_picture.py [--home DIR]
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

PICTURES = Path("docs/pictures")
SIZE = {"width": 1280, "height": 860}
MOST_BYTES = 300_000
LOGIN, PASSWORD = "nurse", "look around, nurse"
READY = re.compile(r"Ready after .*: (?P<origin>http://\S+)")


@contextmanager
def demonstration(home: Path) -> Iterator[str]:
    """The demonstration of a home while it runs, made where there is none; gives its address."""
    command = Path(sys.executable).parent / "thecal"
    words = [str(command), "clinic", "run", "--demonstration", "--home", str(home), "--port", "0"]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        found = next((said for line in running.stdout if (said := READY.search(line))), None)
        if found is None:
            raise SystemExit(f"the demonstration ended with {running.wait()} before it was ready")
        yield found["origin"]
    finally:
        running.terminate()
        running.wait(timeout=60)


def take(browser: Browser, origin: str, scheme: str) -> Path:
    """The picture of the board in one color scheme; an error where it is too large for a page."""
    path = PICTURES / f"board-{scheme}.png"
    dark = scheme == "dark"
    context = browser.new_context(viewport=SIZE, color_scheme="dark" if dark else "light", base_url=origin)  # type: ignore[arg-type]
    try:
        page = context.new_page()
        page.goto("/sign-in")
        page.get_by_label("Login").fill(LOGIN)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.goto("/board")
        page.screenshot(path=path)
    finally:
        context.close()
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise SystemExit(f"{path} has {size:,} bytes; allowed: {MOST_BYTES:,}")
    return path


def main() -> None:
    """Take both pictures, and say where they are."""
    parser = argparse.ArgumentParser(description="Draws the picture of the clinic in README.md.")
    parser.add_argument("--home", type=Path, default=Path("out/demonstration"), help="the folder of the demonstration")
    home = parser.parse_args().home
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no Chromium on this machine: scripts/debian-packages.sh installs it")
    with demonstration(home) as origin, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        try:
            for scheme in ("light", "dark"):
                print(take(browser, origin, scheme))
        finally:
            browser.close()


if __name__ == "__main__":
    main()
