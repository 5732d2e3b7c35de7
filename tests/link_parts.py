"""The ends of a link for its tests: memory, paired keys, a pump that answers, and callers that do not wait long."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from aiocoap import CON, Message

from thecal.link.answering import Answered, Code
from thecal.link.caller import Patience
from thecal.link.catalogue import BY_PATH
from thecal.link.endpoint import Endpoint
from thecal.link.key import Key, Side, new_key
from thecal.link.protection import Context, pair
from thecal.link.radio import Budget, Radio
from thecal.link.roles import SKIN, Field, Role

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from thecal.link.endpoint import Answers
    from thecal.link.vault import Vault

Result = TypeVar("Result")
SERIAL = "T-1"
QUICK = Patience(first_s=0.08, spread=1.2, repeats=6)
"""For answers that will come, also on a busy machine: 12 seconds at most."""
SHORT = Patience(first_s=0.03, spread=1, repeats=1)
"""For answers that will not come."""
PLENTY = Budget(frames=10**9, failed=10**9)
SOMEBODY = ("127.0.0.1", 5)
OPEN_SESAME = b"a message that is long enough to be told from others"


class Memory:
    """A vault in working memory; it stays when the pump loses power."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.writes = 0

    def read(self, name: str) -> bytes:
        return self.held.get(name, b"")

    def write(self, name: str, data: bytes) -> None:
        self.writes += 1
        self.held[name] = data


@dataclass
class Parrot:
    """Answers what the catalogue allows with the payload of the request, and keeps an account of it."""

    done: list[tuple[Role, Field, str, bytes]] = field(default_factory=list)

    def answer(self, role: Role, field: Field, path: str, payload: bytes) -> Answered:
        message = BY_PATH.get(path)
        if message is None:
            return Answered(Code.UNKNOWN_PATH)
        if role not in message.roles:
            return Answered(Code.FORBIDDEN)
        if (message.near or role in SKIN) and field is not Field.NEAR:
            return Answered(Code.NEAR_ONLY)
        if payload == b"bad":
            return Answered(Code.MALFORMED)
        self.done.append((role, field, path, payload))
        return Answered(Code.DONE, b"heard " + payload)


class Ends:
    """A pump and its callers, paired; ``reboot`` starts the pump's end again from what its memory holds."""

    def __init__(self, *roles: Role, answers: Answers | None = None, vault: Vault | None = None) -> None:
        self.pump_vault: Vault = vault or Memory()
        self.caller_vault = Memory()
        self.parrot = Parrot()
        self.answers: Answers = answers or self.parrot
        self.keys: dict[Role, Key] = {}
        for role in roles or (Role.PROGRAMMER,):
            self.pair(role)
        self.faults: list[Exception] = []
        self.now_s = 1000
        self.reboot()

    def pair(self, role: Role) -> None:
        key = new_key(role, SERIAL, self.keys[role].generation + 1 if role in self.keys else 1)
        pair(self.pump_vault, Side.PUMP, key)
        pair(self.caller_vault, Side.CALLER, key)
        self.keys[role] = key

    def reboot(self) -> None:
        self.endpoint = Endpoint(self.pump_vault, SERIAL, self.answers)

    def radio(self, budget: Budget = PLENTY) -> Radio:
        return Radio(self.endpoint, lambda: self.now_s, self.faults.append, budget)

    def voice(self, role: Role = Role.PROGRAMMER) -> Voice:
        return Voice(Context(self.caller_vault, Side.CALLER, self.keys[role]))


@dataclass
class Voice:
    """Makes the frames of a role without sending them, and reads answers."""

    context: Context
    mid: int = 0
    waiting: dict[int, Any] = field(default_factory=dict)

    def says(self, path: str = "status", payload: bytes = b"", *, inner: Message | None = None, **outer: Any) -> bytes:
        request = inner or Message(code=2 if payload else 1, uri_path=(path,), payload=payload)
        message, request_id = self.context.protect(request)
        self.mid += 1
        self.waiting[self.mid] = request_id
        return dressed(message, self.mid, **outer)

    def reads(self, frame: bytes) -> tuple[str, bytes]:
        """The code and payload of an answer that must be protected."""
        message = Message.decode(frame)
        opened, _ = self.context.unprotect(message, self.waiting[message.mid])
        return opened.code.dotted, opened.payload


def dressed(message: Message, mid: int, **outer: Any) -> bytes:
    """The frame of a message, confirmable unless said otherwise."""
    message.mtype = outer.pop("mtype", CON)
    message.mid, message.token = mid, b"tk"
    for name, value in outer.items():
        if name == "code":
            message.code = value
        else:
            setattr(message.opt, name, value)
    frame: bytes = message.encode()
    return frame


def play(act: Coroutine[Any, Any, Result]) -> Result:
    """Run it to its end; whatever it left running is an error."""

    async def watched() -> Result:
        result = await act
        for _ in range(3):
            await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left
        return result

    return asyncio.run(watched())


async def ask(address: tuple[str, int], frame: bytes, wait_s: float = 10) -> bytes:
    """Send bare bytes from a fresh socket and return what comes back; empty for silence."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0)
        loop = asyncio.get_running_loop()
        await loop.sock_sendto(s, frame, address)
        try:
            async with asyncio.timeout(wait_s):
                return await loop.sock_recv(s, 65_536)
        except TimeoutError:
            return b""
