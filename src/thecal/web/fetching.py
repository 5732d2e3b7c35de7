"""The ration of what is fetched without a sign-in: so many times in a while from one address, and no more."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock


class Fetches:
    """Counts fetches from each address in windows of WINDOW_S seconds; MOST in each. All numbers are ours.

    It is kept by each process of the web for itself, so that a stranger's request writes nothing.
    """

    WINDOW_S = 60
    MOST = 60
    ADDRESSES = 10_000

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = Lock()
        self._seen: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def may(self, address: str, now_s: int) -> bool:
        """Count one fetch; False where there were too many."""
        window = now_s // self.WINDOW_S
        with self._lock:
            began, count = self._seen.pop(address, (window, 0))
            count = count + 1 if began == window else 1
            self._seen[address] = (window, count)
            if len(self._seen) > self.ADDRESSES:
                self._seen.popitem(last=False)
        return count <= self._most
