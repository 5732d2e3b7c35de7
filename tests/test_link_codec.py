"""Payloads: what is encoded comes back, and of all other bytes none gets through and none makes the codec raise."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.link_world import maps_of

from thecal.link import codec
from thecal.link.catalogue import ANSWERS, BY_PATH, MESSAGES, Area, Bytes, Message, Truth, Whole, Word
from thecal.link.codec import Malformed, Reply, decode, decode_answer, encode, encode_answer, longest, longest_answer

EVERY_FIELD = (
    ("number", Whole(-5, 1 << 40)),
    ("data", Bytes(1, 40)),
    ("word", Word(("program", "log"))),
    ("truth", Truth()),
)
GOOD = {"number": 7, "data": b"abc", "word": "log", "truth": True}


@st.composite
def payloads(draw: st.DrawFn) -> tuple[Message, dict[str, Any]]:
    message = draw(st.sampled_from(MESSAGES))
    return message, draw(maps_of(message.fields))


@st.composite
def answers(draw: st.DrawFn) -> tuple[str, dict[str, Any], dict[str, Any]]:
    kind = draw(st.sampled_from(sorted(ANSWERS)))
    return kind, draw(maps_of(ANSWERS[kind])), draw(maps_of(ANSWERS["status"]))


@given(payloads())
def test_what_is_encoded_comes_back_within_its_bound(made: tuple[Message, dict[str, Any]]) -> None:
    message, values = made
    data = encode(message.fields, values)
    assert decode(message.fields, data) == values
    assert len(data) <= longest(message.fields)
    if message.fields:
        assert cbor2.loads(data) == values, "any reader of CBOR reads the same"


@given(answers())
@settings(max_examples=60)
def test_an_answer_comes_back_with_the_status_inside(made: tuple[str, dict[str, Any], dict[str, Any]]) -> None:
    kind, values, status = made
    data = encode_answer(kind, values, status)
    assert len(data) <= longest_answer(kind)
    found = decode_answer(kind, data)
    assert isinstance(found, Reply)
    assert found.values == values
    assert found.status == {"status": values, "piece": {}}.get(kind, status)


@given(st.binary(max_size=64) | st.binary(min_size=500, max_size=4000))
@example(b"")
@example(b"\x5b" + b"\xff" * 8)
@example(b"\xbb" + b"\xff" * 8)
@example(b"\x9f" * 500)
@example(b"\x81" * 500)
@example(b"\xa1\x61a" * 100)
@example(b"\xc5\x82\x1b\x0f\xff\xff\xff\xff\xff\xff\xff\x01")
@example(b"\xd8\x23\x63(((")
@pytest.mark.requirement("P6", "SC-17")
def test_no_bytes_make_the_codec_raise(data: bytes) -> None:
    for message in MESSAGES:
        found = decode(message.fields, data)
        assert isinstance(found, Malformed) or encode(message.fields, found) == data
    for kind in ANSWERS:
        answer = decode_answer(kind, data)
        if isinstance(answer, Reply):
            assert encode_answer(kind, answer.values, answer.status) == data


@given(payloads(), st.data())
@pytest.mark.requirement("FD-7.3", "SC-16")
def test_a_changed_payload_is_malformed_or_another_message_in_its_one_spelling(
    made: tuple[Message, dict[str, Any]], data: st.DataObject
) -> None:
    message, values = made
    changed = bytearray(encode(message.fields, values))
    for _ in range(data.draw(st.integers(1, 3))):
        what = data.draw(st.sampled_from(("flip", "cut", "add", "double")))
        at = data.draw(st.integers(0, max(0, len(changed) - 1)))
        if what == "flip" and changed:
            changed[at] ^= data.draw(st.integers(1, 255))
        elif what == "cut":
            del changed[at:]
        elif what == "add":
            changed[at:at] = data.draw(st.binary(min_size=1, max_size=4))
        else:
            changed += changed[at:]
    found = decode(message.fields, bytes(changed))
    if not isinstance(found, Malformed):
        assert encode(message.fields, found) == bytes(changed)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({**GOOD, "number": True}, "number"),
        ({**GOOD, "number": -6}, "number"),
        ({**GOOD, "number": (1 << 40) + 1}, "number"),
        ({**GOOD, "number": 1 << 70}, "number"),
        ({**GOOD, "number": 7.0}, "number"),
        ({**GOOD, "number": None}, "number"),
        ({**GOOD, "data": b""}, "data"),
        ({**GOOD, "data": b"x" * 41}, "data"),
        ({**GOOD, "data": "abc"}, "data"),
        ({**GOOD, "word": "order"}, "word"),
        ({**GOOD, "word": b"log"}, "word"),
        ({**GOOD, "word": ["log"]}, "word"),
        ({**GOOD, "truth": 1}, "truth"),
        ({**GOOD, "more": 1}, "more"),
        ({"number": 7, "data": b"abc", "word": "log", "truth": True, 5: 1}, "5"),
        ({k: v for k, v in GOOD.items() if k != "word"}, "word"),
        ({}, "data"),
    ],
)
@pytest.mark.requirement("SC-16")
def test_what_is_not_asked_for_is_named(values: dict[str, object], field: str) -> None:
    assert field in codec.wrong(EVERY_FIELD, values)
    with pytest.raises(ValueError, match=field):
        encode(EVERY_FIELD, values)
    found = decode(EVERY_FIELD, cbor2.dumps(values, canonical=True))
    assert isinstance(found, Malformed)


def test_bounds_are_said_in_words() -> None:
    said = [codec.wrong(EVERY_FIELD, {**GOOD, name: None}) for name, _ in EVERY_FIELD]
    assert said == [
        "field number: allowed is a whole number from -5 to 1099511627776",
        "field data: allowed is 1 to 40 bytes",
        "field word: allowed is one of program, log",
        "field truth: allowed is true or false",
    ]


PLAIN = encode(EVERY_FIELD, GOOD)


@pytest.mark.parametrize(
    "data",
    [
        PLAIN + b"\x00",
        b"\x00" + PLAIN,
        PLAIN[:-1],
        cbor2.dumps(dict(reversed(GOOD.items()))),  # another order of keys
        b"\xb8\x04" + PLAIN[1:],  # a longer head than needed
        b"\xbf" + PLAIN[1:] + b"\xff",  # open length
        b"\xa5" + PLAIN[1:] + b"\x65truth\xf5",  # the same key twice
        b"\xd9\xd9\xf7" + PLAIN,  # a tag that says "this is CBOR"
        PLAIN.replace(b"\x07", b"\x18\x07"),
        PLAIN.replace(b"\x07", b"\xc2\x41\x07"),  # a bignum
        PLAIN.replace(b"\x07", b"\xf9\x47\x00"),  # a float
        PLAIN.replace(b"\xf5", b"\xf6"),
        PLAIN.replace(b"\xf5", b"\xf8\x15"),
        PLAIN.replace(b"\x63log", b"\x63l\xffg"),  # no UTF-8
        PLAIN.replace(b"\x63log", b"\x7f\x63log\xff"),
        PLAIN.replace(b"\x63log", b"\xa1\x61a\xa1\x61b\xa0"),  # too deep
        b"\x84" + b"\x00" * 4,
        b"\xa0",
        b"\x1c",
        b"\x1b",
        b"",
    ],
)
def test_a_second_spelling_is_malformed(data: bytes) -> None:
    assert data != PLAIN
    assert isinstance(decode(EVERY_FIELD, data), Malformed)
    for fields in (EVERY_FIELD, EVERY_FIELD[:1]):
        assert isinstance(decode(fields, data), Malformed)


def test_a_message_without_fields_is_no_bytes() -> None:
    assert encode((), {}) == b""
    assert decode((), b"") == {}
    assert decode((), b"\xa0") == Malformed("bytes where none belong")
    with pytest.raises(ValueError, match="more"):
        encode((), {"more": 1})


def test_size_is_looked_at_before_anything_else() -> None:
    most = longest(EVERY_FIELD)
    found = decode(EVERY_FIELD, b"\xa0" * (most + 1))
    assert found == Malformed(f"{most + 1} bytes, at most {most} are allowed")


def test_an_answer_without_a_sound_status_is_malformed() -> None:
    done: dict[str, object] = {"answer": 0, "first": 0, "wait_s": 0}
    bare: dict[str, object] = {}
    for odd in (done, {**done, "status": 5}, {**done, "status": bare}, {"status": bare}):
        assert isinstance(decode_answer("done", cbor2.dumps(odd, canonical=True)), Malformed)
    with pytest.raises(ValueError, match="fields differ"):
        encode_answer("done", done, {})


def test_a_word_of_a_closed_set_is_spelled_as_a_text() -> None:
    fields = BY_PATH["piece"].fields
    data = encode(fields, {"area": Area.LOG, "at": 1, "most": 32})
    assert decode(fields, data) == {"area": "log", "at": 1, "most": 32}


def test_every_request_fits_one_frame() -> None:
    """1,024 bytes are what the endpoint looks at; protection and header take less than 64 of them."""
    assert max(longest(m.fields) for m in MESSAGES) <= 1024 - 64
