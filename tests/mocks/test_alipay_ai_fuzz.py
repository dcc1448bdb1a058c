"""Alipay's mock under anything: it always answers, and money is never made."""

import json
from urllib.parse import urlencode

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.providers import rsa2
from harness.providers.alipay_ai import trade
from harness.providers.alipay_ai.form import APP_PAY
from tests.mocks.alipay_shop import (
    BLOCKED,
    Shop,
    at,
    back,
    by_code,
    by_qr,
    code_of,
    reply,
    visit,
)

values = st.one_of(
    st.sampled_from(["o-1", "o-2", "1.00", "0.50", "100.00", "2000", "tea", BLOCKED, "r-1", ""]),
    st.text(max_size=5),
    st.integers(),
    st.floats(),
    st.none(),
    st.booleans(),
    st.lists(st.integers(), max_size=2),
)
FIELDS = (
    "out_trade_no", "trade_no", "total_amount", "subject", "seller_id", "auth_code",
    "refund_amount", "out_request_no", "trans_currency",
)  # fmt: skip


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*trade.METHODS, "alipay.nothing"]),
            st.dictionaries(st.sampled_from(FIELDS), values, max_size=6),
        ),
        max_size=12,
    )
)
@settings(max_examples=40, deadline=None)
def test_whatever_an_app_signs_the_mock_answers_and_money_is_never_made(
    asked: list[tuple[str, dict[str, object]]],
) -> None:
    async def story(shop: Shop) -> None:
        for method, biz in asked:
            before = shop.books()
            request = signed(method, json.dumps(biz))
            status, _, body = await shop.send(request)
            assert status == 200
            verdict = (
                json.loads(body)
                if b"resultStatus" not in body
                else json.loads(json.loads(body)["result"])
            )
            (node,) = [of for name, of in verdict.items() if name not in ("sign", "sign_type")]
            if node["code"] in ("40001", "40002", "40005") or node.get("sub_code") == (
                "ACQ.INVALID_PARAMETER"
            ):
                assert shop.books() == before
        for entry in shop.books():
            assert entry.refunded_minor <= (entry.terms.amount_minor if entry.terms else 0)

    visit(story)


@given(st.sampled_from(["GET", "POST"]), st.sampled_from(["gateway.do", "client/pay"]), st.binary())
@settings(max_examples=40, deadline=None)
def test_whatever_a_stranger_sends_the_mock_answers_and_books_nothing(
    method: str, path: str, body: bytes
) -> None:
    async def story(shop: Shop) -> None:
        url = f"{at().base_url}/{path}"
        status, _, _ = await shop.send(httpx.Request(method, url, content=body))
        assert status in (200, 404)
        assert shop.books() == []

    visit(story)


def signed(method: str, biz: str) -> httpx.Request:
    """Any method with any content, as an app may sign it; an order goes to the user's client."""
    params = {
        "app_id": at().account, "method": method, "charset": "utf-8", "sign_type": "RSA2",
        "timestamp": "2026-11-23 08:00:00", "version": "1.0", "biz_content": biz,
        "notify_url": "http://shop/notices",
    }  # fmt: skip
    params["sign"] = rsa2.sign(at().key, rsa2.canonical(params, ()))
    path = "client/pay" if method == APP_PAY else "gateway.do"
    return httpx.Request("POST", f"{at().base_url}/{path}", content=urlencode(params).encode())


numbers = st.sampled_from(["o-1", "o-2"])
amounts = st.sampled_from(["0.30", "1.00", "2000.00"])
askings = st.one_of(
    st.builds(by_code, numbers, amounts),
    st.builds(by_qr, numbers, amounts, st.sampled_from(["tea", BLOCKED])),
    st.builds(back, numbers, amounts, st.sampled_from(["r-1", "r-2", ""])),
    st.builds(trade.Query, numbers),
    st.builds(trade.Close, numbers),
    st.builds(trade.Cancel, numbers),
)


@given(st.lists(st.one_of(askings, numbers, st.floats(0, 10)), max_size=25))
@settings(max_examples=40, deadline=None)
def test_in_any_order_of_calls_the_answers_agree_with_the_books(
    story_of: list[trade.Biz | str | float],
) -> None:
    """A text is an order that the app pays, a number a pause."""

    async def story(shop: Shop) -> None:
        back_minor = {"o-1": 0, "o-2": 0}
        for part in story_of:
            if isinstance(part, float):
                await shop.wait(part)
                continue
            told = await (shop.pay(part, "1.00") if isinstance(part, str) else shop.ask(part))
            if isinstance(part, trade.Refund) and isinstance(told, trade.Reply):
                changed = trade.minor(part.refund_amount) if told.fund_change == "Y" else 0
                back_minor[part.out_trade_no] += changed
        for entry in shop.books():
            assert entry.refunded_minor == back_minor[entry.order_no]
            stands = await shop.ask(trade.Query(out_trade_no=entry.order_no))
            if entry.terms is None:
                assert code_of(stands) == "ACQ.TRADE_NOT_EXIST"
                continue
            (entry,) = (of for of in shop.books() if of.order_no == entry.order_no)
            assert entry.terms is not None
            assert entry.refunded_minor <= entry.terms.amount_minor
            whole_is_back = entry.refunded_minor == entry.terms.amount_minor
            assert (
                reply(stands).trade_status
                == {
                    "open": "WAIT_BUYER_PAY",
                    "paid": "TRADE_SUCCESS",
                    "refunded": "TRADE_CLOSED" if whole_is_back else "TRADE_SUCCESS",
                    "voided": "TRADE_CLOSED",
                    "declined": "TRADE_CLOSED",
                }[entry.state]
            )
        await shop.wait(1e5)
        paid = [of["out_trade_no"] for _, of in shop.notices if "refund_fee" not in of]
        assert len(paid) == len(set(paid))

    visit(story)
