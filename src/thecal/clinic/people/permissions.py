"""The table of permissions: which role may do what. It is data, and every cell of it is tested."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from thecal.clinic.who import StaffRole

if TYPE_CHECKING:
    from collections.abc import Iterable

_FILE = Path(__file__).with_name("permissions.toml")


@dataclass(frozen=True, slots=True)
class Permission:
    """One action, what it is in words, and the roles that may do it."""

    action: str
    what: str
    roles: frozenset[StaffRole]


@cache
def permissions() -> dict[str, Permission]:
    """Every action by its name; ValueError for a file with a role or a field that there is not."""
    rows = tomllib.loads(_FILE.read_text("utf-8"))["actions"]
    return {
        action: Permission(action, row["what"], frozenset(StaffRole(role) for role in row["roles"]))
        for action, row in rows.items()
    }


def actions_of(roles: Iterable[StaffRole]) -> frozenset[str]:
    """What somebody with these roles may do."""
    held = frozenset(roles)
    return frozenset(p.action for p in permissions().values() if p.roles & held)
