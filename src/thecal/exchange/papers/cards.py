"""Cards to carry: of the implant, and for a scan. They take plain text; what is not known is said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.exchange.papers.paper import Block, Fact, Facts, Paper, Paragraph, Person, Sheet, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

EMPTY_FIRST = (
    "EMPTY FIRST: this pump must be emptied before any MRI scan. The field can open it and let the drug out. "
    "Do not scan before the clinic says that it is empty."
)
UNKNOWN = "not stated"


@dataclass(frozen=True, slots=True)
class Device:
    """An implanted pump as its card names it, all as text; what is empty is printed as not stated."""

    name: str
    model: str
    serial: str
    lot: str
    udi: str
    maker: str
    implanted_on: str
    site: str
    catheter: str
    tip_level: str


@dataclass(frozen=True, slots=True)
class Center:
    """The clinic: its name, address and telephone numbers."""

    name: str
    address: str
    phone: str
    on_call: str


def implant_card(person: Person, device: Device, center: Center, made: str) -> Paper:
    """The implant card: device, model, serial, lot, UDI, maker, patient, date and center."""
    rows = (
        ("device", device.name),
        ("model", device.model),
        ("serial number", device.serial),
        ("lot", device.lot),
        ("UDI", device.udi),
        ("maker, address and site", device.maker),
        ("implanted", device.implanted_on),
        ("where in the body", device.site),
        ("catheter", device.catheter),
        ("tip", device.tip_level),
        ("center", f"{center.name}, {center.address}"),
        ("telephone", center.phone),
        ("at any hour", center.on_call),
    )
    facts = Facts(tuple(Fact(name, value or UNKNOWN, main=name == "serial number") for name, value in rows))
    return Paper("Implant card: intrathecal pump", center.name, made, (facts,), person, Sheet.CARD)


def mri_card(
    person: Person,
    device: Device,
    center: Center,
    lines: Sequence[tuple[str, str]],
    made: str,
    *,
    empty_first: bool,
    size: Sheet,
) -> Paper:
    """What to do around a scan, by the family of the pump; each line with its source.

    Where the pump must be emptied, or nobody says that it need not be, that line stands first and cannot be left out.
    """
    first: tuple[Block, ...] = (Paragraph(EMPTY_FIRST, strong=True),) if empty_first else ()
    whose = Facts(
        (
            Fact("pump", f"{device.name}, {device.model}"),
            Fact("serial number", device.serial, main=True),
            Fact("call before and after the scan", center.phone or UNKNOWN),
            Fact("at any hour", center.on_call or UNKNOWN),
        )
    )
    table = Table("What this pump asks for", ("what", "source"), tuple(lines))
    last = Paragraph("After the scan the clinic reads the pump. Do not leave before it runs again.", strong=True)
    return Paper("MRI card: intrathecal pump", center.name, made, (*first, whose, table, last), person, size)
