"""The order document: what a pump holds beside its program, so that an emergency team can read it without the clinic.

The pump binds it to the program by digest and never looks inside. Channels are unnamed in the program; which drug is
in which channel stands here. In comes an order with its compiled program, out go bytes, the same for the same order.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from thecal.pump.channels import Channel, ChannelMap
from thecal.pump.compile import Compiled, FixedFlow, Refused, compile_program, patient_reference
from thecal.therapy.line import dead_volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thecal.therapy.mixture import Mixture
    from thecal.therapy.order import Order

MOST_BYTES = 65_536
LAYOUT = 1

_Text = Annotated[str, Field(min_length=1, max_length=400)]


class UnreadableDocument(ValueError):  # noqa: N818  (named as people say it)
    """Bytes that are no order document: says what is wrong with them."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DocumentChannel(_Part):
    """A drug with its ceilings as the pump counts them, in ng for any 1 h and any 24 h."""

    drug: _Text
    ceiling_1h_ng: Annotated[int, Field(gt=0)]
    ceiling_24h_ng: Annotated[int, Field(gt=0)]


class DocumentIngredient(_Part):
    """A drug of the mixture; ``concentration`` is an amount as text, exact."""

    drug: _Text
    concentration: _Text


class OrderDocument(_Part):
    """Everything about a program that is not in it: the patient, the mixture, the channels, and the order in words.

    ``order`` is the file that somebody wrote; ``dead_volume_nl`` is what tubing and catheter hold, None where it is not
    known. At most 65,536 bytes as a whole.
    """

    layout: Annotated[int, Field(ge=LAYOUT, le=LAYOUT)] = LAYOUT
    patient: _Text
    title: _Text | None = None
    software: _Text
    formulary: _Text
    mixture: tuple[DocumentIngredient, ...]
    channels: tuple[DocumentChannel | None, ...]
    sentence: tuple[_Text, ...]
    dead_volume_nl: Annotated[int, Field(ge=0)] | None = None
    order: str

    def channel_map(self) -> ChannelMap:
        """The channels as the compiler takes them; UnreadableDocument where a drug has two."""
        try:
            return ChannelMap(
                tuple(Channel(c.drug, c.ceiling_1h_ng, c.ceiling_24h_ng) if c else None for c in self.channels)
            )
        except ValueError as wrong:
            raise UnreadableDocument(f"channels of the order document: {wrong}") from None

    def in_use(self, *, changed_within_a_day: bool) -> frozenset[str]:
        """Drugs of which some may have been delivered in the past 24 h; all of them where programs changed since."""
        drugs = frozenset(i.drug for i in self.mixture)
        return drugs | frozenset(c.drug for c in self.channels if c) if changed_within_a_day else drugs

    def encode(self) -> bytes:
        """The bytes that the pump holds; UnreadableDocument where they are more than it takes."""
        held = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        data = held.encode()
        if len(data) > MOST_BYTES:
            raise UnreadableDocument(f"an order document of {len(data):,} bytes: allowed are {MOST_BYTES:,}")
        return data

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the bytes of a pump; UnreadableDocument says what is wrong."""
        if len(data) > MOST_BYTES:
            raise UnreadableDocument(f"an order document of {len(data):,} bytes: allowed are {MOST_BYTES:,}")
        try:
            found = cls.model_validate_json(data)
        except ValidationError as wrong:
            first = wrong.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise UnreadableDocument(f"the order document cannot be read: {place}: {first['msg']}") from None
        found.channel_map()
        return found


def ingredients_of(mixture: Mixture) -> tuple[DocumentIngredient, ...]:
    """The mixture as a document holds it."""
    return tuple(
        DocumentIngredient(drug=i.drug, concentration=i.concentration.text("mg/mL", 12)) for i in mixture.ingredients
    )


def channels_of(channels: ChannelMap) -> tuple[DocumentChannel | None, ...]:
    """The channels of a compiled program as a document holds them."""
    return tuple(
        DocumentChannel(drug=c.drug, ceiling_1h_ng=c.ceiling_1h_ng, ceiling_24h_ng=c.ceiling_24h_ng) if c else None
        for c in channels.channels
    )


def carried_over(held: OrderDocument | None, *, changed_within_a_day: bool) -> tuple[ChannelMap, Sequence[str]]:
    """Channels and drugs in use that the next program starts from; a pump without a document starts from none."""
    if held is None:
        return ChannelMap(), ()
    return held.channel_map(), sorted(held.in_use(changed_within_a_day=changed_within_a_day))


@dataclass(frozen=True, slots=True)
class Written:
    """What is written with an order: its title, who made it from what, the program in words, and the file itself."""

    software: str
    formulary: str
    sentence: tuple[str, ...]
    order: str
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A compiled program with the order document that it is bound to."""

    compiled: Compiled
    document: bytes


def prepare(
    order: Order, written: Written, *, number: int, held: OrderDocument | None, changed_within_a_day: bool
) -> Prepared | FixedFlow | Refused:
    """Compile an order for a pump that holds ``held``, and bind the document to it.

    ``changed_within_a_day`` is True where a program or a fill changed in the past 24 h of the pump's uptime: then all
    channels of before are kept. UnreadableDocument where the document is too long.
    """
    channels, in_use = carried_over(held, changed_within_a_day=changed_within_a_day)

    def compiled(document: bytes) -> Compiled | FixedFlow | Refused:
        return compile_program(
            order,
            number=number,
            patient_ref=patient_reference(order.patient.reference),
            order_document=document,
            channels=channels,
            in_use=in_use,
        )

    found = compiled(b"")  # the channels, which the document names
    if not isinstance(found, Compiled):
        return found
    document = _document(order, written, found.channels).encode()
    bound = compiled(document)
    assert isinstance(bound, Compiled)  # noqa: S101 -- only the digest differs
    return Prepared(bound, document)


def _document(order: Order, written: Written, channels: ChannelMap) -> OrderDocument:
    dead = None
    if order.catheter is not None:
        dead = dead_volume(order.pump.tubing, order.catheter.volume).ceil("nL")
    return OrderDocument(
        patient=order.patient.reference,
        title=written.title,
        software=written.software,
        formulary=written.formulary,
        mixture=ingredients_of(order.mixture),
        channels=channels_of(channels),
        sentence=written.sentence,
        dead_volume_nl=dead,
        order=written.order,
    )
