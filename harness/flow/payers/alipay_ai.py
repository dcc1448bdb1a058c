"""Paying by Alipay AI: signed by the app, approved by the user, believed when the notice comes.

It knows no wire format. There are no sessions. What the user's client answers is not believed to
be a payment, as Alipay says of its own: a signed notice of this app's order is, or a query.
"""

from collections import OrderedDict
from collections.abc import Callable

import httpx

from harness.flow.flow import Flow
from harness.flow.inbox import Inbox, Notice
from harness.flow.payers import Payment, Refund, Session, Settlement, Stale, sessionless
from harness.flow.payers.trades import give_back
from harness.flow.wish import Wish
from harness.providers import alipay_ai as wire
from harness.providers.alipay_ai import trade
from harness.providers.call import Call, Endpoint, Malformed, RateLimited, Unreachable, code_name
from harness.record import Outcome

NOTICE_PATIENCE_S = 10.0
"""How long the app waits for the notice before it asks."""

KEPT_ORDERS = 100_000
"""Of the newest; of an older one no notice is believed any more."""

_APPROVE = "approve"


class AlipayAi:
    """One app's client. It keeps the orders that it signed, as any of them may be told of at any
    time, and more than once."""

    good_end: Outcome = "paid"
    has_sessions = False

    def __init__(self, at: Endpoint, inbox: Inbox, approval_s: Callable[[float], float]) -> None:
        """`approval_s` is how long a person takes to approve, by their luck."""
        self._at = at
        self._approval_s = approval_s
        self._orders: OrderedDict[str, Wish] = OrderedDict()
        self._notify_url = inbox.register(wire.NAME, self._receive)

    async def start(self, flow: Flow) -> None:
        """The keys are there: nothing is fetched."""

    async def connect(self, flow: Flow) -> None:
        await flow.connect(wire.NAME, self._at)

    async def open_session(self, flow: Flow, user: str, method: str) -> Session:
        return sessionless(method)

    async def refresh_session(self, flow: Flow, user: str, session: Session) -> Session:
        return session

    async def authorize(self, flow: Flow, session: Session, payment: Payment) -> Settlement | Stale:
        order = self._signed(flow, payment)
        # Those who share a bill approve a leg each, and in their own time.
        leg = payment.order_no.removeprefix(payment.bill) if payment.bill else ""
        luck = flow.draw(_APPROVE, leg)
        await flow.person(_APPROVE, self._approval_s(luck))
        submit = wire.submit(self._at, order, payment.user, payment.wish.method)
        told = await flow.call("pay", submit)
        if isinstance(told, trade.Refusal):
            if told.sub_code in trade.DECLINES:
                return Settlement("declined")
            if told.sub_code != trade.PAID_BEFORE:
                raise Malformed(f"the order was refused: {code_name(told.sub_code)}")
        else:
            notice = await flow.notice(wire.NAME, payment.order_no, patience_s=NOTICE_PATIENCE_S)
            # One that tells of no end yet is no answer to how it ends.
            if notice is not None and notice.outcome != "unknown":
                return Settlement(notice.outcome, notice.fee_minor)
        try:
            settled = await self.query(flow, session, payment)
        except RateLimited:
            # It is the question that was turned away: whoever takes it for the payment would ask
            # the user to approve once more.
            settled = None
        if settled is None:
            raise Unreachable("neither a notice nor the query told how the payment stands")
        return settled

    async def query(self, flow: Flow, session: Session, payment: Payment) -> Settlement | None:
        asked = trade.Query(out_trade_no=payment.order_no)
        told = await flow.call("query", self._ask(flow, asked))
        if isinstance(told, trade.Refusal) or told.trade_status in ("", "WAIT_BUYER_PAY"):
            return None
        if told.total_amount != trade.yuan(payment.wish.amount_minor):
            raise Malformed("the trade is of another amount")
        # A closed trade that was never paid was declined; of one that was, the money is back.
        closed: Outcome = "refunded" if told.send_pay_date else "declined"
        outcome: Outcome = closed if told.trade_status == "TRADE_CLOSED" else "paid"
        return Settlement(outcome, trade.fee_minor(told))

    async def void(self, flow: Flow, session: Session, payment: Payment) -> bool:
        asked = trade.Cancel(out_trade_no=payment.order_no)
        told = await flow.call("reverse", self._ask(flow, asked))
        return isinstance(told, trade.Reply) and told.retry_flag == "N"

    async def refund(
        self, flow: Flow, session: Session, payment: Payment, refund: Refund
    ) -> Settlement | Stale:
        return await give_back(flow, self._ask, payment, refund)

    def _ask(self, flow: Flow, biz: trade.Biz) -> Call[trade.Reply | trade.Refusal]:
        return wire.ask(self._at, biz, trade.beijing(flow.world.clock.unix_s()))

    def _signed(self, flow: Flow, payment: Payment) -> str:
        wish = self._orders[payment.order_no] = payment.wish
        if len(self._orders) > KEPT_ORDERS:
            self._orders.popitem(last=False)
        order = trade.AppPay(
            out_trade_no=payment.order_no,
            total_amount=trade.yuan(wish.amount_minor),
            subject=f"Payment to {wish.payee}",
            seller_id=wish.payee,
            trans_currency="" if wish.currency == "CNY" else wish.currency,
            product_code="QUICK_MSECURITY_PAY",
        )
        with flow.step("sign"):
            timestamp = trade.beijing(flow.world.clock.unix_s())
            return wire.sign_order(self._at, order, timestamp, self._notify_url)

    def _receive(self, request: httpx.Request) -> tuple[Notice | None, httpx.Response]:
        """Believed only if Alipay signed it, and it is of an order that this app made, as it made
        it."""
        told = wire.decode_notice(self._at, request)
        if told is None or not self._is_ours(told):
            return None, wire.encode_receipt(False)
        notice = Notice(told.notify_id, told.out_trade_no, _outcome(told), trade.fee_minor(told))
        return notice, wire.encode_receipt(True)

    def _is_ours(self, told: trade.Notice) -> bool:
        wish = self._orders.get(told.out_trade_no)
        if wish is None:
            return False
        return (told.seller_id, told.total_amount) == (wish.payee, trade.yuan(wish.amount_minor))


def _outcome(told: trade.Notice) -> Outcome:
    if told.refund_fee:
        return "refunded"
    if told.trade_status in ("TRADE_SUCCESS", "TRADE_FINISHED"):
        return "paid"
    return "declined" if told.trade_status == "TRADE_CLOSED" else "unknown"
