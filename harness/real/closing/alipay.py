"""Ends trades in Alipay's sandbox, by OpenAPI v2 or v3: closed while unpaid, given back when paid.

A code that nobody scanned is no trade yet, so that there is none means that nothing is open.
"""

from collections.abc import Callable

from harness.providers import alipay_ai, alipay_v3
from harness.providers.alipay_ai import trade
from harness.providers.call import Call, Endpoint, code_name
from harness.real.closing.closer import ANOTHERS, Caller, Over, Stays, Step
from harness.real.journal import Entry

Asking = Callable[[Caller, trade.Biz], Call[trade.Reply | trade.Refusal]]

REFUND_NO = "reap"
"""A refund's number has to be one of its trade only, and the same each time."""
_UNKNOWN = "ACQ.TRADE_NOT_EXIST"


class AlipayCloser:
    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    @classmethod
    def v2(cls, at: Endpoint) -> "AlipayCloser":
        return cls(lambda caller, biz: alipay_ai.ask(at, biz, trade.beijing(caller.now_s())))

    @classmethod
    def v3(cls, at: Endpoint) -> "AlipayCloser":
        def ask(caller: Caller, biz: trade.Biz) -> Call[trade.Reply | trade.Refusal]:
            return alipay_v3.ask(at, biz, int(caller.now_s() * 1000), caller.nonce())

        return cls(ask)

    async def step(self, caller: Caller, entry: Entry) -> Step:
        told = await caller.call(self._ask(caller, trade.Query(out_trade_no=entry.order_no)))
        if isinstance(told, trade.Refusal):
            return _refused(told)
        match told.trade_status:
            case "TRADE_CLOSED":
                return Over("closed")
            case "":
                return Stays("Alipay does not tell how it stands")
            case _ if told.total_amount != trade.yuan(entry.amount_minor):
                return ANOTHERS
            case "WAIT_BUYER_PAY":
                return await self._close(caller, entry)
            case "TRADE_SUCCESS":
                return await self._give_back(caller, entry)
            case "TRADE_FINISHED":
                return Stays("it is paid, and too old to be given back", again=False)

    async def _close(self, caller: Caller, entry: Entry) -> Step:
        told = await caller.call(self._ask(caller, trade.Close(out_trade_no=entry.order_no)))
        return _refused(told) if isinstance(told, trade.Refusal) else Over("closed")

    async def _give_back(self, caller: Caller, entry: Entry) -> Step:
        asked = trade.Refund(
            refund_amount=trade.yuan(entry.amount_minor),
            out_trade_no=entry.order_no,
            out_request_no=REFUND_NO,
        )
        told = await caller.call(self._ask(caller, asked))
        if isinstance(told, trade.Refusal):
            return _refused(told)
        if told.fund_change == "Y":
            return Over("refunded")
        # It was made before, or is not made yet.
        look = trade.RefundQuery(out_request_no=REFUND_NO, out_trade_no=entry.order_no)
        seen = await caller.call(self._ask(caller, look))
        if isinstance(seen, trade.Reply) and seen.refund_status == "REFUND_SUCCESS":
            return Over("refunded")
        return Stays("it is paid, and nothing tells that the money is on its way back")


def _refused(told: trade.Refusal) -> Step:
    return "absent" if told.sub_code == _UNKNOWN else Stays(f"refused: {code_name(told.sub_code)}")
