"""The official stripe SDK drives the served mock, unpatched but for where the API is."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import msgspec
import pytest

from harness.answer import Answer
from harness.clock import RealClock
from harness.providers import stripe as wire
from mocks.profile import PaymentProfile, load
from mocks.setting import Setting
from mocks.stripe import Stripe
from tests.sdk.serving import serve

stripe: Any = pytest.importorskip("stripe", reason="needs the official stripe SDK")
pytestmark = [pytest.mark.sdk, pytest.mark.socket]

KEY = "sk_test_sdk"
PAY = {
    "amount": 1099,
    "currency": "usd",
    "confirm": True,
    "payment_method": "pm_card_visa",
    "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
}
HELD = {**PAY, "confirm": False, "capture_method": "manual"}


def profile(took_ms: float = 2.0, **limits: float) -> PaymentProfile:
    shipped = load("stripe", PaymentProfile)
    assert shipped.webhook and shipped.limits
    return msgspec.structs.replace(
        shipped,
        overhead=msgspec.structs.replace(shipped.overhead, p50_ms=took_ms, p99_ms=took_ms + 1),
        webhook=msgspec.structs.replace(
            shipped.webhook, p50_ms=2.0, p99_ms=3.0, twice_share=0.0, late_share=0.0, lost_share=0.0
        ),
        limits=msgspec.structs.replace(shipped.limits, **{"requests": 0, **limits}),
    )


class Heard:
    """The notices that came to the app, as bytes and headers."""

    def __init__(self) -> None:
        self.notices: list[httpx.Request] = []
        self.told = threading.Event()

    async def take(self, notice: httpx.Request) -> httpx.Response:
        self.notices.append(notice)
        self.told.set()
        return httpx.Response(200)


class Door:
    """The way to the mock of the test that is running. It answers 503 some times, and notes the
    idempotency keys of who came."""

    def __init__(self) -> None:
        self.mock: Stripe | None = None
        self.refusals = 0
        self.keys: list[str] = []

    def decide(self, request: httpx.Request) -> Answer:
        assert self.mock is not None
        self.keys.append(request.headers.get("idempotency-key", ""))
        if self.refusals:
            self.refusals -= 1
            status, body = wire.encode_turned("overloaded")
            return Answer(status, {}, [RealClock().now()], [body])
        return self.mock.decide(request)


class Shop:
    """One account at a mock of its own."""

    def __init__(self, door: Door, url: str, of: PaymentProfile) -> None:
        self.door, self.url, self.heard = door, url, Heard()
        setting = Setting(clock=RealClock(), seed=1, deliver=self.heard.take)
        self.mock = door.mock = Stripe(setting, of, key=KEY)
        door.refusals = 0
        door.keys.clear()

    def client(self, key: str = KEY, retries: int = 0) -> Any:
        at = {"api": f"{self.url}/stripe"}
        return stripe.StripeClient(key, base_addresses=at, max_network_retries=retries)

    @property
    def api(self) -> Any:
        return self.client().v1

    def states(self) -> list[str]:
        return [entry.state for entry in self.mock.ledger]


@pytest.fixture(scope="module")
def house() -> Iterator[tuple[Door, str]]:
    door = Door()
    with serve(door) as url:
        yield door, url


@pytest.fixture
def at(house: tuple[Door, str]) -> Shop:
    return Shop(*house, profile())


# Paying


def test_a_payment_is_created_and_confirmed_in_one_call(at: Shop) -> None:
    metadata = {"order_no": "o-1", "note": "tea & 茶"}
    paid = at.api.payment_intents.create({**PAY, "metadata": metadata})
    assert (paid.status, paid.amount_received, paid.livemode) == ("succeeded", 1099, False)
    assert paid.metadata.to_dict() == metadata
    assert isinstance(paid.latest_charge, str)
    assert paid.last_response.headers["request-id"].startswith("req_")
    assert at.states() == ["paid"]


def test_a_payment_is_created_then_confirmed_then_given_back(at: Shop) -> None:
    new = at.api.payment_intents.create({**PAY, "confirm": False})
    assert (new.status, new.latest_charge) == ("requires_confirmation", None)
    paid = at.api.payment_intents.confirm(new.id)
    assert paid.status == "succeeded"
    part = at.api.refunds.create({"payment_intent": paid.id, "amount": 99})
    assert (part.status, part.amount) == ("succeeded", 99)
    rest = at.api.refunds.create({"charge": paid.latest_charge})
    assert rest.amount == 1000
    with pytest.raises(stripe.InvalidRequestError) as caught:
        at.api.refunds.create({"payment_intent": paid.id})
    assert caught.value.code == "charge_already_refunded"
    assert at.api.refunds.retrieve(rest.id).payment_intent == paid.id
    assert at.states() == ["refunded"]


def test_what_is_held_is_captured(at: Shop) -> None:
    held = at.api.payment_intents.confirm(at.api.payment_intents.create(HELD).id)
    assert (held.status, held.amount_capturable) == ("requires_capture", 1099)
    paid = at.api.payment_intents.capture(held.id, {"amount_to_capture": 1000})
    assert (paid.status, paid.amount_received) == ("succeeded", 1000)


def test_what_is_not_paid_is_canceled_and_what_is_paid_is_not(at: Shop) -> None:
    gone = at.api.payment_intents.cancel(
        at.api.payment_intents.create(HELD).id, {"cancellation_reason": "abandoned"}
    )
    assert (gone.status, gone.cancellation_reason) == ("canceled", "abandoned")
    paid = at.api.payment_intents.create(PAY)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        at.api.payment_intents.cancel(paid.id)
    assert caught.value.code == "payment_intent_unexpected_state"
    assert caught.value.error.payment_intent.status == "succeeded"
    assert at.states() == ["voided", "paid"]


def test_a_decline_is_a_card_error_with_its_code_and_intent(at: Shop) -> None:
    with pytest.raises(stripe.CardError) as caught:
        at.api.payment_intents.create({**PAY, "payment_method": "pm_card_chargeDeclined"})
    error = caught.value
    assert (error.http_status, error.code) == (402, "card_declined")
    assert error.user_message == "Your card was declined."
    assert error.error.decline_code == "generic_decline"
    intent = at.api.payment_intents.retrieve(error.error.payment_intent.id)
    assert intent.last_payment_error.code == "card_declined"
    paid = at.api.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert paid.status == "succeeded"


def test_a_card_of_its_own_is_made_and_paid_with(at: Shop) -> None:
    card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}
    method = at.api.payment_methods.create({"type": "card", "card": card})
    assert (method.card.brand, method.card.last4) == ("visa", "4242")
    assert at.api.payment_methods.retrieve(method.id).id == method.id
    ada = at.api.customers.create({"name": "Ada"})
    paid = at.api.payment_intents.create({**PAY, "payment_method": method.id, "customer": ada.id})
    assert (paid.status, paid.customer) == ("succeeded", ada.id)
    action = at.api.payment_intents.create(
        {**PAY, "payment_method": "pm_card_authenticationRequired"}
    )
    assert (action.status, action.next_action.type) == ("requires_action", "use_stripe_sdk")


def test_the_fee_comes_with_an_expanded_charge(at: Shop) -> None:
    paid = at.api.payment_intents.create(PAY)
    expand = {"expand": ["latest_charge.balance_transaction", "payment_method"]}
    seen = at.api.payment_intents.retrieve(paid.id, expand)
    assert seen.latest_charge.balance_transaction.fee == 30
    assert seen.payment_method.card.last4 == "4242"
    assert at.api.charges.retrieve(paid.latest_charge).paid is True
    assert at.api.balance.retrieve().available[0].amount == 1069
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        at.api.payment_intents.retrieve(paid.id, {"expand": ["amount"]})


def test_lists_and_searches_are_leafed_through(at: Shop) -> None:
    ids = [at.api.payment_intents.create({**PAY, "metadata": {"n": "1"}}).id for _ in range(5)]
    listed = at.api.payment_intents.list({"limit": 2})
    assert [one.id for one in listed.auto_paging_iter()] == ids[::-1]
    found = at.api.payment_intents.search({"query": "metadata['n']:'1'", "limit": 2})
    assert [one.id for one in found.auto_paging_iter()] == ids[::-1]


# httpx warns of how the SDK hands it a body.
@pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload:DeprecationWarning")
def test_the_async_client_pays_too(at: Shop) -> None:
    async def main() -> str:
        http = stripe.HTTPXClient()
        client = stripe.StripeClient(
            KEY, base_addresses={"api": f"{at.url}/stripe"}, http_client=http
        )
        paid = await client.v1.payment_intents.create_async(PAY)
        await http.close_async()
        status: str = paid.status
        return status

    assert asyncio.run(main()) == "succeeded"


# Errors


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"currency": "usd"}, "parameter_missing", "amount"),
        ({**PAY, "amount": "ten"}, "parameter_invalid_integer", "amount"),
        ({**PAY, "amount": 49}, "amount_too_small", "amount"),
        ({**PAY, "amount": 100_000_000}, "amount_too_large", "amount"),
        ({**PAY, "payee": "tea"}, "parameter_unknown", "payee"),
        ({**PAY, "payment_method": "pm_lost"}, "resource_missing", "payment_method"),
    ],
)
def test_a_bad_parameter_is_an_invalid_request(
    at: Shop, params: dict[str, object], code: str, param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        at.api.payment_intents.create(params)
    error = caught.value
    assert (error.http_status, error.code, error.param) == (400, code, param)
    assert error.request_id.startswith("req_")
    assert at.states() == []


def test_what_is_not_there_is_missing(at: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        at.api.payment_intents.retrieve("pi_lost")
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")


@pytest.mark.parametrize("key", ["sk_test_guessed", "sk_live_guessed", "guessed"])
def test_another_key_is_an_authentication_error(at: Shop, key: str) -> None:
    with pytest.raises(stripe.AuthenticationError) as caught:
        at.client(key).v1.payment_intents.create(PAY)
    assert caught.value.http_status == 401
    assert "guessed" not in str(caught.value)
    assert at.states() == []


def test_too_many_calls_are_a_rate_limit_error_after_one_call(house: tuple[Door, str]) -> None:
    at = Shop(*house, profile(requests=1, window_s=1e6))
    api = at.client(retries=2).v1
    api.balance.retrieve()
    with pytest.raises(stripe.RateLimitError) as caught:
        api.payment_intents.create(PAY)
    assert (caught.value.http_status, caught.value.error.code) == (429, "rate_limit")
    assert len(at.door.keys) == 2
    assert at.states() == []


# Idempotency and retries


def test_the_same_key_pays_once_and_says_so(at: Shop) -> None:
    once = {"idempotency_key": "k-1"}
    first, again = (at.api.payment_intents.create(PAY, once) for _ in range(2))
    assert again.id == first.id
    assert again.last_response.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.last_response.headers
    with pytest.raises(stripe.IdempotencyError, match="other than 'k-1'"):
        at.api.payment_intents.create({**PAY, "amount": 1100}, once)
    assert at.states() == ["paid"]


def test_a_503_is_tried_again_under_the_same_key_and_pays_once(at: Shop) -> None:
    at.door.refusals = 1
    paid = at.client(retries=2).v1.payment_intents.create(PAY)
    assert paid.status == "succeeded"
    assert len(at.door.keys) == 2
    assert len(set(at.door.keys)) == 1 and at.door.keys[0]
    assert at.states() == ["paid"]


def test_of_two_at_once_the_second_waits_for_the_first_and_gets_its_answer(
    house: tuple[Door, str],
) -> None:
    at = Shop(*house, profile(took_ms=300.0))
    once = {"idempotency_key": "k-1"}
    api = at.client(retries=2).v1
    with ThreadPoolExecutor(2) as both:
        paid = list(both.map(lambda _: api.payment_intents.create(PAY, once), range(2)))
    assert paid[0].id == paid[1].id
    assert len(at.door.keys) >= 3  # one of them was told 409 and came again
    assert at.states() == ["paid"]


# Webhooks


def test_an_event_is_signed_so_that_the_sdk_believes_it(at: Shop) -> None:
    endpoint = at.api.webhook_endpoints.create(
        {"url": "http://app/stripe", "enabled_events": ["payment_intent.succeeded"]}
    )
    assert endpoint.secret.startswith("whsec_")
    paid = at.api.payment_intents.create(PAY)
    assert at.heard.told.wait(10)
    (notice,) = at.heard.notices
    signature = notice.headers["stripe-signature"]
    event = stripe.Webhook.construct_event(notice.content, signature, endpoint.secret)
    assert (event.type, event.data.object.id) == ("payment_intent.succeeded", paid.id)
    assert at.api.events.retrieve(event.id).data.object.status == "succeeded"
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(notice.content, signature, "whsec_another")
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(notice.content + b" ", signature, endpoint.secret)
    assert at.api.webhook_endpoints.delete(endpoint.id).deleted is True
