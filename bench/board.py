"""The board with so many pumps: time in the server for each request, and until Chromium has drawn the page, as JSON.

On SQLite, and on the PostgreSQL of the tests with ``--postgres``. ``--browser`` also opens the page in Chromium.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

DAY_S = 86_400


def fill(world: Any, pumps: int) -> None:
    """Patients with a line each: dates, bookings, readings and risks as a clinic would have them, drawn by chance."""
    from tests.clinic_world import NOW_S

    from thecal.clinic.desk.days import day_of
    from thecal.clinic.desk.settings import desk_of
    from thecal.clinic.record.tables import BoardLine, Patient

    chance = random.Random(1)
    with world.writing() as record:
        today = day_of(NOW_S, desk_of(record.session).zone)
        stamps = {"at_utc_s": NOW_S, "by_person": 1, "software": "bench", "formulary": "bench", "revision": 1}
        people = [
            Patient(
                id=n, number=f"{n:06}", reference=f"R{n}", given=f"Given{n % 211}", family=f"Family{n % 997}",
                birth_date=date(1960, 1, 1), search=f"given{n % 211} family{n % 997} {n:06}", **stamps,
            )
            for n in range(1, pumps + 1)
        ]  # fmt: skip
        record.session.add_all(people)
        record.session.flush()
        record.session.add_all(line(chance, BoardLine, p, today, NOW_S) for p in people)


def line(chance: random.Random, kind: Any, patient: Any, today: int, now_s: int) -> Any:
    """One line: most pumps are booked in time, some are not."""
    worst = today + chance.randint(-3, 110)
    booked = chance.choice([None, worst - 9, worst - 9, worst - 9, worst + 2])
    dangerous = chance.random() < 0.3
    shown = {
        "name": f"{patient.given} {patient.family}", "number": patient.number, "language": "English",
        "pump": f"Bench 20 P-{patient.id}", "program": "", "order": None, "notices": [],
        "dates": {"empty": worst + 6, "stable": None, "stable_source": "", "use": "2", "unknown": "", "held": "12.4 mL",
            "held_by": "reading"},
        "booking": None if booked is None else {"id": patient.id, "begins_utc_s": now_s, "place": "clinic"},
        "contact": {"tries": 2, "outcome": "reached", "way": "call", "at_utc_s": now_s} if dangerous else None,
        "risks": ["lives far away", "deep implant"] if dangerous else [],
        "dangerous": ["baclofen"] if dangerous else [],
        "marks": [{"kind": "gap", "text": "residual gap grows"}] if chance.random() < 0.05 else [],
    }  # fmt: skip
    return kind(
        patient_id=patient.id, serial=f"P-{patient.id}", search=f"{patient.search} p-{patient.id}",
        rank=int(not dangerous),
        due_day=worst, worst_day=worst, expected_day=worst + 8, booked_day=booked,
        read_utc_s=now_s - chance.randint(0, 150) * DAY_S, stopped_utc_s=now_s if chance.random() < 0.001 else None,
        looks=len(shown["marks"]), notices=0, shown=shown,
    )  # fmt: skip


def asked(world: Any, address: str, times: int) -> dict[str, float]:
    """Milliseconds in the server for one address: the middle of several requests and the longest."""
    client = world.client("desk")
    client.get(address)
    seen = []
    for _ in range(times):
        before = time.perf_counter()
        assert client.get(address).status_code == 200
        seen.append((time.perf_counter() - before) * 1000)
    return {"median_ms": round(statistics.median(seen), 1), "longest_ms": round(max(seen), 1)}


def drawn(world: Any, times: int) -> dict[str, float]:
    """Milliseconds in Chromium from asking for the board until it is first drawn, and until all of it is loaded."""
    from tests.browser_world import chromium, served

    script = """() => { const n = performance.getEntriesByType("navigation")[0];
        const p = performance.getEntriesByName("first-contentful-paint")[0];
        return [p ? p.startTime : n.domComplete, n.loadEventEnd]; }"""
    painted = "performance.getEntriesByName('first-contentful-paint').length"
    seen = []
    with chromium() as browser, served(world) as found, found.page(browser, "desk") as page:
        for _ in range(times + 1):
            page.goto("/board", wait_until="load")
            while not page.evaluate(painted):
                page.wait_for_timeout(20)
            seen.append(page.evaluate(script))
    paints, loads = zip(*seen[1:], strict=True)
    return {"first_paint_ms": round(statistics.median(paints), 1), "loaded_ms": round(statistics.median(loads), 1)}


def measured(url: str, pumps: int, times: int, *, browser: bool) -> dict[str, Any]:
    """All figures of one record."""
    from tests.clinic_world import clinic_world

    world = clinic_world(url)
    try:
        fill(world, pumps)
        addresses = {
            "first page": "/board", "last page": f"/board?page={pumps // 50}", "search": "/board?find=family99",
            "band": "/board?band=now", "unbooked": "/board?only=unbooked",
        }  # fmt: skip
        found: dict[str, Any] = {name: asked(world, address, times) for name, address in addresses.items()}
        if browser:
            found["chromium"] = drawn(world, times)
        return found
    finally:
        world.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pumps", type=int, default=5000)
    parser.add_argument("--times", type=int, default=15)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--browser", action="store_true")
    options = parser.parse_args()
    figures: dict[str, Any] = {"pumps": options.pumps}
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'clinic.sqlite'}"
        figures["sqlite"] = measured(url, options.pumps, options.times, browser=options.browser)
    if options.postgres:
        from tests.record_engines import postgres

        running = postgres()
        url = running.url(running.make())
        figures["postgresql"] = measured(url, options.pumps, options.times, browser=options.browser)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
