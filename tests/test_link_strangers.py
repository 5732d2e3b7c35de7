"""Programs of other people at the pump's door: with a key they are answered, without one they are told nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.link_parts import PLENTY, SERIAL, Ends, play
from tests.link_world import Pump, ordered

from thecal.link.answering import Answering
from thecal.link.codec import Reply, decode_answer
from thecal.link.endpoint import Met
from thecal.link.key import Side, export_for_stock_client, new_key
from thecal.link.protection import pair
from thecal.link.roles import Field, Role

if TYPE_CHECKING:
    from collections.abc import Sequence

DEBIAN = ["coap-client-notls", "coap-client-openssl", "coap-client-gnutls", "coap-client"]
SLOW_S = 120


def program(name: str, needs: str) -> str:
    """Where a program is. A machine of a user may lack it; the machine that checks everything may not."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if found is None:
        reason = f"{name} is not installed here ({needs})"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def libcoap() -> str:
    """Debian's client under whichever name its version has."""
    for name in DEBIAN[:-1]:
        if shutil.which(name):
            return name
    return program(DEBIAN[-1], "package libcoap3-bin; scripts/debian-packages.sh installs it")


async def run(*words: str) -> tuple[int | None, bytes, bytes]:
    """Run a program to its end."""
    running = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(SLOW_S):
            out, err = await running.communicate()
    except TimeoutError:
        running.kill()
        await running.wait()
        raise
    return running.returncode, out, err


def at_the_door(
    ends: Ends, calls: Sequence[Sequence[str]]
) -> tuple[list[tuple[int | None, bytes, bytes]], dict[Met, int]]:
    """Run programs against a pump's far field; ``{}`` in a word is its address. Also what the pump counted."""

    async def scene() -> tuple[list[tuple[int | None, bytes, bytes]], dict[Met, int]]:
        radio = ends.radio(PLENTY)
        host, port = await radio.open()
        said = [await run(*(word.replace("{}", f"{host}:{port}") for word in words)) for words in calls]
        radio.close()
        await asyncio.sleep(0)
        return said, dict(radio.hearing[Field.FAR].met)

    return play(scene())


class TestStockClient:
    """The command that comes with the library: written by others, used as they meant it."""

    @pytest.mark.requirement("SC-01", "SC-14")
    def test_with_a_key_is_answered(self, tmp_path: Path) -> None:
        client = program("aiocoap-client", "package aiocoap")
        pump = Pump(p=ordered())
        ends = Ends(Role.MONITOR, answers=Answering(pump))
        key = new_key(Role.MONITOR, SERIAL, 2)
        pair(ends.pump_vault, Side.PUMP, key)
        ends.reboot()
        credentials = export_for_stock_client(key, tmp_path / "stock")
        call = [client, "--quiet", "--credentials", str(credentials), "coap://{}/status"]
        said, met = at_the_door(ends, [call, call])
        assert met == {Met.ANSWERED: 2}
        for code, out, err in said:
            assert code == 0, err
            # It prints CBOR of no declared kind as it is.
            status = decode_answer("status", out)
            assert isinstance(status, Reply)
            assert status.values["running"] is True

    def test_with_a_key_for_another_role_is_refused(self, tmp_path: Path) -> None:
        client = program("aiocoap-client", "package aiocoap")
        ends = Ends(Role.PATIENT)
        key = new_key(Role.PATIENT, SERIAL, 2)
        pair(ends.pump_vault, Side.PUMP, key)
        ends.reboot()
        credentials = export_for_stock_client(key, tmp_path / "stock")
        said, met = at_the_door(
            ends, [[client, "--credentials", str(credentials), "-m", "POST", "--payload", "x", "coap://{}/start"]]
        )
        assert met == {Met.DENIED: 1}
        assert b"4.03" in said[0][1] + said[0][2]
        assert ends.parrot.done == []

    @pytest.mark.requirement("P6", "SC-01", "SC-28")
    def test_without_a_key_is_refused(self, tmp_path: Path) -> None:
        client = program("aiocoap-client", "package aiocoap")
        ends = Ends()
        calls = [
            [client, "coap://{}/status"],
            [client, "coap://{}/.well-known/core"],
            [client, "-m", "PUT", "--payload", "x", "coap://{}/start"],
            [client, "-m", "DELETE", "coap://{}/status"],
        ]
        said, met = at_the_door(ends, calls)
        assert met == {Met.UNPROTECTED: 4}
        for _, out, err in said:
            assert b"4.01" in out + err
        assert ends.parrot.done == []

    @pytest.mark.requirement("SC-28")
    def test_with_a_key_that_the_pump_does_not_know_is_refused(self, tmp_path: Path) -> None:
        client = program("aiocoap-client", "package aiocoap")
        ends = Ends()
        credentials = export_for_stock_client(new_key(Role.PROGRAMMER, SERIAL), tmp_path / "stock")
        said, met = at_the_door(ends, [[client, "--credentials", str(credentials), "coap://{}/status"]])
        assert met == {Met.NOT_GENUINE: 1}
        assert said[0][0] != 0
        assert ends.parrot.done == []

    def test_its_folder_is_private_and_new(self, tmp_path: Path) -> None:
        key = new_key(Role.CARD, SERIAL)
        credentials = export_for_stock_client(key, tmp_path / "stock")
        assert {p.stat().st_mode & 0o777 for p in credentials.parent.iterdir()} == {0o600}
        assert credentials.parent.stat().st_mode & 0o777 == 0o700
        with pytest.raises(FileExistsError):
            export_for_stock_client(key, tmp_path / "stock")


class TestDebianClient:
    """Another implementation, in C and without OSCORE."""

    @pytest.mark.requirement("P6", "SC-28")
    def test_gets_nothing(self) -> None:
        client = libcoap()
        ends = Ends()
        calls = [
            [client, "-B", "3", "-v", "6", "-m", "get", "coap://{}/status"],
            [client, "-B", "3", "-v", "6", "-m", "get", "coap://{}/.well-known/core"],
            [client, "-B", "3", "-v", "6", "-m", "post", "-e", "x", "coap://{}/start"],
            [client, "-B", "3", "-v", "6", "-m", "put", "-b", "64", "-e", "x" * 300, "coap://{}/bring"],
            [client, "-B", "3", "-v", "6", "-m", "get", "-s", "1", "coap://{}/status"],
        ]
        said, met = at_the_door(ends, calls)
        assert set(met) == {Met.UNPROTECTED}
        assert met[Met.UNPROTECTED] >= len(calls)
        for _, out, err in said:
            assert b"4.01" in out + err, (out, err)
            assert b"heard" not in out + err
        assert ends.parrot.done == []

    def test_gets_silence_where_it_wants_no_receipt(self) -> None:
        client = libcoap()
        ends = Ends()
        said, met = at_the_door(ends, [[client, "-B", "1", "-N", "-m", "get", "coap://{}/status"]])
        assert set(met) <= {Met.NOT_A_REQUEST}
        assert said[0][1] == b""
        assert ends.parrot.done == []
