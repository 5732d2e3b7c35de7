"""What the owner of the virtual world asks for: pumps made, handled, broken and looked into."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from thecal.cli.answer import Answer
from thecal.cli.asking import CORRECT, World, asking, ended, ended_by, home_at, pump_at
from thecal.cli.exits import Exit
from thecal.cli.figures import time_text, volume_text
from thecal.link.key import Key, export_for_stock_client
from thecal.link.roles import Role
from thecal.pump.device import KINDS, FaultKind, FileDisk, Identity, IdentityError
from thecal.pump.device.identity import read_identity
from thecal.pump.families import Calibration, CalibrationError
from thecal.quantities import AmountError, Duration, Volume
from thecal.rig.host import InUseError, make_pump
from thecal.rig.local import answers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rich.console import Console

    from thecal.rig.home import Home

NEAR_S = 600
DAY_S = 86_400


def _said(body: Mapping[str, Any], *lines: str) -> Answer:
    """What was done, in sentences."""

    def show(console: Console) -> None:
        from thecal.cli.console import line

        for text in lines:
            line(console, text)

    return Answer(Exit.GO_ON, body, show)


def new_pump(given: Path | None, serial: str, family: str, stroke: str | None, tubing: str | None) -> Answer:
    """A factory-new pump in its own folder."""
    measured = {name: text for name, text in (("stroke", stroke), ("tubing", tubing)) if text is not None}
    home = home_at(given)
    if serial in home.serials():
        then = "choose another serial number; thecal pump list shows those of this home"
        raise ended(Exit.USAGE, f"pump {serial}, which is here already", "one pump with each serial number", then)
    try:
        identity = Identity(family, serial, Calibration.parse(measured))
        folder = make_pump(home, identity)
    except (IdentityError, CalibrationError, AmountError) as wrong:
        raise ended_by(Exit.USAGE, wrong) from wrong
    except InUseError as held:
        raise ended_by(Exit.NOT_REACHED, held, "stop that process") from held
    constants = identity.constants()
    body = {
        "serial": serial,
        "family": family,
        "stroke_nl": constants.stroke_nl,
        "tubing_nl": constants.tubing_nl,
        "folder": str(folder),
    }
    runs = answers(home.rig_socket)
    return _said(
        body,
        f"Pump {serial} is made: {identity.kind().name}, {constants.stroke_nl} nL a stroke.",
        "It holds no program and no drug, and nobody has a key of it.",
        f"Next: {f'thecal pump adopt {serial}' if runs else 'thecal pump run'}; "
        f"then thecal pump pair {serial} programmer",
    )


def adopt(given: Path | None, serial: str) -> Answer:
    """A rig that runs takes on a pump that was made after it began."""
    body = World(home_at(given)).ask("adopt", serial=serial)
    return _said(body, f"Pump {serial} runs.", f"Next: thecal pump pair {serial} programmer")


def _time_s(text: str, what: str) -> int:
    """A time on the command line, in whole seconds."""
    try:
        seconds = Duration.parse(text).number("s")
    except AmountError as wrong:
        raise ended_by(Exit.USAGE, wrong) from wrong
    if seconds.denominator != 1 or seconds < 1:
        raise ended(Exit.USAGE, f"{what} {text}", "whole seconds, 1 or more", 'write it as in "10 min"')
    return int(seconds)


def list_pumps(given: Path | None) -> Answer:
    """Every pump of this home; where a rig runs, what it says of its own."""
    from thecal.cli.world_view import show_pumps

    home = home_at(given)
    running = World(home).ask("pumps")["pumps"] if answers(home.rig_socket) else []
    here = {row["serial"]: {"runs": True, **row} for row in running}
    rows = [here.get(serial) or _at_rest(home, serial) for serial in home.serials()]
    return Answer(Exit.GO_ON, {"pumps": rows}, lambda console: show_pumps(console, rows, rig=bool(running)))


def _at_rest(home: Home, serial: str) -> dict[str, Any]:
    """A pump that no rig runs, as its own memory has it."""
    try:
        family = read_identity(FileDisk(home.pump(serial))).family
    except (IdentityError, OSError):
        family = ""
    return {"serial": serial, "family": family, "runs": False}


def come_near(given: Path | None, serial: str, text: str) -> Answer:
    """Something is held over a pump."""
    body = World(home_at(given)).ask("near", serial=serial, seconds=_time_s(text, "a time near of"))
    left = time_text(body["near_left_s"])
    return _said(body, f"Something is held over pump {serial}: its near field is open for {left}.")


def away(given: Path | None, serial: str) -> Answer:
    """Nothing is held over a pump any more."""
    body = World(home_at(given)).ask("away", serial=serial)
    return _said(body, f"Nothing is held over pump {serial} any more: its near field is closed.")


def fill(given: Path | None, serial: str, text: str) -> Answer:
    """Fluid is injected into the reservoir."""
    try:
        volume = Volume.parse(text)
    except AmountError as wrong:
        raise ended_by(Exit.USAGE, wrong) from wrong
    body = World(home_at(given)).ask("fill", serial=serial, volume_nl=volume.floor("nL"))
    held = volume_text(body["reservoir_nl"])
    return _said(
        body,
        f"Filled: the reservoir of pump {serial} holds {held}.",
        f'The pump cannot feel that. Tell it, in near field: thecal programmer refill {serial} "{held}"',
    )


def draw(given: Path | None, serial: str) -> Answer:
    """Everything is drawn out of the reservoir."""
    body = World(home_at(given)).ask("draw", serial=serial)
    return _said(
        body,
        f"Drawn out of pump {serial}: {volume_text(body['drawn_nl'])}.",
        f'The pump cannot feel that. Tell it what it holds: thecal programmer refill {serial} "0 mL"',
    )


def power(given: Path | None, serial: str, *, on: bool) -> Answer:
    """Power is cut, or restored."""
    body = World(home_at(given)).ask("restore" if on else "cut", serial=serial)
    if on:
        return _said(body, f"Pump {serial} has power, and has started from its memory.")
    return _said(body, f"Pump {serial} has NO POWER: it gives nothing and answers nobody. Its memory stays.")


def valve(given: Path | None, serial: str) -> Answer:
    """A valve that stays shut is reset by hand."""
    body = World(home_at(given)).ask("valve", serial=serial)
    return _said(body, f"The valve of pump {serial} {'was shut, and is open now' if body['was_shut'] else 'was open'}.")


def truth(given: Path | None, serial: str) -> Answer:
    """What is true of a pump, beside what it believes."""
    from thecal.cli.world_view import show_truth

    body = World(home_at(given)).ask("truth", serial=serial)
    return Answer(Exit.GO_ON, body, lambda console: show_truth(console, serial, body))


def heard(given: Path | None, serial: str) -> Answer:
    """What the radio of a pump has heard, frames that were refused among it."""
    from thecal.cli.world_view import show_heard

    body = World(home_at(given)).ask("heard", serial=serial)
    return Answer(Exit.GO_ON, body, lambda console: show_heard(console, serial, body["heard"]))


def tones(given: Path | None, serial: str) -> Answer:
    """What a pump sounded since it started."""
    from thecal.cli.world_view import show_tones

    body = World(home_at(given)).ask("tones", serial=serial)
    return Answer(Exit.GO_ON, body, lambda console: show_tones(console, serial, body["tones"]))


def inject(given: Path | None, serial: str, kind: str, *, after: str | None, for_: str | None, amount: int) -> Answer:
    """A fault, from now or later on."""
    from thecal.cli.world_view import fault_text

    world = World(home_at(given))
    fields: dict[str, Any] = {"kind": _kind(kind), "amount": amount}
    if for_ is not None and not KINDS[FaultKind(kind)].lasts:
        raise ended(Exit.USAGE, f"{kind} for {for_}", f"{kind} without --for: it is over in a moment", CORRECT)
    now_s = int(world.ask("time")["true_s"])
    fields["from_s"] = now_s + (_time_s(after, "after") if after else 1)
    if for_ is not None:
        fields["until_s"] = fields["from_s"] + _time_s(for_, "for")
    body = world.ask("inject", serial=serial, **fields)
    return _said(body, f"Pump {serial}: {fault_text(body, now_s)}.", f"What happens: {response(FaultKind(kind))}.")


def _kind(text: str) -> str:
    if text not in set(FaultKind):
        then = "write one of them, in quotes where it has a space; thecal pump faults says what each does"
        raise ended(Exit.USAGE, f"fault {text}", "; ".join(FaultKind), then)
    return text


def response(kind: FaultKind) -> str:
    """What a fault does, in the words of a command line."""
    return KINDS[kind].response.replace("``until_s``", "it is over")


def heal(given: Path | None, serial: str, kind: str) -> Answer:
    """Every fault of a kind is over."""
    body = World(home_at(given)).ask("heal", serial=serial, kind=_kind(kind))
    said = f"{kind} is over in pump {serial}." if body["healed"] else f"Pump {serial} has no {kind}."
    return _said(body, said)


def list_faults(given: Path | None, serial: str | None) -> Answer:
    """The faults of a pump, or every kind that there is."""
    from thecal.cli.world_view import show_faults, show_kinds

    if serial is not None:
        world = World(home_at(given))
        body = world.ask("faults", serial=serial)
        now_s = int(world.ask("time")["true_s"])
        return Answer(Exit.GO_ON, body, lambda console: show_faults(console, serial, body["faults"], now_s))
    rows = [
        {
            "kind": str(kind),
            "lasts": k.lasts,
            "amount": k.amount,
            "least": k.least,
            "most": k.most,
            "response": response(kind),
        }
        for kind, k in KINDS.items()
    ]
    return Answer(Exit.GO_ON, {"kinds": rows}, lambda console: show_kinds(console, rows))


def advance(given: Path | None, text: str) -> Answer:
    """A test clock moves on; a long way goes in days, so that progress is seen."""
    from thecal.cli.progress import steps

    world = World(home_at(given))
    reached = 0
    for part in steps(_time_s(text, "a time of"), DAY_S, "the world moves on"):
        reached = int(world.ask("advance", seconds=part)["true_s"])
    return _said({"true_s": reached}, f"It is {time_text(reached)} since this world began.")


def pair(given: Path | None, serial: str, text: str, export: Path | None) -> Answer:
    """A role gets a new key of a pump: kept by the link service, or written for a stock client."""
    if text not in set(Role):
        raise ended(Exit.USAGE, f"role {text}", ", ".join(Role), "write one of them")
    at = pump_at(given, serial)
    if export is None:
        with asking(at.home) as link:
            body = link.plain("pair", serial=serial, role=text)
        said = f"The {text} is paired with pump {serial}. A key that this role had before has ended."
        return _said(body, said, f"Next: {_FIRST[Role(text)].format(serial)}")
    if export.exists() or not export.absolute().parent.is_dir():
        then = "name a new folder in one that is there"
        raise ended(Exit.NOT_WRITTEN, f"{export}", "a folder that is not there yet", then)
    made = World(at.home).ask("pair", serial=serial, role=text)
    path = export_for_stock_client(Key.decode(base64.b64decode(made["key"])), export)
    body = {"serial": serial, "role": text, "credentials": str(path)}
    return _said(
        body,
        f"The key is in {export}. Whoever has this folder is the {text} of pump {serial}.",
        f"A key that this role had before has ended. Next: aiocoap-client --credentials {path}",
    )


_FIRST = {
    Role.PROGRAMMER: "thecal programmer read {}",
    Role.PATIENT: "thecal controller status {}",
    Role.MONITOR: "thecal programmer read {} --role monitor",
    Role.SERVICE: "thecal programmer read {} --role service",
    Role.CARD: "thecal pump near {0}; then thecal programmer read {0} --role card",
}


def stop_rig(given: Path | None) -> Answer:
    """The rig ends."""
    body = World(home_at(given)).ask("stop", sure=True)
    return _said(body, "The rig ends. To its pumps that is a loss of power: they start again from their memory.")
