"""The Stripe wire against foreign bytes: what the API, its SDK and curl write is read right."""

import httpx
import pytest

from harness.providers import stripe as wire
from harness.providers.call import (
    Endpoint,
    Malformed,
    Overloaded,
    ProviderFault,
    RateLimited,
    Unauthorized,
)
from harness.providers.stripe import events
from harness.providers.stripe.objects import AutomaticMethods
from harness.providers.stripe.requests import SearchIntents
from tests.providers.foreign import Foreign, read

AT = Endpoint("https://api.stripe.com", "sk_test_abc")
ID = "pi_3MmlLrLkdIwHu7ix0VXmSVbN"
SIGNED_AT = 1680064030


def foreign(name: str) -> Foreign:
    return read(f"stripe/{name}.http")


def intent(name: str) -> wire.PaymentIntent | wire.Refusal:
    told = foreign(name)
    return wire.retrieve_intent(AT, ID).decode(told.status, told.headers, told.body)


def paid(name: str) -> wire.PaymentIntent:
    told = intent(name)
    assert isinstance(told, wire.PaymentIntent)
    return told


# Requests


def test_the_official_sdks_call_is_read() -> None:
    request = foreign("request_sdk").request
    assert wire.decode_request(request) == wire.CreateIntent(
        amount=1099,
        currency="usd",
        automatic_payment_methods=AutomaticMethods(enabled=True, allow_redirects="never"),
        confirm=True,
        expand=["latest_charge.balance_transaction"],
        metadata={"order_no": "o-1", "note": "tea & 茶"},
        payment_method="pm_card_visa",
        payment_method_types=["card"],
    )
    head = wire.read_head(request)
    assert (head.api_key, head.idempotency_key) == ("sk_test_abc", "k-1")
    assert head.version == "2026-10-28.endive"


def test_curls_call_with_the_key_as_user_is_read() -> None:
    request = foreign("request_curl").request
    assert wire.decode_request(request) == wire.CreateIntent(
        amount=2000, currency="usd", automatic_payment_methods=AutomaticMethods(enabled=True)
    )
    assert wire.read_head(request).api_key == "sk_test_abc"
    assert wire.read_head(request).version == wire.VERSION


def test_the_sdks_search_is_ours() -> None:
    theirs = wire.decode_request(foreign("request_search").request)
    ours = wire.decode_request(wire.find_intent(AT, "o-1").request)
    assert isinstance(theirs, SearchIntents) and isinstance(ours, SearchIntents)
    assert theirs.query == ours.query


# Answers


def test_a_new_intent_is_read() -> None:
    told = paid("intent_new")
    assert (told.status, told.amount, told.currency) == ("requires_payment_method", 2000, "usd")
    assert (told.latest_charge, wire.fee_minor(told.latest_charge)) == (None, 0)


def test_a_charge_that_is_only_named_tells_no_fee() -> None:
    told = paid("intent_paid")
    assert told.latest_charge == "ch_3MmlLrLkdIwHu7ix0snN0B15"
    assert (told.status, wire.fee_minor(told.latest_charge)) == ("succeeded", 0)


def test_an_expanded_charge_tells_the_fee_in_the_payments_currency() -> None:
    told = paid("intent_paid_expanded")
    assert isinstance(told.latest_charge, wire.Charge)
    # 0.46 EUR at 0.92 EUR for a dollar
    assert wire.fee_minor(told.latest_charge) == 50


def test_an_intent_that_wants_its_payer_is_read() -> None:
    told = paid("intent_requires_action")
    assert told.status == "requires_action"
    assert told.next_action is not None and told.next_action.type == "redirect_to_url"


def test_an_object_of_live_mode_is_not_taken() -> None:
    with pytest.raises(Malformed, match="live mode"):
        intent("intent_live")
    told = foreign("search_result")
    body = told.body.replace(b'"livemode": false', b'"livemode": true')
    with pytest.raises(Malformed, match="live mode"):
        wire.find_intent(AT, "o-1").decode(told.status, told.headers, body)


@pytest.mark.parametrize(("name", "id_"), [("search_result", ID), ("search_empty", None)])
def test_a_search_is_read(name: str, id_: str | None) -> None:
    told = foreign(name)
    found = wire.find_intent(AT, "o-1").decode(told.status, told.headers, told.body)
    assert (found.id if found else None) == id_


def test_a_refund_is_read() -> None:
    told = foreign("refund")
    call = wire.create_refund(AT, wire.CreateRefund(payment_intent=ID), "r-1")
    refund = call.decode(told.status, told.headers, told.body)
    assert isinstance(refund, wire.Refund)
    assert (refund.amount, refund.status) == (1000, "succeeded")


def test_a_decline_is_an_answer_with_its_intent() -> None:
    told = intent("error_402")
    assert isinstance(told, wire.Refusal)
    assert told.declined
    assert (told.type, told.code) == ("card_error", "card_declined")
    assert told.decline_code == "generic_decline"
    assert told.payment_intent is not None
    error = told.payment_intent.last_payment_error
    assert error is not None and error.code == "card_declined"


@pytest.mark.parametrize(
    ("name", "type_", "code", "param"),
    [
        ("error_400_idempotency", "idempotency_error", "", ""),
        ("error_400_refund", "invalid_request_error", "", "amount"),
        ("error_404", "invalid_request_error", "resource_missing", "intent"),
    ],
)
def test_a_refusal_is_an_answer(name: str, type_: str, code: str, param: str) -> None:
    told = intent(name)
    assert isinstance(told, wire.Refusal)
    assert not told.declined
    assert (told.type, told.code, told.param) == (type_, code, param)


@pytest.mark.parametrize(
    ("name", "fault", "says"),
    [
        ("error_401", Unauthorized, "401 invalid_request_error"),
        ("error_409", Overloaded, "409 idempotency_error idempotency_key_in_use"),
        ("error_429", RateLimited, "429 invalid_request_error rate_limit"),
        ("error_500", Overloaded, "500 api_error"),
    ],
)
def test_other_errors_are_faults_that_repeat_no_message(
    name: str, fault: type[ProviderFault], says: str
) -> None:
    with pytest.raises(fault) as caught:
        intent(name)
    assert str(caught.value) == says


# Webhooks


def test_an_event_signed_by_another_hand_is_believed() -> None:
    told = events.read_notice(foreign("event").request, "whsec_test_secret", SIGNED_AT)
    assert told is not None
    assert (told.id, told.type) == ("evt_1MqqbKLkdIwHu7ixcHpQ7rDb", "payment_intent.succeeded")
    assert told.subject.metadata == {"order_no": "o-1"}


def test_our_signature_is_that_of_the_sdk() -> None:
    told = foreign("event")
    ours = events.signature("whsec_test_secret", told.body, SIGNED_AT)
    assert ours == told.headers["stripe-signature"]


@pytest.mark.parametrize(
    ("secret", "now_s", "body", "signature"),
    [
        ("whsec_another", SIGNED_AT, None, None),
        ("whsec_test_secret", SIGNED_AT + 301, None, None),
        ("whsec_test_secret", SIGNED_AT - 301, None, None),
        ("whsec_test_secret", SIGNED_AT, b"{}", None),
        ("whsec_test_secret", SIGNED_AT, None, ""),
        ("whsec_test_secret", SIGNED_AT, None, "t=1680064030"),
        ("whsec_test_secret", SIGNED_AT, None, "t=now,v1=00"),
        ("whsec_test_secret", SIGNED_AT, None, "v0=00,t=1680064030"),
    ],
)
def test_what_was_not_signed_just_now_by_stripe_is_not_believed(
    secret: str, now_s: float, body: bytes | None, signature: str | None
) -> None:
    told = foreign("event")
    headers = httpx.Headers(told.headers)
    if signature is not None:
        headers["stripe-signature"] = signature
    request = httpx.Request("POST", "http://app/stripe", headers=headers, content=body or told.body)
    assert events.read_notice(request, secret, now_s) is None


def test_one_right_signature_among_several_is_enough() -> None:
    told = foreign("event")
    time, right = told.headers["stripe-signature"].split(",")
    header = f"{time},v1={'0' * 64},{right},v0=junk"
    assert events.verified(header, told.body, "whsec_test_secret", SIGNED_AT)
    assert events.verified(header, told.body, "whsec_test_secret")
