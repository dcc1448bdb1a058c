"""The Stripe mock's events: what is noted, who is told, how it is signed, when it is sent again."""

import msgspec
import pytest

from harness.providers import stripe as wire
from harness.providers.stripe import events
from mocks.profile import PaymentProfile
from tests.mocks.stripe_shop import AT, HOLD, HOOK, PAY, PROFILE, WAIT, Json, Shop, visit

INTENTS = "/v1/payment_intents"


def delivering(**terms: object) -> PaymentProfile:
    assert PROFILE.webhook is not None
    plain = {"twice_share": 0.0, "late_share": 0.0, "lost_share": 0.0, "retry_s": [10.0], **terms}
    webhook = msgspec.structs.replace(PROFILE.webhook, **plain)
    return msgspec.structs.replace(PROFILE, webhook=webhook)


async def listen(shop: Shop, *wanted: str) -> str:
    """A webhook endpoint for these events; its secret."""
    asked = wire.CreateEndpoint(url=HOOK, enabled_events=list(wanted or ["*"]))
    endpoint = await shop.ask(wire.create_endpoint(AT, asked, f"hook {wanted}"))
    assert isinstance(endpoint, wire.WebhookEndpoint) and endpoint.secret is not None
    return endpoint.secret


async def noted(shop: Shop) -> list[str]:
    """Types of events, the oldest first."""
    data = (await shop.get("/v1/events", limit=100)).json["data"]
    return [event["type"] for event in reversed(data)]


async def declined(shop: Shop) -> None:
    await shop.post(INTENTS, {**PAY, "payment_method": "pm_card_chargeDeclined"})


async def captured(shop: Shop) -> None:
    held = (await shop.post(INTENTS, HOLD)).json
    await shop.post(f"{INTENTS}/{held['id']}/capture")


async def canceled(shop: Shop) -> None:
    new = (await shop.post(INTENTS, WAIT)).json
    await shop.post(f"{INTENTS}/{new['id']}/cancel")


async def refunded(shop: Shop) -> None:
    paid = await shop.pay()
    await shop.post("/v1/refunds", {"payment_intent": paid["id"]})


async def waiting(shop: Shop) -> None:
    await shop.post(INTENTS, {**PAY, "payment_method": "pm_card_authenticationRequired"})


STORIES = [
    (
        declined,
        ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"],
    ),
    (
        captured,
        [
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.amount_capturable_updated",
            "charge.captured",
            "payment_intent.succeeded",
        ],
    ),
    (canceled, ["payment_intent.created", "payment_intent.canceled"]),
    (
        refunded,
        [
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "charge.refunded",
            "refund.created",
        ],
    ),
    (waiting, ["payment_intent.created", "payment_intent.requires_action"]),
]


@pytest.mark.parametrize(("story", "types"), STORIES, ids=[of[0].__name__ for of in STORIES])
def test_what_happens_is_noted_in_its_order_and_told_to_who_listens(
    story: object, types: list[str]
) -> None:
    async def tell(shop: Shop) -> None:
        secret = await listen(shop)
        assert callable(story)
        await story(shop)
        assert await noted(shop) == types
        await shop.later(1000)
        assert sorted(told.type for told in shop.told(secret)) == sorted(types)
        assert set(types) <= events.EVENT_TYPES

    visit(tell, profile=delivering(), hears=True)


def test_every_event_type_is_of_some_story() -> None:
    assert {name for _, types in STORIES for name in types} == events.EVENT_TYPES


def test_an_event_holds_its_object_as_it_was_then() -> None:
    async def story(shop: Shop) -> None:
        await shop.post(INTENTS, PAY, "k")
        data: list[Json] = (await shop.get("/v1/events")).json["data"]
        assert [event["data"]["object"]["status"] for event in data] == [
            "succeeded",
            "succeeded",
            "requires_confirmation",
        ]
        last = (await shop.get(f"/v1/events/{data[0]['id']}")).json
        assert last == data[0]
        assert last["request"] == {"id": "req_00000000000001", "idempotency_key": "k"}
        one = (await shop.get("/v1/events", type="charge.succeeded")).json["data"]
        assert [event["id"] for event in one] == [data[1]["id"]]

    visit(story)


def test_only_wanted_events_are_sent_and_each_is_signed_for_its_endpoint() -> None:
    async def story(shop: Shop) -> None:
        paid = await listen(shop, "payment_intent.succeeded")
        failed = await listen(shop, "payment_intent.payment_failed", "charge.failed")
        await shop.pay()
        await shop.later(1000)
        assert [told.type for told in shop.told(paid)] == ["payment_intent.succeeded"]
        assert shop.told(failed) == []
        (told,) = shop.told(paid)
        assert told.subject.metadata["order_no"] == "o-1"

    visit(story, profile=delivering(), hears=True)


def test_a_notice_comes_after_the_answer_never_before() -> None:
    async def story(shop: Shop) -> None:
        await listen(shop)
        await shop.pay()
        answered = shop.clock.now()
        assert shop.heard == []
        await shop.later(1000)
        assert min(when for when, _ in shop.heard) >= answered

    visit(story, profile=delivering(), hears=True)


def test_a_notice_that_is_not_taken_is_sent_again_and_signed_anew() -> None:
    async def story(shop: Shop) -> None:
        secret = await listen(shop, "payment_intent.succeeded")
        shop.answers = [500, 404]
        await shop.pay()
        await shop.later(1000)
        first, second, third = [when for when, _ in shop.heard]
        assert (round(second - first, 6), round(third - second, 6)) == (10.0, 20.0)
        signatures = {notice.headers["stripe-signature"] for _, notice in shop.heard}
        assert len(signatures) == 3
        assert len({told.id for told in shop.told(secret)}) == 1

    visit(story, profile=delivering(retry_s=[10.0, 20.0]), hears=True)


def test_a_notice_may_come_twice_with_the_same_id() -> None:
    async def story(shop: Shop) -> None:
        secret = await listen(shop, "payment_intent.succeeded")
        await shop.pay()
        await shop.later(1000)
        first, second = shop.told(secret)
        assert first == second

    visit(story, profile=delivering(twice_share=1.0), hears=True)


def test_a_secret_is_told_once_and_an_endpoint_can_be_deleted() -> None:
    async def story(shop: Shop) -> None:
        await listen(shop)
        (one,) = (await shop.get("/v1/webhook_endpoints")).json["data"]
        assert (one["url"], one["secret"], one["status"]) == (HOOK, None, "enabled")
        path = f"/v1/webhook_endpoints/{one['id']}"
        gone = (await shop.delete(path)).json
        assert gone == {"id": one["id"], "object": "webhook_endpoint", "deleted": True}
        assert (await shop.delete(path)).status == 404
        await shop.pay()
        await shop.later(1000)
        assert shop.heard == []

    visit(story, profile=delivering(), hears=True)


def test_an_account_has_sixteen_endpoints_at_most() -> None:
    async def story(shop: Shop) -> None:
        params = {"url": HOOK, "enabled_events[]": "*"}
        statuses = [(await shop.post("/v1/webhook_endpoints", params)).status for _ in range(17)]
        assert statuses == [200] * 16 + [400]

    visit(story)


def test_nobody_is_told_where_there_is_no_app() -> None:
    async def story(shop: Shop) -> None:
        await listen(shop)
        await shop.pay()
        assert "payment_intent.succeeded" in await noted(shop)

    visit(story)
