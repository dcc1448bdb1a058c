"""The flat wire in both roles, each against requests and answers written by hand."""

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.providers import flat as wire
from harness.providers.call import (
    Call,
    Endpoint,
    Malformed,
    Overloaded,
    ProviderFault,
    RateLimited,
    Unauthorized,
)
from harness.providers.flat import NewPayment, NewRefund, Payment, Query, RefundOf, Refusal, Void
from harness.providers.problem import Objection

AT = Endpoint("http://pay/flat", "s3cret")
NEW = NewPayment("o-1", 4580, "CNY", "ada", "card", "café")
NEW_JSON = (
    '{"payee": "café", "method": "card", "payer": "ada", "currency": "CNY",'
    ' "amount_minor": 4580.0, "order_no": "o-1"}'
)
PAID = Payment("o-1", "paid", 4580, "CNY", 30, 0)
PAID_JSON = {
    "order_no": "o-1",
    "status": "paid",
    "amount_minor": 4580,
    "currency": "CNY",
    "fee_minor": 30,
    "refunded_minor": 0,
}
CALLS: dict[str, tuple[Call[Payment | Refusal], str, str, object, wire.Asked]] = {
    "pay": (
        wire.pay(AT, NEW),
        "POST",
        "/payments",
        json.loads(NEW_JSON),
        NEW,
    ),
    "query": (wire.query(AT, "o-1"), "GET", "/payments/o-1", None, Query("o-1")),
    "void": (wire.void(AT, "o-1"), "POST", "/payments/o-1/void", None, Void("o-1")),
    "refund": (
        wire.refund(AT, RefundOf("o-1", NewRefund("r-1", 50))),
        "POST",
        "/payments/o-1/refunds",
        {"refund_no": "r-1", "amount_minor": 50},
        RefundOf("o-1", NewRefund("r-1", 50)),
    ),
}
EACH = pytest.mark.parametrize("name", CALLS)


def by_hand(method: str, path: str, body: str | None = None, **headers: str) -> httpx.Request:
    told = {"x-api-key": "s3cret", "content-type": "application/json", **headers}
    content = None if body is None else body.encode()
    return httpx.Request(method, f"http://pay/flat{path}", headers=told, content=content)


def kind(told: object) -> tuple[str, int]:
    assert isinstance(told, Objection)
    return told.problem.kind, told.problem.status


# What the client sends and the server reads


@EACH
def test_a_call_is_written_as_the_provider_reads_it(name: str) -> None:
    call, method, path, body, asked = CALLS[name]
    request = call.request
    assert (request.method, str(request.url)) == (method, f"http://pay/flat{path}")
    assert request.headers["x-api-key"] == wire.key_of(request) == "s3cret"
    assert (json.loads(request.content) if request.content else None) == body
    assert (request.headers.get("content-type") == "application/json") == (body is not None)
    assert wire.decode_request(request) == asked


@EACH
def test_a_call_is_read_from_bytes_written_by_hand(name: str) -> None:
    _, method, path, body, asked = CALLS[name]
    written = NEW_JSON if name == "pay" else body and json.dumps(body, indent=1)
    assert wire.decode_request(by_hand(method, path, written)) == asked  # type: ignore[arg-type]


def test_no_key_is_an_empty_one() -> None:
    assert wire.key_of(httpx.Request("GET", "http://pay/flat/payments/o-1")) == ""


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/payment", "/payments/", "/payments/o%201", "/payments/%2e", "/payments/o-1/voids"),
        *("/payments/o-1/void/", "/payments/o-1/refunds/r-1", "/payments/" + "o" * 65),
        *("/payments/ö", "/payments/o-1%0a", "/openapi.jsonx", "//payments", "/payments//void"),
    ],
)
def test_nothing_is_at_another_path(path: str) -> None:
    for method in ("GET", "POST"):
        assert kind(wire.decode_request(by_hand(method, path, "{}"))) == ("no-such-path", 404)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/payments", "POST"),
        ("/payments/o-1", "GET"),
        ("/payments/o-1/void", "POST"),
        ("/payments/o-1/refunds", "POST"),
        ("/openapi.json", "GET"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD", "TRACE", "X"])
def test_another_method_is_told_the_one_that_is_allowed(
    path: str, allowed: str, method: str
) -> None:
    told = wire.decode_request(by_hand(method, path, "{}"))
    if method == allowed:
        assert not isinstance(told, Objection) or told.problem.status == 422
        return
    assert kind(told) == ("method-not-allowed", 405)
    assert isinstance(told, Objection)
    assert told.headers == {"allow": allowed}


@pytest.mark.parametrize("path", ["/payments", "/payments/o-1/refunds"])
def test_a_malformed_body_is_told_apart_from_a_wrong_one(path: str) -> None:
    assert kind(wire.decode_request(by_hand("POST", path, "hello"))) == ("not-json", 400)
    assert kind(wire.decode_request(by_hand("POST", path, "{}"))) == ("invalid-fields", 422)
    as_text = by_hand("POST", path, "{}", **{"content-type": "text/plain"})
    assert kind(wire.decode_request(as_text)) == ("unsupported-media-type", 415)


@pytest.mark.parametrize(
    "changed",
    [
        {"currency": "cny"},
        {"currency": "CNYX"},
        {"currency": "CN"},
        {"currency": "CNY\n"},
        {"method": ""},
        {"payee": "x" * 129},
        {"payer": None},
        {"amount_minor": 0},
        {"order_no": "o 1"},
        {"tip": 1},
    ],
)
def test_a_field_that_is_not_as_described_is_objected_to(changed: dict[str, object]) -> None:
    body = json.dumps({**json.loads(NEW_JSON), **changed})
    told = wire.decode_request(by_hand("POST", "/payments", body))
    assert kind(told) == ("invalid-fields", 422)


@given(
    st.sampled_from(["GET", "POST", "PUT"]),
    st.sampled_from(["/payments", "/payments/o-1", "/payments/o-1/refunds", "/x"]),
    st.binary(),
)
def test_arbitrary_bytes_never_raise(method: str, path: str, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    request = httpx.Request(method, f"http://pay/flat{path}", headers=headers, content=body)
    wire.decode_request(request)


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
    "declined": 402,
    "order-not-found": 404,
    "order-closed": 409,
    "number-reused": 409,
    "exceeds-payment": 409,
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
    return json.dumps({"type": f"https://flat.example/problems/{why}"}).encode()


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (401, problem("unauthorized"), Unauthorized),
        (403, problem("declined"), Unauthorized),
        (429, problem("rate-limited"), RateLimited),
        (503, problem("overloaded"), Overloaded),
        (500, b"<html>", Overloaded),
        (400, problem("not-json"), Malformed),
        (404, problem("no-such-path"), Malformed),
        (404, b"<html>", Malformed),
        (404, problem("declined"), Malformed),
        (402, b"{}", Malformed),
        (302, b"", Malformed),
        (200, b"hello", Malformed),
        (200, b"{}", Malformed),
        (200, json.dumps({**PAID_JSON, "status": "?"}).encode(), Malformed),
        (200, json.dumps({**PAID_JSON, "fee_minor": 0.5}).encode(), Malformed),
        (201, json.dumps({**PAID_JSON, "refunded_minor": -1}).encode(), Malformed),
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


def test_who_has_no_known_key_is_told_what_to_send() -> None:
    told = wire.unauthorized()
    assert kind(told) == ("unauthorized", 401)
    assert told.headers == {"www-authenticate": 'ApiKey realm="flat"'}
