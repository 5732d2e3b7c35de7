"""Reading the files: what is refused and how, what a site may lay over, and what the version stands for."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import thecal.formulary
from thecal.formulary import FormularyError, Problem, UnknownDrug, WithdrawalRisk, load
from thecal.quantities import DoseRate

ROOM = Path(thecal.formulary.__file__).parent
SOURCES = '[sources]\nours = { authority = "St. Elsewhere", edition = "2030", text = "committee", verified = true }\n'
HEAD = """
code = "placebo"
name = "placebo"
drug_class = "nucleoside"
status = "research only"
dose_unit = "mg"
conc_unit = "mg/mL"
"""
TAIL = """
[approval]
source = "ours"
[withdrawal]
risk = "none"
text = "nothing to withdraw"
source = "ours"
[patient_bolus]
policy = "allowed"
source = "ours"
"""
PLACEBO = HEAD + TAIL + SOURCES


def site(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    return tmp_path


def problems(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(FormularyError) as refused:
        load(path)
    return refused.value.problems


def one(path: Path) -> Problem:
    (problem,) = problems(path)
    return problem


def test_a_site_adds_a_drug_that_is_marked_as_its_own(tmp_path: Path) -> None:
    book = load(site(tmp_path, placebo=PLACEBO))
    drug = book.drug("placebo")
    assert drug.withdrawal.risk is WithdrawalRisk.NONE
    assert drug.withdrawal.source.from_site
    assert drug.withdrawal.source.name == "St. Elsewhere 2030 (site)"
    assert list(book.drugs) == sorted(book.drugs)
    assert book.site_files == (str(tmp_path / "placebo.toml"),)
    with pytest.raises(UnknownDrug):
        load().drug("placebo")


@pytest.mark.requirement("OP-6.9.1", "FD-10.4")
def test_a_site_replaces_only_the_fields_that_it_names(tmp_path: Path) -> None:
    text = (
        'extends = "morphine"\n'
        'max_daily_dose = [{ kind = "consensus", high = "12 mg/day", source = "ours" }]\n' + SOURCES
    )
    drug, ours = load(site(tmp_path, morphine=text)).drug("morphine"), load().drug("morphine")
    (limit,) = drug.max_daily_dose
    assert limit.high == DoseRate.parse("12 mg/day")
    assert limit.source.from_site
    assert drug.max_concentration == ours.max_concentration
    assert drug.stability == ours.stability


def test_a_site_replaces_a_file_whole(tmp_path: Path) -> None:
    text = PLACEBO.replace('"placebo"', '"fentanyl"')
    drug = load(site(tmp_path, fentanyl=text)).drug("fentanyl")
    assert drug.max_daily_dose == ()
    assert drug.approval.source.from_site


def test_a_site_replaces_conversions_and_mixture_rules(tmp_path: Path) -> None:
    rule = '[[rules]]\ncode = "house"\ntext = "two people check"\nsource = "ours"\n'
    book = load(site(tmp_path, conversions=SOURCES, mixtures=rule + SOURCES))
    assert book.conversions == ()
    assert [r.code for r in book.mixture_rules] == ["house"]
    assert book.mixture_rules[0].source.from_site


def test_a_mixture_fact_reaches_every_drug_in_it(tmp_path: Path) -> None:
    fact = '[[stability]]\nwith = ["morphine"]\nkind = "observed"\noutcome = "stable"\ndays = 9\nsource = "ours"\n'
    book = load(site(tmp_path, placebo=HEAD + TAIL + fact + SOURCES))
    (found,) = book.stability(["morphine", "placebo"])
    assert found.days == 9
    assert found in book.drug("morphine").stability
    assert found in book.drug("placebo").stability


def test_an_empty_site_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("why we changed things")
    (tmp_path / ".hidden").mkdir()
    assert load(tmp_path) == load()


@pytest.mark.requirement("HZ-5.6")
def test_sites_never_mix(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.mkdir()
    b.mkdir()
    low, high = (f'extends = "ketamine"\nsalt = "{s}"\n' for s in ("one", "two"))
    books = [load(site(a, ketamine=low)), load(site(b, ketamine=high)), load()]
    assert [x.drug("ketamine").salt for x in books] == ["one", "two", None]
    (a / "ketamine.toml").write_text(high)
    assert load(a).drug("ketamine").salt == "two"


FIELD_ERRORS = [
    (
        'starting_dose = [{ kind = "label", high = ".5 mg/day", source = "ours" }]',
        "starting_dose[0].high",
        "0.5 mg/day",
    ),
    ('starting_dose = [{ kind = "label", high = "5.0 mg/day", source = "ours" }]', "starting_dose[0].high", "5 mg/day"),
    ('starting_dose = [{ kind = "label", high = "5 mg", source = "ours" }]', "starting_dose[0].high", "mg/day"),
    ('starting_dose = [{ kind = "label", high = 5, source = "ours" }]', "starting_dose[0].high", "in quotes"),
    ('starting_dose = [{ kind = "hard", high = "5 mg/day", source = "ours" }]', "starting_dose[0].kind", "label, cons"),
    ('starting_dose = [{ kind = "label", high = "5 mg/day" }]', "starting_dose[0].source", "has to be there"),
    ('starting_dose = [{ kind = "label", high = "5 mg/day", source = "x" }]', "starting_dose[0].source", "ours"),
    ('starting_dose = [{ kind = "label", max = "5 mg/day", source = "ours" }]', "starting_dose[0].max", "kind, low"),
    ('starting_dose = [{ kind = "label", source = "ours" }]', "starting_dose[0]", "a low or a high end"),
    (
        'starting_dose = [{ kind = "label", low = "2 mg/day", high = "1 mg/day", source = "ours" }]',
        "starting_dose[0]",
        "not above its high end",
    ),
    ('starting_dose = "1 mg/day"', "starting_dose", "a list"),
    ("starting_dose = [7]", "starting_dose[0]", "a table"),
    ('titration = [{ kind = "label", source = "ours" }]', "titration[0]", "a largest step"),
    ('titration = [{ kind = "label", percent_high = 10, source = "ours" }]', "titration[0].percent_high", "10 %"),
    ('titration = [{ kind = "label", percent_high = "10%", source = "ours" }]', "titration[0].percent_high", "10 %"),
    (
        'titration = [{ kind = "label", percent_high = "10 %", max_per_week = 0, source = "ours" }]',
        "titration[0].max_per_week",
        "above 0",
    ),
    (
        'titration = [{ kind = "label", percent_high = "10 %", max_per_week = "3", source = "ours" }]',
        "titration[0].max_per_week",
        "without quotes",
    ),
    ('molar_mass = [{ g_per_mol = 12.5, species = "x", source = "ours" }]', "molar_mass[0].g_per_mol", "in quotes"),
    ('trial_ladders = [{ steps = [], source = "ours" }]', "trial_ladders[0].steps", "at least one"),
    ('salt = ""', "salt", "not empty"),
    (f'salt = "{"x" * 601}"', "salt", "600 characters"),
    ("salt = 1", "salt", "text in quotes"),
    ('nonsense = "x"', "nonsense", "code, name"),
    (
        'stability = [{ with = ["moonshine"], kind = "observed", outcome = "stable", source = "ours" }]',
        "stability[0].with",
        "codes of drugs",
    ),
    (
        'stability = [{ kind = "observed", outcome = "stable", tested = [{ drug = "morphine" }], source = "ours" }]',
        "stability[0].tested",
        "one of placebo",
    ),
    (
        'stability = [{ kind = "observed", outcome = "stable", any_other = "yes", source = "ours" }]',
        "stability[0].any_other",
        "true or false",
    ),
]


@pytest.mark.parametrize(("line", "field", "allowed"), FIELD_ERRORS, ids=[f"{f}:{a}" for _, f, a in FIELD_ERRORS])
@pytest.mark.requirement("OP-6.9.2", "AP-09")
def test_a_wrong_field_is_refused_with_file_field_found_and_allowed(
    tmp_path: Path, line: str, field: str, allowed: str
) -> None:
    problem = one(site(tmp_path, placebo=HEAD + line + "\n" + TAIL + SOURCES))
    assert problem.file == str(tmp_path / "placebo.toml")
    assert problem.field == field
    assert allowed in problem.allowed
    assert problem.found
    assert str(problem) == f"{problem.file}: {field}: found {problem.found}; allowed: {problem.allowed}"


def test_the_way_to_a_problem_can_be_followed_in_the_file(tmp_path: Path) -> None:
    line = 'starting_dose = [{ kind = "label", high = ".5 mg/day", source = "ours" }]\n'
    problem = one(site(tmp_path, placebo=HEAD + line + TAIL + SOURCES))
    assert problem.where == ("starting_dose", 0, "high")


@pytest.mark.requirement("UM-55")
def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    bad = PLACEBO.replace('"mg"', '"ug"').replace('risk = "none"', 'risk = "some"')
    extend = 'extends = "morphine"\nstatus = "fine"\n'
    found = problems(site(tmp_path, placebo=bad, morphine=extend))
    assert {(Path(p.file).stem, p.field) for p in found} == {
        ("placebo", "dose_unit"),
        ("placebo", "withdrawal.risk"),
        ("morphine", "status"),
    }


def test_a_long_value_is_shortened_in_the_message(tmp_path: Path) -> None:
    problem = one(site(tmp_path, placebo=HEAD + f'salt = "{"x" * 601}"\n' + TAIL + SOURCES))
    assert len(problem.found) == 80
    assert problem.found.endswith("...")


@pytest.mark.parametrize(
    ("name", "text", "field", "allowed"),
    [
        ("morphine", 'extends = "fentanyl"', "extends", "same name as the file"),
        ("placebo", 'extends = "placebo"', "extends", "ships with Thecal"),
        ("mixtures", 'extends = "mixtures"', "extends", "the code of a drug"),
        ("morphine", "extends = 3", "extends", "the code of a drug"),
        ("morphine", 'extends = "morphine"\ncode = "heroin"', "code", "'morphine', the name of the file"),
        ("other", PLACEBO, "code", "'other', the name of the file"),
        ("vincristine", PLACEBO.replace('"placebo"', '"vincristine"'), "status", "no site can allow"),
        ("vincristine", 'extends = "vincristine"\nstatus = "approved"', "status", "no site can allow"),
        ("placebo", "sources = 1", "sources", "a table"),
        ("placebo", PLACEBO + "x = 1\n", "sources.x", "a table"),
        ("placebo", PLACEBO + 'x = { authority = "a" }\n', "sources.x.edition", "has to be there"),
        (
            "morphine",
            'extends = "morphine"\n' + SOURCES.replace("ours", "fda-label"),
            "sources.fda-label",
            "does not use already",
        ),
        (
            "morphine",
            'extends = "morphine"\nmax_daily_dose = [{ kind = "label", high = "90 mg/day", source = "fda-label" }]',
            "max_daily_dose[0].source",
            "[sources] in this file",
        ),
        (
            "morphine",
            'extends = "morphine"\nmax_daily_dose = [{ kind = "label", high = "90 mg/day", source = [] }]',
            "max_daily_dose[0].source",
            "[sources] in this file",
        ),
        ("conversions", "conversions = 1", "conversions", "a list"),
    ],
)
@pytest.mark.requirement("FD-10.4", "AP-08")
def test_what_a_site_may_not_do(tmp_path: Path, name: str, text: str, field: str, allowed: str) -> None:
    found = problems(site(tmp_path, **{name: text}))
    assert found[0].field == field
    assert allowed in found[0].allowed


CONVERSION = """
[[conversions]]
from_drug = "morphine"
from_route = "oral"
to_drug = "%s"
to_route = "intrathecal"
operation = "divide"
warning = "w"
reports = [{ low = "%s", high = "%s", text = "t", source = "ours" }]
"""


@pytest.mark.parametrize(
    ("ratios", "field", "allowed"),
    [
        (("morphine", "100", "100"), "conversions[0]", "one ratio alone is not a range"),
        (("morphine", "0", "100"), "conversions[0]", "one ratio alone is not a range"),
        (("moonshine", "10", "100"), "conversions[0]", "codes of drugs"),
        (("morphine", "10", ".5"), "conversions[0].reports[0].high", "write 0.5"),
    ],
)
def test_a_conversion_that_is_no_range_is_refused(
    tmp_path: Path, ratios: tuple[str, str, str], field: str, allowed: str
) -> None:
    problem = one(site(tmp_path, conversions=CONVERSION % ratios + SOURCES))
    assert problem.field == field
    assert allowed in problem.allowed


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"code = ", "not TOML"),
        (b"code = 2020-13-45", "not TOML"),
        (b"\xff\xfe", "not TOML"),
        (b"x = " + b"[" * 20_000, "not TOML"),
        (b"#" * 1_000_001, "1,000,001 bytes"),
    ],
)
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, content: bytes, found: str) -> None:
    (tmp_path / "placebo.toml").write_bytes(content)
    problem = one(tmp_path)
    assert problem.file == str(tmp_path / "placebo.toml")
    assert problem.field == ""
    assert found in problem.found
    assert str(problem).startswith(f"{problem.file}: found ")


def test_a_byte_order_mark_is_no_reason_to_refuse(tmp_path: Path) -> None:
    (tmp_path / "placebo.toml").write_bytes(b"\xef\xbb\xbf" + PLACEBO.replace("\n", "\r\n").encode())
    assert load(tmp_path).drug("placebo").code == "placebo"


def test_what_is_not_a_formulary_file_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "drugs").mkdir()
    (tmp_path / "morphine.toml.bak").write_text("")
    (tmp_path / "fentanyl.toml").mkdir()
    assert {Path(p.file).name for p in problems(tmp_path)} == {"drugs", "morphine.toml.bak", "fentanyl.toml"}


@pytest.mark.requirement("UM-52")
def test_a_site_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert one(tmp_path / "nowhere").found == "no directory"


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site(tmp_path, placebo=PLACEBO)

    def fail(_: Path) -> bytes:
        raise PermissionError("locked")

    load()
    monkeypatch.setattr(Path, "read_bytes", fail)
    assert "locked" in one(tmp_path).found


def test_the_version_changes_with_meaning_and_not_with_spelling(tmp_path: Path) -> None:
    first = load(site(tmp_path, placebo=PLACEBO)).version
    moved = HEAD.replace('name = "placebo"\n', "") + 'name    =   "placebo" # the name\n' + TAIL + "\n\n" + SOURCES
    assert load(site(tmp_path, placebo=moved)).version == first
    assert load(site(tmp_path, placebo=PLACEBO.replace("nothing", "something"))).version != first
    assert load().version != first
    assert load().version == load(None).version


def test_the_version_is_the_same_wherever_the_site_lies(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.mkdir()
    b.mkdir()
    assert load(site(a, placebo=PLACEBO)).version == load(site(b, placebo=PLACEBO)).version


@settings(max_examples=40)
@given(st.data())
@pytest.mark.requirement("OP-8.1.4", "HZ-5.6")
def test_any_change_of_a_value_changes_the_version(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    text = data.draw(st.sampled_from(["placebo", "no placebo", "St. Elsewhere", "committee", "nothing to withdraw"]))
    other = data.draw(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20))
    base = tmp_path_factory.mktemp("site")
    before = PLACEBO.replace('name = "placebo"', 'name = "no placebo"')
    changed = before.replace(f'"{text}"', f'"{other}"') if text != "placebo" else before
    same = tomllib.loads(changed) == tomllib.loads(before)
    versions = {load(site(base, placebo=t)).version for t in (before, changed)}
    assert (len(versions) == 1) == same


@pytest.mark.requirement("OP-8.1.4")
def test_the_version_does_not_depend_on_the_process() -> None:
    program = "from thecal.formulary import load; print(load().version)"
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert found == {load().version}


def test_importing_the_room_brings_in_nothing_heavy() -> None:
    program = (
        "import sys, thecal.formulary; print([m for m in ('pydantic', 'tomllib', 'thecal.formulary.schema') "
        "if m in sys.modules])"
    )
    # Measuring coverage in the child would read its own settings with tomllib.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=env)
    assert run.stdout.strip() == "[]"


def test_our_own_files_are_checked_by_the_same_rules(tmp_path: Path) -> None:
    """Each of our drug files passes as a site's whole file, so nothing in them leans on being ours."""
    for path in sorted((ROOM / "drugs").glob("*.toml")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert list(load(tmp_path).drugs) == list(load().drugs)
