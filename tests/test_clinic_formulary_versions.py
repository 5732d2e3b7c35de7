"""The site's formulary: written by one, signed by another, in force from then on, and readable for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError, OperationalError
from tests.clinic_world import clinic_world
from tests.record_engines import ENGINES, new_url

from thecal.clinic import formulary_versions as fv
from thecal.clinic.formulary_versions import Decision, SideEntry, Why
from thecal.clinic.record.tables import FormularyDecision, FormularyVersion, Observation
from thecal.clinic.record.unusable import StoreError
from thecal.formulary import load
from thecal.quantities import Concentration

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.clinic_world import ClinicWorld

STRONGER = """extends = "morphine"
max_concentration = [{ kind = "consensus", high = "21 mg/mL", source = "ours" }]
[sources]
ours = { authority = "Test clinic", edition = "2026", text = "pharmacy standard 7", verified = true }
"""


@pytest.fixture(params=ENGINES)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ClinicWorld]:
    made = clinic_world(new_url(request.param, tmp_path))
    yield made
    made.end()


def written(world: ClinicWorld, text: str = STRONGER, file: str = "morphine") -> FormularyVersion:
    found = fv.write(world.house, world.people["pharmacist"], file, text, "our pharmacy makes it")
    assert isinstance(found, FormularyVersion), found
    return found


def signed(world: ClinicWorld, one: FormularyVersion, role: str = "pharmacist2") -> None:
    done = fv.decide(world.house, world.people[role], one.id, Decision.SIGNED)
    assert isinstance(done, FormularyDecision), done


def highest(world: ClinicWorld) -> Concentration:
    limits = world.house.formulary.drug("morphine").max_concentration
    return max(limit.high for limit in limits if limit.high is not None)


def codes(found: object) -> list[str]:
    assert isinstance(found, tuple), found
    return [str(r.code) for r in found]


def test_a_draft_is_not_in_force_and_a_signed_one_is(world: ClinicWorld) -> None:
    before = world.house.formulary.version
    one = written(world)
    assert world.house.formulary.version == before == fv.in_force(world.house).version
    signed(world, one)
    assert highest(world) == Concentration.parse("21 mg/mL")
    assert world.house.formulary.version != before
    assert world.house.formulary.site_files == ("morphine.toml",)
    patient = world.patient()
    with world.writing("nurse") as record:
        seen = record.keep(Observation(patient_id=patient.id, kind="pain", value="3", unit="0 to 10", seen_utc_s=1))
    assert seen.formulary == world.house.formulary.version


def test_a_restart_finds_what_was_signed(world: ClinicWorld) -> None:
    signed(world, written(world))
    running = world.house.formulary.version
    world.house.formulary = load()
    assert fv.at_start(world.house).version == running
    assert fv.in_force(world.house).drug("morphine").max_concentration[0].source.from_site


def test_nobody_signs_their_own(world: ClinicWorld) -> None:
    one = written(world)
    assert codes(fv.decide(world.house, world.people["pharmacist"], one.id, Decision.SIGNED)) == [Why.OWN]
    assert codes(fv.decide(world.house, world.people["pharmacist"], one.id, Decision.TURNED_DOWN, "no longer")) == [
        Why.OWN
    ]
    assert fv.in_force(world.house).version == load().version


def test_a_decision_is_made_once(world: ClinicWorld) -> None:
    one = written(world)
    assert codes(fv.decide(world.house, world.people["physician"], one.id, Decision.TURNED_DOWN, "no")) == [
        Why.NO_REASON
    ]
    done = fv.decide(world.house, world.people["physician"], one.id, Decision.TURNED_DOWN, "no source in it")
    assert isinstance(done, FormularyDecision)
    assert codes(fv.decide(world.house, world.people["pharmacist2"], one.id, Decision.SIGNED)) == [Why.DECIDED]
    assert codes(fv.decide(world.house, world.people["physician"], 999, Decision.SIGNED)) == [Why.NOT_THERE]
    assert fv.in_force(world.house).version == load().version


@pytest.mark.requirement("P12")
def test_old_versions_stay_readable_and_are_never_edited(world: ClinicWorld) -> None:
    first = written(world)
    signed(world, first)
    signed(world, written(world, STRONGER.replace("21 mg/mL", "22 mg/mL")))
    assert highest(world) == Concentration.parse("22 mg/mL")
    with world.house.reading() as db:
        kept = fv.version(db, first.id)
        assert kept is not None
        assert (kept.row.text, kept.writer, kept.decider, kept.state) == (
            STRONGER,
            "Pharmacist One",
            "Pharmacist Two",
            "signed",
        )
        assert len(fv.versions(db, "morphine").rows) == 2
    with pytest.raises((IntegrityError, OperationalError)), world.writing() as record:
        row = record.get(FormularyVersion, first.id)
        assert row is not None
        row.text = "changed"


def test_an_empty_version_goes_back_to_what_ships(world: ClinicWorld) -> None:
    signed(world, written(world))
    signed(world, written(world, "  \n"))
    assert world.house.formulary.version == load().version
    with world.house.reading() as db:
        assert fv.texts_in_force(db) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (STRONGER.replace("21 mg/mL", "21 mg"), ("line 2", "max_concentration[0].high")),
        (STRONGER.replace('source = "ours"', 'source = "theirs"'), ("line 2", "max_concentration[0].source")),
        (STRONGER + "\nnonsense = 1\n", ("sources.nonsense",)),
        ("extends = \n", ("line 1",)),
        ('extends = "morphium"\n', ("line 1", "extends")),
    ],
)
def test_what_is_wrong_is_said_with_line_and_field(world: ClinicWorld, text: str, said: tuple[str, ...]) -> None:
    found = fv.write(world.house, world.people["pharmacist"], "morphine", text, "a try that is wrong")
    assert isinstance(found, tuple)
    assert all(word in found[0].found for word in said), found[0].found
    assert "thecal-formulary-" not in found[0].message
    assert found[0].field == "text"


@pytest.mark.parametrize("file", ["", "../morphine", "Morphine", "mor phine", "a" * 61, "morphine.toml"])
def test_a_file_name_is_a_code(world: ClinicWorld, file: str) -> None:
    found = fv.write(world.house, world.people["pharmacist"], file, STRONGER, "a try that is wrong")
    assert Why.NAME in codes(found)


def test_a_forbidden_drug_cannot_be_allowed(world: ClinicWorld) -> None:
    text = STRONGER.replace("morphine", "vincristine") + 'status = "off label"\n'
    text = 'extends = "vincristine"\nstatus = "off label"\n'
    found = fv.write(world.house, world.people["pharmacist"], "vincristine", text, "a dangerous try")
    assert codes(found) == [Why.NOT_USABLE]


def test_the_same_again_and_no_reason_are_refused(world: ClinicWorld) -> None:
    assert codes(fv.write(world.house, world.people["pharmacist"], "morphine", STRONGER, "x")) == [Why.NO_REASON]
    signed(world, written(world))
    assert codes(fv.write(world.house, world.people["pharmacist"], "morphine", STRONGER, "the same again")) == [
        Why.SAME
    ]


def test_the_difference_names_what_is_new_and_gone(world: ClinicWorld) -> None:
    signed(world, written(world))
    next_one = written(world, STRONGER.replace("21 mg/mL", "22 mg/mL"))
    with world.house.reading() as db:
        lines = fv.difference(fv.before_it(db, next_one), next_one.text)
    assert [(d.sign, "21" in d.text, "22" in d.text) for d in lines if d.sign] == [
        ("-", True, False),
        ("+", False, True),
    ]


def test_the_side_form_writes_limits_that_read(world: ClinicWorld) -> None:
    side = SideEntry("21 mg/mL", "16 mg/day", 'The "Test" clinic', "2026", "standard \\ 7", "yes")
    text = fv.with_limits("morphine", "", side)
    with world.house.reading() as db:
        assert fv.wrong_with(db, "morphine", text) == ()
    signed(world, written(world, text))
    drug = world.house.formulary.drug("morphine")
    assert [limit.high for limit in drug.max_concentration] == [Concentration.parse("21 mg/mL")]
    assert drug.max_daily_dose[0].source.authority == 'The "Test" clinic'
    unread = fv.with_limits("morphine", text, SideEntry("25 mg/mL", "", "Other", "", "elsewhere", "no"))
    assert "25 mg/mL" not in unread


words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=40)


@given(words, words, words)
def test_the_side_form_never_breaks_out_of_its_quotes(authority: str, edition: str, source: str) -> None:
    import tomllib

    text = fv.with_limits("morphine", "", SideEntry("21 mg/mL", "", authority, edition, source, "no"))
    read = tomllib.loads(text)
    assert set(read) == {"extends", "max_concentration", "sources"}
    (kept,) = read["sources"].values()
    assert kept["authority"] == " ".join(authority.split())
    assert kept["verified"] is False


def test_a_version_that_no_longer_fits_is_loud(world: ClinicWorld) -> None:
    """A file that was signed and that newer software cannot use must not be left out in silence."""
    signed(world, written(world))
    with world.writing("pharmacist") as record:
        row = record.keep(
            FormularyVersion(file="baclofen", text="extends = 1\n", digest="x", why="as if from older software")
        )
    with world.writing("physician") as record:
        record.keep(FormularyDecision(version_id=row.id, decision="signed", why=""))
    with pytest.raises(ValueError, match="baclofen"):
        fv.in_force(world.house)
    with pytest.raises(StoreError, match="baclofen"):
        fv.at_start(world.house)
