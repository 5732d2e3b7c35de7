"""Reading a whole pump over the link on loopback, beside single exchanges: the link's own, and aiocoap's both ends.

Pump and caller share one process and one loop, so that a figure is the work of both. The pump is on a folder that is
flushed at each write, and its log grows between readings; a full reading is status, program, order document, identity
and the log since the reading before. The three are measured in turn, in one run; ratios are of medians of process
time. The cold reading is the first one of a pump whose log is full.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import socket
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from thecal.link.interrogation import Interrogation
    from thecal.link.key import Key
    from thecal.link.session import Session
    from thecal.pump.device import Device, FileDisk

SERIAL = "T-1"
DOCUMENT = json.dumps({"order": "an order document as long as that of the first patient " * 35}).encode()
NEW_RECORDS = 6
"""Records that the log gains between two readings."""


class Clock:
    """The client's."""

    def now_s(self) -> int:
        return int(time.monotonic())

    def utc_s(self) -> int:
        return int(time.time())


def a_pump(disk: FileDisk) -> Device:
    """A pump that delivers a program of two ingredients with its order document."""
    from thecal.pump.core.codes import GRANTED
    from thecal.pump.core.program import RECORD_SIZE, Program
    from thecal.pump.device import Device, Identity, make
    from thecal.pump.families import Calibration

    make(disk, Identity("bench-20", SERIAL, Calibration()))
    device = Device(disk, 0)
    p = Program()
    p.number, p.stroke_nl, p.n_channels, p.n_steps = 1, device.controller.hw.stroke_nl, 2, 24
    for step in range(24):
        p.step_s[step], p.rate_pl_per_h[step] = step * 3600, 20_000_000 * (10 + step % 5) // 12
    for channel, strength in enumerate((5_000_000, 20_000)):
        p.strength_ng_per_ml[channel] = strength
        p.ceiling_24h_ng[channel] = 2 * 24 * 20_000_000 * strength // 10**9
        p.ceiling_1h_ng[channel] = p.ceiling_24h_ng[channel] // 6
    p.max_rate_pl_per_h = device.controller.hw.max_rate_pl_per_h
    p.order_digest[:] = sha256(DOCUMENT).digest()
    packed = bytearray(RECORD_SIZE)
    p.pack(packed)
    device.fill(19_000_000)
    k = device.commands
    answers = [k.refill(19_000_000), k.propose(packed)]
    if not device.keep_document(DOCUMENT):
        raise SystemExit("the order document was not kept")
    answers += [k.confirm(k.staged_digest()), k.start(1)]
    if answers != [GRANTED] * 4:
        raise SystemExit(f"the pump of the bench was refused its program: {answers}")
    device.settle()
    return device


def happen(device: Device, records: int) -> None:
    """Let the log grow."""
    from thecal.pump.core.codes import E_ACK

    for number in range(records):
        device.controller.note(E_ACK, number % 8, 0)
        if number % 8 == 7:
            device.controller.dirty = True
            device.settle()
    device.controller.dirty = True
    device.settle()


async def the_link(stack: AsyncExitStack, device: Device, disk: FileDisk, folder: Path) -> tuple[Session, list[int]]:
    """The pump on the radio, and a programmer with a key and a ledger; the list gains the bytes of each answer."""
    from thecal.link.answering import Answering
    from thecal.link.caller import Caller
    from thecal.link.endpoint import Endpoint
    from thecal.link.key import Side, new_key
    from thecal.link.protection import pair
    from thecal.link.radio import Budget, Radio
    from thecal.link.roles import Field, Role
    from thecal.link.session import Session
    from thecal.link.vault import FileVault
    from thecal.rig.ledger import SqliteLedger

    key, vault = new_key(Role.PROGRAMMER, SERIAL), stack.enter_context(FileVault(folder / "keys"))
    pair(disk, Side.PUMP, key)
    pair(vault, Side.CALLER, key)

    def broken(fault: Exception) -> None:
        raise SystemExit(f"the pump of the bench broke: {fault}")

    endpoint = Endpoint(disk, SERIAL, Answering(device))
    radio = Radio(endpoint, lambda: device.controller.t, broken, Budget(frames=10**9, failed=10**9))
    stack.callback(radio.close)
    address = await radio.open(Field.NEAR)
    caller = await stack.enter_async_context(Caller(vault, key))
    ledger = SqliteLedger(folder / "ledger")
    stack.callback(ledger.close)
    heard: list[int] = []

    async def exchange(path: str, payload: bytes) -> bytes:
        answer = await caller.exchange(address, path, payload)
        heard.append(len(answer))
        return answer

    return Session(SERIAL, Role.PROGRAMMER, exchange, ledger, Clock()), heard


async def stock(stack: AsyncExitStack, folder: Path, payload: bytes) -> Callable[[], Awaitable[Any]]:
    """One exchange of aiocoap's own server and client with OSCORE, for an answer as long as a status."""
    import aiocoap
    from aiocoap import resource
    from aiocoap.credentials import CredentialsMap
    from aiocoap.oscore_sitewrapper import OscoreSiteWrapper

    from thecal.link.key import new_key
    from thecal.link.roles import Role

    class Status(resource.Resource):  # type: ignore[misc]
        async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
            if ":caller" not in request.remote.authenticated_claims:
                raise SystemExit("the stock exchange is not protected")
            return aiocoap.Message(payload=payload)

    key = new_key(Role.PROGRAMMER, SERIAL)
    ours, theirs = stored(key, folder / "caller", "c", "s"), stored(key, folder / "server", "s", "c")
    site = resource.Site()
    site.add_resource(["status"], Status())
    known: Any = CredentialsMap()
    known.load_from_dict({":caller": {"oscore": {"basedir": theirs}}})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = await aiocoap.Context.create_server_context(
        OscoreSiteWrapper(site, known), bind=("127.0.0.1", port), transports=["simplesocketserver"]
    )
    stack.push_async_callback(server.shutdown)
    client = await aiocoap.Context.create_client_context(transports=["oscore", "simple6"])
    stack.push_async_callback(client.shutdown)
    uri = f"coap://127.0.0.1:{port}/status"
    client.client_credentials.load_from_dict({uri: {"oscore": {"basedir": ours}}})

    async def once() -> None:
        answer = await client.request(aiocoap.Message(code=aiocoap.GET, uri=uri)).response
        if answer.payload != payload:
            raise SystemExit(f"the stock server answered {answer}")

    return once


def stored(key: Key, folder: Path, sender: str, recipient: str) -> str:
    """A security context as aiocoap keeps it in a folder."""
    folder.mkdir()
    settings = {"sender-id_ascii": sender, "recipient-id_ascii": recipient}
    (folder / "settings.json").write_text(json.dumps(settings), "utf-8")
    secret = {"secret_hex": key.secret.hex(), "salt_hex": key.salt.hex()}
    (folder / "secret.json").write_text(json.dumps(secret), "utf-8")
    return str(folder)


class Taken:
    """What one act took, each time: wall clock, and process time, which other processes disturb less; in ms."""

    def __init__(self, act: Callable[[], Awaitable[Any]]) -> None:
        self._act = act
        self.wall_ms: list[float] = []
        self.process_ms: list[float] = []

    async def once(self) -> None:
        process, wall = time.process_time(), time.perf_counter()
        await self._act()
        self.wall_ms.append((time.perf_counter() - wall) * 1000)
        self.process_ms.append((time.process_time() - process) * 1000)

    def process_median_ms(self) -> float:
        return statistics.median(self.process_ms)

    def spread(self) -> dict[str, float]:
        """Median and 95th percentile by the wall clock, and the median of process time."""
        return {
            "median_ms": round(statistics.median(self.wall_ms), 2),
            "p95_ms": round(statistics.quantiles(self.wall_ms, n=20)[18], 2),
            "process_median_ms": round(self.process_median_ms(), 2),
        }


async def measure(folder: Path, rounds: int) -> dict[str, Any]:
    """All of it, in turn."""
    from thecal.link.interrogation import FROM_THE_START, Interrogation
    from thecal.pump.device import FileDisk
    from thecal.pump.device.history import LOG_RECORDS

    async with AsyncExitStack() as stack:
        disk = FileDisk(folder / "pump")
        device = a_pump(disk)
        session, heard = await the_link(stack, device, disk, folder)
        reached = FROM_THE_START

        async def read() -> Interrogation:
            nonlocal reached
            found = await session.interrogate(reached)
            if not isinstance(found, Interrogation) or found.log_fault:
                raise SystemExit(f"the pump was not read: {found}")
            reached = found.log_end
            return found

        async def status() -> None:
            if hasattr(await session.status(), "arm"):
                raise SystemExit("the pump was not reached")

        await read()
        await status()
        plain = await stock(stack, folder, bytes(heard[-1]))
        await plain()
        reading, one, stocks, cold = Taken(read), Taken(status), Taken(plain), Taken(read)
        for _ in range(rounds):
            happen(device, NEW_RECORDS)
            heard.clear()
            await reading.once()
            exchanges = len(heard)
            await one.once()
            await stocks.once()
        answer_bytes = heard[-1]
        happen(device, LOG_RECORDS + 8)
        for _ in range(21):
            reached = FROM_THE_START
            heard.clear()
            await cold.once()
        stock_ms = stocks.process_median_ms()
        return {
            "rounds": rounds,
            "reading": {**reading.spread(), "exchanges": exchanges, "new_log_records": NEW_RECORDS},
            "status": {**one.spread(), "answer_bytes": answer_bytes},
            "stock_exchange": stocks.spread(),
            "cold_reading": {**cold.spread(), "exchanges": len(heard), "log_records": LOG_RECORDS},
            "reading_to_stock_exchange": round(reading.process_median_ms() / stock_ms, 2),
            "status_to_stock_exchange": round(one.process_median_ms() / stock_ms, 2),
        }


def figures(rounds: int = 300) -> dict[str, Any]:
    """What is measured, for ``bench/run.py``."""
    logging.getLogger("coap-server").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(Path(folder), rounds))
        gc.collect()  # aiocoap's contexts write to their folder as they go
        return found


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=300)
    print(json.dumps(figures(asked.parse_args().rounds), indent=2))
