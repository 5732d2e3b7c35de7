"""A request that comes slowly, and one that never ends: the connection is let go, and everybody else is served."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import httpx
import pytest
import uvicorn
from tests.clinic_world import clinic_world

from thecal.web.app import make_app
from thecal.web.house import Settings
from thecal.web.patience import Patient

if TYPE_CHECKING:
    from collections.abc import Iterator

WITHIN_S = 1.0


class Hasty(Patient):
    """The same, so that a test need not wait half a minute."""

    comes_within_s = WITHIN_S


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    world = clinic_world(tmp_path_factory.mktemp("patience"))
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    where: tuple[str, int] = held.getsockname()
    world.house.settings = Settings(f"http://127.0.0.1:{where[1]}")
    config = uvicorn.Config(make_app(world.house), http=Hasty, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([held],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield where
    server.should_exit = True
    thread.join(10)
    held.close()
    world.end()


def closed_after_s(address: tuple[str, int], first: bytes, drip: bytes) -> float:
    """How long the server bears with a connection that sends something now and then."""
    with socket.create_connection(address, timeout=10) as slow:
        slow.settimeout(0.1)
        begun = time.monotonic()
        slow.sendall(first)
        while time.monotonic() - begun < 8 * WITHIN_S:
            try:
                if not slow.recv(1000):
                    return time.monotonic() - begun
                slow.sendall(drip)
            except TimeoutError:
                slow.sendall(drip)
            except OSError:
                return time.monotonic() - begun
    return float("inf")


HEAD = b"POST /sign-in HTTP/1.1\r\nhost: x\r\n"


@pytest.mark.parametrize(
    ("first", "drip"),
    [
        (b"", b""),
        (b"GET /sign-in HTTP/1.1\r\n", b"x: y\r\n"),
        (HEAD + b"content-type: application/x-www-form-urlencoded\r\ncontent-length: 1000\r\n\r\n", b"a"),
    ],
    ids=["nothing at all", "one header after the other", "a body byte by byte"],
)
def test_a_slow_request_is_let_go(address: tuple[str, int], first: bytes, drip: bytes) -> None:
    took = closed_after_s(address, first, drip)
    assert WITHIN_S * 0.9 <= took < 6 * WITHIN_S


def test_others_are_served_while_many_hold_on_and_send_nothing(address: tuple[str, int]) -> None:
    slow = [socket.create_connection(address) for _ in range(100)]
    try:
        assert httpx.get(f"http://{address[0]}:{address[1]}/sign-in").status_code == 200
    finally:
        for one in slow:
            one.close()


def test_whoever_asks_again_and_again_on_one_connection_is_not_let_go(address: tuple[str, int]) -> None:
    with httpx.Client(base_url=f"http://{address[0]}:{address[1]}") as client:
        begun, streams = time.monotonic(), set()
        while time.monotonic() - begun < 2.5 * WITHIN_S:
            found = client.get("/sign-in")
            assert found.status_code == 200
            streams.add(found.extensions["network_stream"].get_extra_info("client_addr"))
            time.sleep(0.2)
    assert len(streams) == 1
