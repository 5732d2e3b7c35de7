"""The link service: the one process that owns keys, sequence numbers and the ledger; everybody else asks it.

It knows what it has sent and not yet heard of, over any crash: that is written down before it is sent, and it blocks
new commands that change delivery until a status of the pump resolves it (promise 10).
"""

from __future__ import annotations

import asyncio
import base64
import signal
from typing import TYPE_CHECKING, Any

from thecal.link.catalogue import BY_PATH, DIGEST, ID, MOST_DOCUMENT, Bytes, Whole
from thecal.link.catalogue import Word as Words
from thecal.link.key import Key
from thecal.link.roles import Role
from thecal.link.session import Session
from thecal.link.vault import InUse
from thecal.pump.core.codes import MAX_STROKES
from thecal.pump.core.program import RECORD_SIZE
from thecal.rig.clock import WorldClock
from thecal.rig.exchange import PATIENCE, RigExchange
from thecal.rig.hold import Held, Hold, hold
from thecal.rig.home import write_private
from thecal.rig.host import InUseError
from thecal.rig.keyring import Keyring
from thecal.rig.late import hush_late_frames
from thecal.rig.ledger import LedgerError, SqliteLedger
from thecal.rig.local import LocalClient, LocalServer, UnreachableError
from thecal.rig.operations import SERIAL_FIELD, Operation, Optional, check
from thecal.rig.refusal import Refusal, Why
from thecal.rig.wire import plain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from thecal.link.caller import Patience
    from thecal.link.interrogation import Interrogation
    from thecal.link.ledger import Ledger
    from thecal.link.reading import Status
    from thecal.link.talk import Result
    from thecal.link.therapy_change import Proposal
    from thecal.rig.home import Home

_P = (SERIAL_FIELD,)


def _role(path: str) -> tuple[str, Words | Optional]:
    """Who may say a message; the programmer where nothing is said and it may."""
    roles = tuple(role for role in Role if role in BY_PATH[path].roles)
    return "role", Optional(Words(roles), Role.PROGRAMMER) if Role.PROGRAMMER in roles else Words(roles)


def _like(name: str, path: str) -> Operation:
    """An operation that is one numbered message of the catalogue, with its fields."""
    return Operation(name, (*_P, _role(path), *((f, k) for f, k in BY_PATH[path].fields if f != "command")))


_ANYBODY = ("role", Optional(Words(tuple(Role)), Role.PROGRAMMER))
_KNOWN = (("after", Optional(Whole(0, MAX_STROKES), 0)), ("digest", Optional(DIGEST, bytes(32))))

OPERATIONS: tuple[Operation, ...] = (
    Operation("status", (*_P, _role("status"))),
    Operation("interrogate", (*_P, _role("identity"), *_KNOWN)),
    Operation(
        "propose",
        (
            *(*_P, ("program", Bytes(RECORD_SIZE, RECORD_SIZE)), ("document", Bytes(1, MOST_DOCUMENT))),
            ("patient", Bytes(16, 16)),
        ),
    ),
    Operation("confirm", (*_P, ("digest", DIGEST))),
    *(_like(path, path) for path in ("start", "stop", "single", "prime", "refill", "clock", "acknowledge", "clear")),
    _like("alarm_test", "alarm-test"),
    Operation("bolus", _P),
    Operation("withdraw", _P),
    Operation("resolve", (*_P, _ANYBODY)),
    Operation("give_up", (*_P, _ANYBODY, ("command", ID))),
    Operation("pending", _P),
    Operation("history", _P),
    Operation("pair", (*_P, ("role", Words(tuple(Role))))),
    Operation("paired"),
)
"""What may be asked of the service. Bytes are base64 text; answers are the link's own types (``wire``)."""

_QUIET = {"give_up", "pending", "history", "pair", "paired"}
"""Operations that need no key."""

Answer = dict[str, Any] | Refusal


class LinkService:
    """The service of one home. InUseError where another process is; LedgerError where the ledger cannot be used.

    Without a ``ledger`` it keeps one in the home's own folder; one that is handed in belongs to whoever opened it.
    """

    def __init__(
        self,
        home: Home,
        doing: str = "runs the link service",
        patience: Patience = PATIENCE,
        ledger: Ledger | None = None,
    ) -> None:
        self._home = home.ready()
        self._patience = patience
        self._clock = WorldClock(home.world)
        self._held = _hold_link(home, doing)
        try:
            self._keyring = Keyring(home.link / "keys")
            try:
                self._own = _own_ledger(home, elsewhere=ledger is not None)
            except BaseException:
                self._keyring.close()
                raise
        except InUse as wrong:
            self._held.release()
            raise InUseError(str(wrong)) from wrong
        except BaseException:
            self._held.release()
            raise
        self._ledger: Ledger = self._own if ledger is None else ledger
        self._exchanges: dict[tuple[str, Role], RigExchange] = {}
        self._sessions: dict[tuple[str, Role], Session] = {}

    async def close(self) -> None:
        """Let another process be the service."""
        for exchange in self._exchanges.values():
            await exchange.close()
        self._own.close()
        self._keyring.close()
        self._held.release()

    async def answer(self, message: dict[str, Any]) -> Answer:
        """Do what a message asks for, or say why not."""
        asked = check(OPERATIONS, message)
        if isinstance(asked, Refusal):
            return asked
        values = dict(asked.values)
        serial = str(values.pop("serial", ""))
        role = _speaker(asked.operation, values)
        if asked.operation not in _QUIET and self._keyring.key(serial, role) is None:
            found = f"no key of the {role} for pump {serial}"
            return Refusal(Why.NO_KEY, found, "a role that is paired with the pump", "pair it with the pump")
        if asked.operation == "pair":
            return await self._pair(serial, role)
        if asked.operation == "paired":
            return {"paired": [{"serial": s, "role": r.value} for s, r in self._keyring.paired()]}
        return await _DO[asked.operation](self._session(serial, role), self._ledger, serial, values)

    def _session(self, serial: str, role: Role) -> Session:
        if (serial, role) not in self._sessions:
            exchange = RigExchange(self._home, self._keyring, serial, role, self._patience)
            self._exchanges[serial, role] = exchange
            self._sessions[serial, role] = Session(serial, role, exchange, self._ledger, self._clock)
        return self._sessions[serial, role]

    async def _pair(self, serial: str, role: Role) -> Answer:
        """Have the pump make a new key for a role, and keep it."""
        rig = LocalClient(self._home.rig_socket)
        try:
            made = await asyncio.to_thread(rig.ask, "pair", serial=serial, role=role.value)
        except UnreachableError as wrong:
            return Refusal(Why.NOT_RUNNING, str(wrong), "")
        if isinstance(made, Refusal):
            return made
        self._keyring.keep(Key.decode(base64.b64decode(made["key"])))
        if (serial, role) in self._exchanges:
            await self._exchanges[serial, role].close()
        return {"serial": serial, "role": role.value}


def _hold_link(home: Home, doing: str) -> Hold:
    held = hold(home.link / "service.lock", "the link of this home", doing)
    if isinstance(held, Held):
        raise InUseError(held.message)
    return held


def _own_ledger(home: Home, *, elsewhere: bool) -> SqliteLedger:
    """The ledger in the home's folder. LedgerError where two ledgers would not know of each other's commands."""
    mark = home.link / "ledger-elsewhere"
    if not elsewhere and mark.exists():
        raise LedgerError(
            "found a home whose ledger is kept in a clinic's record; allowed: the link service of that clinic alone; "
            "next: start the clinic, which runs it"
        )
    own = SqliteLedger(home.link / "ledger.sqlite")
    if elsewhere and any(own.pending(serial) for serial in home.serials()):
        own.close()
        raise LedgerError(
            "found commands in the ledger of this home whose outcome is not known; allowed: a clinic's ledger in its "
            "place when all of them are known; next: thecal link run, and read each pump"
        )
    if elsewhere and not mark.exists():
        write_private(mark, b"The ledger of this home is kept in a clinic's record.\n", durable=True)
    return own


def _speaker(operation: str, values: dict[str, Any]) -> Role:
    if operation in {"bolus", "withdraw"}:
        return Role.PATIENT
    return Role(values.pop("role", Role.PROGRAMMER))


# What each operation asks of a session.


async def _status(session: Session, _ledger: Ledger, _serial: str, _values: dict[str, Any]) -> Answer:
    return _told("status", await session.status())


async def _interrogate(session: Session, _ledger: Ledger, _serial: str, values: dict[str, Any]) -> Answer:
    return _told("interrogation", await session.interrogate((values["after"], values["digest"])))


async def _propose(session: Session, _ledger: Ledger, _serial: str, values: dict[str, Any]) -> Answer:
    return _told("proposal", await session.propose(**values))


def _told(name: str, found: Status | Interrogation | Proposal | Result) -> Answer:
    """What was asked for under its name, or how it ended otherwise."""
    return {"result" if type(found).__name__ == "Result" else name: plain(found)}


def _by(method: Callable[..., Awaitable[Result]]) -> Callable[..., Awaitable[Answer]]:
    """An operation that is one method of the session."""

    async def ask(session: Session, _ledger: Ledger, _serial: str, values: dict[str, Any]) -> Answer:
        return {"result": plain(await method(session, **values))}

    return ask


async def _bolus(session: Session, _ledger: Ledger, _serial: str, _values: dict[str, Any]) -> Answer:
    return {"answer": plain(await session.bolus())}


async def _resolve(session: Session, _ledger: Ledger, _serial: str, _values: dict[str, Any]) -> Answer:
    return {"commands": plain(await session.resolve())}


async def _give_up(session: Session, _ledger: Ledger, _serial: str, values: dict[str, Any]) -> Answer:
    return {"result": plain(session.give_up(values["command"]))}


async def _pending(_session: Session, ledger: Ledger, serial: str, _values: dict[str, Any]) -> Answer:
    return {"commands": plain(ledger.pending(serial))}


async def _history(_session: Session, ledger: Ledger, serial: str, _values: dict[str, Any]) -> Answer:
    return {"commands": plain(ledger.history(serial))}


_DO: dict[str, Callable[[Session, Ledger, str, dict[str, Any]], Awaitable[Answer]]] = {
    "status": _status,
    "interrogate": _interrogate,
    "propose": _propose,
    "confirm": _by(Session.confirm),
    "start": _by(Session.start),
    "stop": _by(Session.stop),
    "single": _by(Session.single),
    "prime": _by(Session.prime),
    "refill": _by(Session.refill),
    "clock": _by(Session.set_clock),
    "acknowledge": _by(Session.acknowledge),
    "clear": _by(Session.clear),
    "alarm_test": _by(Session.test_alarm),
    "bolus": _bolus,
    "withdraw": _resolve,
    "resolve": _resolve,
    "give_up": _give_up,
    "pending": _pending,
    "history": _history,
}


async def serve_link(
    home: Home, patience: Patience = PATIENCE, ready: Callable[[], None] | None = None, ledger: Ledger | None = None
) -> None:
    """Be the link service of a home until SIGTERM or SIGINT. InUseError where another process is.

    ``ledger`` as ``LinkService`` takes it.
    """
    service = LinkService(home, patience=patience, ledger=ledger)
    server = LocalServer(home.service_socket, service.answer)
    leaving = asyncio.Event()
    loop = asyncio.get_running_loop()
    hush_late_frames(loop)
    for ending in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(ending, leaving.set)
    try:
        await server.open()
        if ready is not None:
            ready()
        await leaving.wait()
    finally:
        await server.close()
        await service.close()
        for ending in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(ending)
