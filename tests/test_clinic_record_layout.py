"""A record whose version says the same and whose layout is another one is said in words before anything runs on it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.clinic_world import FIRST_ORDER

from thecal.clinic.programming.achieving import in_drug_names
from thecal.clinic.programming.order_text import parsed_by
from thecal.clinic.record import Store, StoreError
from thecal.clinic.record.migrating import look_at_layout
from thecal.clinic.refilling.restarting import _hours
from thecal.clinic.refused import Refused
from thecal.formulary import load
from thecal.pump.refused import Refused as PumpRefused
from thecal.pump.refused import Why
from thecal.therapy.files import OrderFile

if TYPE_CHECKING:
    from pathlib import Path


def _store(folder: Path) -> Store:
    return Store(f"sqlite:///{folder / 'record.db'}")


def test_the_layout_of_this_software_passes(tmp_path: Path) -> None:
    with closing(_store(tmp_path)) as store, store.reading() as db:
        look_at_layout(db.connection())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ALTER TABLE fill RENAME COLUMN aspirated TO came_out", "the column aspirated of fill"),
        ("ALTER TABLE near_miss RENAME TO near_misses", "the table near_miss"),
    ],
)
def test_another_layout_is_refused_with_what_is_missing_and_what_to_do(tmp_path: Path, change: str, said: str) -> None:
    with closing(_store(tmp_path)) as store:
        with store.reading() as db:
            address = db.connection().engine.url
        assert address.database is not None
        with closing(sqlite3.connect(address.database)) as raw:
            raw.execute(change)
            raw.commit()
        with store.reading() as db, pytest.raises(StoreError) as refused:
            look_at_layout(db.connection())
    assert said in refused.value.found
    assert "the software that wrote it" in refused.value.then


def test_nothing_entered_is_not_said_as_two_quotation_marks() -> None:
    empty, wrong = _hours(" "), _hours("many")
    assert isinstance(empty, Refused) and empty.found == "no number of hours"
    assert isinstance(wrong, Refused) and wrong.found == "'many' hours"


def test_what_a_pump_refuses_names_drugs_as_people_read_them() -> None:
    formulary = load()
    file = parsed_by(FIRST_ORDER.split("[run]", maxsplit=1)[0], formulary)
    assert isinstance(file, OrderFile), file
    found = PumpRefused(Why.CEILING_TOO_LOW, "the base", f"under {', '.join(file.order.mixture.drugs)}", "order less")
    said = in_drug_names(found, file.order, formulary)
    assert "cloNIDine" in said.allowed and "clonidine" not in said.allowed
    assert said.then == found.then
