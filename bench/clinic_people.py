"""The people of the load measurement: each a browser with its own cookies and connections, in a process of its own.

They read a plan as JSON on the standard input, say on the standard output when the measured minute begins and ends, and
what each request took. A person thinks between half and one and a half times the stated time before each page. What a
browser keeps (styles, scripts) is not asked for.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pyotp

PATIENCE_S = 60.0
KEPT_S = 60.0
"""A connection is not used again after so long: the server lets go of one after 75 s."""
NUMBER = re.compile(r"/\d+")
PUMP = re.compile(r"/pumps/[^/]+")
DRUG = re.compile(r"^/formulary/[a-z]+$")
AGAIN = re.compile(r'hx-get="([^"]*/preview/(?:lines|band)[^"]*)"[^>]*delay:(\d+)(ms|s)')
STEP = "step_dose"


class Forms(HTMLParser):
    """The forms of a page: where each goes, and what a browser would send of it without a button."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[tuple[str, list[tuple[str, str]]]] = []
        self._select = self._text = ""
        self._options: list[tuple[str, bool]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        a = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((a.get("action", ""), []))
        if not self.forms:
            return
        kind, name = a.get("type", "text"), a.get("name", "")
        if tag == "input" and name and (kind not in {"checkbox", "radio", "submit"} or "checked" in a):
            self.forms[-1][1].append((name, a.get("value", "on" if kind == "checkbox" else "")))
        elif tag == "select":
            self._select, self._options = name, []
        elif tag == "option":
            self._options.append((a.get("value", ""), "selected" in a))
        elif tag == "textarea":
            self._text = name
            self.forms[-1][1].append((name, ""))

    def handle_data(self, data: str) -> None:
        if self._text:
            fields = self.forms[-1][1]
            fields[-1] = (self._text, fields[-1][1] + data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._text = ""
        if tag == "select" and self._select and self._options:
            chosen = next((value for value, is_ in self._options if is_), self._options[0][0])
            self.forms[-1][1].append((self._select, chosen))
            self._select = ""

    def holding(self, name: str, to: str = "") -> list[tuple[str, str]]:
        """The fields of the first form with this one, that goes there."""
        return next(fields for action, fields in self.forms if action.endswith(to) and name in dict(fields))


class Left(Exception):  # noqa: N818 - somebody gives a visit up after an error
    """A page did not come as it should; the error is noted already."""


@dataclass
class Hall:
    """What all of them share."""

    plan: dict[str, Any]
    begins: float = 0.0
    ends: float = 0.0
    requests: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    waits: dict[str, list[float]] = field(default_factory=lambda: {"central line": [], "band": []})
    bands_not_waited_for: int = 0
    visits_finished: int = 0
    to_book: list[int] = field(default_factory=list)
    signed_in: int = 0

    @property
    def open(self) -> bool:
        """Whether the minute still runs."""
        return time.monotonic() < self.ends


class Browser:
    """One person's browser."""

    def __init__(self, hall: Hall, who: dict[str, Any], number: int) -> None:
        self.hall, self.who = hall, who
        self.chance = random.Random(hall.plan["seed"] * 100_003 + number)
        limits = httpx2.Limits(max_connections=6, keepalive_expiry=KEPT_S)
        origin = hall.plan["origin"]
        self.client = httpx2.AsyncClient(
            base_url=origin, headers={"origin": origin}, timeout=PATIENCE_S, limits=limits, trust_env=False
        )

    async def think(self, part: float = 1.0) -> None:
        """Read, decide, move the hand."""
        await asyncio.sleep(self.hall.plan["think"] * part * self.chance.uniform(0.5, 1.5))

    async def ask(self, method: str, path: str, fields: Any = None, *, fragment: bool = False) -> httpx2.Response:
        """One request, timed until the last byte; Left where it did not end as meant."""
        kind = kind_of(method, path)
        begun = time.monotonic()
        more = {"hx-request": "true"} if fragment else {}
        body = None if fields is None else as_form(fields)
        said = ""
        try:
            answer = await self.client.request(method, path, data=body, headers=more)
            status = answer.status_code
            if status >= 400:
                said = words_of(answer.text)
        except httpx2.HTTPError as wrong:
            status, said = 0, f"{type(wrong).__name__}: {wrong}"
        took = time.monotonic() - begun
        self.hall.requests.append({"kind": kind, "at": begun - self.hall.begins, "ms": took * 1000})
        if status == 0 or status >= 400:
            self.hall.errors.append(
                {"kind": kind, "path": path, "status": status, "said": said, "who": self.who["login"],
                    "at": round(begun - self.hall.begins, 1)}
            )  # fmt: skip
            raise Left
        return answer

    async def get(self, path: str) -> str:
        """A page."""
        return (await self.ask("GET", path)).text

    async def post(self, path: str, fields: Any) -> tuple[str, str]:
        """Send a form and follow where it leads: path and page."""
        answer = await self.ask("POST", path, fields)
        while answer.status_code == 303:
            path = answer.headers["location"]
            answer = await self.ask("GET", path.split("#")[0])
        return urlsplit(path).path, answer.text


def as_form(fields: Any) -> dict[str, list[str]]:
    """Fields that come twice stay twice."""
    made: dict[str, list[str]] = {}
    for name, value in fields.items() if isinstance(fields, dict) else fields:
        made.setdefault(name, []).append(value)
    return made


def kind_of(method: str, path: str) -> str:
    """What a request is, without its numbers."""
    plain = urlsplit(path)
    said = PUMP.sub("/pumps/*", NUMBER.sub("/*", DRUG.sub("/formulary/*", plain.path)))
    return f"{method} {said}{'?find' if 'find=' in plain.query else ''}"


def words_of(page: str) -> str:
    """What a page that refuses says."""
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    found = re.search(r"Found .{0,240}", text)
    return found[0] if found else text[:240]


# Coming in ------------------------------------------------------------------------------------------------------------


async def come_in(b: Browser) -> None:
    """Password and code."""
    page = await b.get("/sign-in")
    entered = dict(Forms(page).holding("password")) | {"login": b.who["login"], "password": b.who["password"]}
    path, page = await b.post("/sign-in", entered)
    if path != "/sign-in/second":
        b.hall.errors.append({"kind": "sign-in", "path": path, "status": 0, "said": "no second factor asked for"})
        raise Left
    code = pyotp.TOTP(b.who["secret"]).now()
    await b.post("/sign-in/second", dict(Forms(page).holding("code")) | {"code": code})
    b.hall.signed_in += 1


# What each does -------------------------------------------------------------------------------------------------------


async def physician(b: Browser) -> None:
    """The board, the patient, and a whole session: a changed program reviewed, sent, and the pump left running."""
    patient = b.who["patient"]
    await b.get("/board")
    await b.think()
    await b.get(f"/patients/{patient}")
    await b.think()
    await b.get(f"/patients/{patient}/session")
    await b.think(0.5)
    path, page = await b.post(f"/patients/{patient}/session", {"workflow": "program"})
    at = path.removesuffix("/read")
    await b.think()
    _, page = await b.post(f"{at}/read", [*seen(page), ("workflow", "program")])
    await b.think()
    _, page = await b.post(f"{at}/preview", seen(await programmed(b, at, page)))
    await b.think()
    _, page = await b.post(f"{at}/review", [*seen(page), ("compared", "yes")])
    await b.think(0.5)
    digest = dict(Forms(page).holding("digest"))["digest"]
    _, page = await b.post(f"{at}/send", Forms(page).holding("digest"))
    b.hall.sent.append({"session": int(at.rsplit("/", 1)[1]), "digest": digest, "granted": "Granted" in page})
    await b.think(0.5)
    page = await b.get(f"{at}/close")
    await b.think(0.5)
    await b.post(f"{at}/close", dict(Forms(page).holding("how_left", "/close")) | {"how_left": "running"})
    b.hall.visits_finished += 1
    await b.think()


async def programmed(b: Browser, at: str, page: str) -> str:
    """The running program changed by a little, answered while it is written, and previewed; the preview's page."""
    fields = Forms(page).holding("plan")
    doses = [n for n, (name, _) in enumerate(fields) if name == STEP]
    more = fields[doses[1]][1] == "0.075 mg/h"
    fields[doses[1]] = (STEP, "0.08 mg/h" if more else "0.075 mg/h")
    fields = [(name, ("1.42 mg" if more else "1.4 mg") if name == "plan" else value) for name, value in fields]
    await b.ask("POST", f"{at}/program/answer", fields, fragment=True)
    await b.think()
    await b.ask("POST", f"{at}/program/answer", fields, fragment=True)
    await b.think(0.5)
    answer = await b.ask("POST", f"{at}/program", [*fields, ("press", "finish")])
    begun = time.monotonic()
    page = await b.get(answer.headers["location"])
    looking = asyncio.create_task(look_on(b, page, begun))
    await b.think()
    if not looking.done():
        looking.cancel()
        b.hall.bands_not_waited_for += 1
    with suppress(asyncio.CancelledError):
        await looking
    return page


async def look_on(b: Browser, page: str, begun: float) -> None:
    """What the browser asks for by itself until the band is there."""
    part, lined = page, False
    while True:
        again = AGAIN.search(part)
        if not lined and (again is None or "/band" in again[1]):
            lined = True
            b.hall.waits["central line"].append(time.monotonic() - begun)
        if again is None:
            b.hall.waits["band"].append(time.monotonic() - begun)
            return
        await asyncio.sleep(int(again[2]) / (1000 if again[3] == "ms" else 1))
        part = (await b.ask("GET", again[1].replace("&amp;", "&"), fragment=True)).text


def seen(page: str) -> list[tuple[str, str]]:
    """The revision that a page shows."""
    found = re.search(r'name="seen" value="(\d+)"', page)
    assert found is not None
    return [("seen", found[1])]


async def nurse(b: Browser) -> None:
    """Charts and scores, days, logs; whoever has a pump of their own reads it in a session."""
    patient = b.chance.randint(1, b.hall.plan["pumps"])
    await b.get("/board")
    await b.think()
    await b.get(f"/patients/{patient}")
    await b.think()
    score = {"kind": "pain-now", "value": str(b.chance.randint(0, 10)), "note": "at rest"}
    await b.post(f"/patients/{patient}/observations", score)
    await b.think()
    if b.who["patient"]:
        await read_pump(b, b.who["patient"])
    other = ("/patients/{0}/days", "/patients/{0}/profile", "/pumps/L-{0:03}", "/tasks", "/bookings")
    for path in b.chance.sample(other, 2):
        await b.get(path.format(patient))
        await b.think()


async def read_pump(b: Browser, patient: int) -> None:
    """A session that only looks."""
    await b.get(f"/patients/{patient}/session")
    await b.think(0.5)
    path, page = await b.post(f"/patients/{patient}/session", {"workflow": "look"})
    at = path.removesuffix("/read")
    await b.think()
    await b.post(f"{at}/read", [*seen(page), ("workflow", "look")])
    page = await b.get(f"{at}/close")
    await b.think(0.5)
    await b.post(f"{at}/close", dict(Forms(page).holding("how_left", "/close")) | {"how_left": "running"})
    b.hall.visits_finished += 1
    await b.think()


async def pharmacist(b: Browser) -> None:
    """The queue, the formulary, a chart."""
    patient = b.chance.randint(1, b.hall.plan["pumps"])
    drug = b.chance.choice(("morphine", "baclofen", "ziconotide"))
    for path in ("/pharmacy", "/formulary", f"/formulary/{drug}", "/board", f"/patients/{patient}", "/overrides"):
        await b.get(path)
        await b.think()


async def desk(b: Browser) -> None:
    """The board, a search, a visit booked, the list of visits, tasks."""
    await b.get("/board")
    await b.think()
    await b.get(f"/board?find=family{b.chance.randint(1, b.hall.plan['pumps'])}")
    await b.think()
    if b.hall.to_book:
        patient = b.hall.to_book.pop()
        page = await b.get(f"/bookings/new?patient={patient}&kind=follow-up")
        await b.think()
        day = datetime.now(tz=UTC).date() + timedelta(days=3 + patient % 20)
        visit = {"kind": "follow-up", "day": day.isoformat(), "time": "10:30", "minutes": "30", "place": "clinic"}
        await b.post("/bookings/new", dict(Forms(page).holding("kind", "/bookings/new")) | visit)
        await b.think()
    for path in ("/bookings", "/tasks"):
        await b.get(path)
        await b.think()


ROLES = {"physician": physician, "nurse": nurse, "pharmacist": pharmacist, "desk": desk}


# All of it ------------------------------------------------------------------------------------------------------------


async def stay(hall: Hall, who: dict[str, Any], number: int) -> None:
    """One person's morning: in on the ramp, then visits until the minute is over; a visit begun is finished."""
    b = Browser(hall, who, number)
    async with b.client:
        await asyncio.sleep(hall.plan["ramp"] * number / len(hall.plan["staff"]))
        try:
            await come_in(b)
        except Left:
            return
        await asyncio.sleep(max(0.0, hall.begins - time.monotonic()) + b.chance.uniform(0, hall.plan["think"]))
        while hall.open:
            try:
                await ROLES[who["role"]](b)
            except Left:
                if who["patient"]:
                    return  # the session is left where it is, and the check at the end sees it
            except Exception as wrong:  # noqa: BLE001 - a page that this script cannot read is an error as well
                hall.errors.append(
                    {"kind": "script", "path": "", "status": 0, "said": repr(wrong), "who": who["login"]}
                )
                return


async def told(hall: Hall) -> None:
    """Say when the minute begins and ends, and how far it is."""
    say(phase="ramp")
    await asyncio.sleep(max(0.0, hall.begins - time.monotonic()))
    say(phase="minute", signed_in=hall.signed_in)
    while hall.open:
        await asyncio.sleep(min(5.0, max(0.0, hall.ends - time.monotonic())))
        say(phase="progress", requests=len(hall.requests), errors=len(hall.errors), sent=len(hall.sent))
    say(phase="over")


def say(**what: Any) -> None:
    """One line for whoever started this."""
    print(json.dumps(what), flush=True)


async def all_of_them(plan: dict[str, Any]) -> None:
    """The ramp, the minute, and until everybody has finished."""
    begins = time.monotonic() + plan["ramp"]
    hall = Hall(plan, begins, begins + plan["seconds"], to_book=list(range(1, plan["pumps"] + 1)))
    async with asyncio.TaskGroup() as group:
        group.create_task(told(hall))
        for number, who in enumerate(plan["staff"]):
            group.create_task(stay(hall, who, number))
    say(phase="done", requests=hall.requests, errors=hall.errors, sent=hall.sent, waits=hall.waits,
        bands_not_waited_for=hall.bands_not_waited_for, visits_finished=hall.visits_finished,
        signed_in=hall.signed_in)  # fmt: skip


if __name__ == "__main__":
    asyncio.run(all_of_them(json.loads(sys.stdin.readline())))
