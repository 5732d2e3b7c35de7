"""How the service reaches a pump: the addresses that its host has written down, near where there is one, else far.

Nearness is never claimed: it is the socket that a pump opened because somebody was placed near it.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from thecal.link.caller import Caller, Patience
from thecal.link.outcome import NotSent

if TYPE_CHECKING:
    from thecal.link.roles import Role
    from thecal.rig.home import Home
    from thecal.rig.keyring import Keyring

PATIENCE = Patience(first_s=0.5, spread=1.25, repeats=4)
"""How long a pump on this machine is waited for: some 20 seconds. Ours."""


def addresses(home: Home, serial: str) -> dict[str, tuple[str, int]]:
    """Where a pump listens now, by field (``near``, ``far``); empty where it does not, or where its process ended."""
    try:
        found = json.loads(home.address(serial).read_bytes())
        running = _runs(found.pop("pid"))
        here = {field: (str(at[0]), int(at[1])) for field, at in found.items() if at is not None}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return here if running else {}


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it runs, as somebody else
    return True


class RigExchange:
    """One role's exchanges with one pump of this home (``link.talk.Exchange``)."""

    def __init__(self, home: Home, keyring: Keyring, serial: str, role: Role, patience: Patience = PATIENCE) -> None:
        self._home = home
        self._keyring = keyring
        self._serial = serial
        self._role = role
        self._patience = patience
        self._caller: Caller | None = None

    async def __call__(self, path: str, payload: bytes) -> bytes:
        """Say one message and return the payload of its answer; NotSent, NotHeard or Denied."""
        at = addresses(self._home, self._serial)
        address = at.get("near") or at.get("far")
        if address is None:
            raise NotSent(f"pump {self._serial} is not on the radio here: its rig does not run, or it has no power")
        if self._caller is None:
            key = self._keyring.key(self._serial, self._role)
            if key is None:
                raise NotSent(f"the {self._role} is not paired with pump {self._serial}")
            self._caller = Caller(self._keyring.vault, key, self._patience)
        return await self._caller.exchange(address, path, payload)

    async def close(self) -> None:
        """Let go of the radio; the next exchange takes the key that is kept then."""
        caller, self._caller = self._caller, None
        if caller is not None:
            await caller.close()
