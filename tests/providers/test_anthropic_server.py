"""The Anthropic wire's server side: whose key, which version, what is refused and in what words."""

import json
from contextlib import suppress

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.providers import anthropic as wire
from harness.providers.anthropic import ANTHROPIC, VERSION
from harness.providers.anthropic import reply as anthropic_reply
from harness.providers.call import Endpoint, Malformed, Overloaded, ProviderFault, RateLimited
from harness.providers.chat import (
    Ask,
    Headroom,
    Reply,
    Served,
    Tool,
    Trouble,
    TroubleKind,
)
from tests.providers.anything import bodies
from tests.providers.foreign import read

AT = Endpoint("http://model", "a-key")
OBJECT = msgspec.Raw(b'{"type":"object"}')
TOOL = Tool("pay", "Pay it.", OBJECT)
HI = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
STREAM = httpx.Headers({"content-type": "text/event-stream; charset=utf-8"})


def request(body: object, **headers: str) -> httpx.Request:
    content = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    named = {"anthropic-version": VERSION} | {k.replace("_", "-"): v for k, v in headers.items()}
    return httpx.Request("POST", AT.url("/v1/messages"), headers=named, content=content)


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({"x_api_key": "k"}, "k"),
        ({"authorization": "Bearer k"}, "k"),
        ({"authorization": "bearer  k "}, "k"),
        ({"x_api_key": "k", "authorization": "Bearer other"}, "k"),
        ({"authorization": "Basic k"}, ""),
        ({}, ""),
    ],
)
def test_the_key_is_found_in_both_dialects_and_the_old_header_wins(
    headers: dict[str, str], key: str
) -> None:
    assert ANTHROPIC.key_of(request(HI, **headers)) == key


@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k"])
@pytest.mark.parametrize("value", [1, 0.2, None])
def test_only_the_old_version_takes_sampling_parameters(name: str, value: object) -> None:
    body = {**HI, name: value}
    assert isinstance(ANTHROPIC.decode_request(request(body, anthropic_version="2023-06-01")), Ask)
    refused = ANTHROPIC.decode_request(request(body))
    assert refused == Trouble(kind="bad_request", message=f"{name}: Extra inputs are not permitted")


USER = {"role": "user", "content": "hi"}
CALL = {"type": "tool_use", "id": "t-1", "name": "pay", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t-1", "content": "22"}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"hello", "The request body is not valid JSON"),
        (b'{"model":"\xff"}', "The request body is not valid JSON"),
        (b'{"temperature":' + b"[" * 100_000, "The request body is not valid JSON"),
        ({"model": "m", "messages": [USER]}, "max_tokens: Field required"),
        ({"model": "m", "max_tokens": 9}, "messages: Field required"),
        ({"max_tokens": 9, "messages": [USER]}, "model: Field required"),
        ({**HI, "max_tokens": -1}, "max_tokens: "),
        ({**HI, "messages": []}, "messages: at least one message is required"),
        ({**HI, "messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        ({**HI, "messages": [{"role": "bot", "content": ""}]}, "messages.0.role: "),
        (
            {**HI, "messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages.0.content.0.text.text: Field required",
        ),
        (
            {**HI, "messages": [{"role": "assistant", "content": [{**CALL, "input": "x"}]}]},
            "messages.0.content.0.tool_use.input: Input should be a valid dictionary",
        ),
        (
            {**HI, "messages": [{"role": "user", "content": [RESULT]}]},
            "messages.0: unexpected `tool_use_id` found in `tool_result` blocks: t-1.",
        ),
        (
            {**HI, "messages": [USER, {"role": "assistant", "content": [CALL]}, USER]},
            "messages.1: `tool_use` ids were found without `tool_result` blocks",
        ),
        ({**HI, "tool_choice": {"type": "any"}}, "tool_choice: "),
        (
            {**HI, "tools": [{"name": "a"}], "tool_choice": {"type": "tool", "name": "b"}},
            "tool_choice: Tool 'b' not found in provided tools",
        ),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused_in_the_apis_words(body: object, says: str) -> None:
    refused = ANTHROPIC.decode_request(request(body))
    assert isinstance(refused, Trouble)
    assert refused.kind == "bad_request"
    assert refused.message.startswith(says)


@pytest.mark.parametrize(
    ("version", "says"),
    [
        ("", "anthropic-version: header is required"),
        ("2026-10-22", 'anthropic-version: "2026-10-22" is not a valid version'),
    ],
)
def test_a_version_must_be_told_and_be_one_that_there_is(version: str, says: str) -> None:
    refused = ANTHROPIC.decode_request(request(HI, anthropic_version=version))
    assert refused == Trouble(kind="bad_request", message=says)


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/messages"), ("POST", "/v1/complete")])
def test_what_is_no_call_of_this_wire_is_not_found(method: str, path: str) -> None:
    refused = ANTHROPIC.decode_request(httpx.Request(method, AT.url(path)))
    assert isinstance(refused, Trouble)
    assert refused.kind == "not_found"


@given(bodies(read("anthropic/request.http").body))
@settings(max_examples=50, deadline=None)
def test_no_body_is_an_exception(body: bytes) -> None:
    for version in wire.VERSIONS:
        told = ANTHROPIC.decode_request(request(body, anthropic_version=version))
        assert isinstance(told, Ask | Trouble)


@given(
    st.sampled_from([200, 200, 200, 302, 401, 429, 500, 529]),
    st.sampled_from(["application/json", "text/event-stream"]),
    bodies(read("anthropic/tool_use.http").body)
    | st.binary(max_size=60).map(lambda data: b"data: " + data + b"\n\n")
    | bodies(b'{"type":"content_block_delta","index":0,"delta":{"text":""}}').map(
        lambda data: b"data: " + data + b"\n\n"
    ),
)
@settings(max_examples=50, deadline=None)
def test_no_answer_raises_anything_but_a_fault(status: int, kind: str, body: bytes) -> None:
    headers = httpx.Headers({"content-type": kind})
    with suppress(ProviderFault):
        assert isinstance(wire.decode_reply(status, headers, body), Reply)


@pytest.mark.parametrize(
    ("events", "fault"),
    [
        (b"", Malformed),
        (b'data: {"type":"message_stop"}\n\n', Malformed),
        (b'data: {"type":"content_block_delta","delta":{"text":"a"}}\n\n', Malformed),
        (b"data: hello\n\n", Malformed),
        (b'data: {"type":"message_start","message":{}}\n\n', Malformed),
        (b'data: {"type":"error","error":{"type":"rate_limit_error"}}\n\n', RateLimited),
        (b'data: {"type":"error","error":{"type":"a_new_error"}}\n\n', Overloaded),
    ],
)
def test_a_stream_that_the_wire_does_not_allow_is_a_fault(
    events: bytes, fault: type[ProviderFault]
) -> None:
    with pytest.raises(fault):
        anthropic_reply.of_stream(events)


# What a server tells beside its answers


@pytest.mark.parametrize(
    ("kind", "status", "type_", "headers"),
    [
        ("bad_request", 400, "invalid_request_error", set()),
        ("unauthorized", 401, "authentication_error", set()),
        ("not_found", 404, "not_found_error", set()),
        ("too_large", 413, "request_too_large", set()),
        ("rate_limited", 429, "rate_limit_error", {"retry-after"}),
        ("overloaded", 529, "overloaded_error", set()),
    ],
)
def test_each_trouble_has_its_status_and_body(
    kind: TroubleKind, status: int, type_: str, headers: set[str]
) -> None:
    trouble = Trouble(kind=kind, message="m", retry_after_s=1.2, request_id="req_1")
    told, extra, body = ANTHROPIC.encode_trouble(trouble)
    assert told == status
    assert set(extra) == {"content-type"} | headers
    assert extra.get("retry-after", "2") == "2"
    error = json.loads(body)
    assert (error["type"], error["error"]["type"], error["request_id"]) == (
        "error",
        type_,
        "req_1",
    )
    with pytest.raises(ProviderFault, match=f"^{status} {type_}$"):
        wire.decode_reply(told, httpx.Headers(extra), body)


def test_the_headers_tell_what_is_left_and_when_it_is_whole_in_rfc_3339() -> None:
    served = Served(
        request_id="req_1",
        processing_ms=690.4,
        unix_s=1_755_780_000.0,
        requests=Headroom(50, 49, 58.6),
        tokens=Headroom(1000, -1, 1e12),
    )
    headers = ANTHROPIC.encode_served(served)
    assert headers["request-id"] == "req_1"
    assert headers["x-envoy-upstream-service-time"] == "690"
    assert headers["anthropic-ratelimit-requests-limit"] == "50"
    assert headers["anthropic-ratelimit-requests-remaining"] == "49"
    assert headers["anthropic-ratelimit-requests-reset"] == "2025-08-21T12:40:58Z"
    for kind in ("tokens", "input-tokens", "output-tokens"):
        assert headers[f"anthropic-ratelimit-{kind}-remaining"] == "0"
        assert headers[f"anthropic-ratelimit-{kind}-reset"] == "9999-12-31T23:59:59Z"
    assert "anthropic-ratelimit-tokens-limit" not in ANTHROPIC.encode_served(
        Served(request_id="req_1")
    )


@pytest.mark.parametrize(
    ("method", "path", "of"),
    [
        ("GET", "/v1/models", ""),
        ("GET", "/v1/models/m-1", "m-1"),
        ("POST", "/v1/models", None),
        ("GET", "/v1/messages", None),
    ],
)
def test_a_listing_is_asked_for_by_its_path(method: str, path: str, of: str | None) -> None:
    assert ANTHROPIC.decode_listing(httpx.Request(method, AT.url(path))) == of


def test_a_listing_has_all_models_or_one() -> None:
    one = {
        "id": "m-1",
        "display_name": "m-1",
        "created_at": "1970-01-01T00:00:07Z",
        "lifecycle": "active",
        "type": "model",
    }
    whole = json.loads(ANTHROPIC.encode_listing(["m-1"], "", 7))
    assert whole == {"data": [one], "first_id": "m-1", "last_id": "m-1", "has_more": False}
    assert json.loads(ANTHROPIC.encode_listing(["m-1"], "m-1", 7)) == one
    assert json.loads(ANTHROPIC.encode_listing([], "", 7))["data"] == []
