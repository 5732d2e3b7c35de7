"""What a command gives back, before it becomes text or JSON."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.console import Console

    from thecal.cli.exits import Exit

NOTICE = "Not a medical device. Virtual pump."


@dataclass(frozen=True, slots=True)
class Answer:
    """An exit code, the same content twice (``body`` for scripts, ``show`` for people), and where text goes."""

    exit: Exit
    body: Mapping[str, Any]
    show: Callable[[Console], None]
    on_stderr: bool = False


def deliver(command: str, answer: Answer, *, as_json: bool) -> int:
    """Print an answer and return its exit code; with ``as_json`` stdout holds one JSON object and nothing else."""
    if as_json:
        sys.stdout.write(json_text(command, answer))
    else:
        from thecal.cli.console import screen

        answer.show(screen(stderr=answer.on_stderr))
    return int(answer.exit)


def json_text(command: str, answer: Answer) -> str:
    """The JSON of an answer: the same head for every command, then its body."""
    from thecal.cli.versions import software_version

    head = {
        "thecal": software_version(),
        "notice": NOTICE,
        "command": command,
        "exit": int(answer.exit),
        "outcome": answer.exit.word,
    }
    return json.dumps({**head, **answer.body}, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
