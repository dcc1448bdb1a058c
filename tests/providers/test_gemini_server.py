"""The Gemini wire's server side: where it is asked, what is refused and in what words."""

import json
from contextlib import suppress

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.providers import gemini as wire
from harness.providers.call import Endpoint, Malformed, ProviderFault, RateLimited
from harness.providers.chat import (
    Ask,
    Reply,
    Served,
    Tool,
    Trouble,
    TroubleKind,
)
from harness.providers.gemini import COMPATIBLE, GEMINI
from tests.providers.anything import bodies, decoded
from tests.providers.foreign import read

AT = Endpoint("http://model", "a-key")
OBJECT = msgspec.Raw(b'{"type":"object","properties":{"snake_case":{"default":null}}}')
TOOL = Tool("pay", "Pay it.", OBJECT)
USER = {"role": "user", "parts": [{"text": "hi"}]}
HI = {"contents": [USER]}
STREAM = httpx.Headers({"content-type": "text/event-stream"})
DECLARED = {
    "functionDeclarations": [
        {"name": "pay", "description": "Pay it.", "parametersJsonSchema": decoded(bytes(OBJECT))}
    ]
}


def request(
    body: object, path: str = "/v1beta/models/m:generateContent", **headers: str
) -> httpx.Request:
    content = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    return httpx.Request("POST", AT.url(path), headers=named, content=content)


@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha"])
@pytest.mark.parametrize("base", ["", "/gemini"])
def test_every_version_of_the_path_is_read(version: str, base: str) -> None:
    path = f"{base}/{version}/models/gemini-1.5-pro:generateContent"
    asked = GEMINI.decode_request(request(HI, path))
    assert isinstance(asked, Ask)
    assert asked.model == "gemini-1.5-pro"


@pytest.mark.parametrize(
    ("query", "headers", "key"),
    [
        ("", {"x_goog_api_key": "k"}, "k"),
        ("?key=k", {}, "k"),
        ("?key=other", {"x_goog_api_key": "k"}, "k"),
        ("", {"authorization": "Bearer k"}, ""),
        ("", {}, ""),
    ],
)
def test_the_key_is_found_in_the_header_or_else_the_query(
    query: str, headers: dict[str, str], key: str
) -> None:
    path = f"/v1beta/models/m:generateContent{query}"
    assert GEMINI.key_of(request(HI, path, **headers)) == key


CALL = {"role": "model", "parts": [{"functionCall": {"name": "pay"}}]}
ANSWER = {"role": "function", "parts": {"functionResponse": {"name": "pay", "response": {"a": 1}}}}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"hello", "Invalid JSON payload received. "),
        (b'{"contents":"\xff"}', "Invalid JSON payload received. "),
        (b"[" * 100_000, "Invalid JSON payload received. "),
        (b'{"contents":' * 900 + b"1" + b"}" * 900, "Invalid JSON payload received. "),
        ([], "Invalid JSON payload received. "),
        ({}, "* GenerateContentRequest.contents: contents is not specified"),
        ({"contents": [{"parts": [{"text": 3}]}]}, "Invalid JSON payload received. "),
        ({"contents": [{**USER, "role": "bot"}]}, "Please use a valid role: user, model."),
        ({"contents": [ANSWER]}, "Please ensure that function response turn comes immediately"),
        (
            {"contents": [USER, CALL, ANSWER, ANSWER]},
            "Please ensure that function response turn comes immediately",
        ),
        (
            {**HI, "tool_config": {"function_calling_config": {"mode": "any"}}},
            "Function calling config is set without function_declarations.",
        ),
        (
            {
                **HI,
                "tools": [DECLARED],
                "tool_config": {
                    "function_calling_config": {"mode": "ANY", "allowed_function_names": ["x"]}
                },
            },
            "allowed_function_names contains functions that are not declared: x",
        ),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused(body: object, says: str) -> None:
    refused = GEMINI.decode_request(request(body))
    assert isinstance(refused, Trouble)
    assert refused.kind == "bad_request"
    assert refused.message.startswith(says)


def test_an_answer_belongs_to_the_first_call_of_its_function_that_has_none() -> None:
    contents = [USER, CALL, ANSWER, CALL, ANSWER]
    asked = GEMINI.decode_request(request({"contents": contents}))
    assert isinstance(asked, Ask)
    assert [m.tool_call_id for m in asked.messages if m.role == "tool"] == ["call_0", "call_1"]


@pytest.mark.parametrize(
    ("mode", "allowed", "choice", "left"),
    [
        ("AUTO", [], "auto", ["a", "b", "c"]),
        ("NONE", [], "none", ["a", "b", "c"]),
        ("ANY", [], "required", ["a", "b", "c"]),
        ("any", ["b"], "b", ["a", "b", "c"]),
        ("ANY", ["a", "c"], "required", ["a", "c"]),
        ("VALIDATED", ["a", "c"], "auto", ["a", "c"]),
    ],
)
def test_the_mode_and_the_names_that_it_allows_make_the_choice(
    mode: str, allowed: list[str], choice: str, left: list[str]
) -> None:
    body = {
        **HI,
        "tools": [{"functionDeclarations": [{"name": name} for name in "abc"]}],
        "toolConfig": {"functionCallingConfig": {"mode": mode, "allowedFunctionNames": allowed}},
    }
    asked = GEMINI.decode_request(request(body))
    assert isinstance(asked, Ask)
    assert asked.tool_choice == choice
    assert [tool.name for tool in asked.tools] == left


@pytest.mark.parametrize(
    "config",
    [
        {"responseMimeType": "application/json", "responseSchema": {"type": "OBJECT"}},
        {"response_mime_type": "application/json", "response_json_schema": {"type": "OBJECT"}},
        {"responseMimeType": "application/json", "_responseJsonSchema": {"type": "OBJECT"}},
        {"responseMimeType": "application/json"},
    ],
)
def test_a_schema_may_come_in_any_of_its_fields(config: dict[str, object]) -> None:
    asked = GEMINI.decode_request(request({**HI, "generationConfig": config}))
    assert isinstance(asked, Ask)
    assert asked.schema is not None
    assert bytes(asked.schema.schema).lower() == b'{"type":"object"}'


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1beta/models/m:countTokens", "not_found"),
        ("/v1beta/models/m", "not_found"),
        ("/v9/models/m:generateContent", "not_found"),
        ("/v1beta/models/m:streamGenerateContent", "bad_request"),
    ],
)
def test_what_is_not_served_is_refused(path: str, kind: TroubleKind) -> None:
    refused = GEMINI.decode_request(request(HI, path))
    assert isinstance(refused, Trouble)
    assert refused.kind == kind


@given(
    bodies(read("gemini/request.http").body) | bodies(read("gemini/request_snake.http").body),
)
@settings(max_examples=50, deadline=None)
def test_no_body_is_an_exception(body: bytes) -> None:
    assert isinstance(GEMINI.decode_request(request(body)), Ask | Trouble)


@given(
    st.sampled_from([200, 200, 200, 302, 400, 429, 500]),
    st.sampled_from(["application/json", "text/event-stream"]),
    bodies(read("gemini/tool_calls.http").body)
    | bodies(read("gemini/error_429.http").body)
    | bodies(read("gemini/tool_calls.http").body).map(lambda data: b"data: " + data + b"\n\n"),
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
        (b"data: {}\n\n", Malformed),
        (b"data: hello\n\n", Malformed),
        (b'data: {"candidates":[{"finishReason":"TIRED"}]}\n\n', Malformed),
        (b'data: {"promptFeedback":{}}\n\n', Malformed),
        (b'data: {"error":{"code":429}}\n\n', RateLimited),
    ],
)
def test_a_stream_that_the_wire_does_not_allow_is_a_fault(
    events: bytes, fault: type[ProviderFault]
) -> None:
    with pytest.raises(fault):
        wire.decode_stream(events)


# What a server tells beside its answers


@pytest.mark.parametrize(
    ("kind", "code", "status", "details"),
    [
        ("bad_request", 400, "INVALID_ARGUMENT", None),
        (
            "unauthorized",
            400,
            "INVALID_ARGUMENT",
            [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "API_KEY_INVALID",
                    "domain": "googleapis.com",
                    "metadata": {"service": "generativelanguage.googleapis.com"},
                }
            ],
        ),
        ("not_found", 404, "NOT_FOUND", None),
        ("too_large", 400, "INVALID_ARGUMENT", None),
        (
            "rate_limited",
            429,
            "RESOURCE_EXHAUSTED",
            [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2s"}],
        ),
        ("overloaded", 503, "UNAVAILABLE", None),
    ],
)
def test_each_trouble_has_its_status_and_body(
    kind: TroubleKind, code: int, status: str, details: object
) -> None:
    trouble = Trouble(kind=kind, message="m", retry_after_s=1.2)
    told, headers, body = GEMINI.encode_trouble(trouble)
    error = json.loads(body)["error"]
    assert (told, error["code"], error["status"]) == (code, code, status)
    assert error.get("details") == details
    assert set(headers) == {"content-type"}
    with pytest.raises(ProviderFault, match=f"^{code} {status}$"):
        wire.decode_reply(told, httpx.Headers(headers), body)
    assert COMPATIBLE.encode_trouble(trouble) == (told, headers, b"[" + body + b"]")


def test_the_time_it_took_is_the_only_header_of_its_own() -> None:
    served = Served(request_id="req_1", processing_ms=805.6)
    for of in (GEMINI, COMPATIBLE):
        assert of.encode_served(served) == {"server-timing": "gfet4t7; dur=806"}


@pytest.mark.parametrize(
    ("method", "path", "of"),
    [
        ("GET", "/v1beta/models", ""),
        ("GET", "/gemini/v1/models/m-1", "m-1"),
        ("POST", "/v1beta/models", None),
        ("GET", "/v1beta/models/m-1:generateContent", None),
    ],
)
def test_a_listing_is_asked_for_by_its_path(method: str, path: str, of: str | None) -> None:
    assert GEMINI.decode_listing(httpx.Request(method, AT.url(path))) == of


def test_a_listing_has_all_models_or_one() -> None:
    one = {
        "name": "models/m-1",
        "displayName": "m-1",
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent"],
    }
    assert json.loads(GEMINI.encode_listing(["m-1"], "", 7)) == {"models": [one]}
    assert json.loads(GEMINI.encode_listing(["m-1"], "m-1", 7)) == one
