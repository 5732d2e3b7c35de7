"""A bounded search through every state that a small set of acts can reach, breadth first.

States are real objects that can be copied; two of them count as one where their keys are the same, so a key must hold
everything that the promises depend on. The shortest way to a broken promise is what comes out.
"""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

S = TypeVar("S")


class BrokenPromise(AssertionError):  # noqa: N818 - named as people say it
    """A state in which something that must always hold does not; its message is the shortest way to it."""


@dataclass(frozen=True)
class Explored:
    """How far a search came: different states, acts tried, and the length of the longest way."""

    states: int
    tried: int
    depth: int


@dataclass(frozen=True)
class Model(Generic[S]):
    """Where to begin, what can be done, what makes two states one, and what must hold in each."""

    begin: Callable[[], S]
    acts: Mapping[str, Callable[[S], None]]
    key: Callable[[S], Hashable]
    check: Callable[[S], None]


def explore(model: Model[S], *, depth: int, most_states: int = 1_000_000) -> Explored:
    """Try every act in every state that is reached within ``depth`` acts; BrokenPromise names the way to a breach."""
    first = model.begin()
    model.check(first)
    seen = {model.key(first)}
    waiting: deque[tuple[S, tuple[str, ...]]] = deque([(first, ())])
    tried = longest = 0
    while waiting:
        state, way = waiting.popleft()
        if len(way) == depth:
            continue
        for name, act in model.acts.items():
            after = copy.deepcopy(state)
            tried += 1
            try:
                act(after)
                model.check(after)
            except AssertionError as broken:
                raise BrokenPromise(f"{' -> '.join((*way, name))}: {broken}") from broken
            key = model.key(after)
            if key not in seen and len(seen) < most_states:
                seen.add(key)
                longest = max(longest, len(way) + 1)
                waiting.append((after, (*way, name)))
    return Explored(len(seen), tried, longest)
