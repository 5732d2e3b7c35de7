"""How the tests search: no deadline by the clock; longer or leaner where a target asks for it.

And which engine the records of a run live on: ``--record postgresql``, else SQLite.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from coverage import Coverage

settings.register_profile("thecal", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", parent=settings.get_profile("thecal"), max_examples=2000)
# A mutant needs one failing example, not the smallest one, and the same examples each time.
settings.register_profile(
    "mutants",
    parent=settings.get_profile("thecal"),
    max_examples=60,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
)
settings.load_profile("thecal")

RUN = "THECAL_TEST_RECORD"
"""As ``record_engines`` has it, which loads a database's driver: too much for tests that know no record."""

COUNTED_TOO = "COVERAGE_PROCESS_CONFIG"
"""Where a process that is started finds that its lines are counted."""


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Let pytest-cov count once: in a worker it counts twice, and then a pause of the one lets the other go on."""
    if counting := _counting(session.config):
        counting.stop()
        while other := type(counting).current():
            other.stop()
        counting.start()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """A test that is not counted has its world made ready uncounted too: that costs as much."""
    with _pause(item):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Nor are the processes counted that such a test starts; pytest-cov leaves out the test itself."""
    with _children_uncounted(item):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """As in making it ready."""
    with _pause(item):
        return (yield)


def _counting(config: pytest.Config) -> Coverage | None:
    """What counts lines in this process, None where nothing does."""
    controller = getattr(config.pluginmanager.getplugin("_cov"), "cov_controller", None)
    return getattr(controller, "cov", None)


@contextmanager
def _pause(item: pytest.Item) -> Iterator[None]:
    counting = _counting(item.config) if item.get_closest_marker("no_cover") else None
    with _children_uncounted(item):
        if counting is not None:
            counting.stop()
        try:
            yield
        finally:
            if counting is not None:
                counting.start()


@contextmanager
def _children_uncounted(item: pytest.Item) -> Iterator[None]:
    told = os.environ.pop(COUNTED_TOO, None) if item.get_closest_marker("no_cover") else None
    try:
        yield
    finally:
        if told is not None:
            os.environ[COUNTED_TOO] = told


def pytest_addoption(parser: pytest.Parser) -> None:
    engine = os.environ.get(RUN, "sqlite")
    parser.addoption("--record", choices=("sqlite", "postgresql"), default=engine, help="what records live on")


def pytest_configure(config: pytest.Config) -> None:
    os.environ[RUN] = config.getoption("record")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tell a module's worlds their engine, where they ask: that of the run, and PostgreSQL too where a mark says so."""
    if "record_engine" in metafunc.fixturenames:
        engines = [metafunc.config.getoption("record")]
        if metafunc.definition.get_closest_marker("both_engines") and engines == ["sqlite"]:
            engines.append("postgresql")
        metafunc.parametrize("record_engine", engines, scope="module")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL leave out what is about SQLite itself, and tests that name SQLite beside a twin on PostgreSQL."""
    if config.getoption("record") == "sqlite":
        return
    for item in items:
        if about := item.get_closest_marker("about_sqlite"):
            item.add_marker(pytest.mark.skip(reason=f"about SQLite itself: {about.args[0]}"))
    twins = [item for item in items if "sqlite" in (named := _values_of(item)) and "postgresql" not in named]
    items[:] = [item for item in items if item not in twins]
    config.hook.pytest_deselected(items=twins)


def _values_of(item: pytest.Item) -> list[object]:
    """What a test was given by name, its fixtures included."""
    found = getattr(item, "callspec", None)
    return [] if found is None else list(found.params.values())
