"""Long work, with a bar on stderr where somebody watches, and silence for scripts."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def bar(text: str, *, quiet: bool = False) -> Iterator[Callable[[float], None]]:
    """A bar that is told what part of the work is done, 0 to 1."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from thecal.cli.console import screen

    console = screen(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as shown:
        task = shown.add_task(text, total=1.0)
        yield lambda done: shown.update(task, completed=done)


def steps(whole: int, part: int, text: str) -> Iterator[int]:
    """The parts of ``whole``, each at most ``part``, with a bar while they are worked through."""
    left = whole
    with bar(text, quiet=whole <= part) as tell:
        while left:
            now = min(part, left)
            yield now
            left -= now
            tell(1 - left / whole)
