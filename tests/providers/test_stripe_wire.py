"""The Stripe wire, both ways: what one side writes the other reads as it was meant."""

import contextlib
import json
from collections.abc import Callable

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.providers import stripe as wire
from harness.providers.call import Call, Endpoint, Malformed, ProviderFault
from harness.providers.stripe import errors, events
from harness.providers.stripe.errors import Refusal
from harness.providers.stripe.objects import (
    BalanceTransaction,
    Charge,
    Event,
    EventData,
    PaymentIntent,
    Refund,
    Thing,
    WebhookEndpoint,
)
from harness.providers.stripe.requests import (
    Asked,
    CancelIntent,
    ConfirmIntent,
    CreateEndpoint,
    CreateIntent,
    CreateRefund,
    Retrieve,
)

AT = Endpoint("http://mocks/stripe", "sk_test_abc")
MOVED = BalanceTransaction(id="txn_1", amount=1099, currency="usd", fee=62, net=1037)
CHARGE = Charge(
    id="ch_1",
    amount=1099,
    amount_captured=1099,
    balance_transaction="txn_1",
    currency="usd",
    status="succeeded",
)
INTENT = PaymentIntent(
    id="pi_1",
    amount=1099,
    client_secret="pi_1_secret_x",
    currency="usd",
    latest_charge="ch_1",
    metadata={"order_no": "o-1"},
    status="succeeded",
)
REFUND = Refund(id="re_1", amount=9, charge="ch_1", currency="usd", status="succeeded")
ENDPOINT = WebhookEndpoint(id="we_1", url="http://app/stripe", secret="whsec_x")
THINGS: dict[str, Thing] = {thing.id: thing for thing in (MOVED, CHARGE, INTENT)}

CREATE = CreateIntent(
    amount=1099,
    currency="cny",
    confirm=True,
    expand=[*wire.WITH_FEE],
    metadata={"order_no": "o-1", "payee": "tea & 茶[1]"},
    payment_method="pm_card_visa",
    payment_method_types=["card"],
)
PART = CreateRefund(payment_intent="pi_1", amount=9, expand=[*wire.REFUND_WITH_FEE])
NEW_ENDPOINT = CreateEndpoint(url="http://app/stripe", enabled_events=["*"])

Told = PaymentIntent | Refund | WebhookEndpoint
AnyCall = Call[PaymentIntent | Refusal] | Call[Refund | Refusal] | Call[WebhookEndpoint | Refusal]
CALLS: list[tuple[AnyCall, str, Asked, Told]] = [
    (wire.create_intent(AT, CREATE, "k"), "POST /v1/payment_intents", CREATE, INTENT),
    (
        wire.confirm_intent(AT, ConfirmIntent(id="pi_1"), "k"),
        "POST /v1/payment_intents/pi_1/confirm",
        ConfirmIntent(id="pi_1"),
        INTENT,
    ),
    (
        wire.cancel_intent(AT, "pi_1", "k"),
        "POST /v1/payment_intents/pi_1/cancel",
        CancelIntent(id="pi_1"),
        INTENT,
    ),
    (
        wire.retrieve_intent(AT, "pi_1"),
        "GET /v1/payment_intents/pi_1",
        Retrieve(collection="payment_intents", id="pi_1", expand=[*wire.WITH_FEE]),
        INTENT,
    ),
    (wire.create_refund(AT, PART, "k"), "POST /v1/refunds", PART, REFUND),
    (
        wire.create_endpoint(AT, NEW_ENDPOINT, "k"),
        "POST /v1/webhook_endpoints",
        NEW_ENDPOINT,
        ENDPOINT,
    ),
]


@pytest.mark.parametrize(("call", "place", "asked", "told"), CALLS, ids=[c[1] for c in CALLS])
def test_a_call_is_read_as_it_was_meant_and_so_is_its_answer(
    call: AnyCall, place: str, asked: Asked, told: Told
) -> None:
    request = call.request
    assert f"{request.method} {wire.endpoint_of(request)}" == place
    assert wire.decode_request(request) == asked
    assert wire.read_head(request).api_key == "sk_test_abc"
    assert wire.read_head(request).idempotency_key == ("k" if request.method == "POST" else "")
    status, body = wire.encode_reply(told, (), THINGS.get)
    assert (status, call.decode(status, httpx.Headers(), body)) == (200, told)


def test_an_id_cannot_lead_to_another_path() -> None:
    call = wire.cancel_intent(AT, "../refunds?a=b#c", "k")
    assert call.request.url.raw_path == (
        b"/stripe/v1/payment_intents/..%2Frefunds%3Fa%3Db%23c/cancel"
    )


@pytest.mark.parametrize("key", ["", "sk_live_abc", "rk_live_abc", "sk_org_abc", "pk_test_abc"])
def test_no_key_but_a_test_key_is_ever_sent(key: str) -> None:
    with pytest.raises(ValueError, match="test key") as caught:
        wire.retrieve_intent(Endpoint("https://api.stripe.com", key), "pi_1")
    assert "abc" not in str(caught.value)


def test_no_secret_is_in_a_repr() -> None:
    head = wire.read_head(wire.create_intent(AT, CREATE, "k").request)
    shown = repr((head, INTENT, ENDPOINT, AT))
    for secret in ("sk_test", "secret_x", "whsec"):
        assert secret not in shown


REFUSALS = [
    errors.card_error(
        "card_declined", "No.", decline_code="lost_card", charge="ch_1", intent=INTENT
    ),
    errors.unexpected_state("cancel", INTENT),
    errors.no_such("payment_intent", "pi_2", "intent"),
    errors.other_parameters("k"),
    errors.refund_too_large(2500, 1000, "usd"),
    errors.unfit("No.", "amount", "parameter_missing"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.code or refusal.type)
def test_a_refusal_is_answered_as_the_client_reads_it(refusal: Refusal) -> None:
    status, body = wire.encode_reply(refusal, (), THINGS.get)
    told = wire.create_intent(AT, CREATE, "k").decode(status, httpx.Headers(), body)
    assert told == refusal
    error = json.loads(body)["error"]
    if refusal.code:
        assert error["doc_url"].endswith("/error-codes/" + refusal.code.replace("_", "-"))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"hello"),
        (200, b'{"id":"pi_1"}'),
        (200, b'{"id":"pi_1","amount":"much","currency":"usd","status":"succeeded"}'),
        (200, b'{"id":"pi_1","amount":1,"currency":"usd","status":"lost"}'),
        (200, b'{"id":"\xff"}'),
        (200, b'{"deep":' + b"[" * 100_000),
        (302, b""),
        (400, b"hello"),
        (402, b'{"error":"no"}'),
        (429, b"<html>"),
        (503, b""),
    ],
)
def test_an_answer_that_the_wire_does_not_allow_is_a_fault(status: int, body: bytes) -> None:
    calls: list[Callable[[int, httpx.Headers, bytes], object]] = [
        wire.create_intent(AT, CREATE, "k").decode,
        wire.find_intent(AT, "o-1").decode,
    ]
    for decode in calls:
        with pytest.raises(ProviderFault):
            decode(status, httpx.Headers(), body)


@settings(max_examples=50)
@given(st.integers(100, 599), st.binary(max_size=60))
def test_arbitrary_answers_raise_nothing_but_faults(status: int, body: bytes) -> None:
    with contextlib.suppress(ProviderFault):
        wire.create_refund(AT, PART, "k").decode(status, httpx.Headers(), body)


def test_a_server_without_search_finds_nothing() -> None:
    body = b'{"error":{"type":"invalid_request_error","message":"Not Found"}}'
    assert wire.find_intent(AT, "o-1").decode(404, httpx.Headers(), body) is None


# What a server says beside its answer


def marks(original: str = "", **head: str) -> wire.Marks:
    told = {"api_key": "sk_test_abc", "idempotency_key": "", "version": wire.VERSION, **head}
    return wire.Marks(request_id="req_2", head=wire.Head(**told), original=original)


def test_an_answer_says_which_request_it_is_to() -> None:
    assert wire.headers(marks(), 200) == {
        "content-type": "application/json",
        "request-id": "req_2",
        "stripe-version": wire.VERSION,
    }


def test_a_repeated_answer_says_so_and_names_the_first() -> None:
    first = wire.headers(marks(idempotency_key="k 1"), 200)
    assert (first["idempotency-key"], first["original-request"]) == ("k 1", "req_2")
    assert "idempotent-replayed" not in first
    again = wire.headers(marks("req_1", idempotency_key="k 1"), 200)
    assert (again["original-request"], again["idempotent-replayed"]) == ("req_1", "true")


def test_what_could_not_stand_in_a_header_is_not_echoed() -> None:
    told = wire.headers(marks(idempotency_key="é", version="2026\r\nx: y"), 200)
    assert "idempotency-key" not in told
    assert told["stripe-version"] == wire.VERSION


@pytest.mark.parametrize(
    ("why", "status", "code"), [("rate_limited", 429, "rate_limit"), ("overloaded", 503, None)]
)
def test_who_is_turned_away_is_told_in_the_wires_own_words(
    why: str, status: int, code: str | None
) -> None:
    told, body = wire.encode_turned("rate_limited" if why == "rate_limited" else "overloaded")
    assert (told, json.loads(body)["error"].get("code")) == (status, code)
    assert ("stripe-rate-limited-reason" in wire.headers(marks(), told)) == (told == 429)


# Webhooks


def test_an_event_is_read_by_whoever_has_its_secret() -> None:
    event = Event(id="evt_1", data=EventData(object=INTENT), type="payment_intent.succeeded")
    notice = events.notice("http://app/stripe", "whsec_x", event, 1000.9)
    assert notice.headers["stripe-signature"].startswith("t=1000,v1=")
    told = events.read_notice(notice, "whsec_x", 1200)
    assert told is not None
    assert (told.id, told.subject.id, told.subject.metadata) == ("evt_1", "pi_1", INTENT.metadata)
    assert events.read_notice(notice, "whsec_y", 1200) is None


@pytest.mark.parametrize("body", [b"", b"hello", b'{"id":"evt_1"}', b'{"deep":' + b"[" * 100_000])
def test_a_signed_notice_that_is_no_event_is_not_believed(body: bytes) -> None:
    headers = {"stripe-signature": events.signature("whsec_x", body, 1000)}
    request = httpx.Request("POST", "http://app/stripe", headers=headers, content=body)
    assert events.read_notice(request, "whsec_x", 1000) is None


def test_only_a_2xx_takes_an_event() -> None:
    assert [events.taken(httpx.Response(s)) for s in (200, 204, 301, 400, 500)] == [
        True, True, False, False, False,
    ]  # fmt: skip
    assert events.acknowledge(True).status_code == 200
    assert events.acknowledge(False).status_code == 400


@pytest.mark.parametrize(
    ("minor", "currency", "said"),
    [
        (50, "usd", "$0.50"),
        (99_999_999, "usd", "$999,999.99"),
        (1_234, "jpy", "¥1,234"),
        (4580, "cny", "¥45.80"),
        (5, "chf", "0.05 chf"),
    ],
)
def test_money_is_written_as_the_api_writes_it(minor: int, currency: str, said: str) -> None:
    assert errors.money(minor, currency) == said


def test_a_malformed_fault_is_no_other() -> None:
    with pytest.raises(Malformed):
        wire.create_intent(AT, CREATE, "k").decode(302, httpx.Headers(), b"")
