"""Server-sent events against the grammar of the WHATWG: its examples, its line ends, any data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.providers.sse import (
    Event,
    decode_data,
    decode_events,
    encode_comment,
    encode_event,
    encode_json,
    is_keep_alive,
)


@pytest.mark.parametrize(
    ("why", "body", "events"),
    [
        ("one event", "data: a\n\n", [Event("a")]),
        ("lines of data are joined", "data: a\ndata: +2\ndata: 1\n\n", [Event("a\n+2\n1")]),
        ("one space after the colon goes", "data:a\n\ndata:  a\n\n", [Event("a"), Event(" a")]),
        ("a field without a colon is empty", "data\n\ndata\ndata\n\n", [Event(""), Event("\n")]),
        ("a colon in the data stays", "data: a: b\n\n", [Event("a: b")]),
        ("comments are skipped", ": hi\n\ndata: a\n: ho\ndata: b\n\n:\n\n", [Event("a\nb")]),
        ("a name", "event: ping\ndata: a\n\ndata: b\n\n", [Event("a", "ping"), Event("b")]),
        ("a name without data is no event", "event: ping\n\ndata: a\n\n", [Event("a")]),
        ("unknown fields are skipped", "id: 1\nretry: 9\nfoo: x\ndata: a\n\n", [Event("a")]),
        ("field names are case-sensitive", "Data: a\n\n", []),
        ("more blank lines are no events", "\n\n\ndata: a\n\n\n\n", [Event("a")]),
        ("an unclosed event is dropped", "data: a\n\ndata: b\n", [Event("a")]),
        ("an unended line is dropped", "data: a\n\ndata: b", [Event("a")]),
        ("a byte order mark is skipped", "\ufeffdata: a\n\n", [Event("a")]),
        ("other separators end no line", "data: a\u2028b\x0bc\n\n", [Event("a\u2028b\x0bc")]),
        ("nothing", "", []),
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_events_are_read_as_the_grammar_says_under_every_line_end(
    why: str, body: str, events: list[Event], end: str
) -> None:
    assert list(decode_events(body.replace("\n", end).encode())) == events


def test_line_ends_may_be_mixed_in_one_stream() -> None:
    assert list(decode_events(b"data: a\r\rdata: b\r\n\ndata: c\n\r\n")) == [
        Event("a"),
        Event("b"),
        Event("c"),
    ]


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert list(decode_events(b"data: \xff\n\n")) == [Event("\ufffd")]


@given(st.lists(st.builds(Event, st.text(), st.from_regex(r"[a-z_.]*", fullmatch=True))))
def test_events_survive_encoding_with_their_line_ends_made_one_kind(events: list[Event]) -> None:
    body = b"".join(encode_comment("hi") + encode_event(event) for event in events)
    expected = [
        Event(event.data.replace("\r\n", "\n").replace("\r", "\n"), event.name) for event in events
    ]
    assert list(decode_events(body)) == expected


@given(st.lists(st.sampled_from(["data: ", "data:", "a", "\n", "\n\n", "\r", ":", "\ufeff", "€"])))
def test_data_alone_is_that_of_the_events_however_they_are_written(parts: list[str]) -> None:
    body = "".join(["data: a\n\n", *parts, "data: b\n\n"]).encode()
    for each in (body, body[9:], body[:-1]):
        data = [event.data for event in decode_events(each)]
        assert decode_data(each) == data
        # A comment ahead says nothing, and lets every line be read for itself.
        if not each.startswith("\ufeff".encode()):
            assert [event.data for event in decode_events(b":\n" + each)] == data


@given(st.binary())
def test_no_bytes_raise(body: bytes) -> None:
    list(decode_events(body))


@pytest.mark.parametrize(
    "chunk",
    [b"", b"\n", b"\r\n\r\n", b"  \n", b": keep-alive\n\n", b":\n", b": a\n\n: b\r\n\r\n", b": a"],
)
def test_comments_and_blank_lines_are_no_part_of_an_answer(chunk: bytes) -> None:
    assert is_keep_alive(chunk)


@pytest.mark.parametrize(
    "chunk",
    [b"data: a\n\n", b": a\n\ndata: b\n\n", b"{", b"\n\n{", b" {}", b"event: ping\n\n", b"\xff"],
)
def test_whatever_else_comes_is_the_answers_beginning(chunk: bytes) -> None:
    assert not is_keep_alive(chunk)


@given(st.binary())
def test_any_chunk_is_one_or_the_other_and_no_exception(chunk: bytes) -> None:
    assert is_keep_alive(chunk) in (True, False)


def test_what_is_a_keep_alive_line_holds_no_event() -> None:
    stream = encode_comment("a") + b"\n" + encode_comment("b")
    assert is_keep_alive(stream) and list(decode_events(stream)) == []
    assert list(decode_events(stream + encode_json(b"{}"))) == [Event("{}")]
