"""Orders at UnionPay's gateway that nobody pays: they are made, and run out.

It knows no wire format. This wire closes nothing: an order ends a quarter of an hour after it was
made, and the number that a phone could pay is shown to nobody. A transaction is found by its number
and by the time that it was sent with, so a second try of an order has the time of the first.
"""

from harness.flow.flow import Flow
from harness.flow.payers import Payment, Refund, Session, Settlement, Stale, sessionless
from harness.providers import unionpay as wire
from harness.providers.call import Endpoint, Malformed, Unreachable
from harness.providers.unionpay.codes import GOOD, NOT_FOUND, PENDING, REPEATED, declines
from harness.providers.unionpay.message import stamp
from harness.providers.unionpay.transactions import (
    CURRENCIES,
    REFUND,
    UNDO,
    Asked,
    Back,
    Kind,
    NewOrder,
    Query,
    order_id,
)
from harness.record import Outcome

GOOD_FOR_S = 900.0
"""How long an order can be paid; a quarter of an hour is what UnionPay's samples take."""
KEPT_TIMES = 10_000
"""Of the newest transactions: when they were sent."""


class Unionpay:
    """One merchant's client."""

    good_end: Outcome = "ordered"
    has_sessions = False

    def __init__(self, at: Endpoint) -> None:
        self._at = at
        self._sent_s: dict[str, float] = {}

    async def start(self, flow: Flow) -> None:
        """The keys are there: nothing is fetched."""

    async def connect(self, flow: Flow) -> None:
        await flow.connect(wire.NAME, self._at)

    async def open_session(self, flow: Flow, user: str, method: str) -> Session:
        return sessionless(method)

    async def refresh_session(self, flow: Flow, user: str, session: Session) -> Session:
        return session

    async def authorize(self, flow: Flow, session: Session, payment: Payment) -> Settlement | Stale:
        told = await self._ask(flow, "pay", self._order(flow, payment))
        if told.resp_code == REPEATED:
            # By an earlier try, of which the answer was lost.
            settled = await self.query(flow, session, payment)
            return settled or Settlement("ordered")
        if told.refused:
            raise Malformed(f"the order was refused: {told.resp_code}")
        return Settlement("ordered")

    async def query(self, flow: Flow, session: Session, payment: Payment) -> Settlement | None:
        """A payment is told of as paid even when it was given back: that is a transaction of its
        own."""
        told = await self._stands(flow, "query", payment)
        if told is None:
            return None
        if told.orig_resp_code in GOOD:
            return Settlement("paid")
        return Settlement("declined" if declines(told.orig_resp_code) else "ordered")

    async def void(self, flow: Flow, session: Session, payment: Payment) -> bool:
        """True when nothing was paid: the order runs out by itself. What was paid is undone, or
        given back where it is too late for that."""
        told = await self._stands(flow, "reverse", payment)
        if told is None or told.orig_resp_code not in GOOD:
            return True
        whole = payment.wish.amount_minor
        for kind in (UNDO, REFUND):
            if await self._give_back(flow, "reverse", payment, told, kind, f"void{kind}", whole):
                return True
        return False

    async def refund(
        self, flow: Flow, session: Session, payment: Payment, refund: Refund
    ) -> Settlement | Stale:
        """There is nothing to give back, unless somebody has paid after all."""
        told = await self._stands(flow, "refund", payment)
        if told is None or told.orig_resp_code not in GOOD:
            return Settlement("declined")
        made = await self._give_back(
            flow, "refund", payment, told, REFUND, refund.refund_no, refund.amount_minor
        )
        return Settlement("refunded" if made else "declined")

    async def _stands(self, flow: Flow, stage: str, payment: Payment) -> wire.Reply | None:
        """None where no such order was ever taken on, as far as UnionPay tells."""
        told = await self._query(flow, stage, order_id(payment.order_no))
        if told is not None and told.txn_amt not in ("", str(payment.wish.amount_minor)):
            raise Malformed("the order is of another amount")
        return told

    async def _query(self, flow: Flow, stage: str, number: str) -> wire.Reply | None:
        asked = Query(number, stamp(self._sent(flow, number)))
        told = await self._ask(flow, stage, asked)
        if told.resp_code == NOT_FOUND:
            return None
        if told.refused:
            raise Malformed(f"the query was refused: {told.resp_code}")
        return told

    async def _give_back(
        self,
        flow: Flow,
        stage: str,
        payment: Payment,
        paid: wire.Reply,
        kind: Kind,
        refund_no: str,
        amount_minor: int,
    ) -> bool:
        """Whether it is on its way. That it was taken on is no more than that: it is asked after,
        once; a repeated number was taken on before."""
        number = order_id(payment.order_no, refund_no)
        at = stamp(self._sent(flow, number))
        told = await self._ask(flow, stage, Back(kind, number, at, amount_minor, paid.query_id))
        if told.refused and told.resp_code != REPEATED:
            return False
        made = await self._query(flow, stage, number)
        if made is None or made.orig_resp_code in PENDING:
            raise Unreachable("nothing tells yet whether the money goes back")
        return made.orig_resp_code in GOOD and made.txn_amt in ("", str(amount_minor))

    async def _ask(self, flow: Flow, stage: str, asked: Asked) -> wire.Reply:
        return await flow.call(stage, wire.ask(self._at, asked, flow.world.clock.unix_s()))

    def _order(self, flow: Flow, payment: Payment) -> NewOrder:
        number, wish = order_id(payment.order_no), payment.wish
        sent_s = self._sent(flow, number)
        currency = CURRENCIES.get(wish.currency)
        if currency is None:
            raise ValueError(f"UnionPay's numbers of currencies have none for {wish.currency!r}")
        until = stamp(sent_s + GOOD_FOR_S)
        return NewOrder(number, stamp(sent_s), wish.amount_minor, currency, until)

    def _sent(self, flow: Flow, number: str) -> float:
        """When the transaction of that number was first sent, which is now for a new one."""
        sent_s = self._sent_s.setdefault(number, flow.world.clock.unix_s())
        if len(self._sent_s) > KEPT_TIMES:
            del self._sent_s[next(iter(self._sent_s))]
        return sent_s
