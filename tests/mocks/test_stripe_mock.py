"""The Stripe mock: how payments end, what it refuses, and what it shows of them afterwards."""

import asyncio
import json

import pytest

from harness.providers import stripe as wire
from harness.providers.told import DRAW_HEADER, DrawKey, decode_told, encode_draw
from mocks.ledger import BLOCKED_PAYEE, BROKE_USER
from mocks.profile import PaymentProfile, load
from tests.mocks.stripe_shop import AT, HOLD, KEY, PAY, WAIT, Shop, limited, visit

INTENTS = "/v1/payment_intents"


# How a payment ends


def test_a_payment_is_paid_with_its_fee_and_found_again() -> None:
    async def story(shop: Shop) -> None:
        paid = await shop.pay()
        assert (paid["status"], paid["amount_received"]) == ("succeeded", 4580)
        moved = paid["latest_charge"]["balance_transaction"]
        # 0.30 USD at 7 CNY
        assert (moved["fee"], moved["net"], moved["currency"]) == (210, 4370, "cny")
        (entry,) = shop.books()
        assert (entry.order_no, entry.state, entry.fee_minor) == ("o-1", "paid", 210)
        seen = (await shop.get(f"{INTENTS}/{paid['id']}")).json
        assert seen["latest_charge"] == paid["latest_charge"]["id"]
        found = await shop.ask(wire.find_intent(AT, "o-1"))
        assert found is not None and found.id == paid["id"]
        assert await shop.ask(wire.find_intent(AT, "o-2")) is None

    visit(story)


@pytest.mark.parametrize(
    ("profile", "amount", "fee"),
    [("stripe", 1000, 30), ("stripe", 50, 30), ("stripe-list", 1000, 59), ("stripe-list", 50, 31)],
)
def test_the_fee_is_that_of_the_profile(profile: str, amount: int, fee: int) -> None:
    async def story(shop: Shop) -> None:
        paid = await shop.pay(amount=amount, currency="usd")
        assert paid["latest_charge"]["balance_transaction"]["fee"] == fee

    visit(story, profile=load(profile, PaymentProfile))


DECLINES = {
    "pm_card_chargeDeclined": ("card_declined", "generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": ("card_declined", "insufficient_funds"),
    "pm_card_chargeDeclinedExpiredCard": ("expired_card", None),
    "pm_card_chargeDeclinedIncorrectCvc": ("incorrect_cvc", None),
    "pm_card_chargeDeclinedProcessingError": ("processing_error", None),
}


@pytest.mark.parametrize("card", DECLINES)
def test_a_card_that_is_declined_is_an_error_with_its_intent(card: str) -> None:
    async def story(shop: Shop) -> None:
        answer = await shop.post(INTENTS, {**PAY, "payment_method": card})
        assert (answer.status, answer.error["type"]) == (402, "card_error")
        assert (answer.error["code"], answer.error.get("decline_code")) == DECLINES[card]
        intent = answer.error["payment_intent"]
        assert (intent["status"], intent["amount_received"]) == ("requires_payment_method", 0)
        assert intent["last_payment_error"]["charge"] == answer.error["charge"]
        charge = (await shop.get(f"/v1/charges/{answer.error['charge']}")).json
        assert (charge["status"], charge["paid"]) == ("failed", False)
        (entry,) = shop.books()
        assert (entry.state, entry.fee_minor) == ("declined", 0)

    visit(story)


@pytest.mark.parametrize(
    "whom", [{"metadata[payee]": BLOCKED_PAYEE}, {"metadata[user]": f"r-{BROKE_USER}"}]
)
@pytest.mark.parametrize("capture", ["automatic", "manual"])
def test_whom_the_books_let_nobody_pay_is_declined(whom: dict[str, str], capture: str) -> None:
    async def story(shop: Shop) -> None:
        answer = await shop.post(INTENTS, {**PAY, "capture_method": capture, **whom})
        assert (answer.status, answer.error["code"]) == (402, "card_declined")
        assert [entry.state for entry in shop.books()] == ["declined"]

    visit(story)


def test_a_declined_intent_can_be_paid_with_another_card() -> None:
    async def story(shop: Shop) -> None:
        declined = await shop.post(INTENTS, {**PAY, "payment_method": "pm_card_chargeDeclined"})
        path = f"{INTENTS}/{declined.error['payment_intent']['id']}/confirm"
        again = await shop.post(path)
        assert again.error["code"] == "payment_intent_unexpected_state"
        worse = await shop.post(path, {"payment_method": "pm_card_chargeDeclined"})
        assert worse.status == 402
        paid = (await shop.post(path, {"payment_method": "pm_card_mastercard"})).json
        assert (paid["status"], paid["last_payment_error"]) == ("succeeded", None)
        assert [entry.state for entry in shop.books()] == ["paid"]

    visit(story)


@pytest.mark.parametrize("number", ["4000002500003155", "4000 0027 6000 3184"])
def test_a_card_that_wants_its_owner_waits_for_an_action(number: str) -> None:
    async def story(shop: Shop) -> None:
        card = {"type": "card", "card[number]": number, "card[exp_month]": 8}
        method = (await shop.post("/v1/payment_methods", card)).json
        params = {**PAY, "payment_method": method["id"]}
        intent = (await shop.post(INTENTS, params)).json
        assert (intent["status"], intent["next_action"]["type"]) == (
            "requires_action",
            "use_stripe_sdk",
        )
        params = {**params, "return_url": "http://app/back", "metadata[order_no]": "o-2"}
        intent = (await shop.post(INTENTS, params)).json
        assert intent["next_action"]["redirect_to_url"]["return_url"] == "http://app/back"
        off = await shop.post(INTENTS, {**params, "off_session": "true"})
        assert (off.status, off.error["code"]) == (402, "authentication_required")
        assert [entry.state for entry in shop.books()] == ["open", "open", "declined"]

    visit(story)


def test_a_created_intent_is_confirmed_later() -> None:
    async def story(shop: Shop) -> None:
        new = (await shop.post(INTENTS, WAIT)).json
        assert (new["status"], new["latest_charge"]) == ("requires_payment_method", None)
        path = f"{INTENTS}/{new['id']}/confirm"
        assert (await shop.post(path)).error["code"] == "payment_intent_unexpected_state"
        assert [entry.state for entry in shop.books()] == ["open"]
        paid = (await shop.post(path, {"payment_method": "pm_card_visa"})).json
        assert paid["status"] == "succeeded"
        again = await shop.post(path, {"payment_method": "pm_card_visa"})
        assert "already succeeded" in again.error["message"]
        assert again.error["payment_intent"]["status"] == "succeeded"

    visit(story)


def test_a_redirect_needs_somewhere_to_come_back_to() -> None:
    async def story(shop: Shop) -> None:
        plain = {name: value for name, value in WAIT.items() if "types" not in name}
        new = (await shop.post(INTENTS, plain)).json
        path = f"{INTENTS}/{new['id']}/confirm"
        paying = {"payment_method": "pm_card_visa"}
        assert "return_url" in (await shop.post(path, paying)).error["message"]
        paid = await shop.post(path, {**paying, "return_url": "http://app/back"})
        assert paid.json["status"] == "succeeded"

    visit(story)


def test_a_card_may_be_described_in_the_payment_itself() -> None:
    async def story(shop: Shop) -> None:
        plain = {name: value for name, value in PAY.items() if name != "payment_method"}
        data = {"payment_method_data[type]": "card", "payment_method_data[card][token]": "tok_amex"}
        paid = (await shop.post(INTENTS, {**plain, **data, "expand[]": "payment_method"})).json
        assert (paid["status"], paid["payment_method"]["card"]["brand"]) == ("succeeded", "amex")

    visit(story)


@pytest.mark.parametrize(
    ("number", "code", "decline_code"),
    [
        ("4242424242424241", "incorrect_number", None),
        ("4532015112830366", "card_declined", "test_mode_live_card"),
        ("hello", "incorrect_number", None),
    ],
)
def test_no_card_but_a_test_card_is_taken_or_kept(
    number: str, code: str, decline_code: str | None
) -> None:
    async def story(shop: Shop) -> None:
        answer = await shop.post("/v1/payment_methods", {"type": "card", "card[number]": number})
        assert (answer.status, answer.error["code"]) == (402, code)
        assert answer.error.get("decline_code") == decline_code
        assert number.encode() not in answer.body

    visit(story)


# Capture, cancel


def test_what_is_held_is_captured_in_full_or_in_part() -> None:
    async def story(shop: Shop) -> None:
        held = (await shop.post(INTENTS, HOLD)).json
        assert (held["status"], held["amount_capturable"]) == ("requires_capture", 4580)
        assert [entry.state for entry in shop.books()] == ["open"]
        path = f"{INTENTS}/{held['id']}/capture"
        more = await shop.post(path, {"amount_to_capture": 4581})
        assert (more.error["code"], more.error["param"]) == (
            "amount_too_large",
            "amount_to_capture",
        )
        paid = (await shop.post(path, {"amount_to_capture": 1000})).json
        assert (paid["status"], paid["amount_received"]) == ("succeeded", 1000)
        (entry,) = shop.books()
        assert entry.terms is not None
        assert (entry.state, entry.terms.amount_minor) == ("paid", 1000)
        again = await shop.post(path)
        assert "requires_capture" in again.error["message"]
        rest = await shop.post("/v1/refunds", {"payment_intent": held["id"], "amount": 1001})
        assert rest.error["param"] == "amount"

    visit(story)


@pytest.mark.parametrize("params", [WAIT, HOLD])
def test_what_is_not_paid_yet_is_canceled_and_stays_so(params: dict[str, object]) -> None:
    async def story(shop: Shop) -> None:
        new = (await shop.post(INTENTS, params)).json
        path = f"{INTENTS}/{new['id']}"
        gone = (await shop.post(f"{path}/cancel", {"cancellation_reason": "abandoned"})).json
        assert (gone["status"], gone["cancellation_reason"]) == ("canceled", "abandoned")
        assert gone["canceled_at"] >= gone["created"]
        assert [entry.state for entry in shop.books()] == ["voided"]
        for act in ("confirm", "capture", "cancel"):
            told = await shop.post(f"{path}/{act}", {})
            assert told.error["code"] == "payment_intent_unexpected_state", act
        refund = await shop.post("/v1/refunds", {"payment_intent": new["id"]})
        assert "does not have a successful charge" in refund.error["message"]
        assert [entry.state for entry in shop.books()] == ["voided"]

    visit(story)


def test_what_is_paid_cannot_be_canceled() -> None:
    async def story(shop: Shop) -> None:
        paid = await shop.pay()
        told = await shop.post(f"{INTENTS}/{paid['id']}/cancel")
        assert (told.status, told.error["code"]) == (400, "payment_intent_unexpected_state")
        assert told.error["payment_intent"]["status"] == "succeeded"
        assert [entry.state for entry in shop.books()] == ["paid"]

    visit(story)


def test_a_declined_intent_is_canceled_and_the_books_still_say_declined() -> None:
    async def story(shop: Shop) -> None:
        declined = await shop.post(INTENTS, {**PAY, "payment_method": "pm_card_chargeDeclined"})
        id_ = declined.error["payment_intent"]["id"]
        assert (await shop.post(f"{INTENTS}/{id_}/cancel")).json["status"] == "canceled"
        assert [entry.state for entry in shop.books()] == ["declined"]

    visit(story)


# Refunds


def test_a_payment_is_given_back_in_parts_and_never_more_than_it_was() -> None:
    async def story(shop: Shop) -> None:
        paid = await shop.pay()
        part = {"payment_intent": paid["id"], "amount": 4000, "reason": "requested_by_customer"}
        first = (await shop.post("/v1/refunds", {**part, "expand[]": "charge"})).json
        assert (first["status"], first["amount"], first["reason"]) == (
            "succeeded",
            4000,
            "requested_by_customer",
        )
        assert (first["charge"]["amount_refunded"], first["charge"]["refunded"]) == (4000, False)
        more = await shop.post("/v1/refunds", part)
        assert (more.status, more.error["param"]) == (400, "amount")
        assert (
            "(¥40.00) is greater than unrefunded amount on charge (¥5.80)"
            in (more.error["message"])
        )
        rest = (await shop.post("/v1/refunds", {"charge": first["charge"]["id"]})).json
        assert rest["amount"] == 580
        done = await shop.post("/v1/refunds", {"payment_intent": paid["id"]})
        assert done.error["code"] == "charge_already_refunded"
        (entry,) = shop.books()
        assert (entry.state, entry.refunded_minor, entry.fee_minor) == ("refunded", 4580, 210)
        listed = (await shop.get("/v1/refunds", payment_intent=paid["id"])).json
        assert [one["amount"] for one in listed["data"]] == [580, 4000]
        seen = (await shop.get(f"/v1/refunds/{rest['id']}")).json
        assert seen["payment_intent"] == paid["id"]

    visit(story)


# Who may ask, and how often


@pytest.mark.parametrize(
    ("authorization", "says"),
    [
        ("", "did not provide an API key"),
        ("Bearer ", "did not provide an API key"),
        ("Bearer sk_test_guessed", "Invalid API Key provided"),
        (f"Bearer {KEY}x", "Invalid API Key provided"),
        ("Bearer sk_live_abc", "takes no live key"),
        ("Bearer rk_live_abc", "takes no live key"),
        ("Digest x", "did not provide an API key"),
    ],
)
def test_another_key_opens_nothing_and_is_not_repeated(authorization: str, says: str) -> None:
    async def story(shop: Shop) -> None:
        told = await shop.post(INTENTS, PAY, "k", authorization=authorization)
        assert (told.status, told.error["type"]) == (401, "invalid_request_error")
        assert says in told.error["message"]
        assert told.headers["www-authenticate"] == 'Bearer realm="Stripe"'
        for secret in ("guessed", "abc", KEY):
            assert secret.encode() not in told.body
        assert shop.books() == []

    visit(story)


PLAIN = limited(requests=0)
BAD = {**PAY, "amount": "ten"}
BLOCKED = {**PAY, "metadata[payee]": BLOCKED_PAYEE}
ENDS: dict[str, tuple[PaymentProfile, dict[str, object], str, int, str, list[str]]] = {
    "ok": (PLAIN, PAY, KEY, 200, "", ["paid"]),
    "declined": (PLAIN, BLOCKED, KEY, 402, "card_declined", ["declined"]),
    "rate limited": (limited(requests=1, window_s=1e6), PAY, KEY, 429, "rate_limit", []),
    "overloaded": (limited(slots=1, queue=0), PAY, KEY, 503, "", []),
    "malformed": (PLAIN, BAD, KEY, 400, "parameter_invalid_integer", []),
    "a wrong key": (PLAIN, PAY, "sk_test_guessed", 401, "", []),
}


@pytest.mark.parametrize("end", ENDS)
def test_every_way_in_which_a_call_can_end_is_the_wires_own(end: str) -> None:
    profile, params, key, status, code, states = ENDS[end]

    async def story(shop: Shop) -> None:
        # Another call is there first, to use up what the profile allows.
        asked = shop.post(INTENTS, params, "k", authorization=f"Bearer {key}")
        _, told = await asyncio.gather(shop.get("/v1/balance"), asked)
        assert told.status == status
        assert (told.json.get("error") or {}).get("code", "") == code
        assert [entry.state for entry in shop.books()] == states

    visit(story, profile=profile)


def test_too_many_calls_are_refused_in_the_wires_words_and_change_nothing() -> None:
    async def story(shop: Shop) -> None:
        first, second = [await shop.post(INTENTS, PAY, f"k{n}") for n in range(2)]
        assert first.status == 200
        assert (second.status, second.error["code"]) == (429, "rate_limit")
        assert second.headers["stripe-rate-limited-reason"] == "global-rate"
        assert second.headers["request-id"] != first.headers["request-id"]
        assert len(shop.books()) == 1
        await shop.later(60)
        assert (await shop.post(INTENTS, PAY, "k1")).status == 200

    visit(story, profile=limited(requests=1, window_s=60.0))


def test_a_full_server_says_503_and_changes_nothing() -> None:
    async def story(shop: Shop) -> None:
        _, told = await asyncio.gather(shop.pay(), shop.post(INTENTS, PAY, "k"))
        assert (told.status, told.error["type"]) == (503, "api_error")
        assert len(shop.books()) == 1
        assert (await shop.post(INTENTS, PAY, "k")).status == 200

    visit(story, profile=limited(slots=1, queue=0))


def test_an_answer_takes_what_the_profile_draws_for_that_call() -> None:
    async def story(shop: Shop) -> tuple[float, float]:
        call = wire.find_intent(AT, "o-1")
        call.request.headers[DRAW_HEADER] = encode_draw(DrawKey(0, 1, 2, "query", 1))
        start = shop.clock.now()
        answer = await shop.send(call.request)
        told = decode_told(answer.headers)
        assert told is not None
        return shop.clock.now() - start, told.injected_ms

    took_s, injected_ms = visit(story)
    assert round(took_s * 1e3, 3) == injected_ms
    assert visit(story) == (took_s, injected_ms)


def test_the_same_calls_make_the_same_ids() -> None:
    async def story(shop: Shop) -> str:
        return json.dumps([await shop.pay(), await shop.pay(**{"metadata[order_no]": "o-2"})])

    assert visit(story) == visit(story)


def test_every_answer_names_its_request_and_the_version_asked_for() -> None:
    async def story(shop: Shop) -> None:
        old = {"stripe-version": "2024-06-20"}
        told = await shop.post(INTENTS, PAY, **old)
        assert told.headers["stripe-version"] == "2024-06-20"
        ids = {(await shop.get("/v1/balance")).headers["request-id"] for _ in range(3)}
        assert len(ids | {told.headers["request-id"]}) == 4

    visit(story)
