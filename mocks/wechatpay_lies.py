"""What a stranger tells in WeChat Pay's place: another end than the true one, in its own words.

It signs nothing and changes no order. WeChat's certificates are told as they are: they tell of no
end.
"""

from msgspec import structs

from harness.providers import wechatpay as wire
from harness.providers.wechatpay import orders
from harness.providers.wechatpay.reading import (
    AskCertificates,
    CloseOrder,
    Query,
    QueryRefund,
    Refused,
    Scan,
    What,
)
from mocks.wechatpay_keys import MCHID


def lie(what: What, true: wire.Reply) -> wire.Reply:
    """In place of what is true."""
    match what:
        case AskCertificates():
            return true
        case Query():
            return _other_stand(what, true)
        case Scan() if isinstance(true, Refused):
            return orders.Order(mchid=MCHID, out_trade_no="", trade_state="SUCCESS")
        case _:
            return _done(what) if isinstance(true, Refused) else Refused(_refused(what), "no")


def _other_stand(what: Query, true: wire.Reply) -> orders.Order:
    """What is paid was closed, and everything else is paid."""
    if not isinstance(true, orders.Order):
        true = orders.Order(mchid=MCHID, out_trade_no=what.out_trade_no, trade_state="NOTPAY")
    state: orders.TradeState = "CLOSED" if true.trade_state == "SUCCESS" else "SUCCESS"
    return structs.replace(true, trade_state=state, trade_state_desc=state.lower())


def _refused(what: orders.NewOrder | CloseOrder | Scan | orders.NewRefund | QueryRefund) -> str:
    match what:
        case orders.NewOrder():
            return "ORDER_CLOSED"
        case CloseOrder():
            return "ORDER_PAID"
        case Scan():
            return "NOT_ENOUGH"
        case orders.NewRefund():
            return "INVALID_REQUEST"
        case QueryRefund():
            return "RESOURCE_NOT_EXISTS"


def _done(
    what: orders.NewOrder | CloseOrder | Scan | orders.NewRefund | QueryRefund,
) -> wire.Reply:
    match what:
        case orders.NewOrder():
            return orders.Ordered(f"{orders.CODE_PREFIX}000000000")
        case orders.NewRefund():
            return _refunded(what.out_refund_no, what.out_trade_no, what.amount.refund)
        case QueryRefund():
            return _refunded(what.out_refund_no, "", 0)
        case _:
            return "closed"


def _refunded(out_refund_no: str, out_trade_no: str, amount_minor: int) -> orders.Refunded:
    return orders.Refunded(
        refund_id=f"50000{0:024d}",
        out_refund_no=out_refund_no,
        out_trade_no=out_trade_no,
        status="SUCCESS",
        amount=orders.RefundedAmount(total=amount_minor, refund=amount_minor),
    )
