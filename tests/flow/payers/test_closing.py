"""Orders that nobody pays: closed beside their turns, again and again until it is for sure."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from harness.answer import Answer
from harness.faults import Fault, Placed
from harness.flow.flow import Flow
from harness.flow.payers import Payment, Settlement, sessionless
from harness.flow.payers.closing import PAUSES_S, Closing
from harness.providers.call import Overloaded, ProviderFault, Unreachable
from harness.providers.wechatpay import encode_reply
from harness.providers.wechatpay.reading import Refused
from harness.providers.wechatpay.signing import Stamp
from mocks.wechatpay_keys import PUBLIC_KEY_ID, signers
from tests.flow.payers.stand import PAYMENT, Stand, at_stand, other

SESSION = sessionless("balance")
CLOSING = ("alipay-orders", "alipay-v3", "wechatpay")


@pytest.mark.parametrize("name", CLOSING)
@pytest.mark.parametrize("fault", ["overloads", "lost"])
def test_an_order_is_closed_by_the_last_try_if_need_be(name: str, fault: Fault) -> None:
    async def story(stand: Stand) -> None:
        flow = stand.turn(0)
        assert await stand.payer.authorize(flow, SESSION, PAYMENT) == Settlement("ordered")
        await flow.join()
        assert stand.states == ["voided"]
        assert [key.stage for key in stand.calls] == ["pay", *["close"] * (1 + len(PAUSES_S))]

    at_stand(name, story, [Placed(0, "close", fault, 1, lasts=len(PAUSES_S))])


def test_the_pauses_are_scaled_and_a_fault_ends_them_after_the_last() -> None:
    async def story(stand: Stand) -> list[float]:
        flow, at = stand.turn(0), []
        flow.world.think_scale = 0.1

        async def close(flow: Flow, payment: Payment) -> bool:
            at.append(round(flow.now(), 6))
            if len(at) % 2:
                return False  # Refused: it may go better later, as a fault may.
            raise Overloaded(status=503)

        Closing(close).beside(flow, PAYMENT)
        await flow.join()
        return at

    at = at_stand("flat", story)
    assert at[:6] == [0.0, 0.1, 0.6, 3.6, 15.6, 75.6]
    assert (len(at), at[-1]) == (10, 9495.6)
    assert 86_400 < sum(PAUSES_S) < 100_000  # An outage of a day is outlived.


def test_two_orders_are_closed_side_by_side_and_one_only_once_at_a_time() -> None:
    async def story(stand: Stand) -> None:
        flow, closed = stand.turn(0), []

        async def close(flow: Flow, payment: Payment) -> bool:
            await flow.sleep(1.0)
            closed.append(payment.order_no)
            return True

        closing = Closing(close)
        for payment in (PAYMENT, other(1), PAYMENT):
            closing.beside(flow, payment)
        await flow.join()
        assert (closed, flow.now()) == (["r1c2-0", "r1c2-1"], 1.0)
        closing.beside(flow, PAYMENT)
        await flow.join()
        assert len(closed) == 3

    at_stand("flat", story)


@pytest.mark.parametrize("begun", [False, True])
def test_a_closing_that_is_cut_off_stands_in_no_other_s_way(begun: bool) -> None:
    async def story(stand: Stand) -> None:
        flow = stand.turn(0)
        await stand.payer.authorize(flow, SESSION, PAYMENT)
        if begun:
            await asyncio.sleep(0)
        await flow.cut()
        again = stand.turn(1)
        assert await stand.payer.query(again, SESSION, PAYMENT) == Settlement("ordered")
        await again.join()
        assert stand.states == ["voided"]

    at_stand("wechatpay", story)


def refused(code: str, now_s: float) -> Callable[[Answer], Answer]:
    """By WeChat itself: a refusal that it has not signed is none."""
    stamp = Stamp(int(now_s), "nonce")
    status, headers, body = encode_reply(Refused(code, ""), signers()[PUBLIC_KEY_ID], stamp)
    told = dict(httpx.Headers(headers))
    return lambda answer: Answer(status, told, answer.times[-1:], [body])


@pytest.mark.parametrize("code", ["ORDER_NOT_EXIST", "ORDER_CLOSED"])
def test_what_is_not_open_needs_no_second_closing(code: str) -> None:
    async def story(stand: Stand) -> None:
        flow = stand.turn(0)
        stand.mangled[0, "close", 1] = refused(code, stand.clock.unix_s())
        await stand.payer.authorize(flow, SESSION, PAYMENT)
        await flow.join()
        assert [key.stage for key in stand.calls] == ["pay", "close"]

    at_stand("wechatpay", story)


def test_a_payment_that_was_closed_cannot_be_made_by_what_was_sent_before() -> None:
    """The order is lost, given up, and comes after all."""

    async def story(stand: Stand) -> None:
        flow = stand.turn(0)
        with pytest.raises(Unreachable):
            await stand.payer.authorize(flow, SESSION, PAYMENT)
        assert stand.states == []
        assert await stand.payer.void(stand.turn(1), SESSION, PAYMENT)
        stand.arrive_late(0)
        assert stand.states == ["voided"]

    for name in CLOSING:
        at_stand(name, story, [Placed(0, "pay", "lost")])


@pytest.mark.parametrize(("fault", "attempt"), [("overloads", 3), ("lost", 3), ("reset", 2)])
def test_an_order_that_was_made_to_be_closed_is_closed_even_if_that_fails(
    fault: Fault, attempt: int
) -> None:
    """Nobody may ask after the payment ever again."""

    async def story(stand: Stand) -> None:
        flow = stand.turn(0)
        with pytest.raises(ProviderFault):
            await stand.payer.void(flow, SESSION, PAYMENT)
        assert stand.states == ["open"]
        await flow.join()
        assert stand.states == ["voided"]

    at_stand("wechatpay", story, [Placed(0, "reverse", fault, attempt)])
