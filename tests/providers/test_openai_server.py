"""The OpenAI wire's server: whom it refuses, in which words, and what it tells beside an answer."""

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.providers.call import Endpoint, ProviderFault
from harness.providers.chat import Ask, Headroom, Message, Served, Trouble, TroubleKind
from harness.providers.openai import BODY_LIMIT, OPENAI, PATH, go_duration
from harness.providers.openai.got import decode_reply

AT = Endpoint("http://model/v1", "a-key")
HI = Ask(model="m", messages=[Message("user", "hi")])


def posted(body: bytes) -> httpx.Request:
    return httpx.Request("POST", AT.url(PATH), content=body)


# What a server refuses, and how

USER = b'"messages":[{"role":"user","content":"hi"}]'


@pytest.mark.parametrize(
    ("why", "body"),
    [
        ("empty", b""),
        ("no JSON", b"hello"),
        ("no object", b"[]"),
        ("no model", b"{" + USER + b"}"),
        ("no messages", b'{"model":"m"}'),
        ("empty messages", b'{"model":"m","messages":[]}'),
        ("unknown role", b'{"model":"m","messages":[{"role":"king","content":"hi"}]}'),
        ("model of a wrong type", b'{"model":1,' + USER + b"}"),
        ("bytes that are no UTF-8", b'{"model":"\xff",' + USER + b"}"),
        ("bytes that are no UTF-8 in a schema", b'{"model":"m","tools":[{"type":"function",'
         b'"function":{"name":"a","parameters":{"a":"\xff"}}}],' + USER + b"}"),
        ("too deep", b'{"model":"m","deep":' + b"[" * 100_000),
        ("a lone surrogate", b'{"model":"\\ud800",' + USER + b"}"),
    ],
)  # fmt: skip
def test_a_malformed_request_earns_an_error_and_no_exception(why: str, body: bytes) -> None:
    trouble = OPENAI.decode_request(posted(body))
    assert isinstance(trouble, Trouble)
    assert trouble.kind == "bad_request"


@given(st.binary())
def test_no_request_body_raises(body: bytes) -> None:
    assert isinstance(OPENAI.decode_request(posted(body)), Ask | Trouble)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", PATH), ("POST", "/completions"), ("POST", "/models")]
)
def test_another_method_or_path_is_an_unknown_url(method: str, path: str) -> None:
    content = OPENAI.chat(AT, HI).request.content
    trouble = OPENAI.decode_request(httpx.Request(method, AT.url(path), content=content))
    assert isinstance(trouble, Trouble)
    assert (trouble.kind, trouble.code) == ("not_found", "unknown_url")


def test_a_body_above_the_limit_is_too_large_whatever_it_holds() -> None:
    trouble = OPENAI.decode_request(posted(b" " * (BODY_LIMIT + 1)))
    assert isinstance(trouble, Trouble)
    assert trouble.kind == "too_large"


@pytest.mark.parametrize(
    ("kind", "status", "type_", "code"),
    [
        ("bad_request", 400, "invalid_request_error", None),
        ("unauthorized", 401, "invalid_request_error", "invalid_api_key"),
        ("not_found", 404, "invalid_request_error", None),
        ("too_large", 413, "invalid_request_error", None),
        ("rate_limited", 429, "requests", "rate_limit_exceeded"),
        ("overloaded", 503, "server_error", None),
    ],
)
def test_each_trouble_has_the_apis_status_and_body(
    kind: TroubleKind, status: int, type_: str, code: str | None
) -> None:
    answered, headers, body = OPENAI.encode_trouble(Trouble(kind=kind, message="m"))
    assert (answered, headers) == (status, {"content-type": "application/json"})
    error = {"message": "m", "type": type_, "param": None, "code": code}
    assert json.loads(body) == {"error": error}
    with pytest.raises(ProviderFault, match=f"^{status} {type_}"):
        decode_reply(status, httpx.Headers(headers), body)


@pytest.mark.parametrize(
    ("seconds", "whole", "ms"), [(0.0004, "1", "1"), (0.704, "1", "704"), (61.0, "61", "61000")]
)
def test_who_is_limited_is_told_when_to_come_again_and_by_which_limit(
    seconds: float, whole: str, ms: str
) -> None:
    limited = Trouble(kind="rate_limited", message="m", limit="tokens", retry_after_s=seconds)
    _, headers, body = OPENAI.encode_trouble(limited)
    assert (headers["retry-after"], headers["retry-after-ms"]) == (whole, ms)
    assert json.loads(body)["error"]["type"] == "tokens"


def test_every_answer_carries_the_apis_headers() -> None:
    served = Served(
        request_id="req_1",
        processing_ms=412.4,
        requests=Headroom(500, 499, 0.12),
        tokens=Headroom(30_000, 0, 360.0),
    )
    assert OPENAI.encode_served(served) == {
        "x-request-id": "req_1",
        "openai-processing-ms": "412",
        "openai-version": "2020-10-01",
        "openai-organization": "org-mock",
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "499",
        "x-ratelimit-reset-requests": "120ms",
        "x-ratelimit-limit-tokens": "30000",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "6m0s",
    }


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"), (0.006, "6ms"), (0.9996, "1s"), (1.0, "1s"), (1.5, "1.5s"),
        (59.999, "59.999s"), (60.0, "1m0s"), (61.25, "1m1.25s"),
        (3600.0, "1h0m0s"), (86_400.0, "24h0m0s"),
    ],
)  # fmt: skip
def test_a_reset_is_a_duration_as_go_prints_it(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("Bearer a-key", "a-key"),
        ("bearer  a-key ", "a-key"),
        ("Basic a-key", ""),
        ("a-key", ""),
        ("Bearer", ""),
        (None, ""),
    ],
)
def test_a_key_is_read_only_from_a_bearer_header(header: str | None, key: str) -> None:
    headers = {} if header is None else {"authorization": header}
    assert OPENAI.key_of(httpx.Request("POST", "http://model", headers=headers)) == key


# The list of models


@pytest.mark.parametrize(
    ("method", "path", "of"),
    [
        ("GET", "/models", ""),
        ("GET", "/models/gpt-4o", "gpt-4o"),
        ("GET", "/models/openai/gpt-4o", "openai/gpt-4o"),
        ("POST", "/models", None),
        ("GET", "/chat/completions", None),
    ],
)
def test_models_are_asked_for_all_or_by_id(method: str, path: str, of: str | None) -> None:
    assert OPENAI.decode_listing(httpx.Request(method, AT.url(path))) == of


def test_a_list_of_models_and_one_of_them_have_the_apis_shape() -> None:
    card = {"id": "a", "object": "model", "created": 17, "owned_by": "openai"}
    whole = json.loads(OPENAI.encode_listing(["a", "b"], "", 17))
    assert whole == {"object": "list", "data": [card, {**card, "id": "b"}]}
    assert json.loads(OPENAI.encode_listing(["a"], "a", 17)) == card
