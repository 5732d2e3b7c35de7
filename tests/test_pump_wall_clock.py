"""Pump clock against the clock on the wall: the rules T1 to T9 with their test vectors, and what must always hold."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core_world import program, world
from tests.therapy_builders import MORPHINE, TRIPLE

from thecal.formulary import load
from thecal.pump.core import codes
from thecal.pump.wall_clock import (
    Belief,
    Choice,
    ClockTask,
    Kind,
    NoClock,
    PumpClock,
    Stay,
    UtcIs,
    WhyNot,
    ZoneChange,
    before_change,
    changes,
    clock_task,
    compare,
    drift,
    next_change,
    offset_for,
    offset_text,
    times_of,
    travel_letter,
    wall_day,
)
from thecal.pump.wall_clock.clock import FIRST_MONDAY, FIRST_UTC_S, MOST_OFFSET_S, reading_of
from thecal.pump.wall_clock.difference import wall_text
from thecal.pump.wall_clock.travel import MOST_TIMES
from thecal.pump.wall_clock.zone import LOOK_EVERY_S, zone_offset
from thecal.quantities import DoseRate, Duration, Mass
from thecal.therapy.pattern import Pattern, Piece, steady
from thecal.therapy.program import DAY_S

if TYPE_CHECKING:
    from thecal.therapy.mixture import Mixture

CHICAGO = ZoneInfo("America/Chicago")
TOKYO = ZoneInfo("Asia/Tokyo")
CST_S, CDT_S = -6 * 3600, -5 * 3600
HOUR_S = 3600


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    """A moment in UTC as Unix seconds."""
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp())


def per_h(text: str) -> DoseRate:
    return DoseRate.parse(f"{text} mg/h")


# Base 0.05 mg/h with 0.1 mg/h from 02:00 to 06:00 (users-and-interfaces 4.5).
NIGHT = Pattern(
    DAY_S,
    (
        Piece(Fraction(0), per_h("0.05")),
        Piece(Fraction(2 * HOUR_S), per_h("0.1")),
        Piece(Fraction(6 * HOUR_S), per_h("0.05")),
    ),
)


def mg(text: str) -> Mass:
    return Mass.parse(f"{text} mg")


def clock_at(utc_s: int, utc_offset_s: int = CST_S, *, uptime_s: int = 1_000, ahead_s: int = 0) -> PumpClock:
    """A pump clock that keeps an offset, and is ahead of it by some seconds."""
    offset = offset_for(uptime_s, utc_s, utc_offset_s)
    assert offset is not None
    return PumpClock(uptime_s, offset + ahead_s, utc_offset_s)


def task(
    clock: PumpClock,
    utc_s: int,
    to_s: int,
    pattern: Pattern = NIGHT,
    mixture: Mixture = MORPHINE,
    later: int | None = None,
) -> ClockTask:
    found = clock_task(clock, utc_s, to_s, pattern, mixture, later_utc_s=later)
    assert isinstance(found, ClockTask)
    return found


# The pump clock itself


def test_the_pump_clock_counts_from_a_monday() -> None:
    assert FIRST_MONDAY.weekday() == 0
    assert datetime.fromtimestamp(FIRST_UTC_S, UTC).replace(tzinfo=None) == FIRST_MONDAY
    assert PumpClock(0, 0, None).reading == FIRST_MONDAY
    assert PumpClock(0, 0, None).utc_s is None


@pytest.mark.requirement("OP-6.6.3", "OP-6.6.8")
def test_reading_offset_and_utc_belong_together() -> None:
    now = at(2026, 7, 1, 12)
    clock = clock_at(now)
    assert clock.reading == datetime(2026, 7, 1, 6)  # noqa: DTZ001 -- a reading has no zone
    assert clock.utc_s == now
    assert clock.clock_s == clock.uptime_s + clock.offset_s


@given(
    uptime=st.integers(0, 2**31 - 1),
    utc=st.integers(FIRST_UTC_S, FIRST_UTC_S + 3 * 10**9),
    offset=st.integers(-DAY_S + 1, DAY_S - 1),
)
def test_the_offset_for_a_time_makes_the_pump_clock_read_it(uptime: int, utc: int, offset: int) -> None:
    found = offset_for(uptime, utc, offset)
    if found is None:
        assert not 0 <= utc + offset - FIRST_UTC_S - uptime <= MOST_OFFSET_S
        return
    clock = PumpClock(uptime, found, offset)
    assert clock.utc_s == utc
    assert clock.reading.replace(tzinfo=UTC) == datetime.fromtimestamp(utc, UTC) + timedelta(seconds=offset)


def test_the_offset_is_what_the_pump_takes() -> None:
    w = world(program())
    w.c.run(HOUR_S)
    now = at(2026, 7, 1, 12)
    found = offset_for(w.c.t, now, CST_S)
    assert found is not None
    assert w.k.set_clock(found) == codes.GRANTED
    assert reading_of(w.c.clock_s()) == datetime(2026, 7, 1, 6)  # noqa: DTZ001
    assert w.k.set_clock(MOST_OFFSET_S) == codes.GRANTED
    assert w.k.set_clock(MOST_OFFSET_S + 1) == codes.BAD_VALUE


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "UTC"), (7200, "UTC+02:00"), (-21_600, "UTC-06:00"), (-12_600, "UTC-03:30"), (1_172, "UTC+00:19:32")],
)
def test_an_offset_as_written(seconds: int, text: str) -> None:
    assert offset_text(seconds) == text


# Three times of every record (T3)


@pytest.mark.requirement("P12", "OP-6.6.3", "OP-6.6.8")
def test_a_record_has_three_times_and_setting_the_clock_changes_none_of_an_earlier_one() -> None:
    w = world(program())
    now = at(2026, 3, 8, 12)
    w.c.run(HOUR_S)
    offset = offset_for(w.c.t, now, CST_S)
    assert offset is not None
    assert w.k.set_clock(offset) == codes.GRANTED
    w.c.run(2 * HOUR_S)
    w.c.note(codes.E_ACK, 0, 0)
    stamp = (w.c.t, w.c.clock_s())
    beliefs = (Belief(HOUR_S, CST_S),)
    before = times_of(*stamp, read_at_s=w.c.t, read_at_utc_s=now + HOUR_S, beliefs=beliefs, booted=False)
    w.c.run(2 * HOUR_S + 1)
    assert w.k.set_clock(offset + HOUR_S) == codes.GRANTED
    w.c.run(3 * HOUR_S)
    after = times_of(
        *stamp,
        read_at_s=w.c.t,
        read_at_utc_s=now + 2 * HOUR_S,
        beliefs=(*beliefs, Belief(2 * HOUR_S + 1, CDT_S)),
        booted=False,
    )
    assert before.clock == after.clock == datetime(2026, 3, 8, 7)  # noqa: DTZ001
    assert before.utc == after.utc == datetime(2026, 3, 8, 13, tzinfo=UTC)
    assert before.utc_offset_s == after.utc_offset_s == CST_S
    assert before.utc_is is UtcIs.COUNTED


def test_what_is_not_known_of_a_time_is_said() -> None:
    found = times_of(10, 10, read_at_s=110, read_at_utc_s=at(2026, 1, 1), beliefs=(Belief(11, 0),), booted=True)
    assert found.utc_offset_s is None
    assert found.utc_is is UtcIs.AT_THE_LATEST
    assert found.utc == datetime(2025, 12, 31, 23, 58, 20, tzinfo=UTC)
    assert times_of(11, 11, read_at_s=11, read_at_utc_s=0, beliefs=(Belief(11, 3), Belief(0, 5)), booted=False) == (
        times_of(11, 11, read_at_s=11, read_at_utc_s=0, beliefs=(Belief(0, 5), Belief(11, 3)), booted=False)
    )


# Against the wall (T1, T4, T5)


def test_the_line_for_every_screen() -> None:
    """T4, word for word; and in winter there is nothing to say but until when."""
    summer = at(2026, 7, 1, 12)
    assert compare(clock_at(summer), summer, CHICAGO).text() == (
        "pump 06:00 = clock on the wall 07:00 until 1 Nov 2026"
    )
    winter = at(2026, 1, 15, 12)
    assert compare(clock_at(winter), winter, CHICAGO).text() == "pump clock = clock on the wall until 8 Mar 2026"
    assert compare(clock_at(winter, 9 * HOUR_S), winter, TOKYO).text() == "pump clock = clock on the wall"
    assert compare(clock_at(winter), winter, TOKYO).text() == "pump 06:00 = clock on the wall 21:00"


@pytest.mark.parametrize(
    ("pump_s", "ahead_s", "text"),
    [
        (23 * HOUR_S, HOUR_S, "00:00 of the next day"),
        (0, -1, "23:59:59 of the day before"),
        (6 * HOUR_S, 42, "06:00:42"),
        (0, 2 * DAY_S, "00:00 +2 days"),
        (0, -2 * DAY_S, "00:00 -2 days"),
    ],
)
def test_the_wall_may_be_on_another_day(pump_s: int, ahead_s: int, text: str) -> None:
    assert wall_text(pump_s, ahead_s) == text


@pytest.mark.requirement("OP-6.6.8")
def test_drift_is_shown_to_the_second_and_never_corrected() -> None:
    now = at(2026, 7, 1, 12)
    slow = clock_at(now, ahead_s=-42)
    found = compare(slow, now, CHICAGO)
    assert found.drift is not None
    assert found.drift.text == "the pump clock is 42 s behind"
    assert found.text() == "pump 06:00 = clock on the wall 07:00:42 until 1 Nov 2026"
    fast = drift(clock_at(now, ahead_s=61), now)
    assert fast is not None
    assert fast.text == "the pump clock is 1 min 1 s ahead"
    exact = drift(clock_at(now), now)
    assert exact is not None
    assert exact.text == "the pump clock keeps time to the second"
    nobody = PumpClock(0, slow.offset_s, None)
    assert drift(nobody, now) is None
    assert compare(nobody, now, CHICAGO).zone_s is None


@given(
    utc=st.integers(at(2002, 1, 1), at(2037, 1, 1)),
    believed=st.integers(-14, 14).map(lambda h: h * HOUR_S),
    ahead=st.integers(-10_000, 10_000),
    zone=st.sampled_from([CHICAGO, TOKYO, ZoneInfo("Europe/Vienna"), ZoneInfo("Australia/Lord_Howe")]),
)
def test_the_difference_is_the_zone_less_the_drift(utc: int, believed: int, ahead: int, zone: ZoneInfo) -> None:
    found = compare(clock_at(utc, believed, uptime_s=0, ahead_s=ahead), utc, zone, utc + 1)
    assert found.drift is not None
    assert found.zone_s is not None
    assert found.drift.seconds == ahead
    assert found.seconds == found.zone_s - ahead


# When a zone changes


@pytest.mark.parametrize(
    ("after", "day", "shift"),
    [
        (at(2026, 1, 1), date(2026, 3, 8), HOUR_S),
        (at(2026, 4, 1), date(2026, 11, 1), -HOUR_S),
        (at(2026, 12, 1), date(2027, 3, 14), HOUR_S),
        (at(2027, 4, 1), date(2027, 11, 7), -HOUR_S),
    ],
)
def test_the_changes_of_2026_and_2027(after: int, day: date, shift: int) -> None:
    found = next_change(CHICAGO, after)
    assert found is not None
    assert found.old_reading.date() == day
    assert found.shift_s == shift
    assert found.old_reading.hour == 2
    assert zone_offset(CHICAGO, found.utc_s - 1) == found.before_s
    assert zone_offset(CHICAGO, found.utc_s) == found.after_s


def test_a_change_before_the_refill_is_said_and_one_after_it_is_not() -> None:
    visit, refill = at(2026, 8, 3, 15), at(2026, 10, 26)
    assert next_change(CHICAGO, visit, refill) is None
    found = next_change(CHICAGO, visit, at(2026, 11, 2))
    assert found is not None
    notice = before_change(found, CST_S)
    assert notice.clinician == (
        "On 1 Nov 2026 at 02:00 clocks in America/Chicago go back by 1 h, to 01:00. "
        "The pump clock does not follow: from then on pump 06:00 = clock on the wall 06:00. "
        "Doses that change with the time of day come 1 h earlier by the clock on the wall."
    )
    assert notice.patient == (
        "On 1 Nov 2026 your clock goes back by 1 h. Your pump clock stays the same. "
        "Doses set by time come 1 h earlier by your clock."
    )
    spring = next_change(CHICAGO, at(2026, 1, 1))
    assert spring is not None
    assert "go forward by 1 h, to 03:00" in spring.text
    assert "come 1 h later" in before_change(spring, CST_S).patient


@pytest.mark.parametrize("name", ["America/Chicago", "Australia/Lord_Howe", "Europe/Dublin", "Africa/Casablanca"])
def test_every_change_is_found_that_hours_find(name: str) -> None:
    """Against a slower search that shares no code: the offset of each quarter of an hour, over three years."""
    zone = ZoneInfo(name)
    start, end = at(2025, 1, 1), at(2028, 1, 1)
    seen, before = [], datetime.fromtimestamp(start, UTC).astimezone(zone).utcoffset()
    for moment in range(start, end, 900):
        offset = datetime.fromtimestamp(moment, UTC).astimezone(zone).utcoffset()
        if offset != before:
            seen.append(moment)
        before = offset
    assert [c.utc_s for c in changes(zone, start, end)] == seen
    assert seen


def test_a_zone_without_changes_has_none() -> None:
    assert next_change(TOKYO, at(2026, 1, 1)) is None
    assert list(changes(CHICAGO, at(2026, 1, 1), at(2026, 1, 1))) == []
    assert LOOK_EVERY_S < DAY_S


# What a schedule would give if it followed the wall, and what a pump gives


def test_the_vectors_of_the_rules() -> None:
    assert NIGHT.total == mg("1.4")
    found = {
        day: wall_day(NIGHT, MORPHINE, CHICAGO, day)
        for day in (date(2026, 3, 8), date(2026, 11, 1), date(2026, 7, 1), date(2027, 3, 14), date(2027, 11, 7))
    }
    short, long = found[date(2026, 3, 8)], found[date(2026, 11, 1)]
    assert (short.length, short.doses["morphine"]) == (Duration.of(23, "h"), mg("1.3"))
    assert (long.length, long.doses["morphine"]) == (Duration.of(25, "h"), mg("1.45"))
    assert found[date(2026, 7, 1)].doses["morphine"] == mg("1.4")
    assert found[date(2027, 3, 14)].doses["morphine"] == mg("1.3")
    assert found[date(2027, 11, 7)].doses["morphine"] == mg("1.45")


@given(start_s=st.integers(0, 10 * DAY_S))
def test_a_pump_on_its_fixed_offset_gives_the_same_in_every_24_h(start_s: int) -> None:
    assert NIGHT.between(start_s, start_s + DAY_S) == mg("1.4")


def test_the_pump_itself_gives_the_same_on_the_days_of_the_change() -> None:
    """The core, over both changes of 2026: the same strokes in each of the three days around them."""
    for year, month, day in ((2026, 3, 7), (2026, 10, 31)):
        # 20 and 40 mcL/h: strokes of 250 nL that leave no rest at the end of a day.
        rates = ((0, 20_000_000), (2 * HOUR_S, 40_000_000), (6 * HOUR_S, 20_000_000))
        w = world(program(rates=rates), start=False)
        clock = clock_at(at(year, month, day, 6), uptime_s=0)  # midnight of the pump clock
        assert w.k.set_clock(clock.offset_s) == codes.GRANTED
        assert w.k.start(1) == codes.GRANTED
        given = []
        for days in (1, 2, 3):
            w.c.run(days * DAY_S)
            given.append(w.c.strokes)
        assert given == [2240, 4480, 6720]


@given(
    zone=st.sampled_from(["America/Chicago", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia"]),
    first=st.dates(date(2010, 1, 1), date(2036, 1, 1)),
)
def test_days_on_the_wall_add_up_to_the_time_that_passes(zone: str, first: date) -> None:
    found = ZoneInfo(zone)
    days = [first + timedelta(days=n) for n in range(9)]
    total = sum((wall_day(steady(per_h("1")), TRIPLE, found, d).length.number("s") for d in days), start=Fraction(0))
    start, end = (
        datetime(d.year, d.month, d.day, 12, tzinfo=found).timestamp() for d in (days[0], days[-1] + timedelta(days=1))
    )
    halves = [wall_day(steady(per_h("1")), TRIPLE, found, d).length for d in (days[0], days[-1] + timedelta(days=1))]
    if all(h == Duration.of(1, "day") for h in halves):
        assert total == Fraction(int(end - start))
    day = wall_day(steady(per_h("1")), TRIPLE, found, days[4])
    assert day.doses["morphine"] == per_h("1") * day.length


# Setting the clock (T6)


def test_an_hour_forward_skips_and_an_hour_back_repeats_in_dose() -> None:
    now = at(2026, 3, 8, 8)  # 02:00 on the pump, 03:00 on the wall: 0.1 mg/h from 02:00 on
    found = task(clock_at(now), now, CDT_S)
    assert found.wanted == "UTC-05:00"
    leave, change = found.choice(Kind.LEAVE), found.choice(Kind.NOW)
    assert (leave.shift_s, leave.offset_s, leave.skipped, leave.repeated) == (0, None, {}, {})
    assert leave.next_24h == {"morphine": mg("1.4")}
    assert change.shift_s == HOUR_S
    assert change.skipped == {"morphine": mg("0.1")}
    assert change.repeated == {}
    assert change.before == datetime(2026, 3, 8, 2)  # noqa: DTZ001
    assert change.after == datetime(2026, 3, 8, 3)  # noqa: DTZ001
    autumn = at(2026, 11, 1, 7, 30)  # 02:30 on a pump that keeps summer time
    back = task(clock_at(autumn, CDT_S), autumn, CST_S).choice(Kind.NOW)
    assert back.shift_s == -HOUR_S
    assert back.repeated == {"morphine": mg("0.075")}  # half an hour at each rate
    assert back.skipped == {}
    with pytest.raises(KeyError):
        found.choice(Kind.LATER)


def test_every_ingredient_is_shown_in_its_own_unit() -> None:
    now = at(2026, 3, 8, 8)
    later = at(2026, 3, 10, 16)
    found = task(clock_at(now), now, CDT_S, mixture=TRIPLE, later=later)
    assert found.choice(Kind.NOW).lines(load().drug) == (
        "Change it now: the pump clock goes forward by 1 h, from 8 Mar 2026 02:00:00 to 8 Mar 2026 03:00:00.",
        "Skipped: 0.1 mg morphine, 0.075 mg bupivacaine, 1.5 mcg cloNIDine.",
        "Given a second time: nothing.",
        "In the 24 h after it: 1.4 mg morphine, 1.05 mg bupivacaine, 21 mcg cloNIDine.",
    )
    assert found.choice(Kind.LEAVE).lines(load().drug) == (
        "Leave it: the pump clock stays as it is. Nothing is skipped or repeated.",
    )
    last = found.choice(Kind.LATER)
    assert last.before == datetime(2026, 3, 10, 10)  # noqa: DTZ001
    assert last.skipped["morphine"] == mg("0.05")
    assert last.offset_s == found.choice(Kind.NOW).offset_s
    autumn = at(2026, 11, 1, 7, 30)
    back = task(clock_at(autumn, CDT_S), autumn, CST_S).choice(Kind.NOW)
    assert back.lines(load().drug)[:3] == (
        "Change it now: the pump clock goes back by 1 h, from 1 Nov 2026 02:30:00 to 1 Nov 2026 01:30:00.",
        "Skipped: nothing.",
        "Given a second time: 0.075 mg morphine.",
    )


def _steps(count: int, period_s: int) -> st.SearchStrategy[Pattern]:
    starts = st.sets(st.integers(1, period_s - 1), max_size=count).map(sorted)
    rates = st.integers(0, 500).map(lambda n: DoseRate.of(Fraction(n, 7), "mcg/h"))
    return starts.flatmap(
        lambda found: st.lists(rates, min_size=len(found) + 1, max_size=len(found) + 1).map(
            lambda doses: Pattern(
                period_s, tuple(Piece(Fraction(s), d) for s, d in zip([0, *found], doses, strict=True))
            )
        )
    )


@given(
    pattern=st.one_of(_steps(6, DAY_S), _steps(9, 7 * DAY_S)),
    utc=st.integers(at(2026, 1, 1), at(2027, 1, 1)),
    to=st.integers(-14 * HOUR_S, 14 * HOUR_S),
    ahead=st.integers(-600, 600),
    wait=st.integers(1, 40 * DAY_S),
    span=st.integers(0, 3 * DAY_S),
)
def test_what_is_skipped_and_repeated_is_all_that_changes(
    pattern: Pattern, utc: int, to: int, ahead: int, wait: int, span: int
) -> None:
    """What is given by elapsed time, plus skipped, less repeated, is what the same stretch of pump clock holds."""
    clock = clock_at(utc, ahead_s=ahead)
    for choice in task(clock, utc, to, pattern, TRIPLE, utc + wait).choices:
        start = clock.clock_s
        jump = choice.at_s + clock.offset_s
        given = pattern.between(start, jump) + pattern.between(jump + choice.shift_s, jump + choice.shift_s + span)
        by_clock = pattern.between(start, jump + choice.shift_s + span)
        zero = Mass.zero()
        for drug in TRIPLE.drugs:
            skipped, repeated = choice.skipped.get(drug, zero), choice.repeated.get(drug, zero)
            assert TRIPLE.follow(drug, given) + skipped - repeated == TRIPLE.follow(drug, by_clock)
            assert not (skipped and repeated)
        assert choice.after - choice.before == timedelta(seconds=choice.shift_s)
        if choice.kind is not Kind.LEAVE:
            assert choice.offset_s is not None
            # Whatever it was off by: from then on it keeps the offset that was wanted.
            assert PumpClock(clock.uptime_s, choice.offset_s, to).utc_s == utc


@given(pattern=_steps(6, DAY_S), utc=st.integers(at(2026, 1, 1), at(2027, 1, 1)), to=st.integers(-12, 12))
def test_there_and_back_skips_what_it_repeats(pattern: Pattern, utc: int, to: int) -> None:
    there = task(clock_at(utc), utc, to * HOUR_S, pattern).choice(Kind.NOW)
    assert there.offset_s is not None
    back = task(PumpClock(1_000, there.offset_s, to * HOUR_S), utc, CST_S, pattern).choice(Kind.NOW)
    assert back.shift_s == -there.shift_s
    assert (back.skipped, back.repeated) == (there.repeated, there.skipped)


@pytest.mark.parametrize(
    ("uptime_s", "utc", "to", "later", "why"),
    [
        (0, at(2000, 1, 1), 0, None, WhyNot.CLOCK_RANGE),
        (0, at(2070, 1, 1), 0, None, WhyNot.CLOCK_RANGE),
        (0, at(2026, 1, 1), DAY_S, None, WhyNot.OFFSET_RANGE),
        (0, at(2026, 1, 1), -DAY_S, None, WhyNot.OFFSET_RANGE),
        (0, at(2026, 1, 1), 0, at(2026, 1, 1), WhyNot.NOT_LATER),
    ],
)
def test_what_cannot_be_set_is_refused_with_its_reason(
    uptime_s: int, utc: int, to: int, later: int | None, why: WhyNot
) -> None:
    found = clock_task(PumpClock(uptime_s, 0, 0), utc, to, NIGHT, MORPHINE, later_utc_s=later)
    assert isinstance(found, NoClock)
    assert found.why is why
    assert found.found in found.message
    assert found.allowed in found.message
    assert found.then in found.message


@pytest.mark.requirement("P2", "OP-5.2.3", "UM-25.3", "AG-02")
def test_a_repeated_hour_gives_no_extra_bolus() -> None:
    """T7 and T8: lockout and count run on elapsed time, whatever the clock says."""
    w = world(program(bolus=(4, 600, HOUR_S, 3)))
    assert w.k.set_clock(DAY_S) == codes.GRANTED
    granted = []
    for quarter in range(4 * 24):
        w.c.run(quarter * 900)
        if quarter % 4 == 0:
            assert w.k.set_clock(max(0, w.c.offset_s - HOUR_S)) == codes.GRANTED
        if w.k.bolus(quarter + 1) == codes.GRANTED:
            granted.append(w.c.t)
    assert granted == [0, HOUR_S, 2 * HOUR_S]


# The letter for a traveler, T9


def test_the_letter_says_what_the_pump_clock_keeps_and_what_to_expect() -> None:
    stay = Stay("Tokyo", TOKYO, at(2026, 10, 5), at(2026, 10, 19))
    assert travel_letter(CST_S, (stay,), NIGHT) == (
        "The pump clock keeps UTC-06:00 all the time. It does not follow the clock on the wall.",
        "Tokyo, 5 Oct 2026 to 19 Oct 2026: pump 06:00 = clock on the wall 21:00.",
        "The base changes at these times of the pump clock: 00:00 (15:00 on the wall), 02:00 (17:00 on the wall), "
        "06:00 (21:00 on the wall).",
        "The base of any 24 h stays the same wherever the pump is, for a program that repeats every day.",
        "The wait between boluses and the count of boluses in 24 h run on elapsed time. Travel does not change them.",
        "The pump clock can be changed at the clinic only. For a short trip it is often best left as it is.",
    )


def test_a_stay_over_a_change_of_the_clock_has_two_parts() -> None:
    stay = Stay("at home", CHICAGO, at(2026, 10, 20), at(2026, 11, 10))
    lines = travel_letter(CST_S, (stay,), steady(per_h("0.05")))
    assert lines[1:5] == (
        "at home, 19 Oct 2026 to 1 Nov 2026: pump 06:00 = clock on the wall 07:00.",
        "The base is the same at all hours.",
        "at home, 1 Nov 2026 to 9 Nov 2026: pump 06:00 = clock on the wall 06:00.",
        "The base is the same at all hours.",
    )


def test_a_letter_for_a_program_of_the_week_or_of_many_steps_stays_short() -> None:
    stay = Stay("Tokyo", TOKYO, at(2026, 10, 5), at(2026, 10, 19))
    week = Pattern(7 * DAY_S, (Piece(Fraction(0), per_h("1")), Piece(Fraction(5 * DAY_S), per_h("2"))))
    letter = travel_letter(CST_S, (stay,), week)
    assert "The base changes with the time of day, by the pump clock." in letter
    assert "The program changes with the day of the week, by the date of the pump clock." in letter
    many = Pattern(DAY_S, tuple(Piece(Fraction(n * 600), per_h("1")) for n in range(MOST_TIMES + 1)))
    assert "The base changes with the time of day, by the pump clock." in travel_letter(CST_S, (stay,), many)
    with pytest.raises(ValueError, match="ends after it begins"):
        Stay("nowhere", TOKYO, 5, 5)


def test_shapes_that_people_rely_on() -> None:
    change = ZoneChange(at(2026, 3, 8, 8), CST_S, CDT_S, "America/Chicago")
    assert change.new_reading - change.old_reading == timedelta(hours=1)
    assert isinstance(task(clock_at(at(2026, 1, 1)), at(2026, 1, 1), 0).choices[0], Choice)
