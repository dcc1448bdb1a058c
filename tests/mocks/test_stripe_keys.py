"""The Stripe mock's idempotency keys: what is repeated, what clashes, what uses no key up."""

import asyncio

import pytest

from harness.in_process import InProcess
from harness.providers import stripe as wire
from harness.transport import measure
from tests.mocks.stripe_shop import AT, PAY, WAIT, Answer, Shop, limited, visit

INTENTS = "/v1/payment_intents"
DECLINED = {**PAY, "payment_method": "pm_card_chargeDeclined"}


def replays(first: Answer, second: Answer) -> bool:
    return (
        (second.status, second.body) == (first.status, first.body)
        and second.headers["idempotent-replayed"] == "true"
        and second.headers["original-request"] == first.headers["request-id"]
        and second.headers["request-id"] != first.headers["request-id"]
        and "idempotent-replayed" not in first.headers
    )


@pytest.mark.parametrize("params", [PAY, DECLINED, WAIT], ids=["paid", "declined", "created"])
def test_the_same_call_under_the_same_key_is_answered_again_and_booked_once(
    params: dict[str, object],
) -> None:
    async def story(shop: Shop) -> None:
        first = await shop.post(INTENTS, params, "k")
        again = await shop.post(INTENTS, dict(reversed(params.items())), "k")
        assert replays(first, again)
        assert again.headers["idempotency-key"] == "k"
        assert len(shop.books()) == 1
        listed = (await shop.get("/v1/events")).json["data"]
        assert len([one for one in listed if one["type"] == "payment_intent.created"]) == 1

    visit(story)


def test_a_refusal_by_the_state_of_things_is_repeated_even_when_the_state_has_changed() -> None:
    async def story(shop: Shop) -> None:
        new = (await shop.post(INTENTS, WAIT)).json
        path = f"{INTENTS}/{new['id']}/capture"
        first = await shop.post(path, {}, "k")
        assert first.error["code"] == "payment_intent_unexpected_state"
        await shop.post(f"{INTENTS}/{new['id']}/confirm", {"payment_method": "pm_card_visa"})
        assert replays(first, await shop.post(path, {}, "k"))

    visit(story)


@pytest.mark.parametrize("changed", [{"amount": 4581}, {"metadata[payee]": "metro"}, {"extra": 1}])
def test_other_parameters_under_a_used_key_are_refused(changed: dict[str, object]) -> None:
    async def story(shop: Shop) -> None:
        await shop.post(INTENTS, PAY, "k")
        told = await shop.post(INTENTS, {**PAY, **changed}, "k")
        assert told.status == 400
        if "extra" not in changed:  # else it is not even a call
            assert told.error == {
                "type": "idempotency_error",
                "message": "Keys for idempotent requests can only be used with the same parameters "
                "they were first used with. Try using a key other than 'k' if you meant to execute "
                "a different request.",
            }
        assert len(shop.books()) == 1

    visit(story)


def test_another_endpoint_under_a_used_key_is_refused() -> None:
    async def story(shop: Shop) -> None:
        paid = await shop.post(INTENTS, PAY, "k")
        told = await shop.post("/v1/refunds", {"payment_intent": paid.json["id"]}, "k")
        assert (told.status, told.error["type"]) == (400, "idempotency_error")
        assert f"('/v1/refunds' vs '{INTENTS}')" in told.error["message"]
        assert [entry.state for entry in shop.books()] == ["paid"]

    visit(story)


def test_of_two_at_once_one_is_carried_out_and_the_other_told_so() -> None:
    async def story(shop: Shop) -> None:
        first, second = await asyncio.gather(*(shop.post(INTENTS, PAY, "k") for _ in range(2)))
        assert (first.status, second.status) == (200, 409)
        assert (second.error["type"], second.error["code"]) == (
            "idempotency_error",
            "idempotency_key_in_use",
        )
        assert len(shop.books()) == 1
        assert replays(first, await shop.post(INTENTS, PAY, "k"))

    visit(story)


def test_a_caller_who_gave_up_finds_the_key_in_use_until_the_answer_would_have_come() -> None:
    async def story(shop: Shop) -> None:
        async def call(key: str) -> int:
            request = wire.create_intent(AT, CREATE, key).request
            mock = InProcess(shop.mock.decide, shop.clock)
            given_up = await measure(mock, shop.clock, request, 0.01)
            return given_up.status

        assert await call("k") == 0
        assert (await shop.send(wire.create_intent(AT, CREATE, "k").request)).status == 409
        await shop.later(60)
        again = await shop.send(wire.create_intent(AT, CREATE, "k").request)
        assert (again.status, again.headers["idempotent-replayed"]) == (200, "true")
        assert [entry.state for entry in shop.books()] == ["paid"]

    visit(story)


CREATE = wire.CreateIntent(
    amount=4580,
    currency="cny",
    confirm=True,
    payment_method="pm_card_visa",
    payment_method_types=["card"],
)


@pytest.mark.parametrize(
    "bad",
    [
        {**PAY, "amount": "ten"},
        {**PAY, "payee": "tea"},
        {name: value for name, value in PAY.items() if name != "currency"},
        {**PAY, "expand[]": "amount"},
    ],
)
def test_a_call_that_is_not_valid_uses_no_key_up(bad: dict[str, object]) -> None:
    async def story(shop: Shop) -> None:
        assert (await shop.post(INTENTS, bad, "k")).status == 400
        assert (await shop.post(INTENTS, PAY, "k")).status == 200

    visit(story)


def test_a_call_without_a_key_of_the_account_uses_no_key_up() -> None:
    async def story(shop: Shop) -> None:
        told = await shop.post(INTENTS, PAY, "k", authorization="Bearer sk_test_guessed")
        assert told.status == 401
        assert (await shop.post(INTENTS, PAY, "k")).status == 200
        # Nor does somebody else get what is kept under it.
        told = await shop.post(INTENTS, PAY, "k", authorization="Bearer sk_test_guessed")
        assert told.status == 401

    visit(story)


def test_a_call_that_is_turned_away_uses_no_key_up() -> None:
    async def story(shop: Shop) -> None:
        await shop.get("/v1/balance")
        assert (await shop.post(INTENTS, PAY, "k")).status == 429
        await shop.later(60)
        told = await shop.post(INTENTS, PAY, "k")
        assert told.status == 200
        assert "idempotent-replayed" not in told.headers

    visit(story, profile=limited(requests=1, window_s=60.0))


def test_a_key_lives_for_a_day() -> None:
    async def story(shop: Shop) -> None:
        first = await shop.post(INTENTS, PAY, "k")
        await shop.clock.sleep_until(86_399.0)
        assert replays(first, await shop.post(INTENTS, PAY, "k"))
        await shop.clock.sleep_until(86_400.0 + 10)
        fresh = await shop.post(INTENTS, PAY, "k")
        assert fresh.status == 200
        assert "idempotent-replayed" not in fresh.headers
        assert len(shop.books()) == 2

    visit(story)


def test_a_get_needs_no_key_and_heeds_none() -> None:
    async def story(shop: Shop) -> None:
        call = wire.find_intent(AT, "o-1")
        call.request.headers["idempotency-key"] = "k"
        before = await shop.send(call.request)
        await shop.pay()
        after = await shop.send(call.request)
        assert before.json["data"] == []
        assert len(after.json["data"]) == 1
        assert "idempotent-replayed" not in after.headers

    visit(story)
