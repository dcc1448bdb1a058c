"""Answers that a stranger signed, who lies: no client takes one, what was done is found by asking;
and whoever takes one holds another end than the books."""

from typing import Literal

import pytest

from harness.faults import Placed
from harness.flow.payers import Refund
from harness.providers import wechatpay as wire
from harness.providers.alipay_ai import trade
from harness.providers.call import Malformed
from harness.providers.unionpay import Reply, transactions
from harness.providers.wechatpay import orders, reading
from mocks import unionpay_lies, wechatpay_lies
from mocks.alipay_ai import lies as alipay_lies
from tests.mocks.struck import LUNCH, PAYERS, Till, at_till
from tests.torture.broken import BelievesAnswers

SIGNING = {
    "alipay-ai": "paid",
    "alipay-v3": "ordered",
    "wechatpay": "ordered",
    "unionpay": "ordered",
}
"""The wires whose answers are signed, and how a payment of theirs goes well."""
LATER = [
    *((lane, stage) for lane in SIGNING for stage in ("query", "reverse")),
    # Of an order that nobody has paid nothing is given back: these two ask all the same.
    *((lane, "refund") for lane in ("alipay-ai", "unionpay")),
]
BACK = Refund("back-1", 100)
OTHERS = sorted(PAYERS.keys() - SIGNING.keys())


def struck(stage: str) -> list[Placed]:
    return [Placed(0, stage, "unknown-keys")]


@pytest.mark.parametrize(("lane", "outcome"), SIGNING.items())
def test_an_answer_by_a_stranger_is_not_taken_and_asking_tells_what_was_done(
    lane: str, outcome: str
) -> None:
    async def story(till: Till) -> None:
        flow = till.turn()
        with pytest.raises(Malformed, match=r"not signed by the provider|not WeChat's"):
            await till.pay(flow)
        assert len(till.states) == 1
        settled = await till.payer.query(flow, await till.session(flow), LUNCH)
        assert settled is not None
        assert settled.outcome == outcome
        await flow.join()
        assert [span.stage for span in flow.spans].count("pay") == 1
        assert till.struck == [("unknown-keys", "pay", 1)]

    at_till(lane, struck("pay"), story)


@pytest.mark.parametrize(("lane", "stage"), LATER)
def test_no_other_answer_by_a_stranger_is_taken_either(lane: str, stage: str) -> None:
    async def story(till: Till) -> None:
        flow = till.turn()
        session = await till.session(flow)
        await till.pay(flow)
        with pytest.raises(Malformed):
            match stage:
                case "query":
                    await till.payer.query(flow, session, LUNCH)
                case "reverse":
                    await till.payer.void(flow, session, LUNCH)
                case _:
                    await till.payer.refund(flow, session, LUNCH, BACK)
        assert till.struck == [("unknown-keys", stage, 1)]

    at_till(lane, struck(stage), story)


@pytest.mark.parametrize("lane", ["alipay-v3", "wechatpay"])
def test_a_closing_that_a_stranger_answers_closes_the_order(lane: str) -> None:
    async def story(till: Till) -> None:
        flow = till.turn()
        await till.pay(flow)
        await flow.join()
        await till.wait(600.0)
        assert till.states == ["voided"]
        assert ("unknown-keys", "close", 1) in till.struck

    at_till(lane, struck("close"), story)


def test_wechats_stranger_has_a_name_of_his_own_or_a_known_one() -> None:
    async def story(till: Till) -> str:
        with pytest.raises(Malformed) as raised:
            await till.pay(till.turn())
        return str(raised.value).rpartition(", as ")[2]

    told = {at_till("wechatpay", struck("pay"), story, seed=seed) for seed in range(1, 7)}
    assert told == {"it is signed with an unknown key", "its signature is wrong"}


@pytest.mark.parametrize("lane", OTHERS)
def test_who_signs_no_answers_is_not_struck(lane: str) -> None:
    async def story(till: Till) -> None:
        assert (await till.pay(till.turn())).outcome == till.payer.good_end
        assert till.struck == []

    at_till(lane, struck("pay"), story)


# Who does not look at signatures

Asking = Literal["pay", "query", "refund", "reverse"]
BELIEVED: list[tuple[str, Asking, bool, str | bool, str]] = [
    ("alipay-ai", "pay", False, "declined", "paid"),
    ("alipay-v3", "pay", False, "declined", "open"),
    ("wechatpay", "pay", False, "ordered", "open"),
    ("alipay-ai", "query", True, "declined", "paid"),
    ("alipay-v3", "query", True, "paid", "voided"),
    ("wechatpay", "query", True, "paid", "voided"),
    ("unionpay", "query", True, "paid", "open"),
    ("wechatpay", "query", False, "paid", ""),
    ("unionpay", "query", False, "paid", ""),
    ("alipay-ai", "refund", True, "declined", "refunded"),
    ("alipay-ai", "refund", False, "refunded", ""),
    ("alipay-ai", "reverse", True, False, "voided"),
]
"""Wire, what is asked, whether it is of a payment that was made, what is believed, and how the
books stand. That of WeChat's order nobody closes, as it is held to be closed."""


@pytest.mark.parametrize(("lane", "asking", "made", "believed", "state"), BELIEVED)
def test_who_believes_a_stranger_holds_another_end_than_the_books(
    lane: str, asking: Asking, made: bool, believed: str | bool, state: str
) -> None:
    async def story(till: Till) -> None:
        flow, payer = till.turn(), BelievesAnswers(till.payer)
        session = await till.session(flow)
        if made:
            await till.pay(flow)
        match asking:
            case "pay":
                told: object = await payer.authorize(flow, session, LUNCH)
            case "query":
                told = await payer.query(flow, session, LUNCH)
            case "refund":
                told = await payer.refund(flow, session, LUNCH, BACK)
            case "reverse":
                told = await payer.void(flow, session, LUNCH)
        assert getattr(told, "outcome", told) == believed
        assert till.states == ([state] if state else [])
        assert till.struck == [("unknown-keys", asking, 1)]

    at_till(lane, struck(asking), story)


# What he tells

GOOD, REFUSED = trade.Reply(code="10000", msg="Success"), trade.refusal("ACQ.TRADE_NOT_EXIST")
ALIPAY: list[trade.Biz | None] = [
    None,
    trade.Precreate("o-1", "1.00", "s"),
    trade.Pay("o-1", "1.00", "s", "28"),
    trade.Refund("1.00", "o-1"),
    trade.Close("o-1"),
    trade.Cancel("o-1"),
]
AMOUNT = orders.RefundAmount(1, 1)
MADE = orders.Refunded(
    refund_id="5", out_refund_no="b", out_trade_no="o", status="SUCCESS",
    amount=orders.RefundedAmount(1, 1),
)  # fmt: skip
ORDER = orders.Order(mchid="m", out_trade_no="order-1", trade_state="SUCCESS")
NEW_ORDER = orders.NewOrder(
    appid="wx", mchid="m", description="d", out_trade_no="order-1", notify_url="https://x",
    amount=orders.Amount(1),
)  # fmt: skip
WECHAT: list[tuple[reading.What, wire.Reply]] = [
    (NEW_ORDER, orders.Ordered("weixin://x")),
    (reading.CloseOrder("order-1"), "closed"),
    (reading.Scan("weixin://x", "ada"), ORDER),
    (orders.NewRefund(out_refund_no="b", amount=AMOUNT), MADE),
    (reading.QueryRefund("b"), MADE),
]
UNIONPAY: list[transactions.Asked] = [
    transactions.NewOrder("order001", "20260101000000", 1, "156", "20260101001500"),
    transactions.Back("04", "back0001", "20260101000000", 1, "0" * 21),
]


@pytest.mark.parametrize("biz", ALIPAY)
def test_alipays_stranger_says_no_to_what_was_done_and_yes_to_what_was_not(
    biz: trade.Biz | None,
) -> None:
    refused = alipay_lies.lie(biz, GOOD)
    assert isinstance(refused, trade.Refusal)
    assert refused.code == "40004"
    assert isinstance(alipay_lies.lie(biz, REFUSED), trade.Reply)


@pytest.mark.parametrize("stands", ["TRADE_SUCCESS", "TRADE_CLOSED", "WAIT_BUYER_PAY"])
def test_alipays_stranger_tells_another_stand(stands: trade.TradeStatus) -> None:
    true = trade.Reply(code="10000", msg="Success", trade_status=stands, total_amount="1.00")
    told = alipay_lies.lie(trade.Query("o-1"), true)
    assert isinstance(told, trade.Reply)
    paid = "TRADE_SUCCESS"
    assert (told.trade_status == paid) != (stands == paid)
    assert told.total_amount == "1.00"


def test_alipays_stranger_tells_another_stand_of_a_refund() -> None:
    asked = trade.RefundQuery("back-1", "o-1")
    made = alipay_lies.lie(asked, GOOD)
    assert isinstance(made, trade.Reply)
    assert made.refund_status == "REFUND_SUCCESS"
    assert alipay_lies.lie(asked, made) == GOOD


@pytest.mark.parametrize(("what", "good"), WECHAT)
def test_wechats_stranger_says_no_to_what_was_done_and_yes_to_what_was_not(
    what: reading.What, good: wire.Reply
) -> None:
    refused = wechatpay_lies.lie(what, good)
    assert isinstance(refused, reading.Refused)
    assert refused.code in orders.STATUSES
    assert isinstance(wechatpay_lies.lie(what, refused), type(good))


@pytest.mark.parametrize("stands", ["SUCCESS", "REFUND", "NOTPAY", "CLOSED"])
def test_wechats_stranger_tells_another_stand(stands: orders.TradeState) -> None:
    true = orders.Order(mchid="m", out_trade_no="order-1", trade_state=stands)
    told = wechatpay_lies.lie(reading.Query("order-1"), true)
    assert isinstance(told, orders.Order)
    assert (told.trade_state == "SUCCESS") != (stands == "SUCCESS")


def test_wechats_certificates_are_told_as_they_are() -> None:
    own = wire.CertificateList([])
    assert wechatpay_lies.lie(reading.AskCertificates(), own) is own


@pytest.mark.parametrize("asked", UNIONPAY)
def test_unionpays_stranger_says_no_to_what_was_done_and_yes_to_what_was_not(
    asked: transactions.Asked,
) -> None:
    assert unionpay_lies.lie(asked, Reply(resp_code="00", tn="1")).refused
    assert not unionpay_lies.lie(asked, Reply(resp_code="12")).refused


@pytest.mark.parametrize(("true", "told"), [("00", "61"), ("05", "00"), ("01", "00"), ("", "00")])
def test_unionpays_stranger_tells_another_stand(true: str, told: str) -> None:
    asked = transactions.Query("order001", "20260101000000")
    stands = Reply(resp_code="00" if true else "34", orig_resp_code=true)
    assert unionpay_lies.lie(asked, stands).orig_resp_code == told
