"""Orders at Alipay that nobody pays, on both wires: made, closed, and never shown to anybody."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import httpx
import pytest

from harness.flow.payers import Payer, Payment, Refund, Settlement
from harness.flow.payers.alipay_orders import AlipayOrdersV2, AlipayOrdersV3
from harness.flow.payers.closing import PAUSES_S
from harness.flow.recover import resolve
from harness.flow.wish import Wish
from harness.providers import alipay_ai, alipay_v3
from harness.providers.alipay_ai import trade
from harness.providers.call import Endpoint, Malformed, Unreachable
from mocks.alipay_ai.trades import APP_ID
from mocks.keys import signing_pair
from tests.flow.order_till import (
    LUNCH,
    SESSION,
    WISH,
    Answer,
    Till,
    answer_lost,
    never_arrives,
    visit,
)

T = TypeVar("T")
Story = Callable[[Till], Coroutine[Any, Any, None]]
WIRES: dict[str, tuple[str, Callable[[Endpoint], Payer]]] = {
    "v2": ("alipay-ai", AlipayOrdersV2),
    "v3": ("alipay-v3", AlipayOrdersV3),
}


@pytest.fixture(params=sorted(WIRES))
def on(request: pytest.FixtureRequest) -> Callable[[Story], None]:
    lane, make = WIRES[request.param]
    return lambda story: visit(lane, make, story)


async def scanned(till: Till) -> None:
    """Somebody has paid after all. The code is the app's secret, so it is taken from the wire."""
    qr_code = next(found for body in till.answers if (found := _qr_code(body)))
    if "alipay-v3" in till.at.base_url:
        await till.past(alipay_v3.submit(till.at, qr_code, "eve"))
    else:
        await till.past(alipay_ai.submit(till.at, qr_code, "eve", "card"))


def _qr_code(body: bytes) -> str:
    told = json.loads(body)
    inner = told.get("alipay_trade_precreate_response", told)
    return str(inner.get("qr_code", ""))


async def nobody_scanned(request: httpx.Request, answer: Answer) -> httpx.Response:
    """What the real sandbox says of a trade whose code was not scanned."""
    private_pem = signing_pair("alipay")[0]
    why = trade.refusal("ACQ.TRADE_NOT_EXIST")
    if "alipay-v3" in request.url.path:
        told = alipay_v3.encode_reply(why, private_pem, 1_795_449_909_000, "n")
    else:
        query = alipay_ai.form.params_of(request.url.query)
        asked = alipay_ai.Refused(why, query["method"], True, False)
        told = alipay_ai.encode_reply(asked, why, private_pem)
    return httpx.Response(told[0], headers=told[1], content=told[2])


def test_an_order_is_made_and_nobody_waits_for_its_closing(on: Callable[[Story], None]) -> None:
    async def story(till: Till) -> None:
        assert await till.order() == Settlement("ordered")
        assert till.clock.now() == pytest.approx(0.5)
        await till.flow.join()
        assert till.calls == ["pay", "close"]
        assert till.clock.now() == pytest.approx(1.0)
        assert till.states == ["voided"]
        assert await till.query() == Settlement("ordered")
        assert (till.payer.good_end, till.payer.has_sessions) == ("ordered", False)

    on(story)


def test_the_order_is_the_wish_and_good_for_minutes_only(on: Callable[[Story], None]) -> None:
    async def story(till: Till) -> None:
        await till.order(Payment("r1c2-0", "ada", Wish(1, "CNY", "a/b=c&茶" * 60, "card")))
        (entry,) = till.ledger
        assert entry.terms is not None
        assert (entry.terms.amount_minor, entry.terms.currency) == (1, "CNY")
        asked = till.requests[0].content.decode()
        if "biz_content" in asked:
            asked = alipay_ai.form.params_of(till.requests[0].content)["biz_content"]
        biz = json.loads(asked)
        assert (biz["product_code"], biz["timeout_express"]) == ("QR_CODE_OFFLINE", "5m")
        assert len(biz["subject"]) == 256
        assert not set("/=&") & set(biz["subject"])

    on(story)


def test_the_code_is_shown_to_nobody(on: Callable[[Story], None]) -> None:
    async def story(till: Till) -> None:
        settled = await till.order()
        await till.flow.join()
        seen = repr((settled, till.flow.spans, vars(till.payer)))
        assert "qr.alipay.com" not in seen
        assert any(b"qr.alipay.com" in body for body in till.answers)

    on(story)


def test_each_call_has_its_own_signature_and_the_same_ones_in_every_run() -> None:
    def signatures() -> list[str]:
        async def story(till: Till) -> list[str]:
            await till.order()
            await till.query()
            await till.query()
            await till.flow.join()
            return [request.headers["authorization"] for request in till.requests]

        return visit("alipay-v3", AlipayOrdersV3, story)

    first, again = signatures(), signatures()
    assert first == again
    nonces = {one.partition("nonce=")[2][:32] for one in first}
    assert len(nonces) == len(first) == 4
    assert all(APP_ID in one for one in first)


def test_two_refunds_of_one_order_at_one_moment_have_two_nonces() -> None:
    async def story(till: Till) -> set[str]:
        till.trouble["close"] = never_arrives
        await till.order()
        await scanned(till)
        parts = [Refund(f"r-{n}", 80) for n in range(2)]
        back = [till.payer.refund(till.flow, SESSION, LUNCH, part) for part in parts]
        await asyncio.gather(*back)
        sent = [of for of in till.requests if of.url.path.endswith("/trade/refund")]
        assert len(sent) == 2
        return {of.headers["alipay-request-id"] for of in sent}

    assert len(visit("alipay-v3", AlipayOrdersV3, story)) == 2


def test_a_closing_that_fails_harms_no_turn_and_is_tried_again_when_asked_after(
    on: Callable[[Story], None],
) -> None:
    async def story(till: Till) -> None:
        till.trouble["close"] = never_arrives
        assert await till.order() == Settlement("ordered")
        await till.flow.join()
        assert till.states == ["open"]
        del till.trouble["close"]
        assert await till.query() == Settlement("ordered")
        await till.flow.join()
        assert till.states == ["voided"]
        assert till.calls == ["pay", *["close"] * (1 + len(PAUSES_S)), "query", "close"]

    on(story)


def test_where_nobody_scanned_there_is_nothing_to_close(on: Callable[[Story], None]) -> None:
    async def story(till: Till) -> None:
        till.trouble = dict.fromkeys(("close", "query", "reverse", "refund"), nobody_scanned)
        assert await till.order() == Settlement("ordered")
        await till.flow.join()
        assert [span.fault for span in till.flow.spans] == ["", ""]
        assert await till.query() is None
        assert await till.void() is True
        refused = await till.payer.refund(till.flow, SESSION, LUNCH, Refund("r-1", 80))
        assert refused == Settlement("declined")

    on(story)


def test_an_order_that_was_lost_on_its_way_is_found_or_closed_for_good(
    on: Callable[[Story], None],
) -> None:
    async def session_again() -> Any:
        return SESSION

    async def story(till: Till) -> None:
        till.trouble["pay"] = answer_lost
        with pytest.raises(Unreachable):
            await till.order()
        found = await resolve(till.flow, till.payer, session_again, SESSION, LUNCH)
        await till.flow.join()
        till.trouble["pay"] = never_arrives
        other = Payment("r1c2-1", "ada", WISH)
        with pytest.raises(Unreachable):
            await till.order(other)
        gone = await resolve(till.flow, till.payer, session_again, SESSION, other)
        assert (found, gone) == (Settlement("ordered"), Settlement("reversed"))
        assert till.states == ["voided", "voided"]

    on(story)


def test_what_somebody_paid_after_all_is_told_and_given_back(on: Callable[[Story], None]) -> None:
    async def story(till: Till) -> None:
        till.trouble["close"] = never_arrives
        await till.order()
        await till.flow.join()
        await scanned(till)
        paid = await till.query()
        assert paid is not None
        assert paid.outcome == "paid" and paid.fee_minor > 0
        assert await till.order() == paid
        for _ in range(2):
            part = await till.payer.refund(till.flow, SESSION, LUNCH, Refund("r-1", 80))
            assert isinstance(part, Settlement)
            assert part.outcome == "refunded"
        too_much = await till.payer.refund(till.flow, SESSION, LUNCH, Refund("r-2", 4501))
        assert too_much == Settlement("declined")
        rest = await till.payer.refund(till.flow, SESSION, LUNCH, Refund("r-2", 4500))
        assert isinstance(rest, Settlement)
        assert await till.query() == Settlement("refunded", paid.fee_minor)

    on(story)


def test_a_void_gives_back_what_was_paid(on: Callable[[Story], None]) -> None:
    async def story(till: Till) -> None:
        till.trouble["close"] = never_arrives
        await till.order()
        await till.flow.join()
        await scanned(till)
        assert await till.void() is True
        assert await till.query() == Settlement("refunded", 0)
        assert till.states == ["voided"]

    on(story)


def test_nothing_is_given_back_of_what_was_not_paid(on: Callable[[Story], None]) -> None:
    async def story(till: Till) -> None:
        await till.order()
        refused = await till.payer.refund(till.flow, SESSION, LUNCH, Refund("r-1", 80))
        assert refused == Settlement("declined")

    on(story)


def test_a_refund_of_which_nothing_tells_is_left_open(on: Callable[[Story], None]) -> None:
    """ "N" alone says neither that it was made before nor that it was not."""

    async def story(till: Till) -> None:
        till.trouble["close"] = never_arrives
        await till.order()
        await till.flow.join()
        await scanned(till)
        seen = 0

        async def lost_track(request: httpx.Request, answer: Answer) -> httpx.Response:
            nonlocal seen
            seen += 1
            return await (answer if seen != 3 else nobody_scanned_of(answer))(request)

        def nobody_scanned_of(answer: Answer) -> Answer:
            return lambda request: nobody_scanned(request, answer)

        till.trouble["refund"] = lost_track
        await till.payer.refund(till.flow, SESSION, LUNCH, Refund("r-1", 80))
        with pytest.raises(Unreachable, match="nothing tells"):
            await till.payer.refund(till.flow, SESSION, LUNCH, Refund("r-1", 80))

    on(story)


def test_an_order_that_an_earlier_try_made_and_closed_was_ordered(
    on: Callable[[Story], None],
) -> None:
    async def story(till: Till) -> None:
        for _ in range(2):
            assert await till.order() == Settlement("ordered")
            await till.flow.join()
        assert till.states == ["voided"]

    on(story)


def test_a_number_of_other_terms_or_one_that_was_given_up_is_no_order(
    on: Callable[[Story], None],
) -> None:
    async def story(till: Till) -> None:
        await till.order()
        await till.flow.join()
        other = Payment("r1c2-1", "ada", WISH)
        assert await till.void(other)
        with pytest.raises(Malformed, match="the order was refused"):
            await till.order(other)
        with pytest.raises(Malformed, match="another amount"):
            await till.query(Payment("r1c2-0", "ada", Wish(4581, "CNY", "noodles", "card")))

    on(story)
