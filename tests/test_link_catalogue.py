"""The catalogue against a table that somebody else wrote: who may say what, over which radio, and what it can do.

The table stands here a second time on purpose. A wrong role in the catalogue would pass every test that reads the
catalogue; it does not pass this one.
"""

from __future__ import annotations

import pytest

from thecal.link.catalogue import ANSWERS, BY_PATH, MESSAGES, Bytes, Effect, Truth, Whole, Word
from thecal.link.roles import KID, PUMP_KID, SEAT, WHO, Role

# message: who may say it, whether only on the skin, what it can do to delivery
TABLE = {
    "status": ("programmer patient monitor service card", "anywhere", "none"),
    "identity": ("programmer monitor service card", "anywhere", "none"),
    "piece": ("programmer monitor service card", "anywhere", "none"),
    "bring": ("programmer", "on the skin", "none"),
    "propose": ("programmer", "on the skin", "none"),
    "confirm": ("programmer", "on the skin", "any"),
    "start": ("programmer", "on the skin", "any"),
    "stop": ("programmer service card", "on the skin", "less"),
    "single": ("programmer", "on the skin", "any"),
    "prime": ("programmer", "on the skin", "any"),
    "refill": ("programmer", "on the skin", "any"),
    "clock": ("programmer", "on the skin", "any"),
    "clear": ("programmer service", "on the skin", "any"),
    "void": ("programmer service card", "on the skin", "less"),
    "bolus": ("patient", "anywhere", "any"),
    "withdraw": ("patient", "anywhere", "less"),
    "acknowledge": ("programmer service", "anywhere", "none"),
    "alarm-test": ("programmer service", "on the skin", "none"),
}


@pytest.mark.requirement("SC-05", "SC-08", "OP-6.7.4", "P6")
def test_the_catalogue_says_what_this_table_says() -> None:
    said = {m.path: (set(m.roles), "on the skin" if m.near else "anywhere", str(m.effect)) for m in MESSAGES}
    assert said == {path: (set(map(Role, who.split())), where, what) for path, (who, where, what) in TABLE.items()}
    assert len(BY_PATH) == len(MESSAGES)


@pytest.mark.requirement("SC-05")
def test_whatever_can_raise_a_dose_is_said_on_the_skin_or_by_the_patient() -> None:
    for message in MESSAGES:
        if message.effect is Effect.ANY:
            assert message.near or message.roles == {Role.PATIENT}, message.path


@pytest.mark.requirement("SC-08")
def test_the_patient_asks_for_a_bolus_and_for_nothing_else_that_changes_anything() -> None:
    mine = [m for m in MESSAGES if Role.PATIENT in m.roles]
    assert {m.path for m in mine} == {"status", "bolus", "withdraw"}
    assert {name for m in mine for name, _ in m.fields} == {"command"}, "no dose, no time, no size"


@pytest.mark.requirement("OP-6.7.4")
def test_whoever_is_far_away_can_lower_and_not_raise() -> None:
    far = {m.path for m in MESSAGES if not m.near and m.effect is not Effect.NONE}
    assert far == {"bolus", "withdraw"}, "but for a bolus that the program holds"
    for role in (Role.MONITOR, Role.SERVICE, Role.CARD):
        assert all(m.effect is not Effect.ANY or m.path == "clear" for m in MESSAGES if role in m.roles)
    assert all(m.effect is not Effect.ANY for m in MESSAGES if Role.CARD in m.roles or Role.MONITOR in m.roles)
    assert all(m.effect is Effect.NONE for m in MESSAGES if Role.MONITOR in m.roles)


@pytest.mark.requirement("OP-8.3.3")
def test_no_message_carries_a_key() -> None:
    """Keys are made in the pump and handed over beside it: nothing said over a radio can bring or take one."""
    names = {name for m in MESSAGES for name, _ in m.fields} | {
        name for fields in ANSWERS.values() for name, _ in fields
    }
    assert not {n for n in names for word in ("key", "secret", "salt", "pair", "role", "near_field") if word in n}
    for message in MESSAGES:
        for name, kind in message.fields:
            free = isinstance(kind, Bytes) and kind.least != kind.most
            assert not free or (message.path, name) == ("bring", "data"), "free bytes are a program or its document"


def test_whatever_changes_delivery_has_a_number() -> None:
    for message in MESSAGES:
        assert message.numbered == (message.effect is not Effect.NONE or message.path in ("acknowledge", "alarm-test"))
        assert message.answer == ("done" if message.numbered else message.answer)
        assert message.answer in ANSWERS


def test_roles_are_told_apart() -> None:
    assert set(KID) == set(WHO) == set(Role)
    assert len({*KID.values(), PUMP_KID}) == len(Role) + 1
    assert set(SEAT) == {Role.PROGRAMMER, Role.SERVICE, Role.CARD}
    assert len(set(SEAT.values())) == len(SEAT)
    assert 0 not in WHO.values()


def test_every_field_has_bounds() -> None:
    for fields in (*(m.fields for m in MESSAGES), *ANSWERS.values()):
        for name, kind in fields:
            match kind:
                case Whole(least, most) | Bytes(least, most):
                    assert least <= most, name
                case Word(words):
                    assert words, name
                case Truth():
                    pass
