"""Malformed calls to the Stripe API: each earns a refusal in its words, and none an exception."""

import base64

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.providers import stripe as wire
from harness.providers.stripe.requests import ROUTES

FORM = "application/x-www-form-urlencoded"
INTENTS = "/v1/payment_intents"
GOOD = "amount=1099&currency=usd"
HOOK = "url=http://app/stripe"
PAY = f"{GOOD}&confirm=true&payment_method=pm_card_visa"


def request(
    method: str, path: str, body: str | bytes = "", kind: str = FORM, **headers: str
) -> httpx.Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {"content-type": kind, **named}
    content = body.encode() if isinstance(body, str) else body
    return httpx.Request(method, f"http://mocks/stripe{path}", headers=sent, content=content)


REFUSED: list[tuple[str, str, str, int, str, str]] = [
    ("POST", INTENTS, "", 400, "parameter_missing", "amount"),
    ("POST", INTENTS, "amount=1099", 400, "parameter_missing", "currency"),
    ("POST", INTENTS, "amount=&currency=usd", 400, "parameter_invalid_empty", "amount"),
    ("POST", INTENTS, "amount=ten&currency=usd", 400, "parameter_invalid_integer", "amount"),
    ("POST", INTENTS, "amount=10.99&currency=usd", 400, "parameter_invalid_integer", "amount"),
    ("POST", INTENTS, "amount=-1&currency=usd", 400, "parameter_invalid_integer", "amount"),
    ("POST", INTENTS, "amount=49&currency=usd", 400, "amount_too_small", "amount"),
    ("POST", INTENTS, "amount=100000000&currency=usd", 400, "amount_too_large", "amount"),
    ("POST", INTENTS, "amount=1099&currency=dollars", 400, "", "currency"),
    ("POST", INTENTS, f"{GOOD}&payee=tea", 400, "parameter_unknown", "payee"),
    ("POST", INTENTS, f"{GOOD}&confirm=yes", 400, "", "confirm"),
    ("POST", INTENTS, f"{GOOD}&capture_method=later", 400, "", "capture_method"),
    ("POST", INTENTS, f"{GOOD}&metadata=x", 400, "", "metadata"),
    ("POST", INTENTS, f"{GOOD}&expand[]=amount", 400, "", ""),
    ("POST", INTENTS, f"{GOOD}&confirm=true", 400, "payment_intent_unexpected_state", ""),
    ("POST", INTENTS, PAY, 400, "", ""),
    ("POST", INTENTS, f"{PAY}&automatic_payment_methods[enabled]=true", 400, "", ""),
    ("POST", f"{INTENTS}/pi_1/confirm", "payee=tea", 400, "parameter_unknown", "payee"),
    ("POST", f"{INTENTS}/pi_1/cancel", "cancellation_reason=bored", 400, "", "cancellation_reason"),
    ("POST", f"{INTENTS}/pi_1/cancel", "id=pi_2", 400, "parameter_unknown", "id"),
    ("POST", "/v1/refunds", "", 400, "parameter_missing", ""),
    ("POST", "/v1/refunds", "charge=ch_1&payment_intent=pi_1", 400, "parameter_missing", ""),
    ("POST", "/v1/refunds", "charge=ch_1&amount=0", 400, "parameter_invalid_integer", "amount"),
    ("POST", "/v1/payment_methods", "type=alipay", 400, "", "type"),
    ("POST", "/v1/payment_methods", "type=card", 400, "parameter_missing", "card"),
    ("POST", "/v1/webhook_endpoints", "url=x&enabled_events[]=*", 400, "url_invalid", "url"),
    ("POST", "/v1/webhook_endpoints", HOOK, 400, "parameter_missing", "enabled_events"),
    ("POST", "/v1/webhook_endpoints", f"{HOOK}&enabled_events[]=!", 400, "", "enabled_events[0]"),
    ("GET", f"{INTENTS}?limit=0", "", 400, "parameter_invalid_integer", "limit"),
    ("GET", f"{INTENTS}?limit=101", "", 400, "parameter_invalid_integer", "limit"),
    ("GET", f"{INTENTS}/search", "", 400, "parameter_missing", "query"),
    ("GET", f"{INTENTS}/search?query=x", "", 400, "", "query"),
    ("GET", f"{INTENTS}?expand[]=latest_charge", "", 400, "", ""),
    ("DELETE", f"{INTENTS}/pi_1", "", 404, "", ""),
    ("PUT", INTENTS, GOOD, 404, "", ""),
    ("POST", f"{INTENTS}/pi_1/steal", "", 404, "", ""),
    ("GET", "/v1/tokens", "", 404, "", ""),
    ("GET", "/v2/payment_intents", "", 404, "", ""),
    ("GET", "/", "", 404, "", ""),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status", "code", "param"), REFUSED)
def test_a_malformed_call_is_refused_as_the_api_refuses_it(
    method: str, path: str, body: str, status: int, code: str, param: str
) -> None:
    told = wire.decode_request(request(method, path, body))
    assert isinstance(told, wire.Refusal)
    assert (told.status, told.type) == (status, "invalid_request_error")
    assert (told.code, told.param) == (code, param)
    assert told.message


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"kind": "application/json"}, "POST content type"),
        ({"kind": "multipart/form-data; boundary=x"}, "POST content type"),
        ({"stripe_version": "yesterday"}, "Invalid Stripe API version: yesterday"),
        ({"idempotency_key": "k" * 256}, "up to 255 characters"),
        ({"idempotency_key": "ключ"}, "printable ASCII"),
    ],
)
def test_a_head_that_the_api_does_not_take_is_refused(headers: dict[str, str], says: str) -> None:
    sent = {name: value for name, value in headers.items() if name != "idempotency_key"}
    asked = request("POST", INTENTS, GOOD, **sent)
    if key := headers.get("idempotency_key"):
        asked.headers = httpx.Headers([*asked.headers.raw, (b"idempotency-key", key.encode())])
    told = wire.decode_request(asked)
    assert isinstance(told, wire.Refusal)
    assert says in told.message


@pytest.mark.parametrize("body", [b"\xff", b"amount=%ff", b"\x00" * 10])
def test_a_body_that_is_no_text_is_refused(body: bytes) -> None:
    told = wire.decode_request(request("POST", INTENTS, body))
    assert isinstance(told, wire.Refusal)
    assert told.status == 400


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("authorization", "key"),
    [
        ("Bearer sk_test_abc", "sk_test_abc"),
        ("bearer  sk_test_abc ", "sk_test_abc"),
        (basic("sk_test_abc:"), "sk_test_abc"),
        (basic("sk_test_abc"), "sk_test_abc"),
        (basic("sk_test_abc:ignored"), "sk_test_abc"),
        ("sk_test_abc", ""),
        ("Basic !!!!", ""),
        ("Basic " + base64.b64encode(b"\xff\xfe").decode(), ""),
        ("Digest sk_test_abc", ""),
        ("", ""),
    ],
)
def test_the_key_comes_as_bearer_or_as_the_user_of_basic(authorization: str, key: str) -> None:
    asked = request("GET", INTENTS, authorization=authorization)
    assert wire.read_head(asked).api_key == key


def test_the_same_parameters_in_another_order_are_the_same() -> None:
    bodies = ("metadata[a]=1&metadata[b]=2", "metadata[b]=2&metadata[a]=1")
    one, two, other = (terms(body) for body in (*bodies, "metadata[a]=1"))
    assert one == two != other


def terms(body: str) -> str:
    asked = wire.decode_request(request("POST", INTENTS, f"currency=cny&amount=1&{body}"))
    assert not isinstance(asked, wire.Refusal)
    return wire.terms_of(asked)


methods = st.sampled_from(["GET", "POST", "DELETE", "PUT", "HEAD"])
paths = st.sampled_from([pattern.replace("{id}", "pi_1") for _, pattern in ROUTES]) | st.text(
    "abc/{}_.%~", max_size=12
)
names = st.sampled_from(
    ["amount", "currency", "confirm", "metadata[a]", "card[number]", "expand[]", "query", "limit",
     "payment_method", "url", "enabled_events[]", "type", "charge", "payment_method_data[card]"]
)  # fmt: skip
values = st.sampled_from(["", "1", "1099", "usd", "true", "pi_1", "card", "a[b]"]) | st.text(
    max_size=8
)
bodies = st.binary(max_size=60) | st.lists(st.tuples(names, values), max_size=6).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs).encode()
)


@settings(max_examples=50)
@given(methods, paths, bodies, st.binary(max_size=20))
def test_arbitrary_calls_never_raise(method: str, path: str, body: bytes, key: bytes) -> None:
    asked = request(method, f"/v1/{path}", body)
    asked.headers = httpx.Headers([*asked.headers.raw, (b"authorization", key)])
    told = wire.decode_request(asked)
    wire.headers(wire.Marks(request_id="req_1", head=wire.read_head(asked)), 200)
    if isinstance(told, wire.Refusal):
        assert told.status in (400, 404)
    else:
        wire.terms_of(told)
