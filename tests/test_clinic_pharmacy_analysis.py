"""Overrides and near misses, counted from rows that are known."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from typing import TYPE_CHECKING

import pytest
from tests.clinic_world import NOW_S, clinic_world, order_text
from tests.record_engines import ENGINES, new_url

from thecal.clinic.pharmacy import analysis
from thecal.clinic.record.tables import NearMiss, Order, Override, ProgramRun

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clinic_world import ClinicWorld

DAY_S = 86_400


@pytest.fixture(scope="module", params=ENGINES)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    made = clinic_world(new_url(request.param, tmp_path_factory.mktemp("analysis")))
    patient = made.patient()
    now = made.house.now_s
    with made.writing("physician") as record:
        order = record.keep(
            Order(
                patient_id=patient.id,
                serial="B-1",
                title="t",
                state="running",
                text=order_text(made, patient),
                digest="d",
            )
        )
        for number in range(40):
            record.keep(
                ProgramRun(
                    serial="B-1", patient_id=patient.id, order_id=order.id, order_revision=1, number=number, digest=b"",
                    program=b"", document=b"", order_text="", sentence=[], change=[], confirmed_utc_s=NOW_S,
                )
            )  # fmt: skip
    for role, finding, count in (
        ("physician", "dose-above", 3),
        ("pharmacist", "dose-above", 1),
        ("physician", "odd", 2),
    ):
        with made.writing(role) as record:
            for _ in range(count):
                record.keep(
                    Override(
                        patient_id=patient.id,
                        finding=finding,
                        drug="morphine",
                        found="20 mg",
                        allowed="15 mg",
                        authority="PACC",
                        reason="=1+1",
                    )
                )
    for days, code, count in ((0, "dose-above", 4), (40, "mismatch", 5), (400, "mismatch", 9)):
        made.house.now_s = lambda days=days: NOW_S - days * DAY_S  # type: ignore[misc]
        with made.writing("nurse") as record:
            for _ in range(count):
                record.keep(NearMiss(patient_id=patient.id, where="refill", code=code, found="40 mL", allowed="20 mL"))
    made.house.now_s = now
    yield made
    made.end()


def test_counts_of_the_last_twelve_months(world: ClinicWorld) -> None:
    with world.house.reading() as db:
        found = analysis.overview(db, NOW_S)
    assert (found.programs, found.overrides, found.near_misses) == (40, 6, 9)
    assert found.per_hundred == "37.5"
    assert [(s.name, s.alerts, s.passed, s.text) for s in found.by_finding] == [
        ("dose-above", 8, 4, "50 %"),
        ("mismatch", 5, 0, "0 %"),
        ("odd", 2, 2, "100 %"),
    ]
    assert {(s.name, s.alerts, s.passed) for s in found.by_role} == {
        ("physician", 5, 5),
        ("pharmacist", 1, 1),
        ("nurse", 9, 0),
    }
    assert found.months[-1] == "Sep 2026"
    assert len(found.months) == 12
    assert [(r.kind, r.total, r.counts[-1]) for r in found.by_month] == [("mismatch", 5, 0), ("dose-above", 4, 4)]


def test_without_programs_nothing_is_divided(tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = clinic_world(tmp_path_factory.mktemp("empty"))
    try:
        with empty.house.reading() as db:
            found = analysis.overview(db, NOW_S)
        assert found.per_hundred == "no program"
        assert found.by_month == ()
    finally:
        empty.end()


def test_no_name_stands_in_the_counts(world: ClinicWorld) -> None:
    with world.house.reading() as db:
        assert "Physician One" not in repr(analysis.overview(db, NOW_S))
        assert analysis.rows(db, analysis.OVERRIDES).rows[0].person == "Physician One"


def test_rows_are_filtered_and_paged(world: ClinicWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis, "PAGE", 4)
    with world.house.reading() as db:
        all_of_them = analysis.rows(db, analysis.NEAR_MISSES, page=99)
        some = analysis.rows(db, analysis.NEAR_MISSES, kind="dose-above", text="40 mL")
        none = analysis.rows(db, analysis.NEAR_MISSES, text="100%")
        assert analysis.kinds(db, analysis.OVERRIDES) == ["dose-above", "odd"]
    assert (all_of_them.found, all_of_them.pages, all_of_them.page) == (18, 5, 5)
    assert (some.found, {r.kind for r in some.rows}) == (4, {"dose-above"})
    assert none.found == 0


def test_files_hold_every_row_and_no_formula(world: ClinicWorld) -> None:
    with world.house.reading() as db:
        table = list(csv.DictReader(io.StringIO(analysis.as_csv(db, analysis.OVERRIDES, "", ""))))
        whole = json.loads(analysis.as_json(db, analysis.NEAR_MISSES, "mismatch", ""))
    assert len(table) == 6
    assert {row["reason"] for row in table} == {"'=1+1"}
    assert len(whole) == 14
    assert set(whole[0]) >= {"at_utc_s", "kind", "found", "allowed", "person"}


def test_the_months_end_at_the_clinics_midnight(world: ClinicWorld) -> None:
    with world.house.reading() as db:
        months = analysis._months(db, NOW_S)
    assert months[-1][1] == 1_788_238_800  # 1 Sep 2026 00:00 in Chicago
    assert date(2026, 9, 1).isoformat() == "2026-09-01"
