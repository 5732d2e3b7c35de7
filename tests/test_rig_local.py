"""One JSON object on a line over a socket of the owner alone; what is wrong is answered, and never ends the server."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.link.catalogue import Bytes, Truth, Whole, Word
from thecal.rig import local
from thecal.rig.local import (
    MOST_REQUEST,
    AlreadyServedError,
    LocalClient,
    LocalServer,
    UnreachableError,
    answers,
    read_line,
)
from thecal.rig.operations import SERIAL_FIELD, Operation, Optional, Request, Text, check
from thecal.rig.refusal import Refusal, Why

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path


async def echo(message: dict[str, Any]) -> dict[str, Any] | Refusal:
    if message["operation"] == "wait":
        await asyncio.sleep(3600)
    if message["operation"] == "fail":
        raise RuntimeError("a defect")
    if message["operation"] == "no":
        return Refusal(Why.CANNOT, "this", "that", "something else")
    return message


@contextmanager
def serving(
    path: Path, handler: Callable[[dict[str, Any]], Awaitable[dict[str, Any] | Refusal]] = echo
) -> Iterator[None]:
    """A server in a thread of its own, closed at the end."""
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def run() -> None:
        server = LocalServer(path, handler)
        await server.open()
        ready.set()
        await stop.wait()
        await server.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    try:
        assert ready.wait(60)
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        loop.close()


@contextmanager
def talking(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as calling:
        calling.settimeout(60)
        calling.connect(str(path))
        yield calling


def line(calling: socket.socket) -> Any:
    with calling.makefile("rb") as file:
        return json.loads(file.readline())


def test_a_question_gets_its_answer_over_a_socket_of_the_owner(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with serving(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert LocalClient(path).ask("echo", number=5) == {"operation": "echo", "number": 5}
        assert LocalClient(path).ask("no") == Refusal(Why.CANNOT, "this", "that", "something else")
        assert answers(path)
    assert not path.exists()
    assert not answers(path)


def test_a_defect_is_answered_and_the_next_caller_served(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with serving(tmp_path / "s"):
        refused = LocalClient(tmp_path / "s").ask("fail")
        assert isinstance(refused, Refusal)
        assert refused.why is Why.DEFECT
        assert LocalClient(tmp_path / "s").ask("echo") == {"operation": "echo"}
    assert "a defect" in caplog.text


@pytest.mark.parametrize("sent", [b"\n", b"{\n", b"[]\n", b"5\n", b"\xff\xfe\n", b"[" * 100_000 + b"\n"])
def test_a_line_that_is_no_object_is_answered_and_the_caller_may_go_on(tmp_path: Path, sent: bytes) -> None:
    with serving(tmp_path / "s"), talking(tmp_path / "s") as calling:
        calling.sendall(sent)
        assert line(calling)["error"]["why"] == "malformed"
        calling.sendall(b'{"operation": "echo"}\n')
        assert line(calling) == {"answer": {"operation": "echo"}}


def test_a_line_without_an_end_is_cut_off(tmp_path: Path) -> None:
    with serving(tmp_path / "s"), talking(tmp_path / "s") as calling:
        calling.sendall(b"x" * (MOST_REQUEST + 1))
        assert line(calling)["error"]["why"] == "too-long"
    refused = LocalClient(tmp_path / "nowhere").ask("echo", text="x" * MOST_REQUEST)
    assert isinstance(refused, Refusal)
    assert refused.why is Why.TOO_LONG


def test_a_caller_that_leaves_or_hangs_disturbs_nobody(tmp_path: Path) -> None:
    with serving(tmp_path / "s"), talking(tmp_path / "s") as hanging, talking(tmp_path / "s") as leaving:
        hanging.sendall(b'{"operation": "wait"}\n')
        leaving.sendall(b'{"operation": "ec')
        leaving.close()
        assert LocalClient(tmp_path / "s").ask("echo") == {"operation": "echo"}


def test_more_callers_than_there_is_room_for_are_sent_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "MOST_CALLERS", 1)
    with serving(tmp_path / "s"), talking(tmp_path / "s") as first:
        first.sendall(b'{"operation": "echo"}\n')
        assert "answer" in line(first)
        refused = LocalClient(tmp_path / "s").ask("echo")
        assert isinstance(refused, Refusal)
        assert refused.why is Why.BUSY


def left_before_the_request(tmp_path: Path, said: bytes) -> dict[str, Any] | Refusal:
    """What a caller makes of somebody who says something and is gone before the request is sent."""
    gone = threading.Event()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()

        def leave() -> None:
            other, _ = listening.accept()
            with other:
                other.sendall(said)
            gone.set()

        leaving = threading.Thread(target=leave)
        leaving.start()
        with socket.socket(socket.AF_UNIX) as calling:
            calling.settimeout(30)
            calling.connect(str(tmp_path / "s"))
            assert gone.wait(30)
            leaving.join()
            return local._told(local._exchange(calling, b'{"operation": "echo"}\n'))


def test_what_was_said_before_the_request_is_heard(tmp_path: Path) -> None:
    busy = Refusal(Why.BUSY, "1 caller", "up to 1", "ask again later")
    assert left_before_the_request(tmp_path, json.dumps(busy.as_json()).encode() + b"\n") == busy


@pytest.mark.parametrize("said", [b"", b'{"error": {'])
def test_somebody_who_left_without_a_whole_answer_has_not_answered(tmp_path: Path, said: bytes) -> None:
    with pytest.raises(ConnectionError):
        left_before_the_request(tmp_path, said)


def test_a_socket_that_is_alive_is_not_taken_over(tmp_path: Path) -> None:
    async def second() -> None:
        with pytest.raises(AlreadyServedError, match="found a live socket at s"):
            await LocalServer(tmp_path / "s", echo).open()

    with serving(tmp_path / "s"):
        asyncio.run(second())
        assert answers(tmp_path / "s")


def test_a_stale_socket_is_taken_over(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "s"))
    assert not answers(tmp_path / "s")
    with pytest.raises(UnreachableError, match="found nobody at s"):
        LocalClient(tmp_path / "s").ask("echo")
    with serving(tmp_path / "s"):
        assert answers(tmp_path / "s")


def test_a_path_that_is_too_long_for_a_socket_still_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    with serving(deep / "s"):
        assert LocalClient(deep / "s").ask("echo") == {"operation": "echo"}
        elsewhere = (deep / "s").resolve().parent
        assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o700
    assert not elsewhere.exists()
    assert list(deep.iterdir()) == []


def test_a_folder_that_cannot_hold_a_socket_leaves_nothing_open(tmp_path: Path) -> None:
    async def opened() -> None:
        with pytest.raises(OSError, match="No such file"):
            await LocalServer(tmp_path / "nowhere" / "s", echo).open()
        await LocalServer(tmp_path / "never-opened", echo).close()

    asyncio.run(opened())


def test_no_answer_in_time_is_unreachable(tmp_path: Path) -> None:
    with serving(tmp_path / "s"), pytest.raises(UnreachableError, match="look whether it was done"):
        LocalClient(tmp_path / "s", timeout_s=0.1).ask("wait")


@pytest.mark.parametrize("reply", [b"", b"half a line", b"x" * 100])
def test_an_answer_that_ends_early_or_never_is_unreachable(
    tmp_path: Path, reply: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "MOST_ANSWER", 50)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()

        def serve() -> None:
            calling, _ = listening.accept()
            with calling:
                calling.recv(1000)
                calling.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(UnreachableError, match="the answer"):
            LocalClient(tmp_path / "s").ask("echo")
        thread.join(60)


# Operations.

TABLE = (
    Operation("plain"),
    Operation(
        "full",
        (
            SERIAL_FIELD,
            ("number", Whole(1, 9)),
            ("truth", Truth()),
            ("word", Word(("a", "b"))),
            ("data", Bytes(1, 3)),
            ("note", Optional(Text(5), "none")),
        ),
    ),
)
GOOD: dict[str, Any] = {"operation": "full", "serial": "P1", "number": 1, "truth": True, "word": "a", "data": "AQID"}


def test_a_request_is_read_with_its_defaults() -> None:
    assert check(TABLE, {"operation": "plain"}) == Request("plain", {})
    assert check(TABLE, GOOD) == Request(
        "full", {"serial": "P1", "number": 1, "truth": True, "word": "a", "data": b"\x01\x02\x03", "note": "none"}
    )
    read = check(TABLE, {**GOOD, "note": "five."})
    assert isinstance(read, Request)
    assert read.values["note"] == "five."


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("serial", "../x", "a serial number"),
        ("serial", 5, "a serial number"),
        ("number", 0, "a whole number from 1 to 9"),
        ("number", 10, "a whole number from 1 to 9"),
        ("number", True, "a whole number from 1 to 9"),
        ("number", 1.0, "a whole number from 1 to 9"),
        ("truth", 1, "true or false"),
        ("word", "c", "a, b"),
        ("word", ["a"], "a, b"),
        ("data", "", "base64 of 1 to 3 bytes"),
        ("data", "AQIDBA==", "base64 of 1 to 3 bytes"),
        ("data", "A", "base64 of 1 to 3 bytes"),
        ("data", "é", "base64 of 1 to 3 bytes"),
        ("data", 5, "base64 of 1 to 3 bytes"),
        ("note", "longer", "text, at most 5 characters"),
        ("note", None, "text, at most 5 characters"),
    ],
)
def test_a_field_of_another_kind_is_refused_with_what_is_allowed(name: str, value: object, allowed: str) -> None:
    refused = check(TABLE, {**GOOD, name: value})
    assert isinstance(refused, Refusal)
    assert refused.why is Why.FIELD
    assert refused.allowed.startswith(allowed)
    assert name in refused.found


def test_a_field_that_is_missing_or_unknown_is_refused() -> None:
    missing = check(TABLE, {k: v for k, v in GOOD.items() if k != "number"})
    assert missing == Refusal(Why.FIELD, "no field 'number'", "a whole number from 1 to 9")
    unknown = check(TABLE, {**GOOD, "more": "x"})
    assert isinstance(unknown, Refusal)
    assert unknown.found == "the field 'more' of full"
    none = check(TABLE, {"operation": "plain", "x" * 500: 1})
    assert isinstance(none, Refusal)
    assert none.allowed == "no fields"
    assert "(502 characters)" in none.found


@pytest.mark.parametrize("operation", ["", "other", 5, None, ["plain"]])
def test_an_operation_that_is_not_in_the_table_does_not_exist(operation: object) -> None:
    refused = check(TABLE, {"operation": operation})
    assert isinstance(refused, Refusal)
    assert (refused.why, refused.allowed) == (Why.UNKNOWN_OPERATION, "plain, full")
    assert "next: correct the request" in refused.message


@given(st.binary(max_size=200))
def test_no_line_gets_past_the_reader_but_an_object(sent: bytes) -> None:
    read = read_line(sent)
    assert isinstance(read, Refusal | dict)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda s: st.lists(s) | st.dictionaries(st.text(), s),
    )
)
def test_no_value_of_json_breaks_the_check(value: object) -> None:
    for name in GOOD:
        assert isinstance(check(TABLE, {**GOOD, name: value}), Request | Refusal)


def test_a_refusal_reads_back() -> None:
    refused = Refusal(Why.NO_KEY, "none", "one", "pair")
    assert Refusal.from_json(refused.as_json()["error"]) == refused
