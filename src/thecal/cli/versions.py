"""Which Thecal this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def software_version() -> str:
    """The version of the installed package; "unknown" where it runs from a tree that was never installed."""
    try:
        return version("thecal")
    except PackageNotFoundError:
        return "unknown"
