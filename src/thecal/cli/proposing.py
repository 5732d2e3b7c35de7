"""A therapy change: reviewed, brought to the pump, shown old against new, and confirmed by what was read back."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.cli.answer import Answer
from thecal.cli.asking import KEEP_SESSION, asking, ended, ended_by, of_result, pump_at
from thecal.cli.ended import Ended
from thecal.cli.exits import Exit
from thecal.cli.programming import read_now
from thecal.cli.references import references, spoken
from thecal.cli.review_view import show as show_review
from thecal.cli.reviewing import judge
from thecal.cli.versions import software_version
from thecal.link.log_reading import Event
from thecal.link.talk import Arm, Result
from thecal.pump.compile import FixedFlow, Refused
from thecal.pump.core.codes import DAY_S
from thecal.pump.document import OrderDocument, Prepared, UnreadableDocument, Written, prepare
from thecal.quantities import Mass
from thecal.rig.wire import plain

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from rich.console import Console

    from thecal.cli.asking import Asked, At
    from thecal.cli.references import References
    from thecal.cli.reviewing import Reviewed
    from thecal.link.interrogation import Interrogation
    from thecal.link.therapy_change import Proposal

_CHANGES = (Event.PROGRAM, Event.REFILL)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be proposed: the order, a site's formulary, the day to judge by, and whether to confirm at once."""

    path: Path
    site: Path | None
    today: date
    confirm: bool = False


def propose(given: Path | None, serial: str, wanted: Wanted) -> Answer:
    """Review, read, compile for this pump, bring and read back; the running program is untouched."""
    known = references(wanted.site)
    text, file = known.order_text(wanted.path)
    reviewed = judge(file, known, wanted.today)
    if reviewed.exit is not Exit.GO_ON:
        body = {"reviewed": reviewed.as_json(), "proposed": None}
        raise Ended(Answer(reviewed.exit, body, lambda c: show_review(c, spoken(wanted.path), reviewed, known)))
    at = pump_at(given, serial)
    with asking(at.home) as link:
        read = read_now(link, at)
        _same_pump(serial, read, reviewed)
        made = _prepared(read, reviewed, known, text)
        proposal = link.told(
            "propose",
            serial=serial,
            program=_base64(made.compiled.packed),
            document=_base64(made.document),
            patient=_base64(bytes(made.compiled.program().patient_ref)),
        )
        if isinstance(proposal, Result):
            return of_result(proposal, at)
        if wanted.confirm:
            return _confirmed(link, at, proposal.digest, *_change_lines(proposal, made, known))
    return _proposed(at, proposal, made, reviewed, known)


def confirm(given: Path | None, serial: str, text: str) -> Answer:
    """Confirm what was proposed, named by the first characters of its digest."""
    wanted = text.lower()
    if len(wanted) < 8 or any(c not in "0123456789abcdef" for c in wanted):
        then = "copy it from the proposal"
        raise ended(Exit.USAGE, f"digest {text!r}", "8 to 64 characters, 0 to 9 and a to f", then)
    at = pump_at(given, serial)
    with asking(at.home) as link:
        status = link.told("status", serial=serial, role="programmer")
        if isinstance(status, Result):
            return of_result(status, at)
        if not status.staged.hex().startswith(wanted) or not status.staged:
            staged = f"a proposal with digest {status.staged.hex()[:8]}" if status.staged else "no proposal"
            then = f"propose it again: thecal programmer propose {serial} ORDER.toml; then compare what is read back"
            raise ended(Exit.PUMP_REFUSED, f"digest {text}; the pump holds {staged}", "the digest that it holds", then)
        return _confirmed(link, at, status.staged)


def _confirmed(link: Asked, at: At, digest: bytes, *more: str) -> Answer:
    """Confirm by the digest; a pump that does not deliver is started next."""
    found: Result = link.told("confirm", serial=at.serial, digest=_base64(digest))
    stopped = found.arm is Arm.GRANTED and found.status is not None and not found.status.running
    return of_result(found, at, *more, then=f"start it: thecal programmer start {at.serial}" if stopped else "")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _same_pump(serial: str, read: Interrogation, reviewed: Reviewed) -> None:
    """The order is for this pump: its serial number, family and measured stroke."""
    order, said = reviewed.file.order, reviewed.file.serial
    if said is not None and said != serial:
        raise ended(Exit.STOPPED, f"an order for pump {said}", f"an order for pump {serial}", "take the right order")
    if order.pump.family != read.identity.family:
        found = f"an order for the family {order.pump.family}"
        raise ended(Exit.STOPPED, found, f"one for {read.identity.family}", "write the order for this pump")
    stroke = order.pump.stroke
    if stroke is not None and stroke.number("nL") != read.identity.stroke_nl:
        found = f"an order for a stroke of {stroke.text('nL')}"
        then = "write this pump's calibration into the order"
        raise ended(Exit.STOPPED, found, f"{read.identity.stroke_nl} nL, as the pump says", then)


def _prepared(read: Interrogation, reviewed: Reviewed, known: References, text: str) -> Prepared:
    """The order compiled for this pump, with its document; Ended where the pump cannot run it."""
    written = Written(
        software=software_version(),
        formulary=known.formulary.version,
        sentence=tuple(_sentence(reviewed)),
        order=text,
        title=reviewed.file.title,
    )
    try:
        held = OrderDocument.decode(read.document) if read.document else None
        made = prepare(
            reviewed.file.order,
            written,
            number=read.status.program + 1,
            held=held,
            changed_within_a_day=_changed_lately(read),
        )
    except UnreadableDocument as wrong:
        raise ended_by(Exit.PUMP_REFUSED, wrong, "call the service; the pump goes on as before") from wrong
    if isinstance(made, Refused):
        raise ended(Exit.PUMP_REFUSED, made.found, made.allowed, made.then)
    assert not isinstance(made, FixedFlow), "a pump with one flow has no radio"  # noqa: S101 -- Identity refuses it
    return made


def _sentence(reviewed: Reviewed) -> list[str]:
    return list(reviewed.sentence.lines)


def _changed_lately(read: Interrogation) -> bool:
    """Whether a program or a fill changed in the past 24 h of uptime; where the log does not say, it did."""
    if read.missing or read.log_fault:
        return True
    since_s = read.status.uptime_s - DAY_S
    return any(r.event in _CHANGES and r.uptime_s > since_s for r in read.records)


def _proposed(at: At, proposal: Proposal, made: Prepared, reviewed: Reviewed, known: References) -> Answer:
    rows = _rows(proposal, made, known)
    confirm_ = f"thecal programmer confirm {at.serial} {proposal.digest.hex()[:8]}"
    # What was proposed is remembered by the session, and that ends with this command where no service runs.
    kept = at.service
    body = {
        "proposed": {
            "serial": at.serial,
            "digest": proposal.digest.hex(),
            "number": proposal.number,
            "confirm_within_s": proposal.confirm_within_s,
            "sentence": _sentence(reviewed),
            "change": rows,
            "next": confirm_ if kept else KEEP_SESSION,
        },
        "reviewed": plain(reviewed.as_json()),
    }

    def show(console: Console) -> None:
        from thecal.cli.console import heading, line, marked, table

        heading(console, "Proposed; the running program is untouched")
        for text in _sentence(reviewed):
            line(console, text)
        names = ("drug", "base before", "base after", "most before", "most after")
        keys = ("drug", "base_before", "base_after", "most_before", "most_after")
        heading(console, "Dose of 24 h, as the pump reads it")
        table(console, names, [[row[k] for k in keys] for row in rows], numbers=(1, 2, 3, 4))
        line(console, "Most: with every patient bolus that is allowed.")
        console.print()
        if kept:
            line(console, f"Compare. Then, within {proposal.confirm_within_s // 60} min and in near field:")
            line(console, f"  {confirm_}", style="bold")
        else:
            marked(console, "Next:", KEEP_SESSION)

    return Answer(Exit.GO_ON, body, show)


def _rows(proposal: Proposal, made: Prepared, known: References) -> list[dict[str, str]]:
    """The change in dose of 24 h for each drug."""
    rows = []
    for channel, change in zip(made.compiled.channels.channels, proposal.change, strict=False):
        if channel is None:
            continue
        drug = known.words(channel.drug)
        amounts = (change.base_before_ng, change.base_after_ng, change.most_before_ng, change.most_after_ng)
        said = [Mass.of(ng, "ng").text(drug.dose_unit) for ng in amounts]
        keys = ("base_before", "base_after", "most_before", "most_after")
        rows.append({"drug": drug.display_name, **dict(zip(keys, said, strict=True))})
    return rows


def _change_lines(proposal: Proposal, made: Prepared, known: References) -> list[str]:
    rows = _rows(proposal, made, known)
    return [f"{r['drug']}: base of 24 h {r['base_before']} before, {r['base_after']} after" for r in rows]
