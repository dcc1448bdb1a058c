"""Ends orders at WeChat Pay, which are real ones: closed while unpaid, given back if somebody paid.

WeChat advises against closing an order in its first five minutes, and may refuse to.
"""

from harness.providers import wechatpay as wire
from harness.providers.call import Endpoint
from harness.providers.wechatpay import orders
from harness.providers.wechatpay.signing import Stamp
from harness.real.closing.closer import ANOTHERS, Caller, Over, Stays, Step
from harness.real.journal import Entry


class WechatpayCloser:
    def __init__(self, at: Endpoint) -> None:
        self._at = at

    async def step(self, caller: Caller, entry: Entry) -> Step:
        told = await caller.call(wire.query(self._at, entry.order_no, _stamp(caller)))
        if isinstance(told, orders.Refusal):
            return "absent" if told.code == "ORDER_NOT_EXIST" else Stays(f"refused: {told.code}")
        match told.trade_state:
            case "CLOSED" | "REVOKED":
                return Over("closed")
            case _ if told.amount and told.amount.total != entry.amount_minor:
                return ANOTHERS
            case "REFUND":  # Of so small an order there are no parts.
                return Over("refunded")
            case "SUCCESS":
                return await self._give_back(caller, entry)
            case "NOTPAY" | "USERPAYING" | "PAYERROR":
                return await self._close(caller, entry)

    async def _close(self, caller: Caller, entry: Entry) -> Step:
        told = await caller.call(wire.close(self._at, entry.order_no, _stamp(caller)))
        if told == "closed" or told.code == "ORDER_CLOSED":
            return Over("closed")
        if told.code == "ORDER_PAID":
            return Stays("somebody has paid it")
        return Stays(f"not closed ({told.code}): WeChat Pay may refuse that for five minutes")

    async def _give_back(self, caller: Caller, entry: Entry) -> Step:
        """Under the number that a run gives it back by, so that it goes back once."""
        whole = entry.amount_minor
        asked = orders.NewRefund(
            out_trade_no=entry.order_no,
            out_refund_no=orders.void_no(entry.order_no),
            amount=orders.RefundAmount(whole, whole, entry.currency),
        )
        told = await caller.call(wire.refund(self._at, asked, _stamp(caller)))
        if isinstance(told, orders.Refusal):
            return Stays(f"it is paid, and cannot be given back ({told.code})")
        if told.status in ("SUCCESS", "PROCESSING"):
            return Over("refunded")
        return Stays(f"it is paid, and its refund is {told.status}")


def _stamp(caller: Caller) -> Stamp:
    return Stamp(int(caller.now_s()), caller.nonce().upper())
