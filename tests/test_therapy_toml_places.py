from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.therapy.file_problems import FileRefused, Place, Problem, Trouble, Where, field_text
from thecal.therapy.toml_places import Document, parse_document


def refused(text: str | bytes) -> tuple[Problem, ...]:
    with pytest.raises(FileRefused) as found:
        parse_document(text, "t.toml")
    return found.value.problems


def read(text: str) -> Document:
    return parse_document(text, "t.toml")


def spot(document: Document, *where: str | int) -> tuple[int, int]:
    place = document.value(where)
    return place.line, place.column


def test_places_of_every_kind_of_key() -> None:
    document = read(
        """a.b = 1
"c d" = 'x'
[t."y z"]
i = { p = 1, q.r = [1, { s = 2 }] } # note
[[e]]
k = 1
[e.sub]
m = 2
[[e]] # second
[[e.deep]]
n = [
  3, # three
  4,
]
"""
    )
    assert spot(document, "a", "b") == (1, 7)
    assert spot(document, "c d") == (2, 9)
    assert spot(document, "t", "y z", "i", "q", "r", 1, "s") == (4, 30)
    assert document.key(("t", "y z", "i", "q")) == Place(4, 14)
    assert spot(document, "e", 0, "sub", "m") == (8, 5)
    assert document.key(("e", 1)) == Place(9, 3)
    assert spot(document, "e", 1, "deep", 0, "n", 1) == (13, 3)


def test_what_has_no_place_is_placed_at_what_is_around_it() -> None:
    document = read("[t]\nx = 1\n")
    assert document.key(("t", "missing", "deeper")) == Place(1, 2)
    assert document.value(("nowhere",)) == Place(1, 1)


def test_columns_count_characters() -> None:
    assert spot(read('k = { "é" = "ü", b = 1 }'), "k", "b") == (1, 22)


def test_duplicates_name_both_lines() -> None:
    (problem,) = refused("[t]\na = 1\n\na = 2\n")
    assert (problem.trouble, problem.field, problem.place) == (Trouble.KEY_TWICE, "t.a", Place(4, 1))
    assert "line 2" in problem.found
    assert [p.field for p in refused("[t]\na = 1\n[t]\nb = 1\n")] == ["t"]
    assert [p.field for p in refused("t = { a = 1, a = 2 }")] == ["t.a"]


def test_clashes_that_are_no_plain_duplicates() -> None:
    assert refused("a = 1\n[a]\nb = 2\n")[0].trouble is Trouble.NOT_TOML
    assert refused("[a]\n[a.b]\n[[a.b]]\n")[0].trouble is Trouble.NOT_TOML


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("a = 1\nb = 0.5 mg\n", 2, '"0.5 mg"'),
        ("b = .5 mg\n", 1, '"0.5 mg"'),
        ("b = .5\n", 1, '"0.5"'),
        ("b = 06:00", 1, '"06:00"'),
        ('b = "open', 1, "mend"),
        ("[t\n", 1, "mend"),
        ("b = ", 1, "mend"),
        ("\n\n[", 3, "mend"),
        ("x = 2026-02-30\ny = .5", 2, '"0.5"'),
        ("x = " + "9" * 5000, 1, "mend"),
    ],
)
def test_syntax_errors_have_a_line_and_a_hint(text: str, line: int, hint: str) -> None:
    (problem,) = refused(text)
    assert problem.trouble is Trouble.NOT_TOML
    assert problem.place is not None and problem.place.line == line
    assert hint in problem.allowed
    assert len(str(problem)) < 400


def test_nesting_without_end_is_refused() -> None:
    assert "nested too deep" in refused("a = " + "[" * 100_000)[0].found


def test_impossible_dates_are_left_to_their_fields() -> None:
    document = read("a = 2026-02-30\nb = [2026-02-01, 2026-13-01]\nc = 25:00:00\nd = 10:00:00\n")
    assert document.values["a"] == "2026-02-30"
    assert document.values["c"] == "25:00:00"
    assert spot(document, "b", 1) == (2, 18)


def test_bytes_that_are_no_utf_8_have_a_place() -> None:
    (problem,) = refused(b"a = 1\nb = '\xff'")
    assert (problem.trouble, problem.place) == (Trouble.NOT_UTF8, Place(2, 6))
    (first,) = refused(b"\xff")
    assert first.place == Place(1, 1)


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
LEAVES = st.integers(-5, 5)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def written(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(k)} = {written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(written(v) for v in value) + "]"
    return str(value)


def leaves(value: object, where: Where) -> list[tuple[Where, object]]:
    if isinstance(value, dict):
        return [found for k, v in value.items() for found in leaves(v, (*where, k))]
    if isinstance(value, list):
        return [found for n, v in enumerate(value) for found in leaves(v, (*where, n))]
    return [(where, value)]


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, TREES, max_size=3), max_size=3))
def test_every_place_points_at_what_it_is_the_place_of(tables: dict[str, dict[str, object]]) -> None:
    lines = []
    for table, fields in tables.items():
        lines.append(f"[{quoted(table)}]")
        lines += [f"{quoted(key)} = {written(value)}" for key, value in fields.items()]
    document = read("\n".join(lines))
    assert document.values == tables
    for where, value in leaves(tables, ()):
        place = document.spots[where]
        assert lines[place.line - 1][place.column - 1 :].startswith(str(value)), field_text(where)


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_content_is_read_or_refused(content: str | bytes) -> None:
    try:
        parse_document(content.encode("utf-8", "replace") if isinstance(content, str) else content, "t.toml")
    except FileRefused as error:
        assert error.problems and str(error)
