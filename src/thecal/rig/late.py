"""Frames that arrive when nobody waits for them any more: no news for a person, and no reason for a traceback.

The CoAP library lets an exception through when an answer comes in the same moment as its time ran out, or while its
socket closes. What became of the command is known elsewhere; the event loop need not say more.
"""

from __future__ import annotations

import logging
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

_LIBRARY = "aiocoap"

_log = logging.getLogger(__name__)


def hush_late_frames(loop: asyncio.AbstractEventLoop) -> None:
    """Let the loop report late frames of the library to the log, and everything else as it always does."""
    loop.set_exception_handler(_handle)


def _handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    fault = context.get("exception")
    if isinstance(fault, Exception) and (_LIBRARY in repr(context.get("handle")) or _raised_in_library(fault)):
        _log.debug("a late frame: %r", fault)
        return
    loop.default_exception_handler(context)


def _raised_in_library(fault: Exception) -> bool:
    frames = [frame for frame, _ in walk_tb(fault.__traceback__)]
    return bool(frames) and _LIBRARY in Path(frames[-1].f_code.co_filename).parts
