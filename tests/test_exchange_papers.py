"""Papers: the same words as HTML and as PDF, tagged, on the right size of paper, and readable in black and white."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import date
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader
from tests.clinic_world import NOW_S, clinic_world, order_text
from tests.record_engines import record_in

from thecal.clinic import mri
from thecal.clinic.pharmacy.said import SaidLabelLine, SaidLine, SaidSheet
from thecal.clinic.programming.order_text import kept_mixture, parsed_by
from thecal.clinic.record.tables import (
    DoubleCheck,
    Fill,
    Interrogation,
    LogRecord,
    Order,
    Override,
    ProgramRun,
    Session,
)
from thecal.clinic.session_account import Account, account_of
from thecal.exchange.papers import (
    Chart,
    Fact,
    Facts,
    Heading,
    Paper,
    Paragraph,
    Person,
    Sheet,
    Signatures,
    Symbol,
    Table,
    as_html,
    as_pdf,
    words_of,
)
from thecal.exchange.papers.cards import EMPTY_FIRST, Center, Device, implant_card, mri_card
from thecal.exchange.papers.charts import bars_svg
from thecal.exchange.papers.session_report import session_report
from thecal.exchange.papers.syringe import SyringeFacts, label_paper, worksheet_paper
from thecal.link.log_reading import Event
from thecal.pump.families import family, load_families
from thecal.quantities import Volume
from thecal.therapy.files import OrderFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clinic_world import ClinicWorld

GOLDEN = Path(__file__).parent / "data" / "papers"
PERSON = Person("Lindqvist, Ada", "9 Mar 1965", "1001")
MADE = "Made 21 Sep 2026 09:13, Thecal test, formulary 012345678901. Simulation: virtual pumps."
FACTS = SyringeFacts(
    PERSON, "Test clinic", MADE, "TH-5YD6-4535-A", "sodium chloride 0.9 %, preservative-free", "Physician One",
    "Pharmacist One", "Pharmacist Two", "21 Sep 2026", "20 Oct 2026", "5 Oct 2026",
)  # fmt: skip
LINES = (
    SaidLabelLine("HYDROmorphone", "opioid", "84 mg per 21 mL", "(4 mg/mL)"),
    SaidLabelLine("bupivacaine", "local anesthetic", "210 mg per 21 mL", "(10 mg/mL)"),
    SaidLabelLine("cloNIDine", "alpha-2 agonist", "3,150 mcg per 21 mL", "(150 mcg/mL)"),
)
SHEET = SaidSheet(
    (SaidLine("HYDROmorphone", "opioid", "84 mg", "10 mg/mL", "Vial", "H-77", date(2027, 1, 31), "", "8.4 mL", ""),),
    "20 mL", "1 mL", "21 mL", "12.6 mL", "Sodium chloride 0.9 %", "S-1", "21 mL", "", "", "USP <797>", "a note & more",
    "Pharmacist One", 1,
)  # fmt: skip
CENTER = Center("Test clinic", "1 Test Street", "+1 312 555 0100", "+1 312 555 0199")
DEVICE = Device("Bench 20", "Bench 20", "B-1", "", "", "", "2 Mar 2026", "left abdomen", "supplied 100 cm", "T10")


class _Text(HTMLParser):
    """The text of a page as a person reads it: nothing of the head, nothing hidden from readers."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.within: list[str] = []
        self.alts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.alts.append(dict(attrs).get("alt") or "")
        elif tag not in ("meta", "link"):
            self.within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.within and self.within[-1] == tag:
            self.within.pop()

    def handle_data(self, data: str) -> None:
        if not {"head", "title", "nav"} & set(self.within):
            self.said.append(data)


def html_text(paper: Paper) -> str:
    reader = _Text()
    reader.feed(as_html(paper))
    return " ".join(" ".join(reader.said).split())


@cache
def pdf_text(paper: Paper) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(as_pdf(paper))).pages)


def together(text: str) -> str:
    return re.sub(r"\s+", "", text)


def words(text: str) -> set[str]:
    return set(re.findall(r"[0-9A-Za-z.,<>/+%()]+", text))


def label() -> Paper:
    return label_paper(FACTS, LINES, "21 mL")


def whole() -> Paper:
    """A paper with a block of each kind, long enough for a second page."""
    rows = tuple(
        (f"21 Sep 2026 {n // 60:02d}:{n % 60:02d}", f"event {n} <of> many & more", f"{n} mL") for n in range(90)
    )
    blocks = (
        Heading("A part"),
        Paragraph("Words with #markup *of* _typst_ $and$ <b>HTML</b> \\ & 100 % as they are.", strong=True),
        Facts((Fact("dose", "1.35 mg per day", main=True), Fact("note", "quotes \" and ' too"))),
        Table("Log of the pump", ("when", "what", "how much"), rows, (2,)),
        Chart(bars_svg([("mismatch", 5), ("dose above", 4)]), "Near misses: mismatch 5, dose above 4."),
        Symbol("TH-5YD6-4535-A", "TH-5YD6-4535-A"),
        Signatures(("done by: Nurse One", "seen by: Physician One")),
    )
    return Paper("A whole paper", "Test clinic", MADE, blocks, PERSON)


PAPERS = {
    "label": label(),
    "worksheet": worksheet_paper(FACTS, SHEET, (("HYDROmorphone", "no note", ""),), Sheet.LETTER),
    "whole": whole(),
    "implant": implant_card(PERSON, DEVICE, CENTER, MADE),
    "mri": mri_card(PERSON, DEVICE, CENTER, (("The drug stays.", "a source"),), MADE, empty_first=True, size=Sheet.A4),
}


@pytest.mark.parametrize("name", PAPERS)
def test_both_forms_say_the_same_words(name: str) -> None:
    paper = PAPERS[name]
    on_screen, on_paper = html_text(paper), pdf_text(paper)
    for piece in words_of(paper):
        assert together(piece) in together(on_screen), piece
        assert together(piece) in together(on_paper), piece
    assert words(on_screen) <= words(on_paper) | words(together(on_paper)), words(on_screen) - words(on_paper)
    extra = {w for w in words(on_paper) - words(on_screen) if w not in ("page", "of") and not w.isdigit()}
    assert all(w in together(on_screen) for w in extra), extra


@pytest.mark.parametrize("name", PAPERS)
def test_the_pdf_is_tagged_and_names_its_language_and_title(name: str) -> None:
    root = PdfReader(io.BytesIO(as_pdf(PAPERS[name]))).root_object
    assert bool(root["/MarkInfo"]["/Marked"])  # type: ignore[index]
    assert root["/StructTreeRoot"]
    assert str(root["/Lang"]) == "en"
    metadata = root["/Metadata"].get_data().decode()  # type: ignore[attr-defined]
    assert "<pdfuaid:part>1</pdfuaid:part>" in metadata
    assert PAPERS[name].title in metadata.replace("&amp;", "&")


@pytest.mark.parametrize(
    ("sheet", "size"),
    [(Sheet.LETTER, (612, 792)), (Sheet.A4, (595, 842)), (Sheet.CARD, (420, 298)), (Sheet.LABEL, (289, 215))],
)
def test_the_paper_has_the_size_that_is_set(sheet: Sheet, size: tuple[int, int]) -> None:
    short = Paper("Short", "Test clinic", MADE, (Paragraph("one line"),), PERSON, sheet)
    box = PdfReader(io.BytesIO(as_pdf(short))).pages[0].mediabox
    assert (round(box.width), round(box.height)) == size


def test_patient_page_numbers_and_table_heads_are_on_every_page() -> None:
    pages = PdfReader(io.BytesIO(as_pdf(whole()))).pages
    assert len(pages) > 1
    for number, page in enumerate(pages, 1):
        text = page.extract_text()
        assert PERSON.line in text
        assert f"page {number} of {len(pages)}" in text
        if "event" in text.replace("events", ""):
            assert "how much" in text


@pytest.mark.parametrize("drugs", range(1, 7))
def test_a_label_is_one_piece(drugs: int) -> None:
    lines = (LINES * 2)[:drugs]
    assert len(PdfReader(io.BytesIO(as_pdf(label_paper(FACTS, lines, "21 mL")))).pages) == 1


@pytest.mark.requirement("OP-6.8.4")
def test_the_label_is_as_it_was_agreed() -> None:
    said = "\n".join(words_of(label())) + "\n"
    assert said == (GOLDEN / "label.txt").read_text("utf-8")
    assert pdf_text(label()).strip() + "\n" == (GOLDEN / "label-pdf.txt").read_text("utf-8")


def test_main_lines_stand_before_strengths_and_larger() -> None:
    sizes: dict[str, float] = {}

    def seen(text: str, _cm: object, tm: list[float], _font: object, size: float) -> None:
        for part in ("84 mg per 21 mL", "(4 mg/mL)"):
            if part in text:
                sizes[part] = abs(size * tm[3])

    PdfReader(io.BytesIO(as_pdf(label()))).pages[0].extract_text(visitor_text=seen)
    assert sizes["84 mg per 21 mL"] > 1.3 * sizes["(4 mg/mL)"]
    assert html_text(label()).index("84 mg per 21 mL") < html_text(label()).index("(4 mg/mL)")


def test_nothing_is_said_by_color() -> None:
    """Both forms draw in black, white and one gray for bars that carry their number."""
    papers = Path("src/thecal/exchange/papers")
    template, style = (papers / "paper.typ").read_text(), Path("src/thecal/web/static/paper.css").read_text()
    assert not re.findall(r"rgb\(|color:|fill:", template)
    assert set(re.findall(r"#[0-9a-f]{3,6}\b", style)) <= {"#fff", "#000"}
    assert set(re.findall(r"#[0-9a-f]{3,6}\b", bars_svg([("a", 1)]))) <= {"#fff", "#000", "#4a4a4a"}


def test_a_card_of_a_pump_that_must_be_emptied_says_so_first() -> None:
    for code, pump in load_families().items():
        lines = tuple((one.text, one.source) for one in mri.card(pump))
        made = mri_card(PERSON, DEVICE, CENTER, lines, MADE, empty_first=mri.empty_first(pump), size=Sheet.LETTER)
        first = made.blocks[0]
        said = isinstance(first, Paragraph) and first.text == EMPTY_FIRST and first.strong
        assert said is mri.empty_first(pump), code
        assert (together(EMPTY_FIRST) in together(pdf_text(made))) is mri.empty_first(pump), code
    assert any(mri.empty_first(pump) for pump in load_families().values())


def test_the_implant_card_has_every_field_of_the_list() -> None:
    said = html_text(implant_card(PERSON, DEVICE, CENTER, MADE))
    for part in (
        "device",
        "model",
        "serial number",
        "lot",
        "UDI",
        "maker, address and site",
        "implanted",
        "center",
        "Lindqvist",
    ):
        assert part in said
    assert said.count("not stated") == 3


def test_the_same_paper_gives_the_same_bytes() -> None:
    assert as_pdf(label(), made_utc_s=NOW_S) == as_pdf(label(), made_utc_s=NOW_S)


def test_a_table_with_a_short_row_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="as many cells"):
        Table("t", ("a", "b"), (("one",),))


text = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Co", "Cn")), min_size=1, max_size=60)


@settings(max_examples=25, deadline=None)
@given(text)
def test_no_text_of_a_person_is_read_as_markup(said: str) -> None:
    paper = Paper("T", "c", "m", (Paragraph(said), Facts((Fact("name", said),))), Person("n", "d", "1"), Sheet.CARD)
    assert as_pdf(paper).startswith(b"%PDF-")
    reader = _Text()
    reader.feed(as_html(paper))
    assert together("".join(reader.said)).count(together(said)) >= 2 or not together(said)


def test_a_name_that_the_font_has_not_is_printed_as_boxes_and_said() -> None:
    paper = Paper("T", "c", "m", (Paragraph("one line"),), Person("\u674e, \u5c0f\u9f99", "9 Mar 1965", "1001"))
    said = pdf_text(paper)
    assert "\u25a1, \u25a1\u25a1" in said
    assert "cannot be printed here" in said
    assert "\u674e" in html_text(paper)


# The report of a session ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, record_engine: str) -> Iterator[ClinicWorld]:
    made = clinic_world(record_in(tmp_path_factory.mktemp("papers"), record_engine))
    yield made
    made.end()


@pytest.fixture(scope="module")
def number(world: ClinicWorld) -> int:
    return _session(world)


def _session(world: ClinicWorld) -> int:
    """Two programs, one before a session and one of it, with a fill, a log, a check and a limit passed."""
    patient = world.patient("3001", serial="B-30")
    old = order_text(world, patient, "B-30")
    new = old.replace('dose = "0.05 mg/h"', 'dose = "0.06 mg/h"')
    nurse, physician = world.people["nurse"], world.people["physician"]
    with world.writing("physician") as record:
        read = parsed_by(new, world.house.formulary)
        assert isinstance(read, OrderFile)
        mixture = kept_mixture(record, read.order.mixture)
        order = record.keep(
            Order(
                patient_id=patient.id,
                serial="B-30",
                title="t",
                state="running",
                text=new,
                digest="d",
                mixture_id=mixture.id,
            )
        )
        row = record.keep(
            Session(
                patient_id=patient.id,
                serial="B-30",
                workflow="refill-same",
                step="read",
                state="open",
                entered={},
                person_id=nurse.person_id,
            )
        )
        for number, (words_of_order, session) in enumerate(((old, None), (new, row.id)), 1):
            record.keep(
                ProgramRun(
                    serial="B-30", patient_id=patient.id, session_id=session, order_id=order.id, order_revision=1,
                    number=number, digest=b"", program=b"", document=b"", order_text=words_of_order,
                    sentence=[f"The program number {number}."], change=[], confirmed_utc_s=NOW_S,
                )
            )  # fmt: skip
        record.keep(
            Fill(
                patient_id=patient.id, serial="B-30", session_id=row.id, mixture_id=mixture.id, filled_utc_s=NOW_S,
                expected=Volume.parse("3.1 mL"), aspirated=Volume.parse("2.9 mL"), filled=Volume.parse("20 mL"),
                programmed=Volume.parse("20 mL"),
            )
        )  # fmt: skip
        reading = record.keep(
            Interrogation(
                serial="B-30", patient_id=patient.id, session_id=row.id, read_utc_s=NOW_S, uptime_s=9, pump_clock_s=9,
                pump_offset_s=0, whole=1, status={}, identity={}, program=b"", document=b"", log_last=1, log_digest=b"",
                log_missing=0, log_fault="",
            )
        )  # fmt: skip
        record.keep(
            LogRecord(
                serial="B-30", number=1, uptime_s=5, utc_s=NOW_S - 5, event=int(Event.STOP),
                fields={"a": 1, "b": 0, "clock_s": 5}, interrogation_id=reading.id,
            )
        )  # fmt: skip
        record.keep(
            DoubleCheck(
                patient_id=patient.id, session_id=row.id, what="first fill", first_person=nurse.person_id, first={},
                second={}, matched=1,
            )
        )  # fmt: skip
        record.keep(
            Override(
                patient_id=patient.id, session_id=row.id, finding="dose-above", drug="morphine", found="16 mg",
                allowed="15 mg", authority="PACC 2017", reason="palliative",
            )
        )  # fmt: skip
    assert physician.person_id
    return row.id


@pytest.mark.both_engines
def test_the_session_report_says_everything_of_the_list(world: ClinicWorld, number: int) -> None:
    account = account_of(world.house, number)
    assert isinstance(account, Account)
    paper = session_report(PERSON, account, "Test clinic", MADE, Sheet.LETTER)
    said = html_text(paper)
    for part in (
        "SIMULATION", "serial number B-30", "supplied 100 cm", "tip T10", "morphine 4 mg/mL", "cloNIDine 150 mcg/mL",
        "The program number 2.", "0.05 mg/h 0.06 mg/h", "more", "In 24 h: morphine, base",
        "From start to start at least",
        "aspirated 2.9 mL", "filled 20 mL", "delivery stopped", "no visit is booked", "Physician One the same",
        "dose-above 16 mg 15 mg (PACC 2017) palliative", "done by: Nurse One", "formulary", "software test",
        "Refill, same medication",
    ):  # fmt: skip
        assert part in said, part
    for piece in words_of(paper):
        assert together(piece) in together(pdf_text(paper)) or "\u2260" in piece or "\u2212" in piece, piece


def test_there_is_no_report_of_a_session_that_is_not_there(world: ClinicWorld) -> None:
    assert account_of(world.house, 99_999) is None
    client = world.client("physician")
    for path in ("/papers/session/99999", "/papers/implant/99999", "/papers/mri/99999"):
        assert client.get(path).status_code == 404, path


@pytest.mark.both_engines
def test_the_papers_over_the_pages(world: ClinicWorld) -> None:
    patient = world.patient("3002", serial="B-32")
    client = world.client("physician")
    for path, part in (
        (f"/papers/implant/{patient.id}", "B-32"),
        (f"/papers/mri/{patient.id}", family("bench-20").name),
    ):
        page = client.get(path)
        assert (page.status_code, part in page.text) == (200, True), path
        assert client.get(f"{path}?form=pdf").content.startswith(b"%PDF-")
    without = world.patient("3003", serial=None)
    assert client.get(f"/papers/mri/{without.id}").status_code == 409


def test_a_report_on_a_large_log_says_what_is_left_out(
    world: ClinicWorld, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from thecal.clinic import session_account

    monkeypatch.setattr(session_account, "MOST_EVENTS", 0)
    account = account_of(world.house, number)
    assert account is not None
    assert "1 more records" in account.log[0][1]
    assert replace(account, log=()).log == ()
