"""The order document: bound to its program by digest, read back whole, refused in words where it is anything else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.therapy_builders import mg, per_day, strength
from tests.twin_builders import BOLUS, MORPHINE, TRIPLE, order, program

from thecal.pump.compile import FixedFlow, Refused, Why
from thecal.pump.document import (
    MOST_BYTES,
    DocumentChannel,
    DocumentIngredient,
    OrderDocument,
    Prepared,
    UnreadableDocument,
    Written,
    carried_over,
    prepare,
)
from thecal.pump.families import Calibration, family
from thecal.therapy.mixture import Ingredient, Mixture
from thecal.therapy.program import Ceiling, Continuous

if TYPE_CHECKING:
    from thecal.therapy.order import Order

WRITTEN = Written("0.1", "a1b2", ("Morphine 5 mg in 24 h.",), 'title = "one"\n', "one")


def ordered(mixed: Mixture = TRIPLE, **changes: object) -> Order:
    made = order(program(Continuous(per_day("5")), mixed, BOLUS), mixed)
    return replace(made, **changes)  # type: ignore[arg-type]


def prepared(found: Prepared | FixedFlow | Refused) -> Prepared:
    assert isinstance(found, Prepared), found
    return found


def first(mixed: Mixture = TRIPLE) -> Prepared:
    return prepared(prepare(ordered(mixed), WRITTEN, number=1, held=None, changed_within_a_day=False))


@pytest.mark.requirement("OP-5.1.1")
def test_the_program_names_its_document() -> None:
    made = first()
    assert bytes(made.compiled.program().order_digest) == hashlib.sha256(made.document).digest()
    again = first()
    assert again == made, "the same order gives the same bytes"


@pytest.mark.requirement("OP-8.1.2")
def test_the_document_says_what_the_program_cannot() -> None:
    held = OrderDocument.decode(first().document)
    assert held.patient == ordered().patient.reference
    assert [i.drug for i in held.mixture] == list(TRIPLE.drugs)
    assert held.mixture[0].concentration == TRIPLE.primary.concentration.text("mg/mL", 12)
    assert held.sentence == WRITTEN.sentence
    assert held.order == WRITTEN.order
    assert held.channel_map() == first().compiled.channels
    assert held.dead_volume_nl is not None
    assert held.dead_volume_nl > 0


def test_without_a_catheter_the_dead_volume_is_not_known() -> None:
    made = prepared(prepare(ordered(catheter=None), WRITTEN, number=1, held=None, changed_within_a_day=False))
    assert OrderDocument.decode(made.document).dead_volume_nl is None


OTHER = Mixture((Ingredient("hydromorphone", strength("10")),))


def second(*, recent: bool) -> Prepared:
    """Another drug alone, after a mixture of three."""
    held = OrderDocument.decode(first().document)
    wanted = ordered(OTHER)
    wanted = replace(wanted, program=replace(wanted.program, ceilings=(Ceiling("hydromorphone", mg("2"), mg("10")),)))
    return prepared(prepare(wanted, WRITTEN, number=2, held=held, changed_within_a_day=recent))


def test_drugs_of_the_past_day_keep_their_channels() -> None:
    kept = second(recent=True).compiled.channels
    assert kept.drugs == (*TRIPLE.drugs, "hydromorphone")


def test_a_third_program_forgets_what_was_not_given_for_a_day() -> None:
    held = OrderDocument.decode(second(recent=False).document)
    assert set(held.in_use(changed_within_a_day=True)) == {*TRIPLE.drugs, "hydromorphone"}
    assert set(held.in_use(changed_within_a_day=False)) == {"hydromorphone"}
    channels, in_use = carried_over(held, changed_within_a_day=False)
    assert channels == held.channel_map()
    assert in_use == ["hydromorphone"]
    made = prepare(ordered(MORPHINE), WRITTEN, number=3, held=held, changed_within_a_day=False)
    assert set(prepared(made).compiled.channels.drugs) == {"morphine", "hydromorphone"}


def test_what_the_pump_refuses_has_no_document() -> None:
    wanted = ordered()
    found = prepare(
        replace(wanted, program=replace(wanted.program, ceilings=())),
        WRITTEN,
        number=1,
        held=None,
        changed_within_a_day=False,
    )
    assert isinstance(found, Refused)
    assert found.why is Why.CEILING_MISSING


def test_a_pump_without_a_controller_holds_no_document() -> None:
    pump = family("constant-flow-30").envelope(Calibration.parse({"fixed_flow": "0.5 mL/day"}))
    mixed = Mixture((Ingredient("morphine", strength("10")),))
    wanted = replace(ordered(mixed), pump=pump, program=program(Continuous(per_day("5")), mixed))
    assert isinstance(prepare(wanted, WRITTEN, number=1, held=None, changed_within_a_day=False), FixedFlow)


def test_an_order_that_is_too_long_is_refused_in_words() -> None:
    long = replace(WRITTEN, order="x" * MOST_BYTES)
    with pytest.raises(UnreadableDocument, match=r"bytes: allowed are 65,536"):
        prepare(ordered(), long, number=1, held=None, changed_within_a_day=False)


def changed(**parts: object) -> bytes:
    held = json.loads(first().document)
    held.update(parts)
    return json.dumps(held).encode()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "the whole"),
        (b"{}", "patient"),
        (b"\xff\xfe", "the whole"),
        (b"x" * (MOST_BYTES + 1), "65,537 bytes"),
        (changed(layout=2), "layout"),
        (changed(patient=""), "patient"),
        (changed(dead_volume_nl=-1), "dead_volume_nl"),
        (changed(more="than is allowed"), "more"),
        (changed(channels=[{"drug": "a", "ceiling_1h_ng": 0, "ceiling_24h_ng": 1}]), "channels.0.ceiling_1h_ng"),
        (changed(channels=[{"drug": "a", "ceiling_1h_ng": 1, "ceiling_24h_ng": 1}] * 2), "each drug in one of them"),
    ],
)
def test_what_is_no_document_is_refused_in_words(data: bytes, says: str) -> None:
    with pytest.raises(UnreadableDocument, match=says):
        OrderDocument.decode(data)


@given(data=st.binary(max_size=300))
@pytest.mark.requirement("SC-17")
def test_any_bytes_are_a_document_or_are_refused(data: bytes) -> None:
    with pytest.raises(UnreadableDocument):
        OrderDocument.decode(data)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
CHANNEL = st.one_of(
    st.none(),
    st.builds(DocumentChannel, drug=TEXT, ceiling_1h_ng=st.integers(1, 10**12), ceiling_24h_ng=st.integers(1, 10**12)),
)


@given(
    patient=TEXT,
    mixture=st.lists(st.builds(DocumentIngredient, drug=TEXT, concentration=TEXT), max_size=3),
    channels=st.lists(CHANNEL, max_size=8, unique_by=lambda c: c.drug if c else object()),
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    dead=st.one_of(st.none(), st.integers(0, 10**9)),
)
def test_what_is_written_is_read_back(
    patient: str,
    mixture: list[DocumentIngredient],
    channels: list[DocumentChannel | None],
    text: str,
    dead: int | None,
) -> None:
    made = OrderDocument(
        patient=patient,
        software="0.1",
        formulary="f",
        mixture=tuple(mixture),
        channels=tuple(channels),
        sentence=(),
        dead_volume_nl=dead,
        order=text,
    )
    assert OrderDocument.decode(made.encode()) == made
