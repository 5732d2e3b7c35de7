"""Loops compiled by numba: plain arrays in, plain arrays out, nothing checked. The modules around them check."""

from __future__ import annotations

import contextlib
from pathlib import Path

STAMP = "kernels.stamp"


def forget_old(sources: Path, cache: Path) -> bool:
    """Remove what numba compiled from other sources than these. It looks only at the file of the outermost function,
    and would go on running what that function called before another file was changed. Returns whether it was removed.
    """
    now = " ".join(f"{path.name} {path.stat().st_mtime_ns}" for path in sorted(sources.glob("*.py")))
    stamp = cache / STAMP
    with contextlib.suppress(OSError):
        if stamp.is_file() and stamp.read_text() == now:
            return False
        for path in cache.glob("*.nbi"):
            path.unlink(missing_ok=True)
        cache.mkdir(exist_ok=True)
        stamp.write_text(now)
        return True
    return False  # a directory that cannot be written holds no cache of ours


forget_old(Path(__file__).parent, Path(__file__).parent / "__pycache__")
