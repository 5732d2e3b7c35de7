"""The process that computes previews: the same as computed here, over a real socket, for whoever asks at once."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.programming_world import FORMULARY
from tests.record_engines import new_url

from thecal.cli.clinic_process import Running
from thecal.clinic.programming.previewing import Preview, Previews, Wanted
from thecal.rig.beside import READY
from thecal.rig.home import Home
from thecal.rig.local import LocalClient
from thecal.rig.refusal import Refusal, Why
from thecal.web.previews import OPERATION, PreviewAsk

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDER = (Path(__file__).parents[1] / "examples" / "first-patient.toml").read_text("utf-8").split("[run]")[0]
WANTED = Wanted(ORDER, ORDER.replace('"0.075 mg/h"', '"0.08 mg/h"'), datetime(2026, 9, 21, 9), 70_000)  # noqa: DTZ001
TIP = "csf-tip"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home whose previews are computed by a process of their own."""
    folder = tmp_path_factory.mktemp("previews")
    made = Home(folder / "clinic").ready()
    record = new_url("sqlite", folder)
    running = Running(str(made.folder), record, "http://localhost", demonstration=False, secure=False)
    beside = next(b for b in running.besides() if b.name == "preview")
    process = subprocess.Popen(
        beside.words, env={**os.environ, **dict(beside.told)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdout.readline() == READY
    yield made
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert not made.preview_socket.exists()


def shown(home: Home, wanted: Wanted, *, band: bool = False, site: str = TIP) -> Preview:
    """What the process shows, however long it takes."""
    for _ in range(600):
        found = PreviewAsk(home).ask(wanted, FORMULARY, site, band=band, wait_s=0.5)
        if found is not None and found.banded == band:
            return found
        time.sleep(0.1)
    raise AssertionError("no preview came")


@pytest.mark.parametrize(("band", "site"), [(False, TIP), (True, TIP), (True, "plasma")])
def test_the_process_shows_what_is_computed_here(home: Home, band: bool, site: str) -> None:
    here = Previews()
    assert shown(home, WANTED, band=band, site=site) == here.ask(WANTED, FORMULARY, site, band=band, wait_s=120)
    here.close()


def test_what_cannot_be_previewed_comes_with_its_reason(home: Home) -> None:
    without_tip = "\n".join(line for line in ORDER.splitlines() if not line.startswith("tip_level"))
    found = shown(home, replace(WANTED, current=None, proposed=without_tip))
    assert found.shown is None and found.none is not None
    assert found.none.why == "no tip level" and found.none.then


def test_a_formulary_that_the_record_does_not_have_yet_is_waited_for(home: Home) -> None:
    newer = replace(FORMULARY, version="signed a moment ago")
    assert PreviewAsk(home).ask(WANTED, newer, TIP, band=False, wait_s=5) is None
    assert shown(home, WANTED).shown is not None


def test_many_ask_at_once_and_all_get_the_same(home: Home) -> None:
    wanted = replace(WANTED, weight_g=71_000)
    found: list[Preview] = []
    threads = [threading.Thread(target=lambda: found.append(shown(home, wanted))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 12 and all(one == found[0] for one in found)


def test_a_request_that_is_none_is_refused_and_the_process_goes_on(home: Home) -> None:
    client = LocalClient(home.preview_socket)
    for asked in (None, {}, {"wanted": {"current": 3}}, "preview"):
        refused = client.ask(OPERATION, asked=asked)
        assert isinstance(refused, Refusal) and refused.why is Why.MALFORMED
    assert shown(home, WANTED).shown is not None


def test_nobody_there_is_a_preview_without_anything(tmp_path: Path) -> None:
    found = PreviewAsk(Home(tmp_path)).ask(WANTED, FORMULARY, TIP, band=False, wait_s=1)
    assert found is not None and found.shown is None
    assert found.none is not None and found.none.why == "nobody computes it now"
    assert "administrator" in found.none.then
