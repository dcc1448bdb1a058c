"""Ordering by WeChat Pay's APIv3: an order is made and closed again; it knows no wire format.

Nobody is there to scan the order's code, which stays in here: not even a span or an error holds it.
So nothing is ever paid, and a payment that goes well ends as "ordered". WeChat advises to let an
order be some minutes old before it is closed: a closing that fails is tried again and again, then
by whoever asks after the order, and else left to whoever cleans up after the run.
"""

from typing import Literal

from harness.flow.flow import Flow
from harness.flow.payers import Payment, Refund, Session, Settlement, Stale, sessionless
from harness.flow.payers.closing import Closing
from harness.providers import wechatpay as wire
from harness.providers.call import Endpoint, Malformed
from harness.providers.wechatpay import orders
from harness.providers.wechatpay.signing import Stamp
from harness.record import Outcome

NOTIFY_URL = "https://notify.example.com/wechatpay"
"""Where nobody listens: the wire wants an address, and of an order that nobody pays there is
nothing to tell."""

_OUTCOMES: dict[orders.TradeState, Outcome] = {
    "SUCCESS": "paid",
    "REFUND": "refunded",
    "NOTPAY": "ordered",
    "CLOSED": "ordered",
    "REVOKED": "reversed",
    "PAYERROR": "declined",
}


class Wechatpay:
    """One merchant's client."""

    good_end: Outcome = "ordered"
    has_sessions = False

    def __init__(self, at: Endpoint) -> None:
        self._at = at
        self._closing = Closing(self._close)
        self._stamped = 0

    async def start(self, flow: Flow) -> None:
        """The keys are there: nothing is fetched."""

    async def connect(self, flow: Flow) -> None:
        await flow.connect(wire.NAME, self._at)

    async def open_session(self, flow: Flow, user: str, method: str) -> Session:
        return sessionless(method)

    async def refresh_session(self, flow: Flow, user: str, session: Session) -> Session:
        return session

    async def authorize(self, flow: Flow, session: Session, payment: Payment) -> Settlement | Stale:
        """Nobody waits for the closing."""
        told = await self._make(flow, "pay", payment)
        if isinstance(told, orders.Refusal):
            if told.code == "ORDER_CLOSED":
                return Settlement("ordered")  # By an earlier try.
            raise Malformed(f"the order was refused: {told.code}")
        self._closing.beside(flow, payment)
        return Settlement("ordered")

    async def query(self, flow: Flow, session: Session, payment: Payment) -> Settlement | None:
        """An order that is found open is closed."""
        told = await self._stands(flow, payment)
        if told is None or told.trade_state not in _OUTCOMES:
            return None
        if told.trade_state == "NOTPAY":
            self._closing.beside(flow, payment)
        return Settlement(_OUTCOMES[told.trade_state])

    async def void(self, flow: Flow, session: Session, payment: Payment) -> bool:
        """An order that nobody knows may still come, so it is made, and closed before it does.
        Where it is not sure that it is, it is closed beside the turn as any other."""
        return await self._closing.unless_ended(flow, payment, self._ended(flow, payment))

    async def refund(
        self, flow: Flow, session: Session, payment: Payment, refund: Refund
    ) -> Settlement | Stale:
        """There is nothing to give back, unless somebody has paid after all."""
        told = await self._stands(flow, payment)
        if told is None or told.trade_state not in ("SUCCESS", "REFUND"):
            return Settlement("declined")
        made = await self._give_back(flow, "refund", payment, refund)
        return Settlement("refunded" if made else "declined")

    async def _make(
        self, flow: Flow, stage: str, payment: Payment
    ) -> orders.Ordered | orders.Refusal:
        with flow.step("sign"):
            call = wire.order(self._at, self._order(payment), self._stamp(flow, payment))
        return await flow.call(stage, call)

    async def _ended(self, flow: Flow, payment: Payment) -> bool:
        told = await self._end(flow, "reverse", payment)
        if told == "unknown":
            await self._make(flow, "reverse", payment)
            told = await self._end(flow, "reverse", payment)
        return told == "ended"

    async def _close(self, flow: Flow, payment: Payment) -> bool:
        return await self._end(flow, "close", payment) != "stands"

    async def _end(
        self, flow: Flow, stage: str, payment: Payment
    ) -> Literal["ended", "stands", "unknown"]:
        """Close the order; if it was paid before that, all of it goes back."""
        out_trade_no = orders.as_order_no(payment.order_no)
        call = wire.close(self._at, out_trade_no, self._stamp(flow, payment))
        told = await flow.call(stage, call)
        if told == "closed" or told.code == "ORDER_CLOSED":
            return "ended"
        if told.code == "ORDER_NOT_EXIST":
            return "unknown"
        whole = Refund(orders.void_no(out_trade_no), payment.wish.amount_minor)
        back = told.code == "ORDER_PAID" and await self._give_back(flow, stage, payment, whole)
        return "ended" if back else "stands"

    async def _stands(self, flow: Flow, payment: Payment) -> orders.Order | None:
        """None where there is no such order."""
        out_trade_no = orders.as_order_no(payment.order_no)
        told = await flow.call(
            "query", wire.query(self._at, out_trade_no, self._stamp(flow, payment))
        )
        if isinstance(told, orders.Refusal):
            return None
        if told.amount and told.amount.total != payment.wish.amount_minor:
            raise Malformed("the order is of another amount")
        return told

    async def _give_back(self, flow: Flow, stage: str, payment: Payment, refund: Refund) -> bool:
        amount = orders.RefundAmount(
            refund.amount_minor, payment.wish.amount_minor, payment.wish.currency
        )
        asked = orders.NewRefund(
            out_trade_no=orders.as_order_no(payment.order_no),
            out_refund_no=orders.as_refund_no(refund.refund_no),
            amount=amount,
        )
        told = await flow.call(stage, wire.refund(self._at, asked, self._stamp(flow, payment)))
        return isinstance(told, orders.Refunded) and told.status in ("SUCCESS", "PROCESSING")

    def _order(self, payment: Payment) -> orders.NewOrder:
        wish = payment.wish
        return orders.NewOrder(
            appid=self._at.app,
            mchid=self._at.account,
            description=f"Payment to {wish.payee}"[:127],
            out_trade_no=orders.as_order_no(payment.order_no),
            notify_url=NOTIFY_URL,
            amount=orders.Amount(wish.amount_minor, wish.currency),
        )

    def _stamp(self, flow: Flow, payment: Payment) -> Stamp:
        """Its nonce is another for each request, and the same in each run on the virtual clock."""
        self._stamped += 1
        luck = flow.draw("nonce", payment.order_no, self._stamped)
        return Stamp(
            int(flow.world.clock.unix_s()), f"{int(luck * 2**53):014X}{self._stamped:010X}"
        )
