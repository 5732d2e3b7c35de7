"""Everything that the fuzzer kept is tried again, and some that it would have started from."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz.campaign import CORPUS
from fuzz.targets import TARGETS
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.requirement("SC-17")
def test_what_the_fuzzer_kept_breaks_nothing(name: str) -> None:
    kept = sorted((CORPUS / name).iterdir())
    assert kept, "a target without a corpus was never run"
    for path in kept:
        TARGETS[name](path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.binary(max_size=200))
@pytest.mark.requirement("SC-17")
def test_any_bytes_break_nothing(name: str, data: bytes) -> None:
    TARGETS[name](data)


def test_the_corpus_stays_small() -> None:
    sizes = [p.stat().st_size for p in Path(CORPUS).rglob("*") if p.is_file()]
    assert sum(sizes) < 2_000_000
