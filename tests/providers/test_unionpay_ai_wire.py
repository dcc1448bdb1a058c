"""The assumed UnionPay wire in both roles, each against requests and answers written by hand."""

import json
from dataclasses import replace

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.providers import unionpay_ai as wire
from harness.providers.call import (
    Call,
    Endpoint,
    Malformed,
    Overloaded,
    ProviderFault,
    RateLimited,
    Unauthorized,
)
from harness.providers.oauth import Client
from harness.providers.problem import Objection
from harness.providers.unionpay_ai import (
    Cancel,
    Money,
    NewPayment,
    NewRefund,
    Pay,
    Payment,
    Query,
    RefundOf,
    Refusal,
)

AT = Endpoint("http://pay/unionpay-ai", "s3cret", account="shop-1")
NEW = Pay("pay-o-1", NewPayment("o-1", "ada", "card", "café", Money(4580, "CNY")))
BACK = RefundOf("refund-o-1-r-1", "o-1", NewRefund("r-1", Money(50, "CNY")))
NEW_JSON = {
    "order_no": "o-1",
    "payer": "ada",
    "method": "card",
    "payee": "café",
    "amount": {"value": 4580, "currency": "CNY"},
}
BACK_JSON = {"refund_no": "r-1", "amount": {"currency": "CNY", "value": 50}}
PAID = Payment("o-1", "succeeded", "CNY", 4580, 50, 25)
PAID_JSON = {
    "order_no": "o-1",
    "status": "succeeded",
    "currency": "CNY",
    "amount": 4580,
    "refunded": 50,
    "fee": 25,
}
TOKEN = "upt_00c0ffee"
CALLS: dict[str, tuple[Call[Payment | Refusal], str, str, object, wire.Asked]] = {
    "pay": (wire.pay(AT, TOKEN, NEW), "POST", "/v1/payments", NEW_JSON, NEW),
    "query": (wire.query(AT, TOKEN, "o-1"), "GET", "/v1/payments/o-1", None, Query("o-1")),
    "cancel": (
        wire.cancel(AT, TOKEN, "o-1"),
        "POST",
        "/v1/payments/o-1/cancel",
        None,
        Cancel("o-1"),
    ),
    "refund": (wire.refund(AT, TOKEN, BACK), "POST", "/v1/payments/o-1/refunds", BACK_JSON, BACK),
}
KEYS = {"pay": "pay-o-1", "refund": "refund-o-1-r-1"}
EACH = pytest.mark.parametrize("name", CALLS)
KEYED = pytest.mark.parametrize("path", ["/v1/payments", "/v1/payments/o-1/refunds"])


def by_hand(method: str, path: str, body: object = None, **headers: str) -> httpx.Request:
    told = {"content-type": "application/json", "idempotency-key": "k-1", **headers}
    content = None if body is None else body if isinstance(body, bytes) else json.dumps(body)
    return httpx.Request(
        method,
        f"http://pay/unionpay-ai{path}",
        headers={name.replace("_", "-"): value for name, value in told.items() if value},
        content=content,
    )


def kind(told: object) -> tuple[str, int]:
    assert isinstance(told, Objection)
    return told.problem.kind, told.problem.status


# What the client sends and the server reads


def test_a_token_is_asked_for_as_the_provider_reads_it() -> None:
    request = wire.ask_token(AT).request
    assert (request.method, str(request.url)) == ("POST", "http://pay/unionpay-ai/oauth2/token")
    assert request.content == b"grant_type=client_credentials"
    assert wire.decode_request(request) == Client("shop-1", "s3cret", "client_credentials")
    unnamed = wire.ask_token(replace(AT, account="")).request
    assert wire.decode_request(unnamed) == Client(wire.CLIENT_ID, "s3cret", "client_credentials")


@EACH
def test_a_call_is_written_as_the_provider_reads_it(name: str) -> None:
    call, method, path, body, asked = CALLS[name]
    request = call.request
    assert (request.method, str(request.url)) == (method, f"http://pay/unionpay-ai{path}")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert "s3cret" not in f"{request.headers.raw} {request.content!r}"
    assert (json.loads(request.content) if request.content else None) == body
    assert request.headers.get("idempotency-key") == KEYS.get(name)
    assert wire.decode_request(request) == asked


@EACH
def test_a_call_is_read_from_bytes_written_by_hand(name: str) -> None:
    _, method, path, body, asked = CALLS[name]
    written = body and json.dumps(body, indent=1).encode()
    request = by_hand(method, path, written, idempotency_key=KEYS.get(name, ""))
    assert wire.decode_request(request) == asked


@pytest.mark.parametrize("key", ["", "a b", "ä", "k" * 256, "\x7f"])
@KEYED
def test_what_moves_money_needs_an_idempotency_key(path: str, key: str) -> None:
    told = [(b"content-type", b"application/json"), (b"idempotency-key", key.encode())]
    url = f"http://pay/unionpay-ai{path}"
    request = httpx.Request("POST", url, headers=told if key else told[:1], content=b"{}")
    assert kind(wire.decode_request(request)) == ("no-idempotency-key", 400)


@pytest.mark.parametrize("key", ["k", "k" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"'])
def test_any_visible_characters_are_a_key(key: str) -> None:
    told = wire.decode_request(by_hand("POST", "/v1/payments", NEW_JSON, idempotency_key=key))
    assert isinstance(told, Pay)
    assert told.key == key


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/payments", "/v1/payment", "/v1/payments/", "/v1/payments/o%201", "/v2/payments"),
        *("/v1/payments/o-1/void", "/v1/payments/o-1/cancel/", "/v1/payments/" + "o" * 65),
        *("/v1/payments/o-1%0a", "/oauth2/token/", "/oauth2", "//v1/payments"),
    ],
)
def test_nothing_is_at_another_path(path: str) -> None:
    for method in ("GET", "POST"):
        assert kind(wire.decode_request(by_hand(method, path, {}))) == ("no-such-path", 404)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/oauth2/token", "POST"),
        ("/v1/payments", "POST"),
        ("/v1/payments/o-1", "GET"),
        ("/v1/payments/o-1/cancel", "POST"),
        ("/v1/payments/o-1/refunds", "POST"),
        ("/openapi.json", "GET"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD", "X"])
def test_another_method_is_told_the_one_that_is_allowed(
    path: str, allowed: str, method: str
) -> None:
    told = wire.decode_request(by_hand(method, path, {}))
    if method == allowed:
        assert not isinstance(told, Objection) or told.problem.status == 422
        return
    assert kind(told) == ("method-not-allowed", 405)
    assert isinstance(told, Objection)
    assert told.headers == {"allow": allowed}


@KEYED
def test_a_malformed_body_is_told_apart_from_a_wrong_one(path: str) -> None:
    assert kind(wire.decode_request(by_hand("POST", path, b"hello"))) == ("not-json", 400)
    assert kind(wire.decode_request(by_hand("POST", path, {}))) == ("invalid-fields", 422)
    as_text = by_hand("POST", path, {}, content_type="text/plain")
    as_text.headers["content-type"] = "text/plain"
    assert kind(wire.decode_request(as_text)) == ("unsupported-media-type", 415)


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": 4580},
        {"amount": {"value": 0, "currency": "CNY"}},
        {"amount": {"value": 1, "currency": "yuan"}},
        {"amount": {"value": 1, "currency": "CNY", "scale": 2}},
        {"payer": ""},
        {"order_no": "o-1\n"},
        {"tip": 1},
    ],
)
def test_a_field_that_is_not_as_described_is_objected_to(changed: dict[str, object]) -> None:
    told = wire.decode_request(by_hand("POST", "/v1/payments", {**NEW_JSON, **changed}))
    assert kind(told) == ("invalid-fields", 422)


@given(
    st.sampled_from(["GET", "POST"]),
    st.sampled_from(["/oauth2/token", "/v1/payments", "/v1/payments/o-1/refunds", "/x"]),
    st.sampled_from(["application/json", "application/x-www-form-urlencoded", ""]),
    st.binary(),
)
def test_arbitrary_bytes_never_raise(
    method: str, path: str, content_type: str, body: bytes
) -> None:
    wire.decode_request(by_hand(method, path, body, content_type=content_type))


# What the server answers and the client reads


@EACH
def test_a_payment_is_answered_as_the_client_reads_it(name: str) -> None:
    call, _, _, _, asked = CALLS[name]
    status, headers, body = wire.encode_reply(asked, PAID)
    assert status == (201 if name in ("pay", "refund") else 200)
    assert (headers["content-type"], json.loads(body)) == ("application/json", PAID_JSON)
    for told in (body, json.dumps({"new": 1, **PAID_JSON}).encode()):
        assert call.decode(status, httpx.Headers(headers), told) == PAID


REFUSALS: dict[wire.RefusalKind, int] = {
    "invalid-token": 401,
    "order-not-found": 404,
    "order-closed": 409,
    "number-reused": 409,
    "exceeds-payment": 409,
    "other-currency": 409,
    "key-in-use": 409,
    "key-reused": 422,
}


@EACH
@pytest.mark.parametrize("why", REFUSALS)
def test_a_refusal_is_answered_as_the_client_reads_it(name: str, why: wire.RefusalKind) -> None:
    call, _, _, _, asked = CALLS[name]
    status, headers, body = wire.encode_reply(asked, wire.PROBLEMS.objection(why, "because"))
    assert (status, headers["content-type"]) == (REFUSALS[why], "application/problem+json")
    by_hand = {"type": f"https://elsewhere.example/{why}", "detail": "because"}
    for told in (body, json.dumps(by_hand).encode()):
        assert call.decode(status, httpx.Headers(headers), told) == Refusal(why, "because")


def problem(why: str) -> bytes:
    return json.dumps({"type": f"https://unionpay-ai.example/problems/{why}"}).encode()


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (401, problem("no-token"), Unauthorized),
        (401, b"", Unauthorized),
        (403, problem("invalid-token"), Unauthorized),
        (429, problem("rate-limited"), RateLimited),
        (503, problem("overloaded"), Overloaded),
        (500, b"<html>", Overloaded),
        (400, problem("not-json"), Malformed),
        (404, problem("no-such-path"), Malformed),
        (409, b"{}", Malformed),
        (409, problem("invalid-token"), Malformed),
        (422, problem("invalid-fields"), Malformed),
        (302, b"", Malformed),
        (200, b"hello", Malformed),
        (200, json.dumps({**PAID_JSON, "status": "?"}).encode(), Malformed),
        (201, json.dumps({**PAID_JSON, "fee": 0.5}).encode(), Malformed),
    ],
)
def test_an_answer_that_is_no_payment_and_no_refusal_is_a_fault(
    status: int, body: bytes, fault: type[ProviderFault]
) -> None:
    for call, *_ in CALLS.values():
        with pytest.raises(fault) as raised:
            call.decode(status, httpx.Headers(), body)
        assert type(raised.value) is fault


@given(st.integers(100, 599), st.binary())
def test_no_answer_raises_anything_but_a_provider_fault(status: int, body: bytes) -> None:
    for call, *_ in CALLS.values():
        with pytest.raises(ProviderFault):
            call.decode(status, httpx.Headers(), body)


def test_a_token_that_is_not_honoured_is_challenged_and_none_otherwise() -> None:
    assert kind(wire.unauthorized("old")) == ("invalid-token", 401)
    assert 'error="invalid_token"' in wire.unauthorized("old").headers["www-authenticate"]
    assert kind(wire.unauthorized("")) == ("no-token", 401)
    assert "error" not in wire.unauthorized("").headers["www-authenticate"]
