"""What a Stripe payer makes of refusals and of ends that are none yet."""

import msgspec
import pytest

from harness.answer import Answer
from harness.flow.payers import Refund, Settlement, sessionless
from harness.flow.payers.stripe import Stripe
from harness.providers.call import Malformed, Overloaded, ProviderFault, RateLimited, Unreachable
from tests.flow.payers.stand import CLIENTS, PAYMENT, Client, Stand, at_stand

SESSION = sessionless("balance")
PART = Refund("r1c2-0-r1", 2000)

CREATE, CANCEL, GIVE = ("pay", 1), ("reverse", 1), ("refund", 1)


def error(status: int, **told: str) -> Answer:
    return Answer(status, {}, [0.0], [msgspec.json.encode({"error": told})])


INVALID = "invalid_request_error"
FORBIDDEN = {
    "all of it is back": error(400, type=INVALID, code="charge_already_refunded"),
    "more than is left": error(400, type=INVALID, param="amount"),
    "of nothing paid": error(400, type=INVALID, param="payment_intent"),
    "of nothing known": error(404, type=INVALID, code="resource_missing"),
}
NO_RULE: dict[str, tuple[Answer, type[ProviderFault]]] = {
    "too often": (error(429, type=INVALID, code="rate_limit"), RateLimited),
    "busy": (error(503, type="api_error"), Overloaded),
    "key in use": (error(409, type="idempotency_error"), Overloaded),
    "key of another": (error(400, type="idempotency_error"), Malformed),
    "badly asked": (error(400, type=INVALID, code="parameter_unknown", param="amount"), Malformed),
    "said no more": (error(400, type=INVALID), Malformed),
    "too often, in other words": (error(400, type=INVALID, code="lock_timeout"), Malformed),
}


async def told(stand: Stand, answer: Answer) -> object:
    await stand.payer.authorize(stand.turn(0), SESSION, PAYMENT)
    stand.mangled[1, *GIVE] = lambda whole: at_once(stand, answer)
    return await stand.payer.refund(stand.turn(1), SESSION, PAYMENT, PART)


def at_once(stand: Stand, answer: Answer) -> Answer:
    return msgspec.structs.replace(answer, times=[stand.clock.now()])


@pytest.mark.parametrize("why", FORBIDDEN)
def test_a_refund_that_the_rules_forbid_is_a_decline(why: str) -> None:
    assert at_stand("stripe", lambda stand: told(stand, FORBIDDEN[why])) == Settlement("declined")


@pytest.mark.parametrize("why", NO_RULE)
def test_any_other_refusal_of_a_refund_is_a_fault_and_never_a_decline(why: str) -> None:
    answer, fault = NO_RULE[why]
    with pytest.raises(ProviderFault) as raised:
        at_stand("stripe", lambda stand: told(stand, answer))
    assert type(raised.value) is fault


def with_status(answer: Answer, status: str) -> Answer:
    intent = msgspec.json.decode(b"".join(answer.chunks))
    body = msgspec.json.encode({**intent, "status": status})
    return msgspec.structs.replace(answer, chunks=[body])


def test_a_payment_of_which_nothing_tells_the_end_yet_is_left_open() -> None:
    async def story(stand: Stand) -> None:
        stand.mangled[0, *CREATE] = lambda answer: with_status(answer, "processing")
        with pytest.raises(Unreachable, match="nothing tells yet"):
            await stand.payer.authorize(stand.turn(0), SESSION, PAYMENT)

    at_stand("stripe", story)


def test_who_authenticated_before_the_cancel_came_has_paid_and_is_not_declined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wants_owner = Client("stripe", lambda at, inbox: Stripe(at, "pm_card_authenticationRequired"))
    monkeypatch.setitem(CLIENTS, "stripe", wants_owner)
    too_late = error(400, type=INVALID, code="payment_intent_unexpected_state")

    async def story(stand: Stand) -> None:
        stand.mangled[0, *CANCEL] = lambda answer: at_once(stand, too_late)
        with pytest.raises(Malformed, match="payment_intent_unexpected_state"):
            await stand.payer.authorize(stand.turn(0), SESSION, PAYMENT)

    at_stand("stripe", story)


def test_a_key_of_other_terms_leaves_it_open_whether_anything_was_paid() -> None:
    async def story(stand: Stand) -> None:
        of_another = error(400, type="idempotency_error")
        for attempt in (1, 2):
            stand.mangled[0, "reverse", attempt] = lambda _: at_once(stand, of_another)
        with pytest.raises(Malformed, match="other terms"):
            await stand.payer.void(stand.turn(0), SESSION, PAYMENT)

    at_stand("stripe", story)
