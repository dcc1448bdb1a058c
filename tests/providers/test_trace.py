"""Trace Context: the specification's own examples and those of its test suite, and ids of ours."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.providers.trace import (
    MOST_CONVERSATION,
    MOST_TURN,
    Trace,
    encode_traceparent,
    operation_of,
    read_trace,
    run_prefix,
    trace_id_of,
    trace_of,
)

TRACES = st.builds(
    Trace,
    run=st.integers(0, 2**64 - 1),
    conversation=st.integers(0, MOST_CONVERSATION),
    turn=st.integers(0, MOST_TURN),
)
ID, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
DIGITS, SIXTEEN = "12345678901234567890123456789012", "1234567890123456"

# W3C Trace Context, sections 3.2 and 4, and test/test.py of github.com/w3c/trace-context.
READ = [
    ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "0af7651916cd43dd8448eb211c80319c"),
    (f"00-{ID}-{PARENT}-01", ID),
    (f"00-{ID}-{PARENT}-00", ID),
    (f"00-{DIGITS}-{SIXTEEN}-ff", DIGITS),
    (f"cc-{DIGITS}-{SIXTEEN}-01", DIGITS),
    (f"cc-{DIGITS}-{SIXTEEN}-01-what-the-future-will-be-like", DIGITS),
    (f"cc-{DIGITS}-{SIXTEEN}-01-", DIGITS),
]
UNREADABLE = [
    "",
    "hello",
    f"00-{'0' * 32}-{SIXTEEN}-01",
    f"00-{DIGITS}-{'0' * 16}-01",
    f"ff-{DIGITS}-{SIXTEEN}-01",
    f"00-{DIGITS}-{SIXTEEN}-01-what-the-future-will-be-like",
    f"00-{DIGITS}-{SIXTEEN}-01.",
    f"cc-{DIGITS}-{SIXTEEN}-01.what-the-future-will-not-be-like",
    f".0-{DIGITS}-{SIXTEEN}-01",
    f"000-{DIGITS}-{SIXTEEN}-01",
    f"0-{DIGITS}-{SIXTEEN}-01",
    f"00-.{DIGITS[1:]}-{SIXTEEN}-01",
    f"00-{DIGITS}1-{SIXTEEN}-01",
    f"00-{DIGITS[1:]}-{SIXTEEN}-01",
    f"00-{DIGITS}-.{SIXTEEN[1:]}-01",
    f"00-{DIGITS}-{SIXTEEN}1-01",
    f"00-{DIGITS}-{SIXTEEN}-.0",
    f"00-{DIGITS}-{SIXTEEN}-001",
    f"00-{DIGITS}-{SIXTEEN}-1",
    f"00-{DIGITS}-{SIXTEEN}",
    f"00-{ID.upper()}-{PARENT}-01",
    f"00-{ID}-{PARENT}-01\n",
    f"00-{ID}-{PARENT}-01, 00-{ID}-{PARENT}-01",  # sent twice
]


@pytest.mark.parametrize(("header", "trace_id"), READ)
def test_a_valid_header_has_its_trace_id(header: str, trace_id: str) -> None:
    assert trace_id_of(header) == trace_id


@pytest.mark.parametrize("header", UNREADABLE)
def test_an_invalid_header_has_none(header: str) -> None:
    assert trace_id_of(header) == ""


@given(TRACES)
def test_a_trace_of_ours_comes_back_whole_and_is_valid(trace: Trace) -> None:
    trace_id = trace_id_of(encode_traceparent(trace))
    assert trace_of(trace_id) == trace
    assert trace_id.startswith(run_prefix(trace.run))


@given(TRACES, TRACES)
def test_no_two_turns_share_an_id(one: Trace, other: Trace) -> None:
    assert (encode_traceparent(one) == encode_traceparent(other)) == (one == other)


@pytest.mark.parametrize("trace_id", [ID, DIGITS, "", "7462" * 7, f"{'0' * 16}7462{'g' * 12}"])
def test_a_foreign_id_is_none_of_ours(trace_id: str) -> None:
    assert trace_of(trace_id) is None


@pytest.mark.parametrize(
    "trace",
    [
        Trace(2**64, 0, 0),
        Trace(0, MOST_CONVERSATION + 1, 0),
        Trace(0, 0, MOST_TURN + 1),
        Trace(0, -1, 0),
    ],
)
def test_what_no_id_has_room_for_is_an_error(trace: Trace) -> None:
    with pytest.raises(ValueError, match="no trace id has room for"):
        encode_traceparent(trace)


def test_a_request_is_read_with_and_without_one() -> None:
    assert read_trace(httpx.Request("GET", "http://x/")) == ""
    headers = {"TraceParent": f"00-{ID}-{PARENT}-01"}
    assert read_trace(httpx.Request("GET", "http://x/", headers=headers)) == ID


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("/openai/v1/chat/completions", "completions"),
        ("/anthropic/v1/messages", "messages"),
        ("/gemini/v1beta/models/gemini-1.5-flash:streamGenerateContent", "streamGenerateContent"),
        ("/wechat-ai/oauth/session", "session"),
        ("/alipay-ai/gateway.do", "gateway.do"),
        ("/stripe/v1/payment_intents", "payment_intents"),
        ("/stripe/v1/payment_intents/pi_3MtwBwLkdIwHu7ix28a3tqPa/confirm", "confirm"),
        ("/stripe/v1/payment_intents/pi_3MtwBwLkdIwHu7ix28a3tqPa", "payment_intents"),
        ("/flat/payments/ada-0/refunds", "refunds"),
        ("/flat/payments/ada-0", "payments"),
        ("/flat/payments/HUSHxyz", "payments"),
        ("/" + "a" * 41, "call"),
        ("/", "call"),
        ("", "call"),
    ],
)
def test_an_operation_is_the_last_word_of_a_path_and_no_id(path: str, operation: str) -> None:
    assert operation_of(path) == operation
