"""Giving back at Alipay, on either of its wires and by whichever product was paid; it asks for no
payment, and knows no wire format."""

from collections.abc import Callable

from harness.flow.flow import Flow
from harness.flow.payers import Payment, Refund, Settlement
from harness.providers.alipay_ai import trade
from harness.providers.call import Call, Malformed, Unreachable, code_name

Asking = Callable[[Flow, trade.Biz], Call[trade.Reply | trade.Refusal]]
"""A signed call that asks for this."""


async def give_back(flow: Flow, ask: Asking, payment: Payment, refund: Refund) -> Settlement:
    """As a payer's `refund`, of a trade that was paid."""
    asked = trade.Refund(
        refund_amount=trade.yuan(refund.amount_minor),
        out_trade_no=payment.order_no,
        out_request_no=refund.refund_no,
    )
    told = await flow.call("refund", ask(flow, asked))
    if isinstance(told, trade.Refusal):
        if told.sub_code in trade.REFUND_FORBIDDEN:
            return Settlement("declined")
        raise Malformed(f"refund refused: {code_name(told.sub_code)}")
    # "N" is of a refund that was made before, or of one that is not made yet.
    if told.fund_change != "Y" and not await _is_back(flow, ask, payment, refund):
        raise Unreachable("nothing tells that the money is on its way back")
    return Settlement("refunded", trade.fee_minor(told))


async def _is_back(flow: Flow, ask: Asking, payment: Payment, refund: Refund) -> bool:
    asked = trade.RefundQuery(out_request_no=refund.refund_no, out_trade_no=payment.order_no)
    told = await flow.call("refund", ask(flow, asked))
    return isinstance(told, trade.Reply) and told.refund_status == "REFUND_SUCCESS"
