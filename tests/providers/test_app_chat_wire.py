"""The wire of a chat app: ours in both roles, and what other apps may answer."""

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.providers import app_chat, sse
from harness.providers.app_chat import BadMessage, Message, Told, decode_answer
from harness.providers.call import (
    Endpoint,
    Malformed,
    Overloaded,
    ProviderFault,
    RateLimited,
    Unauthorized,
    cause,
)
from tests.providers.foreign import read

AT = Endpoint("http://app", "")
JSON = httpx.Headers({"content-type": "application/json"})
EVENTS = httpx.Headers({"content-type": "text/event-stream; charset=utf-8"})
TEXT = httpx.Headers({"content-type": "text/plain"})


def _stream(*parts: bytes) -> Told:
    return decode_answer(200, EVENTS, b"".join(parts))


# Ours, both roles


@given(st.text(), st.text())
def test_a_message_comes_as_it_was_sent(user: str, message: str) -> None:
    body = msgspec.json.encode({"user": user, "message": message})
    call = app_chat.chat(AT, "/chat", body)
    assert (call.request.method, call.request.url.path) == ("POST", "/chat")
    assert app_chat.decode_message(call.request.content) == Message(user, message)


@given(st.text(), st.sampled_from(["paid", "declined", "refunded", "reversed", "unknown", "ok"]))
def test_a_stream_of_ours_comes_whole_with_its_outcome(text: str, outcome: app_chat.Ended) -> None:
    told = _stream(*app_chat.encode_pieces(text), app_chat.encode_end(outcome))
    assert told == Told(text, outcome)


def test_a_text_is_streamed_word_by_word() -> None:
    pieces = app_chat.encode_pieces("All done: 已付款.\nBye ")
    words = [
        msgspec.json.decode(event.data)["text"] for event in sse.decode_events(b"".join(pieces))
    ]
    assert words == ["All ", "done: ", "已付款.\n", "Bye "]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"user": "ada"}', b'{"user": 1, "message": "m"}', b"\xff"]
)
def test_what_holds_no_message_is_told_apart(body: bytes) -> None:
    with pytest.raises(BadMessage, match="user and message"):
        app_chat.decode_message(body)


def test_the_token_goes_to_the_app_and_into_no_text() -> None:
    call = app_chat.chat(Endpoint("http://app", "hush"), "/chat", b"{}")
    assert call.request.headers["authorization"] == "Bearer hush"
    assert "authorization" not in app_chat.chat(AT, "/chat", b"{}").request.headers
    assert "hush" not in repr(Endpoint("http://app", "hush"))


# What other apps answer


@pytest.mark.parametrize(
    ("headers", "body", "told"),
    [
        (JSON, b'{"text": "Done.", "outcome": "paid"}', Told("Done.", "paid")),
        (JSON, b'{"reply": "Done."}', Told('{"reply": "Done."}')),
        (JSON, b'{"text": "Done.", "outcome": "sold"}', Told("Done.")),
        (JSON, b'{"error": null, "text": "Done."}', Told("Done.")),
        (JSON, b"[1, 2]", Told("[1, 2]")),
        (TEXT, "Fertig: 12,50 €".encode(), Told("Fertig: 12,50 €")),
        (TEXT, b"\xff", Told("\ufffd")),
        (EVENTS, b"data: Done\n\ndata: indeed\n\n", Told("Done\nindeed")),
        (EVENTS, b'event: x\r\ndata: {"text": "Done."}\r\n\r\n', Told("Done.")),
        (EVENTS, b': hi\n\ndata: {"text": "Done."}\n', Told("Done.")),
        (EVENTS, b'data: {"outcome": "declined"}\n\n', Told("", "declined")),
    ],
)  # fmt: skip
def test_any_answer_that_ends_well_is_taken(
    headers: httpx.Headers, body: bytes, told: Told
) -> None:
    assert decode_answer(200, headers, body) == told


NULLS = b'data: {"text": "Hi", "outcome": null, "error": null}\n\n'


@pytest.mark.parametrize(
    ("headers", "body", "told"),
    [
        (EVENTS, NULLS + b'data: {"text": null, "outcome": "paid"}\n\n', Told("Hi", "paid")),
        (EVENTS, b'data: {"text": 1, "outcome": "declined"}\n\n', Told("", "declined")),
        (EVENTS, b'data: {"text": "Hi", "outcome": 3, "error": []}\n\n', Told("Hi")),
        (EVENTS, b'data: {"text": "Hi", "choices": 7}\n\n', Told("Hi")),
        (EVENTS, b'data: {"text": "Hi", "choices": ["tea", null]}\n\n', Told("Hi")),
        (JSON, b'{"text": "Hi", "outcome": {}, "choices": null}', Told("Hi")),
        (JSON, b'\xef\xbb\xbf{"text": "Hi", "outcome": "paid"}', Told("Hi", "paid")),
        (JSON, b'{"text": "H\xe9", "outcome": "declined"}', Told("H\ufffd", "declined")),
        (
            EVENTS,
            b'data: {"choices": [{"index": 0}, {"delta": {"content": "a"}}, {"delta": null}]}\n\n'
            b'data: {"choices": [{"delta": {"content": null}}, {"delta": {"content": "b"}}]}\n\n'
            b"data: [DONE]\n\n",
            Told("ab"),
        ),
    ],
)  # fmt: skip
def test_what_is_of_another_type_hides_nothing_beside_it(
    headers: httpx.Headers, body: bytes, told: Told
) -> None:
    assert decode_answer(200, headers, body) == told


def test_a_stream_of_openais_wire_is_read_and_must_be_whole() -> None:
    body = read("openai/stream_text.http").body
    assert decode_answer(200, EVENTS, body) == Told("All done: 12,50 € 已付款.")
    with pytest.raises(Malformed, match=r"before \[DONE\]"):
        decode_answer(200, EVENTS, body[: body.index(b"data: [DONE]")])


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "words"),
    [
        (400, JSON, app_chat.encode_error("bad_message", "no"), Malformed, "400 bad_message"),
        (401, TEXT, b"who are you?", Unauthorized, "401"),
        (429, JSON, b'{"error": {"type": "slow_down"}}', RateLimited, "429 slow_down"),
        (502, JSON, b'{"error": {"code": 17}}', Overloaded, "502 17"),
        (503, JSON, b'{"error": "busy"}', Overloaded, "503 busy"),
        (500, TEXT, b"<html>", Overloaded, "500"),
        (500, JSON, b'{"error": {"code": ["x"]}, "text": 3}', Overloaded, "500"),
        (302, TEXT, b"", Malformed, "302"),
        (200, JSON, b"", Malformed, "an empty answer"),
        (200, JSON, b'{"error": {"code": "gone_bad"}, "text": 3}', Overloaded, "gone_bad"),
        (200, JSON, b'{"outcome": "error"}', Overloaded, "ended in an error"),
        (200, EVENTS, b"", Malformed, "without events"),
        (200, EVENTS, b": hi\n\n", Malformed, "without events"),
        (200, EVENTS, b'data: {"text": "Do', Malformed, "within a line"),
        (200, EVENTS, app_chat.encode_end("error"), Overloaded, "ended in an error"),
        (
            200,
            EVENTS,
            app_chat.encode_pieces("Do")[0] + app_chat.encode_error_event("pay_down", "x"),
            Overloaded,
            "pay_down",
        ),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_a_fault_with_the_apps_own_code(
    status: int, headers: httpx.Headers, body: bytes, kind: type[ProviderFault], words: str
) -> None:
    with pytest.raises(ProviderFault) as raised:
        decode_answer(status, headers, body)
    assert type(raised.value) is kind
    assert words in cause(raised.value)


ZIPPED = {"content-encoding": "gzip"}
IDENTITY = {"content-encoding": "Identity"}


@pytest.mark.parametrize(
    ("headers", "body", "says"),
    [
        (EVENTS, NULLS + b'data: {"text": null, "outcome": "error"}\n\n', "ended in an error"),
        (JSON, b'{"text": null, "outcome": "error"}', "ended in an error"),
        (JSON, b'\xef\xbb\xbf{"outcome": "error"}', "ended in an error"),
        (JSON, b'{"text": "h\xe9", "outcome": "error"}', "ended in an error"),
        (JSON, b'{"choices": [{"message": 1}], "outcome": "error"}', "ended in an error"),
        (JSON, b'{"choices": 1, "error": {"type": "x"}}', "Overloaded x: in mid-stream"),
        (EVENTS, b'event: error\ndata: {"status_code": 500}\n\n', "Overloaded: in mid-stream"),
        (EVENTS, NULLS + b"event: error\ndata: Our bad, ann\n\n", "Overloaded: in mid-stream"),
        (EVENTS, b"event: error\ndata: timeout\n\n", "Overloaded timeout: in mid-stream"),
        (EVENTS, b'event: error\ndata: {"code": "x"}\n\n', "Overloaded x: in mid-stream"),
        (EVENTS, b'event: error\ndata: {"error": {"code": "x"}}\n\n', "Overloaded x: in mid"),
        (httpx.Headers({"content-type": "Text/Event-Stream"}), b'data: {"error": "x"}\n\n',
         "Overloaded x: in mid-stream"),
        (httpx.Headers({**JSON, **ZIPPED}), b"\x1f\x8b", "Malformed: a compressed answer"),
        (httpx.Headers({**EVENTS, **ZIPPED}), b"\x1f\x8b", "Malformed: a compressed answer"),
        (httpx.Headers({**EVENTS, **IDENTITY}), NULLS[:9], "within a line"),
    ],
)  # fmt: skip
def test_no_type_no_coding_and_no_case_hides_a_fault(
    headers: httpx.Headers, body: bytes, says: str
) -> None:
    with pytest.raises(ProviderFault) as raised:
        decode_answer(200, headers, body)
    assert says in cause(raised.value)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("Order 48213 of alice not found", "404"),
        ({"code": "Order 48213 of alice", "type": "no_order"}, "404 no_order"),
        ({"code": "", "type": "Not here, alice"}, "404"),
        ({"code": ["alice"], "message": "alice"}, "404"),
        ({"code": True}, "404"),
        ({"code": 17, "type": None}, "404 17"),
        ({"code": 48213177}, "404 #"),
        ({"code": "sk_test_4eC39HqLyjWDarjtT1zdp7dc"}, "404 (not shown)"),
        (["alice"], "404"),
        ("no_order", "404 no_order"),
    ],
)
def test_a_text_for_people_never_becomes_a_code(error: object, says: str) -> None:
    with pytest.raises(Malformed) as raised:
        decode_answer(404, JSON, msgspec.json.encode({"error": error}))
    assert cause(raised.value) == f"Malformed {says}"
    assert "alice" not in str(raised.value)


@pytest.mark.parametrize("status", [202, 204])
def test_an_answer_that_need_not_say_anything_may_be_empty(status: int) -> None:
    assert decode_answer(status, TEXT, b"") == Told("")


@given(st.integers(200, 599), st.sampled_from([JSON, EVENTS, TEXT]), st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_a_fault_and_never_a_bug(
    status: int, headers: httpx.Headers, body: bytes
) -> None:
    try:
        assert isinstance(decode_answer(status, headers, body), Told)
    except ProviderFault as fault:
        assert cause(fault)
